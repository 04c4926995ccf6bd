/*
 * The vector slot: multiply-accumulate and accumulator arithmetic. Operands and configuration are read in
 * E1 (mac_early), accumulators in E3, where the work is done; arithmetic is in arith.h.
 */
#include "npu/emu/impl.h"

static const uint32_t *acc(const struct emu_core *c, const struct emu_op *op, unsigned k)
{
    return (const uint32_t *)(const void *)emu_in_vec(c, op, k);
}

/* op->b accumulators come first, then two vectors (if any) and the configuration. */
void emu_mac_early(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    unsigned k = op->b;
    if (op->in[k].bytes == 64) {
        memcpy(w->in.u8, emu_in_vec(c, op, k), 64);
        memcpy(w->in.u8 + 64, emu_in_vec(c, op, k + 1), 64);
        k += 2;
    }
    w->x[0] = emu_in(c, op, k);
}

void emu_do_mac_f32(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    enum { MATRIX = 0x1c, ELEMENTS = 0x3c, SIGNS = EMU_MAC_A_SIGNED | EMU_MAC_B_SIGNED };
    uint32_t mode = w->x[0] & ~(uint32_t)(EMU_MAC_ZERO_ACC | SIGNS);
    if (mode != MATRIX && mode != ELEMENTS) {
        emu_fault(c, EMU_FAULT_NOT_MODELLED, op, w->x[0]);
        return;
    }
    c->fast->mac_f32(w->out.u32, op->b >= 1 && !(w->x[0] & EMU_MAC_ZERO_ACC) ? acc(c, op, 0) : NULL,
                     op->b >= 2 ? acc(c, op, 1) : NULL, w->in.u16, w->in.u16 + 32,
                     mode == MATRIX ? EMU_MAC_MATRIX : EMU_MAC_ELEMENTS, op->a);
}

/* Configuration bits of an instruction's own signs. */
static uint32_t negate_bits(unsigned negate)
{
    return (negate & EMU_NEGATE_PRODUCT ? EMU_MAC_NEGATE_PRODUCT : 0u) |
           (negate & EMU_NEGATE_ACC1 ? EMU_MAC_NEGATE_ACC1 : 0u) |
           (negate & EMU_NEGATE_ACC2 ? EMU_MAC_NEGATE_ACC2 : 0u);
}

void emu_do_mac_int(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    const struct emu_mac_mode *mode = emu_mac_mode(w->x[0]);
    if (!mode || mode->kind == EMU_MAC_UNMODELLED || mode->amode == 2 || w->x[0] & ~0x3fffu) {
        emu_fault(c, EMU_FAULT_NOT_MODELLED, op, w->x[0]);
        return;
    }
    emu_mac_int(w->out.u8, op->b >= 1 ? acc(c, op, 0) : NULL, op->b >= 2 ? acc(c, op, 1) : NULL,
                w->in.u8, w->in.u8 + 64, mode, w->x[0] ^ negate_bits(op->a));
}

/* 32 lanes of 32 bits; the configuration that means 64 is not known. Its negate bits are 11 and 12. */
void emu_do_acc_add(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    enum { ZERO = 1 << 0, SHIFT16 = 1 << 10, NEGATE1 = 1 << 11, NEGATE2 = 1 << 12 };
    uint32_t config = w->x[0];
    if (config & ~(uint32_t)(ZERO | SHIFT16 | NEGATE1 | NEGATE2)) {
        emu_fault(c, EMU_FAULT_NOT_MODELLED, op, config);
        return;
    }
    config ^= (op->a & EMU_NEGATE_ACC1 ? NEGATE1 : 0u) | (op->a & EMU_NEGATE_ACC2 ? NEGATE2 : 0u);
    const uint32_t *a = acc(c, op, 0), *b = op->b >= 2 ? acc(c, op, 1) : NULL;
    for (unsigned i = 0; i < 32; i++) {
        uint32_t x = config & ZERO ? 0 : config & SHIFT16 ? a[i] << 16 : a[i], y = b ? b[i] : 0;
        w->out.u32[i] = (config & NEGATE1 ? -x : x) + (config & NEGATE2 ? -y : y);
    }
}

void emu_do_acc_add_f32(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    static const uint32_t zero[16];
    if (w->x[0] & ~0x3eu) { // the mode bits do not matter; what the others do is not known
        emu_fault(c, EMU_FAULT_NOT_MODELLED, op, w->x[0]);
        return;
    }
    c->fast->add_f32(w->out.u32, acc(c, op, 0), op->b >= 2 ? acc(c, op, 1) : zero, op->a);
}

void emu_do_vclr(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)c;
    memset(w->out.u8, 0, op->out[0].bytes);
}
