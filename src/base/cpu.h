/* What this processor can do. The mask is the only mutable global of the library. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include <stdint.h>

enum cpu_flag {
    CPU_SSE2 = 1 << 0,
    CPU_AVX2 = 1 << 1,        // AVX2, FMA and F16C together
    CPU_AVX512 = 1 << 2,      // F, BW, DQ, VL together, and the OS saves the registers
    CPU_AVX512_VNNI = 1 << 3,
    CPU_AVX512_BF16 = 1 << 4,
    CPU_AVX_VNNI = 1 << 5,
    CPU_NEON = 1 << 8,
    CPU_NEON_DOTPROD = 1 << 9,
    CPU_NEON_BF16 = 1 << 10,
};

/* Flags of this machine, less what cpu_set_mask or the environment variable SOTTO_CPU (a level:
 * "ref", "sse2", "avx2", "avx512", "neon", ...) removed. */
uint32_t cpu_flags(void);
void cpu_set_mask(uint32_t mask); // tests: allow only these; ~0u allows all

#endif
