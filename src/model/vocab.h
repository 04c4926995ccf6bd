/*
 * Vocabulary files: tokens by id as bytes. Every parser takes memory. Which ids are special is the
 * tokenizer's business.
 */
#ifndef MODEL_VOCAB_H
#define MODEL_VOCAB_H

#include "model/reader.h"

struct vocab {
    struct token_bytes *tokens; // by id; size 0: none
    int n, room;
    char **chunks; // memory behind the tokens
    int n_chunks;
};

void vocab_fini(struct vocab *v);

/* Sets token `id` (grows the list; ids above 1 << 20 are an error) to a copy of the bytes.
 * 0, EMODEL or ENOMEM; no diagnostic. */
int vocab_set(struct vocab *v, int64_t id, const char *bytes, size_t size);

/* The same from GPT-2's printable alphabet (each byte one code point). Text with a code point
 * outside it is taken as it is. Source: openai/gpt-2, src/encoder.py, bytes_to_unicode. */
int vocab_set_printable(struct vocab *v, int64_t id, const char *text, size_t size);

/* One token per line (CTranslate2's vocabulary.txt). */
int vocab_read_lines(struct vocab *v, const struct blob *file, struct sotto_diag *diag);
/* An array of tokens (CTranslate2's vocabulary.json). */
int vocab_read_array(struct vocab *v, const struct blob *file, struct sotto_diag *diag);
/* An object from token to id (Hugging Face's vocab.json and added_tokens.json). */
int vocab_read_object(struct vocab *v, const struct blob *file, struct sotto_diag *diag);
/* Hugging Face's tokenizer.json. */
int vocab_read_tokenizer(struct vocab *v, const struct blob *file, struct sotto_diag *diag);

/* Makes the list `n` long: cuts it or adds nameless tokens. 0 or ENOMEM. */
int vocab_resize(struct vocab *v, int n);
/* Makes the model's tokenizer, of as many tokens as its shape says. `file`: for messages. */
int vocab_give(struct vocab *v, struct model *m, const struct blob *file, struct sotto_diag *diag);

/* Parses JSON; the result is released with json_decref. NULL with EMODEL or ENOMEM in `*err`. */
struct json_t *vocab_parse_json(const struct blob *file, int *err, struct sotto_diag *diag);

#endif
