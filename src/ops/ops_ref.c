/*
 * The plain C version of every operation but the matrix products (gemm_ref.c): the specification.
 * Vector versions may sum in another order, not mean something else.
 *
 * Sums run in LANES partial sums, so that compilers may vectorise them without being allowed to
 * reorder floating point in general.
 */
#include "ops/ops.h"

#include <string.h>

#include "ops/half.h"
#include "ops/ref.h"

enum { LANES = 8 };

static const float NORM_EPSILON = 1e-5f; // PyTorch's default, which Whisper uses

/* ---- rows -------------------------------------------------------------------------------------- */

// Sum of (x[i] - shift)^power, power 1 or 2, in double.
static double row_sum(const float *x, int n, double shift, int power)
{
    double lane[LANES] = {0}, sum = 0;
    int i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) {
            double d = (double)x[i + j] - shift;
            lane[j] += power == 2 ? d * d : d;
        }
    for (; i < n; i++) {
        double d = (double)x[i] - shift;
        lane[0] += power == 2 ? d * d : d;
    }
    for (int j = 0; j < LANES; j++)
        sum += lane[j];
    return sum;
}

static void layernorm_f32(const float *x, const float *g, const float *b, float *y, int n_rows,
                          int n_cols)
{
    for (int r = 0; r < n_rows; r++, x += n_cols, y += n_cols) {
        double mean = row_sum(x, n_cols, 0, 1) / n_cols;
        double variance = row_sum(x, n_cols, mean, 2) / n_cols;
        float m = (float)mean, s = (float)(1.0 / sqrt(variance + (double)NORM_EPSILON));
        for (int i = 0; i < n_cols; i++)
            y[i] = (x[i] - m) * s * g[i] + b[i];
    }
}

static float row_max(const float *x, size_t n)
{
    float lane[LANES], max;
    size_t i = 0;

    for (int j = 0; j < LANES; j++)
        lane[j] = -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lane[j] = x[i + (size_t)j] > lane[j] ? x[i + (size_t)j] : lane[j];
    for (; i < n; i++)
        lane[0] = x[i] > lane[0] ? x[i] : lane[0];
    max = lane[0];
    for (int j = 1; j < LANES; j++)
        max = lane[j] > max ? lane[j] : max;
    return max;
}

static void softmax_f32(float *x, size_t stride, int n_rows, int n_cols, float scale)
{
    for (int r = 0; r < n_rows; r++, x += stride) {
        double sum = 0;
        float max = row_max(x, (size_t)n_cols);
        for (int i = 0; i < n_cols; i++) {
            x[i] = expf((x[i] - max) * scale);
            sum += (double)x[i];
        }
        float inverse = (float)(1.0 / sum);
        for (int i = 0; i < n_cols; i++)
            x[i] *= inverse;
    }
}

static void gelu_f32(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = gelu_ref(x[i]);
}

static float logsumexp_f32(const float *x, size_t n, int *argmax)
{
    float max = row_max(x, n);
    double sum = 0;
    size_t best = 0;

    while (best < n && !(x[best] >= max))
        best++;
    *argmax = best < n ? (int)best : 0;
    if (isinf(max)) // nothing but -inf, or an infinite score
        return max;
    for (size_t i = 0; i < n; i++)
        sum += (double)expf(x[i] - max);
    return (float)((double)max + log(sum));
}

/* ---- attention over a short cache ------------------------------------------------------------ */

static float dot(const float *a, const float *b, int n)
{
    float lane[LANES] = {0}, sum = 0;
    int i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lane[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        lane[0] += a[i] * b[i];
    for (int j = 0; j < LANES; j++)
        sum += lane[j];
    return sum;
}

static void attend_f32(const float *q, const float *k, const float *v, size_t stride, int n,
                       int width, float scale, float *scores, float *out)
{
    for (int i = 0; i < n; i++)
        scores[i] = dot(q, k + (size_t)i * stride, width);
    softmax_f32(scores, (size_t)n, 1, n, scale);
    memset(out, 0, (size_t)width * sizeof *out);
    for (int i = 0; i < n; i++) {
        const float *value = v + (size_t)i * stride;
        for (int j = 0; j < width; j++)
            out[j] += scores[i] * value[j];
    }
}

/* ---- activations for the integer and bf16 products ------------------------------------------- */

static void quantise_u8(const float *x, size_t x_stride, int n_rows, int n_cols, uint8_t *q,
                        size_t q_stride, struct quant_row *row)
{
    for (int r = 0; r < n_rows; r++, x += x_stride, q += q_stride) {
        float low = 0, high = 0;
        for (int i = 0; i < n_cols; i++) {
            low = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
        }
        float range = high - low, factor = range > QUANT_TINY ? 255.0f / range : 0.0f;
        float zero = rintf(-low * factor);
        row[r] = (struct quant_row){range / 255.0f, (int32_t)zero};
        for (int i = 0; i < n_cols; i++) {
            float v = rintf(x[i] * factor) + zero;
            v = v > 0.0f ? v : 0.0f; // NaN too
            q[i] = (uint8_t)(v < 255.0f ? v : 255.0f);
        }
    }
}

static void convert_bf16(const float *x, size_t x_stride, int n_rows, int n_cols, uint16_t *y,
                         size_t y_stride)
{
    for (int r = 0; r < n_rows; r++, x += x_stride, y += y_stride)
        for (int i = 0; i < n_cols; i++)
            y[i] = float_to_bf16(x[i]);
}

void ops_init_ref(struct ops *ops)
{
    *ops = (struct ops){
        .name = "ref",
        .layernorm_f32 = layernorm_f32,
        .softmax_f32 = softmax_f32,
        .gelu_f32 = gelu_f32,
        .logsumexp_f32 = logsumexp_f32,
        .attend_f32 = attend_f32,
        .quantise_u8 = quantise_u8,
        .convert_bf16 = convert_bf16,
    };
    gemm_init_ref(ops->gemm);
}
