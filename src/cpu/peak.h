/*
 * What this machine can do at most: loops that only multiply and add in registers, one for each
 * instruction set, each in a file of its own, and one that only reads memory. Measured beside the
 * kernels by sotto-check and `sotto bench`.
 */
#ifndef CPU_PEAK_H
#define CPU_PEAK_H

#include "ops/ops.h"

/* The loop for kernels of `target` ("avx2") and `format`, or NULL. It returns the operations done
 * in one call (about 0.1 ms), a product and a sum being two. */
typedef double (*peak_loop)(void);
peak_loop peak_find(const char *target, enum gemm_format format);

/* Reads `bytes` (a multiple of 256) at `data`, aligned to 64; returns a sum, to be kept. */
long peak_read_memory(const void *data, size_t bytes);

#if defined(__x86_64__)
double peak_float_sse2(void);
double peak_float_avx2(void);
double peak_float_avx512(void);
double peak_dot_sse2(void);
double peak_dot_avx2(void);
double peak_dot_avxvnni(void);
double peak_dot_avx512(void);
double peak_dot_avx512vnni(void);
double peak_dot_avx512bf16(void);
#elif defined(__aarch64__)
double peak_float_neon(void);
double peak_dot_neon(void);
double peak_dot_neondot(void);
double peak_dot_neonbf16(void);
#endif

#endif
