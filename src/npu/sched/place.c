/* See place.h. */
#include "npu/sched/place.h"

#include <string.h>

/* ---- longest paths ---- */

/* Relaxes all edges from `reach` on until nothing changes; false: a circle of positive length. */
static bool relax(const struct place *p, unsigned ii, int *reach)
{
    unsigned n = p->m->n;
    bool changed = true;
    for (unsigned round = 0; changed; round++) {
        if (round > n + 1) {
            return false;
        }
        changed = false;
        for (unsigned e = 0; e < p->n_edges; e++) {
            const struct place_edge *x = &p->edges[e];
            int length = reach[x->from] + x->distance - x->omega * (int)ii;
            if (reach[x->from] > PLACE_FAR && length > reach[x->to]) {
                reach[x->to] = length;
                changed = true;
            }
        }
    }
    return true;
}

static bool feasible(const struct place *p, unsigned ii, int *reach)
{
    memset(reach, 0, p->m->n * sizeof *reach);
    return relax(p, ii, reach);
}

/* An op on a circle that interval `ii` is too short for: the one whose length kept growing. */
static int critical_line(const struct place *p, unsigned ii, int *reach)
{
    unsigned n = p->m->n, worst = 0;
    memset(reach, 0, n * sizeof *reach);
    relax(p, ii, reach);
    for (unsigned i = 0; i < n; i++) {
        worst = reach[i] > reach[worst] ? i : worst;
    }
    return p->m->ops[worst].line;
}

unsigned place_rec_mii(const struct place *p, int *line)
{
    int *reach = arena_alloc(p->arena, p->m->n + 1, sizeof *reach);
    unsigned low = 1, high = 1;
    *line = 0;
    if (!reach) {
        return 1;
    }
    while (!feasible(p, high, reach) && high < 1 << 16) {
        low = high + 1;
        high *= 2;
    }
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (feasible(p, middle, reach)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if (low > 1) {
        *line = critical_line(p, low - 1, reach);
    }
    return low;
}

static bool all_paths(struct place *p)
{
    unsigned n = p->m->n;
    for (unsigned i = 0; i < n; i++) {
        int *reach = p->far + (size_t)i * n;
        for (unsigned k = 0; k < n; k++) {
            reach[k] = PLACE_FAR;
        }
        reach[i] = 0;
        if (!relax(p, p->ii, reach)) {
            return false;
        }
        // The way back to itself, at most 0: how much play its circles leave.
        reach[i] = 0;
    }
    return true;
}

/* Longest circle through the op. */
static int circle(const struct place *p, int i)
{
    int longest = PLACE_FAR;
    for (unsigned e = 0; e < p->n_edges; e++) {
        const struct place_edge *x = &p->edges[e];
        int back = p->far[(size_t)x->to * p->m->n + (size_t)i];
        if (x->from == i && back > PLACE_FAR) {
            int length = x->distance - x->omega * (int)p->ii + back;
            longest = length > longest ? length : longest;
        }
    }
    return longest;
}

/* ---- order ---- */

struct ranking {
    int *height, *depth; // longest ways within the iteration
    uint8_t *group;      // lower ones first
    int *order;
    bool *ordered;
    unsigned n_ordered;
    uint32_t random;
};

static void heights(const struct place *p, struct ranking *r)
{
    // Ops stand in program order, so edges within the iteration lead forward.
    for (unsigned e = 0; e < p->n_edges; e++) {
        const struct place_edge *x = &p->edges[e];
        int d = r->depth[x->from] + x->distance;
        if (!x->omega && d > r->depth[x->to]) {
            r->depth[x->to] = d;
        }
    }
    for (unsigned e = p->n_edges; e-- > 0;) {
        const struct place_edge *x = &p->edges[e];
        int h = r->height[x->to] + x->distance;
        if (!x->omega && h > r->height[x->from]) {
            r->height[x->from] = h;
        }
    }
}

/* Those on tight circles come first: they cannot move. Priorities of the source come before all. */
static void groups(const struct place *p, struct ranking *r)
{
    for (unsigned i = 0; i < p->m->n; i++) {
        const struct lin_op *op = &p->m->ops[i];
        bool tight = circle(p, (int)i) > -(int)(p->ii + 3) / 4;
        r->group[i] = tight ? 200 : 201;
        if (op->at != LIN_NO_CYCLE) {
            r->group[i] = 0;
        } else if (op->priority) {
            r->group[i] = (uint8_t)(199 - (op->priority < 190 ? op->priority : 190));
        }
    }
}

static unsigned noise(struct ranking *r, unsigned variant)
{
    if (variant < 2) {
        return 0;
    }
    r->random = r->random * 1664525u + 1013904223u;
    return r->random >> 24 & 7;
}

static bool beside(const struct place *p, const struct ranking *r, int i, bool below)
{
    for (unsigned e = 0; e < p->n_edges; e++) {
        const struct place_edge *x = &p->edges[e];
        if (!x->omega &&
            (below ? x->to == i && r->ordered[x->from] : x->from == i && r->ordered[x->to])) {
            return true;
        }
    }
    return false;
}

/* Next op of the group: `mode` 0 below what is ordered (its users), 1 above (its sources), 2 anywhere. */
static int pick(const struct place *p, struct ranking *r, uint8_t group, int mode)
{
    int best = -1, value = 0;
    for (int i = 0; i < (int)p->m->n; i++) {
        if (r->ordered[i] || r->group[i] != group || (mode < 2 && !beside(p, r, i, mode == 0))) {
            continue;
        }
        int v = (mode == 0         ? r->height[i]
                 : mode == 1       ? r->depth[i]
                 : p->variant == 1 ? r->height[i]
                                   : r->depth[i]) *
                    8 +
                (int)noise(r, p->variant);
        if (best < 0 || v > value) {
            best = i;
            value = v;
        }
    }
    return best;
}

/* Swings: as long as there are users, from the longest way down; then sources; then a new start. */
static void order_group(const struct place *p, struct ranking *r, uint8_t group)
{
    int mode = 1;
    for (;;) {
        int i = p->variant == 1 ? -1 : pick(p, r, group, mode);
        if (i < 0) {
            mode = 1 - mode;
            i = p->variant == 1 ? -1 : pick(p, r, group, mode);
        }
        if (i < 0) {
            i = pick(p, r, group, 2);
            mode = p->variant == 1 ? 0 : 1;
        }
        if (i < 0) {
            return;
        }
        r->ordered[i] = true;
        r->order[r->n_ordered++] = i;
    }
}

static bool make_order(const struct place *p, struct ranking *r)
{
    unsigned n = p->m->n + 1;
    r->height = arena_alloc(p->arena, n, sizeof *r->height);
    r->depth = arena_alloc(p->arena, n, sizeof *r->depth);
    r->group = arena_alloc(p->arena, n, sizeof *r->group);
    r->order = arena_alloc(p->arena, n, sizeof *r->order);
    r->ordered = arena_alloc(p->arena, n, sizeof *r->ordered);
    if (p->arena->failed) {
        return false;
    }
    r->random = p->variant * 7919u + p->ii;
    heights(p, r);
    groups(p, r);
    for (unsigned group = 0; group <= 201; group++) {
        order_group(p, r, (uint8_t)group);
    }
    return true;
}

/* ---- placing ---- */

struct window {
    int early, late;   // bounds from what is placed; PLACE_FAR, -PLACE_FAR: none
    bool above, below; // a source or a user of its values is placed
};

static struct window window(const struct place *p, int i)
{
    struct window w = {PLACE_FAR, -PLACE_FAR, false, false};
    unsigned n = p->m->n;
    for (unsigned k = 0; k < n; k++) {
        int to = p->far[k * n + (size_t)i], from = p->far[(size_t)i * n + k];
        if (!p->placed[k] || (int)k == i) {
            continue;
        }
        if (to > PLACE_FAR && p->time[k] + to > w.early) {
            w.early = p->time[k] + to;
        }
        if (from > PLACE_FAR && p->time[k] - from < w.late) {
            w.late = p->time[k] - from;
        }
    }
    for (unsigned e = 0; e < p->n_edges; e++) {
        const struct place_edge *x = &p->edges[e];
        w.above |= x->flow && x->to == i && p->placed[x->from];
        w.below |= x->flow && x->from == i && p->placed[x->to];
    }
    return w;
}

static const struct deps_op *form(const struct place *p, int i, unsigned alt)
{
    return &p->m->forms[(unsigned)i * LIN_ALTS_MAX + alt];
}

static bool fits(const struct place *p, int i, int t, uint8_t *alt)
{
    for (unsigned a = 0; a < p->m->ops[i].n_alts; a++) {
        if (table_fits(&p->table, form(p, i, a), p->m->ops[i].banks, t)) {
            *alt = (uint8_t)a;
            return true;
        }
    }
    return false;
}

static void put(struct place *p, int i, int t, uint8_t alt)
{
    p->time[i] = t;
    p->form[i] = alt;
    p->placed[i] = true;
    table_add(&p->table, form(p, i, alt), p->m->ops[i].banks, t, 1);
}

static void take(struct place *p, int i)
{
    p->placed[i] = false;
    table_add(&p->table, form(p, i, p->form[i]), p->m->ops[i].banks, p->time[i], -1);
}

static bool try_at(struct place *p, int i, int t, struct window w)
{
    uint8_t alt;
    if (t < w.early || t > w.late || !fits(p, i, t, &alt)) {
        return false;
    }
    put(p, i, t, alt);
    return true;
}

/* Looks through the window, from the end that keeps values short; without neighbours from where the op
 * would be in an iteration on its own. */
static bool place_free(struct place *p, int i, struct window w)
{
    const struct lin_op *op = &p->m->ops[i];
    int span = (int)p->ii, start = p->depth[i];
    bool down = op->lean ? op->lean > 0 : w.below && !w.above;
    if (w.above || w.below || op->lean) {
        start = down ? w.late : w.early;
        start = down && w.late == -PLACE_FAR ? w.early + span - 1 : start;
        start = !down && w.early == PLACE_FAR ? w.late - span + 1 : start;
        if (w.early == PLACE_FAR && w.late == -PLACE_FAR) {
            start = p->depth[i];
        }
    }
    start = start < w.early ? w.early : start > w.late ? w.late : start;
    for (int k = 0; k < span; k++) {
        if (try_at(p, i, down ? start - k : start + k, w)) {
            return true;
        }
    }
    for (int k = 1; k < span && !w.above && !w.below; k++) {
        if (try_at(p, i, down ? start + k : start - k, w)) {
            return true;
        }
    }
    return false;
}

/* Puts op i at t whatever stands there. */
static void place_by_force(struct place *p, int i, int t)
{
    unsigned n = p->m->n;
    for (unsigned k = 0; k < n; k++) {
        if (!p->placed[k]) {
            continue;
        }
        int to = p->far[k * n + (size_t)i], from = p->far[(size_t)i * n + k];
        bool late = to > PLACE_FAR && p->time[k] + to > t;
        bool early = from > PLACE_FAR && t + from > p->time[k];
        if (late || early) {
            take(p, (int)k);
        }
    }
    // Beside op i only those stay that still fit; without it all of them did.
    table_add(&p->table, form(p, i, 0), p->m->ops[i].banks, t, 1);
    for (unsigned k = 0; k < n; k++) {
        if (p->placed[k]) {
            take(p, (int)k);
            if (table_fits(&p->table, form(p, (int)k, p->form[k]), p->m->ops[k].banks,
                           p->time[k])) {
                put(p, (int)k, p->time[k], p->form[k]);
            }
        }
    }
    p->time[i] = t;
    p->form[i] = 0;
    p->placed[i] = true;
}

bool place_try(struct place *p, unsigned ii, unsigned variant)
{
    unsigned n = p->m->n;
    struct ranking r = {0};
    p->ii = ii;
    p->variant = variant;
    if (!all_paths(p) || !make_order(p, &r) || !table_init(&p->table, p->arena, 0, (int)ii, true) ||
        !table_init(&p->taken, p->arena, 0, (int)ii, true)) {
        return false;
    }
    if (p->reserve >= 0) {
        struct isa_op jump = {.insn = ISA_INSN_JNZD, .value = {ISA_REG_r0, ISA_REG_r0, ISA_REG_p0}};
        struct deps_op d;
        deps_describe(&d, &jump, NULL, NULL);
        table_add(&p->table, &d, 0, p->reserve, 1);
        table_add(&p->taken, &d, 0, p->reserve, 1);
    }
    int *last = arena_alloc(p->arena, n + 1, sizeof *last);
    bool *tried = arena_alloc(p->arena, n + 1, sizeof *tried);
    if (!last || !tried) {
        return false;
    }
    memset(p->placed, 0, n * sizeof *p->placed);
    p->depth = r.depth;
    for (unsigned budget = 12 * n + 50; budget > 0; budget--) {
        int i = -1;
        for (unsigned k = 0; k < n && i < 0; k++) {
            i = p->placed[r.order[k]] ? -1 : r.order[k];
        }
        if (i < 0) {
            return true;
        }
        struct window w = window(p, i);
        if (p->m->ops[i].at != LIN_NO_CYCLE) {
            w.early = w.late = p->m->ops[i].at;
        }
        if (place_free(p, i, w)) {
            last[i] = p->time[i];
            tried[i] = true;
            continue;
        }
        int t = w.early != PLACE_FAR ? w.early : w.late;
        if (tried[i] && p->m->ops[i].at == LIN_NO_CYCLE) {
            t = w.below && !w.above ? (last[i] - 1 < w.late ? last[i] - 1 : w.late)
                                    : (last[i] + 1 > t ? last[i] + 1 : t);
        }
        // The jump of a loop by branch cannot be moved away.
        for (unsigned k = 0; k < ii && !table_fits(&p->taken, form(p, i, 0), 0, t); k++) {
            t++;
        }
        place_by_force(p, i, t);
        last[i] = t;
        tried[i] = true;
    }
    return false;
}
