/*
 * Reader of safetensors files. Nothing here knows Whisper. Facts: huggingface/safetensors,
 * README.md ("Format"): 8 bytes of header size, little-endian; a JSON object from name to dtype,
 * shape and data_offsets relative to the end of the header; at most 100 MB of header.
 */
#include "model/safetensors.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/vocab.h"

enum {
    MAX_RANK = 8,
    MAX_HEADER = 100 * 1000 * 1000,
};

struct span {
    uint64_t begin, end;
    const char *name;
};

bool safetensors_detect(const uint8_t *data, size_t size)
{
    uint64_t header;
    if (size < sizeof header + 2)
        return false;
    memcpy(&header, data, sizeof header);
    return header >= 2 && header <= size - sizeof header && data[sizeof header] == '{';
}

static enum tensor_type type_of(const char *dtype)
{
    if (strcmp(dtype, "F32") == 0)
        return TENSOR_F32;
    if (strcmp(dtype, "F16") == 0)
        return TENSOR_F16;
    return strcmp(dtype, "BF16") == 0 ? TENSOR_BF16 : TENSOR_TYPE_COUNT;
}

/* A list of at most `max` whole numbers >= 0; returns how many or -1. */
static int get_numbers(const json_t *list, uint64_t *dst, int max)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > (size_t)max)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const json_t *number = json_array_get(list, i);
        if (!json_is_integer(number) || json_integer_value(number) < 0)
            return -1;
        dst[i] = (uint64_t)json_integer_value(number);
    }
    return (int)n;
}

static int fail_tensor(const struct blob *file, const char *name, const char *what,
                       struct sotto_diag *diag)
{
    return diag_set(diag, SOTTO_EMODEL, file->name, "%s: tensor %s %s", file->name, name, what);
}

static int read_entry(const char *name, const json_t *value, const struct blob *file,
                      const struct blob *data, struct dir_entry *e, struct span *span,
                      struct sotto_diag *diag)
{
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    uint64_t dim[MAX_RANK], offset[2];
    int rank = get_numbers(json_object_get(value, "shape"), dim, MAX_RANK);
    if (!dtype || rank < 0 || get_numbers(json_object_get(value, "data_offsets"), offset, 2) != 2)
        return fail_tensor(file, name, "lacks a proper dtype, shape or data_offsets", diag);
    if (offset[0] > offset[1])
        return fail_tensor(file, name, "ends before it begins", diag);
    if (offset[1] > data->size)
        return fail_tensor(file, name, "lies beyond the end of the file", diag);

    e->name = name;
    e->name_size = strlen(name);
    e->t.type = type_of(dtype);
    snprintf(e->alien, sizeof e->alien, "%s", dtype);
    bool known = e->t.type != TENSOR_TYPE_COUNT;
    if (known && offset[1] - offset[0] != dir_data_bytes(e->t.type, dim, rank))
        return fail_tensor(file, name, "has a size that does not agree with its shape", diag);
    dir_set_dims(&e->t, dim, rank);
    e->t.data = data->data + offset[0];
    *span = (struct span){offset[0], offset[1], name};
    return 0;
}

static int compare_spans(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static int check_overlap(struct span *spans, size_t n, const struct blob *file,
                         struct sotto_diag *diag)
{
    qsort(spans, n, sizeof *spans, compare_spans);
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        if (spans[i].begin < end && spans[i].end > spans[i].begin)
            return fail_tensor(file, spans[i].name, "overlaps another tensor", diag);
        if (spans[i].end > end)
            end = spans[i].end;
    }
    return 0;
}

int safetensors_read(struct dir *dir, const struct blob *file, json_t **header,
                     struct sotto_diag *diag)
{
    uint64_t size;
    *header = NULL;
    if (!safetensors_detect(file->data, file->size))
        return diag_set(diag, SOTTO_EMODEL, file->name,
                        "%s: not a safetensors file, or cut off inside its header", file->name);
    memcpy(&size, file->data, sizeof size);
    if (size > MAX_HEADER)
        return diag_set(diag, SOTTO_EMODEL, file->name, "%s: the header is too large", file->name);
    struct blob text = {file->name, file->data + sizeof size, (size_t)size};
    struct blob data = {file->name, text.data + text.size, file->size - sizeof size - text.size};

    int err;
    json_t *root = *header = vocab_parse_json(&text, &err, diag);
    if (!root)
        return err;
    struct span *spans = mem_alloc(json_object_size(root), sizeof *spans);
    if (!spans)
        return diag_set(diag, SOTTO_ENOMEM, file->name, "%s: out of memory", file->name);
    size_t n = 0;
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        struct dir_entry e = {0};
        if (strcmp(name, "__metadata__") == 0)
            continue;
        err = read_entry(name, value, file, &data, &e, &spans[n], diag);
        if (!err && dir_add(dir, &e))
            err = diag_set(diag, SOTTO_ENOMEM, file->name, "%s: out of memory", file->name);
        if (err)
            break;
        n++;
    }
    if (!err)
        err = check_overlap(spans, n, file, diag);
    mem_free(spans);
    return err;
}
