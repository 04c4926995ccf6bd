/* Files: every function through analysis, scheduling and comparison; text and report. See sched.h. */
#include "npu/sched/sched.h"

#include "base/error.h"
#include "base/mem.h"
#include "npu/sched/flow.h"
#include "npu/sched/impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- text ---- */

struct writer {
    char *text;
    size_t size, capacity;
    bool failed;
};

static void say(struct writer *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct writer *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    while (!out->failed && out->size + (size_t)n + 1 > out->capacity) {
        size_t more = out->capacity ? out->capacity * 2 : 1 << 14;
        char *moved = mem_grow(out->text, out->capacity, more, 1);
        out->failed = !moved;
        out->text = moved ? moved : out->text;
        out->capacity = moved ? more : out->capacity;
    }
    if (!out->failed) {
        va_start(args, fmt);
        vsnprintf(out->text + out->size, (size_t)n + 1, fmt, args);
        va_end(args);
        out->size += (size_t)n;
    }
}

static const struct sched_loop *loop_at(const struct sched_func *f, unsigned bundle)
{
    for (unsigned i = 0; i < f->n_loops; i++) {
        if (f->loops[i].kernel == bundle) {
            return &f->loops[i];
        }
    }
    return NULL;
}

static void write_function(struct writer *out, const struct sched_func *f)
{
    char text[ISA_TEXT_MAX * 2];
    unsigned label = 0;
    say(out, "\n    .text\n    .align 16\n    .globl %s\n    .type %s, @function\n%s:\n", f->name,
        f->name, f->name);
    for (unsigned i = 0; i <= f->code.n_bundles; i++) {
        for (; label < f->code.n_labels && f->code.labels[label].bundle == i; label++) {
            say(out, "%s:\n", f->code.labels[label].name);
        }
        const struct sched_loop *loop = i < f->code.n_bundles ? loop_at(f, i) : NULL;
        if (loop) {
            say(out, "    // kernel of the loop in line %d: %u bundles, %u iterations of %u\n",
                loop->line, loop->bundles, loop->unroll, loop->ii);
        }
        if (i < f->code.n_bundles && code_print(&f->code.bundles[i], text, sizeof text) >= 0) {
            say(out, "    %s\n", text);
        }
    }
    say(out, "    .size %s, .-%s\n", f->name, f->name);
}

static void write_file(struct writer *out, const struct lin_file *file,
                       const struct sched_result *r, const struct sched_options *options)
{
    unsigned verbatim = 0;
    say(out, "// From %s by sotto-npu sched%s.\n", file->name,
        options->unscheduled ? " --unscheduled" : "");
    for (unsigned i = 0; i <= file->n_funcs; i++) {
        for (; verbatim < file->n_verbatim && file->verbatim[verbatim].before == i; verbatim++) {
            say(out, "    %s\n", file->verbatim[verbatim].text);
        }
        if (i < r->n_funcs) {
            write_function(out, &r->funcs[i]);
        }
    }
}

/* ---- scheduling ---- */

static void *keep_array(struct arena *arena, const void *array, unsigned n, size_t size)
{
    void *copy = arena_alloc(arena, n + 1, size);
    return copy && n ? memcpy(copy, array, n * size) : copy;
}

static const char *keep_text(struct arena *arena, const char *text)
{
    return text ? arena_text(arena, text, strlen(text)) : NULL;
}

/* What the result holds moves out of the scratch memory. */
static void keep(struct sched_result *r, struct sched_func *out, const struct sched_func *made)
{
    struct code *c = &out->code;
    *out = *made;
    c->bundles = keep_array(&r->arena, c->bundles, c->n_bundles, sizeof *c->bundles);
    c->labels = keep_array(&r->arena, c->labels, c->n_labels, sizeof *c->labels);
    out->loops = keep_array(&r->arena, out->loops, out->n_loops, sizeof *out->loops);
    for (unsigned i = 0; i < c->n_labels && !r->arena.failed; i++) {
        c->labels[i].name = keep_text(&r->arena, c->labels[i].name);
    }
    for (unsigned i = 0; i < c->n_bundles * ISA_SLOT_COUNT && !r->arena.failed; i++) {
        struct code_ref *ref = &c->bundles[i / ISA_SLOT_COUNT].refs[i % ISA_SLOT_COUNT];
        ref->symbol = keep_text(&r->arena, ref->symbol);
    }
    for (unsigned i = 0; i < out->n_loops && !r->arena.failed; i++) {
        out->loops[i].bound = keep_text(&r->arena, out->loops[i].bound);
    }
}

static int one_function(struct sched_result *r, const struct lin_file *file,
                        const struct lin_func *func, const struct sched_options *options,
                        struct sched_func *out, struct sotto_diag *diag)
{
    struct arena scratch = {0};
    struct work w = {
        .arena = &scratch, .file = file, .func = func, .diag = diag, .plain = options->unscheduled};
    out->name = func->name;
    int err = work_analyse(&w);
    struct sched_func made = {.name = func->name, .code.file = file->name};
    err = err ? err : options->unscheduled ? plain_function(&w, &made) : lower_function(&w, &made);
    if (!err && !options->unchecked) {
        err = flow_compare(file, func, &made.code, diag);
        err = err == SOTTO_EINVAL ? SOTTO_EINTERNAL : err; // a fault of the scheduler
    }
    if (!err) {
        keep(r, out, &made);
    }
    if (!err && r->arena.failed) {
        err = work_no_memory(&w);
    }
    arena_free(&scratch);
    return err;
}

int sched_file(struct sched_result **out, const struct lin_file *file,
               const struct sched_options *options, struct sotto_diag *diag)
{
    struct sched_result *r = mem_calloc(1, sizeof *r);
    struct writer text = {0};
    if (!r) {
        return diag_set(diag, SOTTO_ENOMEM, file->name, "out of memory");
    }
    int err = SOTTO_OK;
    r->funcs = arena_alloc(&r->arena, file->n_funcs + 1, sizeof *r->funcs);
    for (unsigned i = 0; i < file->n_funcs && !err && r->funcs; i++) {
        err = one_function(r, file, file->funcs[i], options, &r->funcs[i], diag);
        r->n_funcs = i + 1;
    }
    if (!err) {
        write_file(&text, file, r, options);
        r->text = text.text;
        r->text_size = text.size;
    }
    if (!err && (text.failed || r->arena.failed)) {
        err = diag_set(diag, SOTTO_ENOMEM, file->name, "out of memory");
    }
    if (err) {
        r->text = text.text;
        sched_close(&r);
        return err;
    }
    *out = r;
    return SOTTO_OK;
}

void sched_close(struct sched_result **result)
{
    if (result && *result) {
        mem_free((*result)->text);
        arena_free(&(*result)->arena);
        mem_free(*result);
        *result = NULL;
    }
}

/* ---- report ---- */

static void report_loop(struct writer *out, const struct sched_loop *l)
{
    say(out,
        "  loop in line %d: %u operations, interval %u (resources %u, recurrences %u), bound by "
        "%s\n",
        l->line, l->ops, l->ii, l->res_mii, l->rec_mii, l->bound);
    say(out, "    %s, %u stage%s, kernel of %u iteration%s = %u bundles, %u bytes\n",
        l->hardware ? "hardware loop" : "loop by branch", l->stages, l->stages == 1 ? "" : "s",
        l->unroll, l->unroll == 1 ? "" : "s", l->bundles, l->bytes);
    say(out, "    slots used in %u bundles:", l->ii);
    for (unsigned s = 0; s < ISA_SLOT_NOP; s++) {
        if (l->slots[s]) {
            say(out, " %s %u (%u %%)", isa_slot_name(s), l->slots[s], 100 * l->slots[s] / l->ii);
        }
    }
    say(out,
        "\n    registers: r %u of 32, pointer side %u of 40, vector %u of 24 x 256 bits, "
        "accumulators %u of 36 x 256 bits\n",
        l->live[0], l->live[1], l->live[2], l->live[3]);
}

char *sched_report(const struct sched_result *result)
{
    struct writer out = {0};
    for (unsigned i = 0; i < result->n_funcs; i++) {
        const struct sched_func *f = &result->funcs[i];
        say(&out, "%s: %u bundles, %u bytes\n", f->name, f->code.n_bundles, f->bytes);
        for (unsigned k = 0; k < f->n_loops; k++) {
            report_loop(&out, &f->loops[k]);
        }
    }
    if (out.failed) {
        mem_free(out.text);
        return NULL;
    }
    return out.text ? out.text : mem_strdup("");
}
