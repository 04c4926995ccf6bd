/* Output that grows, and memory that is freed at once. */
#include "npu/files/bytes.h"

void *out_reserve(struct out *out, size_t n)
{
    if (out->failed || n > SIZE_MAX / 2 - out->size) {
        out->failed = true;
        return NULL;
    }
    if (out->size + n > out->capacity) {
        size_t capacity = (out->size + n) * 2 + 256;
        uint8_t *data = mem_grow(out->data, out->size, capacity, 1);
        if (!data) {
            out->failed = true;
            return NULL;
        }
        out->data = data;
        out->capacity = capacity;
    }
    uint8_t *at = out->data + out->size;
    memset(at, 0, n);
    out->size += n;
    return at;
}

void out_bytes(struct out *out, const void *data, size_t n)
{
    void *at = out_reserve(out, n);
    if (at && n) {
        memcpy(at, data, n);
    }
}

void out_word(struct out *out, uint32_t value)
{
    uint8_t *at = out_reserve(out, 4);
    if (at) {
        put32(at, value);
    }
}

void out_align(struct out *out, size_t to)
{
    out_reserve(out, (to - out->size % to) % to);
}

int out_finish(struct out *out, const char *file, uint8_t **bytes, size_t *size,
               struct sotto_diag *diag)
{
    if (out->failed) {
        mem_free(out->data);
        *out = (struct out){0};
        return files_no_memory(file, diag);
    }
    *bytes = out->data;
    *size = out->size;
    return SOTTO_OK;
}

void *chunk_alloc(struct npu_chunk **list, size_t count, size_t size)
{
    // The link sits in front of the memory, in as many bytes as keep it aligned.
    enum { LINK = 64 };
    if (size && count > (SIZE_MAX - LINK) / size) {
        return NULL;
    }
    struct npu_chunk *chunk = mem_calloc(1, LINK + count * size);
    if (!chunk) {
        return NULL;
    }
    chunk->next = *list;
    *list = chunk;
    return (char *)chunk + LINK;
}

char *chunk_text(struct npu_chunk **list, const char *text, size_t length)
{
    char *copy = chunk_alloc(list, length + 1, 1);
    if (copy && length) {
        memcpy(copy, text, length);
    }
    return copy;
}

void chunk_free(struct npu_chunk **list)
{
    while (*list) {
        struct npu_chunk *next = (*list)->next;
        mem_free(*list);
        *list = next;
    }
}

bool array_room(void *array, size_t count, size_t size)
{
    void *old, *grown;
    if (count & (count - 1)) { // room is made at powers of two
        return true;
    }
    memcpy(&old, array, sizeof old);
    grown = mem_grow(old, count, count ? count * 2 : 1, size);
    if (grown) {
        memcpy(array, &grown, sizeof grown);
    }
    return grown != NULL;
}

int files_no_memory(const char *file, struct sotto_diag *diag)
{
    return diag_set(diag, SOTTO_ENOMEM, file, "Out of memory for %s.", file ? file : "a file");
}
