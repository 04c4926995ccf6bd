/*
 * Matrix products in plain C: packing and running for each format. This is what the vector kernels
 * are checked against. The one liberty taken is GCC's and clang's generic vector type of four floats
 * (any processor): with it both compilers keep the tile in registers, with plain arrays they do
 * not, and the fp32 path is to stay usable for whole recordings.
 */
#include "ops/ops.h"

#include <math.h>

#include "ops/half.h"
#include "ops/ref.h"

enum { MR = 4, NR = 8, LANES = 4 };

typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4)));

/* ---- packing: [panel][k][NR], columns beyond N are zero ---------------------------------------- */

struct source { // element (n, k) is data[n * n_stride + k * k_stride]; zero for n >= n_columns
    const float *data;
    size_t n_stride, k_stride;
    int n_columns;
};

static float element(const struct source *s, int n, int k)
{
    return n < s->n_columns ? s->data[(size_t)n * s->n_stride + (size_t)k * s->k_stride] : 0.0f;
}

static void pack_f32(struct gemm_weights *w, const float *src, size_t n_stride, size_t k_stride,
                     int panel_begin, int panel_end)
{
    struct source s = {src, n_stride, k_stride, w->n};

    for (int p = panel_begin; p < panel_end; p++) {
        float *dst = (float *)w->data + (size_t)p * w->k * NR;
        for (int k = 0; k < w->k; k++)
            for (int c = 0; c < NR; c++)
                *dst++ = element(&s, p * NR + c, k);
    }
}

static void pack_f16(struct gemm_weights *w, const float *src, size_t n_stride, size_t k_stride,
                     int panel_begin, int panel_end)
{
    struct source s = {src, n_stride, k_stride, w->n};

    for (int p = panel_begin; p < panel_end; p++) {
        uint16_t *dst = (uint16_t *)w->data + (size_t)p * w->k * NR;
        for (int k = 0; k < w->k; k++)
            for (int c = 0; c < NR; c++)
                *dst++ = float_to_half(element(&s, p * NR + c, k));
    }
}

static void pack_bf16(struct gemm_weights *w, const float *src, size_t n_stride, size_t k_stride,
                      int panel_begin, int panel_end)
{
    struct source s = {src, n_stride, k_stride, w->n};

    for (int p = panel_begin; p < panel_end; p++) {
        uint16_t *dst = (uint16_t *)w->data + (size_t)p * w->k * NR;
        for (int k = 0; k < w->k; k++)
            for (int c = 0; c < NR; c++)
                *dst++ = float_to_bf16(element(&s, p * NR + c, k));
    }
}

// One column to 8 bit: the largest magnitude becomes q_max.
static void pack_i8_column(struct gemm_weights *w, const struct source *s, int n, int8_t *dst)
{
    float max = 0, q_max = (float)w->q_max;
    int32_t sum = 0;

    for (int k = 0; k < w->k; k++)
        max = fmaxf(max, fabsf(element(s, n, k)));
    float inverse = max > QUANT_TINY ? q_max / max : 0.0f;
    for (int k = 0; k < w->k; k++) {
        int q = (int)rintf(element(s, n, k) * inverse);
        dst[(size_t)k * NR] = (int8_t)q;
        sum += q;
    }
    if (n < w->n) {
        ((float *)w->scale)[n] = max / q_max;
        ((int32_t *)w->sum)[n] = sum;
    }
}

static void pack_i8(struct gemm_weights *w, const float *src, size_t n_stride, size_t k_stride,
                    int panel_begin, int panel_end)
{
    struct source s = {src, n_stride, k_stride, w->n};

    for (int p = panel_begin; p < panel_end; p++)
        for (int c = 0; c < NR; c++)
            pack_i8_column(w, &s, p * NR + c, (int8_t *)w->data + (size_t)p * w->k * NR + c);
}

/* ---- running ----------------------------------------------------------------------------------- */

// MR x NR sums over k of x[row][k] * panel[k][column], each in the order of k.
static void tile_f32(const float *const x[MR], const float *panel, int n_k, float sums[MR][NR])
{
    lanes acc[MR][NR / LANES] = {{{0}}};

    for (int k = 0; k < n_k; k++, panel += NR) {
        lanes left = *(const lanes *)panel, right = *(const lanes *)(panel + LANES);
        for (int r = 0; r < MR; r++) {
            acc[r][0] += x[r][k] * left;
            acc[r][1] += x[r][k] * right;
        }
    }
    memcpy(sums, acc, sizeof acc);
}

// Bias, GELU, residual, in this order, for the part of a tile that lies inside the matrix.
static void store_tile(const struct gemm_args *a, float sums[MR][NR], int row, int column)
{
    int n_rows = a->m - row < MR ? a->m - row : MR;
    int n_columns = a->w->n - column < NR ? a->w->n - column : NR;

    for (int r = 0; r < n_rows; r++) {
        float *y = a->y + (size_t)(row + r) * a->y_stride + column;
        const float *residual =
            a->residual ? a->residual + (size_t)(row + r) * a->residual_stride + column : NULL;
        for (int c = 0; c < n_columns; c++) {
            float v = sums[r][c];
            if (a->bias)
                v += a->bias[column + c];
            if (a->gelu)
                v = gelu_ref(v);
            if (residual)
                v += residual[c];
            y[c] = v;
        }
    }
}

// Rows `row`..row + MR - 1; beyond the last row the last one is repeated.
static void tile_rows(const float *x, size_t stride, int row, int m, const float *rows[MR])
{
    for (int r = 0; r < MR; r++)
        rows[r] = x + (size_t)(row + r < m ? row + r : m - 1) * stride;
}

static void run_panel_f32(const struct gemm_args *a, const float *panel, int p)
{
    float sums[MR][NR];
    const float *x[MR];

    for (int row = 0; row < a->m; row += MR) {
        tile_rows(a->x, a->x_stride, row, a->m, x);
        tile_f32(x, panel, a->w->k, sums);
        store_tile(a, sums, row, p * NR);
    }
}

static void run_f32(const struct gemm_args *a)
{
    for (int p = a->panel_begin; p < a->panel_end; p++)
        run_panel_f32(a, (const float *)a->w->data + (size_t)p * a->w->k * NR, p);
}

static void run_f16(const struct gemm_args *a)
{
    size_t size = (size_t)a->w->k * NR;

    for (int p = a->panel_begin; p < a->panel_end; p++) {
        const uint16_t *panel = (const uint16_t *)a->w->data + (size_t)p * size;
        for (size_t i = 0; i < size; i++)
            a->scratch[i] = half_to_float(panel[i]);
        run_panel_f32(a, a->scratch, p);
    }
}

// bf16 products are exact in fp32, so widening both sides and summing in fp32 is the definition.
static void run_bf16(const struct gemm_args *a)
{
    size_t k = (size_t)a->w->k, size = k * NR;
    float *wide = a->scratch + size, sums[MR][NR];
    const float *x[MR];

    for (int p = a->panel_begin; p < a->panel_end; p++) {
        const uint16_t *panel = (const uint16_t *)a->w->data + (size_t)p * size;
        for (size_t i = 0; i < size; i++)
            a->scratch[i] = bf16_to_float(panel[i]);
        for (int row = 0; row < a->m; row += MR) {
            int n_rows = a->m - row < MR ? a->m - row : MR;
            const uint16_t *q = (const uint16_t *)a->quant + (size_t)row * a->quant_stride;
            for (int r = 0; r < n_rows; r++)
                for (size_t i = 0; i < k; i++)
                    wide[(size_t)r * k + i] = bf16_to_float(q[(size_t)r * a->quant_stride + i]);
            tile_rows(wide, k, 0, n_rows, x);
            tile_f32(x, a->scratch, a->w->k, sums);
            store_tile(a, sums, row, p * NR);
        }
    }
}

static void tile_i8(const struct gemm_args *a, const int8_t *panel, int row, int p,
                    float sums[MR][NR])
{
    int n_k = a->w->k;

    for (int r = 0; r < MR && row + r < a->m; r++) {
        const uint8_t *x = (const uint8_t *)a->quant + (size_t)(row + r) * a->quant_stride;
        const struct quant_row *q = &a->quant_row[row + r];
        int32_t acc[NR] = {0};
        for (int k = 0; k < n_k; k++)
            for (int c = 0; c < NR; c++)
                acc[c] += x[k] * panel[(size_t)k * NR + c];
        for (int c = 0; c < NR && p * NR + c < a->w->n; c++) {
            int n = p * NR + c;
            sums[r][c] =
                (float)(acc[c] - q->zero * a->w->sum[n]) * (q->scale * a->w->scale[n]);
        }
    }
}

static void run_i8(const struct gemm_args *a)
{
    float sums[MR][NR];

    for (int p = a->panel_begin; p < a->panel_end; p++) {
        const int8_t *panel = (const int8_t *)a->w->data + (size_t)p * a->w->k * NR;
        for (int row = 0; row < a->m; row += MR) {
            tile_i8(a, panel, row, p, sums);
            store_tile(a, sums, row, p * NR);
        }
    }
}

void gemm_init_ref(struct gemm_kernel kernels[GEMM_FORMAT_COUNT])
{
    // clang-format off
    kernels[GEMM_F32]  = (struct gemm_kernel){MR, NR, 1, 0,   true, pack_f32,  run_f32};
    kernels[GEMM_F16]  = (struct gemm_kernel){MR, NR, 1, 0,   true, pack_f16,  run_f16};
    kernels[GEMM_BF16] = (struct gemm_kernel){MR, NR, 1, 0,   true, pack_bf16, run_bf16};
    kernels[GEMM_I8]   = (struct gemm_kernel){MR, NR, 1, 127, true, pack_i8,   run_i8};
    // clang-format on
}
