/* int8 matrix products on SDOT, which takes signed activations: they lose their offset on the way. */
#include "cpu/kernels.h"
#include "cpu/simd_neon.h"

enum { GEMM_NV = 4 };
// Unsigned activations times signed weights, four per lane.
typedef vi dot_acc;
enum {
    DOT_IS_FLOAT = 0,
    DOT_GROUP = 4,
    DOT_A_BYTES = 1,
    DOT_W_BYTES = 1,
    DOT_OFFSET = 0,
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

#include "cpu/gemm_dot_impl.h"
#include "cpu/pack_impl.h"

void gemm_i8_6x16_neondot(const struct gemm_args *a)
{
    gemm_dot(a);
}

void gemm_i8_6x16_pack_neondot(struct gemm_weights *w, const float *src, size_t n_stride,
                               size_t k_stride, int panel_begin, int panel_end)
{
    pack_i8(w, src, n_stride, k_stride, panel_begin, panel_end, DOT_GROUP);
}
