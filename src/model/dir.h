/*
 * The directory of a model file: tensors by name, as a reader finds them. Entries borrow names and
 * data from the mapped file.
 */
#ifndef MODEL_DIR_H
#define MODEL_DIR_H

#include <stdbool.h>

#include "model/tensor.h"

struct dir_entry {
    const char *name; // not NUL-terminated
    size_t name_size;
    struct tensor t; // n_dim 0: one element. n_dim -1: a shape no weight has
    char alien[32];  // t.type == TENSOR_TYPE_COUNT: what the file calls the type
};

struct dir {
    struct dir_entry *entries;
    size_t n, room;
    uint32_t *slots; // entry index + 1 by hash of the name, open addressing; 0: free
    size_t n_slots;
};

/* Adds an entry; the first of several with one name stays. 0 or SOTTO_ENOMEM. */
int dir_add(struct dir *d, const struct dir_entry *e);
struct dir_entry *dir_find(const struct dir *d, const char *name, size_t name_size); // or NULL
void dir_fini(struct dir *d);

/* Fills t->n_dim and t->dim from `n` sizes, outermost first. False: no weight has such a shape
 * (then n_dim is -1). The number of elements and bytes is checked by tensor_fits. */
bool dir_set_dims(struct tensor *t, const uint64_t *dim, int n);

/* Bytes of data that the type and dims ask for, 0 if they overflow or do not fill whole blocks.
 * A tensor of no dimension has one element. */
uint64_t dir_data_bytes(enum tensor_type type, const uint64_t *dim, int n);

#endif
