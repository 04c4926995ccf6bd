/* The VAD network's kernels for AVX-512; the code is in vad_kernels.h. */
#include <immintrin.h>

#define VAD_LANES   16
#define VAD_SQRT(v) _mm512_sqrt_ps((__m512)(v))
#include "audio/vad_kernels.h"

const struct vad_kernels vad_kernels_avx512 = {
    .name = "avx512",
    .nr = NR,
    .gemm = gemm,
    .lstm = lstm,
    .fold = fold,
    .magnitude = magnitude,
};
