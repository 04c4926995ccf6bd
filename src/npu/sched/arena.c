/* See arena.h. Blocks are a linked list; large pieces get a block of their own. */
#include "npu/sched/arena.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    max_align_t data[];
};

enum { BLOCK_BYTES = 1 << 16 };

static void *new_block(struct arena *arena, size_t bytes)
{
    struct arena_block *block = mem_alloc(1, sizeof *block + bytes);
    if (!block) {
        arena->failed = true;
        return NULL;
    }
    block->next = arena->blocks;
    arena->blocks = block;
    return block->data;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    if (size && count > (SIZE_MAX / 4) / size) {
        arena->failed = true;
        return NULL;
    }
    size_t unit = sizeof(max_align_t);
    size_t bytes = (count * size + unit - 1) / unit * unit;
    uint8_t *p;
    if (bytes > BLOCK_BYTES / 4) {
        // Behind the newest block, so that its rest stays in use.
        struct arena_block *newest = arena->blocks;
        p = new_block(arena, bytes);
        if (p && newest) {
            struct arena_block *own = arena->blocks;
            arena->blocks = newest;
            own->next = newest->next;
            newest->next = own;
        } else if (p) {
            arena->used = arena->size = 0;
        }
    } else {
        if (!arena->blocks || arena->used + bytes > arena->size) {
            if (!new_block(arena, BLOCK_BYTES)) {
                return NULL;
            }
            arena->used = 0;
            arena->size = BLOCK_BYTES;
        }
        p = (uint8_t *)arena->blocks->data + arena->used;
        arena->used += bytes;
    }
    return p ? memset(p, 0, bytes) : NULL;
}

char *arena_text(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1, 1);
    return copy ? memcpy(copy, text, length) : NULL;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *next = arena->blocks->next;
        mem_free(arena->blocks);
        arena->blocks = next;
    }
    *arena = (struct arena){0};
}

void *arena_grow(struct arena *arena, void *array, unsigned count, unsigned *capacity, size_t size)
{
    if (count < *capacity) {
        return array;
    }
    unsigned more = *capacity ? *capacity * 2 : 16;
    void *moved = arena_alloc(arena, more, size);
    if (!moved) {
        return NULL;
    }
    if (count) {
        memcpy(moved, array, count * size);
    }
    *capacity = more;
    return moved;
}
