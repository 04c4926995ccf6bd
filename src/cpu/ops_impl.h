/*
 * The operations other than matrix products: LayerNorm, softmax, GELU, log-sum-exp, attention of
 * one query, conversions. Contracts in ops/ops.h. Included after a simd_<isa>.h.
 */
#ifndef CPU_OPS_IMPL_H
#define CPU_OPS_IMPL_H

#include "cpu/math_impl.h"
#include "ops/ops.h"

#include <math.h>

static void layernorm_row(const float *x, const float *g, const float *b, float *y, int n)
{
    vf sums = {0}, more = {0}, squares = {0};
    float sum = 0, square = 0;
    int i = 0;

    for (; i + 2 * VW <= n; i += 2 * VW) {
        sums += v_load(x + i);
        more += v_load(x + i + VW);
    }
    sums += more;
    for (; i + VW <= n; i += VW)
        sums += v_load(x + i);
    for (; i < n; i++)
        sum += x[i];
    float mean = (sum + v_sum(sums)) / (float)n;
    more = (vf){0};
    for (i = 0; i + 2 * VW <= n; i += 2 * VW) {
        vf d = v_load(x + i) - mean, e = v_load(x + i + VW) - mean;
        squares = v_fma(d, d, squares);
        more = v_fma(e, e, more);
    }
    squares += more;
    for (; i + VW <= n; i += VW) {
        vf d = v_load(x + i) - mean;
        squares = v_fma(d, d, squares);
    }
    for (; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean);
    float scale = 1.0f / sqrtf((square + v_sum(squares)) / (float)n + 1e-5f);
    for (i = 0; i + VW <= n; i += VW)
        v_store(y + i, v_fma((v_load(x + i) - mean) * scale, v_load(g + i), v_load(b + i)));
    for (; i < n; i++)
        y[i] = (x[i] - mean) * scale * g[i] + b[i];
}

static void layernorm_f32(const float *x, const float *g, const float *b, float *y, int n_rows,
                          int n_cols)
{
    for (int r = 0; r < n_rows; r++)
        layernorm_row(x + (size_t)r * (size_t)n_cols, g, b, y + (size_t)r * (size_t)n_cols, n_cols);
}

static float row_max(const float *x, size_t n)
{
    vf m = v_set(-INFINITY);
    float max = -INFINITY;
    size_t i = 0;

    for (; i + VW <= n; i += VW)
        m = v_max(m, v_load(x + i));
    for (; i < n; i++)
        max = x[i] > max ? x[i] : max;
    float lanes = v_max_lane(m);
    return lanes > max ? lanes : max;
}

static float row_min(const float *x, size_t n)
{
    vf m = v_set(INFINITY);
    float min = INFINITY;
    size_t i = 0;

    for (; i + VW <= n; i += VW)
        m = v_min(m, v_load(x + i));
    for (; i < n; i++)
        min = x[i] < min ? x[i] : min;
    float lanes = -v_max_lane(-m);
    return lanes < min ? lanes : min;
}

/* Stores exp((x - origin) * scale), an exponent that is not positive, if `y` is not NULL; returns the sum. */
INLINE float exp_sum(const float *x, float *y, size_t n, float origin, float scale)
{
    vf sums[2] = {{0}, {0}};
    size_t i = 0;

    for (; i + 2 * VW <= n; i += 2 * VW) {
        vf a = v_exp_negative((v_load(x + i) - origin) * scale);
        vf b = v_exp_negative((v_load(x + i + VW) - origin) * scale);
        sums[0] += a;
        sums[1] += b;
        if (y) {
            v_store(y + i, a);
            v_store(y + i + VW, b);
        }
    }
    for (; i < n; i += VW) {
        int rest = n - i < VW ? (int)(n - i) : VW;
        vf e = v_exp_negative((v_load_part(x + i, rest) - origin) * scale);
        float t[VW] = {0};
        v_store_part(t, e, rest); // lanes beyond the row do not count
        sums[0] += v_load(t);
        if (y)
            v_store_part(y + i, e, rest);
    }
    return v_sum(sums[0] + sums[1]);
}

static void softmax_row(float *x, size_t n, float scale)
{
    float factor = 1.0f / exp_sum(x, x, n, scale < 0 ? row_min(x, n) : row_max(x, n), scale);
    size_t i = 0;

    for (; i + VW <= n; i += VW)
        v_store(x + i, v_load(x + i) * factor);
    for (; i < n; i++)
        x[i] *= factor;
}

static void softmax_f32(float *x, size_t stride, int n_rows, int n_cols, float scale)
{
    for (int r = 0; r < n_rows && n_cols > 0; r++)
        softmax_row(x + (size_t)r * stride, (size_t)n_cols, scale);
}

static void gelu_f32(float *x, size_t n)
{
    size_t i = 0;

    for (; i + VW <= n; i += VW)
        v_store(x + i, v_gelu(v_load(x + i)));
    if (i < n)
        v_store_part(x + i, v_gelu(v_load_part(x + i, (int)(n - i))), (int)(n - i));
}

static float logsumexp_f32(const float *x, size_t n, int *argmax)
{
    float max = n ? row_max(x, n) : -INFINITY;
    size_t best = 0;

    while (best + 1 < n && x[best] != max)
        best++;
    *argmax = (int)best;
    if (isinf(max))
        return max; // all -inf, or an inf among them
    return max + logf(exp_sum(x, NULL, n, max, 1.0f));
}

/* Products of one query with N keys, N of them at a time so that their sums overlap. */
INLINE void attend_keys(const float *q, const float *k, size_t stride, int width, float *scores,
                        const int n)
{
    vf sums[4] = {{0}, {0}, {0}, {0}};
    int c = 0;

    for (; c + VW <= width; c += VW) {
        vf a = v_load(q + c);
        UNROLL for (int i = 0; i < n; i++) sums[i] =
            v_fma(a, v_load(k + (size_t)i * stride + c), sums[i]);
    }
    UNROLL for (int i = 0; i < n; i++) scores[i] = v_sum(sums[i]);
    for (; c < width; c++)
        for (int i = 0; i < n; i++)
            scores[i] += q[c] * k[(size_t)i * stride + (size_t)c];
}

/* N vectors of columns of the weighted sum of the values. */
INLINE void attend_values(const float *p, const float *v, size_t stride, int n, float *out,
                          const int n_vec)
{
    vf sums[8] = {{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}};

    for (int i = 0; i < n; i++)
        UNROLL for (int j = 0; j < n_vec; j++) sums[j] =
            v_fma(v_set(p[i]), v_load(v + (size_t)i * stride + j * VW), sums[j]);
    UNROLL for (int j = 0; j < n_vec; j++) v_store(out + j * VW, sums[j]);
}

static void attend_f32(const float *q, const float *k, const float *v, size_t stride, int n,
                       int width, float scale, float *scores, float *out)
{
    int i = 0, c = 0;

    for (; i + 4 <= n; i += 4)
        attend_keys(q, k + (size_t)i * stride, stride, width, scores + i, 4);
    for (; i < n; i++)
        attend_keys(q, k + (size_t)i * stride, stride, width, scores + i, 1);
    if (n > 0)
        softmax_row(scores, (size_t)n, scale);
    for (; c + 8 * VW <= width; c += 8 * VW)
        attend_values(scores, v + c, stride, n, out + c, 8);
    for (; c + VW <= width; c += VW)
        attend_values(scores, v + c, stride, n, out + c, 1);
    for (; c < width; c++) {
        out[c] = 0;
        for (i = 0; i < n; i++)
            out[c] += scores[i] * v[(size_t)i * stride + (size_t)c];
    }
}

/* Smallest and largest of a row and 0; NaN does not count. */
static void row_range(const float *x, int n, float *low, float *high)
{
    vf min = {0}, max = {0};
    int i = 0;

    for (; i + VW <= n; i += VW) {
        vf v = v_load(x + i);
        min = v_min(v, min);
        max = v_max(v, max);
    }
    *low = -v_max_lane(-min);
    *high = v_max_lane(max);
    for (; i < n; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

INLINE vb quantise_lanes(vf x, float factor, float zero)
{
    vf v = v_round(x * factor) + zero;
    v = v_select(v > 0, v, v_set(0)); // a NaN becomes 0, as in the plain version
    return v_to_u8(v_to_int(v_min(v, v_set(255))));
}

static void quantise_u8(const float *x, size_t x_stride, int n_rows, int n_cols, uint8_t *q,
                        size_t q_stride, struct quant_row *row)
{
    for (int r = 0; r < n_rows; r++, x += x_stride, q += q_stride) {
        float low, high;
        row_range(x, n_cols, &low, &high);
        float range = high - low, factor = range > 1e-36f ? 255.0f / range : 0;
        float zero = rintf(-low * factor);
        int i = 0;
        for (; i + VW <= n_cols; i += VW) {
            vb b = quantise_lanes(v_load(x + i), factor, zero);
            memcpy(q + i, &b, sizeof b);
        }
        if (i < n_cols) {
            vb b = quantise_lanes(v_load_part(x + i, n_cols - i), factor, zero);
            memcpy(q + i, &b, (size_t)(n_cols - i));
        }
        row[r] = (struct quant_row){range / 255.0f, (int32_t)zero};
    }
}

static void convert_bf16(const float *x, size_t x_stride, int n_rows, int n_cols, uint16_t *y,
                         size_t y_stride)
{
    for (int r = 0; r < n_rows; r++, x += x_stride, y += y_stride) {
        int i = 0;
        for (; i + VW <= n_cols; i += VW) {
            vh h = v_to_bf16(v_load(x + i));
            memcpy(y + i, &h, sizeof h);
        }
        if (i < n_cols) {
            vh h = v_to_bf16(v_load_part(x + i, n_cols - i));
            memcpy(y + i, &h, (size_t)(n_cols - i) * sizeof *y);
        }
    }
}

/* The vector versions, in place of the plain ones. */
INLINE void ops_fill(struct ops *ops, const char *name)
{
    ops->name = name;
    ops->layernorm_f32 = layernorm_f32;
    ops->softmax_f32 = softmax_f32;
    ops->gelu_f32 = gelu_f32;
    ops->logsumexp_f32 = logsumexp_f32;
    ops->attend_f32 = attend_f32;
    ops->quantise_u8 = quantise_u8;
    ops->convert_bf16 = convert_bf16;
}

#endif
