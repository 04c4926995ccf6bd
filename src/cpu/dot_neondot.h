/* int8 by SDOT, which takes signed activations: they lose their offset on the way. */
#ifndef CPU_DOT_NEONDOT_H
#define CPU_DOT_NEONDOT_H

typedef vi dot_acc;
enum {
    DOT_IS_FLOAT = 0,
    DOT_GROUP = 4,
    DOT_A_BYTES = 1,
    DOT_W_BYTES = 1,
    DOT_BASE = 128,
    DOT_WIDEN = 0,
};

INLINE vi dot_weights(const uint8_t *p)
{
    return v_load_i(p);
}

INLINE vi dot_step(vi acc, vi w, vi a)
{
    int8x16_t around_zero = veorq_s8((int8x16_t)a, vdupq_n_s8(-128));
    return (vi)vdotq_s32((int32x4_t)acc, (int8x16_t)w, around_zero);
}

#endif
