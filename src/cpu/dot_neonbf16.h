/* bf16 by BFDOT: pairs of products added to fp32. */
#ifndef CPU_DOT_NEONBF16_H
#define CPU_DOT_NEONBF16_H

typedef vf dot_acc;
enum {
    DOT_IS_FLOAT = 1,
    DOT_GROUP = 2,
    DOT_A_BYTES = 2,
    DOT_W_BYTES = 2,
    DOT_BASE = 0,
    DOT_WIDEN = 0,
};

INLINE vi dot_weights(const uint8_t *p)
{
    return v_load_i(p);
}

INLINE vf dot_step(vf acc, vi w, vi a)
{
    return (vf)vbfdotq_f32((float32x4_t)acc, (bfloat16x8_t)w, (bfloat16x8_t)a);
}

#endif
