/* The rows of kernels that SIMDe simulates (see simde.h). */
#include "check/simde.h"

#include "check/check.h"

#ifdef SOTTO_SIMDE
#define KERNEL(target, format, type, nr, k_group, q_max)                                                  \
    {                                                                                              \
#target, 0, NULL, format,                                                                  \
        {                                                                                          \
            6, nr, k_group, q_max, true, gemm_##type##_6x##nr##_pack_##target,                            \
                gemm_##type##_6x##nr##_##target                                                    \
        }                                                                                          \
    }

static const struct cpu_kernel kernels[] = {
    {"avx512", 0, ops_init_avx512, GEMM_F32, {0}},
    KERNEL(avx512, GEMM_F32, f32, 64, 1, 0),
    KERNEL(avx512, GEMM_F16, f16, 64, 1, 0),
    KERNEL(avx512, GEMM_BF16, bf16, 64, 1, 0),
    KERNEL(avx512, GEMM_I8, i8, 64, 4, 63),
    KERNEL(avx512vnni, GEMM_I8, i8, 16, 4, 127),
    KERNEL(avx512vnni, GEMM_I8, i8, 64, 4, 127),
    KERNEL(avx512bf16, GEMM_BF16, bf16, 64, 2, 0),
};

const struct cpu_kernel *simde_kernel_at(int i)
{
    return i >= 0 && (size_t)i < sizeof kernels / sizeof *kernels ? &kernels[i] : NULL;
}
#else
const struct cpu_kernel *simde_kernel_at(int i)
{
    (void)i;
    return NULL;
}
#endif
