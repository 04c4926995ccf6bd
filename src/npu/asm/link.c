/* Linking: which definitions hold, and which section goes to which address. Bytes: link_out.c. */
#include "npu/asm/link.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npu/asm/link_impl.h"

enum { CODE_ALIGN = 16, RANK_CODE = 0, RANK_RODATA, RANK_DATA, RANK_OTHER, RANK_BSS };

void link_options_init(struct link_options *options)
{
    *options = (struct link_options){.stack = 1024};
}

int link_error(struct linker *l, const struct npu_image *object, unsigned section, uint32_t offset,
               const char *fmt, ...)
{
    const struct npu_line *line = section ? npu_image_line(object, section, offset) : NULL;
    struct sotto_diag d = {0};
    char text[900];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (line) {
        diag_set_at(&d, SOTTO_ESYNTAX, line->file, (int)line->line, 0, "%s (in %s)", text,
                    object->file);
    } else if (object && section) {
        diag_set(&d, SOTTO_ESYNTAX, object->file, "%s: %s (at 0x%x of section %s)", object->file,
                 text, offset, object->sections[section].name);
    } else {
        diag_set(&d, SOTTO_ESYNTAX, object ? object->file : l->name, "%s: %s",
                 object ? object->file : l->name, text);
    }
    if (l->n_errors++ == 0 && l->diag) {
        *l->diag = d;
    }
    if (l->options->on_error) {
        l->options->on_error(l->options->user, &d);
    }
    return SOTTO_ESYNTAX;
}

static int no_memory(struct linker *l)
{
    return diag_set(l->diag, SOTTO_ENOMEM, l->name, "Out of memory linking %s.", l->name);
}

/* ---- pieces and outputs ---- */

static bool has_prefix(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 && (name[n] == 0 || name[n] == '.');
}

static const struct link_name *place_of(const struct linker *l, const char *name)
{
    for (unsigned i = 0; i < l->options->n_places; i++) {
        if (strcmp(l->options->places[i].name, name) == 0) {
            return &l->options->places[i];
        }
    }
    return NULL;
}

/* The image's section for an object's. */
static unsigned output_for(struct linker *l, const struct npu_section *s)
{
    const struct link_name *place = place_of(l, s->name);
    struct link_output o = {.name = s->name, .flags = s->flags, .rank = RANK_OTHER, .align = 4};
    o.flags &= NPU_SHF_WRITE | NPU_SHF_ALLOC | NPU_SHF_EXEC;
    if (s->flags & NPU_SHF_EXEC) {
        o.name = place ? s->name : ".text";
        o.rank = RANK_CODE;
        o.align = CODE_ALIGN;
    } else if (has_prefix(s->name, ".rodata")) {
        o.name = place ? s->name : ".rodata";
        o.rank = RANK_RODATA;
    } else if (has_prefix(s->name, ".data")) {
        o.name = place ? s->name : ".data";
        o.rank = RANK_DATA;
    } else if (has_prefix(s->name, ".bss")) {
        o.name = place ? s->name : ".bss";
        o.rank = RANK_BSS;
    }
    o.fixed = place != NULL;
    o.address = place ? place->value : 0;
    for (unsigned i = 0; i < l->n_outputs; i++) {
        if (strcmp(l->outputs[i].name, o.name) == 0 && l->outputs[i].rank == o.rank) {
            l->outputs[i].flags |= o.flags;
            return i;
        }
    }
    l->outputs[l->n_outputs] = o;
    return l->n_outputs++;
}

static int collect(struct linker *l)
{
    unsigned n = 1;
    for (unsigned i = 0; i < l->n_objects; i++) {
        n += l->objects[i]->n_sections;
    }
    l->pieces = npu_image_alloc(l->image, n, sizeof *l->pieces);
    l->outputs = npu_image_alloc(l->image, n, sizeof *l->outputs);
    l->first_piece = npu_image_alloc(l->image, l->n_objects + 1u, sizeof *l->first_piece);
    if (!l->pieces || !l->outputs || !l->first_piece) {
        return no_memory(l);
    }
    for (unsigned i = 0; i < l->n_objects; i++) {
        const struct npu_image *object = l->objects[i];
        if (object->linked) {
            return diag_set(l->diag, SOTTO_EINVAL, object->file,
                            "%s is a linked image, not an object.", object->file);
        }
        l->first_piece[i] = l->n_pieces;
        for (unsigned k = 1; k < object->n_sections; k++) {
            const struct npu_section *s = &object->sections[k];
            if ((s->flags & NPU_SHF_ALLOC) && s->type) {
                l->pieces[l->n_pieces++] = (struct link_piece){object, k, output_for(l, s), 0};
            }
        }
    }
    l->first_piece[l->n_objects] = l->n_pieces;
    return SOTTO_OK;
}

const struct link_piece *link_piece_of(const struct linker *l, const struct npu_image *object,
                                       unsigned section)
{
    for (unsigned i = 0; i < l->n_pieces; i++) {
        if (l->pieces[i].object == object && l->pieces[i].section == section) {
            return &l->pieces[i];
        }
    }
    return NULL;
}

/* ---- symbols ---- */

struct link_global *link_find(const struct linker *l, const char *name)
{
    for (unsigned i = 0; i < l->n_globals; i++) {
        if (strcmp(l->globals[i].name, name) == 0) {
            return &l->globals[i];
        }
    }
    return NULL;
}

static void explain_twice(struct linker *l, const struct link_global *have,
                          const struct link_global *more)
{
    unsigned section =
        more->symbol && more->symbol->section < NPU_SECTION_ABSOLUTE ? more->symbol->section : 0;
    link_error(l, more->object, section, more->symbol ? more->symbol->value : 0,
               "symbol '%s' is defined twice: also in %s", more->name,
               have->object ? have->object->file : "the options");
}

static bool is_common(const struct link_global *g)
{
    return g->symbol && g->symbol->section == NPU_SECTION_COMMON;
}

static void define(struct linker *l, struct link_global g)
{
    struct link_global *have = link_find(l, g.name);
    if (!have) {
        l->globals[l->n_globals++] = g;
    } else if (is_common(have) && is_common(&g)) {
        *have = g.symbol->size > have->symbol->size ? g : *have;
    } else if (have->weak || (is_common(have) && !g.weak)) {
        *have = g.weak ? *have : g;
    } else if (!g.weak && !is_common(&g)) {
        explain_twice(l, have, &g);
    }
}

static int resolve(struct linker *l)
{
    static const char *const made[] = {"__stack_start", "__stack_end", "__data_start", "__data_end",
                                       "__bss_start",   "__bss_end",   "__text_end"};
    enum { N_MADE = sizeof made / sizeof made[0] };
    size_t n = l->options->n_defines + N_MADE;
    for (unsigned i = 0; i < l->n_objects; i++) {
        n += l->objects[i]->n_symbols;
    }
    l->globals = npu_image_alloc(l->image, n, sizeof *l->globals);
    if (!l->globals) {
        return no_memory(l);
    }
    for (unsigned i = 0; i < l->options->n_defines; i++) {
        const struct link_name *d = &l->options->defines[i];
        define(l, (struct link_global){.name = d->name, .value = d->value});
    }
    for (unsigned i = 0; i < l->n_objects; i++) {
        for (unsigned k = 1; k < l->objects[i]->n_symbols; k++) {
            const struct npu_symbol *s = &l->objects[i]->symbols[k];
            if (s->bind != NPU_BIND_LOCAL && s->section != NPU_SECTION_UNDEFINED) {
                define(l, (struct link_global){s->name, l->objects[i], s, 0,
                                               s->bind == NPU_BIND_WEAK});
            }
        }
    }
    for (unsigned i = 0; i < N_MADE; i++) {
        define(l, (struct link_global){.name = made[i], .weak = true});
    }
    return SOTTO_OK;
}

bool link_value(const struct linker *l, const struct npu_image *object,
                const struct npu_symbol *symbol, uint32_t *value)
{
    if (symbol->bind != NPU_BIND_LOCAL || symbol->section == NPU_SECTION_UNDEFINED) {
        const struct link_global *g = link_find(l, symbol->name);
        *value = g ? g->value : 0;
        return g || symbol->bind == NPU_BIND_WEAK;
    }
    const struct link_piece *piece = link_piece_of(l, object, symbol->section);
    *value = symbol->value + (piece ? piece->address : 0);
    return piece || symbol->section == NPU_SECTION_ABSOLUTE;
}

/* ---- addresses ---- */

static const char *entry_name(const struct linker *l)
{
    if (l->options->entry) {
        return l->options->entry;
    }
    return link_find(l, "__start") ? "__start" : "_start";
}

/* The piece that must come first, or NULL. */
static const struct link_piece *entry_piece(const struct linker *l)
{
    const struct link_global *g = link_find(l, entry_name(l));
    return g && g->symbol ? link_piece_of(l, g->object, g->symbol->section) : NULL;
}

static uint32_t align_up(uint32_t value, uint32_t align)
{
    return (value + align - 1) & ~(align - 1);
}

/* Puts a piece behind the others of its output. */
static void place_piece(struct linker *l, struct link_piece *p, uint32_t limit)
{
    struct link_output *o = &l->outputs[p->output];
    const struct npu_section *s = &p->object->sections[p->section];
    uint32_t align = s->flags & NPU_SHF_EXEC ? CODE_ALIGN : 1;
    align = s->align > align ? s->align : align;
    uint32_t at = align_up(o->address + o->size, align);
    p->address = at;
    o->filled = o->filled || s->data;
    if (s->size > limit || at > limit - s->size) {
        bool first = o->address + o->size <= limit;
        if (first) { // the place in it that is the first outside
            link_error(l, p->object, p->section, at < limit ? limit - at : 0,
                       "section %s (%u bytes at 0x%x) passes the end of %s memory at 0x%x", s->name,
                       s->size, at, limit == NPU_DATA_END ? "data" : "program", limit);
        }
        o->size = limit + 1 - o->address; // said once for each output
        return;
    }
    o->size = at + s->size - o->address;
}

static uint32_t output_align(const struct linker *l, unsigned output)
{
    uint32_t align = l->outputs[output].align;
    for (unsigned i = 0; i < l->n_pieces; i++) {
        const struct npu_section *s = &l->pieces[i].object->sections[l->pieces[i].section];
        if (l->pieces[i].output == output && s->align > align) {
            align = s->align;
        }
    }
    return align;
}

static const struct link_piece *first_of(const struct linker *l, unsigned output)
{
    const struct link_piece *p = l->pieces;
    while (p->output != output) {
        p++;
    }
    return p;
}

static void place_output(struct linker *l, unsigned output, uint32_t *code, uint32_t *data)
{
    struct link_output *o = &l->outputs[output];
    const struct link_piece *first = o->rank == RANK_CODE ? entry_piece(l) : NULL;
    uint32_t *cursor = o->rank == RANK_CODE ? code : data;
    o->align = output_align(l, output);
    if (o->fixed && (o->address & (o->align - 1))) {
        const struct link_piece *p = first_of(l, output);
        link_error(l, p->object, p->section, 0,
                   "section %s cannot be at 0x%x: it needs a multiple of %u", o->name, o->address,
                   o->align);
    }
    if (!o->fixed) {
        o->address = align_up(*cursor, o->align);
    }
    bool code_space = o->address < NPU_PROGRAM_END;
    if (code_space != (o->rank == RANK_CODE)) {
        link_error(l, NULL, 0, 0, "section %s cannot be at 0x%x: that is %s memory", o->name,
                   o->address, code_space ? "program" : "data");
        return;
    }
    uint32_t limit = code_space ? NPU_PROGRAM_BYTES : NPU_DATA_END;
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < l->n_pieces; i++) {
            if (l->pieces[i].output == output && (&l->pieces[i] == first) == (pass == 0)) {
                place_piece(l, &l->pieces[i], limit);
            }
        }
    }
    if (!o->fixed) {
        *cursor = o->address + o->size;
    }
}

static uint32_t data_start(const struct linker *l)
{
    return l->options->data ? l->options->data : NPU_DATA_OWN + l->options->stack;
}

/* Common symbols come last, each at its alignment. */
static void place_commons(struct linker *l, uint32_t at)
{
    l->common_address = align_up(at, 4);
    uint32_t end = l->common_address;
    for (unsigned i = 0; i < l->n_globals; i++) {
        struct link_global *g = &l->globals[i];
        if (!is_common(g)) {
            continue;
        }
        uint32_t align = g->symbol->value;
        if (align == 0 || (align & (align - 1)) || align > 65536) {
            link_error(l, g->object, 0, 0, "symbol '%s' has an alignment of %u", g->name, align);
            align = 1;
        }
        g->value = align_up(end, align);
        if (g->symbol->size > NPU_DATA_END || g->value > NPU_DATA_END - g->symbol->size) {
            link_error(l, g->object, 0, 0, "symbol '%s' (%u bytes) passes the end of data memory",
                       g->name, g->symbol->size);
        } else {
            end = g->value + g->symbol->size;
        }
    }
    l->common_size = end - l->common_address;
}

static int by_rank(const void *a, const void *b)
{
    const struct link_output *x = a, *y = b;
    return x->rank - y->rank;
}

/* Sorts the outputs by rank and corrects the pieces' numbers. */
static int sort_outputs(struct linker *l)
{
    struct link_output *old = npu_image_alloc(l->image, (size_t)l->n_outputs + 1, sizeof *old);
    if (!old) {
        return no_memory(l);
    }
    memcpy(old, l->outputs, l->n_outputs * sizeof *old);
    qsort(l->outputs, l->n_outputs, sizeof *l->outputs, by_rank);
    for (unsigned i = 0; i < l->n_pieces; i++) {
        const struct link_output *o = &old[l->pieces[i].output];
        for (unsigned k = 0; k < l->n_outputs; k++) {
            if (l->outputs[k].rank == o->rank && l->outputs[k].name == o->name) {
                l->pieces[i].output = k;
            }
        }
    }
    return SOTTO_OK;
}

static void check_overlap(struct linker *l)
{
    for (unsigned i = 0; i < l->n_outputs; i++) {
        const struct link_output *a = &l->outputs[i];
        for (unsigned k = 0; k < i; k++) {
            const struct link_output *b = &l->outputs[k];
            if (a->size && b->size && a->address < b->address + b->size &&
                b->address < a->address + a->size) {
                link_error(l, NULL, 0, 0, "section %s at 0x%x overlaps section %s at 0x%x", a->name,
                           a->address, b->name, b->address);
            }
        }
        if (a->size && a->address < NPU_DATA_OWN + l->options->stack &&
            a->address + a->size > NPU_DATA_OWN) {
            link_error(l, NULL, 0, 0, "section %s at 0x%x lies in the stack (%u bytes at 0x%x)",
                       a->name, a->address, l->options->stack, NPU_DATA_OWN);
        }
    }
}

static uint32_t end_of(const struct linker *l, int low_rank, int high_rank, bool start)
{
    uint32_t end = 0, begin = UINT32_MAX;
    for (unsigned i = 0; i < l->n_outputs; i++) {
        const struct link_output *o = &l->outputs[i];
        if (o->rank >= low_rank && o->rank <= high_rank) {
            end = o->address + o->size > end ? o->address + o->size : end;
            begin = o->address < begin ? o->address : begin;
        }
    }
    return start ? begin : end;
}

/* The values of what is defined by objects and made here. */
static void set_values(struct linker *l)
{
    uint32_t data = data_start(l), end = end_of(l, RANK_RODATA, RANK_BSS, false);
    uint32_t bss = end_of(l, RANK_BSS, RANK_BSS, true);
    uint32_t common_end = l->common_address + l->common_size;
    const struct link_name made[] = {{"__stack_start", NPU_DATA_OWN},
                                     {"__stack_end", NPU_DATA_OWN + l->options->stack},
                                     {"__data_start", data},
                                     {"__data_end", l->common_size ? common_end
                                                    : end > data   ? end
                                                                   : data},
                                     {"__bss_start", bss != UINT32_MAX ? bss : l->common_address},
                                     {"__bss_end", l->common_size ? common_end
                                                   : bss != UINT32_MAX
                                                       ? end_of(l, RANK_BSS, RANK_BSS, false)
                                                       : l->common_address},
                                     {"__text_end", end_of(l, RANK_CODE, RANK_CODE, false)}};
    for (unsigned i = 0; i < l->n_globals; i++) {
        struct link_global *g = &l->globals[i];
        const struct link_piece *piece =
            g->symbol ? link_piece_of(l, g->object, g->symbol->section) : NULL;
        if (g->symbol && !is_common(g)) {
            g->value = g->symbol->value + (piece ? piece->address : 0);
        }
        for (size_t k = 0; k < sizeof made / sizeof made[0] && !g->symbol && g->weak; k++) {
            g->value = strcmp(g->name, made[k].name) == 0 ? made[k].value : g->value;
        }
    }
}

static void check_entry(struct linker *l)
{
    const struct link_global *g = link_find(l, entry_name(l));
    if (!g && l->options->entry) {
        link_error(l, NULL, 0, 0, "the entry '%s' is not defined", l->options->entry);
    } else if (g && g->value != 0) {
        link_error(
            l, g->object, 0, 0,
            "the entry '%s' is at 0x%x, but a core starts at 0: it must be the first thing in "
            "its section",
            g->name, g->value);
    }
    l->image->entry = 0;
}

static int lay_out(struct linker *l)
{
    uint32_t code = 0, data = data_start(l);
    if (sort_outputs(l)) {
        return SOTTO_ENOMEM;
    }
    for (unsigned i = 0; i < l->n_outputs; i++) {
        place_output(l, i, &code, &data);
    }
    place_commons(l, data);
    check_overlap(l);
    set_values(l);
    check_entry(l);
    return SOTTO_OK;
}

static int check_options(struct linker *l)
{
    const struct link_options *o = l->options;
    bool bad_data = o->data && (o->data < NPU_DATA_OWN || o->data >= NPU_DATA_END);
    if (o->stack > NPU_DATA_END - NPU_DATA_OWN || bad_data) {
        return diag_set(l->diag, SOTTO_EINVAL, l->name,
                        "Stack and data must lie within 0x%x and 0x%x.", NPU_DATA_OWN,
                        NPU_DATA_END - 1);
    }
    return SOTTO_OK;
}

int link_objects(struct npu_image **out, const struct npu_image *const *objects, unsigned n_objects,
                 const char *name, const struct link_options *options, struct sotto_diag *diag)
{
    struct link_options defaults;
    link_options_init(&defaults);
    struct linker l = {.objects = objects,
                       .n_objects = n_objects,
                       .name = name,
                       .options = options ? options : &defaults,
                       .diag = diag,
                       .image = npu_image_new(name)};
    if (!l.image) {
        return no_memory(&l);
    }
    l.image->linked = true;
    int err = check_options(&l);
    err = err ? err : collect(&l);
    err = err ? err : resolve(&l);
    err = err ? err : lay_out(&l);
    if (!err && l.n_errors == 0) {
        err = link_write(&l);
    }
    err = err == SOTTO_ENOMEM ? no_memory(&l) : err;
    if (err || l.n_errors) {
        npu_image_close(&l.image);
        return err ? err : SOTTO_ESYNTAX;
    }
    *out = l.image;
    return SOTTO_OK;
}
