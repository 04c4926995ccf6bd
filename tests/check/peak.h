/* The peak loops of each instruction set, each in its own file; peak.c picks. They return the
 * operations done in one call. */
#ifndef CHECK_PEAK_H
#define CHECK_PEAK_H

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
