/* What tokenizer.c and bpe.c share. */
#ifndef MODEL_TOKENIZER_PRIV_H
#define MODEL_TOKENIZER_PRIV_H

#include "model/tokenizer.h"

enum {
    TOKENIZER_MAX_LANGUAGES = 128,
    TOKENIZER_MAX_NON_SPEECH = 128,
};

struct tokenizer {
    char *bytes;      // of all tokens, one after the other
    uint32_t *offset; // n_tokens + 1; token i is bytes[offset[i]] .. bytes[offset[i + 1]]
    int n_tokens;
    struct token_special special;
    bool multilingual;
    int32_t language_token[TOKENIZER_MAX_LANGUAGES]; // by index of language_table; -1: none
    int32_t non_speech[TOKENIZER_MAX_NON_SPEECH];    // sorted
    int n_non_speech;

    int32_t *slots;     // text tokens by hash of their bytes, open addressing; -1: free
    uint32_t slot_mask; // number of slots - 1, a power of two less one
    void *pattern;      // compiled splitting pattern (pcre2_code)
};

/* The parts of a tokenizer that encode; `bytes`, `offset` and `special` are there already.
 * Errors: NOMEM, INTERNAL. */
int bpe_init(struct tokenizer *t);
void bpe_fini(struct tokenizer *t); // accepts half-built ones

#endif
