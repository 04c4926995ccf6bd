/* engine/config: every numeric option at the values that break arithmetic; clips; pairs of options. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "engine/config.h"
#include "support_vocab.h"

static struct model model;

static int open_with(const struct sotto_options *o, struct sotto_diag *diag)
{
    struct config *c = NULL;

    *diag = (struct sotto_diag){0};
    int err = config_open(&c, o, &model, diag);
    assert_true((c == NULL) == (err != 0));
    config_close(&c);
    return err;
}

struct row {
    const char *name;
    size_t offset;
    const char *takes; // a character per value: + or -
};
#define OPTION(name, takes)                                                                        \
    {                                                                                              \
#name, offsetof(struct sotto_options, name), takes                                         \
    }

/* Which of NaN, infinity, -infinity, 1e300, -1e300 and -0.5 an option takes; all others are refused
 * with EINVAL and its name. */
static void test_numbers(void **state)
{
    (void)state;
    static const double values[] = {NAN, INFINITY, -INFINITY, 1e300, -1e300, -0.5};
    static const struct row options[] = {
        OPTION(temperature, "------"),
        OPTION(temperature_increment, "------"),
        OPTION(patience, "------"),
        OPTION(length_penalty, "--+-++"),
        OPTION(compression_ratio_threshold, "++-+--"),
        OPTION(logprob_threshold, "++++++"),
        OPTION(no_speech_threshold, "+-----"),
        OPTION(max_initial_timestamp, "--+-++"),
        OPTION(hallucination_silence_threshold, "+-----"),
        OPTION(vad_threshold, "------"),
        OPTION(vad_neg_threshold, "+-----"),
        OPTION(vad_max_speech_s, "-+-+--"),
    };
    struct sotto_diag diag;

    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            struct sotto_options o;
            sotto_options_init(&o);
            o.word_timestamps = true;
            memcpy((char *)&o + options[i].offset, &values[v], sizeof values[v]);
            bool takes = options[i].takes[v] == '+';
            int err = open_with(&o, &diag);
            if (err != (takes ? 0 : SOTTO_EINVAL))
                fail_msg("%s = %g: %s", options[i].name, values[v], sotto_error_name(err));
            if (err)
                assert_contains(diag.text, options[i].name);
        }
}

static void test_integers(void **state)
{
    (void)state;
    static const struct row options[] = {
        OPTION(n_threads, "---"),
        OPTION(batch_size, "---"),
        OPTION(best_of, "---"),
        OPTION(beam_size, "---"),
        OPTION(vad_min_speech_ms, "---"),
        OPTION(vad_min_silence_ms, "---"),
        OPTION(vad_speech_pad_ms, "---"),
        OPTION(audio_stream, "---"),
        OPTION(channel, "---"),
        OPTION(n_clips, "---"),
        OPTION(task, "---"),
        OPTION(mode, "---"),
    };
    static const int values[] = {INT32_MIN, -2, INT32_MAX};
    struct sotto_diag diag;

    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            struct sotto_options o;
            sotto_options_init(&o);
            memcpy((char *)&o + options[i].offset, &values[v], sizeof values[v]);
            assert_error(open_with(&o, &diag), SOTTO_EINVAL, &diag);
            assert_contains(diag.text, options[i].name);
        }
}

static void test_clips(void **state)
{
    (void)state;
    static const struct {
        struct sotto_clip clips[2];
        bool good;
    } cases[] = {
        {{{0, 1}, {1, 2}}, true},        {{{0, 1}, {5, -1}}, true},
        {{{0, 0}, {0, HUGE_VAL}}, true}, {{{1, 2}, {1.5, 3}}, false},
        {{{0, -1}, {3, 4}}, false},      {{{2, 1}, {3, 4}}, false},
        {{{-1, 1}, {3, 4}}, false},      {{{NAN, 1}, {3, 4}}, false},
        {{{0, NAN}, {3, 4}}, false},     {{{0, 1}, {HUGE_VAL, -1}}, false},
    };
    struct sotto_diag diag;
    struct sotto_options o;

    sotto_options_init(&o);
    o.n_clips = 2;
    assert_error(open_with(&o, &diag), SOTTO_EINVAL, &diag); // and clips is NULL
    assert_contains(diag.text, "clips");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        o.clips = cases[i].clips;
        int err = open_with(&o, &diag);
        if (err != (cases[i].good ? 0 : SOTTO_EINVAL))
            fail_msg("case %d: %s %s", (int)i, sotto_error_name(err), diag.text);
        if (err)
            assert_contains(diag.text, "clip ");
    }
}

static void test_pairs(void **state)
{
    (void)state;
    struct sotto_diag diag;
    struct sotto_options o;

    sotto_options_init(&o);
    o.hallucination_silence_threshold = 2;
    assert_error(open_with(&o, &diag), SOTTO_EINVAL, &diag);
    assert_contains(diag.text, "word_timestamps");
    sotto_options_init(&o);
    o.beam_size = 5;
    o.patience = 0.1; // half a candidate: rounds to none, as Python rounds
    assert_error(open_with(&o, &diag), SOTTO_EINVAL, &diag);
    assert_contains(diag.text, "patience");
    o.patience = 0.2;
    assert_ok(open_with(&o, &diag), &diag);
}

/* What clips ask for of a recording. */
static void test_asked(void **state)
{
    (void)state;
    struct sotto_clip clips[] = {{10, 20}, {30, -1}};
    struct config c = {.opt = {.clips = clips}};

    assert_close(config_start_s(&c), 0, 0);
    assert_close(config_end_s(&c), HUGE_VAL, 0);
    assert_close(config_asked_s(&c, 50), 50, 0);
    c.opt.n_clips = 2;
    assert_close(config_start_s(&c), 10, 0);
    assert_close(config_end_s(&c), HUGE_VAL, 0);
    assert_close(config_asked_s(&c, 50), 30, 1e-9);
    assert_close(config_asked_s(&c, 15), 5, 1e-9);
    clips[1].end_s = 33;
    assert_close(config_end_s(&c), 33, 0);
    assert_close(config_asked_s(&c, 50), 13, 1e-9);
}

static int setup(void **state)
{
    (void)state;
    model.tokenizer = vocab_open(NULL, 0);
    model.multilingual = true;
    model.shape.n_text_ctx = 448;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tokenizer_close(&model.tokenizer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_integers),
        cmocka_unit_test(test_clips),   cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_asked),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
