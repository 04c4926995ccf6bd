/*
 * Decoding one window at one temperature: greedy, beam or best-of sampling, as a state machine
 * between decoder steps. It never runs the network itself: the caller gathers the rows of many
 * searches into one net_decoder_step. So one window, beams and many windows side by side are one
 * code path. Rules and scores: openai/whisper, whisper/decoding.py.
 */
#ifndef ENGINE_SEARCH_H
#define ENGINE_SEARCH_H

#include "engine/net.h"
#include "model/tokenizer.h"
#include "ops/ops.h"

enum { SEARCH_MAX_SLOTS = 31 }; // largest beam_size and best_of

struct search_params {
    double temperature;    // 0: greedy or beam
    int beam_size;         // used at temperature 0; 1: greedy
    int best_of;           // used above 0
    double patience;       // of beams; 0: 1.0
    double length_penalty; // < 0: mean log probability
    uint64_t seed;         // of the sampler, combined with the window's number by the caller
    int sample_len;        // most tokens to decode, with those given; 0: n_text_ctx / 2
    int n_given;           // last tokens of the prompt that are text of this window for the rules
    bool without_timestamps;
    double max_initial_timestamp_s; // <= 0: no limit, as in openai/whisper
    bool suppress_blank;
    const int32_t *suppress; // ids never decoded, besides the special tokens; borrowed
    int n_suppress;
    const struct ops *ops; // kernels to use; NULL: the plain C ones. Copied by search_open
};

struct search_result {
    int32_t *tokens; // decoded tokens, without prompt and end of text; owned by the search
    int n_tokens;
    double sum_logprob;   // natural log, end of text included
    double avg_logprob;   // sum_logprob / (n_tokens + 1)
    float no_speech_prob; // NAN if the model has no such token
};

struct search;

/* `prompt`: all tokens before the first decoded one (previous text, start sequence, prefix);
 * `sot_index` is the position of <|startoftranscript|> in it, where the no-speech probability is
 * read. `slots`: n_slots = search_n_slots(params) decoder slots, bound by the caller to the window.
 * All borrowed until the search is closed, but for `prompt` and `params` (copied; params->suppress
 * is borrowed). Errors: NOMEM, INVAL (an empty prompt or one longer than n_text_ctx, too
 * many slots, a patience that allows no candidate). */
int search_open(struct search **out, const struct tokenizer *tok, int n_text_ctx, int n_vocab,
                const struct search_params *params, const int32_t *prompt, int n_prompt,
                int sot_index, const int *slots);
void search_close(struct search **s);
int search_n_slots(const struct search_params *params);

/* Rows this search needs in the next step; writes at most search_max_rows of them and returns how
 * many; 0 when finished. */
int search_rows(const struct search *s, struct net_row *rows);
int search_max_rows(const struct search *s); // of the next step
/* Takes the logits of the rows that asked for them, in order (V floats each; overwritten), decides,
 * and orders cache copies through net_decoder_copy. NaN logits are never chosen; where nothing can
 * be chosen the sequence ends with a log probability of -1000. Returns 0. */
int search_advance(struct search *s, float *logits, struct net_decoder *d);
bool search_done(const struct search *s);
/* Best sequence; valid until search_close. Only once done. */
void search_get_result(const struct search *s, struct search_result *out);

#endif
