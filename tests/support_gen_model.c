/*
 * Writer of generated models. Quantisation follows the formats' own rules closely enough to be
 * realistic, not bit for bit. Facts: as in model/tensors.def and the readers.
 */
#include "support_gen_model.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "model/model.h"

/* ---- rows of tensors.def --------------------------------------------------------------------- */

enum scope { SCOPE_MODEL, SCOPE_ENC, SCOPE_DEC };
enum dim { DIM_NONE, DIM_M, DIM_TA, DIM_TT, DIM_C, DIM_F, DIM_V, DIM_K };

struct row {
    enum scope scope;
    const char *field;
    enum dim dim[3];
    int part, parts;
    const char *name[3]; // by enum gen_format
};

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
    {SCOPE_##scope, #field, dims, part, parts, {ct2, ggml, "model." hf}},
static const struct row rows[] = {
#include "model/tensors.def"
};
#undef X
enum { N_ROWS = sizeof rows / sizeof rows[0] };

/* One tensor to be written: values of up to three rows where parts are stacked. */
struct item {
    const struct row *row;
    int layer;
    int n_dim;
    int32_t dim[3];
    char name[128];
};

struct writer {
    const struct gen_model *g;
    enum gen_format format;
    FILE *f;
};

static const struct {
    const char *name;
    int width, heads, enc, dec, mels, text, languages;
    bool multilingual;
} named[] = {
    {"tiny.en", 384, 6, 4, 4, 80, 50256, 99, false},
    {"tiny", 384, 6, 4, 4, 80, 50257, 99, true},
    {"base", 512, 8, 6, 6, 80, 50257, 99, true},
    {"small", 768, 12, 12, 12, 80, 50257, 99, true},
    {"medium", 1024, 16, 24, 24, 80, 50257, 99, true},
    {"large-v2", 1280, 20, 32, 32, 80, 50257, 99, true},
    {"large-v3", 1280, 20, 32, 32, 128, 50257, 100, true},
    {"large-v3-turbo", 1280, 20, 32, 4, 128, 50257, 100, true},
    {"distil-large-v3", 1280, 20, 32, 2, 128, 50257, 100, true},
};

void gen_model_init(struct gen_model *g)
{
    *g = (struct gen_model){
        .n_mels = 80,
        .n_audio_ctx = 1500,
        .width = 64,
        .n_audio_head = 2,
        .n_audio_layer = 2,
        .n_text_ctx = 448,
        .n_text_head = 2,
        .n_text_layer = 2,
        .n_text_tokens = 300,
        .n_languages = 99,
        .multilingual = true,
        .type = TENSOR_F16,
        .seed = 1,
        .ct2_version = 6,
        .n_shards = 1,
    };
}

bool gen_model_named(struct gen_model *g, const char *name)
{
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (strcmp(named[i].name, name) != 0)
            continue;
        gen_model_init(g);
        g->n_mels = named[i].mels;
        g->width = named[i].width;
        g->n_audio_head = g->n_text_head = named[i].heads;
        g->n_audio_layer = named[i].enc;
        g->n_text_layer = named[i].dec;
        g->n_text_tokens = named[i].text - named[i].multilingual;
        g->n_languages = named[i].languages;
        g->multilingual = named[i].multilingual;
        return true;
    }
    return false;
}

static int eot_of(const struct gen_model *g)
{
    return g->n_text_tokens + g->multilingual;
}

int gen_model_n_vocab(const struct gen_model *g)
{
    return eot_of(g) + 2 + g->n_languages + 6 + 1501;
}

static int dim_value(const struct gen_model *g, enum dim dim)
{
    const int values[] = {0,        g->n_mels,    g->n_audio_ctx,       g->n_text_ctx,
                          g->width, 4 * g->width, gen_model_n_vocab(g), 3};
    return values[dim];
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Roughly normal numbers of deviation 1. Weights are windows into this table. */
enum { TABLE = 1 << 16 };

static float *make_table(uint64_t seed)
{
    float *table = malloc(2 * TABLE * sizeof *table);
    uint64_t s = seed * 0x9e3779b97f4a7c15u + 1;
    for (int i = 0; table && i < TABLE; i++) {
        int sum = 0;
        s ^= s << 13, s ^= s >> 7, s ^= s << 17;
        for (int k = 0; k < 4; k++)
            sum += (int)(s >> 16 * k & 0xffff);
        table[i] = table[i + TABLE] = (float)(sum - 2 * 0xffff) / 37837.0f;
    }
    return table;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Row `r` of a tensor, `n` values, sized so that activations neither vanish nor blow up. */
static void fill_row(const float *table, const struct row *row, int layer, size_t r, int n,
                     float *dst)
{
    bool norm = strstr(row->field, "norm") != NULL;
    uint64_t h = 14695981039346656037u;
    for (const char *p = row->field; *p; p++)
        h = (h ^ (uint8_t)*p) * 1099511628211u;
    h = (h ^ (uint64_t)(layer * 4 + row->scope) ^ (uint64_t)r << 20) * 0x9e3779b97f4a7c15u;
    const float *src = table + (h >> 40) % TABLE;
    float scale = 0.02f, base = 0.0f;
    if (norm && ends_with(row->field, ".g"))
        base = 1.0f;
    else if (row->dim[1] != DIM_NONE && row->dim[0] != DIM_V && row->dim[0] != DIM_TT)
        scale = 1.0f / sqrtf((float)n);
    for (int i = 0; i < n; i += TABLE) // wide rows repeat the table
        for (int k = 0; k < TABLE && i + k < n; k++)
            dst[i + k] = base + scale * src[k];
}

/* openai/whisper's sinusoids, so that all formats agree when some leave them out. */
static void fill_positions(const struct gen_model *g, size_t t, float *dst)
{
    int half = g->width / 2;
    float step = (float)(log(10000.0) / (half - 1));
    for (int k = 0; k < half; k++) {
        float rate = expf(-step * (float)k);
        dst[k] = sinf((float)t * rate);
        dst[half + k] = cosf((float)t * rate);
    }
}

static void fill(const struct writer *w, const float *table, const struct row *row, int layer,
                 size_t r, int n, float *dst)
{
    if (strcmp(row->field, "enc_pos") == 0)
        fill_positions(w->g, r, dst);
    else
        fill_row(table, row, layer, r, n, dst);
}

/* ---- weight types ---------------------------------------------------------------------------- */

static uint16_t to_f16(float f)
{
    uint32_t b;
    memcpy(&b, &f, 4);
    uint32_t sign = b >> 16 & 0x8000u, a = b & 0x7fffffffu;
    if (a >= 0x47800000u) // 65536
        return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) // below 2^-14: subnormal
        return (uint16_t)(sign | (uint32_t)lrintf(fabsf(f) * 0x1p24f));
    a += 0xfffu + (a >> 13 & 1); // to nearest, ties to even
    return (uint16_t)(sign | (a - (112u << 23)) >> 13);
}

static uint16_t to_bf16(float f)
{
    uint32_t b;
    memcpy(&b, &f, 4);
    return (uint16_t)((b + 0x7fffu + (b >> 16 & 1)) >> 16);
}

static float largest(const float *x, int n)
{
    float m = 0;
    for (int i = 0; i < n; i++)
        m = fabsf(x[i]) > m ? fabsf(x[i]) : m;
    return m;
}

static int clamp(float v, int lo, int hi)
{
    int i = (int)lrintf(v);
    return i < lo ? lo : i > hi ? hi : i;
}

/* One block of 32, see model/tensor.c. */
static size_t quantise_block(enum tensor_type type, const float *x, uint8_t *dst)
{
    bool has_min = type == TENSOR_Q4_1 || type == TENSOR_Q5_1;
    int bits = type == TENSOR_Q8_0 ? 8 : type == TENSOR_Q5_0 || type == TENSOR_Q5_1 ? 5 : 4;
    float lo = x[0], hi = x[0];
    for (int i = 1; i < 32; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    int half = 1 << (bits - 1), top = (1 << bits) - 1;
    float d = has_min ? (hi - lo) / (float)top : largest(x, 32) / (float)(half - 1);
    float m = has_min ? lo : 0.0f, unit = d > 0 ? 1 / d : 0;
    uint16_t d16 = to_f16(d), m16 = to_f16(m);
    size_t at = 2;
    memcpy(dst, &d16, 2);
    if (has_min) {
        memcpy(dst + 2, &m16, 2);
        at = 4;
    }
    int q[32];
    for (int i = 0; i < 32; i++)
        q[i] = has_min ? clamp((x[i] - m) * unit, 0, top)
                       : clamp(x[i] * unit, -half, half - 1) + (bits == 8 ? 0 : half);
    if (bits == 8) {
        for (int i = 0; i < 32; i++)
            dst[at + (size_t)i] = (uint8_t)q[i];
        return at + 32;
    }
    if (bits == 5) {
        uint32_t high = 0;
        for (int i = 0; i < 32; i++)
            high |= (uint32_t)(q[i] >> 4) << i;
        memcpy(dst + at, &high, 4);
        at += 4;
    }
    for (int i = 0; i < 16; i++)
        dst[at + (size_t)i] = (uint8_t)((q[i] & 15) | (q[i + 16] & 15) << 4);
    return at + 16;
}

/* Scale of a row of int8 and of a whole int16 tensor (whose values stay below 6). */
static float scale_i8(const float *x, int n)
{
    float m = largest(x, n);
    return m > 0 ? 127.0f / m : 1.0f;
}

static void write_row(FILE *f, enum tensor_type type, const float *x, int n, float scale)
{
    uint8_t block[64];
    for (int i = 0; i < n; i++) {
        uint16_t half = type == TENSOR_F16 ? to_f16(x[i]) : to_bf16(x[i]);
        int8_t i8 = (int8_t)clamp(x[i] * scale, -127, 127);
        int16_t i16 = (int16_t)clamp(x[i] * scale, -32767, 32767);
        switch (type) {
        case TENSOR_F32:
            fwrite(&x[i], 4, 1, f);
            break;
        case TENSOR_F16:
        case TENSOR_BF16:
            fwrite(&half, 2, 1, f);
            break;
        case TENSOR_I8:
            fwrite(&i8, 1, 1, f);
            break;
        case TENSOR_I16:
            fwrite(&i16, 2, 1, f);
            break;
        default:
            fwrite(block, 1, quantise_block(type, x + i, block), f);
            i += 31;
            break;
        }
    }
}

static size_t type_bytes(enum tensor_type type, size_t n)
{
    struct tensor t = {.type = type, .n_dim = 1, .dim = {tensor_type_unit(type)}};
    return n / (size_t)tensor_type_unit(type) * tensor_row_bytes(&t);
}

static size_t count(const struct item *it)
{
    size_t n = 1;
    for (int i = 0; i < it->n_dim; i++)
        n *= (size_t)it->dim[i];
    return n;
}

enum { SCALE_I16 = 1024 };

/* All values of an item; CT2's stacked parts one after the other, keys' biases zero. */
static void write_values(const struct writer *w, const struct item *it, enum tensor_type type,
                         const float *table, float *scales)
{
    int n = (int)(count(it) / (size_t)it->dim[0]);
    int parts = w->format == GEN_CT2 ? it->row->parts : 1, part_rows = it->dim[0] / parts;
    float *x = malloc(sizeof *x * (size_t)(n > it->dim[0] ? n : it->dim[0]));
    const char *name = it->row->name[w->format];
    for (int r = 0; x && r < it->dim[0]; r++) {
        const struct row *row = it->row;
        for (const struct row *p = rows; parts > 1 && p < rows + N_ROWS; p++)
            if (p->scope == it->row->scope && p->part == r / part_rows &&
                strcmp(p->name[w->format], name) == 0)
                row = p;
        memset(x, 0, sizeof *x * (size_t)n);
        if (parts == 1 || row->part == r / part_rows)
            fill(w, table, row, it->layer, (size_t)(r % part_rows), n, x);
        float scale = type == TENSOR_I8 ? scale_i8(x, n) : SCALE_I16;
        if (scales)
            scales[r] = scale;
        if (w->f)
            write_row(w->f, type, x, n, scale);
    }
    free(x);
}

/* The type a tensor gets: `type` for matrices, else fp32 or what the format's converters use. */
static enum tensor_type type_of(const struct writer *w, const struct item *it)
{
    enum tensor_type type = w->g->type;
    bool matrix = it->row->dim[1] != DIM_NONE && !strstr(it->row->field, "pos");
    bool quantised = type >= TENSOR_I8;
    if (w->format == GEN_HF || !quantised)
        return w->format == GEN_GGML && !matrix ? TENSOR_F32 : type;
    if (it->row->dim[2] != DIM_NONE && w->format == GEN_GGML)
        return TENSOR_F16; // convolutions are never quantised
    return matrix ? type : TENSOR_F32;
}

/* ---- going through all tensors --------------------------------------------------------------- */

static void make_item(const struct writer *w, const struct row *row, int layer, struct item *it)
{
    const char *pattern = row->name[w->format], *mark = strstr(pattern, "%d");
    *it = (struct item){.row = row, .layer = layer};
    if (mark)
        snprintf(it->name, sizeof it->name, "%.*s%d%s", (int)(mark - pattern), pattern, layer,
                 mark + 2);
    else
        snprintf(it->name, sizeof it->name, "%s", pattern);
    while (it->n_dim < 3 && row->dim[it->n_dim] != DIM_NONE) {
        it->dim[it->n_dim] = dim_value(w->g, row->dim[it->n_dim]);
        it->n_dim++;
    }
    if (w->format == GEN_CT2)
        it->dim[0] *= row->parts;
}

/* Has an earlier row the same name, being another part of the same stack? */
static bool is_stacked_below(const struct row *row)
{
    for (const struct row *p = rows; p < row; p++)
        if (p->scope == row->scope && strcmp(p->name[GEN_CT2], row->name[GEN_CT2]) == 0)
            return true;
    return false;
}

/* Fills `items` (NULL: only counts). */
static int list_items(const struct writer *w, struct item *items)
{
    int n = 0;
    for (const struct row *row = rows; row < rows + N_ROWS; row++) {
        int layers = row->scope == SCOPE_ENC   ? w->g->n_audio_layer
                     : row->scope == SCOPE_DEC ? w->g->n_text_layer
                                               : 1;
        if (w->format == GEN_CT2 && is_stacked_below(row))
            continue;
        if (strcmp(row->field, "enc_pos") == 0 && w->g->no_positions && w->format != GEN_GGML)
            continue;
        for (int i = 0; i < layers; i++, n++)
            if (items)
                make_item(w, row, i, &items[n]);
    }
    return n;
}

/* ---- vocabulary ------------------------------------------------------------------------------ */

static const char *const codes[] = {
    "en", "zh", "de", "es",  "ru", "ko", "fr", "ja", "pt", "tr",  "pl", "ca", "nl", "ar", "sv",
    "it", "id", "hi", "fi",  "vi", "he", "uk", "el", "ms", "cs",  "ro", "da", "hu", "ta", "no",
    "th", "ur", "hr", "bg",  "lt", "la", "mi", "ml", "cy", "sk",  "te", "fa", "lv", "bn", "sr",
    "az", "sl", "kn", "et",  "mk", "br", "eu", "is", "hy", "ne",  "mn", "bs", "kk", "sq", "sw",
    "gl", "mr", "pa", "si",  "km", "sn", "yo", "so", "af", "oc",  "ka", "be", "tg", "sd", "gu",
    "am", "yi", "lo", "uz",  "fo", "ht", "ps", "tk", "nn", "mt",  "sa", "lb", "my", "bo", "tl",
    "mg", "as", "tt", "haw", "ln", "ha", "ba", "jw", "su", "yue",
};

/* Bytes of token `id`: all bytes, then common pieces, then made-up words; then specials. */
static int token_text(const struct gen_model *g, int id, char dst[32])
{
    static const char *const pieces[] = {" t", "he", " a", "in",  " the", " s",
                                         "re", "on", " w", " o",  "er",   "nd",
                                         "at", " c", "is", " to", " and", "ing"};
    static const char *const specials[] = {"translate",   "transcribe", "startoflm",
                                           "startofprev", "nospeech",   "notimestamps"};
    enum { N_PIECES = sizeof pieces / sizeof *pieces };
    int k = id - eot_of(g);
    if (k < 0 && id < 256) {
        dst[0] = (char)id;
        return 1;
    }
    if (k < 0 && id >= g->n_text_tokens)
        return 0;
    if (k < 0)
        return id < 256 + N_PIECES ? sprintf(dst, "%s", pieces[id - 256])
                                   : sprintf(dst, " w%d", id);
    if (k < 2)
        return sprintf(dst, "<|%s|>", k ? "startoftranscript" : "endoftext");
    if (k < 2 + g->n_languages)
        return sprintf(dst, "<|%s|>", codes[k - 2]);
    k -= 2 + g->n_languages;
    return k < 6 ? sprintf(dst, "<|%s|>", specials[k]) : sprintf(dst, "<|%.2f|>", (k - 6) * 0.02);
}

/* GPT-2's printable form of one byte, as UTF-8. */
static int printable(uint8_t b, char dst[3])
{
    unsigned c = b;
    if (b <= 32)
        c = 256u + b;
    else if (b >= 127 && b <= 160)
        c = 256u + 33u + b - 127u;
    else if (b == 173)
        c = 256u + 33u + 34u;
    if (c < 128) {
        dst[0] = (char)c;
        return 1;
    }
    dst[0] = (char)(0xc0 | c >> 6);
    dst[1] = (char)(0x80 | (c & 63));
    return 2;
}

static void write_printable(const struct writer *w, int id, bool json)
{
    char text[32], u[3];
    int n = token_text(w->g, id, text);
    for (int i = 0; i < n; i++) {
        int m = printable((uint8_t)text[i], u);
        if (json && (u[0] == '"' || u[0] == '\\'))
            fputc('\\', w->f);
        fwrite(u, 1, (size_t)m, w->f);
    }
}

static bool open_in(struct writer *w, const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    w->f = fopen(path, "wb");
    return w->f != NULL;
}

static bool close_file(struct writer *w)
{
    bool ok = !ferror(w->f);
    ok = fclose(w->f) == 0 && ok;
    w->f = NULL;
    return ok;
}

static bool write_ct2_vocabulary(struct writer *w, const char *folder)
{
    bool text = w->g->other_vocab;
    int n = gen_model_n_vocab(w->g);
    if (!open_in(w, folder, text ? "vocabulary.txt" : "vocabulary.json"))
        return false;
    fputs(text ? "" : "[\n", w->f);
    for (int id = 0; id < n; id++) {
        fputs(text ? "" : "  \"", w->f);
        write_printable(w, id, !text);
        fputs(text ? "\n" : id + 1 < n ? "\",\n" : "\"\n", w->f);
    }
    fputs(text ? "" : "]\n", w->f);
    return close_file(w);
}

static void write_object(struct writer *w, int from, int to)
{
    fputs("{", w->f);
    for (int id = from; id < to; id++) {
        fputs(id > from ? ", \"" : "\"", w->f);
        write_printable(w, id, true);
        fprintf(w->f, "\": %d", id);
    }
    fputs("}", w->f);
}

static bool write_hf_vocabulary(struct writer *w, const char *folder)
{
    int eot = eot_of(w->g), n = gen_model_n_vocab(w->g);
    if (!w->g->other_vocab) {
        if (!open_in(w, folder, "vocab.json"))
            return false;
        write_object(w, 0, eot + 1);
        if (!close_file(w) || !open_in(w, folder, "added_tokens.json"))
            return false;
        write_object(w, eot + 1, n);
        return close_file(w);
    }
    if (!open_in(w, folder, "tokenizer.json"))
        return false;
    fputs("{\"version\": \"1.0\", \"added_tokens\": [", w->f);
    for (int id = eot; id < n; id++) {
        fprintf(w->f, "%s{\"id\": %d, \"content\": \"", id > eot ? "," : "", id);
        write_printable(w, id, true);
        fputs("\", \"special\": true}", w->f);
    }
    fputs("], \"model\": {\"type\": \"BPE\", \"vocab\": ", w->f);
    write_object(w, 0, eot);
    fputs(", \"merges\": []}}", w->f);
    return close_file(w);
}

/* The last layer's heads, so that they differ from the default when there are two layers or more. */
static void write_heads(struct writer *w)
{
    fputs("[", w->f);
    for (int h = 0; h < w->g->n_text_head; h++)
        fprintf(w->f, "%s[%d, %d]", h ? ", " : "", w->g->n_text_layer - 1, h);
    fputs("]", w->f);
}

/* ---- CTranslate2 ----------------------------------------------------------------------------- */

static void put(struct writer *w, const void *p, size_t size)
{
    if (size > 0)
        fwrite(p, 1, size, w->f);
}

static void put_u32(struct writer *w, uint32_t v)
{
    put(w, &v, 4);
}

static void put_name(struct writer *w, const char *name)
{
    uint16_t n = (uint16_t)(strlen(name) + 1);
    put(w, &n, 2);
    put(w, name, n);
}

static void ct2_head(struct writer *w, const char *name, int n_dim, const int32_t *dim,
                     enum tensor_type type, size_t n)
{
    static const uint8_t ids[] = {0, 4, 5, 1, 2}; // by enum tensor_type
    bool old = w->g->ct2_version < 4;
    size_t bytes = type_bytes(type, n);
    put_name(w, name);
    fputc(n_dim, w->f);
    put(w, dim, sizeof *dim * (size_t)n_dim);
    fputc(old ? (int)type_bytes(type, 1) : ids[type], w->f);
    put_u32(w, (uint32_t)(old ? n : bytes));
}

static void ct2_scalar(struct writer *w, const char *name, int value)
{
    int16_t v = (int16_t)value;
    ct2_head(w, name, 0, NULL, TENSOR_I16, 1);
    put(w, &v, sizeof v);
}

/* Scales stand before their weight in CTranslate2's order, which is alphabetic; here after. */
static void ct2_tensor(struct writer *w, const struct item *it, const float *table)
{
    enum tensor_type type = type_of(w, it);
    float *scales = malloc(sizeof *scales * (size_t)it->dim[0]);
    char name[160];
    ct2_head(w, it->name, it->n_dim, it->dim, type, count(it));
    write_values(w, it, type, table, scales);
    snprintf(name, sizeof name, "%s_scale", it->name);
    if (type == TENSOR_I8 || type == TENSOR_I16) {
        int n_dim = type == TENSOR_I8, n = n_dim ? it->dim[0] : 1;
        ct2_head(w, name, n_dim, it->dim, TENSOR_F32, (size_t)n);
        put(w, scales, sizeof *scales * (size_t)n);
    }
    free(scales);
}

static bool write_ct2(struct writer *w, const char *folder, const struct item *items, int n,
                      const float *table)
{
    int n_scales = 0;
    for (int i = 0; i < n; i++) {
        enum tensor_type type = type_of(w, &items[i]);
        n_scales += type == TENSOR_I8 || type == TENSOR_I16;
    }
    if (!open_in(w, folder, "model.bin"))
        return false;
    put_u32(w, (uint32_t)w->g->ct2_version);
    put_name(w, "WhisperSpec");
    put_u32(w, 3);
    put_u32(w, (uint32_t)(n + n_scales + 2));
    ct2_scalar(w, "decoder/num_heads", w->g->n_text_head);
    ct2_scalar(w, "encoder/num_heads", w->g->n_audio_head);
    for (int i = 0; i < n; i++)
        ct2_tensor(w, &items[i], table);
    put_u32(w, 1);
    put_name(w, "decoder/projection/weight");
    put_name(w, "decoder/embeddings/weight");
    if (!close_file(w) || !write_ct2_vocabulary(w, folder))
        return false;
    if (w->g->no_config)
        return true;
    if (!open_in(w, folder, "config.json"))
        return false;
    fputs("{\"alignment_heads\": ", w->f);
    write_heads(w);
    fputs("}\n", w->f);
    return close_file(w);
}

/* ---- whisper.cpp ----------------------------------------------------------------------------- */

static void ggml_tensor(struct writer *w, const struct item *it, const float *table)
{
    static const int32_t ids[] = {0, 1, 30, -1, -1, 8, 6, 7, 2, 3}; // by enum tensor_type
    enum tensor_type type = type_of(w, it);
    bool conv_bias = ends_with(it->name, "conv1.bias") || ends_with(it->name, "conv2.bias");
    int32_t head[] = {it->n_dim + conv_bias, (int32_t)strlen(it->name), ids[type]}, one = 1;
    put(w, head, sizeof head);
    if (conv_bias)
        put(w, &one, 4);
    for (int i = it->n_dim - 1; i >= 0; i--)
        put(w, &it->dim[i], 4);
    put(w, it->name, strlen(it->name));
    write_values(w, it, type, table, NULL);
}

static bool write_ggml(struct writer *w, const char *path, const struct item *items, int n,
                       const float *table)
{
    static const int32_t ftypes[] = {0, 1, 24, -1, -1, 2007, 2008, 2009, 2002, 2003};
    const struct gen_model *g = w->g;
    int n_tokens = eot_of(g) + g->other_vocab;
    int32_t head[] = {0x67676d6c,      gen_model_n_vocab(g),
                      g->n_audio_ctx,  g->width,
                      g->n_audio_head, g->n_audio_layer,
                      g->n_text_ctx,   g->width,
                      g->n_text_head,  g->n_text_layer,
                      g->n_mels,       ftypes[g->type],
                      g->n_mels,       201};
    w->f = fopen(path, "wb");
    if (!w->f)
        return false;
    put(w, head, sizeof head);
    for (int i = 0; i < g->n_mels * 201; i++)
        put_u32(w, 0);
    put_u32(w, (uint32_t)n_tokens);
    for (int id = 0; id < n_tokens; id++) {
        char text[32];
        uint32_t size = (uint32_t)token_text(g, id, text);
        put_u32(w, size);
        put(w, text, size);
    }
    for (int i = 0; i < n; i++)
        ggml_tensor(w, &items[i], table);
    return close_file(w);
}

/* ---- Hugging Face ---------------------------------------------------------------------------- */

static void shard_name(const struct writer *w, int shard, char dst[64])
{
    if (w->g->n_shards == 1)
        strcpy(dst, "model.safetensors");
    else
        sprintf(dst, "model-%05d-of-%05d.safetensors", shard + 1, w->g->n_shards);
}

static bool write_shard(struct writer *w, const char *folder, const struct item *items, int n,
                        const float *table, int shard)
{
    static const char *const dtypes[] = {"F32", "F16", "BF16"};
    char name[64], *header = NULL;
    size_t size = 0, at = 0;
    FILE *h = open_memstream(&header, &size);
    if (!h)
        return false;
    fputs("{\"__metadata__\": {\"format\": \"pt\"}", h);
    for (int i = shard; i < n; i += w->g->n_shards) {
        enum tensor_type type = type_of(w, &items[i]);
        size_t bytes = type_bytes(type, count(&items[i]));
        fprintf(h, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", items[i].name, dtypes[type]);
        for (int d = 0; d < items[i].n_dim; d++)
            fprintf(h, "%s%d", d ? "," : "", items[i].dim[d]);
        fprintf(h, "],\"data_offsets\":[%zu,%zu]}", at, at + bytes);
        at += bytes;
    }
    fputs("}", h);
    fclose(h);
    shard_name(w, shard, name);
    if (!open_in(w, folder, name)) {
        free(header);
        return false;
    }
    uint64_t padded = (size + 7) / 8 * 8;
    put(w, &padded, 8);
    put(w, header, size);
    fprintf(w->f, "%*s", (int)(padded - size), "");
    free(header);
    for (int i = shard; i < n; i += w->g->n_shards)
        write_values(w, &items[i], type_of(w, &items[i]), table, NULL);
    return close_file(w);
}

static bool write_index(struct writer *w, const char *folder, const struct item *items, int n)
{
    char name[64];
    if (!open_in(w, folder, "model.safetensors.index.json"))
        return false;
    fputs("{\"metadata\": {}, \"weight_map\": {", w->f);
    for (int i = 0; i < n; i++) {
        shard_name(w, i % w->g->n_shards, name);
        fprintf(w->f, "%s\"%s\": \"%s\"", i ? ", " : "", items[i].name, name);
    }
    fputs("}}", w->f);
    return close_file(w);
}

static bool write_hf_configs(struct writer *w, const char *folder)
{
    const struct gen_model *g = w->g;
    if (!open_in(w, folder, "config.json"))
        return false;
    fprintf(w->f,
            "{\"model_type\": \"whisper\", \"activation_function\": \"gelu\", \"d_model\": %d, "
            "\"encoder_attention_heads\": %d, \"encoder_layers\": %d, "
            "\"decoder_attention_heads\": %d, \"decoder_layers\": %d, \"num_mel_bins\": %d, "
            "\"max_source_positions\": %d, \"max_target_positions\": %d, \"vocab_size\": %d, "
            "\"scale_embedding\": false}\n",
            g->width, g->n_audio_head, g->n_audio_layer, g->n_text_head, g->n_text_layer, g->n_mels,
            g->n_audio_ctx, g->n_text_ctx, gen_model_n_vocab(g));
    if (!close_file(w))
        return false;
    if (g->no_config)
        return true;
    if (!open_in(w, folder, "generation_config.json"))
        return false;
    fputs("{\"alignment_heads\": ", w->f);
    write_heads(w);
    fprintf(w->f, ", \"is_multilingual\": %s}\n", g->multilingual ? "true" : "false");
    return close_file(w);
}

static bool write_hf(struct writer *w, const char *folder, const struct item *items, int n,
                     const float *table)
{
    bool ok = write_hf_configs(w, folder) && write_hf_vocabulary(w, folder);
    for (int i = 0; ok && i < w->g->n_shards; i++)
        ok = write_shard(w, folder, items, n, table, i);
    if (ok && w->g->n_shards > 1)
        ok = write_index(w, folder, items, n);
    return ok;
}

/* ---- public ---------------------------------------------------------------------------------- */

static bool type_exists(const struct gen_model *g, enum gen_format format)
{
    switch (format) {
    case GEN_CT2:
        return g->type <= TENSOR_I16 &&
               (g->ct2_version > 3 || (g->type != TENSOR_F16 && g->type != TENSOR_BF16));
    case GEN_GGML:
        return g->type != TENSOR_I8 && g->type != TENSOR_I16 &&
               (g->type < TENSOR_Q8_0 || g->width % 32 == 0);
    case GEN_HF:
        return g->type <= TENSOR_BF16;
    }
    return false;
}

bool gen_model_write(const struct gen_model *g, enum gen_format format, const char *path)
{
    struct writer w = {g, format, NULL};
    if (!type_exists(g, format)) {
        errno = EINVAL;
        return false;
    }
    if (format != GEN_GGML && mkdir(path, 0777) != 0 && errno != EEXIST)
        return false;
    int n = list_items(&w, NULL);
    struct item *items = malloc(sizeof *items * (size_t)n);
    float *table = make_table(g->seed);
    bool ok = items && table;
    if (ok) {
        list_items(&w, items);
        ok = format == GEN_CT2    ? write_ct2(&w, path, items, n, table)
             : format == GEN_GGML ? write_ggml(&w, path, items, n, table)
                                  : write_hf(&w, path, items, n, table);
    }
    if (w.f)
        fclose(w.f);
    free(table);
    free(items);
    return ok;
}
