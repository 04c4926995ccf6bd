/*
 * Names and labels of a disassembly. Every symbol gets a name the assembler can read and that no other
 * has; every branch target and every place a relocation needs gets a label, if a bundle starts there.
 */
#include "npu/asm/dump_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool is_code(const struct dump_section *section)
{
    return (section->s.flags & NPU_SHF_EXEC) && section->s.data;
}

/* ---- sections ---- */

static int add_section(struct dumper *d, struct npu_section s, uint32_t index)
{
    s.name = s.name && s.name[0] ? s.name : ".unnamed";
    d->sections[d->n_sections++] = (struct dump_section){.s = s, .index = index};
    return SOTTO_OK;
}

static int list_sections(struct dumper *d)
{
    const struct npu_image *image = d->image;
    d->sections = npu_image_alloc(d->memory, (size_t)image->n_sections + image->n_segments,
                                  sizeof *d->sections);
    if (!d->sections) {
        return SOTTO_ENOMEM;
    }
    for (uint32_t i = 1; i < image->n_sections; i++) {
        if ((image->sections[i].flags & NPU_SHF_ALLOC) && image->sections[i].type) {
            add_section(d, image->sections[i], i);
        }
    }
    for (unsigned i = 0; i < image->n_segments && d->n_sections == i; i++) {
        const struct npu_segment *g = &image->segments[i];
        bool code = g->runs_at < NPU_PROGRAM_END;
        struct npu_section s = {.name = code           ? ".text"
                                        : g->file_size ? ".data"
                                                       : ".bss",
                                .type = g->file_size ? NPU_SHT_PROGBITS : NPU_SHT_NOBITS,
                                .flags = NPU_SHF_ALLOC | (code ? NPU_SHF_EXEC : NPU_SHF_WRITE),
                                .address = g->runs_at,
                                .size = g->file_size ? g->file_size : g->size,
                                .data = g->file_size ? g->data : NULL};
        add_section(d, s, 0);
    }
    return SOTTO_OK;
}

static struct dump_section *find_section(const struct dumper *d, uint32_t index)
{
    for (unsigned i = 0; i < d->n_sections && index; i++) {
        if (d->sections[i].index == index) {
            return &d->sections[i];
        }
    }
    return NULL;
}

/* ---- names ---- */

static bool is_simple(const char *name)
{
    if ((name[0] >= '0' && name[0] <= '9') || strcmp(name, ".") == 0) {
        return false;
    }
    for (const char *c = name; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        if (!letter && !(*c >= '0' && *c <= '9') && !strchr("_.$@", *c)) {
            return false;
        }
    }
    return name[0] != 0;
}

static bool is_printable(const char *name)
{
    for (const char *c = name; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == '"' || *c == '\\' || *c == 127) {
            return false;
        }
    }
    return name[0] != 0 && strcmp(name, ".") != 0;
}

/* The name as the assembler reads it, then suffix; NULL: out of memory. */
static const char *printed_name(struct dumper *d, const char *name, const char *suffix,
                                uint32_t number)
{
    bool printable = is_printable(name), simple = is_simple(name);
    size_t size = strlen(name) + strlen(suffix) + 32;
    char *text = npu_image_alloc(d->memory, size, 1);
    if (text && printable) {
        snprintf(text, size, "%s%s%s%s", simple ? "" : "\"", name, suffix, simple ? "" : "\"");
    } else if (text) {
        snprintf(text, size, ".Lsymbol%u%s", number, suffix);
    }
    return text;
}

static bool has_name(const struct npu_symbol *s)
{
    return s->type != NPU_TYPE_SECTION && s->type != NPU_TYPE_FILE && s->name[0];
}

struct named {
    const char *name;
    uint32_t number;
    bool weak_claim; // local: gives way to a global symbol of that name
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    if (order == 0) {
        order = x->weak_claim - y->weak_claim;
    }
    return order ? order : (x->number < y->number ? -1 : x->number > y->number);
}

/* Is there a symbol of this printed name that keeps it? */
static bool is_taken(const struct named *all, uint32_t n, const char *printed)
{
    size_t length = strlen(printed);
    bool quoted = printed[0] == '"';
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const char *name = all[middle].name;
        int order = quoted ? strncmp(name, printed + 1, length - 2) : strcmp(name, printed);
        order = order == 0 && quoted && name[length - 2] ? 1 : order;
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

/* A name of its own for a symbol that cannot keep the one it has: what is added ends with the symbol's
 * number, so no two made names are the same. */
static const char *made_name(struct dumper *d, const struct named *all, uint32_t n,
                             const struct named *symbol)
{
    char suffix[128] = "";
    size_t used = 0;
    const char *name;
    do {
        used += (size_t)snprintf(suffix + used, sizeof suffix - used, ".%u", symbol->number);
        name = printed_name(d, symbol->name, suffix, symbol->number);
    } while (name && used < 100 && is_taken(all, n, name));
    return name;
}

static int name_symbols(struct dumper *d)
{
    uint32_t n = d->image->n_symbols, n_named = 0;
    struct named *all = npu_image_alloc(d->memory, n, sizeof *all);
    d->names = npu_image_alloc(d->memory, n, sizeof *d->names);
    if (!all || !d->names) {
        return SOTTO_ENOMEM;
    }
    for (uint32_t i = 1; i < n; i++) {
        const struct npu_symbol *s = &d->image->symbols[i];
        if (has_name(s)) {
            all[n_named++] = (struct named){s->name, i, s->bind == NPU_BIND_LOCAL};
        }
    }
    qsort(all, n_named, sizeof *all, by_name);
    for (uint32_t i = 0; i < n_named; i++) {
        bool keeps = (i == 0 || strcmp(all[i].name, all[i - 1].name) != 0) &&
                     is_printable(all[i].name) && strncmp(all[i].name, ".Ldump", 6) != 0;
        d->names[all[i].number] =
            keeps ? printed_name(d, all[i].name, "", 0) : made_name(d, all, n_named, &all[i]);
        if (!d->names[all[i].number]) {
            return SOTTO_ENOMEM;
        }
    }
    return SOTTO_OK;
}

const char *dump_printed_name(struct dumper *d, const char *name, uint32_t number)
{
    return printed_name(d, name, "", number);
}

/* ---- labels ---- */

static int by_offset(const void *a, const void *b)
{
    const struct dump_label *x = a, *y = b;
    if (x->offset != y->offset) {
        return x->offset < y->offset ? -1 : 1;
    }
    return x->symbol < y->symbol ? -1 : x->symbol > y->symbol;
}

const struct dump_label *dump_label_at(const struct dump_section *section, uint32_t offset)
{
    unsigned low = 0, high = section->n_labels;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (section->labels[middle].offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < section->n_labels && section->labels[low].offset == offset ? &section->labels[low]
                                                                            : NULL;
}

static bool offset_of(const struct dumper *d, const struct npu_symbol *s,
                      const struct dump_section *section, uint32_t *offset)
{
    uint32_t base = d->image->linked ? section->s.address : 0;
    *offset = s->value - base;
    return s->value >= base && *offset <= section->s.size;
}

static int label_symbols(struct dumper *d)
{
    for (unsigned k = 0; k < d->n_sections; k++) {
        struct dump_section *section = &d->sections[k];
        unsigned n = 0;
        uint32_t offset;
        for (uint32_t i = 1; i < d->image->n_symbols; i++) {
            n += d->image->symbols[i].section == section->index;
        }
        section->labels =
            npu_image_alloc(d->memory, section->index ? n : 0, sizeof *section->labels);
        if (!section->labels) {
            return SOTTO_ENOMEM;
        }
        for (uint32_t i = 1; i < d->image->n_symbols && section->index; i++) {
            const struct npu_symbol *s = &d->image->symbols[i];
            if (d->names[i] && s->section == section->index && offset_of(d, s, section, &offset)) {
                section->labels[section->n_labels++] = (struct dump_label){offset, d->names[i], i};
            }
        }
        qsort(section->labels, section->n_labels, sizeof *section->labels, by_offset);
    }
    return SOTTO_OK;
}

/* ---- bundles ---- */

unsigned dump_bundle_at(const struct dump_section *section, uint32_t offset,
                        struct isa_bundle *bundle)
{
    int n = isa_decode(section->s.data + offset, section->s.size - offset, bundle, NULL);
    if (n < 0 || !bundle->canonical || (offset & 1)) {
        return 0;
    }
    for (int i = 1; i < n; i++) {
        if (dump_label_at(section, offset + (uint32_t)i)) {
            return 0;
        }
    }
    return (unsigned)n;
}

bool dump_code_operand(const struct isa_op *op, int32_t *value)
{
    int k = isa_reloc_operand(op->insn);
    if (k < 0) {
        return false;
    }
    *value = op->value[k];
    bool branch = isa_insn(op->insn)->operands[k].kind == ISA_KIND_UIMM;
    int to = op->value[0];
    return branch || to == ISA_REG_ls || to == ISA_REG_le || to == ISA_REG_lr;
}

static bool is_start(const struct dump_section *section, uint32_t offset)
{
    return section->starts && offset < section->s.size && !(offset & 1) &&
           (section->starts[offset / 16] >> (offset / 2 % 8) & 1);
}

static int mark_starts(struct dumper *d, struct dump_section *section)
{
    struct isa_bundle b;
    section->starts = npu_image_alloc(d->memory, section->s.size / 16 + 1, 1);
    if (!section->starts) {
        return SOTTO_ENOMEM;
    }
    for (uint32_t at = 0; at < section->s.size;) {
        unsigned n = dump_bundle_at(section, at, &b);
        if (n) {
            section->starts[at / 16] |= (uint8_t)(1u << at / 2 % 8);
        }
        at += n ? n : 2 - (at & 1);
    }
    return SOTTO_OK;
}

/* ---- labels of our own ---- */

struct wanted {
    struct dump_section *section;
    uint32_t *offsets;
    unsigned n, capacity;
};

static int want(struct dumper *d, struct wanted *w, uint32_t offset)
{
    if (dump_label_at(w->section, offset)) {
        return SOTTO_OK;
    }
    if (w->n == w->capacity) {
        unsigned capacity = w->capacity ? 2 * w->capacity : 64;
        uint32_t *grown = mem_grow(w->offsets, w->n, capacity, sizeof *grown);
        if (!grown) {
            return SOTTO_ENOMEM;
        }
        w->offsets = grown;
        w->capacity = capacity;
    }
    (void)d;
    w->offsets[w->n++] = offset;
    return SOTTO_OK;
}

/* Images: where branches and loop registers point into this section. */
static int want_targets(struct dumper *d, struct wanted *w)
{
    struct isa_bundle b;
    for (unsigned k = 0; k < d->n_sections && d->image->linked; k++) {
        const struct dump_section *from = &d->sections[k];
        for (uint32_t at = 0; is_code(from) && at < from->s.size; at += 2) {
            if (!is_start(from, at) || !dump_bundle_at(from, at, &b)) {
                continue;
            }
            for (unsigned slot = 0; slot < ISA_SLOT_COUNT; slot++) {
                int32_t value;
                if ((b.slots >> slot & 1) && dump_code_operand(&b.op[slot], &value) &&
                    is_start(w->section, (uint32_t)value - w->section->s.address) &&
                    want(d, w, (uint32_t)value - w->section->s.address)) {
                    return SOTTO_ENOMEM;
                }
            }
        }
    }
    return SOTTO_OK;
}

/* Objects: where relocations by section and addend point into this section. */
static int want_section_refs(struct dumper *d, struct wanted *w)
{
    for (unsigned k = 0; k < d->n_sections && !d->image->linked; k++) {
        const struct npu_section *from = &d->sections[k].s;
        for (uint32_t i = 0; i < from->n_relocs; i++) {
            const struct npu_symbol *s = &d->image->symbols[from->relocs[i].symbol];
            int64_t at = (int64_t)s->value + from->relocs[i].addend;
            if (s->section != w->section->index || !from->relocs[i].symbol ||
                s->type != NPU_TYPE_SECTION) {
                continue;
            }
            bool good = at >= 0 && at < w->section->s.size &&
                        (!is_code(w->section) || is_start(w->section, (uint32_t)at));
            if (want(d, w, good ? (uint32_t)at : 0)) {
                return SOTTO_ENOMEM;
            }
        }
    }
    return SOTTO_OK;
}

static int compare_words(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int add_labels(struct dumper *d, struct wanted *w)
{
    struct dump_section *section = w->section;
    struct dump_label *labels =
        npu_image_alloc(d->memory, (size_t)section->n_labels + w->n, sizeof *labels);
    if (!labels) {
        return SOTTO_ENOMEM;
    }
    if (section->n_labels) {
        memcpy(labels, section->labels, section->n_labels * sizeof *labels);
    }
    section->labels = labels;
    if (w->n) {
        qsort(w->offsets, w->n, sizeof *w->offsets, compare_words);
    }
    unsigned number = (unsigned)(section - d->sections);
    for (unsigned i = 0; i < w->n; i++) {
        char *name =
            i && w->offsets[i] == w->offsets[i - 1] ? NULL : npu_image_alloc(d->memory, 32, 1);
        if (i && w->offsets[i] == w->offsets[i - 1]) {
            continue;
        }
        if (!name) {
            return SOTTO_ENOMEM;
        }
        snprintf(name, 32, ".Ldump%u_%x", number, w->offsets[i]);
        labels[section->n_labels++] = (struct dump_label){w->offsets[i], name, 0};
    }
    qsort(labels, section->n_labels, sizeof *labels, by_offset);
    return SOTTO_OK;
}

static int label_targets(struct dumper *d)
{
    int err = SOTTO_OK;
    for (unsigned k = 0; k < d->n_sections && !err; k++) {
        err = is_code(&d->sections[k]) ? mark_starts(d, &d->sections[k]) : SOTTO_OK;
    }
    for (unsigned k = 0; k < d->n_sections && !err; k++) {
        struct wanted w = {.section = &d->sections[k]};
        err = is_code(w.section) ? want_targets(d, &w) : SOTTO_OK;
        err = err ? err : want_section_refs(d, &w);
        err = err ? err : add_labels(d, &w);
        mem_free(w.offsets);
    }
    return err;
}

int dump_prepare(struct dumper *d)
{
    int err = list_sections(d);
    err = err ? err : name_symbols(d);
    err = err ? err : label_symbols(d);
    return err ? err : label_targets(d);
}

/* ---- looking up ---- */

const struct dump_label *dump_label_of_code(const struct dumper *d, uint32_t address)
{
    for (unsigned k = 0; k < d->n_sections; k++) {
        const struct dump_section *section = &d->sections[k];
        if (is_code(section) && address >= section->s.address &&
            address - section->s.address < section->s.size) {
            return dump_label_at(section, address - section->s.address);
        }
    }
    return NULL;
}

const char *dump_name_of_data(const struct dumper *d, uint32_t address)
{
    const char *number = NULL; // a name without a place: second choice
    for (uint32_t i = 1; i < d->image->n_symbols; i++) {
        const struct npu_symbol *s = &d->image->symbols[i];
        const struct dump_section *section = find_section(d, s->section);
        uint32_t offset;
        if (s->value != address || !d->names[i]) {
            continue;
        }
        if (section && !is_code(section) && offset_of(d, s, section, &offset)) {
            return d->names[i];
        }
        if (s->section == NPU_SECTION_ABSOLUTE && !number) {
            number = d->names[i];
        }
    }
    return number;
}

const char *dump_reloc_name(const struct dumper *d, const struct npu_reloc *r, int32_t *addend)
{
    const struct npu_symbol *s = &d->image->symbols[r->symbol];
    struct dump_section *section = find_section(d, s->section);
    uint32_t offset;
    *addend = r->addend;
    if (r->symbol && s->type == NPU_TYPE_SECTION && section) {
        int64_t at = (int64_t)s->value + r->addend;
        const struct dump_label *label =
            at >= 0 && at < section->s.size ? dump_label_at(section, (uint32_t)at) : NULL;
        *addend = label ? 0 : r->addend;
        label = label ? label : dump_label_at(section, 0);
        return label ? label->name : NULL;
    }
    if (section && !offset_of(d, s, section, &offset)) {
        return NULL;
    }
    bool there =
        section || s->section >= NPU_SECTION_ABSOLUTE || s->section == NPU_SECTION_UNDEFINED;
    return r->symbol && there ? d->names[r->symbol] : NULL;
}
