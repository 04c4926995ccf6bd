/*
 * The program that checks every kernel against its plain C version and measures it. A subject is a
 * function that announces its cases one by one; check_begin says whether to run one.
 */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/kernels.h"

struct check {
    uint64_t seed, random; // as given, and the running state of the current case
    const char *filter;    // part of the names to run, or NULL
    bool list, bench, json, quick;
    int n_passed, n_failed, n_skipped;
    char name[128]; // current case
    bool failed;
};

/* Starts case "subject/name". False: do not run it (listed, filtered out, or the machine lacks one
 * of the CPU flags `needs`, which is reported as skipped). Cases draw from a generator that is
 * seeded by seed and name, so --filter does not change their data. */
bool check_begin(struct check *c, uint32_t needs, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void check_end(struct check *c);
/* Marks the case as failed and says why; only the first reasons are printed. */
void check_fail(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Random numbers. */
uint32_t check_random(struct check *c);
int check_random_int(struct check *c, int low, int high); // both ends included
float check_random_float(struct check *c);                // -1..1
enum check_data { DATA_UNIFORM, DATA_OUTLIERS, DATA_LARGE, DATA_TINY, DATA_ZEROS, DATA_COUNT };
/* n numbers of a kind. OUTLIERS: some columns (of `n_cols`) are 100 to 1000 times larger. */
void check_fill(struct check *c, float *x, size_t n, int n_cols, enum check_data kind);

/* Memory that ends at a page without access (reading or writing past it is a crash, which is
 * reported as the case's failure); the 64 bytes before it are a guard band. */
void *check_alloc(size_t size_bytes);
void check_free(void *p);
/* False, and a failure, if the band before `p` was written. */
bool check_guard(struct check *c, const void *p, const char *what);
/* Marks `n` floats as not to be written; later, fails if one was. */
void check_paint(float *p, size_t n);
bool check_painted(const float *p, size_t n);

/* Seconds per call of fn(arg): the fastest of several rounds, each at least a few milliseconds. */
double check_time(void (*fn)(void *arg), void *arg);
/* Seconds this thread has computed: neighbours may take the core, not the time. */
double check_clock(void);
/* One line of the benchmark: "name value unit (percent of peak)"; `peak` 0: none. */
void check_report(struct check *c, const char *what, double value, const char *unit, double peak);

/* Peak loops, in peak.c: operations per second of `target`'s instructions for `format`, measured
 * now (0: unknown target); bytes per second of reading memory. */
double peak_ops(const char *target, enum gemm_format format);
double peak_read(void);

/* AVX-512 kernels simulated with SIMDe, or NULL past the end or where SIMDe is not installed. */
const struct cpu_kernel *simde_kernel_at(int i);
/* Row i of the real kernels, then, if this machine lacks AVX-512, the simulated ones. `simulated`
 * tells which. */
const struct cpu_kernel *check_kernel_at(int i, bool *simulated);

void check_gemm(struct check *c);
void check_ops(struct check *c);
void check_select(struct check *c);
void check_mel(struct check *c);

#endif
