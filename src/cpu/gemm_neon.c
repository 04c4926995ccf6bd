/* Matrix products on aarch64: 24 of the 32 registers hold the tile. */
#include "cpu/kernels.h"
#include "cpu/simd_neon.h"

enum { GEMM_NV = 4 };
#include "cpu/gemm_float_impl.h"
#include "cpu/pack_impl.h"

void gemm_f32_6x16_neon(const struct gemm_args *a)
{
    gemm_f32(a);
}

void gemm_f32_6x16_pack_neon(struct gemm_weights *w, const float *src, size_t n_stride,
                             size_t k_stride, int panel_begin, int panel_end)
{
    pack_float(w, src, n_stride, k_stride, panel_begin, panel_end, GEMM_F32);
}

void gemm_f16_6x16_neon(const struct gemm_args *a)
{
    gemm_f16(a);
}

void gemm_f16_6x16_pack_neon(struct gemm_weights *w, const float *src, size_t n_stride,
                             size_t k_stride, int panel_begin, int panel_end)
{
    pack_float(w, src, n_stride, k_stride, panel_begin, panel_end, GEMM_F16);
}

void gemm_bf16_6x16_neon(const struct gemm_args *a)
{
    gemm_bf16(a);
}

void gemm_bf16_6x16_pack_neon(struct gemm_weights *w, const float *src, size_t n_stride,
                              size_t k_stride, int panel_begin, int panel_end)
{
    pack_float(w, src, n_stride, k_stride, panel_begin, panel_end, GEMM_BF16);
}
