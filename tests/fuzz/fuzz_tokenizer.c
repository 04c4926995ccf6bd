/*
 * Vocabulary files and encoding. Input: which parser (first byte), size and bytes of a text to
 * encode, then the file.
 */
#include <stdio.h>

#include "fuzz_model.h"
#include "model/vocab.h"

static void use(struct tokenizer *t, const struct blob *text)
{
    char *s = malloc(text->size + 1);
    int32_t ids[256];
    char decoded[1024];
    if (text->size > 0)
        memcpy(s, text->data, text->size);
    s[text->size] = 0;
    int n = tokenizer_encode(t, s, ids, 256);
    if (n < 0)
        abort(); // there is memory, and any bytes are text
    tokenizer_decode(t, ids, n < 256 ? n : 256, decoded, sizeof decoded);
    for (int i = -1; i <= tokenizer_n_tokens(t); i++) {
        tokenizer_bytes(t, i);
        tokenizer_token_language(t, i);
    }
    free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int (*const readers[])(struct vocab *, const struct blob *, struct sotto_diag *) = {
        vocab_read_lines, vocab_read_array, vocab_read_object, vocab_read_tokenizer};
    if (size < 1)
        return 0;
    int which = data[0] & 3;
    data++, size--;
    struct blob text = fuzz_take("text", &data, &size), file = {"vocabulary", data, size};
    struct vocab v = {0};
    struct sotto_diag diag = {0};
    struct tokenizer *t = NULL;
    int err = readers[which](&v, &file, &diag);
    if (!err && v.n < 100000)
        err = vocab_resize(&v, v.n + 1510); // room for special tokens and timestamps
    if (!err)
        err = tokenizer_open(&t, v.tokens, v.n, "vocabulary", &diag);
    vocab_fini(&v);
    if (!err)
        use(t, &text);
    tokenizer_close(&t);
    return 0;
}
