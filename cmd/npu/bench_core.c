/* sotto-npu bench-core: how fast the emulator runs a loop like the matrix product's. */
#include <string.h>
#include <time.h>

#include "cli.h"
#include "npu/asm/text.h"
#include "npu/emu/core.h"

enum { BODY = 64, LOOP_START = 128, CYCLES = 20000000 };

struct program {
    uint8_t bytes[EMU_PROGRAM_BYTES];
    uint32_t size;
};

static int add(struct program *p, const char *text)
{
    struct text_bundle b;
    struct sotto_diag diag = {0};
    struct text_place at = {"bench-core", 1, 1};
    int err = text_parse_bundle(text, strlen(text), &at, NULL, &b, &diag);
    int n = err ? err : isa_encode(&b.bundle, p->bytes + p->size, &diag);
    if (n < 0)
        return npu_cli_fail(&diag);
    p->size += (uint32_t)n;
    return CLI_EXIT_OK;
}

/* A loop of 64 bundles: a vmac.f, two loads, two pointers in each. */
static int write_program(struct program *p)
{
    char text[160];
    int status = add(p, "movxm ls, #128");
    snprintf(text, sizeof text, "movxm le, #%d", LOOP_START + 16 * (BODY - 1));
    status = status ? status : add(p, text);
    status = status ? status : add(p, "movxm lc, #0x7fffffff");
    while (!status && p->size < LOOP_START)
        status = add(p, "nop");
    for (int i = 0; !status && i < BODY; i++) {
        const char *bm = i % 2 ? "bmh" : "bml";
        snprintf(text, sizeof text,
                 "vlda wl%d, [p0], %s; vldb wh%d, [p1], %s; nops; nopx; nopm; vmac.f %s%d, %s%d, "
                 "x%d, x%d, r0",
                 i % 4, i == BODY - 1 ? "m1" : "m0", i % 4, i == BODY - 1 ? "m1" : "m0", bm,
                 i / 2 % 8, bm, i / 2 % 8, 4 + i % 4, 8 + i % 4);
        status = add(p, text);
    }
    return status ? status : add(p, "done");
}

static void set(struct emu_core *core, int reg, uint32_t value)
{
    emu_core_set(core, reg, &value);
}

static void prepare(struct emu_core *core)
{
    uint16_t lanes[32];
    uint8_t *memory = emu_core_memory(core, EMU_OWN);
    for (unsigned i = 0; i < EMU_MEMORY_BYTES; i += 2) {
        memory[i] = (uint8_t)(i * 7);
        memory[i + 1] = i & 64 ? 0x3f : 0xbf;
    }
    memcpy(lanes, memory, sizeof lanes);
    for (int reg = ISA_REG_x0; reg < ISA_REG_x0 + 12; reg++)
        emu_core_set(core, reg, lanes);
    set(core, ISA_REG_p0, 0x70000);
    set(core, ISA_REG_p1, 0x74000);
    set(core, ISA_REG_m0, 32);
    set(core, ISA_REG_m1, (uint32_t)(-32 * (BODY - 1)));
    set(core, ISA_REG_r0, 28);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int npu_cmd_bench_core(int argc, char **argv)
{
    static struct program program;
    struct sotto_diag diag = {0};
    struct emu_core *core;
    if (argc > 1)
        return npu_cli_usage("bench-core", "'%s' is not understood", argv[1]);
    int status = write_program(&program);
    if (status)
        return status;
    if (emu_core_open(&core, NULL, NULL, &diag))
        return npu_cli_fail(&diag);
    emu_core_load(core, 0, program.bytes, program.size, &diag);
    emu_core_start(core, 0);
    prepare(core);
    emu_core_run(core, 100000);
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        double start = seconds();
        emu_core_run(core, CYCLES / 5);
        double spent = seconds() - start;
        best = spent < best ? spent : best;
    }
    char text[ISA_TEXT_MAX + 256];
    if (emu_core_state(core) == EMU_FAULTED) {
        emu_core_fault_text(core, text, sizeof text);
        fprintf(stderr, "sotto-npu: stopped %s\n", text);
        status = CLI_EXIT_INTERNAL;
    } else {
        printf("%.1f million emulated core cycles per second (one thread, best of 5)\n",
               CYCLES / 5 / best / 1e6);
    }
    emu_core_close(&core);
    return status;
}
