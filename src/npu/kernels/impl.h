/* Where the buffers of a core are, for the files of this folder; the picture is in kernels.h. */
#ifndef NPU_KERNELS_IMPL_H
#define NPU_KERNELS_IMPL_H

#include "npu/kernels/kernels.h"

enum {
    KERNEL_CHUNK = 8192,
    KERNEL_C0 = 0x72000,
    KERNEL_C1 = 0x76000,
    KERNEL_OUT = 0x7a000,
    KERNEL_BIAS = 0x7e800,
    KERNEL_CONSTANTS = 0x7f800,
    KERNEL_STATE = 0x7f840,
};
#define KERNEL_TOKENS(slot)  (0x70000u + 0x4000u * (slot))
#define KERNEL_WEIGHTS(slot) (0x78000u + 0x4000u * (slot))

#endif
