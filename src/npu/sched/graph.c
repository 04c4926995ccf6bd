/* See graph.h. Register events are sorted by leaf and time; each read hangs on the last write before it. */
#include "npu/sched/graph.h"

#include <stdlib.h>

struct event {
    uint32_t leaf;
    int time; // cycle of reading or writing
    int node;
    const struct deps_access *access;
};

static int by_leaf(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->leaf != y->leaf) {
        return x->leaf < y->leaf ? -1 : 1;
    }
    // A read comes before a write of the same cycle: it still sees the old value.
    if (x->time != y->time) {
        return x->time < y->time ? -1 : 1;
    }
    if (x->access->write != y->access->write) {
        return x->access->write ? 1 : -1;
    }
    return x->node < y->node ? -1 : x->node > y->node;
}

static int add_edge(struct graph *g, struct arena *arena, const struct graph_node *nodes, int from,
                    int to, int distance, bool flow)
{
    if (from == to || distance == DEPS_NONE || (nodes[from].fixed && nodes[to].fixed)) {
        return SOTTO_OK;
    }
    g->edges = arena_grow(arena, g->edges, g->n, &g->cap, sizeof *g->edges);
    if (!g->edges) {
        return SOTTO_ENOMEM;
    }
    g->edges[g->n++] = (struct graph_edge){from, to, distance, flow};
    return SOTTO_OK;
}

/* In the reference, does the read see the write? */
static bool sees(const struct graph_node *nodes, const struct event *write,
                 const struct event *read)
{
    return nodes[read->node].ref >= nodes[write->node].ref + deps_raw(write->access, read->access);
}

/* Status flags that only accumulate: writers in any order, readers between them in place. */
static int sticky_edges(struct graph *g, struct arena *arena, const struct graph_node *nodes,
                        const struct event *e, unsigned n)
{
    int err = SOTTO_OK;
    for (unsigned i = 0; i < n && !err; i++) {
        for (unsigned k = 0; k < n && !err && !e[i].access->write; k++) {
            if (!e[k].access->write) {
                continue;
            }
            err = sees(nodes, &e[k], &e[i]) ? add_edge(g, arena, nodes, e[k].node, e[i].node,
                                                       deps_raw(e[k].access, e[i].access), false)
                                            : add_edge(g, arena, nodes, e[i].node, e[k].node,
                                                       deps_war(e[i].access, e[k].access), false);
        }
    }
    return err;
}

/* Events of one leaf in order of time. A bypass lets a read see a write of its own cycle. */
static int leaf_edges(struct graph *g, struct arena *arena, const struct graph_node *nodes,
                      const struct event *e, unsigned n)
{
    int err = SOTTO_OK;
    int last = -1; // newest write so far
    if (deps_is_sticky(e[0].leaf)) {
        return sticky_edges(g, arena, nodes, e, n);
    }
    for (unsigned i = 0; i < n && !err; i++) {
        if (e[i].access->write) {
            if (last >= 0) {
                err = add_edge(g, arena, nodes, e[last].node, e[i].node,
                               deps_waw(e[last].access, e[i].access), false);
            }
            last = (int)i;
            continue;
        }
        int from = last;
        unsigned next = i + 1;
        while (next < n && (!e[next].access->write || sees(nodes, &e[next], &e[i]))) {
            from = e[next].access->write ? (int)next : from;
            next++;
        }
        if (from >= 0) {
            err = add_edge(g, arena, nodes, e[from].node, e[i].node,
                           deps_raw(e[from].access, e[i].access), e[i].leaf >= GRAPH_WEB);
        }
        if (!err && next < n) {
            err = add_edge(g, arena, nodes, e[i].node, e[next].node,
                           deps_war(e[i].access, e[next].access), false);
        }
    }
    return err;
}

static int register_edges(struct graph *g, struct arena *arena, const struct graph_node *nodes,
                          unsigned n)
{
    unsigned total = 0, count = 0;
    for (unsigned i = 0; i < n; i++) {
        total += nodes[i].d->n;
    }
    struct event *events = arena_alloc(arena, total + 1, sizeof *events);
    if (!events) {
        return SOTTO_ENOMEM;
    }
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < nodes[i].d->n; k++) {
            const struct deps_access *a = &nodes[i].d->access[k];
            uint32_t leaf = a->leaf >= GRAPH_WEB ? a->leaf + nodes[i].shift : a->leaf;
            events[count++] = (struct event){leaf, nodes[i].ref + a->stage - 1, (int)i, a};
        }
    }
    qsort(events, count, sizeof *events, by_leaf);
    int err = SOTTO_OK;
    for (unsigned i = 0, end; i < count && !err; i = end) {
        for (end = i + 1; end < count && events[end].leaf == events[i].leaf;) {
            end++;
        }
        err = leaf_edges(g, arena, nodes, events + i, end - i);
    }
    return err;
}

int graph_order(const struct lin_file *file, const struct graph_node *a, const struct graph_node *b)
{
    int distance = deps_order(a->d, b->d);
    bool same = a->op->area == b->op->area;
    bool meet = same || a->op->area == LIN_AREA_ANY || b->op->area == LIN_AREA_ANY;
    if (same && file->areas[a->op->area].each && a->loop == b->loop && a->loop >= 0 &&
        a->iter != b->iter) {
        meet = false;
    }
    int memory = meet ? deps_memory(a->d, b->d) : DEPS_NONE;
    return memory > distance ? memory : distance;
}

static bool ordered(const struct deps_op *d)
{
    return d->first || (d->kind >= DEPS_LOCK_ACQUIRE && d->kind <= DEPS_STREAM);
}

static int order_edges(struct graph *g, struct arena *arena, const struct lin_file *file,
                       const struct graph_node *nodes, unsigned n)
{
    int err = SOTTO_OK;
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < n && !err && ordered(nodes[i].d); k++) {
            if (nodes[i].order < nodes[k].order && ordered(nodes[k].d)) {
                err = add_edge(g, arena, nodes, (int)i, (int)k,
                               graph_order(file, &nodes[i], &nodes[k]), false);
            }
        }
    }
    return err;
}

int graph_build(struct graph *graph, struct arena *arena, const struct lin_file *file,
                const struct graph_node *nodes, unsigned n)
{
    *graph = (struct graph){0};
    int err = register_edges(graph, arena, nodes, n);
    return err ? err : order_edges(graph, arena, file, nodes, n);
}
