/* Operations other than matrix products, 4 lanes. */
#include "cpu/kernels.h"
#include "cpu/simd_neon.h"
#include "cpu/ops_impl.h"

void ops_init_neon(struct ops *ops)
{
    ops_fill(ops, "neon");
}
