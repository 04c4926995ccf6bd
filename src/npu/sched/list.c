/*
 * Cycles for straight code: what comes before it and what follows (kernels of pipelined loops) is fixed,
 * the length in between is not. For a length tried, every op has a window; ops are placed by the end of
 * theirs, as early as they fit, and each placement narrows the windows of the rest. See impl.h.
 */
#include "npu/sched/impl.h"

#include <string.h>

enum { LENGTH_TRIES = 4000 };

/* Ways to try one length: ops by the end of their windows, or by how little play they have; what is peeled
 * off loops where the pipelined code has it, which is always right if the code is long enough. */
enum { BY_END, BY_PLAY, PIN_AFTER_LOOP, PIN_ALL, WAYS };

struct search {
    struct work *w;
    struct list *list;
    struct graph graph;
    int *low, *high; // window of every op
    bool *placed;
    int *waiting; // for how many ops that come before it
    struct table table;
    int end, way;
};

struct list_op *list_add(struct work *w, struct list *list, const struct lin_op *op)
{
    struct list_op *moved = arena_grow(w->arena, list->ops, list->n, &list->cap, sizeof *moved);
    list->ops = moved ? moved : list->ops;
    struct deps_op *forms = moved ? arena_alloc(w->arena, LIN_ALTS_MAX, sizeof *forms) : NULL;
    if (!forms) {
        return NULL;
    }
    struct list_op *x = &list->ops[list->n++];
    *x = (struct list_op){.op = *op, .forms = forms, .loop = -1};
    for (unsigned a = 0; a < op->n_alts; a++) {
        deps_describe(&forms[a], &op->alts[a], NULL, &w->func->flags);
    }
    return x;
}

static int build(struct search *s)
{
    struct list *list = s->list;
    struct graph_node *nodes = arena_alloc(s->w->arena, list->n + 1, sizeof *nodes);
    s->low = arena_alloc(s->w->arena, list->n + 1, sizeof *s->low);
    s->high = arena_alloc(s->w->arena, list->n + 1, sizeof *s->high);
    s->placed = arena_alloc(s->w->arena, list->n + 1, sizeof *s->placed);
    s->waiting = arena_alloc(s->w->arena, list->n + 1, sizeof *s->waiting);
    if (s->w->arena->failed) {
        return work_no_memory(s->w);
    }
    for (unsigned i = 0; i < list->n; i++) {
        const struct list_op *x = &list->ops[i];
        nodes[i] = (struct graph_node){.d = &x->forms[0],
                                       .op = &x->op,
                                       .ref = x->ref,
                                       .order = x->order,
                                       .loop = x->loop,
                                       .iter = x->iter};
    }
    int err = graph_build(&s->graph, s->w->arena, s->w->file, nodes, list->n);
    for (unsigned i = 0; i < list->n && !err; i++) {
        struct graph *g = &s->graph;
        if (list->ops[i].after) {
            g->edges = arena_grow(s->w->arena, g->edges, g->n, &g->cap, sizeof *g->edges);
            err = g->edges ? SOTTO_OK : SOTTO_ENOMEM;
            if (!err) {
                g->edges[g->n++] = (struct graph_edge){list->ops[i].after - 1, (int)i, 1, false};
            }
        }
    }
    return err ? work_no_memory(s->w) : SOTTO_OK;
}

/* Bundles from the op's issue to the end, if all it does must be over then. A store in flight counts as
 * over: later accesses follow it through the same stages. */
static int drain_of(const struct deps_op *d)
{
    int last = d->last > 5 ? d->last - 4 : 1;
    for (unsigned i = 0; i < d->n; i++) {
        int over = d->access[i].write ? d->access[i].stage : d->access[i].stage - 1;
        last = over > last ? over : last;
    }
    for (unsigned u = 0; u < ISA_USES_MAX && d->itin->uses[u].use; u++) {
        int to = d->itin->uses[u].to;
        last = to > 2 && to > last ? to : last;
    }
    return last;
}

/* Narrows all windows until nothing changes; false: one is empty. */
static bool narrow(struct search *s)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (unsigned e = 0; e < s->graph.n; e++) {
            const struct graph_edge *x = &s->graph.edges[e];
            int low = s->low[x->from] + x->distance, high = s->high[x->to] - x->distance;
            if (low > s->low[x->to]) {
                s->low[x->to] = low;
                changed = true;
            }
            if (high < s->high[x->from]) {
                s->high[x->from] = high;
                changed = true;
            }
            if (s->low[x->to] > s->high[x->to] || s->low[x->from] > s->high[x->from]) {
                return false;
            }
        }
    }
    return true;
}

static bool start(struct search *s)
{
    struct list *list = s->list;
    if (!table_init(&s->table, s->w->arena, -2 * DEPS_SPAN, s->end + 6 * DEPS_SPAN, false)) {
        return false;
    }
    for (unsigned i = 0; i < list->n; i++) {
        struct list_op *x = &list->ops[i];
        s->placed[i] = x->fixed != LIST_FREE;
        s->low[i] = 0;
        s->high[i] = s->end - 1;
        if (x->gap > 1) {
            s->high[i] = s->end - x->gap;
        }
        if (list->drain && s->high[i] > s->end - drain_of(&x->forms[0])) {
            s->high[i] = s->end - drain_of(&x->forms[0]);
        }
        if ((int)i == list->branch) {
            s->low[i] = s->high[i] = s->end - 1 - DEPS_DELAY_SLOTS;
        }
        if (x->fixed == LIST_BEFORE) {
            s->low[i] = s->high[i] = x->cycle;
        } else if (x->fixed == LIST_AFTER) {
            s->low[i] = s->high[i] = s->end + x->cycle;
        }
        int pin = x->pin == LIST_PIN_END ? s->end + x->pin_cycle : x->pin_cycle;
        if (x->fixed == LIST_FREE && ((x->pin == LIST_PIN_START && s->way >= PIN_AFTER_LOOP) ||
                                      (x->pin == LIST_PIN_END && s->way >= PIN_ALL))) {
            if (pin > s->high[i]) {
                return false;
            }
            s->low[i] = s->high[i] = x->cycle = pin;
            x->form = x->pin_form;
            s->placed[i] = true;
        }
        if (s->low[i] > s->high[i] || (x->fixed == LIST_FREE && s->low[i] < 0)) {
            return false;
        }
        if (s->placed[i]) {
            // What two loops have peeled off, or their kernels, may need more room between them.
            const struct deps_op *form = &x->forms[x->form];
            if (!table_fits(&s->table, form, x->op.banks, s->low[i])) {
                return false;
            }
            table_add(&s->table, form, x->op.banks, s->low[i], 1);
        }
    }
    memset(s->waiting, 0, list->n * sizeof *s->waiting);
    for (unsigned e = 0; e < s->graph.n; e++) {
        s->waiting[s->graph.edges[e].to] += !s->placed[s->graph.edges[e].from];
    }
    return narrow(s);
}

static bool place(struct search *s, unsigned i)
{
    struct list_op *x = &s->list->ops[i];
    for (int t = s->low[i]; t <= s->high[i]; t++) {
        for (unsigned a = 0; a < x->op.n_alts; a++) {
            if (table_fits(&s->table, &x->forms[a], x->op.banks, t)) {
                table_add(&s->table, &x->forms[a], x->op.banks, t, 1);
                x->cycle = t;
                x->form = (uint8_t)a;
                s->low[i] = s->high[i] = t;
                s->placed[i] = true;
                for (unsigned e = 0; e < s->graph.n; e++) {
                    s->waiting[s->graph.edges[e].to] -= s->graph.edges[e].from == (int)i;
                }
                return narrow(s);
            }
        }
    }
    return false;
}

/* The op to place next: one whose predecessors are placed, if there is any; then the one whose window ends
 * first, or that has the least play. Old values wanted make circles in what is peeled off loops. */
static int next(const struct search *s)
{
    int best = -1, keys[3] = {0};
    for (unsigned i = 0; i < s->list->n; i++) {
        int play = s->high[i] - s->low[i];
        int mine[3] = {s->waiting[i] > 0, s->way == BY_PLAY ? play : s->high[i],
                       s->way == BY_PLAY ? s->high[i] : play};
        bool sooner = mine[0] != keys[0]   ? mine[0] < keys[0]
                      : mine[1] != keys[1] ? mine[1] < keys[1]
                                           : mine[2] < keys[2];
        if (!s->placed[i] && (best < 0 || sooner)) {
            best = (int)i;
            memcpy(keys, mine, sizeof keys);
        }
    }
    return best;
}

static bool try_length(struct search *s, int end, int way)
{
    s->end = end;
    s->way = way;
    if (!start(s)) {
        return false;
    }
    for (int i = next(s); i >= 0; i = next(s)) {
        if (!place(s, (unsigned)i)) {
            return false;
        }
    }
    return true;
}

/* Ops per slot: no length below that can do. */
static int least_length(const struct list *list)
{
    int slots[ISA_SLOT_COUNT] = {0}, most = 0;
    for (unsigned i = 0; i < list->n; i++) {
        if (list->ops[i].fixed == LIST_FREE && list->ops[i].op.n_alts == 1) {
            int *n = &slots[list->ops[i].forms[0].slot];
            most = ++*n > most ? *n : most;
        }
    }
    return most;
}

int list_schedule(struct work *w, struct list *list)
{
    struct search s = {.w = w, .list = list};
    int err = build(&s);
    if (err) {
        return err;
    }
    int least = least_length(list);
    least = list->end > least ? list->end : least;
    for (int end = least; end < least + LENGTH_TRIES; end++) {
        for (int way = 0; way < WAYS; way++) {
            if (try_length(&s, end, way)) {
                list->end = end;
                return SOTTO_OK;
            }
            if (w->arena->failed) {
                return work_no_memory(w);
            }
        }
    }
    int line = list->n ? list->ops[0].op.line : w->func->line;
    return work_error(w, line, "no schedule for the code from here on");
}
