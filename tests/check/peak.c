/* The peaks kernels are measured against, timed now; the loops are in cpu/peak.h. */
#include <string.h>

#include "base/mem.h"
#include "check/check.h"
#include "cpu/peak.h"

enum { READ_BYTES = 128 << 20 };

struct peak_run {
    peak_loop loop;
    double done;
};

static void run_peak(void *arg)
{
    struct peak_run *run = arg;
    run->done = run->loop();
}

double peak_ops(const char *target, enum gemm_format format)
{
    struct peak_run run = {peak_find(target, format), 0};
    double seconds = run.loop ? check_time(run_peak, &run) : 1;

    return run.done / seconds;
}

struct read_run {
    const void *data;
    long sum;
};

static void run_read(void *arg)
{
    struct read_run *run = arg;
    run->sum += peak_read_memory(run->data, READ_BYTES);
}

double peak_read(void)
{
    void *data = mem_alloc_huge(READ_BYTES);
    struct read_run run = {data, 0};

    if (!data)
        return 0;
    memset(data, 1, READ_BYTES);
    double seconds = check_time(run_read, &run);
    mem_free_huge(data, READ_BYTES);
    return READ_BYTES / seconds;
}
