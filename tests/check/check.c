/*
 * Main of sotto-check, and what its subjects share: options, TAP output, random numbers, guarded
 * memory, timing. Subjects are rows of `subjects`; nothing else knows them.
 */
#include "check/check.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const struct subject {
    const char *name;
    void (*run)(struct check *c);
} subjects[] = {
    {"select", check_select},
    {"ops", check_ops},
    {"gemm", check_gemm},
    {"mel", check_mel},
};

/* ---- cases ------------------------------------------------------------------------------------ */

static const struct {
    uint32_t flag;
    const char *name;
} flag_names[] = {
    {CPU_SSE2, "SSE2"},
    {CPU_AVX2, "AVX2+FMA+F16C"},
    {CPU_AVX512, "AVX-512"},
    {CPU_AVX512_VNNI, "AVX512-VNNI"},
    {CPU_AVX512_BF16, "AVX512-BF16"},
    {CPU_AVX_VNNI, "AVX-VNNI"},
    {CPU_NEON, "NEON"},
    {CPU_NEON_DOTPROD, "dot products"},
    {CPU_NEON_BF16, "bf16 instructions"},
};

static int case_number(const struct check *c)
{
    return c->n_passed + c->n_failed + c->n_skipped;
}

static void skip(struct check *c, uint32_t missing)
{
    c->n_skipped++;
    if (c->bench)
        return;
    printf("ok %d - %s # SKIP this machine lacks", case_number(c), c->name);
    for (size_t i = 0; i < sizeof flag_names / sizeof *flag_names; i++)
        if (missing & flag_names[i].flag)
            printf(" %s", flag_names[i].name);
    printf("\n");
}

bool check_begin(struct check *c, uint32_t needs, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->name, sizeof c->name, format, args);
    va_end(args);

    if (c->filter && !strstr(c->name, c->filter))
        return false;
    if (c->list) {
        printf("%s\n", c->name);
        return false;
    }
    if ((cpu_flags() & needs) != needs) {
        skip(c, needs & ~cpu_flags());
        return false;
    }
    c->random = c->seed;
    for (const char *p = c->name; *p; p++)
        c->random = (c->random ^ (unsigned char)*p) * 0x100000001b3u; // FNV-1a
    c->failed = false;
    return true;
}

void check_end(struct check *c)
{
    if (c->failed)
        c->n_failed++;
    else
        c->n_passed++;
    if (!c->bench)
        printf("%sok %d - %s\n", c->failed ? "not " : "", case_number(c), c->name);
    fflush(stdout);
}

void check_fail(struct check *c, const char *format, ...)
{
    if (!c->failed) {
        va_list args;
        va_start(args, format);
        printf("# %s: ", c->name);
        vprintf(format, args);
        printf("\n");
        va_end(args);
    }
    c->failed = true;
}

const struct cpu_kernel *check_kernel_at(int i, bool *simulated)
{
    int n = 0;

    *simulated = false;
    while (cpu_kernel_at(n))
        n++;
    if (i < n)
        return cpu_kernel_at(i);
    *simulated = true;
    return cpu_flags() & CPU_AVX512 ? NULL : simde_kernel_at(i - n);
}

/* ---- data ------------------------------------------------------------------------------------- */

uint32_t check_random(struct check *c)
{
    c->random += 0x9e3779b97f4a7c15u; // splitmix64
    uint64_t z = c->random;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

int check_random_int(struct check *c, int low, int high)
{
    return low + (int)(check_random(c) % (uint32_t)(high - low + 1));
}

float check_random_float(struct check *c)
{
    return (float)(int32_t)check_random(c) * 0x1p-31f;
}

void check_fill(struct check *c, float *x, size_t n, int n_cols, enum check_data kind)
{
    static const float factors[DATA_COUNT] = {1.0f, 1.0f, 3e4f, 1e-5f, 0.0f};
    uint32_t period = 3 + check_random(c) % 40;

    for (size_t i = 0; i < n; i++) {
        x[i] = check_random_float(c) * factors[kind];
        if (kind == DATA_OUTLIERS && (uint32_t)(i % (size_t)n_cols) % period == 1)
            x[i] *= 100.0f + (float)(check_random(c) % 900);
    }
}

/* ---- memory ----------------------------------------------------------------------------------- */

enum { GUARD_BYTES = 64, GUARD_BYTE = 0xa5 };

// Stands at the start of the mapping.
struct mapping {
    size_t size;
    void *user;
};

void *check_alloc(size_t size_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (sizeof(struct mapping) + GUARD_BYTES + size_bytes + page - 1) / page * page;
    char *base =
        mmap(NULL, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED || mprotect(base + body, page, PROT_NONE)) {
        fprintf(stderr, "sotto-check: out of memory\n");
        exit(2);
    }
    char *user = base + body - size_bytes;
    *(struct mapping *)base = (struct mapping){body + page, user};
    memset(user - GUARD_BYTES, GUARD_BYTE, GUARD_BYTES);
    return user;
}

// The mapping's start is found by walking back page by page to the header that names `p`.
static struct mapping *mapping_of(const void *p)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)p - GUARD_BYTES - sizeof(struct mapping)) / page * page;
    return (struct mapping *)start;
}

void check_free(void *p)
{
    if (p) {
        struct mapping *m = mapping_of(p);
        munmap(m, m->size);
    }
}

bool check_guard(struct check *c, const void *p, const char *what)
{
    const unsigned char *guard = (const unsigned char *)p - GUARD_BYTES;

    for (int i = 0; i < GUARD_BYTES; i++)
        if (guard[i] != GUARD_BYTE) {
            check_fail(c, "%s: wrote %d bytes before its start", what, GUARD_BYTES - i);
            return false;
        }
    return true;
}

// A NaN that no kernel makes.
static const uint32_t PAINT = 0x7fedcba9;

void check_paint(float *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memcpy(p + i, &PAINT, sizeof PAINT);
}

bool check_painted(const float *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(p + i, &PAINT, sizeof PAINT) != 0)
            return false;
    return true;
}

/* ---- time ------------------------------------------------------------------------------------- */

double check_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double check_time(void (*fn)(void *arg), void *arg)
{
    double best = 1e9, begin = check_clock(), used = 0;
    int calls = 1;

    for (int round = 0; (round < 5 || used < 0.15) && used < 3; round++) {
        double t0 = check_clock();
        for (int i = 0; i < calls; i++)
            fn(arg);
        double t = check_clock() - t0;
        if (t / calls < best)
            best = t / calls;
        if (t < 2e-3)
            calls *= 2;
        used = check_clock() - begin;
    }
    return best;
}

void check_report(struct check *c, const char *what, double value, const char *unit, double peak)
{
    if (c->json) {
        printf("{\"kernel\": \"%s\", \"shape\": \"%s\", \"value\": %.3f, \"unit\": \"%s\"", c->name,
               what, value, unit);
        if (peak > 0)
            printf(", \"peak\": %.3f, \"fraction\": %.4f", peak, value / peak);
        printf("}\n");
    } else {
        printf("%-28s %-26s %9.2f %-8s", c->name, what, value, unit);
        if (peak > 0)
            printf(" %5.1f %% of %.1f", 100 * value / peak, peak);
        printf("\n");
    }
    fflush(stdout);
}

/* ---- main ------------------------------------------------------------------------------------- */

static struct check *running; // for the signal handler only

static void on_crash(int signal_number)
{
    char line[256];
    int n = snprintf(line, sizeof line, "not ok %d - %s: signal %d (seed %llu)\n",
                     case_number(running) + 1, running->name, signal_number,
                     (unsigned long long)running->seed);
    if (write(STDOUT_FILENO, line, (size_t)n) < 0)
        _exit(3);
    _exit(1);
}

static const char usage[] =
    "sotto-check: checks every kernel against its plain C version, and measures it\n"
    "  --list          names of all cases\n"
    "  --filter PART   only cases whose name contains PART\n"
    "  --seed N        of the random inputs (default: fixed)\n"
    "  --quick         fewer inputs per case\n"
    "  --bench         measure instead: per kernel and shape, with percentages of a peak loop\n"
    "  --json          with --bench: one JSON object per line\n";

static int parse(struct check *c, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (!strcmp(argv[i], "--list"))
            c->list = true;
        else if (!strcmp(argv[i], "--bench"))
            c->bench = true;
        else if (!strcmp(argv[i], "--json"))
            c->json = true;
        else if (!strcmp(argv[i], "--quick"))
            c->quick = true;
        else if (!strcmp(argv[i], "--filter") && more)
            c->filter = argv[++i];
        else if (!strcmp(argv[i], "--seed") && more)
            c->seed = strtoull(argv[++i], NULL, 0);
        else
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct check c = {.seed = 20240511};

    if (parse(&c, argc, argv)) {
        fputs(usage, argc == 2 && !strcmp(argv[1], "--help") ? stdout : stderr);
        return 2;
    }
    running = &c;
    signal(SIGSEGV, on_crash);
    signal(SIGBUS, on_crash);
    signal(SIGILL, on_crash);
    signal(SIGFPE, on_crash);
    if (!c.list && !c.json)
        printf("# seed %llu\n", (unsigned long long)c.seed);
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        subjects[i].run(&c);
    if (!c.list && !c.bench) {
        printf("1..%d\n", case_number(&c));
        printf("%d passed, %d failed, %d skipped\n", c.n_passed, c.n_failed, c.n_skipped);
    }
    return c.n_failed > 0;
}
