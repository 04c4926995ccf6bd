/* See check.h. */
#include "npu/sched/check.h"

#include "base/mem.h"
#include "npu/sched/deps.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NEXT_MAX = 4, REACH_MAX = 24, LOOPS_MAX = 256 };

/* Bundles that may follow one another. */
struct step {
    int next[NEXT_MAX];
    uint8_t n;
    bool no_fall; // after the delay slots of an unconditional branch
};

struct hardware_loop {
    int start, last; // bundles, -1: unknown
};

struct checker {
    const struct code *code;
    struct deps_op (*d)[ISA_SLOT_COUNT];
    struct step *steps;
    struct hardware_loop loops[LOOPS_MAX];
    unsigned n_loops;
    bool notes;
    int faults;
    check_report *on_fault;
    void *user;
};

/* An op of the code. */
struct place {
    unsigned bundle, slot;
};

const char *check_rule_name(enum check_rule rule)
{
    static const char *const names[CHECK_RULES] = {
        "port",        "double-write", "lost-update", "delay-slot", "loop-end", "loop-start",
        "loop-set-up", "loop-branch",  "lock",        "undefined",  "old-value"};
    return rule < CHECK_RULES ? names[rule] : "?";
}

static bool has(const struct checker *c, struct place p)
{
    const struct isa_bundle *b = &c->code->bundles[p.bundle].bundle;
    return (b->slots >> p.slot & 1) && isa_insn(b->op[p.slot].insn)->itin != ISA_ITIN_NOP;
}

static const struct deps_op *op(const struct checker *c, struct place p)
{
    return &c->d[p.bundle][p.slot];
}

static const char *op_text(const struct checker *c, struct place p, char dst[ISA_TEXT_MAX])
{
    isa_op_print(&c->code->bundles[p.bundle].bundle.op[p.slot], dst, ISA_TEXT_MAX);
    return dst;
}

/* `at` is where the fault shows, `with` the op it clashes with (or the same). */
static void report(struct checker *c, enum check_rule rule, struct place at, struct place with,
                   const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static void report(struct checker *c, enum check_rule rule, struct place at, struct place with,
                   const char *fmt, ...)
{
    struct check_fault f = {.rule = rule, .note = rule == CHECK_OLD_VALUE, .file = c->code->file};
    va_list args;
    f.address = c->code->bundles[at.bundle].address;
    f.other_address = c->code->bundles[with.bundle].address;
    f.line = c->code->bundles[at.bundle].lines[at.slot];
    f.other_line = c->code->bundles[with.bundle].lines[with.slot];
    va_start(args, fmt);
    vsnprintf(f.text, sizeof f.text, fmt, args);
    va_end(args);
    c->faults += !f.note;
    if (c->on_fault && (!f.note || c->notes)) {
        c->on_fault(c->user, &f);
    }
}

/* ---- which bundle follows which ---- */

static int bundle_at(const struct code *code, int64_t address)
{
    unsigned low = 0, high = code->n_bundles;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (code->bundles[middle].address < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < code->n_bundles && code->bundles[low].address == address ? (int)low : -1;
}

/* The bundle an immediate or symbol operand names, -1: none known. */
static int target(const struct checker *c, struct place p)
{
    const struct code_bundle *b = &c->code->bundles[p.bundle];
    const struct isa_insn *insn = isa_insn(b->bundle.op[p.slot].insn);
    if (b->refs[p.slot].symbol) {
        return bundle_at(c->code, code_address(c->code, &b->refs[p.slot]));
    }
    for (unsigned k = 0; insn->operands[k].kind; k++) {
        if (insn->operands[k].kind == ISA_KIND_UIMM || insn->operands[k].kind == ISA_KIND_SIMM) {
            return bundle_at(c->code, b->bundle.op[p.slot].value[k]);
        }
    }
    return -1;
}

static bool writes(const struct checker *c, struct place p, unsigned leaf)
{
    for (unsigned a = 0; has(c, p) && a < op(c, p)->n; a++) {
        if (op(c, p)->access[a].write && op(c, p)->access[a].leaf == leaf) {
            return true;
        }
    }
    return false;
}

static void add_step(struct checker *c, unsigned from, int to)
{
    struct step *s = &c->steps[from];
    if (to >= 0 && s->n < NEXT_MAX) {
        s->next[s->n++] = to;
    }
}

static void find_branch(struct checker *c, struct place p)
{
    unsigned id = op(c, p)->insn - isa_insn(0);
    unsigned after = p.bundle + DEPS_DELAY_SLOTS;
    bool always = id == ISA_INSN_J_jump_imm || id == ISA_INSN_J_jump_ind || id == ISA_INSN_RET;
    if (after >= c->code->n_bundles) {
        return;
    }
    c->steps[after].no_fall |= always;
    if (id == ISA_INSN_J_jump_imm || id == ISA_INSN_JZ || id == ISA_INSN_JNZ) {
        add_step(c, after, target(c, p));
    }
}

/* A write of le names a loop's last bundle; the nearest write of ls its first. */
static void find_loop(struct checker *c, struct place le)
{
    int last = target(c, le), start = -1;
    unsigned distance = 1000;
    for (unsigned b = le.bundle < 32 ? 0 : le.bundle - 32;
         b < c->code->n_bundles && b < le.bundle + 16; b++) {
        for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
            unsigned d = b > le.bundle ? b - le.bundle : le.bundle - b;
            if (writes(c, (struct place){b, s}, ISA_REG_ls) && d < distance) {
                start = target(c, (struct place){b, s});
                distance = d;
            }
        }
    }
    if (last >= 0 && c->n_loops < LOOPS_MAX) {
        c->loops[c->n_loops++] = (struct hardware_loop){start, last};
        add_step(c, (unsigned)last, start);
    }
}

static void find_steps(struct checker *c)
{
    for (unsigned b = 0; b < c->code->n_bundles; b++) {
        for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
            struct place p = {b, s};
            if (has(c, p) && op(c, p)->kind == DEPS_BRANCH) {
                find_branch(c, p);
            }
            if (writes(c, p, ISA_REG_le)) {
                find_loop(c, p);
            }
        }
    }
    for (unsigned b = 0; b + 1 < c->code->n_bundles; b++) {
        if (!c->steps[b].no_fall) {
            add_step(c, b, (int)b + 1);
        }
    }
}

/* The bundles reached exactly `distance` bundles after those in `from`; returns their number. */
static unsigned follow(const struct checker *c, const int *from, unsigned n, int to[REACH_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct step *s = &c->steps[from[i]];
        for (unsigned k = 0; k < s->n; k++) {
            bool known = false;
            for (unsigned x = 0; x < count; x++) {
                known |= to[x] == s->next[k];
            }
            if (!known && count < REACH_MAX) {
                to[count++] = s->next[k];
            }
        }
    }
    return count;
}

/* ---- pairs ---- */

static void check_port(struct checker *c, struct place a, struct place b, int distance)
{
    int cycle;
    char x[ISA_TEXT_MAX], y[ISA_TEXT_MAX];
    unsigned port = deps_port_conflict(op(c, a), op(c, b), distance, false, &cycle);
    if (port) {
        report(c, CHECK_PORT, b, a,
               "'%s' and '%s', %d bundles before it, both use port %s in stage %d "
               "of the first",
               op_text(c, b, x), op_text(c, a, y), distance, deps_port_name(port), cycle + 1);
    }
}

static bool same_place(struct place a, struct place b)
{
    return a.bundle == b.bundle && a.slot == b.slot;
}

/* Does any op but the two read the leaf in cycles low..high after `first` was issued? */
static bool read_between(const struct checker *c, struct place first, struct place second,
                         unsigned leaf, int low, int high)
{
    int reach[2][REACH_MAX] = {{(int)first.bundle}};
    unsigned n = 1;
    for (int d = 0; d <= high && n; d++) {
        for (unsigned i = 0; i < n; i++) {
            for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
                struct place p = {(unsigned)reach[d % 2][i], s};
                bool other = has(c, p) && !same_place(p, first) && !same_place(p, second);
                for (unsigned a = 0; other && a < op(c, p)->n; a++) {
                    const struct deps_access *x = &op(c, p)->access[a];
                    int cycle = d + x->stage - 1;
                    if (!x->write && x->leaf == leaf && cycle >= low - (x->bypass != 0) &&
                        cycle <= high) {
                        return true;
                    }
                }
            }
        }
        n = follow(c, reach[d % 2], n, reach[1 - d % 2]);
    }
    return false;
}

static bool reads_leaf(const struct deps_op *d, unsigned leaf)
{
    for (unsigned a = 0; a < d->n; a++) {
        if (!d->access[a].write && d->access[a].leaf == leaf) {
            return true;
        }
    }
    return false;
}

/* Both ops update the register from itself; the second reads before the first has written. */
static void check_update(struct checker *c, struct place a, struct place b, int distance,
                         const struct deps_access *write, const struct deps_access *read)
{
    char x[ISA_TEXT_MAX], y[ISA_TEXT_MAX];
    const struct deps_access *over = NULL;
    for (unsigned i = 0; i < op(c, b)->n; i++) {
        if (op(c, b)->access[i].write && op(c, b)->access[i].leaf == write->leaf) {
            over = &op(c, b)->access[i];
        }
    }
    bool lost = over && reads_leaf(op(c, a), write->leaf) &&
                distance + over->stage > write->stage &&
                !read_between(c, a, b, write->leaf, write->stage, distance + over->stage - 1);
    if (lost) {
        report(c, CHECK_LOST_UPDATE, b, a,
               "'%s' reads %s %d bundles after '%s' updates it, and "
               "overwrites it: it needs %d",
               op_text(c, b, x), isa_reg(write->leaf)->text, distance, op_text(c, a, y),
               deps_raw(write, read));
    } else {
        report(c, CHECK_OLD_VALUE, b, a,
               "'%s' reads %s %d bundles after '%s' is issued: it sees the "
               "value before (the new one needs %d)",
               op_text(c, b, x), isa_reg(write->leaf)->text, distance, op_text(c, a, y),
               deps_raw(write, read));
    }
}

static void check_registers(struct checker *c, struct place a, struct place b, int distance)
{
    char x[ISA_TEXT_MAX], y[ISA_TEXT_MAX];
    bool told = false;
    for (unsigned i = 0; i < op(c, a)->n; i++) {
        const struct deps_access *w = &op(c, a)->access[i];
        for (unsigned k = 0; w->write && k < op(c, b)->n; k++) {
            const struct deps_access *z = &op(c, b)->access[k];
            if (z->leaf != w->leaf || deps_is_status(w->leaf)) {
                continue;
            }
            if (z->write && distance + z->stage == w->stage) {
                report(c, CHECK_DOUBLE_WRITE, b, a,
                       "'%s' and '%s', %d bundles before it, write %s in "
                       "the same cycle",
                       op_text(c, b, x), op_text(c, a, y), distance, isa_reg(w->leaf)->text);
            } else if (!z->write && distance > 0 && distance < deps_raw(w, z) && !told) {
                check_update(c, a, b, distance, w, z);
                told = true;
            }
        }
    }
}

static void check_locks(struct checker *c, struct place a, struct place b, int distance)
{
    char x[ISA_TEXT_MAX], y[ISA_TEXT_MAX];
    int need = deps_order(op(c, a), op(c, b));
    bool memory = op(c, a)->first || op(c, b)->first;
    if (need != DEPS_NONE && memory && distance > 0 && distance < need) {
        report(c, CHECK_LOCK, b, a, "'%s' is %d bundles after '%s': compiled code keeps %d",
               op_text(c, b, x), distance, op_text(c, a, y), need);
    }
}

static void check_branches(struct checker *c, struct place a, struct place b, int distance)
{
    char x[ISA_TEXT_MAX], y[ISA_TEXT_MAX];
    if (op(c, a)->kind == DEPS_BRANCH && op(c, b)->kind == DEPS_BRANCH && distance > 0 &&
        distance <= DEPS_DELAY_SLOTS) {
        report(c, CHECK_DELAY_SLOT, b, a, "'%s' is in a delay slot of '%s'", op_text(c, b, x),
               op_text(c, a, y));
    }
}

static void check_pair(struct checker *c, struct place a, struct place b, int distance)
{
    check_port(c, a, b, distance);
    check_registers(c, a, b, distance);
    check_locks(c, a, b, distance);
    check_branches(c, a, b, distance);
}

static void check_from(struct checker *c, struct place a)
{
    int reach[2][REACH_MAX] = {{(int)a.bundle}};
    unsigned n = 1;
    for (int d = 0; d < DEPS_SPAN && n; d++) {
        for (unsigned i = 0; i < n; i++) {
            for (unsigned s = d ? 0 : a.slot + 1; s < ISA_SLOT_COUNT; s++) {
                struct place b = {(unsigned)reach[d % 2][i], s};
                if (has(c, b)) {
                    check_pair(c, a, b, d);
                }
            }
        }
        n = follow(c, reach[d % 2], n, reach[1 - d % 2]);
    }
}

/* ---- hardware loops ---- */

static struct place any_op(const struct checker *c, unsigned bundle)
{
    for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
        if (has(c, (struct place){bundle, s})) {
            return (struct place){bundle, s};
        }
    }
    return (struct place){bundle, 0};
}

static void check_loop_ends(struct checker *c, const struct hardware_loop *l)
{
    char x[ISA_TEXT_MAX];
    const struct code_bundle *last = &c->code->bundles[l->last];
    struct place end = any_op(c, (unsigned)l->last);
    if (last->bundle.size != ISA_BUNDLE_MAX || last->address % 16) {
        report(c, CHECK_LOOP_END, end, end,
               "the last bundle of a hardware loop has %u bytes at 0x%x: "
               "it must have 16 at a multiple of 16",
               last->bundle.size, last->address);
    }
    if (l->start >= 0 && c->code->bundles[l->start].address % 16) {
        struct place start = any_op(c, (unsigned)l->start);
        report(c, CHECK_LOOP_START, start, end,
               "a hardware loop starts at 0x%x: it must be a multiple "
               "of 16",
               c->code->bundles[l->start].address);
    }
    for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
        struct place p = {(unsigned)l->last, s};
        if (has(c, p) && deps_is_partword_store(op(c, p))) {
            report(c, CHECK_LOOP_END, p, p,
                   "'%s' in the last bundle of a hardware loop can be lost", op_text(c, p, x));
        }
    }
    for (int b = l->start; b >= 0 && b <= l->last; b++) {
        for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
            struct place p = {(unsigned)b, s};
            if (has(c, p) && op(c, p)->kind == DEPS_BRANCH && b + DEPS_DELAY_SLOTS >= l->last) {
                report(c, CHECK_LOOP_BRANCH, p, end,
                       "the delay slots of '%s' run over the end of a "
                       "hardware loop",
                       op_text(c, p, x));
            }
        }
    }
}

/* A write of ls, le or lc and a loop's last bundle less than 7 bundles or 112 bytes later. */
static void check_set_up(struct checker *c, struct place p, const struct hardware_loop *l)
{
    char x[ISA_TEXT_MAX];
    int reach[2][REACH_MAX] = {{(int)p.bundle}};
    unsigned n = 1, bytes = c->code->bundles[l->last].address - c->code->bundles[p.bundle].address;
    if (l->start >= 0 && (int)p.bundle >= l->start && (int)p.bundle <= l->last) {
        report(c, CHECK_LOOP_SET_UP, p, p, "'%s' inside a hardware loop", op_text(c, p, x));
        return;
    }
    if ((int)p.bundle < l->last && bytes < DEPS_LOOP_BYTES) {
        report(c, CHECK_LOOP_SET_UP, p, any_op(c, (unsigned)l->last),
               "'%s' is %u bytes before the last "
               "bundle of a hardware loop: it must be %u",
               op_text(c, p, x), bytes, DEPS_LOOP_BYTES);
        return;
    }
    for (int d = 0; d < DEPS_LOOP_BUNDLES && n; d++) {
        for (unsigned i = 0; i < n; i++) {
            if (reach[d % 2][i] == l->last) {
                report(c, CHECK_LOOP_SET_UP, p, any_op(c, (unsigned)l->last),
                       "'%s' is %d bundles before "
                       "the last one of a hardware loop: it must be %d",
                       op_text(c, p, x), d, DEPS_LOOP_BUNDLES);
                return;
            }
        }
        n = follow(c, reach[d % 2], n, reach[1 - d % 2]);
    }
}

static void check_loops(struct checker *c)
{
    for (unsigned i = 0; i < c->n_loops; i++) {
        check_loop_ends(c, &c->loops[i]);
        for (unsigned b = 0; b < c->code->n_bundles; b++) {
            for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
                struct place p = {b, s};
                if (writes(c, p, ISA_REG_ls) || writes(c, p, ISA_REG_le) ||
                    writes(c, p, ISA_REG_lc)) {
                    check_set_up(c, p, &c->loops[i]);
                }
            }
        }
    }
}

int check_code(const struct code *code, bool notes, check_report *on_fault, void *user)
{
    struct checker *c = mem_calloc(1, sizeof *c);
    if (!c) {
        return SOTTO_ENOMEM;
    }
    *c = (struct checker){.code = code, .notes = notes, .on_fault = on_fault, .user = user};
    c->d = mem_calloc(code->n_bundles + 1, sizeof *c->d);
    c->steps = mem_calloc(code->n_bundles + 1, sizeof *c->steps);
    int result = SOTTO_ENOMEM;
    if (c->d && c->steps) {
        for (unsigned b = 0; b < code->n_bundles; b++) {
            for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
                if (has(c, (struct place){b, s})) {
                    deps_describe(&c->d[b][s], &code->bundles[b].bundle.op[s], NULL, NULL);
                }
            }
        }
        find_steps(c);
        for (unsigned b = 0; b < code->n_bundles; b++) {
            for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
                if (has(c, (struct place){b, s})) {
                    check_from(c, (struct place){b, s});
                }
            }
        }
        check_loops(c);
        result = c->faults;
    }
    mem_free(c->d);
    mem_free(c->steps);
    mem_free(c);
    return result;
}

/* ---- objects and images ---- */

/* What relocations will put into a bundle's operands, where it is known; `base` is taken off. */
static void resolve(const struct npu_image *image, unsigned section, uint32_t offset, uint32_t base,
                    struct isa_bundle *b)
{
    const struct npu_section *s = &image->sections[section];
    for (uint32_t i = 0; i < s->n_relocs; i++) {
        const struct npu_reloc *r = &s->relocs[i];
        int slot =
            r->offset >= offset && r->offset < offset + b->size ? isa_reloc_slot(r->type, b) : -1;
        if (slot >= 0 && r->symbol < image->n_symbols &&
            image->symbols[r->symbol].section == section) {
            int k = isa_reloc_operand(b->op[slot].insn);
            if (k >= 0) {
                b->op[slot].value[k] =
                    (int32_t)(image->symbols[r->symbol].value - base) + r->addend;
            }
        }
    }
}

/* Bundles from `from` to before `end` of a section. Returns where it stopped: `end`, or what is no
 * bundle; or SOTTO_ENOMEM. */
static int64_t read_bundles(const struct npu_image *image, unsigned section, uint32_t from,
                            uint32_t end, uint32_t base, struct code *code, struct arena *arena)
{
    const struct npu_section *s = &image->sections[section];
    uint32_t at = from;
    while (at < end) {
        struct isa_bundle bundle;
        int n = isa_decode(s->data + at, end - at, &bundle, NULL);
        if (n <= 0) {
            return at;
        }
        struct code_bundle *b = code_add(code, arena);
        if (!b) {
            return SOTTO_ENOMEM;
        }
        bundle.size = (uint8_t)n;
        resolve(image, section, at, base, &bundle);
        b->bundle = bundle;
        b->address = (image->linked ? s->address : 0) + at - base;
        const struct npu_line *line =
            npu_image_line(image, section, image->linked ? s->address + at : at);
        for (unsigned k = 0; k < ISA_SLOT_COUNT; k++) {
            b->lines[k] = line ? (int)line->line : 0;
        }
        code->file = line && line->file ? line->file : code->file;
        at += (uint32_t)n;
    }
    return at;
}

static int check_section(const struct npu_image *image, unsigned section, bool notes,
                         check_report *on_fault, void *user)
{
    const struct npu_section *s = &image->sections[section];
    struct arena arena = {0};
    struct code code = {.file = image->file};
    int64_t end = read_bundles(image, section, 0, s->size, 0, &code, &arena);
    int result = end < 0 ? (int)end : check_code(&code, notes, on_fault, user);
    arena_free(&arena);
    if (result >= 0 && end < (int64_t)s->size) {
        struct check_fault f = {.rule = CHECK_UNDEFINED,
                                .address = (uint32_t)end,
                                .other_address = (uint32_t)end,
                                .file = image->file};
        snprintf(f.text, sizeof f.text,
                 "section %s: the bytes at 0x%x are no bundle; what follows is "
                 "not checked",
                 s->name, f.address);
        if (on_fault) {
            on_fault(user, &f);
        }
        result++;
    }
    return result;
}

int check_image(const struct npu_image *image, bool notes, check_report *on_fault, void *user)
{
    int faults = 0;
    for (unsigned i = 1; i < image->n_sections; i++) {
        const struct npu_section *s = &image->sections[i];
        if ((s->flags & NPU_SHF_EXEC) && s->data && s->size) {
            int n = check_section(image, i, notes, on_fault, user);
            if (n < 0) {
                return n;
            }
            faults += n;
        }
    }
    return faults;
}

int check_function_code(const struct npu_image *image, const char *name, struct code *code,
                        struct arena *arena, struct sotto_diag *diag)
{
    const struct npu_symbol *symbol = npu_image_symbol(image, name);
    if (!symbol || symbol->section >= image->n_sections || !image->sections[symbol->section].data) {
        return diag_set(diag, SOTTO_ENOENT, image->file, "no function %s in it", name);
    }
    const struct npu_section *s = &image->sections[symbol->section];
    uint32_t base = symbol->value - (image->linked ? s->address : 0);
    uint32_t end = symbol->size ? base + symbol->size : s->size;
    if (base >= s->size || end > s->size) {
        return diag_set(diag, SOTTO_EUNSUPPORTED, image->file, "%s lies outside its section", name);
    }
    *code = (struct code){.file = image->file};
    int64_t stop = read_bundles(image, symbol->section, base, end, base, code, arena);
    if (stop < 0 || code_measure(code)) {
        return diag_set(diag, SOTTO_ENOMEM, image->file, "out of memory");
    }
    return stop == (int64_t)end
               ? SOTTO_OK
               : diag_set(diag, SOTTO_EUNSUPPORTED, image->file,
                          "%s: the bytes at 0x%x are no bundle", name, (unsigned)stop);
}
