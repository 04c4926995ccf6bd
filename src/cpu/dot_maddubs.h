/*
 * int8 by pmaddubsw for processors without dot products: unsigned activations times signed weights,
 * pairs summed in 16 bits, pairs of pairs in 32. The 16-bit sum would saturate; weights of 7 bits
 * (q_max 63 in kernels.def) keep it exact: 2 * 255 * 63 < 32768.
 */
#ifndef CPU_DOT_MADDUBS_H
#define CPU_DOT_MADDUBS_H

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

INLINE vi dot_step(vi acc, vi w, vi a)
{
    return acc + v_madd16(v_maddubs(a, w), v_set_i(0x00010001));
}

#endif
