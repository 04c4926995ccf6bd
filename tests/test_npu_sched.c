/* npu/sched: distances, the language, schedules of known loops, the checkers, random programs. */
#include "support_npu_sched.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "npu/asm/asm.h"
#include "npu/asm/text.h"
#include "npu/sched/check.h"
#include "npu/sched/flow.h"

/* ---- the dependence model ---- */

static struct deps_op describe(const char *text)
{
    struct text_place place = {"test", 1, 1};
    struct sotto_diag diag = {0};
    struct text_op op;
    struct deps_op d;
    assert_ok(text_parse_op(text, strlen(text), &place, NULL, &op, &diag), &diag);
    deps_describe(&d, &op.op, NULL, NULL);
    return d;
}

/* The largest distance the registers ask for; `kind` 'R' true, 'A' anti, 'O' output dependence. */
static int distance(const char *first, const char *second, char kind)
{
    struct deps_op a = describe(first), b = describe(second);
    int most = DEPS_NONE;
    for (unsigned i = 0; i < a.n; i++) {
        for (unsigned k = 0; k < b.n; k++) {
            const struct deps_access *x = &a.access[i], *y = &b.access[k];
            int d = DEPS_NONE;
            if (x->leaf == y->leaf && kind == 'R' && x->write && !y->write) {
                d = deps_raw(x, y);
            } else if (x->leaf == y->leaf && kind == 'A' && !x->write && y->write) {
                d = deps_war(x, y);
            } else if (x->leaf == y->leaf && kind == 'O' && x->write && y->write) {
                d = deps_waw(x, y);
            }
            most = d > most ? d : most;
        }
    }
    return most;
}

/* Figures: AIE2Schedule.td; those marked were also measured on silicon (timing notes: accumulator 4 and 2,
 * loads 7). */
static void distances(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        char kind;
        int expected;
    } cases[] = {
        {"add r1, r2, r3", "add r4, r1, r1", 'R', 1},
        {"mul r1, r2, r3", "add r4, r1, r1", 'R', 2},
        {"lda r1, [p0, #0]", "add r4, r1, r1", 'R', 7},
        {"vlda wl0, [p0, #0]", "vmac.f bml0, bml0, x0, x1, r0", 'R', 7},
        {"vmac.f bml0, bml0, x0, x1, r0", "vmac.f bml0, bml0, x2, x3, r0", 'R', 4}, // measured
        {"vmac cm0, cm0, x0, x1, r0", "vmac cm0, cm0, x2, x3, r0", 'R', 2},         // measured
        {"vmac cm0, cm0, x0, x1, r0", "vsrs.s16.s32 x4, cm0, s0", 'R', 5},
        {"vmac.f bml0, bml0, x0, x1, r0", "vst amll0, [p0, #0]", 'R', 6},
        {"vlda amll0, [p0, #0]", "vmac.f bml0, bml0, x0, x1, r0", 'R', 5},
        {"vshuffle x0, x1, x2, r0", "vshuffle x3, x0, x0, r0", 'R', 1},
        {"vshuffle x0, x1, x2, r0", "vmac.f bml0, bml0, x0, x1, r0", 'R', 2},
        {"vsrs.s16.s32 x4, cm0, s0", "vst wl4, [p0, #0]", 'R', 4},
        {"vlda wl0, [p0, #0]", "vadd.32 x3, x0, x0", 'R', 7},
        {"add r4, r1, r1", "add r1, r2, r3", 'A', 0},
        {"add r4, r1, r1", "lda r1, [p0, #0]", 'A', -6},
        {"vmac.f bml0, bml0, x0, x1, r0", "vlda wl0, [p0, #0]", 'A', -6},
        {"vshuffle x3, x0, x0, r0", "vadd.32 x0, x1, x1", 'A', 0},
        {"vst amll0, [p0, #0]", "vmac.f bml0, bml1, x0, x1, r0", 'A', -5},
        {"lda r1, [p0, #0]", "add r1, r2, r3", 'O', 7},
        {"add r1, r2, r3", "lda r1, [p0, #0]", 'O', -5},
        {"vlda wl3, [p0], #32", "vldb wh3, [p0], #32", 'R', 1},
        {"vlda wl3, [p0, #0]", "vldb wh3, [p0, #0]", 'O', DEPS_NONE},
        {"padda.2d [p0], d1", "mova dc1, #0", 'A', 0},
        {"padda.3d [p0], d1", "add r1, r2, r3", 'A', DEPS_NONE},
        {"mova dc5, #0", "padda.3d [p0], d1", 'R', 1}, // d1 in 3D form holds dn5, dj5, dc5
        {"mova dc5, #0", "padda.2d [p0], d1", 'R', DEPS_NONE},
        {"mov r17, r1", "vextract.s32 r1, x0, r17", 'R', 1},
        {"movx crRnd, r1", "vsrs.s16.s32 x4, cm0, s0", 'R', 1},
        {"st.s8 r1, [p0, #0]", "add r1, r2, r3", 'A', 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int d = distance(cases[i].first, cases[i].second, cases[i].kind);
        if (d != cases[i].expected) {
            fail_msg("'%s' then '%s' (%c): %d, not %d", cases[i].first, cases[i].second,
                     cases[i].kind, d, cases[i].expected);
        }
    }
}

static void memory_and_locks(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        int memory, order;
    } cases[] = {
        {"lda r1, [p0, #0]", "lda r2, [p0, #0]", DEPS_NONE, DEPS_NONE},
        {"st r1, [p0, #0]", "lda r2, [p0, #0]", 1, DEPS_NONE},
        {"lda r2, [p0, #0]", "st r1, [p0, #0]", 1, DEPS_NONE},
        {"vst.conv.bf16.fp32 bml0, [p0, #0]", "vlda wl0, [p0, #0]", 3, DEPS_NONE},
        {"lda r2, [p0, #0]", "vst.conv.bf16.fp32 bml0, [p0, #0]", -1, DEPS_NONE},
        {"st.s16 r1, [p0, #0]", "lda r2, [p0, #0]", 7, DEPS_NONE},
        {"st r1, [p0, #0]", "rel #48, r2", DEPS_NONE, 3},
        {"vst wl0, [p0, #0]", "rel #48, r2", DEPS_NONE, 8},
        {"st.s8 r1, [p0, #0]", "rel #48, r2", DEPS_NONE, 11},
        {"acq #48, r2", "vlda wl0, [p0, #0]", DEPS_NONE, 1},
        {"add r1, r2, r3", "rel #48, r2", DEPS_NONE, DEPS_NONE},
        {"acq #48, r2", "rel #49, r2", DEPS_NONE, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct deps_op a = describe(cases[i].first), b = describe(cases[i].second);
        if (deps_memory(&a, &b) != cases[i].memory || deps_order(&a, &b) != cases[i].order) {
            fail_msg("'%s' then '%s': memory %d, order %d", cases[i].first, cases[i].second,
                     deps_memory(&a, &b), deps_order(&a, &b));
        }
    }
}

static void ports(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        int distance;
        unsigned port;
    } cases[] = {
        {"vmac.f bml0, bml0, x0, x1, r0", "st r1, [p0, #0]", 0, ISA_PORT_R_RV},
        {"vmac.f bml0, bml0, x0, x1, r0", "st r1, [p0, #0]", 1, ISA_PORT_NONE},
        {"vmac.f bml0, bml0, x0, x1, r0", "vmac cm1, cm1, x0, x1, r0", 1, ISA_PORT_CM_WA},
        {"vsrs.s16.s32 x4, cm0, s0", "vadd.f bml2, bml4, bml4, r0", -0, ISA_PORT_NONE},
        {"mul r1, r2, r3", "add r4, r5, r6", 1, ISA_PORT_R_WX},
        {"mul r1, r2, r3", "add r4, r5, r6", 2, ISA_PORT_NONE},
        {"lda r1, [p0, #0]", "mova r2, #1", 6, ISA_PORT_R_WA},
        {"st.s8 r1, [p0, #0]", "vldb wl0, [p1, #0]", 6, ISA_PORT_PARTWORD_STORE},
        {"st.s8 r1, [p0, #0]", "vldb wl0, [p1, #0]", 7, ISA_PORT_NONE},
        {"acq #48, r1", "rel #49, r1", 3, ISA_PORT_SEMAPHORE},
        {"acq #48, r1", "rel #49, r1", 4, ISA_PORT_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct deps_op a = describe(cases[i].first), b = describe(cases[i].second);
        unsigned port = deps_port_conflict(&a, &b, cases[i].distance, false, NULL);
        if (port != cases[i].port) {
            fail_msg("'%s' then '%s' at %d: %s, not %s", cases[i].first, cases[i].second,
                     cases[i].distance, deps_port_name(port), deps_port_name(cases[i].port));
        }
    }
}

/* ---- schedules ---- */

static struct sched_result *schedule(const char *text, bool unscheduled)
{
    struct sotto_diag diag = {0};
    struct lin_file *file;
    struct sched_result *r;
    assert_ok(lin_read(&file, text, strlen(text), "test.lin", &diag), &diag);
    assert_ok(sched_file(&r, file, &(struct sched_options){.unscheduled = unscheduled}, &diag),
              &diag);
    lin_close(&file);
    return r;
}

#define HEAD                                                                                       \
    ".bank T W\n.area A bank=T const\n.area B bank=W const\n.area C bank=T each\n.area D each\n"   \
    ".func f\n.reg p a=p0 b=p1 o=p2\n.reg r n=r0 cfg s\n.reg x x y z\n.reg bm c c2 sum\n.reg w "   \
    "w\n"
#define TAIL "  ret lr\n.endfunc\n"

/* Loops whose best interval is known by hand. */
static void known_intervals(void **state)
{
    (void)state;
    static const struct {
        const char *what, *text;
        unsigned ii;
        const char *bound;
    } cases[] = {
        {"copy: one load, one store",
         HEAD ".loop 64\n vldb %w, [%a], #32 @A\n vst %w, [%o], #32 @D\n"
              ".endloop\n" TAIL,
         1, "slot"},
        {"copy through one bank pair",
         HEAD ".loop 64\n vldb %x.l, [%a], #32 @A\n vldb %x.h, [%a], #32 @A\n"
              " vst %x.l, [%o], #32 @C\n vst %x.h, [%o], #32 @C\n.endloop\n" TAIL,
         4, "bank T"},
        {"two bank pairs",
         HEAD ".loop 64\n vldb %x.l, [%b], #32 @B\n vldb %x.h, [%b], #32 @B\n"
              " vst %x.l, [%o], #32 @C\n vst %x.h, [%o], #32 @C\n.endloop\n" TAIL,
         2, "slot"},
        {"sum in one accumulator: 4 bundles",
         HEAD " movi %cfg, #28\n vlda %sum.l, [%o, #0] @D\n"
              " vlda %sum.h, [%o, #32] @D\n.loop 64\n vldb %x.l, [%a], #32 @A\n vlda %x.h, [%b], "
              "#32 @B\n"
              " vmac.f %sum, %sum, %x, %x, %cfg\n.endloop\n vst %sum.l, [%o, #0] @D\n"
              " vst %sum.h, [%o, #32] @D\n" TAIL,
         4, "recurrence"},
        {"scalar chain through memory",
         HEAD " movi %s, #1\n.loop 16\n mul %s, %s, %s\n.endloop\n"
              " st %s, [%o, #0] @D\n" TAIL,
         2, "recurrence"},
        {"read port of accumulators",
         HEAD " movi %cfg, #28\n.loop 32\n vldb %x.l, [%a], #32 @A\n"
              " vldb %x.h, [%a], #32 @A\n vmul.f %c, %x, %x, %cfg\n vadd.f %c2, %c, %c, %cfg\n"
              " vst.conv.bf16.fp32 %c2, [%o], #32 @D\n vst %c.l, [%b], #32 @C\n.endloop\n" TAIL,
         3, "port CM_RM"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sched_result *r = schedule(cases[i].text, false);
        const struct sched_loop *l = &r->funcs[0].loops[0];
        if (r->funcs[0].n_loops != 1 || l->ii != cases[i].ii || !strstr(l->bound, cases[i].bound)) {
            fail_msg("%s: interval %u bound by %s, not %u by %s", cases[i].what, l->ii, l->bound,
                     cases[i].ii, cases[i].bound);
        }
        assert_int_equal(check_code(&r->funcs[0].code, false, NULL, NULL), 0);
        sched_close(&r);
    }
}

/* The chunk the encoder spends its time on: a vmac in every bundle of the kernel. */
static void gemm(void **state)
{
    (void)state;
    struct sotto_diag diag = {0};
    struct lin_file *file;
    uint8_t *memory[2];
    unsigned long cycles[2];
    static const uint32_t slots[2][3] = {{0x70000, 0x78000, 0x72000}, {0x74000, 0x7c000, 0x72000}};
    assert_ok(lin_open(&file, "src/npu/kernels/gemm_bf16.lin", &diag), &diag);
    for (int slot = 0; slot < 2; slot++) {
        for (int plain = 0; plain < 2; plain++) {
            struct sched_result *r;
            assert_ok(sched_file(&r, file, &(struct sched_options){.unscheduled = plain}, &diag),
                      &diag);
            assert_int_equal(check_code(&r->funcs[0].code, false, NULL, NULL), 0);
            if (!plain) {
                assert_int_equal(r->funcs[0].loops[0].ii, 64);
                assert_true(r->funcs[0].bytes <= 3600);
            }
            memory[plain] = malloc(TEST_CORE_MEMORY);
            for (int i = 0; i < TEST_CORE_MEMORY; i++) {
                memory[plain][i] = (uint8_t)(i % 2 ? 0x3e + i % 3 : i * 37 >> 3);
            }
            cycles[plain] = test_run_assembly(r->text, r->text_size, file->funcs[0]->name,
                                              slots[slot], 3, 0, memory[plain]);
            sched_close(&r);
        }
        assert_memory_equal(memory[0], memory[1], TEST_CORE_MEMORY);
        free(memory[0]);
        free(memory[1]);
        print_message("# gemm_bf16 64x64x64, slot %d: %lu emulated cycles (unscheduled %lu)\n",
                      slot, cycles[0], cycles[1]);
        assert_true(cycles[0] <= 2150);
    }
    lin_close(&file);
}

/* ---- the checkers ---- */

struct expected {
    enum check_rule rule;
    unsigned n;
};

static void count_rule(void *user, const struct check_fault *f)
{
    struct expected *e = user;
    e->n += f->rule == e->rule;
    assert_true(strlen(f->text) > 10);
}

static void rules(void **state)
{
    (void)state;
#define NOPS5 "nop\nnop\nnop\nnop\nnop\n"
#define WIDE  "nopb; nopa; nops; nopx; nopm; nopv\n"
    static const struct {
        const char *what, *text;
        enum check_rule rule;
        bool fault;
    } cases[] = {
        {"clean", "add r1, r2, r3\nadd r4, r1, r1\nret lr\n" NOPS5, CHECK_PORT, false},
        {"port in one bundle", "st r1, [p0, #0]; vmac.f bml0, bml0, x0, x1, r0\nret lr\n" NOPS5,
         CHECK_PORT, true},
        {"port across a branch",
         "j #one\nnop\nnop\nnop\nnop\nmul r1, r2, r3\n.align 16\none:\n"
         "add r4, r5, r6\nret lr\n" NOPS5,
         CHECK_PORT, true},
        {"double write", "lda r1, [p0, #0]\n" NOPS5 "add r1, r2, r3\nret lr\n" NOPS5,
         CHECK_DOUBLE_WRITE, true},
        {"lost update",
         "vmac.f bml0, bml0, x0, x1, r0\nnop\nvmac.f bml0, bml0, x2, x3, r0\nret lr\n" NOPS5,
         CHECK_LOST_UPDATE, true},
        {"update kept",
         "vmac.f bml0, bml0, x0, x1, r0\nnop\nnop\nnop\nvmac.f bml0, bml0, x2, x3, r0\n"
         "ret lr\n" NOPS5,
         CHECK_LOST_UPDATE, false},
        {"update read in between",
         "vmac.f bml0, bml0, x0, x1, r0\nnop\nvmac.f bml0, bml0, x2, x3, r0\n"
         "nop\nnop\nnop\nvst amll0, [p0, #0]\nret lr\n" NOPS5,
         CHECK_LOST_UPDATE, false},
        {"branch in delay slot",
         "j #one\nnop\nret lr\nnop\nnop\nnop\n.align 16\none:\nret lr\n" NOPS5, CHECK_DELAY_SLOT,
         true},
        {"store near release", "vst wl0, [p0, #0]\nnop\nrel #48, r1\nret lr\n" NOPS5, CHECK_LOCK,
         true},
        {"store far from release",
         "vst wl0, [p0, #0]\n" NOPS5 "nop\nnop\nrel #48, r1\nret lr\n" NOPS5, CHECK_LOCK, false},
        {"narrow loop end",
         "movxm ls, #one\nmovxm le, #two\nmova lc, #4\n" WIDE WIDE WIDE WIDE WIDE WIDE
         ".align 16\none:\n" WIDE WIDE "two:\nadd r1, r2, r3\nret lr\n" NOPS5,
         CHECK_LOOP_END, true},
        {"part-word store at the end",
         "movxm ls, #one\nmovxm le, #two\nmova lc, #4\n" WIDE WIDE WIDE WIDE WIDE WIDE
         ".align 16\none:\n" WIDE WIDE
         "two:\nnopb; st.s8 r1, [p0], #1; nops; nopx; nopm; nopv\nret lr\n" NOPS5,
         CHECK_LOOP_END, true},
        {"set-up too near",
         "movxm ls, #one\nmovxm le, #two\nmova lc, #4\n.align 16\none:\n" WIDE WIDE "two:\n" WIDE
         "ret lr\n" NOPS5,
         CHECK_LOOP_SET_UP, true},
        {"good loop",
         "movxm ls, #one\nmovxm le, #two\nmova lc, #4\n" WIDE WIDE WIDE WIDE WIDE WIDE
         ".align 16\none:\n" WIDE WIDE "two:\n" WIDE "ret lr\n" NOPS5,
         CHECK_LOOP_SET_UP, false},
        {"update lost over the back edge",
         "movxm ls, #one\nmovxm le, #two\nmova lc, #4\n" WIDE WIDE WIDE WIDE WIDE WIDE
         ".align 16\none:\nvmac.f bml0, bml0, x0, x1, r0; nopb; nopa; nops; nopx; nopm\n" WIDE
         "two:\n" WIDE "ret lr\n" NOPS5,
         CHECK_LOST_UPDATE, true},
        {"old value read", "lda r1, [p0, #0]\nadd r2, r1, r1\nret lr\n" NOPS5, CHECK_OLD_VALUE,
         true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sotto_diag diag = {0};
        struct npu_image *image;
        struct expected e = {cases[i].rule, 0};
        assert_ok(asm_text(&image, cases[i].text, strlen(cases[i].text), "rules.s", NULL, &diag),
                  &diag);
        int faults = check_image(image, true, count_rule, &e);
        npu_image_close(&image);
        if ((e.n > 0) != cases[i].fault || faults < 0) {
            fail_msg("%s: rule %s found %u times (%d faults)", cases[i].what,
                     check_rule_name(e.rule), e.n, faults);
        }
    }
}

/* Every change of one operation's register in a schedule must be seen by the comparison. */
static void comparison_sees_changes(void **state)
{
    (void)state;
    struct sotto_diag diag = {0};
    struct lin_file *file;
    struct sched_result *r;
    static const char text[] =
        HEAD " movi %cfg, #28\n.loop %n min=8\n vldb %x.l, [%a], #32 @A\n vldb %x.h, [%a], #32 @A\n"
             " vlda %y.l, [%b], #32 @B\n vlda %y.h, [%b], #32 @B\n vmul.f %c, %x, %y, %cfg\n"
             " vadd.32 %z, %x, %y\n vst.conv.bf16.fp32 %c, [%o], #32 @D\n vst %z.l, [%o], #32 @D\n"
             ".endloop\n" TAIL;
    assert_ok(lin_read(&file, text, sizeof text - 1, "test.lin", &diag), &diag);
    assert_ok(sched_file(&r, file, &(struct sched_options){0}, &diag), &diag);
    struct code *code = &r->funcs[0].code;
    assert_ok(flow_compare(file, file->funcs[0], code, &diag), &diag);
    unsigned tried = 0, seen = 0;
    for (unsigned b = 0; b < code->n_bundles; b++) {
        for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
            struct isa_op *op = &code->bundles[b].bundle.op[s];
            const struct isa_operand *first = isa_insn(op->insn)->operands;
            if (!(code->bundles[b].bundle.slots >> s & 1) || first->kind != ISA_KIND_REG ||
                op->insn == ISA_INSN_ADD_NC || !isa_reg_in(first->name, op->value[0] + 1)) {
                continue;
            }
            op->value[0]++;
            tried++;
            seen += flow_compare(file, file->funcs[0], code, &diag) != SOTTO_OK;
            op->value[0]--;
        }
    }
    assert_true(tried >= 16);
    assert_int_equal(seen, tried);
    sched_close(&r);
    lin_close(&file);
}

/* ---- wrong input ---- */

static void wrong_files(void **state)
{
    (void)state;
    const char *folder = "tests/data/npu/lin";
    DIR *dir = opendir(folder);
    unsigned n = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        char path[TEST_PATH];
        struct sotto_diag diag = {0};
        struct lin_file *file = NULL;
        struct sched_result *r = NULL;
        if (strncmp(e->d_name, "err_", 4)) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        char *text = test_read_file(path, NULL);
        char *expected = text + strlen("// error: ");
        assert_memory_equal(text, "// error: ", strlen("// error: "));
        expected[strcspn(expected, "\n|")] = '\0';
        int err = lin_open(&file, path, &diag);
        err = err ? err : sched_file(&r, file, &(struct sched_options){0}, &diag);
        assert_true(err < 0 && err != SOTTO_EINTERNAL);
        assert_contains(diag.text, expected);
        assert_true(diag.line > 1);
        assert_string_equal(diag.file, path);
        lin_close(&file);
        free(text);
        n++;
    }
    closedir(dir);
    assert_true(n >= 25);
}

/* ---- properties ---- */

/* Random programs: scheduled and unscheduled code agree with the source by value graph (sched_file
 * demands it), break no rule, and leave the same bytes in the emulator. */
static void random_programs(void **state)
{
    (void)state;
    static const uint32_t pointers[] = {0x70000, 0x70000, 0x78000, 0x70000, 0x7e000};
    unsigned n = getenv("SOTTO_TEST_LONG") ? 600 : 60;
    unsigned long cycles[2] = {0, 0};
    uint8_t *memory[2] = {malloc(TEST_CORE_MEMORY), malloc(TEST_CORE_MEMORY)};
    // Seeds that found faults: pieces of two loops side by side, long loops by branch.
    static const unsigned found[] = {660, 818, 1199};
    for (unsigned i = 0; i < n + 3; i++) {
        unsigned seed = i < n ? i : found[i - n];
        char *text = test_random_lin(seed);
        for (int plain = 0; plain < 2; plain++) {
            struct expected ports_used = {CHECK_PORT, 0};
            struct sched_result *r = schedule(text, plain);
            check_code(&r->funcs[0].code, false, count_rule, &ports_used);
            if (ports_used.n) {
                fail_msg("seed %u: a port is used twice", seed);
            }
            for (int k = 0; k < TEST_CORE_MEMORY; k++) {
                memory[plain][k] = (uint8_t)(k % 2 ? 0x3c + k % 5 : k * 7 + (k >> 8));
            }
            cycles[plain] +=
                test_run_assembly(r->text, r->text_size, "f", pointers, 5, 8, memory[plain]);
            sched_close(&r);
        }
        if (memcmp(memory[0], memory[1], TEST_CORE_MEMORY)) {
            fail_msg("seed %u: scheduled and unscheduled code differ in memory", seed);
        }
        free(text);
    }
    print_message("# %u programs: %lu cycles scheduled, %lu one by one\n", n, cycles[0], cycles[1]);
    assert_true(cycles[0] * 3 < cycles[1]);
    free(memory[0]);
    free(memory[1]);
}

/* The n-th allocation fails: an error, never a crash or a leak. */
static void no_memory(void **state)
{
    (void)state;
    char *text = test_random_lin(3);
    int err = SOTTO_ENOMEM;
    long n = 0;
    for (; err == SOTTO_ENOMEM && n < 100000; n++) {
        struct sotto_diag diag = {0};
        struct lin_file *file = NULL;
        struct sched_result *r = NULL;
        mem_fail_at(n, 0);
        err = lin_read(&file, text, strlen(text), "test.lin", &diag);
        err = err ? err : sched_file(&r, file, &(struct sched_options){0}, &diag);
        mem_fail_at(-1, 0);
        sched_close(&r);
        lin_close(&file);
    }
    assert_int_equal(err, SOTTO_OK);
    assert_true(n > 5);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances),
        cmocka_unit_test(memory_and_locks),
        cmocka_unit_test(ports),
        cmocka_unit_test(known_intervals),
        cmocka_unit_test(gemm),
        cmocka_unit_test(rules),
        cmocka_unit_test(comparison_sees_changes),
        cmocka_unit_test(wrong_files),
        cmocka_unit_test(random_programs),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
