/* The linked image: bytes with their relocations done, symbols, lines; and the map. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "npu/asm/link_impl.h"
#include "npu/asm/state.h"

/* ---- relocations ---- */

static int relocate(struct linker *l, const struct link_piece *p, const struct npu_reloc *r,
                    uint8_t *bytes)
{
    const struct npu_image *object = p->object;
    const struct npu_section *s = &object->sections[p->section];
    const struct npu_symbol *symbol = &object->symbols[r->symbol];
    const struct isa_reloc *form = isa_reloc(r->type);
    uint32_t base = 0;
    int64_t min, max;
    if (!form || form->bytes > s->size || r->offset > s->size - form->bytes) {
        return link_error(l, object, p->section, r->offset, "relocation %u cannot be done here",
                          r->type);
    }
    if (r->symbol && !link_value(l, object, symbol, &base)) {
        return link_error(l, object, p->section, r->offset, "symbol '%s' is not defined",
                          symbol->name);
    }
    int64_t value = (int64_t)base + r->addend;
    isa_reloc_range(r->type, &min, &max);
    if (value < min || value > max) {
        return link_error(l, object, p->section, r->offset,
                          "'%s' (%lld) does not fit: the range is [%lld, %lld]", symbol->name,
                          (long long)value, (long long)min, (long long)max);
    }
    if (form->field == ISA_RELOC_BRANCH && (value & 1)) {
        return link_error(l, object, p->section, r->offset,
                          "a branch to '%s' at the odd address 0x%llx", symbol->name,
                          (long long)value);
    }
    isa_reloc_put(r->type, bytes + r->offset, (uint32_t)value);
    return SOTTO_OK;
}

/* ---- sections ---- */

static void fill_output(struct linker *l, unsigned output, uint8_t *bytes)
{
    const struct link_output *o = &l->outputs[output];
    if (o->flags & NPU_SHF_EXEC) {
        // From the end of each piece to the next: pieces may come in any order.
        uint32_t end = o->size;
        for (uint32_t at = 0; at < end;) {
            uint32_t next = end, start = 0;
            for (unsigned i = 0; i < l->n_pieces; i++) {
                const struct link_piece *p = &l->pieces[i];
                uint32_t offset = p->address - o->address;
                uint32_t size = p->object->sections[p->section].size;
                if (p->output == output && size && offset >= at && offset < next) {
                    next = offset;
                    start = offset + size;
                }
            }
            asm_nops(bytes + at, next - at);
            at = next == end ? end : start;
        }
    }
    for (unsigned i = 0; i < l->n_pieces; i++) {
        const struct link_piece *p = &l->pieces[i];
        const struct npu_section *s = &p->object->sections[p->section];
        if (p->output != output || !s->data || !s->size) {
            continue;
        }
        uint8_t *to = bytes + (p->address - o->address);
        memcpy(to, s->data, s->size);
        for (uint32_t k = 0; k < s->n_relocs; k++) {
            relocate(l, p, &s->relocs[k], to);
        }
    }
}

static int add_segment(struct linker *l, const struct npu_section *s)
{
    struct npu_segment segment = {.address = s->address,
                                  .runs_at = s->address,
                                  .size = s->size,
                                  .file_size = s->data ? s->size : 0,
                                  .flags = NPU_SEGMENT_READ,
                                  .data = s->data};
    segment.flags |= s->flags & NPU_SHF_EXEC ? NPU_SEGMENT_EXEC : 0;
    segment.flags |= s->flags & NPU_SHF_WRITE ? NPU_SEGMENT_WRITE : 0;
    return npu_image_add_segment(l->image, &segment) < 0 ? SOTTO_ENOMEM : SOTTO_OK;
}

/* Section k + 1 of the image is output k, then come the common symbols. */
static int add_sections(struct linker *l)
{
    for (unsigned i = 0; i < l->n_outputs; i++) {
        const struct link_output *o = &l->outputs[i];
        struct npu_section s = {.name = npu_image_text(l->image, o->name, strlen(o->name)),
                                .type = o->filled ? NPU_SHT_PROGBITS : NPU_SHT_NOBITS,
                                .flags = o->flags,
                                .address = o->address,
                                .size = o->size,
                                .align = o->align};
        uint8_t *bytes = o->filled ? npu_image_alloc(l->image, o->size, 1) : NULL;
        if (!s.name || (o->filled && !bytes)) {
            return SOTTO_ENOMEM;
        }
        if (bytes) {
            fill_output(l, i, bytes);
            s.data = bytes;
        }
        if (npu_image_add_section(l->image, &s) < 0 || (s.size && add_segment(l, &s))) {
            return SOTTO_ENOMEM;
        }
    }
    struct npu_section common = {.name = ".common",
                                 .type = NPU_SHT_NOBITS,
                                 .flags = NPU_SHF_ALLOC | NPU_SHF_WRITE,
                                 .address = l->common_address,
                                 .size = l->common_size,
                                 .align = 4};
    if (l->common_size &&
        (npu_image_add_section(l->image, &common) < 0 || add_segment(l, &common))) {
        return SOTTO_ENOMEM;
    }
    return SOTTO_OK;
}

/* ---- symbols and lines ---- */

static int add_symbol(struct linker *l, const struct npu_image *object, const struct npu_symbol *s,
                      uint32_t value, uint8_t bind)
{
    const struct link_piece *p = object ? link_piece_of(l, object, s->section) : NULL;
    struct npu_symbol symbol = {.name = npu_image_text(l->image, s->name, strlen(s->name)),
                                .value = value,
                                .size = s->size,
                                .section = p ? p->output + 1 : NPU_SECTION_ABSOLUTE,
                                .bind = bind,
                                .type = s->type};
    if (s->section == NPU_SECTION_COMMON) {
        symbol.section = l->n_outputs + 1;
    }
    return symbol.name && npu_image_add_symbol(l->image, &symbol) >= 0 ? SOTTO_OK : SOTTO_ENOMEM;
}

static int add_symbols(struct linker *l)
{
    int err = SOTTO_OK;
    for (unsigned i = 0; i < l->n_objects && !err; i++) {
        const struct npu_image *object = l->objects[i];
        for (unsigned k = 1; k < object->n_symbols && !err; k++) {
            const struct npu_symbol *s = &object->symbols[k];
            uint32_t value;
            bool wanted = s->bind == NPU_BIND_LOCAL && s->type != NPU_TYPE_SECTION &&
                          s->type != NPU_TYPE_FILE && s->name[0] && strncmp(s->name, ".L", 2) != 0;
            if (wanted && s->section && link_value(l, object, s, &value)) {
                err = add_symbol(l, object, s, value, NPU_BIND_LOCAL);
            }
        }
    }
    for (unsigned i = 0; i < l->n_globals && !err; i++) {
        const struct link_global *g = &l->globals[i];
        const struct npu_symbol made = {.name = g->name, .section = NPU_SECTION_ABSOLUTE};
        err = add_symbol(l, g->object, g->symbol ? g->symbol : &made, g->value, NPU_BIND_GLOBAL);
    }
    return err;
}

static int by_address(const void *a, const void *b)
{
    const struct npu_line *x = a, *y = b;
    if (x->section != y->section) {
        return x->section < y->section ? -1 : 1;
    }
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int add_lines(struct linker *l)
{
    for (unsigned i = 0; i < l->n_objects; i++) {
        const struct npu_image *object = l->objects[i];
        const char *name = NULL, *copy = NULL;
        for (unsigned k = 0; k < object->n_lines; k++) {
            const struct npu_line *from = &object->lines[k];
            const struct link_piece *p = link_piece_of(l, object, from->section);
            if (!p) {
                continue;
            }
            if (!name || strcmp(name, from->file) != 0) {
                name = from->file;
                copy = npu_image_text(l->image, name, strlen(name));
            }
            struct npu_line line = {p->output + 1, p->address + from->offset, from->line, copy};
            if (!copy || npu_image_add_line(l->image, &line) < 0) {
                return SOTTO_ENOMEM;
            }
        }
    }
    if (l->image->n_lines) {
        qsort(l->image->lines, l->image->n_lines, sizeof *l->image->lines, by_address);
    }
    return SOTTO_OK;
}

int link_write(struct linker *l)
{
    int err = add_sections(l);
    err = err ? err : add_symbols(l);
    return err ? err : add_lines(l);
}

/* ---- the map ---- */

struct text {
    char *bytes; // NULL: count only
    size_t size, length;
};

static void say(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(t->bytes ? t->bytes + t->length : NULL, t->bytes ? t->size - t->length : 0,
                      fmt, args);
    va_end(args);
    t->length += n > 0 ? (size_t)n : 0;
}

static uint32_t used_bytes(const struct npu_image *image, bool code)
{
    uint32_t n = 0;
    for (unsigned i = 1; i < image->n_sections; i++) {
        const struct npu_section *s = &image->sections[i];
        n += (s->flags & NPU_SHF_ALLOC) && (s->address < NPU_PROGRAM_END) == code ? s->size : 0;
    }
    return n;
}

static int by_value(const void *a, const void *b)
{
    const struct npu_symbol *x = *(const struct npu_symbol *const *)a;
    const struct npu_symbol *y = *(const struct npu_symbol *const *)b;
    if (x->value != y->value) {
        return x->value < y->value ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

static void write_map(const struct npu_image *image, const struct npu_symbol *const *symbols,
                      unsigned n, struct text *t)
{
    say(t, "program %u of %d bytes, data %u of %d bytes\n\n", used_bytes(image, true),
        NPU_PROGRAM_BYTES, used_bytes(image, false), NPU_DATA_END - NPU_DATA_OWN);
    say(t, "address     bytes  section\n");
    for (unsigned i = 1; i < image->n_sections; i++) {
        const struct npu_section *s = &image->sections[i];
        if (s->flags & NPU_SHF_ALLOC) {
            say(t, "0x%05x  %8u  %s\n", s->address, s->size, s->name);
        }
    }
    say(t, "\naddress     bytes  symbol\n");
    for (unsigned i = 0; i < n; i++) {
        say(t, "0x%05x  %8u  %s\n", symbols[i]->value, symbols[i]->size, symbols[i]->name);
    }
}

int link_map(const struct npu_image *image, char **text, struct sotto_diag *diag)
{
    const struct npu_symbol **symbols = mem_alloc(image->n_symbols, sizeof *symbols);
    struct text t = {0};
    unsigned n = 0;
    for (unsigned i = 1; i < image->n_symbols && symbols; i++) {
        if (image->symbols[i].name[0] && image->symbols[i].section) {
            symbols[n++] = &image->symbols[i];
        }
    }
    if (symbols) {
        qsort(symbols, n, sizeof *symbols, by_value);
        write_map(image, symbols, n, &t);
        t.size = t.length + 1;
        t.bytes = mem_alloc(t.size, 1);
        t.length = 0;
    }
    if (t.bytes) {
        write_map(image, symbols, n, &t);
    }
    mem_free(symbols);
    if (!t.bytes) {
        return diag_set(diag, SOTTO_ENOMEM, image->file, "Out of memory.");
    }
    *text = t.bytes;
    return SOTTO_OK;
}
