/*
 * Decoder steps: rows of many sequences through all layers with one read of the weights.
 * Architecture: openai/whisper, whisper/model.py, TextDecoder.
 *
 * A layer is six phases, each one pool_run:
 *   self attention    per head: norm, its part of the q, k, v product, cache, attention
 *   its projection    per range of panels: product, residual
 *   cross attention   per head and group of rows that share a window: norm, q product, attention
 *   its projection    as above
 *   MLP, two phases   per range of panels: norm, product, GELU; product, residual
 * Normalising (and quantising) all rows is little work beside a product, so every thread does it for
 * itself, once per phase, instead of waiting for another phase.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "engine/net_impl.h"

struct group { // adjacent rows that listen to the same window
    const struct net_window *window;
    int row, m;
};

struct net_decoder {
    const struct net *net;
    int n_slots, n_threads, max_rows;
    struct net_caches caches;
    const struct net_window **window; // n_slots
    float *x;                         // rows x C: the residual stream
    float *qkv;                       // rows x (heads x group): self attention; queries of cross
    float *att;                       // rows x C: attention's output
    float *hidden;                    // rows x F
    struct group *groups;             // rows
    struct net_scratch *scratch;      // n_threads
    bool (*should_abort)(void *user); // NULL: never
    void *user;

    /* While a step runs. */
    const struct net_row *rows;
    int n_rows, n_groups, layer;
    unsigned long stamp; // counts phases
    const struct net_align *align;
};

/* ---- opening ----------------------------------------------------------------------------------- */

int net_decoder_open(struct net_decoder **out, const struct net *net, int n_slots, int n_threads)
{
    struct net_decoder *d = mem_calloc(1, sizeof *d);

    if (!d)
        return SOTTO_ENOMEM;
    d->net = net;
    d->n_slots = n_slots;
    d->n_threads = n_threads;
    d->max_rows = n_slots > net->n_text_ctx ? n_slots : net->n_text_ctx;
    size_t rows = (size_t)d->max_rows, c = (size_t)net->n_state;
    size_t group = (size_t)net->dec_heads.n * (size_t)net->dec_heads.group;
    int err = net_caches_init(&d->caches, net, n_slots);
    d->window = mem_calloc((size_t)n_slots, sizeof *d->window);
    d->x = mem_alloc(rows * c, sizeof(float));
    d->qkv = mem_alloc(rows * group, sizeof(float));
    d->att = mem_alloc(rows * c, sizeof(float));
    d->hidden = mem_alloc(rows * (size_t)net->n_hidden, sizeof(float));
    d->groups = mem_alloc(rows, sizeof *d->groups);
    // Scores of one query against a whole cache.
    d->scratch = net_scratch_open(net, n_threads, d->max_rows, (size_t)net->n_text_ctx);
    if (err || !d->window || !d->x || !d->qkv || !d->att || !d->hidden || !d->groups ||
        !d->scratch) {
        net_decoder_close(&d);
        return SOTTO_ENOMEM;
    }
    *out = d;
    return 0;
}

void net_decoder_close(struct net_decoder **decoder)
{
    struct net_decoder *d = decoder ? *decoder : NULL;

    if (!d)
        return;
    net_caches_fini(&d->caches);
    mem_free(d->window);
    mem_free(d->x);
    mem_free(d->qkv);
    mem_free(d->att);
    mem_free(d->hidden);
    mem_free(d->groups);
    mem_free(d->scratch);
    mem_free(d);
    *decoder = NULL;
}

void net_decoder_watch(struct net_decoder *d, bool (*should_abort)(void *user), void *user)
{
    d->should_abort = should_abort;
    d->user = user;
}

bool net_decoder_stopped(const struct net_decoder *d)
{
    return d->should_abort && d->should_abort(d->user);
}

int net_decoder_max_rows(const struct net_decoder *d)
{
    return d->max_rows;
}

void net_decoder_bind(struct net_decoder *d, int slot, const struct net_window *window)
{
    d->window[slot] = window;
    net_caches_clear(&d->caches, slot);
}

void net_decoder_copy(struct net_decoder *d, const int *dst, const int *src, int n, int n_pos)
{
    const struct net_window **window = d->window;

    // One window in nearly every case, and then nothing changes. Otherwise the slots' windows move
    // as their caches do: in two steps, since dst and src may overlap.
    for (int i = 0; i < n; i++)
        d->groups[i].window = window[src[i]];
    for (int i = 0; i < n; i++)
        window[dst[i]] = d->groups[i].window;
    net_caches_copy(&d->caches, dst, src, n, n_pos);
}

/* ---- products split by panels ------------------------------------------------------------------ */

struct linear_job {
    struct net_decoder *d;
    const struct net_linear *lin;
    const struct net_norm *norm; // applied to x first; NULL: none
    const float *x;              // m rows, K apart
    int m, n_parts;
    struct net_output out;
};

// The rows of a phase as its products want them, prepared once per thread.
static const struct net_input *prepare(struct net_decoder *d, struct net_scratch *s,
                                       const struct net_linear *lin, const struct net_norm *norm,
                                       const float *x, int m)
{
    if (s->stamp == d->stamp)
        return &s->input;
    if (norm) {
        d->net->ops.layernorm_f32(x, norm->g, norm->b, s->norm, m, lin->w.k);
        x = s->norm;
    }
    s->input = net_input(d->net, lin->w.format, x, (size_t)lin->w.k, m, lin->w.k, s->quant,
                         s->quant_row);
    s->stamp = d->stamp;
    return &s->input;
}

static void linear_part(void *arg, int task, int thread)
{
    const struct linear_job *job = arg;
    struct net_scratch *s = &job->d->scratch[thread];
    const struct net *net = job->d->net;
    int begin, end, n_panels = gemm_n_panels(&net->ops.gemm[job->lin->w.format], job->lin->w.n);
    const struct net_input *in = prepare(job->d, s, job->lin, job->norm, job->x, job->m);

    gemm_part(n_panels, 1, task, job->n_parts, &begin, &end);
    if (begin < end)
        net_product(net, job->lin, in, job->m, begin, end, &job->out, s->gemm);
}

static void run_linear(struct pool *pool, struct linear_job *job)
{
    // Several parts per thread, so that a disturbed core delays the others little.
    job->n_parts = job->d->n_threads == 1 ? 1 : 4 * job->d->n_threads;
    job->d->stamp++;
    pool_run(pool, job->n_parts, linear_part, job);
}

// x += rows W^T + b
static void add_linear(struct net_decoder *d, struct pool *pool, const struct net_linear *lin,
                       const float *rows)
{
    size_t c = (size_t)d->net->n_state;
    struct linear_job job = {.d = d, .lin = lin, .x = rows, .m = d->n_rows};

    job.out = (struct net_output){.y = d->x, .y_stride = c, .residual = d->x, .residual_stride = c};
    run_linear(pool, &job);
}

static void mlp(struct net_decoder *d, struct pool *pool, const struct net_layer *layer)
{
    struct linear_job job = {
        .d = d, .lin = &layer->fc1, .norm = &layer->mlp_norm, .x = d->x, .m = d->n_rows};

    job.out =
        (struct net_output){.y = d->hidden, .y_stride = (size_t)d->net->n_hidden, .gelu = true};
    run_linear(pool, &job);
    add_linear(d, pool, &layer->fc2, d->hidden);
}

/* ---- self attention ---------------------------------------------------------------------------- */

// Product of the rows with one head's columns; results at the head's place in d->qkv.
static void head_product(struct net_decoder *d, const struct net_linear *lin,
                         const struct net_input *in, int head, int group, int row, int m,
                         struct net_scratch *s)
{
    int panels = group / d->net->ops.gemm[lin->w.format].nr;
    size_t stride = (size_t)d->net->dec_heads.n * (size_t)d->net->dec_heads.group;
    struct net_input part = net_input_rows(in, lin->w.format, row);
    struct net_output out = {.y = d->qkv + (size_t)row * stride, .y_stride = stride};

    net_product(d->net, lin, &part, m, head * panels, (head + 1) * panels, &out, s->gemm);
}

static void self_head(void *arg, int head, int thread)
{
    struct net_decoder *d = arg;
    const struct net *net = d->net;
    const struct net_heads *heads = &net->dec_heads;
    const struct net_layer *layer = &net->dec[d->layer];
    struct net_scratch *s = &d->scratch[thread];
    size_t width = (size_t)heads->width, stride = (size_t)heads->n * (size_t)heads->group;
    const struct net_input *in = prepare(d, s, &layer->qkv, &layer->attn_norm, d->x, d->n_rows);
    float scale = net_attend_scale(&(struct gemm_weights){.k = heads->width});

    head_product(d, &layer->qkv, in, head, heads->group, 0, d->n_rows, s);
    for (int r = 0; r < d->n_rows; r++) {
        const struct net_row *row = &d->rows[r];
        const float *q = d->qkv + (size_t)r * stride + (size_t)head * (size_t)heads->group;
        float *keys = net_cache_keys(&d->caches, row->slot, d->layer, head);
        float *values = keys + net_cache_values(net);
        memcpy(keys + (size_t)row->pos * width, q + width, width * sizeof *q);
        memcpy(values + (size_t)row->pos * width, q + 2 * width, width * sizeof *q);
        net->ops.attend_f32(q, keys, values, width, row->pos + 1, heads->width, scale, s->work,
                            d->att + (size_t)r * (size_t)net->n_state + (size_t)head * width);
    }
}

/* ---- cross attention --------------------------------------------------------------------------- */

// Raw scores of rows [row, row + m) of an alignment head, scaled as before a softmax.
static void keep_scores(const struct net_decoder *d, int head, int row, int m, float scale,
                        const float *scores)
{
    const struct model *model = d->net->model;
    size_t n_ctx = (size_t)d->net->n_ctx, stride = net_scores_stride(d->net);

    for (int i = 0; i < model->n_align_heads; i++) {
        if (model->align_heads[i].layer != d->layer || model->align_heads[i].head != head)
            continue;
        for (int r = 0; r < m; r++) {
            float *dst =
                d->align->scores + ((size_t)i * (size_t)d->n_rows + (size_t)(row + r)) * n_ctx;
            for (size_t t = 0; t < n_ctx; t++)
                dst[t] = scores[(size_t)r * stride + t] * scale;
        }
    }
}

static void cross_head(void *arg, int task, int thread)
{
    struct net_decoder *d = arg;
    const struct net *net = d->net;
    const struct net_heads *heads = &net->dec_heads;
    const struct net_layer *layer = &net->dec[d->layer];
    struct net_scratch *s = &d->scratch[thread];
    const struct group *g = &d->groups[task % d->n_groups];
    int head = task / d->n_groups, index = d->layer * heads->n + head;
    const struct net_input *in =
        prepare(d, s, &layer->cross_q, &layer->cross_norm, d->x, d->n_rows);
    size_t stride = (size_t)heads->n * (size_t)heads->group, c = (size_t)net->n_state;

    head_product(d, &layer->cross_q, in, head, heads->single, g->row, g->m, s);
    for (int i = 0; i < g->m; i += NET_ATTEND_ROWS) {
        int row = g->row + i;
        struct net_attend a = {
            .k = &g->window->k[index],
            .v = &g->window->v[index],
            .q = d->qkv + (size_t)row * stride + (size_t)head * (size_t)heads->single,
            .q_stride = stride,
            .m = g->m - i < NET_ATTEND_ROWS ? g->m - i : NET_ATTEND_ROWS,
            .out = d->att + (size_t)row * c + (size_t)head * (size_t)heads->width,
            .out_stride = c,
        };
        net_attend_scores(net, &a, s);
        if (d->align && d->align->scores)
            keep_scores(d, head, row, a.m, net_attend_scale(a.k), s->scores);
        net_attend_values(net, &a, s);
    }
}

/* ---- a step ------------------------------------------------------------------------------------ */

static void embed(struct net_decoder *d)
{
    const struct net *net = d->net;
    size_t c = (size_t)net->n_state;

    for (int r = 0; r < d->n_rows; r++) {
        float *x = d->x + (size_t)r * c;
        const float *pos = net->dec_pos + (size_t)d->rows[r].pos * c;
        tensor_read_rows(&net->model->token_emb, (size_t)d->rows[r].token, 1, x);
        for (size_t i = 0; i < c; i++)
            x[i] += pos[i];
    }
}

static void make_groups(struct net_decoder *d)
{
    d->n_groups = 0;
    for (int r = 0; r < d->n_rows; r++) {
        const struct net_window *w = d->window[d->rows[r].slot];
        if (d->n_groups > 0 && d->groups[d->n_groups - 1].window == w)
            d->groups[d->n_groups - 1].m++;
        else
            d->groups[d->n_groups++] = (struct group){w, r, 1};
    }
}

// Rows that want logits, moved together: rows of x are not needed any more.
static int gather_wanted(struct net_decoder *d)
{
    size_t c = (size_t)d->net->n_state;
    int n = 0;

    for (int r = 0; r < d->n_rows; r++)
        if (d->rows[r].want_logits)
            memmove(d->x + (size_t)n++ * c, d->x + (size_t)r * c, c * sizeof *d->x);
    return n;
}

static void run_layer(struct net_decoder *d, struct pool *pool)
{
    const struct net *net = d->net;
    const struct net_layer *layer = &net->dec[d->layer];

    d->stamp++;
    pool_run(pool, net->dec_heads.n, self_head, d);
    add_linear(d, pool, &layer->out, d->att);
    d->stamp++;
    pool_run(pool, net->dec_heads.n * d->n_groups, cross_head, d);
    add_linear(d, pool, &layer->cross_out, d->att);
    mlp(d, pool, layer);
}

int net_decoder_step(struct net_decoder *d, struct pool *pool, const struct net_row *rows,
                     int n_rows, float *logits, const struct net_align *align)
{
    const struct net *net = d->net;

    assert(n_rows > 0 && n_rows <= d->max_rows);
    d->rows = rows;
    d->n_rows = n_rows;
    d->align = align;
    for (int r = 0; r < n_rows; r++) {
        assert(rows[r].pos >= 0 && rows[r].pos < net->n_text_ctx && d->window[rows[r].slot]);
        assert(rows[r].token >= 0 && rows[r].token < net->n_vocab);
        net_caches_touch(&d->caches, rows[r].slot, rows[r].pos);
    }
    make_groups(d);
    embed(d);
    for (d->layer = 0; d->layer < net->n_dec; d->layer++) {
        if (net_decoder_stopped(d))
            return SOTTO_EABORTED;
        run_layer(d, pool);
    }
    if (net_decoder_stopped(d))
        return SOTTO_EABORTED;
    struct linear_job job = {.d = d, .lin = &net->logits, .norm = &net->dec_norm, .x = d->x};
    job.m = gather_wanted(d);
    job.out = (struct net_output){.y = logits, .y_stride = (size_t)net->n_vocab};
    if (job.m > 0)
        run_linear(pool, &job);
    return 0;
}
