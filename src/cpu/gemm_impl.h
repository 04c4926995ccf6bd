/*
 * What all matrix kernels share: how rows are cut into tiles, and what happens to a tile's sums on
 * their way to memory. A tile is up to GEMM_MR rows times one panel of GEMM_NV vectors; the sums
 * stay in registers, so every loop over them has constant bounds and is unrolled entirely.
 * Included after a simd_<isa>.h and `enum { GEMM_NV = ... }`.
 */
#ifndef CPU_GEMM_IMPL_H
#define CPU_GEMM_IMPL_H

#include "cpu/math_impl.h"
#include "ops/ops.h"

enum {
    GEMM_MR = 6,
    GEMM_NR = GEMM_NV * VW,
    // Activations that stay in the second-level cache while all panels pass by.
    GEMM_BLOCK_BYTES = 192 * 1024,
};

/* `m` rows cut into n nearly equal tiles. */
struct gemm_cut {
    int n, rows, longer; // the first `longer` tiles have one row more than `rows`
};

INLINE struct gemm_cut gemm_cut(int m)
{
    int n = (m + GEMM_MR - 1) / GEMM_MR;
    return (struct gemm_cut){n, m / n, m % n};
}

/* While a panel is used by several tiles it comes from cache and the memory would idle: each tile
 * asks for its share of the next panel, a little in every chunk of its loop over k. */
struct gemm_ahead {
    const char *at;
    int bytes; // per chunk
};

enum { AHEAD_CHUNK = 64 }; // of steps; a step reads `step_bytes` of the panel

INLINE struct gemm_ahead gemm_ahead(const void *panel, size_t panel_bytes, int step_bytes, int tile,
                                    int n_tiles)
{
    int share = AHEAD_CHUNK * step_bytes / n_tiles;
    return (struct gemm_ahead){(const char *)panel + panel_bytes +
                                   panel_bytes / (size_t)n_tiles * (size_t)tile,
                               n_tiles > 1 ? share : 0};
}

INLINE void gemm_fetch(struct gemm_ahead *a)
{
    for (int i = 0; i < a->bytes; i += 64)
        __builtin_prefetch(a->at + i, 0, 2);
    a->at += a->bytes;
}

/* The slow end of the epilogue: sums stored in `t`, any number of columns, GELU. */
static void finish_tile(const struct gemm_args *g, float (*t)[GEMM_NR], int row, int col, int rows)
{
    int cols = g->w->n - col < GEMM_NR ? g->w->n - col : GEMM_NR;

    for (int r = 0; r < rows; r++) {
        float *y = g->y + (size_t)(row + r) * g->y_stride + col;
        const float *residual = NULL;
        if (g->residual)
            residual = g->residual + (size_t)(row + r) * g->residual_stride + col;
        for (int c = 0; c < cols; c += VW) {
            int n = cols - c < VW ? cols - c : VW;
            vf v = v_load(t[r] + c);
            if (g->bias)
                v += v_load_part(g->bias + col + c, n);
            if (g->gelu)
                v = v_gelu(v);
            if (residual)
                v += v_load_part(residual + c, n);
            v_store_part(y + c, v, n);
        }
    }
}

/* The same for whole tiles, with GELU. */
static void finish_tile_gelu(const struct gemm_args *g, float (*t)[GEMM_NR], int row, int col,
                             int rows)
{
    for (int r = 0; r < rows; r++) {
        float *y = g->y + (size_t)(row + r) * g->y_stride + col;
        for (int c = 0; c < GEMM_NR; c += VW) {
            vf v = v_load(t[r] + c);
            if (g->bias)
                v += v_load(g->bias + col + c);
            v = v_gelu(v);
            if (g->residual)
                v += v_load(g->residual + (size_t)(row + r) * g->residual_stride + col + c);
            v_store(y + c, v);
        }
    }
}

/* Bias, GELU, residual, store. */
INLINE void finish(const struct gemm_args *g, vf (*acc)[GEMM_NV], int row, int col, const int rows)
{
    bool whole = g->w->n - col >= GEMM_NR;

    if (!whole || g->gelu) {
        float t[GEMM_MR][GEMM_NR];
        UNROLL for (int r = 0; r < rows; r++) UNROLL for (int j = 0; j < GEMM_NV; j++)
            v_store(t[r] + j * VW, acc[r][j]);
        if (whole)
            finish_tile_gelu(g, t, row, col, rows);
        else
            finish_tile(g, t, row, col, rows);
        return;
    }
    if (g->bias) {
        vf b[GEMM_NV];
        UNROLL for (int j = 0; j < GEMM_NV; j++) b[j] = v_load(g->bias + col + j * VW);
        UNROLL for (int r = 0; r < rows; r++) UNROLL for (int j = 0; j < GEMM_NV; j++) acc[r][j] +=
            b[j];
    }
    if (g->residual) {
        const float *p = g->residual + (size_t)row * g->residual_stride + col;
        UNROLL for (int r = 0; r < rows; r++) UNROLL for (int j = 0; j < GEMM_NV; j++) acc[r][j] +=
            v_load(p + (size_t)r * g->residual_stride + j * VW);
    }
    float *y = g->y + (size_t)row * g->y_stride + col;
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int j = 0; j < GEMM_NV; j++)
        v_store(y + (size_t)r * g->y_stride + j * VW, acc[r][j]);
}

#endif
