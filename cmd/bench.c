/*
 * sotto bench: how fast sotto is on this machine, part by part. This file reads the command line and
 * repeats all parts in turn, so that what disturbs the machine meets all of them; the figures are
 * medians.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"
#include "base/pool.h"
#include "bench.h"
#include "commands.h"
#include "exit.h"
#include "fetch/store.h"

static const char usage[] =
    "Usage: sotto bench [OPTION]... [FILE]\n"
    "How fast sotto is on this machine: reading the model, log-mel, voice activity, encoder, "
    "decoder,\n"
    "and a recording from beginning to end, beside what the machine can do at most.\n"
    "FILE: the recording; default: sentences of pocketsphinx-testdata, if they are installed.\n\n"
    "  -m, --model MODEL   name or path [base]\n"
    "  -t, --threads N     threads [one per core]\n"
    "  --precision P       auto, fp32, bf16 or int8 [auto]\n"
    "  --repeats N         how often everything is measured [5]\n"
    "  --quick             everything once, with short runs: a trial, not a measurement\n"
    "  --json              print JSON instead of the table\n"
    "  --plot FILE.svg     draw the figures as well\n"
    "  -h, --help          show this\n";

/* ---- figures --------------------------------------------------------------------------------- */

static const struct {
    const char *name, *unit, *what;
} rows[] = {
#define X(id, name, unit, what) {name, unit, what},
    BENCH_ROWS(X)
#undef X
};

const char *bench_row_name(int id)
{
    return rows[id].name;
}

const char *bench_row_unit(int id)
{
    return rows[id].unit;
}

const char *bench_row_what(int id)
{
    return rows[id].what;
}

void bench_add(struct bench *b, int id, double wall, double cpu)
{
    struct bench_row *row = &b->rows[id];
    if (row->n == BENCH_MAX_REPEATS)
        return;
    row->wall[row->n] = wall;
    row->cpu[row->n++] = cpu;
}

void bench_skip(struct bench *b, int id, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(b->rows[id].skipped, BENCH_TEXT, fmt, args);
    va_end(args);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(const double *x, int n)
{
    double sorted[BENCH_MAX_REPEATS];
    if (n <= 0)
        return NAN;
    memcpy(sorted, x, (size_t)n * sizeof(*x));
    qsort(sorted, (size_t)n, sizeof(*sorted), by_value);
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

double bench_wall(const struct bench *b, int id)
{
    return bench_median(b->rows[id].wall, b->rows[id].n);
}

double bench_cpu(const struct bench *b, int id)
{
    return bench_median(b->rows[id].cpu, b->rows[id].n);
}

double bench_best(const struct bench *b, int id)
{
    const struct bench_row *row = &b->rows[id];
    bool rate = strchr(rows[id].unit, '/') != NULL;
    double best = row->n ? row->wall[0] : NAN;
    for (int i = 1; i < row->n; i++)
        best = rate ? fmax(best, row->wall[i]) : fmin(best, row->wall[i]);
    return best;
}

double bench_disturbance(const struct bench *b)
{
    static const int alone[] = {BENCH_MEL, BENCH_VAD, BENCH_ENCODER_1};
    double wall = 0, cpu = 0;
    for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++)
        for (int k = 0; k < b->rows[alone[i]].n; k++) {
            wall += b->rows[alone[i]].wall[k];
            cpu += b->rows[alone[i]].cpu[k];
        }
    return cpu > 0 ? wall / cpu : NAN;
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_clock(void)
{
    return seconds(CLOCK_MONOTONIC);
}

double bench_cpu_clock(void)
{
    return seconds(CLOCK_PROCESS_CPUTIME_ID);
}

/* ---- the machine ----------------------------------------------------------------------------- */

static void name_processor(char dst[BENCH_TEXT])
{
    char line[1024];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(dst, BENCH_TEXT, "unknown processor");
    while (f && fgets(line, sizeof(line), f)) {
        char *value = strchr(line, ':');
        if (!value || (strncmp(line, "model name", 10) != 0 && strncmp(line, "CPU part", 8) != 0))
            continue;
        value[strcspn(value, "\n")] = '\0';
        bool part = line[0] == 'C'; // aarch64 has only numbers
        snprintf(dst, BENCH_TEXT, "%s%.200s", part ? "CPU part" : "", value + (part ? 1 : 2));
        break;
    }
    if (f)
        fclose(f);
}

static void name_features(char dst[BENCH_TEXT])
{
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {
        {CPU_SSE2, "sse2"},
        {CPU_AVX2, "avx2"},
        {CPU_AVX_VNNI, "avxvnni"},
        {CPU_AVX512, "avx512"},
        {CPU_AVX512_VNNI, "avx512vnni"},
        {CPU_AVX512_BF16, "avx512bf16"},
        {CPU_NEON, "neon"},
        {CPU_NEON_DOTPROD, "neondot"},
        {CPU_NEON_BF16, "neonbf16"},
    };
    size_t n = 0;
    dst[0] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (cpu_flags() & names[i].flag)
            n += (size_t)snprintf(dst + n, BENCH_TEXT - n, "%s%s", n ? " " : "", names[i].name);
}

/* ---- options --------------------------------------------------------------------------------- */

static bool parse_count(const char *option, const char *value, int max, int *dst)
{
    char *end;
    errno = 0;
    long n = strtol(value, &end, 10);
    if (errno || *end || end == value || n < 1 || n > max) {
        fprintf(stderr, "sotto: %s: '%s' is not a number from 1 to %d\n", option, value, max);
        return false;
    }
    *dst = (int)n;
    return true;
}

static bool parse_precision(const char *value, enum sotto_precision *dst)
{
    static const char *const names[] = {"auto", "fp32", "bf16", "int8"};
    for (int i = 0; i < 4; i++)
        if (strcmp(value, names[i]) == 0) {
            *dst = (enum sotto_precision)i;
            return true;
        }
    fprintf(stderr, "sotto: --precision: '%s' is not auto, fp32, bf16 or int8\n", value);
    return false;
}

/* "--name VALUE", "--name=VALUE" or "-x VALUE" at argv[*i]: the value, or NULL. */
static const char *option_value(int argc, char **argv, int *i, const char *name, const char *letter)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) == 0 && argv[*i][n] == '=')
        return argv[*i] + n + 1;
    if (strcmp(argv[*i], name) != 0 && (!letter || strcmp(argv[*i], letter) != 0))
        return NULL;
    return *i + 1 < argc ? argv[++*i] : "";
}

static int parse_one(struct bench *b, int argc, char **argv, int *i, const char **worker)
{
    const char *value, *given = argv[*i];
    bool ok = true;
    if ((value = option_value(argc, argv, i, "--model", "-m")))
        b->model = value;
    else if ((value = option_value(argc, argv, i, "--threads", "-t")))
        ok = parse_count(given, value, 1024, &b->n_threads);
    else if ((value = option_value(argc, argv, i, "--precision", NULL)))
        ok = parse_precision(value, &b->precision);
    else if ((value = option_value(argc, argv, i, "--repeats", NULL)))
        ok = parse_count(given, value, BENCH_MAX_REPEATS, &b->n_repeats);
    else if ((value = option_value(argc, argv, i, "--plot", NULL)))
        b->plot = value;
    else if ((value = option_value(argc, argv, i, "--worker", NULL)))
        *worker = value;
    else if (strcmp(given, "--json") == 0)
        b->json = true;
    else if (strcmp(given, "--quick") == 0)
        b->quick = true;
    else if (given[0] == '-' || b->recording)
        ok = fprintf(stderr, "sotto: %s '%s'; see sotto bench --help\n",
                     given[0] == '-' ? "unknown option" : "one recording is enough, not also",
                     given) < 0;
    else
        b->recording = given;
    if (value && !*value && ok)
        ok = fprintf(stderr, "sotto: %s needs a value\n", given) < 0;
    return ok ? CLI_EXIT_OK : CLI_EXIT_USAGE;
}

/* ---- the run --------------------------------------------------------------------------------- */

static int report(const struct bench *b)
{
    if (b->plot) {
        FILE *f = fopen(b->plot, "w");
        bool ok = f && bench_svg(b, f);
        if ((f && fclose(f)) || !ok) {
            fprintf(stderr, "sotto: cannot write %s: %s\n", b->plot, strerror(errno));
            return CLI_EXIT_OUTPUT;
        }
    }
    if (!b->json)
        bench_table(b, stdout);
    else if (!bench_json(b, stdout))
        return CLI_EXIT_OUTPUT;
    return CLI_EXIT_OK;
}

static int run(struct bench *b)
{
    struct sotto_diag diag = {0};
    int status = bench_recording_open(b);
    if (status)
        return status;
    int err = bench_parts_open(b, &diag);
    if (err) {
        fprintf(stderr, "sotto: %s\n", diag.text[0] ? diag.text : sotto_error_text(err));
        status = err == SOTTO_ENOMEM ? CLI_EXIT_INTERNAL : CLI_EXIT_MODEL;
    }
    for (int i = 0; i < b->n_repeats && !status; i++) {
        bench_parts_run(b);
        if (!bench_worker_run(b))
            status = CLI_EXIT_INPUT;
    }
    if (!status) {
        bench_parts_fractions(b);
        status = report(b);
    }
    bench_parts_close(b);
    return status;
}

int cmd_bench(int argc, char **argv)
{
    struct sotto_diag diag = {0};
    const char *worker = NULL;
    struct bench *b = calloc(1, sizeof(*b));
    int status = b ? CLI_EXIT_OK : CLI_EXIT_INTERNAL;

    if (b) {
        b->model = "base";
        b->n_repeats = 5;
        b->n_cores = b->n_threads = pool_usable_cores();
    }
    for (int i = 1; i < argc && !status; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            free(b);
            return CLI_EXIT_OK;
        }
        status = parse_one(b, argc, argv, &i, &worker);
    }
    if (!status && b->quick)
        b->n_repeats = 1;
    if (!status && store_resolve(b->model, b->model_path, sizeof(b->model_path), &diag)) {
        fprintf(stderr, "sotto: %s\n", diag.text);
        status = CLI_EXIT_MODEL;
    }
    if (!status) {
        for (int i = 0; i < BENCH_COUNT; i++)
            b->rows[i].fraction = NAN;
        name_processor(b->processor);
        name_features(b->features);
        status = worker ? bench_worker(b, worker) : run(b);
    }
    free(b);
    return status;
}
