/* The VAD network's kernels for NEON; the code is in vad_kernels.h. */
#include <arm_neon.h>

#define VAD_LANES   4
#define VAD_SQRT(v) vsqrtq_f32((float32x4_t)(v))
#include "audio/vad_kernels.h"

const struct vad_kernels vad_kernels_neon = {
    .name = "neon",
    .nr = NR,
    .gemm = gemm,
    .lstm = lstm,
    .fold = fold,
    .magnitude = magnitude,
};
