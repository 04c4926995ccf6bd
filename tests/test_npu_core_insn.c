/*
 * npu/emu: what instructions compute (data/npu/core_cases.def), every addressing form against the plain one,
 * and that src/npu/emu/tested.def names exactly the rows these tests ran.
 */
#include "support.h"
#include "support_npu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct npu_case c;

static int setup(void **state)
{
    (void)state;
    npu_case_open(&c);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    npu_case_close(&c);
    return 0;
}

static const struct {
    const char *set, *text, *expect;
} cases[] = {
#define CASE(set, text, expect) {set, text, expect},
#include "data/npu/core_cases.def"
};

static void test_cases(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        npu_case_run(&c, cases[i].set, cases[i].text, cases[i].expect);
}

/* Ports need a world around the core: see test_npu_core.c; here only that the rows run. */
static bool yes(void *context, uint32_t *word)
{
    *word = ++*(uint32_t *)context;
    return true;
}

static bool take(void *context, uint32_t word, bool last)
{
    *(uint32_t *)context = *(uint32_t *)context * 10 + word + last;
    return true;
}

static bool give(void *context, uint8_t bytes[64])
{
    (void)context;
    memset(bytes, 7, 64);
    return true;
}

static bool swallow(void *context, const uint8_t bytes[64])
{
    *(uint32_t *)context += bytes[63];
    return true;
}

static bool lock(void *context, unsigned id, int value)
{
    *(uint32_t *)context = (uint32_t)((int)*(uint32_t *)context + (int)id * 100 + value);
    return true;
}

static void event(void *context, unsigned number)
{
    *(uint32_t *)context += 1000 * number;
}

static uint32_t tile_read(void *context, uint32_t address)
{
    (void)context;
    return address + 1;
}

static void tile_write(void *context, uint32_t address, uint32_t value)
{
    *(uint32_t *)context = address + value;
}

static void test_ports(void **state)
{
    static const struct {
        const char *set, *text, *expect;
        uint32_t world;
    } rows[] = {
        {"", "mov r0, SS\nmov r1, SS", "r0=1 r1=2", 2},
        {"r1=3 r2=4", "mov ms, r1\nmov.tlast ms, r2", "", 35},
        {"r1=3 r28=1", "mov ms, r1, r28", "", 4},
        {"", "vmov x3, SCD", "x3=8:7", 0},
        {"", "vmov.lo cm3, SCD", "bml3=8:7 bmh3=8:0", 0},
        {"", "vmov.hi cm3, SCD", "bml3=8:0 bmh3=8:7", 0},
        {"x3=8:9", "vmov MCD, x3", "", 9},
        {"r1=-2", "acq #50, r1", "", 4998},
        {"r1=-2 r2=50", "acq r2, r1", "", 4998},
        {"r1=2", "rel #50, r1", "", 5002},
        {"r1=2 r2=51", "rel r2, r1", "", 5102},
        {"r1=-2 r26=1", "acq.cond #50, r1, r26", "", 4998},
        {"r1=-2 r26=0", "acq.cond #50, r1, r26", "", 0},
        {"r1=-2 r2=50 r26=1", "acq.cond r2, r1, r26", "", 4998},
        {"r1=2 r26=1", "rel.cond #50, r1, r26", "", 5002},
        {"r1=2 r2=50 r26=1", "rel.cond r2, r1, r26", "", 5002},
        {"", "event #2", "", 2000},
        {"p1=0x1f000", "lda.tm r0, [p1]", "r0=0x1f001", 0},
        {"p1=0x1f000 r1=5", "st.tm r1, [p1]", "", 0x1f005},
        {"r0=5", "movx r1, #1\ndone\nmovx r1, #2", "r1=1", 0},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t world = 0;
        struct emu_ports ports = {&world, lock,    lock,  yes,       take,
                                  give,   swallow, event, tile_read, tile_write};
        npu_case_load_ports(&c, rows[i].text, &ports);
        npu_case_set(&c, rows[i].set);
        assert_int_equal(emu_core_run(c.core, 1000), EMU_DONE);
        npu_case_expect(&c, rows[i].expect, rows[i].text);
        assert_int_equal(world, rows[i].world);
    }
}

static void test_nops(void **state)
{
    (void)state;
    npu_case_run(&c, "r1=1",
                 "nopa; nopb; nops; nopx; nopm; nopv\nnopa; nopb; nops; nopxm; nopv\nnop", "r1=1");
    assert_int_equal(emu_core_stats(c.core)->bundles, 3 + 16 + 1);
}

/* ---- addressing ---- */

enum form {
    FORM_NONE,
    FORM_OFFSET,
    FORM_INDEX,
    FORM_POST,
    FORM_MODIFIER,
    FORM_2D,
    FORM_3D,
    FORM_STACK
};

enum { BASE = 0x72000, DATA = 0x72400 }; // pointer, and where accesses shall land

/* The mnemonic without .2d and .3d. */
static void stem(const char *text, char dst[32])
{
    size_t n = 0;
    while (*text && *text != ' ') {
        if (strncmp(text, ".2d", 3) == 0 || strncmp(text, ".3d", 3) == 0)
            text += 3;
        else
            dst[n++] = *text++;
    }
    dst[n] = 0;
}

static enum form form_of(const struct isa_insn *insn)
{
    const char *bracket = strchr(insn->text, '[');
    if (!bracket)
        return FORM_NONE;
    if (bracket[1] == 's')
        return FORM_STACK;
    for (unsigned k = 0; insn->operands[k].kind; k++) {
        unsigned name = insn->operands[k].kind == ISA_KIND_REG ? insn->operands[k].name : 0;
        if (name == ISA_CLASS_eD)
            return FORM_2D;
        if (name == ISA_CLASS_eDS)
            return FORM_3D;
        if (name == ISA_CLASS_eDJ)
            return FORM_INDEX;
        if (name == ISA_CLASS_eM)
            return FORM_MODIFIER;
    }
    return memchr(bracket, ',', strcspn(bracket, "]")) || !strchr(bracket, ',') ? FORM_OFFSET
                                                                                : FORM_POST;
}

/* The data register of a class, the same for every row that has it. */
static int data_reg(unsigned class_id)
{
    for (int reg = 1; reg < ISA_REG_COUNT; reg++) {
        const struct isa_reg_info *info = isa_reg((unsigned)reg);
        if (isa_reg_in(class_id, reg) && info->index >= (info->file == ISA_FILE_R ? 9 : 1) &&
            info->file != ISA_FILE_P)
            return reg;
    }
    return 0;
}

/* Operands of a row: pointer p2, index 3 of its file (d1 for 3D), data registers, immediate `imm`. */
static void fill(unsigned id, struct isa_op *op, int32_t imm)
{
    const struct isa_operand *o = isa_insn(id)->operands;
    memset(op, 0, sizeof *op);
    op->insn = (uint16_t)id;
    for (unsigned k = 0; o[k].kind; k++) {
        int64_t min, max, step;
        if (isa_imm_range(&o[k], &min, &max, &step))
            op->value[k] = imm;
        else if (o[k].kind == ISA_KIND_REG)
            op->value[k] = o[k].name == ISA_CLASS_eP    ? ISA_REG_p2
                           : o[k].name == ISA_CLASS_eD  ? ISA_REG_d3
                           : o[k].name == ISA_CLASS_eDS ? ISA_REG_d1_3d
                           : o[k].name == ISA_CLASS_eDJ ? ISA_REG_dj3
                           : o[k].name == ISA_CLASS_eM  ? ISA_REG_m3
                                                        : data_reg(o[k].name);
    }
}

/* Everything an instruction may change, but pointers and counters. */
struct outcome {
    uint8_t memory[EMU_MEMORY_BYTES];
    uint8_t vectors[36][32], x[24][32], q[8][8];
    uint32_t r[32];
};

/* Runs one instruction; the pointer starts at `pointer`, sp too. */
static void run(const struct isa_op *op, uint32_t pointer, const char *set, struct outcome *out)
{
    struct isa_bundle b = {.slots = (uint8_t)(1u << isa_insn(op->insn)->slot)};
    uint8_t bytes[ISA_BUNDLE_MAX];
    struct sotto_diag diag = {0};
    uint64_t seed = 5;
    b.op[isa_insn(op->insn)->slot] = *op;
    npu_case_load(&c, "nop");
    int n = isa_encode(&b, bytes, &diag);
    if (n < 0)
        fail_msg("%s: %s", isa_insn(op->insn)->name, diag.text);
    emu_core_load(c.core, 0x400, bytes, (size_t)n, &diag);
    for (unsigned i = 0; i < 20; i++) {
        const uint8_t nop[] = {0x01, 0x00};
        emu_core_load(c.core, 0x400 + (uint32_t)n + 2 * i, nop, 2, &diag);
    }
    uint8_t *memory = emu_core_memory(c.core, EMU_OWN);
    for (unsigned i = 0; i < EMU_MEMORY_BYTES; i++)
        memory[i] = (uint8_t)test_random(&seed);
    for (int reg = 1; reg < ISA_REG_COUNT; reg++) {
        const struct isa_reg_info *info = isa_reg((unsigned)reg);
        uint8_t random[32];
        for (unsigned i = 0; i < sizeof random; i++)
            random[i] = (uint8_t)test_random(&seed);
        if (!info->parts[0] && info->bits <= 256 && info->file != ISA_FILE_SPECIAL &&
            info->file != ISA_FILE_CR && info->file != ISA_FILE_SR)
            emu_core_set(c.core, reg, random);
    }
    npu_case_set(&c, "crSat=1 crRnd=12 s1=5 crSRSSign=1 crUPSSign=1 crPackSign=1 crUnpackSign=1");
    emu_core_set(c.core, ISA_REG_p2, &pointer);
    emu_core_set(c.core, ISA_REG_sp, &pointer);
    npu_case_set(&c, set);
    emu_core_start(c.core, 0x400);
    emu_core_run(c.core, 18);
    if (emu_core_state(c.core) != EMU_RUNNING) {
        char text[512];
        emu_core_fault_text(c.core, text, sizeof text);
        fail_msg("%s: %s", isa_insn(op->insn)->name, text);
    }
    memcpy(out->memory, memory, sizeof out->memory);
    for (int i = 0; i < 36; i++)
        emu_core_get(c.core, ISA_REG_amll0 + i, out->vectors[i]);
    for (int i = 0; i < 24; i++)
        emu_core_get(c.core, ISA_REG_wl0 + i, out->x[i]);
    for (int i = 0; i < 8; i++)
        emu_core_get(c.core, ISA_REG_ql0 + i, out->q[i]);
    for (int i = 0; i < 32; i++)
        emu_core_get(c.core, ISA_REG_r0 + i, &out->r[i]);
}

static void check_form(unsigned id, const struct isa_op *op, uint32_t start, const char *set,
                       const struct outcome *reference, const char *after)
{
    static struct outcome got;
    char what[64 + ISA_TEXT_MAX], text[ISA_TEXT_MAX];
    run(op, start, set, &got);
    isa_op_print(op, text, sizeof text);
    snprintf(what, sizeof what, "%s: %s", isa_insn(id)->name, text);
    npu_case_expect(&c, after, what);
    if (reference && memcmp(&got, reference, sizeof got) != 0)
        fail_msg("%s: another result than the plain form", what);
    c.rows[id] = true;
}

/* One row in every way its address can go; `reference` is the outcome of the plain form at DATA. */
static void check_row(unsigned id, const struct outcome *reference)
{
    const struct isa_insn *insn = isa_insn(id);
    struct isa_op op;
    int64_t min = 0, max = 0, step = 1;
    char set[256], after[256];
    for (unsigned k = 0; insn->operands[k].kind; k++)
        isa_imm_range(&insn->operands[k], &min, &max, &step);
    bool post = strncmp(insn->text, "padd", 4) == 0;
    switch (form_of(insn)) {
    case FORM_OFFSET:
    case FORM_STACK:
    case FORM_POST:
        for (int i = 0; i < 3; i++) {
            int32_t imm = (int32_t)(i == 0                 ? min
                                    : i == 1 || min == max ? max
                                    : max > 0              ? step
                                                           : min + step);
            fill(id, &op, imm);
            bool moves = post || form_of(insn) == FORM_POST;
            uint32_t start = moves ? DATA : (uint32_t)(DATA - imm);
            snprintf(after, sizeof after, "%s=0x%x", form_of(insn) == FORM_STACK ? "sp" : "p2",
                     moves ? (uint32_t)(DATA + imm) & 0xfffff : start);
            check_form(id, &op, start, "", reference, after);
        }
        break;
    case FORM_INDEX:
        fill(id, &op, 0);
        check_form(id, &op, DATA + 64, "dj3=-64", reference, "p2=0x72440 dj3=-64");
        break;
    case FORM_MODIFIER:
        fill(id, &op, 0);
        check_form(id, &op, DATA, "m3=-64", reference, "p2=0x723c0 m3=-64");
        break;
    case FORM_2D:
        fill(id, &op, 0);
        check_form(id, &op, DATA, "m3=-64 dn3=2 dj3=32 dc3=1", reference, "p2=0x72420 dc3=2 dn3=2");
        check_form(id, &op, DATA, "m3=-64 dn3=2 dj3=32 dc3=2", reference, "p2=0x723c0 dc3=0 dn3=2");
        break;
    case FORM_3D:
        fill(id, &op, 0);
        snprintf(set, sizeof set, "m1=-64 dn1=2 dj1=32 dn5=3 dj5=96 m5=1 ");
        strcat(set, "dc1=1 dc5=3");
        check_form(id, &op, DATA, set, reference, "p2=0x72420 dc1=2 dc5=3");
        strcpy(strstr(set, "dc1"), "dc1=2 dc5=2");
        check_form(id, &op, DATA, set, reference, "p2=0x72460 dc1=0 dc5=3");
        strcpy(strstr(set, "dc1"), "dc1=2 dc5=3");
        check_form(id, &op, DATA, set, reference, "p2=0x723c0 dc1=0 dc5=0");
        break;
    default:
        break;
    }
}

/* Same slot, stem and class of data: rows that differ in the address only. */
static bool alike(unsigned a, unsigned b)
{
    char x[32], y[32];
    stem(isa_insn(a)->text, x);
    stem(isa_insn(b)->text, y);
    return isa_insn(a)->slot == isa_insn(b)->slot && strcmp(x, y) == 0 &&
           (strncmp(x, "padd", 4) == 0 ||
            isa_insn(a)->operands[0].name == isa_insn(b)->operands[0].name);
}

static void test_addressing(void **state)
{
    static struct outcome reference, before;
    unsigned rows = 0;
    (void)state;
    for (unsigned id = 0; id < ISA_INSN_COUNT; id++) {
        const struct isa_insn *insn = isa_insn(id);
        if (form_of(insn) == FORM_NONE || !emu_models(id) || strstr(insn->text, ".tm"))
            continue;
        unsigned plain = 0;
        while (plain < ISA_INSN_COUNT &&
               !(alike(plain, id) && (form_of(isa_insn(plain)) == FORM_OFFSET ||
                                      form_of(isa_insn(plain)) == FORM_INDEX)))
            plain++;
        bool pointer_only = strncmp(insn->text, "padd", 4) == 0;
        struct isa_op op;
        if (!pointer_only) {
            assert_true(plain < ISA_INSN_COUNT);
            fill(plain, &op, 0);
            run(&op, DATA, "dj3=0", &reference);
            // it does something, and somewhere else something different
            run(&op, DATA + 4096, "dj3=0", &before);
            assert_memory_not_equal(&reference, &before, sizeof before);
        }
        check_row(id, pointer_only ? NULL : &reference);
        rows++;
    }
    assert_true(rows > 250);
}

/* ---- the list ---- */

static const bool listed[ISA_INSN_COUNT] = {
#define TESTED(row) [ISA_INSN_##row] = true,
#include "npu/emu/tested.def"
};

static void test_list(void **state)
{
    unsigned n = 0, wrong = 0;
    const char *path = getenv("SOTTO_WRITE_TESTED");
    FILE *f = path ? fopen(path, "w") : NULL;
    (void)state;
    if (f)
        fprintf(f, "/* Rows whose meaning is tested; tests/test_npu_core_insn.c writes "
                   "(SOTTO_WRITE_TESTED=FILE) and\n"
                   " * checks this list. */\n");
    for (unsigned i = 0; i < ISA_INSN_COUNT; i++) {
        bool ran = c.rows[i] && emu_models(i);
        n += ran;
        if (f && ran)
            fprintf(f, "TESTED(%s)\n", isa_insn(i)->name);
        if (ran != listed[i]) {
            print_message("%s is %s\n", isa_insn(i)->name,
                          ran ? "tested but not listed" : "listed but not tested");
            wrong++;
        }
    }
    if (f)
        fclose(f);
    else
        assert_int_equal(wrong, 0);
    print_message("%u of %u rows have a semantic test\n", n, ISA_INSN_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases), cmocka_unit_test(test_ports),
        cmocka_unit_test(test_nops),  cmocka_unit_test(test_addressing),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
