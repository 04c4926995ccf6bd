/* The image in memory: growing it, and finding symbols, sections and lines. Files: read.c, write.c. */
#include "npu/elf/elf.h"

#include <string.h>

#include "base/mem.h"

struct npu_block {
    struct npu_block *next;
    uint64_t data[];
};

void *npu_image_alloc(struct npu_image *image, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) ||
        bytes > SIZE_MAX - sizeof(struct npu_block)) {
        return NULL;
    }
    struct npu_block *block = mem_calloc(1, sizeof *block + bytes);
    if (!block) {
        return NULL;
    }
    block->next = image->blocks;
    image->blocks = block;
    return block->data;
}

char *npu_image_text(struct npu_image *image, const char *text, size_t length)
{
    char *copy = npu_image_alloc(image, length + 1, 1);
    if (copy && length) {
        memcpy(copy, text, length);
    }
    return copy;
}

/* Room for one more: the array doubles when its count is a power of two. */
static int grow(void **array, unsigned count, size_t size)
{
    if (count & (count - 1) || count >= 1u << 30) {
        return count >> 30 ? SOTTO_ENOMEM : SOTTO_OK;
    }
    void *grown = mem_grow(*array, count, count ? (size_t)count * 2 : 1, size);
    if (!grown) {
        return SOTTO_ENOMEM;
    }
    *array = grown;
    return SOTTO_OK;
}

int npu_image_add_section(struct npu_image *image, const struct npu_section *section)
{
    void *array = image->sections;
    if (grow(&array, image->n_sections, sizeof *section)) {
        return SOTTO_ENOMEM;
    }
    image->sections = array;
    image->sections[image->n_sections] = *section;
    return (int)image->n_sections++;
}

int npu_image_add_symbol(struct npu_image *image, const struct npu_symbol *symbol)
{
    void *array = image->symbols;
    if (grow(&array, image->n_symbols, sizeof *symbol)) {
        return SOTTO_ENOMEM;
    }
    image->symbols = array;
    image->symbols[image->n_symbols] = *symbol;
    return (int)image->n_symbols++;
}

int npu_image_add_segment(struct npu_image *image, const struct npu_segment *segment)
{
    void *array = image->segments;
    if (grow(&array, image->n_segments, sizeof *segment)) {
        return SOTTO_ENOMEM;
    }
    image->segments = array;
    image->segments[image->n_segments] = *segment;
    return (int)image->n_segments++;
}

int npu_image_add_line(struct npu_image *image, const struct npu_line *line)
{
    void *array = image->lines;
    if (grow(&array, image->n_lines, sizeof *line)) {
        return SOTTO_ENOMEM;
    }
    image->lines = array;
    image->lines[image->n_lines] = *line;
    return (int)image->n_lines++;
}

struct npu_image *npu_image_new(const char *file)
{
    static const struct npu_section no_section = {.name = ""};
    static const struct npu_symbol no_symbol = {.name = ""};
    struct npu_image *image = mem_calloc(1, sizeof *image);
    if (!image) {
        return NULL;
    }
    image->file = npu_image_text(image, file ? file : "", file ? strlen(file) : 0);
    if (!image->file || npu_image_add_section(image, &no_section) < 0 ||
        npu_image_add_symbol(image, &no_symbol) < 0) {
        npu_image_close(&image);
    }
    return image;
}

void npu_image_close(struct npu_image **image)
{
    if (!image || !*image) {
        return;
    }
    while ((*image)->blocks) {
        struct npu_block *next = (*image)->blocks->next;
        mem_free((*image)->blocks);
        (*image)->blocks = next;
    }
    mem_free((*image)->sections);
    mem_free((*image)->symbols);
    mem_free((*image)->segments);
    mem_free((*image)->lines);
    mem_free(*image);
    *image = NULL;
}

/* ---- looking up ---- */

static bool is_plain(const struct npu_symbol *s)
{
    return s->name[0] && s->type != NPU_TYPE_SECTION && s->type != NPU_TYPE_FILE &&
           s->section != NPU_SECTION_UNDEFINED;
}

const struct npu_symbol *npu_image_symbol(const struct npu_image *image, const char *name)
{
    const struct npu_symbol *local = NULL;
    for (unsigned i = 1; i < image->n_symbols; i++) {
        const struct npu_symbol *s = &image->symbols[i];
        if (!is_plain(s) || strcmp(s->name, name) != 0) {
            continue;
        }
        if (s->bind != NPU_BIND_LOCAL) {
            return s;
        }
        local = local ? local : s;
    }
    return local;
}

unsigned npu_image_section_at(const struct npu_image *image, uint32_t address)
{
    for (unsigned i = 1; i < image->n_sections; i++) {
        const struct npu_section *s = &image->sections[i];
        if ((s->flags & NPU_SHF_ALLOC) && address >= s->address && address - s->address < s->size) {
            return i;
        }
    }
    return 0;
}

/* Is a a better name than b for an address both are at or below? */
static bool is_nearer(const struct npu_symbol *a, bool a_holds, const struct npu_symbol *b,
                      bool b_holds)
{
    if (!b || a_holds != b_holds) {
        return !b || a_holds;
    }
    if (a->value != b->value) {
        return a->value > b->value;
    }
    return a->type != NPU_TYPE_NONE && b->type == NPU_TYPE_NONE;
}

const struct npu_symbol *npu_image_symbol_at(const struct npu_image *image, uint32_t address,
                                             uint32_t *offset)
{
    unsigned section = npu_image_section_at(image, address);
    const struct npu_symbol *best = NULL;
    bool best_holds = false;
    for (unsigned i = 1; i < image->n_symbols; i++) {
        const struct npu_symbol *s = &image->symbols[i];
        if (!is_plain(s) || s->value > address || s->section != section || !section) {
            continue;
        }
        bool holds = s->type != NPU_TYPE_NONE && address - s->value < s->size;
        if (is_nearer(s, holds, best, best_holds)) {
            best = s;
            best_holds = holds;
        }
    }
    if (best && offset) {
        *offset = address - best->value;
    }
    return best;
}

const struct npu_line *npu_image_line(const struct npu_image *image, unsigned section,
                                      uint32_t offset)
{
    size_t low = 0, high = image->n_lines;
    if (image->linked) {
        section = npu_image_section_at(image, offset);
    }
    while (low < high) { // the first line behind the place
        size_t middle = low + (high - low) / 2;
        const struct npu_line *l = &image->lines[middle];
        if (l->section < section || (l->section == section && l->offset <= offset)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low && image->lines[low - 1].section == section ? &image->lines[low - 1] : NULL;
}
