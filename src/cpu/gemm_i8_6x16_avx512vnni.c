/* int8 matrix products on AVX512-VNNI with 256 bits: the AVX-VNNI kernel on machines without AVX-VNNI. */
#include "cpu/kernels.h"
#include "cpu/simd_avx2.h"

enum { GEMM_NV = 2 };
#include "cpu/dot_vpdpbusd.h"
#include "cpu/gemm_dot_impl.h"
#include "cpu/pack_impl.h"

void gemm_i8_6x16_avx512vnni(const struct gemm_args *a)
{
    gemm_dot(a);
}

void gemm_i8_6x16_pack_avx512vnni(struct gemm_weights *w, const float *src, size_t n_stride,
                                  size_t k_stride, int panel_begin, int panel_end)
{
    pack_i8(w, src, n_stride, k_stride, panel_begin, panel_end, DOT_GROUP);
}
