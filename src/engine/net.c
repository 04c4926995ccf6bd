/*
 * The network as a whole: opening it, choosing formats, and the steps that encoder and decoder
 * share (a product with prepared activations, attention over packed keys and values). Windows are
 * here too. Architecture: openai/whisper, whisper/model.py.
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/net_impl.h"

/* ---- opening ----------------------------------------------------------------------------------- */

static bool available(const struct net *net, enum gemm_format format)
{
    return net->ops.gemm[format].available;
}

// The one place that decides what is computed in which format.
static int choose_precision(struct net *net, const struct net_params *params,
                            struct sotto_diag *diag)
{
    enum sotto_precision p = params->precision;
    // What is said to be exact keeps windows in fp32. fp16 halves what a step reads of them and moves
    // the logits by about 1e-3 (base, real speech), a hundredth of what bf16 products do.
    bool exact = p == SOTTO_PRECISION_FP32 || params->reference;

    if (p == SOTTO_PRECISION_AUTO)
        p = SOTTO_PRECISION_FP32;
    if ((p == SOTTO_PRECISION_BF16 && !available(net, GEMM_BF16)) ||
        (p == SOTTO_PRECISION_INT8 && !available(net, GEMM_I8)))
        return diag_set(diag, SOTTO_EUNSUPPORTED, NULL,
                        "this processor has no kernels for the precision that was asked for");
    net->precision = p;
    net->attn_format = p == SOTTO_PRECISION_BF16 ? GEMM_BF16 : GEMM_F32;
    if (p == SOTTO_PRECISION_INT8)
        net->cross_format = GEMM_I8;
    else
        net->cross_format = !exact && available(net, GEMM_F16) ? GEMM_F16 : GEMM_F32;
    return 0;
}

static struct net_heads heads(const struct net *net, int n_heads, int n_state)
{
    struct net_heads h = {.n = n_heads, .width = n_state / n_heads};
    int nr = 1;

    // One layout serves all formats: panel widths are powers of two.
    for (int i = 0; i < GEMM_FORMAT_COUNT; i++)
        if (available(net, (enum gemm_format)i) && net->ops.gemm[i].nr > nr)
            nr = net->ops.gemm[i].nr;
    h.group = (int)net_round_up((size_t)h.width * 3, (size_t)nr);
    h.single = (int)net_round_up((size_t)h.width, (size_t)nr);
    return h;
}

static int check_shape(const struct model_shape *s, struct sotto_diag *diag)
{
    if (s->n_audio_state != s->n_text_state || s->n_audio_state % s->n_audio_head ||
        s->n_text_state % s->n_text_head)
        return diag_set(diag, SOTTO_EUNSUPPORTED, NULL,
                        "the model's width of %d (audio) and %d (text) does not go with %d and %d "
                        "attention heads",
                        s->n_audio_state, s->n_text_state, s->n_audio_head, s->n_text_head);
    return 0;
}

static void init_shape(struct net *net, const struct model_shape *s)
{
    net->n_mels = s->n_mels;
    net->n_ctx = s->n_audio_ctx;
    net->n_state = s->n_audio_state;
    net->n_hidden = net->model->enc[0].fc1.w.dim[0];
    net->n_vocab = s->n_vocab;
    net->n_text_ctx = s->n_text_ctx;
    net->n_enc = s->n_audio_layer;
    net->n_dec = s->n_text_layer;
    net->enc_heads = heads(net, s->n_audio_head, s->n_audio_state);
    net->dec_heads = heads(net, s->n_text_head, s->n_text_state);
}

int net_open(struct net **out, const struct model *model, const struct net_params *params,
             struct pool *pool, struct sotto_diag *diag)
{
    int err = check_shape(&model->shape, diag);
    struct net *net = err ? NULL : mem_calloc(1, sizeof *net);

    if (!err && !net)
        err = diag_set(diag, SOTTO_ENOMEM, NULL, "not enough memory for the model");
    if (!err) {
        net->model = model;
        ops_select(&net->ops, params->reference);
        init_shape(net, &model->shape);
        err = choose_precision(net, params, diag);
    }
    if (!err)
        err = net_pack(net, pool, diag);
    if (err)
        net_close(&net);
    else
        *out = net;
    return err;
}

void net_close(struct net **net)
{
    if (!net || !*net)
        return;
    mem_free_huge((*net)->memory, (*net)->memory_bytes);
    mem_free(*net);
    *net = NULL;
}

const struct model *net_model(const struct net *net)
{
    return net->model;
}

const struct ops *net_ops(const struct net *net)
{
    return &net->ops;
}

const char *net_kernels(const struct net *net)
{
    return net->ops.name;
}

enum sotto_precision net_precision(const struct net *net)
{
    return net->precision;
}

/* ---- products ---------------------------------------------------------------------------------- */

struct net_input net_input(const struct net *net, enum gemm_format format, const float *x,
                           size_t x_stride, int m, int k, void *quant, struct quant_row *row)
{
    struct net_input in = {.x = x, .x_stride = x_stride, .quant_stride = net_quant_stride(k)};

    if (format == GEMM_BF16) {
        net->ops.convert_bf16(x, x_stride, m, k, quant, in.quant_stride);
        in.quant = quant;
    } else if (format == GEMM_I8) {
        net->ops.quantise_u8(x, x_stride, m, k, quant, in.quant_stride, row);
        in.quant = quant;
        in.quant_row = row;
    }
    return in;
}

struct net_input net_input_rows(const struct net_input *in, enum gemm_format format, int row)
{
    struct net_input part = *in;
    size_t bytes = format == GEMM_BF16 ? 2 : 1;

    part.x = in->x + (size_t)row * in->x_stride;
    if (in->quant)
        part.quant = (const char *)in->quant + (size_t)row * in->quant_stride * bytes;
    if (in->quant_row)
        part.quant_row = in->quant_row + row;
    return part;
}

void net_product(const struct net *net, const struct net_linear *lin, const struct net_input *in,
                 int m, int panel_begin, int panel_end, const struct net_output *out, float *gemm)
{
    const struct gemm_kernel *kernel = &net->ops.gemm[lin->w.format];
    struct gemm_args args = {
        .x = in->x,
        .x_stride = in->x_stride,
        .m = m,
        .w = &lin->w,
        .panel_begin = panel_begin,
        .panel_end = panel_end < 0 ? gemm_n_panels(kernel, lin->w.n) : panel_end,
        .y = out->y,
        .y_stride = out->y_stride,
        .bias = lin->bias,
        .gelu = out->gelu,
        .residual = out->residual,
        .residual_stride = out->residual_stride,
        .quant = in->quant,
        .quant_stride = in->quant_stride,
        .quant_row = in->quant_row,
        .scratch = gemm,
    };

    kernel->run(&args);
}

/* ---- scratch ----------------------------------------------------------------------------------- */

// For the longest sums: the convolutions', the MLP's, and attention's over all positions.
static size_t gemm_bytes(const struct net *net)
{
    int lengths[] = {net->n_hidden, 3 * net->n_state, 3 * net->n_mels, net->n_ctx};
    size_t max = 0;

    for (int i = 0; i < GEMM_FORMAT_COUNT; i++)
        for (size_t j = 0; j < sizeof lengths / sizeof lengths[0]; j++) {
            enum gemm_format format = (enum gemm_format)i;
            size_t bytes = gemm_scratch_bytes(&net->ops.gemm[i], format, lengths[j]);
            if (available(net, format) && bytes > max)
                max = bytes;
        }
    return max;
}

// The next `bytes` of `base` (NULL: only counts).
static void *carve(char *base, size_t *used, size_t bytes)
{
    void *piece = base ? base + *used : NULL;

    *used += net_round_up(bytes, 64);
    return piece;
}

// Hands out one thread's memory from `base`, or only counts it; returns the bytes.
static size_t lay_out_scratch(struct net_scratch *s, const struct net *net, int rows, size_t work,
                              char *base)
{
    size_t n = (size_t)rows, attend = NET_ATTEND_ROWS, used = 0;
    size_t widest = net_quant_stride(net->n_ctx > net->n_state ? net->n_ctx : net->n_state);

    s->gemm = carve(base, &used, gemm_bytes(net));
    s->norm = carve(base, &used, n * (size_t)net->n_state * sizeof(float));
    s->work = carve(base, &used, work * sizeof(float));
    s->quant = carve(base, &used, n * net_quant_stride(net->n_hidden) * 2);
    s->quant_row = carve(base, &used, n * sizeof *s->quant_row);
    s->scores = carve(base, &used, attend * net_scores_stride(net) * sizeof(float));
    s->attend_quant = carve(base, &used, attend * widest * 2);
    s->attend_row = carve(base, &used, attend * sizeof *s->attend_row);
    return net_round_up(used, 4096); // threads do not share a page
}

struct net_scratch *net_scratch_open(const struct net *net, int n, int rows, size_t work)
{
    struct net_scratch probe;
    size_t head = net_round_up((size_t)n * sizeof probe, 64);
    size_t step = lay_out_scratch(&probe, net, rows, work, NULL);
    struct net_scratch *s = mem_alloc(head + (size_t)n * step, 1);

    for (int i = 0; s && i < n; i++) {
        s[i].stamp = 0;
        lay_out_scratch(&s[i], net, rows, work, (char *)s + head + (size_t)i * step);
    }
    return s;
}

/* ---- attention over packed keys and values ----------------------------------------------------- */

float net_attend_scale(const struct gemm_weights *keys)
{
    return 1.0f / sqrtf((float)keys->k);
}

void net_attend_scores(const struct net *net, const struct net_attend *a, struct net_scratch *s)
{
    const struct net_linear keys = {.w = *a->k};
    const struct net_output out = {.y = s->scores, .y_stride = net_scores_stride(net)};
    struct net_input q = net_input(net, a->k->format, a->q, a->q_stride, a->m, a->k->k,
                                   s->attend_quant, s->attend_row);

    net_product(net, &keys, &q, a->m, 0, -1, &out, s->gemm);
}

void net_attend_values(const struct net *net, const struct net_attend *a, struct net_scratch *s)
{
    const struct net_linear values = {.w = *a->v};
    const struct net_output out = {.y = a->out, .y_stride = a->out_stride};
    size_t stride = net_scores_stride(net);

    net->ops.softmax_f32(s->scores, stride, a->m, a->k->n, net_attend_scale(a->k));
    struct net_input p = net_input(net, a->v->format, s->scores, stride, a->m, a->v->k,
                                   s->attend_quant, s->attend_row);
    net_product(net, &values, &p, a->m, 0, -1, &out, s->gemm);
}

/* ---- windows ----------------------------------------------------------------------------------- */

// Hands out the matrices' memory; with `base` NULL only counts. Returns the bytes used.
static size_t lay_out_window(struct net_window *w, char *base)
{
    const struct net *net = w->net;
    const struct gemm_kernel *kernel = &net->ops.gemm[net->cross_format];
    int n = net->n_dec * net->dec_heads.n, t = net->n_ctx, d = net->dec_heads.width;
    size_t k_bytes = net_round_up(gemm_packed_bytes(kernel, net->cross_format, t, d), 64);
    size_t v_bytes = net_round_up(gemm_packed_bytes(kernel, net->cross_format, d, t), 64);
    size_t columns = net->cross_format == GEMM_I8 ? net_round_up((size_t)t + (size_t)d, 16) : 0;
    size_t step = k_bytes + v_bytes + 2 * columns * sizeof(float);

    for (int i = 0; base && i < n; i++) {
        char *p = base + (size_t)i * step;
        float *scale = columns ? (float *)(p + k_bytes + v_bytes) : NULL;
        int32_t *sum = columns ? (int32_t *)(scale + columns) : NULL;
        struct gemm_weights part = {.format = net->cross_format, .q_max = kernel->q_max};
        w->k[i] = w->v[i] = part;
        w->k[i].data = p;
        w->k[i].n = w->v[i].k = t;
        w->k[i].k = w->v[i].n = d;
        w->k[i].scale = scale;
        w->k[i].sum = sum;
        w->v[i].data = p + k_bytes;
        w->v[i].scale = columns ? scale + t : NULL;
        w->v[i].sum = columns ? sum + t : NULL;
    }
    return (size_t)n * step;
}

int net_window_open(struct net_window **out, const struct net *net)
{
    struct net_window *w = mem_calloc(1, sizeof *w);
    size_t n = (size_t)net->n_dec * (size_t)net->dec_heads.n;

    if (!w)
        return SOTTO_ENOMEM;
    w->net = net;
    w->k = mem_calloc(n, sizeof *w->k);
    w->v = mem_calloc(n, sizeof *w->v);
    w->memory_bytes = lay_out_window(w, NULL);
    w->memory = mem_alloc_huge(w->memory_bytes);
    if (!w->k || !w->v || !w->memory) {
        net_window_close(&w);
        return SOTTO_ENOMEM;
    }
    lay_out_window(w, w->memory);
    *out = w;
    return 0;
}

void net_window_close(struct net_window **window)
{
    struct net_window *w = window ? *window : NULL;

    if (!w)
        return;
    mem_free_huge(w->memory, w->memory_bytes);
    mem_free(w->k);
    mem_free(w->v);
    mem_free(w);
    *window = NULL;
}
