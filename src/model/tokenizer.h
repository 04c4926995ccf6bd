/*
 * Whisper's tokens: byte-level BPE text tokens, then special tokens, languages and timestamps.
 * Facts: openai/whisper, whisper/tokenizer.py; openai/tiktoken for the merge order (a token's rank
 * is its id).
 */
#ifndef MODEL_TOKENIZER_H
#define MODEL_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct tokenizer;

/* One token's bytes as the model file has them (already bytes, not GPT-2's printable alphabet). */
struct token_bytes {
    const char *data;
    int size;
};

/* Builds a tokenizer from `n_tokens` entries by id; copies them. Text tokens are those below the
 * end-of-text token. Which ids are special follows from the vocabulary's size and names.
 * Errors: MODEL (with `file` in the diagnostic), NOMEM. */
int tokenizer_open(struct tokenizer **out, const struct token_bytes *tokens, int n_tokens,
                   const char *file, struct sotto_diag *diag);
void tokenizer_close(struct tokenizer **t);

/* Special ids; -1 where the model has none. */
struct token_special {
    int32_t eot, sot, translate, transcribe, sot_lm, sot_prev, no_speech, no_timestamps;
    int32_t timestamp_begin; // <|0.00|>; each further id is 0.02 s later, 1501 in all
    int32_t lang_begin;      // first language token
    int n_languages;         // 0 for English-only; 99, or 100 since large-v3
};
const struct token_special *tokenizer_special(const struct tokenizer *t);
bool tokenizer_multilingual(const struct tokenizer *t);
int tokenizer_n_tokens(const struct tokenizer *t);

/* Token of a language of the public table (sotto_language_*), or -1; and back. */
int32_t tokenizer_language_token(const struct tokenizer *t, int language);
int tokenizer_token_language(const struct tokenizer *t, int32_t token); // index or -1

/* Bytes of a text token; size 0 for special tokens and ids out of range. Borrowed. */
struct token_bytes tokenizer_bytes(const struct tokenizer *t, int32_t token);

/* BPE of `text` (UTF-8). Writes at most `max` ids, returns how many the whole text has, or a
 * negative error. */
int tokenizer_encode(const struct tokenizer *t, const char *text, int32_t *ids, int max);

/* Appends nothing for special tokens. Writes raw bytes (possibly cut inside a code point) and a
 * NUL; returns the length, or the length needed if `size` is too small (nothing is written). */
size_t tokenizer_decode(const struct tokenizer *t, const int32_t *ids, int n_ids, char *dst,
                        size_t size);

/* Ids of the non-speech set of openai/whisper (Tokenizer.non_speech_tokens), sorted; borrowed. */
const int32_t *tokenizer_non_speech(const struct tokenizer *t, int *n);

/* Index table of languages, shared with the public functions. */
struct language {
    const char *code, *name;
};
extern const struct language language_table[];
extern const int language_count;

#endif
