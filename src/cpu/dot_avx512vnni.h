/* int8 by vpdpbusd: unsigned activations times signed weights, four per lane. */
#ifndef CPU_DOT_AVX512VNNI_H
#define CPU_DOT_AVX512VNNI_H

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

#ifdef SOTTO_SIMDE
INLINE vi dot_step(vi acc, vi w, vi a)
{
    return (vi)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)a, (__m512i)w);
}
#else
// By hand: GCC 12 spills the sums round the intrinsic.
INLINE vi dot_step(vi acc, vi w, vi a)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(w));
    return acc;
}
#endif

#endif
