/* The directory of a model file: a hash table of names. What names mean is in tensors.def. */
#include "model/dir.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

static size_t hash_name(const char *s, size_t n)
{
    uint64_t h = 14695981039346656037u; // FNV-1a
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)s[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 29);
}

/* The slot that holds `name`, or the free one where it belongs. */
static uint32_t *find_slot(const struct dir *d, const char *name, size_t size)
{
    size_t i = hash_name(name, size) & (d->n_slots - 1);
    for (; d->slots[i]; i = (i + 1) & (d->n_slots - 1)) {
        const struct dir_entry *e = &d->entries[d->slots[i] - 1];
        if (e->name_size == size && memcmp(e->name, name, size) == 0)
            break;
    }
    return &d->slots[i];
}

static int grow(struct dir *d)
{
    size_t room = d->room ? 2 * d->room : 512, n_slots = 2 * room;
    struct dir_entry *entries = mem_grow(d->entries, d->room, room, sizeof *entries);
    if (!entries)
        return SOTTO_ENOMEM;
    d->entries = entries;
    uint32_t *slots = mem_calloc(n_slots, sizeof *slots);
    if (!slots)
        return SOTTO_ENOMEM;
    mem_free(d->slots);
    d->slots = slots;
    d->n_slots = n_slots;
    d->room = room;
    for (size_t i = 0; i < d->n; i++)
        *find_slot(d, entries[i].name, entries[i].name_size) = (uint32_t)i + 1;
    return 0;
}

int dir_add(struct dir *d, const struct dir_entry *e)
{
    if (d->n == d->room) {
        int err = grow(d);
        if (err)
            return err;
    }
    uint32_t *slot = find_slot(d, e->name, e->name_size);
    if (*slot)
        return 0;
    d->entries[d->n++] = *e;
    *slot = (uint32_t)d->n;
    return 0;
}

struct dir_entry *dir_find(const struct dir *d, const char *name, size_t name_size)
{
    if (d->n == 0)
        return NULL;
    uint32_t slot = *find_slot(d, name, name_size);
    return slot ? &d->entries[slot - 1] : NULL;
}

void dir_fini(struct dir *d)
{
    mem_free(d->slots);
    mem_free(d->entries);
    memset(d, 0, sizeof *d);
}

bool dir_set_dims(struct tensor *t, const uint64_t *dim, int n)
{
    t->n_dim = n <= 3 ? n : -1;
    for (int i = 0; i < t->n_dim; i++) {
        if (dim[i] == 0 || dim[i] > INT32_MAX) {
            t->n_dim = -1;
            return false;
        }
        t->dim[i] = (int32_t)dim[i];
    }
    return t->n_dim >= 0;
}

uint64_t dir_data_bytes(enum tensor_type type, const uint64_t *dim, int n)
{
    uint64_t elements = 1, unit = (uint64_t)tensor_type_unit(type), bytes;
    for (int i = 0; i < n; i++)
        if (__builtin_mul_overflow(elements, dim[i], &elements))
            return 0;
    if (unit > 1 && (n == 0 || dim[n - 1] % unit != 0))
        return 0;
    struct tensor one = {.type = type, .n_dim = 1, .dim = {(int32_t)unit}};
    if (__builtin_mul_overflow(elements / unit, (uint64_t)tensor_row_bytes(&one), &bytes))
        return 0;
    return bytes;
}
