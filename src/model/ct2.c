/*
 * Reader of CTranslate2 folders: model.bin (little-endian; a list of named variables, then aliases)
 * with a vocabulary and config.json beside it. Names and shapes of tensors are in tensors.def.
 * Facts: OpenNMT/CTranslate2, src/models/model.cc (Model::load), python/ctranslate2/specs/
 * model_spec.py (_serialize, _quantize; the order of data types).
 */
#include "model/reader.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/vocab.h"

enum {
    VERSION_MIN = 2, // version 1 has no specification name
    VERSION_MAX = 6,
    MAX_RANK = 8,
    INT16_DEFAULT_SCALE = 1000, // of old files that store none
};
static const char spec_name[] = "WhisperSpec";

struct reader {
    struct model *m;
    const struct blob *file;
    struct sotto_diag *diag;
    size_t at;
    uint32_t version;
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

/* ---- pieces of the file ---------------------------------------------------------------------- */

static bool take(struct reader *r, void *dst, size_t size)
{
    if (r->file->size - r->at < size)
        return false;
    memcpy(dst, r->file->data + r->at, size);
    r->at += size;
    return true;
}

/* A 16-bit size, then that many bytes, the last one 0. */
static bool take_name(struct reader *r, const char **name, size_t *size)
{
    uint16_t n;
    if (!take(r, &n, sizeof n) || n == 0 || r->file->size - r->at < n)
        return false;
    *name = (const char *)r->file->data + r->at;
    *size = (size_t)n - 1;
    r->at += n;
    return true;
}

bool ct2_detect(const uint8_t *data, size_t size)
{
    uint32_t version;
    uint16_t n;
    if (size < sizeof version + sizeof n)
        return false;
    memcpy(&version, data, sizeof version);
    memcpy(&n, data + sizeof version, sizeof n);
    return version >= 1 && version <= 100 && n > 1 && n < 100;
}

static int read_header(struct reader *r)
{
    const char *name;
    size_t size;
    uint32_t revision;
    if (!take(r, &r->version, sizeof r->version))
        return fail(r, "the file ends inside its header");
    if (r->version < VERSION_MIN || r->version > VERSION_MAX)
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, r->file->name,
                        "%s: binary version %u of CTranslate2 is not supported (%d to %d are)",
                        r->file->name, r->version, VERSION_MIN, VERSION_MAX);
    if (!take_name(r, &name, &size) || !take(r, &revision, sizeof revision))
        return fail(r, "the file ends inside its header");
    if (size != sizeof spec_name - 1 || memcmp(name, spec_name, size) != 0)
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, r->file->name,
                        "%s: a CTranslate2 model, but not a Whisper model", r->file->name);
    return 0;
}

/* ---- variables ------------------------------------------------------------------------------- */

static enum tensor_type type_of_id(uint8_t id, char alien[32])
{
    static const enum tensor_type types[] = {TENSOR_F32,        TENSOR_I8,  TENSOR_I16,
                                             TENSOR_TYPE_COUNT, TENSOR_F16, TENSOR_BF16};
    snprintf(alien, 32, "%s", id == 3 ? "int32" : "unknown");
    return id < sizeof types / sizeof types[0] ? types[id] : TENSOR_TYPE_COUNT;
}

/* Up to version 3 only the size of an element is stored, and the number of elements. */
static enum tensor_type type_of_size(uint8_t size)
{
    return size == 4   ? TENSOR_F32
           : size == 2 ? TENSOR_I16
           : size == 1 ? TENSOR_I8
                       : TENSOR_TYPE_COUNT;
}

static int read_variable(struct reader *r)
{
    struct dir_entry e = {0};
    uint8_t rank, type;
    uint32_t dim32[MAX_RANK], count;
    uint64_t dim[MAX_RANK], n_bytes;

    if (!take_name(r, &e.name, &e.name_size) || !take(r, &rank, 1))
        return fail(r, "the file ends inside a variable's name");
    if (rank > MAX_RANK)
        return fail(r, "a variable has too many dimensions");
    if (!take(r, dim32, rank * sizeof dim32[0]) || !take(r, &type, 1) ||
        !take(r, &count, sizeof count))
        return fail(r, "the file ends inside a variable's shape");
    for (int i = 0; i < rank; i++)
        dim[i] = dim32[i];

    e.t.type = r->version >= 4 ? type_of_id(type, e.alien) : type_of_size(type);
    n_bytes = r->version >= 4 ? count : (uint64_t)count * type;
    if (r->file->size - r->at < n_bytes)
        return diag_set(r->diag, SOTTO_EMODEL, r->file->name,
                        "%s: the file ends inside tensor %.*s (%llu bytes of it are missing)",
                        r->file->name, (int)e.name_size, e.name,
                        (unsigned long long)(n_bytes - (r->file->size - r->at)));
    if (e.t.type != TENSOR_TYPE_COUNT && n_bytes != dir_data_bytes(e.t.type, dim, rank))
        return diag_set(r->diag, SOTTO_EMODEL, r->file->name,
                        "%s: the size of tensor %.*s does not agree with its shape", r->file->name,
                        (int)e.name_size, e.name);
    dir_set_dims(&e.t, dim, rank);
    e.t.data = r->file->data + r->at;
    r->at += (size_t)n_bytes;
    return dir_add(&r->dir, &e) ? fail_memory(r) : 0;
}

static int read_variables(struct reader *r)
{
    uint32_t n;
    if (!take(r, &n, sizeof n))
        return fail(r, "the file ends before the number of variables");
    int err = 0;
    for (uint32_t i = 0; !err && i < n; i++)
        err = read_variable(r);
    return err;
}

/* An alias whose target is not known by then is ignored, so a cycle of aliases names nothing. */
static int read_aliases(struct reader *r)
{
    uint32_t n;
    if (r->version < 3)
        return 0;
    if (!take(r, &n, sizeof n))
        return fail(r, "the file ends before the number of aliases");
    for (uint32_t i = 0; i < n; i++) {
        const char *alias, *target;
        size_t alias_size, target_size;
        if (!take_name(r, &alias, &alias_size) || !take_name(r, &target, &target_size))
            return fail(r, "the file ends inside an alias");
        const struct dir_entry *found = dir_find(&r->dir, target, target_size);
        if (!found)
            continue;
        struct dir_entry e = *found;
        e.name = alias;
        e.name_size = alias_size;
        if (dir_add(&r->dir, &e))
            return fail_memory(r);
    }
    return 0;
}

/* ---- scales ---------------------------------------------------------------------------------- */

static struct dir_entry *find_scale(const struct reader *r, const struct dir_entry *e)
{
    char name[256];
    if (e->name_size > sizeof name - 8)
        return NULL;
    memcpy(name, e->name, e->name_size);
    memcpy(name + e->name_size, "_scale", 6);
    struct dir_entry *s = dir_find(&r->dir, name, e->name_size + 6);
    bool readable =
        s && s->t.n_dim >= 0 && s->t.n_dim <= 1 &&
        (s->t.type == TENSOR_F32 || s->t.type == TENSOR_F16 || s->t.type == TENSOR_BF16);
    return readable ? s : NULL;
}

/* Scales a variable needs: one per row for int8, one in all for int16. 0: it is no such weight. */
static size_t count_scales(const struct dir_entry *e)
{
    if (e->t.n_dim < 2)
        return 0;
    if (e->t.type == TENSOR_I8)
        return tensor_n_rows(&e->t);
    return e->t.type == TENSOR_I16 ? 1 : 0;
}

/* Copies the scales of `e` to `dst`. The file has one per outermost index; the taps of a
 * convolution are rows of their own here, so theirs are repeated. */
static bool fill_scales(const struct reader *r, const struct dir_entry *e, float *dst)
{
    const struct dir_entry *found = find_scale(r, e);
    size_t n = count_scales(e), n_outer = e->t.type == TENSOR_I8 ? (size_t)e->t.dim[0] : 1;
    if (!found) {
        dst[0] = INT16_DEFAULT_SCALE;
        return e->t.type == TENSOR_I16;
    }
    struct tensor s = found->t;
    if (s.n_dim == 0) {
        s.n_dim = 1;
        s.dim[0] = 1;
    }
    if ((size_t)s.dim[0] != n_outer)
        return false;
    tensor_read_rows(&s, 0, 1, dst);
    for (size_t i = n; i-- > 0;)
        dst[i] = dst[i / (n / n_outer)];
    return true;
}

static int attach_scales(struct reader *r)
{
    size_t total = 0;
    for (size_t i = 0; i < r->dir.n; i++)
        total += count_scales(&r->dir.entries[i]);
    if (total == 0)
        return 0;
    float *scales = mem_alloc(total, sizeof *scales);
    if (!scales || model_own(r->m, scales))
        return fail_memory(r);
    for (size_t i = 0; i < r->dir.n; i++) {
        struct dir_entry *e = &r->dir.entries[i];
        size_t n = count_scales(e);
        if (n > 0 && fill_scales(r, e, scales))
            e->t.scale = scales;
        scales += n;
    }
    return 0;
}

/* ---- the model ------------------------------------------------------------------------------- */

static int dim_of(const struct reader *r, const char *name, int i, int otherwise)
{
    const struct dir_entry *e = dir_find(&r->dir, name, strlen(name));
    return e && i < e->t.n_dim ? e->t.dim[i] : otherwise;
}

/* A whole number stored as a scalar variable. */
static int scalar_of(const struct reader *r, const char *name, int otherwise)
{
    const struct dir_entry *e = dir_find(&r->dir, name, strlen(name));
    if (!e || e->t.n_dim != 0)
        return otherwise;
    int8_t i8;
    int16_t i16;
    switch (e->t.type) {
    case TENSOR_I8:
        memcpy(&i8, e->t.data, sizeof i8);
        return i8;
    case TENSOR_I16:
        memcpy(&i16, e->t.data, sizeof i16);
        return i16;
    default:
        return otherwise;
    }
}

static void find_shape(struct reader *r)
{
    struct model_shape *s = &r->m->shape;
    s->n_mels = dim_of(r, "encoder/conv1/weight", 1, 0);
    s->n_audio_ctx = dim_of(r, "encoder/position_encodings/encodings", 0, 1500);
    s->n_audio_state = dim_of(r, "encoder/conv1/weight", 0, 0);
    s->n_audio_head = scalar_of(r, "encoder/num_heads", 8);
    s->n_audio_layer = bind_count_layers(&r->dir, "encoder/layer_");
    s->n_text_ctx = dim_of(r, "decoder/position_encodings/encodings", 0, 0);
    s->n_text_state = dim_of(r, "decoder/embeddings/weight", 1, 0);
    s->n_text_head = scalar_of(r, "decoder/num_heads", 8);
    s->n_text_layer = bind_count_layers(&r->dir, "decoder/layer_");
    s->n_vocab = dim_of(r, "decoder/embeddings/weight", 0, 0);
}

/* Before the shape is judged: a file without a tensor that tells it should name the tensor. */
static int check_telling(const struct reader *r)
{
    static const char *const names[] = {"encoder/conv1/weight", "decoder/embeddings/weight",
                                        "decoder/position_encodings/encodings"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!dir_find(&r->dir, names[i], strlen(names[i])))
            return diag_set(r->diag, SOTTO_EMODEL, r->file->name, "%s: tensor %s is missing",
                            r->file->name, names[i]);
    return 0;
}

static int read_vocabulary(struct model *m, const struct ct2_files *f, struct sotto_diag *diag)
{
    struct vocab v = {0};
    const struct blob *file = &f->vocabulary_json;
    int err;
    if (f->vocabulary_json.data) {
        err = vocab_read_array(&v, file, diag);
    } else if (f->vocabulary_text.data) {
        file = &f->vocabulary_text;
        err = vocab_read_lines(&v, file, diag);
    } else if (f->tokenizer_json.data) {
        file = &f->tokenizer_json;
        err = vocab_read_tokenizer(&v, file, diag);
    } else {
        return diag_set(
            diag, SOTTO_EMODEL, f->model.name,
            "%s: there is no vocabulary.json, vocabulary.txt or tokenizer.json beside it",
            f->model.name);
    }
    if (!err)
        err = vocab_give(&v, m, file, diag);
    vocab_fini(&v);
    return err;
}

int ct2_read(struct model *m, const struct ct2_files *files, struct sotto_diag *diag)
{
    struct reader r = {.m = m, .file = &files->model, .diag = diag};
    m->format = "CTranslate2";
    int err = read_header(&r);
    if (!err)
        err = read_variables(&r);
    if (!err)
        err = attach_scales(&r);
    if (!err)
        err = read_aliases(&r);
    if (!err)
        err = check_telling(&r);
    if (!err) {
        find_shape(&r);
        err = bind_check_shape(m, files->model.name, diag);
    }
    if (!err)
        err = bind_tensors(m, &r.dir, FORMAT_CT2, files->model.name, diag);
    dir_fini(&r.dir);
    if (!err)
        err = read_vocabulary(m, files, diag);
    if (!err)
        err = align_read_config(m, &files->config, diag);
    if (!err)
        align_default(m);
    return err;
}
