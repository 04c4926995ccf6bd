/*
 * What the readers of the three formats share. They work on bytes in memory, so that tests and
 * fuzzers need no files; model.c finds and maps the files.
 */
#ifndef MODEL_READER_H
#define MODEL_READER_H

#include "model/dir.h"
#include "model/model.h"

/* A file's content, borrowed. `data` NULL: there is no such file. */
struct blob {
    const char *name; // for messages, usually the path
    const uint8_t *data;
    size_t size;
};

enum model_format { FORMAT_CT2, FORMAT_GGML, FORMAT_HF };

/* ---- the readers. Each fills a zeroed model, whose tensors point into the blobs. ---- */

struct ct2_files {
    struct blob model;           // model.bin
    struct blob vocabulary_json; // an array of tokens
    struct blob vocabulary_text; // one token per line
    struct blob tokenizer_json;  // if both are absent
    struct blob config;          // may be absent
};
int ct2_read(struct model *m, const struct ct2_files *files, struct sotto_diag *diag);
bool ct2_detect(const uint8_t *data, size_t size); // is this a CTranslate2 model.bin?

int ggml_read(struct model *m, const struct blob *file, struct sotto_diag *diag);
bool ggml_detect(const uint8_t *data, size_t size);

struct hf_files {
    struct blob config, generation_config; // the latter may be absent
    struct blob vocab, added_tokens;       // vocab.json, added_tokens.json; may be absent
    struct blob tokenizer_json;            // if vocab.json is absent
    struct blob shard[MODEL_MAX_FILES];    // safetensors
    int n_shards;
};
int hf_read(struct model *m, const struct hf_files *files, struct sotto_diag *diag);

/* Names of the safetensors files in a model.safetensors.index.json, without repetition, each
 * checked to be a plain file name. `*n` is at most MODEL_MAX_FILES. Free each and the list with
 * mem_free. Errors: MODEL, NOMEM. */
int hf_shard_names(const struct blob *index, char *names[MODEL_MAX_FILES], int *n,
                   struct sotto_diag *diag);

/* ---- from a directory of tensors to a model ---- */

/* Checks m->shape. Errors: MODEL, UNSUPPORTED. */
int bind_check_shape(const struct model *m, const char *file, struct sotto_diag *diag);

/* Finds every tensor of tensors.def in `d` by its name in `format`, checks type and shape against
 * m->shape and puts it into `m`; computes encoder positions if there are none. Errors: MODEL
 * (missing or misshapen, by name), UNSUPPORTED (a weight type unknown to us), NOMEM. */
int bind_tensors(struct model *m, const struct dir *d, enum model_format format, const char *file,
                 struct sotto_diag *diag);

/* One more than the largest number that follows `prefix` in any name; too large to be accepted by
 * bind_check_shape if it is absurd. */
int bind_count_layers(const struct dir *d, const char *prefix);

/* Remembers memory to be freed with the model; frees it at once and fails if there is no room. */
int model_own(struct model *m, void *memory);

/* ---- alignment heads ---- */

/* Takes the pairs "alignment_heads": [[layer, head], ...] of a JSON file (which may be absent) if they
 * fit the model, else leaves n_align_heads 0. Errors: MODEL (not JSON), NOMEM. */
int align_read_config(struct model *m, const struct blob *file, struct sotto_diag *diag);
/* If there are none yet: those of the published model of this shape, or the default. */
void align_default(struct model *m);

#endif
