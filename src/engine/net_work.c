/*
 * How much work the network is, for measuring it: operations by format and bytes read, counted from
 * the packed matrices themselves. Nothing here computes.
 */
#include "engine/net_impl.h"

// m rows through one product.
static void add_product(const struct net *net, const struct net_linear *lin, int m,
                        struct net_work *work)
{
    enum gemm_format f = lin->w.format;

    work->ops[f] += 2.0 * m * lin->w.n * lin->w.k;
    work->bytes += (double)gemm_packed_bytes(&net->ops.gemm[f], f, lin->w.n, lin->w.k);
}

// What both halves' layers have: everything but cross-attention.
static void add_layer(const struct net *net, const struct net_layer *layer, int m,
                      struct net_work *work)
{
    add_product(net, &layer->qkv, m, work);
    add_product(net, &layer->out, m, work);
    add_product(net, &layer->fc1, m, work);
    add_product(net, &layer->fc2, m, work);
}

struct net_work net_work_window(const struct net *net)
{
    struct net_work work = {0};
    double t = net->n_ctx, c = net->n_state;

    add_product(net, &net->conv1, 2 * net->n_ctx, &work);
    add_product(net, &net->conv2, net->n_ctx, &work);
    for (int i = 0; i < net->n_enc; i++) {
        add_layer(net, &net->enc[i], net->n_ctx, &work);
        work.ops[net->attn_format] += 4 * t * t * c; // scores, values
    }
    for (int i = 0; i < net->n_dec; i++) {
        add_product(net, &net->dec[i].cross_k, net->n_ctx, &work);
        add_product(net, &net->dec[i].cross_v, net->n_ctx, &work);
    }
    return work;
}

struct net_work net_work_step(const struct net *net, const struct net_window *window, int n_rows,
                              int n_windows, int pos)
{
    struct net_work work = {0};
    double caches = 2.0 * net->n_dec * net->n_state * (pos + 1); // keys and values of one row

    for (int i = 0; i < net->n_dec; i++) {
        add_layer(net, &net->dec[i], n_rows, &work);
        add_product(net, &net->dec[i].cross_q, n_rows, &work);
        add_product(net, &net->dec[i].cross_out, n_rows, &work);
    }
    add_product(net, &net->logits, n_rows, &work);
    work.ops[net->cross_format] += 4.0 * n_rows * net->n_dec * net->n_ctx * net->n_state;
    work.ops[GEMM_F32] += 2 * n_rows * caches;
    work.bytes += n_windows * (double)window->memory_bytes + n_rows * caches * sizeof(float);
    return work;
}
