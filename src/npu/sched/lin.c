/*
 * Reading linear assembly: directives, regions, register names, annotations. The text level is
 * lin_text.c, single operations are npu/asm/text.c.
 */
#include "npu/sched/lin.h"

#include "base/error.h"
#include "base/mem.h"
#include "npu/asm/text.h"
#include "npu/sched/lin_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    struct lin_file *file;
    struct lin_func *func; // NULL: outside of functions
    struct lin_text text;
    const char *name;
    struct sotto_diag *diag;
    int line;
    bool in_loop, open;  // open: the last region takes more ops
    const char *bad_reg; // what was wrong with a virtual register
};

static int fail(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct parser *p, const char *fmt, ...)
{
    char text[sizeof p->diag->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return diag_set_at(p->diag, SOTTO_ESYNTAX, p->name, p->line, 1, "%s", text);
}

#define PUSH(arena, array, n, cap)                                                                 \
    ((array) = arena_grow((arena), (array), (n), &(cap), sizeof *(array)),                         \
     (array) ? &(array)[(n)++] : NULL)

/* ---- words ---- */

static const char *skip(const char *t)
{
    while (isspace((unsigned char)*t)) {
        t++;
    }
    return t;
}

static size_t word(const char *t)
{
    size_t n = 0;
    while (isalnum((unsigned char)t[n]) || t[n] == '_') {
        n++;
    }
    return n;
}

static bool is(const char *t, size_t n, const char *name)
{
    return strlen(name) == n && memcmp(t, name, n) == 0;
}

/* A number or constant at *t, up to a blank or comma. */
static int number(struct parser *p, const char **t, int64_t *value)
{
    size_t n = strcspn(*t, " \t,");
    char copy[64], *end;
    if (n && n < sizeof copy) {
        memcpy(copy, *t, n);
        copy[n] = '\0';
        *value = strtoll(copy, &end, 0);
        if (!*end || lin_text_const(&p->text, *t, n, value)) {
            *t += n;
            return SOTTO_OK;
        }
    }
    return fail(p, "'%.*s' is no number", (int)n, *t);
}

/* ---- registers ---- */

static int find_vreg(const struct lin_func *f, const char *name, size_t n)
{
    for (unsigned i = f->n_vregs; i-- > 0;) {
        if (is(name, n, f->vregs[i].name)) {
            return (int)i;
        }
    }
    return -1;
}

/* "%name", "%name.part" or a core register; ISA_REG_NONE: neither. */
static int reg_value(const struct lin_func *f, const char *t, size_t n)
{
    if (!n || *t != '%') {
        return isa_reg_parse(t, n);
    }
    const char *dot = memchr(t, '.', n);
    size_t base = dot ? (size_t)(dot - t) : n;
    int id = find_vreg(f, t + 1, base - 1);
    int sub = 0;
    if (id >= 0 && dot) {
        sub = vreg_sub_find(f->vregs[id].kind, dot + 1, n - base - 1);
    }
    return id < 0 || sub < 0 ? ISA_REG_NONE : vreg_value((unsigned)id, (unsigned)sub);
}

/* For text_names: a virtual register of a fitting kind. */
static int name_reg(void *user, unsigned class_id, const char *name, size_t length)
{
    struct parser *p = user;
    int value = reg_value(p->func, name, length);
    if (value < ISA_REG_COUNT) {
        return ISA_REG_NONE;
    }
    const struct lin_vreg *v = &p->func->vregs[vreg_id(value)];
    unsigned sub = vreg_sub(value);
    bool fits = v->fixed ? isa_reg_in(class_id, vreg_part(v->kind, v->fixed, sub))
                         : vreg_fits_class(v->kind, sub, class_id);
    return fits ? value : ISA_REG_NONE;
}

static bool name_constant(void *user, const char *name, size_t length, int64_t *value)
{
    struct parser *p = user;
    return lin_text_const(&p->text, name, length, value);
}

/* ".reg KIND name[=reg] ..." */
static int do_reg(struct parser *p, const char *t)
{
    size_t n = word(t);
    int kind = vreg_kind_find(t, n);
    if (kind < 0) {
        return fail(p, "'%.*s' is no kind of register", (int)n, t);
    }
    t = skip(t + n);
    if (!*t) {
        return fail(p, "names are missing after .reg %s", vreg_kind_name((unsigned)kind));
    }
    while (*t) {
        n = word(t);
        if (!n) {
            return fail(p, "a register's name is missing before '%s'", t);
        }
        int old = find_vreg(p->func, t, n);
        if (old >= 0) {
            return fail(p, "%%%.*s was declared in line %d", (int)n, t, p->func->vregs[old].line);
        }
        if (p->func->n_vregs >= VREG_MAX) {
            return fail(p, "too many registers");
        }
        struct lin_vreg v = {.kind = (uint8_t)kind, .line = p->line};
        v.name = arena_text(&p->file->arena, t, n);
        t = skip(t + n);
        if (*t == '=') {
            t = skip(t + 1);
            n = strcspn(t, " \t,");
            for (unsigned i = 0; !v.fixed && vreg_nth((unsigned)kind, i); i++) {
                int reg = vreg_nth((unsigned)kind, i);
                v.fixed = is(t, n, isa_reg((unsigned)reg)->text) ? reg : ISA_REG_NONE;
            }
            if (!v.fixed) {
                return fail(p, "'%.*s' is no register of kind %s", (int)n, t,
                            vreg_kind_name((unsigned)kind));
            }
            t = skip(t + n);
        }
        struct lin_vreg *slot =
            PUSH(&p->file->arena, p->func->vregs, p->func->n_vregs, p->func->cap_vregs);
        if (!slot || !v.name) {
            return SOTTO_ENOMEM;
        }
        *slot = v;
        t = skip(t + (*t == ','));
    }
    return SOTTO_OK;
}

/* ".out r ..." and ".reserve r ...": lists of registers. */
static int do_list(struct parser *p, const char *t, bool out)
{
    while (*t) {
        size_t n = strcspn(t, " \t,");
        int value = reg_value(p->func, t, n);
        if (!value || (!out && value >= ISA_REG_COUNT)) {
            return fail(p, "'%.*s' is no register", (int)n, t);
        }
        if (out && value >= ISA_REG_COUNT && !p->func->vregs[vreg_id(value)].fixed) {
            return fail(p, "%.*s is not bound to a register: the caller cannot know it", (int)n, t);
        }
        if (out) {
            int *slot = PUSH(&p->file->arena, p->func->outs, p->func->n_outs, p->func->cap_outs);
            if (!slot) {
                return SOTTO_ENOMEM;
            }
            *slot = value;
        } else {
            uint32_t leaves[ISA_PARTS_MAX];
            unsigned count = deps_leaves(value, leaves);
            for (unsigned i = 0; i < count; i++) {
                p->func->reserved[leaves[i]] = true;
            }
        }
        t = skip(t + n);
        t = skip(t + (*t == ','));
    }
    return SOTTO_OK;
}

/* ---- areas and banks ---- */

static int find_bank(const struct parser *p, const char *t, size_t n)
{
    for (unsigned i = 0; i < p->file->n_banks; i++) {
        if (is(t, n, p->file->banks[i])) {
            return (int)i;
        }
    }
    return -1;
}

static int find_area(const struct parser *p, const char *t, size_t n)
{
    for (unsigned i = 1; i < p->file->n_areas; i++) {
        if (is(t, n, p->file->areas[i].name)) {
            return (int)i;
        }
    }
    return -1;
}

static int do_bank(struct parser *p, const char *t)
{
    while (*t) {
        size_t n = word(t);
        if (!n || find_bank(p, t, n) >= 0 || p->file->n_banks == 32) {
            return fail(p,
                        n ? "bank '%.*s' is one too many, or was named before"
                          : "a bank's name is missing",
                        (int)n, t);
        }
        const char **slot =
            PUSH(&p->file->arena, p->file->banks, p->file->n_banks, p->file->cap_banks);
        if (!slot || !(*slot = arena_text(&p->file->arena, t, n))) {
            return SOTTO_ENOMEM;
        }
        t = skip(t + n);
        t = skip(t + (*t == ','));
    }
    return SOTTO_OK;
}

static int bank_set(struct parser *p, const char *t, size_t length, uint32_t *banks)
{
    *banks = 0;
    for (size_t at = 0; at < length;) {
        size_t n = word(t + at);
        int bank = find_bank(p, t + at, n);
        if (bank < 0) {
            return fail(p, "no .bank called '%.*s'", (int)n, t + at);
        }
        *banks |= 1u << bank;
        at += n + 1;
    }
    return SOTTO_OK;
}

/* ".area NAME [bank=A+B] [const] [each]" */
static int do_area(struct parser *p, const char *t)
{
    size_t n = word(t);
    struct lin_area a = {.line = p->line};
    if (!n || find_area(p, t, n) >= 0 || p->file->n_areas >= 200) {
        return fail(p,
                    n ? "area '%.*s' is one too many, or was named before"
                      : "the area's name is missing",
                    (int)n, t);
    }
    a.name = arena_text(&p->file->arena, t, n);
    for (t = skip(t + n); *t; t = skip(t + n)) {
        n = strcspn(t, " \t");
        if (is(t, n, "const")) {
            a.constant = true;
        } else if (is(t, n, "each")) {
            a.each = true;
        } else if (n > 5 && !memcmp(t, "bank=", 5)) {
            int err = bank_set(p, t + 5, n - 5, &a.banks);
            if (err) {
                return err;
            }
        } else {
            return fail(p, "'%.*s' is nothing an .area can be", (int)n, t);
        }
    }
    struct lin_area *slot =
        PUSH(&p->file->arena, p->file->areas, p->file->n_areas, p->file->cap_areas);
    if (!slot || !a.name) {
        return SOTTO_ENOMEM;
    }
    *slot = a;
    return SOTTO_OK;
}

/* ---- regions and labels ---- */

static struct lin_region *new_region(struct parser *p, unsigned kind)
{
    struct lin_func *f = p->func;
    struct lin_region *r = NULL;
    if (f->n_regions < LIN_REGIONS_MAX) {
        r = PUSH(&p->file->arena, f->regions, f->n_regions, f->cap_regions);
    }
    if (r) {
        *r = (struct lin_region){.kind = (uint8_t)kind,
                                 .first = f->n_ops,
                                 .line = p->line,
                                 .label = -1,
                                 .min = 1,
                                 .multiple = 1};
        p->open = true;
    }
    return r;
}

static int find_label(struct parser *p, const char *name, size_t n, int *label)
{
    struct lin_func *f = p->func;
    for (unsigned i = 0; i < f->n_labels; i++) {
        if (is(name, n, f->labels[i].name)) {
            *label = (int)i;
            return SOTTO_OK;
        }
    }
    struct lin_label *slot = PUSH(&p->file->arena, f->labels, f->n_labels, f->cap_labels);
    if (!slot || !(slot->name = arena_text(&p->file->arena, name, n))) {
        return SOTTO_ENOMEM;
    }
    slot->region = 0;
    slot->line = -p->line; // used, not yet placed
    *label = (int)f->n_labels - 1;
    return SOTTO_OK;
}

static int do_label(struct parser *p, const char *t, size_t n)
{
    int label = 0;
    int err = p->in_loop ? fail(p, "a .loop cannot hold a label") : find_label(p, t, n, &label);
    if (err) {
        return err;
    }
    if (p->func->labels[label].line > 0) {
        return fail(p, "label '%.*s' is in line %d already", (int)n, t,
                    p->func->labels[label].line);
    }
    struct lin_region *r = new_region(p, LIN_STRAIGHT);
    if (!r) {
        return SOTTO_ENOMEM;
    }
    r->label = label;
    p->func->labels[label].line = p->line;
    p->func->labels[label].region = p->func->n_regions - 1;
    return SOTTO_OK;
}

static int loop_attribute(struct parser *p, struct lin_region *r, const char *t, size_t n)
{
    static const struct {
        const char *name;
        size_t field;
    } numbers[] = {
        {"min=", offsetof(struct lin_region, min)},
        {"multiple=", offsetof(struct lin_region, multiple)},
        {"ii=", offsetof(struct lin_region, ii)},
        {"maxii=", offsetof(struct lin_region, max_ii)},
        {"unroll=", offsetof(struct lin_region, unroll)},
    };
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        size_t length = strlen(numbers[i].name);
        if (n > length && memcmp(t, numbers[i].name, length) == 0) {
            const char *at = t + length;
            int64_t value;
            int err = number(p, &at, &value);
            if (!err && (value < 1 || value > 1 << 20)) {
                err = fail(p, "%.*s must be at least 1", (int)length - 1, t);
            }
            if (!err) {
                *(unsigned *)((char *)r + numbers[i].field) = (unsigned)value;
            }
            return err;
        }
    }
    if (is(t, n, "soft")) {
        r->soft = true;
    } else if (is(t, n, "nopipe")) {
        r->no_pipe = true;
    } else {
        return fail(p, "'%.*s' is nothing a .loop can have", (int)n, t);
    }
    return SOTTO_OK;
}

/* ".loop COUNT [min=N] [multiple=N] [ii=N] [maxii=N] [unroll=N] [soft] [nopipe]" */
static int do_loop(struct parser *p, const char *t)
{
    if (p->in_loop) {
        return fail(p, "a .loop inside a .loop: write the outer one with a label and jnz");
    }
    // Every loop has straight code before it, if only an empty region: its set-up goes there.
    struct lin_func *f = p->func;
    bool after_straight =
        f->n_regions && f->regions[f->n_regions - 1].kind == LIN_STRAIGHT && p->open;
    if (!after_straight && !new_region(p, LIN_STRAIGHT)) {
        return SOTTO_ENOMEM;
    }
    struct lin_region *r = new_region(p, LIN_LOOP);
    if (!r) {
        return SOTTO_ENOMEM;
    }
    size_t n = strcspn(t, " \t");
    r->trips_reg = n ? reg_value(p->func, t, n) : ISA_REG_NONE;
    if (!r->trips_reg) {
        const char *at = t;
        int err = n ? number(p, &at, &r->trips) : fail(p, ".loop needs a trip count");
        if (!err && (r->trips < 1 || r->trips > INT32_MAX)) {
            err = fail(p, "a loop runs at least once");
        }
        if (err) {
            return err;
        }
    } else if (r->trips_reg >= ISA_REG_COUNT
                   ? p->func->vregs[vreg_id(r->trips_reg)].kind != VREG_R
                   : isa_reg((unsigned)r->trips_reg)->file != ISA_FILE_R) {
        return fail(p, "the trip count must be in an r register");
    }
    for (t = skip(t + n); *t; t = skip(t + n)) {
        n = strcspn(t, " \t");
        int err = loop_attribute(p, r, t, n);
        if (err) {
            return err;
        }
    }
    if (r->trips && (r->trips < r->min || r->trips % r->multiple)) {
        return fail(p, "%lld iterations contradict min or multiple", (long long)r->trips);
    }
    p->in_loop = true;
    return SOTTO_OK;
}

static int do_endloop(struct parser *p)
{
    if (!p->in_loop) {
        return fail(p, ".endloop without .loop");
    }
    if (p->func->regions[p->func->n_regions - 1].count == 0) {
        return fail(p, "the loop is empty");
    }
    struct lin_region *r = &p->func->regions[p->func->n_regions - 1];
    if (r->trips == 1) {
        r->kind = LIN_STRAIGHT; // no loop at all
        r->trips = 0;
    }
    p->in_loop = p->open = false;
    return SOTTO_OK;
}

/* ---- operations ---- */

/* "@AREA[:BANK]" or "!hint" at the end of the line: reads it and cuts it off. 1: there is none. */
static int annotation(struct parser *p, char *text, struct lin_op *op)
{
    char *at = text + strlen(text);
    while (at > text && !isspace((unsigned char)at[-1])) {
        at--;
    }
    if (at == text || (*at != '@' && *at != '!')) {
        return 1;
    }
    size_t n = word(at + 1);
    if (*at == '@') {
        int area = find_area(p, at + 1, n);
        if (area < 0) {
            return fail(p, "no .area called '%.*s'", (int)n, at + 1);
        }
        op->area = (uint8_t)area;
        op->banks = p->file->areas[area].banks;
        if (at[1 + n] == ':') {
            int err = bank_set(p, at + 2 + n, strlen(at + 2 + n), &op->banks);
            if (err) {
                return err;
            }
        }
    } else if (is(at + 1, n, "at") && at[1 + n] == '=') {
        char *end;
        long value = strtol(at + 2 + n, &end, 0);
        if (*end || labs(value) > 10000) {
            return fail(p, "'%s' needs a cycle", at);
        }
        op->at = (int)value;
    } else if (is(at + 1, n, "prio") && at[1 + n] == '=') {
        op->priority = (uint8_t)atoi(at + 2 + n);
    } else if (is(at + 1, strlen(at + 1), "late") || is(at + 1, strlen(at + 1), "early")) {
        op->lean = at[1] == 'l' ? 1 : -1;
    } else {
        return fail(p, "'%s' is no hint", at);
    }
    while (at > text && isspace((unsigned char)at[-1])) {
        at--;
    }
    *at = '\0';
    return SOTTO_OK;
}

/* Mnemonics of our own that leave the slot to the scheduler: the same text with each of these. */
static const struct {
    const char *name;
    const char *means[LIN_ALTS_MAX];
} generic[] = {
    {"vld", {"vldb", "vlda", NULL, NULL}},
    {"padd", {"padds", "paddb", "padda", NULL}},
    {"movi", {"mova", "movx", "mov", "movxm"}},
};

static int add_alt(struct lin_op *op, const struct isa_op *alt)
{
    for (unsigned i = 0; i < op->n_alts; i++) {
        if (isa_insn(op->alts[i].insn)->slot == isa_insn(alt->insn)->slot) {
            return 0;
        }
    }
    if (op->n_alts < LIN_ALTS_MAX) {
        op->alts[op->n_alts++] = *alt;
    }
    return 0;
}

static int parse_text(struct parser *p, const char *text, struct lin_op *op, bool may_fail)
{
    struct text_names names = {.user = p, .reg = name_reg, .constant = name_constant};
    struct text_place place = {p->name, p->line, 1};
    struct text_op found[TEXT_ROWS_MAX];
    struct sotto_diag unused;
    int n = text_match_op(text, strlen(text), &place, &names, found, TEXT_ROWS_MAX,
                          may_fail ? &unused : p->diag);
    for (int i = 0; i < n; i++) {
        add_alt(op, &found[i].op);
        if (found[i].ref.symbol.length) {
            struct text_name s = found[i].ref.symbol;
            op->addend = found[i].ref.addend;
            op->symbol = arena_text(&p->file->arena, s.name, s.length);
            if (!op->symbol) {
                return SOTTO_ENOMEM;
            }
        }
    }
    return n < 0 ? n : SOTTO_OK;
}

static int parse_op(struct parser *p, const char *text, struct lin_op *op)
{
    size_t n = strcspn(text, " \t.");
    for (unsigned g = 0; g < sizeof generic / sizeof generic[0]; g++) {
        if (!is(text, n, generic[g].name)) {
            continue;
        }
        for (unsigned i = 0; i < LIN_ALTS_MAX && generic[g].means[i]; i++) {
            char other[LIN_LINE_MAX + 8];
            snprintf(other, sizeof other, "%s%s", generic[g].means[i], text + n);
            bool last = i + 1 == LIN_ALTS_MAX || !generic[g].means[i + 1];
            int err = parse_text(p, other, op, !last || op->n_alts);
            if (err && err != SOTTO_ESYNTAX) {
                return err;
            }
        }
        return op->n_alts ? SOTTO_OK : SOTTO_ESYNTAX;
    }
    return parse_text(p, text, op, false);
}

static int check_op(struct parser *p, struct lin_op *op)
{
    const struct isa_insn *insn = isa_insn(op->alts[0].insn);
    const struct lin_area *area = &p->file->areas[op->area];
    bool branch = deps_is_branch(&op->alts[0]);
    if (insn->slot == ISA_SLOT_NOP ||
        insn->mask == ((uint64_t)1 << isa_slot_bits(insn->slot)) - 1) {
        if (strncmp(insn->text, "nop", 3) == 0) {
            return fail(p, "a nop says nothing here: the scheduler waits where it must");
        }
    }
    if (branch && p->in_loop) {
        return fail(p, "a .loop cannot hold a branch");
    }
    if (strncmp(insn->text, "jl ", 3) == 0) {
        return fail(p, "calls are not supported in linear assembly");
    }
    if (op->area && !insn->memory) {
        return fail(p, "'@%s' on an operation that touches no memory", area->name);
    }
    if (area->constant && insn->memory != ISA_MEMORY_LOAD) {
        return fail(p, "a store to area %s, which is const", area->name);
    }
    for (unsigned k = 0; insn->operands[k].kind; k++) {
        int v = op->alts[0].value[k];
        if (insn->operands[k].kind == ISA_KIND_REG &&
            (insn->operands[k].access & ISA_ACCESS_WRITE) &&
            (v == ISA_REG_ls || v == ISA_REG_le || v == ISA_REG_lc)) {
            return fail(p, "ls, le and lc belong to the scheduler");
        }
    }
    return SOTTO_OK;
}

static int do_op(struct parser *p, const char *line)
{
    char text[LIN_LINE_MAX];
    struct lin_func *f = p->func;
    struct lin_op op = {.label = -1, .line = p->line, .at = LIN_NO_CYCLE};
    int err;
    snprintf(text, sizeof text, "%s", line);
    while ((err = annotation(p, text, &op)) == SOTTO_OK) {
    }
    err = err == 1 ? parse_op(p, text, &op) : err;
    err = err ? err : check_op(p, &op);
    if (!err && op.symbol && deps_is_branch(&op.alts[0])) {
        err = op.addend ? fail(p, "a branch goes to a label, not behind it")
                        : find_label(p, op.symbol, strlen(op.symbol), &op.label);
    }
    if (err) {
        return err;
    }
    if (!p->open && !new_region(p, LIN_STRAIGHT)) {
        return SOTTO_ENOMEM;
    }
    if (f->n_ops >= LIN_OPS_MAX) {
        return fail(p, "function %s has more than %d operations", f->name, LIN_OPS_MAX);
    }
    struct lin_op *slot = PUSH(&p->file->arena, f->ops, f->n_ops, f->cap_ops);
    if (!slot) {
        return SOTTO_ENOMEM;
    }
    *slot = op;
    f->regions[f->n_regions - 1].count++;
    deps_flags_add(&f->flags, &op.alts[0]);
    p->open = !deps_is_branch(&op.alts[0]);
    return SOTTO_OK;
}

/* ---- functions and the file ---- */

static int do_func(struct parser *p, const char *t)
{
    size_t n = strcspn(t, " \t");
    if (p->func || !n) {
        return fail(p, p->func ? ".endfunc is missing before this .func"
                               : "the function's name is missing");
    }
    struct lin_func *f = arena_alloc(&p->file->arena, 1, sizeof *f);
    struct lin_func **slot =
        PUSH(&p->file->arena, p->file->funcs, p->file->n_funcs, p->file->cap_funcs);
    if (!f || !slot || !(f->name = arena_text(&p->file->arena, t, n))) {
        return SOTTO_ENOMEM;
    }
    *slot = f;
    f->line = p->line;
    p->func = f;
    p->open = false;
    return SOTTO_OK;
}

/* Registers for loops, in case the scheduler needs them: names no source can write. */
static int add_hidden(struct parser *p, struct lin_func *f)
{
    static const struct lin_vreg hidden[LIN_HIDDEN] = {
        [LIN_HIDDEN_COUNT] = {.name = "(loop counter)", .kind = VREG_R},
        [LIN_HIDDEN_START] = {.name = "(loop start)", .kind = VREG_P},
        [LIN_HIDDEN_TEMP] = {.name = "(loop set-up)", .kind = VREG_R},
    };
    f->hidden = f->n_vregs;
    for (unsigned i = 0; i < LIN_HIDDEN; i++) {
        struct lin_vreg *slot = PUSH(&p->file->arena, f->vregs, f->n_vregs, f->cap_vregs);
        if (!slot) {
            return SOTTO_ENOMEM;
        }
        *slot = hidden[i];
        slot->line = f->line;
    }
    return SOTTO_OK;
}

static int do_endfunc(struct parser *p)
{
    struct lin_func *f = p->func;
    if (p->in_loop) {
        return fail(p, ".endloop is missing before .endfunc");
    }
    for (unsigned i = 0; i < f->n_labels; i++) {
        if (f->labels[i].line < 0) {
            p->line = -f->labels[i].line;
            return fail(p, "no label '%s' in function %s", f->labels[i].name, f->name);
        }
    }
    const struct isa_op *last = f->n_ops ? &f->ops[f->n_ops - 1].alts[0] : NULL;
    if (!last || p->open || f->regions[f->n_regions - 1].kind != LIN_STRAIGHT ||
        !deps_is_branch(last)) {
        return fail(p, "function %s does not end with a branch (ret lr)", f->name);
    }
    f->end_line = p->line;
    p->func = NULL;
    return add_hidden(p, f);
}

static int do_verbatim(struct parser *p, const char *text)
{
    struct lin_verbatim *slot =
        PUSH(&p->file->arena, p->file->verbatim, p->file->n_verbatim, p->file->cap_verbatim);
    if (!slot) {
        return SOTTO_ENOMEM;
    }
    *slot = (struct lin_verbatim){text, p->file->n_funcs};
    return SOTTO_OK;
}

static int directive(struct parser *p, const char *t)
{
    size_t n = 1 + word(t + 1);
    const char *rest = skip(t + n);
    if (is(t, n, ".bank")) {
        return do_bank(p, rest);
    }
    if (is(t, n, ".area")) {
        return do_area(p, rest);
    }
    if (is(t, n, ".func")) {
        return do_func(p, rest);
    }
    bool inside = is(t, n, ".reg") || is(t, n, ".out") || is(t, n, ".reserve") ||
                  is(t, n, ".loop") || is(t, n, ".endloop") || is(t, n, ".endfunc");
    if (!inside) {
        return fail(p, "unknown directive '%.*s'", (int)n, t);
    }
    if (!p->func) {
        return fail(p, "'%.*s' outside of a function", (int)n, t);
    }
    return is(t, n, ".reg")       ? do_reg(p, rest)
           : is(t, n, ".out")     ? do_list(p, rest, true)
           : is(t, n, ".reserve") ? do_list(p, rest, false)
           : is(t, n, ".loop")    ? do_loop(p, rest)
           : is(t, n, ".endloop") ? do_endloop(p)
                                  : do_endfunc(p);
}

static int parse_lines(struct parser *p)
{
    bool verbatim = false;
    int err = SOTTO_OK;
    for (unsigned i = 0; !err && i < p->text.n_lines; i++) {
        const char *t = p->text.lines[i].text;
        p->line = p->text.lines[i].line;
        size_t n = word(t);
        if (strcmp(t, ".asm") == 0) {
            verbatim = true;
        } else if (strcmp(t, ".endasm") == 0) {
            verbatim = false;
        } else if (verbatim) {
            err = do_verbatim(p, t);
        } else if (*t == '.') {
            err = directive(p, t);
        } else if (!p->func) {
            err = fail(p, "'%s' outside of a function", t);
        } else if (n && t[n] == ':' && !t[n + 1]) {
            err = do_label(p, t, n);
        } else {
            err = do_op(p, t);
        }
    }
    if (!err && (p->func || verbatim)) {
        err = fail(p, verbatim ? ".endasm is missing" : ".endfunc is missing");
    }
    return err;
}

int lin_read(struct lin_file **out, const char *text, size_t size, const char *name,
             struct sotto_diag *diag)
{
    struct lin_file *file = mem_calloc(1, sizeof *file);
    if (!file) {
        return diag_set(diag, SOTTO_ENOMEM, name, "out of memory");
    }
    struct parser p = {.file = file, .diag = diag, .line = 1};
    file->name = p.name = arena_text(&file->arena, name, strlen(name));
    struct lin_area *any = PUSH(&file->arena, file->areas, file->n_areas, file->cap_areas);
    int err = SOTTO_ENOMEM;
    if (p.name && any) {
        any->name = "any";
        err = lin_text_expand(&p.text, &file->arena, text, size, p.name, diag);
        err = err ? err : parse_lines(&p);
    }
    if (err) {
        if (err == SOTTO_ENOMEM) {
            diag_set(diag, err, name, "out of memory");
        }
        lin_close(&file);
        return err;
    }
    *out = file;
    return SOTTO_OK;
}

int lin_open(struct lin_file **out, const char *path, struct sotto_diag *diag)
{
    size_t size = 0, capacity = 1 << 16;
    FILE *f = fopen(path, "rb");
    if (!f) {
        return diag_errno(diag, errno, path, "open");
    }
    char *text = mem_alloc(capacity, 1);
    int err = text ? SOTTO_OK : SOTTO_ENOMEM;
    while (!err && !feof(f) && !ferror(f)) {
        if (size == capacity) {
            char *more = mem_grow(text, capacity, capacity * 2, 1);
            err = more ? SOTTO_OK : SOTTO_ENOMEM;
            text = more ? more : text;
            capacity *= 2;
            continue;
        }
        size += fread(text + size, 1, capacity - size, f);
    }
    if (err) {
        diag_set(diag, err, path, "out of memory");
    } else if (ferror(f)) {
        err = diag_errno(diag, errno, path, "read");
    }
    fclose(f);
    err = err ? err : lin_read(out, text, size, path, diag);
    mem_free(text);
    return err;
}

void lin_close(struct lin_file **file)
{
    if (file && *file) {
        arena_free(&(*file)->arena);
        mem_free(*file);
        *file = NULL;
    }
}

/* ---- for the dependence model ---- */

unsigned lin_leaves(const struct lin_func *func, int value, uint32_t leaves[ISA_PARTS_MAX])
{
    unsigned first, count;
    if (value < ISA_REG_COUNT) {
        return deps_leaves(value, leaves);
    }
    unsigned id = vreg_id(value), kind = func->vregs[id].kind;
    vreg_sub_range(kind, vreg_sub(value), &first, &count);
    if (func->vregs[id].fixed) {
        return deps_leaves(vreg_part(kind, func->vregs[id].fixed, vreg_sub(value)), leaves);
    }
    for (unsigned i = 0; i < count; i++) {
        leaves[i] = vreg_leaf(id, first + i);
    }
    return count;
}

static unsigned user_leaves(void *user, int value, uint32_t leaves[ISA_PARTS_MAX])
{
    return lin_leaves(user, value, leaves);
}

static int user_sample(void *user, int value, int *other)
{
    const struct lin_func *func = user;
    const struct lin_vreg *v = &func->vregs[vreg_id(value)];
    int reg = v->fixed ? v->fixed : vreg_nth(v->kind, 0);
    *other = v->fixed ? 0 : vreg_other_sample(v->kind, vreg_sub(value));
    return vreg_part(v->kind, reg, vreg_sub(value));
}

struct deps_regs lin_deps_regs(const struct lin_func *func)
{
    return (struct deps_regs){(void *)func, user_leaves, user_sample};
}

const char *lin_value_text(const struct lin_func *func, int value, char *dst, size_t size)
{
    if (value < ISA_REG_COUNT) {
        const struct isa_reg_info *info = isa_reg((unsigned)value);
        snprintf(dst, size, "%s", info ? info->text : "?");
    } else {
        const struct lin_vreg *v = &func->vregs[vreg_id(value)];
        const char *sub = vreg_sub_name(v->kind, vreg_sub(value));
        snprintf(dst, size, "%%%s%s%s", v->name, *sub ? "." : "", sub);
    }
    return dst;
}
