/*
 * Joins the pieces of one function: straight code, what is peeled off pipelined loops before and after
 * their kernels, the kernels themselves, loop set-up, alignment. See impl.h.
 *
 * Periods of a pipelined loop are `ii` cycles long. In period q an op of stage s belongs to iteration
 * q - s. The first `lead` periods are peeled off before the kernel, the last stages - 1 after it.
 */
#include "npu/sched/impl.h"

#include <stdio.h>
#include <string.h>

enum { REFERENCE_GAP = 256, WIDTH_TRIES = 40, ITERATIONS_BACK = 64 };

struct lower {
    struct work *w;
    struct sched_func *out;
    struct list list; // the straight code being collected
    int order, ref;   // next place in program order, next reference cycle
    unsigned first;   // bundle the code being collected starts at
};

struct kernel {
    struct modulo m;
    unsigned lead;            // periods peeled off before
    int64_t passes;           // of the kernel; 0: in a register
    const char *start, *last; // labels
    struct sched_loop *report;
};

const char *lower_label(struct work *w, const char *name, int number)
{
    char text[512];
    int n = name ? snprintf(text, sizeof text, ".L%.200s_%.200s", w->func->name, name)
                 : snprintf(text, sizeof text, ".L%.200s_%d", w->func->name, number);
    return arena_text(w->arena, text, (size_t)n);
}

struct code_ref lower_ref(struct work *w, const struct lin_op *op)
{
    if (op->label >= 0) {
        return (struct code_ref){lower_label(w, w->func->labels[op->label].name, 0), 0};
    }
    return (struct code_ref){op->symbol, op->addend};
}

static unsigned stage_of(const struct modulo *m, unsigned i)
{
    return (unsigned)m->time[i] / m->ii;
}

/* ---- ops of the list ---- */

/* Sequential code: far behind all before it. */
static struct list_op *append(struct lower *l, const struct lin_op *op)
{
    struct list_op *x = list_add(l->w, &l->list, op);
    if (x) {
        x->order = l->order++;
        x->ref = l->ref;
        l->ref += GRAPH_SEQUENTIAL;
    }
    return x;
}

/* Op i of a loop in iteration `iteration`, at a cycle of the pipelined code. */
static struct list_op *append_loop(struct lower *l, const struct kernel *k, unsigned i,
                                   int iteration, int flat, int copy)
{
    struct lin_op op;
    assign_op(l->w, &k->m.webs, &k->m.d[i], i, &k->m.ops[i], copy, &op);
    struct list_op *x = list_add(l->w, &l->list, &op);
    if (x) {
        x->loop = (int)k->m.region;
        x->iter = iteration;
        x->order = l->order + (iteration + ITERATIONS_BACK) * (int)k->m.n + (int)i;
        x->ref = l->ref + flat;
    }
    return x;
}

static struct lin_op jump_back(const struct lower *l, const struct kernel *k)
{
    const struct lin_func *f = l->w->func;
    int count = l->w->phys[f->hidden + LIN_HIDDEN_COUNT];
    int to = l->w->phys[f->hidden + LIN_HIDDEN_START];
    return (struct lin_op){.alts = {{.insn = ISA_INSN_JNZD, .value = {count, count, to}}},
                           .n_alts = 1,
                           .label = -1,
                           .line = f->regions[k->m.region].line};
}

/* ---- around a kernel ---- */

/* What the kernel's last pass left in flight, then the last iterations' rest. Iterations count from -1,
 * the last one, downwards. */
static int add_epilogue(struct lower *l, const struct kernel *k)
{
    const struct modulo *m = &k->m;
    int ii = (int)m->ii, unroll = (int)m->unroll;
    int before = (DEPS_SPAN + ii - 1) / ii;
    // Register copies: the number of iterations is lead (mod unroll).
    int base = (int)k->lead + unroll * 64;
    l->ref += REFERENCE_GAP;
    for (int period = -before; period < (int)m->stages - 1; period++) {
        for (unsigned i = 0; i < m->n; i++) {
            int iteration = period - (int)stage_of(m, i);
            int flat = iteration * ii + m->time[i];
            if (iteration > -1 || (period < 0 && flat < -DEPS_SPAN)) {
                continue;
            }
            struct list_op *x = append_loop(l, k, i, iteration, flat, base + iteration);
            if (!x) {
                return work_no_memory(l->w);
            }
            x->pin = LIST_PIN_START;
            x->pin_cycle = flat;
            x->pin_form = m->form[i];
            if (period < 0) {
                x->fixed = LIST_BEFORE;
                x->form = m->form[i];
                x->cycle = flat;
            }
        }
    }
    if (l->w->func->regions[m->region].soft) {
        struct lin_op op = jump_back(l, k);
        struct list_op *x = list_add(l->w, &l->list, &op);
        if (!x) {
            return work_no_memory(l->w);
        }
        x->fixed = LIST_BEFORE;
        x->cycle = -1 - DEPS_DELAY_SLOTS;
        x->ref = l->ref + x->cycle;
        x->order = l->order;
    }
    l->ref += (int)m->stages * ii + REFERENCE_GAP;
    l->order += (ITERATIONS_BACK + 1) * (int)m->n;
    return SOTTO_OK;
}

/* The first iterations' start, then what the kernel's first pass does with it. Iterations from 0. */
static int add_prologue(struct lower *l, const struct kernel *k)
{
    const struct modulo *m = &k->m;
    int ii = (int)m->ii, lead = (int)k->lead;
    int after = (DEPS_SPAN + ii - 1) / ii;
    l->ref += REFERENCE_GAP + lead * ii;
    for (int period = 0; period < lead + after; period++) {
        for (unsigned i = 0; i < m->n; i++) {
            int iteration = period - (int)stage_of(m, i);
            int flat = (iteration - lead) * ii + m->time[i];
            if (iteration < 0 || flat >= DEPS_SPAN) {
                continue;
            }
            struct list_op *x = append_loop(l, k, i, iteration, flat, iteration);
            if (!x) {
                return work_no_memory(l->w);
            }
            x->pin = LIST_PIN_END;
            x->pin_cycle = flat;
            x->pin_form = m->form[i];
            if (period >= lead) {
                x->fixed = LIST_AFTER;
                x->form = m->form[i];
                x->cycle = flat;
            }
        }
    }
    int jump = (int)(m->unroll * m->ii) - 1 - DEPS_DELAY_SLOTS;
    if (l->w->func->regions[m->region].soft && jump < DEPS_SPAN) {
        struct lin_op op = jump_back(l, k);
        struct list_op *x = list_add(l->w, &l->list, &op);
        if (!x) {
            return work_no_memory(l->w);
        }
        x->fixed = LIST_AFTER;
        x->cycle = jump;
        x->ref = l->ref + x->cycle;
        x->order = l->order;
    }
    l->ref += REFERENCE_GAP;
    l->order += (ITERATIONS_BACK + lead + after + 1) * (int)m->n;
    return SOTTO_OK;
}

/* ---- loop set-up ---- */

static struct lin_op set_up_op(const struct lower *l, const struct kernel *k)
{
    return (struct lin_op){.label = -1, .n_alts = 1, .line = l->w->func->regions[k->m.region].line};
}

/* dst = number, in whatever slot is free. */
static struct lin_op load_number(const struct lower *l, const struct kernel *k, int dst,
                                 int64_t number)
{
    struct lin_op op = set_up_op(l, k);
    struct isa_op wide = {.insn = ISA_INSN_MOVXM_lng_cg, .value = {dst, (int32_t)number}};
    op.n_alts = 0;
    if (number >= -1024 && number < 1024) {
        op.alts[op.n_alts++] = (struct isa_op){ISA_INSN_MOVA_lda_cg, {dst, (int32_t)number}};
        if (isa_reg_in(ISA_CLASS_mAluCg, dst)) {
            op.alts[op.n_alts++] = (struct isa_op){ISA_INSN_MOVX_alu_cg, {dst, (int32_t)number}};
        }
    }
    op.alts[op.n_alts++] = wide;
    return op;
}

static int put(struct lower *l, const struct lin_op *op, int gap)
{
    struct list_op *x = append(l, op);
    if (!x) {
        return work_no_memory(l->w);
    }
    x->gap = gap;
    return SOTTO_OK;
}

static int trips_register(const struct lower *l, const struct lin_region *r)
{
    return r->trips_reg < ISA_REG_COUNT ? r->trips_reg : l->w->phys[vreg_id(r->trips_reg)];
}

/* dst = passes of the kernel + `more`: the trip count, less what is peeled, over the copies. */
static int put_count(struct lower *l, const struct kernel *k, int dst, int more, int gap)
{
    const struct lin_region *r = &l->w->func->regions[k->m.region];
    if (k->passes) {
        struct lin_op op = load_number(l, k, dst, k->passes + more);
        return put(l, &op, gap);
    }
    int count = trips_register(l, r), err = SOTTO_OK;
    int temp = l->w->phys[l->w->func->hidden + LIN_HIDDEN_TEMP];
    int less = (int)(k->lead / k->m.unroll), shift = 0;
    while (1u << shift < k->m.unroll) {
        shift++;
    }
    if (shift) {
        struct lin_op op = load_number(l, k, temp, -shift);
        err = put(l, &op, 1);
        op = set_up_op(l, k);
        op.alts[0] = (struct isa_op){ISA_INSN_LSHL, {temp, count, temp}};
        err = err ? err : put(l, &op, 1);
        count = temp;
    }
    struct lin_op op = set_up_op(l, k);
    op.alts[0] = (struct isa_op){ISA_INSN_ADD_NC, {dst, count, more - less}};
    if (more - less < -32) {
        return work_error(l->w, r->line, "the loop overlaps too many iterations");
    }
    return err ? err : put(l, &op, gap);
}

static int put_address(struct lower *l, const struct kernel *k, int dst, const char *label, int gap)
{
    struct lin_op op = set_up_op(l, k);
    op.alts[0] = (struct isa_op){ISA_INSN_MOVXM_lng_cg, {dst, 0}};
    op.symbol = label;
    return put(l, &op, gap);
}

static int add_set_up(struct lower *l, const struct kernel *k)
{
    const struct lin_func *f = l->w->func;
    int kernel = (int)(k->m.unroll * k->m.ii);
    if (f->regions[k->m.region].soft) {
        int err = put_address(l, k, l->w->phys[f->hidden + LIN_HIDDEN_START], k->start, 1);
        return err ? err : put_count(l, k, l->w->phys[f->hidden + LIN_HIDDEN_COUNT], -1, 1);
    }
    // Far enough for both distances once the bundles between are wide.
    int gap = DEPS_LOOP_HEAD_BYTES / ISA_BUNDLE_MAX + 2;
    int far = DEPS_LOOP_BUNDLES + 3 - kernel;
    gap = far > gap ? far : gap;
    int err = put_address(l, k, ISA_REG_ls, k->start, gap);
    err = err ? err : put_address(l, k, ISA_REG_le, k->last, gap);
    int le = (int)l->list.n;
    err = err ? err : put_count(l, k, ISA_REG_lc, 0, gap);
    if (!err) {
        // With lc set, a bundle at the address an old le still holds would jump.
        l->list.ops[l->list.n - 1].after = le;
    }
    return err;
}

/* ---- bundles ---- */

static int emit_list(struct lower *l)
{
    struct code *code = &l->out->code;
    l->first = code->n_bundles;
    for (int c = 0; c < l->list.end; c++) {
        if (!code_add(code, l->w->arena)) {
            return work_no_memory(l->w);
        }
    }
    for (unsigned i = 0; i < l->list.n; i++) {
        const struct list_op *x = &l->list.ops[i];
        if (x->fixed == LIST_FREE) {
            code_put(&code->bundles[l->first + (unsigned)x->cycle], &x->op.alts[x->form],
                     lower_ref(l->w, &x->op), x->op.line);
        }
    }
    return code_measure(code) ? work_error(l->w, l->w->func->line, "no format for a bundle")
                              : SOTTO_OK;
}

static void forget(struct lower *l)
{
    l->list = (struct list){.branch = -1, .cap = 0};
    l->order = l->ref = 0;
}

/* Makes the end of the list's bundles come at a multiple of 16 bytes, at least `least` bytes after
 * bundle `from`. */
static bool align_end(struct lower *l, unsigned from, uint32_t least)
{
    struct code *code = &l->out->code;
    uint32_t end = code_end(code);
    uint32_t start = from < code->n_bundles ? code->bundles[from].address : end;
    uint32_t more = end - start < least ? least - (end - start) : 0;
    more += (16 - (end + more) % 16) % 16;
    return code_widen(code, from, code->n_bundles, more);
}

/* Schedules and emits what was collected; `from`: first bundle that may grow, counted from the end. */
static int flush(struct lower *l, bool align, uint32_t head_bytes)
{
    for (int tries = 0; tries < WIDTH_TRIES; tries++) {
        unsigned before = l->out->code.n_bundles;
        int err = list_schedule(l->w, &l->list);
        err = err ? err : emit_list(l);
        if (err) {
            return err;
        }
        // The loop's set-up: the last bundle that writes ls, le or lc.
        unsigned from = before;
        for (unsigned i = 0; i < l->list.n && head_bytes; i++) {
            const struct list_op *x = &l->list.ops[i];
            unsigned at = before + (unsigned)x->cycle + 1;
            if (x->fixed == LIST_FREE && x->gap > 1 && at > from) {
                from = at;
            }
        }
        if (!align || align_end(l, from, head_bytes)) {
            forget(l);
            return SOTTO_OK;
        }
        l->out->code.n_bundles = before;
        l->list.end++;
    }
    return work_error(l->w, l->w->func->line, "the code before a loop cannot be aligned");
}

/* ---- kernels ---- */

static int build_kernel(struct lower *l, const struct kernel *k, struct code *code)
{
    const struct modulo *m = &k->m;
    unsigned length = m->ii * m->unroll;
    for (unsigned c = 0; c < length; c++) {
        if (!code_add(code, l->w->arena)) {
            return work_no_memory(l->w);
        }
    }
    for (unsigned i = 0; i < m->n; i++) {
        for (unsigned copy = 0; copy < m->unroll; copy++) {
            struct lin_op op;
            int iteration = (int)(k->lead + copy) - (int)stage_of(m, i);
            assign_op(l->w, &m->webs, &m->d[i], i, &m->ops[i], iteration + (int)m->unroll * 64,
                      &op);
            code_put(&code->bundles[copy * m->ii + (unsigned)m->time[i] % m->ii],
                     &op.alts[m->form[i]], lower_ref(l->w, &op), op.line);
        }
    }
    if (l->w->func->regions[m->region].soft) {
        struct lin_op jump = jump_back(l, k);
        code_put(&code->bundles[length - 1 - DEPS_DELAY_SLOTS], &jump.alts[0], (struct code_ref){0},
                 jump.line);
    }
    return code_measure(code) ? work_error(l->w, m->ops[0].line, "no format for a bundle")
                              : SOTTO_OK;
}

/* The last bundle of a hardware loop is 16 bytes wide and stands at a multiple of 16; as far as the kernel
 * is long enough, the distance from set-up to there is reached with 64 bytes before the kernel. */
static bool align_kernel(struct code *code)
{
    unsigned last = code->n_bundles - 1;
    uint32_t want = DEPS_LOOP_BYTES - DEPS_LOOP_HEAD_BYTES, most = last * ISA_BUNDLE_MAX;
    want = want < most ? want : most;
    if (!code_widen(code, last, last + 1, ISA_BUNDLE_MAX - code->bundles[last].bundle.size)) {
        return false;
    }
    uint32_t now = code->bundles[last].address;
    want = want < now ? now : want;
    for (want = (want + 15) / 16 * 16; want <= most; want += 16) {
        if (code_widen(code, 0, last, want - now)) {
            return true;
        }
    }
    return false;
}

static int append_kernel(struct lower *l, struct kernel *k, const struct code *kernel)
{
    struct code *code = &l->out->code;
    bool soft = l->w->func->regions[k->m.region].soft;
    k->report->kernel = code->n_bundles;
    k->report->bundles = kernel->n_bundles;
    int err = code_add_label(code, l->w->arena, k->start, false);
    for (unsigned c = 0; !err && c < kernel->n_bundles; c++) {
        if (c == kernel->n_bundles - 1 && !soft) {
            err = code_add_label(code, l->w->arena, k->last, false);
        }
        struct code_bundle *b = err ? NULL : code_add(code, l->w->arena);
        err = b ? SOTTO_OK : SOTTO_ENOMEM;
        if (b) {
            *b = kernel->bundles[c];
        }
    }
    return err || code_measure(code) ? work_no_memory(l->w) : SOTTO_OK;
}

static void count_live(struct work *w, const struct kernel *k)
{
    const struct modulo *m = &k->m;
    static const uint8_t group_of[VREG_KINDS] = {
        [VREG_R] = 0,  [VREG_L] = 0, [VREG_P] = 1,  [VREG_M] = 1,  [VREG_DN] = 1, [VREG_DJ] = 1,
        [VREG_DC] = 1, [VREG_S] = 1, [VREG_D] = 1,  [VREG_D3] = 1, [VREG_W] = 2,  [VREG_X] = 2,
        [VREG_Y] = 2,  [VREG_Q] = 2, [VREG_AM] = 3, [VREG_BM] = 3, [VREG_CM] = 3};
    bool seen[ISA_REG_COUNT] = {false};
    for (unsigned pass = 0; pass < 2; pass++) {
        unsigned n = pass ? w->func->n_vregs : m->webs.n;
        for (unsigned i = 0; i < n; i++) {
            unsigned v = pass ? i : m->webs.webs[i].vreg;
            unsigned copies =
                pass ? w->phys[v] && w->present[m->region][v] : m->webs.webs[i].copies;
            for (unsigned c = 0; c < copies; c++) {
                uint32_t leaves[ISA_PARTS_MAX];
                unsigned parts = deps_leaves(pass ? w->phys[v] : m->webs.webs[i].phys[c], leaves);
                for (unsigned p = 0; p < parts; p++) {
                    k->report->live[group_of[w->func->vregs[v].kind]] += !seen[leaves[p]];
                    seen[leaves[p]] = true;
                }
            }
        }
    }
}

static void fill_report(struct work *w, struct kernel *k)
{
    struct sched_loop *r = k->report;
    const struct modulo *m = &k->m;
    r->line = w->func->regions[m->region].line;
    r->pipelined = m->stages > 1;
    r->hardware = !w->func->regions[m->region].soft;
    r->ii = m->ii;
    r->res_mii = m->res_mii;
    r->rec_mii = m->rec_mii;
    r->bound =
        m->ii > m->res_mii && m->ii > m->rec_mii ? "registers, latency or trip count" : m->bound;
    r->stages = m->stages;
    r->unroll = m->unroll;
    r->ops = m->n;
    for (unsigned i = 0; i < m->n; i++) {
        r->slots[isa_insn(m->ops[i].alts[m->form[i]].insn)->slot]++;
    }
    count_live(w, k);
}

static int plan_kernel(struct lower *l, unsigned region, struct kernel *k)
{
    const struct lin_region *r = &l->w->func->regions[region];
    int err = modulo_schedule(l->w, region, &k->m);
    if (err) {
        return err;
    }
    int64_t unroll = k->m.unroll, stages = k->m.stages;
    int64_t rest = (r->trips - stages + 1) % unroll;
    k->lead = (unsigned)(stages - 1 + (rest < 0 ? rest + unroll : rest));
    k->passes = r->trips ? (r->trips - k->lead) / unroll : 0;
    k->start = lower_label(l->w, NULL, (int)region * 2);
    k->last = lower_label(l->w, NULL, (int)region * 2 + 1);
    fill_report(l->w, k);
    return l->w->arena->failed ? work_no_memory(l->w) : SOTTO_OK;
}

/* ---- the function ---- */

static void leaves_of_kernel(struct work *w, const struct kernel *k, bool *leaves)
{
    for (unsigned i = 0; k && i < k->m.webs.n; i++) {
        for (unsigned c = 0; c < k->m.webs.webs[i].copies; c++) {
            uint32_t parts[ISA_PARTS_MAX];
            unsigned n = deps_leaves(k->m.webs.webs[i].phys[c], parts);
            for (unsigned p = 0; p < n; p++) {
                leaves[parts[p]] = true;
            }
        }
    }
    (void)w;
}

static int straight_region(struct lower *l, unsigned r, struct kernel *const *kernels)
{
    const struct lin_func *f = l->w->func;
    const struct lin_region *region = &f->regions[r];
    bool avoid[ISA_REG_COUNT] = {false};
    if (region->label >= 0 && r > 0) {
        // Code before falls through: all it started must be over, as after a jump to here.
        int err = SOTTO_OK;
        if (l->list.n) {
            l->list.drain = true;
            err = flush(l, true, 0);
        } else if (code_align(&l->out->code, l->w->arena, l->first)) {
            err = work_no_memory(l->w);
        }
        if (err) {
            return err;
        }
    }
    if (region->label >= 0) {
        const char *name = lower_label(l->w, f->labels[region->label].name, 0);
        if (!name || code_add_label(&l->out->code, l->w->arena, name, false)) {
            return work_no_memory(l->w);
        }
    }
    leaves_of_kernel(l->w, r ? kernels[r - 1] : NULL, avoid);
    leaves_of_kernel(l->w, r + 1 < f->n_regions ? kernels[r + 1] : NULL, avoid);
    struct lin_op *ops = arena_alloc(l->w->arena, region->count + 1, sizeof *ops);
    int err = ops ? assign_straight(l->w, r, f->ops + region->first, region->count, avoid, ops)
                  : work_no_memory(l->w);
    for (unsigned i = 0; i < region->count && !err; i++) {
        err = append(l, &ops[i]) ? SOTTO_OK : work_no_memory(l->w);
    }
    if (!err && region->count && deps_is_branch(&ops[region->count - 1].alts[0])) {
        l->list.branch = (int)l->list.n - 1;
        l->list.drain = true;
        err = flush(l, false, 0);
    }
    return err;
}

static int loop_region(struct lower *l, struct kernel *k)
{
    bool soft = l->w->func->regions[k->m.region].soft;
    struct code kernel = {0};
    uint32_t head = 0;
    int err = build_kernel(l, k, &kernel);
    if (!err && !soft) {
        if (!align_kernel(&kernel)) {
            return work_error(l->w, k->m.ops[0].line, "the loop's last bundle cannot be aligned");
        }
        uint32_t inside = kernel.bundles[kernel.n_bundles - 1].address;
        head = inside + DEPS_LOOP_HEAD_BYTES < DEPS_LOOP_BYTES ? DEPS_LOOP_BYTES - inside
                                                               : DEPS_LOOP_HEAD_BYTES;
    }
    err = err ? err : add_set_up(l, k);
    err = err ? err : add_prologue(l, k);
    err = err ? err : flush(l, true, head);
    err = err ? err : append_kernel(l, k, &kernel);
    l->first = l->out->code.n_bundles;
    return err ? err : add_epilogue(l, k);
}

int lower_function(struct work *w, struct sched_func *out)
{
    struct lower l = {.w = w, .out = out};
    const struct lin_func *f = w->func;
    unsigned n_loops = 0;
    struct kernel **kernels = arena_alloc(w->arena, f->n_regions + 1, sizeof *kernels);
    out->loops = arena_alloc(w->arena, f->n_regions + 1, sizeof *out->loops);
    int err = kernels && out->loops ? SOTTO_OK : work_no_memory(w);
    for (unsigned r = 0; r < f->n_regions && !err; r++) {
        if (f->regions[r].kind == LIN_LOOP) {
            kernels[r] = arena_alloc(w->arena, 1, sizeof **kernels);
            if (!kernels[r]) {
                return work_no_memory(w);
            }
            kernels[r]->report = &out->loops[n_loops++];
            err = plan_kernel(&l, r, kernels[r]);
        }
    }
    forget(&l);
    out->n_loops = n_loops;
    for (unsigned r = 0; r < f->n_regions && !err; r++) {
        err = kernels[r] ? loop_region(&l, kernels[r]) : straight_region(&l, r, kernels);
    }
    for (unsigned i = 0; i < n_loops && !err; i++) {
        struct sched_loop *loop = &out->loops[i];
        for (unsigned b = 0; b < loop->bundles; b++) {
            loop->bytes += out->code.bundles[loop->kernel + b].bundle.size;
        }
    }
    out->bytes = code_end(&out->code);
    return err;
}
