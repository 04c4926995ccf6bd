/* int8 by vpdpbusd in its VEX form, 256 bits: unsigned activations times signed weights. */
#ifndef CPU_DOT_AVXVNNI_H
#define CPU_DOT_AVXVNNI_H

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
INLINE vi dot_step(vi acc, vi w, vi a)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(a), "x"(w));
    return acc;
}

#endif
