/*
 * The encoder: one window of log-mel features to T x C, and on to the keys and values of every
 * decoder layer's cross-attention. Architecture: openai/whisper, whisper/model.py, AudioEncoder.
 *
 * Everything but attention treats positions alone, so a layer is two phases: attention (tasks: heads
 * x blocks of queries), then all the rest of it and the next layer's query, key and value product
 * (tasks: blocks of rows, whose activations stay in a core's cache). Between them keys and values
 * are packed, head by head. The cut into tasks depends on the shape only, so results do not depend on
 * the number of threads.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "engine/net_impl.h"

enum {
    BLOCKS = 32,      // row blocks of a phase: even for 2, 4, 8, 16, 32 threads
    CROSS_ROWS = 128, // rows of the encoder's output per cross key or value product
};

struct net_encoder {
    const struct net *net;
    int n_threads, block_rows;   // threads, most rows of a block
    int group;                   // enc_heads.n * enc_heads.group: columns of qkv
    float *mel;                  // (2T + 2) x M: frame -1 and 2T are zero
    float *conv;                 // (2T + 2) x C, likewise; memory shared with qkv
    float *x;                    // T x C: the residual stream
    float *qkv;                  // T x group
    float *att;                  // T x C: attention's output; at the end the encoder's
    struct gemm_weights *k, *v;  // per head: T x D, D x T
    void *audio_quant;           // T x C as bf16 or 8 bit
    struct quant_row *audio_row; // T
    struct net_scratch *scratch; // n_threads
    char *memory;
    size_t memory_bytes;

    /* While net_encode runs. */
    int layer;    // whose attention is under way
    float *audio; // T x C
    struct net_window *window;
    struct net_input audio_input;
    bool (*should_abort)(void *user);
    void *user;
    atomic_bool stop;
};

/* ---- opening ----------------------------------------------------------------------------------- */

static void *take(char *base, size_t *used, size_t count, size_t size)
{
    void *p = base ? base + *used : NULL;

    *used += net_round_up(count * size, 64);
    return p;
}

static size_t lay_out(struct net_encoder *e, char *base)
{
    const struct net *net = e->net;
    const struct gemm_kernel *kernel = &net->ops.gemm[net->attn_format];
    size_t t = (size_t)net->n_ctx, c = (size_t)net->n_state, used = 0;
    size_t qkv = t * (size_t)e->group, conv = (2 * t + 2) * c;
    int width = net->enc_heads.width;

    e->mel = take(base, &used, (2 * t + 2) * (size_t)net->n_mels, sizeof(float));
    e->qkv = e->conv = take(base, &used, qkv > conv ? qkv : conv, sizeof(float));
    e->x = take(base, &used, t * c, sizeof(float));
    e->att = take(base, &used, t * c, sizeof(float));
    e->audio_quant = take(base, &used, t * net_quant_stride(net->n_state), 2);
    e->audio_row = take(base, &used, t, sizeof *e->audio_row);
    for (int h = 0; h < net->enc_heads.n; h++) {
        struct gemm_weights k = {.format = net->attn_format, .n = net->n_ctx, .k = width};
        struct gemm_weights v = {.format = net->attn_format, .n = width, .k = net->n_ctx};
        k.data = take(base, &used, gemm_packed_bytes(kernel, k.format, k.n, k.k), 1);
        v.data = take(base, &used, gemm_packed_bytes(kernel, v.format, v.n, v.k), 1);
        e->k[h] = k;
        e->v[h] = v;
    }
    return used;
}

int net_encoder_open(struct net_encoder **out, const struct net *net, int n_threads)
{
    struct net_encoder *e = mem_calloc(1, sizeof *e);
    const struct net_heads *heads = &net->enc_heads;

    if (!e)
        return SOTTO_ENOMEM;
    e->net = net;
    e->n_threads = n_threads;
    e->group = heads->n * heads->group;
    for (int i = 0; i < BLOCKS; i++) {
        int begin, end;
        gemm_part(net->n_ctx, net->ops.gemm[GEMM_F32].mr, i, BLOCKS, &begin, &end);
        e->block_rows = end - begin > e->block_rows ? end - begin : e->block_rows;
    }
    // The MLP's hidden rows, or all positions of one head.
    size_t hidden = (size_t)e->block_rows * (size_t)net->n_hidden;
    size_t head = (size_t)net->n_ctx * (size_t)net->dec_heads.single;
    e->scratch = net_scratch_open(net, n_threads, e->block_rows, hidden > head ? hidden : head);
    e->k = mem_calloc((size_t)heads->n, sizeof *e->k);
    e->v = mem_calloc((size_t)heads->n, sizeof *e->v);
    if (e->scratch && e->k && e->v) {
        e->memory_bytes = lay_out(e, NULL);
        e->memory = mem_alloc_huge(e->memory_bytes);
    }
    if (!e->memory) {
        net_encoder_close(&e);
        return SOTTO_ENOMEM;
    }
    lay_out(e, e->memory);
    *out = e;
    return 0;
}

void net_encoder_close(struct net_encoder **encoder)
{
    struct net_encoder *e = encoder ? *encoder : NULL;

    if (!e)
        return;
    if (e->memory)
        mem_free_huge(e->memory, e->memory_bytes);
    mem_free(e->k);
    mem_free(e->v);
    mem_free(e->scratch);
    mem_free(e);
    *encoder = NULL;
}

/* ---- stopping ---------------------------------------------------------------------------------- */

// Polled between pieces of work. Only the calling thread (0) asks, the others see its answer.
static bool stopped(struct net_encoder *e, int thread)
{
    if (atomic_load_explicit(&e->stop, memory_order_relaxed))
        return true;
    if (thread != 0 || !e->should_abort || !e->should_abort(e->user))
        return false;
    atomic_store_explicit(&e->stop, true, memory_order_relaxed);
    return true;
}

/* ---- row blocks -------------------------------------------------------------------------------- */

struct block {
    struct net_encoder *e;
    struct net_scratch *s;
    int thread, row, m;
};

static bool block_begin(struct block *b, struct net_encoder *e, int n_rows, int task, int thread)
{
    int end;

    gemm_part(n_rows, e->net->ops.gemm[GEMM_F32].mr, task, BLOCKS, &b->row, &end);
    b->e = e;
    b->s = &e->scratch[thread];
    b->thread = thread;
    b->m = end - b->row;
    return b->m > 0 && !stopped(e, thread);
}

// One product of the block's rows; false if stopped.
static bool block_product(const struct block *b, const struct net_linear *lin, const float *x,
                          size_t x_stride, const struct net_output *out)
{
    const struct net *net = b->e->net;
    struct net_input in =
        net_input(net, lin->w.format, x, x_stride, b->m, lin->w.k, b->s->quant, b->s->quant_row);

    net_product(net, lin, &in, b->m, 0, -1, out, b->s->gemm);
    return !stopped(b->e, b->thread);
}

static const float *block_norm(const struct block *b, const struct net_norm *norm)
{
    const struct net *net = b->e->net;
    size_t c = (size_t)net->n_state;

    net->ops.layernorm_f32(b->e->x + (size_t)b->row * c, norm->g, norm->b, b->s->norm, b->m,
                           net->n_state);
    return b->s->norm;
}

static bool block_qkv(const struct block *b, const struct net_layer *layer)
{
    struct net_encoder *e = b->e;
    struct net_output out = {.y = e->qkv + (size_t)b->row * (size_t)e->group,
                             .y_stride = (size_t)e->group};

    return block_product(b, &layer->qkv, block_norm(b, &layer->attn_norm), (size_t)e->net->n_state,
                         &out);
}

// The last normalisation, and the rows as the cross-attention products want them.
static void block_finish(const struct block *b)
{
    struct net_encoder *e = b->e;
    const struct net *net = e->net;
    size_t c = (size_t)net->n_state, row = (size_t)b->row;
    enum gemm_format format = net->dec[0].cross_k.w.format;
    float *audio = e->audio + row * c;

    net->ops.layernorm_f32(e->x + row * c, net->enc_norm.g, net->enc_norm.b, audio, b->m,
                           net->n_state);
    struct net_input part = net_input_rows(&e->audio_input, format, b->row);
    if (part.quant)
        net_input(net, format, audio, c, b->m, net->n_state, (void *)part.quant,
                  (struct quant_row *)part.quant_row);
}

/* ---- phases ------------------------------------------------------------------------------------ */

static void conv1(void *arg, int task, int thread)
{
    struct net_encoder *e = arg;
    const struct net *net = e->net;
    size_t m = (size_t)net->n_mels, c = (size_t)net->n_state;
    struct block b;

    // NOTE: 2T rows in as many blocks as T rows elsewhere; a window of 3 frames is contiguous.
    if (!block_begin(&b, e, 2 * net->n_ctx, task, thread))
        return;
    struct net_input in = {.x = e->mel + (size_t)b.row * m, .x_stride = m};
    struct net_output out = {.y = e->conv + (size_t)(b.row + 1) * c, .y_stride = c, .gelu = true};
    net_product(net, &net->conv1, &in, b.m, 0, -1, &out, b.s->gemm);
}

// Stride 2, positions added.
static void conv2(void *arg, int task, int thread)
{
    struct net_encoder *e = arg;
    const struct net *net = e->net;
    size_t c = (size_t)net->n_state;
    struct block b;

    if (!block_begin(&b, e, net->n_ctx, task, thread))
        return;
    struct net_input in = {.x = e->conv + (size_t)b.row * 2 * c, .x_stride = 2 * c};
    struct net_output out = {.y = e->x + (size_t)b.row * c,
                             .y_stride = c,
                             .gelu = true,
                             .residual = net->enc_pos + (size_t)b.row * c,
                             .residual_stride = c};
    net_product(net, &net->conv2, &in, b.m, 0, -1, &out, b.s->gemm);
}

static void first_qkv(void *arg, int task, int thread)
{
    struct net_encoder *e = arg;
    struct block b;

    if (block_begin(&b, e, e->net->n_ctx, task, thread))
        block_qkv(&b, &e->net->enc[0]);
}

// Even tasks pack a head's keys, odd ones its values.
static void pack_head(void *arg, int task, int thread)
{
    struct net_encoder *e = arg;
    const struct net_heads *heads = &e->net->enc_heads;
    const struct gemm_kernel *kernel = &e->net->ops.gemm[e->net->attn_format];
    int head = task / 2;
    struct gemm_weights *w = task % 2 ? &e->v[head] : &e->k[head];
    const float *src =
        e->qkv + (size_t)head * (size_t)heads->group + (size_t)heads->width * (task % 2 ? 2 : 1);
    size_t stride = (size_t)e->group;

    if (stopped(e, thread))
        return;
    kernel->pack(w, src, task % 2 ? 1 : stride, task % 2 ? stride : 1, 0,
                 gemm_n_panels(kernel, w->n));
}

static void attend(void *arg, int task, int thread)
{
    struct net_encoder *e = arg;
    const struct net *net = e->net;
    size_t c = (size_t)net->n_state, stride = (size_t)e->group;
    int head = task / BLOCKS;
    struct block b;

    if (!block_begin(&b, e, net->n_ctx, task % BLOCKS, thread))
        return;
    for (int i = 0; i < b.m; i += NET_ATTEND_ROWS) {
        size_t row = (size_t)(b.row + i);
        struct net_attend a = {
            .k = &e->k[head],
            .v = &e->v[head],
            .q = e->qkv + row * stride + (size_t)head * (size_t)net->enc_heads.group,
            .q_stride = stride,
            .m = b.m - i < NET_ATTEND_ROWS ? b.m - i : NET_ATTEND_ROWS,
            .out = e->att + row * c + (size_t)head * (size_t)net->enc_heads.width,
            .out_stride = c,
        };
        net_attend_scores(net, &a, b.s);
        net_attend_values(net, &a, b.s);
    }
}

// The rest of layer e->layer after attention, and what comes before the next one's.
static void rest_of_layer(void *arg, int task, int thread)
{
    struct net_encoder *e = arg;
    const struct net *net = e->net;
    const struct net_layer *layer = &net->enc[e->layer];
    size_t c = (size_t)net->n_state, f = (size_t)net->n_hidden;
    struct block b;

    if (!block_begin(&b, e, net->n_ctx, task, thread))
        return;
    float *x = e->x + (size_t)b.row * c;
    struct net_output add = {.y = x, .y_stride = c, .residual = x, .residual_stride = c};
    struct net_output hidden = {.y = b.s->work, .y_stride = f, .gelu = true};
    if (!block_product(&b, &layer->out, e->att + (size_t)b.row * c, c, &add) ||
        !block_product(&b, &layer->fc1, block_norm(&b, &layer->mlp_norm), c, &hidden) ||
        !block_product(&b, &layer->fc2, b.s->work, f, &add))
        return;
    if (e->layer + 1 < net->n_enc)
        block_qkv(&b, layer + 1);
    else
        block_finish(&b);
}

// Keys (even tasks) or values of one head of one decoder layer, from the encoder's output.
static void cross_head(void *arg, int task, int thread)
{
    struct net_encoder *e = arg;
    const struct net *net = e->net;
    const struct net_heads *heads = &net->dec_heads;
    const struct gemm_kernel *kernel = &net->ops.gemm[net->cross_format];
    int index = task / 2, head = index % heads->n; // layer x head
    const struct net_layer *layer = &net->dec[index / heads->n];
    const struct net_linear *lin = task % 2 ? &layer->cross_v : &layer->cross_k;
    struct gemm_weights *w = task % 2 ? &e->window->v[index] : &e->window->k[index];
    struct net_scratch *s = &e->scratch[thread];
    int nr = net->ops.gemm[lin->w.format].nr, panels = heads->single / nr;
    size_t stride = (size_t)heads->single;

    for (int row = 0; row < net->n_ctx; row += CROSS_ROWS) {
        if (stopped(e, thread))
            return;
        int m = net->n_ctx - row < CROSS_ROWS ? net->n_ctx - row : CROSS_ROWS;
        struct net_input in = net_input_rows(&e->audio_input, lin->w.format, row);
        // Column 0 of the product lies before this head's part of it.
        float *y = s->work + (size_t)row * stride;
        struct gemm_weights part =
            gemm_view(&net->ops.gemm[lin->w.format], &lin->w, head * panels, heads->single);
        struct net_linear head_lin = {part, lin->bias ? lin->bias + head * heads->single : NULL};
        struct net_output out = {.y = y, .y_stride = stride};
        net_product(net, &head_lin, &in, m, 0, -1, &out, s->gemm);
    }
    kernel->pack(w, s->work, task % 2 ? 1 : stride, task % 2 ? stride : 1, 0,
                 gemm_n_panels(kernel, w->n));
}

/* ---- a window ---------------------------------------------------------------------------------- */

// Frames before the first and after the last are zero.
static void pad_input(struct net_encoder *e, const float *mel)
{
    size_t m = (size_t)e->net->n_mels, c = (size_t)e->net->n_state;
    size_t n_frames = 2 * (size_t)e->net->n_ctx;

    memset(e->mel, 0, m * sizeof *mel);
    memcpy(e->mel + m, mel, n_frames * m * sizeof *mel);
    memset(e->mel + (n_frames + 1) * m, 0, m * sizeof *mel);
    memset(e->conv, 0, c * sizeof *mel);
    memset(e->conv + (n_frames + 1) * c, 0, c * sizeof *mel);
}

int net_encode(struct net_encoder *e, struct pool *pool, const float *mel, float *audio,
               struct net_window *window, bool (*should_abort)(void *user), void *user)
{
    const struct net *net = e->net;
    enum gemm_format format = net->dec[0].cross_k.w.format;

    e->audio = audio ? audio : e->att;
    e->window = window;
    e->should_abort = should_abort;
    e->user = user;
    atomic_store(&e->stop, false);
    e->audio_input = (struct net_input){.x = e->audio,
                                        .x_stride = (size_t)net->n_state,
                                        .quant_stride = net_quant_stride(net->n_state)};
    if (format == GEMM_BF16 || format == GEMM_I8)
        e->audio_input.quant = e->audio_quant;
    if (format == GEMM_I8)
        e->audio_input.quant_row = e->audio_row;

    pad_input(e, mel);
    pool_run(pool, BLOCKS, conv1, e);
    pool_run(pool, BLOCKS, conv2, e);
    pool_run(pool, BLOCKS, first_qkv, e);
    for (e->layer = 0; e->layer < net->n_enc && !stopped(e, 0); e->layer++) {
        pool_run(pool, 2 * net->enc_heads.n, pack_head, e);
        pool_run(pool, net->enc_heads.n * BLOCKS, attend, e);
        pool_run(pool, BLOCKS, rest_of_layer, e);
    }
    if (window && !stopped(e, 0))
        pool_run(pool, 2 * net->n_dec * net->dec_heads.n, cross_head, e);
    return stopped(e, 0) ? SOTTO_EABORTED : 0;
}
