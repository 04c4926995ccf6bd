/*
 * The VAD network's 15 tensors from a safetensors file: an 8-byte little-endian length, a JSON
 * header with type, shape and byte range of each tensor, then the data. Every size, offset and value
 * is checked. Source: huggingface/safetensors, README, "Format".
 */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "audio/vad_net.h"
#include "base/mem.h"

enum { MAX_HEADER = 1 << 20 };

struct wanted {
    const char *name;
    int n_dim, dim[3];
};

#define N_TENSORS 15

// clang-format off
static const struct wanted wanted[N_TENSORS] = {
    {"stft_conv.weight",      3, {2 * VAD_BINS, 1, VAD_FFT}},
    {"conv1.weight",          3, {VAD_C1, VAD_BINS, 3}},
    {"conv1.bias",            1, {VAD_C1}},
    {"conv2.weight",          3, {VAD_C2, VAD_C1, 3}},
    {"conv2.bias",            1, {VAD_C2}},
    {"conv3.weight",          3, {VAD_C3, VAD_C2, 3}},
    {"conv3.bias",            1, {VAD_C3}},
    {"conv4.weight",          3, {VAD_C4, VAD_C3, 3}},
    {"conv4.bias",            1, {VAD_C4}},
    {"lstm_cell.weight_ih",   2, {VAD_GATES, VAD_C4}},
    {"lstm_cell.weight_hh",   2, {VAD_GATES, VAD_HIDDEN}},
    {"lstm_cell.bias_ih",     1, {VAD_GATES}},
    {"lstm_cell.bias_hh",     1, {VAD_GATES}},
    {"final_conv.weight",     3, {1, VAD_HIDDEN, 1}},
    {"final_conv.bias",       1, {1}},
};
// clang-format on

static int bad(struct sotto_diag *diag, const char *name, const char *what, const char *tensor)
{
    return diag_set(diag, SOTTO_EMODEL, name, "%s is not the Silero VAD network for 16 kHz: %s%s%s",
                    name, what, tensor ? " " : "", tensor ? tensor : "");
}

// The tensor's bytes, or NULL if its row of the header is not what is wanted or lies outside.
static const uint8_t *locate(const json_t *header, const struct wanted *want, const uint8_t *data,
                             size_t size, size_t *n)
{
    const json_t *row = json_object_get(header, want->name);
    const char *dtype = json_string_value(json_object_get(row, "dtype"));
    const json_t *shape = json_object_get(row, "shape"), *range = json_object_get(row, "data_offsets");
    json_int_t begin = -1, end = -1;

    if (!dtype || strcmp(dtype, "F32") || json_array_size(shape) != (size_t)want->n_dim)
        return NULL;
    *n = 1;
    for (int i = 0; i < want->n_dim; i++) {
        const json_t *dim = json_array_get(shape, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) != want->dim[i])
            return NULL;
        *n *= (size_t)want->dim[i];
    }
    if (json_array_size(range) == 2 && json_is_integer(json_array_get(range, 0)) &&
        json_is_integer(json_array_get(range, 1))) {
        begin = json_integer_value(json_array_get(range, 0));
        end = json_integer_value(json_array_get(range, 1));
    }
    if (begin < 0 || end < begin || (uint64_t)end > size ||
        (uint64_t)(end - begin) != *n * sizeof(float))
        return NULL;
    return data + begin;
}

static int copy_tensors(struct vad_weights *w, float *at, const json_t *header, const uint8_t *data,
                        size_t size, const char *name, struct sotto_diag *diag)
{
    const float **place[N_TENSORS] = {
        &w->stft, &w->conv_w[0], &w->conv_b[0], &w->conv_w[1], &w->conv_b[1], &w->conv_w[2],
        &w->conv_b[2], &w->conv_w[3], &w->conv_b[3], &w->w_ih, &w->w_hh, &w->b_ih, &w->b_hh,
        &w->out_w, &w->out_b};
    for (int i = 0; i < N_TENSORS; i++) {
        size_t n;
        const uint8_t *src = locate(header, &wanted[i], data, size, &n);
        if (!src)
            return bad(diag, name, "missing or of the wrong type or shape:", wanted[i].name);
        memcpy(at, src, n * sizeof(float));
        for (size_t j = 0; j < n; j++) {
            if (!isfinite(at[j]))
                return bad(diag, name, "infinite or undefined values in", wanted[i].name);
        }
        *place[i] = at;
        at += (n + 15) / 16 * 16;
    }
    return 0;
}

static size_t total_floats(void)
{
    size_t total = 0;
    for (int i = 0; i < N_TENSORS; i++) {
        size_t n = 1;
        for (int j = 0; j < wanted[i].n_dim; j++)
            n *= (size_t)wanted[i].dim[j];
        total += (n + 15) / 16 * 16;
    }
    return total;
}

int vad_weights_read(struct vad_weights *w, float **block, const uint8_t *data, size_t size,
                     const char *name, struct sotto_diag *diag)
{
    uint64_t header_size = 0;
    if (size < 8)
        return bad(diag, name, "too short", NULL);
    for (int i = 7; i >= 0; i--)
        header_size = header_size << 8 | data[i];
    if (header_size > MAX_HEADER || header_size > size - 8)
        return bad(diag, name, "the header's length is wrong", NULL);

    json_t *header = json_loadb((const char *)data + 8, (size_t)header_size, 0, NULL);
    float *copy = mem_alloc(total_floats(), sizeof(float));
    int err;
    if (!json_is_object(header))
        err = bad(diag, name, "the header is not a JSON object", NULL);
    else if (!copy)
        err = diag_set(diag, SOTTO_ENOMEM, name, "%s: out of memory", name);
    else
        err = copy_tensors(w, copy, header, data + 8 + header_size, size - 8 - (size_t)header_size,
                           name, diag);
    json_decref(header);
    if (err)
        mem_free(copy);
    else
        *block = copy;
    return err;
}
