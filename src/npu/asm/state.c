/* Sections, symbols, bytes and messages of a file being assembled. */
#include "npu/asm/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* ---- messages ---- */

int asm_pass_error(struct assembler *a, const struct sotto_diag *d)
{
    if (a->n_errors++ == 0 && a->diag) {
        *a->diag = *d;
    }
    if (a->options && a->options->on_error) {
        a->options->on_error(a->options->user, d);
    }
    return SOTTO_ESYNTAX;
}

static int report(struct assembler *a, int line, int column, const char *fmt, va_list args)
{
    char text[sizeof((struct sotto_diag *)0)->text];
    struct sotto_diag d = {0};
    vsnprintf(text, sizeof text, fmt, args);
    diag_set_at(&d, SOTTO_ESYNTAX, a->file, line, column, "%s", text);
    return asm_pass_error(a, &d);
}

int asm_error(struct assembler *a, int column, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report(a, a->line, column, fmt, args);
    va_end(args);
    return SOTTO_ESYNTAX;
}

int asm_error_at(struct assembler *a, int line, int column, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report(a, line, column, fmt, args);
    va_end(args);
    return SOTTO_ESYNTAX;
}

int asm_no_memory(struct assembler *a)
{
    a->no_memory = true;
    return diag_set_at(a->diag, SOTTO_ENOMEM, a->file, a->line, 0, "Out of memory assembling %s.",
                       a->file);
}

/* ---- growing ---- */

int asm_grow(struct assembler *a, void *array, unsigned n, size_t size)
{
    void *old, *grown;
    memcpy(&old, array, sizeof old);
    if (n & (n - 1)) {
        return SOTTO_OK;
    }
    grown = n >> 28 ? NULL : mem_grow(old, n, n ? 2 * (size_t)n : 1, size);
    if (!grown) {
        return asm_no_memory(a);
    }
    memcpy(array, &grown, sizeof grown);
    return SOTTO_OK;
}

static char *copy_name(struct assembler *a, struct text_name name)
{
    char *copy = mem_alloc(name.length + 1, 1);
    if (!copy) {
        asm_no_memory(a);
        return NULL;
    }
    memcpy(copy, name.name, name.length);
    copy[name.length] = 0;
    return copy;
}

/* ---- symbols ---- */

static unsigned hash(const char *name, size_t length)
{
    unsigned h = 2166136261u; // FNV-1a
    for (size_t i = 0; i < length; i++) {
        h = (h ^ (unsigned char)name[i]) * 16777619u;
    }
    return h;
}

static bool is_called(const char *have, struct text_name name)
{
    return strncmp(have, name.name, name.length) == 0 && have[name.length] == 0;
}

/* Place of the name in the table, or the free one where it belongs. */
static unsigned table_place(const struct assembler *a, struct text_name name)
{
    unsigned at = hash(name.name, name.length) & (a->table_size - 1);
    while (a->table[at] && !is_called(a->symbols[a->table[at] - 1].name, name)) {
        at = (at + 1) & (a->table_size - 1);
    }
    return at;
}

int asm_symbol_find(const struct assembler *a, struct text_name name)
{
    return a->table_size ? a->table[table_place(a, name)] - 1 : -1;
}

static int grow_table(struct assembler *a)
{
    unsigned size = a->table_size ? 2 * a->table_size : 256;
    int *table = mem_calloc(size, sizeof *table);
    if (!table) {
        return asm_no_memory(a);
    }
    mem_free(a->table);
    a->table = table;
    a->table_size = size;
    for (unsigned i = 0; i < a->n_symbols; i++) {
        const char *name = a->symbols[i].name;
        a->table[table_place(a, (struct text_name){name, strlen(name)})] = (int)i + 1;
    }
    return SOTTO_OK;
}

int asm_symbol_get(struct assembler *a, struct text_name name)
{
    int found = asm_symbol_find(a, name);
    if (found >= 0) {
        return found;
    }
    if ((2 * a->n_symbols >= a->table_size && grow_table(a)) ||
        asm_grow(a, &a->symbols, a->n_symbols, sizeof *a->symbols)) {
        return -1;
    }
    char *copy = copy_name(a, name);
    if (!copy) {
        return -1;
    }
    a->symbols[a->n_symbols] =
        (struct asm_symbol){.name = copy, .section = ASM_NO_SECTION, .bind = NPU_BIND_LOCAL};
    a->table[table_place(a, name)] = (int)a->n_symbols + 1;
    return (int)a->n_symbols++;
}

int asm_symbol_define(struct assembler *a, int symbol, int section, int64_t value, int column)
{
    struct asm_symbol *s = &a->symbols[symbol];
    if (s->section != ASM_NO_SECTION || s->common_align) {
        return asm_error(a, column, "symbol '%s' is already defined in line %d", s->name, s->line);
    }
    s->section = section;
    s->value = value;
    s->line = a->line;
    return SOTTO_OK;
}

int asm_symbol_use(struct assembler *a, struct text_name name)
{
    char here[32];
    if (name.length == 0) {
        return -1;
    }
    bool is_here = name.length == 1 && name.name[0] == '.';
    if (is_here) {
        name.length = (size_t)snprintf(here, sizeof here, ".L.here%u", a->n_here++);
        name.name = here;
    }
    int symbol = asm_symbol_get(a, name);
    if (symbol < 0) {
        return -2;
    }
    if (is_here) {
        asm_symbol_define(a, symbol, a->section, a->sections[a->section].size, 0);
    }
    return symbol;
}

/* ---- sections ---- */

int asm_section_get(struct assembler *a, struct text_name name, int64_t unique, bool *is_new)
{
    *is_new = false;
    for (unsigned i = 0; i < a->n_sections; i++) {
        if (a->sections[i].unique == unique && is_called(a->sections[i].name, name)) {
            return (int)i;
        }
    }
    *is_new = true;
    if (asm_grow(a, &a->sections, a->n_sections, sizeof *a->sections)) {
        return -1;
    }
    char *copy = copy_name(a, name);
    if (!copy) {
        return -1;
    }
    a->sections[a->n_sections] =
        (struct asm_section){.name = copy, .type = NPU_SHT_PROGBITS, .align = 1, .unique = unique};
    return (int)a->n_sections++;
}

int asm_emit(struct assembler *a, const void *bytes, size_t n, int column)
{
    struct asm_section *s = &a->sections[a->section];
    if (n > ASM_SECTION_BYTES_MAX - s->size) {
        return asm_error(a, column, "section %s grows beyond 1 MiB here", s->name);
    }
    if (s->type == NPU_SHT_NOBITS) {
        if (bytes) {
            return asm_error(a, column, "section %s holds no bytes in the file, only .space",
                             s->name);
        }
        s->size += (uint32_t)n;
        return SOTTO_OK;
    }
    if (n > s->capacity - s->size) {
        uint32_t capacity = s->capacity ? 2 * s->capacity : 256;
        while (capacity - s->size < n) {
            capacity *= 2;
        }
        uint8_t *grown = mem_grow(s->bytes, s->size, capacity, 1);
        if (!grown) {
            return asm_no_memory(a);
        }
        s->bytes = grown;
        s->capacity = capacity;
    }
    if (bytes && n) {
        memcpy(s->bytes + s->size, bytes, n);
    } else if (n) {
        memset(s->bytes + s->size, 0, n);
    }
    s->size += (uint32_t)n;
    return SOTTO_OK;
}

/* Which nops fill a gap of n bytes. Source: Xilinx/llvm-aie, AIE2AsmBackend.cpp, writeNopData. */
static unsigned nop_slots(size_t n)
{
    enum {
        A = 1 << ISA_SLOT_LDA,
        B = 1 << ISA_SLOT_LDB,
        S = 1 << ISA_SLOT_ST,
        X = 1 << ISA_SLOT_ALU,
        M = 1 << ISA_SLOT_MV,
        XM = 1 << ISA_SLOT_LNG,
        V = 1 << ISA_SLOT_VEC,
    };
    static const uint8_t slots[8] = {
        0, 1 << ISA_SLOT_NOP, X, XM, S | M, A | B | M, S | B | X | M, A | S | M | V};
    return n >= ISA_BUNDLE_MAX ? A | B | S | XM | V : slots[n / 2];
}

void asm_nops(uint8_t *bytes, size_t n)
{
    static const uint16_t nops[ISA_SLOT_COUNT] = {ISA_INSN_NOPX,  ISA_INSN_NOPA, ISA_INSN_NOPB,
                                                  ISA_INSN_NOPXM, ISA_INSN_NOPM, ISA_INSN_NOPS,
                                                  ISA_INSN_NOPV,  ISA_INSN_NOP};
    while (n >= 2) {
        struct isa_bundle b;
        uint8_t code[ISA_BUNDLE_MAX];
        memset(&b, 0, sizeof b);
        b.slots = (uint8_t)nop_slots(n);
        for (unsigned slot = 0; slot < ISA_SLOT_COUNT; slot++) {
            b.op[slot].insn = nops[slot];
        }
        int size = isa_encode(&b, code, NULL);
        memcpy(bytes, code, (size_t)size);
        bytes += size;
        n -= (size_t)size;
    }
}

int asm_align(struct assembler *a, uint32_t align, uint8_t fill, uint32_t most, int column)
{
    struct asm_section *s = &a->sections[a->section];
    uint32_t n = (0 - s->size) & (align - 1);
    uint8_t chunk[256];
    s->align = s->align > align ? s->align : align;
    if (n > most) {
        return SOTTO_OK;
    }
    bool code = s->flags & NPU_SHF_EXEC;
    if (code && (n & 1)) {
        return asm_error(a, column, "nops cannot fill %u bytes: the place is odd", n);
    }
    while (n > 0) {
        size_t part = n < sizeof chunk ? n : sizeof chunk;
        memset(chunk, fill, sizeof chunk);
        if (code) {
            asm_nops(chunk, part);
        }
        int err = asm_emit(a, s->type == NPU_SHT_NOBITS ? NULL : chunk, part, column);
        if (err) {
            return err;
        }
        n -= (uint32_t)part;
    }
    return SOTTO_OK;
}

int asm_add_fixup(struct assembler *a, const struct asm_fixup *fixup)
{
    if (asm_grow(a, &a->fixups, a->n_fixups, sizeof *a->fixups)) {
        return SOTTO_ENOMEM;
    }
    a->fixups[a->n_fixups++] = *fixup;
    return SOTTO_OK;
}

int asm_add_line(struct assembler *a)
{
    if (asm_grow(a, &a->lines, a->n_lines, sizeof *a->lines)) {
        return SOTTO_ENOMEM;
    }
    a->lines[a->n_lines++] = (struct asm_line){a->section, a->sections[a->section].size, a->line};
    return SOTTO_OK;
}
