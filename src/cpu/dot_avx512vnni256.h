/* vpdpbusd in its EVEX form with 256 bits: what dot_avxvnni.h does, on machines without AVX-VNNI. */
#ifndef CPU_DOT_AVX512VNNI256_H
#define CPU_DOT_AVX512VNNI256_H

typedef vi dot_acc;
enum {
    DOT_IS_FLOAT = 0,
    DOT_GROUP = 4,
    DOT_A_BYTES = 1,
    DOT_W_BYTES = 1,
    DOT_OFFSET = 128,
    DOT_WIDEN = 0,
};

INLINE vi dot_weights(const uint8_t *p)
{
    return v_load_i(p);
}

// By hand: GCC 12 spills the sums round the intrinsic.
#ifdef SOTTO_SIMDE
INLINE vi dot_step(vi acc, vi w, vi a)
{
    return (vi)_mm256_dpbusd_epi32((__m256i)acc, (__m256i)a, (__m256i)w);
}
#else
INLINE vi dot_step(vi acc, vi w, vi a)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(w));
    return acc;
}
#endif

#endif
