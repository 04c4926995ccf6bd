/* Operations other than matrix products, 16 lanes. */
#include "cpu/kernels.h"
#include "cpu/simd_avx512.h"
#include "cpu/ops_impl.h"

void ops_init_avx512(struct ops *ops)
{
    ops_fill(ops, "avx512");
}
