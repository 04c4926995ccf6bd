/*
 * Sizes and parts of matrix products. The kernels themselves are gemm_ref.c and cpu/; who runs which
 * part on which thread is the engine's business.
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
    return round_up((size_t)n, (size_t)kernel->nr) * round_up((size_t)k, (size_t)kernel->k_group) *
           ELEMENT_BYTES[format];
}

// One panel, or some rows of activations, widened to fp32.
size_t gemm_scratch_bytes(const struct gemm_kernel *kernel, enum gemm_format format, int k_max)
{
    size_t k = round_up((size_t)k_max, (size_t)kernel->k_group);
    size_t rows = kernel->nr > GEMM_SCRATCH_ROWS ? (size_t)kernel->nr : GEMM_SCRATCH_ROWS;

    (void)format;
    return round_up(k * rows * sizeof(float), 64);
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
