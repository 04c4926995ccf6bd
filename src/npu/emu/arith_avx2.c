/*
 * vmac.f and vadd.f with AVX2, 16 lanes at once, equal bit for bit to arith_float.c.
 *
 * How: with g the unit of the common grid (2^-23 of the largest exponent), a term t rounds to nearest
 * even on that grid by converting t/g to an integer, which is exact but for that rounding, as a product
 * of two bf16 is exact in f32. The integers are added, and converting the sum back to f32 is the final
 * rounding. All this holds while no input is infinite or NaN and a lane's largest exponent keeps away
 * from the ends of the range; otherwise the plain version does the whole instruction. A product too
 * small for f32 to hold exactly is far below g/2 then, and rounds to 0 as it should.
 */
#include "npu/emu/arith_impl.h"

#include <immintrin.h>
#include <stddef.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    TOP_MIN = 156, // largest exponent of a lane, in the unit's own (see struct term)
    TOP_MAX = 380,
    NOTHING = -2048, // exponent of a zero
};

/* bf16: exponent fields, at least 1; NOTHING for zeros. */
INLINE __m256i exponents(__m256i x)
{
    __m256i twice = _mm256_slli_epi16(x, 1);
    __m256i zero = _mm256_cmpeq_epi16(twice, _mm256_setzero_si256());
    __m256i e = _mm256_max_epi16(_mm256_srli_epi16(twice, 8), _mm256_set1_epi16(1));
    return _mm256_blendv_epi8(e, _mm256_set1_epi16(NOTHING), zero);
}

/* Any bits set: one of the four has an infinity or NaN. */
INLINE __m256i specials(__m256i a, __m256i b, __m256i c, __m256i d)
{
    __m256i x = _mm256_max_epu16(_mm256_slli_epi16(a, 1), _mm256_slli_epi16(b, 1));
    __m256i y = _mm256_max_epu16(_mm256_slli_epi16(c, 1), _mm256_slli_epi16(d, 1));
    return _mm256_subs_epu16(_mm256_max_epu16(x, y), _mm256_set1_epi16((short)0xfeff));
}

/* Eight lanes. */
struct lanes {
    __m256i top, sum; // largest exponent; what has been added, in units of the grid g
    __m256 scale;     // 1 / g
};

/* Products' exponents are one more than the sum of their factors'; `top16` are those sums, widened. */
INLINE void lanes_begin(struct lanes *l, __m256i top32)
{
    l->top = _mm256_add_epi32(top32, _mm256_set1_epi32(1));
    l->sum = _mm256_setzero_si256();
}

INLINE void lanes_top(struct lanes *l, __m256i acc, __m256i *special)
{
    __m256i twice = _mm256_slli_epi32(acc, 1);
    __m256i zero = _mm256_cmpeq_epi32(twice, _mm256_setzero_si256());
    __m256i e = _mm256_max_epi32(_mm256_srli_epi32(twice, 24), _mm256_set1_epi32(1));
    *special = _mm256_or_si256(*special, _mm256_cmpgt_epi32(e, _mm256_set1_epi32(254)));
    e = _mm256_add_epi32(e, _mm256_set1_epi32(128));
    l->top = _mm256_max_epi32(l->top, _mm256_blendv_epi8(e, _mm256_set1_epi32(NOTHING), zero));
}

/* All exponents are known. Returns a register with a sign bit set for a lane out of range; lanes that
 * are all zero are in it. */
INLINE __m256i lanes_scale(struct lanes *l)
{
    __m256i above = _mm256_sub_epi32(l->top, _mm256_set1_epi32(TOP_MIN));
    __m256i below = _mm256_sub_epi32(_mm256_set1_epi32(TOP_MAX), l->top);
    __m256i out = _mm256_or_si256(below, _mm256_andnot_si256(l->top, above));
    l->top = _mm256_max_epi32(l->top, _mm256_set1_epi32(TOP_MIN));
    __m256i e = _mm256_sub_epi32(_mm256_set1_epi32(127 + 278), l->top);
    l->scale = _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
    return out;
}

INLINE void lanes_add(struct lanes *l, __m256 term)
{
    l->sum = _mm256_add_epi32(l->sum, _mm256_cvtps_epi32(_mm256_mul_ps(term, l->scale)));
}

INLINE void lanes_subtract(struct lanes *l, __m256 term)
{
    l->sum = _mm256_sub_epi32(l->sum, _mm256_cvtps_epi32(_mm256_mul_ps(term, l->scale)));
}

INLINE void lanes_acc(struct lanes *l, __m256i acc, unsigned negate)
{
    if (negate)
        lanes_subtract(l, _mm256_castsi256_ps(acc));
    else
        lanes_add(l, _mm256_castsi256_ps(acc));
}

INLINE __m256i lanes_result(const struct lanes *l)
{
    __m256i e = _mm256_sub_epi32(l->top, _mm256_set1_epi32(278 - 127));
    __m256 g = _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
    return _mm256_castps_si256(_mm256_mul_ps(_mm256_cvtepi32_ps(l->sum), g));
}

INLINE __m256i load(const void *p)
{
    return _mm256_loadu_si256(p);
}

/* What all shapes share: sixteen lanes and the accumulators that go into them. */
struct unit {
    struct lanes lo, hi;
    __m256i acc1[2], acc2[2];
    __m256i special;
};

INLINE int unit_ready(struct unit *u, const uint32_t *acc1, const uint32_t *acc2)
{
    if (acc1) {
        u->acc1[0] = load(acc1);
        u->acc1[1] = load(acc1 + 8);
        lanes_top(&u->lo, u->acc1[0], &u->special);
        lanes_top(&u->hi, u->acc1[1], &u->special);
    }
    if (acc2) {
        u->acc2[0] = load(acc2);
        u->acc2[1] = load(acc2 + 8);
        lanes_top(&u->lo, u->acc2[0], &u->special);
        lanes_top(&u->hi, u->acc2[1], &u->special);
    }
    __m256i out = _mm256_or_si256(lanes_scale(&u->lo), lanes_scale(&u->hi));
    return _mm256_testz_si256(u->special, u->special) &&
           !_mm256_movemask_ps(_mm256_castsi256_ps(out));
}

INLINE void unit_finish(struct unit *u, uint32_t *out, const uint32_t *acc1, const uint32_t *acc2,
                        unsigned negate)
{
    if (negate & EMU_NEGATE_PRODUCT) {
        u->lo.sum = _mm256_sub_epi32(_mm256_setzero_si256(), u->lo.sum);
        u->hi.sum = _mm256_sub_epi32(_mm256_setzero_si256(), u->hi.sum);
    }
    if (acc1) {
        lanes_acc(&u->lo, u->acc1[0], negate & EMU_NEGATE_ACC1);
        lanes_acc(&u->hi, u->acc1[1], negate & EMU_NEGATE_ACC1);
    }
    if (acc2) {
        lanes_acc(&u->lo, u->acc2[0], negate & EMU_NEGATE_ACC2);
        lanes_acc(&u->hi, u->acc2[1], negate & EMU_NEGATE_ACC2);
    }
    _mm256_storeu_si256((__m256i *)out, lanes_result(&u->lo));
    _mm256_storeu_si256((__m256i *)(out + 8), lanes_result(&u->hi));
}

/*
 * A 4x8 times B 8x4. Four k at a time: `a` holds them of rows 0 and 2 in its low half, of 1 and 3 in its
 * high one; `b` holds four rows of B, two in each half. Halves cannot be mixed cheaply, so the low
 * half works on one k while the high half works on another: the halves of B as they are, then swapped.
 */
#define PAIR(k) (short)((2 * (k) + 1) << 8 | 2 * (k))
#define HALF_ROWS(k)                                                                               \
    PAIR(k), PAIR(k), PAIR(k), PAIR(k), PAIR(k + 4), PAIR(k + 4), PAIR(k + 4), PAIR(k + 4)
#define ROWS(k0, k1)  _mm256_setr_epi16(HALF_ROWS(k0), HALF_ROWS(k1))
#define LANES(k0, k1) _mm256_setr_epi32(k0, k0, k0, k0, k1, k1, k1, k1)

INLINE __m256i top_pair(__m256i top, __m256i ea, __m256i rows, __m256i eb)
{
    return _mm256_max_epi16(top, _mm256_add_epi16(_mm256_shuffle_epi8(ea, rows), eb));
}

/* Largest sums of exponents over four k: rows 0 and 2 in the low half, 1 and 3 in the high. */
INLINE __m256i top_of_4(__m256i top, __m256i ea, __m256i eb)
{
    __m256i swapped = _mm256_permute2x128_si256(eb, eb, 1);
    top = top_pair(top, ea, ROWS(0, 2), _mm256_unpacklo_epi64(eb, eb));
    top = top_pair(top, ea, ROWS(1, 3), _mm256_unpackhi_epi64(eb, eb));
    top = top_pair(top, ea, ROWS(2, 0), _mm256_unpacklo_epi64(swapped, swapped));
    return top_pair(top, ea, ROWS(3, 1), _mm256_unpackhi_epi64(swapped, swapped));
}

INLINE void add_pair(struct unit *u, __m256 a01, __m256 a23, __m256i k, __m256 b)
{
    lanes_add(&u->lo, _mm256_mul_ps(_mm256_permutevar_ps(a01, k), b));
    lanes_add(&u->hi, _mm256_mul_ps(_mm256_permutevar_ps(a23, k), b));
}

/* Adds four k. */
INLINE void add_4(struct unit *u, __m256i a, __m256i b)
{
    const __m256i zero = _mm256_setzero_si256(); // a bf16 is the upper half of a f32
    __m256 a01 = _mm256_castsi256_ps(_mm256_unpacklo_epi16(zero, a));
    __m256 a23 = _mm256_castsi256_ps(_mm256_unpackhi_epi16(zero, a));
    __m256 b02 = _mm256_castsi256_ps(_mm256_unpacklo_epi16(zero, b));
    __m256 b13 = _mm256_castsi256_ps(_mm256_unpackhi_epi16(zero, b));
    add_pair(u, a01, a23, LANES(0, 2), b02);
    add_pair(u, a01, a23, LANES(1, 3), b13);
    add_pair(u, a01, a23, LANES(2, 0), _mm256_permute2f128_ps(b02, b02, 1));
    add_pair(u, a01, a23, LANES(3, 1), _mm256_permute2f128_ps(b13, b13, 1));
}

INLINE int mac_matrix(uint32_t *out, const uint32_t *acc1, const uint32_t *acc2, const uint16_t *a,
                      const uint16_t *b, unsigned negate)
{
    __m256i a0 = load(a), a1 = load(a + 16), b0 = load(b), b1 = load(b + 16);
    __m256i low = _mm256_unpacklo_epi64(a0, a1), high = _mm256_unpackhi_epi64(a0, a1);
    struct unit u;

    u.special = specials(a0, a1, b0, b1);
    __m256i top = _mm256_set1_epi16(2 * NOTHING);
    top = top_of_4(top, exponents(low), exponents(b0));
    top = top_of_4(top, exponents(high), exponents(b1));
    lanes_begin(&u.lo, _mm256_srai_epi32(_mm256_unpacklo_epi16(top, top), 16));
    lanes_begin(&u.hi, _mm256_srai_epi32(_mm256_unpackhi_epi16(top, top), 16));
    if (!unit_ready(&u, acc1, acc2))
        return 0;
    add_4(&u, low, b0);
    add_4(&u, high, b1);
    unit_finish(&u, out, acc1, acc2, negate);
    return 1;
}

/* ---- lane by lane ---- */

INLINE __m256 float_of(__m128i x)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

INLINE void add_products(struct unit *u, __m256i a, __m256i b)
{
    lanes_add(&u->lo, _mm256_mul_ps(float_of(_mm256_castsi256_si128(a)),
                                    float_of(_mm256_castsi256_si128(b))));
    lanes_add(&u->hi, _mm256_mul_ps(float_of(_mm256_extracti128_si256(a, 1)),
                                    float_of(_mm256_extracti128_si256(b, 1))));
}

INLINE int mac_elements(uint32_t *out, const uint32_t *acc1, const uint32_t *acc2,
                        const uint16_t *a, const uint16_t *b, unsigned negate)
{
    __m256i a0 = load(a), a1 = load(a + 16), b0 = load(b), b1 = load(b + 16);
    struct unit u;

    u.special = specials(a0, a1, b0, b1);
    __m256i top = _mm256_max_epi16(_mm256_add_epi16(exponents(a0), exponents(b0)),
                                   _mm256_add_epi16(exponents(a1), exponents(b1)));
    lanes_begin(&u.lo, _mm256_cvtepi16_epi32(_mm256_castsi256_si128(top)));
    lanes_begin(&u.hi, _mm256_cvtepi16_epi32(_mm256_extracti128_si256(top, 1)));
    if (!unit_ready(&u, acc1, acc2))
        return 0;
    add_products(&u, a0, b0);
    add_products(&u, a1, b1);
    unit_finish(&u, out, acc1, acc2, negate);
    return 1;
}

static void mac_f32(uint32_t *out, const uint32_t *acc1, const uint32_t *acc2, const uint16_t *a,
                    const uint16_t *b, enum emu_mac_shape shape, unsigned negate)
{
    int done;
    if (shape == EMU_MAC_ELEMENTS)
        done = mac_elements(out, acc1, acc2, a, b, negate);
    else if (acc1 && !acc2 && !negate)
        done = mac_matrix(out, acc1, NULL, a, b, 0);
    else
        done = mac_matrix(out, acc1, acc2, a, b, negate);
    if (!done)
        emu_mac_f32(out, acc1, acc2, a, b, shape, negate);
}

static void add_f32(uint32_t *out, const uint32_t *a, const uint32_t *b, unsigned negate)
{
    struct unit u;

    u.special = _mm256_setzero_si256();
    lanes_begin(&u.lo, _mm256_set1_epi32(NOTHING));
    lanes_begin(&u.hi, _mm256_set1_epi32(NOTHING));
    if (unit_ready(&u, a, b))
        unit_finish(&u, out, a, b, negate & ~(unsigned)EMU_NEGATE_PRODUCT);
    else
        emu_plain()->add_f32(out, a, b, negate);
}

const struct emu_fast *emu_fast_avx2(void)
{
    static const struct emu_fast fast = {mac_f32, add_f32};
    return &fast;
}
