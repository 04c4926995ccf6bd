/*
 * Random valid programs in the emulated core: they may do anything inside the machine, but never touch host
 * memory out of bounds (run it under ASan and UBSan), and running many cycles at once, one by one, or
 * with the plain loop instead of the fast one must come to the same.
 *
 * Input: 64 bytes of register values, then instructions of 12 bytes (row, operands) that are bundled as far
 * as their slots allow; if the first byte is odd, the rest is taken as program memory as it is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "npu/emu/impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SETUP = 64, CHUNK = 12, CYCLES = 500, RESTARTS = 40 };

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* A value of the operand's kind made of a byte or two. */
static int32_t operand(const struct isa_operand *o, const uint8_t *bytes)
{
    int64_t min, max, step;
    unsigned x = bytes[0] | bytes[1] << 8;
    if (isa_imm_range(o, &min, &max, &step)) {
        uint64_t n = (uint64_t)((max - min) / step) + 1;
        return (int32_t)(min + (int64_t)((x * 0x9e3779b1u >> 4) % n) * step);
    }
    for (unsigned i = 0; o->kind == ISA_KIND_REG && i < ISA_REG_COUNT; i++) {
        int reg = (int)((x + i) % ISA_REG_COUNT);
        if (isa_reg_in(o->name, reg))
            return reg;
    }
    return 0;
}

static void flush(uint8_t *program, uint32_t *at, struct isa_bundle *b)
{
    uint8_t bytes[ISA_BUNDLE_MAX];
    int n = b->slots ? isa_encode(b, bytes, NULL) : 0;
    if (n > 0 && *at + (unsigned)n <= EMU_PROGRAM_BYTES) {
        memcpy(program + *at, bytes, (size_t)n);
        *at += (uint32_t)n;
    }
    b->slots = 0;
}

static uint32_t build(uint8_t *program, const uint8_t *data, size_t size)
{
    struct isa_bundle b = {.slots = 0};
    uint32_t at = 0;
    for (; size >= CHUNK; data += CHUNK, size -= CHUNK) {
        unsigned row = (data[0] | data[1] << 8) % ISA_INSN_COUNT;
        while (!emu_models(row))
            row = (row + 1) % ISA_INSN_COUNT;
        const struct isa_insn *insn = isa_insn(row);
        unsigned taken =
            b.slots | (b.slots & 1u << ISA_SLOT_LNG ? 1u << ISA_SLOT_ALU | 1u << ISA_SLOT_MV : 0);
        unsigned wants = insn->slot == ISA_SLOT_LNG
                             ? 1u << ISA_SLOT_ALU | 1u << ISA_SLOT_MV | 1u << ISA_SLOT_LNG
                             : 1u << insn->slot;
        if (taken & wants || data[11] & 1 || !isa_format_of(b.slots | 1u << insn->slot))
            flush(program, &at, &b);
        struct isa_op *op = &b.op[insn->slot];
        memset(op, 0, sizeof *op);
        op->insn = (uint16_t)row;
        for (unsigned k = 0; insn->operands[k].kind; k++)
            op->value[k] = operand(&insn->operands[k], data + 2 + k % 8);
        b.slots |= (uint8_t)(1u << insn->slot);
    }
    flush(program, &at, &b);
    return at;
}

/* Pointers into the core's own memory, aligned more often than not; the rest as it comes. */
static void set_registers(struct emu_core *c, const uint8_t setup[SETUP])
{
    for (int reg = 1; reg < ISA_REG_COUNT; reg++) {
        uint8_t bytes[128];
        for (unsigned i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(setup[(reg * 7 + (int)i) % SETUP] + reg * (int)i);
        uint32_t x = setup[reg % SETUP] * 32u;
        const struct isa_reg_info *info = isa_reg((unsigned)reg);
        if (info->file == ISA_FILE_P || reg == ISA_REG_sp)
            x += 0x70000;
        if (info->file == ISA_FILE_P || reg == ISA_REG_sp || info->file == ISA_FILE_M ||
            info->file == ISA_FILE_DJ)
            memcpy(bytes, &x, 4);
        if (info->file == ISA_FILE_CR || (info->file == ISA_FILE_R && setup[0] & 2))
            memset(bytes, setup[reg % SETUP] & 13, 1), memset(bytes + 1, 0, 3);
        if (info->file != ISA_FILE_X && info->file != ISA_FILE_BM)
            emu_core_set(c, reg, bytes);
    }
    uint32_t le = EMU_PROGRAM_BYTES;
    emu_core_set(c, ISA_REG_le, &le);
}

static bool yes(void *context, unsigned lock, int value)
{
    (void)lock;
    return value + (*(int *)context)++ % 3;
}

static bool get(void *context, uint32_t *word)
{
    *word = 77;
    return (*(int *)context)++ % 2;
}

static bool put(void *context, uint32_t word, bool last)
{
    return (word + last + (unsigned)(*(int *)context)++) % 2;
}

static struct emu_core *make(const uint8_t *program, uint32_t n, const uint8_t setup[SETUP],
                             int *world)
{
    struct emu_core *c = NULL;
    struct emu_ports ports = {
        .context = world, .acquire = yes, .release = yes, .stream_get = get, .stream_put = put};
    if (emu_core_open(&c, NULL, &ports, NULL) != 0)
        return NULL;
    check(emu_core_load(c, 0, program, n, NULL) == 0);
    set_registers(c, setup);
    emu_core_start(c, 0);
    return c;
}

static void compare(const struct emu_core *a, const struct emu_core *b)
{
    check(a->state == b->state && a->pc == b->pc && a->fault.code == b->fault.code);
    check(memcmp(&a->regs, &b->regs, sizeof a->regs) == 0);
    check(memcmp(&a->stats, &b->stats, sizeof a->stats) == 0);
    check(memcmp(a->memory[EMU_OWN], b->memory[EMU_OWN], EMU_MEMORY_BYTES) == 0);
}

static void run_both(struct emu_core *a, struct emu_core *b, uint32_t start,
                     const uint8_t setup[SETUP])
{
    emu_core_reset(a);
    emu_core_reset(b);
    set_registers(a, setup);
    set_registers(b, setup);
    emu_core_start(a, start);
    emu_core_start(b, start);
    emu_core_run(a, CYCLES);
    for (unsigned i = 0; i < CYCLES && emu_core_state(b) == EMU_RUNNING; i++)
        emu_core_step(b, false);
    compare(a, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t program[EMU_PROGRAM_BYTES];
    uint8_t setup[SETUP] = {0};
    char text[1024];
    int world_a = 0, world_b = 0;
    memcpy(setup, data, size < SETUP ? size : SETUP);
    size_t rest = size > SETUP ? size - SETUP : 0;
    uint32_t n;
    if (setup[0] & 1) {
        n = (uint32_t)(rest < sizeof program ? rest : sizeof program);
        memcpy(program, data + SETUP, rest ? n : 0);
    } else {
        n = build(program, data + SETUP, rest);
    }
    struct emu_core *a = make(program, n, setup, &world_a), *b = make(program, n, setup, &world_b);
    if (a && b) {
        b->run = emu_run_plain;
        b->fast = emu_plain();
    }
    // A fault ends the run: go on behind it, in another.
    for (unsigned i = 0, start = 0; a && b && i < RESTARTS && start < n; i++) {
        run_both(a, b, start, setup);
        emu_core_fault_text(a, text, sizeof text);
        start = (a->state == EMU_FAULTED ? a->fault.address : start) + 2;
    }
    emu_core_close(&a);
    emu_core_close(&b);
    return 0;
}
