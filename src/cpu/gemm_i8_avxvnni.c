/* int8 matrix products on AVX-VNNI, 256 bits wide. */
#include "cpu/kernels.h"
#include "cpu/simd_avx2.h"

enum { GEMM_NV = 2 };
#define VPDPBUSD_VEX
#include "cpu/dot_vpdpbusd.h"
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
