/*
 * The network: against dumps from openai/whisper (scripts/golden_net.py) on real speech with the
 * real models, and on generated models what must hold of it: kernels agree with the plain C path,
 * rows do not depend on their company, caches follow their sequences, results do not depend on the
 * number of threads, stopping stops.
 */
#include "support.h"
#include "support_gen_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "engine/features.h"
#include "engine/net.h"

/* ---- rigs: a network and what it needs --------------------------------------------------------- */

enum { MAX_SLOTS = 6 };

struct rig {
    struct model *model;
    struct pool *pool;
    struct net *net;
    struct net_encoder *encoder;
    struct net_decoder *decoder;
    struct net_window *window[2];
    int t, c, v; // positions, width, vocabulary
};

static void rig_open(struct rig *r, const char *path, struct net_params params, int n_threads)
{
    struct sotto_diag diag = {0};

    *r = (struct rig){0};
    assert_ok(model_open(&r->model, path, &diag), &diag);
    assert_ok(pool_open(&r->pool, n_threads), NULL);
    assert_ok(net_open(&r->net, r->model, &params, r->pool, &diag), &diag);
    assert_ok(net_encoder_open(&r->encoder, r->net, n_threads), NULL);
    assert_ok(net_decoder_open(&r->decoder, r->net, MAX_SLOTS, n_threads), NULL);
    for (int i = 0; i < 2; i++)
        assert_ok(net_window_open(&r->window[i], r->net), NULL);
    r->t = r->model->shape.n_audio_ctx;
    r->c = r->model->shape.n_audio_state;
    r->v = r->model->shape.n_vocab;
}

static void rig_close(struct rig *r)
{
    for (int i = 0; i < 2; i++)
        net_window_close(&r->window[i]);
    net_decoder_close(&r->decoder);
    net_encoder_close(&r->encoder);
    net_close(&r->net);
    pool_close(&r->pool);
    model_close(&r->model);
}

static float *make_mel(const struct rig *r, uint64_t seed)
{
    size_t n = (size_t)(2 * r->t * r->model->shape.n_mels);
    float *mel = malloc(n * sizeof *mel);

    for (size_t i = 0; i < n; i++)
        mel[i] = test_random_float(&seed, -1, 1.5f);
    return mel;
}

// Encodes a different window into each of r->window.
static void encode_both(struct rig *r)
{
    for (int i = 0; i < 2; i++) {
        float *mel = make_mel(r, (uint64_t)(i + 1));
        assert_ok(net_encode(r->encoder, r->pool, mel, NULL, r->window[i], NULL, NULL), NULL);
        free(mel);
    }
}

// A folder with a small generated model whose heads are 12 or 16 wide and fill no panel evenly.
static void small_model(char dir[TEST_PATH], int width, int heads, enum tensor_type type)
{
    struct gen_model g;

    test_temp_dir(dir);
    gen_model_init(&g);
    g.width = width;
    g.n_audio_head = g.n_text_head = heads;
    g.n_audio_ctx = 61;
    g.n_text_ctx = 24;
    g.type = type;
    assert_true(gen_model_write(&g, GEN_CT2, dir));
}

static double distance(const float *a, const float *b, size_t n) // relative, root mean square
{
    double d = 0, s = 0;

    for (size_t i = 0; i < n; i++) {
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        s += (double)b[i] * (double)b[i];
    }
    return sqrt(d / s);
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;

    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

/* ---- goldens ----------------------------------------------------------------------------------- */

struct array {
    uint32_t n_dim, dim[4];
    const void *data;
};

struct golden {
    uint8_t *file;
    size_t size;
    const uint8_t *at;
    char model[64], wav[256];
    struct array rows, audio, tokens, top, logits, moments, positions, heads, scores;
};

static uint32_t take_u32(struct golden *g)
{
    uint32_t v;

    assert_true((size_t)(g->at - g->file) + 4 <= g->size);
    memcpy(&v, g->at, 4);
    g->at += 4;
    return v;
}

static void take_string(struct golden *g, char *dst, size_t size)
{
    uint32_t n = take_u32(g);

    assert_true(n < size);
    memcpy(dst, g->at, n);
    dst[n] = '\0';
    g->at += n;
}

// Copies the array, since the file's are not aligned.
static struct array take_array(struct golden *g)
{
    struct array a = {.n_dim = take_u32(g)};
    size_t n = 1;

    take_u32(g); // type
    assert_true(a.n_dim <= 4);
    for (uint32_t i = 0; i < a.n_dim; i++)
        n *= a.dim[i] = take_u32(g);
    assert_true((size_t)(g->at - g->file) + 4 * n <= g->size);
    void *data = malloc(4 * n);
    memcpy(data, g->at, 4 * n);
    a.data = data;
    g->at += 4 * n;
    return a;
}

static void golden_open(struct golden *g, const char *path)
{
    g->file = test_read_file(path, &g->size);
    assert_memory_equal(g->file, "SGLD", 4);
    g->at = g->file + 4;
    assert_int_equal(take_u32(g), 1);
    take_string(g, g->model, sizeof g->model);
    take_string(g, g->wav, sizeof g->wav);
    struct array *arrays[] = {&g->rows,    &g->audio,     &g->tokens, &g->top,   &g->logits,
                              &g->moments, &g->positions, &g->heads,  &g->scores};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        *arrays[i] = take_array(g);
}

static void golden_close(struct golden *g)
{
    const void *arrays[] = {g->rows.data,      g->audio.data,  g->tokens.data,
                            g->top.data,       g->logits.data, g->moments.data,
                            g->positions.data, g->heads.data,  g->scores.data};

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        free((void *)arrays[i]);
    free(g->file);
}

// Features of a 16 kHz mono 16-bit WAV file, padded with silence to 30 s.
static float *mel_of_wav(const char *path, int n_mels, bool reference)
{
    enum { HEADER = 44 };
    struct features f;
    size_t size;
    uint8_t *wav = test_read_file(path, &size);
    size_t n = (size - HEADER) / 2;
    float *samples = malloc(n * sizeof *samples);
    float *mel = malloc((size_t)(MEL_WINDOW_FRAMES * n_mels) * sizeof *mel);

    assert_memory_equal(wav + 36, "data", 4);
    for (size_t i = 0; i < n; i++) {
        int16_t s;
        memcpy(&s, wav + HEADER + 2 * i, 2);
        samples[i] = (float)s / 32768.0f;
    }
    assert_ok(features_open(&f, n_mels, reference), NULL);
    features_window(&f, samples, n, mel);
    features_fini(&f);
    free(wav);
    free(samples);
    return mel;
}

static void check_audio(const struct golden *g, const float *audio, size_t c)
{
    const int32_t *rows = g->rows.data;
    const float *want = g->audio.data;

    assert_int_equal(g->audio.dim[1], c);
    for (uint32_t i = 0; i < g->rows.dim[0]; i++) {
        double cos = cosine(audio + (size_t)rows[i] * c, want + i * c, c);
        if (cos < 0.99999)
            fail_msg("encoder row %d: cosine %.7f", (int)rows[i], cos);
    }
}

static void check_logits(const struct golden *g, const float *logits, size_t v)
{
    const int32_t *top = g->top.data;
    const float *values = g->logits.data, *moments = g->moments.data;

    for (uint32_t i = 0; i < g->tokens.dim[0]; i++, logits += v) {
        double sum = 0, squares = 0;
        size_t best = 0;
        for (size_t k = 0; k < v; k++) {
            sum += (double)logits[k];
            squares += (double)logits[k] * (double)logits[k];
            best = logits[k] > logits[best] ? k : best;
        }
        assert_int_equal(best, top[i * g->top.dim[1]]);
        for (uint32_t k = 0; k < g->top.dim[1]; k++) {
            uint32_t at = i * g->top.dim[1] + k;
            assert_close(logits[top[at]], values[at], 5e-3);
        }
        double mean = sum / (double)v;
        assert_close(mean, moments[2 * i], 2e-3);
        assert_close(sqrt(squares / (double)v - mean * mean), moments[2 * i + 1], 2e-3);
    }
}

static void check_scores(const struct golden *g, const struct model *m, const float *scores)
{
    const int32_t *heads = g->heads.data, *positions = g->positions.data;
    const float *want = g->scores.data;
    size_t t = (size_t)m->shape.n_audio_ctx, n_rows = g->tokens.dim[0];

    for (uint32_t h = 0; h < g->heads.dim[0]; h++) {
        size_t a = 0;
        while (a < (size_t)m->n_align_heads && (m->align_heads[a].layer != heads[2 * h] ||
                                                m->align_heads[a].head != heads[2 * h + 1]))
            a++;
        assert_true(a < (size_t)m->n_align_heads);
        for (size_t r = 0; r < n_rows; r++)
            for (uint32_t p = 0; p < g->positions.dim[0]; p++)
                assert_close(scores[(a * n_rows + r) * t + (size_t)positions[p]], *want++, 5e-3);
    }
}

static void replay(const char *path, bool reference)
{
    struct golden g;
    struct rig r;
    char model[TEST_PATH], wav[TEST_PATH];

    golden_open(&g, path);
    test_model(g.model, model);
    test_speech(g.wav, wav);
    rig_open(&r, model, (struct net_params){SOTTO_PRECISION_FP32, reference}, 2);
    size_t n = g.tokens.dim[0], t = (size_t)r.t;
    float *mel = mel_of_wav(wav, r.model->shape.n_mels, reference);
    float *audio = malloc(t * (size_t)r.c * sizeof *audio);
    float *logits = malloc(n * (size_t)r.v * sizeof *logits);
    float *scores = malloc((size_t)r.model->n_align_heads * n * t * sizeof *scores);
    struct net_row *rows = calloc(n, sizeof *rows);
    const struct net_align align = {scores};

    assert_ok(net_encode(r.encoder, r.pool, mel, audio, r.window[0], NULL, NULL), NULL);
    check_audio(&g, audio, (size_t)r.c);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct net_row){0, ((const int32_t *)g.tokens.data)[i], (int32_t)i, true};
    net_decoder_bind(r.decoder, 0, r.window[0]);
    assert_ok(net_decoder_step(r.decoder, r.pool, rows, (int)n, logits, &align), NULL);
    check_logits(&g, logits, (size_t)r.v);
    check_scores(&g, r.model, scores);
    // Token by token gives the same.
    for (size_t i = 0; i < n; i++)
        net_decoder_step(r.decoder, r.pool, &rows[i], 1, logits + i * (size_t)r.v, NULL);
    check_logits(&g, logits, (size_t)r.v);
    free(mel), free(audio), free(logits), free(scores), free(rows);
    rig_close(&r);
    golden_close(&g);
}

static void test_golden_base(void **state)
{
    (void)state;
    replay("tests/golden/net_base.bin", false);
}

static void test_golden_tiny_en(void **state)
{
    (void)state;
    replay("tests/golden/net_tiny.en.bin", false);
}

static void test_golden_plain(void **state)
{
    (void)state;
    if (test_sanitized() && !test_long())
        test_skip("the plain C path takes minutes under sanitizers");
    replay("tests/golden/net_tiny.en.bin", true);
    if (test_long())
        replay("tests/golden/net_base.bin", true);
}

/* ---- kernels agree ----------------------------------------------------------------------------- */

struct outcome {
    float *audio, *logits, *scores;
    size_t n_audio, n_logits, n_scores;
};

// Encoder output, then logits and alignment scores of a five-token prompt.
static struct outcome run_small(struct rig *r)
{
    enum { N = 5 };
    struct outcome o = {.n_audio = (size_t)(r->t * r->c), .n_logits = (size_t)(N * r->v)};
    struct net_row rows[N];
    float *mel = make_mel(r, 1);

    o.n_scores = (size_t)(r->model->n_align_heads * N * r->t);
    o.audio = malloc(o.n_audio * sizeof *o.audio);
    o.logits = malloc(o.n_logits * sizeof *o.logits);
    o.scores = malloc(o.n_scores * sizeof *o.scores);
    assert_ok(net_encode(r->encoder, r->pool, mel, o.audio, r->window[0], NULL, NULL), NULL);
    for (int i = 0; i < N; i++)
        rows[i] = (struct net_row){0, 7 * i + 3, i, true};
    net_decoder_bind(r->decoder, 0, r->window[0]);
    net_decoder_step(r->decoder, r->pool, rows, N, o.logits, &(struct net_align){o.scores});
    free(mel);
    return o;
}

static void outcome_free(struct outcome *o)
{
    free(o->audio), free(o->logits), free(o->scores);
}

static void check_outcome(const char *what, const struct outcome *a, const struct outcome *b,
                          double tolerance)
{
    double audio = distance(a->audio, b->audio, a->n_audio);
    double logits = distance(a->logits, b->logits, a->n_logits);
    double scores = distance(a->scores, b->scores, a->n_scores);

    if (!(audio <= tolerance && logits <= tolerance && scores <= tolerance))
        fail_msg("%s: audio %.2e, logits %.2e, scores %.2e, allowed %.2e", what, audio, logits,
                 scores, tolerance);
}

static void compare_kernels(int width, int heads, enum tensor_type type)
{
    static const uint32_t masks[] = {
        CPU_SSE2 | CPU_NEON,
        CPU_SSE2 | CPU_AVX2,
        CPU_SSE2 | CPU_AVX2 | CPU_AVX512,
        ~0u,
    };
    static const double tolerance[] = {2e-3, 1e-5, 2e-2, 5e-2}; // auto, fp32, bf16, int8
    char dir[TEST_PATH];
    struct rig r;

    small_model(dir, width, heads, type);
    rig_open(&r, dir, (struct net_params){SOTTO_PRECISION_FP32, true}, 1);
    assert_string_equal(net_kernels(r.net), "ref");
    struct outcome want = run_small(&r);
    rig_close(&r);
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++)
        for (int p = SOTTO_PRECISION_AUTO; p <= SOTTO_PRECISION_INT8; p++) {
            cpu_set_mask(masks[i]);
            rig_open(&r, dir, (struct net_params){(enum sotto_precision)p, false}, 2);
            assert_int_equal(net_precision(r.net), p ? p : SOTTO_PRECISION_FP32);
            struct outcome got = run_small(&r);
            check_outcome(net_kernels(r.net), &got, &want, tolerance[p]);
            outcome_free(&got);
            rig_close(&r);
            cpu_set_mask(~0u);
        }
    outcome_free(&want);
    test_temp_dir_remove(dir);
}

static void test_kernels(void **state)
{
    (void)state;
    compare_kernels(64, 1, TENSOR_F16); // one head of Whisper's width
    compare_kernels(48, 3, TENSOR_F32);
    compare_kernels(36, 3, TENSOR_I8);
}

// The plain C path in the reduced precisions, against itself in fp32.
static void test_precisions(void **state)
{
    (void)state;
    char dir[TEST_PATH];
    struct rig r;

    small_model(dir, 48, 4, TENSOR_F16);
    rig_open(&r, dir, (struct net_params){SOTTO_PRECISION_FP32, true}, 1);
    struct outcome want = run_small(&r);
    rig_close(&r);
    for (int p = SOTTO_PRECISION_BF16; p <= SOTTO_PRECISION_INT8; p++) {
        rig_open(&r, dir, (struct net_params){(enum sotto_precision)p, true}, 1);
        struct outcome got = run_small(&r);
        check_outcome("reduced", &got, &want, 5e-2);
        assert_true(distance(got.audio, want.audio, want.n_audio) > 1e-4); // it is reduced
        outcome_free(&got);
        rig_close(&r);
    }
    outcome_free(&want);
    test_temp_dir_remove(dir);
}

/* ---- rows, caches, threads --------------------------------------------------------------------- */

// What a sequence has been fed, to be compared with the same fed to a fresh slot.
struct history {
    int window, n;
    int32_t token[64];
};

// Logits after the whole history, from `slot`, which loses what it had.
static void run_history(struct rig *r, int slot, const struct history *h, float *logits)
{
    struct net_row rows[64];

    net_decoder_bind(r->decoder, slot, r->window[h->window]);
    for (int i = 0; i < h->n; i++)
        rows[i] = (struct net_row){slot, h->token[i], i, i == h->n - 1};
    net_decoder_step(r->decoder, r->pool, rows, h->n, logits, NULL);
}

static void test_batched_rows(void **state)
{
    (void)state;
    char dir[TEST_PATH];
    struct rig r;
    uint64_t seed = 9;
    struct history h[4] = {{0, 0, {0}}, {1, 0, {0}}, {1, 0, {0}}, {0, 0, {0}}};
    static const int lengths[3][4] = {{3, 1, 5, 2}, {1, 1, 1, 1}, {1, 4, 2, 1}};

    small_model(dir, 48, 3, TENSOR_F16);
    rig_open(&r, dir, (struct net_params){SOTTO_PRECISION_FP32, false}, 2);
    encode_both(&r);
    float *logits = malloc((size_t)(5 * r.v) * sizeof *logits), *want = logits + 4 * r.v;
    for (int s = 0; s < 4; s++)
        net_decoder_bind(r.decoder, s, r.window[h[s].window]);
    for (int step = 0; step < 3; step++) {
        struct net_row rows[16];
        int n = 0;
        for (int s = 0; s < 4; s++)
            for (int i = 0; i < lengths[step][s]; i++) {
                int32_t token = (int32_t)(test_random(&seed) % (uint32_t)r.v);
                bool last = i == lengths[step][s] - 1;
                rows[n++] = (struct net_row){s, token, h[s].n, last};
                h[s].token[h[s].n++] = token;
            }
        net_decoder_step(r.decoder, r.pool, rows, n, logits, NULL);
        for (int s = 0; s < 4; s++) {
            run_history(&r, 5, &h[s], want);
            assert_close(distance(logits + s * r.v, want, (size_t)r.v), 0, 1e-5);
        }
    }
    free(logits);
    rig_close(&r);
    test_temp_dir_remove(dir);
}

// Random copies between slots, among them permutations, fans and chains, after which every slot
// must continue as a fresh one would.
static void test_copies(void **state)
{
    (void)state;
    enum { SLOTS = 5, ROUNDS = 60 };
    char dir[TEST_PATH];
    struct rig r;
    uint64_t seed = 11;
    struct history h[SLOTS] = {{0, 0, {0}}}, old[SLOTS];

    small_model(dir, 48, 3, TENSOR_F16);
    rig_open(&r, dir, (struct net_params){SOTTO_PRECISION_FP32, false}, 1);
    encode_both(&r);
    int max = r.model->shape.n_text_ctx;
    float *logits = malloc((size_t)((SLOTS + 1) * r.v) * sizeof *logits),
          *want = logits + SLOTS * r.v;
    for (int s = 0; s < SLOTS; s++) {
        h[s].window = s % 2;
        net_decoder_bind(r.decoder, s, r.window[h[s].window]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct net_row rows[SLOTS];
        for (int s = 0; s < SLOTS; s++) {
            if (h[s].n == max - 1) // full: go back
                h[s].n = (int)(test_random(&seed) % 4);
            int32_t token = (int32_t)(test_random(&seed) % (uint32_t)r.v);
            rows[s] = (struct net_row){s, token, h[s].n, true};
            h[s].token[h[s].n++] = token;
        }
        net_decoder_step(r.decoder, r.pool, rows, SLOTS, logits, NULL);
        for (int s = 0; s < SLOTS; s++) {
            run_history(&r, SLOTS, &h[s], want);
            if (distance(logits + s * r.v, want, (size_t)r.v) > 1e-5)
                fail_msg("slot %d differs in round %d", s, round);
        }
        int dst[SLOTS], src[SLOTS], n = 0, n_pos = max;
        for (int s = 0; s < SLOTS; s++) {
            if (test_random(&seed) % 4 == 0)
                continue;
            dst[n] = s;
            src[n] = (int)(test_random(&seed) % SLOTS);
            n_pos = h[src[n]].n < n_pos ? h[src[n]].n : n_pos;
            n++;
        }
        if (n_pos > 0 && test_random(&seed) % 2)
            n_pos--;
        net_decoder_copy(r.decoder, dst, src, n, n_pos);
        memcpy(old, h, sizeof h);
        for (int i = 0; i < n; i++) {
            h[dst[i]] = old[src[i]];
            h[dst[i]].n = n_pos;
        }
    }
    free(logits);
    rig_close(&r);
    test_temp_dir_remove(dir);
}

// The same bits from any number of threads.
static void test_threads(void **state)
{
    (void)state;
    char dir[TEST_PATH];
    struct rig r;

    small_model(dir, 64, 2, TENSOR_F16);
    for (int p = SOTTO_PRECISION_FP32; p <= SOTTO_PRECISION_INT8; p++) {
        struct outcome want = {0};
        for (int n_threads = 1; n_threads <= 3; n_threads++) {
            rig_open(&r, dir, (struct net_params){(enum sotto_precision)p, false}, n_threads);
            struct outcome got = run_small(&r);
            if (n_threads == 1) {
                want = got;
            } else {
                assert_memory_equal(got.audio, want.audio, want.n_audio * sizeof(float));
                assert_memory_equal(got.logits, want.logits, want.n_logits * sizeof(float));
                assert_memory_equal(got.scores, want.scores, want.n_scores * sizeof(float));
                outcome_free(&got);
            }
            rig_close(&r);
        }
        outcome_free(&want);
    }
    test_temp_dir_remove(dir);
}

/* ---- stopping, errors -------------------------------------------------------------------------- */

struct countdown {
    int left, asked;
};

static bool countdown(void *user)
{
    struct countdown *c = user;

    c->asked++;
    return c->left-- <= 0;
}

static void test_abort(void **state)
{
    (void)state;
    char dir[TEST_PATH];
    struct rig r;

    small_model(dir, 48, 3, TENSOR_F16);
    // One thread: how often the calling thread asks must not depend on how many tasks it gets.
    rig_open(&r, dir, (struct net_params){SOTTO_PRECISION_FP32, false}, 1);
    float *mel = make_mel(&r, 1);
    float *want = malloc((size_t)(r.t * r.c) * sizeof *want), *got = calloc((size_t)(r.t * r.c), 4);
    assert_ok(net_encode(r.encoder, r.pool, mel, want, NULL, NULL, NULL), NULL);
    struct countdown all = {1 << 30, 0};
    assert_ok(net_encode(r.encoder, r.pool, mel, got, r.window[0], countdown, &all), NULL);
    assert_true(all.asked > 20);
    for (int left = 0; left < all.asked; left += 1 + all.asked / 23) {
        struct countdown c = {left, 0};
        int err = net_encode(r.encoder, r.pool, mel, got, r.window[0], countdown, &c);
        assert_error(err, SOTTO_EABORTED, NULL);
        assert_int_equal(c.asked, left + 1);
    }
    assert_ok(net_encode(r.encoder, r.pool, mel, got, NULL, NULL, NULL), NULL); // still sound
    assert_memory_equal(got, want, (size_t)(r.t * r.c) * sizeof *got);
    free(mel), free(want), free(got);
    rig_close(&r);
    test_temp_dir_remove(dir);
}

/* A step asks before every layer and before the logits; stopped, it says so, and its slot is sound
 * once bound again. */
static void test_abort_step(void **state)
{
    (void)state;
    enum { N = 5 };
    char dir[TEST_PATH];
    struct rig r;
    struct net_row rows[N];

    small_model(dir, 48, 3, TENSOR_F16);
    rig_open(&r, dir, (struct net_params){SOTTO_PRECISION_FP32, false}, 2);
    encode_both(&r);
    float *want = malloc((size_t)r.v * sizeof *want), *got = malloc((size_t)r.v * sizeof *got);
    for (int i = 0; i < N; i++)
        rows[i] = (struct net_row){0, 10 + i, i, i == N - 1};
    net_decoder_bind(r.decoder, 0, r.window[0]);
    assert_ok(net_decoder_step(r.decoder, r.pool, rows, N, want, NULL), NULL);
    for (int left = 0;; left++) {
        struct countdown c = {left, 0};
        net_decoder_bind(r.decoder, 0, r.window[0]);
        net_decoder_watch(r.decoder, countdown, &c);
        int err = net_decoder_step(r.decoder, r.pool, rows, N, got, NULL);
        assert_int_equal(c.asked, left + (err != 0));
        if (!err) {
            assert_int_equal(left, r.model->shape.n_text_layer + 1);
            break;
        }
        assert_error(err, SOTTO_EABORTED, NULL);
    }
    assert_memory_equal(got, want, (size_t)r.v * sizeof *got);
    free(want), free(got);
    rig_close(&r);
    test_temp_dir_remove(dir);
}

static int open_everything(const struct model *model, struct pool *pool)
{
    const struct net_params params = {SOTTO_PRECISION_INT8, false};
    struct net *net = NULL;
    struct net_encoder *e = NULL;
    struct net_decoder *d = NULL;
    struct net_window *w = NULL;
    struct sotto_diag diag = {0};
    int err = net_open(&net, model, &params, pool, &diag);

    if (!err)
        err = net_encoder_open(&e, net, 2);
    if (!err)
        err = net_decoder_open(&d, net, 3, 2);
    if (!err)
        err = net_window_open(&w, net);
    net_window_close(&w);
    net_decoder_close(&d);
    net_encoder_close(&e);
    net_close(&net);
    return err;
}

static void test_no_memory(void **state)
{
    (void)state;
    char dir[TEST_PATH];
    struct model *model;
    struct pool *pool;
    struct sotto_diag diag = {0};

    small_model(dir, 48, 3, TENSOR_F16);
    assert_ok(model_open(&model, dir, &diag), &diag);
    assert_ok(pool_open(&pool, 2), NULL);
    mem_fail_at(-1, 0);
    assert_ok(open_everything(model, pool), NULL);
    long n = mem_fail_at(-1, 0);
    assert_true(n > 15);
    for (long i = 0; i < n; i++) {
        mem_fail_at(i, 0);
        assert_error(open_everything(model, pool), SOTTO_ENOMEM, NULL);
    }
    mem_fail_at(-1, 0);
    assert_ok(open_everything(model, pool), NULL);
    pool_close(&pool);
    model_close(&model);
    test_temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_base),  cmocka_unit_test(test_golden_tiny_en),
        cmocka_unit_test(test_golden_plain), cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_precisions),   cmocka_unit_test(test_batched_rows),
        cmocka_unit_test(test_copies),       cmocka_unit_test(test_threads),
        cmocka_unit_test(test_abort),        cmocka_unit_test(test_abort_step),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
