/*
 * Generated models: a random Whisper of any shape, written in each format and weight type, with a
 * synthetic vocabulary. The same seed gives the same weights in every format, so that what readers
 * make of them can be compared. Driven by model/tensors.def. Needs nothing of cmocka.
 */
#ifndef TESTS_SUPPORT_GEN_MODEL_H
#define TESTS_SUPPORT_GEN_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "model/tensor.h"

enum gen_format { GEN_CT2, GEN_GGML, GEN_HF };

struct gen_model {
    int n_mels, n_audio_ctx, width, n_audio_head, n_audio_layer;
    int n_text_ctx, n_text_head, n_text_layer;
    int n_text_tokens;     // text tokens, at least 256 (all bytes); the end-of-text token follows
    int n_languages;       // 1..100; English-only vocabularies have them too (99)
    bool multilingual;     // adds the empty token before the end-of-text token
    enum tensor_type type; // of large matrices; must exist in the format
    uint64_t seed;

    // how it is written
    int ct2_version;   // 3..6; up to 3 only fp32, int16 and int8 exist
    bool other_vocab;  // CT2: vocabulary.txt; HF: tokenizer.json; ggml: end-of-text token included
    bool no_config;    // CT2, HF: without alignment heads
    bool no_positions; // CT2, HF: without the encoder's positions
    int n_shards;      // HF
};

/* A tiny multilingual model: 80 mels, 1500 positions, width 64, 2 + 2 layers, fp16. */
void gen_model_init(struct gen_model *g);

/* Shape of a published model: "tiny.en", "base", "small", "medium", "large-v2", "large-v3",
 * "large-v3-turbo", "distil-large-v3". False: unknown name. */
bool gen_model_named(struct gen_model *g, const char *name);

/* Rows of the token embedding. */
int gen_model_n_vocab(const struct gen_model *g);

/* Writes a folder (made if need be) or, for GEN_GGML, a file. False: errno says why, or the type
 * does not exist in the format (EINVAL). */
bool gen_model_write(const struct gen_model *g, enum gen_format format, const char *path);

#endif
