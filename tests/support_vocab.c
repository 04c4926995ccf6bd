#include "support_vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { N_TIMESTAMPS = 1501, N_SPECIAL = 11 };

struct tokenizer *vocab_open(const char *const *texts, int n_texts)
{
    static const char *const special[N_SPECIAL] = {
        "", // the multilingual vocabulary has an empty token before the specials
        "<|endoftext|>",
        "<|startoftranscript|>",
        "<|en|>",
        "<|ja|>",
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
    };
    int n = VOCAB_FIRST_TEXT + n_texts + N_SPECIAL + N_TIMESTAMPS, id = 0;
    struct token_bytes *tokens = calloc((size_t)n, sizeof *tokens);
    char(*names)[16] = calloc((size_t)n, sizeof *names);
    struct sotto_diag diag = {0};
    struct tokenizer *tok = NULL;

    assert_non_null(tokens);
    assert_non_null(names);
    for (; id < VOCAB_FIRST_TEXT; id++) {
        names[id][0] = (char)id;
        tokens[id] = (struct token_bytes){names[id], 1};
    }
    for (int i = 0; i < n_texts; i++)
        tokens[id++] = (struct token_bytes){texts[i], (int)strlen(texts[i])};
    for (int i = 0; i < N_SPECIAL; i++)
        tokens[id++] = (struct token_bytes){special[i], (int)strlen(special[i])};
    for (int i = 0; i < N_TIMESTAMPS; i++, id++) {
        int size = snprintf(names[id], sizeof names[id], "<|%d.%02d|>", i / 50, i % 50 * 2);
        tokens[id] = (struct token_bytes){names[id], size};
    }
    assert_ok(tokenizer_open(&tok, tokens, n, "test", &diag), &diag);
    free(tokens);
    free(names);
    return tok;
}
