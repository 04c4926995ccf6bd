/*
 * Which tokens may follow, and their log probabilities: the logit filters of openai/whisper
 * (whisper/decoding.py: SuppressBlank, SuppressTokens, ApplyTimestampRules) on one row of logits.
 * Pure functions of a row and the tokens before it. What is chosen among them: search.c, sampler.c.
 *
 * The allowed part of a row is at most two ranges of ids (text and special tokens; timestamps) less
 * single suppressed ids, which are overwritten with -INFINITY. So a row is read about once.
 */
#ifndef ENGINE_RULES_H
#define ENGINE_RULES_H

#include "model/tokenizer.h"
#include "ops/ops.h"

struct rules_params {
    int n_vocab; // V, floats of a row
    bool without_timestamps;
    int max_initial_timestamp; // steps of 0.02 s; < 0: no limit
    bool suppress_blank;
    const int32_t *suppress; // besides the special tokens; ids out of range are ignored
    int n_suppress;
    int n_given; // first tokens of every sequence, which were not chosen but given
    const struct ops *ops; // logsumexp_f32 is used
};

struct rules {
    int n_vocab;
    int32_t eot, no_speech;
    int32_t timestamp_begin, timestamp_end; // equal: no timestamp rules
    int max_initial_timestamp;
    int32_t *masked; // ids never decoded, sorted
    int n_masked;
    int32_t blank[8]; // ids not decoded first: " " and end of text
    int n_blank, n_given;
    float (*logsumexp)(const float *x, size_t n, int *argmax);
};

/* Errors: NOMEM. */
int rules_init(struct rules *r, const struct tokenizer *tok, const struct rules_params *params);
void rules_fini(struct rules *r);

/* A filtered row. Ids outside the ranges and those at -INFINITY are not allowed. */
struct rules_row {
    const float *logits;  // V; borrowed
    int begin[2], end[2]; // ranges of ids, ascending; empty: begin == end
    int32_t best;         // id of the largest logit, the lowest of equals; -1: nothing allowed
    float logsumexp;      // over all allowed ids: log probability = logit - logsumexp
};

/* Filters `logits` (V floats, overwritten) after the decoded tokens `seq`. NaN counts as never,
 * +INFINITY as the largest float. */
void rules_apply(const struct rules *r, float *logits, const int32_t *seq, int n_seq,
                 struct rules_row *row);

/* The `k` (<= RULES_TOP_MAX) largest allowed ids by falling logit, the lower id first among equals.
 * Returns how many there are: fewer than k if not so many are allowed. */
enum { RULES_TOP_MAX = 32 };
int rules_top(const struct rules_row *row, int k, int32_t *ids);

static inline float rules_logprob(const struct rules_row *row, int32_t id)
{
    return row->logits[id] - row->logsumexp;
}

/* Softmax probability of `id` in an unfiltered row; NAN if id < 0 or the row has none. */
float rules_probability(const struct rules *r, float *logits, int32_t id);

#endif
