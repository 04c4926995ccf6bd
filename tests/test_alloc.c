/*
 * Out of memory, in the whole program: with a generated model every allocation of opening a model,
 * opening a transcriber and transcribing fails once, in every precision, both modes, with words and
 * with beams. The answer is ENOMEM, nothing leaks (the sanitised build looks), and the transcriber
 * still gives the same text afterwards. test_transcribe has the plain case in one sweep.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support_gen_model.h"

enum { RATE = 16000, N_SAMPLES = 65 * RATE, N_THREADS = 2, TAIL = 80 };

struct setup {
    const char *name;
    enum sotto_precision precision;
    enum sotto_mode mode;
    bool words;
    int beam_size;
    const char *file; // of pocketsphinx-testdata, with voice activity; NULL: noise, without
};

static const struct setup setups[] = {
    {"fp32, sequential", SOTTO_PRECISION_FP32, SOTTO_MODE_SEQUENTIAL, false, 1, NULL},
    {"fp32, sequential, words", SOTTO_PRECISION_FP32, SOTTO_MODE_SEQUENTIAL, true, 1, NULL},
    {"fp32, batched, words", SOTTO_PRECISION_FP32, SOTTO_MODE_BATCHED, true, 1, NULL},
    {"int8, batched", SOTTO_PRECISION_INT8, SOTTO_MODE_BATCHED, false, 1, NULL},
    {"int8, batched, words, beams", SOTTO_PRECISION_INT8, SOTTO_MODE_BATCHED, true, 3, NULL},
    {"int8, sequential, beams", SOTTO_PRECISION_INT8, SOTTO_MODE_SEQUENTIAL, false, 3, NULL},
    {"bf16, batched", SOTTO_PRECISION_BF16, SOTTO_MODE_BATCHED, false, 1, NULL},
    {"bf16, sequential, words", SOTTO_PRECISION_BF16, SOTTO_MODE_SEQUENTIAL, true, 1, NULL},
    {"auto, batched, a file, voice activity", SOTTO_PRECISION_AUTO, SOTTO_MODE_BATCHED, true, 1,
     "cards/001.wav"},
};

struct scene {
    char dir[TEST_PATH], model[TEST_PATH + 8], file[TEST_PATH];
    float samples[N_SAMPLES];
    const struct setup *setup;
};

struct heard {
    char text[8192];
    int n_segments, n_words;
};

static int on_segment(void *user, const struct sotto_segment *s)
{
    struct heard *h = user;
    size_t used = strlen(h->text);

    snprintf(h->text + used, sizeof h->text - used, "[%.2f %.2f]%s", s->start_s, s->end_s, s->text);
    h->n_segments++;
    h->n_words += s->n_words;
    return 0;
}

static void scene_open(struct scene *c, const struct setup *setup)
{
    struct gen_model g;
    uint64_t seed = 5;

    memset(c, 0, sizeof *c);
    c->setup = setup;
    if (setup->file) {
        char vad[TEST_PATH];
        test_model("silero-vad/silero_vad_16k.safetensors", vad);
        test_speech(setup->file, c->file);
    }
    test_temp_dir(c->dir);
    snprintf(c->model, sizeof c->model, "%s/m", c->dir);
    gen_model_init(&g);
    g.n_text_ctx = 24; // short texts
    g.width = 16;
    g.n_audio_head = g.n_text_head = 1;
    g.n_audio_layer = g.n_text_layer = 1;
    assert_true(gen_model_write(&g, GEN_CT2, c->model));
    for (int i = 0; i < N_SAMPLES; i++)
        c->samples[i] = test_random_float(&seed, -0.3f, 0.3f);
}

static int open_model(const struct scene *c, sotto_model **model, struct sotto_diag *diag)
{
    struct sotto_model_params params;

    sotto_model_params_init(&params);
    params.n_threads = N_THREADS;
    params.precision = c->setup->precision;
    return sotto_model_open(model, c->model, &params, diag);
}

// More windows than are decoded side by side, so that places change hands: 65 s, or (clips are read
// one after the other) three clips.
static int open_transcriber(const struct scene *c, const sotto_model *model, struct heard *h,
                            sotto_transcriber **t, struct sotto_diag *diag)
{
    static const struct sotto_clip clips[] = {{0, 0.3}, {0.35, 0.6}, {0.7, 1}};
    struct sotto_options o;

    sotto_options_init(&o);
    o.n_threads = N_THREADS;
    o.batch_size = 2;
    o.mode = c->setup->mode;
    o.word_timestamps = c->setup->words;
    o.beam_size = c->setup->beam_size;
    o.vad = c->setup->file != NULL;
    if (o.mode == SOTTO_MODE_SEQUENTIAL) {
        o.clips = clips;
        o.n_clips = 3;
    }
    o.no_speech_threshold = 1; // a random network says anything
    o.temperature_increment = 0.5;
    o.best_of = 2;
    o.on_segment = on_segment;
    o.user = h;
    return sotto_transcriber_open(t, model, &o, diag);
}

static int transcribe(const struct scene *c, sotto_transcriber *t, struct heard *h,
                      struct sotto_diag *diag)
{
    memset(h, 0, sizeof *h);
    if (c->setup->file)
        return sotto_transcribe_file(t, c->file, diag);
    size_t n = c->setup->mode == SOTTO_MODE_SEQUENTIAL ? RATE : N_SAMPLES;
    int err = sotto_feed(t, c->samples, n, diag);
    return err ? err : sotto_finish(t, diag);
}

// One opening of the model with allocation `n` failing; returns whether it did.
static bool opening_fails(const struct scene *c, long n)
{
    sotto_model *model = NULL;
    struct sotto_diag diag = {0};

    mem_fail_at(n, n % 2 == 0);
    int err = open_model(c, &model, &diag);
    mem_fail_at(-1, 0);
    if (err)
        assert_error(err, SOTTO_ENOMEM, &diag);
    assert_true(err ? !model : model != NULL);
    sotto_model_close(&model);
    return err != 0;
}

static void sweep_opening(const struct scene *c)
{
    sotto_model *model = NULL;
    struct sotto_diag diag = {0};
    long failed = 0, tried = 0;

    mem_fail_at(-1, 0);
    assert_ok(open_model(c, &model, &diag), &diag);
    long total = mem_fail_at(-1, 0);
    sotto_model_close(&model);
    assert_true(total > TAIL);
    // The vocabulary makes thousands of small ones, all alike; what computes is made at the end.
    for (long n = 0; n < total; n += !test_long() && n > 30 && n < total - TAIL ? 211 : 1) {
        failed += opening_fails(c, n);
        tried++;
    }
    print_message("%s: %ld of %ld allocations of opening the model, %ld failures\n", c->setup->name,
                  tried, total, failed);
    assert_int_equal(failed, tried);
}

// What a failed run leaves behind must not show in the next.
static void sweep_running(const struct scene *c)
{
    sotto_model *model = NULL;
    struct sotto_diag diag = {0};
    struct heard want, got;
    long failed = 0, tried = 0, step = test_long() ? 1 : test_sanitized() ? 9 : 3;

    assert_ok(open_model(c, &model, &diag), &diag);
    sotto_transcriber *t = NULL;
    mem_fail_at(-1, 0);
    assert_ok(open_transcriber(c, model, &want, &t, &diag), &diag);
    assert_ok(transcribe(c, t, &want, &diag), &diag);
    long total = mem_fail_at(-1, 0);
    struct sotto_stats stats;
    sotto_get_stats(t, &stats);
    assert_in_range(stats.n_windows, c->setup->file ? 1 : 3, 30);
    sotto_transcriber_close(&t);
    assert_true(want.n_segments > 0);
    assert_true(!c->setup->words || want.n_words > 0);

    for (long n = 0; n < total; n += step) {
        mem_fail_at(n, n % 2 == 0);
        int err = open_transcriber(c, model, &got, &t, &diag);
        if (err)
            assert_null(t);
        else
            err = transcribe(c, t, &got, &diag);
        mem_fail_at(-1, 0);
        if (err)
            assert_error(err, SOTTO_ENOMEM, &diag);
        failed += err != 0;
        tried++;
        if (t && (n % 9 == 0 || !err)) {
            assert_ok(transcribe(c, t, &got, &diag), &diag);
            assert_string_equal(got.text, want.text);
        }
        sotto_transcriber_close(&t);
    }
    print_message("%s: %ld of %ld allocations of a run, %ld failures\n", c->setup->name, tried,
                  total, failed);
    assert_int_equal(failed, tried);
    sotto_model_close(&model);
}

static void test_setup(void **state)
{
    struct scene *c = malloc(sizeof *c);

    scene_open(c, *state);
    sweep_opening(c);
    sweep_running(c);
    test_temp_dir_remove(c->dir);
    free(c);
}

int main(void)
{
    struct CMUnitTest tests[sizeof setups / sizeof *setups];

    for (size_t i = 0; i < sizeof setups / sizeof *setups; i++)
        tests[i] = (struct CMUnitTest){setups[i].name, test_setup, NULL, NULL, (void *)&setups[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
