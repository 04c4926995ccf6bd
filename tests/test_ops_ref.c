/*
 * The plain C operations against straightforward arithmetic in double: they are what the vector
 * kernels are checked against, so they need a check of their own.
 */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/gemm.h"
#include "ops/half.h"

static float *random_floats(uint64_t *seed, size_t n, float range)
{
    float *x = malloc(n * sizeof *x);

    for (size_t i = 0; i < n; i++)
        x[i] = test_random_float(seed, -range, range);
    return x;
}

/* ---- fp16 and bf16 ----------------------------------------------------------------------------- */

// IEEE 754 binary16 from its fields.
static double half_value(unsigned h)
{
    int e = h >> 10 & 31, m = h & 1023;
    double v = e == 0    ? ldexp(m, -24)
               : e == 31 ? (m ? (double)NAN : (double)INFINITY)
                         : ldexp(1024 + m, e - 25);
    return h & 0x8000 ? -v : v;
}

static void test_half(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 65536; h++) {
        float x = half_to_float((uint16_t)h);
        if (isnan(half_value(h))) {
            assert_true(isnan(x) && isnan(half_to_float(float_to_half(x))));
            continue;
        }
        assert_true((double)x == half_value(h) && !!signbit(x) == (int)(h >> 15));
        assert_int_equal(float_to_half(x), h);
    }
    // Between neighbours: halfway goes to the even one, next to it to the nearer.
    for (unsigned h = 0; h < 0x7c00; h++) {
        double lo = half_value(h), hi = h + 1 < 0x7c00 ? half_value(h + 1) : 65536.0;
        float mid = (float)((lo + hi) / 2);
        assert_int_equal(float_to_half(mid), h + (h & 1));
        assert_int_equal(float_to_half(nextafterf(mid, 0)), h);
        assert_int_equal(float_to_half(-nextafterf(mid, INFINITY)), (h + 1) | 0x8000);
    }
    assert_int_equal(float_to_half(1e30f), 0x7c00);
    assert_int_equal(float_to_half(-INFINITY), 0xfc00);
    assert_int_equal(float_to_half(1e-30f), 0);
}

static void test_bf16(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 0x7f7f; h++) {
        float lo = bf16_to_float((uint16_t)h), hi = bf16_to_float((uint16_t)(h + 1));
        float mid = (float)(((double)lo + (double)hi) / 2);
        assert_int_equal(float_to_bf16(lo), h);
        assert_int_equal(float_to_bf16(mid), h + (h & 1));
        assert_int_equal(float_to_bf16(nextafterf(mid, INFINITY)), h + 1);
        assert_int_equal(float_to_bf16(-nextafterf(mid, 0)), h | 0x8000);
    }
    assert_true(isnan(bf16_to_float(float_to_bf16(NAN))));
    assert_int_equal(float_to_bf16(INFINITY), 0x7f80);
}

/* ---- products ---------------------------------------------------------------------------------- */

struct product {
    int m, n, k;
    bool bias, gelu, residual;
};

static double gelu(double x)
{
    return 0.5 * x * (1 + erf(x / sqrt(2)));
}

// What 8 bit make of an activation whose row has this range.
static double quantised(float x, float low, float high)
{
    float factor = 255 / (high - low), zero = rintf(-low * factor);
    return (double)(fminf(rintf(x * factor) + zero, 255) - zero) * (double)((high - low) / 255);
}

// What a format makes of a weight, as ops.h states it; and of an activation, but for I8.
static double rounded(enum gemm_format format, float x, float max)
{
    if (format == GEMM_F16)
        return (double)half_to_float(float_to_half(x));
    if (format == GEMM_BF16)
        return (double)bf16_to_float(float_to_bf16(x));
    if (format == GEMM_I8)
        return (double)rintf(x * (127 / max)) * (double)(max / 127);
    return (double)x;
}

static float max_of(const float *x, int n)
{
    float max = 0;

    for (int i = 0; i < n; i++)
        max = fmaxf(max, fabsf(x[i]));
    return max;
}

static void check_product(const struct ops *ops, enum gemm_format format, struct product p,
                          uint64_t *seed)
{
    const struct gemm_kernel *kernel = &ops->gemm[format];
    size_t xs = (size_t)p.k + 3, ys = (size_t)p.n + 2, qs = (size_t)p.k + 5;
    float *x = random_floats(seed, (size_t)p.m * xs, 2),
          *w = random_floats(seed, (size_t)(p.n * p.k), 1);
    float *bias = random_floats(seed, (size_t)p.n, 1);
    float *residual = random_floats(seed, (size_t)p.m * ys, 1);
    float *y = calloc((size_t)p.m * ys, sizeof *y),
          *scale = calloc((size_t)p.n, sizeof *scale);
    struct quant_row *quant_row = calloc((size_t)p.m, sizeof *quant_row);
    int32_t *sum = calloc((size_t)p.n, sizeof *sum);
    void *quant = calloc((size_t)p.m * qs, 2);
    struct gemm_weights weights = {
        malloc(gemm_packed_bytes(kernel, format, p.n, p.k)), format, p.n, p.k, scale, sum,
        kernel->q_max};
    int n_panels = gemm_n_panels(kernel, p.n);
    struct gemm_args a = {.x = x,
                          .x_stride = xs,
                          .m = p.m,
                          .w = &weights,
                          .panel_end = n_panels,
                          .y = y,
                          .y_stride = ys,
                          .bias = p.bias ? bias : NULL,
                          .gelu = p.gelu,
                          .residual = p.residual ? residual : NULL,
                          .residual_stride = ys,
                          .quant = quant,
                          .quant_stride = qs,
                          .quant_row = quant_row,
                          .scratch = malloc(gemm_scratch_bytes(kernel, format, p.k))};

    for (int i = 0; i < n_panels; i++) // panel by panel, through a view
        kernel->pack(&weights, w, (size_t)p.k, 1, i, i + 1);
    if (format == GEMM_I8)
        ops->quantise_u8(x, xs, p.m, p.k, quant, qs, quant_row);
    if (format == GEMM_BF16)
        ops->convert_bf16(x, xs, p.m, p.k, quant, qs);
    kernel->run(&a);
    for (int r = 0; r < p.m; r++)
        for (int c = 0; c < p.n; c++) {
            const float *xr = x + (size_t)r * xs, *wc = w + c * p.k;
            double want = 0;
            float low = 0, high = 0;
            for (int k = 0; k < p.k; k++) {
                low = fminf(low, xr[k]);
                high = fmaxf(high, xr[k]);
            }
            for (int k = 0; k < p.k; k++) {
                double v = (double)xr[k];
                if (format == GEMM_I8)
                    v = quantised(xr[k], low, high);
                else if (format == GEMM_BF16)
                    v = rounded(format, xr[k], 0);
                want += v * rounded(format, wc[k], max_of(wc, p.k));
            }
            want += p.bias ? (double)bias[c] : 0;
            want = p.gelu ? gelu(want) : want;
            want += p.residual ? (double)residual[(size_t)r * ys + (size_t)c] : 0;
            assert_close(y[(size_t)r * ys + (size_t)c], want, 1e-5 * (p.k + 1));
        }
    for (int r = 0; r < p.m; r++) // nothing beyond the last column
        assert_true(y[(size_t)r * ys + (size_t)p.n] == 0);
    free(x), free(w), free(bias), free(residual), free(y), free(scale), free(sum), free(quant), free(quant_row);
    free(weights.data), free(a.scratch);
}

static void test_gemm(void **state)
{
    (void)state;
    static const struct product products[] = {
        {1, 1, 1, false, false, false}, {1, 17, 5, true, false, false},
        {4, 8, 16, true, true, false},  {5, 9, 33, false, false, true},
        {13, 40, 64, true, true, true}, {3, 100, 7, true, false, true},
    };
    struct ops ops;
    uint64_t seed = 1;

    ops_init_ref(&ops);
    for (int f = 0; f < GEMM_FORMAT_COUNT; f++)
        for (size_t i = 0; i < sizeof products / sizeof products[0]; i++)
            check_product(&ops, (enum gemm_format)f, products[i], &seed);
}

// Values: N = width, K = positions, source transposed. In place residual.
static void test_gemm_transposed(void **state)
{
    (void)state;
    enum { M = 5, N = 12, K = 21 };
    struct ops ops;
    uint64_t seed = 2;
    float *x = random_floats(&seed, M * K, 1), *v = random_floats(&seed, K * N, 1);
    float y[M * N], before[M * N];
    ops_init_ref(&ops);
    const struct gemm_kernel *kernel = &ops.gemm[GEMM_F32];
    struct gemm_weights w = {
        malloc(gemm_packed_bytes(kernel, GEMM_F32, N, K)), GEMM_F32, N, K, NULL, NULL, 0};
    struct gemm_args a = {.x = x,
                          .x_stride = K,
                          .m = M,
                          .w = &w,
                          .y = y,
                          .y_stride = N,
                          .panel_end = gemm_n_panels(kernel, N),
                          .residual = y,
                          .residual_stride = N};

    kernel->pack(&w, v, 1, N, 0, gemm_n_panels(kernel, N));
    for (int i = 0; i < M * N; i++)
        before[i] = y[i] = (float)i;
    kernel->run(&a);
    for (int r = 0; r < M; r++)
        for (int c = 0; c < N; c++) {
            double want = (double)before[r * N + c];
            for (int k = 0; k < K; k++)
                want += (double)x[r * K + k] * (double)v[k * N + c];
            assert_close(y[r * N + c], want, 1e-5);
        }
    free(x), free(v), free(w.data);
}

static void test_parts(void **state)
{
    (void)state;
    for (int total = 0; total < 60; total += 7)
        for (int n = 1; n < 9; n++) {
            int at = 0, begin, end;
            for (int i = 0; i < n; i++) {
                gemm_part(total, 6, i, n, &begin, &end);
                assert_int_equal(begin, at);
                assert_true(begin % 6 == 0 || begin == total);
                assert_true(end >= begin);
                at = end;
            }
            assert_int_equal(at, total);
        }
}

/* ---- rows -------------------------------------------------------------------------------------- */

static void test_layernorm(void **state)
{
    (void)state;
    struct ops ops;
    uint64_t seed = 3;

    ops_init_ref(&ops);
    for (int n = 1; n < 70; n += 17) {
        float *x = random_floats(&seed, (size_t)(2 * n), 3),
              *g = random_floats(&seed, (size_t)n, 1);
        float *b = random_floats(&seed, (size_t)n, 1), *y = calloc((size_t)(2 * n), sizeof *y);
        ops.layernorm_f32(x, g, b, y, 2, n);
        for (int r = 0; r < 2; r++) {
            double mean = 0, var = 0;
            for (int i = 0; i < n; i++)
                mean += (double)x[r * n + i] / n;
            for (int i = 0; i < n; i++)
                var += ((double)x[r * n + i] - mean) * ((double)x[r * n + i] - mean) / n;
            for (int i = 0; i < n; i++)
                assert_close(y[r * n + i],
                             ((double)x[r * n + i] - mean) / sqrt(var + 1e-5) * (double)g[i] +
                                 (double)b[i],
                             2e-5);
        }
        ops.layernorm_f32(x, g, b, x, 2, n); // in place
        assert_memory_equal(x, y, (size_t)(2 * n) * sizeof *x);
        free(x), free(g), free(b), free(y);
    }
}

static void test_softmax(void **state)
{
    (void)state;
    enum { N = 37, STRIDE = 40 };
    struct ops ops;
    uint64_t seed = 4;
    float *x = random_floats(&seed, 2 * STRIDE, 90), y[2 * STRIDE];

    ops_init_ref(&ops);
    memcpy(y, x, sizeof y);
    ops.softmax_f32(y, STRIDE, 2, N, 0.25f);
    for (int r = 0; r < 2; r++) {
        double sum = 0, max = -1e9;
        for (int i = 0; i < N; i++)
            max = fmax(max, (double)x[r * STRIDE + i]);
        for (int i = 0; i < N; i++)
            sum += exp(((double)x[r * STRIDE + i] - max) / 4);
        for (int i = 0; i < N; i++)
            assert_close(y[r * STRIDE + i], exp(((double)x[r * STRIDE + i] - max) / 4) / sum, 1e-6);
        for (int i = N; i < STRIDE; i++)
            assert_true(y[r * STRIDE + i] == x[r * STRIDE + i]);
    }
    free(x);
}

static void test_logsumexp(void **state)
{
    (void)state;
    struct ops ops;
    uint64_t seed = 5;
    float *x = random_floats(&seed, 1001, 20);
    int best;

    ops_init_ref(&ops);
    x[500] = x[700] = 30;
    x[0] = -INFINITY;
    double sum = 0;
    for (int i = 0; i < 1001; i++)
        sum += exp((double)x[i] - 30);
    assert_close(ops.logsumexp_f32(x, 1001, &best), 30 + log(sum), 1e-5);
    assert_int_equal(best, 500);
    x[0] = x[1] = -INFINITY;
    assert_true(isinf(ops.logsumexp_f32(x, 2, &best)));
    assert_int_equal(best, 0);
    free(x);
}

static void test_attend(void **state)
{
    (void)state;
    enum { WIDTH = 20, N = 11, STRIDE = 24 };
    struct ops ops;
    uint64_t seed = 6;
    float *q = random_floats(&seed, WIDTH, 2), *k = random_floats(&seed, N * STRIDE, 2);
    float *v = random_floats(&seed, N * STRIDE, 2), scores[N], out[WIDTH];
    double p[N], sum = 0;

    ops_init_ref(&ops);
    ops.attend_f32(q, k, v, STRIDE, N, WIDTH, 0.3f, scores, out);
    for (int i = 0; i < N; i++) {
        double s = 0;
        for (int j = 0; j < WIDTH; j++)
            s += (double)q[j] * (double)k[i * STRIDE + j];
        sum += p[i] = exp(s * 0.3);
    }
    for (int j = 0; j < WIDTH; j++) {
        double want = 0;
        for (int i = 0; i < N; i++)
            want += p[i] / sum * (double)v[i * STRIDE + j];
        assert_close(out[j], want, 1e-5);
    }
    free(q), free(k), free(v);
}

// Gelu at its ends; quantising zeros, the largest value, and what is not a number.
static void test_values(void **state)
{
    (void)state;
    struct ops ops;
    float x[5] = {0, -1, 3, -30, 30}, rows[2][4] = {{0, 0, 0, 0}, {-4, 2, NAN, 1}};
    struct quant_row row[2];
    uint8_t q[2][4];

    ops_init_ref(&ops);
    ops.gelu_f32(x, 5);
    assert_close(x[0], 0, 0);
    assert_close(x[1], gelu(-1), 1e-7);
    assert_close(x[2], gelu(3), 1e-6);
    assert_close(x[3], 0, 1e-9);
    assert_close(x[4], 30, 0);
    ops.quantise_u8(rows[0], 4, 2, 4, q[0], 4, row);
    assert_true(q[0][0] == 0 && row[0].scale == 0 && row[0].zero == 0);
    assert_int_equal(row[1].zero, 170); // -4 .. 2 in steps of 6 / 255
    assert_int_equal(q[1][0], 0);
    assert_int_equal(q[1][1], 255);
    assert_int_equal(q[1][2], 0);
    assert_int_equal(q[1][3], 170 + 42); // 42.5 rounds to even
    assert_close(row[1].scale, 6.0 / 255, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half),    cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_gemm),    cmocka_unit_test(test_gemm_transposed),
        cmocka_unit_test(test_parts),   cmocka_unit_test(test_layernorm),
        cmocka_unit_test(test_softmax), cmocka_unit_test(test_logsumexp),
        cmocka_unit_test(test_attend),  cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
