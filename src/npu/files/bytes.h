/* Shared inside npu/files only: little-endian access, a growing output, memory of one file's contents. */
#ifndef NPU_FILES_BYTES_H
#define NPU_FILES_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

static inline uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t get32(const uint8_t *p)
{
    return get16(p) | get16(p + 2) << 16;
}

static inline uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static inline void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void put32(uint8_t *p, uint32_t v)
{
    put16(p, v);
    put16(p + 2, v >> 16);
}

static inline void put64(uint8_t *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

/* Are `n` bytes at `offset` within `size`? */
static inline bool in_range(uint64_t offset, uint64_t n, uint64_t size)
{
    return offset <= size && n <= size - offset;
}

/* Bytes being written. A failed allocation is remembered; what follows is then ignored. */
struct out {
    uint8_t *data;
    size_t size, capacity;
    bool failed;
};

void *out_reserve(struct out *out, size_t n); // n zeroed bytes at the end, or NULL
void out_bytes(struct out *out, const void *data, size_t n);
void out_word(struct out *out, uint32_t value);
void out_align(struct out *out, size_t to);
/* Hands the bytes over, or says that memory ran out. */
int out_finish(struct out *out, const char *file, uint8_t **bytes, size_t *size,
               struct sotto_diag *diag);

/* Memory that lives as long as the file's contents. */
struct npu_chunk {
    struct npu_chunk *next;
};
void *chunk_alloc(struct npu_chunk **list, size_t count, size_t size); // zeroed; NULL: none left
char *chunk_text(struct npu_chunk **list, const char *text, size_t length);
void chunk_free(struct npu_chunk **list);

/* Room for one more in a growing array of `count` elements; `array` is the address of the pointer. */
bool array_room(void *array, size_t count, size_t size);

int files_no_memory(const char *file, struct sotto_diag *diag);

#endif
