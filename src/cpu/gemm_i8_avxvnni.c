/* int8 matrix products on AVX-VNNI, 256 bits wide. */
#include "cpu/kernels.h"
#include "cpu/simd_avx2.h"

enum { GEMM_NV = 2 };
// Unsigned activations times signed weights, four per lane.
typedef vi dot_acc;
enum {
    DOT_IS_FLOAT = 0,
    DOT_GROUP = 4,
    DOT_A_BYTES = 1,
    DOT_W_BYTES = 1,
    DOT_OFFSET = 128,
    DOT_WIDEN = 0,
};

INLINE vi dot_weights(const uint8_t *p)
{
    return v_load_i(p);
}

// By hand: GCC 12 spills the sums round the intrinsic.
INLINE vi dot_step(vi acc, vi w, vi a)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(a), "x"(w));
    return acc;
}

#include "cpu/gemm_dot_impl.h"
#include "cpu/pack_impl.h"

void gemm_i8_6x16_avxvnni(const struct gemm_args *a)
{
    gemm_dot(a);
}

void gemm_i8_6x16_pack_avxvnni(struct gemm_weights *w, const float *src, size_t n_stride,
                               size_t k_stride, int panel_begin, int panel_end)
{
    pack_i8(w, src, n_stride, k_stride, panel_begin, panel_end, DOT_GROUP);
}
