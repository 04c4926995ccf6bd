/*
 * The batched mode with a pretended decoder: what becomes of speech that the recogniser leaves unread
 * at a window's end. It is asked to go on (one more prompt, no encoding); where that does not help,
 * the rest becomes a window of its own; and it comes to an end whatever the recogniser says. The rest
 * of the engine is real, on a generated model.
 */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/net.h"
#include "engine/transcriber.h"
#include "support_gen_model.h"

enum { RATE = 16000, WINDOW_S = 30, CTX = 448, SLOTS = 64, LONGEST = 400 };

static sotto_model *model;
static const struct token_special *sp;
static float *sound; // WINDOW_S seconds
static int n_samples = WINDOW_S * RATE; // of it, fed

/* ---- the pretended decoder -------------------------------------------------------------------- */

/* What it says, of all windows alike: the first line that begins with what has been decoded so far,
 * or goes on from what it is asked with. "<12.5>" is a timestamp, every other character one token;
 * from "?" on it is unsure. */
static const char *script[4];

static int n_prompts, longest_prompt, n_polls, stop_at;
static int32_t last_prompt[CTX];

struct net_decoder {
    int n_slots;
    int32_t cache[SLOTS][CTX];
    int n_cached[SLOTS];
};

int net_decoder_open(struct net_decoder **out, const struct net *net, int n_slots, int n_threads)
{
    (void)net, (void)n_threads;
    assert_true(n_slots <= SLOTS);
    *out = mem_calloc(1, sizeof **out);
    if (!*out)
        return SOTTO_ENOMEM;
    (*out)->n_slots = n_slots;
    return 0;
}

void net_decoder_close(struct net_decoder **d)
{
    mem_free(*d);
    *d = NULL;
}

void net_decoder_watch(struct net_decoder *d, bool (*should_abort)(void *user), void *user)
{
    (void)d, (void)should_abort, (void)user;
}

bool net_decoder_stopped(const struct net_decoder *d)
{
    (void)d;
    return false;
}

void net_decoder_bind(struct net_decoder *d, int slot, const struct net_window *window)
{
    assert_non_null(window);
    d->n_cached[slot] = 0;
}

int net_decoder_max_rows(const struct net_decoder *d)
{
    return d->n_slots > CTX ? d->n_slots : CTX;
}

void net_decoder_copy(struct net_decoder *d, const int *dst, const int *src, int n, int n_pos)
{
    static int32_t from[SLOTS][CTX];

    memcpy(from, d->cache, sizeof from);
    for (int i = 0; i < n; i++) {
        memcpy(d->cache[dst[i]], from[src[i]], (size_t)n_pos * sizeof from[0][0]);
        d->n_cached[dst[i]] = n_pos;
    }
}

/* A line of the script as tokens; `*unsure_from`: the token from which on it is. */
static int parse(const char *line, int32_t *tokens, int *unsure_from)
{
    int n = 0;

    *unsure_from = LONGEST;
    for (; *line; line++) {
        if (*line == '?') {
            *unsure_from = n;
        } else if (*line == '<') {
            double t = strtod(line + 1, NULL);
            tokens[n++] = sp->timestamp_begin + (int32_t)lrint(t / 0.02);
            line = strchr(line, '>');
        } else {
            tokens[n++] = (unsigned char)*line;
        }
    }
    return n;
}

static int32_t next_token(const int32_t *said, int n_said, bool asked, double *sure)
{
    int32_t line[LONGEST];
    int unsure_from;

    *sure = 0.9999;
    for (int i = 0; i < 4 && script[i]; i++) {
        int n = parse(script[i], line, &unsure_from);
        if (n < n_said + asked || memcmp(line, said, (size_t)n_said * sizeof *line) != 0)
            continue;
        *sure = n_said >= unsure_from ? 0.05 : *sure;
        return n_said < n ? line[n_said] : sp->eot;
    }
    return sp->eot;
}

/* The start sequence is <|startoftranscript|> language task, after which all is of the window.
 * `prompt`: the last token is the prompt's. */
static void speak(const int32_t *tokens, int n, bool prompt, float *logits)
{
    int n_vocab = model->model->shape.n_vocab, start = 0;
    double sure;

    while (start < n && tokens[start] != sp->sot)
        start++;
    start = start + 3 < n ? start + 3 : n;
    int32_t next = next_token(tokens + start, n - start, prompt && n > start, &sure);
    for (int v = 0; v < n_vocab; v++)
        logits[v] = v <= sp->eot ? (float)log((1 - sure) / sp->eot) : -1e4f;
    logits[next] = (float)log(sure);
}

int net_decoder_step(struct net_decoder *d, struct pool *p, const struct net_row *rows, int n_rows,
                     float *logits, const struct net_align *align)
{
    (void)p;
    if (++n_polls == stop_at)
        return SOTTO_EABORTED;
    for (int i = 0; i < n_rows; i++) {
        const struct net_row *r = &rows[i];
        int pos = d->n_cached[r->slot]++;
        assert_int_equal(r->pos, pos);
        d->cache[r->slot][pos] = r->token;
        n_prompts += pos == 0 && !align;
        if (!r->want_logits)
            continue;
        bool prompt = i > 0 && rows[i - 1].slot == r->slot;
        if (prompt) {
            longest_prompt = pos + 1 > longest_prompt ? pos + 1 : longest_prompt;
            memcpy(last_prompt, d->cache[r->slot], (size_t)(pos + 1) * sizeof *last_prompt);
        }
        speak(d->cache[r->slot], pos + 1, prompt, logits);
        logits += model->model->shape.n_vocab;
    }
    if (align && align->scores) { // every row hears a place of its own
        int n_ctx = model->model->shape.n_audio_ctx, n = model->model->n_align_heads * n_rows;
        for (int i = 0; i < n; i++)
            for (int t = 0; t < n_ctx; t++)
                align->scores[(size_t)i * (size_t)n_ctx + (size_t)t] =
                    -0.01f * fabsf((float)(t - 100 * (i % n_rows)));
    }
    return 0;
}

/* ---- transcribing ----------------------------------------------------------------------------- */

struct heard {
    char text[1024];
    double start_s[16], end_s[16], logprob[16];
    int n, n_words;
    struct sotto_stats stats;
};

static int on_segment(void *user, const struct sotto_segment *s)
{
    struct heard *h = user;

    assert_true(h->n < 16 && strlen(h->text) + strlen(s->text) + 2 < sizeof h->text);
    strcat(strcat(h->text, s->text), "|");
    h->start_s[h->n] = s->start_s;
    h->end_s[h->n] = s->end_s;
    h->logprob[h->n++] = s->avg_logprob;
    for (int i = 0; i < s->n_words; i++)
        assert_true(s->words[i].end_s >= s->words[i].start_s);
    h->n_words += s->n_words;
    return 0;
}

static void options(struct sotto_options *o)
{
    sotto_options_init(o);
    o->mode = SOTTO_MODE_BATCHED;
    o->vad = false;
    o->n_threads = 1;
    o->language = "en";
    o->on_segment = on_segment;
}

static int run(struct sotto_options *o, struct heard *h)
{
    sotto_transcriber *t = NULL;
    struct sotto_diag diag = {0};

    *h = (struct heard){0};
    o->user = h;
    n_prompts = longest_prompt = n_polls = 0;
    int err = sotto_transcriber_open(&t, model, o, &diag);
    if (!err)
        err = sotto_feed(t, sound, (size_t)n_samples, &diag);
    if (!err)
        err = sotto_finish(t, &diag);
    if (!err)
        sotto_get_stats(t, &h->stats);
    sotto_transcriber_close(&t);
    return err;
}

static void say(const char *first, const char *second, const char *third)
{
    script[0] = first, script[1] = second, script[2] = third, script[3] = NULL;
    stop_at = 0;
}

/* ---- tests ------------------------------------------------------------------------------------ */

/* The recogniser stops at 20 s; what it does when asked; what comes of it. */
static void test_speech_left_unread(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second, *third;
        const char *text;
        double end_s;               // of the second segment
        int prompts, windows, fallbacks;
    } cases[] = {
        // read to the end at once: nobody is asked
        {"<0>ab<29.5>", NULL, NULL, "ab|", 0, 1, 1, 0},
        // goes on to the end, without and with the next segment begun, and with its end left open
        {"<0>ab<20>", "<0>ab<20><20>cd<29>", NULL, "ab|cd|", 29, 2, 1, 0},
        {"<0>ab<20><20>", "<0>ab<20><20>cd<29><29>", NULL, "ab|cd|", 29, 2, 1, 0},
        {"<0>ab<20>", "<0>ab<20><20>cd", NULL, "ab|cd|", 30, 2, 1, 0},
        // goes on twice
        {"<0>ab<20>", "<0>ab<20><20>cd<24>", "<0>ab<20><20>cd<24><24>ef<29>", "ab|cd|ef|", 24, 3, 1, 0},
        // is not sure; comes not far; says nothing: a window of its own, whose answer is "ab" again
        {"<0>ab<20>", "<0>ab<20><20>?cd<29>", NULL, "ab|ab|", 30, 3, 2, 0},
        {"<0>ab<20>", "<0>ab<20><20>cd<20.5>", NULL, "ab|ab|", 30, 3, 2, 0},
        {"<0>ab<20>", "<0>ab<20><20>\n<29>", NULL, "ab|ab|", 30, 3, 2, 0},
        {"<0>ab<20>", "<0>ab<20><20>\n\n\n", NULL, "ab|ab|", 30, 3, 2, 0},
        // gets on in time, hardly in text: the text counts, a window reads the rest
        {"<0>ab<20>", "<0>ab<20><20>c<20.1><20.1>\n<29>", NULL, "ab|c|ab|", 20.1, 3, 2, 0},
        // text without an end: it goes to the window's end
        {"<1>ab", NULL, NULL, "ab|", 0, 1, 1, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sotto_options o;
        struct heard h;
        say(cases[i].first, cases[i].second, cases[i].third);
        options(&o);
        o.temperature_increment = 0;
        assert_ok(run(&o, &h), NULL);
        assert_string_equal(h.text, cases[i].text);
        assert_int_equal(n_prompts, cases[i].prompts);
        assert_int_equal(h.stats.n_windows, cases[i].windows);
        assert_int_equal(h.stats.n_fallbacks, cases[i].fallbacks);
        if (h.n > 1)
            assert_close(h.end_s[1], cases[i].end_s, 1e-3);
        for (int k = 1; k < h.n; k++)
            assert_close(h.start_s[k], h.end_s[k - 1], 1e-3);
        assert_close(h.start_s[0], cases[i].first[1] - '0', 1e-3);
        if (h.n == 1)
            assert_true(h.end_s[0] > 29);
        for (int k = 0; k < h.n; k++)
            assert_close(h.logprob[k], log(0.9999), 1e-3);
    }
}

/* The first reading fell back once; that is counted once, whether the answer helps or not. */
static void test_fallbacks_are_counted_once(void **state)
{
    (void)state;
    for (int helps = 0; helps < 2; helps++) {
        struct sotto_options o;
        struct heard h;
        // one window's first reading compresses too well at every temperature
        say("<0>abababababababababababababababababababababab<20>",
            helps ? "<0>abababababababababababababababababababababab<20><20>cd<29>" : NULL, NULL);
        options(&o);
        o.temperature = 0.8;
        o.temperature_increment = 0.2;
        o.best_of = 1;
        assert_ok(run(&o, &h), NULL);
        assert_int_equal(h.stats.n_windows, helps ? 1 : 2);
        assert_int_equal(h.stats.n_fallbacks, helps ? 1 : 2); // once per window
    }
}

/* Every search asks and goes on: beams, samples, words; and other tasks and hints in the prompt. */
static void test_options(void **state)
{
    (void)state;
    enum { CASES = 7 };
    struct sotto_options o[CASES];

    for (int i = 0; i < CASES; i++)
        options(&o[i]);
    o[1].beam_size = 4, o[1].patience = 2;
    o[2].temperature = 0.4, o[2].best_of = 3, o[2].temperature_increment = 0;
    o[3].word_timestamps = true;
    o[4].task = SOTTO_TASK_TRANSLATE, o[4].language = "de";
    o[5].language = NULL;
    o[6].hotwords = "one two three", o[6].word_timestamps = true;
    o[6].beam_size = 2, o[6].patience = 8; // many finish that never began well
    say("<0>ab<20>", "<0>ab<20><20>cd<29>", NULL);
    for (int i = 0; i < CASES; i++) {
        struct heard h;
        assert_ok(run(&o[i], &h), NULL);
        assert_string_equal(h.text, "ab|cd|");
        assert_int_equal(h.stats.n_windows, 1);
        assert_int_equal(n_prompts, 2 + !o[i].language);
        assert_int_equal(h.n_words > 0, o[i].word_timestamps);
        if (i == 4) {
            assert_int_equal(last_prompt[1], tokenizer_language_token(model->model->tokenizer,
                                                                      sotto_language_find("de")));
            assert_int_equal(last_prompt[2], sp->translate);
        }
    }
}

/* Hints as long as they get: they keep their ends, the decoder's positions are enough, and where
 * they are not, the rest is a window of its own. */
static void test_long_prompts(void **state)
{
    (void)state;
    char hint[2000], first[LONGEST], second[LONGEST];

    memset(hint, 'x', sizeof hint - 1);
    hint[sizeof hint - 1] = '\0';
    for (int n = 10; n <= 200; n += 38)
        for (int prefix = 0; prefix < 2; prefix++) {
            struct sotto_options o;
            struct heard h;
            char text[256];
            for (int i = 0; i < n; i++) // not to be compressed
                text[i] = (char)('a' + (i * i * 7 + i / 3) % 26);
            text[n] = '\0';
            snprintf(first, sizeof first, "<0>%s<20>", text);
            snprintf(second, sizeof second, "<0>%s<20><20>cd<29>", text);
            say(first, second, NULL);
            options(&o);
            o.compression_ratio_threshold = NAN;
            o.temperature_increment = 0;
            o.hotwords = hint;
            o.prefix = prefix ? hint : NULL;
            if (prefix)
                script[0] = NULL; // the prefix is no line: the window is empty, and that is all
            assert_ok(run(&o, &h), NULL);
            assert_true(longest_prompt <= CTX);
            if (!prefix) {
                bool fits = n + 2 + 1 <= CTX / 2 - 32;
                assert_int_equal(h.stats.n_windows, fits ? 1 : 2);
                assert_int_equal(longest_prompt, fits ? CTX / 2 + 3 + n + 3 : CTX / 2 + 3);
            }
        }
}

/* Aborted at any step of the decoder, also while asked: that is said, and nothing is lost. */
static void test_abort_at_every_step(void **state)
{
    (void)state;
    int n_all = 0;

    say("<0>ab<20>", "<0>ab<20><20>cd<24>", "<0>ab<20><20>cd<24><24>?efgh<29>");
    for (int stop = 0; stop <= n_all; stop++) { // first without one, to count the steps
        struct sotto_options o;
        struct heard h;
        options(&o);
        o.temperature_increment = 0;
        stop_at = stop;
        assert_error(run(&o, &h), stop ? SOTTO_EABORTED : 0, NULL);
        n_all = stop ? n_all : n_polls;
    }
    assert_true(n_all > 10);
}

/* Every allocation failing once, in a run that is asked twice, helped once, and makes a window of
 * the rest. */
static void test_every_allocation_fails(void **state)
{
    (void)state;
    struct sotto_options o;
    struct heard h;
    long n = 0;

    say("<0>ab<20>", "<0>ab<20><20>cd<24>", "<0>ab<20><20>cd<24><24>?efgh<29>");
    for (int words = 0; words < 2; words++) {
        options(&o);
        o.temperature_increment = 0;
        o.beam_size = 1 + words, o.patience = 8;
        o.word_timestamps = words;
        for (n = 0;; n++) {
            mem_fail_at(n, 1);
            int err = run(&o, &h);
            mem_fail_at(-1, 0);
            if (!err)
                break;
            assert_error(err, SOTTO_ENOMEM, NULL);
        }
        assert_string_equal(h.text, "ab|cd|ab|");
        assert_true(n > 50);
    }
}

/* Times behind the recording's end, as a recogniser gives that hears the silence after it: both ways
 * through the recording put them at its end. */
static void test_times_behind_the_end(void **state)
{
    (void)state;
    const enum sotto_mode modes[] = {SOTTO_MODE_BATCHED, SOTTO_MODE_SEQUENTIAL};

    n_samples = 4 * RATE;
    for (int i = 0; i < 2; i++) {
        struct sotto_options o;
        struct heard h;
        say("<0>ab<3><3>cd<8><12>ef<14>", NULL, NULL);
        options(&o);
        o.mode = modes[i];
        assert_ok(run(&o, &h), NULL);
        assert_string_equal(h.text, "ab|cd|ef|");
        assert_close(h.end_s[0], 3, 1e-3);
        assert_close(h.start_s[1], 3, 1e-3);
        assert_close(h.end_s[1], 4, 1e-3);
        assert_close(h.start_s[2], 4, 1e-3);
        assert_close(h.end_s[2], 4, 1e-3);
    }
    n_samples = WINDOW_S * RATE;
}

static int setup(void **state)
{
    (void)state;
    char dir[TEST_PATH], path[TEST_PATH + 8];
    struct sotto_model_params p;
    struct sotto_diag diag = {0};
    struct gen_model g;

    test_temp_dir(dir);
    snprintf(path, sizeof path, "%s/model", dir);
    gen_model_init(&g);
    g.n_audio_layer = g.n_text_layer = 1;
    assert_true(gen_model_write(&g, GEN_CT2, path));
    sotto_model_params_init(&p);
    p.n_threads = 1;
    assert_ok(sotto_model_open(&model, path, &p, &diag), &diag);
    test_temp_dir_remove(dir);
    sp = tokenizer_special(model->model->tokenizer);
    sound = calloc(WINDOW_S * RATE, sizeof *sound);
    for (int i = 0; i < WINDOW_S * RATE; i++)
        sound[i] = 0.1f * sinf(0.1f * (float)i);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sotto_model_close(&model);
    free(sound);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_speech_left_unread),
        cmocka_unit_test(test_fallbacks_are_counted_once),
        cmocka_unit_test(test_times_behind_the_end),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_long_prompts),
        cmocka_unit_test(test_abort_at_every_step),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
