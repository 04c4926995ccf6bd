/*
 * Unscheduled code: one operation per bundle in program order, and after each so many nops that nothing is
 * in flight any more. Loops are branches. Nothing but registers is shared with the scheduler, so that equal
 * results say something. See impl.h.
 */
#include "npu/sched/impl.h"

enum { STORE_WAIT = 11 }; // the longest distance from a store to a lock release

struct plain {
    struct work *w;
    struct code *code;
};

static int nops(struct plain *p, int n)
{
    for (int i = 0; i < n; i++) {
        if (!code_add(p->code, p->w->arena)) {
            return work_no_memory(p->w);
        }
    }
    return SOTTO_OK;
}

static int put_op(struct plain *p, const struct lin_op *op)
{
    struct deps_op d;
    struct code_bundle *b = code_add(p->code, p->w->arena);
    if (!b) {
        return work_no_memory(p->w);
    }
    code_put(b, &op->alts[op->n_alts - 1], lower_ref(p->w, op), op->line);
    deps_describe(&d, &op->alts[op->n_alts - 1], NULL, &p->w->func->flags);
    int wait = d.done - 1;
    if (d.memory == ISA_MEMORY_STORE && wait < STORE_WAIT) {
        wait = STORE_WAIT;
    }
    if (d.kind == DEPS_BRANCH && wait < DEPS_DELAY_SLOTS) {
        wait = DEPS_DELAY_SLOTS;
    }
    return nops(p, wait);
}

static int put_label(struct plain *p, const char *name)
{
    int err = code_measure(p->code) ? SOTTO_ENOMEM : SOTTO_OK;
    err = err ? err : code_align(p->code, p->w->arena, p->code->n_bundles);
    err = err || !name ? SOTTO_ENOMEM : code_add_label(p->code, p->w->arena, name, false);
    return err ? work_no_memory(p->w) : SOTTO_OK;
}

static struct lin_op own_op(const struct lin_region *region, struct isa_op op)
{
    return (struct lin_op){.alts = {op}, .n_alts = 1, .label = -1, .line = region->line};
}

static int body(struct plain *p, unsigned r)
{
    const struct lin_region *region = &p->w->func->regions[r];
    struct lin_op *ops = arena_alloc(p->w->arena, region->count + 1, sizeof *ops);
    int err =
        ops ? assign_straight(p->w, r, p->w->func->ops + region->first, region->count, NULL, ops)
            : work_no_memory(p->w);
    for (unsigned i = 0; i < region->count && !err; i++) {
        err = put_op(p, &ops[i]);
    }
    return err;
}

static int loop(struct plain *p, unsigned r)
{
    const struct lin_func *f = p->w->func;
    const struct lin_region *region = &f->regions[r];
    int count = p->w->phys[f->hidden + LIN_HIDDEN_COUNT];
    const char *top = lower_label(p->w, NULL, (int)r * 2);
    struct lin_op op;
    if (region->trips_reg) {
        int from = region->trips_reg < ISA_REG_COUNT ? region->trips_reg
                                                     : p->w->phys[vreg_id(region->trips_reg)];
        op = own_op(region, (struct isa_op){ISA_INSN_ADD_NC, {count, from, 0}});
    } else {
        op =
            own_op(region, (struct isa_op){ISA_INSN_MOVXM_lng_cg, {count, (int32_t)region->trips}});
    }
    int err = put_op(p, &op);
    err = err ? err : put_label(p, top);
    err = err ? err : body(p, r);
    op = own_op(region, (struct isa_op){ISA_INSN_ADD_NC, {count, count, -1}});
    err = err ? err : put_op(p, &op);
    op = own_op(region, (struct isa_op){ISA_INSN_JNZ, {count, 0}});
    op.symbol = top;
    return err ? err : put_op(p, &op);
}

int plain_function(struct work *w, struct sched_func *out)
{
    struct plain p = {w, &out->code};
    const struct lin_func *f = w->func;
    int err = SOTTO_OK;
    for (unsigned r = 0; r < f->n_regions && !err; r++) {
        const struct lin_region *region = &f->regions[r];
        if (region->label >= 0) {
            err = put_label(&p, lower_label(w, f->labels[region->label].name, 0));
        }
        err = err ? err : region->kind == LIN_LOOP ? loop(&p, r) : body(&p, r);
    }
    if (!err && code_measure(&out->code)) {
        err = work_error(w, f->line, "no format for a bundle");
    }
    out->bytes = err ? 0 : code_end(&out->code);
    return err;
}
