/*
 * Pipelining of one loop: the dependence graph of two iterations, bounds of the interval, the search for
 * an interval at which cycles (place.c) and registers (assign.c) are found. See impl.h.
 */
#include "npu/sched/impl.h"

#include "npu/sched/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARIANTS = 12, REGISTER_TRIES = 60, KERNEL_MAX = 1000, UNROLL_DEFAULT = 8 };

/* ---- graph ---- */

static int describe(struct work *w, struct modulo *m)
{
    m->d = arena_alloc(w->arena, m->n, sizeof *m->d);
    m->forms = arena_alloc(w->arena, m->n * LIN_ALTS_MAX, sizeof *m->forms);
    m->time = arena_alloc(w->arena, m->n, sizeof *m->time);
    m->form = arena_alloc(w->arena, m->n, sizeof *m->form);
    if (w->arena->failed) {
        return work_no_memory(w);
    }
    for (unsigned i = 0; i < m->n; i++) {
        deps_describe(&m->d[i], &m->ops[i].alts[0], &w->regs, &w->func->flags);
        for (unsigned a = 0; a < m->ops[i].n_alts; a++) {
            deps_describe(&m->forms[i * LIN_ALTS_MAX + a], &m->ops[i].alts[a], &w->regs,
                          &w->func->flags);
        }
    }
    return webs_build(w, m->ops, m->n, &m->webs, m->d);
}

static int by_from(const void *a, const void *b)
{
    const struct place_edge *x = a, *y = b;
    if (x->from != y->from) {
        return x->from - y->from;
    }
    return x->to != y->to ? x->to - y->to : x->omega - y->omega;
}

/* Edges of two iterations, folded: what leads to the second one has omega 1. */
static int build_graph(struct work *w, struct modulo *m, struct place *p)
{
    unsigned n = m->n;
    struct graph g;
    struct graph_node *nodes = arena_alloc(w->arena, n * 2, sizeof *nodes);
    if (!nodes) {
        return work_no_memory(w);
    }
    for (unsigned i = 0; i < 2 * n; i++) {
        nodes[i] = (struct graph_node){.d = &m->d[i % n],
                                       .op = &m->ops[i % n],
                                       .ref = (int)i * GRAPH_SEQUENTIAL,
                                       .order = (int)i,
                                       .loop = (int)m->region,
                                       .iter = (int)(i / n),
                                       .shift = i >= n ? 1u << 27 : 0};
    }
    int err = graph_build(&g, w->arena, w->file, nodes, 2 * n);
    p->edges = arena_alloc(w->arena, g.n + 1, sizeof *p->edges);
    if (err || w->arena->failed) {
        return err ? err : work_no_memory(w);
    }
    for (unsigned e = 0; e < g.n; e++) {
        int from = g.edges[e].from, to = g.edges[e].to;
        if (from < (int)n) {
            p->edges[p->n_edges++] = (struct place_edge){from, to % (int)n, g.edges[e].distance,
                                                         to >= (int)n, g.edges[e].flow};
        }
    }
    qsort(p->edges, p->n_edges, sizeof *p->edges, by_from);
    return SOTTO_OK;
}

/* ---- bounds of the interval ---- */

static unsigned slot_mask(const struct modulo *m, unsigned i)
{
    unsigned mask = 0;
    for (unsigned a = 0; a < m->ops[i].n_alts; a++) {
        unsigned slot = isa_insn(m->ops[i].alts[a].insn)->slot;
        mask |= slot == ISA_SLOT_LNG ? 1u << ISA_SLOT_ALU | 1u << ISA_SLOT_MV : 1u << slot;
    }
    return mask;
}

static void slot_bound(struct work *w, struct modulo *m, unsigned *best)
{
    char text[128];
    for (unsigned set = 1; set < 1u << ISA_SLOT_NOP; set++) {
        unsigned uses = 0, width = (unsigned)__builtin_popcount(set & ~(1u << ISA_SLOT_LNG));
        for (unsigned i = 0; i < m->n; i++) {
            unsigned mask = slot_mask(m, i);
            bool lng = m->d[i].slot == ISA_SLOT_LNG && m->ops[i].n_alts == 1;
            uses += lng ? (unsigned)__builtin_popcount(mask & set) : (mask & ~set) == 0;
        }
        if ((set >> ISA_SLOT_LNG & 1) || (uses + width - 1) / width <= *best) {
            continue;
        }
        *best = (uses + width - 1) / width;
        size_t n = (size_t)snprintf(text, sizeof text, "slot");
        for (unsigned s = 0; s < ISA_SLOT_NOP; s++) {
            if (set >> s & 1) {
                n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n > 4 ? "+" : " ",
                                      isa_slot_name(s));
            }
        }
        m->bound = arena_text(w->arena, text, n);
    }
}

static void port_bound(struct work *w, struct modulo *m, unsigned *best)
{
    unsigned ports[ISA_PORT_COUNT] = {0};
    char text[64];
    for (unsigned i = 0; i < m->n; i++) {
        const struct deps_op *d = &m->forms[i * LIN_ALTS_MAX];
        for (unsigned u = 0; u < ISA_USES_MAX && d->itin->uses[u].use; u++) {
            if (d->itin->uses[u].use != ISA_USE_AVOID && m->ops[i].n_alts == 1) {
                ports[d->itin->uses[u].port] += 1u + d->itin->uses[u].to - d->itin->uses[u].from;
            }
        }
    }
    for (unsigned p = 1; p < ISA_PORT_COUNT; p++) {
        if (ports[p] > *best) {
            *best = ports[p];
            int n = snprintf(text, sizeof text, "port %s", deps_port_name(p));
            m->bound = arena_text(w->arena, text, (size_t)n);
        }
    }
}

static void bank_bound(struct work *w, struct modulo *m, unsigned *best)
{
    char text[128];
    for (unsigned b = 0; b < w->file->n_banks; b++) {
        unsigned uses = 0;
        for (unsigned i = 0; i < m->n; i++) {
            if (m->ops[i].banks >> b & 1) {
                uses += m->d[i].first ? 1 + (m->d[i].last != m->d[i].first) : 0;
            }
        }
        if (uses > *best) {
            *best = uses;
            int n = snprintf(text, sizeof text, "bank %.100s", w->file->banks[b]);
            m->bound = arena_text(w->arena, text, (size_t)n);
        }
    }
}

static void bounds(struct work *w, struct modulo *m, const struct place *p)
{
    char text[64];
    int line;
    m->res_mii = 0;
    slot_bound(w, m, &m->res_mii);
    port_bound(w, m, &m->res_mii);
    bank_bound(w, m, &m->res_mii);
    m->rec_mii = place_rec_mii(p, &line);
    if (m->rec_mii > m->res_mii) {
        int n = snprintf(text, sizeof text, "recurrence (line %d)", line);
        m->bound = arena_text(w->arena, text, (size_t)n);
    }
}

/* ---- one solution ---- */

static bool partword_last(const struct modulo *m)
{
    for (unsigned i = 0; i < m->n; i++) {
        if (deps_is_partword_store(&m->d[i]) && m->time[i] % (int)m->ii == (int)m->ii - 1) {
            return true;
        }
    }
    return false;
}

static long stage_sum(const struct modulo *m, int shift, unsigned *stages)
{
    long sum = 0;
    *stages = 1;
    for (unsigned i = 0; i < m->n; i++) {
        unsigned stage = (unsigned)(m->time[i] + shift) / m->ii;
        sum += stage;
        *stages = stage + 1 > *stages ? stage + 1 : *stages;
    }
    return sum;
}

/* Cuts the circle of the kernel where the fewest ops are peeled. `turn`: it may be turned at all. */
static bool cut(struct modulo *m, bool turn)
{
    int least = m->time[0], best = -1, ii = (int)m->ii;
    unsigned stages, best_stages = 0;
    long best_sum = 0;
    for (unsigned i = 1; i < m->n; i++) {
        least = m->time[i] < least ? m->time[i] : least;
    }
    // Cycles keep their place in the circle unless it may be turned.
    int base = ((least % ii) + ii) % ii;
    for (unsigned i = 0; i < m->n; i++) {
        m->time[i] += base - least;
    }
    for (int shift = 0; shift < (turn ? ii : 1); shift++) {
        long sum = stage_sum(m, shift, &stages);
        bool bad = false;
        for (unsigned i = 0; i < m->n; i++) {
            bad |= deps_is_partword_store(&m->d[i]) && (m->time[i] + shift) % ii == ii - 1;
        }
        if (!bad &&
            (best < 0 || stages < best_stages || (stages == best_stages && sum < best_sum))) {
            best = shift;
            best_stages = stages;
            best_sum = sum;
        }
    }
    if (best < 0) {
        return false;
    }
    // Turning by more than the first op's cycle drops an empty stage.
    unsigned first = m->n ? 1u << 30 : 0;
    for (unsigned i = 0; i < m->n; i++) {
        m->time[i] += best;
        first = (unsigned)m->time[i] < first ? (unsigned)m->time[i] : first;
    }
    for (unsigned i = 0; i < m->n; i++) {
        m->time[i] -= (int)(first / m->ii * m->ii);
    }
    stage_sum(m, 0, &m->stages);
    return !partword_last(m);
}

/* Iterations left over when the kernel takes them by `unroll`. */
static unsigned left_over(const struct lin_region *r, unsigned stages, unsigned unroll)
{
    int64_t known = r->trips ? r->trips : 0;
    int64_t rest = (known - (int64_t)stages + 1) % (int64_t)unroll;
    return (unsigned)(rest < 0 ? rest + (int64_t)unroll : rest);
}

static bool trips_allow(const struct lin_region *r, unsigned stages, unsigned unroll, unsigned ii)
{
    int64_t least = r->trips ? r->trips : (int64_t)r->min;
    if (!r->trips && r->multiple % unroll) {
        return false;
    }
    if (!r->trips && (unroll & (unroll - 1))) {
        return false; // the count is divided by shifting
    }
    if (!r->trips && least < (int64_t)r->multiple) {
        least = r->multiple;
    }
    // What is before and after the kernel must not see each other through it.
    int64_t inside = least - (int64_t)(stages - 1 + left_over(r, stages, unroll));
    return inside >= (int64_t)unroll && inside / (int64_t)unroll * unroll * ii >= DEPS_SPAN;
}

/* Copies of the kernel: enough for the longest life, allowed by the trip count, with registers. */
static bool find_registers(struct work *w, struct modulo *m, unsigned *missing)
{
    const struct lin_region *r = &w->func->regions[m->region];
    unsigned need = assign_loop_copies(w, m);
    unsigned most = r->unroll ? r->unroll : UNROLL_DEFAULT;
    unsigned least = r->soft ? (5 + m->ii) / m->ii : (1 + m->ii) / m->ii;
    need = need > least ? need : least;
    most = most > IMPL_UNROLL_MAX ? IMPL_UNROLL_MAX : most;
    most = most < least ? least : most;
    for (m->unroll = need; m->unroll <= most && m->unroll * m->ii <= KERNEL_MAX; m->unroll++) {
        if (trips_allow(r, m->stages, m->unroll, m->ii) &&
            assign_loop(w, m, REGISTER_TRIES, missing)) {
            return true;
        }
    }
    return false;
}

static int allocate_place(struct work *w, struct modulo *m, struct place *p)
{
    *p = (struct place){.arena = w->arena, .m = m, .time = m->time, .form = m->form, .reserve = -1};
    p->far = arena_alloc(w->arena, (size_t)m->n * m->n, sizeof *p->far);
    p->placed = arena_alloc(w->arena, m->n, sizeof *p->placed);
    return w->arena->failed ? work_no_memory(w) : SOTTO_OK;
}

/* Intervals from the lower bound up; at each, several orders of placing. */
int modulo_schedule(struct work *w, unsigned region, struct modulo *m)
{
    const struct lin_region *r = &w->func->regions[region];
    struct place p;
    unsigned missing = w->func->n_vregs;
    *m = (struct modulo){.region = region, .n = r->count, .ops = w->func->ops + r->first};
    int err = describe(w, m);
    err = err ? err : allocate_place(w, m, &p);
    err = err ? err : build_graph(w, m, &p);
    if (err) {
        return err;
    }
    if (r->soft && w->func->flags.read[ISA_REG_srCarry]) {
        return work_error(w, r->line, "a soft loop changes the carry, which this function reads");
    }
    bounds(w, m, &p);
    unsigned first = m->res_mii > m->rec_mii ? m->res_mii : m->rec_mii;
    unsigned last = r->max_ii ? r->max_ii : first * 4 + 16 * m->n + 64;
    first = r->ii > first ? r->ii : first;
    for (m->ii = first; m->ii <= last && m->ii <= KERNEL_MAX; m->ii += 1 + (m->ii - first) / 16) {
        for (unsigned variant = 0; variant < VARIANTS; variant++) {
            unsigned unroll = (5 + m->ii) / m->ii;
            p.reserve = r->soft ? (int)(unroll * m->ii) - 1 - DEPS_DELAY_SLOTS : -1;
            if (place_try(&p, m->ii, variant) && cut(m, !r->soft) &&
                !(r->no_pipe && m->stages > 1) && find_registers(w, m, &missing)) {
                return SOTTO_OK;
            }
            if (w->arena->failed) {
                return work_no_memory(w);
            }
        }
    }
    if (missing < w->func->n_vregs) {
        return work_error(w, r->line,
                          "no schedule with intervals from %u to %u: no register of kind "
                          "%s is left for %%%s",
                          first, last, vreg_kind_name(w->func->vregs[missing].kind),
                          w->func->vregs[missing].name);
    }
    return work_error(w, r->line, "no schedule with intervals from %u to %u", first, last);
}
