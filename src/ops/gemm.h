/* What callers of the matrix kernels share: views of a packed matrix and parts of a product. */
#ifndef OPS_GEMM_H
#define OPS_GEMM_H

#include "ops/ops.h"

/* Panels of an N-column matrix. */
int gemm_n_panels(const struct gemm_kernel *kernel, int n);

/* The matrix of `n` columns that begins with panel `panel_begin` of `w`; shares its memory. */
struct gemm_weights gemm_view(const struct gemm_kernel *kernel, const struct gemm_weights *w,
                              int panel_begin, int n);

/* The i-th of n nearly equal parts of `total`, cut at multiples of `unit`: [*begin, *end). Depends
 * on nothing else, so that sums do not depend on the number of threads. */
void gemm_part(int total, int unit, int i, int n, int *begin, int *end);

#endif
