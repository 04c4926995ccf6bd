/*
 * The vector kernels of the VAD network, written once with the compiler's vector types. A file
 * vad_<isa>.c sets VAD_LANES (floats per register) and VAD_SQRT and includes this; multiply-adds are
 * fused where its flags allow. Only static functions here.
 */
#ifndef VAD_LANES
#error "set VAD_LANES and include this from vad_<isa>.c"
#endif

#include <stdint.h>

#include "audio/vad_net.h"

enum { LANES = VAD_LANES, NR = 2 * VAD_LANES, TILE = 6, HALF = VAD_FFT / 2 };

typedef float vec __attribute__((vector_size(VAD_LANES * 4), may_alias));
typedef uint32_t vecu __attribute__((vector_size(VAD_LANES * 4), may_alias));
// The same without alignment, to load from and store to.
typedef float uvec __attribute__((vector_size(VAD_LANES * 4), aligned(4), may_alias));

static inline vec load(const float *p)
{
    return *(const uvec *)p;
}

static inline void store(float *p, vec v)
{
    *(uvec *)p = v;
}

static inline vec splat(float x)
{
    return x - (vec){0};
}

// a where a < b (or they have no order), else b
static inline vec vmin(vec a, vec b)
{
    vecu above = (vecu)(a >= b);
    return (vec)((above & (vecu)b) | (~above & (vecu)a));
}

static inline vec relu(vec v)
{
    return (vec)((vecu)v & (vecu)(v > 0));
}

// e^x, relative error below 3e-7; x is clamped to where the result is normal.
static inline vec vexp(vec x)
{
    const vec limit = splat(87.0f), magic = splat(12582912.0f); // 1.5 * 2^23
    x = -vmin(-vmin(x, limit), limit);
    vec rounded = x * 1.44269504f + magic; // the integer sits in the low bits
    vecu exponent = (vecu)rounded << 23;
    vec n = rounded - magic;
    vec r = x - n * 0.693359375f + n * 2.12194440e-4f;
    // Cephes' minimax polynomial for e^r on |r| <= ln 2 / 2 (S. Moshier, expf)
    vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    return (vec)((vecu)p + exponent);
}

static inline vec vsigmoid(vec x)
{
    return 1.0f / (vexp(-x) + 1.0f);
}

static inline vec vtanh(vec x)
{
    return 1.0f - 2.0f / (vexp(x + x) + 1.0f);
}

static inline void finish(const struct vad_gemm *g, int row, int col, vec a, vec b)
{
    float *y = g->y + (size_t)row * g->y_stride + col;
    if (g->bias) {
        a += load(g->bias + col);
        b += load(g->bias + col + LANES);
    }
    store(y, g->relu ? relu(a) : a);
    store(y + LANES, g->relu ? relu(b) : b);
}

/* Six rows times one panel. Rows past the last repeat the last and are not stored. */
static inline void tile(const struct vad_gemm *g, int row, int col)
{
    const float *w = g->w + (size_t)col * g->k_full + (size_t)g->k_begin * NR;
    const float *x[TILE];
    int n = g->m - row < TILE ? g->m - row : TILE;
    for (int i = 0; i < TILE; i++)
        x[i] = g->x + (size_t)(row + (i < n ? i : n - 1)) * g->x_stride;
    const float *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3], *x4 = x[4], *x5 = x[5];
    vec a0 = {0}, a1 = {0}, a2 = {0}, a3 = {0}, a4 = {0}, a5 = {0};
    vec b0 = {0}, b1 = {0}, b2 = {0}, b3 = {0}, b4 = {0}, b5 = {0};

    for (int k = 0; k < g->k; k++, w += NR) {
        vec wa = load(w), wb = load(w + LANES);
        a0 += wa * x0[k], b0 += wb * x0[k];
        a1 += wa * x1[k], b1 += wb * x1[k];
        a2 += wa * x2[k], b2 += wb * x2[k];
        a3 += wa * x3[k], b3 += wb * x3[k];
        a4 += wa * x4[k], b4 += wb * x4[k];
        a5 += wa * x5[k], b5 += wb * x5[k];
    }
    finish(g, row, col, a0, b0);
    if (n > 1)
        finish(g, row + 1, col, a1, b1);
    if (n > 2)
        finish(g, row + 2, col, a2, b2);
    if (n > 3)
        finish(g, row + 3, col, a3, b3);
    if (n > 4)
        finish(g, row + 4, col, a4, b4);
    if (n > 5)
        finish(g, row + 5, col, a5, b5);
}

static void gemm(const struct vad_gemm *g)
{
    for (int col = 0; col < g->n; col += NR) {
        for (int row = 0; row < g->m; row += TILE)
            tile(g, row, col);
    }
}

/* gates += W h. Four panels at a time, so that enough sums are under way to hide their latency. */
static inline void add_recurrent(const float *w, const float *h, float *gates)
{
    enum { PANEL = VAD_HIDDEN * NR };
    for (int col = 0; col < VAD_GATES; col += 4 * NR) {
        const float *p = w + (size_t)col * VAD_HIDDEN;
        float *y = gates + col;
        vec a0 = load(y), b0 = load(y + LANES), a1 = load(y + NR), b1 = load(y + NR + LANES);
        vec a2 = load(y + 2 * NR), b2 = load(y + 2 * NR + LANES);
        vec a3 = load(y + 3 * NR), b3 = load(y + 3 * NR + LANES);
        for (int k = 0; k < VAD_HIDDEN; k++, p += NR) {
            vec x = splat(h[k]);
            a0 += load(p) * x, b0 += load(p + LANES) * x;
            a1 += load(p + PANEL) * x, b1 += load(p + PANEL + LANES) * x;
            a2 += load(p + 2 * PANEL) * x, b2 += load(p + 2 * PANEL + LANES) * x;
            a3 += load(p + 3 * PANEL) * x, b3 += load(p + 3 * PANEL + LANES) * x;
        }
        store(y, a0), store(y + LANES, b0);
        store(y + NR, a1), store(y + NR + LANES, b1);
        store(y + 2 * NR, a2), store(y + 2 * NR + LANES, b2);
        store(y + 3 * NR, a3), store(y + 3 * NR + LANES, b3);
    }
}

static void lstm(const float *w_hh, float *gates, struct vad_state *s)
{
    add_recurrent(w_hh, s->h, gates);
    for (int i = 0; i < VAD_HIDDEN; i += LANES) {
        vec in = vsigmoid(load(gates + i)), forget = vsigmoid(load(gates + VAD_HIDDEN + i));
        vec cell = vtanh(load(gates + 2 * VAD_HIDDEN + i));
        vec out = vsigmoid(load(gates + 3 * VAD_HIDDEN + i));
        vec c = forget * load(s->c + i) + in * cell;
        store(s->c + i, c);
        store(s->h + i, out * vtanh(c));
    }
}

static void fold(const float *restrict x, const float *restrict window, float *restrict dst)
{
    float even[HALF + 1], odd[HALF + 1]; // about the middle of the frame
    float *ce = dst, *co = dst + VAD_FOLD, *se = dst + 2 * VAD_FOLD, *so = dst + 3 * VAD_FOLD;

    for (int n = 1; n <= HALF; n++) {
        even[n] = window[n] * (x[n] + x[VAD_FFT - n]);
        odd[n] = window[n] * (x[n] - x[VAD_FFT - n]);
    }
    even[0] = odd[0] = 0; // window[0] is 0
    even[HALF] *= 0.5f;   // the middle sample was counted twice
    for (int n = 0; n < HALF / 2; n++) {
        ce[n] = even[n] + even[HALF - n];
        co[n] = even[n] - even[HALF - n];
        se[n] = odd[n] - odd[HALF - n];
        so[n] = odd[n] + odd[HALF - n];
    }
    ce[HALF / 2] = even[HALF / 2];
    co[HALF / 2] = se[HALF / 2] = 0;
    so[HALF / 2] = odd[HALF / 2];
}

static void magnitude(const float *re, const float *im, float *y, int n)
{
    for (int i = 0; i < n; i += LANES) {
        vec r = load(re + i), m = load(im + i);
        store(y + i, (vec)VAD_SQRT(r * r + m * m));
    }
}
