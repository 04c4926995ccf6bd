/*
 * A Whisper model as read from disk: shape, tokenizer and borrowed tensors. All readers
 * (CTranslate2 folder, whisper.cpp file, Hugging Face folder) fill this one structure, driven by
 * one table of tensor names and shapes (model/tensors.def). What computes with it lives in engine/.
 *
 * Shape letters (docs/notation.md): M mels, T audio positions, C width, H heads, V vocabulary.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/error.h"
#include "base/mapfile.h"
#include "model/tensor.h"
#include "model/tokenizer.h"

enum {
    MODEL_MAX_LAYERS = 64,
    MODEL_MAX_FILES = 64,         // shards of one model
    MODEL_MAX_ALIGN_HEADS = 1024, // all heads of the upper half of large-v3 are 320
};

struct model_shape {
    int n_mels;                                                  // M: 80 or 128
    int n_audio_ctx, n_audio_state, n_audio_head, n_audio_layer; // T, C, H, layers
    int n_text_ctx, n_text_state, n_text_head, n_text_layer;
    int n_vocab; // V, rows of the token embedding
};

struct model_linear { // y = x W^T + b
    struct tensor w;  // out x in
    struct tensor b;  // out; absent for key projections
};

struct model_norm {
    struct tensor g, b; // C each
};

struct model_attention {
    struct model_linear q, k, v, out; // C x C each
};

struct model_layer {
    struct model_norm attn_norm;
    struct model_attention attn;
    struct model_norm cross_norm; // decoder only
    struct model_attention cross; // decoder only
    struct model_norm mlp_norm;
    struct model_linear fc1, fc2; // 4C x C, C x 4C
};

struct model_align_head {
    int layer, head; // of the decoder
};

struct model {
    struct model_shape shape;
    struct tokenizer *tokenizer;  // owned
    const char *format;           // static: "CTranslate2", "whisper.cpp", "Hugging Face"
    enum tensor_type weight_type; // of the large matrices
    bool multilingual;

    struct tensor conv1_w, conv1_b; // C x M x 3, C
    struct tensor conv2_w, conv2_b; // C x C x 3, C
    struct tensor enc_pos; // T x C; absent in CTranslate2 and HF files that omit it: computed
    struct model_layer enc[MODEL_MAX_LAYERS];
    struct model_norm enc_norm;

    struct tensor token_emb; // V x C, also the output projection
    struct tensor dec_pos;   // n_text_ctx x C
    struct model_layer dec[MODEL_MAX_LAYERS];
    struct model_norm dec_norm;

    struct model_align_head align_heads[MODEL_MAX_ALIGN_HEADS];
    int n_align_heads; // never 0: by default all heads of the upper half of the layers

    struct mapfile files[MODEL_MAX_FILES]; // what the tensors point into
    int n_files;
    void *owned[16]; // memory made while reading (mem_free), e.g. computed positions
    int n_owned;
};

/* Opens a folder or file of any known format, told from its content. Every size and offset is
 * checked. Close with model_close. Errors: NOENT, ACCESS, IO, MODEL, UNSUPPORTED, NOMEM. */
int model_open(struct model **out, const char *path, struct sotto_diag *diag);
void model_close(struct model **model); // accepts NULL and half-built models

#endif
