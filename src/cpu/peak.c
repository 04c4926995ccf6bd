/* Which peak loop a kernel is measured against, and the loop that reads memory. */
#include "cpu/peak.h"

#include <string.h>

static const struct {
    const char *target;
    peak_loop in_float, dot; // fp32 sums; short products. NULL: there is none
} peaks[] = {
#if defined(__x86_64__)
    {"sse2", peak_float_sse2, peak_dot_sse2},  {"avx2", peak_float_avx2, peak_dot_avx2},
    {"avxvnni", NULL, peak_dot_avxvnni},       {"avx512", peak_float_avx512, peak_dot_avx512},
    {"avx512vnni", NULL, peak_dot_avx512vnni}, {"avx512bf16", NULL, peak_dot_avx512bf16},
#elif defined(__aarch64__)
    {"neon", peak_float_neon, peak_dot_neon},
    {"neondot", NULL, peak_dot_neondot},
    {"neonbf16", NULL, peak_dot_neonbf16},
#else
    {"", NULL, NULL},
#endif
};

peak_loop peak_find(const char *target, enum gemm_format format)
{
    for (size_t i = 0; i < sizeof peaks / sizeof *peaks; i++)
        if (strcmp(peaks[i].target, target) == 0) // where fp32 has a loop, only int8 has another
            return format == GEMM_I8 || !peaks[i].in_float ? peaks[i].dot : peaks[i].in_float;
    return NULL;
}

// Streams of long words, summed: compiled to vector loads on every machine.
long peak_read_memory(const void *data, size_t bytes)
{
    typedef long words __attribute__((vector_size(64)));
    words sums[4] = {{0}};
    long sum = 0;

    for (const char *p = data, *end = p + bytes; p < end; p += sizeof sums)
        for (size_t j = 0; j < 4; j++)
            sums[j] += *(const words *)(p + j * sizeof(words));
    for (int j = 0; j < 8; j++)
        sum += sums[0][j] + sums[1][j] + sums[2][j] + sums[3][j];
    return sum;
}
