/*
 * What callers of the matrix kernels share: sizes, views of a packed matrix, parts of a product, and
 * one product spread over the threads of a pool.
 */
#ifndef OPS_GEMM_H
#define OPS_GEMM_H

#include "base/pool.h"
#include "ops/ops.h"

/* Panels of an N-column matrix. */
int gemm_n_panels(const struct gemm_kernel *kernel, int n);

/* The matrix of `n` columns that begins with panel `panel_begin` of `w`; shares its memory. */
struct gemm_weights gemm_view(const struct gemm_kernel *kernel, const struct gemm_weights *w,
                              int panel_begin, int n);

/* The product of rows [row, row + m) alone. */
struct gemm_args gemm_rows(const struct gemm_args *a, int row, int m);

/* The i-th of n nearly equal parts of `total`, cut at multiples of `unit`: [*begin, *end). Depends
 * on nothing else, so that sums do not depend on the number of threads. */
void gemm_part(int total, int unit, int i, int n, int *begin, int *end);

/* Runs `a` (its panel range and scratch are ignored) on the pool, cut into `row_parts` x
 * `panel_parts` tasks. `scratch`: gemm_scratch_bytes() for thread t at scratch + t * stride. */
void gemm_run_pool(struct pool *pool, const struct gemm_kernel *kernel, const struct gemm_args *a,
                   int row_parts, int panel_parts, float *scratch, size_t stride);

#endif
