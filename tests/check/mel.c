/*
 * Log-mel: every vector version against the plain one. Measure: the largest difference after
 * mel_normalise, which is what the network sees; 1e-4 is allowed. The 16-lane source is also run as
 * ordinary code of this machine, which checks it where AVX-512 is not there.
 */
#include <math.h>
#include <string.h>

#include "check/check.h"

#define MEL_LANES 16
#include "audio/mel_vector.h"

enum { MAX_FRAMES = 70 };
static const double TOLERANCE = 1e-4;

static const struct row {
    const char *name;
    uint32_t needs;
    mel_log_fn *fn;
} rows[] = {
#if defined(__x86_64__)
    {"sse2", CPU_SSE2, mel_log_sse2},
    {"avx2", CPU_AVX2, mel_log_avx2},
    {"avx512", CPU_AVX512, mel_log_avx512},
#elif defined(__aarch64__)
    {"neon", CPU_NEON, mel_log_neon},
#endif
    {"lanes16", 0, log_mel},
};

enum signal { SIGNAL_NOISE, SIGNAL_SILENCE, SIGNAL_HUM, SIGNAL_LOUD, SIGNAL_NAN, SIGNAL_COUNT };

/* n samples; HUM is a loud low tone over faint noise, the hardest case for fp32. */
static void make_signal(struct check *c, float *x, size_t n, enum signal kind)
{
    static const float noise[SIGNAL_COUNT] = {0.3f, 0.0f, 1e-3f, 32768.0f, 0.1f};

    for (size_t i = 0; i < n; i++) {
        x[i] = check_random_float(c) * noise[kind];
        if (kind == SIGNAL_HUM)
            x[i] += 0.9f * sinf((float)i * 0.0196350f);
        if (kind == SIGNAL_NAN && check_random(c) % 2000 == 0)
            x[i] = i & 1 ? NAN : INFINITY;
    }
}

/* One signal of exactly as many samples as may be read, into exactly as much room as is written. */
static void check_one(struct check *c, const struct row *row, const struct mel *m, int n_frames,
                      enum signal kind)
{
    size_t n = (size_t)(n_frames - 1) * MEL_HOP + MEL_FFT, n_out = (size_t)(n_frames * m->n_mels);
    float *x = check_alloc(n * sizeof *x), *expect = check_alloc(n_out * sizeof *expect);
    float *got = check_alloc(n_out * sizeof *got), expect_max, got_max;

    make_signal(c, x, n, kind);
    check_paint(got, n_out);
    row->fn(m, x + MEL_FFT / 2, n_frames, got, &got_max);
    mel_log_ref(m, x + MEL_FFT / 2, n_frames, expect, &expect_max);
    check_guard(c, got, "log-mel");
    float largest = -INFINITY;
    for (size_t i = 0; i < n_out; i++) {
        if (!isfinite(got[i]))
            check_fail(c, "signal %d, %d frames: [%zu] is %g", kind, n_frames, i, (double)got[i]);
        largest = fmaxf(largest, got[i]);
    }
    if (largest != got_max)
        check_fail(c, "maximum %g, told %g", (double)largest, (double)got_max);
    if (kind != SIGNAL_NAN) { // there the frames are merely to be finite
        mel_normalise(got, n_out, got_max);
        mel_normalise(expect, n_out, expect_max);
        for (size_t i = 0; i < n_out; i++)
            if (!(fabs((double)got[i] - (double)expect[i]) <= TOLERANCE))
                check_fail(c, "signal %d, %d frames: [%zu] is %g instead of %g", kind, n_frames, i,
                           (double)got[i], (double)expect[i]);
    }
    check_free(x);
    check_free(expect);
    check_free(got);
}

struct bench {
    mel_log_fn *fn;
    const struct mel *m;
    float *x, *dst, max;
};

static void run_window(void *arg)
{
    struct bench *b = arg;
    b->fn(b->m, b->x + MEL_FFT / 2, MEL_WINDOW_FRAMES, b->dst, &b->max);
}

static void bench_row(struct check *c, mel_log_fn *fn, const struct mel *m)
{
    size_t n = (size_t)(MEL_WINDOW_FRAMES - 1) * MEL_HOP + MEL_FFT;
    struct bench b = {.fn = fn, .m = m, .x = check_alloc(n * sizeof(float))};

    b.dst = check_alloc((size_t)MEL_WINDOW_FRAMES * (size_t)m->n_mels * sizeof(float));
    make_signal(c, b.x, n, SIGNAL_NOISE);
    check_report(c, "window of 30 s", check_time(run_window, &b) * 1e3, "ms", 0);
    check_free(b.x);
    check_free(b.dst);
}

static void check_row(struct check *c, const struct row *row, int n_mels)
{
    struct mel *m;

    if (!check_begin(c, row->needs, "mel/%s/%d", row->name, n_mels))
        return;
    if (mel_open(&m, n_mels)) {
        check_fail(c, "out of memory");
    } else {
        for (int n = 1; n <= MAX_FRAMES && !c->bench; n += n < 34 ? 1 : 36) // all tails of 16
            for (int kind = 0; kind < SIGNAL_COUNT; kind++)
                check_one(c, row, m, n, (enum signal)kind);
        if (c->bench)
            bench_row(c, row->fn, m);
        mel_close(&m);
    }
    check_end(c);
}

/* What mel_log picks is the best the machine has, or the plain version if that is asked for. */
static void check_choice(struct check *c)
{
    static float x[MEL_HOP + MEL_FFT];
    float plain[2 * 80], got[2 * 80], a, b;
    struct mel *m;

    if (!check_begin(c, 0, "mel/choice"))
        return;
    make_signal(c, x, sizeof x / sizeof *x, SIGNAL_NOISE);
    if (mel_open(&m, 80) == 0) {
        mel_log_ref(m, x + MEL_FFT / 2, 2, plain, &a);
        mel_log(m, x + MEL_FFT / 2, 2, got, &b, 1);
        if (memcmp(plain, got, sizeof got) != 0 || a != b)
            check_fail(c, "asked for the plain version, got another");
        const struct row *best = NULL;
        for (size_t i = 0; i + 1 < sizeof rows / sizeof *rows; i++)
            if ((cpu_flags() & rows[i].needs) == rows[i].needs)
                best = &rows[i];
        if (best) {
            best->fn(m, x + MEL_FFT / 2, 2, plain, &a);
            mel_log(m, x + MEL_FFT / 2, 2, got, &b, 0);
            if (memcmp(plain, got, sizeof got) != 0 || a != b)
                check_fail(c, "%s was not chosen", best->name);
        }
        mel_close(&m);
    }
    check_end(c);
}

void check_mel(struct check *c)
{
    check_choice(c);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int n_mels = 80; n_mels <= 128;
             n_mels += 24) // 80 and 128, and 104: 16 does not divide
            check_row(c, &rows[i], n_mels);
}
