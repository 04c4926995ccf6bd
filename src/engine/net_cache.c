/*
 * Self-attention caches of a decoder's slots, and how sequences change slots: by exchanging pointers
 * where that is enough, else by copying the rows that differ. Rows are told apart by an id given
 * when they are written: beams share most of their past, so little is copied.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "engine/net_impl.h"

static size_t cache_floats(const struct net *net)
{
    return (size_t)net->n_dec * 2 * net_cache_values(net);
}

int net_caches_init(struct net_caches *c, const struct net *net, int n_slots)
{
    size_t n = (size_t)n_slots;
    int err = 0;

    *c = (struct net_caches){.net = net, .n_slots = n_slots};
    c->cache = mem_calloc(n, sizeof *c->cache);
    c->of_slot = mem_alloc(n, sizeof *c->of_slot);
    c->plan = mem_alloc(3 * n, sizeof *c->plan);
    err = c->cache && c->of_slot && c->plan ? 0 : SOTTO_ENOMEM;
    for (int i = 0; !err && i < n_slots; i++) {
        c->of_slot[i] = i;
        c->cache[i].data = mem_alloc(cache_floats(net), sizeof(float));
        c->cache[i].row_id = mem_calloc((size_t)net->n_text_ctx, sizeof(uint64_t));
        if (!c->cache[i].data || !c->cache[i].row_id)
            err = SOTTO_ENOMEM;
    }
    if (err)
        net_caches_fini(c);
    return err;
}

void net_caches_fini(struct net_caches *c)
{
    for (int i = 0; c->cache && i < c->n_slots; i++) {
        mem_free(c->cache[i].data);
        mem_free(c->cache[i].row_id);
    }
    mem_free(c->cache);
    mem_free(c->of_slot);
    mem_free(c->plan);
    *c = (struct net_caches){0};
}

void net_caches_clear(struct net_caches *c, int slot)
{
    memset(c->cache[c->of_slot[slot]].row_id, 0, (size_t)c->net->n_text_ctx * sizeof(uint64_t));
}

void net_caches_touch(struct net_caches *c, int slot, int pos)
{
    c->cache[c->of_slot[slot]].row_id[pos] = ++c->last_id;
}

float *net_cache_keys(const struct net_caches *c, int slot, int layer, int head)
{
    const struct net *net = c->net;

    return c->cache[c->of_slot[slot]].data + (size_t)layer * 2 * net_cache_values(net) +
           (size_t)head * (size_t)net->n_text_ctx * (size_t)net->dec_heads.width;
}

// Rows [begin, end) of every layer and head.
static void copy_rows(const struct net *net, float *dst, const float *src, int begin, int end)
{
    size_t width = (size_t)net->dec_heads.width, head = (size_t)net->n_text_ctx * width;
    size_t n_heads = (size_t)net->n_dec * 2 * (size_t)net->dec_heads.n;

    for (size_t i = 0; i < n_heads; i++)
        memcpy(dst + i * head + (size_t)begin * width, src + i * head + (size_t)begin * width,
               (size_t)(end - begin) * width * sizeof *dst);
}

static void copy_cache(struct net_caches *c, int dst, int src, int n_pos)
{
    struct net_cache *to = &c->cache[dst];
    const struct net_cache *from = &c->cache[src];
    int begin = 0, end;

    while (begin < n_pos) {
        if (to->row_id[begin] == from->row_id[begin]) {
            begin++;
            continue;
        }
        for (end = begin; end < n_pos && to->row_id[end] != from->row_id[end]; end++)
            to->row_id[end] = from->row_id[end];
        copy_rows(c->net, to->data, from->data, begin, end);
        begin = end;
    }
}

/*
 * Slots that are in dst give up their caches. A cache given up whose contents somebody wants goes to
 * one of those by pointer (to its own slot if that is among them). Who is left gets a cache that
 * nobody wants the contents of, chosen in order, and copies. So no source is ever overwritten.
 */
void net_caches_copy(struct net_caches *c, const int *dst, const int *src, int n, int n_pos)
{
    int *old = c->plan, *heir = old + c->n_slots, *unwanted = heir + c->n_slots;
    int n_unwanted = 0;

    memcpy(old, c->of_slot, (size_t)c->n_slots * sizeof *old);
    for (int s = 0; s < c->n_slots; s++)
        heir[s] = -2; // not given up
    for (int i = 0; i < n; i++) {
        assert(heir[dst[i]] == -2); // each slot at most once in dst
        heir[dst[i]] = -1;
    }
    for (int i = 0; i < n; i++)
        if (heir[src[i]] == -1 || (heir[src[i]] != -2 && dst[i] == src[i]))
            heir[src[i]] = dst[i];
    for (int i = 0; i < n; i++)
        if (heir[dst[i]] == -1)
            unwanted[n_unwanted++] = old[dst[i]];
    for (int i = 0; i < n; i++) {
        if (heir[src[i]] == dst[i]) {
            c->of_slot[dst[i]] = old[src[i]];
        } else {
            c->of_slot[dst[i]] = unwanted[--n_unwanted];
            copy_cache(c, c->of_slot[dst[i]], old[src[i]], n_pos);
        }
    }
}
