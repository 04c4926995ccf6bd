/* int8 matrix products on 16-bit multiply-add instructions. */
#include "cpu/kernels.h"
#include "cpu/simd_sse2.h"

enum { GEMM_NV = 2 };
// Pairs of 16-bit products, exact. (pmaddubsw takes twice as many but saturates.)
typedef vi dot_acc;
enum {
    DOT_IS_FLOAT = 0,
    DOT_GROUP = 2,
    DOT_A_BYTES = 2,
    DOT_W_BYTES = 1,
    DOT_OFFSET = 0,
    DOT_WIDEN = 1,
};

INLINE vi dot_weights(const uint8_t *p)
{
    v2b b;
    memcpy(&b, p, sizeof b);
    return (vi)__builtin_convertvector(b, v2h);
}

INLINE vi dot_step(vi acc, vi w, vi a)
{
    return acc + v_madd16(w, a);
}

#include "cpu/gemm_dot_impl.h"
#include "cpu/pack_impl.h"

void gemm_i8_6x8_sse2(const struct gemm_args *a)
{
    gemm_dot(a);
}

void gemm_i8_6x8_pack_sse2(struct gemm_weights *w, const float *src, size_t n_stride,
                           size_t k_stride, int panel_begin, int panel_end)
{
    pack_i8(w, src, n_stride, k_stride, panel_begin, panel_end, DOT_GROUP);
}
