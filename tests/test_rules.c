/* engine/rules and engine/sampler: each logit filter of openai/whisper (whisper/decoding.py) on rows
 * whose outcome is plain to see, top selection against a full sort, and odd numbers. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/rules.h"
#include "engine/sampler.h"
#include "support_vocab.h"

enum { A = 'a', B = 'b', C = 'c', SPACE = ' ' };

static struct tokenizer *tok;
static const struct token_special *sp;
static struct ops ops;
static int n_vocab;
static float *logits;

static int setup(void **state)
{
    static const char *const texts[] = {" the", "'s"};
    (void)state;
    ops_init_ref(&ops);
    tok = vocab_open(texts, 2);
    sp = tokenizer_special(tok);
    n_vocab = tokenizer_n_tokens(tok);
    logits = malloc((size_t)n_vocab * sizeof *logits);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tokenizer_close(&tok);
    free(logits);
    return 0;
}

static struct rules_params defaults(void)
{
    return (struct rules_params){
        .n_vocab = n_vocab, .max_initial_timestamp = 50, .suppress_blank = true, .ops = &ops};
}

static struct rules make(struct rules_params p)
{
    struct rules r;
    assert_ok(rules_init(&r, tok, &p), NULL);
    return r;
}

/* All logits `level`, timestamps -20 lower, so that their sum outweighs nothing. */
static void flat(float level)
{
    for (int i = 0; i < n_vocab; i++)
        logits[i] = i >= sp->timestamp_begin ? level - 20 : level;
}

static bool allowed(const struct rules_row *row, int32_t id)
{
    for (int i = 0; i < 2; i++)
        if (id >= row->begin[i] && id < row->end[i])
            return row->logits[id] > -INFINITY;
    return false;
}

static void apply(const struct rules *r, const int32_t *seq, int n, struct rules_row *row)
{
    rules_apply(r, logits, seq, n, row);
}

static void test_special_tokens_are_never_decoded(void **state)
{
    (void)state;
    const int32_t extra[] = {B, -1, n_vocab, 1 << 30, B};
    struct rules_params p = defaults();
    p.without_timestamps = true;
    p.suppress = extra;
    p.n_suppress = 5;
    struct rules r = make(p);
    struct rules_row row;
    const int32_t never[] = {sp->transcribe, sp->translate, sp->sot, sp->sot_prev,
                             sp->sot_lm,     sp->no_speech, B};

    flat(0);
    for (int i = 0; i < 7; i++)
        logits[never[i]] = 50;
    logits[C] = 1;
    apply(&r, (int32_t[]){A}, 1, &row);
    assert_int_equal(row.best, C);
    for (int i = 0; i < 7; i++)
        assert_false(allowed(&row, never[i]));
    // As in the reference: without timestamp rules these are not forbidden.
    assert_true(allowed(&row, sp->no_timestamps));
    assert_true(allowed(&row, sp->timestamp_begin));
    assert_true(allowed(&row, sp->eot));
    rules_fini(&r);
}

static void test_blank_only_forbidden_at_the_start(void **state)
{
    (void)state;
    struct rules_params p = defaults();
    p.without_timestamps = true;
    struct rules r = make(p);
    struct rules_row row;

    flat(0);
    apply(&r, NULL, 0, &row);
    assert_false(allowed(&row, SPACE));
    assert_false(allowed(&row, sp->eot));
    assert_true(allowed(&row, VOCAB_FIRST_TEXT)); // " the" is not blank
    flat(0);
    apply(&r, (int32_t[]){A}, 1, &row);
    assert_true(allowed(&row, SPACE));
    assert_true(allowed(&row, sp->eot));
    rules_fini(&r);

    p.suppress_blank = false;
    r = make(p);
    flat(0);
    apply(&r, NULL, 0, &row);
    assert_true(allowed(&row, SPACE));
    assert_true(allowed(&row, sp->eot));
    rules_fini(&r);
}

static void test_first_token_is_an_early_timestamp(void **state)
{
    (void)state;
    struct rules r = make(defaults());
    struct rules_row row;
    int32_t t0 = sp->timestamp_begin;

    flat(0);
    logits[t0 + 51] = 5; // 1.02 s
    logits[t0 + 50] = 2; // 1.00 s
    apply(&r, NULL, 0, &row);
    assert_int_equal(row.best, t0 + 50);
    assert_false(allowed(&row, A));
    assert_false(allowed(&row, sp->eot));
    assert_true(allowed(&row, t0));
    assert_false(allowed(&row, t0 + 51));
    // log softmax over the 51 allowed: 50 at -20 and one at 2
    assert_close(row.logsumexp, log(50 * exp(-20) + exp(2)), 1e-5);
    assert_close(rules_logprob(&row, t0), -20 - log(50 * exp(-20) + exp(2)), 1e-5);
    rules_fini(&r);

    struct rules_params p = defaults();
    p.max_initial_timestamp = -1;
    r = make(p);
    flat(0);
    logits[t0 + 1500] = 5;
    apply(&r, NULL, 0, &row);
    assert_int_equal(row.best, t0 + 1500);
    rules_fini(&r);
}

static void test_timestamps_come_in_pairs(void **state)
{
    (void)state;
    struct rules r = make(defaults());
    struct rules_row row;
    int32_t t0 = sp->timestamp_begin;

    // After the opening timestamp: text only.
    flat(0);
    apply(&r, (int32_t[]){t0}, 1, &row);
    assert_true(allowed(&row, A));
    assert_true(allowed(&row, sp->eot));
    assert_false(allowed(&row, t0 + 10));
    assert_false(allowed(&row, sp->no_timestamps));
    // After text: text, or a timestamp later than the last.
    flat(0);
    apply(&r, (int32_t[]){t0 + 10, A}, 2, &row);
    assert_true(allowed(&row, A));
    assert_false(allowed(&row, t0 + 9));
    assert_false(allowed(&row, t0 + 10)); // a segment has a length
    assert_true(allowed(&row, t0 + 11));
    // After an end: its twin or a later one, the end of text, but no text.
    flat(0);
    apply(&r, (int32_t[]){t0 + 10, A, t0 + 20}, 3, &row);
    assert_false(allowed(&row, A));
    assert_true(allowed(&row, sp->eot));
    assert_false(allowed(&row, t0 + 19));
    assert_true(allowed(&row, t0 + 20));
    assert_true(allowed(&row, t0 + 1500));
    // After a complete pair: text only.
    flat(0);
    apply(&r, (int32_t[]){t0 + 10, A, t0 + 20, t0 + 20}, 4, &row);
    assert_true(allowed(&row, A));
    assert_false(allowed(&row, t0 + 21));
    // The same if text came first of all (after a prefix).
    flat(0);
    apply(&r, (int32_t[]){A, t0 + 20}, 2, &row);
    assert_false(allowed(&row, A));
    assert_true(allowed(&row, t0 + 20));
    // The last timestamp there is: nothing later, text and the end remain.
    flat(0);
    apply(&r, (int32_t[]){t0 + 10, A, t0 + 1500, t0 + 1500, A}, 5, &row);
    assert_true(allowed(&row, A));
    assert_false(allowed(&row, t0 + 1500));
    rules_fini(&r);
}

static void test_timestamps_outweigh_text_together(void **state)
{
    (void)state;
    struct rules r = make(defaults());
    struct rules_row row;
    int32_t t0 = sp->timestamp_begin;
    int32_t seq[] = {t0, A};

    // 1500 timestamps at 0 sum to log 1500 = 7.313
    for (int i = 0; i < n_vocab; i++)
        logits[i] = i >= t0 ? 0 : -5;
    logits[B] = 7.30f;
    apply(&r, seq, 2, &row);
    assert_int_equal(row.best, t0 + 1); // the lowest of equals
    assert_false(allowed(&row, B));
    assert_close(row.logsumexp, log(1500), 1e-4);

    for (int i = 0; i < n_vocab; i++)
        logits[i] = i >= t0 ? 0 : -5;
    logits[B] = 7.33f;
    apply(&r, seq, 2, &row);
    assert_int_equal(row.best, B);
    assert_true(allowed(&row, t0 + 1));
    // B, the timestamps, and the other text and special tokens but the seven masked ones
    double others = (double)(t0 - 1 - 7) * exp(-5);
    assert_close(row.logsumexp, log(exp(7.33) + 1500 + others), 1e-4);
    rules_fini(&r);
}

static void test_ties_go_to_the_lowest_id(void **state)
{
    (void)state;
    struct rules r = make(defaults());
    struct rules_row row;
    int32_t t0 = sp->timestamp_begin, ids[4];

    flat(0);
    logits[C] = logits[B] = 3;
    logits[t0 + 7] = 3 - 1e-3f; // not above the sum rule's bar with so little beside it
    apply(&r, (int32_t[]){t0, A}, 2, &row);
    assert_int_equal(row.best, B);
    assert_int_equal(rules_top(&row, 4, ids), 4);
    assert_int_equal(ids[0], B);
    assert_int_equal(ids[1], C);
    assert_int_equal(ids[2], t0 + 7);
    assert_int_equal(ids[3], 0);
    flat(0); // one timestamp is left, and it equals the best text
    logits[C] = logits[t0 + 1500] = 3;
    apply(&r, (int32_t[]){t0, A, t0 + 1499, t0 + 1499, A}, 5, &row);
    assert_true(allowed(&row, t0 + 1500));
    assert_int_equal(row.best, C);
    rules_fini(&r);
}

static const float *sort_values;

static int by_logit(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    float fx = sort_values[x], fy = sort_values[y];
    return fx > fy ? -1 : fx < fy ? 1 : (x > y) - (x < y);
}

static void test_top_equals_a_full_sort(void **state)
{
    (void)state;
    uint64_t seed = 7;
    struct rules r = make(defaults());
    int32_t t0 = sp->timestamp_begin, seq[] = {t0 + 3, A};
    int32_t *ids = malloc((size_t)n_vocab * sizeof *ids), top[RULES_TOP_MAX];

    for (int trial = 0; trial < 300; trial++) {
        struct rules_row row;
        int n = 0, k = 1 + trial % RULES_TOP_MAX;
        for (int i = 0; i < n_vocab; i++) { // few values: many ties
            logits[i] = (float)(int)(test_random(&seed) % 400) / 10;
            if (i >= t0)
                logits[i] -= trial % 3 ? 60 : 0;
            if (trial % 5 == 0 && test_random(&seed) % 2)
                logits[i] = -INFINITY;
        }
        apply(&r, seq, 2, &row);
        for (int i = 0; i < n_vocab; i++)
            if (allowed(&row, i))
                ids[n++] = i;
        sort_values = row.logits;
        qsort(ids, (size_t)n, sizeof *ids, by_logit);
        int got = rules_top(&row, k, top);
        assert_int_equal(got, n < k ? n : k);
        for (int i = 0; i < got; i++)
            assert_int_equal(top[i], ids[i]);
        assert_int_equal(row.best, top[0]);
    }
    free(ids);
    rules_fini(&r);
}

static void test_odd_numbers(void **state)
{
    (void)state;
    struct rules r = make(defaults());
    struct rules_row row;
    int32_t t0 = sp->timestamp_begin, seq[] = {t0, A}, ids[3];

    flat(0); // NaN is never chosen
    logits[A] = NAN;
    logits[t0 + 5] = -NAN;
    logits[B] = 2;
    apply(&r, seq, 2, &row);
    assert_int_equal(row.best, B);
    assert_true(isfinite(row.logsumexp));
    assert_int_equal(rules_top(&row, 3, ids), 3);
    assert_int_equal(ids[0], B);
    assert_true(ids[1] != A && ids[2] != A);

    flat(0); // infinity wins, and leaves finite numbers
    logits[C] = INFINITY;
    apply(&r, seq, 2, &row);
    assert_int_equal(row.best, C);
    assert_true(isfinite(row.logsumexp));
    assert_true(rules_logprob(&row, C) <= 0 && rules_logprob(&row, C) > -1);

    const float nothing[] = {NAN, -INFINITY};
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < n_vocab; i++)
            logits[i] = nothing[k];
        apply(&r, seq, 2, &row);
        assert_int_equal(row.best, -1);
        assert_int_equal(rules_top(&row, 3, ids), 0);
    }
    rules_fini(&r);
}

static void test_probability_of_no_speech(void **state)
{
    (void)state;
    struct rules r = make(defaults());

    for (int i = 0; i < n_vocab; i++)
        logits[i] = 0;
    logits[sp->no_speech] = 8;
    // Unfiltered: all tokens count, timestamps and specials too.
    assert_close(rules_probability(&r, logits, sp->no_speech), exp(8) / (exp(8) + n_vocab - 1),
                 1e-5);
    assert_true(isnan(rules_probability(&r, logits, -1)));
    for (int i = 0; i < n_vocab; i++)
        logits[i] = NAN;
    assert_true(isnan(rules_probability(&r, logits, sp->no_speech)));
    rules_fini(&r);
}

/* ---- sampling --------------------------------------------------------------------------------- */

static void test_sampler_follows_the_distribution(void **state)
{
    (void)state;
    enum { DRAWS = 40000 };
    struct rules_params p = defaults();
    p.without_timestamps = true;
    struct rules r = make(p);
    struct rules_row row;
    struct sampler s;
    float *scratch = malloc((size_t)n_vocab * sizeof *scratch);
    int count[3] = {0};
    const double temperature = 0.5;

    for (int i = 0; i < n_vocab; i++)
        logits[i] = -INFINITY;
    logits[A] = 1.0f;
    logits[VOCAB_FIRST_TEXT] = 0.5f;
    logits[n_vocab - 1] = 0.0f;
    apply(&r, (int32_t[]){A}, 1, &row);
    sampler_seed(&s, 1, 2);
    for (int i = 0; i < DRAWS; i++) {
        int32_t id = sampler_draw(&s, &row, temperature, &ops, scratch);
        assert_true(id == A || id == VOCAB_FIRST_TEXT || id == n_vocab - 1);
        count[id == A ? 0 : id == VOCAB_FIRST_TEXT ? 1 : 2]++;
    }
    double weight[3] = {exp(2), exp(1), exp(0)}, total = exp(2) + exp(1) + 1;
    for (int i = 0; i < 3; i++) // five standard deviations
        assert_close(count[i] / (double)DRAWS, weight[i] / total, 5 * 0.5 / sqrt(DRAWS));
    free(scratch);
    rules_fini(&r);
}

/* Both ranges of a row are drawn from, and ids map back to where they came from. */
static void test_sampler_over_both_ranges(void **state)
{
    (void)state;
    struct rules r = make(defaults());
    struct rules_row row;
    struct sampler s;
    float *scratch = malloc((size_t)n_vocab * sizeof *scratch);
    int32_t t0 = sp->timestamp_begin;
    int n_time = 0, n_text = 0;

    for (int i = 0; i < n_vocab; i++)
        logits[i] = -INFINITY;
    logits[B] = 1;
    logits[t0 + 900] = 1 - 1e-4f;
    apply(&r, (int32_t[]){t0 + 10, A}, 2, &row);
    sampler_seed(&s, 3, 0);
    for (int i = 0; i < 2000; i++) {
        int32_t id = sampler_draw(&s, &row, 1.0, &ops, scratch);
        assert_true(id == B || id == t0 + 900);
        n_time += id == t0 + 900;
        n_text += id == B;
    }
    assert_in_range(n_time, 850, 1150);
    assert_in_range(n_text, 850, 1150);
    assert_int_equal(sampler_draw(&s, &row, 1e-9, &ops, scratch), B);
    free(scratch);
    rules_fini(&r);
}

static void test_sampler_streams(void **state)
{
    (void)state;
    struct sampler a, b, c, d;
    int same = 0;

    sampler_seed(&a, 5, 0);
    sampler_seed(&b, 5, 0);
    sampler_seed(&c, 5, 1);
    sampler_seed(&d, 6, 0);
    for (int i = 0; i < 1000; i++) {
        uint64_t x = sampler_next(&a);
        assert_int_equal(x, sampler_next(&b));
        same += x == sampler_next(&c);
        same += x == sampler_next(&d);
    }
    assert_int_equal(same, 0);
    // SplitMix64 from state 1234567, as published with its reference code
    struct sampler known = {1234567};
    assert_true(sampler_next(&known) == 6457827717110365317u);
    assert_true(sampler_next(&known) == 3203168211198807973u);
    for (int i = 0; i < 1000; i++) {
        double u = sampler_uniform(&a);
        assert_true(u >= 0 && u < 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_special_tokens_are_never_decoded),
        cmocka_unit_test(test_blank_only_forbidden_at_the_start),
        cmocka_unit_test(test_first_token_is_an_early_timestamp),
        cmocka_unit_test(test_timestamps_come_in_pairs),
        cmocka_unit_test(test_timestamps_outweigh_text_together),
        cmocka_unit_test(test_ties_go_to_the_lowest_id),
        cmocka_unit_test(test_top_equals_a_full_sort),
        cmocka_unit_test(test_odd_numbers),
        cmocka_unit_test(test_probability_of_no_speech),
        cmocka_unit_test(test_sampler_follows_the_distribution),
        cmocka_unit_test(test_sampler_over_both_ranges),
        cmocka_unit_test(test_sampler_streams),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
