/*
 * What the files net*.c share: the packed network, activations prepared for a product, and one
 * thread's scratch. Private to them.
 *
 * Shapes: M mels, T audio positions, C width, H heads, D = C / H head width, F = 4C, V vocabulary.
 *
 * Heads in panels. The columns of a query, key or value product are ordered by head, and every head
 * begins at a panel: of `group` columns, the first D (queries), then D (keys), D (values), the rest
 * padding. So one head's part of a product is a range of panels, whatever the panel width; with
 * Whisper's D = 64 nothing is padded.
 */
#ifndef ENGINE_NET_IMPL_H
#define ENGINE_NET_IMPL_H

#include "engine/net.h"
#include "ops/gemm.h"

struct net_norm {
    const float *g, *b; // C each
};

struct net_linear { // y = x W^T + b
    struct gemm_weights w;
    const float *bias; // w.n; NULL: none
};

struct net_layer {
    struct net_norm attn_norm;
    struct net_linear qkv, out; // qkv: H x group columns
    struct net_norm cross_norm; // from here on decoder only
    struct net_linear cross_q, cross_out;
    struct net_linear cross_k, cross_v; // from the encoder's output
    struct net_norm mlp_norm;
    struct net_linear fc1, fc2;
};

struct net_heads {
    int n, width; // H, D
    int group;    // columns of one head in a q, k, v product
    int single;   // columns of one head in a q, k or v product
};

struct net {
    const struct model *model;
    struct ops ops;
    enum sotto_precision precision;
    enum gemm_format attn_format;  // keys and values of the encoder's attention
    enum gemm_format cross_format; // keys and values in a window
    int n_mels, n_ctx, n_state, n_hidden, n_vocab, n_text_ctx; // M, T, C, F, V
    int n_enc, n_dec;                                          // layers
    struct net_heads enc_heads, dec_heads;

    struct net_linear conv1, conv2; // C x (3 x M), C x (3 x C)
    const float *enc_pos;           // T x C
    struct net_layer enc[MODEL_MAX_LAYERS];
    struct net_norm enc_norm;
    const float *dec_pos; // n_text_ctx x C
    struct net_layer dec[MODEL_MAX_LAYERS];
    struct net_norm dec_norm;
    struct net_linear logits; // V x C, no bias

    void *memory; // all of the above
    size_t memory_bytes;
};

int net_pack(struct net *net, struct pool *pool, struct sotto_diag *diag); // net_pack.c

/* ---- activations ------------------------------------------------------------------------------- */

/* M rows of K activations in the form a product wants: fp32, and beside it bf16 or 8 bit. */
struct net_input {
    const float *x;
    size_t x_stride;
    const void *quant;
    size_t quant_stride;
    const struct quant_row *quant_row;
};

enum { NET_ATTEND_ROWS = 24 }; // queries that share one pass over keys and values

/* Memory of one thread. */
struct net_scratch {
    float *gemm;                  // for every product
    float *norm;                  // rows x C: normalised rows
    float *work;                  // see net_encoder.c, net_decoder.c
    void *quant;                  // rows x F as bf16 or 8 bit
    struct quant_row *quant_row;  // rows
    float *scores;                // NET_ATTEND_ROWS x net_scores_stride
    void *attend_quant;           // the same as bf16 or 8 bit; also that many queries
    struct quant_row *attend_row; // NET_ATTEND_ROWS
    unsigned long stamp;          // what `input` was prepared for (decoder)
    struct net_input input;
};
/* One block for `n` threads, each with room for `rows` rows and `work` floats; NULL: no memory.
 * Close with mem_free. */
struct net_scratch *net_scratch_open(const struct net *net, int n, int rows, size_t work);

static inline size_t net_round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Elements from row to row of quantised activations: rows begin at cache lines. */
static inline size_t net_quant_stride(int k)
{
    return net_round_up((size_t)k, 64);
}

/* `x` for a product in `format`; `quant` and `scale` (m values) hold the converted rows if needed. */
struct net_input net_input(const struct net *net, enum gemm_format format, const float *x,
                           size_t x_stride, int m, int k, void *quant, struct quant_row *row);
struct net_input net_input_rows(const struct net_input *in, enum gemm_format format, int row);

/* What one product does with its result. */
struct net_output {
    float *y; // column 0
    size_t y_stride;
    bool gelu;
    const float *residual; // NULL: none
    size_t residual_stride;
};

/* Panels [panel_begin, panel_end) of y = epilogue(x W^T + b); panel_end < 0: all panels. */
void net_product(const struct net *net, const struct net_linear *lin, const struct net_input *in,
                 int m, int panel_begin, int panel_end, const struct net_output *out, float *gemm);

/* Attention of m <= NET_ATTEND_ROWS queries of one head against packed keys and values. First
 * net_attend_scores: q K^T, m rows net_scores_stride apart, in s->scores; then net_attend_values:
 * out = softmax(scale * scores) V, scale = D^-0.5. */
struct net_attend {
    const struct gemm_weights *k, *v;
    const float *q;
    size_t q_stride;
    int m;
    float *out;
    size_t out_stride;
};
void net_attend_scores(const struct net *net, const struct net_attend *a, struct net_scratch *s);
void net_attend_values(const struct net *net, const struct net_attend *a, struct net_scratch *s);
static inline size_t net_scores_stride(const struct net *net)
{
    return net_round_up((size_t)net->n_ctx, 16);
}
float net_attend_scale(const struct gemm_weights *keys);

/* ---- windows ----------------------------------------------------------------------------------- */

struct net_window {
    const struct net *net;
    struct gemm_weights *k, *v; // layers x heads: K is T x D, V is D x T
    void *memory;
    size_t memory_bytes;
    void *columns; // scales and sums, if the format has them
};

/* ---- caches (net_cache.c) ---------------------------------------------------------------------- */

/* Self-attention keys and values of one sequence: [layer][key, value][head][position][D]. Pages are
 * touched only as positions are written. */
struct net_cache {
    float *data;
    uint64_t *row_id; // n_text_ctx: equal ids mean equal contents; 0: empty
};

struct net_caches {
    const struct net *net;
    int n_slots;
    struct net_cache *cache; // n_slots, in any order
    int *of_slot;            // which cache a slot has
    int *plan;               // 3 x n_slots: scratch of net_caches_copy
    uint64_t last_id;
};

int net_caches_init(struct net_caches *c, const struct net *net, int n_slots); // ENOMEM
void net_caches_fini(struct net_caches *c);
void net_caches_clear(struct net_caches *c, int slot);
void net_caches_copy(struct net_caches *c, const int *dst, const int *src, int n, int n_pos);
/* Declares that position `pos` of `slot` is about to be written. */
void net_caches_touch(struct net_caches *c, int slot, int pos);
/* Keys of one head, position 0; values are net_cache_values floats further. */
float *net_cache_keys(const struct net_caches *c, int slot, int layer, int head);
static inline size_t net_cache_values(const struct net *net)
{
    return (size_t)net->n_text_ctx * (size_t)net->n_state;
}

#endif
