/*
 * Which register of the core each virtual register becomes: once for the whole function if it is live
 * across regions, by intervals of program order in straight code, by intervals of cycles on the circle of
 * the kernel in pipelined loops. There a register is free again in the cycle after its last read, even if
 * the op that writes it next was issued long before. See impl.h.
 */
#include "npu/sched/impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- whole function ---- */

static bool free_everywhere(const struct work *w, unsigned vreg, int reg)
{
    uint32_t leaves[ISA_PARTS_MAX];
    unsigned n = deps_leaves(reg, leaves);
    for (unsigned r = 0; r < w->func->n_regions; r++) {
        for (unsigned i = 0; w->present[r][vreg] && i < n; i++) {
            if (w->busy[r][leaves[i]]) {
                return false;
            }
        }
    }
    return true;
}

static void occupy(struct work *w, unsigned vreg)
{
    uint32_t leaves[ISA_PARTS_MAX];
    unsigned n = deps_leaves(w->phys[vreg], leaves);
    for (unsigned r = 0; r < w->func->n_regions; r++) {
        for (unsigned i = 0; w->present[r][vreg] && i < n; i++) {
            w->busy[r][leaves[i]] = true;
        }
    }
}

static unsigned n_candidates(const struct work *w, unsigned vreg)
{
    unsigned n = 0;
    while (w->candidates[vreg][n]) {
        n++;
    }
    return n;
}

/* How much each leaf is wanted: registers that only few can be are left to those. */
static void demand(const struct work *w, unsigned *wanted)
{
    memset(wanted, 0, ISA_REG_COUNT * sizeof *wanted);
    for (unsigned v = 0; v < w->func->n_vregs; v++) {
        unsigned n = n_candidates(w, v);
        for (unsigned i = 0; i < n && v < w->func->hidden; i++) {
            uint32_t leaves[ISA_PARTS_MAX];
            unsigned parts = deps_leaves(w->candidates[v][i], leaves);
            for (unsigned p = 0; p < parts; p++) {
                wanted[leaves[p]] += 1000 / n;
            }
        }
    }
}

/* Loops need a counter, a start address or a temporary in the region before them. */
static void place_hidden(struct work *w)
{
    const struct lin_func *f = w->func;
    for (unsigned r = 1; r < f->n_regions; r++) {
        const struct lin_region *region = &f->regions[r];
        bool need[LIN_HIDDEN] = {
            [LIN_HIDDEN_COUNT] = region->kind == LIN_LOOP && (region->soft || w->plain),
            [LIN_HIDDEN_START] = region->kind == LIN_LOOP && region->soft && !w->plain,
            [LIN_HIDDEN_TEMP] = region->kind == LIN_LOOP && region->trips_reg && !w->plain,
        };
        for (unsigned h = 0; h < LIN_HIDDEN; h++) {
            if (need[h]) {
                w->present[r][f->hidden + h] = w->present[r - 1][f->hidden + h] = true;
                w->global[f->hidden + h] = true;
            }
        }
    }
}

static int assign_global(struct work *w, unsigned v, const unsigned *wanted)
{
    int best = ISA_REG_NONE;
    unsigned least = 0;
    for (const int *c = w->candidates[v]; *c; c++) {
        uint32_t leaves[ISA_PARTS_MAX];
        unsigned n = deps_leaves(*c, leaves), sum = 0;
        for (unsigned i = 0; i < n; i++) {
            sum += wanted[leaves[i]];
        }
        if ((!best || sum < least) && free_everywhere(w, v, *c)) {
            best = *c;
            least = sum;
        }
    }
    if (!best) {
        return work_error(w, w->func->vregs[v].line,
                          "no register of kind %s is left for %%%s, which lives across regions",
                          vreg_kind_name(w->func->vregs[v].kind), w->func->vregs[v].name);
    }
    w->phys[v] = best;
    occupy(w, v);
    return SOTTO_OK;
}

int assign_globals(struct work *w)
{
    unsigned wanted[ISA_REG_COUNT];
    place_hidden(w);
    demand(w, wanted);
    for (unsigned v = 0; v < w->func->n_vregs; v++) {
        if (w->phys[v]) {
            occupy(w, v);
        }
    }
    // Those with the fewest choices first.
    int err = SOTTO_OK;
    for (unsigned choices = 0; choices < 40 && !err; choices++) {
        for (unsigned v = 0; v < w->func->n_vregs && !err; v++) {
            if (w->global[v] && !w->phys[v] && n_candidates(w, v) == choices) {
                err = assign_global(w, v, wanted);
            }
        }
    }
    return err;
}

/* ---- an op with its registers ---- */

void assign_op(const struct work *w, const struct webs *webs, const struct deps_op *d, unsigned i,
               const struct lin_op *op, int iteration, struct lin_op *out)
{
    *out = *op;
    const struct isa_insn *insn = isa_insn(op->alts[0].insn);
    for (unsigned k = 0; insn->operands[k].kind; k++) {
        int value = op->alts[0].value[k];
        if (insn->operands[k].kind != ISA_KIND_REG || value < ISA_REG_COUNT) {
            continue;
        }
        unsigned v = vreg_id(value);
        int reg = w->phys[v];
        for (unsigned a = 0; !reg && a < d->n; a++) {
            int web = webs->of[i * DEPS_ACCESS_MAX + a];
            if (d->access[a].operand == k && web >= 0) {
                const struct web *x = &webs->webs[web];
                reg = x->phys[(unsigned)iteration % (x->copies ? x->copies : 1)];
            }
        }
        for (unsigned alt = 0; alt < op->n_alts; alt++) {
            out->alts[alt].value[k] = vreg_part(w->func->vregs[v].kind, reg, vreg_sub(value));
        }
    }
}

/* ---- straight code ---- */

static bool intersect(const struct web *a, const struct web *b)
{
    const struct web *first = a->first <= b->first ? a : b, *second = first == a ? b : a;
    return second->first < first->last || second->first == first->first ||
           second->first <= first->last_write;
}

static bool share_leaf(int a, int b)
{
    uint32_t x[ISA_PARTS_MAX], y[ISA_PARTS_MAX];
    unsigned n = deps_leaves(a, x), m = deps_leaves(b, y);
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < m; k++) {
            if (x[i] == y[k]) {
                return true;
            }
        }
    }
    return false;
}

static bool any_leaf(const bool *set, int reg)
{
    uint32_t leaves[ISA_PARTS_MAX];
    unsigned n = deps_leaves(reg, leaves);
    for (unsigned i = 0; i < n; i++) {
        if (set[leaves[i]]) {
            return true;
        }
    }
    return false;
}

/* The register idle for longest: reuse makes false dependences. */
static int pick_straight(const struct work *w, unsigned region, const struct webs *webs,
                         const unsigned *done, unsigned n_done, unsigned web, const bool *avoid)
{
    int best = ISA_REG_NONE, oldest = 0;
    for (const int *c = w->candidates[webs->webs[web].vreg]; *c; c++) {
        int used = -1;
        bool free = !any_leaf(w->busy[region], *c);
        for (unsigned i = 0; free && i < n_done; i++) {
            const struct web *other = &webs->webs[done[i]];
            if (share_leaf(other->phys[0], *c)) {
                free = !intersect(other, &webs->webs[web]);
                used = other->last > used ? other->last : used;
            }
        }
        used += avoid && any_leaf(avoid, *c) ? 100000 : 0;
        if (free && (!best || used < oldest)) {
            best = *c;
            oldest = used;
        }
    }
    return best;
}

int assign_straight(struct work *w, unsigned region, const struct lin_op *ops, unsigned n,
                    const bool *avoid, struct lin_op *out)
{
    struct webs webs;
    struct deps_op *d = arena_alloc(w->arena, n + 1, sizeof *d);
    if (!d) {
        return work_no_memory(w);
    }
    for (unsigned i = 0; i < n; i++) {
        deps_describe(&d[i], &ops[i].alts[0], &w->regs, &w->func->flags);
    }
    int err = webs_build(w, ops, n, &webs, d);
    unsigned *done = arena_alloc(w->arena, webs.n + 1, sizeof *done);
    if (err || !done) {
        return err ? err : work_no_memory(w);
    }
    unsigned n_done = 0;
    for (int at = 0; at < (int)n; at++) {
        for (unsigned i = 0; i < webs.n; i++) {
            if (webs.webs[i].first != at) {
                continue;
            }
            int reg = pick_straight(w, region, &webs, done, n_done, i, avoid);
            if (!reg) {
                return work_error(w, ops[at].line, "no register of kind %s is left for %%%s",
                                  vreg_kind_name(w->func->vregs[webs.webs[i].vreg].kind),
                                  w->func->vregs[webs.webs[i].vreg].name);
            }
            webs.webs[i].phys[0] = reg;
            webs.webs[i].copies = 1;
            done[n_done++] = i;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        assign_op(w, &webs, &d[i], i, &ops[i], 0, &out[i]);
    }
    return SOTTO_OK;
}

/* ---- pipelined loops ---- */

struct span {
    int start, end; // first cycle taken, last one; start > end: nothing
};

static void web_spans(const struct modulo *m, struct span (*spans)[IMPL_PARTS])
{
    for (unsigned i = 0; i < m->webs.n; i++) {
        for (unsigned p = 0; p < IMPL_PARTS; p++) {
            spans[i][p] = (struct span){1 << 20, -(1 << 20)};
        }
    }
    for (unsigned i = 0; i < m->n; i++) {
        for (unsigned a = 0; a < m->d[i].n; a++) {
            const struct deps_access *access = &m->d[i].access[a];
            int web = m->webs.of[i * DEPS_ACCESS_MAX + a];
            if (web < 0) {
                continue;
            }
            struct span *s = &spans[web][access->leaf % IMPL_PARTS];
            int from = m->time[i] + access->stage - (access->bypass || access->loose);
            int to = m->time[i] + access->stage - !access->write;
            s->start = access->write && from < s->start ? from : s->start;
            s->end = to > s->end ? to : s->end;
        }
    }
}

/* Copies of a web's register: the fewest that divide the kernel and outlast its values; 0: too few. */
static unsigned web_copies(const struct modulo *m, const struct span *spans)
{
    int longest = 0;
    for (unsigned p = 0; p < IMPL_PARTS; p++) {
        int length = spans[p].end - spans[p].start + 1;
        longest = length > longest ? length : longest;
    }
    for (unsigned copies = 1; copies <= m->unroll; copies++) {
        if (m->unroll % copies == 0 && longest <= (int)(copies * m->ii)) {
            return copies;
        }
    }
    return 0;
}

unsigned assign_loop_copies(struct work *w, const struct modulo *m)
{
    struct span(*spans)[IMPL_PARTS] = arena_alloc(w->arena, m->webs.n + 1, sizeof *spans);
    unsigned most = 1;
    if (!spans) {
        return 1;
    }
    web_spans(m, spans);
    for (unsigned i = 0; i < m->webs.n; i++) {
        for (unsigned p = 0; p < IMPL_PARTS; p++) {
            int length = spans[i][p].end - spans[i][p].start + 1;
            unsigned copies = length > 0 ? ((unsigned)length + m->ii - 1) / m->ii : 1;
            most = copies > most ? copies : most;
        }
    }
    return most;
}

/* The kernel as a circle: which leaf is taken in which cycle. */
struct circle {
    uint8_t *taken; // leaf * length + cycle
    int length;
};

static uint8_t *place(const struct circle *c, uint32_t leaf, int cycle)
{
    int at = cycle % c->length;
    return &c->taken[leaf * (uint32_t)c->length + (uint32_t)(at < 0 ? at + c->length : at)];
}

/* One of a web's registers holds values every `period` cycles. */
static bool circle_free(const struct circle *c, uint32_t leaf, struct span s, int period)
{
    for (int start = 0; start < c->length; start += period) {
        for (int i = s.start; i <= s.end; i++) {
            if (*place(c, leaf, start + i)) {
                return false;
            }
        }
    }
    return true;
}

static void circle_set(const struct circle *c, uint32_t leaf, struct span s, int period,
                       uint8_t value)
{
    for (int start = 0; start < c->length; start += period) {
        for (int i = s.start; i <= s.end; i++) {
            *place(c, leaf, start + i) = value;
        }
    }
}

/* Idle cycles before the span: small is a good fit. */
static int circle_gap(const struct circle *c, uint32_t leaf, struct span s)
{
    int gap = 0;
    while (s.start <= s.end && gap < c->length && !*place(c, leaf, s.start - 1 - gap)) {
        gap++;
    }
    return gap;
}

static struct span shifted(struct span s, int by)
{
    return (struct span){s.start + by, s.end + by};
}

/* Finds registers for one web; all its copies or none. */
static bool assign_web(struct work *w, struct modulo *m, const struct circle *c, struct web *web,
                       const struct span *spans, bool first_fit)
{
    unsigned parts = vreg_kind_leaves(w->func->vregs[web->vreg].kind);
    unsigned copies = web_copies(m, spans);
    int period = (int)(copies * m->ii);
    web->copies = 0;
    for (unsigned k = 0; k < copies; k++) {
        int best = ISA_REG_NONE, best_gap = 0;
        for (const int *reg = w->candidates[web->vreg]; *reg; reg++) {
            uint32_t leaves[ISA_PARTS_MAX];
            bool free = !any_leaf(w->busy[m->region], *reg);
            int gap = 0;
            deps_leaves(*reg, leaves);
            for (unsigned p = 0; p < parts && free; p++) {
                struct span s = shifted(spans[p], (int)(k * m->ii));
                free = circle_free(c, leaves[p], s, period);
                gap += circle_gap(c, leaves[p], s);
            }
            if (free && (!best || gap < best_gap)) {
                best = *reg;
                best_gap = gap;
            }
            if (best && first_fit) {
                break;
            }
        }
        if (!best) {
            copies = 0;
            break;
        }
        uint32_t leaves[ISA_PARTS_MAX];
        deps_leaves(best, leaves);
        for (unsigned p = 0; p < parts; p++) {
            circle_set(c, leaves[p], shifted(spans[p], (int)(k * m->ii)), period, 1);
        }
        web->phys[k] = best;
        web->copies = k + 1;
    }
    return copies > 0;
}

struct rank {
    unsigned web;
    unsigned parts, choices;
    int length, start;
};

/* Large registers with few choices first, then long lives. */
static int by_size(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->parts != y->parts) {
        return x->parts > y->parts ? -1 : 1;
    }
    if (x->choices != y->choices) {
        return x->choices < y->choices ? -1 : 1;
    }
    if (x->length != y->length) {
        return x->length > y->length ? -1 : 1;
    }
    return x->web < y->web ? -1 : 1;
}

static int by_start(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    return by_size(a, b);
}

static void rank_webs(struct work *w, struct modulo *m, const struct span (*spans)[IMPL_PARTS],
                      struct rank *ranks)
{
    for (unsigned i = 0; i < m->webs.n; i++) {
        struct rank *r = &ranks[i];
        *r = (struct rank){.web = i, .start = 1 << 20};
        r->parts = vreg_kind_leaves(w->func->vregs[m->webs.webs[i].vreg].kind);
        r->choices = n_candidates(w, m->webs.webs[i].vreg);
        for (unsigned p = 0; p < r->parts; p++) {
            int length = spans[i][p].end - spans[i][p].start + 1;
            r->length = length > r->length ? length : r->length;
            r->start = spans[i][p].start < r->start ? spans[i][p].start : r->start;
        }
    }
}

/* A web that found nothing goes to the front, and all start again. */
bool assign_loop(struct work *w, struct modulo *m, unsigned tries, unsigned *missing)
{
    unsigned n = m->webs.n;
    struct circle c = {.length = (int)(m->ii * m->unroll)};
    struct span(*spans)[IMPL_PARTS] = arena_alloc(w->arena, n + 1, sizeof *spans);
    struct rank *ranks = arena_alloc(w->arena, n + 1, sizeof *ranks);
    size_t bytes = (size_t)ISA_REG_COUNT * (size_t)c.length;
    c.taken = arena_alloc(w->arena, bytes, 1);
    if (w->arena->failed) {
        return false;
    }
    web_spans(m, spans);
    rank_webs(w, m, (const struct span(*)[IMPL_PARTS])spans, ranks);
    for (unsigned t = 0; t < tries; t++) {
        if (t == 0 || t == tries / 2) {
            qsort(ranks, n, sizeof *ranks, t ? by_start : by_size);
        }
        memset(c.taken, 0, bytes);
        unsigned i = 0;
        while (i < n &&
               assign_web(w, m, &c, &m->webs.webs[ranks[i].web], spans[ranks[i].web], t % 4 == 3)) {
            i++;
        }
        if (i == n) {
            return true;
        }
        if (missing) {
            *missing = m->webs.webs[ranks[i].web].vreg;
        }
        struct rank failed = ranks[i];
        memmove(ranks + 1, ranks, i * sizeof *ranks);
        ranks[0] = failed;
    }
    return false;
}
