/* Operations other than matrix products, 8 lanes. */
#include "cpu/kernels.h"
#include "cpu/simd_avx2.h"
#include "cpu/ops_impl.h"

void ops_init_avx2(struct ops *ops)
{
    ops_fill(ops, "avx2");
}
