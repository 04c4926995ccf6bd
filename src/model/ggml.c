/*
 * Reader of whisper.cpp's model files: magic, eleven sizes, mel filters, vocabulary, then tensors
 * to the end of the file. All numbers are little-endian and 32 bits wide. GGUF is another format.
 * Facts: ggml-org/whisper.cpp, src/whisper.cpp (whisper_model_load), models/convert-pt-to-ggml.py,
 * examples/quantize/quantize.cpp; ggml/include/ggml.h (numbers of types).
 */
#include "model/reader.h"

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
        err = vocab_give(&v, r->m, r->file, r->diag);
    vocab_fini(&v);
    return err;
}

/* ---- tensors --------------------------------------------------------------------------------- */

struct type_row {
    const char *name;
    enum tensor_type type; // TENSOR_TYPE_COUNT: not supported
    int8_t since;          // version of the block layouts since when it is as in tensor.c
};

/* By number in the file. The layouts changed twice in May 2023. */
static const struct type_row *find_type(int32_t number)
{
    static const struct type_row rows[] = {
        // clang-format off
        [0]  = {"f32",  TENSOR_F32,  0},
        [1]  = {"f16",  TENSOR_F16,  0},
        [2]  = {"q4_0", TENSOR_Q4_0, 2},
        [3]  = {"q4_1", TENSOR_Q4_1, 2},
        [6]  = {"q5_0", TENSOR_Q5_0, 1},
        [7]  = {"q5_1", TENSOR_Q5_1, 1},
        [8]  = {"q8_0", TENSOR_Q8_0, 2},
        [10] = {"q2_k", TENSOR_TYPE_COUNT, 0},
        [11] = {"q3_k", TENSOR_TYPE_COUNT, 0},
        [12] = {"q4_k", TENSOR_TYPE_COUNT, 0},
        [13] = {"q5_k", TENSOR_TYPE_COUNT, 0},
        [14] = {"q6_k", TENSOR_TYPE_COUNT, 0},
        [30] = {"bf16", TENSOR_BF16, 0},
        // clang-format on
    };
    if (number < 0 || number >= (int32_t)(sizeof rows / sizeof rows[0]) || !rows[number].name)
        return NULL;
    return &rows[number];
}

static int check_type(const struct reader *r, const struct dir_entry *e, int32_t number,
                      const struct type_row *type)
{
    int version = r->layout_version;
    if (!type || type->type == TENSOR_TYPE_COUNT)
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, r->file->name,
                        "%s: tensor %.*s has the weight type %s (%d), which is not supported",
                        r->file->name, (int)e->name_size, e->name, type ? type->name : "unknown",
                        number);
    if (version < type->since || (type->since > 0 && version > 2))
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, r->file->name,
                        "%s: tensor %.*s is quantised (%s) in version %d of the layouts, which is "
                        "not supported; quantise the model again with a current whisper.cpp",
                        r->file->name, (int)e->name_size, e->name, type->name, version);
    return 0;
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
    int err = check_type(r, &e, head[2], type);
    if (err)
        return err;
    uint64_t bytes = dir_data_bytes(type->type, dim, rank);
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
    dir_set_dims(&e.t, dim, rank);
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
