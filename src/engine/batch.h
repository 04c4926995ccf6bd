/*
 * Windows decoded side by side: each job is one encoded window; every step runs the rows of all
 * jobs through the decoder at once, so that the weights are read once for all. A job that fails its
 * quality checks starts again at the next temperature. Sequential transcription is one job at a time.
 */
#ifndef ENGINE_BATCH_H
#define ENGINE_BATCH_H

#include "engine/config.h"
#include "engine/net.h"
#include "engine/segments.h"

struct job {
    /* Set by the caller; borrowed until the job is done. */
    const struct net_window *window;
    const int32_t *previous; // previous text and hotwords, without <|startofprev|>
    int n_previous;
    bool use_prefix;         // the option's prefix begins this window
    int language;            // index of the language table
    const int32_t *given;    // tokens read before, to go on from: tried once, without fallback
    int n_given;
    uint64_t number;         // of the window, for the sampler's seed
    void *user;

    /* Result, once done. */
    int32_t *tokens;         // owned by the job: job_fini; without those given
    int n_tokens;
    float temperature, avg_logprob, no_speech_prob, compression_ratio;
    int n_fallbacks;         // temperatures tried before this one
    bool silence;            // the no-speech rule says that nothing was said
    bool unsure;             // the checks failed at the last temperature too

    /* Private to batch.c. */
    struct search *search;
    int slots[CONFIG_GROUP_MAX];
    int n_slots;
    int temperature_index;
    int n_rows;              // of the step under way
};

void job_fini(struct job *job);
/* Writes what is known of the whole window into one of its segments. */
void job_describe(const struct job *job, struct segment *segment);

struct batch;

/* Decodes with `net` for at most `n_jobs` jobs at once. All borrowed. ENOMEM. */
int batch_open(struct batch **out, const struct net *net, struct pool *pool,
               const struct config *config, int n_jobs);
void batch_close(struct batch **b);

int batch_free_places(const struct batch *b); // jobs that can be added now
int batch_n_active(const struct batch *b);
int batch_add(struct batch *b, struct job *job); // ENOMEM, EINVAL
/* The next token of all active jobs, or the prompts of new ones. ENOMEM, EABORTED (the options'
 * should_abort is asked in between): then only batch_cancel and batch_close are left. */
int batch_step(struct batch *b);
/* A finished job (in any order), or NULL. Its place is free again. */
struct job *batch_take(struct batch *b);
void batch_cancel(struct batch *b); // forgets all jobs, finished or not
long batch_n_tokens(const struct batch *b); // decoded since batch_open, all attempts

/* Language probabilities of one window: probs[l] for each entry l of the language table, 0 for those
 * the model does not know; `*best`: the likeliest. Uses the spare slot; call it between steps. EABORTED, EMODEL (no number among
 * the logits). */
int batch_detect_language(struct batch *b, const struct net_window *window, float *probs,
                          int *best);

/* The start sequence (<|startoftranscript|> [language task]) into `dst`; returns its length. */
enum { BATCH_MAX_START = 3 };
int batch_start_sequence(const struct batch *b, int language, int32_t *dst);

/* The decoder and a slot of it that no job uses, for the alignment of words. */
struct net_decoder *batch_decoder(struct batch *b);
int batch_spare_slot(const struct batch *b);

#endif
