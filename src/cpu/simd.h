/*
 * What the kernels say of vectors, over GCC's vector extensions: included by simd_<isa>.h once VW,
 * the number of 32-bit lanes, is known, so every file that uses it has vectors of one width. Here
 * is what the compiler lowers well by itself; what needs an instruction by name is in simd_<isa>.h:
 * v_max, v_min, v_round, v_to_int, v_madd16, v_load_u16, v_load_s8, v_to_u8,
 * v_load_f16, v_store_f16.
 */
#ifndef CPU_SIMD_H
#define CPU_SIMD_H

#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline, unused))
// Before loops over vectors that are to stay in registers.
#define UNROLL _Pragma("GCC unroll 8")

typedef float vf __attribute__((vector_size(4 * VW)));
typedef int32_t vi __attribute__((vector_size(4 * VW)));
typedef uint32_t vu __attribute__((vector_size(4 * VW)));
typedef int16_t v2h __attribute__((vector_size(4 * VW))); // two 16-bit numbers per lane
typedef int8_t v2b __attribute__((vector_size(2 * VW)));  // two bytes per lane
typedef uint8_t v2ub __attribute__((vector_size(2 * VW)));
typedef uint16_t vh __attribute__((vector_size(2 * VW))); // one 16-bit number per lane
typedef uint8_t vb __attribute__((vector_size(VW)));      // one byte per lane

INLINE vf v_load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void v_store(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
}

INLINE vi v_load_i(const void *p)
{
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The first n < VW lanes; the others are 0. */
INLINE vf v_load_part(const float *p, int n)
{
    vf v = {0};
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
}

INLINE vi v_load_i_part(const int32_t *p, int n)
{
    vi v = {0};
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
}

INLINE void v_store_part(float *p, vf v, int n)
{
    memcpy(p, &v, (size_t)n * sizeof *p);
}

INLINE vf v_set(float x)
{
    return x - (vf){0}; // not +: -0 + 0 is +0
}

INLINE vi v_set_i(int32_t x)
{
    return x + (vi){0};
}

INLINE vf v_fma(vf a, vf b, vf c)
{
    return a * b + c; // contracted where the instruction set has it
}

INLINE vf v_to_float(vi x)
{
    return __builtin_convertvector(x, vf);
}

INLINE vf v_abs(vf x)
{
    return (vf)((vi)x & 0x7fffffff);
}

INLINE vf v_select(vi mask, vf yes, vf no)
{
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}

/* To nearest even; a NaN stays one. */
INLINE vh v_to_bf16(vf x)
{
    vu u = (vu)x;
    vu rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    vu is_nan = (vu)(x != x);
    return __builtin_convertvector((is_nan & (u >> 16 | 0x40)) | (~is_nan & rounded), vh);
}

INLINE float v_sum(vf x)
{
    float t[VW];
    memcpy(t, &x, sizeof t);
    for (int w = VW / 2; w > 0; w /= 2)
        for (int i = 0; i < w; i++)
            t[i] += t[i + w];
    return t[0];
}

INLINE float v_max_lane(vf x)
{
    float t[VW], m;
    memcpy(t, &x, sizeof t);
    m = t[0];
    for (int i = 1; i < VW; i++)
        m = t[i] > m ? t[i] : m;
    return m;
}

INLINE vu v_load_u16_by_parts(const uint16_t *p)
{
    vh h;
    memcpy(&h, p, sizeof h);
    return __builtin_convertvector(h, vu);
}

INLINE v2h v_load_s8_by_parts(const uint8_t *p)
{
    v2b b;
    memcpy(&b, p, sizeof b);
    return __builtin_convertvector(b, v2h);
}

/* Lanes of 0..255 to bytes. */
INLINE vb v_to_u8_by_parts(vi x)
{
    return __builtin_convertvector(x, vb);
}

/* fp16 to fp32 with integer arithmetic, all values: the exponent is put right by a product, which
 * also normalises subnormals. */
INLINE vf v_load_f16_by_parts(const uint16_t *p)
{
    vu u = v_load_u16_by_parts(p), sign = (u & 0x8000) << 16;
    vf x = (vf)((u & 0x7fff) << 13) * 0x1p112f;
    vu special = (vu)(x >= 65536.0f) & 0x7f800000; // infinities and NaNs
    return (vf)((vu)x | special | sign);
}

/* The reverse, for values that fp16 holds exactly. */
INLINE void v_store_f16_by_parts(uint16_t *p, vf x)
{
    vu u = (vu)x, sign = u >> 16 & 0x8000, mag = u & 0x7fffffff;
    vu small = (vu)((vf)mag < 0x1p-14f);
    vu subnormal = (vu) __builtin_convertvector((vf)(mag & small) * 0x1p24f, vi);
    vu normal = (mag - (112u << 23)) >> 13, huge = (vu)(mag >= 0x47800000u);
    vu special = 0x7c00 | (mag >> 13 & 0x3ff);
    vu r = (small & subnormal) | (~small & ((huge & special) | (~huge & normal)));
    vh h = __builtin_convertvector(sign | r, vh);
    memcpy(p, &h, sizeof h);
}

#endif
