/* Operations other than matrix products, 4 lanes. */
#include "cpu/kernels.h"
#include "cpu/simd_sse2.h"
#include "cpu/ops_impl.h"

void ops_init_sse2(struct ops *ops)
{
    ops_fill(ops, "sse2");
}
