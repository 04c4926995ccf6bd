/*
 * The parts of sotto, measured one at a time in this process: log-mel, voice activity, encoder,
 * decoder steps; and beside them what bounds them: loops that only multiply and add, and reading
 * memory. Wall and CPU time are taken of every run.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audio/audio.h"
#include "audio/vad.h"
#include "base/mem.h"
#include "bench.h"
#include "cpu/kernels.h"
#include "cpu/peak.h"
#include "engine/features.h"
#include "fetch/store.h"

enum {
    SLOTS = 8,
    FIRST_POS = 50, // tokens already decoded
    PEAK_TASKS = 10,
    READ_BYTES = 256 << 20, // more than any cache
    READ_PARTS = 64,
};

struct bench_parts {
    struct model *model;
    struct pool *pool, *single; // n_threads, and 1
    struct net *net;
    struct net_encoder *encoder;
    struct net_decoder *decoder;
    struct net_window *window[SLOTS];
    struct features features;
    struct vad_model *vad_model;
    struct vad *vad;
    float *mel, *logits, *samples;
    void *memory; // READ_BYTES
    int n_steps;
    double peak[GEMM_FORMAT_COUNT], peak_1[GEMM_FORMAT_COUNT]; // operations per second, the best
};

const struct net *bench_net(const struct bench *b)
{
    return b->parts->net;
}

/* ---- kernels ---------------------------------------------------------------------------------- */

static const struct cpu_kernel *find_kernel(const struct net *net, enum gemm_format format)
{
    const struct cpu_kernel *k;
    for (int i = 0; (k = cpu_kernel_at(i)); i++)
        if (!k->init && k->format == format && k->gemm.run == net_ops(net)->gemm[format].run)
            return k;
    return NULL;
}

const char *bench_kernel(const struct bench *b, enum gemm_format format, char dst[BENCH_TEXT])
{
    static const char *const types[] = {"f32", "f16", "bf16", "i8"};
    const struct cpu_kernel *k = find_kernel(b->parts->net, format);
    if (k)
        snprintf(dst, BENCH_TEXT, "gemm_%s_%dx%d_%s", types[format], k->gemm.mr, k->gemm.nr,
                 k->target);
    else
        snprintf(dst, BENCH_TEXT, "gemm_%s_ref", types[format]);
    return dst;
}

/* The format most of the encoder's operations are in. */
enum gemm_format bench_weights_format(const struct bench *b)
{
    struct net_work work = net_work_window(b->parts->net);
    int most = 0;
    for (int i = 1; i < GEMM_FORMAT_COUNT; i++)
        if (work.ops[i] > work.ops[most])
            most = i;
    return (enum gemm_format)most;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* A steady voice-like sound: harmonics of 120 Hz that come and go, so that no part sees silence. */
static void fill_samples(float *x, int n)
{
    for (int i = 0; i < n; i++) {
        double t = (double)i / AUDIO_RATE, loud = 0.5 + 0.5 * sin(2 * M_PI * 3 * t), sum = 0;
        for (int h = 1; h <= 8; h++)
            sum += sin(2 * M_PI * 120 * h * t + h * h) / h;
        x[i] = (float)(0.1 * loud * sum);
    }
}

static int open_net(struct bench *b, struct sotto_diag *diag)
{
    struct bench_parts *p = b->parts;
    struct net_params params = {b->precision, false};
    int err = model_open(&p->model, b->model_path, diag);
    if (!err)
        err = pool_open(&p->pool, b->n_threads);
    if (!err)
        err = pool_open(&p->single, 1);
    if (!err)
        err = net_open(&p->net, p->model, &params, p->pool, diag);
    if (!err)
        err = net_encoder_open(&p->encoder, p->net, b->n_threads);
    if (!err)
        err = net_decoder_open(&p->decoder, p->net, SLOTS, b->n_threads);
    for (int i = 0; i < SLOTS && !err; i++)
        err = net_window_open(&p->window[i], p->net);
    return err;
}

static int open_rest(struct bench *b)
{
    struct bench_parts *p = b->parts;
    struct vad_params params;
    struct sotto_diag diag = {0};
    char path[STORE_PATH_SIZE];
    const struct model_shape *s = &p->model->shape;
    int err = features_open(&p->features, s->n_mels, false);

    p->mel = mem_alloc((size_t)(2 * s->n_audio_ctx * s->n_mels), sizeof(float));
    p->logits = mem_alloc((size_t)SLOTS * (size_t)s->n_vocab, sizeof(float));
    p->samples = mem_alloc(FEATURES_WINDOW_SAMPLES, sizeof(float));
    p->memory = mem_alloc_huge(READ_BYTES);
    if (err || !p->mel || !p->logits || !p->samples || !p->memory)
        return SOTTO_ENOMEM;
    fill_samples(p->samples, FEATURES_WINDOW_SAMPLES);
    memset(p->memory, 1, READ_BYTES);
    features_window(&p->features, p->samples, FEATURES_WINDOW_SAMPLES, p->mel);
    vad_params_init(&params);
    if (store_vad_path(path, sizeof(path)) || vad_model_open(&p->vad_model, path, &diag) ||
        vad_open(&p->vad, p->vad_model, &params))
        bench_skip(b, BENCH_VAD, "no detector: sotto model fetch silero-vad");
    return 0;
}

int bench_parts_open(struct bench *b, struct sotto_diag *diag)
{
    b->parts = calloc(1, sizeof(*b->parts));
    if (!b->parts)
        return SOTTO_ENOMEM;
    b->parts->n_steps = b->quick ? 2 : 20;
    int err = open_net(b, diag);
    if (!err)
        err = open_rest(b);
    if (err)
        return err;
    struct bench_parts *p = b->parts;
    for (int i = 0; i < SLOTS; i++) // memory touched, caches warm
        net_encode(p->encoder, p->pool, p->mel, NULL, p->window[i], NULL, NULL);
    return 0;
}

void bench_parts_close(struct bench *b)
{
    struct bench_parts *p = b->parts;
    if (!p)
        return;
    for (int i = 0; i < SLOTS; i++)
        net_window_close(&p->window[i]);
    net_decoder_close(&p->decoder);
    net_encoder_close(&p->encoder);
    net_close(&p->net);
    vad_close(&p->vad);
    vad_model_close(&p->vad_model);
    features_fini(&p->features);
    pool_close(&p->pool);
    pool_close(&p->single);
    model_close(&p->model);
    mem_free(p->mel);
    mem_free(p->logits);
    mem_free(p->samples);
    mem_free_huge(p->memory, READ_BYTES);
    free(p);
    b->parts = NULL;
}

/* ---- limits ---------------------------------------------------------------------------------- */

struct peak_task {
    peak_loop loop;
    int n_calls;
};

static void run_peak(void *arg, int task, int thread)
{
    const struct peak_task *t = arg;
    (void)task;
    (void)thread;
    for (int i = 0; i < t->n_calls; i++)
        t->loop();
}

/* Operations per second of `pool`; 0: no loop for this format's kernel. */
static double measure_peak(const struct bench *b, struct pool *pool, enum gemm_format format)
{
    const struct cpu_kernel *k = find_kernel(b->parts->net, format);
    struct peak_task task = {k ? peak_find(k->target, format) : NULL, b->quick ? 2 : 20};
    int n_tasks = PEAK_TASKS * pool_n_threads(pool);
    if (!task.loop)
        return 0;
    double ops = task.loop(), begin = bench_clock();
    pool_run(pool, n_tasks, run_peak, &task);
    return ops * task.n_calls * n_tasks / (bench_clock() - begin);
}

static void run_read(void *arg, int task, int thread)
{
    struct bench_parts *p = arg;
    size_t part = READ_BYTES / READ_PARTS;
    (void)thread;
    volatile long sum = peak_read_memory((const char *)p->memory + (size_t)task * part, part);
    (void)sum;
}

static void measure_limits(struct bench *b)
{
    struct bench_parts *p = b->parts;
    enum gemm_format weights = bench_weights_format(b);
    for (int f = 0; f < GEMM_FORMAT_COUNT; f++) {
        double one = measure_peak(b, p->single, (enum gemm_format)f);
        double all = measure_peak(b, p->pool, (enum gemm_format)f);
        p->peak_1[f] = fmax(p->peak_1[f], one);
        p->peak[f] = fmax(p->peak[f], all);
        if (f == (int)weights && one > 0) {
            bench_add(b, BENCH_PEAK_1, one * 1e-9, NAN);
            bench_add(b, BENCH_PEAK, all * 1e-9, NAN);
        } else if (f == (int)weights) {
            bench_skip(b, BENCH_PEAK_1, "plain C kernels have no peak loop");
            bench_skip(b, BENCH_PEAK, "plain C kernels have no peak loop");
        }
    }
    double begin = bench_clock();
    pool_run(p->pool, READ_PARTS, run_read, p);
    bench_add(b, BENCH_READ, READ_BYTES / (bench_clock() - begin) * 1e-9, NAN);
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* Adds what passed since `wall` and `cpu`, as milliseconds of one of `n`. */
static void add_since(struct bench *b, int id, double wall, double cpu, int n)
{
    bench_add(b, id, (bench_clock() - wall) * 1e3 / n, (bench_cpu_clock() - cpu) * 1e3 / n);
}

static void measure_sound(struct bench *b)
{
    struct bench_parts *p = b->parts;
    int n_mel = b->quick ? 1 : 10;
    double wall = bench_clock(), cpu = bench_cpu_clock();
    for (int i = 0; i < n_mel; i++)
        features_window(&p->features, p->samples, FEATURES_WINDOW_SAMPLES, p->mel);
    add_since(b, BENCH_MEL, wall, cpu, n_mel);
    if (!p->vad)
        return;
    wall = bench_clock();
    cpu = bench_cpu_clock();
    vad_reset(p->vad);
    if (vad_feed(p->vad, p->samples, FEATURES_WINDOW_SAMPLES) || vad_finish(p->vad))
        bench_skip(b, BENCH_VAD, "out of memory");
    add_since(b, BENCH_VAD, wall, cpu, 1);
}

static void measure_encoder(struct bench *b, int id, struct pool *pool)
{
    struct bench_parts *p = b->parts;
    double wall = bench_clock(), cpu = bench_cpu_clock();
    net_encode(p->encoder, pool, p->mel, NULL, p->window[0], NULL, NULL);
    add_since(b, id, wall, cpu, 1);
}

/* `n` sequences, FIRST_POS tokens into the text; `per`: tokens of the result in one step. */
static void measure_decoder(struct bench *b, int id, int n, bool own_windows, int per)
{
    struct bench_parts *p = b->parts;
    struct net_row prompt[FIRST_POS], rows[SLOTS];

    for (int s = 0; s < n; s++) {
        net_decoder_bind(p->decoder, s, p->window[own_windows ? s : 0]);
        for (int i = 0; i < FIRST_POS; i++)
            prompt[i] = (struct net_row){s, 100 + i, i, false};
        net_decoder_step(p->decoder, p->pool, prompt, FIRST_POS, p->logits, NULL);
    }
    double wall = bench_clock(), cpu = bench_cpu_clock();
    for (int k = 0; k < p->n_steps; k++) {
        for (int s = 0; s < n; s++)
            rows[s] = (struct net_row){s, 100 + s, FIRST_POS + k, true};
        net_decoder_step(p->decoder, p->pool, rows, n, p->logits, NULL);
    }
    add_since(b, id, wall, cpu, p->n_steps * per);
}

void bench_parts_run(struct bench *b)
{
    measure_limits(b);
    measure_sound(b);
    measure_encoder(b, BENCH_ENCODER_1, b->parts->single);
    measure_encoder(b, BENCH_ENCODER, b->parts->pool);
    measure_decoder(b, BENCH_DECODER_1, 1, false, 1);
    measure_decoder(b, BENCH_DECODER_5, 5, false, 1);
    measure_decoder(b, BENCH_DECODER_8, SLOTS, true, SLOTS);
}

/* ---- fractions ------------------------------------------------------------------------------- */

/* The roofline: no faster than all operations at their formats' peaks, nor than all bytes at the
 * speed of reading. `ms`: what was measured for all of `work`. */
static void set_fraction(struct bench *b, int id, const struct net_work *work, const double *peak,
                         double ms)
{
    struct bench_row *row = &b->rows[id];
    double compute = 0, memory = work->bytes / (bench_best(b, BENCH_READ) * 1e9);
    for (int f = 0; f < GEMM_FORMAT_COUNT; f++) {
        if (work->ops[f] > 0 && peak[f] <= 0)
            return;
        compute += work->ops[f] > 0 ? work->ops[f] / peak[f] : 0;
    }
    row->bound = compute > memory ? "compute" : "memory";
    row->fraction = fmax(compute, memory) * 1e3 / ms;
}

void bench_parts_fractions(struct bench *b)
{
    const struct bench_parts *p = b->parts;
    struct net_work window = net_work_window(p->net);
    int pos = FIRST_POS + p->n_steps / 2;
    struct net_work one = net_work_step(p->net, p->window[0], 1, 1, pos);
    struct net_work beams = net_work_step(p->net, p->window[0], 5, 1, pos);
    struct net_work windows = net_work_step(p->net, p->window[0], SLOTS, SLOTS, pos);

    set_fraction(b, BENCH_ENCODER_1, &window, p->peak_1, bench_wall(b, BENCH_ENCODER_1));
    set_fraction(b, BENCH_ENCODER, &window, p->peak, bench_wall(b, BENCH_ENCODER));
    set_fraction(b, BENCH_DECODER_1, &one, p->peak, bench_wall(b, BENCH_DECODER_1));
    set_fraction(b, BENCH_DECODER_5, &beams, p->peak, bench_wall(b, BENCH_DECODER_5));
    set_fraction(b, BENCH_DECODER_8, &windows, p->peak, bench_wall(b, BENCH_DECODER_8) * SLOTS);
}
