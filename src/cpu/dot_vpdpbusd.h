/*
 * int8 by vpdpbusd: unsigned activations times signed weights, four per lane, in vectors of whatever
 * width `vi` has. The instruction is the EVEX one of AVX512-VNNI; a file for AVX-VNNI defines
 * VPDPBUSD_VEX before it includes this.
 */
#ifndef CPU_DOT_VPDPBUSD_H
#define CPU_DOT_VPDPBUSD_H

#ifdef VPDPBUSD_VEX
#define VPDPBUSD "%{vex%} vpdpbusd"
#else
#define VPDPBUSD "vpdpbusd"
#endif

typedef vi dot_acc;
enum {
    DOT_IS_FLOAT = 0,
    DOT_GROUP = 4,
    DOT_A_BYTES = 1,
    DOT_W_BYTES = 1,
    DOT_BASE = 0,
    DOT_WIDEN = 0,
};

INLINE vi dot_weights(const uint8_t *p)
{
    return v_load_i(p);
}

#ifdef SOTTO_SIMDE
INLINE vi dot_step(vi acc, vi w, vi a)
{
    uint8_t x[sizeof a];
    int8_t y[sizeof w];

    memcpy(x, &a, sizeof a);
    memcpy(y, &w, sizeof w);
    for (size_t i = 0; i < sizeof acc; i++)
        acc[i / 4] += x[i] * y[i];
    return acc;
}
#else
// By hand: GCC 12 spills the sums round the intrinsic.
INLINE vi dot_step(vi acc, vi w, vi a)
{
    __asm__(VPDPBUSD " %2, %1, %0" : "+v"(acc) : "v"(a), "v"(w));
    return acc;
}
#endif

#endif
