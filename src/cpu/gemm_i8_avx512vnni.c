/* int8 matrix products on AVX512-VNNI. */
#include "cpu/kernels.h"
#include "cpu/simd_avx512.h"

enum { GEMM_NV = 4 };
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

#ifdef SOTTO_SIMDE
INLINE vi dot_step(vi acc, vi w, vi a)
{
    return (vi)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)a, (__m512i)w);
}
#else
// By hand: GCC 12 spills the sums round the intrinsic.
INLINE vi dot_step(vi acc, vi w, vi a)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(w));
    return acc;
}
#endif

#include "cpu/gemm_dot_impl.h"
#include "cpu/pack_impl.h"

void gemm_i8_6x64_avx512vnni(const struct gemm_args *a)
{
    gemm_dot(a);
}

void gemm_i8_6x64_pack_avx512vnni(struct gemm_weights *w, const float *src, size_t n_stride,
                                  size_t k_stride, int panel_begin, int panel_end)
{
    pack_i8(w, src, n_stride, k_stride, panel_begin, panel_end, DOT_GROUP);
}
