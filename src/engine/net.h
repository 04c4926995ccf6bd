/*
 * The network, run on the CPU: encoder, cross-attention keys and values, decoder steps. Weights are
 * packed once (net_open); everything else is scratch owned by one transcriber. Numbers only: no
 * tokens rules, no text. What multiplies matrices is in ops/ and cpu/.
 */
#ifndef ENGINE_NET_H
#define ENGINE_NET_H

#include "base/error.h"
#include "base/pool.h"
#include "model/model.h"
#include "ops/ops.h"

struct net; // immutable after net_open; shared by threads

struct net_params {
    enum sotto_precision precision;
    bool reference; // plain C kernels
};

/* Packs `model`'s weights with `pool`'s threads. `model` must stay open as long as the net. */
int net_open(struct net **out, const struct model *model, const struct net_params *params,
             struct pool *pool, struct sotto_diag *diag);
void net_close(struct net **net);
const struct model *net_model(const struct net *net);
const struct ops *net_ops(const struct net *net);          // the kernels chosen; borrowed
const char *net_kernels(const struct net *net);            // "avx2"; static
enum sotto_precision net_precision(const struct net *net); // never AUTO

/* One window's cross-attention keys and values for all decoder layers. */
struct net_window;
int net_window_open(struct net_window **out, const struct net *net);
void net_window_close(struct net_window **w);

/* Scratch of the encoder. */
struct net_encoder;
int net_encoder_open(struct net_encoder **out, const struct net *net, int n_threads);
void net_encoder_close(struct net_encoder **e);

/* Encodes one window. `mel`: 2T x M, time-major, normalised. `audio`: NULL or T x C that gets the
 * encoder's output. `window`: NULL or gets keys and values. `should_abort` (NULL: never) is polled
 * at least every 50 ms of work. Errors: ABORTED. */
int net_encode(struct net_encoder *e, struct pool *pool, const float *mel, float *audio,
               struct net_window *window, bool (*should_abort)(void *user), void *user);

/* A decoder with `n_slots` independent sequences, each with its own key-value cache. */
struct net_decoder;
int net_decoder_open(struct net_decoder **out, const struct net *net, int n_slots, int n_threads);
void net_decoder_close(struct net_decoder **d);
/* From now on steps ask `should_abort` (NULL: never) before every layer and before the logits. */
void net_decoder_watch(struct net_decoder *d, bool (*should_abort)(void *user), void *user);
bool net_decoder_stopped(const struct net_decoder *d); // asks, for long work between steps
/* Slot `slot` listens to `window` from now on (borrowed until rebound); its cache is empty. */
void net_decoder_bind(struct net_decoder *d, int slot, const struct net_window *window);
/* For i in 0..n-1: slot dst[i] gets the first `n_pos` cache entries (and window) of slot src[i], all
 * at once, so that permutations and copies are right. Slots not in dst keep theirs. */
void net_decoder_copy(struct net_decoder *d, const int *dst, const int *src, int n, int n_pos);

/* One row of a step: `token` of sequence `slot` at position `pos` (0..n_text_ctx-1). */
struct net_row {
    int32_t slot, token, pos;
    bool want_logits;
};

/* Raw attention scores (before softmax) of the alignment heads, for word timestamps. */
struct net_align {
    float *scores; // n_align_heads x n_rows x T, filled by net_decoder_step; NULL: not wanted
};

/*
 * Runs `n_rows` rows (1..net_decoder_max_rows) through the decoder. Rows of one slot must be
 * adjacent with consecutive positions that follow what its cache holds (or overwrite its end); a
 * prompt is several rows of one slot. `logits`: one row of V floats for each row that wants them,
 * in order. Errors: ABORTED; the slots of the rows must then be bound anew.
 */
int net_decoder_step(struct net_decoder *d, struct pool *pool, const struct net_row *rows,
                     int n_rows, float *logits, const struct net_align *align);
int net_decoder_max_rows(const struct net_decoder *d); // at least n_text_ctx and n_slots

/* How much work that is (net_work.c), for measuring: operations (a product and a sum are two) by
 * the format of the matrix, and bytes that must be read. */
struct net_work {
    double ops[GEMM_FORMAT_COUNT];
    double bytes;
};
struct net_work net_work_window(const struct net *net); // net_encode, with keys and values
/* A step of n_rows sequences, each at position `pos`, listening to n_windows like `window`. */
struct net_work net_work_step(const struct net *net, const struct net_window *window, int n_rows,
                              int n_windows, int pos);

#endif
