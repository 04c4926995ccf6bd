/* Buffer descriptors: the rows BD of regs.def say which bits hold which member. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "npu/regs/regs.h"

struct member {
    const char *text; // C name of the member
    uint16_t offset, size;
    enum npu_tile_kind kind;
    uint16_t field;
    uint8_t word, hi, lo;
    uint8_t shift, bias, sign;
};

static const struct member members[] = {
#define REG(K, NAME, offset, count, stride, words, reset)
#define FIELD(K, R, NAME, word, hi, lo)
#define BD(K, NAME, word, hi, lo, member, shift, bias, sign)                                       \
    {#member,                                                                                      \
     offsetof(struct npu_bd, member),                                                              \
     sizeof((struct npu_bd){0}.member),                                                            \
     NPU_TILE_##K,                                                                                 \
     NPU_F_##K##_DMA_BD_##NAME,                                                                    \
     word,                                                                                         \
     hi,                                                                                           \
     lo,                                                                                           \
     shift,                                                                                        \
     bias,                                                                                         \
     sign},
#include "npu/regs/regs.def"
#undef REG
#undef FIELD
#undef BD
};

enum { N_MEMBERS = sizeof members / sizeof members[0] };

/* Nothing but members: two descriptors are equal if their bytes are. */
_Static_assert(sizeof(struct npu_bd) == 8 + 36 * 4, "no padding in struct npu_bd");

static uint64_t load(const struct npu_bd *bd, const struct member *m)
{
    uint64_t wide;
    uint32_t narrow;
    if (m->size == sizeof wide) {
        memcpy(&wide, (const char *)bd + m->offset, sizeof wide);
        return wide;
    }
    memcpy(&narrow, (const char *)bd + m->offset, sizeof narrow);
    return narrow;
}

static void store(struct npu_bd *bd, const struct member *m, uint64_t value)
{
    uint32_t narrow = (uint32_t)value;
    memcpy((char *)bd + m->offset, m->size == sizeof value ? (void *)&value : (void *)&narrow,
           m->size);
}

void npu_bd_unpack(enum npu_tile_kind kind, const uint32_t *words, struct npu_bd *bd)
{
    memset(bd, 0, sizeof *bd);
    for (size_t i = 0; i < N_MEMBERS; i++) {
        const struct member *m = &members[i];
        if (m->kind != kind) {
            continue;
        }
        uint64_t value = npu_field_get(m->field, words[m->word]);
        unsigned bits = (unsigned)(m->hi - m->lo + 1);
        if (m->sign && value >> (bits - 1)) {
            value |= ~(uint64_t)0 << bits;
        }
        store(bd, m, load(bd, m) | ((value + m->bias) << m->shift));
    }
}

/* Zero steps and counts of one mean the same; only the kind's own members. */
static void fill_defaults(enum npu_tile_kind kind, struct npu_bd *bd)
{
    for (size_t i = 0; i < N_MEMBERS; i++) {
        const struct member *m = &members[i];
        if (m->kind == kind && m->bias && load(bd, m) == 0) {
            store(bd, m, m->bias);
        }
    }
}

/* The member in which two descriptors differ. */
static const struct member *difference(const struct npu_bd *a, const struct npu_bd *b)
{
    for (size_t i = 0; i < N_MEMBERS; i++) {
        if (load(a, &members[i]) != load(b, &members[i])) {
            return &members[i];
        }
    }
    return &members[0];
}

static int does_not_fit(enum npu_tile_kind kind, const struct member *m, uint64_t value,
                        struct sotto_diag *diag)
{
    unsigned bits = 0, shift = 0;
    for (size_t i = 0; i < N_MEMBERS; i++) {
        if (members[i].kind == kind && members[i].offset == m->offset) {
            unsigned top = (unsigned)(members[i].hi - members[i].lo + 1 + members[i].shift);
            bits = top > bits ? top : bits;
            shift = !shift || members[i].shift < shift ? members[i].shift : shift;
            m = &members[i];
        }
    }
    if (!bits) {
        return diag_set(diag, SOTTO_EINVAL, NULL, "A %s descriptor has no %s (%lld is asked for).",
                        npu_tile_kind_name(kind), m->text, (long long)value);
    }
    if (m->sign) {
        return diag_set(diag, SOTTO_EINVAL, NULL,
                        "A %s descriptor's %s is %d; it goes from %lld to %lld.",
                        npu_tile_kind_name(kind), m->text, (int)value, -(1ll << (bits - 1)),
                        (1ll << (bits - 1)) - 1);
    }
    if (shift && value % (1u << shift) != 0) {
        return diag_set(diag, SOTTO_EINVAL, NULL,
                        "A %s descriptor's %s is 0x%llx, which is not a multiple of %u.",
                        npu_tile_kind_name(kind), m->text, (unsigned long long)value, 1u << shift);
    }
    return diag_set(diag, SOTTO_EINVAL, NULL, "A %s descriptor's %s is %llu; it goes to %llu.",
                    npu_tile_kind_name(kind), m->text, (unsigned long long)value,
                    (unsigned long long)((1ull << bits) - 1 + m->bias));
}

int npu_bd_pack(enum npu_tile_kind kind, const struct npu_bd *bd, uint32_t *words,
                struct sotto_diag *diag)
{
    uint32_t packed[NPU_BD_WORDS] = {0};
    struct npu_bd wanted = *bd, back;
    fill_defaults(kind, &wanted);
    for (size_t i = 0; i < N_MEMBERS; i++) {
        const struct member *m = &members[i];
        if (m->kind == kind) {
            uint64_t value = (load(&wanted, m) - m->bias) >> m->shift;
            packed[m->word] = npu_field_put(m->field, packed[m->word], (uint32_t)value);
        }
    }
    // What does not come back did not fit.
    npu_bd_unpack(kind, packed, &back);
    if (memcmp(&wanted, &back, sizeof back) != 0) {
        const struct member *m = difference(&wanted, &back);
        return does_not_fit(kind, m, load(&wanted, m), diag);
    }
    memcpy(words, packed, npu_limits(kind)->bd_words * sizeof *words);
    return SOTTO_OK;
}

/* ---- text ---- */

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

/* "[64:1 32:64 :2048]": count and step of each dimension, lowest first. */
static void append_pattern(char *dst, size_t size, int *used, enum npu_tile_kind kind,
                           const struct npu_bd *bd)
{
    unsigned dims = npu_limits(kind)->bd_dims;
    while (dims > 1 && bd->step[dims - 1] <= 1 && bd->wrap[dims - 2] == 0) {
        dims--;
    }
    if (dims == 1 && bd->step[0] <= 1) {
        return;
    }
    append(dst, size, used, ", pattern [");
    for (unsigned d = 0; d < dims; d++) {
        append(dst, size, used, d ? " " : "");
        if (d < 3 && bd->wrap[d]) {
            append(dst, size, used, "%u", bd->wrap[d]);
        }
        append(dst, size, used, ":%u", bd->step[d]);
    }
    append(dst, size, used, "]");
}

static void append_padding(char *dst, size_t size, int *used, const struct npu_bd *bd)
{
    for (int d = 0; d < 3; d++) {
        if (bd->zero_before[d] || bd->zero_after[d]) {
            append(dst, size, used, ", zeros in dimension %d: %u before, %u after", d,
                   bd->zero_before[d], bd->zero_after[d]);
        }
    }
}

static void append_bus(char *dst, size_t size, int *used, const struct npu_bd *bd)
{
    append(dst, size, used, ", burst %u, axcache %u", 64u << (bd->burst & 3), bd->axcache);
    if (bd->axqos || bd->smid || bd->secure) {
        append(dst, size, used, ", axqos %u, smid %u%s", bd->axqos, bd->smid,
               bd->secure ? ", secure" : "");
    }
}

int npu_bd_print(char *dst, size_t size, enum npu_tile_kind kind, const struct npu_bd *bd)
{
    int used = 0;
    append(dst, size, &used, "%s%u words at 0x%llx", bd->valid ? "" : "not valid, ", bd->length,
           (unsigned long long)bd->address);
    append_pattern(dst, size, &used, kind, bd);
    if (bd->iteration_wrap > 1 || bd->iteration_step > 1 || bd->iteration_current) {
        append(dst, size, &used, ", %u iterations of step %u, at %u", bd->iteration_wrap,
               bd->iteration_step, bd->iteration_current);
    }
    append_padding(dst, size, &used, bd);
    if (bd->packet_enable) {
        append(dst, size, &used, ", packet id %u type %u", bd->packet_id, bd->packet_type);
    }
    if (bd->acquire_enable) {
        append(dst, size, &used, ", acquire lock %u %s %d", bd->acquire_lock,
               bd->acquire_value < 0 ? ">=" : "==",
               bd->acquire_value < 0 ? -bd->acquire_value : bd->acquire_value);
    }
    if (bd->release_value) {
        append(dst, size, &used, ", release lock %u %+d", bd->release_lock, bd->release_value);
    }
    if (bd->use_next_bd) {
        append(dst, size, &used, ", then descriptor %u", bd->next_bd);
    }
    append(dst, size, &used, "%s%s", bd->compression ? ", compressed" : "",
           bd->tlast_suppress ? ", no TLAST" : "");
    if (kind == NPU_TILE_SHIM) {
        append_bus(dst, size, &used, bd);
    }
    return used;
}
