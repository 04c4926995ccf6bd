/*
 * The three readers: generated models compared across formats and weight types, a real model
 * against values computed apart, and what happens with files that are wrong.
 */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "model/reader.h"
#include "support_gen_model.h"

static char dir[TEST_PATH]; // of this run

static int make_dir(void **state)
{
    (void)state;
    test_temp_dir(dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    test_temp_dir_remove(dir);
    return 0;
}

static const char *in_dir(const char *name)
{
    static char path[2][TEST_PATH * 2];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static void write_model(const struct gen_model *g, enum gen_format format, const char *path)
{
    if (!gen_model_write(g, format, path))
        fail_msg("cannot write %s: %s", path, strerror(errno));
}

static struct model *open_model(const char *path)
{
    struct model *m = NULL;
    struct sotto_diag diag = {0};
    assert_ok(model_open(&m, path, &diag), &diag);
    return m;
}

/* ---- comparing models ------------------------------------------------------------------------ */

/* Largest difference of two tensors over their largest value. */
static double difference(const struct tensor *a, const struct tensor *b)
{
    assert_int_equal(a->n_dim, b->n_dim);
    for (int i = 0; i < a->n_dim; i++)
        assert_int_equal(a->dim[i], b->dim[i]);
    size_t n = tensor_n_elements(a);
    float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
    double worst = 0, top = 1e-30;
    tensor_read_rows(a, 0, tensor_n_rows(a), x);
    tensor_read_rows(b, 0, tensor_n_rows(b), y);
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)x[i] - y[i]));
        top = fmax(top, fabs((double)x[i]));
    }
    free(x);
    free(y);
    return worst / top;
}

struct tally {
    double worst;
    int n;
};

static void compare(struct tally *t, const struct tensor *a, const struct tensor *b)
{
    assert_non_null(a->data);
    assert_non_null(b->data);
    t->worst = fmax(t->worst, difference(a, b));
    t->n++;
}

static void compare_layers(struct tally *t, const struct model_layer *a,
                           const struct model_layer *b, bool decoder)
{
    const struct model_linear *x[] = {&a->attn.q,  &a->attn.k,   &a->attn.v,  &a->attn.out,
                                      &a->fc1,     &a->fc2,      &a->cross.q, &a->cross.k,
                                      &a->cross.v, &a->cross.out};
    const struct model_linear *y[] = {&b->attn.q,  &b->attn.k,   &b->attn.v,  &b->attn.out,
                                      &b->fc1,     &b->fc2,      &b->cross.q, &b->cross.k,
                                      &b->cross.v, &b->cross.out};
    const struct model_norm *p[] = {&a->attn_norm, &a->mlp_norm, &a->cross_norm};
    const struct model_norm *q[] = {&b->attn_norm, &b->mlp_norm, &b->cross_norm};
    for (int i = 0; i < (decoder ? 10 : 6); i++) {
        compare(t, &x[i]->w, &y[i]->w);
        if (i == 1 || i == 7) {
            assert_null(x[i]->b.data);
            assert_null(y[i]->b.data);
        } else {
            compare(t, &x[i]->b, &y[i]->b);
        }
    }
    for (int i = 0; i < (decoder ? 3 : 2); i++) {
        compare(t, &p[i]->g, &q[i]->g);
        compare(t, &p[i]->b, &q[i]->b);
    }
}

/* Every tensor and token; the tokens must be the same, tensors as near as `tolerance`. */
static void compare_models(const struct model *a, const struct model *b, double tolerance)
{
    struct tally t = {0};
    assert_memory_equal(&a->shape, &b->shape, sizeof a->shape);
    assert_int_equal(a->multilingual, b->multilingual);
    compare(&t, &a->conv1_w, &b->conv1_w);
    compare(&t, &a->conv1_b, &b->conv1_b);
    compare(&t, &a->conv2_w, &b->conv2_w);
    compare(&t, &a->conv2_b, &b->conv2_b);
    compare(&t, &a->enc_pos, &b->enc_pos);
    compare(&t, &a->enc_norm.g, &b->enc_norm.g);
    compare(&t, &a->enc_norm.b, &b->enc_norm.b);
    compare(&t, &a->token_emb, &b->token_emb);
    compare(&t, &a->dec_pos, &b->dec_pos);
    compare(&t, &a->dec_norm.g, &b->dec_norm.g);
    compare(&t, &a->dec_norm.b, &b->dec_norm.b);
    for (int i = 0; i < a->shape.n_audio_layer; i++)
        compare_layers(&t, &a->enc[i], &b->enc[i], false);
    for (int i = 0; i < a->shape.n_text_layer; i++)
        compare_layers(&t, &a->dec[i], &b->dec[i], true);
    assert_int_equal(t.n, 11 + 15 * a->shape.n_audio_layer + 24 * a->shape.n_text_layer);
    if (t.worst > tolerance)
        fail_msg("%s %s: a tensor differs by %g, more than %g", b->format,
                 tensor_type_name(b->weight_type), t.worst, tolerance);

    assert_int_equal(tokenizer_n_tokens(a->tokenizer), tokenizer_n_tokens(b->tokenizer));
    assert_memory_equal(tokenizer_special(a->tokenizer), tokenizer_special(b->tokenizer),
                        sizeof(struct token_special));
    for (int i = 0; i < tokenizer_n_tokens(a->tokenizer); i++) {
        struct token_bytes x = tokenizer_bytes(a->tokenizer, i),
                           y = tokenizer_bytes(b->tokenizer, i);
        assert_int_equal(x.size, y.size);
        assert_memory_equal(x.data, y.data, (size_t)x.size);
    }
}

/* ---- generated models ------------------------------------------------------------------------ */

static const char *const extension[] = {"ct2", "bin", "hf"};

/* Largest error of a weight type, relative to the largest value of the tensor. */
static const double tolerances[] = {1e-7, 6e-4, 5e-3, 6e-3, 2e-2, 6e-3, 6e-2, 5e-2, 0.13, 0.1};

static void check_all(const struct gen_model *shape)
{
    struct gen_model g = *shape;
    g.type = TENSOR_F32;
    write_model(&g, GEN_HF, in_dir("reference"));
    struct model *reference = open_model(in_dir("reference"));
    for (int format = 0; format < 3; format++) {
        for (int type = 0; type < TENSOR_TYPE_COUNT; type++) {
            char name[64];
            g.type = type;
            snprintf(name, sizeof name, "m-%d.%s", type, extension[format]);
            if (!gen_model_write(&g, format, in_dir(name))) {
                assert_int_equal(errno, EINVAL); // no such type in this format
                continue;
            }
            struct model *m = open_model(in_dir(name));
            assert_int_equal(m->weight_type, type);
            compare_models(reference, m, tolerances[type]);
            model_close(&m);
            assert_null(m);
        }
    }
    model_close(&reference);
    test_temp_dir_remove(dir);
    mkdir(dir, 0777);
}

static void test_all_types(void **state)
{
    (void)state;
    struct gen_model g;
    gen_model_init(&g);
    check_all(&g);
}

/* 128 mels, 100 languages, decoder shallower than the encoder and of other heads, as distilled
 * models of large-v3 are. */
static void test_distilled_large(void **state)
{
    (void)state;
    struct gen_model g;
    gen_model_init(&g);
    g.n_mels = 128;
    g.n_languages = 100;
    g.n_audio_layer = 4;
    g.n_text_layer = 1;
    g.n_text_head = 4;
    g.seed = 7;
    check_all(&g);
}

static void test_english_only(void **state)
{
    (void)state;
    struct gen_model g;
    gen_model_init(&g);
    g.multilingual = false;
    check_all(&g);
    for (int format = 0; format < 3; format++) {
        write_model(&g, format, in_dir(extension[format]));
        struct model *m = open_model(in_dir(extension[format]));
        assert_false(m->multilingual);
        assert_int_equal(tokenizer_special(m->tokenizer)->n_languages, 0);
        model_close(&m);
    }
}

/* The same model however its folder is made. */
static void test_variants(void **state)
{
    (void)state;
    struct gen_model g, plain;
    gen_model_init(&plain);
    plain.type = TENSOR_F32;
    write_model(&plain, GEN_CT2, in_dir("plain"));
    struct model *want = open_model(in_dir("plain")), *m;
    for (int version = 3; version <= 6; version++) {
        g = plain;
        g.ct2_version = version;
        g.other_vocab = version % 2;
        g.no_positions = version == 4; // computed: sines of fp32 products differ in the last bits
        write_model(&g, GEN_CT2, in_dir("version"));
        m = open_model(in_dir("version"));
        compare_models(want, m, 1e-6);
        model_close(&m);
        remove(in_dir("version/vocabulary.txt"));
        remove(in_dir("version/vocabulary.json"));
    }
    for (int shards = 1; shards <= 5; shards += 2) {
        char name[32];
        g = plain;
        g.n_shards = shards;
        g.other_vocab = shards == 3;
        g.no_positions = shards == 3;
        sprintf(name, "hf%d", shards);
        write_model(&g, GEN_HF, in_dir(name));
        m = open_model(in_dir(name));
        compare_models(want, m, 1e-6);
        model_close(&m);
    }
    g = plain;
    g.other_vocab = true;
    write_model(&g, GEN_GGML, in_dir("ggml.bin"));
    m = open_model(in_dir("ggml.bin"));
    compare_models(want, m, 0);
    model_close(&m);
    model_close(&want);
}

/* A path may be the folder, a file in it, or a folder with one whisper.cpp file. */
static void test_paths(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "c", "c/", "c/model.bin", "h/model.safetensors", "h/", "g/ggml-x.bin", "g"};
    static const char *const formats[] = {"CTranslate2",  "CTranslate2",  "CTranslate2",
                                          "Hugging Face", "Hugging Face", "whisper.cpp",
                                          "whisper.cpp"};
    struct gen_model g;
    gen_model_init(&g);
    write_model(&g, GEN_CT2, in_dir("c"));
    write_model(&g, GEN_HF, in_dir("h"));
    mkdir(in_dir("g"), 0777);
    write_model(&g, GEN_GGML, in_dir("g/ggml-x.bin"));
    test_write_file(in_dir("g/other.bin"), "xxxxxxxx", 8);
    test_write_file(in_dir("h/model.bin"), "xxxxxxxx", 8); // no CTranslate2 file: told by content
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct model *m = open_model(in_dir(paths[i]));
        assert_string_equal(m->format, formats[i]);
        model_close(&m);
    }
    char old[TEST_PATH];
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(in_dir("c")), 0);
    struct model *m = open_model("model.bin");
    model_close(&m);
    assert_int_equal(chdir(old), 0);
}

/* ---- alignment heads ------------------------------------------------------------------------- */

static void test_heads_from_config(void **state)
{
    (void)state;
    struct gen_model g;
    gen_model_init(&g);
    g.n_text_layer = 4;
    for (int format = 0; format < 3; format++) {
        write_model(&g, format, in_dir(extension[format]));
        struct model *m = open_model(in_dir(extension[format]));
        if (format == GEN_GGML) { // carries none: the upper half
            assert_int_equal(m->n_align_heads, 4);
            assert_int_equal(m->align_heads[0].layer, 2);
        } else {
            assert_int_equal(m->n_align_heads, 2);
            assert_int_equal(m->align_heads[0].layer, 3);
            assert_int_equal(m->align_heads[1].head, 1);
        }
        model_close(&m);
    }
    // heads that do not exist in the model are not believed
    static const char bad[] = "{\"alignment_heads\": [[1, 0], [4, 0]]}";
    test_write_file(in_dir("ct2/config.json"), bad, sizeof bad - 1);
    struct model *m = open_model(in_dir("ct2"));
    assert_int_equal(m->n_align_heads, 4);
    model_close(&m);
}

static void check_known(int width, int enc, int dec, int heads, int mels, bool multilingual, int n,
                        int first_layer, int first_head, int last_layer, int last_head)
{
    struct model *m = calloc(1, sizeof *m);
    m->shape = (struct model_shape){.n_mels = mels,
                                    .n_audio_state = width,
                                    .n_text_state = width,
                                    .n_audio_layer = enc,
                                    .n_text_layer = dec,
                                    .n_text_head = heads,
                                    .n_audio_head = heads};
    m->multilingual = multilingual;
    align_default(m);
    assert_int_equal(m->n_align_heads, n);
    assert_int_equal(m->align_heads[0].layer, first_layer);
    assert_int_equal(m->align_heads[0].head, first_head);
    assert_int_equal(m->align_heads[n - 1].layer, last_layer);
    assert_int_equal(m->align_heads[n - 1].head, last_head);
    free(m);
}

static void test_known_heads(void **state)
{
    (void)state;
    check_known(384, 4, 4, 6, 80, false, 8, 1, 0, 3, 4);
    check_known(384, 4, 4, 6, 80, true, 6, 2, 2, 3, 5);
    check_known(512, 6, 6, 8, 80, false, 5, 3, 3, 5, 7);
    check_known(512, 6, 6, 8, 80, true, 8, 3, 1, 5, 6);
    check_known(768, 12, 12, 12, 80, false, 19, 6, 6, 11, 4);
    check_known(768, 12, 12, 12, 80, true, 10, 5, 3, 10, 5);
    check_known(1024, 24, 24, 16, 80, false, 18, 11, 4, 21, 12);
    check_known(1024, 24, 24, 16, 80, true, 6, 13, 15, 23, 4);
    check_known(1280, 32, 32, 20, 80, true, 23, 10, 12, 27, 15);
    check_known(1280, 32, 32, 20, 128, true, 10, 7, 0, 25, 6);
    check_known(1280, 32, 4, 20, 128, true, 6, 2, 4, 3, 14);
    check_known(1280, 32, 2, 20, 128, true, 20, 1, 0, 1, 19);     // distilled: the upper half
    check_known(1280, 33, 32, 20, 128, true, 320, 16, 0, 31, 19); // unknown: likewise
}

/* ---- a real model ---------------------------------------------------------------------------- */

static void check_sums(const char *what, const struct tensor *t, double sum, double abs_sum,
                       double third)
{
    size_t n = tensor_n_elements(t);
    float *x = malloc(n * sizeof *x);
    double s = 0, a = 0;
    tensor_read_rows(t, 0, tensor_n_rows(t), x);
    for (size_t i = 0; i < n; i++) {
        s += x[i];
        a += fabs((double)x[i]);
    }
    if (fabs(s - sum) > 1e-5 || fabs(a - abs_sum) > 1e-5 || fabs(x[n / 3] - third) > 1e-9)
        fail_msg("%s: sum %.6f (%.6f), of magnitudes %.6f (%.6f), one third %.9f (%.9f)", what, s,
                 sum, a, abs_sum, x[n / 3], third);
    free(x);
}

/* Sums over the tensors of the base model, computed with numpy straight from the file. */
static void test_real_base(void **state)
{
    (void)state;
    char path[TEST_PATH];
    test_model("base", path);
    struct model *m = open_model(path);
    static const struct model_shape want = {80, 1500, 512, 8, 6, 448, 512, 8, 6, 51865};
    assert_memory_equal(&m->shape, &want, sizeof want);
    assert_string_equal(m->format, "CTranslate2");
    assert_int_equal(m->weight_type, TENSOR_F16);
    assert_true(m->multilingual);
    assert_int_equal(m->n_align_heads, 8);
    assert_int_equal(m->align_heads[0].layer, 3);
    check_sums("enc[0].q.w", &m->enc[0].attn.q.w, -1.570037, 3643.123253, -0.004550934);
    check_sums("enc[5].k.w", &m->enc[5].attn.k.w, -8.728101, 4623.715035, 0.016784668);
    check_sums("enc[5].v.b", &m->enc[5].attn.v.b, -14.120746, 77.905881, 0.191162109);
    check_sums("dec[3].cross.k.w", &m->dec[3].cross.k.w, -20.512549, 4819.537004, -0.007175446);
    check_sums("dec[3].cross.v.b", &m->dec[3].cross.v.b, 0.604051, 11.852001, 0.009765625);
    check_sums("conv1_w", &m->conv1_w, 89.304382, 3159.843870, -0.012207031);
    check_sums("token_emb", &m->token_emb, 517946.027291, 585490.586508, 0.029815674);
    check_sums("dec[5].fc2.w", &m->dec[5].fc2.w, 291.366722, 21412.379618, -0.062988281);
    check_sums("dec_pos", &m->dec_pos, -14.070241, 1714.417307, -0.001645088);
    check_sums("enc_pos", &m->enc_pos, 159468.280840, 481338.764336, -0.467773438);
    model_close(&m);
}

/* ---- files that are wrong -------------------------------------------------------------------- */

/* Opening `name` fails so, and the sentence names the file and contains `part`. */
static void check_fails(const char *name, int code, const char *part)
{
    struct model *m = NULL;
    struct sotto_diag diag = {0};
    int err = model_open(&m, in_dir(name), &diag);
    if (err != code || !strstr(diag.text, part))
        fail_msg("%s: %d, not %d: \"%s\", expected \"%s\"", name, err, code, diag.text, part);
    assert_null(m);
    assert_contains(diag.text, dir);
    assert_int_equal(diag.code, code);
    assert_int_equal(model_open(&m, in_dir(name), NULL), code);
}

/* Copies `from` with the bytes of `find` replaced (same length); `skip` earlier matches stay. */
static void patch(const char *from, const char *to, const void *find, size_t n_find,
                  const void *put, size_t n_put, int skip)
{
    size_t size;
    uint8_t *data = test_read_file(in_dir(from), &size), *at = data;
    for (; (at = memmem(at, size - (size_t)(at - data), find, n_find)) && skip > 0; skip--)
        at++;
    if (!at)
        fail_msg("%s does not contain what was to be patched", from);
    memcpy(at, put, n_put);
    test_write_file(in_dir(to), data, size);
    free(data);
}

#define PATCH(from, to, find, put) patch(from, to, find, sizeof(find) - 1, put, sizeof(put) - 1, 0)

static void truncate_to(const char *from, const char *to, double share)
{
    size_t size;
    uint8_t *data = test_read_file(in_dir(from), &size);
    test_write_file(in_dir(to), data, (size_t)((double)size * share));
    free(data);
}

static void test_nothing_there(void **state)
{
    (void)state;
    check_fails("missing", SOTTO_ENOENT, "missing");
    test_write_file(in_dir("empty.bin"), "", 0);
    check_fails("empty.bin", SOTTO_EMODEL, "empty");
    test_write_file(in_dir("text.txt"), "hello, world", 12);
    check_fails("text.txt", SOTTO_EUNSUPPORTED, "not a Whisper model");
    test_write_file(in_dir("a.gguf"), "GGUF\3\0\0\0", 8);
    check_fails("a.gguf", SOTTO_EUNSUPPORTED, "GGUF");
    test_write_file(in_dir("a.pt"), "PK\3\4abcd", 8);
    check_fails("a.pt", SOTTO_EUNSUPPORTED, "PyTorch");
    mkdir(in_dir("folder"), 0777);
    check_fails("folder", SOTTO_EMODEL, "no model in this folder");
    test_write_file(in_dir("folder/pytorch_model.bin"), "PK\3\4", 4);
    check_fails("folder", SOTTO_EUNSUPPORTED, "save_pretrained");
    test_write_file(in_dir("folder/model.bin"), "what is this", 12);
    check_fails("folder", SOTTO_EUNSUPPORTED, "pytorch_model.bin");
    remove(in_dir("folder/pytorch_model.bin"));
    check_fails("folder", SOTTO_EUNSUPPORTED, "not a Whisper model");
}

static void test_unreadable(void **state)
{
    (void)state;
    if (geteuid() == 0)
        test_skip("root may read everything");
    test_write_file(in_dir("secret.bin"), "lmgg", 4);
    chmod(in_dir("secret.bin"), 0);
    check_fails("secret.bin", SOTTO_EACCESS, "secret.bin");
}

static void test_bad_ct2(void **state)
{
    (void)state;
    struct gen_model g;
    gen_model_init(&g);
    write_model(&g, GEN_CT2, in_dir("bad"));
    rename(in_dir("bad/model.bin"), in_dir("good"));
    for (int i = 1; i < 200; i++) {
        truncate_to("good", "bad/model.bin", i / 200.0);
        check_fails("bad", SOTTO_EMODEL, "ends");
    }
    PATCH("good", "bad/model.bin", "\6\0\0\0", "\7\0\0\0");
    check_fails("bad", SOTTO_EUNSUPPORTED, "version 7");
    PATCH("good", "bad/model.bin", "\6\0\0\0", "\1\0\0\0");
    check_fails("bad", SOTTO_EUNSUPPORTED, "version 1");
    PATCH("good", "bad/model.bin", "WhisperSpec", "WhimperSpec");
    check_fails("bad", SOTTO_EUNSUPPORTED, "not a Whisper model");
    PATCH("good", "bad/model.bin", "decoder/layer_1/ffn/linear_1/weight",
          "decoder/layer_1/ffn/linear_9/weight");
    check_fails("bad", SOTTO_EMODEL, "decoder/layer_1/ffn/linear_1/weight is missing");
    PATCH("good", "bad/model.bin", "encoder/conv1/weight", "encoder/conv9/weight");
    check_fails("bad", SOTTO_EMODEL, "encoder/conv1/weight is missing");
    PATCH("good", "bad/model.bin", "encoder/layer_1/self_attention/layer_norm/gamma",
          "encoder/layer_1/self_attention/layer_norm/gamme");
    check_fails("bad", SOTTO_EMODEL, "encoder/layer_1/self_attention/layer_norm/gamma is missing");
    PATCH("good", "bad/model.bin", "encoder/layer_1/", "encoder/layer_9/");
    check_fails("bad", SOTTO_EMODEL, "is missing");
    PATCH("good", "bad/model.bin", "encoder/layer_1/self_attention/",
          "encoder/layer_99999999999999/a");
    check_fails("bad", SOTTO_EMODEL, "encoder layers");
    // shapes: width 64 written as 65, then a huge one
    PATCH("good", "bad/model.bin", "encoder/conv1/bias\0\1\x40\0\0\0\4",
          "encoder/conv1/bias\0\1\x41\0\0\0\4");
    check_fails("bad", SOTTO_EMODEL, "encoder/conv1/bias does not agree with its shape");
    PATCH("good", "bad/model.bin", "encoder/conv1/bias\0\1\x40\0\0\0\4\x80",
          "encoder/conv1/bias\0\1\x20\0\0\0\4\x40");
    check_fails("bad", SOTTO_EMODEL, "at byte"); // what follows is read as something else
    PATCH("good", "bad/model.bin", "decoder/embeddings/weight\0\2",
          "decoder/embeddings/weight\0\2\xff\xff\xff\xff\xff\xff\xff\xff");
    check_fails("bad", SOTTO_EMODEL, "does not agree with its shape");
    PATCH("good", "bad/model.bin", "encoder/num_heads\0\0\2\2\0\0\0\2",
          "encoder/num_heads\0\0\2\2\0\0\0\7");
    check_fails("bad", SOTTO_EMODEL, "heads");
}

static void test_ct2_side_files(void **state)
{
    (void)state;
    struct gen_model g;
    gen_model_init(&g);
    write_model(&g, GEN_CT2, in_dir("side"));
    test_write_file(in_dir("side/config.json"), "{", 1);
    check_fails("side", SOTTO_EMODEL, "config.json: not valid JSON");
    remove(in_dir("side/config.json"));
    test_write_file(in_dir("side/vocabulary.json"), "[\"a\", \"b\"]", 10);
    check_fails("side", SOTTO_EMODEL, "vocabulary.json: not a Whisper vocabulary");
    remove(in_dir("side/vocabulary.json"));
    check_fails("side", SOTTO_EMODEL, "no vocabulary.json");
    // Hugging Face's tokenizer.json does, too
    g.other_vocab = true;
    write_model(&g, GEN_HF, in_dir("side-hf"));
    rename(in_dir("side-hf/tokenizer.json"), in_dir("side/tokenizer.json"));
    struct model *m = open_model(in_dir("side"));
    assert_true(m->multilingual);
    model_close(&m);
}

static void put_name(FILE *f, const char *name)
{
    uint16_t n = (uint16_t)(strlen(name) + 1);
    fwrite(&n, 2, 1, f);
    fwrite(name, 1, n, f);
}

/* Aliases that lead to each other, to themselves and to nothing; then one that is needed. */
static void test_ct2_aliases(void **state)
{
    (void)state;
    static const char *const aliases[][2] = {
        {"decoder/embeddings/weight", "x"}, {"x", "decoder/embeddings/weight"}, {"y", "y"}};
    struct gen_model g;
    gen_model_init(&g);
    g.type = TENSOR_I8;
    write_model(&g, GEN_CT2, in_dir("alias"));
    struct model *want = open_model(in_dir("alias"));
    rename(in_dir("alias/model.bin"), in_dir("whole"));
    for (int good = 0; good < 2; good++) {
        // the embedding gets another name, and aliases are added at the end
        size_t size;
        uint8_t *data = test_read_file(in_dir("whole"), &size);
        uint8_t *name = memmem(data, size, "decoder/embeddings/weight", 25);
        uint8_t *scale = memmem(name + 1, size - (size_t)(name + 1 - data),
                                "decoder/embeddings/weight_scale", 31);
        memcpy(name, "decoder/embedded__/weight", 25);
        memcpy(scale, "decoder/embedded__/weight_scale", 31);
        FILE *f = fopen(in_dir("alias/model.bin"), "wb");
        size_t tail = 4 + 2 * (2 + 26); // the list of one alias at the end
        fwrite(data, 1, size - tail, f);
        uint32_t n = good ? 4 : 3;
        fwrite(&n, 4, 1, f);
        for (int i = 0; i < 3; i++) {
            put_name(f, aliases[i][0]);
            put_name(f, aliases[i][1]);
        }
        if (good) {
            put_name(f, "decoder/embeddings/weight");
            put_name(f, "decoder/embedded__/weight");
        }
        fclose(f);
        free(data);
        if (good) {
            struct model *m = open_model(in_dir("alias"));
            compare_models(want, m, 0); // its scales have come along
            model_close(&m);
        } else {
            check_fails("alias", SOTTO_EMODEL, "decoder/embeddings/weight is missing");
        }
    }
    model_close(&want);
}

static void test_ct2_scales(void **state)
{
    (void)state;
    struct gen_model g;
    gen_model_init(&g);
    g.type = TENSOR_I8;
    write_model(&g, GEN_CT2, in_dir("i8"));
    rename(in_dir("i8/model.bin"), in_dir("whole-i8"));
    PATCH("whole-i8", "i8/model.bin", "encoder/layer_0/ffn/linear_0/weight_scale",
          "encoder/layer_0/ffn/linear_0/weight_scalx");
    check_fails("i8", SOTTO_EMODEL, "encoder/layer_0/ffn/linear_0/weight has no scale");
    g.type = TENSOR_I16; // old files have none: 1000 is meant
    write_model(&g, GEN_CT2, in_dir("i16"));
    rename(in_dir("i16/model.bin"), in_dir("whole-i16"));
    PATCH("whole-i16", "i16/model.bin", "encoder/layer_0/ffn/linear_0/weight_scale",
          "encoder/layer_0/ffn/linear_0/weight_scalx");
    struct model *m = open_model(in_dir("i16"));
    assert_close(m->enc[0].fc1.w.scale[0], 1000, 0);
    assert_close(m->enc[0].fc2.w.scale[0], 1024, 0);
    model_close(&m);
}

static void test_bad_ggml(void **state)
{
    (void)state;
    struct gen_model g;
    gen_model_init(&g);
    g.type = TENSOR_Q5_0;
    write_model(&g, GEN_GGML, in_dir("good.bin"));
    for (int i = 1; i < 200; i++) {
        truncate_to("good.bin", "bad.bin", i / 200.0);
        check_fails("bad.bin", SOTTO_EMODEL, i > 100 ? "" : "ends");
    }
    PATCH("good.bin", "bad.bin", "decoder.blocks.1.cross_attn.key.weight",
          "decoder.blocks.1.cross_attn.key.weighx");
    check_fails("bad.bin", SOTTO_EMODEL, "decoder.blocks.1.cross_attn.key.weight is missing");
    PATCH("good.bin", "bad.bin", "\x06\0\0\0\x40\0\0\0\0\1\0\0encoder.blocks.0.mlp.0.weight",
          "\x0c\0\0\0\0\1\0\0\x40\0\0\0encoder.blocks.0.mlp.0.weight");
    check_fails("bad.bin", SOTTO_EUNSUPPORTED, "q4_k");
    PATCH("good.bin", "bad.bin", "\x06\0\0\0\x40\0\0\0\0\1\0\0encoder.blocks.0.mlp.0.weight",
          "\x06\0\0\0\0\1\0\0\x40\0\0\0encoder.blocks.0.mlp.0.weight");
    check_fails("bad.bin", SOTTO_EMODEL, "encoder.blocks.0.mlp.0.weight has the shape 64 x 256");
    PATCH("good.bin", "bad.bin", "\x06\0\0\0\x40\0\0\0\0\1\0\0encoder.blocks.0.mlp.0.weight",
          "\x06\0\0\0\x40\0\0\x7f\0\1\0\x7f"
          "encoder.blocks.0.mlp.0.weight");
    check_fails("bad.bin", SOTTO_EMODEL, "bytes of it are missing");
    PATCH("good.bin", "bad.bin", "\x06\0\0\0\x40\0\0\0\0\1\0\0encoder.blocks.0.mlp.0.weight",
          "\x63\0\0\0\x40\0\0\0\0\1\0\0encoder.blocks.0.mlp.0.weight");
    check_fails("bad.bin", SOTTO_EUNSUPPORTED, "unknown (99)");

    // the header: sizes, then the version of the block layouts
    static const struct {
        int word;
        int32_t value;
        int code;
        const char *part;
    } heads[] = {
        {1, -5, SOTTO_EMODEL, "tokens"},          {1, 2000, SOTTO_EMODEL, ""},
        {2, 1501, SOTTO_EMODEL, "positions"},     {3, 1 << 30, SOTTO_EMODEL, "width"},
        {3, 128, SOTTO_EUNSUPPORTED, "differ"},   {4, 3, SOTTO_EMODEL, "heads"},
        {5, 65, SOTTO_EMODEL, "encoder layers"},  {5, 3, SOTTO_EMODEL, "encoder.blocks.2"},
        {9, 0, SOTTO_EMODEL, "decoder layers"},   {10, 81, SOTTO_EUNSUPPORTED, "81 mel"},
        {10, 128, SOTTO_EMODEL, "mel filters"},   {13, 1 << 20, SOTTO_EMODEL, "mel filters"},
        {11, 8, SOTTO_EUNSUPPORTED, "version 0"}, {11, 3008, SOTTO_EUNSUPPORTED, "version 3"}};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        size_t size;
        uint8_t *data = test_read_file(in_dir("good.bin"), &size);
        memcpy(data + 4 * heads[i].word, &heads[i].value, 4);
        test_write_file(in_dir("bad.bin"), data, size);
        free(data);
        check_fails("bad.bin", heads[i].code, heads[i].part);
    }
}

/* Replaces the JSON header of a safetensors file, keeping the data. */
static void write_header(const char *header, uint64_t size)
{
    size_t n;
    uint64_t old;
    uint8_t *data = test_read_file(in_dir("whole.safetensors"), &n);
    memcpy(&old, data, 8);
    FILE *f = fopen(in_dir("st/model.safetensors"), "wb");
    fwrite(&size, 8, 1, f);
    fputs(header, f);
    fwrite(data + 8 + old, 1, n - 8 - old, f);
    fclose(f);
    free(data);
}

static void test_bad_safetensors(void **state)
{
    (void)state;
    struct gen_model g;
    gen_model_init(&g);
    write_model(&g, GEN_HF, in_dir("st"));
    rename(in_dir("st/model.safetensors"), in_dir("whole.safetensors"));
    for (int i = 1; i < 100; i++) {
        truncate_to("whole.safetensors", "st/model.safetensors", i / 100.0);
        check_fails("st", SOTTO_EMODEL, "");
    }
    static const struct {
        const char *header, *part;
    } headers[] = {
        {"{}", "is missing"},
        {"{\"a\": 3}", "tensor a lacks"},
        {"{\"a\": {\"dtype\": \"F16\", \"shape\": [2], \"data_offsets\": [4, 0]}}", "begins"},
        {"{\"a\": {\"dtype\": \"F16\", \"shape\": [2], \"data_offsets\": [0, 6]}}", "shape"},
        {"{\"a\": {\"dtype\": \"F16\", \"shape\": [-2], \"data_offsets\": [0, 4]}}", "lacks"},
        {"{\"a\": {\"dtype\": \"F16\", \"shape\": [2], \"data_offsets\": [0, 4, 5]}}", "lacks"},
        {"{\"a\": {\"dtype\": \"F16\", \"shape\": [2], \"data_offsets\": [99999999996, "
         "100000000000]}}",
         "beyond the end"},
        {"{\"a\": {\"dtype\": \"F16\", \"shape\": [4294967296, 4294967296, 2], \"data_offsets\": "
         "[0, 4]}}",
         "shape"},
        {"{\"a\": {\"dtype\": \"F16\", \"shape\": [2], \"data_offsets\": [0, 4]},"
         " \"b\": {\"dtype\": \"F16\", \"shape\": [2], \"data_offsets\": [2, 6]}}",
         "overlaps"},
        {"{\"model.encoder.conv1.weight\": {\"dtype\": \"F8_E4M3\", \"shape\": [64, 80, 3],"
         " \"data_offsets\": [0, 15360]}}",
         "F8_E4M3"},
        {"{\"model.encoder.conv1.weight\": {\"dtype\": \"F16\", \"shape\": [64, 80, 3, 1],"
         " \"data_offsets\": [0, 30720]}}",
         "of no weight"},
        {"{\"a\": ", "JSON"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        write_header(headers[i].header, strlen(headers[i].header));
        check_fails("st", i == 9 ? SOTTO_EUNSUPPORTED : SOTTO_EMODEL, headers[i].part);
    }
    write_header("{}", 1u << 30);
    check_fails("st", SOTTO_EMODEL, "safetensors");
    write_header("{}", UINT64_MAX);
    check_fails("st", SOTTO_EMODEL, "safetensors");
}

static void write_text(const char *name, const char *text)
{
    test_write_file(in_dir(name), text, strlen(text));
}

static void test_bad_hf(void **state)
{
    (void)state;
    struct gen_model g;
    gen_model_init(&g);
    g.n_shards = 2;
    write_model(&g, GEN_HF, in_dir("bad-hf"));
    rename(in_dir("bad-hf/model.safetensors.index.json"), in_dir("index"));
    write_text("bad-hf/model.safetensors.index.json",
               "{\"weight_map\": {\"a\": \"../x.safetensors\"}}");
    check_fails("bad-hf", SOTTO_EMODEL, "plain names");
    write_text("bad-hf/model.safetensors.index.json", "{\"weight_map\": {}}");
    check_fails("bad-hf", SOTTO_EMODEL, "plain names");
    write_text("bad-hf/model.safetensors.index.json",
               "{\"weight_map\": {\"a\": \"gone.safetensors\"}}");
    check_fails("bad-hf", SOTTO_ENOENT, "gone.safetensors");
    write_text("bad-hf/model.safetensors.index.json",
               "{\"weight_map\": {\"a\": \"model-00001-of-00002.safetensors\"}}");
    check_fails("bad-hf", SOTTO_EMODEL, "is missing");
    rename(in_dir("index"), in_dir("bad-hf/model.safetensors.index.json"));
    struct model *m = open_model(in_dir("bad-hf"));
    model_close(&m);

    static const char *const configs[][2] = {
        {"{", "JSON"},
        {"[]", "model_type"},
        {"{\"model_type\": \"bert\"}", "bert"},
        {"{\"model_type\": \"whisper\", \"scale_embedding\": true}", "scale_embedding"},
        {"{\"model_type\": \"whisper\", \"activation_function\": \"relu\"}", "relu"},
        {"{\"model_type\": \"whisper\"}", "width"},
        {"{\"model_type\": \"whisper\", \"d_model\": 99999999999999999}", "width"},
    };
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        write_text("bad-hf/config.json", configs[i][0]);
        check_fails("bad-hf", i >= 2 && i < 5 ? SOTTO_EUNSUPPORTED : SOTTO_EMODEL, configs[i][1]);
    }
    remove(in_dir("bad-hf/config.json"));
    check_fails("bad-hf", SOTTO_ENOENT, "config.json");
    write_model(&g, GEN_HF, in_dir("bad-hf"));
    remove(in_dir("bad-hf/vocab.json"));
    check_fails("bad-hf", SOTTO_EMODEL, "no vocab.json");
}

/* A separate output projection is accepted only if it repeats the embedding. */
static void test_untied(void **state)
{
    (void)state;
    struct gen_model g;
    gen_model_init(&g);
    write_model(&g, GEN_CT2, in_dir("tied"));
    size_t size;
    uint8_t *data = test_read_file(in_dir("tied/model.bin"), &size);
    uint8_t *emb = memmem(data, size, "decoder/embeddings/weight", 25);
    uint32_t n, bytes;
    memcpy(&n, data + 22, 4);
    memcpy(&bytes, emb + 26 + 1 + 8 + 1, 4);
    size_t record = 2 + 26 + 1 + 8 + 1 + 4 + bytes, tail = 4 + 2 * (2 + 26);
    uint8_t *copy = malloc(record);
    memcpy(copy, emb - 2, record);
    memcpy(copy + 2, "decoder/projection/weight", 25);
    n++;
    memcpy(data + 22, &n, 4);
    for (int change = 0; change < 2; change++) {
        FILE *f = fopen(in_dir("tied/model.bin"), "wb");
        fwrite(data, 1, size - tail, f);
        fwrite(copy, 1, record, f);
        fwrite(data + size - tail, 1, tail, f);
        fclose(f);
        if (change) {
            check_fails("tied", SOTTO_EUNSUPPORTED, "differs from the token embedding");
        } else {
            struct model *m = open_model(in_dir("tied"));
            model_close(&m);
        }
        copy[record - 1] ^= 1;
    }
    free(copy);
    free(data);
}

/* The n-th allocation fails: an error, no leak, no crash. */
static void test_out_of_memory(void **state)
{
    (void)state;
    struct gen_model g;
    gen_model_init(&g);
    g.type = TENSOR_F32;
    g.n_audio_layer = g.n_text_layer = 1;
    g.n_shards = 2;
    g.no_positions = true;
    for (int format = 0; format < 3; format++) {
        write_model(&g, format, in_dir("oom"));
        int err = SOTTO_ENOMEM, n = 0;
        for (; err == SOTTO_ENOMEM; n++) {
            struct model *m = NULL;
            struct sotto_diag diag = {0};
            mem_fail_at(n, n % 2);
            err = model_open(&m, in_dir("oom"), &diag);
            mem_fail_at(-1, 0);
            if (err != 0 && err != SOTTO_ENOMEM)
                fail_msg("allocation %d: %d \"%s\"", n, err, diag.text);
            model_close(&m);
        }
        assert_int_equal(err, 0);
        assert_true(n > 10);
        test_temp_dir_remove(in_dir("oom"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_types),     cmocka_unit_test(test_distilled_large),
        cmocka_unit_test(test_english_only),  cmocka_unit_test(test_variants),
        cmocka_unit_test(test_paths),         cmocka_unit_test(test_heads_from_config),
        cmocka_unit_test(test_known_heads),   cmocka_unit_test(test_real_base),
        cmocka_unit_test(test_nothing_there), cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_bad_ct2),       cmocka_unit_test(test_ct2_side_files),
        cmocka_unit_test(test_ct2_aliases),   cmocka_unit_test(test_ct2_scales),
        cmocka_unit_test(test_bad_ggml),      cmocka_unit_test(test_bad_safetensors),
        cmocka_unit_test(test_bad_hf),        cmocka_unit_test(test_untied),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
