/* Search and word times with the real base model on one window of real speech, against what
 * openai/whisper made of it (tests/golden/decode_base.json, by scripts/golden_decode.py). */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audio/mel.h"
#include "engine/search.h"
#include "engine/words.h"

enum { SLOTS = 5, MAX_WANTED = 8, RATE = 16000 };

static struct {
    json_t *golden;
    struct model *model;
    struct pool *pool;
    struct net *net;
    struct net_window *window;
    struct net_decoder *d;
    float *logits;
    int n_frames;
} g;

/* ---- the window ------------------------------------------------------------------------------- */

/* Samples of a 16-bit mono WAV file, appended to `dst`. Returns how many. */
static size_t read_wav(const char *name, float *dst)
{
    char path[TEST_PATH];
    size_t size, n = 0;

    test_speech(name, path);
    char *file = test_read_file(path, &size);
    char *data = memmem(file, size, "data", 4);
    assert_non_null(data);
    for (const char *p = data + 8; p + 2 <= file + size; p += 2) {
        int16_t sample;
        memcpy(&sample, p, 2);
        dst[n++] = (float)sample / 32768.0f;
    }
    free(file);
    return n;
}

/* Joins the recordings; 200 samples mirrored before them, silence after. */
static float *make_mel(void)
{
    enum { PAD = MEL_FFT / 2, FRAMES = MEL_WINDOW_FRAMES };
    int n_mels = g.model->shape.n_mels;
    float *samples = calloc(32 * RATE + 2 * PAD, sizeof *samples), max;
    float *mel = calloc((size_t)(FRAMES + 2) * (size_t)n_mels, sizeof *mel);
    struct mel *m;
    size_t n = 0, i;
    json_t *name;

    json_array_foreach(json_object_get(g.golden, "recordings"), i, name) n +=
        read_wav(json_string_value(name), samples + PAD + n);
    assert_in_range(n, RATE, 30 * RATE);
    for (int k = 1; k <= PAD; k++)
        samples[PAD - k] = samples[PAD + k];
    g.n_frames = (int)(n / MEL_HOP);
    assert_ok(mel_open(&m, n_mels), NULL);
    mel_log(m, samples + PAD, g.n_frames + 2, mel, &max, 0);
    mel_normalise(mel, (size_t)g.n_frames * (size_t)n_mels, max);
    memset(mel + (size_t)g.n_frames * (size_t)n_mels, 0,
           (size_t)(FRAMES + 2 - g.n_frames) * (size_t)n_mels * sizeof *mel);
    mel_close(&m);
    free(samples);
    return mel;
}

/* Opens everything once; skips the test that asks first for what is not there. */
static void open_all(void)
{
    struct sotto_diag diag = {0};
    struct net_params params = {.precision = SOTTO_PRECISION_FP32};
    struct net_encoder *e = NULL;
    char path[TEST_PATH];

    if (g.d)
        return;
    g.golden = json_load_file("tests/golden/decode_base.json", 0, NULL);
    assert_non_null(g.golden);
    test_model(json_string_value(json_object_get(g.golden, "model")), path);
    assert_ok(model_open(&g.model, path, &diag), &diag);
    float *mel = make_mel();
    assert_ok(pool_open(&g.pool, 2), NULL);
    assert_ok(net_open(&g.net, g.model, &params, g.pool, &diag), &diag);
    assert_ok(net_window_open(&g.window, g.net), NULL);
    assert_ok(net_encoder_open(&e, g.net, 2), NULL);
    assert_ok(net_encode(e, g.pool, mel, NULL, g.window, NULL, NULL), NULL);
    net_encoder_close(&e);
    free(mel);
    assert_ok(net_decoder_open(&g.d, g.net, SLOTS, 2), NULL);
    g.logits = malloc(MAX_WANTED * (size_t)g.model->shape.n_vocab * sizeof *g.logits);
}

static int close_all(void **state)
{
    (void)state;
    free(g.logits);
    net_decoder_close(&g.d);
    net_window_close(&g.window);
    net_close(&g.net);
    pool_close(&g.pool);
    model_close(&g.model);
    json_decref(g.golden);
    return 0;
}

/* ---- decoding --------------------------------------------------------------------------------- */

static double number(const json_t *c, const char *key, double otherwise)
{
    const json_t *v = json_object_get(c, key);
    return json_is_null(v) ? -1 : v ? json_number_value(v) : otherwise;
}

static bool flag(const json_t *c, const char *key, bool otherwise)
{
    const json_t *v = json_object_get(c, key);
    return v ? json_is_true(v) : otherwise;
}

static int push_array(int32_t *dst, const json_t *array)
{
    int n = 0;
    size_t i;
    json_t *v;
    json_array_foreach(array, i, v) dst[n++] = (int32_t)json_integer_value(v);
    return n;
}

static int start_sequence(int32_t *dst)
{
    const struct token_special *s = tokenizer_special(g.model->tokenizer);
    dst[0] = s->sot;
    dst[1] = tokenizer_language_token(g.model->tokenizer, sotto_language_find("en"));
    dst[2] = s->transcribe;
    return 3;
}

static struct search_params params_of(const json_t *c)
{
    struct search_params p = {
        .beam_size = (int)number(c, "beam_size", 1),
        .patience = number(c, "patience", 1),
        .length_penalty = number(c, "length_penalty", -1),
        .sample_len = (int)number(c, "sample_len", 0),
        .without_timestamps = flag(c, "without_timestamps", false),
        .max_initial_timestamp_s = number(c, "max_initial_timestamp", 1),
        .suppress_blank = flag(c, "suppress_blank", true),
        .ops = net_ops(g.net),
    };
    p.suppress = tokenizer_non_speech(g.model->tokenizer, &p.n_suppress);
    return p;
}

static void run_case(const json_t *c)
{
    const struct token_special *sp = tokenizer_special(g.model->tokenizer);
    const struct model_shape *shape = &g.model->shape;
    struct search_params p = params_of(c);
    struct search *s = NULL;
    struct search_result r;
    struct net_row rows[448];
    int32_t prompt[448], expected[448];
    int slots[SLOTS] = {3, 1, 4, 0, 2}, n = 0;

    if (json_object_get(c, "prompt")) {
        prompt[n++] = sp->sot_prev;
        n += push_array(prompt + n, json_object_get(c, "prompt"));
    }
    int sot_index = n;
    n += start_sequence(prompt + n);
    if (p.without_timestamps)
        prompt[n++] = sp->no_timestamps;
    for (int i = 0; i < search_n_slots(&p); i++)
        net_decoder_bind(g.d, slots[i], g.window);
    assert_ok(search_open(&s, g.model->tokenizer, shape->n_text_ctx, shape->n_vocab, &p, prompt, n,
                          sot_index, slots),
              NULL);
    while (!search_done(s)) {
        int n_rows = search_rows(s, rows);
        net_decoder_step(g.d, g.pool, rows, n_rows, g.logits, NULL);
        assert_ok(search_advance(s, g.logits, g.d), NULL);
    }
    search_get_result(s, &r);
    int n_expected = push_array(expected, json_object_get(c, "tokens"));
    for (int i = 0; i < r.n_tokens && i < n_expected; i++)
        assert_int_equal(r.tokens[i], expected[i]);
    assert_int_equal(r.n_tokens, n_expected);
    assert_close(r.avg_logprob, number(c, "avg_logprob", 0), 1e-3);
    assert_close(r.no_speech_prob, number(c, "no_speech_prob", 0), 1e-4);
    search_close(&s);
}

static void test_tokens(void **state)
{
    size_t i;
    json_t *c;
    (void)state;

    open_all();
    json_array_foreach(json_object_get(g.golden, "cases"), i, c)
    {
        char *name = json_dumps(c, JSON_COMPACT);
        print_message("case %zu: %.60s\n", i, name);
        free(name);
        run_case(c);
    }
    assert_in_range(i, 8, 100);
}

/* ---- words ------------------------------------------------------------------------------------ */

enum { MAX_SEGMENTS = 20 };

static int load_segments(const json_t *list, struct words_segment *s, int32_t (*tokens)[448])
{
    size_t i;
    json_t *v;

    json_array_foreach(list, i, v)
    {
        assert_true(i < MAX_SEGMENTS);
        s[i] = (struct words_segment){
            .tokens = tokens[i],
            .n_tokens = push_array(tokens[i], json_object_get(v, "tokens")),
            .start_s = number(v, "start", 0),
            .end_s = number(v, "end", 0),
        };
    }
    return (int)i;
}

static int compare_segment(const struct words_segment *s, const json_t *v)
{
    const json_t *words = json_object_get(v, "words");

    assert_int_equal(s->n_words, json_array_size(words));
    assert_close(s->start_s, number(v, "start_after", 0), 0.021);
    assert_close(s->end_s, number(v, "end_after", 0), 0.021);
    for (int i = 0; i < s->n_words; i++) {
        const json_t *w = json_array_get(words, (size_t)i);
        assert_string_equal(s->words[i].text, json_string_value(json_array_get(w, 0)));
        // a near tie of two paths may move a word by one position
        assert_close(s->words[i].start_s, json_number_value(json_array_get(w, 1)), 0.021);
        assert_close(s->words[i].end_s, json_number_value(json_array_get(w, 2)), 0.021);
        assert_close(s->words[i].probability, json_number_value(json_array_get(w, 3)), 2e-3);
    }
    return s->n_words;
}

static void test_word_times(void **state)
{
    struct words_segment segments[MAX_SEGMENTS];
    int32_t tokens[MAX_SEGMENTS][448], start[3];
    struct words *w = NULL;
    int n_words = 0;
    (void)state;

    open_all();
    const json_t *golden = json_object_get(g.golden, "words");
    const json_t *list = json_object_get(golden, "segments");
    struct words_window window = {
        .slot = 2,
        .start = start,
        .n_start = start_sequence(start),
        .language = sotto_language_find("en"),
        .n_frames = (int)number(golden, "n_frames", 0),
        .offset_s = number(golden, "seek", 0) / 100,
        .last_speech_s = number(golden, "last_speech", 0),
        .segments = segments,
    };
    assert_int_equal(window.n_frames, g.n_frames);
    for (int max_rows = 64; max_rows > 2; max_rows -= 57) { // in one, and in many steps
        window.n_segments = load_segments(list, segments, tokens);
        net_decoder_bind(g.d, window.slot, g.window);
        struct words_params p = {.ops = net_ops(g.net), .max_rows = max_rows};
        assert_ok(words_open(&w, g.model, &p), NULL);
        assert_ok(words_run(w, g.d, g.pool, &window), NULL);
        for (int i = 0; i < window.n_segments; i++)
            n_words += compare_segment(&segments[i], json_array_get(list, (size_t)i));
        words_close(&w);
    }
    assert_true(n_words > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_word_times),
    };
    return cmocka_run_group_tests(tests, NULL, close_all);
}
