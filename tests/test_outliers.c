/*
 * Reduced precision on numbers as they are in real life: the encoder's output for real speech (base),
 * some of whose channels are many times larger than the rest, multiplied by the model's own weights.
 * Every kernel this machine can run against sums in double; and the same with the largest channels a
 * thousand times larger, where sums in 16 or 32 bits would overflow. Then the whole encoder at every
 * level of kernels, in bf16 and int8: no level may be further from fp32 than plain C is. Skipped without
 * model and speech.
 */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audio/audio.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "cpu/kernels.h"
#include "engine/features.h"
#include "engine/net.h"
#include "ops/gemm.h"

enum { ROWS = 96, OUTLIERS = 4 };

struct real {
    struct model *model;
    float *mel; // 2T x M
    float *x;   // T x C: the encoder's output
    float *w;   // C x C: keys of the first decoder layer's cross-attention
    int t, c;
};

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void read_speech(float *dst, size_t max, size_t *n)
{
    const struct audio_params params = {.stream = -1, .channel = -1};
    struct sotto_diag diag = {0};
    struct audio *audio = NULL;
    char path[TEST_PATH];
    size_t got = 1;

    test_speech("librivox/sense_and_sensibility_01_austen_64kb-0870.wav", path);
    assert_ok(audio_open(&audio, path, &params, &diag), &diag);
    for (*n = 0; got && *n < max; *n += got)
        assert_ok(audio_read(audio, dst + *n, max - *n, &got, &diag), &diag);
    audio_close(&audio);
}

static int open_real(void **state)
{
    struct real *r = calloc(1, sizeof *r);
    struct sotto_diag diag = {0};
    struct net_params params = {SOTTO_PRECISION_FP32, false};
    struct features f;
    struct pool *pool;
    struct net *net;
    struct net_encoder *encoder;
    float *samples = calloc(FEATURES_WINDOW_SAMPLES, sizeof *samples);
    char path[TEST_PATH];
    size_t n;

    *state = r;
    test_model("base", path);
    read_speech(samples, FEATURES_WINDOW_SAMPLES, &n);
    assert_ok(model_open(&r->model, path, &diag), &diag);
    r->t = r->model->shape.n_audio_ctx;
    r->c = r->model->shape.n_audio_state;
    assert_ok(features_open(&f, r->model->shape.n_mels, false), NULL);
    assert_ok(pool_open(&pool, 2), NULL);
    assert_ok(net_open(&net, r->model, &params, pool, &diag), &diag);
    assert_ok(net_encoder_open(&encoder, net, 2), NULL);
    r->mel = mem_alloc((size_t)(2 * r->t * r->model->shape.n_mels), sizeof(float));
    r->x = mem_alloc((size_t)(r->t * r->c), sizeof *r->x);
    r->w = mem_alloc((size_t)(r->c * r->c), sizeof *r->w);
    features_window(&f, samples, n, r->mel);
    assert_ok(net_encode(encoder, pool, r->mel, r->x, NULL, NULL, NULL), NULL);
    tensor_read_rows(&r->model->dec[0].cross.k.w, 0, (size_t)r->c, r->w);
    free(samples);
    net_encoder_close(&encoder);
    net_close(&net);
    pool_close(&pool);
    features_fini(&f);
    return 0;
}

/* Largest magnitude of each channel, ascending; `order` the channels from the largest down. */
static float channel_spread(const struct real *r, int order[OUTLIERS])
{
    float *max = calloc((size_t)r->c, sizeof *max), *sorted = calloc((size_t)r->c, sizeof *sorted);

    for (int i = 0; i < r->t * r->c; i++)
        max[i % r->c] = fmaxf(max[i % r->c], fabsf(r->x[i]));
    memcpy(sorted, max, (size_t)r->c * sizeof *max);
    qsort(sorted, (size_t)r->c, sizeof *sorted, by_value);
    for (int k = 0; k < OUTLIERS; k++)
        for (int j = 0; j < r->c; j++)
            if (max[j] == sorted[r->c - 1 - k])
                order[k] = j;
    float spread = sorted[r->c - 1] / sorted[r->c / 2];
    free(max);
    free(sorted);
    return spread;
}

struct product {
    const struct real *r;
    const float *x; // ROWS x C
    float *y;       // ROWS x C
    uint8_t *quant; // u8 or bf16
    struct quant_row *row;
    float *col_scale;
    int32_t *col_sum;
    int8_t *q; // C x C: what 8-bit weights must be
};

static void run_kernel(struct product *p, const struct ops *ops, const struct gemm_kernel *k,
                       enum gemm_format format)
{
    int c = p->r->c;
    size_t stride = (size_t)c;
    void *data = mem_alloc(gemm_packed_bytes(k, format, c, c), 1);
    float *scratch = mem_alloc(gemm_scratch_bytes(k, format, c) + 64, 1);
    struct gemm_weights w = {data, format, c, c, p->col_scale, p->col_sum, k->q_max};
    struct gemm_args a = {.x = p->x,
                          .x_stride = stride,
                          .m = ROWS,
                          .w = &w,
                          .panel_end = gemm_n_panels(k, c),
                          .y = p->y,
                          .y_stride = stride,
                          .quant = p->quant,
                          .quant_stride = stride,
                          .quant_row = p->row,
                          .scratch = scratch};

    k->pack(&w, p->r->w, stride, 1, 0, gemm_n_panels(k, c));
    if (format == GEMM_I8)
        ops->quantise_u8(p->x, stride, ROWS, c, p->quant, stride, p->row);
    else
        ops->convert_bf16(p->x, stride, ROWS, c, (uint16_t *)p->quant, stride);
    k->run(&a);
    mem_free(data);
    mem_free(scratch);
}

/* With the integers that ops.h says, summed in 64 bits: overflow anywhere would show. */
static void check_integers(const struct product *p, int q_max, const char *target)
{
    int c = p->r->c;

    for (int n = 0; n < c; n++) {
        const float *w = p->r->w + (size_t)n * (size_t)c;
        float max = 0;
        for (int k = 0; k < c; k++)
            max = fmaxf(max, fabsf(w[k]));
        for (int k = 0; k < c; k++)
            p->q[n * c + k] = (int8_t)lrintf(w[k] * ((float)q_max / max));
    }
    for (int m = 0; m < ROWS; m++)
        for (int n = 0; n < c; n++) {
            int64_t sum = 0;
            for (int k = 0; k < c; k++)
                sum += (p->quant[m * c + k] - p->row[m].zero) * p->q[n * c + k];
            double want = (double)sum * p->row[m].scale * p->col_scale[n];
            double got = p->y[m * c + n], unit = (double)p->row[m].scale * p->col_scale[n];
            if (!(fabs(got - want) <= 1e-5 * fabs(want) + 0.01 * unit))
                fail_msg("%s: row %d, column %d: %g, expected %g", target, m, n, got, want);
        }
}

/* Squared error over squared size, against sums in double. */
static double error_of(const struct product *p)
{
    double error = 0, size = 0;
    int c = p->r->c;

    for (int m = 0; m < ROWS; m++)
        for (int n = 0; n < c; n++) {
            double want = 0;
            for (int k = 0; k < c; k++)
                want += (double)p->x[m * c + k] * p->r->w[(size_t)n * (size_t)c + (size_t)k];
            error += (p->y[m * c + n] - want) * (p->y[m * c + n] - want);
            size += want * want;
        }
    return error / size;
}

static void check_kernel(struct product *p, const struct ops *ops, const struct gemm_kernel *k,
                         enum gemm_format format, const char *target, double limit)
{
    run_kernel(p, ops, k, format);
    if (format == GEMM_I8)
        check_integers(p, k->q_max, target);
    double error = error_of(p);
    print_message("%-10s %s: error %.2e\n", target, format == GEMM_I8 ? "int8" : "bf16", error);
    if (!(error < limit)) // also if it is no number
        fail_msg("%s: error %g, at most %g", target, error, limit);
}

/* Plain C, then every row of the kernel table that this machine can run. */
static void check_all(struct product *p, enum gemm_format format, double limit)
{
    const struct cpu_kernel *row;
    struct ops ops;
    int n = 0;

    ops_select(&ops, true);
    check_kernel(p, &ops, &ops.gemm[format], format, "plain C", limit);
    ops_select(&ops, false);
    for (int i = 0; (row = cpu_kernel_at(i)); i++) {
        if (row->init || row->format != format || (row->needs & cpu_flags()) != row->needs)
            continue;
        check_kernel(p, &ops, &row->gemm, format, row->target, limit);
        n++;
    }
    assert_true(n > 0 || !cpu_flags());
}

static void check_product(const struct real *r, float factor, double limit_i8, double limit_bf16)
{
    size_t n = (size_t)(ROWS * r->c);
    struct product p = {.r = r};
    int order[OUTLIERS];
    float *x = mem_alloc(n, sizeof *x), spread = channel_spread(r, order);

    print_message("largest channel %.1f times the median one, then times %g\n", spread, factor);
    assert_true(spread > 4); // or there is nothing to see here
    memcpy(x, r->x, n * sizeof *x);
    for (int m = 0; m < ROWS; m++)
        for (int k = 0; k < OUTLIERS; k++)
            x[m * r->c + order[k]] *= factor;
    p.x = x;
    p.y = mem_alloc(n, sizeof *p.y);
    p.quant = mem_alloc(n, 2);
    p.row = mem_alloc(ROWS, sizeof *p.row);
    p.col_scale = mem_alloc((size_t)r->c, sizeof(float));
    p.col_sum = mem_alloc((size_t)r->c, sizeof(int32_t));
    p.q = mem_alloc((size_t)(r->c * r->c), 1);
    check_all(&p, GEMM_I8, limit_i8);
    check_all(&p, GEMM_BF16, limit_bf16);
    mem_free(x);
    mem_free(p.y);
    mem_free(p.quant);
    mem_free(p.row);
    mem_free(p.col_scale);
    mem_free(p.col_sum);
    mem_free(p.q);
}

// Limits: three to five times what plain C and 7-bit weights show.
static void test_real_activations(void **state)
{
    check_product(*state, 1, 1e-3, 2e-5);
}

static void test_larger_outliers(void **state)
{
    check_product(*state, 1000, 1e-3, 2e-5);
}

/* Squared error over squared size of the encoder's output to that in fp32, with the kernels that
 * `mask` allows; q_max: of the int8 kernel in use. */
static double encoder_error(const struct real *r, uint32_t mask, enum sotto_precision precision,
                            int *q_max)
{
    const struct net_params params = {precision, false};
    struct sotto_diag diag = {0};
    struct pool *pool;
    struct net *net;
    struct net_encoder *encoder;
    int n = r->t * r->c;
    float *x = mem_alloc((size_t)n, sizeof *x);
    double error = 0, size = 0;

    cpu_set_mask(mask);
    assert_ok(pool_open(&pool, 2), NULL);
    assert_ok(net_open(&net, r->model, &params, pool, &diag), &diag);
    cpu_set_mask(~0u);
    *q_max = net_ops(net)->gemm[GEMM_I8].q_max;
    assert_ok(net_encoder_open(&encoder, net, 2), NULL);
    assert_ok(net_encode(encoder, pool, r->mel, x, NULL, NULL, NULL), NULL);
    for (int i = 0; i < n; i++) {
        error += ((double)x[i] - r->x[i]) * ((double)x[i] - r->x[i]);
        size += (double)r->x[i] * r->x[i];
    }
    mem_free(x);
    net_encoder_close(&encoder);
    net_close(&net);
    pool_close(&pool);
    return error / size;
}

/* Each level against plain C. A weight of 7 bits has twice the step, so four times the squared error
 * at most. */
static void test_levels(void **state)
{
    static const uint32_t avx512 = CPU_SSE2 | CPU_AVX2 | CPU_AVX512;
    static const struct {
        const char *name;
        uint32_t flags;
    } levels[] = {
        {"sse2", CPU_SSE2},
        {"avx2", CPU_SSE2 | CPU_AVX2},
        {"avxvnni", CPU_SSE2 | CPU_AVX2 | CPU_AVX_VNNI},
        {"avx512", avx512},
        {"avx512vnni", avx512 | CPU_AVX512_VNNI},
        {"avx512bf16", avx512 | CPU_AVX512_VNNI | CPU_AVX512_BF16},
        {"neon", CPU_NEON},
        {"neondot", CPU_NEON | CPU_NEON_DOTPROD},
        {"neonbf16", CPU_NEON | CPU_NEON_DOTPROD | CPU_NEON_BF16},
    };
    const struct real *r = *state;

    for (int p = SOTTO_PRECISION_BF16; p <= SOTTO_PRECISION_INT8; p++) {
        int q_max;
        double plain = encoder_error(r, 0, (enum sotto_precision)p, &q_max);
        assert_true(plain > 1e-7 && plain < 1e-2); // it is reduced, and still the same sound
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
            const char *name = levels[i].name, *what = p == SOTTO_PRECISION_INT8 ? "int8" : "bf16";
            if ((cpu_flags() & levels[i].flags) != levels[i].flags) {
                print_message("%s %s: not on this processor\n", name, what);
                continue;
            }
            double error = encoder_error(r, levels[i].flags, (enum sotto_precision)p, &q_max);
            double limit = plain * (p == SOTTO_PRECISION_INT8 && q_max < 127 ? 4 : 1.25);
            print_message("%s %s: encoder's error %.2e, plain C's %.2e\n", name, what, error,
                          plain);
            if (!(error < limit))
                fail_msg("%s %s: error %g, plain C's %g", name, what, error, plain);
        }
    }
}

static int close_real(void **state)
{
    struct real *r = *state;
    mem_free(r->mel);
    mem_free(r->x);
    mem_free(r->w);
    model_close(&r->model);
    free(r);
    return 0;
}

/* Opened in a test, not in a group's set-up, which cannot be skipped. */
static void test_all(void **state)
{
    open_real(state);
    test_real_activations(state);
    test_larger_outliers(state);
    if (!test_sanitized() || test_long()) // minutes, and it is about numbers, not memory
        test_levels(state);
    close_real(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
