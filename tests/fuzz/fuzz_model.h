/* What the fuzz targets of the model readers share: a vocabulary, and touching all that was read. */
#ifndef TESTS_FUZZ_MODEL_H
#define TESTS_FUZZ_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/reader.h"

/* Takes a part of the input whose 16-bit size stands before it. */
static inline struct blob fuzz_take(const char *name, const uint8_t **data, size_t *size)
{
    struct blob b = {name, NULL, 0};
    uint16_t n;
    if (*size < sizeof n)
        return b;
    memcpy(&n, *data, sizeof n);
    *data += sizeof n;
    *size -= sizeof n;
    b.size = n < *size ? n : *size;
    b.data = b.size > 0 ? *data : NULL;
    *data += b.size;
    *size -= b.size;
    return b;
}

/* A vocabulary file for any model: 257 tokens, the last of them the end of the text. */
static inline struct blob fuzz_vocabulary(void)
{
    static char text[4096];
    size_t n = 0;
    for (int i = 0; i < 256; i++)
        n += (size_t)sprintf(text + n, "%02x\n", (unsigned)i);
    n += (size_t)sprintf(text + n, "<|endoftext|>\n<|startoftranscript|>\n<|en|>\n");
    return (struct blob){"vocabulary.txt", (const uint8_t *)text, n};
}

/* Reads every row, so that a pointer outside the input is noticed. */
static inline void fuzz_touch(const struct tensor *t)
{
    if (!t->data)
        return;
    size_t rows = tensor_n_rows(t);
    float *row = malloc((size_t)t->dim[t->n_dim - 1] * sizeof *row);
    for (size_t r = 0; row && r < rows; r++)
        tensor_read_rows(t, r, 1, row);
    free(row);
}

static inline void fuzz_touch_linear(const struct model_linear *l)
{
    fuzz_touch(&l->w);
    fuzz_touch(&l->b);
}

static inline void fuzz_touch_layer(const struct model_layer *l)
{
    const struct model_linear *all[] = {&l->attn.q,  &l->attn.k,  &l->attn.v,  &l->attn.out,
                                        &l->cross.q, &l->cross.k, &l->cross.v, &l->cross.out,
                                        &l->fc1,     &l->fc2};
    const struct model_norm *norms[] = {&l->attn_norm, &l->cross_norm, &l->mlp_norm};
    for (int i = 0; i < 10; i++)
        fuzz_touch_linear(all[i]);
    for (int i = 0; i < 3; i++) {
        fuzz_touch(&norms[i]->g);
        fuzz_touch(&norms[i]->b);
    }
}

/* A model without the files behind it. */
static inline struct model *fuzz_new_model(void)
{
    struct model *m = calloc(1, sizeof *m);
    return m ? m : (abort(), NULL);
}

static inline void fuzz_free_model(struct model *m, int err)
{
    if (!err) {
        const struct tensor *all[] = {&m->conv1_w,    &m->conv1_b,    &m->conv2_w,   &m->conv2_b,
                                      &m->enc_pos,    &m->dec_pos,    &m->token_emb, &m->enc_norm.g,
                                      &m->enc_norm.b, &m->dec_norm.g, &m->dec_norm.b};
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
            fuzz_touch(all[i]);
        for (int i = 0; i < m->shape.n_audio_layer; i++)
            fuzz_touch_layer(&m->enc[i]);
        for (int i = 0; i < m->shape.n_text_layer; i++)
            fuzz_touch_layer(&m->dec[i]);
        if (m->n_align_heads < 1)
            abort();
        int n;
        tokenizer_non_speech(m->tokenizer, &n);
    }
    tokenizer_close(&m->tokenizer);
    for (int i = 0; i < m->n_owned; i++)
        mem_free(m->owned[i]);
    free(m);
}

#endif
