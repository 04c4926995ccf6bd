/*
 * Windows side by side, with temperature fallback. Rules: openai/whisper, whisper/transcribe.py
 * (decode_with_fallback, the no-speech test) and whisper/decoding.py (DecodingTask: the prompt).
 */
#include "engine/batch.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/utf8.h"

/* Rows of one decoder step: of a long prompt, or of many, so few that a stop is heard in time (a layer
 * of the largest model takes some 50 ms with this many on one core), yet so many that reading the
 * weights does not matter. */
enum { STEP_ROWS = 64 };

struct batch {
    const struct net *net;
    const struct model *model;
    struct pool *pool;
    const struct config *config;
    struct net_decoder *decoder;
    int n_slots;              // without the spare one, which is number n_slots
    bool *slot_used;
    int n_jobs;               // most at once
    struct job **jobs;        // active, finished or waiting for slots: n_held
    int n_held;
    struct net_row *rows;     // net_decoder_max_rows
    float *logits;            // max_wanted x V
    int max_wanted;
    int32_t *prompt;          // n_text_ctx
    long n_tokens;
};

void job_fini(struct job *job)
{
    search_close(&job->search);
    mem_free(job->tokens);
    job->tokens = NULL;
    job->n_tokens = 0;
}

void job_describe(const struct job *job, struct segment *segment)
{
    segment->temperature = job->temperature;
    segment->avg_logprob = job->avg_logprob;
    segment->compression_ratio = job->compression_ratio;
    segment->no_speech_prob = job->no_speech_prob;
    segment->language = job->language;
}

static int group_size(const struct config *c)
{
    int largest = 1;
    for (int i = 0; i < c->n_temperatures; i++) {
        struct search_params p = config_search(c, c->temperatures[i], 0);
        int n = search_n_slots(&p);
        largest = n > largest ? n : largest;
    }
    return largest;
}

int batch_open(struct batch **out, const struct net *net, struct pool *pool,
               const struct config *config, int n_jobs)
{
    struct batch *b = mem_calloc(1, sizeof *b);
    if (!b)
        return SOTTO_ENOMEM;
    struct search_params first = config_search(config, config->temperatures[0], 0);
    int group = group_size(config);

    b->net = net;
    b->model = net_model(net);
    b->pool = pool;
    b->config = config;
    b->n_jobs = n_jobs;
    /* Beyond one set per job, room for one fallback that needs more slots than a first attempt: it
     * would otherwise wait until the whole batch has drained. */
    b->n_slots = n_jobs * search_n_slots(&first);
    if (group > search_n_slots(&first))
        b->n_slots += group;
    /* A step's wanted rows: one per slot, and for a prompt one more at the start token. */
    b->max_wanted = b->n_slots + 2 * n_jobs;

    int err = net_decoder_open(&b->decoder, net, b->n_slots + 1, pool_n_threads(pool));
    if (!err) {
        size_t n_vocab = (size_t)b->model->shape.n_vocab;
        net_decoder_watch(b->decoder, config->opt.should_abort, config->opt.user);
        b->slot_used = mem_calloc((size_t)b->n_slots, sizeof *b->slot_used);
        b->jobs = mem_calloc((size_t)n_jobs, sizeof *b->jobs);
        b->rows = mem_alloc((size_t)net_decoder_max_rows(b->decoder), sizeof *b->rows);
        b->logits = mem_alloc((size_t)b->max_wanted, n_vocab * sizeof *b->logits);
        b->prompt = mem_alloc((size_t)b->model->shape.n_text_ctx, sizeof *b->prompt);
        if (!b->slot_used || !b->jobs || !b->rows || !b->logits || !b->prompt)
            err = SOTTO_ENOMEM;
    }
    if (err) {
        batch_close(&b);
        return err;
    }
    *out = b;
    return 0;
}

void batch_close(struct batch **batch)
{
    struct batch *b = batch ? *batch : NULL;
    if (!b)
        return;
    batch_cancel(b);
    net_decoder_close(&b->decoder);
    mem_free(b->slot_used);
    mem_free(b->jobs);
    mem_free(b->rows);
    mem_free(b->logits);
    mem_free(b->prompt);
    mem_free(b);
    *batch = NULL;
}

int batch_free_places(const struct batch *b)
{
    return b->n_jobs - b->n_held;
}

int batch_n_active(const struct batch *b)
{
    return b->n_held;
}

long batch_n_tokens(const struct batch *b)
{
    return b->n_tokens;
}

struct net_decoder *batch_decoder(struct batch *b)
{
    return b->decoder;
}

int batch_spare_slot(const struct batch *b)
{
    return b->n_slots;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static void release_slots(struct batch *b, struct job *job)
{
    for (int i = 0; i < job->n_slots; i++)
        b->slot_used[job->slots[i]] = false;
    job->n_slots = 0;
}

static bool claim_slots(struct batch *b, struct job *job, int n)
{
    assert(job->n_slots == 0 && n <= CONFIG_GROUP_MAX);
    int found = 0;
    for (int i = 0; i < b->n_slots && found < n; i++)
        if (!b->slot_used[i])
            job->slots[found++] = i;
    if (found < n)
        return false;
    for (int i = 0; i < n; i++) {
        b->slot_used[job->slots[i]] = true;
        net_decoder_bind(b->decoder, job->slots[i], job->window);
    }
    job->n_slots = n;
    return true;
}

/* ---- the prompt ------------------------------------------------------------------------------ */

static int push_tail(int32_t *dst, const int32_t *src, int n, int max)
{
    if (max <= 0)
        return 0; // a decoder of few positions
    if (n > max) {
        src += n - max;
        n = max;
    }
    config_copy_ids(dst, src, n);
    return n;
}

int batch_start_sequence(const struct batch *b, int language, int32_t *dst)
{
    const struct tokenizer *t = b->model->tokenizer;
    const struct token_special *s = tokenizer_special(t);
    bool translate = b->config->opt.task == SOTTO_TASK_TRANSLATE;
    int n = 0;

    dst[n++] = s->sot;
    if (tokenizer_multilingual(t)) {
        dst[n++] = tokenizer_language_token(t, language);
        dst[n++] = translate ? s->translate : s->transcribe;
    }
    return n;
}

/* [<|startofprev|> previous] <|startoftranscript|> [language task] [<|notimestamps|>] [prefix] [given].
 * Returns the length; `*sot_index` is where the start token stands. */
static int build_prompt(const struct batch *b, const struct job *job, int *sot_index)
{
    const struct config *c = b->config;
    const struct token_special *s = tokenizer_special(b->model->tokenizer);
    int half = b->model->shape.n_text_ctx / 2;
    int32_t *p = b->prompt;
    int n = 0;

    if (job->n_previous > 0 && s->sot_prev >= 0) {
        p[n++] = s->sot_prev;
        n += push_tail(p + n, job->previous, job->n_previous, half - 1);
    }
    *sot_index = n;
    n += batch_start_sequence(b, job->language, p + n);
    if (c->opt.without_timestamps)
        p[n++] = s->no_timestamps;
    if (job->use_prefix)
        n += push_tail(p + n, c->prefix.ids, c->prefix.n, half - 8);
    config_copy_ids(p + n, job->given, job->n_given);
    return n + job->n_given;
}

/* Starts the job at its present temperature, if slots are free; otherwise it waits. */
static int start_search(struct batch *b, struct job *job)
{
    double temperature = b->config->temperatures[job->temperature_index];
    struct search_params p = config_search(b->config, temperature, job->number);

    p.ops = net_ops(b->net);
    p.n_given = job->n_given;
    if (!claim_slots(b, job, search_n_slots(&p)))
        return 0;
    int sot_index;
    int n = build_prompt(b, job, &sot_index);
    return search_open(&job->search, b->model->tokenizer, b->model->shape.n_text_ctx,
                       b->model->shape.n_vocab, &p, b->prompt, n, sot_index, job->slots);
}

int batch_add(struct batch *b, struct job *job)
{
    assert(batch_free_places(b) > 0);
    job->search = NULL;
    job->tokens = NULL;
    job->n_tokens = job->n_slots = job->temperature_index = job->n_fallbacks = 0;
    job->silence = false;
    int err = start_search(b, job);
    if (err) {
        release_slots(b, job);
        return err;
    }
    b->jobs[b->n_held++] = job;
    return 0;
}

/* ---- judging --------------------------------------------------------------------------------- */

/* Bytes of the text / bytes after zlib, as openai/whisper's compression_ratio of the stripped text. */
static int compression_ratio(const struct tokenizer *t, const int32_t *tokens, int n, float *ratio)
{
    size_t raw_size = tokenizer_decode(t, tokens, n, NULL, 0);
    char *raw = mem_alloc(raw_size + 1, 1);
    char *text = mem_alloc(3 * raw_size + 1, 1);
    uLongf packed_size = compressBound((uLong)(3 * raw_size));
    Bytef *packed = mem_alloc(packed_size, 1);
    int err = raw && text && packed ? 0 : SOTTO_ENOMEM;

    if (!err) {
        tokenizer_decode(t, tokens, n, raw, raw_size + 1);
        size_t size = utf8_repair(text, raw, raw_size);
        const char *start = utf8_strip(text, &size);
        if (compress2(packed, &packed_size, (const Bytef *)start, (uLong)size,
                      Z_DEFAULT_COMPRESSION) == Z_OK)
            *ratio = (float)size / (float)packed_size;
        else
            err = SOTTO_ENOMEM;
    }
    mem_free(raw);
    mem_free(text);
    mem_free(packed);
    return err;
}

/* Comparisons with NAN (off) are false, so a rule that is off never fires. */
static bool needs_fallback(const struct config *c, const struct job *job)
{
    const struct sotto_options *o = &c->opt;
    bool unsure = job->avg_logprob < o->logprob_threshold;

    if (job->no_speech_prob > o->no_speech_threshold && unsure)
        return false; // silence
    return job->compression_ratio > o->compression_ratio_threshold || unsure;
}

static bool is_silence(const struct config *c, const struct job *job)
{
    return job->no_speech_prob > c->opt.no_speech_threshold &&
           !(job->avg_logprob > c->opt.logprob_threshold);
}

static int take_result(struct batch *b, struct job *job)
{
    struct search_result r;

    search_get_result(job->search, &r);
    mem_free(job->tokens);
    job->tokens = mem_alloc((size_t)r.n_tokens, sizeof *job->tokens);
    if (!job->tokens)
        return SOTTO_ENOMEM;
    config_copy_ids(job->tokens, r.tokens, r.n_tokens);
    job->n_tokens = r.n_tokens;
    job->temperature = (float)b->config->temperatures[job->temperature_index];
    job->avg_logprob = (float)r.avg_logprob;
    job->no_speech_prob = r.no_speech_prob;
    b->n_tokens += r.n_tokens + 1;
    return compression_ratio(b->model->tokenizer, r.tokens, r.n_tokens, &job->compression_ratio);
}

/* A search has ended: keep its result, or try again hotter. */
static int finish_search(struct batch *b, struct job *job)
{
    int err = take_result(b, job);

    search_close(&job->search);
    release_slots(b, job);
    if (err)
        return err;
    bool last = job->n_given || job->temperature_index + 1 >= b->config->n_temperatures;
    job->unsure = needs_fallback(b->config, job);
    if (!last && job->unsure) {
        job->temperature_index++;
        job->n_fallbacks++;
        return start_search(b, job);
    }
    job->temperature_index = -1; // done
    job->silence = is_silence(b->config, job);
    return 0;
}

static bool job_done(const struct job *job)
{
    return job->temperature_index < 0;
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Rows of as many jobs as fit into one step. Returns their number. */
static int gather_rows(struct batch *b)
{
    int max = net_decoder_max_rows(b->decoder), n = 0, wanted = 0;

    for (int i = 0; i < b->n_held; i++) {
        struct job *job = b->jobs[i];
        job->n_rows = 0;
        if (job_done(job) || !job->search || n + search_max_rows(job->search) > max)
            continue;
        int got = search_rows(job->search, b->rows + n), want = 0;
        for (int r = 0; r < got; r++)
            want += b->rows[n + r].want_logits;
        if (wanted + want > b->max_wanted)
            continue;
        job->n_rows = got;
        n += got;
        wanted += want;
    }
    return n;
}

static int advance_jobs(struct batch *b)
{
    const struct net_row *row = b->rows;
    float *logits = b->logits;

    for (int i = 0; i < b->n_held; i++) {
        struct job *job = b->jobs[i];
        if (job->n_rows == 0)
            continue;
        int want = 0;
        for (int r = 0; r < job->n_rows; r++)
            want += row[r].want_logits;
        int err = search_advance(job->search, logits, b->decoder);
        if (!err && search_done(job->search))
            err = finish_search(b, job);
        if (err)
            return err;
        row += job->n_rows;
        logits += (size_t)want * (size_t)b->model->shape.n_vocab;
    }
    return 0;
}

/* The rows through the decoder, STEP_ROWS at a time: a sequence's rows are in order, so any cut will
 * do. */
static int run_rows(struct batch *b, int n_rows)
{
    float *logits = b->logits;
    int err = 0;

    for (int i = 0; i < n_rows && !err; i += STEP_ROWS) {
        int n = n_rows - i < STEP_ROWS ? n_rows - i : STEP_ROWS;
        err = net_decoder_step(b->decoder, b->pool, b->rows + i, n, logits, NULL);
        for (int r = 0; r < n; r++)
            if (b->rows[i + r].want_logits)
                logits += b->model->shape.n_vocab;
    }
    return err;
}

int batch_step(struct batch *b)
{
    for (int i = 0; i < b->n_held; i++)
        if (!job_done(b->jobs[i]) && !b->jobs[i]->search) {
            int err = start_search(b, b->jobs[i]);
            if (err)
                return err;
        }
    int n_rows = gather_rows(b);
    if (n_rows == 0)
        return 0;
    int err = run_rows(b, n_rows);
    return err ? err : advance_jobs(b);
}

struct job *batch_take(struct batch *b)
{
    for (int i = 0; i < b->n_held; i++)
        if (job_done(b->jobs[i])) {
            struct job *job = b->jobs[i];
            memmove(b->jobs + i, b->jobs + i + 1, (size_t)(b->n_held - i - 1) * sizeof *b->jobs);
            b->n_held--;
            return job;
        }
    return NULL;
}

void batch_cancel(struct batch *b)
{
    for (int i = 0; i < b->n_held; i++) {
        search_close(&b->jobs[i]->search);
        release_slots(b, b->jobs[i]);
    }
    b->n_held = 0;
}

int batch_detect_language(struct batch *b, const struct net_window *window, float *probs,
                          int *best)
{
    const struct tokenizer *t = b->model->tokenizer;
    struct net_row row = {
        .slot = b->n_slots, .token = tokenizer_special(t)->sot, .pos = 0, .want_logits = true};
    float largest = -INFINITY, sum = 0;
    int likeliest = 0;

    net_decoder_bind(b->decoder, row.slot, window);
    int err = net_decoder_step(b->decoder, b->pool, &row, 1, b->logits, NULL);
    if (err)
        return err;
    for (int l = 0; l < language_count; l++) {
        int32_t token = tokenizer_language_token(t, l);
        probs[l] = token >= 0 ? b->logits[token] : -INFINITY;
        if (probs[l] > largest) {
            largest = probs[l];
            likeliest = l;
        }
    }
    if (!isfinite(largest))
        return SOTTO_EMODEL;
    for (int l = 0; l < language_count; l++)
        sum += probs[l] = expf(probs[l] - largest);
    for (int l = 0; l < language_count; l++)
        probs[l] /= sum;
    *best = likeliest;
    return 0;
}
