/*
 * Sizes and parts of matrix products, and the driver that spreads one over a pool. The kernels
 * themselves are gemm_ref.c and cpu/.
 */
#include "ops/gemm.h"

static const size_t ELEMENT_BYTES[GEMM_FORMAT_COUNT] = {
    [GEMM_F32] = 4, [GEMM_F16] = 2, [GEMM_BF16] = 2, [GEMM_I8] = 1};

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

int gemm_n_panels(const struct gemm_kernel *kernel, int n)
{
    return (n + kernel->nr - 1) / kernel->nr;
}

size_t gemm_packed_bytes(const struct gemm_kernel *kernel, enum gemm_format format, int n, int k)
{
    return round_up((size_t)n, (size_t)kernel->nr) *
           round_up((size_t)k, (size_t)kernel->k_group) * ELEMENT_BYTES[format];
}

// One panel widened to fp32, one tile's rows widened to fp32, and one tile of results.
size_t gemm_scratch_bytes(const struct gemm_kernel *kernel, enum gemm_format format, int k_max)
{
    size_t k = round_up((size_t)k_max, (size_t)kernel->k_group);
    size_t tile = (size_t)kernel->mr * (size_t)kernel->nr;

    if (format != GEMM_F32)
        tile += k * (size_t)(kernel->nr + kernel->mr);
    return round_up(tile * sizeof(float), 64);
}

struct gemm_weights gemm_view(const struct gemm_kernel *kernel, const struct gemm_weights *w,
                              int panel_begin, int n)
{
    struct gemm_weights view = *w;
    size_t column = (size_t)panel_begin * (size_t)kernel->nr;

    view.data = (char *)w->data +
                (size_t)panel_begin * gemm_packed_bytes(kernel, w->format, kernel->nr, w->k);
    view.n = n;
    view.scale = w->scale ? w->scale + column : NULL;
    view.sum = w->sum ? w->sum + column : NULL;
    return view;
}

struct gemm_args gemm_rows(const struct gemm_args *a, int row, int m)
{
    struct gemm_args part = *a;
    size_t r = (size_t)row;

    part.m = m;
    part.x = a->x ? a->x + r * a->x_stride : NULL;
    part.y = a->y + r * a->y_stride;
    part.residual = a->residual ? a->residual + r * a->residual_stride : NULL;
    part.quant = a->quant ? (const char *)a->quant +
                                r * (size_t)a->w->k * ELEMENT_BYTES[a->w->format]
                          : NULL;
    part.quant_scale = a->quant_scale ? a->quant_scale + r : NULL;
    return part;
}

void gemm_part(int total, int unit, int i, int n, int *begin, int *end)
{
    long long units = ((long long)total + unit - 1) / unit;

    *begin = (int)(units * i / n) * unit;
    *end = (int)(units * (i + 1) / n) * unit;
    if (*begin > total)
        *begin = total;
    if (*end > total)
        *end = total;
}

struct run_pool {
    const struct gemm_kernel *kernel;
    const struct gemm_args *args;
    int row_parts, panel_parts;
    float *scratch;
    size_t stride;
};

static void run_part(void *arg, int task, int thread)
{
    const struct run_pool *job = arg;
    int row, row_end;

    gemm_part(job->args->m, job->kernel->mr, task / job->panel_parts, job->row_parts, &row,
              &row_end);
    struct gemm_args part = gemm_rows(job->args, row, row_end - row);
    gemm_part(gemm_n_panels(job->kernel, part.w->n), 1, task % job->panel_parts, job->panel_parts,
              &part.panel_begin, &part.panel_end);
    part.scratch = job->scratch + (size_t)thread * job->stride;
    if (part.m > 0 && part.panel_begin < part.panel_end)
        job->kernel->run(&part);
}

void gemm_run_pool(struct pool *pool, const struct gemm_kernel *kernel, const struct gemm_args *a,
                   int row_parts, int panel_parts, float *scratch, size_t stride)
{
    struct run_pool job = {kernel, a, row_parts, panel_parts, scratch, stride};

    pool_run(pool, row_parts * panel_parts, run_part, &job);
}
