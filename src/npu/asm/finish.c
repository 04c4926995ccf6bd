/* The end of a file: sizes of symbols, values of fixups, and the object or image made of it all. */
#include <string.h>

#include "npu/asm/state.h"

struct finish {
    struct assembler *a;
    struct npu_image *image;
    bool linked;   // sections have addresses: nothing stays a relocation
    int *n_relocs; // by section
    struct npu_reloc **relocs;
};

static int64_t address_of(const struct finish *f, const struct asm_symbol *s)
{
    return s->section >= 0 ? s->value + (f->linked ? f->a->sections[s->section].base : 0)
                           : s->value;
}

/* ---- values ---- */

/* plus - minus where both are known and in one section, or plus alone where it is final. */
static bool is_final(const struct finish *f, int plus, int minus, int64_t *value)
{
    const struct asm_symbol *p = plus >= 0 ? &f->a->symbols[plus] : NULL;
    const struct asm_symbol *m = minus >= 0 ? &f->a->symbols[minus] : NULL;
    *value = (p ? address_of(f, p) : 0) - (m ? address_of(f, m) : 0);
    int in_p = p ? p->section : ASM_NUMBER, in_m = m ? m->section : ASM_NUMBER;
    if (in_p == ASM_NO_SECTION || in_m == ASM_NO_SECTION) {
        return false;
    }
    return in_p == in_m || f->linked;
}

static void finish_sizes(struct finish *f)
{
    struct assembler *a = f->a;
    for (unsigned i = 0; i < a->n_sizes; i++) {
        const struct asm_size *s = &a->sizes[i];
        int64_t value;
        if (!is_final(f, s->plus, s->minus, &value) || value + s->number < 0 ||
            value + s->number > UINT32_MAX) {
            asm_error_at(a, s->line, s->column, "the size of '%s' is not a number",
                         a->symbols[s->symbol].name);
        } else {
            a->symbols[s->symbol].size = value + s->number;
        }
    }
}

static int put_value(struct finish *f, const struct asm_fixup *x, int64_t value)
{
    struct asm_section *s = &f->a->sections[x->section];
    int64_t min = INT64_MIN, max = INT64_MAX;
    if (x->reloc >= 0) {
        isa_reloc_range((unsigned)x->reloc, &min, &max);
    } else if (x->size < 8) {
        min = -((int64_t)1 << (8 * x->size - 1));
        max = ((int64_t)1 << 8 * x->size) - 1;
    }
    if (value < min || value > max) {
        return asm_error_at(f->a, x->line, x->column,
                            "%lld (%s) does not fit here: the range is [%lld, %lld]",
                            (long long)value, x->plus >= 0 ? f->a->symbols[x->plus].name : "",
                            (long long)min, (long long)max);
    }
    if (x->reloc >= 0) {
        isa_reloc_put((unsigned)x->reloc, s->bytes + x->offset, (uint32_t)value);
        return SOTTO_OK;
    }
    for (int i = 0; i < x->size; i++) {
        s->bytes[x->offset + (uint32_t)i] = (uint8_t)((uint64_t)value >> 8 * i);
    }
    return SOTTO_OK;
}

static int keep_reloc(struct finish *f, const struct asm_fixup *x)
{
    struct npu_reloc *r = &f->relocs[x->section][f->n_relocs[x->section]++];
    *r = (struct npu_reloc){.offset = x->offset,
                            .symbol = x->plus >= 0 ? (uint32_t)f->a->symbols[x->plus].image : 0,
                            .type = (uint32_t)(x->reloc < 0 ? ASM_RELOC_DATA : x->reloc),
                            .addend = (int32_t)x->number};
    return SOTTO_OK;
}

static int finish_fixup(struct finish *f, const struct asm_fixup *x)
{
    struct assembler *a = f->a;
    const char *name = x->plus >= 0 ? a->symbols[x->plus].name : "";
    uint32_t bytes = x->reloc >= 0 ? isa_reloc((unsigned)x->reloc)->bytes : x->size;
    int64_t value;
    if (x->offset > a->sections[x->section].size ||
        bytes > a->sections[x->section].size - x->offset || !a->sections[x->section].bytes) {
        return asm_error_at(a, x->line, x->column, "the %u bytes to relocate are not all there",
                            bytes);
    }
    if (is_final(f, x->plus, x->minus, &value) && (!x->kept || f->linked)) {
        return put_value(f, x, value + x->number);
    }
    if (f->linked) {
        return asm_error_at(a, x->line, x->column,
                            "symbol '%s' is not defined, and sections with .base are final", name);
    }
    if (x->minus >= 0) {
        return asm_error_at(
            a, x->line, x->column,
            "the difference of '%s' and '%s' is not known: they are not in one section", name,
            a->symbols[x->minus].name);
    }
    if (x->reloc < 0 && x->size != 4) {
        return asm_error_at(a, x->line, x->column,
                            "the address of '%s' needs 4 bytes (.word), not %d", name, x->size);
    }
    if (x->number < INT32_MIN || x->number > INT32_MAX) {
        return asm_error_at(a, x->line, x->column, "what is added to '%s' has more than 32 bits",
                            name);
    }
    return keep_reloc(f, x);
}

/* Symbols that relocations need must be in the image, even local ones. */
static void mark_used(struct finish *f)
{
    for (unsigned i = 0; i < f->a->n_fixups; i++) {
        const struct asm_fixup *x = &f->a->fixups[i];
        int64_t value;
        if (x->plus >= 0 && (x->kept || !is_final(f, x->plus, x->minus, &value))) {
            f->a->symbols[x->plus].used = true;
        }
    }
}

/* ---- the image ---- */

static int add_sections(struct finish *f)
{
    struct assembler *a = f->a;
    for (unsigned i = 0; i < a->n_sections; i++) {
        const struct asm_section *s = &a->sections[i];
        struct npu_section section = {.name = npu_image_text(f->image, s->name, strlen(s->name)),
                                      .type = s->type,
                                      .flags = s->flags,
                                      .address = s->base,
                                      .size = s->size,
                                      .align = s->align,
                                      .entry_size = s->entry_size};
        if (!section.name) {
            return SOTTO_ENOMEM;
        }
        if (s->type != NPU_SHT_NOBITS) {
            section.data =
                (const uint8_t *)npu_image_text(f->image, (const char *)s->bytes, s->size);
        }
        if ((s->type != NPU_SHT_NOBITS && !section.data) ||
            npu_image_add_section(f->image, &section) < 0) {
            return SOTTO_ENOMEM;
        }
    }
    return SOTTO_OK;
}

static int add_segments(struct finish *f)
{
    for (unsigned i = 1; i < f->image->n_sections && f->linked; i++) {
        const struct npu_section *s = &f->image->sections[i];
        struct npu_segment segment = {.address = s->address,
                                      .runs_at = s->address,
                                      .size = s->size,
                                      .file_size = s->data ? s->size : 0,
                                      .flags = NPU_SEGMENT_READ,
                                      .data = s->data};
        segment.flags |= s->flags & NPU_SHF_EXEC ? NPU_SEGMENT_EXEC : 0;
        segment.flags |= s->flags & NPU_SHF_WRITE ? NPU_SEGMENT_WRITE : 0;
        if ((s->flags & NPU_SHF_ALLOC) && s->size &&
            npu_image_add_segment(f->image, &segment) < 0) {
            return SOTTO_ENOMEM;
        }
    }
    return SOTTO_OK;
}

/* Local names that start with .L are for the assembler alone, unless a relocation needs them. */
static bool is_wanted(const struct asm_symbol *s)
{
    if (s->section == ASM_NO_SECTION && !s->common_align) {
        return s->used || s->stated;
    }
    return s->used || s->bind != NPU_BIND_LOCAL || strncmp(s->name, ".L", 2) != 0;
}

static int add_symbols(struct finish *f, bool local)
{
    struct assembler *a = f->a;
    for (unsigned i = 0; i < a->n_symbols; i++) {
        struct asm_symbol *s = &a->symbols[i];
        bool undefined = s->section == ASM_NO_SECTION;
        uint8_t bind = undefined && s->bind == NPU_BIND_LOCAL ? NPU_BIND_GLOBAL : s->bind;
        if ((bind == NPU_BIND_LOCAL) != local || !is_wanted(s)) {
            continue;
        }
        struct npu_symbol symbol = {.name = npu_image_text(f->image, s->name, strlen(s->name)),
                                    .value = (uint32_t)address_of(f, s),
                                    .size = (uint32_t)s->size,
                                    .bind = bind,
                                    .type = s->type};
        symbol.section = s->section >= 0            ? (uint32_t)s->section + 1
                         : s->section == ASM_NUMBER ? NPU_SECTION_ABSOLUTE
                                                    : NPU_SECTION_UNDEFINED;
        if (s->common_align) {
            symbol.section = NPU_SECTION_COMMON;
            symbol.value = s->common_align;
        }
        s->image = symbol.name ? npu_image_add_symbol(f->image, &symbol) : -1;
        if (s->image < 0) {
            return SOTTO_ENOMEM;
        }
    }
    return SOTTO_OK;
}

/* By section; within one the lines are in order already. */
static int add_lines(struct finish *f)
{
    struct assembler *a = f->a;
    const char *file = npu_image_text(f->image, a->file, strlen(a->file));
    for (unsigned k = 0; k < a->n_sections && file; k++) {
        for (unsigned i = 0; i < a->n_lines; i++) {
            const struct asm_line *l = &a->lines[i];
            struct npu_line line = {k + 1, l->offset + a->sections[k].base, (uint32_t)l->line,
                                    file};
            if (l->section == (int)k && npu_image_add_line(f->image, &line) < 0) {
                return SOTTO_ENOMEM;
            }
        }
    }
    return file ? SOTTO_OK : SOTTO_ENOMEM;
}

/* Room for every section's relocations; they come out in the order of the text, which is by offset but
 * for `.reloc`. */
static int alloc_relocs(struct finish *f)
{
    struct assembler *a = f->a;
    f->n_relocs = npu_image_alloc(f->image, a->n_sections, sizeof *f->n_relocs);
    f->relocs = npu_image_alloc(f->image, a->n_sections, sizeof *f->relocs);
    if (!f->n_relocs || !f->relocs) {
        return SOTTO_ENOMEM;
    }
    for (unsigned i = 0; i < a->n_fixups; i++) {
        f->n_relocs[a->fixups[i].section]++;
    }
    for (unsigned i = 0; i < a->n_sections; i++) {
        f->relocs[i] = npu_image_alloc(f->image, (size_t)f->n_relocs[i], sizeof **f->relocs);
        f->n_relocs[i] = 0;
        if (!f->relocs[i]) {
            return SOTTO_ENOMEM;
        }
    }
    return SOTTO_OK;
}

static void attach_relocs(struct finish *f)
{
    for (unsigned i = 0; i < f->a->n_sections; i++) {
        struct npu_section *s = &f->image->sections[i + 1];
        s->relocs = f->relocs[i];
        s->n_relocs = (uint32_t)f->n_relocs[i];
        for (uint32_t k = 1; k < s->n_relocs; k++) { // insertion: nearly sorted
            struct npu_reloc r = s->relocs[k];
            uint32_t at = k;
            for (; at > 0 && s->relocs[at - 1].offset > r.offset; at--) {
                s->relocs[at] = s->relocs[at - 1];
            }
            s->relocs[at] = r;
        }
    }
}

static void check_bases(struct finish *f)
{
    struct assembler *a = f->a;
    for (unsigned i = 0; i < a->n_sections; i++) {
        f->linked = f->linked || a->sections[i].has_base;
    }
    for (unsigned i = 0; i < a->n_sections && f->linked; i++) {
        const struct asm_section *s = &a->sections[i];
        if ((s->flags & NPU_SHF_ALLOC) && s->size && !s->has_base) {
            asm_error_at(a, 0, 0, "section %s has no .base, but others have", s->name);
        }
    }
}

static int finish_entry(struct finish *f)
{
    struct assembler *a = f->a;
    int64_t value = 0;
    if (a->entry >= 0 && (!is_final(f, a->entry, -1, &value) || !f->linked)) {
        return asm_error_at(a, 0, 0, "the entry '%s' is not at a known address",
                            a->symbols[a->entry].name);
    }
    f->image->entry = (uint32_t)(value + a->entry_number);
    return SOTTO_OK;
}

static int build(struct finish *f)
{
    struct assembler *a = f->a;
    mark_used(f);
    int err = add_symbols(f, true);
    err = err ? err : add_symbols(f, false);
    err = err ? err : alloc_relocs(f);
    for (unsigned i = 0; !err && i < a->n_fixups; i++) {
        finish_fixup(f, &a->fixups[i]); // reports its error; the others are looked at, too
    }
    if (a->n_errors) {
        return SOTTO_ESYNTAX;
    }
    err = err ? err : add_sections(f);
    err = err ? err : add_segments(f);
    err = err ? err : add_lines(f);
    if (!err) {
        attach_relocs(f);
    }
    return err;
}

int asm_finish(struct assembler *a, struct npu_image **out)
{
    struct finish f = {.a = a, .image = npu_image_new(a->file)};
    *out = f.image;
    if (!f.image) {
        return asm_no_memory(a);
    }
    check_bases(&f);
    f.image->linked = f.linked;
    finish_sizes(&f);
    finish_entry(&f);
    int err = build(&f);
    return err == SOTTO_ENOMEM ? asm_no_memory(a) : err;
}
