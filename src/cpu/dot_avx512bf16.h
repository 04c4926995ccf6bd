/* bf16 by vdpbf16ps: pairs of products added to fp32. */
#ifndef CPU_DOT_AVX512BF16_H
#define CPU_DOT_AVX512BF16_H

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
    return (vf)_mm512_dpbf16_ps((__m512)acc, (__m512bh)w, (__m512bh)a);
}

#endif
