/*
 * Floating-point rules of the vector unit, one lane at a time, in plain integers: the specification.
 * Faster versions of the hot ones are in arith_avx2.c.
 * Source of the multiply-accumulate rule: 864 output lanes captured on a Phoenix NPU with accumulator
 * zero (FIM43-Redeye/xdna-emu); with an accumulator, 3,200 probes of jdominick05/ignite-xdna.
 */
#include "npu/emu/arith_impl.h"

#include <string.h>

#include "base/cpu.h"

bool emu_round_defined(unsigned mode)
{
    return mode <= 3 || (mode >= 8 && mode <= 13);
}

uint32_t emu_f32_of_bf16(uint16_t x)
{
    return (uint32_t)x << 16;
}

bool emu_round_up(unsigned mode, bool negative, bool odd, bool guard, bool sticky)
{
    bool inexact = guard || sticky, tie = guard && !sticky, above = guard && sticky;
    switch (mode) {
    case EMU_ROUND_FLOOR:
        return negative && inexact;
    case EMU_ROUND_CEIL:
        return !negative && inexact;
    case EMU_ROUND_FROM_ZERO:
        return inexact;
    case EMU_ROUND_NEAREST_DOWN:
        return above || (tie && negative);
    case EMU_ROUND_NEAREST_UP:
        return above || (tie && !negative);
    case EMU_ROUND_NEAREST_TO_ZERO:
        return above;
    case EMU_ROUND_NEAREST_FROM_ZERO:
        return guard;
    case EMU_ROUND_NEAREST_EVEN:
        return above || (tie && odd);
    case EMU_ROUND_NEAREST_ODD:
        return above || (tie && !odd);
    default:
        return false; // to zero
    }
}

uint16_t emu_bf16_of_f32(uint32_t x, unsigned round)
{
    uint32_t y = x >> 16;
    if ((x & 0x7f800000) == 0x7f800000) {
        bool lost = (x & 0x7fffff) && !(y & 0x7f); // a NaN that would become an infinity
        return (uint16_t)(y + lost);
    }
    return (uint16_t)(y + emu_round_up(round, x >> 31, y & 1, x & 0x8000, x & 0x7fff));
}

int32_t emu_floor_bf16(uint16_t x, int shift)
{
    int exponent = x >> 7 & 0xff;
    int64_t mantissa = exponent ? 0x80 | (x & 0x7f) : x & 0x7f;
    int right = 134 - (exponent ? exponent : 1) - shift; // value = mantissa / 2^right
    bool negative = x >> 15;
    if (!mantissa)
        return 0;
    if (exponent == 255 || right <= -25) // the least mantissa of these is 2^7
        return negative ? INT32_MIN : INT32_MAX;
    if (right > 40)
        return negative ? -1 : 0;
    int64_t value = negative ? -mantissa : mantissa;
    value = right > 0 ? value >> right : value * ((int64_t)1 << -right);
    return (int32_t)(value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : value);
}

bool emu_less_bf16(uint16_t a, uint16_t b)
{
    if ((a & 0x7fff) > 0x7f80 || (b & 0x7fff) > 0x7f80)
        return false;
    int32_t x = a & 0x8000 ? -1 - (a & 0x7fff) : a, y = b & 0x8000 ? -1 - (b & 0x7fff) : b;
    return x < y;
}

/* One term of a sum: mantissa * 2^(exponent - 23 - 255), in the unit's own exponents. */
struct term {
    uint32_t mantissa; // at most 25 bits
    int exponent;      // 0 if zero
    bool negative;
};

/* What a sum is made of, gathered before it is added up. */
struct sum {
    struct term terms[10];
    unsigned n;
    int top; // largest exponent
    bool nan, plus_inf, minus_inf;
};

static void add_term(struct sum *s, struct term t, bool infinite)
{
    s->plus_inf |= infinite && !t.negative;
    s->minus_inf |= infinite && t.negative;
    s->top = t.exponent > s->top ? t.exponent : s->top;
    s->terms[s->n++] = t;
}

static void add_product(struct sum *s, uint16_t a, uint16_t b, bool negate)
{
    int ea = a >> 7 & 0xff, eb = b >> 7 & 0xff;
    uint32_t ma = (a & 0x7f) | (ea ? 0x80 : 0), mb = (b & 0x7f) | (eb ? 0x80 : 0);
    bool infinite = (ea == 255 && ma == 0x80) || (eb == 255 && mb == 0x80);
    struct term t = {.mantissa = (ma * mb) << 9, .negative = (bool)((a ^ b) >> 15) != negate};
    if (ma && mb)
        t.exponent = (ea ? ea : 1) + (eb ? eb : 1) + 1;
    s->nan |= (ea == 255 && ma > 0x80) || (eb == 255 && mb > 0x80) || (infinite && !(ma && mb));
    add_term(s, t, infinite);
}

static void add_f32(struct sum *s, uint32_t x, bool negate)
{
    int e = x >> 23 & 0xff;
    uint32_t m = (x & 0x7fffff) | (e ? 0x800000 : 0);
    struct term t = {.mantissa = m, .negative = (bool)(x >> 31) != negate};
    if (m)
        t.exponent = (e ? e : 1) + 128;
    s->nan |= e == 255 && m > 0x800000;
    add_term(s, t, e == 255 && m == 0x800000);
}

/* x / 2^shift to nearest even; x below 2^63. */
static uint64_t round_even(uint64_t x, int shift)
{
    if (shift <= 0)
        return x;
    if (shift > 62)
        return 0;
    uint64_t half = (uint64_t)1 << (shift - 1), rest = x & (2 * half - 1);
    x >>= shift;
    return x + (rest > half || (rest == half && (x & 1)));
}

/* A normalised sum: 24-bit mantissa (0: the sum is zero) and the exponent field it would get. */
struct rounded {
    uint32_t mantissa;
    int exponent;
    bool negative, overflow, underflow;
};

static struct rounded add_up(const struct sum *s)
{
    int64_t total = 0;
    for (unsigned i = 0; i < s->n; i++) {
        int64_t x = (int64_t)round_even(s->terms[i].mantissa, s->top - s->terms[i].exponent);
        total += s->terms[i].negative ? -x : x;
    }
    struct rounded r = {.negative = total < 0};
    uint64_t size = (uint64_t)(total < 0 ? -total : total);
    if (!size)
        return r;
    int top = 63 - __builtin_clzll(size);
    uint64_t mantissa = top > 23 ? round_even(size, top - 23) : size << (23 - top);
    if (mantissa >> 24) {
        mantissa >>= 1;
        top++;
    }
    r.mantissa = (uint32_t)mantissa;
    r.exponent = s->top + top - 23 - 128;
    r.overflow = r.exponent >= 255;
    r.underflow = r.exponent <= 0;
    return r;
}

static uint32_t make_f32(bool negative, int exponent, uint32_t mantissa)
{
    return (uint32_t)negative << 31 | (uint32_t)exponent << 23 | (mantissa & 0x7fffff);
}

uint32_t emu_mac_f32_lane(const uint16_t *a, const uint16_t *b, unsigned n, const uint32_t *acc1,
                          const uint32_t *acc2, unsigned negate)
{
    struct sum s = {.n = 0};
    for (unsigned i = 0; i < n; i++)
        add_product(&s, a[i], b[i], negate & EMU_NEGATE_PRODUCT);
    bool empty = s.top == 0 && !s.nan;
    if (acc1)
        add_f32(&s, *acc1, negate & EMU_NEGATE_ACC1);
    if (acc2)
        add_f32(&s, *acc2, negate & EMU_NEGATE_ACC2);

    struct rounded r = add_up(&s);
    if (s.nan && empty && acc1 && !acc2 && !(negate & EMU_NEGATE_ACC1))
        return *acc1; // nothing to add to a NaN: it passes unchanged
    if (s.nan || (s.plus_inf && s.minus_inf)) {
        bool keep = r.mantissa && !r.overflow && !r.underflow;
        return make_f32(r.negative, 255, keep ? r.mantissa | 1 : 1);
    }
    if (s.plus_inf || s.minus_inf)
        return make_f32(s.minus_inf, 255, 0);
    if (r.overflow)
        return make_f32(r.negative, 255, 0);
    return r.mantissa && !r.underflow ? make_f32(r.negative, r.exponent, r.mantissa) : 0;
}

uint32_t emu_add_f32(uint32_t a, uint32_t b, unsigned negate)
{
    struct sum s = {.n = 0};
    add_f32(&s, a, negate & EMU_NEGATE_ACC1);
    add_f32(&s, b, negate & EMU_NEGATE_ACC2);

    struct rounded r = add_up(&s);
    if (s.nan) // a NaN among the operands: the sum shows through
        return make_f32(r.negative, 255, r.overflow ? 1 : r.mantissa | 1);
    if (s.plus_inf && s.minus_inf)
        return make_f32(r.negative, 255, 1);
    if (s.plus_inf || s.minus_inf)
        return make_f32(s.minus_inf, 255, 0);
    if (r.overflow)
        return make_f32(r.negative, 255, 0);
    return make_f32(r.negative, r.underflow ? 0 : r.exponent, r.underflow ? 0 : r.mantissa);
}

void emu_mac_f32(uint32_t *out, const uint32_t *acc1, const uint32_t *acc2, const uint16_t *a,
                 const uint16_t *b, enum emu_mac_shape shape, unsigned negate)
{
    for (unsigned lane = 0; lane < 16; lane++) {
        uint16_t x[8], y[8];
        unsigned n = shape == EMU_MAC_MATRIX ? 8 : 2;
        for (unsigned k = 0; k < n; k++) {
            bool matrix = shape == EMU_MAC_MATRIX;
            x[k] = matrix ? a[lane / 4 * 8 + k] : a[lane + 16 * k];
            y[k] = matrix ? b[k * 4 + lane % 4] : b[lane + 16 * k];
        }
        out[lane] =
            emu_mac_f32_lane(x, y, n, acc1 ? &acc1[lane] : NULL, acc2 ? &acc2[lane] : NULL, negate);
    }
}

static void add_f32_16(uint32_t *out, const uint32_t *a, const uint32_t *b, unsigned negate)
{
    for (unsigned i = 0; i < 16; i++)
        out[i] = emu_add_f32(a[i], b[i], negate);
}

const struct emu_fast *emu_plain(void)
{
    static const struct emu_fast plain = {emu_mac_f32, add_f32_16};
    return &plain;
}

const struct emu_fast *emu_fast(void)
{
#if defined(__x86_64__)
    if (cpu_flags() & CPU_AVX2)
        return emu_fast_avx2();
#endif
    return emu_plain();
}
