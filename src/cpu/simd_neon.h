/* Vectors of 4 lanes: Advanced SIMD, what every aarch64 has. */
#ifndef CPU_SIMD_NEON_H
#define CPU_SIMD_NEON_H

#include <arm_neon.h>

enum { VW = 4 };
#include "cpu/simd.h"

/* A NaN if either is one. */
INLINE vf v_max(vf a, vf b)
{
    return (vf)vmaxq_f32((float32x4_t)a, (float32x4_t)b);
}

INLINE vf v_min(vf a, vf b)
{
    return (vf)vminq_f32((float32x4_t)a, (float32x4_t)b);
}

INLINE vf v_round(vf x)
{
    return (vf)vrndnq_f32((float32x4_t)x);
}

INLINE vi v_to_int(vf x)
{
    return (vi)vcvtnq_s32_f32((float32x4_t)x);
}

INLINE vi v_madd16(vi a, vi b)
{
    int16x8_t x = (int16x8_t)a, y = (int16x8_t)b;
    return (vi)vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
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
    return v_to_u8_by_parts(x);
}

INLINE vf v_load_f16(const uint16_t *p)
{
    return (vf)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

INLINE void v_store_f16(uint16_t *p, vf x)
{
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)x)));
}

#endif
