/*
 * Writing ELF files. Two passes over the same walk: the first counts bytes and fixes offsets, the second
 * writes. Tables after the sections: relocations, lines, symbols, names of symbols and sections.
 */
#include "npu/elf/format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* A header of the file's section table. */
struct header {
    uint32_t name, type, flags, address, offset, size, link, info, align, entry_size;
};

struct writer {
    const struct npu_image *image;
    uint8_t *bytes; // NULL in the first pass
    size_t at;
    struct header *headers;
    unsigned n_headers;
    size_t names_at;           // of section names, within their table
    uint32_t strings, symbols; // section numbers of the tables
    size_t headers_at;
};

static void put(struct writer *w, const void *data, size_t n)
{
    if (w->bytes && n) {
        memcpy(w->bytes + w->at, data, n);
    }
    w->at += n;
}

static void put_word(struct writer *w, uint32_t v)
{
    uint8_t bytes[4];
    elf_put32(bytes, v);
    put(w, bytes, 4);
}

static void put_half(struct writer *w, uint32_t v)
{
    uint8_t bytes[2];
    elf_put16(bytes, v);
    put(w, bytes, 2);
}

/* To a place that is `address` modulo `align`. */
static void pad(struct writer *w, uint32_t align, uint32_t address)
{
    static const uint8_t zero = 0;
    while (align > 1 && ((w->at ^ address) & (align - 1))) {
        put(w, &zero, 1);
    }
}

static struct header *add_header(struct writer *w, const char *name, uint32_t type, uint32_t align)
{
    struct header *h = &w->headers[w->n_headers++];
    *h = (struct header){.name = (uint32_t)w->names_at, .type = type, .align = align};
    w->names_at += strlen(name) + 1;
    h->offset = (uint32_t)w->at;
    return h;
}

static void put_sections(struct writer *w)
{
    for (unsigned i = 0; i < w->image->n_sections; i++) {
        const struct npu_section *s = &w->image->sections[i];
        if (s->type == NPU_SHT_NOBITS || !s->data) {
            pad(w, 4, 0);
        } else {
            pad(w, s->align > 4 ? s->align : 4, s->address);
        }
        struct header *h = add_header(w, s->name, s->type, s->align);
        h->flags = s->flags;
        h->address = s->address;
        h->size = s->size;
        h->entry_size = s->entry_size;
        if (s->type != NPU_SHT_NOBITS && s->data) {
            put(w, s->data, s->size);
        }
    }
}

static void put_relocs(struct writer *w)
{
    for (unsigned i = 1; i < w->image->n_sections; i++) {
        const struct npu_section *s = &w->image->sections[i];
        if (s->n_relocs == 0) {
            continue;
        }
        char name[512];
        pad(w, 4, 0);
        snprintf(name, sizeof name, ".rela%s", s->name);
        struct header *h = add_header(w, name, NPU_SHT_RELA, 4);
        h->size = s->n_relocs * ELF_RELA_BYTES;
        h->entry_size = ELF_RELA_BYTES;
        h->link = w->symbols;
        h->info = i;
        for (uint32_t k = 0; k < s->n_relocs; k++) {
            put_word(w, s->relocs[k].offset);
            put_word(w, s->relocs[k].symbol << 8 | (s->relocs[k].type & 255));
            put_word(w, (uint32_t)s->relocs[k].addend);
        }
    }
}

/* A line's file is written once if the lines before it name the same one. */
static bool same_file(const struct npu_image *image, unsigned i)
{
    return i && strcmp(image->lines[i].file, image->lines[i - 1].file) == 0;
}

static void put_lines(struct writer *w)
{
    const struct npu_image *image = w->image;
    uint32_t name = 0, next = 0;
    if (image->n_lines == 0) {
        return;
    }
    pad(w, 4, 0);
    struct header *h = add_header(w, NPU_LINES_SECTION, NPU_SHT_PROGBITS, 4);
    put_word(w, ELF_LINES_MAGIC);
    put_word(w, image->n_lines);
    for (unsigned i = 0; i < image->n_lines; i++) {
        if (!same_file(image, i)) {
            name = next;
            next += (uint32_t)strlen(image->lines[i].file) + 1;
        }
        put_word(w, image->lines[i].section);
        put_word(w, image->lines[i].offset);
        put_word(w, image->lines[i].line);
        put_word(w, name);
    }
    for (unsigned i = 0; i < image->n_lines; i++) {
        if (!same_file(image, i)) {
            put(w, image->lines[i].file, strlen(image->lines[i].file) + 1);
        }
    }
    h->size = (uint32_t)w->at - h->offset;
}

static void put_symbols(struct writer *w)
{
    const struct npu_image *image = w->image;
    uint32_t name = 1, n_local = 0;
    pad(w, 4, 0);
    struct header *h = add_header(w, ".symtab", NPU_SHT_SYMTAB, 4);
    h->entry_size = ELF_SYMBOL_BYTES;
    h->link = w->strings;
    for (unsigned i = 0; i < image->n_symbols; i++) {
        const struct npu_symbol *s = &image->symbols[i];
        n_local += s->bind == NPU_BIND_LOCAL;
        put_word(w, s->name[0] ? name : 0);
        put_word(w, s->value);
        put_word(w, s->size);
        put_half(w, (uint32_t)s->bind << 4 | (s->type & 15u)); // "other" is 0
        put_half(w, s->section);
        name += s->name[0] ? (uint32_t)strlen(s->name) + 1 : 0;
    }
    h->size = image->n_symbols * ELF_SYMBOL_BYTES;
    h->info = n_local;
}

static void put_strings(struct writer *w)
{
    struct header *h = add_header(w, ".strtab", NPU_SHT_STRTAB, 1);
    put(w, "", 1);
    for (unsigned i = 0; i < w->image->n_symbols; i++) {
        const char *name = w->image->symbols[i].name;
        put(w, name, name[0] ? strlen(name) + 1 : 0);
    }
    h->size = (uint32_t)w->at - h->offset;
}

static void put_section_names(struct writer *w)
{
    struct header *h = add_header(w, ".shstrtab", NPU_SHT_STRTAB, 1);
    for (unsigned i = 0; i < w->image->n_sections; i++) {
        put(w, w->image->sections[i].name, strlen(w->image->sections[i].name) + 1);
    }
    for (unsigned i = 1; i < w->image->n_sections; i++) {
        const char *name = w->image->sections[i].name;
        if (w->image->sections[i].n_relocs) {
            put(w, ".rela", 5);
            put(w, name, strlen(name) + 1);
        }
    }
    if (w->image->n_lines) {
        put(w, NPU_LINES_SECTION, sizeof NPU_LINES_SECTION);
    }
    static const char rest[] = ".symtab\0.strtab\0.shstrtab";
    put(w, rest, sizeof rest);
    h->size = (uint32_t)w->at - h->offset;
}

/* Where a segment's bytes are: in the section they came from. 0: in none. */
static uint32_t segment_offset(const struct writer *w, const struct npu_segment *s)
{
    for (unsigned i = 1; i < w->image->n_sections; i++) {
        const struct npu_section *section = &w->image->sections[i];
        if (section->address == s->runs_at && section->data == s->data &&
            section->size >= s->file_size) {
            return w->headers[i].offset;
        }
    }
    return 0;
}

static void put_segments(struct writer *w)
{
    for (unsigned i = 0; i < w->image->n_segments; i++) {
        const struct npu_segment *s = &w->image->segments[i];
        put_word(w, ELF_PT_LOAD);
        put_word(w, w->bytes && s->file_size ? segment_offset(w, s) : 0);
        put_word(w, s->runs_at);
        put_word(w, s->address);
        put_word(w, s->file_size);
        put_word(w, s->size);
        put_word(w, s->flags);
        put_word(w, 4);
    }
}

static void put_header(struct writer *w, unsigned n_headers)
{
    static const uint8_t ident[16] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
    const struct npu_image *image = w->image;
    put(w, ident, sizeof ident);
    put_half(w, image->linked ? ELF_TYPE_EXEC : ELF_TYPE_REL);
    put_half(w, NPU_ELF_MACHINE);
    put_word(w, 1);
    put_word(w, image->entry);
    put_word(w, image->n_segments ? ELF_HEADER_BYTES : 0);
    put_word(w, (uint32_t)w->headers_at);
    put_word(w, NPU_ELF_FLAGS);
    put_half(w, ELF_HEADER_BYTES);
    put_half(w, image->n_segments ? ELF_SEGMENT_BYTES : 0);
    put_half(w, image->n_segments);
    put_half(w, ELF_SECTION_BYTES);
    put_half(w, n_headers);
    put_half(w, n_headers - 1); // the names are in the last
}

static void put_headers(struct writer *w)
{
    pad(w, 4, 0);
    w->headers_at = w->at;
    for (unsigned i = 0; i < w->n_headers; i++) {
        const struct header *h = &w->headers[i];
        const uint32_t words[10] = {h->name, h->type, h->flags, h->address, h->offset,
                                    h->size, h->link, h->info,  h->align,   h->entry_size};
        for (unsigned k = 0; k < 10; k++) {
            put_word(w, k == 4 && h->type == 0 ? 0 : words[k]);
        }
    }
}

static void walk(struct writer *w, unsigned n_headers)
{
    w->at = 0;
    w->n_headers = 0;
    w->names_at = 0;
    w->symbols = n_headers - 3;
    w->strings = n_headers - 2;
    put_header(w, n_headers);
    put_segments(w);
    put_sections(w);
    put_relocs(w);
    put_lines(w);
    put_symbols(w);
    put_strings(w);
    put_section_names(w);
    put_headers(w);
}

static int check(const struct npu_image *image, struct sotto_diag *diag)
{
    bool global = false;
    for (unsigned i = 1; i < image->n_sections; i++) {
        const struct npu_section *s = &image->sections[i];
        bool ours = s->type == NPU_SHT_SYMTAB || s->type == NPU_SHT_STRTAB ||
                    s->type == NPU_SHT_RELA || s->type == NPU_SHT_REL;
        if (ours || strlen(s->name) > 500) {
            return diag_set(
                diag, SOTTO_EINVAL, image->file,
                "Section %.60s cannot be written: it is a table, or its name is too long.",
                s->name);
        }
    }
    for (unsigned i = 0; i < image->n_symbols; i++) {
        if (global && image->symbols[i].bind == NPU_BIND_LOCAL) {
            return diag_set(diag, SOTTO_EINVAL, image->file,
                            "Local symbol %s comes after a global one.", image->symbols[i].name);
        }
        global = image->symbols[i].bind != NPU_BIND_LOCAL;
    }
    if (image->n_sections >= ELF_SHN_RESERVED / 2 || image->n_symbols >= 1u << 24) {
        return diag_set(diag, SOTTO_EINVAL, image->file, "Too many sections or symbols.");
    }
    return SOTTO_OK;
}

int npu_image_write(const struct npu_image *image, uint8_t **bytes, size_t *size,
                    struct sotto_diag *diag)
{
    unsigned n_headers = image->n_sections + (image->n_lines > 0) + 3;
    int err = check(image, diag);
    for (unsigned i = 1; i < image->n_sections; i++) {
        n_headers += image->sections[i].n_relocs > 0;
    }
    if (err) {
        return err;
    }
    struct writer w = {.image = image, .headers = mem_calloc(n_headers, sizeof *w.headers)};
    if (w.headers) {
        walk(&w, n_headers);
        size_t total = w.at;
        w.bytes = mem_calloc(total, 1);
        if (w.bytes) {
            walk(&w, n_headers); // segments find their offsets in the headers of the first walk
            *bytes = w.bytes;
            *size = total;
        }
    }
    mem_free(w.headers);
    return w.bytes
               ? SOTTO_OK
               : diag_set(diag, SOTTO_ENOMEM, image->file, "Out of memory writing an ELF file.");
}

int npu_image_save(const struct npu_image *image, const char *path, struct sotto_diag *diag)
{
    uint8_t *bytes;
    size_t size;
    int err = npu_image_write(image, &bytes, &size, diag);
    if (err) {
        return err;
    }
    FILE *f = fopen(path, "wb");
    if (!f) {
        err = diag_errno(diag, errno, path, "write");
    } else {
        bool ok = fwrite(bytes, 1, size, f) == size;
        int cause = errno;
        if (fclose(f) && ok) {
            ok = false;
            cause = errno;
        }
        if (!ok) {
            err = diag_errno(diag, cause, path, "write");
        }
    }
    mem_free(bytes);
    return err;
}
