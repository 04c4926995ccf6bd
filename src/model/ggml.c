/*
 * Reader of whisper.cpp's model files: magic, eleven sizes, mel filters, vocabulary, then tensors
 * to the end of the file. All numbers are little-endian and 32 bits wide. GGUF is another format.
 * Facts: ggml-org/whisper.cpp, src/whisper.cpp (whisper_model_load), models/convert-pt-to-ggml.py,
 * examples/quantize/quantize.cpp; ggml/include/ggml.h (numbers of types).
 */
#include "model/reader.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/vocab.h"

enum {
    MAGIC = 0x67676d6c,
    MAX_RANK = 4,
    VERSION_FACTOR = 1000, // weight type in the header = type + 1000 * version of the block layouts
};

struct header {
    uint32_t magic;
    int32_t n_vocab, n_audio_ctx, n_audio_state, n_audio_head, n_audio_layer;
    int32_t n_text_ctx, n_text_state, n_text_head, n_text_layer, n_mels, ftype;
    int32_t filter_mels, filter_bins; // the filters follow: filter_mels x filter_bins floats
};
_Static_assert(sizeof(struct header) == 14 * 4, "as in the file");

struct reader {
    struct model *m;
    const struct blob *file;
    struct sotto_diag *diag;
    size_t at;
    int layout_version;
    struct dir dir;
};

static int fail(const struct reader *r, const char *what)
{
    return diag_set(r->diag, SOTTO_EMODEL, r->file->name, "%s: %s at byte %zu", r->file->name, what,
                    r->at);
}

static int fail_memory(const struct reader *r)
{
    return diag_set(r->diag, SOTTO_ENOMEM, r->file->name, "%s: out of memory", r->file->name);
}

static size_t left(const struct reader *r)
{
    return r->file->size - r->at;
}

static bool take(struct reader *r, void *dst, size_t size)
{
    if (left(r) < size)
        return false;
    memcpy(dst, r->file->data + r->at, size);
    r->at += size;
    return true;
}

bool ggml_detect(const uint8_t *data, size_t size)
{
    uint32_t magic;
    if (size < sizeof magic)
        return false;
    memcpy(&magic, data, sizeof magic);
    return magic == MAGIC;
}

/* ---- header and vocabulary ------------------------------------------------------------------- */

static int read_header(struct reader *r)
{
    struct header h;
    if (!take(r, &h, sizeof h))
        return fail(r, "the file ends inside its header");
    if (h.magic != MAGIC)
        return fail(r, "not a whisper.cpp model");
    r->m->shape = (struct model_shape){
        h.n_mels,     h.n_audio_ctx,  h.n_audio_state, h.n_audio_head, h.n_audio_layer,
        h.n_text_ctx, h.n_text_state, h.n_text_head,   h.n_text_layer, h.n_vocab,
    };
    r->layout_version = h.ftype / VERSION_FACTOR;
    int err = bind_check_shape(r->m, r->file->name, r->diag);
    if (err)
        return err;
    if (h.filter_mels != h.n_mels || h.filter_bins < 0 || h.filter_bins > 1 << 16)
        return fail(r, "the mel filters do not agree with the number of mel bands");
    size_t filters = (size_t)h.filter_mels * (size_t)h.filter_bins * sizeof(float);
    if (left(r) < filters)
        return fail(r, "the file ends inside the mel filters");
    r->at += filters; // ours are computed
    return 0;
}

/* The special tokens are implied: they follow the ones in the file. */
static int name_eot(struct vocab *v, int n_in_file)
{
    static const char name[] = "<|endoftext|>";
    for (int i = 0; i < v->n; i++)
        if (v->tokens[i].size == sizeof name - 1 &&
            memcmp(v->tokens[i].data, name, sizeof name - 1) == 0)
            return 0;
    return n_in_file < v->n ? vocab_set(v, n_in_file, name, sizeof name - 1) : SOTTO_EMODEL;
}

static int read_tokens(struct reader *r, struct vocab *v)
{
    int32_t n;
    if (!take(r, &n, sizeof n))
        return fail(r, "the file ends before the vocabulary");
    if (n < 1 || n > r->m->shape.n_vocab)
        return fail(r, "the vocabulary is larger than the number of tokens");
    for (int32_t i = 0; i < n; i++) {
        uint32_t size;
        if (!take(r, &size, sizeof size) || left(r) < size)
            return fail(r, "the file ends inside the vocabulary");
        int err = vocab_set(v, i, (const char *)r->file->data + r->at, size);
        if (err)
            return err == SOTTO_ENOMEM ? fail_memory(r) : fail(r, "a token is too long");
        r->at += size;
    }
    if (vocab_resize(v, r->m->shape.n_vocab))
        return fail_memory(r);
    int err = name_eot(v, n);
    if (err)
        return err == SOTTO_ENOMEM ? fail_memory(r) : fail(r, "there is no end-of-text token");
    return 0;
}

static int read_vocabulary(struct reader *r)
{
    struct vocab v = {0};
    int err = read_tokens(r, &v);
    if (!err)
        err = tokenizer_open(&r->m->tokenizer, v.tokens, v.n, r->file->name, r->diag);
    vocab_fini(&v);
    if (!err)
        r->m->multilingual = tokenizer_multilingual(r->m->tokenizer);
    return err;
}

/* ---- tensors --------------------------------------------------------------------------------- */

struct type_row {
    const char *name;
    int16_t block, block_bytes; // to step over tensors of types we do not read
    enum tensor_type type;
    int8_t since; // version of the block layouts since when it is as in tensor.c
};

/* By number in the file. The layouts changed twice in May 2023. */
static const struct type_row *find_type(int32_t number)
{
    static const struct type_row rows[] = {
        // clang-format off
        [0]  = {"f32",  1,   4,   TENSOR_F32,  0},
        [1]  = {"f16",  1,   2,   TENSOR_F16,  0},
        [2]  = {"q4_0", 32,  18,  TENSOR_Q4_0, 2},
        [3]  = {"q4_1", 32,  20,  TENSOR_Q4_1, 2},
        [6]  = {"q5_0", 32,  22,  TENSOR_Q5_0, 1},
        [7]  = {"q5_1", 32,  24,  TENSOR_Q5_1, 1},
        [8]  = {"q8_0", 32,  34,  TENSOR_Q8_0, 2},
        [10] = {"q2_k", 256, 84, TENSOR_TYPE_COUNT, 2},
        [11] = {"q3_k", 256, 110, TENSOR_TYPE_COUNT, 2},
        [12] = {"q4_k", 256, 144, TENSOR_TYPE_COUNT, 2},
        [13] = {"q5_k", 256, 176, TENSOR_TYPE_COUNT, 2},
        [14] = {"q6_k", 256, 210, TENSOR_TYPE_COUNT, 2},
        [30] = {"bf16", 1,   2,   TENSOR_BF16, 0},
        // clang-format on
    };
    if (number < 0 || number >= (int32_t)(sizeof rows / sizeof rows[0]) || !rows[number].name)
        return NULL;
    return &rows[number];
}

/* Bytes of the tensor's data, or 0. */
static uint64_t data_bytes(const struct type_row *type, const uint64_t *dim, int n)
{
    uint64_t elements = 1, bytes;
    for (int i = 0; i < n; i++)
        if (__builtin_mul_overflow(elements, dim[i], &elements))
            return 0;
    if (elements % (uint64_t)type->block != 0 ||
        __builtin_mul_overflow(elements / (uint64_t)type->block, (uint64_t)type->block_bytes,
                               &bytes))
        return 0;
    return bytes;
}

static int read_tensor(struct reader *r)
{
    int32_t head[3], sizes[MAX_RANK]; // number of dimensions, size of the name, type
    uint64_t dim[MAX_RANK] = {0};
    struct dir_entry e = {0};

    if (!take(r, head, sizeof head))
        return fail(r, "the file ends inside a tensor's header");
    int rank = head[0];
    if (rank < 1 || rank > MAX_RANK || head[1] < 1 || head[1] > 1024)
        return fail(r, "a malformed tensor header");
    if (!take(r, sizes, (size_t)rank * sizeof sizes[0]) || left(r) < (size_t)head[1])
        return fail(r, "the file ends inside a tensor's header");
    e.name = (const char *)r->file->data + r->at;
    e.name_size = (size_t)head[1];
    r->at += e.name_size;
    for (int i = 0; i < rank; i++) { // the file has the innermost first
        if (sizes[i] < 1)
            return fail(r, "a tensor with an impossible dimension");
        dim[rank - 1 - i] = (uint64_t)sizes[i];
    }

    const struct type_row *type = find_type(head[2]);
    if (!type)
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, r->file->name,
                        "%s: tensor %.*s has the unknown weight type %d", r->file->name,
                        (int)e.name_size, e.name, head[2]);
    bool old = r->layout_version < type->since || (type->since > 0 && r->layout_version > 2);
    if (old)
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, r->file->name,
                        "%s: tensor %.*s is quantised (%s) in version %d of the layouts, which is "
                        "not supported; quantise the model again with a current whisper.cpp",
                        r->file->name, (int)e.name_size, e.name, type->name, r->layout_version);
    uint64_t bytes = data_bytes(type, dim, rank);
    if (bytes == 0)
        return diag_set(r->diag, SOTTO_EMODEL, r->file->name,
                        "%s: tensor %.*s has an impossible size", r->file->name, (int)e.name_size,
                        e.name);
    if (left(r) < bytes)
        return diag_set(r->diag, SOTTO_EMODEL, r->file->name,
                        "%s: the file ends inside tensor %.*s (%llu bytes of it are missing)",
                        r->file->name, (int)e.name_size, e.name,
                        (unsigned long long)(bytes - left(r)));
    e.t.type = type->type;
    snprintf(e.alien, sizeof e.alien, "%s", type->name);
    if (dir_set_dims(&e.t, dim, rank) && dim[rank - 1] % (uint64_t)type->block != 0)
        e.t.n_dim = -1; // blocks must not cross rows
    e.t.data = r->file->data + r->at;
    r->at += (size_t)bytes;
    return dir_add(&r->dir, &e) ? fail_memory(r) : 0;
}

int ggml_read(struct model *m, const struct blob *file, struct sotto_diag *diag)
{
    struct reader r = {.m = m, .file = file, .diag = diag};
    m->format = "whisper.cpp";
    int err = read_header(&r);
    if (!err)
        err = read_vocabulary(&r);
    while (!err && left(&r) > 0)
        err = read_tensor(&r);
    if (!err)
        err = bind_tensors(m, &r.dir, FORMAT_GGML, file->name, diag);
    dir_fini(&r.dir);
    if (!err)
        align_default(m);
    return err;
}
