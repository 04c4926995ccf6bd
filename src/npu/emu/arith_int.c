/*
 * Integer rules of the vector unit: shift-round-saturate, upshift, pack, multiply-accumulate in its
 * modes, shuffles. Floats are in arith_float.c. Sources: AMD's intrinsics guide for AI Engine-ML,
 * FIM43-Redeye/xdna-emu's models and captures; mac_modes.def and shuffles.def name theirs.
 */
#include "npu/emu/arith_impl.h"

#include <stddef.h>
#include <string.h>

/* x if it is in the range of `bits`, else as `saturate` says. */
static int64_t fit(int64_t x, unsigned bits, bool is_signed, unsigned saturate, bool *overflow)
{
    int64_t max = (int64_t)(((uint64_t)1 << (bits - is_signed)) - 1);
    int64_t min =
        is_signed ? -max - !(saturate & EMU_SATURATE && saturate & EMU_SATURATE_SYMMETRIC) : 0;
    if (x >= min && x <= max)
        return x;
    if (saturate & EMU_SATURATE) {
        *overflow = true;
        return x < min ? min : max;
    }
    uint64_t low = (uint64_t)x << (64 - bits);
    return is_signed ? (int64_t)low >> (64 - bits) : (int64_t)(low >> (64 - bits));
}

int64_t emu_srs(int64_t acc, int shift, unsigned bits, bool is_signed, unsigned saturate,
                unsigned round, bool *overflow)
{
    int64_t x = acc;
    if (shift > 0) {
        // Rounding acts on the magnitude, which the low bits of a negative number do not show.
        uint64_t size = acc < 0 ? -(uint64_t)acc : (uint64_t)acc;
        uint64_t half = (uint64_t)1 << (shift - 1), kept = size >> shift;
        kept += emu_round_up(round, acc < 0, kept & 1, size & half, size & (half - 1));
        x = acc < 0 ? (int64_t)-kept : (int64_t)kept;
    } else if (shift < 0) {
        int64_t scale = (int64_t)1 << -shift;
        if (__builtin_mul_overflow(acc, scale, &x))
            x = saturate & EMU_SATURATE ? (acc < 0 ? INT64_MIN : INT64_MAX)
                                        : (int64_t)((uint64_t)acc << -shift);
    }
    return fit(x, bits, is_signed, saturate, overflow);
}

int64_t emu_ups(int64_t x, int shift, unsigned bits, unsigned saturate, bool *overflow)
{
    int64_t y;
    if (__builtin_mul_overflow(x, (int64_t)1 << shift, &y)) {
        *overflow |= saturate & EMU_SATURATE;
        y = saturate & EMU_SATURATE ? (x < 0 ? INT64_MIN : INT64_MAX)
                                    : (int64_t)((uint64_t)x << shift);
    }
    return bits == 64 ? y : fit(y, bits, true, saturate & EMU_SATURATE, overflow);
}

int64_t emu_pack(int64_t x, unsigned bits, bool is_signed, unsigned saturate)
{
    bool overflow = false;
    return fit(x, bits, is_signed, saturate, &overflow);
}

/* ---- multiply-accumulate ---- */

// clang-format off
static const struct emu_mac_mode modes[] = {
#define MODE(amode, bmode, variant, a, b, acc, rows, inner, cols, channels, kind) \
    {amode, bmode, variant, a, b, acc, rows, inner, cols, channels, EMU_MAC_##kind},
#include "npu/emu/mac_modes.def"
};
// clang-format on

const struct emu_mac_mode *emu_mac_mode(uint32_t config)
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        const struct emu_mac_mode *m = &modes[i];
        if (m->amode == (config >> 1 & 3) && m->bmode == (config >> 3 & 3) &&
            m->variant == (config >> 5 & 7))
            return m;
    }
    return NULL;
}

/* Widens a 512-bit operand's elements. */
static void widen(int64_t *dst, const uint8_t *src, unsigned bits, bool is_signed)
{
    for (unsigned i = 0; i < 512 / bits; i++) {
        uint64_t x = 0;
        if (bits == 4)
            x = src[i / 2] >> (i % 2 * 4) & 15;
        else
            memcpy(&x, src + i * (bits / 8), bits / 8);
        x <<= 64 - bits;
        dst[i] = is_signed ? (int64_t)x >> (64 - bits) : (int64_t)(x >> (64 - bits));
    }
}

static void widen_32(int32_t *dst, const uint8_t *src, unsigned bits, bool is_signed)
{
    int64_t wide[128];
    if (bits == 8) {
        for (unsigned i = 0; i < 64; i++)
            dst[i] = is_signed ? (int8_t)src[i] : src[i];
        return;
    }
    widen(wide, src, bits, is_signed);
    for (unsigned i = 0; i < 512 / bits; i++)
        dst[i] = (int32_t)wide[i];
}

/* Sums of products of every lane. */
static void products(int64_t *out, const int64_t *a, const int64_t *b, const struct emu_mac_mode *m)
{
    unsigned step = m->kind == EMU_MAC_CONVOLUTION ? 1 : m->inner, ch = m->channels;
    unsigned width = m->cols * ch; // lanes of a row
    memset(out, 0, sizeof *out * m->rows * width);
    for (unsigned row = 0; row < m->rows; row++) {
        for (unsigned k = 0; k < m->inner; k++) {
            for (unsigned j = 0; j < width; j++)
                out[row * width + j] += a[(row * step + k) * ch + j % ch] * b[k * width + j];
        }
    }
}

/* The same for plain 8-column shapes, in 32 bits: the hot one of int8. */
static void products_8(uint32_t *out, const int32_t *a, const int32_t *b,
                       const struct emu_mac_mode *m)
{
    for (unsigned row = 0; row < m->rows; row++) {
        uint32_t sum[8] = {0};
        for (unsigned k = 0; k < m->inner; k++) {
            for (unsigned j = 0; j < 8; j++)
                sum[j] += (uint32_t)a[row * m->inner + k] * (uint32_t)b[k * 8 + j];
        }
        memcpy(out + row * 8, sum, sizeof sum);
    }
}

static int64_t lane_of(const void *acc, unsigned i, unsigned bits)
{
    if (bits == 32) {
        int32_t x;
        memcpy(&x, (const uint8_t *)acc + 4 * i, 4);
        return x;
    }
    int64_t x;
    memcpy(&x, (const uint8_t *)acc + 8 * i, 8);
    return x;
}

/* out = sum + acc1 + acc2, with the signs and shift of config. */
static uint64_t lane_sum(int64_t product, const void *acc1, const void *acc2, unsigned i,
                         unsigned bits, uint32_t config)
{
    uint64_t sum = (uint64_t)product;
    sum = config & EMU_MAC_NEGATE_PRODUCT ? -sum : sum;
    if (acc1 && !(config & EMU_MAC_ZERO_ACC)) {
        uint64_t t = (uint64_t)lane_of(acc1, i, bits);
        t = config & EMU_MAC_SHIFT16 ? t << 16 : t;
        sum += config & EMU_MAC_NEGATE_ACC1 ? -t : t;
    }
    if (acc2) {
        uint64_t t = (uint64_t)lane_of(acc2, i, bits);
        sum += config & EMU_MAC_NEGATE_ACC2 ? -t : t;
    }
    return sum;
}

static void mac_int_8(uint32_t *out, const void *acc1, const void *acc2, const void *a,
                      const void *b, const struct emu_mac_mode *mode, uint32_t config)
{
    int32_t x[128], y[128];
    widen_32(x, a, mode->a_bits, config & EMU_MAC_A_SIGNED);
    widen_32(y, b, mode->b_bits, config & EMU_MAC_B_SIGNED);
    uint32_t sums[32];
    products_8(sums, x, y, mode);
    uint32_t plain =
        EMU_MAC_ZERO_ACC | EMU_MAC_SHIFT16 | EMU_MAC_NEGATE_PRODUCT | EMU_MAC_NEGATE_ACC1;
    if (acc1 && !acc2 && !(config & plain)) {
        uint32_t acc[32];
        memcpy(acc, acc1, sizeof acc);
        for (unsigned i = 0; i < 32; i++)
            out[i] = acc[i] + sums[i];
        return;
    }
    for (unsigned i = 0; i < 32; i++)
        out[i] = (uint32_t)lane_sum((int32_t)sums[i], acc1, acc2, i, 32, config);
}

void emu_mac_int(void *out, const void *acc1, const void *acc2, const void *a, const void *b,
                 const struct emu_mac_mode *mode, uint32_t config)
{
    if (mode->cols == 8 && mode->channels == 1 && mode->acc_bits == 32) {
        uint32_t lanes[32];
        mac_int_8(lanes, acc1, acc2, a, b, mode, config);
        memcpy(out, lanes, sizeof lanes);
        return;
    }
    int64_t x[128], y[128], sums[32];
    unsigned n = (unsigned)mode->rows * mode->cols * mode->channels, bytes = mode->acc_bits / 8;
    memset(x, 0, sizeof x);
    memset(y, 0, sizeof y);
    widen(x, a, mode->a_bits, config & EMU_MAC_A_SIGNED);
    widen(y, b, mode->b_bits, config & EMU_MAC_B_SIGNED);
    products(sums, x, y, mode);
    for (unsigned i = 0; i < n; i++) {
        uint64_t sum = lane_sum(sums[i], acc1, acc2, i, mode->acc_bits, config);
        memcpy((uint8_t *)out + i * bytes, &sum, bytes);
    }
}

/* ---- shuffles ---- */

enum { SHUFFLE_SWAP = 38 };

// clang-format off
static const struct {
    uint16_t bits;
    uint8_t rows, cols, half;
} shuffles[EMU_SHUFFLE_COUNT] = {
#define SHUFFLE(mode, bits, rows, cols, half) [mode] = {bits, rows, cols, half},
#include "npu/emu/shuffles.def"
};
// clang-format on

void emu_shuffle_bytes(unsigned mode, uint8_t source[64])
{
    unsigned size = shuffles[mode].bits / 8, rows = shuffles[mode].rows, cols = shuffles[mode].cols;
    for (unsigned i = 0; i < 64; i++) {
        if (mode == SHUFFLE_SWAP) {
            source[i] = (uint8_t)(i ^ 2);
            continue;
        }
        unsigned at = i + 64 * shuffles[mode].half, matrix = size * rows * cols;
        unsigned element = at % matrix / size, row = element % rows, col = element / rows;
        source[i] = (uint8_t)(at / matrix * matrix + (row * cols + col) * size + at % size);
    }
}

void emu_shuffle(uint8_t out[64], const uint8_t a[64], const uint8_t b[64], unsigned mode)
{
    uint8_t source[64], in[128];
    memcpy(in, a, 64);
    memcpy(in + 64, b, 64);
    emu_shuffle_bytes(mode, source);
    for (unsigned i = 0; i < 64; i++)
        out[i] = in[source[i]];
}
