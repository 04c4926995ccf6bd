/* Shared inside the linker: link.c (what goes where), link_out.c (the image made of it). */
#ifndef NPU_ASM_LINK_IMPL_H
#define NPU_ASM_LINK_IMPL_H

#include "npu/asm/link.h"

/* A section of an object. */
struct link_piece {
    const struct npu_image *object;
    unsigned section, output;
    uint32_t address;
};

/* A section of the image: pieces one behind the other. */
struct link_output {
    const char *name;
    uint32_t flags, align, address, size;
    int rank;    // order in memory
    bool filled; // has bytes in the file
    bool fixed;  // the address was asked for
};

struct link_global {
    const char *name;
    const struct npu_image *object;  // NULL: made here
    const struct npu_symbol *symbol; // NULL: made here
    uint32_t value;                  // final, once addresses are known
    bool weak;
};

struct linker {
    const struct npu_image *const *objects;
    unsigned n_objects;
    const char *name;
    const struct link_options *options;
    struct sotto_diag *diag;
    struct npu_image *image; // result; also holds what is allocated on the way
    struct link_piece *pieces;
    struct link_output *outputs;
    struct link_global *globals;
    unsigned n_pieces, n_outputs, n_globals, max_globals;
    unsigned *first_piece; // by object
    uint32_t common_address, common_size;
    unsigned n_errors;
};

/* Reports an error; place in `object` (NULL: none) as section and offset (section 0: none). Returns
 * ESYNTAX. */
int link_error(struct linker *l, const struct npu_image *object, unsigned section, uint32_t offset,
               const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The piece of an object's section, or NULL: it is not loaded. */
const struct link_piece *link_piece_of(const struct linker *l, const struct npu_image *object,
                                       unsigned section);
struct link_global *link_find(const struct linker *l, const char *name);
/* The address a symbol of an object stands for; false: it is not defined anywhere. */
bool link_value(const struct linker *l, const struct npu_image *object,
                const struct npu_symbol *symbol, uint32_t *value);

/* Once addresses are known: fills l->image. */
int link_write(struct linker *l);

#endif
