/*
 * Objects become one image for a core: sections are given addresses, symbols resolved, relocations done.
 *
 *     address 0         code: the entry's section, then the others in the order given; 16 KiB
 *     0x70000           stack, then data: .rodata, .data, others, .bss; up to 0x7ffff
 *
 * Symbols made here: __stack_start, __stack_end, __data_start, __data_end, __bss_start, __bss_end,
 * __text_end; a definition in an object wins. Sections that are not ALLOC are dropped, but the line table.
 */
#ifndef NPU_ASM_LINK_H
#define NPU_ASM_LINK_H

#include "npu/elf/elf.h"

struct link_name {
    const char *name;
    uint32_t value;
};

struct link_options {
    const char *entry;               // symbol; NULL: __start, then _start, if there is one
    uint32_t stack;                  // bytes at NPU_DATA_OWN
    uint32_t data;                   // where data starts; 0: behind the stack
    const struct link_name *places;  // sections of this name go there
    const struct link_name *defines; // symbols of this value
    unsigned n_places, n_defines;
    void *user;
    void (*on_error)(void *user, const struct sotto_diag *error); // each error; NULL: none
};

void link_options_init(struct link_options *options); // stack 1024, the rest empty

/* Links; `objects` are borrowed until return. Errors are reported as asm_text does; they name the object
 * and, where its line table knows, the source line. Errors: ESYNTAX, NOMEM, INVAL (an object is an image). */
int link_objects(struct npu_image **out, const struct npu_image *const *objects, unsigned n_objects,
                 const char *name, const struct link_options *options, struct sotto_diag *diag);

/* What went where, for people. *text is NUL-terminated and the caller's (mem_free). */
int link_map(const struct npu_image *image, char **text, struct sotto_diag *diag);

#endif
