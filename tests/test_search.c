/* engine/search with a pretended network whose logits are a function of the tokens a slot has read:
 * small trees with known probabilities, and random ones against a plain rendering of openai/whisper's
 * whisper/decoding.py that keeps whole sequences and sorts everything. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/search.h"
#include "support_vocab.h"

enum { A = 'a', B = 'b', C = 'c', D = 'd', CTX = 64, SLOTS = 64 };

static struct tokenizer *tok;
static const struct token_special *sp;
static int n_vocab;

/* ---- the pretended network -------------------------------------------------------------------- */

/* Logits of the token after `tokens`. */
typedef void (*logits_fn)(const int32_t *tokens, int n, float *logits);

struct net_decoder {
    logits_fn fn;
    int32_t cache[SLOTS][CTX];
    int n_cached[SLOTS];
    int n_copies, n_rows;
    float logits[(SLOTS + 2) * 2048]; // rows of V
};

void net_decoder_copy(struct net_decoder *d, const int *dst, const int *src, int n, int n_pos)
{
    int32_t before[SLOTS][CTX];
    memcpy(before, d->cache, sizeof before);
    for (int i = 0; i < n; i++) {
        assert_int_equal(d->n_cached[src[i]], n_pos);
        memcpy(d->cache[dst[i]], before[src[i]], sizeof before[0]);
    }
    for (int i = 0; i < n; i++)
        d->n_cached[dst[i]] = n_pos;
    d->n_copies += n;
}

/* Reads rows as net_decoder_step does, and checks what it demands of them. Returns logit rows. */
static int read_rows(struct net_decoder *d, const struct net_row *rows, int n_rows, int n_wanted)
{
    for (int i = 0; i < n_rows; i++) {
        const struct net_row *r = &rows[i];
        assert_in_range(r->pos, 0, CTX - 1);
        if (r->pos > 0)
            assert_int_equal(r->pos, d->n_cached[r->slot]);
        d->cache[r->slot][r->pos] = r->token;
        d->n_cached[r->slot] = r->pos + 1;
        if (r->want_logits)
            d->fn(d->cache[r->slot], r->pos + 1, d->logits + n_wanted++ * n_vocab);
    }
    d->n_rows += n_rows;
    return n_wanted;
}

/* One step of `n` searches in one batch. */
static void step(struct net_decoder *d, struct search **s, int n)
{
    struct net_row rows[SLOTS * 8];
    int wanted[SLOTS], n_wanted = 0;

    for (int i = 0; i < n; i++) {
        int max = search_max_rows(s[i]), got = search_rows(s[i], rows);
        assert_true(got <= max);
        assert_true(search_done(s[i]) == (got == 0));
        wanted[i] = n_wanted;
        n_wanted = read_rows(d, rows, got, n_wanted);
    }
    for (int i = 0; i < n; i++)
        if (!search_done(s[i]))
            assert_ok(search_advance(s[i], d->logits + wanted[i] * n_vocab, d), NULL);
}

static struct search_params greedy(void)
{
    return (struct search_params){
        .beam_size = 1,
        .best_of = 1,
        .length_penalty = -1,
        .sample_len = 20,
        .max_initial_timestamp_s = 1.0,
        .suppress_blank = true,
    };
}

static const int32_t *prompt(void)
{
    static int32_t p[3];
    p[0] = sp->sot;
    p[1] = sp->sot + 1;
    p[2] = sp->transcribe;
    return p;
}

struct outcome {
    int32_t tokens[CTX + 1];
    int n, n_steps, n_copies, n_rows;
    double sum, avg;
    float no_speech;
};

static struct outcome outcome_of(const struct search *s)
{
    struct search_result r;
    struct outcome o = {0};
    search_get_result(s, &r);
    o.n = r.n_tokens;
    memcpy(o.tokens, r.tokens, (size_t)r.n_tokens * sizeof *r.tokens);
    o.sum = r.sum_logprob;
    o.avg = r.avg_logprob;
    o.no_speech = r.no_speech_prob;
    return o;
}

static struct outcome decode(logits_fn fn, const struct search_params *p, const int32_t *tokens,
                             int n_tokens, int sot_index)
{
    struct net_decoder *d = calloc(1, sizeof *d);
    struct search *s = NULL;
    int slots[SLOTS], n_steps = 0;

    d->fn = fn;
    for (int i = 0; i < SLOTS; i++)
        slots[i] = (i * 7 + 3) % SLOTS; // any order will do
    assert_ok(search_open(&s, tok, CTX, n_vocab, p, tokens, n_tokens, sot_index, slots), NULL);
    for (; !search_done(s); n_steps++) {
        assert_true(n_steps < CTX + 1);
        step(d, &s, 1);
    }
    struct outcome o = outcome_of(s);
    o.n_steps = n_steps;
    o.n_copies = d->n_copies;
    o.n_rows = d->n_rows;
    search_close(&s);
    assert_null(s);
    free(d);
    return o;
}

static struct outcome decode_short(logits_fn fn, const struct search_params *p)
{
    return decode(fn, p, prompt(), 3, 0);
}

static void assert_tokens(const struct outcome *o, const int32_t *expected, int n)
{
    assert_int_equal(o->n, n);
    for (int i = 0; i < n; i++)
        assert_int_equal(o->tokens[i], expected[i]);
}

/* ---- trees with known probabilities ----------------------------------------------------------- */

static void nothing(float *logits)
{
    for (int i = 0; i < n_vocab; i++)
        logits[i] = -INFINITY;
}

/* 0.00 a b 1.00 end, with a 1/2 chance against c each time; the timestamps are certain. */
static void speech(const int32_t *t, int n, float *logits)
{
    nothing(logits);
    logits[sp->no_speech] = logf(0.25f);
    logits[D] = logf(0.75f);
    if (n == 3)
        logits[sp->timestamp_begin] = 0;
    else if (n == 4)
        logits[A] = 0.1f, logits[C] = 0.1f - 1;
    else if (n == 5)
        logits[B] = 2, logits[C] = 1, logits[D] = -INFINITY;
    else if (n == 6)
        logits[sp->timestamp_begin + 50] = 3;
    else if (n == 7)
        logits[sp->eot] = 1, logits[sp->timestamp_begin + 50] = 0;
    if (n >= 4)
        logits[D] = -INFINITY, logits[sp->no_speech] = 9;
    if (n == 8)
        assert_int_equal(t[7], sp->timestamp_begin + 50);
}

/* After everything the end is likeliest, then a timestamp, then a; after a timestamp and a, the end. */
static void reluctant(const int32_t *t, int n, float *logits)
{
    nothing(logits);
    logits[sp->eot] = 5;
    logits[sp->timestamp_begin + 10] = 3;
    logits[A] = n < 7 ? 1.0f : -INFINITY;
    (void)t;
}

/* Tokens given are text of the window: the end does not follow at once, nor a third timestamp; they
 * are not part of the result, its sum or its mean. */
static void test_given(void **state)
{
    (void)state;
    struct search_params p = greedy();
    int32_t t0 = sp->timestamp_begin, tokens[6];

    memcpy(tokens, prompt(), 3 * sizeof *tokens);
    tokens[3] = B;
    tokens[4] = tokens[5] = t0 + 10;
    p.n_given = 3;
    for (int beams = 1; beams <= 2; beams++) {
        p.beam_size = beams;
        struct outcome o = decode(reluctant, &p, tokens, 6, 0);
        assert_tokens(&o, (int32_t[]){A}, 1);
        assert_close(o.avg, o.sum / 2, 1e-9);
    }
    p.n_given = 7;
    struct search *s = NULL;
    int slots[SLOTS] = {0};
    assert_error(search_open(&s, tok, CTX, n_vocab, &p, tokens, 6, 0, slots), SOTTO_EINVAL, NULL);
    p.n_given = 3;
    p.sample_len = 3; // all used up
    assert_error(search_open(&s, tok, CTX, n_vocab, &p, tokens, 6, 0, slots), SOTTO_EINVAL, NULL);
}

static void test_greedy_by_hand(void **state)
{
    (void)state;
    struct search_params p = greedy();
    struct outcome o = decode_short(speech, &p);
    int32_t t0 = sp->timestamp_begin;

    assert_tokens(&o, (int32_t[]){t0, A, B, t0 + 50}, 4);
    // first: only <|0.00|>; a over c, b over c: 1 / (1 + e^-1); the end over a timestamp: likewise
    double third = -log(1 + exp(-1));
    assert_close(o.sum, 0 + third + third + 0 + third, 1e-5);
    assert_close(o.avg, o.sum / 5, 1e-9);
    assert_int_equal(o.n_steps, 5);
    assert_int_equal(o.n_rows, 3 + 4);
    assert_int_equal(o.n_copies, 0);
    // read from the unfiltered row of the start token
    assert_close(o.no_speech, 0.25, 1e-5);
}

static void test_no_speech_position(void **state)
{
    (void)state;
    struct search_params p = greedy();
    int32_t later[] = {sp->sot_prev, A, sp->sot};

    struct outcome o = decode(speech, &p, later, 3, 2); // start token and last token are one row
    assert_close(o.no_speech, 0.25 / 2, 1e-5);          // with <|0.00|> at logit 0 beside them
    assert_int_equal(o.n, 4);
    assert_close(o.sum, -3 * log(1 + exp(-1)), 1e-5);
    o = decode(speech, &p, later, 3, 0);
    assert_close(o.no_speech, 0.25, 1e-5);
    o = decode(speech, &p, later, 3, -1);
    assert_true(isnan(o.no_speech));
}

/* Text only: a 0.6, b 0.4. a: c 0.35, d 0.33, end 0.32. b: end 0.9, c 0.1. Then the end. */
static void tree(const int32_t *t, int n, float *logits)
{
    nothing(logits);
    if (n == 3)
        logits[A] = logf(0.6f), logits[B] = logf(0.4f);
    else if (n == 4 && t[3] == A)
        logits[C] = logf(0.35f), logits[D] = logf(0.33f), logits[sp->eot] = logf(0.32f);
    else if (n == 4)
        logits[sp->eot] = logf(0.9f), logits[C] = logf(0.1f);
    else
        logits[sp->eot] = 0;
}

static void test_beams_and_length_penalty_by_hand(void **state)
{
    (void)state;
    struct search_params p = greedy();
    p.without_timestamps = true;

    struct outcome o = decode_short(tree, &p);
    assert_tokens(&o, (int32_t[]){A, C}, 2);
    assert_close(o.sum, log(0.6 * 0.35), 1e-5);

    /* Two beams: [b] at 0.36 and [a c] at 0.21 finish first. By mean log probability [a c] is the
     * better one (-0.78 against -1.02), by the sum [b]; ((5 + n) / 6) ** 1 prefers [b] too. */
    p.beam_size = 2;
    o = decode_short(tree, &p);
    assert_tokens(&o, (int32_t[]){A, C}, 2);
    p.length_penalty = 0;
    o = decode_short(tree, &p);
    assert_tokens(&o, (int32_t[]){B}, 1);
    assert_close(o.sum, log(0.36), 1e-5);
    assert_close(o.avg, log(0.36) / 2, 1e-5);
    p.length_penalty = 1;
    o = decode_short(tree, &p);
    assert_tokens(&o, (int32_t[]){B}, 1);
    p.length_penalty = 3; // -1.56 / (7 / 6) ** 3 = -0.98
    o = decode_short(tree, &p);
    assert_tokens(&o, (int32_t[]){A, C}, 2);
}

/* a and b are equally likely. */
static void twins(const int32_t *t, int n, float *logits)
{
    (void)t;
    nothing(logits);
    if (n == 3)
        logits[A] = logits[B] = 1;
    else
        logits[sp->eot] = 0;
}

static void test_equal_scores(void **state)
{
    (void)state;
    struct search_params p = greedy();
    p.without_timestamps = true;
    p.beam_size = 2;
    struct outcome o = decode_short(twins, &p); // both finish: the first wins
    assert_tokens(&o, (int32_t[]){A}, 1);
    p.sample_len =
        1; // neither does: the reference lists unfinished beams from a sort read backwards
    o = decode_short(twins, &p);
    assert_tokens(&o, (int32_t[]){B}, 1);
}

static void test_patience(void **state)
{
    (void)state;
    struct search_params p = greedy();
    p.without_timestamps = true;
    p.beam_size = 2;
    /* Step 2 finishes [b] (0.36); [a] + end (0.192) ranks below the second beam [a d] (0.198) and is
     * not looked at. Step 3 finishes [a c] and [a d]. */
    p.patience = 0.5; // one candidate is enough
    assert_int_equal(decode_short(tree, &p).n_steps, 2);
    p.patience = 1.0;
    assert_int_equal(decode_short(tree, &p).n_steps, 3);
    p.patience = 1.5; // three: the third comes in step 3 too
    assert_int_equal(decode_short(tree, &p).n_steps, 3);
    p.patience = 0.25; // rounds half to even: none
    struct search *s = NULL;
    int slots[2] = {0, 1};
    assert_error(search_open(&s, tok, CTX, n_vocab, &p, prompt(), 3, 0, slots), SOTTO_EINVAL, NULL);
    assert_null(s);
    p.patience = -1;
    assert_error(search_open(&s, tok, CTX, n_vocab, &p, prompt(), 3, 0, slots), SOTTO_EINVAL, NULL);
}

/* ---- random trees against the plain rendering -------------------------------------------------- */

static uint64_t tree_seed;
static float eot_level; // how eager the text is to end

static void random_tree(const int32_t *t, int n, float *logits)
{
    uint64_t h = tree_seed;
    for (int i = 0; i < n; i++)
        h = (h ^ (uint64_t)t[i]) * 0x100000001b3u + 0x9e3779b97f4a7c15u;
    for (int i = 0; i < n_vocab; i++)
        logits[i] = test_random_float(&h, -6, 4) + (i >= sp->timestamp_begin ? -6 : 0);
    logits[sp->eot] += eot_level + 0.2f * (float)n;
    for (int k = 0; k < 3; k++) // some timestamps that may win
        logits[sp->timestamp_begin + (int)(test_random(&h) % 1501)] += 6;
}

/* whisper/decoding.py: SuppressBlank, SuppressTokens, ApplyTimestampRules, then log_softmax. */
static void plain_logprobs(const struct search_params *p, const int32_t *seq, int n, double *x)
{
    int32_t t0 = sp->timestamp_begin, never[] = {sp->transcribe, sp->translate, sp->sot,
                                                 sp->sot_prev,   sp->sot_lm,    sp->no_speech};
    if (n == 0 && p->suppress_blank)
        x[' '] = x[sp->eot] = -INFINITY;
    for (int i = 0; i < p->n_suppress; i++)
        x[p->suppress[i]] = -INFINITY;
    for (int i = 0; i < 6; i++)
        x[never[i]] = -INFINITY;
    if (!p->without_timestamps) {
        x[sp->no_timestamps] = -INFINITY;
        bool last = n >= 1 && seq[n - 1] >= t0, penultimate = n < 2 || seq[n - 2] >= t0;
        int32_t latest = -1;
        for (int i = 0; i < n; i++)
            if (seq[i] >= t0)
                latest = seq[i];
        for (int i = 0; i < n_vocab; i++) {
            if (last && (penultimate ? i >= t0 : i < sp->eot))
                x[i] = -INFINITY;
            if (latest >= 0 && i >= t0 && i < (last && !penultimate ? latest : latest + 1))
                x[i] = -INFINITY;
            if (n == 0 && (i < t0 || i > t0 + 50))
                x[i] = -INFINITY;
        }
        double time = 0, text = -INFINITY;
        for (int i = 0; i < n_vocab; i++) {
            if (i >= t0)
                time += exp(x[i]);
            else
                text = fmax(text, x[i]);
        }
        for (int i = 0; i < t0 && log(time) > text; i++)
            x[i] = -INFINITY;
    }
    double sum = 0;
    for (int i = 0; i < n_vocab; i++)
        sum += exp(x[i]);
    for (int i = 0; i < n_vocab; i++)
        x[i] -= log(sum);
}

struct sequence {
    int32_t t[CTX + 1];
    int n;
    double sum;
    bool ended;
};

static void logprobs_after(const struct search_params *p, const struct sequence *s, double *x)
{
    int32_t all[2 * CTX];
    float logits[2048];
    memcpy(all, prompt(), 3 * sizeof *all);
    memcpy(all + 3, s->t, (size_t)s->n * sizeof *all);
    random_tree(all, 3 + s->n, logits);
    for (int i = 0; i < n_vocab; i++)
        x[i] = (double)logits[i];
    plain_logprobs(p, s->t, s->n, x);
}

static double plain_score(const struct search_params *p, const struct sequence *s)
{
    if (p->length_penalty < 0)
        return s->sum / s->n;
    return s->sum / pow((5 + s->n) / 6.0, p->length_penalty);
}

static struct sequence extended(const struct sequence *s, int32_t token, double logprob)
{
    struct sequence e = *s;
    e.sum += logprob;
    if (token == sp->eot)
        e.ended = true;
    else
        e.t[e.n++] = token;
    return e;
}

static int by_sum(const void *a, const void *b)
{
    const struct sequence *x = a, *y = b;
    return x->sum > y->sum ? -1 : x->sum < y->sum;
}

static struct sequence plain_greedy(const struct search_params *p)
{
    double x[2048];
    struct sequence s = {0};
    for (int i = 0; i < p->sample_len && !s.ended; i++) {
        int best = 0;
        logprobs_after(p, &s, x);
        for (int j = 1; j < n_vocab; j++)
            if (x[j] > x[best])
                best = j;
        s = extended(&s, best, x[best]);
    }
    return s;
}

static struct sequence plain_beam(const struct search_params *p)
{
    enum { MAX_BEAM = 8, MAX_LIST = MAX_BEAM * 2048, MAX_DONE = 64 };
    static struct sequence list[MAX_LIST];
    struct sequence live[MAX_BEAM] = {0}, finished[MAX_DONE];
    int n_live = 1, n_finished = 0, max_finished = (int)rint(p->beam_size * p->patience);
    double x[2048];

    for (int i = 0; i < p->sample_len && n_finished < max_finished; i++) {
        int n = 0, n_next = 0;
        for (int j = 0; j < n_live; j++) { // every continuation there is
            logprobs_after(p, &live[j], x);
            for (int k = 0; k < n_vocab; k++)
                if (x[k] > -INFINITY)
                    list[n++] = extended(&live[j], k, x[k]);
        }
        qsort(list, (size_t)n, sizeof *list, by_sum);
        for (int k = 0; k < n && n_next < p->beam_size; k++) {
            if (!list[k].ended)
                live[n_next++] = list[k];
            else if (n_finished < max_finished)
                finished[n_finished++] = list[k];
        }
        n_live = n_next;
    }
    for (int j = 0; j < n_live && n_finished < p->beam_size; j++)
        finished[n_finished++] = live[j];
    int best = 0;
    for (int i = 1; i < n_finished; i++)
        if (plain_score(p, &finished[i]) > plain_score(p, &finished[best]))
            best = i;
    return finished[best];
}

static void compare(const struct search_params *p)
{
    struct outcome o = decode_short(random_tree, p);
    struct sequence s = p->beam_size > 1 ? plain_beam(p) : plain_greedy(p);

    assert_tokens(&o, s.t, s.n);
    assert_close(o.sum, s.sum, 1e-3);
}

static void test_greedy_against_plain(void **state)
{
    (void)state;
    const int32_t some[] = {A, B, C, 200};
    struct search_params p = greedy();
    p.suppress = some;
    p.n_suppress = 4;
    for (int i = 0; i < 60; i++) {
        tree_seed = (uint64_t)i;
        eot_level = (float)(i % 4) - 1;
        p.without_timestamps = i % 5 == 0;
        p.sample_len = i % 7 == 0 ? 3 : 30;
        compare(&p);
    }
}

static void test_beams_against_plain(void **state)
{
    (void)state;
    static const double patience[] = {1, 1, 2, 0.5, 1.3};
    static const double penalty[] = {-1, 0, 0.6, 1};
    struct search_params p = greedy();
    for (int i = 0; i < (test_sanitized() ? 20 : 60); i++) {
        tree_seed = (uint64_t)i + 1000;
        eot_level = (float)(i % 3) + 1;
        p.beam_size = 2 + i % 5;
        p.patience = patience[i % 5];
        p.length_penalty = penalty[i % 4];
        p.without_timestamps = i % 3 == 0;
        p.sample_len = 3 + i % 9;
        compare(&p);
    }
}

/* Best of five contains best of one, so it cannot score lower; its sum is that of its tokens at
 * temperature 1, whatever the temperature of the draw. */
static void test_best_of(void **state)
{
    (void)state;
    int n_better = 0, n_differ = 0;

    for (int i = 0; i < 20; i++) {
        struct search_params p = greedy();
        p.temperature = 0.2 + 0.2 * (i % 5);
        p.seed = (uint64_t)i;
        tree_seed = (uint64_t)i + 77;
        eot_level = 2;
        struct outcome one = decode_short(random_tree, &p);
        p.best_of = 5;
        struct outcome five = decode_short(random_tree, &p), again = decode_short(random_tree, &p);

        assert_tokens(&again, five.tokens, five.n);
        double score_one = one.sum / (one.n ? one.n : 1);
        double score_five = five.sum / (five.n ? five.n : 1);
        assert_true(score_five >= score_one);
        n_better += score_five > score_one;

        struct sequence s = {0};
        double x[2048], sum = 0;
        for (int k = 0; k <= five.n && s.n < p.sample_len; k++) {
            logprobs_after(&p, &s, x);
            int32_t next = k < five.n ? five.tokens[k] : sp->eot;
            assert_true(x[next] > -INFINITY);
            sum += x[next];
            s = extended(&s, next, 0);
        }
        assert_close(five.sum, sum, 1e-3);
        p.seed += 1000;
        struct outcome other = decode_short(random_tree, &p);
        n_differ += other.n != five.n ||
                    memcmp(other.tokens, five.tokens, (size_t)five.n * sizeof *five.tokens) != 0;
    }
    assert_true(n_better > 5);
    assert_true(n_differ > 10);
}

static void test_many_at_once_equal_each_alone(void **state)
{
    (void)state;
    enum { N = 7 };
    struct net_decoder *d = calloc(1, sizeof *d);
    struct search_params p[N];
    struct search *s[N];
    int slots[SLOTS], used = 0;

    tree_seed = 5;
    eot_level = 1.5f;
    d->fn = random_tree;
    for (int i = 0; i < SLOTS; i++)
        slots[i] = SLOTS - 1 - i;
    int32_t prompts[N][3];
    for (int i = 0; i < N; i++) {
        p[i] = greedy();
        p[i].beam_size = 1 + i % 4;
        p[i].temperature = i % 3 == 2 ? 0.8 : 0;
        p[i].best_of = 4;
        memcpy(prompts[i], prompt(), sizeof prompts[i]);
        prompts[i][1] += i % 2;
        assert_ok(search_open(&s[i], tok, CTX, n_vocab, &p[i], prompts[i], 3, 0, slots + used),
                  NULL);
        used += search_n_slots(&p[i]);
    }
    for (bool going = true; going;) {
        going = false;
        step(d, s, N);
        for (int i = 0; i < N; i++)
            going |= !search_done(s[i]);
    }
    for (int i = 0; i < N; i++) {
        struct outcome together = outcome_of(s[i]);
        struct outcome alone = decode(random_tree, &p[i], prompts[i], 3, 0);
        assert_tokens(&together, alone.tokens, alone.n);
        assert_true(together.sum == alone.sum);
        search_close(&s[i]);
    }
    free(d);
}

/* ---- limits and odd numbers ------------------------------------------------------------------- */

static void endless(const int32_t *t, int n, float *logits)
{
    (void)t;
    (void)n;
    nothing(logits);
    logits[A] = 0;
    logits[B] = -1;
    logits[C] = -2;
}

static void test_limits(void **state)
{
    (void)state;
    int32_t long_prompt[CTX + 1];
    struct search_params p = greedy();
    struct search *s = NULL;
    int slots[SEARCH_MAX_SLOTS + 2] = {0};

    for (int i = 0; i < CTX + 1; i++)
        long_prompt[i] = A;
    p.without_timestamps = true;
    for (int beam = 1; beam <= 3; beam += 2) {
        p.beam_size = beam;
        p.sample_len = 6;
        struct outcome o = decode_short(endless, &p);
        assert_int_equal(o.n, 6);
        assert_int_equal(o.n_steps, 6);
        p.sample_len = 0; // half the context
        assert_int_equal(decode_short(endless, &p).n, CTX / 2);
        p.sample_len = 1000; // the context ends: one token more than it has positions
        assert_int_equal(decode_short(endless, &p).n, CTX + 1 - 3);
        o = decode(endless, &p, long_prompt, CTX, -1);
        assert_int_equal(o.n, 1);
    }
    assert_error(search_open(&s, tok, CTX, n_vocab, &p, long_prompt, CTX + 1, -1, slots),
                 SOTTO_EINVAL, NULL);
    assert_error(search_open(&s, tok, CTX, n_vocab, &p, long_prompt, 0, -1, slots), SOTTO_EINVAL,
                 NULL);
    assert_error(search_open(&s, tok, CTX, n_vocab, &p, long_prompt, 3, 3, slots), SOTTO_EINVAL,
                 NULL);
    p.beam_size = SEARCH_MAX_SLOTS + 1;
    assert_error(search_open(&s, tok, CTX, n_vocab, &p, long_prompt, 3, 0, slots), SOTTO_EINVAL,
                 NULL);
    assert_null(s);
    p.beam_size = SEARCH_MAX_SLOTS;
    assert_int_equal(decode_short(endless, &p).n, CTX + 1 - 3);
}

static float odd_value;

static void odd(const int32_t *t, int n, float *logits)
{
    (void)t;
    for (int i = 0; i < n_vocab; i++)
        logits[i] = odd_value;
    if (n == 5)
        logits[C] = 1;
}

/* Nothing to choose from: the sequence ends with a probability that fails every quality check. */
static void test_nothing_to_choose(void **state)
{
    (void)state;
    const float values[] = {NAN, -INFINITY};
    struct search_params p = greedy();

    for (int i = 0; i < 6; i++) {
        odd_value = values[i % 2];
        p.beam_size = i / 2 == 1 ? 3 : 1;
        p.temperature = i / 2 == 2 ? 0.5 : 0;
        p.best_of = 3;
        struct outcome o = decode_short(odd, &p);
        assert_int_equal(o.n, 0);
        assert_int_equal(o.n_steps, 1);
        assert_true(o.avg <= -100 && isfinite(o.avg));
    }
}

static void test_infinite_logits(void **state)
{
    (void)state;
    struct search_params p = greedy();

    odd_value = INFINITY; // everything at once: still follows the rules and ends
    for (p.beam_size = 1; p.beam_size < 4; p.beam_size++) {
        struct outcome o = decode_short(odd, &p);
        assert_true(o.n_steps <= p.sample_len);
        assert_int_equal(o.tokens[0], sp->timestamp_begin);
        assert_true(isfinite(o.sum));
    }
}

/* Only two tokens allowed: fewer candidates than beams. */
static void narrow(const int32_t *t, int n, float *logits)
{
    nothing(logits);
    if (n == 3)
        logits[A] = 0;
    else if (n < 6)
        logits[t[n - 1] == A ? B : A] = 0;
    else
        logits[sp->eot] = 0;
}

static void test_fewer_candidates_than_beams(void **state)
{
    (void)state;
    struct search_params p = greedy();
    p.without_timestamps = true;
    p.beam_size = 5;
    struct outcome o = decode_short(narrow, &p);
    assert_tokens(&o, (int32_t[]){A, B, A}, 3);
    assert_close(o.sum, 0, 1e-6);
    assert_int_equal(o.n_copies, 0);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct search_params p = greedy();
    struct search *s = NULL;
    int slots[5] = {0}, n = 0;

    p.temperature = 0.5;
    p.best_of = 5;
    for (int err = SOTTO_ENOMEM; err; n++) {
        mem_fail_at(n, 0);
        err = search_open(&s, tok, CTX, n_vocab, &p, prompt(), 3, 0, slots);
        mem_fail_at(-1, 0);
        assert_true(err == 0 || (err == SOTTO_ENOMEM && !s));
    }
    assert_true(n > 3);
    search_close(&s);
    search_close(&s);
    search_close(NULL);
}

static int setup(void **state)
{
    (void)state;
    tok = vocab_open(NULL, 0);
    sp = tokenizer_special(tok);
    n_vocab = tokenizer_n_tokens(tok);
    assert_true(n_vocab <= 2048);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tokenizer_close(&tok);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy_by_hand),
        cmocka_unit_test(test_given),
        cmocka_unit_test(test_no_speech_position),
        cmocka_unit_test(test_beams_and_length_penalty_by_hand),
        cmocka_unit_test(test_equal_scores),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_greedy_against_plain),
        cmocka_unit_test(test_beams_against_plain),
        cmocka_unit_test(test_best_of),
        cmocka_unit_test(test_many_at_once_equal_each_alone),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_nothing_to_choose),
        cmocka_unit_test(test_infinite_logits),
        cmocka_unit_test(test_fewer_candidates_than_beams),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
