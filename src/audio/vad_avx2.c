/* The VAD network's kernels for AVX2; the code is in vad_kernels.h. */
#include <immintrin.h>

#define VAD_LANES   8
#define VAD_SQRT(v) _mm256_sqrt_ps((__m256)(v))
#include "audio/vad_kernels.h"

const struct vad_kernels vad_kernels_avx2 = {
    .name = "avx2",
    .nr = NR,
    .gemm = gemm,
    .lstm = lstm,
    .fold = fold,
    .magnitude = magnitude,
};
