/*
 * Speed of the matrix kernels: on the encoder's shapes against a peak loop, with few rows against
 * the memory's read bandwidth, both measured beside each shape, since neighbours on the machine
 * move them.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "check/check.h"
#include "ops/gemm.h"

static const size_t element_bytes[GEMM_FORMAT_COUNT] = {4, 2, 2, 1};

// m x K x N of Whisper base: projections, joint QKV, MLP, joint cross-attention keys and values;
// then one head of attention, scores and values.
static const struct {
    int m, k, n;
} encoder_shapes[] = {
    {1500, 512, 512},  {1500, 512, 1536}, {1500, 512, 2048}, {1500, 2048, 512},
    {1500, 512, 6144}, {6, 64, 1500},     {24, 64, 1500},    {48, 64, 1500},
    {6, 1500, 64},     {24, 1500, 64},    {48, 1500, 64},
};
static const int decoder_rows[] = {1, 2, 4, 5, 8, 16};
// Decoding reads a matrix far larger than the caches.
enum { DECODER_K = 512, DECODER_BYTES = 128 << 20 };

struct bench {
    const struct gemm_kernel *kernel;
    struct gemm_args args;
};

static void run(void *arg)
{
    struct bench *b = arg;
    b->kernel->run(&b->args);
}

static void *allocate(size_t size)
{
    void *p = mem_alloc_huge(size);
    if (p)
        memset(p, 0, size);
    return p;
}

static void measure(struct check *c, const struct cpu_kernel *row, int m, int k, int n,
                    bool decoder)
{
    const struct gemm_kernel *kernel = &row->gemm;
    size_t elem = element_bytes[row->format], scratch = gemm_scratch_bytes(kernel, row->format, k);
    size_t n_x = (size_t)m * (size_t)k, n_y = (size_t)m * (size_t)n;
    size_t w_bytes = gemm_packed_bytes(kernel, row->format, n, k);
    float *x = allocate(n_x * 4), *y = allocate(n_y * 4), *bias = allocate((size_t)n * 4);
    float *work = allocate(scratch), *column = allocate((size_t)n * 8);
    void *w = allocate(w_bytes);
    struct gemm_weights weights = {
        w, row->format, n, k, column, (int32_t *)(column + n), row->gemm.q_max};
    struct bench b = {kernel,
                      {.x = x,
                       .x_stride = (size_t)k,
                       .m = m,
                       .w = &weights,
                       .panel_end = gemm_n_panels(kernel, n),
                       .y = y,
                       .y_stride = (size_t)n,
                       .bias = bias,
                       .quant = x,
                       .quant_stride = (size_t)k,
                       .quant_row = (const struct quant_row *)column,
                       .scratch = work}};
    char shape[64];

    if (!x || !y || !bias || !work || !column || !w) {
        check_fail(c, "out of memory");
        return;
    }
    snprintf(shape, sizeof shape, "%dx%dx%d", m, k, n);
    if (decoder) {
        double seconds = check_time(run, &b), peak = peak_read();
        check_report(c, shape, (double)n * k * (double)elem / seconds * 1e-9, "GB/s", peak * 1e-9);
    } else {
        double before = peak_ops(row->target, row->format), seconds = check_time(run, &b);
        double peak = peak_ops(row->target, row->format);
        peak = before > peak ? before : peak;
        check_report(c, shape, 2.0 * m * n * k / seconds * 1e-9, "GFLOP/s", peak * 1e-9);
    }
    mem_free_huge(x, n_x * 4);
    mem_free_huge(y, n_y * 4);
    mem_free_huge(bias, (size_t)n * 4);
    mem_free_huge(work, scratch);
    mem_free_huge(column, (size_t)n * 8);
    mem_free_huge(w, w_bytes);
}

void bench_gemm(struct check *c, const struct cpu_kernel *row)
{
    for (size_t i = 0; i < sizeof encoder_shapes / sizeof *encoder_shapes; i++)
        measure(c, row, encoder_shapes[i].m, encoder_shapes[i].k, encoder_shapes[i].n, false);
    for (size_t i = 0; i < sizeof decoder_rows / sizeof *decoder_rows; i++) {
        int n = (int)(DECODER_BYTES / (DECODER_K * element_bytes[row->format]));
        measure(c, row, decoder_rows[i], DECODER_K, n, true);
    }
}
