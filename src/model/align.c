/*
 * Which cross-attention heads follow the audio in time. Taken from the model's configuration where
 * it has them; otherwise a published model is recognised by its shape; otherwise all heads of the
 * upper half of the decoder, openai/whisper's default (whisper/model.py).
 * Facts: openai/whisper, whisper/__init__.py, _ALIGNMENT_HEADS, decoded to (layer, head).
 */
#include "model/reader.h"

#include <jansson.h>
#include <string.h>

#include "model/vocab.h"

struct known_model {
    int width, n_audio_layer, n_text_layer, n_text_head, n_mels;
    bool multilingual;
    int n_heads;
    const struct model_align_head *heads;
};

// clang-format off
#define HEADS(...) \
    sizeof (struct model_align_head[]){__VA_ARGS__} / sizeof(struct model_align_head), \
    (const struct model_align_head[]){__VA_ARGS__}

static const struct known_model known[] = {
    // tiny.en, tiny
    {384, 4, 4, 6, 80, false, HEADS({1, 0}, {2, 0}, {2, 5}, {3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 4})},
    {384, 4, 4, 6, 80, true, HEADS({2, 2}, {3, 0}, {3, 2}, {3, 3}, {3, 4}, {3, 5})},
    // base.en, base
    {512, 6, 6, 8, 80, false, HEADS({3, 3}, {4, 7}, {5, 1}, {5, 5}, {5, 7})},
    {512, 6, 6, 8, 80, true, HEADS({3, 1}, {4, 2}, {4, 3}, {4, 7}, {5, 1}, {5, 2}, {5, 4}, {5, 6})},
    // small.en, small
    {768, 12, 12, 12, 80, false,
     HEADS({6, 6}, {7, 0}, {7, 3}, {7, 8}, {8, 2}, {8, 5}, {8, 7}, {9, 0}, {9, 4}, {9, 8}, {9, 10},
           {10, 0}, {10, 1}, {10, 2}, {10, 3}, {10, 6}, {10, 11}, {11, 2}, {11, 4})},
    {768, 12, 12, 12, 80, true,
     HEADS({5, 3}, {5, 9}, {8, 0}, {8, 4}, {8, 7}, {8, 8}, {9, 0}, {9, 7}, {9, 9}, {10, 5})},
    // medium.en, medium
    {1024, 24, 24, 16, 80, false,
     HEADS({11, 4}, {14, 1}, {14, 12}, {14, 14}, {15, 4}, {16, 0}, {16, 4}, {16, 9}, {17, 12},
           {17, 14}, {18, 7}, {18, 10}, {18, 15}, {20, 0}, {20, 3}, {20, 9}, {20, 14}, {21, 12})},
    {1024, 24, 24, 16, 80, true,
     HEADS({13, 15}, {15, 4}, {15, 15}, {16, 1}, {20, 0}, {23, 4})},
    // large-v2. NOTE: large-v1 has the same shape and is taken for it
    {1280, 32, 32, 20, 80, true,
     HEADS({10, 12}, {13, 17}, {16, 11}, {16, 12}, {16, 13}, {17, 15}, {17, 16}, {18, 4}, {18, 11},
           {18, 19}, {19, 11}, {21, 2}, {21, 3}, {22, 3}, {22, 9}, {22, 12}, {23, 5}, {23, 7},
           {23, 13}, {25, 5}, {26, 1}, {26, 12}, {27, 15})},
    // large-v3, large-v3-turbo
    {1280, 32, 32, 20, 128, true,
     HEADS({7, 0}, {10, 17}, {12, 18}, {13, 12}, {16, 1}, {17, 14}, {19, 11}, {21, 4}, {24, 1},
           {25, 6})},
    {1280, 32, 4, 20, 128, true, HEADS({2, 4}, {2, 11}, {3, 3}, {3, 6}, {3, 11}, {3, 14})},
};
// clang-format on

static const struct known_model *recognise(const struct model *m)
{
    const struct model_shape *s = &m->shape;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const struct known_model *k = &known[i];
        if (k->width == s->n_text_state && k->n_audio_layer == s->n_audio_layer &&
            k->n_text_layer == s->n_text_layer && k->n_text_head == s->n_text_head &&
            k->n_mels == s->n_mels && k->multilingual == m->multilingual)
            return k;
    }
    return NULL;
}

void align_default(struct model *m)
{
    const struct known_model *k = recognise(m);
    int n_layers = m->shape.n_text_layer, n_heads = m->shape.n_text_head;
    if (m->n_align_heads > 0)
        return;
    if (k) {
        memcpy(m->align_heads, k->heads, (size_t)k->n_heads * sizeof k->heads[0]);
        m->n_align_heads = k->n_heads;
        return;
    }
    for (int layer = n_layers / 2; layer < n_layers; layer++)
        for (int h = 0; h < n_heads && m->n_align_heads < MODEL_MAX_ALIGN_HEADS; h++)
            m->align_heads[m->n_align_heads++] = (struct model_align_head){layer, h};
}

static void take_pairs(struct model *m, const json_t *pairs)
{
    int n = 0;
    size_t size = json_array_size(pairs);
    if (size > MODEL_MAX_ALIGN_HEADS)
        return;
    for (size_t i = 0; i < size; i++) {
        const json_t *pair = json_array_get(pairs, i);
        json_int_t layer = json_integer_value(json_array_get(pair, 0));
        json_int_t head = json_integer_value(json_array_get(pair, 1));
        if (json_array_size(pair) != 2 || layer < 0 || layer >= m->shape.n_text_layer || head < 0 ||
            head >= m->shape.n_text_head)
            return;
        m->align_heads[n++] = (struct model_align_head){(int)layer, (int)head};
    }
    m->n_align_heads = n;
}

int align_read_config(struct model *m, const struct blob *file, struct sotto_diag *diag)
{
    int err = 0;
    if (file->data) {
        json_t *root = vocab_parse_json(file, &err, diag);
        take_pairs(m, json_object_get(root, "alignment_heads"));
        json_decref(root);
    }
    return err;
}
