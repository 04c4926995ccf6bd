/* Shared inside the assembler (asm.c, directives.c, state.c, finish.c): what it knows of a file so far. */
#ifndef NPU_ASM_STATE_H
#define NPU_ASM_STATE_H

#include "npu/asm/asm.h"
#include "npu/asm/text.h"

enum {
    ASM_SECTION_BYTES_MAX = 1 << 20, // the address space of the core
    ASM_RELOC_DATA = 50,             // what llvm-aie writes for `.word symbol`
    ASM_NO_SECTION = -1,             // of a symbol: not defined
    ASM_NUMBER = -2,                 // of a symbol: a number, in no section
};

struct asm_section {
    char *name;
    uint32_t type, flags, align, entry_size;
    int64_t unique; // sections of one name are told apart by it; -1: the ordinary one
    uint8_t *bytes; // NULL in NOBITS
    uint32_t size, capacity;
    bool stated; // its type and flags were given
    bool has_base;
    uint32_t base;
};

struct asm_symbol {
    char *name;
    int section; // or ASM_NO_SECTION, ASM_NUMBER
    int64_t value;
    int64_t size;
    uint32_t common_align; // not 0: `.comm`
    uint8_t bind, type;
    bool used;   // a relocation refers to it
    bool stated; // its binding was given
    int line;    // of the definition
    int image;   // number in the image
};

/* Bytes that wait for symbols: number + plus - minus. */
struct asm_fixup {
    int section;
    uint32_t offset;
    int plus, minus; // symbols, -1: none
    int64_t number;
    int16_t reloc; // R_AIE_; -1: plain data of `size` bytes
    uint8_t size;
    bool kept; // `.reloc`: stays a relocation
    int line, column;
};

/* `.size` waits for labels, too. */
struct asm_size {
    int symbol, plus, minus;
    int64_t number;
    int line, column;
};

struct asm_line {
    int section;
    uint32_t offset;
    int line;
};

struct assembler {
    const char *file;
    const struct asm_options *options;
    struct sotto_diag *diag;
    int line; // of the statement
    unsigned n_errors;
    bool no_memory;

    struct asm_section *sections;
    struct asm_symbol *symbols;
    struct asm_fixup *fixups;
    struct asm_size *sizes;
    struct asm_line *lines;
    unsigned n_sections, n_symbols, n_fixups, n_sizes, n_lines;
    int *table; // hash of names: symbol + 1
    unsigned table_size;
    int section; // the current one
    int entry;   // symbol of `.entry`, -1: none
    int64_t entry_number;
    unsigned n_here; // symbols made for "."
};

/* Reports an error at a column of line a->line (or of another). Returns ESYNTAX. */
int asm_error(struct assembler *a, int column, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int asm_error_at(struct assembler *a, int line, int column, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Passes an error on that was already put into words. */
int asm_pass_error(struct assembler *a, const struct sotto_diag *d);
int asm_no_memory(struct assembler *a);

/* Number of the symbol, made if it is new; -1: out of memory. */
int asm_symbol_get(struct assembler *a, struct text_name name);
int asm_symbol_find(const struct assembler *a, struct text_name name); // -1: there is none
/* Defines a symbol at a place, or reports that it already is somewhere. */
int asm_symbol_define(struct assembler *a, int symbol, int section, int64_t value, int column);
/* The symbol of a name in an expression; "." becomes a label here, an empty name -1. -2: no memory. */
int asm_symbol_use(struct assembler *a, struct text_name name);

int asm_section_get(struct assembler *a, struct text_name name, int64_t unique, bool *is_new);
/* Appends n bytes (NULL: zeros) to the current section. */
int asm_emit(struct assembler *a, const void *bytes, size_t n, int column);
/* Fills with nops (code) or `fill` up to a multiple of align, unless that takes more than `most`. */
int asm_align(struct assembler *a, uint32_t align, uint8_t fill, uint32_t most, int column);
/* Nops for n bytes, n even. */
void asm_nops(uint8_t *bytes, size_t n);

int asm_add_fixup(struct assembler *a, const struct asm_fixup *fixup);
/* The next bytes come from this line. */
int asm_add_line(struct assembler *a);
/* One more place in an array whose count is n. */
int asm_grow(struct assembler *a, void *array, unsigned n, size_t size);

/* A statement that starts with a dot; the scan stands behind its name. */
int asm_directive(struct assembler *a, struct text_name name, struct scan *s);
/* `name = expression`, `.set name, expression`. */
int asm_assign(struct assembler *a, struct text_name name, struct scan *s, int column);

/* The end: sizes, fixups, the image. */
int asm_finish(struct assembler *a, struct npu_image **out);

#endif
