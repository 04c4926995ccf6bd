/*
 * The loop over cycles. Included by one file per instruction set, which defines RUN, its name, and
 * RUN_STEPS: copies of 32 and 64 bytes are single instructions then.
 */
#include "npu/emu/impl.h"

typedef uint8_t bytes_32 __attribute__((vector_size(32), aligned(1), may_alias));

/* memcpy of 32 bytes, which compilers make two moves of even where one would do. */
static inline void copy_32(uint8_t *dst, const uint8_t *src)
{
    *(bytes_32 *)dst = *(const bytes_32 *)src;
}

static inline void copy_64(uint8_t *dst, const uint8_t *src)
{
    copy_32(dst, src);
    copy_32(dst + 32, src + 32);
}

/* The commonest address; anything out of the ordinary goes the long way. */
static inline void address_32(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t p = c->in[op->pointer], quadrant = p >> 16 & 3;
    if (p & 31 || p >> 18 != 1 || !c->memory[quadrant]) {
        emu_do_address(c, op, w);
        return;
    }
    uint32_t step = op->mode == EMU_ADDRESS_POST ? (uint32_t)op->imm : c->in[op->index];
    c->regs.s[op->pointer] = (p + step) & 0xfffff;
    w->host = c->memory[quadrant] + (p & 0xffff);
    unsigned slot = (unsigned)(c->n + 4) % EMU_FLIGHTS;
    uint32_t counts = c->banks[slot][quadrant] += 0x11u << 8 * (p >> 14 & 3);
    c->conflicts |= (uint32_t)((counts & 0xeeeeeeee) != 0) << slot;
}

static inline __attribute__((always_inline)) void run_steps(struct emu_core *c,
                                                            const struct emu_cycle *cycle)
{
    const struct emu_cycle_step *step = cycle->steps, *end = step + cycle->n_steps;
    unsigned now = (unsigned)c->n;
    for (; step < end; step++) {
        struct emu_work *w = emu_work_of(&c->flights[(now - step->age) % EMU_FLIGHTS], step->work);
        const struct emu_op *op = step->op;
        if (step->what == EMU_INLINE_LAND_32) {
            copy_32(c->regs.v + op->out[0].at, w->out.u8);
        } else if (step->what == EMU_INLINE_LOAD_32) {
            copy_32(w->out.u8, w->host);
        } else if (step->what == EMU_INLINE_ADDRESS_32) {
            address_32(c, op, w);
        } else if (step->what == EMU_INLINE_MAC_EARLY) {
            copy_64(w->in.u8, emu_in_vec(c, op, op->b));
            copy_64(w->in.u8 + 64, emu_in_vec(c, op, op->b + 1u));
            w->x[0] = emu_in(c, op, op->b + 2u);
        } else if (step->what == EMU_INLINE_LAND_64) {
            copy_64(c->regs.v + op->out[0].at, w->out.u8);
        } else {
            step->fn(c, op, w);
        }
    }
}

/* After a bundle has issued: where the next one is. */
static inline void advance(struct emu_core *c, struct emu_bundle *b)
{
    c->pc = b->after;
    if (c->branch_left && --c->branch_left == 0)
        c->pc = c->branch_target;
    else if (b->address == c->regs.s[ISA_REG_le] && c->regs.s[ISA_REG_lc])
        emu_loop_back(c, b);
    if (c->pc != b->after)
        emu_redirect(c);
    else if (b->next || (b->next = emu_look_up(c, b->after)))
        c->next = b->next;
    else
        c->next = NULL;
}

/* All stages of all bundles in flight, for one cycle; returns if nothing can issue. */
static inline __attribute__((always_inline)) void one_cycle(struct emu_core *c)
{
    struct emu_bundle *b = c->next;
    struct emu_cycle *last = c->cycle, *cycle;
    unsigned slot = (unsigned)c->n % EMU_FLIGHTS;
    if (!b) {
        emu_bundle_at(c, c->pc); // the fault
        return;
    }
    if (b->special && !emu_may_issue(c, b))
        return;
    if (last && last->next[0].bundle == b)
        cycle = last->next[0].cycle;
    else if (last && last->next[1].bundle == b)
        cycle = last->next[1].cycle;
    else
        cycle = emu_next_cycle(c, b);
    if (!cycle) {
        emu_fault(c, EMU_FAULT_MEMORY, NULL, 0);
        return;
    }
    c->cycle = cycle;
    run_steps(c, cycle);
    c->in = c->regs.s;
    c->stats.cycles++;
    c->stats.bundles++;
    c->stalled = -1;
    b->count++;
    if (c->state == EMU_RUNNING)
        advance(c, b);
    if (c->conflicts >> slot & 1)
        emu_charge_conflicts(c, b, slot);
    memset(c->banks[slot], 0, sizeof c->banks[slot]);
    c->n++;
    if (b->done && c->state == EMU_RUNNING)
        c->state = EMU_DONE;
}

void RUN(struct emu_core *c, uint64_t end)
{
    while (c->state == EMU_RUNNING && c->stats.cycles < end) {
        if (!c->stall) {
            one_cycle(c);
            continue;
        }
        c->stall--;
        c->stats.cycles++;
        c->stats.stalls[c->stall_cause]++;
        c->stalled = (int)c->stall_cause;
    }
}
