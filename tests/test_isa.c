/*
 * npu/isa: vectors made by a separate program (golden/isa_*.def) in both directions, round trips of
 * every row with operands at their edges and at random, and what must hold of the tables.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "npu/isa/impl.h"

enum { ROUNDS = 200 };

static const struct {
    const char *row;
    uint64_t word;
    const char *text;
} words[] = {
#define WORD(row, word, text) {#row, word, text},
#include "golden/isa_words.def"
};

static const struct {
    const char *format, *hex, *text;
} bundles[] = {
#define BUNDLE(format, hex, text) {#format, hex, text},
#include "golden/isa_bundles.def"
};

enum { N_WORDS = sizeof words / sizeof words[0], N_BUNDLES = sizeof bundles / sizeof bundles[0] };

static unsigned from_hex(const char *hex, uint8_t bytes[ISA_BUNDLE_MAX])
{
    unsigned n = (unsigned)strlen(hex) / 2;
    for (unsigned i = 0; i < n; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return n;
}

static void test_word_vectors(void **state)
{
    (void)state;
    assert_int_equal(N_WORDS, ISA_INSN_COUNT);
    assert_int_equal(ISA_INSN_COUNT, 607);
    for (unsigned i = 0; i < N_WORDS; i++) {
        struct isa_op op;
        bool canonical = false;
        uint64_t back = 0;
        char text[ISA_TEXT_MAX];
        unsigned id = 0;
        while (strcmp(isa_insn(id)->name, words[i].row) != 0) {
            id++;
            assert_non_null(isa_insn(id)); // a vector without a row
        }
        assert_int_equal(isa_op_decode(isa_insn(id)->slot, words[i].word, &op, &canonical), 0);
        assert_int_equal(op.insn, id);
        assert_true(canonical);
        isa_op_print(&op, text, sizeof text);
        assert_string_equal(text, words[i].text);
        assert_int_equal(isa_op_encode(&op, &back, NULL), 0);
        assert_int_equal(back, words[i].word);
    }
}

static void test_bundle_vectors(void **state)
{
    (void)state;
    assert_int_equal(N_BUNDLES, ISA_FORMAT_COUNT);
    for (unsigned i = 0; i < N_BUNDLES; i++) {
        uint8_t bytes[ISA_BUNDLE_MAX], back[ISA_BUNDLE_MAX];
        struct isa_bundle b;
        struct sotto_diag diag = {0};
        char text[ISA_TEXT_MAX];
        int n = (int)from_hex(bundles[i].hex, bytes);
        assert_int_equal(isa_decode(bytes, (size_t)n, &b, &diag), n);
        assert_int_equal(b.size, n);
        assert_true(b.canonical);
        assert_string_equal(isa_format_of(b.slots)->name, bundles[i].format);
        assert_int_equal(isa_print(&b, text, sizeof text), strlen(bundles[i].text));
        assert_string_equal(text, bundles[i].text);
        assert_int_equal(isa_encode(&b, back, &diag), n);
        assert_memory_equal(back, bytes, (size_t)n);
        assert_int_equal(isa_decode(bytes, (size_t)n - 1, &b, &diag), SOTTO_EINVAL);
        assert_contains(diag.text, "bytes");
    }
}

/* An operand's value: edge 0 is the lowest, 1 the highest, else random. */
static int32_t pick(const struct isa_operand *o, int edge, uint64_t *seed)
{
    int64_t min, max, step;
    if (isa_imm_range(o, &min, &max, &step)) {
        uint64_t n = (uint64_t)((max - min) / step) + 1;
        uint64_t r = (uint64_t)test_random(seed) << 32 | test_random(seed);
        return (int32_t)(edge == 0 ? min : edge == 1 ? max : min + (int64_t)(r % n) * step);
    }
    if (o->kind != ISA_KIND_REG) {
        return 0;
    }
    int start = edge == 0   ? 1
                : edge == 1 ? ISA_REG_COUNT - 1
                            : (int)(test_random(seed) % ISA_REG_COUNT);
    int direction = edge == 1 ? ISA_REG_COUNT - 1 : 1;
    for (int i = 0; i < ISA_REG_COUNT; i++) {
        int reg = (start + i * direction) % ISA_REG_COUNT;
        if (isa_reg_in(o->name, reg)) {
            return reg;
        }
    }
    fail_msg("an empty register class");
    return 0;
}

static void random_op(unsigned id, int edge, uint64_t *seed, struct isa_op *op)
{
    memset(op, 0, sizeof *op);
    op->insn = (uint16_t)id;
    for (unsigned k = 0; isa_insn(id)->operands[k].kind; k++) {
        op->value[k] = pick(&isa_insn(id)->operands[k], edge, seed);
    }
}

static void test_rows_round_trip(void **state)
{
    (void)state;
    uint64_t seed = 5;
    unsigned done = 0;
    for (unsigned id = 0; id < ISA_INSN_COUNT; id++) {
        for (int round = 0; round < ROUNDS; round++, done++) {
            struct isa_op op, back;
            struct sotto_diag diag = {0};
            uint64_t word = ~0ull;
            bool canonical = false;
            char text[ISA_TEXT_MAX];
            random_op(id, round, &seed, &op);
            assert_ok(isa_op_encode(&op, &word, &diag), &diag);
            assert_ok(isa_op_decode(isa_insn(id)->slot, word, &back, &canonical), NULL);
            assert_true(canonical);
            assert_memory_equal(&op, &back, sizeof op);
            assert_true(isa_op_print(&op, text, sizeof text) > 0);
            assert_null(strchr(text, '$'));
        }
    }
    print_message("%u rows, %u round trips\n", ISA_INSN_COUNT, done);
}

static void random_bundle(const struct isa_format *f, uint64_t *seed, struct isa_bundle *b)
{
    memset(b, 0, sizeof *b);
    b->slots = (uint8_t)isa_format_slots(f);
    for (unsigned i = 0; i < f->count; i++) {
        unsigned id;
        do {
            id = test_random(seed) % ISA_INSN_COUNT;
        } while (isa_insn(id)->slot != f->slots[i].slot);
        random_op(id, 2, seed, &b->op[f->slots[i].slot]);
    }
    b->size = f->bytes;
    b->canonical = true;
}

static void test_formats_round_trip(void **state)
{
    (void)state;
    uint64_t seed = 6;
    for (unsigned i = 0; i < ISA_FORMAT_COUNT; i++) {
        for (int round = 0; round < ROUNDS; round++) {
            struct isa_bundle b, back;
            struct sotto_diag diag = {0};
            uint8_t bytes[ISA_BUNDLE_MAX];
            random_bundle(isa_format(i), &seed, &b);
            assert_int_equal(isa_encode(&b, bytes, &diag), isa_format(i)->bytes);
            assert_int_equal(isa_decode(bytes, b.size, &back, &diag), b.size);
            assert_memory_equal(&b, &back, sizeof b);
        }
    }
}

/* Any bytes decode or fail; what decodes says rightly whether it encodes to the same bytes. */
static void test_random_bytes(void **state)
{
    (void)state;
    uint64_t seed = 7;
    unsigned good = 0, exact = 0;
    for (int round = 0; round < 300000; round++) {
        uint8_t bytes[ISA_BUNDLE_MAX], back[ISA_BUNDLE_MAX];
        struct isa_bundle b, again;
        char text[ISA_TEXT_MAX];
        for (unsigned i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)test_random(&seed);
        }
        int n = isa_decode(bytes, test_random(&seed) % 17, &b, NULL);
        if (n < 0) {
            continue;
        }
        good++;
        assert_int_equal(isa_encode(&b, back, NULL), n);
        assert_int_equal(memcmp(bytes, back, (size_t)n) == 0, b.canonical);
        exact += b.canonical;
        assert_int_equal(isa_decode(back, (size_t)n, &again, NULL), n);
        assert_true(again.canonical);
        assert_memory_equal(again.op, b.op, sizeof b.op);
        assert_true(isa_print(&b, text, sizeof text) < ISA_TEXT_MAX);
    }
    print_message("%u of 300000 decode, %u to the same bytes\n", good, exact);
    assert_true(good > 1000 && exact > 100);
}

static void test_undefined(void **state)
{
    (void)state;
    static const char *const undefined[] = {
        "19240010",                     // alu 0x48: done, event and jl leave it free
        "d9000000",                     // lda 3
        "09240000",                     // vec 0x90
        "ffffffffffffffffffffffffffff", // six slots of ones
    };
    struct isa_bundle b;
    struct sotto_diag diag = {0};
    uint8_t bytes[ISA_BUNDLE_MAX] = {0};
    for (unsigned i = 0; i < sizeof undefined / sizeof undefined[0]; i++) {
        unsigned n = from_hex(undefined[i], bytes);
        memset(&b, 0xA5, sizeof b);
        assert_error(isa_decode(bytes, n, &b, &diag), SOTTO_EUNSUPPORTED, &diag);
        assert_int_equal(b.size, 0xA5); // untouched
        assert_true(diag.text[0] != 0);
    }
    assert_int_equal(isa_decode(bytes, 0, &b, NULL), SOTTO_EINVAL);
    assert_int_equal(isa_op_decode(ISA_SLOT_COUNT, 0, &b.op[0], NULL), SOTTO_EINVAL);
    assert_int_equal(isa_op_decode(ISA_SLOT_LDB, 0x10000, &b.op[0], NULL), SOTTO_EINVAL);
}

static void test_encode_errors(void **state)
{
    (void)state;
    struct sotto_diag diag = {0};
    uint8_t bytes[ISA_BUNDLE_MAX];
    struct isa_bundle b = {.slots = 1u << ISA_SLOT_ALU | 1u << ISA_SLOT_LNG};
    assert_error(isa_encode(&b, bytes, &diag), SOTTO_EINVAL, &diag);
    assert_contains(diag.text, "no bundle format");

    b.slots = 1u << ISA_SLOT_ALU;
    b.op[ISA_SLOT_ALU].insn = ISA_INSN_NOPA;
    assert_error(isa_encode(&b, bytes, &diag), SOTTO_EINVAL, &diag);
    assert_contains(diag.text, "slot alu");

    struct isa_op *op = &b.op[ISA_SLOT_ALU];
    *op = (struct isa_op){ISA_INSN_ADD_add_r_ri, {ISA_REG_r0, ISA_REG_r1, 64}};
    assert_error(isa_encode(&b, bytes, &diag), SOTTO_EINVAL, &diag);
    assert_contains(diag.text, "[-64, 63]");
    op->value[2] = -64;
    assert_int_equal(isa_encode(&b, bytes, &diag), 4);
    op->value[1] = ISA_REG_p1;
    assert_error(isa_encode(&b, bytes, &diag), SOTTO_EINVAL, &diag);
    assert_contains(diag.text, "p1");
    op->value[1] = 60000;
    assert_error(isa_encode(&b, bytes, &diag), SOTTO_EINVAL, &diag);
    op->insn = 60000;
    assert_error(isa_encode(&b, bytes, &diag), SOTTO_EINVAL, &diag);
}

/* Marks every word of a slot that a row accepts; no word may be accepted twice. */
static void mark_row(unsigned id, uint8_t *taken)
{
    const struct isa_insn *insn = isa_insn(id);
    uint64_t free_bits = ((1ull << isa_slot_bits(insn->slot)) - 1) & ~insn->mask;
    uint64_t bits = free_bits;
    for (;;) {
        uint64_t word = insn->value | bits;
        if (isa_insn_matches(id, word)) {
            if (taken[word]) {
                fail_msg("0x%llx is %s and %s", (unsigned long long)word, insn->name,
                         isa_insn(id - 1)->name);
            }
            taken[word] = 1;
        }
        if (!bits) {
            break;
        }
        bits = (bits - 1) & free_bits;
    }
}

static void test_no_word_is_two_rows(void **state)
{
    (void)state;
    for (unsigned slot = 0; slot < ISA_SLOT_COUNT; slot++) {
        if (isa_slot_bits(slot) > 22) {
            continue; // sampled below
        }
        uint8_t *taken = calloc(1, (size_t)1 << isa_slot_bits(slot));
        assert_non_null(taken);
        for (unsigned id = 0; id < ISA_INSN_COUNT; id++) {
            if (isa_insn(id)->slot == slot) {
                mark_row(id, taken);
            }
        }
        free(taken);
    }
}

static void test_wide_rows_overlap(void **state)
{
    (void)state;
    uint64_t seed = 8;
    for (unsigned a = 0; a < ISA_INSN_COUNT; a++) {
        for (unsigned b = a + 1; b < ISA_INSN_COUNT; b++) {
            const struct isa_insn *x = isa_insn(a), *y = isa_insn(b);
            if (x->slot != y->slot || isa_slot_bits(x->slot) <= 22 ||
                (x->mask & y->mask & (x->value ^ y->value))) {
                continue;
            }
            uint64_t all = (1ull << isa_slot_bits(x->slot)) - 1;
            for (int i = 0; i < 2000; i++) {
                uint64_t r = (uint64_t)test_random(&seed) << 32 | test_random(&seed);
                uint64_t w = x->value | y->value | (r & all & ~(x->mask | y->mask));
                assert_false(isa_insn_matches(a, w) && isa_insn_matches(b, w));
            }
        }
    }
}

static void check_format(const struct isa_format *f)
{
    unsigned __int128 used = f->mask, one = 1;
    assert_int_equal(f->value & ~f->mask, 0);
    assert_true(f->count >= 1 && f->count <= 6);
    for (unsigned i = 0; i < f->count; i++) {
        unsigned bits = isa_slot_bits(f->slots[i].slot), low = f->slots[i].low;
        unsigned __int128 m = ((one << bits) - 1) << low;
        assert_true(low + bits <= 8u * f->bytes);
        assert_true((used & m) == 0);
        used |= m;
    }
    assert_ptr_equal(isa_format_of(isa_format_slots(f)), f); // so no two have the same slots
}

static void test_formats_fit(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ISA_FORMAT_COUNT; i++) {
        check_format(isa_format(i));
        for (unsigned j = 0; j < i; j++) {
            const struct isa_format *f = isa_format(i), *g = isa_format(j);
            assert_true(f->bytes != g->bytes || (f->mask & g->mask & (f->value ^ g->value)));
        }
    }
    assert_null(isa_format(ISA_FORMAT_COUNT));
    assert_null(isa_format_of(0));
}

/* Fields lie outside the mask and each other; every $k of a text is an operand with a field. */
static void check_row(const struct isa_insn *insn)
{
    uint64_t all = (1ull << isa_slot_bits(insn->slot)) - 1, used = insn->mask;
    unsigned in_text = 0;
    assert_int_equal(insn->value & ~insn->mask, 0);
    assert_int_equal(insn->mask & ~all, 0);
    for (const char *t = strchr(insn->text, '$'); t; t = strchr(t + 1, '$')) {
        in_text |= 1u << (t[1] - '0');
    }
    for (unsigned k = 0; insn->operands[k].kind; k++) {
        const struct isa_operand *o = &insn->operands[k];
        bool field = o->kind >= ISA_KIND_REG && o->kind <= ISA_KIND_NIMM;
        assert_true(k < ISA_OPERANDS_MAX);
        assert_int_equal(field, in_text >> k & 1);
        in_text &= ~(1u << k);
        for (int piece = 0; field && piece < 2; piece++) {
            unsigned high = piece ? o->high2 : o->high, low = piece ? o->low2 : o->low;
            if (high == 255) {
                continue;
            }
            assert_true(low <= high && high < isa_slot_bits(insn->slot));
            uint64_t m = ((2ull << high) - 1) & ~((1ull << low) - 1);
            assert_int_equal(used & m, 0);
            used |= m;
        }
    }
    assert_int_equal(in_text, 0);
}

static void test_rows_fit(void **state)
{
    (void)state;
    uint64_t seed = 9;
    static const char *const nops[] = {"nopx", "nopa", "nopb", "nopxm",
                                       "nopm", "nops", "nopv", "nop"};
    for (unsigned id = 0; id < ISA_INSN_COUNT; id++) {
        check_row(isa_insn(id));
        if (id) {
            assert_true(isa_insn(id)->slot >= isa_insn(id - 1)->slot);
        }
        struct isa_op op;
        random_op(id, 2, &seed, &op);
        for (unsigned k = 0; isa_insn(id)->operands[k].kind; k++) { // each access has its stage
            unsigned access = isa_insn(id)->operands[k].access, bypass;
            assert_int_equal(isa_operand_stage(&op, k, true, &bypass) != 0, access >> 1 & 1);
            assert_int_equal(isa_operand_stage(&op, k, false, &bypass) != 0, access & 1);
        }
    }
    for (unsigned slot = 0; slot < ISA_SLOT_COUNT; slot++) {
        int id = isa_insn_find(nops[slot], strlen(nops[slot]), -1);
        assert_true(id >= 0);
        assert_int_equal(isa_insn((unsigned)id)->slot, slot);
    }
}

static unsigned stage(unsigned id, unsigned k, bool write, unsigned *bypass, int operand0)
{
    struct isa_op op = {.insn = (uint16_t)id, .value = {operand0}};
    return isa_operand_stage(&op, k, write, bypass);
}

/* Distances stated in words by the timing notes (docs/npu-isa.md). */
static void test_stages(void **state)
{
    (void)state;
    unsigned bypass;
    assert_int_equal(stage(ISA_INSN_MUL_mul_r_rr, 0, true, &bypass, ISA_REG_r1), 2);
    assert_int_equal(stage(ISA_INSN_VMAC_F_vmac_bm_core_dense, 0, true, &bypass, ISA_REG_bml0), 6);
    assert_int_equal(stage(ISA_INSN_VMAC_F_vmac_bm_core_dense, 1, false, &bypass, ISA_REG_bml0), 3);
    assert_int_equal(bypass, ISA_BYPASS_NONE);
    assert_int_equal(stage(ISA_INSN_VMAC_vmac_cm_core_dense, 0, true, &bypass, ISA_REG_cm0), 5);
    assert_int_equal(bypass, ISA_BYPASS_VECTOR);
    assert_int_equal(stage(ISA_INSN_JL, 1, true, &bypass, 0), 4); // lr
    // wl takes part in the bypass of moves, wh does not
    struct isa_op op = {.insn = ISA_INSN_VMOV_mv_w, .value = {ISA_REG_wl1, ISA_REG_wl2}};
    isa_operand_stage(&op, 0, true, &bypass);
    assert_int_equal(bypass, ISA_BYPASS_MOVE);
    op.value[0] = ISA_REG_wh1;
    isa_operand_stage(&op, 0, true, &bypass);
    assert_int_equal(bypass, ISA_BYPASS_NONE);
}

static void test_registers(void **state)
{
    (void)state;
    for (int reg = 1; reg < ISA_REG_COUNT; reg++) {
        const struct isa_reg_info *info = isa_reg((unsigned)reg);
        unsigned bits = 0;
        int found = isa_reg_parse(info->text, strlen(info->text));
        assert_true(found == reg ||
                    (info->file == ISA_FILE_D3 && isa_reg((unsigned)found)->file == ISA_FILE_D));
        for (unsigned i = 0; i < ISA_PARTS_MAX && info->parts[i]; i++) {
            assert_int_equal(isa_reg(info->parts[i])->parts[0], ISA_REG_NONE);
            bits += isa_reg(info->parts[i])->bits;
        }
        assert_true(bits == 0 || bits == info->bits);
    }
    assert_int_equal(isa_reg_find(ISA_CLASS_eDS, "d1", 2), ISA_REG_d1_3d);
    assert_int_equal(isa_reg_find(ISA_CLASS_eD, "d1", 2), ISA_REG_d1);
    assert_int_equal(isa_reg_find(ISA_CLASS_eDS, "d4", 2), ISA_REG_NONE);
    assert_int_equal(isa_reg_find(ISA_CLASS_eL, "r19:r18", 7), ISA_REG_l1);
    assert_int_equal(isa_reg_parse("r1:r0", 5), ISA_REG_NONE);
    assert_int_equal(isa_reg_parse("r12x", 3), ISA_REG_r12);
    assert_int_equal(isa_reg_parse("R12", 3), ISA_REG_NONE);
    assert_int_equal(isa_reg_parse("", 0), ISA_REG_NONE);
}

/* Every field value names a register of the table or none; none stands for two registers. */
static void test_classes(void **state)
{
    (void)state;
    for (unsigned c = 0; c < ISA_CLASS_COUNT; c++) {
        unsigned named = 0, written = 0;
        for (unsigned v = 0; v < 512; v++) {
            bool alias = false;
            int reg = isa_class_decode(c, v, &alias);
            if (reg == ISA_REG_NONE) {
                continue;
            }
            assert_non_null(isa_reg((unsigned)reg));
            assert_true((isa_class_encode(c, reg) == (int)v) == !alias);
            named += !alias;
        }
        for (int reg = 1; reg < ISA_REG_COUNT; reg++) {
            written += isa_reg_in(c, reg);
        }
        assert_true(named > 0);
        assert_int_equal(named, written);
    }
    bool alias;
    assert_int_equal(isa_class_decode(ISA_CLASS_mMvSclDst, 39, &alias), ISA_REG_lr);
    assert_int_equal(isa_class_encode(ISA_CLASS_mMvBMXSrc, ISA_REG_x11), 395);
}

/* The value's bits where the relocation says, as a mask over the bundle; bit 127 - n is the n-th from
 * the top of a 16-byte bundle. */
static unsigned __int128 reloc_put(const struct isa_reloc *r, uint32_t value)
{
    unsigned __int128 bits = 0;
    for (unsigned i = 0; i < 2 && r->pieces[i].high >= 0; i++) {
        int n = r->pieces[i].high - r->pieces[i].low + 1;
        uint64_t part = value >> r->pieces[i].low & ((1ull << n) - 1);
        bits |= (unsigned __int128)part << (8 * r->bytes - r->pieces[i].position - n);
    }
    return bits;
}

/* What changes in a bundle of format f when the immediate of `insn` goes from 0 to `value`. */
static unsigned __int128 imm_bits(const struct isa_format *f, unsigned insn, unsigned k,
                                  int32_t value)
{
    struct isa_bundle b;
    uint8_t with[ISA_BUNDLE_MAX], without[ISA_BUNDLE_MAX];
    unsigned __int128 bits = 0;
    uint64_t seed = 10;
    random_bundle(f, &seed, &b);
    random_op(insn, 0, &seed, &b.op[isa_insn(insn)->slot]);
    b.op[isa_insn(insn)->slot].value[k] = 0;
    assert_int_equal(isa_encode(&b, without, NULL), f->bytes);
    b.op[isa_insn(insn)->slot].value[k] = value;
    assert_int_equal(isa_encode(&b, with, NULL), f->bytes);
    for (unsigned i = 0; i < f->bytes; i++) {
        bits |= (unsigned __int128)(with[i] ^ without[i]) << 8 * i;
    }
    return bits;
}

/* The relocations were copied from a linker; formats and fields must put the value there too. */
static void test_relocs(void **state)
{
    (void)state;
    static const struct {
        uint8_t field;
        uint16_t insn, operand;
        int32_t value;
    } kinds[] = {
        {ISA_RELOC_BRANCH, ISA_INSN_JL, 0, 0xA5C3F},
        {ISA_RELOC_MOVA, ISA_INSN_MOVA_lda_cg, 1, 0x2C3},
        {ISA_RELOC_MOVX, ISA_INSN_MOVX_alu_cg, 1, 0x2C3},
        {ISA_RELOC_MOV, ISA_INSN_MOV_mv_cg, 1, 0x0C3},
        {ISA_RELOC_MOVXM, ISA_INSN_MOVXM_lng_cg, 1, 0x35C3A5F1},
    };
    unsigned matched = 0;
    for (unsigned type = 0; type < ISA_RELOC_COUNT; type++) {
        const struct isa_reloc *r = isa_reloc(type);
        bool found = r->field == ISA_RELOC_DATA;
        for (unsigned i = 0; i < ISA_FORMAT_COUNT && !found; i++) {
            for (unsigned k = 0; k < sizeof kinds / sizeof kinds[0] && !found; k++) {
                const struct isa_format *f = isa_format(i);
                found = kinds[k].field == r->field && f->bytes == r->bytes &&
                        (isa_format_slots(f) >> isa_insn(kinds[k].insn)->slot & 1) &&
                        imm_bits(f, kinds[k].insn, kinds[k].operand, kinds[k].value) ==
                            reloc_put(r, (uint32_t)kinds[k].value);
                matched += found;
            }
        }
        assert_true(found);
    }
    assert_int_equal(matched, 50);
    assert_null(isa_reloc(ISA_RELOC_COUNT));
}

static void test_print_cuts(void **state)
{
    (void)state;
    uint8_t bytes[ISA_BUNDLE_MAX];
    struct isa_bundle b;
    char text[8];
    from_hex("99c05a12", bytes);
    assert_int_equal(isa_decode(bytes, 4, &b, NULL), 4);
    assert_int_equal(isa_print(&b, NULL, 0), 16);
    assert_int_equal(isa_print(&b, text, sizeof text), 16);
    assert_string_equal(text, "add r13");
    b.op[ISA_SLOT_ALU].insn = 60000;
    assert_int_equal(isa_print(&b, text, sizeof text), SOTTO_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_word_vectors),      cmocka_unit_test(test_bundle_vectors),
        cmocka_unit_test(test_rows_round_trip),   cmocka_unit_test(test_formats_round_trip),
        cmocka_unit_test(test_random_bytes),      cmocka_unit_test(test_undefined),
        cmocka_unit_test(test_encode_errors),     cmocka_unit_test(test_no_word_is_two_rows),
        cmocka_unit_test(test_wide_rows_overlap), cmocka_unit_test(test_formats_fit),
        cmocka_unit_test(test_rows_fit),          cmocka_unit_test(test_stages),
        cmocka_unit_test(test_registers),         cmocka_unit_test(test_relocs),
        cmocka_unit_test(test_print_cuts),        cmocka_unit_test(test_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
