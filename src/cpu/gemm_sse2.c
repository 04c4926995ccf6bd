/* Matrix products on x86-64 without AVX2 (no fused multiply-add). */
#include "cpu/kernels.h"
#include "cpu/simd_sse2.h"

enum { GEMM_NV = 2 };
#include "cpu/gemm_float_impl.h"
#include "cpu/pack_impl.h"

void gemm_f32_6x8_sse2(const struct gemm_args *a)
{
    gemm_f32(a);
}

void gemm_f32_6x8_pack_sse2(struct gemm_weights *w, const float *src, size_t n_stride,
                            size_t k_stride, int panel_begin, int panel_end)
{
    pack_float(w, src, n_stride, k_stride, panel_begin, panel_end, GEMM_F32);
}

void gemm_f16_6x8_sse2(const struct gemm_args *a)
{
    gemm_f16(a);
}

void gemm_f16_6x8_pack_sse2(struct gemm_weights *w, const float *src, size_t n_stride,
                            size_t k_stride, int panel_begin, int panel_end)
{
    pack_float(w, src, n_stride, k_stride, panel_begin, panel_end, GEMM_F16);
}

void gemm_bf16_6x8_sse2(const struct gemm_args *a)
{
    gemm_bf16(a);
}

void gemm_bf16_6x8_pack_sse2(struct gemm_weights *w, const float *src, size_t n_stride,
                             size_t k_stride, int panel_begin, int panel_end)
{
    pack_float(w, src, n_stride, k_stride, panel_begin, panel_end, GEMM_BF16);
}
