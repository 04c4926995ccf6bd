/* bf16 matrix products on BFDOT. */
#include "cpu/kernels.h"
#include "cpu/simd_neon.h"

enum { GEMM_NV = 4 };
typedef vf dot_acc;
enum {
    DOT_IS_FLOAT = 1,
    DOT_GROUP = 2,
    DOT_A_BYTES = 2,
    DOT_W_BYTES = 2,
    DOT_OFFSET = 0,
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

#include "cpu/gemm_dot_impl.h"
#include "cpu/pack_impl.h"

void gemm_bf16_6x16_neonbf16(const struct gemm_args *a)
{
    gemm_dot(a);
}

void gemm_bf16_6x16_pack_neonbf16(struct gemm_weights *w, const float *src, size_t n_stride,
                                  size_t k_stride, int panel_begin, int panel_end)
{
    pack_bf16_pairs(w, src, n_stride, k_stride, panel_begin, panel_end);
}
