/*
 * Vocabulary files of CTranslate2 and Hugging Face. Facts: OpenNMT/CTranslate2, src/vocabulary.cc
 * (lines, carriage returns); openai/gpt-2, src/encoder.py (the printable alphabet); huggingface/
 * tokenizers (tokenizer.json: model.vocab and added_tokens).
 */
#include "model/vocab.h"

#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum {
    MAX_TOKENS = 1 << 20,
    CHUNK = 1 << 16,
};

/* The last chunk's use is kept in its first bytes. */
struct chunk {
    size_t used, size;
    char bytes[];
};

/* ---- the list -------------------------------------------------------------------------------- */

void vocab_fini(struct vocab *v)
{
    for (int i = 0; i < v->n_chunks; i++)
        mem_free(v->chunks[i]);
    mem_free(v->chunks);
    mem_free(v->tokens);
    memset(v, 0, sizeof *v);
}

static char *take_bytes(struct vocab *v, size_t size)
{
    struct chunk *c = v->n_chunks ? (struct chunk *)v->chunks[v->n_chunks - 1] : NULL;
    if (!c || c->size - c->used < size) {
        size_t room = size > CHUNK ? size : CHUNK;
        char **chunks =
            mem_grow(v->chunks, (size_t)v->n_chunks, (size_t)v->n_chunks + 1, sizeof *chunks);
        if (!chunks)
            return NULL;
        v->chunks = chunks;
        c = mem_alloc(sizeof *c + room, 1);
        if (!c)
            return NULL;
        c->used = 0;
        c->size = room;
        chunks[v->n_chunks++] = (char *)c;
    }
    char *p = c->bytes + c->used;
    c->used += size;
    return p;
}

int vocab_resize(struct vocab *v, int n)
{
    if (n > v->room) {
        int room = v->room ? 2 * v->room : 4096;
        if (room < n)
            room = n;
        struct token_bytes *tokens =
            mem_grow(v->tokens, (size_t)v->room, (size_t)room, sizeof *tokens);
        if (!tokens)
            return SOTTO_ENOMEM;
        v->tokens = tokens;
        v->room = room;
    }
    for (int i = v->n; i < n; i++)
        v->tokens[i] = (struct token_bytes){"", 0};
    v->n = n;
    return 0;
}

int vocab_give(struct vocab *v, struct model *m, const struct blob *file, struct sotto_diag *diag)
{
    if (vocab_resize(v, m->shape.n_vocab))
        return diag_set(diag, SOTTO_ENOMEM, file->name, "%s: out of memory", file->name);
    int err = tokenizer_open(&m->tokenizer, v->tokens, v->n, file->name, diag);
    if (!err)
        m->multilingual = tokenizer_multilingual(m->tokenizer);
    return err;
}

int vocab_set(struct vocab *v, int64_t id, const char *bytes, size_t size)
{
    if (id < 0 || id >= MAX_TOKENS || size > INT32_MAX)
        return SOTTO_EMODEL;
    if (id >= v->n && vocab_resize(v, (int)id + 1))
        return SOTTO_ENOMEM;
    char *copy = take_bytes(v, size);
    if (!copy)
        return SOTTO_ENOMEM;
    if (size > 0)
        memcpy(copy, bytes, size);
    v->tokens[id] = (struct token_bytes){copy, (int)size};
    return 0;
}

/* ---- GPT-2's alphabet ------------------------------------------------------------------------ */

static bool is_printable(uint32_t c)
{
    return (c >= '!' && c <= '~') || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff);
}

/* Printable bytes stand for themselves; the others are numbered from 256 on. -1: not in it. */
static int alphabet_byte(uint32_t c)
{
    if (c < 256)
        return is_printable(c) ? (int)c : -1;
    if (c < 256 + 33)
        return (int)c - 256; // 0 .. 32
    if (c < 256 + 33 + 34)
        return (int)c - 256 - 33 + 127; // 127 .. 160
    return c == 256 + 33 + 34 ? 173 : -1;
}

int vocab_set_printable(struct vocab *v, int64_t id, const char *text, size_t size)
{
    int err = vocab_set(v, id, text, size);
    if (err)
        return err;
    struct token_bytes *token = &v->tokens[id];
    char *dst = (char *)token->data; // our copy of `text`, which cannot become longer
    int n = 0;
    for (size_t at = 0; at < size;) {
        uint32_t c;
        int step = utf8_decode(text + at, size - at, &c), byte = step > 0 ? alphabet_byte(c) : -1;
        if (byte < 0) {
            if (size > 0)
                memcpy(dst, text, size);
            return 0;
        }
        dst[n++] = (char)byte;
        at += (size_t)step;
    }
    token->size = n;
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int report(int err, const struct blob *file, struct sotto_diag *diag)
{
    if (err == SOTTO_ENOMEM)
        return diag_set(diag, err, file->name, "%s: out of memory", file->name);
    if (err)
        return diag_set(diag, err, file->name, "%s: not a vocabulary this program can read",
                        file->name);
    return 0;
}

int vocab_read_lines(struct vocab *v, const struct blob *file, struct sotto_diag *diag)
{
    const char *s = (const char *)file->data, *end = s + file->size;
    bool all_cr = true; // then they belong to the line ends; else to tokens
    for (const char *p = s; all_cr && p < end; p++)
        if (*p == '\n')
            all_cr = p > s && p[-1] == '\r';

    int err = 0;
    for (int64_t id = 0; !err && s < end; id++) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        if (!stop)
            stop = end;
        size_t size = (size_t)(stop - s);
        if (all_cr && size > 0 && s[size - 1] == '\r')
            size--;
        err = vocab_set_printable(v, id, s, size);
        s = stop + 1;
    }
    return report(err, file, diag);
}

json_t *vocab_parse_json(const struct blob *file, int *err, struct sotto_diag *diag)
{
    json_error_t e = {0};
    json_t *root = json_loadb((const char *)file->data, file->size, JSON_ALLOW_NUL, &e);
    if (root) {
        *err = 0;
        return root;
    }
    if (json_error_code(&e) == json_error_out_of_memory)
        *err = diag_set(diag, SOTTO_ENOMEM, file->name, "%s: out of memory", file->name);
    else
        *err = diag_set_at(diag, SOTTO_EMODEL, file->name, e.line, e.column,
                           "%s: not valid JSON at line %d: %s", file->name, e.line, e.text);
    return NULL;
}

int vocab_read_array(struct vocab *v, const struct blob *file, struct sotto_diag *diag)
{
    int err;
    json_t *root = vocab_parse_json(file, &err, diag);
    if (!root)
        return err;
    if (!json_is_array(root))
        err = SOTTO_EMODEL;
    for (size_t i = 0; !err && i < json_array_size(root); i++) {
        const json_t *token = json_array_get(root, i);
        if (!json_is_string(token))
            err = SOTTO_EMODEL;
        else
            err = vocab_set_printable(v, (int64_t)i, json_string_value(token),
                                      json_string_length(token));
    }
    json_decref(root);
    return report(err, file, diag);
}

static int add_object(struct vocab *v, json_t *object)
{
    if (!json_is_object(object))
        return SOTTO_EMODEL;
    const char *key;
    json_t *id;
    json_object_foreach(object, key, id)
    {
        if (!json_is_integer(id))
            return SOTTO_EMODEL;
        int err = vocab_set_printable(v, json_integer_value(id), key, strlen(key));
        if (err)
            return err;
    }
    return 0;
}

int vocab_read_object(struct vocab *v, const struct blob *file, struct sotto_diag *diag)
{
    int err;
    json_t *root = vocab_parse_json(file, &err, diag);
    if (!root)
        return err;
    err = add_object(v, root);
    json_decref(root);
    return report(err, file, diag);
}

static int add_added_tokens(struct vocab *v, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i), *id = json_object_get(entry, "id"),
                     *content = json_object_get(entry, "content");
        if (!json_is_integer(id) || !json_is_string(content))
            return SOTTO_EMODEL;
        int err = vocab_set(v, json_integer_value(id), json_string_value(content),
                            json_string_length(content));
        if (err)
            return err;
    }
    return 0;
}

int vocab_read_tokenizer(struct vocab *v, const struct blob *file, struct sotto_diag *diag)
{
    int err;
    json_t *root = vocab_parse_json(file, &err, diag);
    if (!root)
        return err;
    err = add_object(v, json_object_get(json_object_get(root, "model"), "vocab"));
    if (!err)
        err = add_added_tokens(v, json_object_get(root, "added_tokens"));
    json_decref(root);
    return report(err, file, diag);
}
