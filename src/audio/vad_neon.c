/* The VAD network's kernels for NEON; the code is in vad_kernels.h. */
#define VAD_LANES 4
#include "audio/vad_kernels.h"

const struct vad_kernels vad_kernels_neon = {
    .name = "neon",
    .nr = NR,
    .gemm = gemm,
    .lstm = lstm,
    .fold = fold,
    .magnitude = magnitude,
};
