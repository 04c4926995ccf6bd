/*
 * Scalar instructions: arithmetic, moves, branches; and what goes through a port: locks, streams, cascade,
 * events, tile registers. Sources: docs/npu-fidelity.md, section "Scalar unit".
 */
#include "npu/emu/impl.h"

/* ---- arithmetic ---- */

static void carry(struct emu_core *c, bool set)
{
    c->regs.s[ISA_REG_srCarry] = set;
}

void emu_do_add(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint64_t x = (uint64_t)emu_in(c, op, 0) + emu_in(c, op, 1);
    carry(c, x >> 32);
    emu_out(c, op, w, (uint32_t)x);
}

void emu_do_adc(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint64_t x = (uint64_t)emu_in(c, op, 0) + emu_in(c, op, 1) + (c->in[ISA_REG_srCarry] & 1);
    carry(c, x >> 32);
    emu_out(c, op, w, (uint32_t)x);
}

/* Carry 1: no borrow. */
void emu_do_sub(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t a = emu_in(c, op, 0), b = emu_in(c, op, 1);
    carry(c, a >= b);
    emu_out(c, op, w, a - b);
}

void emu_do_sbc(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint64_t x =
        (uint64_t)emu_in(c, op, 0) + (uint32_t)~emu_in(c, op, 1) + (c->in[ISA_REG_srCarry] & 1);
    carry(c, x >> 32);
    emu_out(c, op, w, (uint32_t)x);
}

void emu_do_add_nc(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, emu_in(c, op, 0) + emu_in(c, op, 1));
}

void emu_do_bit_and(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, emu_in(c, op, 0) & emu_in(c, op, 1));
}

void emu_do_bit_or(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, emu_in(c, op, 0) | emu_in(c, op, 1));
}

void emu_do_bit_xor(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, emu_in(c, op, 0) ^ emu_in(c, op, 1));
}

void emu_do_eq(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, emu_in(c, op, 0) == emu_in(c, op, 1));
}

void emu_do_ne(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, emu_in(c, op, 0) != emu_in(c, op, 1));
}

void emu_do_lt(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, (int32_t)emu_in(c, op, 0) < (int32_t)emu_in(c, op, 1));
}

void emu_do_ltu(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, emu_in(c, op, 0) < emu_in(c, op, 1));
}

void emu_do_ge(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, (int32_t)emu_in(c, op, 0) >= (int32_t)emu_in(c, op, 1));
}

void emu_do_geu(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, emu_in(c, op, 0) >= emu_in(c, op, 1));
}

void emu_do_eqz(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, emu_in(c, op, 0) == 0);
}

void emu_do_nez(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, emu_in(c, op, 0) != 0);
}

/* Left for positive amounts, right for negative ones, modulo 32. */
void emu_do_lshl(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t x = emu_in(c, op, 0), n = emu_in(c, op, 1);
    emu_out(c, op, w, (int32_t)n >= 0 ? x << (n & 31) : x >> (-n & 31));
}

void emu_do_ashl(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t x = emu_in(c, op, 0), n = emu_in(c, op, 1);
    emu_out(c, op, w, (int32_t)n >= 0 ? x << (n & 31) : (uint32_t)((int32_t)x >> (-n & 31)));
}

static uint32_t leading_zeros(uint32_t x)
{
    return x ? (uint32_t)__builtin_clz(x) : 32;
}

void emu_do_clz(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, leading_zeros(emu_in(c, op, 0)));
}

void emu_do_clb(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t x = emu_in(c, op, 0);
    emu_out(c, op, w, leading_zeros(x >> 31 ? ~x : x));
}

void emu_do_abs(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t x = emu_in(c, op, 0);
    carry(c, x >> 31);
    emu_out(c, op, w, x >> 31 ? -x : x);
}

void emu_do_mul(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_out(c, op, w, emu_in(c, op, 0) * emu_in(c, op, 1));
}

/* One step of a restoring division: r31 holds dividend, then quotient. */
void emu_do_divs(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t quotient = emu_in(c, op, 0), b = emu_in(c, op, 2);
    uint32_t rest = emu_in(c, op, 1) << 1 | quotient >> 31;
    bool fits = rest >= b;
    emu_out(c, op, w, fits ? rest - b : rest);
    c->regs.s[ISA_REG_r31] = quotient << 1 | fits;
}

void emu_do_extend(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t x = emu_in(c, op, 0) << (32 - op->a);
    emu_out(c, op, w, op->b ? (uint32_t)((int32_t)x >> (32 - op->a)) : x >> (32 - op->a));
}

/* in: a, b, r27. */
void emu_do_sel(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    bool first = op->a ? emu_in(c, op, 2) != 0 : emu_in(c, op, 2) == 0;
    emu_out(c, op, w, emu_in(c, op, first ? 0 : 1));
}

void emu_do_move(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    if (op->insn == ISA_INSN_MOV_CNTR) {
        uint64_t cycles = c->stats.cycles;
        memcpy(&c->regs.s[op->out[0].at], &cycles, 8);
        return;
    }
    emu_out(c, op, w, emu_in(c, op, 0));
}

/* ---- control ---- */

static void branch(struct emu_core *c, const struct emu_op *op, uint32_t target)
{
    if (c->branch_left) {
        emu_fault(c, EMU_FAULT_DELAY_SLOT, op, target);
        return;
    }
    c->branch_left = 6; // this bundle and five more
    c->branch_target = target;
}

void emu_do_jump(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)w;
    branch(c, op, emu_in(c, op, 0));
}

void emu_do_call(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    w->x[0] = emu_return_address(c, op);
    branch(c, op, emu_in(c, op, 0));
}

void emu_land_link(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)op;
    c->regs.s[ISA_REG_lr] = w->x[0];
}

void emu_do_ret(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)w;
    branch(c, op, c->in[ISA_REG_lr]);
}

void emu_do_jz(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)w;
    if (emu_in(c, op, 0) == 0)
        branch(c, op, (uint32_t)op->imm);
}

void emu_do_jnz(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)w;
    if (emu_in(c, op, 0) != 0)
        branch(c, op, (uint32_t)op->imm);
}

/* Counts down always; jumps if the count was not 0. */
void emu_do_jnzd(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t x = emu_in(c, op, 0);
    uint32_t target = emu_in(c, op, 1);
    carry(c, x != 0); // x - 1 without borrow
    emu_out(c, op, w, x - 1);
    if (x)
        branch(c, op, target);
}

void emu_do_event(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)w;
    if (c->ports.event)
        c->ports.event(c->ports.context, (unsigned)op->imm);
}

void emu_do_done(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)c; // the bundle says so
    (void)op;
    (void)w;
}

/* ---- ports ---- */

enum { OWN_LOCKS = 48, LOCK_MAX = 63 };

static bool own_lock(struct emu_core *c, const struct emu_op *op, unsigned id, int value,
                     bool acquire)
{
    if (id < OWN_LOCKS) {
        emu_fault(c, EMU_FAULT_LOCK_ID, op, id);
        return false;
    }
    uint8_t *lock = &c->locks[id - OWN_LOCKS];
    if (acquire) {
        if (*lock < -value)
            return false;
        *lock = (uint8_t)(*lock + value);
        return true;
    }
    if (*lock + value < 0 || *lock + value > LOCK_MAX) {
        emu_fault(c, EMU_FAULT_LOCK, op, id);
        return false;
    }
    *lock = (uint8_t)(*lock + value);
    return true;
}

/* in: id, value[, r26]. a: acquire, b: only if r26 is not 0. */
static bool lock_ready(struct emu_core *c, const struct emu_op *op)
{
    uint32_t id = emu_in(c, op, 0);
    int64_t value = (int32_t)emu_in(c, op, 1);
    c->stall_cause = EMU_STALL_LOCK;
    if (op->b && !emu_in(c, op, 2))
        return true;
    if (id > LOCK_MAX) {
        emu_fault(c, EMU_FAULT_LOCK_ID, op, id);
    } else if (op->a && value >= 0) { // acquire-equal: its effect on the lock is not settled
        emu_fault(c, EMU_FAULT_NOT_MODELLED, op, id);
    } else if (value < -LOCK_MAX - 1 || value > LOCK_MAX) {
        emu_fault(c, EMU_FAULT_LOCK, op, id);
    } else if (op->a) {
        return c->ports.acquire ? c->ports.acquire(c->ports.context, id, (int)value)
                                : own_lock(c, op, id, (int)value, true);
    } else if (c->ports.release) {
        if (c->ports.release(c->ports.context, id, (int)value))
            return true;
        emu_fault(c, EMU_FAULT_LOCK, op, id);
    } else {
        return own_lock(c, op, id, (int)value, false);
    }
    return false;
}

/* The word to put and whether it is the last; in: word[, r28]. */
static bool stream_put_ready(struct emu_core *c, const struct emu_op *op)
{
    bool last = op->a || (op->in[1].at && emu_in(c, op, 1) & 1);
    c->stall_cause = EMU_STALL_STREAM;
    return c->ports.stream_put && c->ports.stream_put(c->ports.context, emu_in(c, op, 0), last);
}

bool emu_port_ready(struct emu_core *c, const struct emu_bundle *b, const struct emu_op *op,
                    struct emu_work *w)
{
    emu_step_fn *fn = op->semantics->fn;
    (void)b;
    if (fn == emu_do_lock)
        return lock_ready(c, op);
    if (fn == emu_do_stream_put)
        return stream_put_ready(c, op);
    if (fn == emu_do_stream_get) {
        c->stall_cause = EMU_STALL_STREAM;
        return c->ports.stream_get && c->ports.stream_get(c->ports.context, &w->out.u32[0]);
    }
    c->stall_cause = EMU_STALL_CASCADE;
    if (fn == emu_do_cascade_get)
        return c->ports.cascade_get && c->ports.cascade_get(c->ports.context, w->out.u8);
    return c->ports.cascade_put && c->ports.cascade_put(c->ports.context, emu_in_vec(c, op, 0));
}

/* The cycle every lock instruction costs. */
void emu_do_lock(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)w;
    if (op->b && !emu_in(c, op, 2))
        return;
    c->stall++;
    c->stall_cause = EMU_STALL_LOCK;
}

/* The rest is done before the bundle issues, and lands in its stage. */
void emu_do_stream_get(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_do_none(c, op, w);
}

void emu_do_stream_put(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_do_none(c, op, w);
}

void emu_do_cascade_get(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_do_none(c, op, w);
}

void emu_do_cascade_put(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    emu_do_none(c, op, w);
}

void emu_do_tile_read(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    if (c->ports.tile_read)
        w->out.u32[0] = c->ports.tile_read(c->ports.context, emu_in(c, op, 0));
    else
        emu_fault(c, EMU_FAULT_NOT_MODELLED, op, 0);
}

void emu_do_tile_write(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)w;
    if (c->ports.tile_write)
        c->ports.tile_write(c->ports.context, emu_in(c, op, 1), emu_in(c, op, 0));
    else
        emu_fault(c, EMU_FAULT_NOT_MODELLED, op, 0);
}
