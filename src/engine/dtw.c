/*
 * Attention to times: see dtw.h.
 */
#include "engine/dtw.h"

#include <math.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"

void dtw_normalise(float *w, int n_rows, int n_cols)
{
    enum { BLOCK = 16 };

    for (int c = 0; c < n_cols; c += BLOCK) {
        int n = n_cols - c < BLOCK ? n_cols - c : BLOCK;
        double mean[BLOCK] = {0}, square[BLOCK] = {0};
        for (int r = 0; r < n_rows; r++)
            for (int i = 0; i < n; i++)
                mean[i] += (double)w[(size_t)r * (size_t)n_cols + (size_t)(c + i)];
        for (int i = 0; i < n; i++)
            mean[i] /= n_rows;
        for (int r = 0; r < n_rows; r++)
            for (int i = 0; i < n; i++) {
                double d = (double)w[(size_t)r * (size_t)n_cols + (size_t)(c + i)] - mean[i];
                square[i] += d * d;
            }
        for (int i = 0; i < n; i++)
            square[i] = square[i] > 0 ? 1 / sqrt(square[i] / n_rows) : 0;
        for (int r = 0; r < n_rows; r++)
            for (int i = 0; i < n; i++) {
                float *x = &w[(size_t)r * (size_t)n_cols + (size_t)(c + i)];
                *x = (float)(((double)*x - mean[i]) * square[i]);
            }
    }
}

/* ---- median ----------------------------------------------------------------------------------- */

static inline void sort2(float *a, float *b)
{
    float low = *a < *b ? *a : *b, high = *a < *b ? *b : *a;
    *a = low;
    *b = high;
}

/* Enough of a sorting network to bring the fourth of seven into its place (N. Devillard, "Fast
 * median search", 1998). */
static inline float median7(float a, float b, float c, float d, float e, float f, float g)
{
    sort2(&a, &f);
    sort2(&a, &d);
    sort2(&b, &g);
    sort2(&c, &e);
    sort2(&a, &b);
    sort2(&d, &f);
    sort2(&c, &g);
    sort2(&c, &d);
    sort2(&d, &g);
    sort2(&e, &f);
    sort2(&b, &e);
    sort2(&b, &d);
    sort2(&d, &e);
    return d;
}

static float median_at_edge(const float *x, int n, int at)
{
    float v[7];
    for (int i = 0; i < 7; i++) {
        int j = at + i - 3;
        j = j < 0 ? -j : j;
        v[i] = x[j >= n ? 2 * (n - 1) - j : j];
    }
    return median7(v[0], v[1], v[2], v[3], v[4], v[5], v[6]);
}

void dtw_median7_add(float *dst, const float *src, int n)
{
    if (n <= 3) {
        for (int i = 0; i < n; i++)
            dst[i] += src[i];
        return;
    }
    for (int i = 0; i < 3; i++)
        dst[i] += median_at_edge(src, n, i);
    for (int i = n - 3 > 3 ? n - 3 : 3; i < n; i++)
        dst[i] += median_at_edge(src, n, i);
    for (int i = 3; i < n - 3; i++) {
        const float *x = src + i;
        dst[i] += median7(x[-3], x[-2], x[-1], x[0], x[1], x[2], x[3]);
    }
}

/* ---- dynamic time warping --------------------------------------------------------------------- */

enum { STEP_BOTH = 0, STEP_ROW = 1, STEP_COL = 2 };

/* cost[i] of the column before becomes that of this one; step[i] says how it was reached. Index 0
 * is the border before the first row. Costs are fp32 as in the reference, sums fp64. */
static void dtw_column(float *cost, uint8_t *step, const float *gain, int n_rows, int n_cols)
{
    float diagonal = cost[0];

    cost[0] = INFINITY;
    for (int i = 1; i <= n_rows; i++) {
        float both = diagonal, row = cost[i - 1], col = cost[i], least;
        if (both < row && both < col) {
            least = both;
            step[i] = STEP_BOTH;
        } else if (row < both && row < col) {
            least = row;
            step[i] = STEP_ROW;
        } else {
            least = col;
            step[i] = STEP_COL;
        }
        diagonal = col;
        cost[i] = (float)((double)least - (double)gain[(size_t)(i - 1) * (size_t)n_cols]);
    }
}

static int dtw_backtrace(const uint8_t *steps, int n_rows, int n_cols, int *path_row, int *path_col)
{
    int i = n_rows, j = n_cols, n = 0;

    while (i > 0 && j > 0) {
        path_row[n] = i - 1;
        path_col[n++] = j - 1;
        int step = steps[(size_t)(j - 1) * (size_t)(n_rows + 1) + (size_t)i];
        i -= step != STEP_COL;
        j -= step != STEP_ROW;
    }
    for (int a = 0, b = n - 1; a < b; a++, b--) {
        int r = path_row[a], c = path_col[a];
        path_row[a] = path_row[b];
        path_col[a] = path_col[b];
        path_row[b] = r;
        path_col[b] = c;
    }
    return n;
}

int dtw_path(const float *gain, int n_rows, int n_cols, int *path_row, int *path_col)
{
    size_t height = (size_t)n_rows + 1;
    float *cost = mem_alloc(height, sizeof *cost);
    uint8_t *steps = mem_alloc((size_t)n_cols, height);
    int n = SOTTO_ENOMEM;

    if (cost && steps) {
        cost[0] = 0;
        for (int i = 1; i <= n_rows; i++)
            cost[i] = INFINITY;
        for (int j = 0; j < n_cols; j++)
            dtw_column(cost, steps + (size_t)j * height, gain + j, n_rows, n_cols);
        n = dtw_backtrace(steps, n_rows, n_cols, path_row, path_col);
    }
    mem_free(cost);
    mem_free(steps);
    return n;
}
