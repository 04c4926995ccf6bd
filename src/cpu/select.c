/*
 * Which version of each operation this machine runs. The table is kernels.def; the plain C versions
 * it starts from are in ops/.
 */
#include "cpu/kernels.h"

static const struct cpu_kernel kernels[] = {
#define LEVEL(level, needs) {#level, needs, ops_init_##level, GEMM_F32, {0}},
#define GEMM(target, format, type, mr, nr, k_group, q_max, needs)                                         \
    {#target,                                                                                      \
     needs,                                                                                        \
     NULL,                                                                                         \
     format,                                                                                       \
     {mr, nr, k_group, q_max, true, gemm_##type##_##mr##x##nr##_pack_##target,                            \
      gemm_##type##_##mr##x##nr##_##target}},
#include "cpu/kernels.def"
};

const struct cpu_kernel *cpu_kernel_at(int i)
{
    return i >= 0 && (size_t)i < sizeof kernels / sizeof *kernels ? &kernels[i] : NULL;
}

void ops_select(struct ops *ops, bool reference)
{
    uint32_t flags = reference ? 0 : cpu_flags();
    const struct cpu_kernel *k;

    ops_init_ref(ops);
    for (int i = 0; !reference && (k = cpu_kernel_at(i)); i++) {
        if ((flags & k->needs) != k->needs)
            continue;
        if (k->init)
            k->init(ops);
        else
            ops->gemm[k->format] = k->gemm;
    }
}
