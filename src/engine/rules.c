/*
 * The logit filters. Source of each rule: openai/whisper, whisper/decoding.py.
 */
#include "engine/rules.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { N_TIMESTAMPS = 1501 }; // <|0.00|> .. <|30.00|>

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void add_id(const struct rules *r, int32_t *ids, int *n, int32_t id)
{
    if (id >= 0 && id < r->n_vocab)
        ids[(*n)++] = id;
}

static int collect_masked(struct rules *r, const struct token_special *s,
                          const struct rules_params *p)
{
    const int32_t special[] = {s->transcribe, s->translate, s->sot,
                               s->sot_prev,   s->sot_lm,    s->no_speech};
    const int n_special = sizeof special / sizeof special[0];

    r->masked = mem_alloc((size_t)p->n_suppress + (size_t)n_special + 1, sizeof *r->masked);
    if (!r->masked)
        return SOTTO_ENOMEM;
    for (int i = 0; i < p->n_suppress; i++)
        add_id(r, r->masked, &r->n_masked, p->suppress[i]);
    for (int i = 0; i < n_special; i++)
        add_id(r, r->masked, &r->n_masked, special[i]);
    if (r->timestamp_begin < r->timestamp_end)
        add_id(r, r->masked, &r->n_masked, s->no_timestamps);
    qsort(r->masked, (size_t)r->n_masked, sizeof *r->masked, compare_ids);
    return 0;
}

int rules_init(struct rules *r, const struct tokenizer *tok, const struct rules_params *p)
{
    const struct token_special *s = tokenizer_special(tok);

    memset(r, 0, sizeof *r);
    r->n_vocab = p->n_vocab;
    r->eot = s->eot;
    r->no_speech = s->no_speech < p->n_vocab ? s->no_speech : -1;
    r->max_initial_timestamp = p->max_initial_timestamp;
    r->n_given = p->n_given;
    if (!p->without_timestamps && s->timestamp_begin >= 0 && s->timestamp_begin < p->n_vocab) {
        int left = p->n_vocab - s->timestamp_begin;
        r->timestamp_begin = s->timestamp_begin;
        r->timestamp_end = s->timestamp_begin + (left < N_TIMESTAMPS ? left : N_TIMESTAMPS);
    }
    if (p->suppress_blank) {
        int32_t ids[4];
        int n = tokenizer_encode(tok, " ", ids, 4);
        for (int i = 0; i < n && i < 4; i++)
            add_id(r, r->blank, &r->n_blank, ids[i]);
        add_id(r, r->blank, &r->n_blank, s->eot);
    }
    r->logsumexp = p->ops->logsumexp_f32;
    return collect_masked(r, s, p);
}

void rules_fini(struct rules *r)
{
    mem_free(r->masked);
    r->masked = NULL;
    r->n_masked = 0;
}

/* ---- reading a range -------------------------------------------------------------------------- */

/* Largest logit and log of the sum of exponentials of ids [begin, end). */
struct range_sum {
    int32_t best; // -1: all -INFINITY
    float max, logsumexp;
};

static void clean_range(float *logits, int begin, int end)
{
    for (int i = begin; i < end; i++) {
        if (isnan(logits[i]))
            logits[i] = -INFINITY;
        else if (logits[i] > FLT_MAX)
            logits[i] = FLT_MAX;
    }
}

static bool any_allowed(const float *logits, int begin, int end)
{
    for (int i = begin; i < end; i++)
        if (logits[i] > -INFINITY)
            return true;
    return false;
}

static struct range_sum sum_range(const struct rules *r, float *logits, int begin, int end)
{
    struct range_sum none = {.best = -1, .max = -INFINITY, .logsumexp = -INFINITY};

    for (int attempt = 0; begin < end && attempt < 2; attempt++) {
        int best = -1;
        float sum = r->logsumexp(logits + begin, (size_t)(end - begin), &best);
        if (isfinite(sum) && best >= 0 && best < end - begin && isfinite(logits[begin + best]))
            return (struct range_sum){
                .best = begin + best, .max = logits[begin + best], .logsumexp = sum};
        clean_range(logits, begin, end); // rare: NaN, infinities, or nothing allowed
        if (!any_allowed(logits, begin, end))
            break;
    }
    return none;
}

/* log(exp(a) + exp(b)); -INFINITY stands for nothing. */
static float add_logs(float a, float b)
{
    float high = a > b ? a : b, low = a > b ? b : a;
    return low == -INFINITY ? high : high + log1pf(expf(low - high));
}

float rules_probability(const struct rules *r, float *logits, int32_t id)
{
    if (id < 0)
        return NAN;
    struct range_sum all = sum_range(r, logits, 0, r->n_vocab);
    return all.best < 0 ? NAN : expf(logits[id] - all.logsumexp);
}

/* ---- the rules -------------------------------------------------------------------------------- */

/* Ranges of ids allowed by the timestamp rules, before any logit is looked at. */
static void allowed_ranges(const struct rules *r, const int32_t *seq, int n, struct rules_row *row)
{
    row->begin[0] = 0;
    row->end[0] = r->timestamp_begin;
    row->begin[1] = r->timestamp_begin;
    row->end[1] = r->timestamp_end;
    if (n == 0) { // must begin with a timestamp, not far into the window
        row->end[0] = 0;
        if (r->max_initial_timestamp >= 0 &&
            r->max_initial_timestamp < r->timestamp_end - r->timestamp_begin)
            row->end[1] = r->timestamp_begin + r->max_initial_timestamp + 1;
        return;
    }
    bool last = seq[n - 1] >= r->timestamp_begin;
    bool before_last = n < 2 || seq[n - 2] >= r->timestamp_begin;
    if (last && before_last) { // a pair is complete: text follows
        row->begin[1] = row->end[1];
        return;
    }
    if (last) // an end of text: its pair, or the end of all
        row->begin[0] = r->eot;
    int i = n - 1;
    while (i >= 0 && seq[i] < r->timestamp_begin)
        i--;
    if (i >= 0) { // time goes on; a segment is never empty, but the next may begin where one ends
        int32_t first = seq[i] + (last ? 0 : 1);
        row->begin[1] = first < row->end[1] ? first : row->end[1];
    }
}

static void mask_ids(float *logits, const int32_t *ids, int n)
{
    for (int i = 0; i < n; i++)
        logits[ids[i]] = -INFINITY;
}

void rules_apply(const struct rules *r, float *logits, const int32_t *seq, int n_seq,
                 struct rules_row *row)
{
    bool timestamps = r->timestamp_begin < r->timestamp_end;

    mask_ids(logits, r->masked, r->n_masked);
    if (n_seq == r->n_given)
        mask_ids(logits, r->blank, r->n_blank);
    row->logits = logits;
    if (timestamps) {
        allowed_ranges(r, seq, n_seq, row);
    } else {
        row->begin[0] = 0;
        row->end[0] = row->begin[1] = row->end[1] = r->n_vocab;
    }
    struct range_sum text = sum_range(r, logits, row->begin[0], row->end[0]);
    struct range_sum time = sum_range(r, logits, row->begin[1], row->end[1]);

    /* All timestamps together likelier than any one text token: a timestamp it is. */
    if (time.best >= 0 && time.logsumexp > text.max) {
        row->begin[0] = row->end[0];
        text = (struct range_sum){.best = -1, .max = -INFINITY, .logsumexp = -INFINITY};
    }
    row->best = time.best >= 0 && time.max > text.max ? time.best : text.best;
    row->logsumexp = add_logs(text.logsumexp, time.logsumexp);
}

/* ---- the best few ----------------------------------------------------------------------------- */

struct top {
    int k, n;
    float floor;                // only logits above it can enter
    float value[RULES_TOP_MAX]; // falling
    int32_t id[RULES_TOP_MAX];
};

static void top_insert(struct top *t, int32_t id, float value)
{
    int i = t->n < t->k ? t->n++ : t->k - 1;
    for (; i > 0 && t->value[i - 1] < value; i--) {
        t->value[i] = t->value[i - 1];
        t->id[i] = t->id[i - 1];
    }
    t->value[i] = value;
    t->id[i] = id;
    if (t->n == t->k)
        t->floor = t->value[t->k - 1];
}

/* The compiler makes vector compares of the inner loop; almost every block is then skipped. */
static void top_scan(struct top *t, const float *logits, int begin, int end)
{
    enum { BLOCK = 64 };
    int i = begin;

    for (; i + BLOCK <= end; i += BLOCK) {
        const float *x = logits + i, floor = t->floor;
        int any = 0;
        for (int j = 0; j < BLOCK; j++)
            any |= x[j] > floor;
        if (!any)
            continue;
        for (int j = 0; j < BLOCK; j++)
            if (x[j] > t->floor)
                top_insert(t, i + j, x[j]);
    }
    for (; i < end; i++)
        if (logits[i] > t->floor)
            top_insert(t, i, logits[i]);
}

int rules_top(const struct rules_row *row, int k, int32_t *ids)
{
    struct top t = {.k = k, .floor = -INFINITY};

    assert(k >= 1 && k <= RULES_TOP_MAX);
    top_scan(&t, row->logits, row->begin[0], row->end[0]);
    top_scan(&t, row->logits, row->begin[1], row->end[1]);
    memcpy(ids, t.id, (size_t)t.n * sizeof *ids);
    return t.n;
}
