/* Vectors of 8 lanes: AVX2, FMA and F16C. */
#ifndef CPU_SIMD_AVX2_H
#define CPU_SIMD_AVX2_H

#ifndef SOTTO_SIMDE // see simd_avx512.h
#include <immintrin.h>
#endif

enum { VW = 8 };
#include "cpu/simd.h"

/* The second operand if either is a NaN. */
INLINE vf v_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}

INLINE vf v_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}

INLINE vf v_round(vf x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

INLINE vi v_to_int(vf x)
{
    return (vi)_mm256_cvtps_epi32(x);
}

INLINE vi v_madd16(vi a, vi b)
{
    return (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
}

INLINE vi v_maddubs(vi unsigned_bytes, vi signed_bytes)
{
    return (vi)_mm256_maddubs_epi16((__m256i)unsigned_bytes, (__m256i)signed_bytes);
}

INLINE vu v_load_u16(const uint16_t *p)
{
    return (vu)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
}

INLINE v2h v_load_s8(const uint8_t *p)
{
    return (v2h)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
}

INLINE vb v_to_u8(vi x)
{
    __m128i low = _mm256_castsi256_si128((__m256i)x);
    __m128i words = _mm_packs_epi32(low, _mm256_extracti128_si256((__m256i)x, 1));
    __m128i bytes = _mm_packus_epi16(words, words);
    vb b;
    memcpy(&b, &bytes, sizeof b);
    return b;
}

INLINE vf v_load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

INLINE void v_store_f16(uint16_t *p, vf x)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

#endif
