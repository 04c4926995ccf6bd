/*
 * Vector instructions of the mv and st slots (and unpack, of ldb): lanes of integers, masks, moves,
 * shuffles, conversions between vectors and accumulators. Arithmetic rules are in arith.h.
 */
#include "npu/emu/impl.h"

/* ---- lanes ---- */

static int64_t lane(const uint8_t *v, unsigned i, unsigned bits, bool is_signed)
{
    uint64_t x = 0;
    if (bits == 4)
        x = v[i / 2] >> i % 2 * 4 & 15;
    else
        memcpy(&x, v + i * (bits / 8), bits / 8);
    x <<= 64 - bits;
    return is_signed ? (int64_t)x >> (64 - bits) : (int64_t)(x >> (64 - bits));
}

static void set_lane(uint8_t *v, unsigned i, unsigned bits, uint64_t x)
{
    if (bits == 4)
        v[i / 2] =
            (uint8_t)(i % 2 ? (v[i / 2] & 0x0f) | (x & 15) << 4 : (v[i / 2] & 0xf0) | (x & 15));
    else
        memcpy(v + i * (bits / 8), &x, bits / 8);
}

/* Signedness of .s and .d forms. */
static bool signed_by(const struct emu_core *c, unsigned form, unsigned reg)
{
    return form == 1 || (form == 0 && c->in[reg] & 1);
}

enum { BF16 = 2 };

/* Is lane a less than lane b? Both as lane() gave them. */
static bool less(int64_t a, int64_t b, unsigned form)
{
    return form == BF16 ? emu_less_bf16((uint16_t)a, (uint16_t)b) : a < b;
}

static bool not_less(int64_t a, int64_t b, unsigned form)
{
    if (form != BF16)
        return a >= b;
    bool nan = (a & 0x7fff) > 0x7f80 || (b & 0x7fff) > 0x7f80;
    return !nan && !emu_less_bf16((uint16_t)a, (uint16_t)b);
}

enum pair_op { PAIR_MAX, PAIR_MIN, PAIR_SUB_LT, PAIR_SUB_GE, PAIR_MAXDIFF, PAIR_LT, PAIR_GE };

/* Two vectors to a vector and a mask. */
static void pairs(struct emu_core *c, const struct emu_op *op, struct emu_work *w,
                  enum pair_op what)
{
    const uint8_t *a = emu_in_vec(c, op, 0), *b = emu_in_vec(c, op, 1);
    bool is_signed = op->b != BF16 && signed_by(c, op->b, ISA_REG_crVaddSign);
    bool ge = what == PAIR_MIN || what == PAIR_SUB_GE || what == PAIR_GE;
    w->mask = 0;
    for (unsigned i = 0; i < 512u / op->a; i++) {
        int64_t x = lane(a, i, op->a, is_signed), y = lane(b, i, op->a, is_signed), z;
        bool hit = ge ? not_less(x, y, op->b) : less(x, y, op->b);
        w->mask |= (uint64_t)hit << i;
        if (what == PAIR_MAX || what == PAIR_MIN)
            z = hit ? y : x;
        else if (what == PAIR_MAXDIFF)
            z = hit ? 0 : x - y;
        else
            z = x - y;
        set_lane(w->out.u8, i, op->a, (uint64_t)z);
    }
}

void emu_do_vmax_lt(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    pairs(c, op, w, PAIR_MAX);
}

void emu_do_vmin_ge(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    pairs(c, op, w, PAIR_MIN);
}

void emu_do_vsub_lt(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    pairs(c, op, w, PAIR_SUB_LT);
}

void emu_do_vsub_ge(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    pairs(c, op, w, PAIR_SUB_GE);
}

void emu_do_vmaxdiff_lt(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    pairs(c, op, w, PAIR_MAXDIFF);
}

void emu_do_vlt(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    pairs(c, op, w, PAIR_LT);
}

void emu_do_vge(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    pairs(c, op, w, PAIR_GE);
}

enum single_op { SINGLE_ABS, SINGLE_NEG, SINGLE_NOT, SINGLE_EQZ };

/* One vector to a vector and a mask. */
static void singles(struct emu_core *c, const struct emu_op *op, struct emu_work *w,
                    enum single_op what)
{
    const uint8_t *a = emu_in_vec(c, op, 0);
    bool is_signed = signed_by(c, op->b, ISA_REG_crVaddSign);
    w->mask = 0;
    for (unsigned i = 0; i < 512u / op->a; i++) {
        int64_t x = lane(a, i, op->a, is_signed);
        bool hit = what == SINGLE_NOT ? x < 0 : what == SINGLE_EQZ ? x == 0 : x > 0;
        int64_t y = what == SINGLE_ABS ? (x < 0 ? -x : x) : what == SINGLE_NEG ? -x : ~x;
        w->mask |= (uint64_t)hit << i;
        set_lane(w->out.u8, i, op->a, (uint64_t)y);
    }
}

void emu_do_vabs_gtz(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    singles(c, op, w, SINGLE_ABS);
}

void emu_do_vneg_gtz(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    singles(c, op, w, SINGLE_NEG);
}

void emu_do_vbneg_ltz(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    singles(c, op, w, SINGLE_NOT);
}

void emu_do_veqz(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    singles(c, op, w, SINGLE_EQZ);
}

static void add_lanes(const struct emu_core *c, const struct emu_op *op, struct emu_work *w,
                      uint64_t minus)
{
    const uint8_t *a = emu_in_vec(c, op, 0), *b = emu_in_vec(c, op, 1);
    for (unsigned i = 0; i < 512u / op->a; i++) {
        uint64_t x = (uint64_t)lane(a, i, op->a, false), y = (uint64_t)lane(b, i, op->a, false);
        set_lane(w->out.u8, i, op->a, minus >> i & 1 ? x - y : x + y);
    }
}

void emu_do_vadd(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    add_lanes(c, op, w, 0);
}

void emu_do_vsub(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    add_lanes(c, op, w, ~(uint64_t)0);
}

/* The mask operand: a pair for 64 lanes. */
static uint64_t mask_in(const struct emu_core *c, const struct emu_op *op, unsigned k)
{
    return op->in[k].bytes == 8 ? emu_in_pair(c, op, k) : emu_in(c, op, k);
}

void emu_do_vaddsub(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    add_lanes(c, op, w, mask_in(c, op, 2));
}

void emu_do_vsel(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    const uint8_t *a = emu_in_vec(c, op, 0), *b = emu_in_vec(c, op, 1);
    uint64_t mask = mask_in(c, op, 2);
    unsigned bytes = op->a / 8u;
    for (unsigned i = 0; i < 64 / bytes; i++)
        memcpy(w->out.u8 + i * bytes, (mask >> i & 1 ? b : a) + i * bytes, bytes);
}

void emu_do_vand(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    const uint8_t *a = emu_in_vec(c, op, 0), *b = emu_in_vec(c, op, 1);
    for (unsigned i = 0; i < 64; i++)
        w->out.u8[i] = a[i] & b[i];
}

void emu_do_vor(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    const uint8_t *a = emu_in_vec(c, op, 0), *b = emu_in_vec(c, op, 1);
    for (unsigned i = 0; i < 64; i++)
        w->out.u8[i] = a[i] | b[i];
}

/* ---- elements and moves ---- */

void emu_do_copy(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    unsigned bytes = op->in[0].bytes;
    memset(w->out.u8, 0,
           op->out[0].bytes); // a 128-bit source of a 256-bit register: the rest unknown
    memcpy(w->out.u8, emu_in_vec(c, op, 0), bytes < op->out[0].bytes ? bytes : op->out[0].bytes);
}

/* A scalar operand of one lane: a register or a pair. */
static uint64_t scalar_in(const struct emu_core *c, const struct emu_op *op, unsigned k)
{
    return op->in[k].bytes == 8 ? emu_in_pair(c, op, k) : emu_in(c, op, k);
}

/* in: vector, value, r29. */
void emu_do_vinsert(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    memcpy(w->out.u8, emu_in_vec(c, op, 0), 64);
    set_lane(w->out.u8, emu_in(c, op, 2) % (512u / op->a), op->a, scalar_in(c, op, 1));
}

void emu_do_vextract(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    unsigned i = emu_in(c, op, 1) % (512u / op->a);
    w->out.u64[0] =
        (uint64_t)lane(emu_in_vec(c, op, 0), i, op->a, signed_by(c, op->b, ISA_REG_crVaddSign));
}

static void broadcast(uint8_t *out, uint64_t x, unsigned bits)
{
    for (unsigned i = 0; i < 512u / bits; i++)
        set_lane(out, i, bits, x);
}

void emu_do_vextbcst(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    unsigned i = emu_in(c, op, 1) % (512u / op->a);
    broadcast(w->out.u8, (uint64_t)lane(emu_in_vec(c, op, 0), i, op->a, false), op->a);
}

void emu_do_vbcst(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    broadcast(w->out.u8, scalar_in(c, op, 0), op->a);
}

static void shuffle(struct emu_core *c, const struct emu_op *op, struct emu_work *w,
                    const uint8_t *a, const uint8_t *b, uint32_t mode)
{
    if (mode >= EMU_SHUFFLE_COUNT)
        emu_fault(c, EMU_FAULT_NOT_MODELLED, op, mode);
    else
        emu_shuffle(w->out.u8, a, b, mode);
}

/* Both operands of the shuffle are the broadcast; mode in r29. */
void emu_do_vbcstshfl(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint8_t all[64];
    broadcast(all, scalar_in(c, op, 0), op->a);
    shuffle(c, op, w, all, all, emu_in(c, op, 1));
}

void emu_do_vshuffle(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    shuffle(c, op, w, emu_in_vec(c, op, 0), emu_in_vec(c, op, 1), emu_in(c, op, 2));
}

/* in: vector, value. The new element becomes the top lane, the others move down. */
void emu_do_vpush_hi(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    unsigned bytes = op->a / 8u;
    memcpy(w->out.u8, emu_in_vec(c, op, 0) + bytes, 64 - bytes);
    set_lane(w->out.u8, 512u / op->a - 1, op->a, scalar_in(c, op, 1));
}

/* in: value, vector. The new element becomes lane 0, the others move up. */
void emu_do_vpush_lo(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    unsigned bytes = op->a / 8u;
    memcpy(w->out.u8 + bytes, emu_in_vec(c, op, 1), 64 - bytes);
    set_lane(w->out.u8, 0, op->a, scalar_in(c, op, 0));
}

/* Bytes of a from `skip` on (zeros past its end), then those of b behind 64 - shift of them. */
static void shift_bytes(struct emu_core *c, const struct emu_op *op, struct emu_work *w,
                        const uint8_t *a, const uint8_t *b, unsigned skip, uint32_t shift)
{
    if (shift > 64) {
        emu_fault(c, EMU_FAULT_NOT_MODELLED, op, shift);
        return;
    }
    unsigned kept = 64 - shift;
    for (unsigned i = 0; i < 64; i++)
        w->out.u8[i] = i >= kept ? b[i - kept] : i + skip < 64 ? a[i + skip] : 0;
}

void emu_do_vshift(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t shift = emu_in(c, op, 2);
    shift_bytes(c, op, w, emu_in_vec(c, op, 0), emu_in_vec(c, op, 1), shift, shift);
}

/* in: a, s, b, shift. s 1 to 4: a starts at byte 4, 8, 16, 32; 0: as vshift. */
void emu_do_valign(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t step = emu_in(c, op, 1), shift = emu_in(c, op, 3);
    if (step > 4)
        emu_fault(c, EMU_FAULT_NOT_MODELLED, op, step);
    else
        shift_bytes(c, op, w, emu_in_vec(c, op, 0), emu_in_vec(c, op, 2), step ? 2u << step : shift,
                    shift);
}

/* ---- conversions ---- */

/* s registers hold -4 to 59. */
static int shift_of(uint32_t s)
{
    return s >= 60 ? (int)s - 64 : (int)s;
}

static bool rounding(struct emu_core *c, const struct emu_op *op, unsigned *mode)
{
    *mode = c->in[ISA_REG_crRnd] & 15;
    if (!emu_round_defined(*mode))
        emu_fault(c, EMU_FAULT_NOT_MODELLED, op, *mode);
    return emu_round_defined(*mode);
}

/* a: bits of the accumulator's lanes, b: of the result's, c: signed, or as crSRSSign. */
void emu_do_srs(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    const uint8_t *in = emu_in_vec(c, op, 0);
    int shift = shift_of(emu_in(c, op, 1));
    unsigned mode, saturate = c->in[ISA_REG_crSat] & 3;
    bool is_signed = signed_by(c, op->c, ISA_REG_crSRSSign), overflow = false;
    if (!rounding(c, op, &mode))
        return;
    for (unsigned i = 0; i < op->in[0].bytes * 8u / op->a; i++) {
        int64_t x =
            emu_srs(lane(in, i, op->a, true), shift, op->b, is_signed, saturate, mode, &overflow);
        set_lane(w->out.u8, i, op->b, (uint64_t)x);
    }
    w->mask = overflow;
}

/* a: bits of the source's lanes, b: of the accumulator's. */
static bool upshift(struct emu_core *c, const struct emu_op *op, union emu_vec *out,
                    const uint8_t *in, uint32_t s, bool is_signed)
{
    bool overflow = false;
    if (s >= 60) {
        emu_fault(c, EMU_FAULT_NOT_MODELLED, op, s);
        return false;
    }
    for (unsigned i = 0; i < op->out[0].bytes * 8u / op->b; i++)
        set_lane(out->u8, i, op->b,
                 (uint64_t)emu_ups(lane(in, i, op->a, is_signed), (int)s, op->b,
                                   c->in[ISA_REG_crSat] & 3, &overflow));
    return overflow;
}

void emu_do_ups(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    bool is_signed = signed_by(c, op->c, ISA_REG_crUPSSign);
    if (upshift(c, op, &w->out, emu_in_vec(c, op, 0), emu_in(c, op, 1), is_signed))
        emu_flag(c, ISA_REG_srUPS_of, true);
}

/* Loads: E7 reads shift and sign, E8 the saturation. */
void emu_do_ups_early(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    w->x[0] = emu_in(c, op, 0);
    w->x[1] = signed_by(c, op->c, ISA_REG_crUPSSign);
}

void emu_do_load_ups(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint8_t in[32];
    memcpy(in, w->out.u8, sizeof in);
    w->mask = upshift(c, op, &w->out, in, w->x[0], w->x[1]);
}

/* a: bits of the source's lanes, b: of the result's. */
void emu_do_pack(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    const uint8_t *in = emu_in_vec(c, op, 0);
    bool is_signed = signed_by(c, op->c, ISA_REG_crPackSign);
    for (unsigned i = 0; i < 512u / op->a; i++) {
        int64_t x = lane(in, i, op->a, is_signed);
        set_lane(w->out.u8, i, op->b,
                 (uint64_t)emu_pack(x, op->b, is_signed, c->in[ISA_REG_crSat] & 3));
    }
}

/* From a register, or from what a load has left in the result. */
void emu_do_unpack(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint8_t in[32];
    memcpy(in, op->bytes ? w->out.u8 : emu_in_vec(c, op, 0), sizeof in);
    bool is_signed = signed_by(c, op->c, ISA_REG_crUnpackSign);
    for (unsigned i = 0; i < 512u / op->b; i++)
        set_lane(w->out.u8, i, op->b, (uint64_t)lane(in, i, op->a, is_signed));
}

static void widen_bf16(uint32_t out[16], const uint8_t in[32])
{
    uint16_t x[16];
    memcpy(x, in, sizeof x);
    for (unsigned i = 0; i < 16; i++)
        out[i] = emu_f32_of_bf16(x[i]);
}

void emu_do_conv_f32(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    widen_bf16(w->out.u32, emu_in_vec(c, op, 0));
}

void emu_do_load_conv(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint8_t in[32];
    (void)c;
    (void)op;
    memcpy(in, w->out.u8, sizeof in);
    widen_bf16(w->out.u32, in);
}

void emu_do_conv_bf16(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    const uint8_t *in = emu_in_vec(c, op, 0);
    unsigned mode;
    if (!rounding(c, op, &mode))
        return;
    for (unsigned i = 0; i < 16; i++)
        w->out.u16[i] = emu_bf16_of_f32((uint32_t)lane(in, i, 32, false), mode);
}

void emu_do_floor(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    const uint8_t *in = emu_in_vec(c, op, 0);
    int shift = shift_of(emu_in(c, op, 1));
    for (unsigned i = 0; i < 16; i++)
        w->out.u32[i] = (uint32_t)emu_floor_bf16((uint16_t)lane(in, i, 16, false), shift);
}
