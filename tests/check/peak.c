/* Which peak loop a kernel is measured against, and the peak of reading memory. */
#include "check/peak.h"

#include <string.h>

#include "base/mem.h"
#include "check/check.h"

static const struct {
    const char *target;
    double (*in_float)(void), (*dot)(void); // fp32 sums; short products. NULL: as the row above
} peaks[] = {
#if defined(__x86_64__)
    {"sse2", peak_float_sse2, peak_dot_sse2},  {"avx2", peak_float_avx2, peak_dot_avx2},
    {"avxvnni", NULL, peak_dot_avxvnni},       {"avx512", peak_float_avx512, peak_dot_avx512},
    {"avx512vnni", NULL, peak_dot_avx512vnni}, {"avx512bf16", NULL, peak_dot_avx512bf16},
#elif defined(__aarch64__)
    {"neon", peak_float_neon, peak_dot_neon},
    {"neondot", NULL, peak_dot_neondot},
    {"neonbf16", NULL, peak_dot_neonbf16},
#endif
};

struct peak_run {
    double (*loop)(void);
    double done;
};

static void run_peak(void *arg)
{
    struct peak_run *run = arg;
    run->done = run->loop();
}

double peak_ops(const char *target, enum gemm_format format)
{
    for (size_t i = 0; i < sizeof peaks / sizeof *peaks; i++) {
        if (strcmp(peaks[i].target, target) != 0)
            continue;
        // Where there is a loop for fp32, only int8 has another instruction.
        bool dot = format == GEMM_I8 || !peaks[i].in_float;
        struct peak_run run = {dot ? peaks[i].dot : peaks[i].in_float, 0};
        double seconds = check_time(run_peak, &run);
        return run.done / seconds;
    }
    return 0;
}

/* ---- memory ----------------------------------------------------------------------------------- */

enum { READ_BYTES = 128 << 20 };

struct read_run {
    const char *data;
    long sum;
};

// Streams of long words, summed: compiled to vector loads on every machine.
static void run_read(void *arg)
{
    struct read_run *run = arg;
    typedef long words __attribute__((vector_size(64)));
    words sums[4] = {{0}};

    for (size_t i = 0; i + sizeof sums <= READ_BYTES; i += sizeof sums)
        for (size_t j = 0; j < 4; j++)
            sums[j] += *(const words *)(run->data + i + j * sizeof(words));
    for (int j = 0; j < 8; j++)
        run->sum += sums[0][j] + sums[1][j] + sums[2][j] + sums[3][j];
}

double peak_read(void)
{
    struct read_run run = {mem_alloc_huge(READ_BYTES), 0};

    if (!run.data)
        return 0;
    memset((void *)run.data, 1, READ_BYTES);
    double seconds = check_time(run_read, &run);
    mem_free_huge((void *)run.data, READ_BYTES);
    return READ_BYTES / seconds;
}
