/*
 * Reading ELF files, our own and strangers'. Nothing of the file is used before it was checked: the order
 * is header, sections, names, symbols, relocations, segments, lines.
 */
#include "npu/elf/format.h"

#include <stdlib.h>
#include <string.h>

#include "base/mapfile.h"
#include "base/mem.h"

struct reader {
    struct npu_image *image;
    const uint8_t *bytes; // the image's copy
    size_t size;
    uint32_t symtab; // section number, 0: none
    size_t n_relocs; // over all sections
    struct sotto_diag *diag;
};

#define MALFORMED(r, ...) diag_set((r)->diag, SOTTO_ESYNTAX, (r)->image->file, __VA_ARGS__)

static int no_memory(struct reader *r)
{
    return diag_set(r->diag, SOTTO_ENOMEM, r->image->file, "Out of memory reading %s.",
                    r->image->file);
}

/* Are the n bytes at `offset` in the file? */
static bool inside(const struct reader *r, uint32_t offset, uint64_t n)
{
    return offset <= r->size && n <= r->size - offset;
}

/* The NUL-terminated text at `offset` of a section; NULL: there is none. */
static const char *text_at(const struct npu_section *table, uint32_t offset)
{
    if (!table->data || offset >= table->size ||
        !memchr(table->data + offset, 0, table->size - offset)) {
        return NULL;
    }
    return (const char *)table->data + offset;
}

static int read_header(struct reader *r)
{
    static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
    const uint8_t *h = r->bytes;
    const char *file = r->image->file;
    if (r->size >= 8 && memcmp(h, "!<arch>\n", 8) == 0) {
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, file,
                        "%s is an archive; extract its members (ar x).", file);
    }
    if (r->size < ELF_HEADER_BYTES || memcmp(h, ident, 4) != 0) {
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, file, "%s is not an ELF file.", file);
    }
    if (memcmp(h, ident, sizeof ident) != 0) {
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, file,
                        "%s is not a 32-bit little-endian ELF file.", file);
    }
    if (elf_get16(h + 18) != NPU_ELF_MACHINE || elf_get32(h + 36) != NPU_ELF_FLAGS) {
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, file,
                        "%s is for machine %u, flags 0x%x; AIE2 is machine %d, flags %d.", file,
                        elf_get16(h + 18), elf_get32(h + 36), NPU_ELF_MACHINE, NPU_ELF_FLAGS);
    }
    uint32_t type = elf_get16(h + 16);
    if (type != ELF_TYPE_REL && type != ELF_TYPE_EXEC) {
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, file,
                        "%s is neither an object nor an executable (ELF type %u).", file, type);
    }
    r->image->linked = type == ELF_TYPE_EXEC;
    r->image->entry = elf_get32(h + 24);
    return SOTTO_OK;
}

static int read_section(struct reader *r, uint32_t i, const uint8_t *h)
{
    struct npu_section s = {.name = "",
                            .type = elf_get32(h + 4),
                            .flags = elf_get32(h + 8),
                            .address = elf_get32(h + 12),
                            .size = elf_get32(h + 20),
                            .link = elf_get32(h + 24),
                            .info = elf_get32(h + 28),
                            .align = elf_get32(h + 32),
                            .entry_size = elf_get32(h + 36)};
    uint32_t offset = elf_get32(h + 16);
    if (s.align & (s.align - 1)) {
        return MALFORMED(r, "Section %u of %s has an alignment of %u.", i, r->image->file, s.align);
    }
    if ((uint64_t)s.address + s.size > UINT32_MAX) {
        return MALFORMED(r, "Section %u of %s passes the end of the address space.", i,
                         r->image->file);
    }
    if (s.type != NPU_SHT_NOBITS && s.type != 0) {
        if (!inside(r, offset, s.size)) {
            return MALFORMED(r, "Section %u of %s (offset %u, %u bytes) passes the file's end.", i,
                             r->image->file, offset, s.size);
        }
        s.data = r->bytes + offset;
    } else if (s.type == 0) {
        s.size = 0;
    }
    return npu_image_add_section(r->image, &s) < 0 ? no_memory(r) : SOTTO_OK;
}

static int name_sections(struct reader *r, uint32_t offset, uint32_t names)
{
    struct npu_image *image = r->image;
    if (names >= image->n_sections) {
        return MALFORMED(r, "%s has no section %u for the names of its sections.", image->file,
                         names);
    }
    for (uint32_t i = 1; i < image->n_sections && names; i++) {
        uint32_t at = elf_get32(r->bytes + offset + (size_t)i * ELF_SECTION_BYTES);
        image->sections[i].name = text_at(&image->sections[names], at);
        if (!image->sections[i].name) {
            return MALFORMED(r, "The name of section %u of %s is not in the table of names.", i,
                             image->file);
        }
    }
    return SOTTO_OK;
}

static int read_sections(struct reader *r)
{
    uint32_t offset = elf_get32(r->bytes + 32), n = elf_get16(r->bytes + 48);
    if (n == 0 || offset == 0) {
        return SOTTO_OK;
    }
    if (elf_get16(r->bytes + 46) != ELF_SECTION_BYTES || n >= ELF_SHN_RESERVED ||
        !inside(r, offset, (uint64_t)n * ELF_SECTION_BYTES)) {
        return MALFORMED(r, "The section headers of %s are not inside the file.", r->image->file);
    }
    for (uint32_t i = 1; i < n; i++) {
        int err = read_section(r, i, r->bytes + offset + (size_t)i * ELF_SECTION_BYTES);
        if (err) {
            return err;
        }
    }
    return name_sections(r, offset, elf_get16(r->bytes + 50));
}

static int read_symbol(struct reader *r, uint32_t i, const uint8_t *p,
                       const struct npu_section *names)
{
    struct npu_symbol s = {.name = text_at(names, elf_get32(p)),
                           .value = elf_get32(p + 4),
                           .size = elf_get32(p + 8),
                           .bind = p[12] >> 4,
                           .type = p[12] & 15,
                           .section = elf_get16(p + 14)};
    bool special = s.section == NPU_SECTION_ABSOLUTE || s.section == NPU_SECTION_COMMON;
    if (!s.name) {
        return MALFORMED(r, "The name of symbol %u of %s is not in the table of names.", i,
                         r->image->file);
    }
    if (s.section >= r->image->n_sections && !special) {
        return MALFORMED(r, "Symbol '%s' of %s is in section %u, which does not exist.", s.name,
                         r->image->file, s.section);
    }
    return npu_image_add_symbol(r->image, &s) < 0 ? no_memory(r) : SOTTO_OK;
}

static int read_symbols(struct reader *r)
{
    struct npu_image *image = r->image;
    for (uint32_t i = 1; i < image->n_sections && !r->symtab; i++) {
        r->symtab = image->sections[i].type == NPU_SHT_SYMTAB ? i : 0;
    }
    if (!r->symtab) {
        return SOTTO_OK;
    }
    struct npu_section s = image->sections[r->symtab];
    if (s.entry_size != ELF_SYMBOL_BYTES || s.size % ELF_SYMBOL_BYTES ||
        s.link >= image->n_sections) {
        return MALFORMED(r, "The symbol table of %s is malformed.", image->file);
    }
    struct npu_section names = image->sections[s.link];
    for (uint32_t i = 1; i < s.size / ELF_SYMBOL_BYTES; i++) {
        int err = read_symbol(r, i, s.data + (size_t)i * ELF_SYMBOL_BYTES, &names);
        if (err) {
            return err;
        }
    }
    return SOTTO_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct npu_reloc *x = a, *y = b;
    if (x->offset != y->offset) {
        return x->offset < y->offset ? -1 : 1;
    }
    return x->type != y->type ? (x->type < y->type ? -1 : 1) : 0;
}

static int read_relocs(struct reader *r, uint32_t i)
{
    struct npu_image *image = r->image;
    const struct npu_section *s = &image->sections[i];
    if (s->entry_size != ELF_RELA_BYTES || s->size % ELF_RELA_BYTES || s->link != r->symtab ||
        s->info >= image->n_sections || !s->info) {
        return MALFORMED(r, "The relocations in section %u (%s) of %s are malformed.", i, s->name,
                         image->file);
    }
    struct npu_section *target = &image->sections[s->info];
    uint32_t n = s->size / ELF_RELA_BYTES;
    r->n_relocs += n;
    if (target->relocs || r->n_relocs > r->size / ELF_RELA_BYTES) {
        return MALFORMED(r, "Section %s of %s is relocated twice.", target->name, image->file);
    }
    target->relocs = npu_image_alloc(image, n, sizeof *target->relocs);
    if (!target->relocs) {
        return no_memory(r);
    }
    for (uint32_t k = 0; k < n; k++) {
        const uint8_t *p = s->data + (size_t)k * ELF_RELA_BYTES;
        uint32_t info = elf_get32(p + 4);
        struct npu_reloc reloc = {elf_get32(p), info >> 8, info & 255, (int32_t)elf_get32(p + 8)};
        if (reloc.offset >= target->size || reloc.symbol >= image->n_symbols) {
            return MALFORMED(r, "Relocation %u of section %s of %s names offset %u, symbol %u.", k,
                             target->name, image->file, reloc.offset, reloc.symbol);
        }
        target->relocs[k] = reloc;
    }
    target->n_relocs = n;
    qsort(target->relocs, n, sizeof *target->relocs, by_offset);
    return SOTTO_OK;
}

static int read_all_relocs(struct reader *r)
{
    for (uint32_t i = 1; i < r->image->n_sections && !r->image->linked; i++) {
        const struct npu_section *s = &r->image->sections[i];
        int err = SOTTO_OK;
        if (s->type == NPU_SHT_RELA) {
            err = read_relocs(r, i);
        } else if (s->type == NPU_SHT_REL) {
            err = MALFORMED(r, "%s has relocations without addends (section %s).", r->image->file,
                            s->name);
        }
        if (err) {
            return err;
        }
    }
    return SOTTO_OK;
}

static int read_segments(struct reader *r)
{
    uint32_t offset = elf_get32(r->bytes + 28), n = elf_get16(r->bytes + 44);
    if (n == 0) {
        return SOTTO_OK;
    }
    if (elf_get16(r->bytes + 42) != ELF_SEGMENT_BYTES ||
        !inside(r, offset, (uint64_t)n * ELF_SEGMENT_BYTES)) {
        return MALFORMED(r, "The program headers of %s are not inside the file.", r->image->file);
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *p = r->bytes + offset + (size_t)i * ELF_SEGMENT_BYTES;
        uint32_t at = elf_get32(p + 4);
        struct npu_segment s = {.runs_at = elf_get32(p + 8),
                                .address = elf_get32(p + 12),
                                .file_size = elf_get32(p + 16),
                                .size = elf_get32(p + 20),
                                .flags = elf_get32(p + 24)};
        if (elf_get32(p) != ELF_PT_LOAD || s.size == 0) {
            continue;
        }
        if (s.file_size > s.size || !inside(r, at, s.file_size) ||
            (uint64_t)s.address + s.size > UINT32_MAX ||
            (uint64_t)s.runs_at + s.size > UINT32_MAX) {
            return MALFORMED(r, "Segment %u of %s does not fit the file or the address space.", i,
                             r->image->file);
        }
        s.data = r->bytes + at;
        if (npu_image_add_segment(r->image, &s) < 0) {
            return no_memory(r);
        }
    }
    return SOTTO_OK;
}

static int read_lines(struct reader *r, const struct npu_section *s)
{
    struct npu_image *image = r->image;
    uint32_t n = s->size < ELF_LINES_BYTES ? 0 : elf_get32(s->data + 4);
    if (s->size < ELF_LINES_BYTES || elf_get32(s->data) != ELF_LINES_MAGIC ||
        (uint64_t)n * ELF_LINE_BYTES > s->size - ELF_LINES_BYTES) {
        return MALFORMED(r, "The line table of %s is malformed.", image->file);
    }
    struct npu_section names = *s;
    names.data += ELF_LINES_BYTES + (size_t)n * ELF_LINE_BYTES;
    names.size -= ELF_LINES_BYTES + n * ELF_LINE_BYTES;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *p = s->data + ELF_LINES_BYTES + (size_t)i * ELF_LINE_BYTES;
        struct npu_line line = {elf_get32(p), elf_get32(p + 4), elf_get32(p + 8),
                                text_at(&names, elf_get32(p + 12))};
        const struct npu_line *before = image->n_lines ? &image->lines[image->n_lines - 1] : NULL;
        bool ordered = !before || before->section < line.section ||
                       (before->section == line.section && before->offset <= line.offset);
        if (!line.file || line.section >= image->n_sections || !ordered) {
            return MALFORMED(r, "Entry %u of the line table of %s is malformed.", i, image->file);
        }
        if (npu_image_add_line(image, &line) < 0) {
            return no_memory(r);
        }
    }
    return SOTTO_OK;
}

static int read_all_lines(struct reader *r)
{
    for (uint32_t i = 1; i < r->image->n_sections; i++) {
        struct npu_section s = r->image->sections[i];
        if (s.data && strcmp(s.name, NPU_LINES_SECTION) == 0) {
            return read_lines(r, &s);
        }
    }
    return SOTTO_OK;
}

int npu_image_read(struct npu_image **out, const uint8_t *bytes, size_t size, const char *file,
                   struct sotto_diag *diag)
{
    struct reader r = {.image = npu_image_new(file), .size = size, .diag = diag};
    uint8_t *copy = r.image ? npu_image_alloc(r.image, size ? size : 1, 1) : NULL;
    if (!copy) {
        npu_image_close(&r.image);
        return diag_set(diag, SOTTO_ENOMEM, file, "Out of memory reading %s.", file);
    }
    if (size) {
        memcpy(copy, bytes, size);
    }
    r.bytes = copy;
    int err = read_header(&r);
    int (*const steps[])(struct reader *) = {read_sections, read_symbols, read_all_relocs,
                                             read_segments, read_all_lines};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && !err; i++) {
        err = steps[i](&r);
    }
    if (err) {
        npu_image_close(&r.image);
        return err;
    }
    *out = r.image;
    return SOTTO_OK;
}

int npu_image_open(struct npu_image **out, const char *path, struct sotto_diag *diag)
{
    struct mapfile map;
    int err = mapfile_open(&map, path, diag);
    if (err) {
        return err;
    }
    err = npu_image_read(out, map.data, map.size, path, diag);
    mapfile_close(&map);
    return err;
}
