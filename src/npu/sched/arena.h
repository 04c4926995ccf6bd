/*
 * Memory of one scheduling run: taken piece by piece, given back at once. A failed allocation is
 * remembered, so that callers may test once after several.
 */
#ifndef NPU_SCHED_ARENA_H
#define NPU_SCHED_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena {
    struct arena_block *blocks;
    size_t used, size; // of the newest block
    bool failed;
};

/* Zeroed memory, or NULL. */
void *arena_alloc(struct arena *arena, size_t count, size_t size);
char *arena_text(struct arena *arena, const char *text, size_t length); // copy with a NUL, or NULL
void arena_free(struct arena *arena);

/* An array that grows: makes room for one more element of `size` bytes; returns the array, moved
 * perhaps, or NULL. `capacity` starts at 0. The old array stays in the arena. */
void *arena_grow(struct arena *arena, void *array, unsigned count, unsigned *capacity, size_t size);

#endif
