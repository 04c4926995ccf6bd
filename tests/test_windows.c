/*
 * Windows: the rules of engine/windows.h as properties of random spans, the cases worked out by
 * hand, the quietest place, the stream with and without a detector, and the maps of time.
 */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audio/audio.h"
#include "base/mem.h"
#include "engine/cutter.h"
#include "engine/quiet.h"
#include "engine/windows.h"
#include "support_sound.h"

enum { SECOND = AUDIO_RATE, MAX_SPANS = 400, MAX_WINDOWS = 2000 };

/* ---- the cutter ------------------------------------------------------------------------------ */

struct range {
    int64_t start, end;
};

// A place to cut that depends on the place alone.
static int64_t middle(void *user, int64_t begin, int64_t end)
{
    (void)user;
    assert_true(begin <= end);
    return begin + (end - begin) / 2;
}

static int random_spans(uint64_t *seed, struct range *spans)
{
    // per style: longest span and longest gap, in tenths of a second
    static const int style[5][2] = {{60, 15}, {250, 30}, {900, 10}, {30, 900}, {20, 4}};
    const int *s = style[test_random(seed) % 5];
    int n = 1 + (int)(test_random(seed) % (MAX_SPANS - 1));
    int64_t at = test_random(seed) % (20 * SECOND);
    for (int i = 0; i < n; i++) {
        spans[i].start = at;
        at += SECOND / 4 + test_random(seed) % (uint32_t)(s[0] * SECOND / 10);
        spans[i].end = at;
        if (test_random(seed) % 8) // else they touch
            at += test_random(seed) % (uint32_t)(s[1] * SECOND / 10);
    }
    return n;
}

/* Tells the cutter of the spans as a detector would, in steps of `step` samples (0: all at once);
 * returns the windows. */
static int cut(const struct cutter_params *p, const struct range *spans, int n, int64_t step,
               struct window *windows)
{
    struct cutter c;
    int n_windows = 0, done = 0;
    int64_t now = 0, keep = 0, end = spans[n - 1].end;
    cutter_init(&c, p);
    c.find_cut = middle;
    while (now < end) {
        now = step && now + step < end ? now + step : end;
        for (; done < n && spans[done].end <= now; done++)
            assert_ok(cutter_span(&c, &(struct cutter_span){.start = spans[done].start,
                                                            .end = spans[done].end,
                                                            .peak = 0.9f,
                                                            .mean = 0.5f}),
                      NULL);
        if (done < n && spans[done].start < now)
            assert_ok(cutter_span(&c, &(struct cutter_span){.start = spans[done].start,
                                                            .end = now,
                                                            .open = true,
                                                            .mean = 0.5f}),
                      NULL);
        cutter_decided(&c, done < n && spans[done].start < now ? spans[done].start : now);
        if (now == end)
            cutter_finish(&c);
        while (cutter_next(&c, &windows[n_windows])) {
            assert_true(windows[n_windows].pieces[0].start >= keep);
            assert_true(++n_windows < MAX_WINDOWS);
        }
        assert_true(cutter_keep_from(&c) >= keep);
        keep = cutter_keep_from(&c);
        if (step) // bounded look-back: a window and an undecided span
            assert_true(now - keep <= p->max_samples * 2 + p->split_gap * (int64_t)WINDOW_PIECES);
    }
    assert_int_equal(c.n_spans, 0);
    cutter_fini(&c);
    return n_windows;
}

static void check_window(const struct cutter_params *p, const struct window *w)
{
    int at = 0;
    assert_in_range(w->n_pieces, 1, WINDOW_PIECES);
    assert_in_range(w->n_samples, 1, p->max_samples);
    for (int i = 0; i < w->n_pieces; i++) {
        const struct window_piece *piece = &w->pieces[i];
        assert_int_equal(piece->at, at);
        assert_true(piece->n_samples > 0 && piece->lead >= 0 && piece->tail >= 0);
        assert_true(piece->lead + piece->tail <= piece->n_samples);
        at += piece->n_samples;
        if (i + 1 < w->n_pieces) {
            int64_t left_out = piece[1].start - (piece->start + piece->n_samples);
            assert_true(left_out >= 0 && left_out <= p->split_gap - p->max_gap);
        }
    }
    assert_int_equal(at, w->n_samples);
    assert_close(w->mean, 0.5, 1e-5);
}

// Each sample of each span is in exactly one piece; what else is there is silence beside spans.
static void check_cover(const struct range *spans, int n, const struct window *windows,
                        int n_windows, const struct cutter_params *p)
{
    int64_t last = -1, silence = 0, total = 0;
    int span = 0;
    for (int i = 0; i < n_windows; i++) {
        for (int j = 0; j < windows[i].n_pieces; j++) {
            const struct window_piece *piece = &windows[i].pieces[j];
            int64_t end = piece->start + piece->n_samples;
            assert_true(piece->start >= last);
            for (; span < n && spans[span].end <= piece->start; span++)
                assert_true(spans[span].end <= last); // it was covered up to its end
            if (span < n && spans[span].start < piece->start)
                assert_int_equal(last, piece->start); // a span goes on without a hole
            for (int k = span; k < n && spans[k].start < end; k++) {
                int64_t a = spans[k].start > piece->start ? spans[k].start : piece->start;
                total += (spans[k].end < end ? spans[k].end : end) - a;
            }
            silence += piece->n_samples;
            last = end;
        }
    }
    int64_t speech = 0;
    for (int i = 0; i < n; i++)
        speech += spans[i].end - spans[i].start;
    assert_int_equal(total, speech);
    assert_int_equal(last, spans[n - 1].end);
    silence -= speech;
    assert_true(silence >= 0 && silence <= (int64_t)(n - 1) * p->max_gap);
}

// A cut lies in a span that no window could hold, away from its ends.
static void check_cuts(const struct range *spans, int n, const struct window *windows,
                       int n_windows, const struct cutter_params *p)
{
    for (int i = 0; i < n_windows; i++) {
        const struct window *w = &windows[i];
        const struct window_piece *piece = &w->pieces[w->n_pieces - 1];
        int64_t end = piece->start + piece->n_samples;
        int inside = 0;
        for (int k = 0; k < n; k++) {
            if (spans[k].start < end && end < spans[k].end) {
                inside = 1;
                assert_true(spans[k].end - spans[k].start > p->max_samples);
                assert_true(end - spans[k].start >= 2 * SECOND && spans[k].end - end >= SECOND);
                assert_true(w->n_samples >= p->max_samples - p->search - SECOND);
            }
        }
        assert_int_equal(w->cut_end, inside);
        assert_int_equal(i + 1 < n_windows ? windows[i + 1].cut_begin : 0, inside);
    }
}

// Two windows in a row could not have been one, unless the first was full enough to end at a pause.
static void check_packing(const struct window *windows, int n_windows,
                          const struct cutter_params *p)
{
    for (int i = 0; i + 1 < n_windows; i++) {
        const struct window *a = &windows[i], *b = &windows[i + 1];
        const struct window_piece *last = &a->pieces[a->n_pieces - 1];
        int64_t gap = b->pieces[0].start - (last->start + last->n_samples);
        int64_t kept = gap < p->max_gap ? gap : p->max_gap;
        if (a->n_samples >= p->min_fill || gap > p->split_gap || a->n_pieces >= WINDOW_PIECES - 1)
            continue;
        assert_true(a->cut_end || a->n_samples + kept + b->n_samples > p->max_samples ||
                    b->pieces[0].n_samples + kept + a->n_samples > p->max_samples);
    }
}

static void test_random_spans(void **state)
{
    (void)state;
    uint64_t seed = 1;
    int n_runs = test_sanitized() ? 100 : 600;
    struct range spans[MAX_SPANS];
    struct window *a = malloc(MAX_WINDOWS * sizeof(*a)), *b = malloc(MAX_WINDOWS * sizeof(*b));
    struct cutter_params p;
    for (int run = 0; run < n_runs; run++) {
        cutter_params_init(&p, true);
        int n = random_spans(&seed, spans), n_a = cut(&p, spans, n, 0, a);
        for (int i = 0; i < n_a; i++)
            check_window(&p, &a[i]);
        check_cover(spans, n, a, n_a, &p);
        check_cuts(spans, n, a, n_a, &p);
        check_packing(a, n_a, &p);
        int64_t step = 1 + test_random(&seed) % (run % 2 ? 3 * SECOND : 40 * SECOND);
        int n_b = cut(&p, spans, n, step < 800 ? 800 : step, b);
        assert_int_equal(n_a, n_b);
        for (int i = 0; i < n_a; i++) {
            assert_int_equal(a[i].n_pieces, b[i].n_pieces);
            assert_memory_equal(a[i].pieces, b[i].pieces,
                                (size_t)a[i].n_pieces * sizeof(a[i].pieces[0]));
        }
    }
    free(a);
    free(b);
}

static void expect_pieces(const struct window *w, int n, const double seconds[][2])
{
    assert_int_equal(w->n_pieces, n);
    for (int i = 0; i < n; i++) {
        assert_close((double)w->pieces[i].start / SECOND, seconds[i][0], 1e-9);
        assert_close((double)w->pieces[i].n_samples / SECOND, seconds[i][1] - seconds[i][0], 1e-9);
    }
}

static void test_by_hand(void **state)
{
    (void)state;
    struct cutter_params p;
    struct window w[10];
    cutter_params_init(&p, true);
#define S(a, b)                                                                                    \
    {                                                                                              \
        (int64_t)((a)*SECOND), (int64_t)((b)*SECOND)                                               \
    }
    // Short gaps stay, a long one keeps half a second on either side.
    const struct range joined[] = {S(1, 5), S(5.5, 9), S(14, 20)};
    assert_int_equal(cut(&p, joined, 3, 0, w), 1);
    expect_pieces(&w[0], 3, (const double[][2]){{1, 5.25}, {5.25, 9.5}, {13.5, 20}});

    // 10 + 12 + 10 s do not fit: the second window gets the last span.
    const struct range full[] = {S(0, 10), S(10.4, 22.4), S(23, 33)};
    assert_int_equal(cut(&p, full, 3, 0, w), 2);
    assert_int_equal(w[0].n_pieces, 2);
    assert_int_equal(w[1].pieces[0].start, 23 * SECOND);

    // Ends at 25.0 and 28.2 s are possible; the pause after 25.0 is much longer.
    const struct range pause[] = {S(0, 25), S(26.2, 28.2), S(28.3, 34)};
    assert_int_equal(cut(&p, pause, 3, 0, w), 2);
    assert_int_equal(w[0].n_samples, 25 * SECOND);

    // 29 s fit, so they are not cut, though the window before has room.
    const struct range fits[] = {S(0, 10), S(11, 40)};
    assert_int_equal(cut(&p, fits, 2, 0, w), 2);
    assert_int_equal(w[0].n_samples, 10 * SECOND);
    assert_false(w[0].cut_end);

    // 49 s do not: cut in the last 10 s that the first window can hold (here its middle).
    const struct range longer[] = {S(0, 5), S(5.5, 54.5)};
    assert_int_equal(cut(&p, longer, 2, 0, w), 2);
    assert_true(w[0].cut_end && w[1].cut_begin);
    assert_int_equal(w[0].n_samples, 25 * SECOND);

    // More than 30 s of silence end a window.
    const struct range apart[] = {S(0, 5), S(36, 40), S(69, 70)};
    assert_int_equal(cut(&p, apart, 3, 0, w), 2);
    assert_int_equal(w[1].n_pieces, 2);
#undef S
}

/* ---- the quietest place ---------------------------------------------------------------------- */

static float unlikely_at_start(const void *vad, int64_t chunk)
{
    (void)vad;
    return chunk < 2 * SECOND / VAD_CHUNK ? 0 : 1;
}

static void test_quiet(void **state)
{
    (void)state;
    struct quiet q;
    size_t n = 10 * SECOND;
    float *x = malloc(n * sizeof(*x));
    sound_white(x, n);
    memset(x + 4 * SECOND, 0, SECOND / 2 * sizeof(float)); // a pause at 4.0-4.5 s
    for (int i = 7 * SECOND; i < 7 * SECOND + SECOND / 20; i++)
        x[i] = 0; // 50 ms only
    x[123] = NAN;
    assert_ok(quiet_init(&q), NULL);
    for (size_t i = 0; i < n; i += 37)
        quiet_feed(&q, x + i, n - i < 37 ? n - i : 37);
    int64_t at = quiet_find(&q, SECOND, 9 * SECOND, NULL, NULL);
    assert_in_range(at, 4 * SECOND, 4 * SECOND + SECOND / 2);
    at = quiet_find(&q, 5 * SECOND, 9 * SECOND, NULL, NULL); // better than nothing
    assert_in_range(at, 7 * SECOND - SECOND / 10, 7 * SECOND + SECOND / 5);
    at = quiet_find(&q, SECOND / 2, 3 * SECOND, unlikely_at_start, NULL);
    assert_in_range(at, SECOND, 2 * SECOND);
    assert_int_equal(quiet_find(&q, 20 * SECOND, 21 * SECOND, NULL, NULL), 21 * SECOND);
    for (int i = 0; i < 12; i++) // the ring forgets what is older than 80 s
        quiet_feed(&q, x + 5 * SECOND, 5 * SECOND);
    for (int i = 0; i < 6; i++)
        quiet_feed(&q, x + 5 * SECOND, 5 * SECOND);
    assert_int_equal(quiet_find(&q, SECOND, 2 * SECOND, NULL, NULL), 2 * SECOND);
    quiet_fini(&q);
    free(x);
}

/* ---- the stream ------------------------------------------------------------------------------ */

static int stream(struct vad *vad, const float *x, size_t n, size_t most, struct window *windows)
{
    struct windows *w;
    int n_windows = 0;
    uint64_t seed = most;
    int64_t keep = 0;
    assert_ok(windows_open(&w, vad), NULL);
    for (size_t i = 0; i <= n;) {
        size_t part = 1 + test_random(&seed) % most;
        part = part < n - i ? part : n - i;
        if (part)
            assert_ok(windows_feed(w, x + i, part), NULL);
        else
            assert_ok(windows_finish(w), NULL);
        i += part ? part : 1;
        while (windows_next(w, &windows[n_windows])) {
            assert_true(windows[n_windows].pieces[0].start >= keep);
            n_windows++;
        }
        assert_true(windows_keep_from(w) >= keep);
        keep = windows_keep_from(w);
        if (part && most < SECOND)
            assert_true((int64_t)i - keep < 70 * SECOND);
    }
    windows_close(&w);
    return n_windows;
}

// Without a detector: everything, cut in the pauses that lie in the last 8 s.
static void test_without_detector(void **state)
{
    (void)state;
    size_t n = 100 * SECOND;
    float *x = malloc(n * sizeof(*x));
    struct window a[20], b[20];
    sound_white(x, n);
    for (int s = 0; s < 100; s += 5) // 0.3 s of pause each 5 s
        for (int i = 0; i < 3 * SECOND / 10; i++)
            x[s * SECOND + i] *= 0.01f;
    int n_a = stream(NULL, x, n, 5000, a), n_b = stream(NULL, x, n, 100 * SECOND, b);
    assert_int_equal(n_a, 4);
    assert_int_equal(n_a, n_b);
    int64_t at = 0;
    for (int i = 0; i < n_a; i++) {
        assert_int_equal(a[i].n_pieces, 1);
        assert_int_equal(a[i].pieces[0].start, at);
        assert_int_equal(a[i].n_samples, b[i].n_samples);
        assert_int_equal(a[i].pieces[0].lead + a[i].pieces[0].tail, 0);
        at += a[i].n_samples;
        if (i + 1 < n_a) // in a pause
            assert_in_range(at % (5 * SECOND), 0, 3 * SECOND / 10);
    }
    assert_int_equal(at, n);
    assert_int_equal(stream(NULL, x, 1, 5, a), 1);
    assert_int_equal(a[0].n_samples, 1);
    assert_int_equal(stream(NULL, x, 0, 5, a), 0);
    free(x);
}

static void test_with_detector(void **state)
{
    (void)state;
    char path[TEST_PATH];
    struct sotto_diag diag = {0};
    struct vad_model *m;
    struct vad_params p;
    struct vad *v;
    struct vad_span s;
    size_t n = 150 * SECOND;
    float *x = malloc(n * sizeof(*x));
    struct window a[20], b[20];
    test_model("silero-vad/silero_vad_16k.safetensors", path);
    assert_ok(vad_model_open(&m, path, &diag), &diag);
    vad_params_init(&p);
    assert_ok(vad_open(&v, m, &p), NULL);
    sound_voice(x, n);
    memset(x, 0, 3 * SECOND * sizeof(float));                 // silence before
    memset(x + 20 * SECOND, 0, 6 * SECOND * sizeof(float));   // 6 s of silence after 17 s
    memset(x + 33 * SECOND, 0, 2 * SECOND * sizeof(float));   // 2 s; then 65 s without a pause
    memset(x + 100 * SECOND, 0, 40 * SECOND * sizeof(float)); // 40 s; then 10 s
    int n_a = stream(v, x, n, 4000, a);
    vad_reset(v);
    int n_b = stream(v, x, n, 200 * SECOND, b);
    assert_int_equal(n_a, n_b);
    for (int i = 0; i < n_a; i++) {
        assert_int_equal(a[i].n_pieces, b[i].n_pieces);
        assert_memory_equal(a[i].pieces, b[i].pieces,
                            (size_t)a[i].n_pieces * sizeof(a[i].pieces[0]));
        for (int j = 0; j < a[i].n_pieces; j++)
            print_message("window %d: %7.2f - %7.2f\n", i, (double)a[i].pieces[j].start / SECOND,
                          (double)(a[i].pieces[j].start + a[i].pieces[j].n_samples) / SECOND);
        assert_true(a[i].mean > 0.8f && a[i].n_samples <= WINDOW_MAX);
    }
    vad_reset(v); // all speech that the detector finds is there
    assert_ok(vad_feed(v, x, n), NULL);
    assert_ok(vad_finish(v), NULL);
    double speech = 0, in_windows = 0;
    while (vad_next(v, &s))
        speech += (double)(s.end - s.start) / SECOND;
    for (int i = 0; i < n_a; i++) {
        for (int j = 0; j < a[i].n_pieces; j++)
            in_windows += (double)a[i].pieces[j].n_samples / SECOND;
    }
    assert_true(in_windows >= speech && in_windows <= speech + 4);
    vad_close(&v);
    vad_model_close(&m);
    free(x);
}

/* ---- times ----------------------------------------------------------------------------------- */

static struct window example(void)
{
    /* 10 s from 100 s on; then, touching it, 4 s; 6 s from 200 s on, half a second of silence on
     * either side of the seam */
    return (struct window){.n_pieces = 3,
                           .n_samples = 20 * SECOND,
                           .pieces = {{100 * SECOND, 10 * SECOND, 0, 0, 4000},
                                      {110 * SECOND, 4 * SECOND, 10 * SECOND, 4000, 8000},
                                      {200 * SECOND, 6 * SECOND, 14 * SECOND, 8000, 0}}};
}

static void test_times(void **state)
{
    (void)state;
    const struct window w = example();
    static const double points[][3] = {
        // window, as start, as end
        {-1, 100, 100}, {0, 100, 100},        {5, 105, 105},        {9.9, 109.9, 109.9},
        {10, 110, 110}, {10.1, 110.1, 110.1}, {13.4, 113.4, 113.4}, {13.6, 200, 113.6},
        {14, 200, 114}, {14.4, 200.4, 114},   {14.6, 200.6, 200.6}, {20, 206, 206},
        {25, 206, 206}};
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        assert_close(windows_map_s(&w, points[i][0], false), points[i][1], 1e-9);
        assert_close(windows_map_s(&w, points[i][0], true), points[i][2], 1e-9);
    }
    static const double spans[][4] = {{5, 12, 105, 112},          {12, 14.2, 112, 114},
                                      {13.8, 16, 200, 202},       {13.6, 13.9, 113.6, 113.9},
                                      {14.1, 14.3, 200.1, 200.3}, {13.9, 14.4, 200, 200.4},
                                      {13.6, 14.1, 113.6, 114},   {14, 14, 200, 200}};
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        double a, b;
        windows_map_span(&w, spans[i][0], spans[i][1], &a, &b);
        assert_close(a, spans[i][2], 1e-9);
        assert_close(b, spans[i][3], 1e-9);
    }
    assert_close(windows_speech_s(&w, 0, 20), 20 - 0.25 - 0.25 - 0.5 - 0.5, 1e-9);
    assert_close(windows_speech_s(&w, 13, 15), 0.5 + 0.5, 1e-9);
    assert_close(windows_speech_s(&w, 9, 9), 0, 0);
}

// Random windows: both maps are monotone, exact inside speech, and spans never turn round.
static void test_random_times(void **state)
{
    (void)state;
    uint64_t seed = 7;
    struct range spans[MAX_SPANS];
    struct window *windows = malloc(MAX_WINDOWS * sizeof(*windows));
    struct cutter_params p;
    cutter_params_init(&p, true);
    for (int run = 0; run < 40; run++) {
        int n = cut(&p, spans, random_spans(&seed, spans), 0, windows);
        for (int i = 0; i < n; i += 3) {
            const struct window *w = &windows[i];
            double last[2] = {-1, -1}, a, b;
            for (double t = -0.1; t < 30.1; t += 0.0217) {
                for (int edge = 0; edge < 2; edge++) {
                    double to = windows_map_s(w, t, edge);
                    assert_true(to >= last[edge]);
                    last[edge] = to;
                }
                windows_map_span(w, t, t + 0.3, &a, &b);
                assert_true(a <= b);
            }
            for (int j = 0; j < w->n_pieces; j++) {
                const struct window_piece *piece = &w->pieces[j];
                for (int x = piece->lead + 1; x < piece->n_samples - piece->tail; x += 1777) {
                    double to = (double)(piece->start + x) / SECOND;
                    double t = (double)(piece->at + x) / SECOND;
                    assert_close(windows_map_s(w, t, false), to, 1e-6);
                    assert_close(windows_map_s(w, t, true), to, 1e-6);
                }
            }
        }
    }
    free(windows);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    size_t n = 100 * SECOND;
    float *x = malloc(n * sizeof(*x));
    sound_white(x, n);
    for (int i = 0;; i++) {
        struct windows *w = NULL;
        mem_fail_at(i, 0);
        int err = windows_open(&w, NULL);
        if (!err)
            err = windows_feed(w, x, n);
        if (!err)
            err = windows_finish(w);
        mem_fail_at(-1, 0);
        windows_close(&w);
        if (!err)
            break;
        assert_int_equal(err, SOTTO_ENOMEM);
        assert_true(i < 20);
    }
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_spans),  cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_quiet),         cmocka_unit_test(test_without_detector),
        cmocka_unit_test(test_with_detector), cmocka_unit_test(test_times),
        cmocka_unit_test(test_random_times),  cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
