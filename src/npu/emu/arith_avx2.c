/*
 * vmac.f and vadd.f with AVX2, 16 lanes at once, equal bit for bit to arith_float.c.
 *
 * How: with g the unit of the common grid (2^-23 of the largest exponent), a term t rounds to nearest
 * even on that grid by converting t/g to an integer, which is exact but for that rounding, as a product
 * of two bf16 is exact in f32. The integers are added, and converting the sum back to f32 is the final
 * rounding. All this holds while no input is infinite, NaN or denormal and exponents keep away from the
 * ends of the range; otherwise the plain version does the whole instruction.
 */
#include "npu/emu/arith_impl.h"

#include <immintrin.h>
#include <stddef.h>

enum {
    TOP_MIN = 156, // largest exponent of a lane, in the unit's own (see struct term)
    TOP_MAX = 380,
    NOTHING = -2048, // added to the exponent of a zero
};

/* Lanes of bf16 that need the plain version. */
static inline __m256i odd_bf16(__m256i x)
{
    const __m256i field = _mm256_set1_epi16(0x7f80), zero = _mm256_setzero_si256();
    __m256i e = _mm256_and_si256(x, field);
    __m256i is_zero = _mm256_cmpeq_epi16(_mm256_slli_epi16(x, 1), zero);
    return _mm256_or_si256(_mm256_cmpeq_epi16(e, field),
                           _mm256_andnot_si256(is_zero, _mm256_cmpeq_epi16(e, zero)));
}

static inline __m256i exponent_bf16(__m256i x)
{
    __m256i twice = _mm256_slli_epi16(x, 1);
    __m256i is_zero = _mm256_cmpeq_epi16(twice, _mm256_setzero_si256());
    return _mm256_or_si256(_mm256_srli_epi16(twice, 8),
                           _mm256_and_si256(is_zero, _mm256_set1_epi16(NOTHING)));
}

static inline __m256 float_bf16(__m128i x)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

static inline __m256i odd_f32(__m256i x)
{
    const __m256i field = _mm256_set1_epi32(0x7f800000), zero = _mm256_setzero_si256();
    __m256i e = _mm256_and_si256(x, field);
    __m256i is_zero = _mm256_cmpeq_epi32(_mm256_slli_epi32(x, 1), zero);
    return _mm256_or_si256(_mm256_cmpeq_epi32(e, field),
                           _mm256_andnot_si256(is_zero, _mm256_cmpeq_epi32(e, zero)));
}

static inline __m256i exponent_f32(__m256i x)
{
    __m256i twice = _mm256_slli_epi32(x, 1);
    __m256i is_zero = _mm256_cmpeq_epi32(twice, _mm256_setzero_si256());
    __m256i e = _mm256_add_epi32(_mm256_srli_epi32(twice, 24), _mm256_set1_epi32(128));
    return _mm256_or_si256(_mm256_andnot_si256(is_zero, e),
                           _mm256_and_si256(is_zero, _mm256_set1_epi32(NOTHING)));
}

/* Two registers of 8 lanes: their largest exponents, their grids and what has been added up. */
struct lanes {
    __m256i top[2], sum[2];
    __m256 scale[2]; // 1 / g
    __m256i odd;     // any bit set: the plain version must do it
};

/* Widens the exponents of the products; a product's is one more than the sum of its factors'. */
static inline void lanes_begin(struct lanes *l, __m256i top16)
{
    const __m256i one = _mm256_set1_epi32(1);
    l->top[0] = _mm256_add_epi32(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(top16)), one);
    l->top[1] = _mm256_add_epi32(_mm256_cvtepi16_epi32(_mm256_extracti128_si256(top16, 1)), one);
}

static inline void lanes_top(struct lanes *l, const __m256i acc[2])
{
    for (int i = 0; i < 2; i++) {
        l->top[i] = _mm256_max_epi32(l->top[i], exponent_f32(acc[i]));
        l->odd = _mm256_or_si256(l->odd, odd_f32(acc[i]));
    }
}

/* All exponents are known: are they in range? Sets the scales; lanes that are all zero get any. */
static inline int lanes_scale(struct lanes *l)
{
    for (int i = 0; i < 2; i++) {
        __m256i low = _mm256_and_si256(_mm256_cmpgt_epi32(l->top[i], _mm256_setzero_si256()),
                                       _mm256_cmpgt_epi32(_mm256_set1_epi32(TOP_MIN), l->top[i]));
        __m256i high = _mm256_cmpgt_epi32(l->top[i], _mm256_set1_epi32(TOP_MAX));
        l->odd = _mm256_or_si256(l->odd, _mm256_or_si256(low, high));
        l->top[i] = _mm256_max_epi32(l->top[i], _mm256_set1_epi32(TOP_MIN));
        __m256i e = _mm256_sub_epi32(_mm256_set1_epi32(127 + 278), l->top[i]);
        l->scale[i] = _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
        l->sum[i] = _mm256_setzero_si256();
    }
    return _mm256_testz_si256(l->odd, l->odd);
}

static inline void lanes_add(struct lanes *l, int i, __m256 term)
{
    __m256i units = _mm256_cvtps_epi32(_mm256_mul_ps(term, l->scale[i]));
    l->sum[i] = _mm256_add_epi32(l->sum[i], units);
}

static inline __m256i negated(__m256i x, unsigned negate)
{
    return negate ? _mm256_sub_epi32(_mm256_setzero_si256(), x) : x;
}

static inline void lanes_acc(struct lanes *l, const __m256i acc[2], unsigned negate)
{
    for (int i = 0; i < 2; i++) {
        __m256 scaled = _mm256_mul_ps(_mm256_castsi256_ps(acc[i]), l->scale[i]);
        l->sum[i] = _mm256_add_epi32(l->sum[i], negated(_mm256_cvtps_epi32(scaled), negate));
    }
}

static inline __m256i lanes_result(const struct lanes *l, int i)
{
    __m256i e = _mm256_sub_epi32(l->top[i], _mm256_set1_epi32(278 - 127));
    __m256 g = _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
    return _mm256_castps_si256(_mm256_mul_ps(_mm256_cvtepi32_ps(l->sum[i]), g));
}

/* ---- A 4x8 times B 8x4: rows 0 and 2 are in the first register of lanes, 1 and 3 in the second ---- */

static inline void load_rows(__m256i r[2], const uint32_t *x)
{
    const __m128i *q = (const __m128i *)x;
    r[0] = _mm256_set_m128i(_mm_loadu_si128(q + 2), _mm_loadu_si128(q));
    r[1] = _mm256_set_m128i(_mm_loadu_si128(q + 3), _mm_loadu_si128(q + 1));
}

static inline void store_rows(uint32_t *x, __m256i even, __m256i odd)
{
    __m128i *q = (__m128i *)x;
    _mm_storeu_si128(q, _mm256_castsi256_si128(even));
    _mm_storeu_si128(q + 1, _mm256_castsi256_si128(odd));
    _mm_storeu_si128(q + 2, _mm256_extracti128_si256(even, 1));
    _mm_storeu_si128(q + 3, _mm256_extracti128_si256(odd, 1));
}

/* Largest sums of exponents: ea holds four k of each row (0 2 | 1 3), eb four rows of B. */
static inline __m256i top_of_4(__m256i top, __m256i ea, __m256i eb)
{
#define PAIR(k) (short)((2 * (k) + 1) << 8 | 2 * (k))
#define ROWS(k)                                                                                    \
    _mm256_setr_epi16(PAIR(k), PAIR(k), PAIR(k), PAIR(k), PAIR(k + 4), PAIR(k + 4), PAIR(k + 4),   \
                      PAIR(k + 4), PAIR(k), PAIR(k), PAIR(k), PAIR(k), PAIR(k + 4), PAIR(k + 4),   \
                      PAIR(k + 4), PAIR(k + 4))
#define TOP(k)                                                                                     \
    top = _mm256_max_epi16(top, _mm256_add_epi16(_mm256_shuffle_epi8(ea, ROWS(k)),                 \
                                                 _mm256_permute4x64_epi64(eb, 0x55 * (k))))
    TOP(0);
    TOP(1);
    TOP(2);
    TOP(3);
#undef TOP
#undef ROWS
#undef PAIR
    return top;
}

/* Adds four k: a holds them of each row, b four rows of B. */
static inline void add_4(struct lanes *l, __m256i a, __m256i b)
{
    __m256 even = float_bf16(_mm256_castsi256_si128(a));
    __m256 odd = float_bf16(_mm256_extracti128_si256(a, 1));
    __m256 b01 = float_bf16(_mm256_castsi256_si128(b));
    __m256 b23 = float_bf16(_mm256_extracti128_si256(b, 1));
#define ADD(k, pair, half)                                                                         \
    do {                                                                                           \
        __m256 row = _mm256_permute2f128_ps(pair, pair, half);                                     \
        lanes_add(l, 0, _mm256_mul_ps(_mm256_permute_ps(even, 0x55 * (k)), row));                  \
        lanes_add(l, 1, _mm256_mul_ps(_mm256_permute_ps(odd, 0x55 * (k)), row));                   \
    } while (0)
    ADD(0, b01, 0x00);
    ADD(1, b01, 0x11);
    ADD(2, b23, 0x00);
    ADD(3, b23, 0x11);
#undef ADD
}

static int mac_matrix(uint32_t *out, const uint32_t *acc1, const uint32_t *acc2, const uint16_t *a,
                      const uint16_t *b, unsigned negate)
{
    __m256i a0 = _mm256_loadu_si256((const __m256i *)a);
    __m256i a1 = _mm256_loadu_si256((const __m256i *)(a + 16));
    __m256i b0 = _mm256_loadu_si256((const __m256i *)b);
    __m256i b1 = _mm256_loadu_si256((const __m256i *)(b + 16));
    __m256i low = _mm256_unpacklo_epi64(a0, a1), high = _mm256_unpackhi_epi64(a0, a1);
    __m256i acc[2][2];
    struct lanes l;

    l.odd = _mm256_or_si256(_mm256_or_si256(odd_bf16(a0), odd_bf16(a1)),
                            _mm256_or_si256(odd_bf16(b0), odd_bf16(b1)));
    __m256i top = _mm256_set1_epi16(2 * NOTHING);
    top = top_of_4(top, exponent_bf16(low), exponent_bf16(b0));
    lanes_begin(&l, top_of_4(top, exponent_bf16(high), exponent_bf16(b1)));
    if (acc1) {
        load_rows(acc[0], acc1);
        lanes_top(&l, acc[0]);
    }
    if (acc2) {
        load_rows(acc[1], acc2);
        lanes_top(&l, acc[1]);
    }
    if (!lanes_scale(&l))
        return 0;
    add_4(&l, low, b0);
    add_4(&l, high, b1);
    l.sum[0] = negated(l.sum[0], negate & EMU_NEGATE_PRODUCT);
    l.sum[1] = negated(l.sum[1], negate & EMU_NEGATE_PRODUCT);
    if (acc1)
        lanes_acc(&l, acc[0], negate & EMU_NEGATE_ACC1);
    if (acc2)
        lanes_acc(&l, acc[1], negate & EMU_NEGATE_ACC2);
    store_rows(out, lanes_result(&l, 0), lanes_result(&l, 1));
    return 1;
}

/* ---- lane by lane ---- */

static inline void load_lanes(__m256i r[2], const uint32_t *x)
{
    r[0] = _mm256_loadu_si256((const __m256i *)x);
    r[1] = _mm256_loadu_si256((const __m256i *)(x + 8));
}

static inline void store_lanes(uint32_t *x, const struct lanes *l)
{
    _mm256_storeu_si256((__m256i *)x, lanes_result(l, 0));
    _mm256_storeu_si256((__m256i *)(x + 8), lanes_result(l, 1));
}

static inline void add_products(struct lanes *l, __m256i a, __m256i b)
{
    lanes_add(l, 0,
              _mm256_mul_ps(float_bf16(_mm256_castsi256_si128(a)),
                            float_bf16(_mm256_castsi256_si128(b))));
    lanes_add(l, 1,
              _mm256_mul_ps(float_bf16(_mm256_extracti128_si256(a, 1)),
                            float_bf16(_mm256_extracti128_si256(b, 1))));
}

static int mac_elements(uint32_t *out, const uint32_t *acc1, const uint32_t *acc2,
                        const uint16_t *a, const uint16_t *b, unsigned negate)
{
    __m256i a0 = _mm256_loadu_si256((const __m256i *)a);
    __m256i a1 = _mm256_loadu_si256((const __m256i *)(a + 16));
    __m256i b0 = _mm256_loadu_si256((const __m256i *)b);
    __m256i b1 = _mm256_loadu_si256((const __m256i *)(b + 16));
    __m256i acc[2][2];
    struct lanes l;

    l.odd = _mm256_or_si256(_mm256_or_si256(odd_bf16(a0), odd_bf16(a1)),
                            _mm256_or_si256(odd_bf16(b0), odd_bf16(b1)));
    __m256i top0 = _mm256_add_epi16(exponent_bf16(a0), exponent_bf16(b0));
    __m256i top1 = _mm256_add_epi16(exponent_bf16(a1), exponent_bf16(b1));
    lanes_begin(&l, _mm256_max_epi16(top0, top1));
    if (acc1) {
        load_lanes(acc[0], acc1);
        lanes_top(&l, acc[0]);
    }
    if (acc2) {
        load_lanes(acc[1], acc2);
        lanes_top(&l, acc[1]);
    }
    if (!lanes_scale(&l))
        return 0;
    add_products(&l, a0, b0);
    add_products(&l, a1, b1);
    l.sum[0] = negated(l.sum[0], negate & EMU_NEGATE_PRODUCT);
    l.sum[1] = negated(l.sum[1], negate & EMU_NEGATE_PRODUCT);
    if (acc1)
        lanes_acc(&l, acc[0], negate & EMU_NEGATE_ACC1);
    if (acc2)
        lanes_acc(&l, acc[1], negate & EMU_NEGATE_ACC2);
    store_lanes(out, &l);
    return 1;
}

static void mac_f32(uint32_t *out, const uint32_t *acc1, const uint32_t *acc2, const uint16_t *a,
                    const uint16_t *b, enum emu_mac_shape shape, unsigned negate)
{
    int done = shape == EMU_MAC_MATRIX ? mac_matrix(out, acc1, acc2, a, b, negate)
                                       : mac_elements(out, acc1, acc2, a, b, negate);
    if (!done)
        emu_mac_f32(out, acc1, acc2, a, b, shape, negate);
}

static void add_f32(uint32_t *out, const uint32_t *a, const uint32_t *b, unsigned negate)
{
    __m256i x[2], y[2];
    struct lanes l;

    load_lanes(x, a);
    load_lanes(y, b);
    l.odd = _mm256_setzero_si256();
    l.top[0] = l.top[1] = _mm256_set1_epi32(NOTHING);
    lanes_top(&l, x);
    lanes_top(&l, y);
    if (!lanes_scale(&l)) {
        emu_plain()->add_f32(out, a, b, negate);
        return;
    }
    lanes_acc(&l, x, negate & EMU_NEGATE_ACC1);
    lanes_acc(&l, y, negate & EMU_NEGATE_ACC2);
    store_lanes(out, &l);
}

const struct emu_fast *emu_fast_avx2(void)
{
    static const struct emu_fast fast = {mac_f32, add_f32};
    return &fast;
}
