/* See deps.h. */
#include "npu/sched/deps.h"

#include <string.h>

/* ---- registers ---- */

unsigned deps_leaves(int reg, uint32_t leaves[ISA_PARTS_MAX])
{
    const struct isa_reg_info *info = isa_reg((unsigned)reg);
    unsigned n = 0;
    while (info && n < ISA_PARTS_MAX && info->parts[n]) {
        leaves[n] = info->parts[n];
        n++;
    }
    if (!n) {
        leaves[n++] = (uint32_t)reg;
    }
    return n;
}

bool deps_is_status(unsigned reg)
{
    return reg >= ISA_REG_srCarry && reg <= ISA_REG_srUPS_of;
}

bool deps_is_sticky(unsigned reg)
{
    return deps_is_status(reg) && reg != ISA_REG_srCarry && reg != ISA_REG_srMS0 &&
           reg != ISA_REG_srSS0;
}

void deps_flags_add(struct deps_flags *flags, const struct isa_op *op)
{
    const struct isa_insn *insn = isa_insn(op->insn);
    for (unsigned k = 0; insn->operands[k].kind; k++) {
        const struct isa_operand *operand = &insn->operands[k];
        if (!(operand->access & ISA_ACCESS_READ)) {
            continue;
        }
        unsigned reg = operand->kind == ISA_KIND_REG       ? (unsigned)op->value[k]
                       : operand->kind == ISA_KIND_IMPLIED ? operand->name
                                                           : ISA_REG_NONE;
        if (reg < ISA_REG_COUNT && deps_is_status(reg)) {
            flags->read[reg] = true;
        }
    }
}

static unsigned operand_leaves(const struct isa_op *op, const struct isa_operand *operand,
                               unsigned k, const struct deps_regs *regs,
                               uint32_t leaves[ISA_PARTS_MAX])
{
    if (operand->kind == ISA_KIND_FIXED || operand->kind == ISA_KIND_IMPLIED) {
        return deps_leaves(operand->name, leaves);
    }
    if (op->value[k] >= ISA_REG_COUNT) {
        return regs ? regs->leaves(regs->user, op->value[k], leaves) : 0;
    }
    return deps_leaves(op->value[k], leaves);
}

/* The counters among the leaves of a d register: order of registers.def. */
static unsigned counters(unsigned kind, unsigned n, uint32_t leaves[ISA_PARTS_MAX])
{
    if (n <= 3) {
        return 0;
    }
    leaves[0] = leaves[3];
    if (kind == ISA_KIND_COUNT3 && n > 6) {
        leaves[1] = leaves[6];
        return 2;
    }
    return 1;
}

static void add(struct deps_op *d, const uint32_t *leaves, unsigned n, unsigned k, unsigned stage,
                unsigned bypass, bool write)
{
    for (unsigned i = 0; i < n && d->n < DEPS_ACCESS_MAX; i++) {
        d->access[d->n++] = (struct deps_access){
            .leaf = leaves[i],
            .stage = (uint8_t)stage,
            .from = (uint8_t)stage,
            .bypass = (uint8_t)bypass,
            .operand = (uint8_t)k,
            .part = (uint8_t)i,
            .write = write,
        };
    }
    if (d->done < stage) {
        d->done = (uint8_t)stage;
    }
}

static bool ignored(const struct isa_operand *operand, bool write, const struct deps_flags *flags)
{
    return write && operand->kind == ISA_KIND_IMPLIED && deps_is_status(operand->name) &&
           !(flags && flags->read[operand->name]);
}

/* The op with real registers in place of virtual ones, for its timing class. */
static struct isa_op sampled(const struct isa_op *op, const struct deps_regs *regs, bool other,
                             bool *differs)
{
    struct isa_op copy = *op;
    const struct isa_insn *insn = isa_insn(op->insn);
    *differs = false;
    for (unsigned k = 0; insn->operands[k].kind; k++) {
        if (insn->operands[k].kind == ISA_KIND_REG && op->value[k] >= ISA_REG_COUNT && regs) {
            int second = 0;
            copy.value[k] = regs->sample(regs->user, op->value[k], &second);
            if (second) {
                *differs = true;
                copy.value[k] = other ? second : copy.value[k];
            }
        }
    }
    return copy;
}

static void add_operands(struct deps_op *d, const struct isa_op *op, const struct isa_op *sample,
                         const struct deps_regs *regs, const struct deps_flags *flags)
{
    for (unsigned k = 0; d->insn->operands[k].kind; k++) {
        const struct isa_operand *operand = &d->insn->operands[k];
        uint32_t leaves[ISA_PARTS_MAX];
        unsigned n = 0, bypass;
        if (operand->kind == ISA_KIND_COUNT || operand->kind == ISA_KIND_COUNT3) {
            n = operand_leaves(op, operand - 1, k - 1, regs, leaves);
            n = counters(operand->kind, n, leaves);
        } else if (operand->kind == ISA_KIND_REG || operand->kind == ISA_KIND_FIXED ||
                   operand->kind == ISA_KIND_IMPLIED) {
            n = operand_leaves(op, operand, k, regs, leaves);
        }
        for (int write = 0; write < 2; write++) {
            unsigned stage = isa_operand_stage(sample, k, write, &bypass);
            if (n && stage && !ignored(operand, write, flags)) {
                add(d, leaves, n, k, stage, bypass, write);
            }
        }
    }
}

/* ---- what else an op is ---- */

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static unsigned kind_of(const struct isa_insn *insn)
{
    const char *t = insn->text;
    if (starts(t, "acq")) {
        return DEPS_LOCK_ACQUIRE;
    }
    if (starts(t, "rel")) {
        return DEPS_LOCK_RELEASE;
    }
    if (insn->slot == ISA_SLOT_LNG || insn->slot == ISA_SLOT_ALU) {
        if (starts(t, "j ") || starts(t, "jl ") || starts(t, "jz ") || starts(t, "jnz ") ||
            starts(t, "jnzd ") || starts(t, "ret")) {
            return DEPS_BRANCH;
        }
    }
    if (strstr(t, " ms,") || strstr(t, "SS") || strstr(t, "SCD") || strstr(t, "MCD") ||
        strstr(t, ".tm ") || starts(t, "event") || starts(t, "done")) {
        return DEPS_STREAM;
    }
    return DEPS_PLAIN;
}

bool deps_is_branch(const struct isa_op *op)
{
    return kind_of(isa_insn(op->insn)) == DEPS_BRANCH;
}

bool deps_is_partword_store(const struct deps_op *d)
{
    return d->memory == ISA_MEMORY_BOTH;
}

/* All vector accesses move 256 bits through the port, whatever they convert; table look-ups have no
 * one address. Sources: semantics of loads and stores; AM020 chapter 4. */
static unsigned access_bytes(const struct isa_insn *insn)
{
    const char *t = insn->text, *end = t + strcspn(t, " ");
    size_t n = (size_t)(end - t);
    if (!insn->memory || strstr(t, ".4x")) {
        return 0;
    }
    if (n > 4 && memcmp(end - 4, ".128", 4) == 0) {
        return 16;
    }
    if (t[0] == 'v') {
        return 32;
    }
    if (n > 2 && end[-2] != '.' &&
        (memcmp(end - 2, "s8", 2) == 0 || memcmp(end - 2, "u8", 2) == 0)) {
        return 1;
    }
    if (n > 3 && (memcmp(end - 3, "s16", 3) == 0 || memcmp(end - 3, "u16", 3) == 0)) {
        return 2;
    }
    return insn->operands[0].kind == ISA_KIND_REG && insn->operands[0].name == ISA_CLASS_mQQa ? 16
                                                                                              : 4;
}

void deps_describe(struct deps_op *d, const struct isa_op *op, const struct deps_regs *regs,
                   const struct deps_flags *flags)
{
    bool differs, unused;
    struct isa_op sample = sampled(op, regs, false, &differs);
    memset(d, 0, offsetof(struct deps_op, access));
    d->insn = isa_insn(op->insn);
    d->itin = isa_itin(isa_itin_of(&sample));
    d->kind = (uint8_t)kind_of(d->insn);
    d->slot = d->insn->slot;
    d->memory = d->insn->memory;
    d->first = d->itin->memory[0];
    d->last = d->itin->memory[1] ? d->itin->memory[1] : d->first;
    d->bytes = (uint8_t)access_bytes(d->insn);
    d->done = d->last;
    add_operands(d, op, &sample, regs, flags);
    // The stored register of an 8/16-bit store is read in stage 7 by the compiler's tables, which nothing
    // measured confirms: it is kept from issue to there.
    for (unsigned i = 0; i < d->n && d->memory == ISA_MEMORY_BOTH; i++) {
        d->access[i].from = 1;
    }
    for (unsigned u = 0; u < ISA_USES_MAX && d->itin->uses[u].use; u++) {
        if (d->itin->uses[u].to > d->done) {
            d->done = d->itin->uses[u].to;
        }
    }
    if (differs) {
        struct isa_op second = sampled(op, regs, true, &unused);
        for (unsigned i = 0; i < d->n; i++) {
            unsigned bypass;
            isa_operand_stage(&second, d->access[i].operand, d->access[i].write, &bypass);
            d->access[i].loose = bypass != d->access[i].bypass;
        }
    }
}

/* ---- distances ---- */

static int bypassed(const struct deps_access *a, const struct deps_access *b)
{
    return a->bypass && a->bypass == b->bypass && !a->loose && !b->loose;
}

static int may_bypass(const struct deps_access *a, const struct deps_access *b)
{
    return (a->bypass || a->loose) && (b->bypass || b->loose) &&
           (a->bypass == b->bypass || a->loose || b->loose);
}

int deps_raw(const struct deps_access *write, const struct deps_access *read)
{
    return write->stage - read->from + 1 - bypassed(write, read);
}

int deps_war(const struct deps_access *read, const struct deps_access *write)
{
    return read->stage - write->stage + may_bypass(read, write);
}

int deps_waw(const struct deps_access *first, const struct deps_access *second)
{
    return first->stage - second->stage + 1;
}

int deps_memory(const struct deps_op *first, const struct deps_op *second)
{
    if (!first->first || !second->first ||
        (first->memory == ISA_MEMORY_LOAD && second->memory == ISA_MEMORY_LOAD)) {
        return DEPS_NONE;
    }
    return first->last - second->first + 1;
}

/* Locks work in stages 2 to 5 (the semaphore port). Memory touched after an acquire comes later than
 * that; what was touched before a release keeps the distances of compiled code: 32-bit store 3, vector
 * store 8, part-word store 11; for loads, one past the last memory stage. */
static int lock_distance(const struct deps_op *first, const struct deps_op *second)
{
    if (first->kind == DEPS_LOCK_ACQUIRE && second->first) {
        return second->memory == ISA_MEMORY_LOAD ? 1 : 2;
    }
    if (second->kind == DEPS_LOCK_RELEASE && first->first) {
        return first->memory == ISA_MEMORY_LOAD   ? 4
               : first->memory == ISA_MEMORY_BOTH ? 11
               : first->bytes > 4                 ? 8
                                                  : 3;
    }
    // Nothing may move out of the section between the two.
    if (first->kind == DEPS_LOCK_RELEASE && second->first) {
        return 1;
    }
    if (second->kind == DEPS_LOCK_ACQUIRE && first->first) {
        return first->memory == ISA_MEMORY_BOTH ? 11 : 1;
    }
    return DEPS_NONE;
}

int deps_order(const struct deps_op *first, const struct deps_op *second)
{
    bool a = first->kind >= DEPS_LOCK_ACQUIRE && first->kind <= DEPS_STREAM;
    bool b = second->kind >= DEPS_LOCK_ACQUIRE && second->kind <= DEPS_STREAM;
    if (a && b) {
        return 1;
    }
    return a || b ? lock_distance(first, second) : DEPS_NONE;
}

/* ---- ports ---- */

static bool uses_meet(unsigned a, unsigned b, bool strict)
{
    if (a == ISA_USE_TAKE && b == ISA_USE_TAKE) {
        return true;
    }
    if (a == ISA_USE_HOLD && b == ISA_USE_HOLD) {
        return strict;
    }
    return a != b;
}

unsigned deps_port_conflict(const struct deps_op *first, const struct deps_op *second, int distance,
                            bool strict, int *cycle)
{
    for (unsigned i = 0; i < ISA_USES_MAX && first->itin->uses[i].use; i++) {
        for (unsigned k = 0; k < ISA_USES_MAX && second->itin->uses[k].use; k++) {
            int from = first->itin->uses[i].from - distance,
                to = first->itin->uses[i].to - distance;
            int from2 = second->itin->uses[k].from, to2 = second->itin->uses[k].to;
            if (first->itin->uses[i].port == second->itin->uses[k].port && from <= to2 &&
                from2 <= to &&
                uses_meet(first->itin->uses[i].use, second->itin->uses[k].use, strict)) {
                if (cycle) {
                    *cycle = (from > from2 ? from : from2) - 1;
                }
                return first->itin->uses[i].port;
            }
        }
    }
    return ISA_PORT_NONE;
}

const char *deps_port_name(unsigned port)
{
    static const char *const names[] = {
        "none",
#define PORT(id) #id,
#include "npu/isa/ports.def"
#undef PORT
    };
    return port < sizeof names / sizeof names[0] ? names[port] : "none";
}
