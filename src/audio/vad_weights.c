/*
 * The VAD network's 15 tensors from a safetensors file (model/safetensors.h), checked by name, type,
 * shape and value, and copied.
 */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "audio/vad_net.h"
#include "base/mem.h"
#include "model/safetensors.h"

struct wanted {
    const char *name;
    int n_dim;
    int32_t dim[3];
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
    return diag_set(diag, SOTTO_EMODEL, name, "%s is not the Silero VAD network for 16 kHz: %s %s",
                    name, what, tensor);
}

// The tensor, or NULL if the file's is not what is wanted.
static const struct tensor *find(const struct dir *dir, const struct wanted *want)
{
    const struct dir_entry *e = dir_find(dir, want->name, strlen(want->name));
    if (!e || e->t.type != TENSOR_F32 || e->t.n_dim != want->n_dim ||
        memcmp(e->t.dim, want->dim, (size_t)want->n_dim * sizeof(want->dim[0])))
        return NULL;
    return &e->t;
}

static int copy_tensors(struct vad_weights *w, float *at, const struct dir *dir, const char *name,
                        struct sotto_diag *diag)
{
    const float **place[N_TENSORS] = {&w->stft,      &w->conv_w[0], &w->conv_b[0], &w->conv_w[1],
                                      &w->conv_b[1], &w->conv_w[2], &w->conv_b[2], &w->conv_w[3],
                                      &w->conv_b[3], &w->w_ih,      &w->w_hh,      &w->b_ih,
                                      &w->b_hh,      &w->out_w,     &w->out_b};
    for (int i = 0; i < N_TENSORS; i++) {
        const struct tensor *t = find(dir, &wanted[i]);
        if (!t)
            return bad(diag, name, "missing or of the wrong type or shape:", wanted[i].name);
        size_t n = tensor_n_elements(t);
        memcpy(at, t->data, n * sizeof(float));
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
    struct dir dir = {0};
    json_t *header = NULL;
    float *copy = NULL;
    int err = safetensors_read(&dir, &(struct blob){name, data, size}, &header, diag);
    if (!err) {
        copy = mem_alloc(total_floats(), sizeof(float));
        err = copy ? copy_tensors(w, copy, &dir, name, diag)
                   : diag_set(diag, SOTTO_ENOMEM, name, "%s: out of memory", name);
    }
    dir_fini(&dir);
    json_decref(header);
    if (err)
        mem_free(copy);
    else
        *block = copy;
    return err;
}
