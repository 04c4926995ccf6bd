/* The loop over cycles with AVX2. */
#define RUN emu_run_avx2
#include "npu/emu/cycle_kernels.h"
