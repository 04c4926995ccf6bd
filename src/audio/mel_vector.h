/*
 * The fast log-mel, for any vector width: MEL_LANES frames lie side by side, one per lane, so that
 * no step but the first and the last moves data between lanes. Included once by each mel_<isa>.c,
 * which sets MEL_LANES (4, 8 or 16); everything here is static.
 *
 * 400 real samples are taken as 200 complex ones (even, odd), transformed in place as 8 x 5 x 5
 * (decimation in frequency; bins end up where mel.place says), and split into the 201 bins of the
 * real transform. See J. W. Cooley and J. W. Tukey, Math. Comp. 19 (1965), and for the split
 * W. H. Press et al., Numerical Recipes, "FFT of single real function".
 */
#include <stdint.h>
#include <string.h>

#include "audio/mel_tables.h"

#define LANES  MEL_LANES
#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

struct cvec {
    vec re, im;
};

/* ---- moving lanes -------------------------------------------------------------------------- */

// clang-format off
#if LANES == 4
#define UNPACK_LO 0, 4, 1, 5
#define UNPACK_HI 2, 6, 3, 7
#define PAIR_LO   0, 1, 4, 5
#define PAIR_HI   2, 3, 6, 7
#elif LANES == 8
#define UNPACK_LO 0, 8, 1, 9, 4, 12, 5, 13
#define UNPACK_HI 2, 10, 3, 11, 6, 14, 7, 15
#define PAIR_LO   0, 1, 8, 9, 4, 5, 12, 13
#define PAIR_HI   2, 3, 10, 11, 6, 7, 14, 15
#define QUAD_LO   0, 1, 2, 3, 8, 9, 10, 11
#define QUAD_HI   4, 5, 6, 7, 12, 13, 14, 15
#else
#define UNPACK_LO 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define UNPACK_HI 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#define PAIR_LO   0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define PAIR_HI   2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define QUAD_LO   0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define QUAD_HI   4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define OCT_LO    0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define OCT_HI    8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#endif
// clang-format on

#define SHUFFLE(a, b, order) SHUFFLE_(a, b, order)
#define SHUFFLE_(a, b, ...)  __builtin_shufflevector(a, b, __VA_ARGS__)

/* r[i][j] <-> r[j][i]: first within groups of 4, then between groups. */
INLINE void transpose(vec r[LANES])
{
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i += 4) {
        vec a = SHUFFLE(r[i], r[i + 1], UNPACK_LO), b = SHUFFLE(r[i], r[i + 1], UNPACK_HI);
        vec c = SHUFFLE(r[i + 2], r[i + 3], UNPACK_LO), d = SHUFFLE(r[i + 2], r[i + 3], UNPACK_HI);
        r[i] = SHUFFLE(a, c, PAIR_LO);
        r[i + 1] = SHUFFLE(a, c, PAIR_HI);
        r[i + 2] = SHUFFLE(b, d, PAIR_LO);
        r[i + 3] = SHUFFLE(b, d, PAIR_HI);
    }
#if LANES >= 8
#pragma GCC unroll 16
    for (int i = 0; i < LANES / 2; i++) {
        vec *p = &r[i / 4 * 8 + i % 4], a = p[0], b = p[4];
        p[0] = SHUFFLE(a, b, QUAD_LO);
        p[4] = SHUFFLE(a, b, QUAD_HI);
    }
#endif
#if LANES == 16
#pragma GCC unroll 16
    for (int i = 0; i < 8; i++) {
        vec a = r[i], b = r[i + 8];
        r[i] = SHUFFLE(a, b, OCT_LO);
        r[i + 8] = SHUFFLE(a, b, OCT_HI);
    }
#endif
}

/* Windowed samples, one frame per lane; x[2 n] and x[2 n + 1] are point n of the transform. */
static void load_frames(const struct mel *m, const float *const frame[LANES], vec x[MEL_FFT])
{
    for (int i = 0; i < MEL_FFT; i += LANES) {
        vec r[LANES];
#pragma GCC unroll 16
        for (int f = 0; f < LANES; f++)
            memcpy(&r[f], frame[f] + i, sizeof r[f]);
        transpose(r);
#pragma GCC unroll 16
        for (int j = 0; j < LANES; j++)
            x[i + j] = r[j] * m->half_window[i + j];
    }
}

/* ---- transform ----------------------------------------------------------------------------- */

INLINE struct cvec add(struct cvec a, struct cvec b)
{
    return (struct cvec){a.re + b.re, a.im + b.im};
}

INLINE struct cvec sub(struct cvec a, struct cvec b)
{
    return (struct cvec){a.re - b.re, a.im - b.im};
}

INLINE struct cvec times(struct cvec a, const float w[2])
{
    return (struct cvec){a.re * w[0] - a.im * w[1], a.re * w[1] + a.im * w[0]};
}

INLINE struct cvec times_minus_i(struct cvec a)
{
    return (struct cvec){a.im, -a.re};
}

INLINE void dft4(struct cvec *a, struct cvec *b, struct cvec *c, struct cvec *d)
{
    struct cvec s = add(*a, *c), t = sub(*a, *c), u = add(*b, *d);
    struct cvec v = times_minus_i(sub(*b, *d));

    *a = add(s, u);
    *b = add(t, v);
    *c = sub(s, u);
    *d = sub(t, v);
}

/* Eight points `25` apart, times the twiddles of the next stage. */
INLINE void dft8(struct cvec *x, const float w[8][2])
{
    const float r = 0.70710678f; // cos 45 degrees
    struct cvec a = x[0], b = x[50], c = x[100], d = x[150];
    struct cvec e = x[25], f = x[75], g = x[125], h = x[175];

    dft4(&a, &b, &c, &d);
    dft4(&e, &f, &g, &h);
    f = (struct cvec){(f.re + f.im) * r, (f.im - f.re) * r};
    g = times_minus_i(g);
    h = (struct cvec){(h.im - h.re) * r, (h.re + h.im) * -r};
    x[0] = add(a, e);
    x[25] = times(add(b, f), w[1]);
    x[50] = times(add(c, g), w[2]);
    x[75] = times(add(d, h), w[3]);
    x[100] = times(sub(a, e), w[4]);
    x[125] = times(sub(b, f), w[5]);
    x[150] = times(sub(c, g), w[6]);
    x[175] = times(sub(d, h), w[7]);
}

/* Five points `step` apart. */
INLINE void dft5(struct cvec *x, int step)
{
    const float root = 0.55901699f; // sqrt(5) / 4: cos 72 and cos 144 degrees are -1/4 +- root
    const float s1 = 0.95105652f, s2 = 0.58778525f; // sin 72, sin 144
    struct cvec x0 = x[0];
    struct cvec t1 = add(x[step], x[4 * step]), t2 = add(x[2 * step], x[3 * step]);
    struct cvec t3 = sub(x[step], x[4 * step]), t4 = sub(x[2 * step], x[3 * step]);
    struct cvec sum = add(t1, t2), dif = sub(t1, t2);
    struct cvec mid = {x0.re - sum.re * 0.25f, x0.im - sum.im * 0.25f};
    struct cvec a = {mid.re + dif.re * root, mid.im + dif.im * root};
    struct cvec b = {mid.re - dif.re * root, mid.im - dif.im * root};
    struct cvec c = {t3.im * s1 + t4.im * s2, -(t3.re * s1 + t4.re * s2)}; // times -i
    struct cvec d = {t3.im * s2 - t4.im * s1, t4.re * s1 - t3.re * s2};

    x[0] = add(x0, sum);
    x[step] = add(a, c);
    x[2 * step] = add(b, d);
    x[3 * step] = sub(b, d);
    x[4 * step] = sub(a, c);
}

static void transform(const struct mel *m, struct cvec z[MEL_HALF_FFT])
{
    for (int n = 0; n < 25; n++)
        dft8(z + n, m->twiddle8[n]);
    for (struct cvec *x = z; x < z + MEL_HALF_FFT; x += 25) {
        dft5(x, 5);
        for (int n = 1; n < 5; n++) {
            dft5(x + n, 5);
#pragma GCC unroll 4
            for (int k = 1; k < 5; k++)
                x[n + 5 * k] = times(x[n + 5 * k], m->twiddle5[n][k]);
        }
        for (int n = 0; n < 25; n += 5)
            dft5(x + n, 1);
    }
}

/* Bins k and 200 - k of the real transform come from the same two points. The factor 1/2 of the
 * split is in the window. */
static void split_power(const struct mel *m, const struct cvec z[MEL_HALF_FFT], vec power[MEL_BINS])
{
    struct cvec c = z[m->place[0]];
    power[0] = (c.re + c.im) * (c.re + c.im) * 4.0f;
    power[200] = (c.re - c.im) * (c.re - c.im) * 4.0f;
    c = z[m->place[100]];
    power[100] = (c.re * c.re + c.im * c.im) * 4.0f;
    for (int k = 1; k < 100; k++) {
        struct cvec a = z[m->place[k]], b = z[m->place[200 - k]];
        struct cvec even = {a.re + b.re, a.im - b.im};
        struct cvec odd = times((struct cvec){a.im + b.im, b.re - a.re}, m->split[k]);
        struct cvec s = add(even, odd), d = sub(even, odd);
        power[k] = s.re * s.re + s.im * s.im;
        power[200 - k] = d.re * d.re + d.im * d.im;
    }
}

/* ---- mels ---------------------------------------------------------------------------------- */

/* a where mask is set, else b. */
INLINE vec select(ivec mask, vec a, vec b)
{
    return (vec)(((ivec)a & mask) | ((ivec)b & ~mask));
}

/* log10 of x, at least MEL_FLOOR (also for NaN): exponent and 2 atanh of the mantissa around 1;
 * the series' remainder is below 1e-9. */
INLINE vec log10_floored(vec x)
{
    const float log10_2 = 0.30102999566f, log10_e_2 = 0.86858896380f; // 2 / ln 10
    const int32_t sqrt_half = 0x3f3504f3;

    x = select(x > MEL_FLOOR, x, (vec){0} + MEL_FLOOR);
    ivec bits = (ivec)x, exponent = (bits - sqrt_half) >> 23;
    vec mantissa = (vec)(bits - (exponent << 23)); // 0.707..1.414
    vec s = (mantissa - 1.0f) / (mantissa + 1.0f), q = s * s;
    vec series = 1.0f + q * (1 / 3.0f + q * (1 / 5.0f + q * (1 / 7.0f + q * (1 / 9.0f))));
    return __builtin_convertvector(exponent, vec) * log10_2 + s * series * log10_e_2;
}

/* `*largest` grows to the largest value of each lane. */
static void apply_filters(const struct mel *m, const vec power[MEL_BINS], vec logs[MEL_MAX],
                          vec *largest)
{
    for (int i = 0; i < m->n_mels; i++) {
        const struct mel_filter *f = &m->filter[i];
        const float *w = m->weights + f->offset;
        const vec *p = power + f->first;
        vec sum = {0};
        for (int j = 0; j < f->count; j++)
            sum += p[j] * w[j];
        logs[i] = log10_floored(sum);
        *largest = select(logs[i] > *largest, logs[i], *largest);
    }
}

/* Lanes 0..n-1 become rows of dst. */
static void store_frames(int n_mels, const vec logs[MEL_MAX], int n, float *dst)
{
    int i = 0;

    for (; i + LANES <= n_mels; i += LANES) {
        vec r[LANES];
#pragma GCC unroll 16
        for (int j = 0; j < LANES; j++)
            r[j] = logs[i + j];
        transpose(r);
        for (int t = 0; t < n; t++)
            memcpy(dst + (ptrdiff_t)t * n_mels + i, &r[t], sizeof r[t]);
    }
    for (; i < n_mels; i++)
        for (int t = 0; t < n; t++)
            dst[(ptrdiff_t)t * n_mels + i] = logs[i][t];
}

static void log_mel(const struct mel *m, const float *samples, int n_frames, float *dst, float *max)
{
    union {
        vec real[MEL_FFT];
        struct cvec complex[MEL_HALF_FFT];
    } x;
    vec power[MEL_BINS], logs[MEL_MAX], largest = (vec){0} - 1e30f;

    for (int t = 0; t < n_frames; t += LANES) {
        // Lanes past the last frame repeat it, so that nothing beyond it is read.
        const float *frame[LANES];
        int n = n_frames - t < LANES ? n_frames - t : LANES;
        for (int f = 0; f < LANES; f++)
            frame[f] = samples + (ptrdiff_t)(t + (f < n ? f : n - 1)) * MEL_HOP - MEL_FFT / 2;
        load_frames(m, frame, x.real);
        transform(m, x.complex);
        split_power(m, x.complex, power);
        apply_filters(m, power, logs, &largest);
        store_frames(m->n_mels, logs, n, dst + (ptrdiff_t)t * m->n_mels);
    }
    *max = n_frames > 0 ? largest[0] : -__builtin_inff();
    for (int i = 1; i < LANES && n_frames > 0; i++)
        *max = largest[i] > *max ? largest[i] : *max;
}
