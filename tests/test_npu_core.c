/*
 * npu/emu: the core's pipeline: when results become visible, branches, hardware loops, memory banks,
 * ports, faults. What each instruction computes is tested in test_npu_core_insn.c.
 */
#include "support.h"
#include "support_npu.h"

#include <stdio.h>
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

/* Runs to the end and returns the cycles up to it, less those of an empty program. */
static long cycles_of(const char *set, const char *text)
{
    npu_case_run(&c, "", "nop", "");
    long base = (long)emu_core_stats(c.core)->cycles - 1;
    npu_case_run(&c, set, text, "");
    return (long)emu_core_stats(c.core)->cycles - base;
}

/* A reader `distance` bundles behind a writer sees the new value from the needed distance on. */
static void check_latency(const char *set, const char *writer, const char *reader, unsigned needed,
                          const char *old, const char *new)
{
    for (unsigned distance = 1; distance < needed + 3; distance++) {
        char text[512];
        int n = snprintf(text, sizeof text, "%s\n", writer);
        for (unsigned i = 1; i < distance; i++)
            n += snprintf(text + n, sizeof text - (size_t)n, "nop\n");
        snprintf(text + n, sizeof text - (size_t)n, "%s\n", reader);
        npu_case_run(&c, set, text, distance < needed ? old : new);
    }
}

static void test_latencies(void **state)
{
    (void)state;
    check_latency("r1=1 r2=2 r5=9", "add r0, r1, r2", "or r3, r0, r0", 1, "", "r3=3");
    check_latency("r1=3 r2=5 r0=7", "mul r0, r1, r2", "or r3, r0, r0", 2, "r3=7", "r3=15");
    check_latency("p0=0x70000 @70000=32:42 r0=7", "lda r0, [p0, #0]", "or r3, r0, r0", 7, "r3=7",
                  "r3=42");
    check_latency("r1=11 r0=7", "mov.d5 r0, r1", "or r3, r0, r0", 6, "r3=7", "r3=11");
    check_latency("p0=0x70000 @70000=32:1,2,3,4,5,6,7,8 x0=32:9 x4=32:0", "vlda wl0, [p0], #0",
                  "vmov wl4, wl0", 7, "wl4=32:9", "wl4=32:1,2,3,4,5,6,7,8");
    // a move's result reaches a move one bundle later, but a store only two
    check_latency("x0=32:9 x1=32:1 x2=32:2", "vadd.32 x0, x1, x2", "vadd.32 x3, x0, x1", 1, "",
                  "x3=32:4");
    check_latency("x0=32:9 x1=32:1 x2=32:2 p0=0x70000", "vadd.32 x0, x1, x2", "vst wl0, [p0], #0",
                  2, "@70000=32:9", "@70000=32:3");
    check_latency("x0=32:9 x1=32:1 x2=32:2 r0=0x338 cm0=32:50 x4=16:1", "vadd.32 x0, x1, x2",
                  "vmul cm0, x0, x4, r0", 2, "cm0=32:9,0", "cm0=32:3,0");
    // srs result to store: 4
    check_latency("x0=16:9 s0=0 cm0=32:5 p0=0x70000", "vsrs.s16.s32 x0, cm0, s0",
                  "vst wl0, [p0], #0", 4, "@70000=16:9", "@70000=16:5");
}

static void test_accumulator_distance(void **state)
{
    // bf16: 1 * 1 summed over 8 = 8 for every lane of 4x4; acc 0 at first
    const char *mac = "vmac.f bml0, bml0, x0, x1, r0";
    const char *imac = "vmac cm0, cm0, x0, x1, r0";
    (void)state;
    check_latency("x0=16:0x3f80 x1=16:0x3f80 r0=28", mac, mac, 4, "bml0=32:0x41000000",
                  "bml0=32:0x41800000");
    check_latency("x0=8:1 x1=8:1 r0=0x308", imac, imac, 2, "cm0=32:8", "cm0=32:16");
    check_latency("x0=8:1 x1=8:1 r0=0x308 s0=0", imac, "vsrs.s16.s32 x2, cm0, s0", 5, "x2=16:0",
                  "x2=16:8");
    check_latency("x0=16:0x3f80 x1=16:0x3f80 r0=28 bml2=32:7 crRnd=12", "vmul.f bml2, x0, x1, r0",
                  "vconv.bf16.fp32 wl4, bml2", 6, "wl4=16:0", "wl4=16:0x4100");
}

static void test_write_order(void **state)
{
    (void)state;
    // the load lands after the move that is issued later
    npu_case_run(&c, "p0=0x70000 @70000=32:42 r1=5", "lda r0, [p0, #0]\nor r0, r1, r1", "r0=42");
    // all slots of a bundle read before any writes
    npu_case_run(&c, "r1=1 r2=2", "mov r1, r2; or r2, r1, r1", "r1=2 r2=1");
    npu_case_run(&c, "p0=0x70000 r1=7", "padda [p0], #64; st r1, [p0, #0]; add r1, r1, #1",
                 "p0=0x70040 @70000=32:7 r1=8");
}

static void test_branches(void **state)
{
    (void)state;
    npu_case_run(&c, "",
                 "j #end\nmovx r0, #1\nmovx r1, #1\nmovx r2, #1\nmovx r3, #1\nmovx r4, #1\n"
                 "movx r5, #1\nend:\nnop",
                 "r0=1 r1=1 r2=1 r3=1 r4=1 r5=0");
    assert_int_equal(cycles_of("", "j #end\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nend:\nnop"), 7);
    npu_case_run(&c, "r1=1", "jz r1, #end\nmovx r0, #3\nnop\nnop\nnop\nnop\nmovx r0, #4\nend:\nnop",
                 "r0=4");
    npu_case_run(&c, "r1=1",
                 "jnz r1, #end\nmovx r0, #3\nnop\nnop\nnop\nnop\nmovx r0, #4\nend:\nnop", "r0=3");
    npu_case_run(
        &c, "",
        "j #over\nnop\nnop\nnop\nnop\nnop\nsub:\nret lr\nadd r0, r0, #1\nnop\nnop\nnop\nnop\n"
        "over:\njl #sub\nnop\nnop\nnop\nnop\nnop\nadd r1, r0, #1\n",
        "r0=1 r1=2");
    npu_case_fault(&c, "", "j #a\nj #a\nnop\na:\nnop\nnop\nnop\nnop\nnop", EMU_FAULT_DELAY_SLOT);
    npu_case_fault(&c, "p0=0x101", "j p0\nnop\nnop\nnop\nnop\nnop", EMU_FAULT_PC);
}

static const char loop[] =
    "movxm ls, #first\nmovxm le, #last\nadd.nc lc, r0, #0\nnop\nnop\nnop\nnop\nalign\nfirst:\n"
    "add r1, r1, #1; nopa; nopb; nops; nopm; nopv\n"
    "nopa; nopb; nops; add r2, r2, r1; nopm; nopv\n"
    "last:\n"
    "nopa; nopb; nops; add r3, r3, #1; nopm; nopv\n";

static void test_hardware_loop(void **state)
{
    (void)state;
    npu_case_run(&c, "r0=10", loop, "r1=10 r2=55 r3=10 lc=0");
    npu_case_run(&c, "r0=1", loop, "r1=1 r3=1 lc=0");
    npu_case_run(&c, "r0=0", loop, "r1=1 r3=1 lc=0");
    long ten = cycles_of("r0=10", loop), hundred = cycles_of("r0=110", loop);
    assert_int_equal(hundred - ten, 300); // bundles are cycles

    npu_case_fault(&c, "r0=3",
                   "movxm ls, #first\nadd.nc lc, r0, #0\nalign\nfirst:\nmovxm le, #last; nopa; "
                   "nopb; nops; nopv\nlast:\n"
                   "nopa; nopb; nops; add r3, r3, #1; nopm; nopv\n",
                   EMU_FAULT_LOOP_SETUP);
    npu_case_fault(&c, "r0=3 p0=0x70000",
                   "movxm ls, #first\nmovxm le, #last\nadd.nc lc, r0, "
                   "#0\nnop\nnop\nnop\nnop\nnop\nalign\nfirst:\n"
                   "nopa; nopb; nops; add r3, r3, #1; nopm; nopv\nlast:\n"
                   "st.s8 r0, [p0], #1; nopb; nops; add r3, r3, #1; nopm; nopv\n",
                   EMU_FAULT_LOOP_STORE);
}

static void test_banks(void **state)
{
    const char *two = "vlda wl0, [p0], #0; vldb wl1, [p1], #0";
    (void)state;
    assert_int_equal(cycles_of("p0=0x70000 p1=0x74000", two), 1);
    assert_int_equal(cycles_of("p0=0x70000 p1=0x70040", two), 2); // same pair
    assert_int_equal(emu_core_stats(c.core)->stalls[EMU_STALL_BANK], 1);
    assert_int_equal(cycles_of("p0=0x70000 p1=0x70010", "lda r0, [p0, #0]; st r1, [p1, #0]"),
                     1); // other half
    assert_int_equal(cycles_of("p0=0x70000 p1=0x70020", "lda r0, [p0, #0]; st r1, [p1, #0]"), 2);
    assert_int_equal(cycles_of("p0=0x70000 p1=0x70100 p2=0x70200",
                               "vlda wl0, [p0], #0; vldb wl1, [p1], #0; vst wl2, [p2], #0"),
                     3);
}

static void test_neighbour(void **state)
{
    static uint8_t north[EMU_MEMORY_BYTES] __attribute__((aligned(32)));
    uint8_t *memory[EMU_QUADRANTS] = {NULL, NULL, north, NULL};
    struct emu_core *core;
    uint8_t bytes[] = {0x01, 0x00}, word[4];
    struct sotto_diag diag = {0};
    (void)state;
    assert_ok(emu_core_open(&core, memory, NULL, &diag), &diag);
    assert_ok(emu_core_load(core, 0x60010, (const uint8_t *)"abcd", 4, &diag), &diag);
    assert_memory_equal(north + 0x10, "abcd", 4);
    assert_error(emu_core_load(core, 0x50000, bytes, 2, &diag), SOTTO_EINVAL, &diag);
    assert_error(emu_core_load(core, 0x3fff, bytes, 2, &diag), SOTTO_EINVAL, &diag);
    assert_true(emu_core_get(core, ISA_REG_r0, word));
    emu_core_close(&core);
    assert_null(core);
}

static void test_denied(void **state)
{
    (void)state;
    npu_case_load(&c, "lda r0, [p0, #0]\nnop\nnop\nnop\nnop\nnop\nnop\nor r1, r0, r0");
    npu_case_set(&c, "p0=0x74010 @74010=32:9");
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(emu_core_banks(c.core, EMU_OWN), 0);
        emu_core_step(c.core, false);
    }
    assert_int_equal(emu_core_banks(c.core, EMU_OWN), 1 << 3); // pair 1, upper half
    assert_int_equal(emu_core_banks(c.core, EMU_NORTH), 0);
    emu_core_step(c.core, true);
    assert_int_equal(emu_core_stalled(c.core), EMU_STALL_MEMORY);
    assert_int_equal(emu_core_banks(c.core, EMU_OWN), 1 << 3);
    emu_core_step(c.core, false);
    assert_int_equal(emu_core_stalled(c.core), -1);
    assert_int_equal(emu_core_banks(c.core, EMU_OWN), 0);
    emu_core_run(c.core, 1000);
    npu_case_expect(&c, "r1=9", "after a denied access");
    assert_int_equal(emu_core_stats(c.core)->stalls[EMU_STALL_MEMORY], 1);
}

static void test_part_stores(void **state)
{
    (void)state;
    // a word store between the two halves of an 8-bit store is lost
    npu_case_run(&c, "p0=0x70000 p1=0x70000 r0=0xaa r1=0x11111111 @70000=32:0x22222222",
                 "st.s8 r0, [p0, #1]\nst r1, [p1, #0]", "@70000=32:0x2222aa22");
    npu_case_run(&c, "p0=0x70000 p1=0x70000 r0=0xaa r1=0x11111111 @70000=32:0x22222222",
                 "st.s8 r0, [p0, #1]\nnop\nnop\nnop\nnop\nnop\nnop\nst r1, [p1, #0]",
                 "@70000=32:0x11111111");
}

/* ---- ports ---- */

struct world {
    int locks[64];
    uint32_t words[8];
    unsigned n_words, taken, given, events;
    uint32_t put[8];
    bool last[8], space;
    uint8_t cascade[64];
};

static bool acquire(void *context, unsigned lock, int value)
{
    struct world *w = context;
    if (w->locks[lock] < -value)
        return false;
    w->locks[lock] += value;
    return true;
}

static bool release(void *context, unsigned lock, int value)
{
    struct world *w = context;
    w->locks[lock] += value;
    return w->locks[lock] < 64;
}

static bool get(void *context, uint32_t *word)
{
    struct world *w = context;
    if (w->taken == w->n_words)
        return false;
    *word = w->words[w->taken++];
    return true;
}

static bool put(void *context, uint32_t word, bool last)
{
    struct world *w = context;
    if (!w->space)
        return false;
    w->put[w->given] = word;
    w->last[w->given++] = last;
    return true;
}

static bool cascade_get(void *context, uint8_t bytes[64])
{
    struct world *w = context;
    memcpy(bytes, w->cascade, 64);
    return true;
}

static bool cascade_put(void *context, const uint8_t bytes[64])
{
    struct world *w = context;
    memcpy(w->cascade, bytes, 64);
    return true;
}

static void event(void *context, unsigned number)
{
    struct world *w = context;
    w->events = w->events * 10 + number;
}

/* Runs a program with ports; the core is left for the caller to look at. */
static void run_with(struct world *w, const char *set, const char *text, uint64_t cycles)
{
    struct emu_ports ports = {w,           acquire,     release, get,  put,
                              cascade_get, cascade_put, event,   NULL, NULL};
    npu_case_load_ports(&c, text, &ports);
    npu_case_set(&c, set);
    emu_core_run(c.core, cycles);
}

static void test_locks(void **state)
{
    struct world w = {.locks = {0}};
    (void)state;
    run_with(&w, "r1=-1", "acq #49, r1\nmovx r0, #1", 50);
    assert_int_equal(emu_core_state(c.core), EMU_RUNNING);
    npu_case_expect(&c, "r0=0", "waits");
    assert_int_equal(emu_core_stats(c.core)->stalls[EMU_STALL_LOCK], 50);
    w.locks[49] = 3;
    emu_core_run(c.core, 50);
    npu_case_expect(&c, "r0=1", "goes on");
    assert_int_equal(w.locks[49], 2);
    assert_int_equal(emu_core_stats(c.core)->stalls[EMU_STALL_LOCK],
                     51); // and one for the instruction

    w.locks[7] = 5;
    run_with(&w, "r1=2 r2=7 r26=1", "rel r2, r1\nrel.cond #7, r1, r26", 100);
    assert_int_equal(emu_core_state(c.core), EMU_DONE);
    assert_int_equal(w.locks[7], 9);
    run_with(&w, "r1=2 r26=0", "rel.cond #7, r1, r26\nacq.cond #8, r1, r26", 100);
    assert_int_equal(w.locks[7], 9);
    assert_int_equal(emu_core_stats(c.core)->stalls[EMU_STALL_LOCK], 0);

    // own locks, when nobody else has them
    npu_case_run(&c, "r1=2 r2=-2", "rel #50, r1\nacq #50, r2\nmovx r0, #1", "r0=1");
    npu_case_fault(&c, "r1=64", "rel #50, r1", EMU_FAULT_LOCK);
    npu_case_fault(&c, "r1=1", "rel #5, r1", EMU_FAULT_LOCK_ID);
    npu_case_fault(&c, "r1=1 r2=64", "rel r2, r1", EMU_FAULT_LOCK_ID);
    npu_case_fault(&c, "r1=1", "acq #50, r1", EMU_FAULT_NOT_MODELLED);
}

static void test_streams(void **state)
{
    struct world w = {.words = {0x1234}, .n_words = 1};
    (void)state;
    run_with(&w, "", "mov r0, SS\nmov r1, SS", 100);
    assert_int_equal(emu_core_stalled(c.core), EMU_STALL_STREAM);
    w.words[1] = 0x5678;
    w.n_words = 2;
    emu_core_run(c.core, 100);
    npu_case_expect(&c, "r0=0x1234 r1=0x5678", "stream");
    run_with(&w, "r1=9 r2=8 r3=7 r28=1", "mov ms, r1\nmov.tlast ms, r2\nmov ms, r3, r28", 30);
    assert_int_equal(w.given, 0);
    w.space = true;
    emu_core_run(c.core, 100);
    assert_int_equal(emu_core_state(c.core), EMU_DONE);
    assert_int_equal(w.put[0] * 100 + w.put[1] * 10 + w.put[2], 987);
    assert_true(!w.last[0] && w.last[1] && w.last[2]);
    run_with(&w, "x3=32:1,2",
             "vmov MCD, x3\nvmov x4, SCD\nvmov.hi cm1, SCD\nvmov bml2, SCD\nvmov.lo cm3, SCD\n"
             "vmov MCD, bml2\nevent #2\nevent #3",
             100);
    npu_case_expect(&c, "x4=32:1,2 bmh1=32:1,2 bml1=32:0 bml2=32:1,2 bml3=32:1,2 bmh3=32:0",
                    "cascade");
    assert_int_equal(w.events, 23);
}

/* ---- faults ---- */

static void test_faults(void **state)
{
    char text[512];
    const struct emu_fault *f;
    (void)state;
    f = npu_case_fault(&c, "p0=0x70002", "nop\nlda r0, [p0, #0]", EMU_FAULT_MISALIGNED);
    assert_int_equal(f->address, 2);
    assert_int_equal(f->value, 0x70002);
    emu_core_fault_text(c.core, text, sizeof text);
    assert_contains(text, "misaligned access to 0x70002");
    assert_contains(text, "lda r0, [p0, #0]");
    npu_case_fault(&c, "p0=0x70010", "vlda wl0, [p0], #0", EMU_FAULT_MISALIGNED);
    npu_case_fault(&c, "p0=0x80000", "lda r0, [p0, #0]", EMU_FAULT_RANGE);
    npu_case_fault(&c, "p0=0x60000", "lda r0, [p0, #0]", EMU_FAULT_RANGE);
    npu_case_fault(&c, "p0=0", "st r0, [p0, #0]", EMU_FAULT_RANGE);
    npu_case_fault(&c, "p0=0x70000", "vldb.compr.fill [p0]", EMU_FAULT_NOT_MODELLED);
    npu_case_fault(&c, "crRnd=5 s0=1", "vsrs.s16.s32 x0, cm0, s0", EMU_FAULT_NOT_MODELLED);

    npu_case_load(&c, "st r0, [p0, #0]");
    npu_case_set(&c, "p0=0x70104");
    emu_core_guard(c.core, 0x70104);
    assert_int_equal(emu_core_run(c.core, 100), EMU_FAULTED);
    assert_int_equal(emu_core_fault(c.core)->code, EMU_FAULT_STACK);
    npu_case_load(&c, "st r0, [p0, #0]");
    npu_case_set(&c, "p0=0x70108");
    emu_core_guard(c.core, 0x70104);
    assert_int_equal(emu_core_run(c.core, 100), EMU_DONE);
}

static void test_program_ends(void **state)
{
    const uint8_t nop[] = {0x01, 0x00};
    struct sotto_diag diag = {0};
    struct emu_core *core;
    (void)state;
    assert_ok(emu_core_open(&core, NULL, NULL, &diag), &diag);
    assert_int_equal(emu_core_run(core, 10), EMU_FAULTED); // nothing loaded
    assert_int_equal(emu_core_fault(core)->code, EMU_FAULT_PROGRAM_END);
    assert_ok(emu_core_load(core, 0, nop, 2, &diag), &diag);
    emu_core_reset(core);
    assert_int_equal(emu_core_run(core, 10), EMU_FAULTED);
    assert_int_equal(emu_core_fault(core)->value, 2);
    uint8_t junk[16];
    memset(junk, 0xff, sizeof junk);
    assert_ok(emu_core_load(core, 2, junk, 16, &diag), &diag);
    emu_core_reset(core);
    assert_int_equal(emu_core_run(core, 10), EMU_FAULTED);
    assert_int_equal(emu_core_fault(core)->code, EMU_FAULT_ENCODING);
    assert_int_equal(emu_core_pc(core), 2);
    emu_core_close(&core);
}

static void test_call(void **state)
{
    struct emu_profile p;
    uint64_t bundles = 0;
    (void)state;
    npu_case_load(&c, "ret lr\nnop\nnop\nnop\nst r0, [p0, #0]\nmovx r0, #7");
    npu_case_set(&c, "p0=0x70000 r0=5");
    emu_core_call(c.core, 0);
    assert_int_equal(emu_core_run(c.core, 3), EMU_RUNNING);
    assert_int_equal(emu_core_run(c.core, 100), EMU_RETURNED);
    assert_int_equal(emu_core_stats(c.core)->cycles, 6);
    npu_case_expect(&c, "r0=7 @70000=32:5", "call"); // the store lands though it was in flight
    for (unsigned i = 0; emu_core_profile(c.core, i, &p); i++)
        bundles += p.count;
    assert_int_equal(bundles, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_latencies),     cmocka_unit_test(test_accumulator_distance),
        cmocka_unit_test(test_write_order),   cmocka_unit_test(test_branches),
        cmocka_unit_test(test_hardware_loop), cmocka_unit_test(test_banks),
        cmocka_unit_test(test_neighbour),     cmocka_unit_test(test_denied),
        cmocka_unit_test(test_part_stores),   cmocka_unit_test(test_locks),
        cmocka_unit_test(test_streams),       cmocka_unit_test(test_faults),
        cmocka_unit_test(test_program_ends),  cmocka_unit_test(test_call),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
