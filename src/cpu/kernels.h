/* The table of vector versions (kernels.def) as prototypes and as rows to walk over. */
#ifndef CPU_KERNELS_H
#define CPU_KERNELS_H

#include "base/cpu.h"
#include "ops/ops.h"

#define LEVEL(level, needs) void ops_init_##level(struct ops *ops);
#define GEMM(target, format, type, mr, nr, k_group, q_max, needs)                                         \
    void gemm_##type##_##mr##x##nr##_##target(const struct gemm_args *a);                          \
    void gemm_##type##_##mr##x##nr##_pack_##target(struct gemm_weights *w, const float *src,       \
                                                   size_t n_stride, size_t k_stride,               \
                                                   int panel_begin, int panel_end);
#include "cpu/kernels.def"

/* One row: either a level's `init`, or a kernel for `format`. */
struct cpu_kernel {
    const char *target;            // "avx2": level, and suffix of its file
    uint32_t needs;                // cpu_flag bits
    void (*init)(struct ops *ops); // NULL in rows of matrix kernels
    enum gemm_format format;
    struct gemm_kernel gemm;
};

/* Row `i` of the table, or NULL past its end. */
const struct cpu_kernel *cpu_kernel_at(int i);

#endif
