/* The register table, limits, addresses, and the text of registers. The facts are in the .def files. */
#include "npu/regs/regs.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- the array ---- */

uint32_t npu_address(unsigned column, unsigned row, uint32_t offset)
{
    return (uint32_t)column << NPU_COLUMN_SHIFT | (uint32_t)row << NPU_ROW_SHIFT | offset;
}

void npu_address_split(uint32_t address, unsigned *column, unsigned *row, uint32_t *offset)
{
    *column = address >> NPU_COLUMN_SHIFT;
    *row = address >> NPU_ROW_SHIFT & ((1u << (NPU_COLUMN_SHIFT - NPU_ROW_SHIFT)) - 1);
    *offset = address & (NPU_TILE_BYTES - 1);
}

enum npu_tile_kind npu_tile_kind(unsigned row)
{
    return row == 0 ? NPU_TILE_SHIM : row == NPU_ROW_MEM ? NPU_TILE_MEM : NPU_TILE_CORE;
}

const char *npu_tile_kind_name(enum npu_tile_kind kind)
{
    static const char *const names[] = {"shim", "memory tile", "core"};
    return names[kind];
}

const struct npu_limits *npu_limits(enum npu_tile_kind kind)
{
    static const struct npu_limits limits[NPU_TILE_KINDS] = {
        [NPU_TILE_CORE] =
            {
#define LIMIT(member, core, mem, shim, meaning) .member = (core),
#include "npu/regs/limits.def"
#undef LIMIT
            },
        [NPU_TILE_MEM] =
            {
#define LIMIT(member, core, mem, shim, meaning) .member = (mem),
#include "npu/regs/limits.def"
#undef LIMIT
            },
        [NPU_TILE_SHIM] =
            {
#define LIMIT(member, core, mem, shim, meaning) .member = (uint32_t)(shim),
#include "npu/regs/limits.def"
#undef LIMIT
            },
    };
    return &limits[kind];
}

int npu_memory_bank(enum npu_tile_kind kind, uint32_t offset)
{
    switch (kind) {
    case NPU_TILE_CORE:
        return (int)(2 * (offset >> 14 & 3) + (offset >> 4 & 1));
    case NPU_TILE_MEM:
        return (int)(offset >> 4 & 15);
    default:
        return -1;
    }
}

/* ---- the tables ---- */

#define ANY NPU_WORD_ANY

static const struct npu_field fields[] = {
#define REG(K, NAME, offset, count, stride, words, reset)
#define FIELD(K, R, NAME, word, hi, lo)                      {#NAME, (word), (hi), (lo)},
#define BD(K, NAME, word, hi, lo, member, shift, bias, sign) {#NAME, (word), (hi), (lo)},
#include "npu/regs/regs.def"
#undef REG
#undef FIELD
#undef BD
};

/* Fields follow their register, so a register's first field is the number of the fields before it. The
 * enum counts both and FIRST_<register> stays one short of its first field. */
enum counter {
#define REG(K, NAME, offset, count, stride, words, reset)                                          \
    FIRST_##K##_##NAME, RESUME_##K##_##NAME = FIRST_##K##_##NAME - 1,
#define FIELD(K, R, NAME, word, hi, lo)                      COUNT_##K##_##R##_##NAME,
#define BD(K, NAME, word, hi, lo, member, shift, bias, sign) COUNT_##K##_DMA_BD_##NAME,
#include "npu/regs/regs.def"
#undef REG
#undef FIELD
#undef BD
    COUNT_END
};

static const struct npu_reg regs[] = {
#define REG(K, NAME, offset, count, stride, words, reset)                                          \
    {#NAME, NPU_TILE_##K, (offset), count, stride, words, reset, FIRST_##K##_##NAME, 0},
#define FIELD(K, R, NAME, word, hi, lo)
#define BD(K, NAME, word, hi, lo, member, shift, bias, sign)
#include "npu/regs/regs.def"
#undef REG
#undef FIELD
#undef BD
};

enum { N_REGS = sizeof regs / sizeof regs[0] };
_Static_assert((int)COUNT_END == (int)NPU_FIELDS, "every field has a register");

/* Number of the first field that is not the register's any more. */
static unsigned fields_end(const struct npu_reg *reg)
{
    size_t next = (size_t)(reg - regs) + 1;
    return next < N_REGS ? regs[next].first_field : NPU_FIELDS;
}

const struct npu_reg *npu_reg(unsigned number)
{
    return number < N_REGS ? &regs[number] : NULL;
}

const struct npu_field *npu_field(unsigned id)
{
    return id < NPU_FIELDS ? &fields[id] : NULL;
}

const struct npu_reg *npu_reg_find(enum npu_tile_kind kind, const char *name)
{
    for (size_t i = 0; i < N_REGS; i++) {
        if (regs[i].kind == kind && strcasecmp(regs[i].name, name) == 0) {
            return &regs[i];
        }
    }
    return NULL;
}

const struct npu_reg *npu_reg_at(enum npu_tile_kind kind, uint32_t offset, unsigned *index,
                                 unsigned *word)
{
    for (size_t i = 0; i < N_REGS; i++) {
        const struct npu_reg *r = &regs[i];
        if (r->kind != kind || offset < r->offset) {
            continue;
        }
        uint32_t at = offset - r->offset, n = at / r->stride;
        // Registers with gaps between them leave room for others (control and queue of a channel).
        if (n < r->count && at % r->stride < r->words * 4) {
            *index = n;
            *word = at % r->stride / 4;
            return r;
        }
    }
    return NULL;
}

uint32_t npu_field_mask(unsigned id)
{
    const struct npu_field *f = &fields[id];
    return (uint32_t)(((uint64_t)1 << (f->hi - f->lo + 1)) - 1) << f->lo;
}

uint32_t npu_field_get(unsigned id, uint32_t word)
{
    return (word & npu_field_mask(id)) >> fields[id].lo;
}

uint32_t npu_field_put(unsigned id, uint32_t word, uint32_t value)
{
    uint32_t mask = npu_field_mask(id);
    return (word & ~mask) | (value << fields[id].lo & mask);
}

/* ---- text ---- */

/* Appends at *used, which counts what would have been written. */
static void append(char *dst, size_t size, int *used, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void append(char *dst, size_t size, int *used, const char *fmt, ...)
{
    va_list args;
    size_t at = (size_t)*used < size ? (size_t)*used : size;
    va_start(args, fmt);
    int n = vsnprintf(size > at ? dst + at : NULL, size - at, fmt, args);
    va_end(args);
    *used += n;
}

/* A name of the table in lower case. */
static void append_name(char *dst, size_t size, int *used, const char *name)
{
    for (; *name; name++) {
        append(dst, size, used, "%c", tolower((unsigned char)*name));
    }
}

static void append_port(char *dst, size_t size, int *used, const struct npu_reg *reg,
                        unsigned index)
{
    enum npu_bundle bundle;
    unsigned channel;
    enum npu_side side = strcmp(reg->name, "SS_MASTER") == 0 ? NPU_MASTER : NPU_SLAVE;
    bool is_port = side == NPU_MASTER || strcmp(reg->name, "SS_SLAVE") == 0 ||
                   strcmp(reg->name, "SS_SLOT") == 0;
    if (is_port && npu_port_at(reg->kind, side, index, &bundle, &channel)) {
        append(dst, size, used, " (%s %u)", npu_bundle_name(bundle), channel);
    }
}

int npu_reg_print(char *dst, size_t size, enum npu_tile_kind kind, uint32_t offset)
{
    int used = 0;
    unsigned index, word;
    const struct npu_reg *r = npu_reg_at(kind, offset, &index, &word);
    if (!r) {
        append(dst, size, &used, "0x%05x", offset);
        return used;
    }
    append_name(dst, size, &used, r->name);
    if (r->stride == 4 && r->count >= 4096) { // a memory
        append(dst, size, &used, "+0x%x", index * 4);
        return used;
    }
    if (r->count > 1) {
        append(dst, size, &used, "[%u]", index);
    }
    if (r->words > 1) {
        append(dst, size, &used, ".word%u", word);
    }
    if (offset & 3) {
        append(dst, size, &used, "+%u", offset & 3);
    }
    append_port(dst, size, &used, r, index);
    return used;
}

int npu_reg_print_fields(char *dst, size_t size, enum npu_tile_kind kind, uint32_t offset,
                         uint32_t value, uint32_t mask)
{
    int used = 0;
    unsigned index, word;
    const struct npu_reg *r = npu_reg_at(kind, offset, &index, &word);
    if (size) {
        dst[0] = 0;
    }
    for (unsigned id = r ? r->first_field : NPU_FIELDS; id < (r ? fields_end(r) : 0); id++) {
        const struct npu_field *f = &fields[id];
        bool whole = f->hi == 31 && f->lo == 0 && strcmp(f->name, "VALUE") == 0;
        if ((f->word != word && f->word != ANY) || whole || !(npu_field_mask(id) & mask)) {
            continue;
        }
        append(dst, size, &used, used ? " " : "");
        append_name(dst, size, &used, f->name);
        append(dst, size, &used, "=%u", npu_field_get(id, value));
    }
    return used;
}
