/*
 * What is live where: liveness over regions, values that share a register (webs), which registers a
 * virtual one may become. See impl.h.
 */
#include "npu/sched/impl.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int work_error(const struct work *w, int line, const char *fmt, ...)
{
    char text[sizeof w->diag->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return diag_set_at(w->diag, SOTTO_EINVAL, w->file->name, line, 1, "%s", text);
}

int work_no_memory(const struct work *w)
{
    return diag_set(w->diag, SOTTO_ENOMEM, w->file->name, "out of memory");
}

/* ---- accesses of virtual registers ---- */

struct use {
    unsigned vreg, first, count; // parts
    bool read, write;
};

/* The virtual register operand k of the op names, if it names one. */
static bool operand_use(const struct lin_func *f, const struct isa_op *op, unsigned k,
                        struct use *use)
{
    const struct isa_operand *operand = &isa_insn(op->insn)->operands[k];
    bool counts = operand->kind == ISA_KIND_COUNT || operand->kind == ISA_KIND_COUNT3;
    int value = op->value[counts ? k - 1 : k];
    if ((operand->kind != ISA_KIND_REG && !counts) || value < ISA_REG_COUNT) {
        return false;
    }
    use->vreg = vreg_id(value);
    vreg_sub_range(f->vregs[use->vreg].kind, vreg_sub(value), &use->first, &use->count);
    use->read = operand->access & ISA_ACCESS_READ;
    use->write = operand->access & ISA_ACCESS_WRITE;
    if (counts) {
        use->first = 3; // dc; its sibling of a 3D operand is read and written alike
        use->count = 1;
    }
    return true;
}

/* ---- liveness ---- */

static void set_bits(uint64_t *bits, unsigned vreg, unsigned first, unsigned count)
{
    for (unsigned i = vreg * IMPL_PARTS + first; count-- > 0; i++) {
        bits[i / 64] |= 1ull << i % 64;
    }
}

static bool any_bits(const uint64_t *bits, unsigned vreg)
{
    unsigned i = vreg * IMPL_PARTS;
    return bits[i / 64] >> i % 64 & 0xff;
}

/* Successors of a region: the next one, its branch's target, itself. */
static unsigned successors(const struct lin_func *f, unsigned r, unsigned next[3])
{
    const struct lin_region *region = &f->regions[r];
    const struct lin_op *last = region->count ? &f->ops[region->first + region->count - 1] : NULL;
    unsigned n = 0;
    bool falls = true;
    if (region->kind == LIN_LOOP) {
        next[n++] = r;
    } else if (last && deps_is_branch(&last->alts[0])) {
        unsigned id = last->alts[0].insn;
        falls = id != ISA_INSN_RET && id != ISA_INSN_J_jump_imm && id != ISA_INSN_J_jump_ind;
        if (last->label >= 0) {
            next[n++] = f->labels[last->label].region;
        }
    }
    if (falls && r + 1 < f->n_regions) {
        next[n++] = r + 1;
    }
    return n;
}

/* Read before written, and written, per region. */
static void region_sets(struct work *w, unsigned r, uint64_t *use, uint64_t *def)
{
    const struct lin_func *f = w->func;
    const struct lin_region *region = &f->regions[r];
    for (unsigned i = 0; i < region->count; i++) {
        const struct isa_op *op = &f->ops[region->first + i].alts[0];
        struct use u;
        for (int write = 0; write < 2; write++) {
            for (unsigned k = 0; isa_insn(op->insn)->operands[k].kind; k++) {
                if (!operand_use(f, op, k, &u)) {
                    continue;
                }
                w->present[r][u.vreg] = true;
                for (unsigned p = u.first; p < u.first + u.count; p++) {
                    unsigned bit = u.vreg * IMPL_PARTS + p;
                    if (!write && u.read && !(def[bit / 64] >> bit % 64 & 1)) {
                        set_bits(use, u.vreg, p, 1);
                    }
                    if (write && u.write) {
                        set_bits(def, u.vreg, p, 1);
                    }
                }
            }
        }
    }
    if (region->kind == LIN_LOOP && region->trips_reg >= ISA_REG_COUNT) {
        unsigned v = vreg_id(region->trips_reg);
        w->present[r][v] = true;
        set_bits(use, v, 0, 1);
    }
    bool ends = region->kind == LIN_STRAIGHT && region->count &&
                f->ops[region->first + region->count - 1].alts[0].insn == ISA_INSN_RET;
    for (unsigned i = 0; ends && i < f->n_outs; i++) {
        if (f->outs[i] >= ISA_REG_COUNT) {
            unsigned first, count, v = vreg_id(f->outs[i]);
            vreg_sub_range(f->vregs[v].kind, vreg_sub(f->outs[i]), &first, &count);
            set_bits(w->live_out[r], v, first, count);
        }
    }
}

static bool flow_once(struct work *w, uint64_t **use, uint64_t **def, unsigned words)
{
    bool changed = false;
    for (unsigned r = w->func->n_regions; r-- > 0;) {
        unsigned next[3], n = successors(w->func, r, next);
        for (unsigned i = 0; i < words; i++) {
            for (unsigned k = 0; k < n; k++) {
                w->live_out[r][i] |= w->live_in[next[k]][i];
            }
            uint64_t in = use[r][i] | (w->live_out[r][i] & ~def[r][i]);
            changed |= in != w->live_in[r][i];
            w->live_in[r][i] = in;
        }
    }
    return changed;
}

static const struct lin_op *first_reader(const struct lin_func *f, unsigned vreg)
{
    for (unsigned i = 0; i < f->n_ops; i++) {
        struct use u;
        for (unsigned k = 0; isa_insn(f->ops[i].alts[0].insn)->operands[k].kind; k++) {
            if (operand_use(f, &f->ops[i].alts[0], k, &u) && u.vreg == vreg && u.read) {
                return &f->ops[i];
            }
        }
    }
    return NULL;
}

static int check_entry(struct work *w)
{
    const struct lin_func *f = w->func;
    for (unsigned v = 0; v < f->n_vregs && f->n_regions; v++) {
        if (!f->vregs[v].fixed && any_bits(w->live_in[0], v)) {
            const struct lin_op *op = first_reader(f, v);
            return work_error(w, op ? op->line : f->vregs[v].line,
                              "%%%s, or a part of it, may be read before it is written",
                              f->vregs[v].name);
        }
    }
    return SOTTO_OK;
}

static int liveness(struct work *w)
{
    unsigned n = w->func->n_regions, words = w->func->n_vregs * IMPL_PARTS / 64 + 1;
    uint64_t **use = arena_alloc(w->arena, n + 1, sizeof *use);
    uint64_t **def = arena_alloc(w->arena, n + 1, sizeof *def);
    for (unsigned r = 0; r < n && !w->arena->failed; r++) {
        use[r] = arena_alloc(w->arena, words, sizeof **use);
        def[r] = arena_alloc(w->arena, words, sizeof **def);
        w->live_in[r] = arena_alloc(w->arena, words, sizeof **use);
        w->live_out[r] = arena_alloc(w->arena, words, sizeof **use);
        w->present[r] = arena_alloc(w->arena, w->func->n_vregs + 1, sizeof **w->present);
        w->busy[r] = arena_alloc(w->arena, ISA_REG_COUNT, sizeof **w->busy);
    }
    if (w->arena->failed) {
        return work_no_memory(w);
    }
    for (unsigned r = 0; r < n; r++) {
        region_sets(w, r, use[r], def[r]);
    }
    while (flow_once(w, use, def, words)) {
    }
    for (unsigned r = 0; r < n; r++) {
        for (unsigned v = 0; v < w->func->n_vregs; v++) {
            bool live = any_bits(w->live_in[r], v) || any_bits(w->live_out[r], v);
            w->present[r][v] |= live;
            w->global[v] |= live;
        }
    }
    return check_entry(w);
}

/* ---- candidates ---- */

static void mark_named(struct work *w, int reg)
{
    uint32_t leaves[ISA_PARTS_MAX];
    unsigned n = deps_leaves(reg, leaves);
    for (unsigned i = 0; i < n; i++) {
        w->named[leaves[i]] = true;
    }
}

static void find_named(struct work *w)
{
    const struct lin_func *f = w->func;
    memcpy(w->named, f->reserved, sizeof w->named);
    for (unsigned i = 0; i < f->n_ops; i++) {
        const struct isa_op *op = &f->ops[i].alts[0];
        const struct isa_operand *operand = isa_insn(op->insn)->operands;
        for (unsigned k = 0; operand[k].kind; k++) {
            if (operand[k].kind == ISA_KIND_REG && op->value[k] < ISA_REG_COUNT) {
                mark_named(w, op->value[k]);
            } else if (operand[k].kind == ISA_KIND_FIXED) {
                mark_named(w, operand[k].name);
            }
        }
    }
    for (unsigned i = 0; i < f->n_outs; i++) {
        if (f->outs[i] < ISA_REG_COUNT) {
            mark_named(w, f->outs[i]);
        }
    }
    for (unsigned r = 0; r < f->n_regions; r++) {
        if (f->regions[r].trips_reg > 0 && f->regions[r].trips_reg < ISA_REG_COUNT) {
            mark_named(w, f->regions[r].trips_reg);
        }
    }
}

/* Drops candidates that operand k of the op cannot be. */
static void restrict_to(struct work *w, const struct isa_op *op, unsigned k)
{
    const struct isa_operand *operand = &isa_insn(op->insn)->operands[k];
    int value = op->value[k];
    if (operand->kind != ISA_KIND_REG || value < ISA_REG_COUNT) {
        return;
    }
    unsigned v = vreg_id(value), n = 0;
    int *c = w->candidates[v];
    for (unsigned i = 0; c[i]; i++) {
        if (isa_reg_in(operand->name, vreg_part(w->func->vregs[v].kind, c[i], vreg_sub(value)))) {
            c[n++] = c[i];
        }
    }
    c[n] = ISA_REG_NONE;
}

static bool is_named(const struct work *w, int reg)
{
    uint32_t leaves[ISA_PARTS_MAX];
    unsigned n = deps_leaves(reg, leaves);
    for (unsigned i = 0; i < n; i++) {
        if (w->named[leaves[i]]) {
            return true;
        }
    }
    return false;
}

static int find_candidates(struct work *w)
{
    const struct lin_func *f = w->func;
    for (unsigned v = 0; v < f->n_vregs; v++) {
        unsigned n = 0;
        w->phys[v] = f->vregs[v].fixed;
        w->candidates[v] = arena_alloc(w->arena, 40, sizeof **w->candidates);
        if (!w->candidates[v]) {
            return work_no_memory(w);
        }
        for (unsigned i = 0; n < 39 && vreg_nth(f->vregs[v].kind, i); i++) {
            int reg = vreg_nth(f->vregs[v].kind, i);
            if (!is_named(w, reg)) {
                w->candidates[v][n++] = reg;
            }
        }
    }
    for (unsigned i = 0; i < f->n_ops; i++) {
        for (unsigned a = 0; a < f->ops[i].n_alts; a++) {
            const struct isa_op *op = &f->ops[i].alts[a];
            for (unsigned k = 0; isa_insn(op->insn)->operands[k].kind; k++) {
                restrict_to(w, op, k);
            }
        }
    }
    return SOTTO_OK;
}

int work_analyse(struct work *w)
{
    unsigned regions = w->func->n_regions + 1, vregs = w->func->n_vregs + 1;
    w->regs = lin_deps_regs(w->func);
    w->phys = arena_alloc(w->arena, vregs, sizeof *w->phys);
    w->candidates = arena_alloc(w->arena, vregs, sizeof *w->candidates);
    w->global = arena_alloc(w->arena, vregs, sizeof *w->global);
    w->live_in = arena_alloc(w->arena, regions, sizeof *w->live_in);
    w->live_out = arena_alloc(w->arena, regions, sizeof *w->live_out);
    w->present = arena_alloc(w->arena, regions, sizeof *w->present);
    w->busy = arena_alloc(w->arena, regions, sizeof *w->busy);
    if (w->arena->failed) {
        return work_no_memory(w);
    }
    find_named(w);
    int err = find_candidates(w);
    err = err ? err : liveness(w);
    return err ? err : assign_globals(w);
}

/* ---- webs ---- */

struct web_builder {
    struct work *w;
    int *parent;    // of every value, by number: union-find
    unsigned *vreg; // of every value
    int *at;        // op that made it
    unsigned n, cap;
    int *current; // value in each leaf (vreg * IMPL_PARTS + part), -1: none
};

static int root(const struct web_builder *b, int value)
{
    while (b->parent[value] != value) {
        value = b->parent[value] = b->parent[b->parent[value]];
    }
    return value;
}

static int join(struct web_builder *b, int x, int y)
{
    if (x < 0 || y < 0) {
        return x < 0 ? y : x;
    }
    b->parent[root(b, y)] = root(b, x);
    return root(b, x);
}

/* The value all parts read belong to. */
static int read_value(struct web_builder *b, const struct use *u)
{
    int value = -1;
    for (unsigned p = u->first; p < u->first + u->count; p++) {
        value = join(b, value, b->current[u->vreg * IMPL_PARTS + p]);
    }
    return value;
}

/* First the reads, then the writes of one op. */
static void web_op(struct web_builder *b, const struct isa_op *op, int i, int values[2][16])
{
    const struct lin_func *f = b->w->func;
    struct use u;
    for (unsigned k = 0; isa_insn(op->insn)->operands[k].kind; k++) {
        values[0][k] = values[1][k] = -1;
        if (operand_use(f, op, k, &u) && work_is_local(b->w, u.vreg) && u.read) {
            values[0][k] = read_value(b, &u);
        }
    }
    for (unsigned k = 0; isa_insn(op->insn)->operands[k].kind; k++) {
        if (!operand_use(f, op, k, &u) || !work_is_local(b->w, u.vreg) || !u.write) {
            continue;
        }
        unsigned kind = isa_insn(op->insn)->operands[k].kind;
        bool counts = kind == ISA_KIND_COUNT || kind == ISA_KIND_COUNT3;
        int tied = counts ? values[0][k - 1] : values[0][k];
        int value = tied;
        if (value < 0) {
            value = (int)b->n++;
            b->parent[value] = value;
            b->vreg[value] = u.vreg;
            b->at[value] = i;
        }
        values[1][k] = value;
        for (unsigned p = u.first; p < u.first + u.count; p++) {
            b->current[u.vreg * IMPL_PARTS + p] = value;
        }
    }
}

static int web_number(struct webs *webs, int *number, const struct web_builder *b, int value, int i,
                      bool write)
{
    int r = root(b, value);
    if (number[r] < 0) {
        number[r] = (int)webs->n;
        webs->webs[webs->n++] =
            (struct web){.vreg = b->vreg[r], .first = i, .last = i, .last_write = -1};
    }
    struct web *web = &webs->webs[number[r]];
    web->first = i < web->first ? i : web->first;
    web->last = i > web->last ? i : web->last;
    web->last_write = write && i > web->last_write ? i : web->last_write;
    return number[r];
}

/* Accesses of d that belong to operand k get the web's leaves; those of assigned registers core leaves. */
static void name_leaves(struct work *w, struct deps_op *d, int *of, int values[2][16])
{
    for (unsigned a = 0; a < d->n; a++) {
        struct deps_access *access = &d->access[a];
        int web = values[access->write][access->operand];
        of[a] = -1;
        if (access->leaf < ISA_REG_COUNT) {
            continue;
        }
        unsigned vreg = (access->leaf - ISA_REG_COUNT) / IMPL_PARTS;
        unsigned part = (access->leaf - ISA_REG_COUNT) % IMPL_PARTS;
        if (!work_is_local(w, vreg)) {
            uint32_t leaves[ISA_PARTS_MAX];
            deps_leaves(w->phys[vreg], leaves);
            access->leaf = leaves[part];
            access->loose = false;
        } else {
            of[a] = web;
            access->leaf = GRAPH_WEB + (uint32_t)web * IMPL_PARTS + part;
        }
    }
}

int webs_build(struct work *w, const struct lin_op *ops, unsigned n, struct webs *webs,
               struct deps_op *d)
{
    struct web_builder b = {.w = w};
    unsigned most = n * 4 + 1, leaves = w->func->n_vregs * IMPL_PARTS + 1;
    b.parent = arena_alloc(w->arena, most, sizeof *b.parent);
    b.vreg = arena_alloc(w->arena, most, sizeof *b.vreg);
    b.at = arena_alloc(w->arena, most, sizeof *b.at);
    b.current = arena_alloc(w->arena, leaves, sizeof *b.current);
    int *number = arena_alloc(w->arena, most, sizeof *number);
    int(*values)[2][16] = arena_alloc(w->arena, n + 1, sizeof *values);
    webs->n = 0;
    webs->webs = arena_alloc(w->arena, most, sizeof *webs->webs);
    webs->of = arena_alloc(w->arena, (size_t)n * DEPS_ACCESS_MAX + 1, sizeof *webs->of);
    if (w->arena->failed) {
        return work_no_memory(w);
    }
    memset(b.current, -1, leaves * sizeof *b.current);
    memset(number, -1, most * sizeof *number);
    for (unsigned i = 0; i < n; i++) {
        web_op(&b, &ops[i].alts[0], (int)i, values[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < 32; k++) {
            int *v = &values[i][k / 16][k % 16];
            if (k % 16 < ISA_OPERANDS_MAX && *v >= 0 &&
                isa_insn(ops[i].alts[0].insn)->operands[k % 16].kind) {
                *v = web_number(webs, number, &b, *v, (int)i, k >= 16);
            }
        }
        name_leaves(w, &d[i], &webs->of[i * DEPS_ACCESS_MAX], values[i]);
    }
    return SOTTO_OK;
}
