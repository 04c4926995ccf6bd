/* engine/batch with a pretended network: how prompts reach the decoder, when a stop is heard, and
 * which windows are decoded again at a higher temperature (openai/whisper, whisper/transcribe.py,
 * decode_with_fallback). The search itself is tested in test_search.c. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/batch.h"
#include "ops/ops.h"
#include "support_vocab.h"

enum { CTX = 448, SLOTS = 40, LARGEST_STEP = 64 };

static struct tokenizer *tok;
static struct pool *pool;
static const struct token_special *sp;
static int n_vocab;

/* ---- the pretended network -------------------------------------------------------------------- */

/* What every window of a test says: `text`, then its end, each with probability `sure`; the rest
 * goes to all other tokens alike. */
static struct {
    const char *text;
    double sure, no_speech;
} script;

static int n_steps, n_rows_read, largest_step, n_positions, stop_at;

struct net_decoder {
    int n_slots;
    int32_t cache[SLOTS][CTX];
    int n_cached[SLOTS];
};

static struct net {
    struct model model;
    struct ops ops;
} network;

const struct model *net_model(const struct net *net)
{
    return &net->model;
}

const struct ops *net_ops(const struct net *net)
{
    return &net->ops;
}

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

void net_decoder_bind(struct net_decoder *d, int slot, const struct net_window *window)
{
    (void)window;
    d->n_cached[slot] = 0;
}

int net_decoder_max_rows(const struct net_decoder *d)
{
    return d->n_slots > CTX ? d->n_slots : CTX;
}

void net_decoder_copy(struct net_decoder *d, const int *dst, const int *src, int n, int n_pos)
{
    for (int i = 0; i < n; i++) {
        memcpy(d->cache[dst[i]], d->cache[src[i]], (size_t)n_pos * sizeof d->cache[0][0]);
        d->n_cached[dst[i]] = n_pos;
    }
}

/* Text tokens after the start sequence. */
static int n_spoken(const int32_t *tokens, int n)
{
    int k = n;
    while (k > 0 && tokens[k - 1] < sp->eot)
        k--;
    return n - k;
}

static void speak(const int32_t *tokens, int n, float *logits)
{
    const char *text = script.text;
    int k = n_spoken(tokens, n);
    int32_t next = k < (int)strlen(text) ? (unsigned char)text[k] : sp->eot;
    int n_others = sp->eot; // the tokens that the rules allow: text and its end, less the one

    for (int v = 0; v < n_vocab; v++)
        logits[v] = -1e4f;
    for (int v = 0; v <= sp->eot; v++)
        logits[v] = (float)log((1 - script.sure) / n_others);
    logits[next] = (float)log(script.sure);
    if (tokens[n - 1] == sp->sot)
        logits[sp->no_speech] = (float)log(script.no_speech / (1 - script.no_speech));
}

int net_decoder_step(struct net_decoder *d, struct pool *p, const struct net_row *rows,
                     int n_rows, float *logits, const struct net_align *align)
{
    (void)p, (void)align;
    if (++n_steps == stop_at)
        return SOTTO_EABORTED;
    largest_step = n_rows > largest_step ? n_rows : largest_step;
    n_rows_read += n_rows;
    for (int i = 0; i < n_rows; i++) {
        const struct net_row *r = &rows[i];
        assert_int_equal(r->pos, d->n_cached[r->slot]);
        d->cache[r->slot][d->n_cached[r->slot]++] = r->token;
        n_positions = r->pos + 1 > n_positions ? r->pos + 1 : n_positions;
        if (!r->want_logits)
            continue;
        speak(d->cache[r->slot], r->pos + 1, logits);
        logits += n_vocab;
    }
    return 0;
}

/* ---- running ---------------------------------------------------------------------------------- */

static void config_init(struct config *c, int n_temperatures)
{
    *c = (struct config){.n_temperatures = n_temperatures};
    sotto_options_init(&c->opt);
    c->opt.without_timestamps = true;
    for (int i = 0; i < n_temperatures; i++)
        c->temperatures[i] = 0.2 * i;
    c->search = (struct search_params){
        .beam_size = 1,
        .best_of = 2,
        .length_penalty = -1,
        .patience = 1,
        .without_timestamps = true,
        .suppress_blank = true,
    };
}

static void reset_counts(void)
{
    n_steps = n_rows_read = largest_step = n_positions = stop_at = 0;
}

static void run_all(struct batch *b, int n)
{
    struct job *job;

    while (n > 0) {
        assert_ok(batch_step(b), NULL);
        while ((job = batch_take(b)))
            n--;
    }
}

static void assert_text(const struct job *job, const char *text)
{
    assert_int_equal(job->n_tokens, strlen(text));
    for (int i = 0; i < job->n_tokens; i++)
        assert_int_equal(job->tokens[i], (unsigned char)text[i]);
}

/* ---- tests ------------------------------------------------------------------------------------ */

/* Prompts as long as they get, of more windows than fit into one step: never more than 64 rows at
 * once, every position read once and in order, and the logits go to whom they belong. */
static void test_long_prompts(void **state)
{
    (void)state;
    enum { JOBS = 5, PREVIOUS = 300 };
    struct config c;
    struct batch *b = NULL;
    struct job jobs[JOBS];
    int32_t previous[PREVIOUS];

    for (int i = 0; i < PREVIOUS; i++)
        previous[i] = 'x';
    config_init(&c, 1);
    reset_counts();
    script.text = "so it is", script.sure = 0.9, script.no_speech = 0.25;
    assert_ok(batch_open(&b, &network, pool, &c, JOBS), NULL);
    for (int i = 0; i < JOBS; i++) {
        // of different lengths, so that prompts begin anywhere in a step
        jobs[i] = (struct job){.previous = previous, .n_previous = PREVIOUS - 90 * (i % 3)};
        assert_ok(batch_add(b, &jobs[i]), NULL);
    }
    run_all(b, JOBS);
    assert_int_equal(largest_step, LARGEST_STEP);
    int rows = 0;
    for (int i = 0; i < JOBS; i++) {
        int n = jobs[i].n_previous < CTX / 2 - 1 ? jobs[i].n_previous : CTX / 2 - 1;
        rows += 1 + n + 4 + (int)strlen(script.text);
        assert_text(&jobs[i], script.text);
        assert_close(jobs[i].no_speech_prob, script.no_speech, 1e-3);
        job_fini(&jobs[i]);
    }
    assert_int_equal(n_rows_read, rows);
    assert_int_equal(n_positions, CTX / 2 + 4 + (int)strlen(script.text));
    batch_close(&b);
}

/* Whichever decoder step hears the stop, the batch ends with it, and is sound after batch_cancel. */
static void test_stop(void **state)
{
    (void)state;
    struct config c;
    struct batch *b = NULL;
    int32_t previous[200] = {0};
    int n_all = 0;

    config_init(&c, 1);
    script.text = "yes", script.sure = 0.9, script.no_speech = 0.25;
    assert_ok(batch_open(&b, &network, pool, &c, 1), NULL);
    for (int stop = 0; stop <= n_all; stop++) { // first without one, to count the steps
        struct job job = {.previous = previous, .n_previous = 200};
        int err = 0;
        reset_counts();
        stop_at = stop;
        assert_ok(batch_add(b, &job), NULL);
        while (!err && !batch_take(b))
            err = batch_step(b);
        assert_error(err, stop ? SOTTO_EABORTED : 0, NULL);
        assert_true(!stop || n_steps == stop);
        n_all = stop ? n_all : n_steps;
        batch_cancel(b);
        job_fini(&job);
    }
    assert_int_equal(n_all, 4 + 3); // the prompt in pieces of 64, then one step per token
    batch_close(&b);
}

static const char loop[] = "again and again and again and again and again and again and again";
#define WIDE "\xe3\x80\x80\xe3\x80\x80\xe3\x80\x80\xe3\x80\x80\xe3\x80\x80\xe3\x80\x80"
static const char wide[] = WIDE WIDE WIDE "the quick brown fox" WIDE WIDE WIDE;
static const char plain[] = "the quick brown fox jumps over a lazy dog";

/* At temperature 0: is a window decoded again, and does it count as silence? */
static void test_fallback_rules(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double sure, no_speech;
        bool fallback, silence;
    } cases[] = {
        {plain, 0.9, 0.1, false, false},
        {loop, 0.9, 0.1, true, false},    // compresses by more than 2.4
        {plain, 0.3, 0.1, true, false},   // mean log probability -1.2
        {plain, 0.3, 0.7, false, true},   // the same, but nobody spoke
        {loop, 0.3, 0.7, false, true},    // the no-speech rule outweighs both
        {plain, 0.9, 0.7, false, false},  // sure of the text: somebody did speak
        {loop, 0.9, 0.7, true, false},
        {"", 0.9, 0.1, false, false},     // no text: a ratio of 0, as 0 bytes give
        {wide, 0.9, 0.1, false, false},   // ideographic spaces at the ends do not count
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config c;
        struct batch *b = NULL;
        struct job job = {0};
        config_init(&c, 2);
        reset_counts();
        script.text = cases[i].text;
        script.sure = cases[i].sure, script.no_speech = cases[i].no_speech;
        c.opt.suppress_blank = c.search.suppress_blank = false;
        assert_ok(batch_open(&b, &network, pool, &c, 1), NULL);
        assert_ok(batch_add(b, &job), NULL);
        run_all(b, 1);
        assert_int_equal(job.n_fallbacks, cases[i].fallback);
        if (!cases[i].fallback) {
            assert_int_equal(job.silence, cases[i].silence);
            assert_text(&job, script.text);
            assert_close(job.avg_logprob, log(script.sure), 1e-3);
        }
        assert_close(job.temperature, cases[i].fallback ? 0.2 : 0, 1e-6);
        job_fini(&job);
        batch_close(&b);
    }
}

/* A rule that is switched off never fires, and fallback ends at the last temperature. */
static void test_rules_off_and_the_last_temperature(void **state)
{
    (void)state;
    struct config c;
    struct batch *b = NULL;

    for (int off = 0; off < 2; off++) {
        struct job job = {0};
        config_init(&c, 6);
        reset_counts();
        script.text = loop, script.sure = 0.999, script.no_speech = 0.1;
        if (off)
            c.opt.compression_ratio_threshold = NAN;
        assert_ok(batch_open(&b, &network, pool, &c, 1), NULL);
        assert_ok(batch_add(b, &job), NULL);
        run_all(b, 1);
        assert_int_equal(job.n_fallbacks, off ? 0 : 5);
        assert_close(job.temperature, off ? 0 : 1, 1e-6);
        job_fini(&job);
        batch_close(&b);
    }
}

static int setup(void **state)
{
    (void)state;
    assert_ok(pool_open(&pool, 1), NULL);
    tok = vocab_open(NULL, 0);
    sp = tokenizer_special(tok);
    n_vocab = tokenizer_n_tokens(tok);
    network.model.tokenizer = tok;
    network.model.multilingual = true;
    network.model.shape.n_text_ctx = CTX;
    network.model.shape.n_vocab = n_vocab;
    ops_init_ref(&network.ops);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tokenizer_close(&tok);
    pool_close(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_prompts),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_fallback_rules),
        cmocka_unit_test(test_rules_off_and_the_last_temperature),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
