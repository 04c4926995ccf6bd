/*
 * The operations other than matrix products, at each level, against the plain C ones: all tail
 * lengths, awkward data, guard bands; and their speed.
 */
#include "check/check.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { MAX_COLS = 1600 };

/* Fails unless |a - b| <= absolute + relative * |b| for all n (or both are the same non-number). */
static void compare(struct check *c, const char *what, const float *a, const float *b, size_t n,
                    double absolute, double relative)
{
    for (size_t i = 0; i < n; i++) {
        double x = (double)a[i], y = (double)b[i];
        if (x == y || (isnan(x) && isnan(y)))
            continue;
        if (!(fabs(x - y) <= absolute + relative * fabs(y))) {
            check_fail(c, "%s: element %zu of %zu is %.9g, expected %.9g", what, i, n, x, y);
            return;
        }
    }
}

static int some_cols(struct check *c, int round)
{
    return round < 70 ? round + 1 : check_random_int(c, 1, MAX_COLS);
}

static float *filled(struct check *c, size_t n, int n_cols, enum check_data kind)
{
    float *x = check_alloc(n * sizeof *x);
    check_fill(c, x, n, n_cols, kind);
    return x;
}

static float *copy_of(const float *x, size_t n)
{
    float *copy = check_alloc(n * sizeof *copy);
    memcpy(copy, x, n * sizeof *copy);
    return copy;
}

/* ---- checks: one round each ------------------------------------------------------------------- */

/* What the rounding of a row's mean to fp32 can do to the result: the mean's error over the row's
 * spread, which may be far smaller than the mean. */
static double layernorm_error(const float *x, int n)
{
    double mean = 0, variance = 0, largest = 0;

    for (int i = 0; i < n; i++)
        mean += (double)x[i] / n;
    for (int i = 0; i < n; i++) {
        variance += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
        largest = fmax(largest, fabs((double)x[i]));
    }
    return 1e-6 + 3e-7 * largest / sqrt(variance + 1e-5);
}

static void check_layernorm(struct check *c, const struct ops *ops, const struct ops *ref,
                            int round)
{
    int rows = check_random_int(c, 1, 4), cols = some_cols(c, round) + 1;
    size_t n = (size_t)rows * (size_t)cols;
    enum check_data kind = (enum check_data)(check_random(c) % DATA_COUNT);
    float *x = filled(c, n, cols, kind), *g = filled(c, (size_t)cols, cols, DATA_UNIFORM);
    float *b = filled(c, (size_t)cols, cols, DATA_UNIFORM);

    if (round % 2) // a mean far from zero
        for (size_t i = 0; i < n; i++)
            x[i] += 10.0f;
    float *want = copy_of(x, n);
    float *y = copy_of(x, n), *copy = copy_of(x, n);
    ref->layernorm_f32(want, g, b, want, rows, cols);
    ops->layernorm_f32(round % 3 ? x : y, g, b, y, rows, cols);
    for (int r = 0; r < rows; r++) {
        size_t at = (size_t)r * (size_t)cols;
        compare(c, "layernorm", y + at, want + at, (size_t)cols, layernorm_error(copy + at, cols),
                1e-5);
    }
    check_guard(c, y, "y");
    check_free(x), check_free(g), check_free(b), check_free(want), check_free(y);
    check_free(copy);
}

static void check_softmax(struct check *c, const struct ops *ops, const struct ops *ref, int round)
{
    int rows = check_random_int(c, 1, 4), cols = some_cols(c, round);
    size_t stride = (size_t)cols + (size_t)check_random_int(c, 0, 9);
    size_t n = (size_t)(rows - 1) * stride + (size_t)cols;
    enum check_data kind = (enum check_data)(check_random(c) % DATA_COUNT);
    float *x = filled(c, n, cols, kind), scale = check_random(c) % 2 ? 0.125f : 1.0f;

    if (cols > 2 && round % 4 == 0)
        x[cols / 2] = -INFINITY; // a masked column
    for (int r = 0; r + 1 < rows; r++)
        check_paint(x + (size_t)r * stride + cols, stride - (size_t)cols);
    float *want = copy_of(x, n);
    ref->softmax_f32(want, stride, rows, cols, scale);
    ops->softmax_f32(x, stride, rows, cols, scale);
    for (int r = 0; r < rows; r++) {
        compare(c, "softmax", x + (size_t)r * stride, want + (size_t)r * stride, (size_t)cols,
                1e-37, 3e-6);
        if (r + 1 < rows && !check_painted(x + (size_t)r * stride + cols, stride - (size_t)cols))
            check_fail(c, "softmax: wrote right of row %d", r);
    }
    check_guard(c, x, "x");
    check_free(x), check_free(want);
}

static void check_gelu(struct check *c, const struct ops *ops, const struct ops *ref, int round)
{
    size_t n = (size_t)some_cols(c, round);
    float *x = filled(c, n, (int)n, (enum check_data)(check_random(c) % DATA_COUNT));

    if (round % 2)
        for (size_t i = 0; i < n; i++)
            x[i] = 7 * check_random_float(c);
    if (round % 8 == 0)
        x[0] = round % 16 ? INFINITY : NAN;
    float *want = copy_of(x, n);
    ref->gelu_f32(want, n);
    ops->gelu_f32(x, n);
    compare(c, "gelu", x, want, n, 4e-7, 3e-7);
    check_guard(c, x, "x");
    check_free(x), check_free(want);
}

static void check_logsumexp(struct check *c, const struct ops *ops, const struct ops *ref,
                            int round)
{
    size_t n = (size_t)some_cols(c, round);
    float *x = filled(c, n, (int)n, (enum check_data)(check_random(c) % DATA_COUNT));
    int best = -1, want_best = -2;

    if (round % 3 == 0) // masked tokens, at least one not
        for (size_t i = 1; i < n; i += 1 + check_random(c) % 3)
            x[i] = -INFINITY;
    if (round % 7 == 0) // a tie: the first one wins
        x[check_random(c) % n] = x[check_random(c) % n] = 1e6f;
    if (round % 31 == 30)
        for (size_t i = 0; i < n; i++)
            x[i] = -INFINITY;
    float want = ref->logsumexp_f32(x, n, &want_best), got = ops->logsumexp_f32(x, n, &best);
    compare(c, "logsumexp", &got, &want, 1, 2e-6, 1e-6);
    if (best != want_best)
        check_fail(c, "logsumexp: largest of %zu is %d, expected %d", n, best, want_best);
    check_free(x);
}

static void check_attend(struct check *c, const struct ops *ops, const struct ops *ref, int round)
{
    int n = some_cols(c, round) % 460 + 1, width = round % 3 ? 64 : check_random_int(c, 1, 150);
    size_t stride = (size_t)width + (size_t)check_random_int(c, 0, 70);
    size_t size = (size_t)(n - 1) * stride + (size_t)width;
    float *q = filled(c, (size_t)width, width, DATA_UNIFORM);
    float *k = filled(c, size, (int)stride, check_random(c) % 2 ? DATA_UNIFORM : DATA_OUTLIERS);
    float *v = filled(c, size, (int)stride, DATA_UNIFORM);
    float *scores = check_alloc((size_t)n * sizeof *scores),
          *want_scores = copy_of(scores, (size_t)n);
    float *out = check_alloc((size_t)width * sizeof *out), *want = copy_of(out, (size_t)width);

    for (size_t i = 0; i < size; i++)
        k[i] = fmaxf(-30, fminf(30, k[i])); // scores in a range where their rounding stays small
    check_paint(out, (size_t)width);
    ref->attend_f32(q, k, v, stride, n, width, 0.125f, want_scores, want);
    ops->attend_f32(q, k, v, stride, n, width, 0.125f, scores, out);
    compare(c, "attend", out, want, (size_t)width, 2e-5, 1e-5);
    check_guard(c, out, "out");
    check_guard(c, scores, "scores");
    check_free(q), check_free(k), check_free(v), check_free(scores), check_free(want_scores);
    check_free(out), check_free(want);
}

static void check_quantise(struct check *c, const struct ops *ops, const struct ops *ref, int round)
{
    int rows = check_random_int(c, 1, 4), cols = some_cols(c, round);
    size_t x_stride = (size_t)cols + (size_t)check_random_int(c, 0, 5);
    size_t n = (size_t)(rows - 1) * x_stride + (size_t)cols, bytes = (size_t)rows * (size_t)cols;
    float *x = filled(c, n, cols, (enum check_data)(check_random(c) % DATA_COUNT));
    struct quant_row row[4], want_row[4];
    uint8_t *q = check_alloc(bytes), *want = check_alloc(bytes);
    uint16_t *y = check_alloc(2 * bytes), *want_y = check_alloc(2 * bytes);

    if (round % 5 == 0)
        x[check_random(c) % n] = 1e-42f; // subnormal, alone in DATA_ZEROS
    ref->quantise_u8(x, x_stride, rows, cols, want, (size_t)cols, want_row);
    ops->quantise_u8(x, x_stride, rows, cols, q, (size_t)cols, row);
    if (memcmp(q, want, bytes) != 0 || memcmp(row, want_row, (size_t)rows * sizeof *row) != 0)
        check_fail(c, "quantise: %dx%d differs from the plain version", rows, cols);
    if (round % 4 == 0)
        x[0] = round % 8 ? INFINITY : NAN;
    ref->convert_bf16(x, x_stride, rows, cols, want_y, (size_t)cols);
    ops->convert_bf16(x, x_stride, rows, cols, y, (size_t)cols);
    for (size_t i = 0; i < bytes; i++)
        if (y[i] != want_y[i])
            check_fail(c, "bf16: element %zu is %04x, expected %04x", i, y[i], want_y[i]);
    check_guard(c, q, "q");
    check_guard(c, y, "y");
    check_free(x), check_free(q), check_free(want), check_free(y), check_free(want_y);
}

/* ---- benchmarks: one call each ---------------------------------------------------------------- */

enum { BENCH_ROWS = 24, BENCH_COLS = 1536, BENCH_VOCABULARY = 51865 };

struct bench {
    const struct ops *ops;
    float *x, *y, *g, *b;
    uint8_t *q;
    struct quant_row row[BENCH_ROWS];
    int n;
};

static void run_layernorm(void *arg)
{
    struct bench *b = arg;
    b->ops->layernorm_f32(b->x, b->g, b->b, b->y, BENCH_ROWS, BENCH_COLS);
}

static void run_softmax(void *arg)
{
    struct bench *b = arg;
    b->ops->softmax_f32(b->y, BENCH_COLS, BENCH_ROWS, BENCH_COLS, 1.0f);
}

static void run_gelu(void *arg)
{
    struct bench *b = arg;
    b->ops->gelu_f32(b->y, BENCH_ROWS * BENCH_COLS);
}

static void run_logsumexp(void *arg)
{
    struct bench *b = arg;
    b->ops->logsumexp_f32(b->x, BENCH_VOCABULARY, &b->n);
}

static void run_attend(void *arg)
{
    struct bench *b = arg;
    b->ops->attend_f32(b->g, b->x, b->x + 64, 128, BENCH_VOCABULARY / 128, 64, 0.125f, b->y, b->b);
}

static void run_quantise(void *arg)
{
    struct bench *b = arg;
    b->ops->quantise_u8(b->x, BENCH_COLS, BENCH_ROWS, BENCH_COLS, b->q, BENCH_COLS, b->row);
}

static void run_bf16(void *arg)
{
    struct bench *b = arg;
    b->ops->convert_bf16(b->x, BENCH_COLS, BENCH_ROWS, BENCH_COLS, (uint16_t *)b->q, BENCH_COLS);
}

/* ---- rows ------------------------------------------------------------------------------------- */

static const struct op {
    const char *name;
    void (*check)(struct check *c, const struct ops *ops, const struct ops *ref, int round);
    void (*bench)(void *arg);
    int n; // elements per benchmark call
} table[] = {
    {"layernorm", check_layernorm, run_layernorm, BENCH_ROWS *BENCH_COLS},
    {"softmax", check_softmax, run_softmax, BENCH_ROWS *BENCH_COLS},
    {"gelu", check_gelu, run_gelu, BENCH_ROWS *BENCH_COLS},
    {"logsumexp", check_logsumexp, run_logsumexp, BENCH_VOCABULARY},
    {"attend", check_attend, run_attend, BENCH_VOCABULARY / 128 * 64},
    {"quantise", check_quantise, run_quantise, BENCH_ROWS *BENCH_COLS},
    {"bf16", NULL, run_bf16, BENCH_ROWS *BENCH_COLS}, // checked with quantise
};

/* Aligned, and not at the same place in a page as the others, which would make loads wait for
 * unrelated stores. */
static float *bench_data(struct check *c, int i)
{
    size_t n = BENCH_VOCABULARY + 64;
    float *x = mem_alloc(n + 1024, sizeof *x);

    if (!x) {
        check_fail(c, "out of memory");
        return NULL;
    }
    check_fill(c, x, n + 1024, 100, DATA_UNIFORM);
    return x + 160 * i;
}

static void bench_op(struct check *c, const struct op *op, const struct ops *ops)
{
    float *data[5];
    bool there = true;

    for (int i = 0; i < 5; i++)
        there = (data[i] = bench_data(c, i)) && there;
    struct bench b = {.ops = ops,
                      .x = data[0],
                      .y = data[1],
                      .g = data[2],
                      .b = data[3],
                      .q = (uint8_t *)data[4]};
    if (there)
        check_report(c, "", 1e9 * 16 * check_time(op->bench, &b) / op->n, "ns/16", 0);
    for (int i = 0; i < 5; i++)
        mem_free(data[i] ? data[i] - 160 * i : NULL);
}

static void run_op(struct check *c, const struct op *op, const struct cpu_kernel *level,
                   bool simulated)
{
    struct ops ops, ref;

    if (!(c->bench ? op->bench != NULL : op->check != NULL))
        return;
    if (!check_begin(c, simulated ? 0 : level->needs, "%s_%s%s", op->name, level->target,
                     simulated ? " (simulated by SIMDe)" : ""))
        return;
    ops_init_ref(&ref);
    ops = ref;
    level->init(&ops);
    if (c->bench)
        bench_op(c, op, &ops);
    else
        for (int round = 0; round < (c->quick ? 80 : 200) && !c->failed; round++)
            op->check(c, &ops, &ref, round);
    check_end(c);
}

void check_ops(struct check *c)
{
    const struct cpu_kernel *row;
    bool simulated;

    for (size_t o = 0; o < sizeof table / sizeof *table; o++)
        for (int i = 0; (row = check_kernel_at(i, &simulated)); i++)
            if (row->init && !(simulated && c->bench))
                run_op(c, &table[o], row, simulated);
}
