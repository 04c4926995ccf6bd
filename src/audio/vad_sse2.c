/* The VAD network's kernels for SSE2; the code is in vad_kernels.h. */
#include <emmintrin.h>

#define VAD_LANES   4
#define VAD_SQRT(v) _mm_sqrt_ps((__m128)(v))
#include "audio/vad_kernels.h"

const struct vad_kernels vad_kernels_sse2 = {
    .name = "sse2",
    .nr = NR,
    .gemm = gemm,
    .lstm = lstm,
    .fold = fold,
    .magnitude = magnitude,
};
