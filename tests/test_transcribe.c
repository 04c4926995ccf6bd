/*
 * The library from outside: recordings in, text out, on the real tiny.en model and real speech;
 * pieces of any size, both modes, threads, abort, silence and noise; and with a generated model
 * every allocation failing once.
 */
#include "support.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audio/audio.h"
#include "base/mem.h"
#include "engine/transcriber.h"
#include "support_gen_model.h"
#include "support_sound.h"

enum { RATE = 16000 };

static const char *const sentences[] = {"0870", "0880", "0890", "0920", "0930"};
static const char *const words[] = {"dashwood", "young man", "selfish", "respectable", "amiable himself"};

static sotto_model *shared; // tiny.en

/* ---- recordings ------------------------------------------------------------------------------- */

struct recording {
    float *x;
    size_t n;
};

static void add_silence(struct recording *r, double seconds)
{
    size_t n = (size_t)(seconds * RATE);
    r->x = realloc(r->x, (r->n + n) * sizeof *r->x);
    memset(r->x + r->n, 0, n * sizeof *r->x);
    r->n += n;
}

static void add_sentence(struct recording *r, const char *number)
{
    char path[TEST_PATH], name[128];
    struct audio_params p = {.stream = -1, .channel = -1};
    struct audio *a = NULL;
    struct sotto_diag diag = {0};
    float block[4096];
    size_t n = 1;

    snprintf(name, sizeof name, "librivox/sense_and_sensibility_01_austen_64kb-%s.wav", number);
    test_speech(name, path);
    assert_ok(audio_open(&a, path, &p, &diag), &diag);
    while (n > 0) {
        assert_ok(audio_read(a, block, 4096, &n, &diag), &diag);
        r->x = realloc(r->x, (r->n + n) * sizeof *r->x);
        memcpy(r->x + r->n, block, n * sizeof *r->x);
        r->n += n;
    }
    audio_close(&a);
}

/* All sentences with pauses, `times` over: 35 s each time. */
static struct recording make_long(int times)
{
    struct recording r = {0};
    for (int t = 0; t < times; t++)
        for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
            add_sentence(&r, sentences[i]);
            add_silence(&r, 0.6 + 0.5 * (double)i);
        }
    return r;
}

static void write_wav(const char *path, const struct recording *r)
{
    uint32_t size = (uint32_t)(2 * r->n);
    uint8_t *file = malloc(44 + size);
    const uint32_t head[] = {0x46464952, size + 36, 0x45564157, 0x20746d66, 16, 1 | 1 << 16, RATE,
                               2 * RATE, 2 | 16 << 16, 0x61746164, size};

    memcpy(file, head, sizeof head);
    for (size_t i = 0; i < r->n; i++) {
        int16_t v = (int16_t)lrintf(r->x[i] * 32768.0f);
        memcpy(file + 44 + 2 * i, &v, 2);
    }
    test_write_file(path, file, 44 + size);
    free(file);
}

/* ---- transcribing ----------------------------------------------------------------------------- */

struct heard {
    char text[16384];
    double last_end_s;
    int n_segments, n_words, n_warnings;
    bool unordered;
    int abort_after; // polls; 0: never
    int n_polls;
    double first_start_s;
    int n_progress;
    struct sotto_progress progress; // the last
    bool unsteady;                  // progress went back, or beyond the total
};

static int on_segment(void *user, const struct sotto_segment *s)
{
    struct heard *h = user;
    size_t used = strlen(h->text);

    assert_true(used + strlen(s->text) < sizeof h->text);
    strcpy(h->text + used, s->text);
    h->unordered |= s->id != h->n_segments || s->start_s > s->end_s ||
                    s->start_s < h->last_end_s - 0.5;
    h->last_end_s = s->end_s;
    if (h->n_segments++ == 0)
        h->first_start_s = s->start_s;
    for (int i = 0; i < s->n_words; i++) {
        h->unordered |= s->words[i].start_s > s->words[i].end_s;
        h->n_words++;
    }
    return 0;
}

static void on_warning(void *user, const char *text)
{
    struct heard *h = user;
    assert_true(strlen(text) > 10);
    h->n_warnings++;
}

static void on_progress(void *user, const struct sotto_progress *p)
{
    struct heard *h = user;
    h->unsteady |= p->done_s < h->progress.done_s || (p->total_s >= 0 && p->done_s > p->total_s);
    h->progress = *p;
    h->n_progress++;
}

static bool should_abort(void *user)
{
    struct heard *h = user;
    h->n_polls++;
    return h->abort_after && h->n_polls >= h->abort_after;
}

static void options(struct sotto_options *o, struct heard *h)
{
    *h = (struct heard){0};
    sotto_options_init(o);
    o->on_segment = on_segment;
    o->on_warning = on_warning;
    o->on_progress = on_progress;
    o->should_abort = should_abort;
    o->user = h;
    o->n_threads = 2;
    o->temperature_increment = 0;
}

static sotto_transcriber *open_with(const struct sotto_options *o)
{
    char path[TEST_PATH];
    struct sotto_diag diag = {0};
    sotto_transcriber *t = NULL;

    if (o->vad)
        test_model("silero-vad/silero_vad_16k.safetensors", path);
    if (!shared) {
        test_model("tiny.en", path);
        assert_ok(sotto_model_open(&shared, path, NULL, &diag), &diag);
    }
    assert_ok(sotto_transcriber_open(&t, shared, o, &diag), &diag);
    return t;
}

/* Feeds in pieces of pseudo-random size up to `piece` (0: all at once). */
static void feed(sotto_transcriber *t, const struct recording *r, size_t piece)
{
    struct sotto_diag diag = {0};
    uint64_t random = 7;

    for (size_t i = 0; i < r->n;) {
        size_t n = piece ? 1 + test_random(&random) % piece : r->n;
        n = n < r->n - i ? n : r->n - i;
        assert_ok(sotto_feed(t, r->x + i, n, &diag), &diag);
        i += n;
    }
    assert_ok(sotto_finish(t, &diag), &diag);
}

static void make_lower(char *text)
{
    for (; *text; text++)
        *text = *text >= 'A' && *text <= 'Z' ? (char)(*text + 32) : *text;
}

static void check_words(const struct heard *h)
{
    char lower[sizeof h->text];

    strcpy(lower, h->text);
    make_lower(lower);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_contains(lower, words[i]);
}

/* ---- tests ------------------------------------------------------------------------------------ */

static void test_pieces_do_not_matter(void **state)
{
    (void)state;
    const enum sotto_mode modes[] = {SOTTO_MODE_SEQUENTIAL, SOTTO_MODE_BATCHED, SOTTO_MODE_AUTO};
    struct recording r = make_long(1);
    struct heard *h = calloc(2, sizeof *h);

    for (int m = 0; m < 3; m++) {
        struct sotto_options o;
        for (int i = 0; i < 2; i++) {
            options(&o, &h[i]);
            o.mode = modes[m];
            sotto_transcriber *t = open_with(&o);
            feed(t, &r, i ? 5000 : 0);
            sotto_transcriber_close(&t);
            check_words(&h[i]);
            assert_false(h[i].unordered);
        }
        assert_string_equal(h[0].text, h[1].text);
    }
    free(h);
    free(r.x);
}

/* A sound too short for speech, cut off by the end of a piece while nobody knows yet that it will
 * be: no window. */
static void test_blip_at_the_end_of_a_piece(void **state)
{
    (void)state;
    enum { PIECE = 32768, BLIP = 150 * RATE / 1000 };
    struct recording r = {0}, sentence = {0};
    struct heard h;
    struct sotto_options o;
    struct sotto_stats stats;

    add_sentence(&sentence, sentences[0]);
    add_silence(&r, 20);
    memcpy(r.x + 3 * PIECE - BLIP, sentence.x + 12 * RATE / 10, BLIP * sizeof *r.x);
    options(&o, &h);
    o.mode = SOTTO_MODE_SEQUENTIAL;
    sotto_transcriber *t = open_with(&o);
    feed(t, &r, PIECE);
    sotto_get_stats(t, &stats);
    assert_int_equal(stats.n_windows, 0);
    sotto_transcriber_close(&t);
    free(r.x);
    free(sentence.x);
}

/* Batched and sequential read the same sentences; a transcriber is ready for the next recording. */
static void test_long_recording_in_both_modes(void **state)
{
    (void)state;
    struct recording r = make_long(2), first = {0};
    struct heard *h = calloc(2, sizeof *h);
    struct sotto_options o;
    struct sotto_stats stats;

    add_sentence(&first, sentences[0]);
    for (int i = 0; i < 2; i++) {
        options(&o, &h[i]);
        o.mode = i ? SOTTO_MODE_BATCHED : SOTTO_MODE_SEQUENTIAL;
        o.word_timestamps = true;
        o.batch_size = 3;
        sotto_transcriber *t = open_with(&o);
        feed(t, &r, 100000);
        sotto_get_stats(t, &stats);
        check_words(&h[i]);
        assert_false(h[i].unordered);
        assert_in_range(h[i].n_words, 100, 200);
        assert_close(stats.audio_s, (double)r.n / RATE, 0.001);
        assert_in_range(stats.n_windows, 2, 8);
        assert_false(h[i].unsteady);
        assert_true(h[i].n_progress > stats.n_windows); // with each one, and at the end
        assert_close(h[i].progress.done_s, stats.audio_s, 0.001);
        assert_close(h[i].progress.total_s, stats.audio_s, 0.001);
        h[i].progress = (struct sotto_progress){0};
        h[i].text[0] = '\0';
        h[i].n_segments = 0;
        h[i].last_end_s = 0;
        feed(t, &first, 3000);
        assert_true(strlen(h[i].text) > 20 && strlen(h[i].text) < 300);
        sotto_transcriber_close(&t);
    }
    free(h);
    free(r.x);
    free(first.x);
}

/* One sentence far into a file, as a clip: that sentence, at its time on the recording's clock, and
 * no more of the file is read than it needs. Fed from the beginning, the same is heard. */
static void test_clip_of_a_file(void **state)
{
    (void)state;
    struct recording r = make_long(3);
    char dir[TEST_PATH], path[TEST_PATH + 8];
    struct sotto_diag diag = {0};
    struct sotto_options o;
    struct heard h;

    double start_s = (double)r.n / RATE;
    add_sentence(&r, sentences[1]);
    struct sotto_clip clip = {start_s, (double)r.n / RATE};
    add_silence(&r, 1);
    add_sentence(&r, sentences[2]);
    add_silence(&r, 60);
    test_temp_dir(dir);
    snprintf(path, sizeof path, "%s/r.wav", dir);
    write_wav(path, &r);
    for (int i = 0; i < 4; i++) {
        bool fed = i & 1;
        options(&o, &h);
        o.vad = i & 2;
        o.clips = &clip;
        o.n_clips = 1;
        sotto_transcriber *t = open_with(&o);
        int64_t n_bytes = test_bytes_read();
        if (fed)
            feed(t, &r, 50000);
        else
            assert_ok(sotto_transcribe_file(t, path, &diag), &diag);
        n_bytes = test_bytes_read() - n_bytes;
        int n_reads = o.vad ? 1 : 2; // without, once for the loudest frame
        if (!fed)
            assert_in_range(n_bytes, 2 * RATE,
                            n_reads * (2 * RATE * (clip.end_s - clip.start_s + 12) + 200000));
        make_lower(h.text);
        assert_contains(h.text, words[1]);
        for (int w = 0; w < 3; w += 2)
            assert_null(strstr(h.text, words[w]));
        assert_in_range(1000 * h.first_start_s, 1000 * clip.start_s, 1000 * clip.start_s + 800);
        assert_in_range(1000 * h.last_end_s, 1000 * clip.end_s - 1200, 1000 * clip.end_s + 10);
        struct sotto_stats stats;
        sotto_get_stats(t, &stats);
        assert_close(stats.audio_s, clip.end_s - clip.start_s, 0.001);
        assert_true(stats.speech_s <= stats.audio_s + 0.01);
        assert_close(h.progress.done_s, clip.end_s, 0.001);
        assert_close(h.progress.total_s, clip.end_s, 0.001);
        assert_false(h.unsteady);
        sotto_transcriber_close(&t);
    }
    free(r.x);
    test_temp_dir_remove(dir);
}

/* Clips that end within a word: their text has no time behind them, though the recogniser, which
 * hears silence after it, gives one; and of windows that overlap every second counts once. */
static void test_short_clips(void **state)
{
    (void)state;
    struct recording r = make_long(2);
    struct sotto_options o;
    struct sotto_stats stats;
    struct heard h;

    for (int i = 1; i <= 4; i++) {
        struct sotto_clip clip = {0.5 * i, 0.5 * i + 0.4 * i};
        options(&o, &h);
        o.vad = false;
        o.clips = &clip;
        o.n_clips = 1;
        sotto_transcriber *t = open_with(&o);
        feed(t, &r, 50000);
        sotto_get_stats(t, &stats);
        assert_true(h.last_end_s <= clip.end_s + 0.001);
        assert_close(stats.speech_s, clip.end_s - clip.start_s, 0.011);
        sotto_transcriber_close(&t);
    }
    options(&o, &h);
    o.vad = false;
    o.mode = SOTTO_MODE_SEQUENTIAL;
    sotto_transcriber *t = open_with(&o);
    feed(t, &r, 0);
    sotto_get_stats(t, &stats);
    assert_true(h.last_end_s <= stats.audio_s);
    assert_true(stats.n_windows > 2);
    assert_close(stats.speech_s, stats.audio_s, 0.011);
    sotto_transcriber_close(&t);
    free(r.x);
}

/* Waiting for a late clip, nothing of what comes before it is kept, though the language is not known
 * and nothing tells speech from silence. A recording that ends before the clip is empty. */
static void test_late_clip_holds_no_samples(void **state)
{
    (void)state;
    struct sotto_clip clip = {600, 620};
    struct sotto_diag diag = {0};
    struct sotto_options o;
    struct heard h;
    struct gen_model g;
    sotto_model *model = NULL;
    sotto_transcriber *t = NULL;
    char dir[TEST_PATH];
    static float noise[10 * RATE];
    uint64_t seed = 3;

    for (size_t i = 0; i < 10 * RATE; i++)
        noise[i] = test_random_float(&seed, -0.3f, 0.3f);
    test_temp_dir(dir);
    gen_model_init(&g);
    assert_true(gen_model_write(&g, GEN_CT2, dir));
    assert_ok(sotto_model_open(&model, dir, NULL, &diag), &diag);
    options(&o, &h);
    o.vad = false;
    o.clips = &clip;
    o.n_clips = 1;
    assert_ok(sotto_transcriber_open(&t, model, &o, &diag), &diag);
    for (int ten = 0; ten < 59; ten++) {
        assert_ok(sotto_feed(t, noise, 10 * RATE, &diag), &diag);
        assert_true(t->samples.end - t->samples.begin <= 10 * RATE);
    }
    assert_ok(sotto_finish(t, &diag), &diag);
    assert_int_equal(h.n_segments, 0);
    struct sotto_stats stats;
    sotto_get_stats(t, &stats);
    assert_int_equal(stats.n_windows, 0);
    assert_close(stats.audio_s, 0, 0);
    sotto_transcriber_close(&t);
    sotto_model_close(&model);
    test_temp_dir_remove(dir);
}

static void test_tiny_and_silent_recordings(void **state)
{
    (void)state;
    const double seconds[] = {0, 0.01, 0.5, 20, 40};
    struct heard h;
    struct sotto_options o;

    options(&o, &h);
    sotto_transcriber *t = open_with(&o);
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        struct recording r = {0};
        add_silence(&r, seconds[i]);
        feed(t, &r, 0);
        assert_int_equal(h.n_segments, 0);
        free(r.x);
    }
    sotto_transcriber_close(&t);
}

static void test_sounds_that_are_not_speech(void **state)
{
    (void)state;
    struct heard h;
    struct sotto_options o;
    struct recording r = {0};

    options(&o, &h);
    add_silence(&r, 35);
    sotto_transcriber *t = open_with(&o);
    for (int i = 0; i < n_sounds_other; i++) {
        sounds_other[i].make(r.x, r.n);
        feed(t, &r, 0);
        if (h.n_segments > 0)
            print_message("%s gave \"%s\"\n", sounds_other[i].name, h.text);
        assert_int_equal(h.n_segments, 0);
    }
    sotto_transcriber_close(&t);
    free(r.x);
}

static void test_numbers_that_are_none(void **state)
{
    (void)state;
    struct heard h;
    struct sotto_options o;
    struct recording r = {0};

    options(&o, &h);
    add_sentence(&r, sentences[1]);
    add_silence(&r, 1);
    for (size_t i = r.n - RATE; i < r.n; i += 2)
        r.x[i] = i % 4 ? NAN : INFINITY;
    sotto_transcriber *t = open_with(&o);
    feed(t, &r, 0);
    assert_int_equal(h.n_warnings, 1);
    assert_contains(h.text, "young man");
    sotto_transcriber_close(&t);
    free(r.x);
}

/* Whenever the caller asks for it, work stops with EABORTED and no more segments; polls come often. */
static void test_abort(void **state)
{
    (void)state;
    struct recording r = make_long(1);
    struct heard h;
    struct sotto_options o;
    struct sotto_diag diag = {0};

    for (int mode = 0; mode < 2; mode++) {
        options(&o, &h);
        o.mode = mode ? SOTTO_MODE_BATCHED : SOTTO_MODE_SEQUENTIAL;
        o.n_threads = 1; // how often the calling thread polls must not depend on its share of the work
        sotto_transcriber *t = open_with(&o);
        feed(t, &r, 0);
        int all = h.n_polls;
        assert_true(all > 100);
        for (int at = 1; at < all; at += all / 7) {
            h = (struct heard){.abort_after = at};
            int err = sotto_feed(t, r.x, r.n, &diag);
            if (!err)
                err = sotto_finish(t, &diag);
            assert_error(err, SOTTO_EABORTED, &diag);
            assert_int_equal(h.n_polls, at);
        }
        h = (struct heard){0};
        feed(t, &r, 0);
        check_words(&h);
        sotto_transcriber_close(&t);
    }
    free(r.x);
}

static void *in_thread(void *arg)
{
    struct heard *h = arg;
    struct sotto_options o;
    struct recording r = make_long(1);

    options(&o, h);
    sotto_transcriber *t = open_with(&o);
    feed(t, &r, 0);
    sotto_transcriber_close(&t);
    free(r.x);
    return NULL;
}

static void test_transcribers_share_a_model(void **state)
{
    (void)state;
    struct heard *h = calloc(2, sizeof *h);
    struct sotto_options o;
    pthread_t threads[2];

    options(&o, &h[0]); // opens the model, or skips, on this thread
    sotto_transcriber *t = open_with(&o);
    sotto_transcriber_close(&t);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, in_thread, &h[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_string_equal(h[0].text, h[1].text);
    check_words(&h[0]);
    free(h);
}

static void test_wrong_options(void **state)
{
    (void)state;
    struct heard h;
    struct sotto_options o;
    struct sotto_diag diag;
    sotto_transcriber *t = NULL;
    struct sotto_clip clips[] = {{5, 7}, {6, 8}};

    options(&o, &h);
    t = open_with(&o);
    sotto_transcriber_close(&t);
    struct {
        int expected;
        const char *named;
        struct sotto_options o;
    } cases[] = {
        {SOTTO_EINVAL, "beam_size", o},      {SOTTO_EINVAL, "temperature", o},
        {SOTTO_ELANGUAGE, "klingon", o},     {SOTTO_ELANGUAGE, "English", o},
        {SOTTO_EUNSUPPORTED, "translate", o}, {SOTTO_EINVAL, "clip 2", o},
        {SOTTO_EINVAL, "suppress_tokens", o}, {SOTTO_EINVAL, "word_timestamps", o},
        {SOTTO_ENOENT, "/no/such/vad", o},
    };
    cases[0].o.beam_size = 0;
    cases[1].o.temperature = NAN;
    cases[2].o.language = "klingon";
    cases[3].o.language = "de";
    cases[4].o.task = SOTTO_TASK_TRANSLATE;
    cases[5].o.clips = clips, cases[5].o.n_clips = 2;
    cases[6].o.suppress_tokens = "1,x";
    cases[7].o.hallucination_silence_threshold = 2;
    cases[8].o.vad_model = "/no/such/vad";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(&diag, 0, sizeof diag);
        assert_error(sotto_transcriber_open(&t, shared, &cases[i].o, &diag), cases[i].expected, &diag);
        assert_contains(diag.text, cases[i].named);
        assert_null(t);
    }
}

/* Nothing where something should be: an error, or nothing; never a crash. */
static void test_missing_arguments(void **state)
{
    (void)state;
    struct sotto_diag diag = {0};
    struct sotto_model_info info;
    struct sotto_stats stats;
    sotto_transcriber *t = NULL;
    sotto_model *m = NULL;
    const char *code;

    assert_error(sotto_model_open(NULL, "x", NULL, &diag), SOTTO_EINVAL, &diag);
    assert_error(sotto_model_open(&m, NULL, NULL, NULL), SOTTO_EINVAL, NULL);
    assert_error(sotto_transcriber_open(&t, NULL, NULL, &diag), SOTTO_EINVAL, &diag);
    assert_error(sotto_feed(NULL, NULL, 0, &diag), SOTTO_EINVAL, &diag);
    assert_error(sotto_finish(NULL, NULL), SOTTO_EINVAL, NULL);
    assert_error(sotto_transcribe_file(NULL, "x", &diag), SOTTO_EINVAL, &diag);
    assert_error(sotto_detect_language(NULL, "x", &code, NULL, &diag), SOTTO_EINVAL, &diag);
    sotto_model_get_info(NULL, &info);
    assert_int_equal(info.n_vocab, 0);
    assert_string_equal(info.format, "");
    sotto_get_stats(NULL, &stats);
    assert_true(stats.audio_s == 0);
    sotto_model_close(NULL);
    sotto_model_close(&m);
    sotto_transcriber_close(NULL);
    sotto_transcriber_close(&t);
    assert_int_equal(sotto_language_find(NULL), SOTTO_ELANGUAGE);
}

/* A generated model, every allocation of opening and of a short run failing once. */
static void test_every_allocation_fails(void **state)
{
    (void)state;
    char dir[TEST_PATH], path[TEST_PATH + 8];
    struct gen_model g;
    struct recording r = {0};
    float noise = 0.25f;
    long failures = 0;

    test_temp_dir(dir);
    snprintf(path, sizeof path, "%s/m", dir);
    gen_model_init(&g);
    assert_true(gen_model_write(&g, GEN_CT2, path));
    add_silence(&r, 1);
    for (size_t i = 0; i < r.n; i++)
        r.x[i] = noise = -noise;

    for (long n = 0;; n++) {
        sotto_model *model = NULL;
        sotto_transcriber *t = NULL;
        struct sotto_model_params params;
        struct sotto_options o;
        struct sotto_diag diag = {0};
        struct heard h;

        sotto_model_params_init(&params);
        params.n_threads = 1;
        options(&o, &h);
        o.vad = false;
        o.n_threads = 1;
        o.language = "en";
        o.word_timestamps = true;
        mem_fail_at(n, 1);
        int err = sotto_model_open(&model, path, &params, &diag);
        if (!err)
            err = sotto_transcriber_open(&t, model, &o, &diag);
        if (!err)
            err = sotto_feed(t, r.x, r.n, &diag);
        if (!err)
            err = sotto_finish(t, &diag);
        mem_fail_at(-1, 0);
        sotto_transcriber_close(&t);
        sotto_model_close(&model);
        if (!err)
            break;
        assert_error(err, SOTTO_ENOMEM, &diag);
        failures++;
        if (!test_long() && n > 60)
            n += 6; // every seventh: openings have thousands
    }
    assert_true(failures > 50);
    free(r.x);
    test_temp_dir_remove(dir);
}

/* Decoders of few and of many positions: prompts longer than either keeps its tail, within bounds. */
static void test_prompts_and_decoder_positions(void **state)
{
    (void)state;
    static const int positions[] = {8, 12, 16, 4096};
    struct recording r = {0};
    char dir[TEST_PATH], path[TEST_PATH + 16], prompt[3000];

    for (size_t i = 0; i < sizeof prompt - 1; i++)
        prompt[i] = i % 3 ? 'x' : ' ';
    prompt[sizeof prompt - 1] = '\0';
    test_temp_dir(dir);
    snprintf(path, sizeof path, "%s/model", dir);
    add_silence(&r, 1);
    for (size_t i = 0; i < sizeof positions / sizeof *positions; i++) {
        struct sotto_diag diag = {0};
        struct sotto_options o;
        struct gen_model g;
        struct heard h;
        sotto_model *model = NULL;
        sotto_transcriber *t = NULL;

        gen_model_init(&g);
        g.n_text_ctx = positions[i];
        assert_true(gen_model_write(&g, GEN_CT2, path));
        assert_ok(sotto_model_open(&model, path, NULL, &diag), &diag);
        options(&o, &h);
        o.vad = false;
        o.mode = SOTTO_MODE_SEQUENTIAL;
        o.temperature_increment = 0;
        o.initial_prompt = o.hotwords = prompt;
        o.prefix = i % 2 ? prompt : NULL;
        assert_ok(sotto_transcriber_open(&t, model, &o, &diag), &diag);
        feed(t, &r, 16000);
        sotto_transcriber_close(&t);
        sotto_model_close(&model);
    }
    free(r.x);
    test_temp_dir_remove(dir);
}

static int teardown(void **state)
{
    (void)state;
    sotto_model_close(&shared);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_do_not_matter),
        cmocka_unit_test(test_long_recording_in_both_modes),
        cmocka_unit_test(test_clip_of_a_file),
        cmocka_unit_test(test_short_clips),
        cmocka_unit_test(test_late_clip_holds_no_samples),
        cmocka_unit_test(test_tiny_and_silent_recordings),
        cmocka_unit_test(test_sounds_that_are_not_speech),
        cmocka_unit_test(test_numbers_that_are_none),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_transcribers_share_a_model),
        cmocka_unit_test(test_wrong_options),
        cmocka_unit_test(test_missing_arguments),
        cmocka_unit_test(test_prompts_and_decoder_positions),
        cmocka_unit_test(test_blip_at_the_end_of_a_piece),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
