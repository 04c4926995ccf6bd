/*
 * From a model's tensors to packed matrices. A plan lists every matrix with its sources; it is laid
 * out twice, first to count bytes, then in memory; then matrix after matrix is packed by all threads
 * and its pages of the model file are released.
 */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "engine/net_impl.h"
#include "ops/half.h"

enum matrix_kind {
    MATRIX_PLAIN, // rows of one tensor
    MATRIX_HEADS, // rows of 1..3 tensors ordered by head
    MATRIX_CONV,  // C_out x C_in x 3, packed as C_out x (3 x C_in)
};

struct matrix {
    struct net_linear *dst;
    enum matrix_kind kind;
    const struct model_linear *part[3];
    int n_parts;
    const struct net_heads *heads; // MATRIX_HEADS
    int group;                     // columns per head there
    int n, k;
    enum gemm_format format;
};

struct plan {
    struct net *net;
    struct pool *pool;
    struct matrix *matrix;
    int n;
    char *base;  // NULL while counting
    size_t used; // bytes
    float *scratch;
    size_t scratch_stride; // floats per thread
};

/* ---- reading ----------------------------------------------------------------------------------- */

enum { COLUMNS_PER_TASK = 64 };

// The tensor and row that column `n` of a matrix comes from; false for padding.
static bool column_source(const struct matrix *m, int n, int *part, int *row)
{
    *part = 0;
    *row = n;
    if (m->kind != MATRIX_HEADS)
        return n < m->n;
    int width = m->heads->width, in_head = n % m->group;
    *part = in_head / width;
    *row = n / m->group * width + in_head % width;
    return *part < m->n_parts && n / m->group < m->heads->n;
}

// Kernel taps outermost: (C_in, 3) -> (3, C_in). `dst` has room for both.
static void read_conv_column(const struct tensor *w, int row, int k, float *dst)
{
    int n_in = k / 3;
    float *src = dst + k;

    tensor_read_rows(w, (size_t)row * (size_t)n_in, (size_t)n_in, src);
    for (int tap = 0; tap < 3; tap++)
        for (int i = 0; i < n_in; i++)
            dst[tap * n_in + i] = src[i * 3 + tap];
}

// Columns [begin, end) as rows of K floats; `dst` has room for one more.
static void read_columns(const struct matrix *m, int begin, int end, float *dst)
{
    int part, row;

    for (int n = begin; n < end; n++, dst += m->k) {
        if (!column_source(m, n, &part, &row))
            memset(dst, 0, (size_t)m->k * sizeof *dst);
        else if (m->kind == MATRIX_CONV)
            read_conv_column(&m->part[0]->w, row, m->k, dst);
        else
            tensor_read_rows(&m->part[part]->w, (size_t)row, 1, dst);
    }
}

static int n_tasks(const struct matrix *m)
{
    return (m->n + COLUMNS_PER_TASK - 1) / COLUMNS_PER_TASK;
}

/* ---- formats ----------------------------------------------------------------------------------- */

struct exact_job {
    const struct plan *plan;
    const struct matrix *matrix;
    atomic_bool inexact;
};

static bool all_exact(const float *x, size_t n)
{
    int bad = 0;

    for (size_t i = 0; i < n; i++)
        bad |= half_to_float(float_to_half(x[i])) != x[i];
    return !bad;
}

static void check_exact(void *arg, int task, int thread)
{
    struct exact_job *job = arg;
    const struct matrix *m = job->matrix;
    float *rows = job->plan->scratch + (size_t)thread * job->plan->scratch_stride;
    int begin = task * COLUMNS_PER_TASK;
    int end = begin + COLUMNS_PER_TASK < m->n ? begin + COLUMNS_PER_TASK : m->n;

    if (atomic_load_explicit(&job->inexact, memory_order_relaxed))
        return;
    read_columns(m, begin, end, rows);
    if (!all_exact(rows, (size_t)(end - begin) * (size_t)m->k))
        atomic_store_explicit(&job->inexact, true, memory_order_relaxed);
}

// Can fp16 hold every weight of the matrix?
static bool is_half(const struct plan *plan, const struct matrix *m)
{
    struct exact_job job = {.plan = plan, .matrix = m};
    bool declared = true;

    for (int i = 0; i < m->n_parts; i++)
        declared = declared && m->part[i]->w.type == TENSOR_F16;
    if (!declared)
        pool_run(plan->pool, n_tasks(m), check_exact, &job);
    return !atomic_load(&job.inexact);
}

static enum gemm_format choose_format(const struct plan *plan, const struct matrix *m)
{
    const struct net *net = plan->net;

    // The convolutions are 3 % of the encoder and its most sensitive part: never reduced.
    if (m->kind != MATRIX_CONV && net->precision == SOTTO_PRECISION_INT8)
        return GEMM_I8;
    if (m->kind != MATRIX_CONV && net->precision == SOTTO_PRECISION_BF16)
        return GEMM_BF16;
    return net->ops.gemm[GEMM_F16].available && is_half(plan, m) ? GEMM_F16 : GEMM_F32;
}

/* ---- the plan ---------------------------------------------------------------------------------- */

static void add(struct plan *plan, struct net_linear *dst, enum matrix_kind kind,
                const struct model_linear *w)
{
    const struct tensor *t = &w->w;

    plan->matrix[plan->n++] = (struct matrix){
        .dst = dst,
        .kind = kind,
        .part = {w},
        .n_parts = 1,
        .n = t->dim[0],
        .k = kind == MATRIX_CONV ? t->dim[1] * 3 : t->dim[1],
    };
}

static void add_heads(struct plan *plan, struct net_linear *dst, const struct net_heads *heads,
                      const struct model_linear *q, const struct model_linear *k,
                      const struct model_linear *v)
{
    int n_parts = k ? 3 : 1, group = k ? heads->group : heads->single;

    plan->matrix[plan->n++] = (struct matrix){
        .dst = dst,
        .kind = MATRIX_HEADS,
        .part = {q, k, v},
        .n_parts = n_parts,
        .heads = heads,
        .group = group,
        .n = heads->n * group,
        .k = q->w.dim[1],
    };
}

static void add_mlp(struct plan *plan, struct net_layer *dst, const struct model_layer *src)
{
    add(plan, &dst->fc1, MATRIX_PLAIN, &src->fc1);
    add(plan, &dst->fc2, MATRIX_PLAIN, &src->fc2);
}

static void add_attention(struct plan *plan, struct net_layer *dst, const struct model_layer *src,
                          const struct net_heads *heads)
{
    add_heads(plan, &dst->qkv, heads, &src->attn.q, &src->attn.k, &src->attn.v);
    add(plan, &dst->out, MATRIX_PLAIN, &src->attn.out);
}

static void add_cross(struct plan *plan, struct net_layer *dst, const struct model_layer *src,
                      const struct net_heads *heads)
{
    add_heads(plan, &dst->cross_q, heads, &src->cross.q, NULL, NULL);
    add_heads(plan, &dst->cross_k, heads, &src->cross.k, NULL, NULL);
    add_heads(plan, &dst->cross_v, heads, &src->cross.v, NULL, NULL);
    add(plan, &dst->cross_out, MATRIX_PLAIN, &src->cross.out);
}

// The tensors that model.h does not keep as struct model_linear.
struct loose {
    struct model_linear conv1, conv2, logits;
};

static void add_all(struct plan *plan, const struct loose *loose)
{
    struct net *net = plan->net;
    const struct model *m = net->model;

    add(plan, &net->conv1, MATRIX_CONV, &loose->conv1);
    add(plan, &net->conv2, MATRIX_CONV, &loose->conv2);
    for (int i = 0; i < net->n_enc; i++) {
        add_attention(plan, &net->enc[i], &m->enc[i], &net->enc_heads);
        add_mlp(plan, &net->enc[i], &m->enc[i]);
    }
    for (int i = 0; i < net->n_dec; i++) {
        add_attention(plan, &net->dec[i], &m->dec[i], &net->dec_heads);
        add_cross(plan, &net->dec[i], &m->dec[i], &net->dec_heads);
        add_mlp(plan, &net->dec[i], &m->dec[i]);
    }
    add(plan, &net->logits, MATRIX_PLAIN, &loose->logits);
}

/* ---- layout ------------------------------------------------------------------------------------ */

static void *take(struct plan *plan, size_t count, size_t size)
{
    void *p = plan->base ? plan->base + plan->used : NULL;

    plan->used += net_round_up(count * size, 64);
    return p;
}

static const float *take_vector(struct plan *plan, const struct tensor *t)
{
    float *p = take(plan, tensor_n_elements(t), sizeof(float));

    if (p)
        tensor_read_rows(t, 0, tensor_n_rows(t), p);
    return p;
}

static void take_norm(struct plan *plan, struct net_norm *dst, const struct model_norm *src)
{
    dst->g = take_vector(plan, &src->g);
    dst->b = take_vector(plan, &src->b);
}

static const float *take_bias(struct plan *plan, const struct matrix *m)
{
    float *bias, *parts[3] = {NULL};
    int part, row;
    bool any = false;

    for (int i = 0; i < m->n_parts; i++)
        any = any || m->part[i]->b.data;
    if (!any)
        return NULL;
    bias = take(plan, (size_t)m->n, sizeof *bias);
    for (int i = 0; i < m->n_parts; i++)
        if (m->part[i]->b.data)
            parts[i] = (float *)take_vector(plan, &m->part[i]->b);
    for (int n = 0; bias && n < m->n; n++)
        bias[n] = column_source(m, n, &part, &row) && parts[part] ? parts[part][row] : 0.0f;
    return bias;
}

static void take_matrix(struct plan *plan, const struct matrix *m)
{
    const struct gemm_kernel *kernel = &plan->net->ops.gemm[m->format];
    struct net_linear *dst = m->dst;

    dst->w = (struct gemm_weights){
        .format = m->format, .n = m->n, .k = m->k, .q_max = kernel->q_max};
    dst->w.data = take(plan, gemm_packed_bytes(kernel, m->format, m->n, m->k), 1);
    dst->bias = take_bias(plan, m);
    if (m->format == GEMM_I8) {
        dst->w.scale = take(plan, (size_t)m->n, sizeof *dst->w.scale);
        dst->w.sum = take(plan, (size_t)m->n, sizeof *dst->w.sum);
    }
}

// Source: openai/whisper, whisper/model.py, sinusoids: sines of T x C/2 angles, then cosines.
static const float *take_sinusoids(struct plan *plan)
{
    int n_ctx = plan->net->n_ctx, half = plan->net->n_state / 2;
    float *p = take(plan, (size_t)n_ctx * (size_t)half * 2, sizeof *p);
    double step = half > 1 ? log(10000.0) / (half - 1) : 0.0;

    for (int t = 0; p && t < n_ctx; t++)
        for (int i = 0; i < half; i++) {
            p[(size_t)t * 2 * half + i] = (float)sin(t * exp(-step * i));
            p[(size_t)t * 2 * half + half + i] = (float)cos(t * exp(-step * i));
        }
    return p;
}

static void take_all(struct plan *plan)
{
    struct net *net = plan->net;
    const struct model *m = net->model;

    plan->used = 0;
    for (int i = 0; i < plan->n; i++)
        take_matrix(plan, &plan->matrix[i]);
    net->enc_pos = m->enc_pos.data ? take_vector(plan, &m->enc_pos) : take_sinusoids(plan);
    net->dec_pos = take_vector(plan, &m->dec_pos);
    take_norm(plan, &net->enc_norm, &m->enc_norm);
    take_norm(plan, &net->dec_norm, &m->dec_norm);
    for (int i = 0; i < net->n_enc; i++) {
        take_norm(plan, &net->enc[i].attn_norm, &m->enc[i].attn_norm);
        take_norm(plan, &net->enc[i].mlp_norm, &m->enc[i].mlp_norm);
    }
    for (int i = 0; i < net->n_dec; i++) {
        take_norm(plan, &net->dec[i].attn_norm, &m->dec[i].attn_norm);
        take_norm(plan, &net->dec[i].cross_norm, &m->dec[i].cross_norm);
        take_norm(plan, &net->dec[i].mlp_norm, &m->dec[i].mlp_norm);
    }
}

/* ---- packing ----------------------------------------------------------------------------------- */

struct pack_job {
    const struct plan *plan;
    const struct matrix *matrix;
};

static void pack_columns(void *arg, int task, int thread)
{
    const struct pack_job *job = arg;
    const struct matrix *m = job->matrix;
    const struct gemm_kernel *kernel = &job->plan->net->ops.gemm[m->format];
    float *rows = job->plan->scratch + (size_t)thread * job->plan->scratch_stride;
    int begin, end; // of COLUMNS_PER_TASK columns or a little more: tasks begin at panels

    gemm_part(m->n, kernel->nr, task, n_tasks(m), &begin, &end);
    for (int n = begin; n < end; n += kernel->nr) {
        int count = end - n < kernel->nr ? end - n : kernel->nr;
        read_columns(m, n, n + count, rows);
        struct gemm_weights panel = gemm_view(kernel, &m->dst->w, n / kernel->nr, count);
        kernel->pack(&panel, rows, (size_t)m->k, 1, 0, 1);
    }
}

static void release(const struct model *model, const struct tensor *t)
{
    const uint8_t *data = t->data;

    for (int i = 0; i < model->n_files; i++) {
        const struct mapfile *f = &model->files[i];
        if (f->data && data >= f->data && data < f->data + f->size)
            mapfile_release(f, data, tensor_n_rows(t) * tensor_row_bytes(t));
    }
}

static void pack_matrix(const struct plan *plan, const struct matrix *m)
{
    struct pack_job job = {plan, m};

    pool_run(plan->pool, n_tasks(m), pack_columns, &job);
    for (int i = 0; i < m->n_parts; i++)
        release(plan->net->model, &m->part[i]->w);
}

static int alloc_scratch(struct plan *plan)
{
    int k_max = 0, nr_max = COLUMNS_PER_TASK;

    for (int i = 0; i < plan->n; i++)
        k_max = plan->matrix[i].k > k_max ? plan->matrix[i].k : k_max;
    for (int i = 0; i < GEMM_FORMAT_COUNT; i++)
        if (plan->net->ops.gemm[i].nr > nr_max)
            nr_max = plan->net->ops.gemm[i].nr;
    plan->scratch_stride = net_round_up((size_t)k_max * (size_t)(nr_max + 1), 64);
    plan->scratch =
        mem_alloc((size_t)pool_n_threads(plan->pool) * plan->scratch_stride, sizeof *plan->scratch);
    return plan->scratch ? 0 : SOTTO_ENOMEM;
}

int net_pack(struct net *net, struct pool *pool, struct sotto_diag *diag)
{
    const struct model *m = net->model;
    struct plan plan = {.net = net, .pool = pool};
    struct loose loose = {
        .conv1 = {m->conv1_w, m->conv1_b},
        .conv2 = {m->conv2_w, m->conv2_b},
        .logits = {.w = m->token_emb},
    };

    plan.matrix = mem_alloc((size_t)(3 + 4 * net->n_enc + 8 * net->n_dec), sizeof *plan.matrix);
    if (plan.matrix) {
        add_all(&plan, &loose);
        if (alloc_scratch(&plan) == 0) {
            for (int i = 0; i < plan.n; i++)
                plan.matrix[i].format = choose_format(&plan, &plan.matrix[i]);
            take_all(&plan);
            net->memory_bytes = plan.used;
            net->memory = plan.base = mem_alloc_huge(plan.used);
        }
    }
    if (net->memory) {
        take_all(&plan);
        for (int i = 0; i < plan.n; i++)
            pack_matrix(&plan, &plan.matrix[i]);
    }
    mem_free(plan.scratch);
    mem_free(plan.matrix);
    return net->memory ? 0 : diag_set(diag, SOTTO_ENOMEM, NULL, "not enough memory for the model");
}
