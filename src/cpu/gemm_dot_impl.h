/*
 * Matrix products of short numbers by instructions that add several products per lane. A lane takes
 * a group of k_group consecutive k: 32 bits of activations, broadcast, against one group of every
 * column of the panel. Before it is included, the ISA's file says, besides GEMM_NV:
 *
 *     dot_acc, DOT_IS_FLOAT  a vector of sums: vi (int8) or vf (bf16)
 *     DOT_GROUP              k per group
 *     DOT_A_BYTES            bytes of an activation (4 / DOT_GROUP)
 *     DOT_W_BYTES            bytes of a weight as packed
 *     DOT_BASE               what the instruction has taken from each activation (0, or 128: signed)
 *     DOT_WIDEN              1: activations are widened to 16 bits, less 128, in scratch first
 *     dot_weights(p)         VW groups at p as a vector
 *     dot_step(acc, w, a)    acc + products, `a` being a broadcast group
 */
#ifndef CPU_GEMM_DOT_IMPL_H
#define CPU_GEMM_DOT_IMPL_H

#include "cpu/gemm_impl.h"

struct dot_tile {
    const uint8_t *a; // first row of activations
    size_t a_bytes;   // from row to row
    const uint8_t *w; // panel
    int row, col;     // of y
    struct gemm_ahead ahead;
};

INLINE int32_t dot_group(const uint8_t *p)
{
    int32_t group;
    memcpy(&group, p, sizeof group);
    return group;
}

/* The last, incomplete group: nothing beyond the row is read. */
INLINE int32_t dot_group_part(const uint8_t *p, int n_bytes)
{
    int32_t group = 0;
    memcpy(&group, p, (size_t)n_bytes);
    return group;
}

INLINE void dot_group_step(dot_acc (*acc)[GEMM_NV], const struct dot_tile *t, int group,
                           int n_bytes, const int rows)
{
    vi w[GEMM_NV];

    UNROLL for (int j = 0; j < GEMM_NV; j++) w[j] =
        dot_weights(t->w + ((size_t)group * GEMM_NR + (size_t)j * VW) * (DOT_GROUP * DOT_W_BYTES));
    UNROLL for (int r = 0; r < rows; r++)
    {
        const uint8_t *p = t->a + (size_t)r * t->a_bytes + (size_t)group * 4;
        vi a = v_set_i(n_bytes == 4 ? dot_group(p) : dot_group_part(p, n_bytes));
        UNROLL for (int j = 0; j < GEMM_NV; j++) acc[r][j] = dot_step(acc[r][j], w[j], a);
    }
}

/* Sums to fp32: bf16's are already; int8's still lack the offset and the scales. */
INLINE void dot_to_float(const struct gemm_args *g, dot_acc (*acc)[GEMM_NV], vf (*y)[GEMM_NV],
                         int row, int col, const int rows)
{
    UNROLL for (int j = 0; j < GEMM_NV; j++)
    {
        vf scale = v_set(1.0f);
        vi sum = v_set_i(0);
        if (!DOT_IS_FLOAT) {
            int c = col + j * VW, n = g->w->n - c;
            n = n < 0 ? 0 : n > VW ? VW : n;
            c = n ? c : 0; // columns of padding only
            scale = n == VW ? v_load(g->w->scale + c) : v_load_part(g->w->scale + c, n);
            sum = v_load_i_part(g->w->sum + c, n);
        }
        UNROLL for (int r = 0; r < rows; r++)
        {
            if (DOT_IS_FLOAT) {
                y[r][j] = (vf)acc[r][j];
                continue;
            }
            const struct quant_row *q = &g->quant_row[row + r];
            y[r][j] = v_to_float((vi)acc[r][j] - sum * (q->zero - DOT_BASE)) * (scale * q->scale);
        }
    }
}

INLINE void dot_tile(const struct gemm_args *g, struct dot_tile t, const int rows)
{
    dot_acc acc[GEMM_MR][GEMM_NV] = {0};
    vf y[GEMM_MR][GEMM_NV];
    int n_groups = g->w->k / DOT_GROUP, rest = g->w->k % DOT_GROUP;

    for (int i = 0; i < n_groups;) {
        int end = n_groups - i < AHEAD_CHUNK ? n_groups : i + AHEAD_CHUNK;
        gemm_fetch(&t.ahead);
        for (; i < end; i++)
            dot_group_step(acc, &t, i, 4, rows);
    }
    if (rest)
        dot_group_step(acc, &t, n_groups, rest * DOT_A_BYTES, rows);
    dot_to_float(g, acc, y, t.row, t.col, rows);
    finish(g, y, t.row, t.col, rows);
}

INLINE void dot_tile_of(const struct gemm_args *g, struct dot_tile t, int rows)
{
    switch (rows) {
    case 1:
        dot_tile(g, t, 1);
        break;
    case 2:
        dot_tile(g, t, 2);
        break;
    case 3:
        dot_tile(g, t, 3);
        break;
    case 4:
        dot_tile(g, t, 4);
        break;
    case 5:
        dot_tile(g, t, 5);
        break;
    default:
        dot_tile(g, t, 6);
        break;
    }
}

/* Bytes to 16-bit numbers, less 128: products of pairs stay below 2^31. */
INLINE void dot_widen(const uint8_t *q, int16_t *to, int n)
{
    int i = 0;

    for (; i + 2 * VW <= n; i += 2 * VW) {
        v2ub b;
        memcpy(&b, q + i, sizeof b);
        v2h h = __builtin_convertvector(b, v2h) - 128;
        memcpy(to + i, &h, sizeof h);
    }
    for (; i < n; i++)
        to[i] = (int16_t)(q[i] - 128);
}

/* Activations of rows [row, row + m), in the form the tiles read. */
INLINE struct dot_tile dot_activations(const struct gemm_args *g, int row, int m)
{
    const uint8_t *q = g->quant;
    size_t row_bytes = g->quant_stride * DOT_A_BYTES;

    if (!DOT_WIDEN)
        return (struct dot_tile){.a = q + (size_t)row * row_bytes, .a_bytes = row_bytes};
    size_t stride = ((size_t)g->w->k + 1) / 2 * 2;
    int16_t *wide = (int16_t *)g->scratch;
    for (int r = 0; r < m; r++)
        dot_widen(q + (size_t)(row + r) * g->quant_stride, wide + (size_t)r * stride, g->w->k);
    return (struct dot_tile){.a = (const uint8_t *)wide, .a_bytes = stride * 2};
}

INLINE void gemm_dot(const struct gemm_args *g)
{
    const uint8_t *w = g->w->data;
    int n_groups = (g->w->k + DOT_GROUP - 1) / DOT_GROUP;
    size_t panel = (size_t)n_groups * GEMM_NR * DOT_GROUP * DOT_W_BYTES;
    int block = DOT_WIDEN ? GEMM_SCRATCH_ROWS : 20 * GEMM_MR;

    for (int row = 0; row < g->m; row += block) {
        int m = g->m - row < block ? g->m - row : block;
        struct dot_tile t = dot_activations(g, row, m);
        const uint8_t *a = t.a;
        struct gemm_cut cut = gemm_cut(m);
        for (int p = g->panel_begin; p < g->panel_end; p++) {
            t.w = w + (size_t)p * panel;
            t.col = p * GEMM_NR;
            for (int i = 0, r = 0; i < cut.n; i++) {
                int rows = cut.rows + (i < cut.longer);
                t.a = a + (size_t)r * t.a_bytes;
                t.row = row + r;
                t.ahead = gemm_ahead(t.w, panel, GEMM_NR * DOT_GROUP * DOT_W_BYTES, i, cut.n);
                dot_tile_of(g, t, rows);
                r += rows;
            }
        }
    }
}

#endif
