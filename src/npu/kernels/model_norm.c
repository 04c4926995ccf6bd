/* LayerNorm; see model.h and layernorm.lin. Names are those of the .lin file. */
#include <string.h>

#include "npu/emu/arith.h"
#include "npu/kernels/model.h"

enum { ONE = 0x3f80, MEAN = 0x3b00, HALF_MEAN = 0x3a80, SEED = 0x5ef7 };
enum { HALF = 0x3f000000, HALF_EPSILON = 0x36a7c5ac };
enum { BLOCKS = 128 };

/* A 512-bit register as two halves of 16 bf16. */
struct pair {
    uint16_t v[32];
};

static void to_bf16(uint16_t out[16], const uint32_t in[16])
{
    for (unsigned i = 0; i < 16; i++) {
        out[i] = emu_bf16_of_f32(in[i], EMU_ROUND_NEAREST_EVEN);
    }
}

static struct pair fill(uint16_t lower, uint16_t upper)
{
    struct pair p;
    for (unsigned i = 0; i < 16; i++) {
        p.v[i] = lower;
        p.v[i + 16] = upper;
    }
    return p;
}

/* Both halves the same. */
static struct pair twice(const uint32_t in[16])
{
    struct pair p;
    to_bf16(p.v, in);
    memcpy(p.v + 16, p.v, 32);
    return p;
}

static void elements(uint32_t out[16], const uint32_t *acc, const struct pair *a,
                     const struct pair *b, unsigned negate)
{
    emu_mac_f32(out, acc, NULL, a->v, b->v, EMU_MAC_ELEMENTS, negate);
}

/* out = in less its bf16 part, which is in both halves of p. */
static void rest(uint32_t out[16], const uint32_t in[16], const struct pair *p)
{
    struct pair low = fill(ONE, 0);
    elements(out, in, p, &low, EMU_NEGATE_PRODUCT);
}

static struct pair split(const uint32_t in[16])
{
    struct pair p = twice(in);
    uint32_t t[16];
    rest(t, in, &p);
    to_bf16(p.v + 16, t);
    return p;
}

/* Rows of 4 from each, side by side: vshuffle 14 of the low halves. */
static struct pair beside(const struct pair *a, const struct pair *b)
{
    struct pair p;
    for (unsigned row = 0; row < 4; row++) {
        memcpy(p.v + row * 8, a->v + row * 4, 8);
        memcpy(p.v + row * 8 + 4, b->v + row * 4, 8);
    }
    return p;
}

static void row_sums(uint32_t out[16], const uint32_t s[16], uint32_t init, uint16_t factor)
{
    struct pair h = twice(s), m, l, zero = fill(0, 0), f = fill(factor, factor);
    uint32_t p[16], q[16], start[16];
    rest(p, s, &h);
    m = twice(p);
    rest(q, p, &m);
    l = twice(q);
    for (unsigned i = 0; i < 16; i++) {
        start[i] = init;
    }
    h = beside(&h, &m);
    l = beside(&l, &zero);
    emu_mac_f32(out, start, NULL, h.v, f.v, EMU_MAC_MATRIX, 0);
    emu_mac_f32(out, out, NULL, l.v, f.v, EMU_MAC_MATRIX, 0);
}

static void add(uint32_t out[16], const uint32_t a[16], const uint32_t b[16])
{
    for (unsigned i = 0; i < 16; i++) {
        out[i] = emu_add_f32(a[i], b[i], 0);
    }
}

static void newton(uint32_t r[16], const struct pair *y, const struct pair *h)
{
    struct pair e = fill(ONE, ONE), s;
    uint32_t a[16], half[16];
    for (unsigned i = 0; i < 16; i++) {
        half[i] = HALF;
    }
    elements(a, NULL, h, y, 0);
    s = split(a);
    elements(a, half, &s, y, EMU_NEGATE_PRODUCT);
    to_bf16(e.v + 16, a);
    elements(r, NULL, y, &e, 0);
}

/* 1/sqrt(2 h) of half the variance, in two parts: [r r], [rest 0]. */
static void inverse_root(const uint32_t half_var[16], struct pair *rh, struct pair *rl)
{
    struct pair h = split(half_var), y;
    uint32_t r[16], t[16];
    bool overflow = false;
    for (unsigned i = 0; i < 16; i++) {
        int64_t x = emu_srs((int32_t)half_var[i], 17, 16, true, EMU_SATURATE,
                            EMU_ROUND_NEAREST_EVEN, &overflow);
        y.v[i] = y.v[i + 16] = (uint16_t)(SEED - x);
    }
    newton(r, &y, &h);
    y = twice(r);
    newton(r, &y, &h);
    *rh = twice(r);
    rest(t, r, rh);
    *rl = fill(0, 0);
    to_bf16(rl->v, t);
}

/* d = x - mean in two parts; returns half the variance. */
static void differences(const uint32_t *x, uint16_t *d, uint32_t half_var[16])
{
    uint32_t sa[16] = {0}, sb[16] = {0}, qa[16] = {0}, qb[16] = {0}, w[16];
    struct pair one = fill(ONE, ONE), low = fill(ONE, 0), high = fill(0, ONE), mu, h, l;
    for (unsigned b = 0; b < BLOCKS; b += 2) {
        add(sa, sa, x + b * 16);
        add(sb, sb, x + b * 16 + 16);
    }
    add(sa, sa, sb);
    row_sums(w, sa, 0, MEAN);
    mu = split(w);
    for (unsigned b = 0; b < BLOCKS; b += 2) {
        uint32_t t[2][16];
        for (unsigned i = 0; i < 2; i++) {
            elements(t[i], x + (b + i) * 16, &mu, &one, EMU_NEGATE_PRODUCT);
            for (unsigned k = 0; k < 16; k++) {
                h.v[i * 16 + k] = (uint16_t)(t[i][k] >> 16);
            }
        }
        for (unsigned i = 0; i < 2; i++) {
            elements(t[i], t[i], &h, i ? &high : &low, EMU_NEGATE_PRODUCT);
            to_bf16(l.v + i * 16, t[i]);
            memcpy(d + (b + i) * 32, h.v + i * 16, 32);
            memcpy(d + (b + i) * 32 + 16, l.v + i * 16, 32);
        }
        elements(qa, qa, &h, &h, 0);
        elements(qb, qb, &h, &l, 0);
    }
    add(qa, qa, qb);
    add(qa, qa, qb);
    row_sums(half_var, qa, HALF_EPSILON, HALF_MEAN);
}

void kernel_layernorm(const uint32_t x0[2048], const uint32_t x1[2048], uint16_t d0[4096],
                      uint16_t d1[4096], uint16_t out[4096])
{
    for (unsigned g = 0; g < 2; g++) {
        uint16_t *d = g ? d1 : d0, block[16];
        uint32_t half_var[16], y[16];
        struct pair rh, rl, x;
        differences(g ? x1 : x0, d, half_var);
        inverse_root(half_var, &rh, &rl);
        for (unsigned b = 0; b < BLOCKS; b++) {
            memcpy(x.v, d + b * 32, sizeof x.v);
            elements(y, NULL, &x, &rh, 0);
            elements(y, y, &x, &rl, 0);
            to_bf16(block, y);
            uint16_t *to = out + b / 16 * 512 + g * 256 + b / 2 % 8 * 32 + b % 2 * 4;
            for (unsigned row = 0; row < 4; row++) {
                memcpy(to + row * 8, block + row * 4, 8);
            }
        }
    }
}
