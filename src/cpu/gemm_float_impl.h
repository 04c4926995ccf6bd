/*
 * Matrix products in fp32: weights fp32, or fp16 and bf16 widened on the way. One row of a panel
 * (GEMM_NR weights of one k) is loaded, each activation broadcast, all products summed in
 * registers. Included after gemm_impl.h's requirements; the ISA's file wraps the entry points.
 */
#ifndef CPU_GEMM_FLOAT_IMPL_H
#define CPU_GEMM_FLOAT_IMPL_H

#include "cpu/gemm_impl.h"

/* Where a tile's operands are. */
struct float_tile {
    const float *a; // first row of activations
    size_t a_stride;
    const void *w; // panel
    int row, col;  // of y
    struct gemm_ahead ahead;
};

INLINE vf load_weights(const void *w, size_t i, const enum gemm_format format)
{
    if (format == GEMM_F16)
        return v_load_f16((const uint16_t *)w + i);
    if (format == GEMM_BF16)
        return (vf)(v_load_u16((const uint16_t *)w + i) << 16);
    return v_load((const float *)w + i);
}

INLINE void float_step(vf (*acc)[GEMM_NV], const struct float_tile *t, int k, const int rows,
                       const enum gemm_format format)
{
    vf w[GEMM_NV];

    UNROLL for (int j = 0; j < GEMM_NV; j++) w[j] =
        load_weights(t->w, (size_t)k * GEMM_NR + (size_t)j * VW, format);
    UNROLL for (int r = 0; r < rows; r++)
    {
        vf a = v_set(t->a[(size_t)r * t->a_stride + (size_t)k]);
        UNROLL for (int j = 0; j < GEMM_NV; j++) acc[r][j] = v_fma(a, w[j], acc[r][j]);
    }
}

INLINE void float_tile(const struct gemm_args *g, struct float_tile t, const int rows,
                       const enum gemm_format format)
{
    // At least 8 sums in flight: 4 cycles of latency, 2 products per cycle.
    const int split = rows * GEMM_NV >= 8 ? 1 : rows * GEMM_NV >= 4 ? 2 : 4;
    vf acc[4][GEMM_MR][GEMM_NV] = {0};
    int k = 0, n_k = g->w->k;

    while (k + split <= n_k) {
        int end = n_k - k < AHEAD_CHUNK ? n_k : k + AHEAD_CHUNK;
        gemm_fetch(&t.ahead);
        for (; k + split <= end; k += split)
            UNROLL for (int s = 0; s < split; s++) float_step(acc[s], &t, k + s, rows, format);
    }
    for (; split > 1 && k < n_k; k++)
        float_step(acc[0], &t, k, rows, format);
    UNROLL for (int s = 1; s < split; s++) UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int j = 0; j < GEMM_NV; j++) acc[0][r][j] += acc[s][r][j];
    finish(g, acc[0], t.row, t.col, rows);
}

INLINE void float_tile_of(const struct gemm_args *g, struct float_tile t, int rows,
                          const enum gemm_format format)
{
    switch (rows) {
    case 1:
        float_tile(g, t, 1, format);
        break;
    case 2:
        float_tile(g, t, 2, format);
        break;
    case 3:
        float_tile(g, t, 3, format);
        break;
    case 4:
        float_tile(g, t, 4, format);
        break;
    case 5:
        float_tile(g, t, 5, format);
        break;
    default:
        float_tile(g, t, 6, format);
        break;
    }
}

/* Rows [row, row + m) of one panel, of which `a` is the first; `packed` is the panel as it lies in
 * memory, `w` the same or its widened copy. */
INLINE void float_panel(const struct gemm_args *g, const float *a, size_t a_stride, const void *w,
                        const void *packed, int row, int m, int col, const enum gemm_format format)
{
    struct gemm_cut cut = gemm_cut(m);
    const int step_bytes = GEMM_NR * (g->w->format == GEMM_F32 ? 4 : 2);
    size_t panel_bytes = (size_t)g->w->k * (size_t)step_bytes;

    for (int i = 0, r = 0; i < cut.n; i++) {
        int rows = cut.rows + (i < cut.longer);
        struct float_tile t = {a + (size_t)r * a_stride,
                               a_stride,
                               w,
                               row + r,
                               col,
                               gemm_ahead(packed, panel_bytes, step_bytes, i, cut.n)};
        float_tile_of(g, t, rows, format);
        r += rows;
    }
}

/* Rows of a block: a multiple of GEMM_MR, at least one tile. */
INLINE int float_block_rows(int k)
{
    int rows = GEMM_BLOCK_BYTES / (int)sizeof(float) / (k > 0 ? k : 1) / GEMM_MR * GEMM_MR;
    return rows > GEMM_MR ? rows : GEMM_MR;
}

INLINE void gemm_f32(const struct gemm_args *g)
{
    const float *w = g->w->data;
    size_t panel = (size_t)g->w->k * GEMM_NR;
    int block = float_block_rows(g->w->k);

    for (int row = 0; row < g->m; row += block) {
        int m = g->m - row < block ? g->m - row : block;
        const float *a = g->x + (size_t)row * g->x_stride;
        for (int p = g->panel_begin; p < g->panel_end; p++)
            float_panel(g, a, g->x_stride, w + (size_t)p * panel, w + (size_t)p * panel, row, m,
                        p * GEMM_NR, GEMM_F32);
    }
}

/* Few rows (decoding): the panel is widened in registers on its only way from memory. Many rows:
 * it is widened once, into scratch, where it stays in cache for all of them. */
INLINE void gemm_f16(const struct gemm_args *g)
{
    const uint16_t *w = g->w->data;
    size_t panel = (size_t)g->w->k * GEMM_NR;
    bool few = g->m <= 4 * GEMM_MR;

    for (int p = g->panel_begin; p < g->panel_end; p++) {
        const uint16_t *half = w + (size_t)p * panel;
        if (few) {
            float_panel(g, g->x, g->x_stride, half, half, 0, g->m, p * GEMM_NR, GEMM_F16);
            continue;
        }
        for (size_t i = 0; i < panel; i += VW)
            v_store(g->scratch + i, v_load_f16(half + i));
        float_panel(g, g->x, g->x_stride, g->scratch, half, 0, g->m, p * GEMM_NR, GEMM_F32);
    }
}

/* bf16 activations of up to GEMM_SCRATCH_ROWS rows are widened into scratch, weights in registers. */
INLINE void gemm_bf16(const struct gemm_args *g)
{
    const uint16_t *w = g->w->data, *q = g->quant;
    int n_k = g->w->k;
    size_t panel = (size_t)n_k * GEMM_NR;

    for (int row = 0; row < g->m; row += GEMM_SCRATCH_ROWS) {
        int m = g->m - row < GEMM_SCRATCH_ROWS ? g->m - row : GEMM_SCRATCH_ROWS;
        for (int r = 0; r < m; r++) {
            const uint16_t *from = q + (size_t)(row + r) * g->quant_stride;
            float *to = g->scratch + (size_t)r * (size_t)n_k;
            int k = 0;
            for (; k + VW <= n_k; k += VW)
                v_store(to + k, (vf)(v_load_u16(from + k) << 16));
            for (; k < n_k; k++) {
                uint32_t bits = (uint32_t)from[k] << 16;
                memcpy(to + k, &bits, sizeof bits);
            }
        }
        for (int p = g->panel_begin; p < g->panel_end; p++)
            float_panel(g, g->scratch, (size_t)n_k, w + (size_t)p * panel, w + (size_t)p * panel,
                        row, m, p * GEMM_NR, GEMM_BF16);
    }
}

#endif
