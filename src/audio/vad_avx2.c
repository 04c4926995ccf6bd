/* The VAD network's kernels for AVX2; the code is in vad_kernels.h. */
#define VAD_LANES 8
#include "audio/vad_kernels.h"

const struct vad_kernels vad_kernels_avx2 = {
    .name = "avx2",
    .nr = NR,
    .gemm = gemm,
    .lstm = lstm,
    .fold = fold,
    .magnitude = magnitude,
};
