/*
 * AVX-512 kernels without AVX-512: SIMDe's portable intrinsics and other names for the functions.
 * The simde_*.c files include this and then the very source of a kernel (the one place where a .c
 * file is included: it is the source under test, compiled for another machine). This proves the
 * source, not the code that the compiler makes of it for AVX-512.
 */
#ifndef CHECK_SIMDE_H
#define CHECK_SIMDE_H

#if defined(__x86_64__) && defined(__has_include)
#if __has_include(<simde/x86/avx512.h>)
#define SOTTO_SIMDE 1
#endif
#endif

#ifdef SOTTO_SIMDE
#define gemm_f32_6x64_avx512           gemm_f32_6x64_simde
#define gemm_f32_6x64_pack_avx512      gemm_f32_6x64_pack_simde
#define gemm_f16_6x64_avx512           gemm_f16_6x64_simde
#define gemm_f16_6x64_pack_avx512      gemm_f16_6x64_pack_simde
#define gemm_bf16_6x64_avx512          gemm_bf16_6x64_simde
#define gemm_bf16_6x64_pack_avx512     gemm_bf16_6x64_pack_simde
#define gemm_i8_6x64_avx512            gemm_i8_6x64_simde
#define gemm_i8_6x64_pack_avx512       gemm_i8_6x64_pack_simde
#define gemm_i8_6x16_avx512vnni        gemm_i8_6x16_simde_vnni
#define gemm_i8_6x16_pack_avx512vnni   gemm_i8_6x16_pack_simde_vnni
#define gemm_i8_6x64_avx512vnni        gemm_i8_6x64_simde_vnni
#define gemm_i8_6x64_pack_avx512vnni   gemm_i8_6x64_pack_simde_vnni
#define gemm_bf16_6x64_avx512bf16      gemm_bf16_6x64_simde_bf16
#define gemm_bf16_6x64_pack_avx512bf16 gemm_bf16_6x64_pack_simde_bf16
#define ops_init_avx512                ops_init_simde

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>

/* What 0.7.4 lacks, from its 256-bit halves. */
static inline __attribute__((always_inline, unused)) __m512i simde_fill_cvtps_epi32(__m512 x)
{
    simde__m256 half[2];
    simde__m256i out[2];
    __m512i r;
    simde_memcpy(half, &x, sizeof x);
    out[0] = simde_mm256_cvtps_epi32(half[0]);
    out[1] = simde_mm256_cvtps_epi32(half[1]);
    simde_memcpy(&r, out, sizeof r);
    return r;
}

static inline __attribute__((always_inline, unused)) __m512 simde_fill_cvtph_ps(simde__m256i h)
{
    simde__m128i half[2];
    simde__m256 out[2];
    __m512 r;
    simde_memcpy(half, &h, sizeof h);
    out[0] = simde_mm256_cvtph_ps(half[0]);
    out[1] = simde_mm256_cvtph_ps(half[1]);
    simde_memcpy(&r, out, sizeof r);
    return r;
}

static inline __attribute__((always_inline, unused)) simde__m256i simde_fill_cvtps_ph(__m512 x)
{
    simde__m256 half[2];
    simde__m128i out[2];
    simde__m256i r;
    simde_memcpy(half, &x, sizeof x);
    out[0] = simde_mm256_cvtps_ph(half[0], 0);
    out[1] = simde_mm256_cvtps_ph(half[1], 0);
    simde_memcpy(&r, out, sizeof r);
    return r;
}

static inline __attribute__((always_inline, unused)) __m512i
simde_fill_cvtepu16_epi32(simde__m256i h)
{
    simde__m128i half[2];
    simde__m256i out[2];
    __m512i r;
    simde_memcpy(half, &h, sizeof h);
    out[0] = simde_mm256_cvtepu16_epi32(half[0]);
    out[1] = simde_mm256_cvtepu16_epi32(half[1]);
    simde_memcpy(&r, out, sizeof r);
    return r;
}

#define _mm512_cvtepu16_epi32(h)     simde_fill_cvtepu16_epi32(h)
#define _mm512_cvtps_epi32(x)        simde_fill_cvtps_epi32(x)
#define _mm512_cvtph_ps(h)           simde_fill_cvtph_ps(h)
#define _mm512_cvtps_ph(x, rounding) simde_fill_cvtps_ph(x)
#ifndef _MM_FROUND_NO_EXC
#define _MM_FROUND_NO_EXC SIMDE_MM_FROUND_NO_EXC
#endif
#undef _mm512_madd_epi16 // defined with the arguments of the masked form
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)
#endif

#endif
