/*
 * The search as a state machine. Scores, order of candidates and stopping rules: openai/whisper,
 * whisper/decoding.py (GreedyDecoder, BeamSearchDecoder, MaximumLikelihoodRanker,
 * DecodingTask._main_loop). Which tokens are allowed: rules.c.
 *
 * Of the finished sequences only the best is kept: they are ranked as they come, which gives the
 * same winner as ranking the list at the end.
 */
#include "engine/search.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/rules.h"
#include "engine/sampler.h"

/* Log probability of ending a sequence where no token is allowed: low enough for any fallback. */
static const float no_token_logprob = -1000.0f;

struct hypothesis {
    int32_t *tokens; // given and decoded, without end of text
    int n;
    float sum; // of log probabilities, fp32 as in the reference
    int slot;
    bool ended; // only when sampling: live beams never have ended
    struct sampler sampler;
};

struct search {
    struct search_params params;
    struct ops ops;
    struct rules rules;
    int n_text_ctx, n_vocab;
    int32_t *prompt;
    int n_prompt, sot_index;
    int slots[SEARCH_MAX_SLOTS];
    int n_slots;

    int n_steps; // tokens decided by each sequence
    int max_steps;
    bool done;
    float no_speech_prob;
    struct hypothesis live[SEARCH_MAX_SLOTS]; // sequences going on; beams by falling sum
    struct hypothesis next[SEARCH_MAX_SLOTS]; // beams only: built from `live`, then swapped
    int n_live;
    int n_finished, max_finished; // beams only
    struct hypothesis best;       // of those ranked so far
    double best_score;
    bool has_best;
    int32_t *token_room; // of all hypotheses
    float *scratch;      // V; sampling only
};

static bool is_beam(const struct search_params *p)
{
    return p->temperature <= 0 && p->beam_size > 1;
}

int search_n_slots(const struct search_params *p)
{
    int n = p->temperature > 0 ? p->best_of : p->beam_size;
    return n > 1 ? n : 1;
}

/* ---- opening ---------------------------------------------------------------------------------- */

static int open_rules(struct search *s, const struct tokenizer *tok)
{
    const struct search_params *p = &s->params;
    const double step_s = 0.02; // of timestamp tokens
    double limit = rint(p->max_initial_timestamp_s / step_s);

    struct rules_params rp = {
        .n_vocab = s->n_vocab,
        .without_timestamps = p->without_timestamps,
        .max_initial_timestamp = p->max_initial_timestamp_s > 0 && limit < 1e6 ? (int)limit : -1,
        .suppress_blank = p->suppress_blank,
        .suppress = p->suppress,
        .n_suppress = p->n_suppress,
        .n_given = s->params.n_given,
        .ops = &s->ops,
    };
    return rules_init(&s->rules, tok, &rp);
}

static int open_hypotheses(struct search *s)
{
    int n_sets = is_beam(&s->params) ? 2 : 1;
    size_t room = (size_t)(s->params.n_given + s->max_steps);
    const int32_t *given = s->prompt + s->n_prompt - s->params.n_given;

    s->token_room = mem_alloc((size_t)(n_sets * s->n_slots + 1), room * sizeof *s->token_room);
    if (!s->token_room)
        return SOTTO_ENOMEM;
    int32_t *tokens = s->token_room;
    s->best.tokens = tokens;
    for (int i = 0; i < s->n_slots; i++) {
        s->live[i].tokens = tokens += room;
        memcpy(tokens, given, (size_t)s->params.n_given * sizeof *given);
        s->live[i].n = s->params.n_given;
        s->live[i].slot = s->slots[i];
        sampler_seed(&s->live[i].sampler, s->params.seed, (uint64_t)i);
        if (n_sets == 2)
            s->next[i].tokens = tokens += room;
    }
    // Before the first step all beams are the same one.
    s->n_live = is_beam(&s->params) ? 1 : s->n_slots;
    if (s->params.temperature > 0) {
        s->scratch = mem_alloc((size_t)s->n_vocab, sizeof *s->scratch);
        if (!s->scratch)
            return SOTTO_ENOMEM;
    }
    return 0;
}

static int plan(struct search *s)
{
    struct search_params *p = &s->params;
    if (p->patience == 0)
        p->patience = 1;
    double max_finished = rint(p->beam_size * p->patience); // halves to even, as Python rounds
    if (is_beam(p) && !(max_finished >= 1))
        return SOTTO_EINVAL;
    s->max_finished = max_finished < 1e6 ? (int)max_finished : 1000000;
    /* The sequence may grow one past the decoder's positions: the last token is not fed. */
    s->max_steps = p->sample_len > 0 ? p->sample_len : s->n_text_ctx / 2;
    s->max_steps -= s->params.n_given;
    int left = s->n_text_ctx + 1 - s->n_prompt;
    s->max_steps = s->max_steps < left ? s->max_steps : left;
    return s->max_steps > 0 ? 0 : SOTTO_EINVAL;
}

int search_open(struct search **out, const struct tokenizer *tok, int n_text_ctx, int n_vocab,
                const struct search_params *params, const int32_t *prompt, int n_prompt,
                int sot_index, const int *slots)
{
    int n_slots = search_n_slots(params);
    if (n_prompt < 1 || n_prompt > n_text_ctx || sot_index >= n_prompt || n_vocab < 1 ||
        n_slots > SEARCH_MAX_SLOTS || params->n_given < 0 ||
        params->n_given > n_prompt)
        return SOTTO_EINVAL;
    struct search *s = mem_calloc(1, sizeof *s);
    if (!s)
        return SOTTO_ENOMEM;

    s->params = *params;
    if (params->ops)
        s->ops = *params->ops;
    else
        ops_init_ref(&s->ops);
    s->n_text_ctx = n_text_ctx;
    s->n_vocab = n_vocab;
    s->n_prompt = n_prompt;
    s->sot_index = sot_index;
    s->n_slots = n_slots;
    s->no_speech_prob = NAN;
    memcpy(s->slots, slots, (size_t)n_slots * sizeof *slots);
    int err = plan(s);
    if (!err) {
        s->prompt = mem_alloc((size_t)n_prompt, sizeof *s->prompt);
        if (s->prompt)
            memcpy(s->prompt, prompt, (size_t)n_prompt * sizeof *s->prompt);
        else
            err = SOTTO_ENOMEM;
    }
    if (!err)
        err = open_rules(s, tok);
    if (!err)
        err = open_hypotheses(s);
    if (err) {
        search_close(&s);
        return err;
    }
    *out = s;
    return 0;
}

void search_close(struct search **search)
{
    struct search *s = search ? *search : NULL;
    if (!s)
        return;
    rules_fini(&s->rules);
    mem_free(s->prompt);
    mem_free(s->token_room);
    mem_free(s->scratch);
    mem_free(s);
    *search = NULL;
}

/* ---- rows ------------------------------------------------------------------------------------- */

static bool wants_no_speech(const struct search *s)
{
    return s->rules.no_speech >= 0 && s->sot_index >= 0;
}

static int prompt_rows(const struct search *s, struct net_row *rows)
{
    for (int i = 0; i < s->n_prompt; i++)
        rows[i] = (struct net_row){
            .slot = s->slots[0],
            .token = s->prompt[i],
            .pos = i,
            .want_logits = i == s->n_prompt - 1 || (i == s->sot_index && wants_no_speech(s)),
        };
    return s->n_prompt;
}

int search_rows(const struct search *s, struct net_row *rows)
{
    if (s->done)
        return 0;
    if (s->n_steps == 0)
        return prompt_rows(s, rows);
    int n = 0;
    for (int i = 0; i < s->n_live; i++) {
        const struct hypothesis *h = &s->live[i];
        if (!h->ended)
            rows[n++] = (struct net_row){
                .slot = h->slot,
                .token = h->tokens[h->n - 1],
                .pos = s->n_prompt + s->n_steps - 1,
                .want_logits = true,
            };
    }
    return n;
}

int search_max_rows(const struct search *s)
{
    if (s->done)
        return 0;
    return s->n_steps == 0 ? s->n_prompt : s->n_live;
}

/* ---- ranking ---------------------------------------------------------------------------------- */

static double rank_score(const struct search *s, int n_tokens, float sum)
{
    double alpha = s->params.length_penalty;
    if (alpha >= 0) // Wu et al., "Google's neural machine translation system", 2016
        return sum / pow((5.0 + n_tokens) / 6.0, alpha);
    return sum / (n_tokens > 0 ? n_tokens : 1); // the reference cannot rank an empty sequence
}

/* A sequence that may win; the first of equals does. */
static void consider(struct search *s, const struct hypothesis *h, float sum)
{
    double score = rank_score(s, h->n - s->params.n_given, sum);

    if (s->has_best && !(score > s->best_score))
        return;
    s->has_best = true;
    s->best_score = score;
    s->best.n = h->n;
    s->best.sum = sum;
    memcpy(s->best.tokens, h->tokens, (size_t)h->n * sizeof *h->tokens);
}

/* ---- greedy and sampling ---------------------------------------------------------------------- */

static void sample_one(struct search *s, struct hypothesis *h, const struct rules_row *row)
{
    if (row->best < 0) {
        h->sum += no_token_logprob;
        h->ended = true;
        return;
    }
    int32_t token = row->best;
    if (s->params.temperature > 0)
        token = sampler_draw(&h->sampler, row, s->params.temperature, &s->ops, s->scratch);
    h->sum += rules_logprob(row, token);
    if (token == s->rules.eot)
        h->ended = true;
    else
        h->tokens[h->n++] = token;
}

/* After the first step every sequence needs what the first slot has read. */
static void share_prompt(const struct search *s, struct net_decoder *d)
{
    int dst[SEARCH_MAX_SLOTS], src[SEARCH_MAX_SLOTS], n = 0;

    for (int i = 1; i < s->n_live; i++)
        if (!s->live[i].ended) {
            dst[n] = s->live[i].slot;
            src[n++] = s->slots[0];
        }
    if (n > 0)
        net_decoder_copy(d, dst, src, n, s->n_prompt);
}

static void advance_samples(struct search *s, float *logits, struct net_decoder *d)
{
    struct rules_row row;
    bool first = s->n_steps == 0;
    int n_going = 0;

    for (int i = 0; i < s->n_live; i++) {
        struct hypothesis *h = &s->live[i];
        if (h->ended)
            continue;
        if (!first || i == 0) { // the first step's row serves all
            rules_apply(&s->rules, logits, h->tokens, h->n, &row);
            logits += s->n_vocab;
        }
        sample_one(s, h, &row);
        n_going += !h->ended;
    }
    s->n_steps++;
    s->done = n_going == 0 || s->n_steps == s->max_steps;
    if (s->done)
        for (int i = 0; i < s->n_live; i++)
            consider(s, &s->live[i], s->live[i].sum);
    else if (first)
        share_prompt(s, d);
}

/* ---- beams ------------------------------------------------------------------------------------ */

/* The best continuations of one beam, by falling sum. */
struct extensions {
    int32_t token[SEARCH_MAX_SLOTS + 1];
    float sum[SEARCH_MAX_SLOTS + 1];
    int n, used;
};

static void extend(const struct search *s, const struct hypothesis *h, float *logits,
                   struct extensions *e)
{
    struct rules_row row;

    rules_apply(&s->rules, logits, h->tokens, h->n, &row);
    e->used = 0;
    e->n = rules_top(&row, s->params.beam_size + 1, e->token);
    for (int i = 0; i < e->n; i++)
        e->sum[i] = h->sum + rules_logprob(&row, e->token[i]);
    if (e->n == 0) {
        e->token[e->n] = s->rules.eot;
        e->sum[e->n++] = h->sum + no_token_logprob;
    }
}

/* Beam with the best continuation left, the first of equals; -1: none left. */
static int best_extension(const struct extensions *e, int n)
{
    int best = -1;
    for (int i = 0; i < n; i++)
        if (e[i].used < e[i].n && (best < 0 || e[i].sum[e[i].used] > e[best].sum[e[best].used]))
            best = i;
    return best;
}

/* Takes continuations from the best down until the beams are full: ends of text are finished
 * sequences, others the next beams. parent[i]: beam that next[i] came from. */
static int select_beams(struct search *s, struct extensions *e, int *parent)
{
    int n_next = 0, from;

    while (n_next < s->params.beam_size && (from = best_extension(e, s->n_live)) >= 0) {
        const struct hypothesis *h = &s->live[from];
        int32_t token = e[from].token[e[from].used];
        float sum = e[from].sum[e[from].used++];
        if (token == s->rules.eot) {
            if (s->n_finished < s->max_finished) {
                s->n_finished++;
                consider(s, h, sum);
            }
            continue;
        }
        struct hypothesis *next = &s->next[n_next];
        memcpy(next->tokens, h->tokens, (size_t)h->n * sizeof *h->tokens);
        next->tokens[h->n] = token;
        next->n = h->n + 1;
        next->sum = sum;
        parent[n_next++] = from;
    }
    return n_next;
}

/* The first child of a beam goes on in its slot; others get a copy in a slot nobody continues. */
static void assign_slots(struct search *s, const int *parent, int n_next, struct net_decoder *d)
{
    int dst[SEARCH_MAX_SLOTS], src[SEARCH_MAX_SLOTS], n = 0, n_free = 0;
    int free_slots[SEARCH_MAX_SLOTS];
    bool taken[SEARCH_MAX_SLOTS] = {0};

    for (int i = 0; i < n_next; i++)
        taken[parent[i]] = true;
    for (int i = 0; i < s->n_slots; i++) {
        int owner = -1;
        for (int j = 0; j < s->n_live; j++)
            if (s->live[j].slot == s->slots[i])
                owner = j;
        if (owner < 0 || !taken[owner])
            free_slots[n_free++] = s->slots[i];
    }
    for (int i = 0; i < n_next; i++) {
        int slot = s->live[parent[i]].slot;
        if (taken[parent[i]]) {
            taken[parent[i]] = false;
            s->next[i].slot = slot;
        } else {
            assert(n_free > 0);
            s->next[i].slot = dst[n] = free_slots[--n_free];
            src[n++] = slot;
        }
    }
    if (n > 0)
        net_decoder_copy(d, dst, src, n, s->n_prompt + s->n_steps);
}

static void swap_beams(struct search *s, int n_next)
{
    for (int i = 0; i < s->n_slots; i++) {
        struct hypothesis h = s->live[i];
        s->live[i] = s->next[i];
        s->next[i] = h;
    }
    s->n_live = n_next;
}

/* Unfinished beams make up the number where too few finished. Live beams are sorted; of equal ones
 * the reference takes the last first (a sort read backwards). */
static void finish_beams(struct search *s)
{
    bool used[SEARCH_MAX_SLOTS] = {0};

    for (int k = 0; k < s->n_live && s->n_finished < s->params.beam_size; k++) {
        int best = -1;
        for (int i = 0; i < s->n_live; i++)
            if (!used[i] && (best < 0 || s->live[i].sum >= s->live[best].sum))
                best = i;
        used[best] = true;
        s->n_finished++;
        consider(s, &s->live[best], s->live[best].sum);
    }
}

static void advance_beams(struct search *s, float *logits, struct net_decoder *d)
{
    struct extensions e[SEARCH_MAX_SLOTS];
    int parent[SEARCH_MAX_SLOTS];

    for (int i = 0; i < s->n_live; i++, logits += s->n_vocab)
        extend(s, &s->live[i], logits, &e[i]);
    int n_next = select_beams(s, e, parent);
    s->done = n_next == 0 || s->n_finished >= s->max_finished || s->n_steps + 1 == s->max_steps;
    if (!s->done)
        assign_slots(s, parent, n_next, d);
    s->n_steps++;
    swap_beams(s, n_next);
    if (s->done)
        finish_beams(s);
}

/* ---- stepping --------------------------------------------------------------------------------- */

int search_advance(struct search *s, float *logits, struct net_decoder *d)
{
    assert(!s->done);
    if (s->n_steps == 0 && wants_no_speech(s)) {
        s->no_speech_prob = rules_probability(&s->rules, logits, s->rules.no_speech);
        if (s->sot_index != s->n_prompt - 1)
            logits += s->n_vocab;
    }
    if (is_beam(&s->params))
        advance_beams(s, logits, d);
    else
        advance_samples(s, logits, d);
    return 0;
}

bool search_done(const struct search *s)
{
    return s->done;
}

void search_get_result(const struct search *s, struct search_result *out)
{
    assert(s->done && s->has_best);
    *out = (struct search_result){
        .tokens = s->best.tokens + s->params.n_given,
        .n_tokens = s->best.n - s->params.n_given,
        .sum_logprob = s->best.sum,
        .avg_logprob = (double)s->best.sum / (s->best.n - s->params.n_given + 1),
        .no_speech_prob = s->no_speech_prob,
    };
}
