/* Core images into program and data memory. */
#include "npu/files/load.h"

#include "npu/files/bytes.h"
#include "npu/regs/regs.h"

enum { WINDOW = 0x10000, SOUTH = 4, WEST = 5, NORTH = 6, OWN = 7 };

struct loader {
    const struct npu_image *image;
    unsigned column, row;
    const struct npu_cdo_sink *sink;
    struct sotto_diag *diag;
};

static int outside(const struct loader *l, uint32_t address, uint32_t size, const char *why)
{
    return diag_set(l->diag, SOTTO_ESYNTAX, l->image->file,
                    "%s: a segment of %u bytes at 0x%x: %s.", l->image->file, size, address, why);
}

/* The tile whose memory a core at (column, row) sees in a quadrant; false: there is none. */
static bool quadrant_tile(uint32_t quadrant, unsigned *column, unsigned *row)
{
    switch (quadrant) {
    case SOUTH:
        return (*row)-- > NPU_ROW_CORE;
    case WEST:
        return (*column)-- > 0;
    case NORTH:
        return ++*row < NPU_ROWS;
    default:
        return quadrant == OWN;
    }
}

/* Words of [from, from + n) of a segment; behind its bytes there are zeros. */
static int write_piece(const struct loader *l, const struct npu_segment *s, uint32_t from,
                       uint32_t n, uint32_t address)
{
    uint32_t n_words = (n + 3) / 4, *words = mem_calloc((size_t)n_words + 1, sizeof *words);
    if (!words) {
        return files_no_memory(l->image->file, l->diag);
    }
    for (uint32_t i = 0; i < n && from + i < s->file_size; i++) {
        words[i / 4] |= (uint32_t)s->data[from + i] << i % 4 * 8;
    }
    int err = l->sink->block(l->sink->user, address, words, n_words);
    mem_free(words);
    return err;
}

static int load_data(const struct loader *l, const struct npu_segment *s)
{
    for (uint32_t done = 0; done < s->size;) {
        uint32_t address = s->address + done, place = address % WINDOW;
        uint32_t n = s->size - done < WINDOW - place ? s->size - done : WINDOW - place;
        unsigned column = l->column, row = l->row;
        if (address < SOUTH * WINDOW || address >= NPU_DATA_END) {
            return outside(l, s->address, s->size, "this is neither program nor data memory");
        }
        if (!quadrant_tile(address / WINDOW, &column, &row)) {
            return outside(l, s->address, s->size, "the core has no neighbour there");
        }
        int err =
            write_piece(l, s, done, n, npu_address(column, row, NPU_CORE_DATA_MEMORY + place));
        if (err) {
            return err;
        }
        done += n;
    }
    return SOTTO_OK;
}

static int load_segment(const struct loader *l, const struct npu_segment *s)
{
    if (s->address % 4) {
        return outside(l, s->address, s->size, "its address is not a multiple of 4");
    }
    if (s->address >= NPU_PROGRAM_END) {
        return load_data(l, s);
    }
    if (!in_range(s->address, s->size, NPU_PROGRAM_BYTES)) {
        return outside(l, s->address, s->size, "program memory has 16384 bytes");
    }
    return write_piece(l, s, 0, s->size,
                       npu_address(l->column, l->row, NPU_CORE_PROGRAM_MEMORY + s->address));
}

int npu_load_image(const struct npu_image *image, unsigned column, unsigned row,
                   const struct npu_cdo_sink *sink, struct sotto_diag *diag)
{
    struct loader l = {image, column, row, sink, diag};
    if (!image->linked) {
        return diag_set(diag, SOTTO_EUNSUPPORTED, image->file,
                        "%s is an object; link it first (sotto-npu link).", image->file);
    }
    if (row < NPU_ROW_CORE || row >= NPU_ROWS) {
        return diag_set(diag, SOTTO_EINVAL, image->file, "There is no core in row %u.", row);
    }
    for (unsigned i = 0; i < image->n_segments; i++) {
        int err = image->segments[i].size ? load_segment(&l, &image->segments[i]) : SOTTO_OK;
        if (err) {
            return err;
        }
    }
    return SOTTO_OK;
}
