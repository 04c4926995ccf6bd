/*
 * fp16 and bf16 in plain C: conversions without branches that a compiler vectorises. Both follow
 * IEEE 754 rounding to nearest, ties to even; NaN stays NaN.
 */
#ifndef OPS_HALF_H
#define OPS_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t float_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float bits_float(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline float half_to_float(uint16_t h)
{
    // The fields moved to fp32's places are the value times 2^-112, subnormal or not.
    float x = bits_float((uint32_t)(h & 0x7fff) << 13) * 0x1p112f;
    uint32_t special = (h & 0x7c00) == 0x7c00 ? 0x7f800000u : 0; // infinity and NaN
    return bits_float(float_bits(x) | special | (uint32_t)(h & 0x8000) << 16);
}

static inline uint16_t float_to_half(float x)
{
    uint32_t u = float_bits(x), sign = u >> 16 & 0x8000, mag = u & 0x7fffffff;
    uint32_t normal = (mag + 0xfff + (mag >> 13 & 1) - (112u << 23)) >> 13;
    // Below 2^-14 the sum with 0.5 puts the rounded subnormal into the lowest bits.
    uint32_t small = float_bits(bits_float(mag) + 0.5f) - 0x3f000000u;
    uint32_t r = mag < 0x38800000u ? small : normal;
    if (mag >= 0x477ff000u) // rounds to 65536 or more: infinity
        r = 0x7c00;
    if (mag > 0x7f800000u)
        r = 0x7e00;
    return (uint16_t)(r | sign);
}

static inline float bf16_to_float(uint16_t h)
{
    return bits_float((uint32_t)h << 16);
}

static inline uint16_t float_to_bf16(float x)
{
    uint32_t u = float_bits(x);
    uint32_t r = (u + 0x7fff + (u >> 16 & 1)) >> 16;
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000u ? (u >> 16 | 0x40) : r);
}

#endif
