/*
 * Reader of Hugging Face folders: config.json gives the shape, safetensors files the weights,
 * generation_config.json the alignment heads, vocab.json and added_tokens.json (or tokenizer.json)
 * the tokens. Facts: huggingface/transformers, models/whisper/configuration_whisper.py,
 * modeling_whisper.py; model.safetensors.index.json as written by save_pretrained.
 */
#include "model/reader.h"

#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "model/safetensors.h"
#include "model/vocab.h"

/* ---- shape ----------------------------------------------------------------------------------- */

static int get_int(const json_t *config, const char *key, int otherwise)
{
    const json_t *v = json_object_get(config, key);
    json_int_t i = json_integer_value(v);
    return json_is_integer(v) && i >= INT32_MIN && i <= INT32_MAX ? (int)i : otherwise;
}

/* Keys without which nothing can be said are those without a default here. */
static void read_shape(struct model_shape *s, const json_t *c)
{
    s->n_mels = get_int(c, "num_mel_bins", 80);
    s->n_audio_ctx = get_int(c, "max_source_positions", 1500);
    s->n_audio_state = s->n_text_state = get_int(c, "d_model", 0);
    s->n_audio_head = get_int(c, "encoder_attention_heads", 0);
    s->n_audio_layer = get_int(c, "encoder_layers", 0);
    s->n_text_ctx = get_int(c, "max_target_positions", 448);
    s->n_text_head = get_int(c, "decoder_attention_heads", 0);
    s->n_text_layer = get_int(c, "decoder_layers", 0);
    s->n_vocab = get_int(c, "vocab_size", 0);
}

static int read_config(struct model *m, const struct blob *file, struct sotto_diag *diag)
{
    int err;
    json_t *c = vocab_parse_json(file, &err, diag);
    if (!c)
        return err;
    const char *type = json_string_value(json_object_get(c, "model_type"));
    const char *activation = json_string_value(json_object_get(c, "activation_function"));
    read_shape(&m->shape, c);
    if (!json_is_object(c) || !type)
        err = diag_set(diag, SOTTO_EMODEL, file->name, "%s: no model_type in it", file->name);
    else if (strcmp(type, "whisper") != 0)
        err = diag_set(diag, SOTTO_EUNSUPPORTED, file->name, "%s: a model of type %s, not whisper",
                       file->name, type);
    else if (json_is_true(json_object_get(c, "scale_embedding")))
        err =
            diag_set(diag, SOTTO_EUNSUPPORTED, file->name,
                     "%s: scale_embedding is on, which no published Whisper model has", file->name);
    else if (activation && strcmp(activation, "gelu") != 0)
        err = diag_set(diag, SOTTO_EUNSUPPORTED, file->name,
                       "%s: the activation function is %s, not gelu", file->name, activation);
    else
        err = bind_check_shape(m, file->name, diag);
    json_decref(c);
    return err;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static int read_vocabulary(struct model *m, const struct hf_files *f, struct sotto_diag *diag)
{
    struct vocab v = {0};
    const struct blob *file = f->vocab.data ? &f->vocab : &f->tokenizer_json;
    int err;
    if (f->vocab.data)
        err = vocab_read_object(&v, &f->vocab, diag);
    else if (f->tokenizer_json.data)
        err = vocab_read_tokenizer(&v, &f->tokenizer_json, diag);
    else
        return diag_set(diag, SOTTO_EMODEL, f->config.name,
                        "%s: there is no vocab.json or tokenizer.json beside it", f->config.name);
    if (!err && f->vocab.data && f->added_tokens.data)
        err = vocab_read_object(&v, &f->added_tokens, diag);
    if (!err)
        err = vocab_give(&v, m, file, diag);
    vocab_fini(&v);
    return err;
}

/* ---- weights --------------------------------------------------------------------------------- */

static int read_weights(struct model *m, const struct hf_files *f, struct sotto_diag *diag)
{
    struct dir dir = {0};
    json_t *headers[MODEL_MAX_FILES] = {0};
    int err = 0;
    for (int i = 0; !err && i < f->n_shards; i++)
        err = safetensors_read(&dir, &f->shard[i], &headers[i], diag);
    if (!err)
        err =
            bind_tensors(m, &dir, FORMAT_HF, f->n_shards ? f->shard[0].name : f->config.name, diag);
    dir_fini(&dir);
    for (int i = 0; i < f->n_shards; i++)
        json_decref(headers[i]);
    return err;
}

int hf_read(struct model *m, const struct hf_files *files, struct sotto_diag *diag)
{
    m->format = "Hugging Face";
    int err = read_config(m, &files->config, diag);
    if (!err)
        err = read_weights(m, files, diag);
    if (!err)
        err = read_vocabulary(m, files, diag);
    if (!err)
        err = align_read_config(m, &files->generation_config, diag);
    if (!err)
        align_default(m);
    return err;
}

/* ---- shards ---------------------------------------------------------------------------------- */

static bool is_plain_name(const char *name)
{
    return name[0] && name[0] != '.' && !strchr(name, '/') && strlen(name) < 256;
}

static int add_name(char *names[MODEL_MAX_FILES], int *n, const char *name)
{
    for (int i = 0; i < *n; i++)
        if (strcmp(names[i], name) == 0)
            return 0;
    if (*n == MODEL_MAX_FILES)
        return SOTTO_EUNSUPPORTED;
    names[*n] = mem_strdup(name);
    return names[*n] ? ++*n, 0 : SOTTO_ENOMEM;
}

int hf_shard_names(const struct blob *index, char *names[MODEL_MAX_FILES], int *n,
                   struct sotto_diag *diag)
{
    int err;
    json_t *root = vocab_parse_json(index, &err, diag);
    const char *tensor;
    json_t *value;
    *n = 0;
    if (!root)
        return err;
    json_object_foreach(json_object_get(root, "weight_map"), tensor, value)
    {
        const char *name = json_string_value(value);
        err = name && is_plain_name(name) ? add_name(names, n, name) : SOTTO_EMODEL;
        if (err)
            break;
    }
    if (!err && *n == 0)
        err = SOTTO_EMODEL;
    json_decref(root);
    if (!err)
        return 0;
    for (int i = 0; i < *n; i++)
        mem_free(names[i]);
    *n = 0;
    if (err == SOTTO_ENOMEM)
        return diag_set(diag, err, index->name, "%s: out of memory", index->name);
    if (err == SOTTO_EUNSUPPORTED)
        return diag_set(diag, err, index->name, "%s: it names more than %d files", index->name,
                        MODEL_MAX_FILES);
    return diag_set(diag, err, index->name, "%s: it names no weight files, or not by plain names",
                    index->name);
}
