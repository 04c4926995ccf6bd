/* Vectors of 4 lanes: SSE2, what every x86-64 has. */
#ifndef CPU_SIMD_SSE2_H
#define CPU_SIMD_SSE2_H

#include <emmintrin.h>

enum { VW = 4 };
#include "cpu/simd.h"

/* The second operand if either is a NaN. */
INLINE vf v_max(vf a, vf b)
{
    return _mm_max_ps(a, b);
}

INLINE vf v_min(vf a, vf b)
{
    return _mm_min_ps(a, b);
}

INLINE vi v_to_int(vf x)
{
    return (vi)_mm_cvtps_epi32(x);
}

/* For |x| < 2^31 only, which is all that is asked here. */
INLINE vf v_round(vf x)
{
    return v_to_float(v_to_int(x));
}

INLINE vi v_madd16(vi a, vi b)
{
    return (vi)_mm_madd_epi16((__m128i)a, (__m128i)b);
}

INLINE vu v_load_u16(const uint16_t *p)
{
    return v_load_u16_by_parts(p);
}

INLINE v2h v_load_s8(const uint8_t *p)
{
    return v_load_s8_by_parts(p);
}

INLINE vb v_to_u8(vi x)
{
    __m128i words = _mm_packs_epi32((__m128i)x, (__m128i)x);
    __m128i bytes = _mm_packus_epi16(words, words);
    vb b;
    memcpy(&b, &bytes, sizeof b);
    return b;
}

INLINE vf v_load_f16(const uint16_t *p)
{
    return v_load_f16_by_parts(p);
}

INLINE void v_store_f16(uint16_t *p, vf x)
{
    v_store_f16_by_parts(p, x);
}

#endif
