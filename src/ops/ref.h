/* Shared by the plain C files of ops/ only. */
#ifndef OPS_REF_H
#define OPS_REF_H

#include <math.h>

#include "ops/ops.h"

// Rows and columns whose largest magnitude is below this become zeros in 8 bit: 127 / max must be
// finite.
#define QUANT_TINY 1e-36f

// x * P(X <= x) for a standard normal X. Source: Hendrycks and Gimpel, arXiv:1606.08415.
static inline float gelu_ref(float x)
{
    return 0.5f * x * (1.0f + erff(x * 0.70710678118654752440f));
}

void gemm_init_ref(struct gemm_kernel kernels[GEMM_FORMAT_COUNT]);

#endif
