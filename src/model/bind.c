/*
 * From named tensors to struct model, driven by tensors.def: the one place where names, shapes and
 * fields meet. Readers fill the directory; nothing here knows a file format.
 */
#include "model/reader.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum scope { SCOPE_MODEL, SCOPE_ENC, SCOPE_DEC };
enum need { NEED_MUST, NEED_MAY };
enum dim { DIM_NONE, DIM_M, DIM_TA, DIM_TT, DIM_C, DIM_F, DIM_V, DIM_K };

struct row {
    enum scope scope;
    size_t field; // offset in struct model or struct model_layer
    enum need need;
    enum dim dim[3];
    uint8_t part, parts;
    const char *name[3]; // by enum model_format
};

#define FIELD_MODEL(f) offsetof(struct model, f)
#define FIELD_ENC(f)   offsetof(struct model_layer, f)
#define FIELD_DEC(f)   offsetof(struct model_layer, f)
#define D1(a)                                                                                      \
    {                                                                                              \
        DIM_##a, DIM_NONE, DIM_NONE                                                                \
    }
#define D2(a, b)                                                                                   \
    {                                                                                              \
        DIM_##a, DIM_##b, DIM_NONE                                                                 \
    }
#define D3(a, b, c)                                                                                \
    {                                                                                              \
        DIM_##a, DIM_##b, DIM_##c                                                                  \
    }
#define X(scope, field, need, dims, ct2, part, parts, ggml, hf)                                    \
    {SCOPE_##scope, FIELD_##scope(field), NEED_##need, dims, part, parts, {ct2, ggml, hf}},
static const struct row rows[] = {
#include "model/tensors.def"
};
#undef X

struct binding {
    struct model *m;
    const struct dir *dir;
    enum model_format format;
    const char *file;
    struct sotto_diag *diag;
};

/* ---- shape ----------------------------------------------------------------------------------- */

int bind_check_shape(const struct model *m, const char *file, struct sotto_diag *diag)
{
    const struct model_shape *s = &m->shape;
    const struct {
        const char *what;
        int value, min, max;
    } limits[] = {
        {"mel bands", s->n_mels, 1, 1024},
        {"encoder positions", s->n_audio_ctx, 1, 1500},
        {"encoder width", s->n_audio_state, 4, 8192},
        {"encoder heads", s->n_audio_head, 1, 128},
        {"encoder layers", s->n_audio_layer, 1, MODEL_MAX_LAYERS},
        {"decoder positions", s->n_text_ctx, 8, 8192},
        {"decoder width", s->n_text_state, 4, 8192},
        {"decoder heads", s->n_text_head, 1, 128},
        {"decoder layers", s->n_text_layer, 1, MODEL_MAX_LAYERS},
        {"tokens", s->n_vocab, 1510, 1 << 20},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (limits[i].value < limits[i].min || limits[i].value > limits[i].max)
            return diag_set(diag, SOTTO_EMODEL, file,
                            "%s: a model with %d %s cannot be right (%d to %d are possible)", file,
                            limits[i].value, limits[i].what, limits[i].min, limits[i].max);
    if (s->n_mels != 80 && s->n_mels != 128)
        return diag_set(diag, SOTTO_EUNSUPPORTED, file,
                        "%s: models with %d mel bands are not supported (80 or 128 are)", file,
                        s->n_mels);
    if (s->n_audio_state != s->n_text_state)
        return diag_set(diag, SOTTO_EUNSUPPORTED, file,
                        "%s: encoder width %d and decoder width %d differ", file, s->n_audio_state,
                        s->n_text_state);
    if (s->n_audio_state % (2 * s->n_audio_head) || s->n_text_state % (2 * s->n_text_head))
        return diag_set(diag, SOTTO_EMODEL, file,
                        "%s: a width of %d cannot be split into %d and %d heads", file,
                        s->n_audio_state, s->n_audio_head, s->n_text_head);
    return 0;
}

static int dim_value(const struct model_shape *s, enum dim dim)
{
    switch (dim) {
    case DIM_M:
        return s->n_mels;
    case DIM_TA:
        return s->n_audio_ctx;
    case DIM_TT:
        return s->n_text_ctx;
    case DIM_C:
        return s->n_audio_state;
    case DIM_F:
        return 4 * s->n_audio_state;
    case DIM_V:
        return s->n_vocab;
    case DIM_K:
        return 3;
    case DIM_NONE:
        break;
    }
    return 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

enum { NAME_SIZE = 96 }; // the longest name in tensors.def is shorter

static void make_name(char name[NAME_SIZE], const char *pattern, int layer)
{
    const char *mark = strstr(pattern, "%d");
    if (mark)
        snprintf(name, NAME_SIZE, "%.*s%d%s", (int)(mark - pattern), pattern, layer, mark + 2);
    else
        snprintf(name, NAME_SIZE, "%s", pattern);
}

/* Hugging Face names have "model." before them, except when only the bare model was saved. */
static struct dir_entry *find(const struct binding *b, const char *name)
{
    struct dir_entry *e = dir_find(b->dir, name, strlen(name));
    if (!e && b->format == FORMAT_HF) {
        char longer[NAME_SIZE + 8];
        int n = snprintf(longer, sizeof longer, "model.%s", name);
        e = dir_find(b->dir, longer, (size_t)n);
    }
    return e;
}

int bind_count_layers(const struct dir *d, const char *prefix)
{
    size_t n = strlen(prefix);
    int count = 0;
    for (size_t i = 0; i < d->n; i++) {
        const struct dir_entry *e = &d->entries[i];
        if (e->name_size <= n || memcmp(e->name, prefix, n) != 0)
            continue;
        int layer = 0; // far too large a number only has to stay too large
        for (size_t k = n; k < e->name_size && e->name[k] >= '0' && e->name[k] <= '9'; k++)
            layer = layer < 1000 ? 10 * layer + (e->name[k] - '0') : layer;
        if (layer >= count)
            count = layer + 1;
    }
    return count;
}

/* ---- one tensor ------------------------------------------------------------------------------ */

static void print_dims(char *dst, size_t size, const int32_t *dim, int n)
{
    size_t at = 0;
    dst[0] = 0;
    for (int i = 0; i < n && at < size; i++)
        at += (size_t)snprintf(dst + at, size - at, "%s%d", i ? " x " : "", dim[i]);
}

/* Dimensions of 1 carry no data: some writers add them to vectors. */
static void drop_ones(struct tensor *t, int n_dim)
{
    for (int i = t->n_dim - 1; i >= 0 && t->n_dim > n_dim; i--) {
        if (t->dim[i] != 1)
            continue;
        memmove(&t->dim[i], &t->dim[i + 1], (size_t)(t->n_dim - 1 - i) * sizeof t->dim[0]);
        t->n_dim--;
    }
}

static int check_dims(const struct binding *b, const struct row *row, const char *name,
                      struct tensor *t)
{
    int32_t want[3];
    int n = 0;
    while (n < 3 && row->dim[n] != DIM_NONE) {
        want[n] = dim_value(&b->m->shape, row->dim[n]);
        n++;
    }
    if (b->format == FORMAT_CT2)
        want[0] *= row->parts;
    drop_ones(t, n);
    bool same = t->n_dim == n;
    for (int i = 0; same && i < n; i++)
        same = t->dim[i] == want[i];
    if (same)
        return 0;
    char got_text[48], want_text[48];
    print_dims(got_text, sizeof got_text, t->dim, t->n_dim);
    print_dims(want_text, sizeof want_text, want, n);
    return diag_set(b->diag, SOTTO_EMODEL, b->file, "%s: tensor %s has the shape %s, not %s",
                    b->file, name, t->n_dim > 0 ? got_text : "of no weight", want_text);
}

static int bind_one(const struct binding *b, const struct row *row, int layer, struct tensor *out)
{
    char name[NAME_SIZE];
    make_name(name, row->name[b->format], layer);
    const struct dir_entry *e = find(b, name);
    if (!e && row->need == NEED_MAY)
        return 0;
    if (!e)
        return diag_set(b->diag, SOTTO_EMODEL, b->file, "%s: tensor %s is missing", b->file, name);
    if (e->t.type == TENSOR_TYPE_COUNT)
        return diag_set(b->diag, SOTTO_EUNSUPPORTED, b->file,
                        "%s: tensor %s has the weight type %s, which is not supported", b->file,
                        name, e->alien);
    struct tensor t = e->t;
    int err = check_dims(b, row, name, &t);
    if (err)
        return err;
    if ((t.type == TENSOR_I8 || t.type == TENSOR_I16) && !t.scale)
        return diag_set(b->diag, SOTTO_EMODEL, b->file, "%s: tensor %s has no scale that fits it",
                        b->file, name);
    if (b->format == FORMAT_CT2 && row->parts > 1) {
        size_t n = (size_t)t.dim[0] / row->parts;
        t = tensor_slice_rows(&t, row->part * n, n);
    }
    *out = t;
    return 0;
}

/* ---- all tensors ----------------------------------------------------------------------------- */

/* Encoder positions as openai/whisper computes them (whisper/model.py, sinusoids). */
static int compute_positions(struct model *m)
{
    int n = m->shape.n_audio_ctx, half = m->shape.n_audio_state / 2;
    float *pos = mem_alloc((size_t)n * 2 * (size_t)half, sizeof *pos);
    if (!pos || model_own(m, pos))
        return SOTTO_ENOMEM;
    float step = (float)(log(10000.0) / (half - 1));
    for (int k = 0; k < half; k++) {
        float rate = expf(-step * (float)k);
        for (int t = 0; t < n; t++) {
            float *row = pos + (size_t)t * 2 * (size_t)half;
            row[k] = sinf((float)t * rate);
            row[half + k] = cosf((float)t * rate);
        }
    }
    m->enc_pos = (struct tensor){.data = pos, .type = TENSOR_F32, .n_dim = 2, .dim = {n, 2 * half}};
    return 0;
}

/* The output projection is the embedding. A file may repeat it, but not change it. */
static int check_tied(const struct binding *b)
{
    static const char *const names[] = {"decoder/projection/weight", "decoder.proj.weight",
                                        "proj_out.weight"};
    const char *name = names[b->format];
    const struct dir_entry *e = dir_find(b->dir, name, strlen(name));
    const struct tensor *t = &b->m->token_emb;
    if (!e || e->t.data == t->data)
        return 0;
    if (e->t.type == t->type && e->t.n_dim == 2 && e->t.dim[0] == t->dim[0] &&
        e->t.dim[1] == t->dim[1] &&
        memcmp(e->t.data, t->data, tensor_n_rows(t) * tensor_row_bytes(t)) == 0)
        return 0;
    return diag_set(b->diag, SOTTO_EUNSUPPORTED, b->file,
                    "%s: tensor %s differs from the token embedding; Whisper shares the two",
                    b->file, name);
}

static int bind_layers(const struct binding *b, const struct row *row, struct model_layer *layers,
                       int n)
{
    int err = 0;
    for (int i = 0; !err && i < n; i++)
        err = bind_one(b, row, i, (struct tensor *)((char *)&layers[i] + row->field));
    return err;
}

int bind_tensors(struct model *m, const struct dir *dir, enum model_format format, const char *file,
                 struct sotto_diag *diag)
{
    struct binding b = {m, dir, format, file, diag};
    int err = 0;
    for (size_t i = 0; !err && i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        if (row->scope == SCOPE_MODEL)
            err = bind_one(&b, row, 0, (struct tensor *)((char *)m + row->field));
        else if (row->scope == SCOPE_ENC)
            err = bind_layers(&b, row, m->enc, m->shape.n_audio_layer);
        else
            err = bind_layers(&b, row, m->dec, m->shape.n_text_layer);
    }
    if (!err)
        err = check_tied(&b);
    if (!err && !m->enc_pos.data && compute_positions(m))
        err = diag_set(diag, SOTTO_ENOMEM, file, "%s: out of memory", file);
    if (!err)
        m->weight_type = m->enc[0].fc1.w.type;
    return err;
}
