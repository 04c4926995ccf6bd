/*
 * The core's cycle: fetch, the pipeline's order of steps, branches, hardware loops, stalls; and the
 * interface of core.h. What instructions do is in scalar.c, memory.c, vector.c and mac.c.
 * Sources of the rules: docs/npu-fidelity.md.
 */
#include "npu/emu/impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/mem.h"

enum {
    LOOP_DISTANCE = 7, // bundles between the one that writes le and the one at le
    DELAY_SLOTS = 5,
};

/* ---- faults ---- */

void emu_fault(struct emu_core *c, enum emu_fault_code code, const struct emu_op *op,
               uint32_t value)
{
    if (c->state == EMU_FAULTED)
        return;
    c->state = EMU_FAULTED;
    c->fault.code = code;
    c->fault.address = op ? op->address : c->pc;
    c->fault.value = value;
    c->fault.insn = op ? op->insn : ISA_INSN_COUNT;
}

void emu_core_fault_text(const struct emu_core *c, char *dst, size_t size)
{
    static const char *const texts[] = {
#define FAULT(name, text) text,
#include "npu/emu/faults.def"
#undef FAULT
    };
    const struct emu_fault *f = &c->fault;
    char what[128], bundle[ISA_TEXT_MAX] = "";
    struct isa_bundle isa;
    // The texts take at most the one value.
    snprintf(what, sizeof what, texts[f->code], f->value); // NOLINT
    if (f->address < EMU_PROGRAM_BYTES &&
        isa_decode(c->program + f->address, EMU_PROGRAM_BYTES - f->address, &isa, NULL) > 0)
        isa_print(&isa, bundle, sizeof bundle);
    const struct isa_insn *insn = isa_insn(f->insn);
    snprintf(dst, size, "at 0x%05x: %s%s%s%s%s%s", f->address, what, insn ? ": " : "",
             insn ? insn->name : "", bundle[0] ? " (" : "", bundle, bundle[0] ? ")" : "");
}

/* ---- fetch ---- */

static struct emu_bundle *decode(struct emu_core *c, uint32_t address)
{
    struct isa_bundle isa;
    int size = isa_decode(c->program + address, sizeof c->program - address, &isa, NULL);
    if (size < 0 || address + (unsigned)size > c->program_end)
        return NULL;
    if (c->n_all % 256 == 0) {
        struct emu_bundle **all = mem_grow(c->all, c->n_all, c->n_all + 256, sizeof *all);
        if (!all)
            return NULL;
        c->all = all;
    }
    struct emu_bundle *b = emu_lower(&isa, address);
    if (b)
        c->all[c->n_all++] = b;
    return b;
}

/* The bundle at an address, NULL if there is none. */
struct emu_bundle *emu_look_up(struct emu_core *c, uint32_t address)
{
    if (address % 2 || address >= c->program_end)
        return NULL;
    struct emu_bundle **entry = &c->decoded[address / 2];
    if (!*entry)
        *entry = decode(c, address);
    return *entry;
}

struct emu_bundle *emu_bundle_at(struct emu_core *c, uint32_t address)
{
    struct emu_bundle *b = emu_look_up(c, address);
    if (b)
        return b;
    c->pc = address;
    if (address % 2 || address >= EMU_PROGRAM_BYTES)
        emu_fault(c, EMU_FAULT_PC, NULL, address);
    else if (address >= c->program_end)
        emu_fault(c, EMU_FAULT_PROGRAM_END, NULL, address);
    else
        emu_fault(c, EMU_FAULT_ENCODING, NULL, 0);
    return NULL;
}

uint32_t emu_return_address(struct emu_core *c, const struct emu_op *op)
{
    struct emu_bundle *b = emu_look_up(c, op->address);
    for (unsigned i = 0; b && i < DELAY_SLOTS; i++) {
        uint32_t after = b->after;
        b = emu_look_up(c, after);
        if (!b)
            return after;
    }
    return b ? b->after : 0;
}

void emu_forget_bundles(struct emu_core *c)
{
    for (unsigned i = 0; i < c->n_all; i++)
        mem_free(c->all[i]);
    mem_free(c->all);
    c->all = NULL;
    c->n_all = 0;
    c->next = NULL;
    memset(c->decoded, 0, sizeof c->decoded);
    emu_forget_cycles(c);
}

/* ---- landing of results ---- */

void emu_land_scalar(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    c->regs.s[op->out[0].at] = emu_cut_to(w->out.u32[0], op->out[0].cut);
}

void emu_land_pair(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    memcpy(&c->regs.s[op->out[0].at], w->out.u8, 8);
}

void emu_land_8(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    memcpy(c->regs.v + op->out[0].at, w->out.u8, 8);
}

void emu_land_16(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    memcpy(c->regs.v + op->out[0].at, w->out.u8, 16);
}

void emu_land_32(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    memcpy(c->regs.v + op->out[0].at, w->out.u8, 32);
}

void emu_land_64(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    memcpy(c->regs.v + op->out[0].at, w->out.u8, 64);
}

void emu_land_128(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    memcpy(c->regs.v + op->out[0].at, w->out.u8, 128);
}

/* A mask is the second result, or the only one. */
static unsigned mask_register(const struct emu_op *op)
{
    return op->out[1].bytes ? op->out[1].at : op->out[0].at;
}

void emu_land_mask(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    c->regs.s[mask_register(op)] = (uint32_t)w->mask;
}

void emu_land_mask_pair(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    memcpy(&c->regs.s[mask_register(op)], &w->mask, 8);
}

void emu_land_flag(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_flag(c, op->flag, w->mask);
}

/* ---- the rarer parts of a cycle ---- */

static void charge(struct emu_core *c, enum emu_stall cause)
{
    c->stats.cycles++;
    c->stats.stalls[cause]++;
    c->stalled = (int)cause;
    if (c->next)
        c->next->stalls++;
}

/* Extra cycles the accesses of this cycle need beyond one: the fullest bank decides. */
void emu_charge_conflicts(struct emu_core *c, struct emu_bundle *b, unsigned slot)
{
    unsigned most = 1;
    for (unsigned q = 0; q < EMU_QUADRANTS; q++) {
        for (uint32_t counts = c->banks[slot][q]; counts; counts >>= 4)
            most = (counts & 15) > most ? counts & 15 : most;
    }
    c->conflicts &= ~(1u << slot);
    c->stall += most - 1;
    c->stall_cause = EMU_STALL_BANK;
    b->stalls += most - 1;
}

/* Hardware loop: the bundle at le has issued and lc is not 0. */
void emu_loop_back(struct emu_core *c, const struct emu_bundle *b)
{
    uint32_t left = --c->regs.s[ISA_REG_lc];
    uint64_t distance = c->n - c->loop_written;
    if (distance < LOOP_DISTANCE)
        emu_fault(c, EMU_FAULT_LOOP_SETUP, NULL, (uint32_t)distance);
    else if (left && b->partword)
        emu_fault(c, EMU_FAULT_LOOP_STORE, NULL, 0);
    if (c->state == EMU_FAULTED)
        c->fault.address = b->address;
    else if (left)
        c->pc = c->regs.s[ISA_REG_ls];
}

void emu_redirect(struct emu_core *c)
{
    c->next = NULL;
    if (c->pc == EMU_RETURN_ADDRESS)
        c->state = EMU_RETURNED;
    else
        c->next = emu_look_up(c, c->pc);
}

/* Asks ports; false: one said no. */
static bool ports_ready(struct emu_core *c, struct emu_bundle *b)
{
    struct emu_flight *f = &c->flights[c->n % EMU_FLIGHTS];
    for (unsigned i = 0; i < b->n_ops; i++) {
        const struct emu_op *op = &b->ops[i];
        if (op->semantics->template != EMU_WAIT || c->waited >> i & 1)
            continue;
        if (!emu_port_ready(c, b, op, emu_work_of(f, op->work * 32u)))
            return false;
        c->waited |= 1u << i;
    }
    c->waited = 0;
    return c->state == EMU_RUNNING;
}

static bool all_modelled(struct emu_core *c, const struct emu_bundle *b)
{
    for (unsigned i = 0; i < b->n_ops; i++) {
        if (b->ops[i].semantics->template == EMU_UNKNOWN) {
            emu_fault(c, EMU_FAULT_NOT_MODELLED, &b->ops[i], 0);
            return false;
        }
    }
    return true;
}

/* Things to settle before a bundle can issue; false: it does not, this cycle. */
bool emu_may_issue(struct emu_core *c, struct emu_bundle *b)
{
    if (b->unknown && !all_modelled(c, b))
        return false;
    if (b->waits && !ports_ready(c, b)) {
        if (c->state == EMU_RUNNING)
            charge(c, c->stall_cause);
        return false;
    }
    if (b->sets_loop)
        c->loop_written = c->n;
    if (b->hazard) {
        memcpy(c->old, c->regs.s, sizeof c->old);
        c->in = c->old;
    }
    return true;
}

/* Lets what is in the pipeline land. */
static void drain(struct emu_core *c)
{
    enum emu_state state = c->state;
    for (unsigned i = 0; i < EMU_HISTORY && c->cycle; i++) {
        c->cycle = emu_next_cycle(c, NULL);
        if (c->cycle)
            emu_run_steps(c, c->cycle);
        c->n++;
    }
    memset(c->banks, 0, sizeof c->banks);
    c->conflicts = 0;
    c->stall = 0;
    c->branch_left = 0;
    if (c->state != EMU_FAULTED)
        c->state = state;
}

static void settle(struct emu_core *c)
{
    if (c->state == EMU_DONE || c->state == EMU_RETURNED)
        drain(c);
}

void emu_core_step(struct emu_core *c, bool denied)
{
    if (c->state != EMU_RUNNING)
        return;
    if (denied && !c->stall) {
        charge(c, EMU_STALL_MEMORY);
        return;
    }
    c->run(c, c->stats.cycles + 1);
    settle(c);
}

enum emu_state emu_core_run(struct emu_core *c, uint64_t cycles)
{
    uint64_t end = c->stats.cycles + cycles;
    bool ran = c->state == EMU_RUNNING;
    c->run(c, end < cycles ? UINT64_MAX : end);
    if (ran)
        settle(c);
    return c->state;
}

uint8_t emu_core_banks(const struct emu_core *c, enum emu_quadrant quadrant)
{
    uint8_t banks = 0;
    uint32_t counts =
        c->state == EMU_RUNNING && !c->stall ? c->banks[c->n % EMU_FLIGHTS][quadrant] : 0;
    for (unsigned i = 0; i < 8; i++)
        banks |= (uint8_t)((counts >> 4 * i & 15 ? 1 : 0) << i);
    return banks;
}

/* ---- opening, loading, looking in ---- */

int emu_core_open(struct emu_core **out, uint8_t *const memory[EMU_QUADRANTS],
                  const struct emu_ports *ports, struct sotto_diag *diag)
{
    struct emu_core *c = mem_calloc(1, sizeof *c);
    if (!c)
        return diag_set(diag, SOTTO_ENOMEM, NULL, "out of memory");
    for (unsigned q = 0; memory && q < EMU_QUADRANTS; q++)
        c->memory[q] = memory[q];
    if (!c->memory[EMU_OWN]) {
        c->own_memory = mem_calloc(EMU_MEMORY_BYTES, 1);
        if (!c->own_memory) {
            mem_free(c);
            return diag_set(diag, SOTTO_ENOMEM, NULL, "out of memory");
        }
        c->memory[EMU_OWN] = c->own_memory;
    }
    if (ports)
        c->ports = *ports;
    c->fast = emu_fast();
    c->run = emu_run_plain;
#if defined(__x86_64__)
    if (cpu_flags() & CPU_AVX2)
        c->run = emu_run_avx2;
#endif
    emu_core_reset(c);
    *out = c;
    return SOTTO_OK;
}

void emu_core_close(struct emu_core **core)
{
    if (!core || !*core)
        return;
    emu_forget_bundles(*core);
    mem_free((*core)->own_memory);
    mem_free(*core);
    *core = NULL;
}

void emu_core_reset(struct emu_core *c)
{
    memset(&c->regs, 0, sizeof c->regs);
    c->cycle = NULL;
    memset(c->banks, 0, sizeof c->banks);
    memset(&c->fault, 0, sizeof c->fault);
    memset(&c->stats, 0, sizeof c->stats);
    memset(c->locks, 0, sizeof c->locks);
    c->in = c->regs.s;
    c->n = EMU_FLIGHTS;
    c->loop_written = 0;
    c->conflicts = c->branch_left = c->stall = c->waited = 0;
    c->stalled = -1;
    c->state = EMU_RUNNING;
    for (unsigned i = 0; i < c->n_all; i++)
        c->all[i]->count = c->all[i]->stalls = 0;
    emu_core_start(c, 0);
}

int emu_core_load(struct emu_core *c, uint32_t address, const uint8_t *bytes, size_t size,
                  struct sotto_diag *diag)
{
    unsigned q = (address >> 16) - 4;
    if (address < 0x20000) {
        if (address > EMU_PROGRAM_BYTES || size > EMU_PROGRAM_BYTES - address)
            return diag_set(diag, SOTTO_EINVAL, NULL,
                            "%zu bytes at 0x%x do not fit the 16 KiB of program memory", size,
                            address);
        emu_forget_bundles(c);
        memcpy(c->program + address, bytes, size);
        if (address + size > c->program_end)
            c->program_end = (uint32_t)(address + size);
        emu_core_start(c, c->pc);
        return SOTTO_OK;
    }
    if (q >= EMU_QUADRANTS || !c->memory[q] || size > EMU_MEMORY_BYTES - (address & 0xffff))
        return diag_set(diag, SOTTO_EINVAL, NULL, "no data memory for %zu bytes at 0x%x", size,
                        address);
    memcpy(c->memory[q] + (address & 0xffff), bytes, size);
    return SOTTO_OK;
}

uint8_t *emu_core_memory(struct emu_core *c, enum emu_quadrant quadrant)
{
    return c->memory[quadrant];
}

void emu_core_start(struct emu_core *c, uint32_t address)
{
    c->pc = address;
    c->next = emu_look_up(c, address);
    if (c->state == EMU_DONE || c->state == EMU_RETURNED)
        c->state = EMU_RUNNING;
}

void emu_core_call(struct emu_core *c, uint32_t address)
{
    c->regs.s[ISA_REG_lr] = EMU_RETURN_ADDRESS;
    emu_core_start(c, address);
}

void emu_core_guard(struct emu_core *c, uint32_t address)
{
    c->guard = address;
}

void emu_core_set_id(struct emu_core *c, uint32_t id)
{
    c->regs.s[ISA_REG_CORE_ID] = id;
}

enum emu_state emu_core_state(const struct emu_core *c)
{
    return c->state;
}

const struct emu_fault *emu_core_fault(const struct emu_core *c)
{
    return &c->fault;
}

uint32_t emu_core_pc(const struct emu_core *c)
{
    return c->pc;
}

int emu_core_stalled(const struct emu_core *c)
{
    return c->stalled;
}

const struct emu_stats *emu_core_stats(const struct emu_core *c)
{
    return &c->stats;
}

uint8_t *emu_core_locks(struct emu_core *c)
{
    return c->locks;
}

static const struct emu_place *reg_place(int reg, struct emu_place *p)
{
    const struct isa_reg_info *info = isa_reg(reg < 0 ? ISA_REG_COUNT : (unsigned)reg);
    if (!info || info->file == ISA_FILE_D || info->file == ISA_FILE_D3 ||
        info->file == ISA_FILE_QW || info->file == ISA_FILE_QX || reg == ISA_REG_cntr)
        return NULL;
    *p = emu_place_of((unsigned)reg);
    return p;
}

bool emu_core_get(const struct emu_core *c, int reg, void *bytes)
{
    struct emu_place p;
    if (!reg_place(reg, &p))
        return false;
    bool scalar = p.bytes == 4 || isa_reg((unsigned)reg)->file == ISA_FILE_L;
    memcpy(bytes, scalar ? (const void *)&c->regs.s[p.at] : c->regs.v + p.at, p.bytes);
    return true;
}

bool emu_core_set(struct emu_core *c, int reg, const void *bytes)
{
    struct emu_place p;
    if (!reg_place(reg, &p))
        return false;
    if (p.bytes == 4) {
        uint32_t x;
        memcpy(&x, bytes, 4);
        c->regs.s[p.at] = emu_cut_to(x, p.cut);
        return true;
    }
    bool pair = isa_reg((unsigned)reg)->file == ISA_FILE_L;
    memcpy(pair ? (void *)&c->regs.s[p.at] : c->regs.v + p.at, bytes, p.bytes);
    return true;
}

bool emu_core_profile(const struct emu_core *c, unsigned i, struct emu_profile *profile)
{
    if (i >= c->n_all)
        return false;
    const struct emu_bundle *b = c->all[i];
    *profile = (struct emu_profile){b->address, b->after, b->count, b->stalls, b->macs, b->isa};
    return true;
}
