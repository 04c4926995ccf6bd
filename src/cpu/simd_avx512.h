/*
 * Vectors of 16 lanes: AVX-512 F, BW, DQ, VL. The check program compiles the kernels a second time
 * with SIMDe's portable versions of these intrinsics (it defines SOTTO_SIMDE and includes SIMDe
 * first), so that they are tested on machines without AVX-512 too.
 */
#ifndef CPU_SIMD_AVX512_H
#define CPU_SIMD_AVX512_H

#ifndef SOTTO_SIMDE
#include <immintrin.h>
#endif

enum { VW = 16 };
#include "cpu/simd.h"

/* The second operand if either is a NaN. */
INLINE vf v_max(vf a, vf b)
{
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
}

INLINE vf v_min(vf a, vf b)
{
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
}

INLINE vf v_round(vf x)
{
    return (vf)_mm512_roundscale_ps((__m512)x, 0);
}

INLINE vi v_to_int(vf x)
{
    return (vi)_mm512_cvtps_epi32((__m512)x);
}

INLINE vi v_madd16(vi a, vi b)
{
    return (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
}

INLINE vi v_maddubs(vi unsigned_bytes, vi signed_bytes)
{
    return (vi)_mm512_maddubs_epi16((__m512i)unsigned_bytes, (__m512i)signed_bytes);
}

INLINE vu v_load_u16(const uint16_t *p)
{
    return (vu)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
}

INLINE v2h v_load_s8(const uint8_t *p)
{
    return (v2h)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p));
}

INLINE vb v_to_u8(vi x)
{
    return v_to_u8_by_parts(x);
}

INLINE vf v_load_f16(const uint16_t *p)
{
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

INLINE void v_store_f16(uint16_t *p, vf x)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT));
}

#endif
