/*
 * Matrix kernels against the plain C ones: every row of the kernel table, random shapes from one
 * row and column up, all tails, every epilogue, part of the panels, awkward data. Integers must
 * agree exactly; fp32 within `bounds` * sqrt(K) times the sum of magnitudes that went into the element.
 */
#include "check/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/gemm.h"

// Two sums of K rounded products in different order wander apart as sqrt(K) (the processors' bf16
// instructions round in their own ways); GELU adds its own error.
static const double bounds[GEMM_FORMAT_COUNT] = {1e-7, 1e-7, 4e-7, 1e-7}, GELU_ERROR = 1e-6;

static const char *const type_names[GEMM_FORMAT_COUNT] = {"f32", "f16", "bf16", "i8"};

/* One product, with everything either kernel needs. */
struct product {
    int m, n, k;
    size_t x_stride, y_stride, residual_stride, quant_stride;
    int panel_begin, panel_end; // of the kernel under test
    bool bias, gelu, residual, in_place, transposed;
    float *x, *w, *y, *b, *r; // w: N x K, or K x N if transposed
    uint8_t *quant;
    struct quant_row *quant_row;
};

static void choose_shape(struct check *c, struct product *p, const struct gemm_kernel *kernel,
                         int round)
{
    // The first rounds go through all heights of a tile, later ones are anything.
    p->m = round < 2 * kernel->mr + 1 ? round + 1 : check_random_int(c, 1, 70);
    p->n = check_random_int(c, 1, 2 * kernel->nr + 5);
    p->k = check_random_int(c, 1, 90);
    if (round % 8 == 7)
        p->k = check_random_int(c, 500, c->quick ? 700 : 2100);
    if (round % 8 == 3)
        p->n = kernel->nr * check_random_int(c, 1, 3);
    if (round == 40)
        p->m = check_random_int(c, 200, 400); // more than one block of rows
    int panels = gemm_n_panels(kernel, p->n);
    p->panel_begin = check_random_int(c, 0, panels - 1);
    p->panel_end = check_random_int(c, p->panel_begin + 1, panels);
    if (round % 2) {
        p->panel_begin = 0;
        p->panel_end = panels;
    }
    p->x_stride = (size_t)p->k + (size_t)check_random_int(c, 0, 5);
    p->y_stride = (size_t)p->n + (size_t)check_random_int(c, 0, 5);
    p->residual_stride = (size_t)p->n + (size_t)check_random_int(c, 0, 5);
    p->quant_stride = (size_t)p->k + (size_t)check_random_int(c, 0, 5);
    p->bias = check_random(c) % 2;
    p->gelu = check_random(c) % 3 == 0;
    p->residual = check_random(c) % 3 == 0;
    p->in_place = p->residual && check_random(c) % 2;
    p->transposed = check_random(c) % 2;
}

// A row's end is the buffer's end, so that a kernel reading past it is caught.
static size_t extent(int rows, size_t stride, int cols)
{
    return (size_t)(rows - 1) * stride + (size_t)cols;
}

static void fill_product(struct check *c, struct product *p, enum gemm_format format,
                         const struct ops *ops)
{
    size_t n_x = extent(p->m, p->x_stride, p->k), n_w = (size_t)p->n * (size_t)p->k;
    enum check_data kind = (enum check_data)(check_random(c) % DATA_COUNT);

    p->x = check_alloc(n_x * sizeof *p->x);
    p->w = check_alloc(n_w * sizeof *p->w);
    p->b = check_alloc((size_t)p->n * sizeof *p->b);
    p->r = check_alloc(extent(p->m, p->residual_stride, p->n) * sizeof *p->r);
    check_fill(c, p->x, n_x, (int)p->x_stride, kind);
    check_fill(c, p->w, n_w, p->k, check_random(c) % 4 ? DATA_UNIFORM : DATA_OUTLIERS);
    check_fill(c, p->b, (size_t)p->n, p->n, DATA_UNIFORM);
    check_fill(c, p->r, extent(p->m, p->residual_stride, p->n), p->n, DATA_UNIFORM);
    if (p->gelu && kind == DATA_OUTLIERS) // bring some sums to where GELU bends
        for (size_t i = 0; i < n_x; i++)
            p->x[i] *= 0.02f;
    if (format == GEMM_F16) // only numbers that fp16 holds
        for (size_t i = 0; i < n_w; i++)
            p->w[i] = fabsf(p->w[i]) < 1e-4f ? 0x1p-24f * (float)(i % 1000) // subnormals
                                             : rintf(p->w[i] * 1024) / 1024;
    if (format == GEMM_F16)
        for (size_t i = 0; i < n_w; i++)
            p->w[i] = fabsf(p->w[i]) > 1 ? (float)(int)p->w[i] : p->w[i];
    size_t elem = format == GEMM_I8 ? 1 : 2;
    p->quant = check_alloc(extent(p->m, p->quant_stride, p->k) * elem);
    p->quant_row = check_alloc((size_t)p->m * sizeof *p->quant_row);
    if (format == GEMM_I8)
        ops->quantise_u8(p->x, p->x_stride, p->m, p->k, p->quant, p->quant_stride, p->quant_row);
    else
        ops->convert_bf16(p->x, p->x_stride, p->m, p->k, (uint16_t *)p->quant, p->quant_stride);
}

static void free_product(struct product *p)
{
    check_free(p->x);
    check_free(p->w);
    check_free(p->b);
    check_free(p->r);
    check_free(p->quant);
    check_free(p->quant_row);
}

struct packed {
    struct gemm_weights w;
    float *scale;
    int32_t *sum;
};

static struct packed pack(const struct gemm_kernel *kernel, enum gemm_format format, int q_max,
                          const struct product *p)
{
    struct packed packed = {.w = {.format = format, .n = p->n, .k = p->k, .q_max = q_max}};
    int panels = gemm_n_panels(kernel, p->n), half = panels / 2;
    size_t n_stride = p->transposed ? 1 : (size_t)p->k, k_stride = p->transposed ? (size_t)p->n : 1;

    packed.w.data = check_alloc(gemm_packed_bytes(kernel, format, p->n, p->k));
    packed.scale = check_alloc((size_t)p->n * sizeof *packed.scale);
    packed.sum = check_alloc((size_t)p->n * sizeof *packed.sum);
    packed.w.scale = format == GEMM_I8 ? packed.scale : NULL;
    packed.w.sum = format == GEMM_I8 ? packed.sum : NULL;
    kernel->pack(&packed.w, p->w, n_stride, k_stride, 0, half); // in two parts, as threads do
    kernel->pack(&packed.w, p->w, n_stride, k_stride, half, panels);
    return packed;
}

static void free_packed(struct packed *p)
{
    check_free(p->w.data);
    check_free(p->scale);
    check_free(p->sum);
}

/* Runs panels [begin, end) into a painted buffer of M rows. */
static float *run(struct check *c, const struct gemm_kernel *kernel, const struct product *p,
                  const struct gemm_weights *w, int begin, int end)
{
    size_t n_y = extent(p->m, p->y_stride, p->n);
    size_t scratch_bytes = gemm_scratch_bytes(kernel, w->format, p->k);
    float *y = check_alloc(n_y * sizeof *y), *scratch = check_alloc(scratch_bytes);
    bool quantised = w->format == GEMM_I8 || w->format == GEMM_BF16;

    check_paint(y, n_y);
    if (p->in_place)
        for (int i = 0; i < p->m; i++)
            memcpy(y + (size_t)i * p->y_stride, p->r + (size_t)i * p->residual_stride,
                   (size_t)p->n * sizeof *y);
    struct gemm_args a = {
        .x = quantised ? NULL : p->x,
        .x_stride = p->x_stride,
        .m = p->m,
        .w = w,
        .panel_begin = begin,
        .panel_end = end,
        .y = y,
        .y_stride = p->y_stride,
        .bias = p->bias ? p->b : NULL,
        .gelu = p->gelu,
        .residual = p->in_place   ? y
                    : p->residual ? p->r
                                  : NULL,
        .residual_stride = p->in_place ? p->y_stride : p->residual_stride,
        .quant = quantised ? p->quant : NULL,
        .quant_stride = p->quant_stride,
        .quant_row = w->format == GEMM_I8 ? p->quant_row : NULL,
        .scratch = scratch,
    };
    kernel->run(&a);
    check_guard(c, y, "y");
    check_guard(c, scratch, "scratch");
    check_free(scratch);
    return y;
}

/* Sum of magnitudes of what was added up to give element (r, n), of a quantised product too. */
static double magnitude(const struct product *p, int r, int n)
{
    double sum = p->bias ? fabs((double)p->b[n]) : 0;

    for (int k = 0; k < p->k; k++) {
        size_t at = p->transposed ? (size_t)k * (size_t)p->n + (size_t)n
                                  : (size_t)n * (size_t)p->k + (size_t)k;
        sum += fabs((double)p->x[(size_t)r * p->x_stride + (size_t)k] * (double)p->w[at]);
    }
    return sum + (p->residual ? fabs((double)p->r[(size_t)r * p->residual_stride + (size_t)n]) : 0);
}

static void compare(struct check *c, const struct product *p, const struct cpu_kernel *kernel,
                    const float *y, const float *expected)
{
    int begin = p->panel_begin * kernel->gemm.nr, end = p->panel_end * kernel->gemm.nr;

    for (int r = 0; r < p->m && !c->failed; r++) {
        const float *row = y + (size_t)r * p->y_stride;
        if (r + 1 < p->m && !check_painted(row + p->n, p->y_stride - (size_t)p->n))
            check_fail(c, "%dx%dx%d: wrote right of row %d", p->m, p->k, p->n, r);
        for (int n = 0; n < p->n && !c->failed; n++) {
            double want = (double)expected[(size_t)r * p->y_stride + (size_t)n];
            if (n < begin || n >= end) {
                bool kept = p->in_place ? row[n] == p->r[(size_t)r * p->residual_stride + (size_t)n]
                                        : check_painted(row + n, 1);
                if (!kept)
                    check_fail(c, "%dx%dx%d: wrote (%d, %d), outside columns %d..%d", p->m, p->k,
                               p->n, r, n, begin, end);
                continue;
            }
            double bound = bounds[kernel->format] * (2 + sqrt(p->k)) * magnitude(p, r, n);
            bound += p->gelu ? GELU_ERROR : 0;
            if (!(fabs((double)row[n] - want) <= bound))
                check_fail(c, "%dx%dx%d%s%s%s: (%d, %d) is %.9g, expected %.9g, bound %.3g", p->m,
                           p->k, p->n, p->bias ? " bias" : "", p->gelu ? " gelu" : "",
                           p->residual ? " residual" : "", r, n, (double)row[n], want, bound);
        }
    }
}

/* Scales and sums bit for bit; with all scales 1, so are the products (below 2^24, else rounded
 * alike). */
static void compare_integers(struct check *c, struct product *p, const struct gemm_kernel *kernel,
                             const struct gemm_kernel *ref, struct packed *w, struct packed *rw)
{
    if (memcmp(w->scale, rw->scale, (size_t)p->n * sizeof *w->scale) != 0)
        check_fail(c, "column scales differ from the plain version's");
    if (memcmp(w->sum, rw->sum, (size_t)p->n * sizeof *w->sum) != 0)
        check_fail(c, "column sums differ from the plain version's");
    for (int i = 0; i < p->n; i++)
        w->scale[i] = rw->scale[i] = 1;
    for (int i = 0; i < p->m; i++)
        p->quant_row[i].scale = 1;
    p->bias = p->gelu = p->residual = p->in_place = false;
    float *y = run(c, kernel, p, &w->w, 0, gemm_n_panels(kernel, p->n));
    float *expected = run(c, ref, p, &rw->w, 0, gemm_n_panels(ref, p->n));
    for (int r = 0; r < p->m && !c->failed; r++)
        for (int n = 0; n < p->n && !c->failed; n++) {
            size_t at = (size_t)r * p->y_stride + (size_t)n;
            if (y[at] != expected[at])
                check_fail(c, "%dx%dx%d: integer (%d, %d) is %.0f, expected %.0f", p->m, p->k, p->n,
                           r, n, (double)y[at], (double)expected[at]);
        }
    check_free(y);
    check_free(expected);
}

static void check_kernel(struct check *c, const struct cpu_kernel *row)
{
    struct ops ref;
    int rounds = c->quick ? 24 : 120;

    ops_init_ref(&ref);
    const struct gemm_kernel *plain = &ref.gemm[row->format];
    for (int round = 0; round < rounds && !c->failed; round++) {
        struct product p = {0};
        choose_shape(c, &p, &row->gemm, round);
        fill_product(c, &p, row->format, &ref);
        struct packed w = pack(&row->gemm, row->format, row->gemm.q_max, &p);
        struct packed rw = pack(plain, row->format, row->gemm.q_max, &p);
        float *y = run(c, &row->gemm, &p, &w.w, p.panel_begin, p.panel_end);
        float *expected = run(c, plain, &p, &rw.w, 0, gemm_n_panels(plain, p.n));
        compare(c, &p, row, y, expected);
        check_free(y);
        check_free(expected);
        if (row->format == GEMM_I8)
            compare_integers(c, &p, &row->gemm, plain, &w, &rw);
        check_guard(c, w.w.data, "packed weights");
        free_packed(&w);
        free_packed(&rw);
        free_product(&p);
    }
}

void bench_gemm(struct check *c, const struct cpu_kernel *row);

void check_gemm(struct check *c)
{
    const struct cpu_kernel *row;
    bool simulated;

    for (int i = 0; (row = check_kernel_at(i, &simulated)); i++) {
        if (row->init || (simulated && c->bench))
            continue;
        if (!check_begin(c, simulated ? 0 : row->needs, "gemm_%s_%dx%d_%s%s",
                         type_names[row->format], row->gemm.mr, row->gemm.nr, row->target,
                         simulated ? " (simulated by SIMDe)" : ""))
            continue;
        if (c->bench)
            bench_gemm(c, row);
        else
            check_kernel(c, row);
        check_end(c);
    }
}
