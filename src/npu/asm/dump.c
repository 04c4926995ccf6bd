/*
 * The text of a disassembly: one line per bundle with its address, data by words, labels and directives.
 * Every printed bundle is read back by the assembler's parser; if that gives other bytes, the bytes are
 * printed as data instead. So the text is right whatever the file holds.
 */
#include "npu/asm/dump_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "npu/asm/text.h"

enum { ADDRESS_COLUMN = 72, LINE_BYTES = 16 };

static void put(struct dumper *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct dumper *d, const char *fmt, ...)
{
    va_list args;
    for (int round = 0; round < 2 && !d->no_memory; round++) {
        va_start(args, fmt);
        int n = vsnprintf(d->text + d->length, d->capacity - d->length, fmt, args);
        va_end(args);
        if (n >= 0 && (size_t)n < d->capacity - d->length) {
            d->length += (size_t)n;
            return;
        }
        size_t capacity = 2 * d->capacity + (size_t)n;
        char *grown = n < 0 ? NULL : mem_grow(d->text, d->capacity, capacity, 1);
        d->no_memory = !grown;
        d->text = grown ? grown : d->text;
        d->capacity = grown ? capacity : d->capacity;
    }
}

/* ---- symbols ---- */

static void put_binding(struct dumper *d, uint32_t i)
{
    const struct npu_symbol *s = &d->image->symbols[i];
    if (s->bind != NPU_BIND_LOCAL) {
        put(d, "\t%s\t%s\n", s->bind == NPU_BIND_WEAK ? ".weak" : ".globl", d->names[i]);
    }
}

/* Symbols without a place among the sections. */
static void put_other_symbols(struct dumper *d)
{
    for (uint32_t i = 1; i < d->image->n_symbols; i++) {
        const struct npu_symbol *s = &d->image->symbols[i];
        if (!d->names[i] || s->type == NPU_TYPE_FILE) {
            continue;
        }
        if (s->section == NPU_SECTION_ABSOLUTE) {
            put_binding(d, i);
            put(d, "\t.set\t%s, 0x%x\n", d->names[i], s->value);
        } else if (s->section == NPU_SECTION_COMMON && s->size <= 1u << 20 && s->value <= 65536) {
            put(d, "\t.comm\t%s, %u, %u\n", d->names[i], s->size, s->value ? s->value : 1);
        } else if (s->section == NPU_SECTION_UNDEFINED) {
            put_binding(d, i);
        }
    }
}

static void put_label(struct dumper *d, const struct dump_label *label)
{
    const struct npu_symbol *s = &d->image->symbols[label->symbol];
    if (label->symbol) {
        put_binding(d, label->symbol);
        if (s->type == NPU_TYPE_FUNC || s->type == NPU_TYPE_OBJECT) {
            put(d, "\t.type\t%s,@%s\n", label->name,
                s->type == NPU_TYPE_FUNC ? "function" : "object");
        }
    }
    put(d, "%s:\n", label->name);
    if (label->symbol && s->size) {
        put(d, "\t.size\t%s, %u\n", label->name, s->size);
    }
}

/* The labels at `offset`; `next` is the first not printed yet. */
static void put_labels(struct dumper *d, const struct dump_section *section, uint32_t offset,
                       unsigned *next)
{
    while (*next < section->n_labels && section->labels[*next].offset <= offset) {
        put_label(d, &section->labels[(*next)++]);
    }
}

/* ---- relocations ---- */

/* The first relocation at or after `offset`. */
static uint32_t first_reloc(const struct npu_section *s, uint32_t offset)
{
    uint32_t low = 0, high = s->n_relocs;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->relocs[middle].offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void put_sum(struct dumper *d, const char *name, int32_t addend)
{
    if (addend) {
        put(d, "%s%+d", name, addend);
    } else {
        put(d, "%s", name);
    }
}

static void put_reloc(struct dumper *d, const struct npu_section *s, const struct npu_reloc *r,
                      uint32_t at)
{
    int32_t addend;
    const char *name = dump_reloc_name(d, r, &addend);
    const struct isa_reloc *form = isa_reloc(r->type);
    if ((r->symbol && !name) || !form || form->bytes > s->size - r->offset) {
        put(d, "\t// left out: relocation %u against symbol %u\n", r->type, r->symbol);
        return;
    }
    put(d, "\t.reloc\t.+%u, R_AIE_%u, ", r->offset - at, r->type);
    if (name) {
        put_sum(d, name, addend);
    } else {
        put(d, "%d", r->addend);
    }
    put(d, "\n");
}

/* All relocations of the n bytes at `at` that nothing else says. */
static void put_relocs(struct dumper *d, const struct npu_section *s, uint32_t at, uint32_t n)
{
    for (uint32_t i = first_reloc(s, at); i < s->n_relocs && s->relocs[i].offset - at < n; i++) {
        put_reloc(d, s, &s->relocs[i], at);
    }
}

/* ---- data ---- */

static uint32_t word(const uint8_t *p, unsigned n)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < n; i++) {
        v |= (uint32_t)p[i] << 8 * i;
    }
    return v;
}

/* n bytes in units of 1, 2 or 4, some to a line. */
static void put_units(struct dumper *d, const uint8_t *p, uint32_t n, unsigned unit)
{
    const char *directive = unit == 4 ? ".word" : unit == 2 ? ".short" : ".byte";
    for (uint32_t i = 0; i < n; i += unit) {
        put(d, i % LINE_BYTES ? ", " : "\t%s\t", directive);
        put(d, "0x%0*x", (int)(2 * unit), word(p + i, unit));
        if (i + unit == n || (i + unit) % LINE_BYTES == 0) {
            put(d, "\n");
        }
    }
}

static uint32_t zeros(const uint8_t *p, uint32_t n)
{
    uint32_t i = 0;
    while (i < n && p[i] == 0) {
        i++;
    }
    return i;
}

/* Bytes without labels or relocations. */
static void put_bytes(struct dumper *d, const uint8_t *p, uint32_t n, bool code)
{
    unsigned unit = code ? 2 : 4;
    while (n > 0) {
        uint32_t run = zeros(p, n), line = 0;
        if (run >= LINE_BYTES) {
            put(d, "\t.space\t%u\n", run);
        } else if (n < unit) {
            run = n;
            put_units(d, p, n, 1);
        } else {
            while (n - line >= unit && (line == 0 || zeros(p + line, n - line) < LINE_BYTES)) {
                line += unit;
            }
            run = line;
            put_units(d, p, run, unit);
        }
        p += run;
        n -= run;
    }
}

/* Can the relocation be said as `.word symbol`? */
static bool is_plain_word(const struct dumper *d, const struct npu_section *s, uint32_t i,
                          uint32_t end)
{
    const struct npu_reloc *r = &s->relocs[i];
    int32_t addend;
    bool alone = i + 1 == s->n_relocs || s->relocs[i + 1].offset - r->offset >= 4;
    return r->type == 50 && end - r->offset >= 4 && alone && word(s->data + r->offset, 4) == 0 &&
           d->image->symbols[r->symbol].section != NPU_SECTION_ABSOLUTE &&
           dump_reloc_name(d, r, &addend);
}

static void put_data(struct dumper *d, const struct npu_section *s, uint32_t from, uint32_t to)
{
    bool code = s->flags & NPU_SHF_EXEC;
    uint32_t i = first_reloc(s, from);
    while (from < to) {
        uint32_t end = i < s->n_relocs && s->relocs[i].offset < to ? s->relocs[i].offset : to;
        put_bytes(d, s->data + from, end - from, code);
        from = end;
        if (from < to && is_plain_word(d, s, i, to)) {
            int32_t addend;
            const char *name = dump_reloc_name(d, &s->relocs[i], &addend);
            put(d, "\t.word\t");
            put_sum(d, name, addend);
            put(d, "\n");
            from += 4;
            i++;
        } else {
            for (; i < s->n_relocs && s->relocs[i].offset == from; i++) {
                put_reloc(d, s, &s->relocs[i], from);
            }
        }
    }
}

/* ---- code ---- */

/* The symbols that stand in place of numbers, by slot. */
struct operands {
    const char *names[ISA_SLOT_COUNT];
    int32_t addends[ISA_SLOT_COUNT];
};

/* Objects: the relocations of a bundle that are operands; the others are printed before it. */
static void find_relocs(struct dumper *d, const struct npu_section *s, uint32_t at,
                        const struct isa_bundle *b, struct operands *o)
{
    for (uint32_t i = first_reloc(s, at); i < s->n_relocs && s->relocs[i].offset - at < b->size;
         i++) {
        const struct npu_reloc *r = &s->relocs[i];
        int32_t addend;
        const char *name = dump_reloc_name(d, r, &addend);
        int slot = isa_reloc(r->type) ? isa_reloc_slot(r->type, b) : -1;
        bool good = name && slot >= 0 && r->offset == at && !o->names[slot] &&
                    d->image->symbols[r->symbol].section != NPU_SECTION_ABSOLUTE &&
                    isa_reloc_get(r->type, s->data + at) == 0;
        if (good) {
            o->names[slot] = name;
            o->addends[slot] = addend;
        } else {
            put_reloc(d, s, r, at);
        }
    }
}

/* Images: branch targets, loop bounds, pointers to named data. */
static void find_names(const struct dumper *d, const struct isa_bundle *b, struct operands *o)
{
    for (unsigned slot = 0; slot < ISA_SLOT_COUNT; slot++) {
        const struct isa_op *op = &b->op[slot];
        int32_t value;
        if (!(b->slots >> slot & 1) || isa_reloc_find(b, slot) < 0) {
            continue;
        }
        if (dump_code_operand(op, &value)) {
            const struct dump_label *label = dump_label_of_code(d, (uint32_t)value);
            o->names[slot] = label ? label->name : NULL;
        } else if (op->value[0] >= ISA_REG_p0 && op->value[0] <= ISA_REG_p7 &&
                   value >= NPU_PROGRAM_END) {
            o->names[slot] = dump_name_of_data(d, (uint32_t)value);
        }
    }
}

/* Writes the bundle's text; false: too long. */
static bool write_bundle(const struct isa_bundle *b, const struct operands *o, char *line,
                         size_t size)
{
    const struct isa_format *f = isa_format_of(b->slots);
    size_t used = 0;
    for (unsigned i = 0; i < f->count && used < size; i++) {
        unsigned slot = f->slots[i].slot;
        used += (size_t)snprintf(line + used, size - used, i ? "; " : "");
        int n = used < size ? isa_op_print(&b->op[slot], line + used, size - used) : 0;
        if (used >= size || n < 0 || (size_t)n >= size - used) {
            return false;
        }
        char *sign = o->names[slot] ? strrchr(line + used, '#') : NULL; // the last operand
        used += sign ? (size_t)(sign - line) - used : (size_t)n;
        if (sign && o->addends[slot]) {
            used += (size_t)snprintf(line + used, size - used, "#(%s%+d)", o->names[slot],
                                     o->addends[slot]);
        } else if (sign) {
            used += (size_t)snprintf(line + used, size - used, "#%s", o->names[slot]);
        }
    }
    return used < size;
}

/* Does the assembler read the line as these bytes? */
static bool is_faithful(const char *line, const struct isa_bundle *b, const struct operands *o,
                        const uint8_t *bytes)
{
    const struct text_place at = {NULL, 0, 1};
    struct text_bundle back;
    uint8_t code[ISA_BUNDLE_MAX];
    if (text_parse_bundle(line, strlen(line), &at, NULL, &back, NULL) ||
        back.bundle.slots != b->slots) {
        return false;
    }
    int n = isa_encode(&back.bundle, code, NULL);
    for (unsigned i = 0; i < back.n_refs && n > 0; i++) {
        unsigned slot = back.refs[i].slot, k = back.refs[i].operand;
        int type = isa_reloc_find(&back.bundle, slot);
        if (type < 0 || !o->names[slot]) {
            return false;
        }
        isa_reloc_put((unsigned)type, code, (uint32_t)b->op[slot].value[k]);
    }
    return n == b->size && memcmp(code, bytes, (size_t)n) == 0;
}

static void put_line_note(struct dumper *d, const struct dump_section *section, uint32_t at)
{
    uint32_t offset = at + (d->image->linked ? section->s.address : 0);
    const struct npu_line *line = npu_image_line(d->image, section->index, offset);
    if (d->options.lines && line && line->offset == offset) {
        put(d, "\t// %s:%u\n", line->file, line->line);
    }
}

/* Returns the bytes printed, 0: it is no bundle. */
static unsigned put_bundle(struct dumper *d, const struct dump_section *section, uint32_t at)
{
    char line[2 * ISA_TEXT_MAX];
    struct isa_bundle b;
    struct operands o = {.names = {NULL}};
    unsigned n = dump_bundle_at(section, at, &b);
    if (n == 0) {
        return 0;
    }
    if (d->image->linked) {
        find_names(d, &b, &o);
    }
    const struct operands plain = {.names = {NULL}};
    bool good =
        write_bundle(&b, &o, line, sizeof line) && is_faithful(line, &b, &o, section->s.data + at);
    if (!good && (!write_bundle(&b, &plain, line, sizeof line) ||
                  !is_faithful(line, &b, &plain, section->s.data + at))) {
        return 0;
    }
    put_line_note(d, section, at);
    if (!d->image->linked) {
        size_t before = d->length;
        find_relocs(d, &section->s, at, &b, &o);
        if (!write_bundle(&b, &o, line, sizeof line)) { // names beyond all measure
            write_bundle(&b, &plain, line, sizeof line);
            d->length = before;
            put_relocs(d, &section->s, at, n);
        }
    }
    put(d, "\t%-*s // %x\n", ADDRESS_COLUMN - 8, line, at + section->s.address);
    d->counts.bundles++;
    return n;
}

/* Bytes from `at` that are printed as data: up to where a bundle may start again. */
static uint32_t data_run(const struct dump_section *section, uint32_t at)
{
    uint32_t n = 2 - (at & 1);
    while (n < 2 || (at + n) & 1) {
        n++;
    }
    for (uint32_t i = 1; i < n; i++) {
        if (dump_label_at(section, at + i)) {
            return i;
        }
    }
    return n < section->s.size - at ? n : section->s.size - at;
}

static void put_code(struct dumper *d, const struct dump_section *section)
{
    unsigned next = 0;
    uint32_t data = 0; // bytes before `at` that wait to be printed as data
    for (uint32_t at = 0; at < section->s.size;) {
        struct isa_bundle b;
        bool label = dump_label_at(section, at) != NULL;
        unsigned n = dump_bundle_at(section, at, &b);
        if ((label || n) && data) {
            put_data(d, &section->s, at - data, at);
            data = 0;
        }
        put_labels(d, section, at, &next);
        n = n ? put_bundle(d, section, at) : 0;
        if (n == 0) {
            n = data_run(section, at);
            data += n;
            d->counts.data_bytes += n;
        }
        at += n;
    }
    put_data(d, &section->s, section->s.size - data, section->s.size);
    put_labels(d, section, section->s.size, &next);
}

/* ---- sections ---- */

static void put_plain(struct dumper *d, const struct dump_section *section)
{
    unsigned next = 0;
    for (uint32_t at = 0; at < section->s.size;) {
        put_labels(d, section, at, &next);
        uint32_t end = next < section->n_labels && section->labels[next].offset < section->s.size
                           ? section->labels[next].offset
                           : section->s.size;
        if (section->s.data) {
            put_data(d, &section->s, at, end);
        } else {
            put(d, "\t.space\t%u\n", end - at);
        }
        at = end;
    }
    put_labels(d, section, section->s.size, &next);
}

/* Which of the sections of this name it is, from 0. */
static unsigned same_before(const struct dumper *d, unsigned k)
{
    unsigned n = 0;
    for (unsigned i = 0; i < k; i++) {
        n += strcmp(d->sections[i].s.name, d->sections[k].s.name) == 0;
    }
    return n;
}

static void put_section_head(struct dumper *d, unsigned k)
{
    const struct npu_section *s = &d->sections[k].s;
    unsigned number = same_before(d, k);
    const char *name = dump_printed_name(d, s->name, k);
    put(d, "\n\t.section\t%s,\"a%s%s\",@%s", name ? name : ".unnamed",
        s->flags & NPU_SHF_WRITE ? "w" : "", s->flags & NPU_SHF_EXEC ? "x" : "",
        s->data ? "progbits" : "nobits");
    if (number) {
        put(d, ",unique,%u", number);
    }
    put(d, "\n");
    if (d->image->linked) {
        put(d, "\t.base\t0x%x\n", s->address);
    }
    for (unsigned power = 1; power <= 16; power++) {
        if (s->align == 1u << power) {
            put(d, "\t.p2align\t%u\n", power);
        }
    }
}

static void put_all(struct dumper *d)
{
    put(d, "// %s of the AIE2 core\n", d->image->linked ? "Image" : "Object");
    if (d->image->linked && d->image->entry) {
        put(d, "\t.entry\t0x%x\n", d->image->entry);
    }
    put_other_symbols(d);
    for (unsigned k = 0; k < d->n_sections; k++) {
        const struct dump_section *section = &d->sections[k];
        put_section_head(d, k);
        if ((section->s.flags & NPU_SHF_EXEC) && section->s.data) {
            put_code(d, section);
        } else {
            put_plain(d, section);
        }
    }
}

int dump_text(const struct npu_image *image, const struct dump_options *options, char **text,
              size_t *length, struct dump_counts *counts, struct sotto_diag *diag)
{
    struct dumper d = {.image = image, .memory = npu_image_new(NULL), .capacity = 4096};
    d.text = mem_alloc(d.capacity, 1);
    d.options = options ? *options : (struct dump_options){0};
    bool ok = d.memory && d.text && !dump_prepare(&d);
    if (ok) {
        put_all(&d);
    }
    npu_image_close(&d.memory);
    if (!ok || d.no_memory) {
        mem_free(d.text);
        return diag_set(diag, SOTTO_ENOMEM, image->file, "Out of memory disassembling %s.",
                        image->file);
    }
    *text = d.text;
    *length = d.length;
    if (counts) {
        *counts = d.counts;
    }
    return SOTTO_OK;
}
