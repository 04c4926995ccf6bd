/* int8 by multiply-add of 16-bit pairs, which is exact, unlike pmaddubsw, which saturates. */
#ifndef CPU_DOT_MADD16_H
#define CPU_DOT_MADD16_H

typedef vi dot_acc;
enum {
    DOT_IS_FLOAT = 0,
    DOT_GROUP = 2,
    DOT_A_BYTES = 2,
    DOT_W_BYTES = 1,
    DOT_BASE = 128,
    DOT_WIDEN = 1,
};

INLINE vi dot_weights(const uint8_t *p)
{
    v2b b;
    memcpy(&b, p, sizeof b);
    return (vi) __builtin_convertvector(b, v2h);
}

INLINE vi dot_step(vi acc, vi w, vi a)
{
    return acc + v_madd16(w, a);
}

#endif
