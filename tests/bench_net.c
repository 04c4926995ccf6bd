/*
 * Speed of the network alone, on any model: `make bench-net MODEL=path` or
 *
 *   bench_net MODEL [THREADS [PRECISION [REPEATS]]]     PRECISION: fp32 (default), bf16, int8, auto
 *
 * Prints the best and the median of REPEATS (default 5): one window through the encoder, and a
 * decoder step with 1, 5 and 8 sequences, on one window (beams) and on a window each (batches), 50
 * tokens into the text. CPU time beside wall time tells how much the machine was disturbed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/net.h"

enum { SLOTS = 8, FIRST_POS = 50, STEPS = 10, MAX_REPEATS = 100 };

struct bench {
    struct pool *pool;
    struct net *net;
    struct net_encoder *encoder;
    struct net_decoder *decoder;
    struct net_window *window[SLOTS];
    float *mel, *logits;
    int n_slots;
};

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(const char *what, struct bench *b, void (*run)(struct bench *), int repeats,
                   int per)
{
    double wall[MAX_REPEATS], cpu[MAX_REPEATS];

    run(b); // memory touched, caches warm
    for (int i = 0; i < repeats; i++) {
        double w = seconds(CLOCK_MONOTONIC), c = seconds(CLOCK_PROCESS_CPUTIME_ID);
        run(b);
        wall[i] = (seconds(CLOCK_MONOTONIC) - w) * 1e3 / per;
        cpu[i] = (seconds(CLOCK_PROCESS_CPUTIME_ID) - c) * 1e3 / per;
    }
    qsort(wall, (size_t)repeats, sizeof *wall, by_value);
    qsort(cpu, (size_t)repeats, sizeof *cpu, by_value);
    printf("%-34s wall %8.2f best %8.2f median   cpu %8.2f best %8.2f median  ms\n", what, wall[0],
           wall[repeats / 2], cpu[0], cpu[repeats / 2]);
    fflush(stdout);
}

static void encode(struct bench *b)
{
    net_encode(b->encoder, b->pool, b->mel, NULL, b->window[0], NULL, NULL);
}

static void steps(struct bench *b)
{
    struct net_row rows[SLOTS];

    for (int k = 0; k < STEPS; k++) {
        for (int s = 0; s < b->n_slots; s++)
            rows[s] = (struct net_row){s, 100 + s, FIRST_POS + k, true};
        net_decoder_step(b->decoder, b->pool, rows, b->n_slots, b->logits, NULL);
    }
}

// Fills the caches up to FIRST_POS.
static void prompt(struct bench *b, int slot)
{
    struct net_row rows[FIRST_POS];

    for (int i = 0; i < FIRST_POS; i++)
        rows[i] = (struct net_row){slot, 100 + i, i, false};
    net_decoder_step(b->decoder, b->pool, rows, FIRST_POS, b->logits, NULL);
}

static void bench_steps(struct bench *b, bool own_windows, int repeats)
{
    static const int n_slots[] = {1, 5, 8};

    for (int s = 0; s < SLOTS; s++) {
        net_decoder_bind(b->decoder, s, b->window[own_windows ? s : 0]);
        prompt(b, s);
    }
    for (int i = 0; i < 3; i++) {
        char what[64];
        b->n_slots = n_slots[i];
        snprintf(what, sizeof what, "step, %d sequences, %s", b->n_slots,
                 own_windows ? "own windows" : "one window");
        report(what, b, steps, repeats, STEPS);
    }
}

static enum sotto_precision precision_of(const char *name)
{
    static const char *const names[] = {"auto", "fp32", "bf16", "int8"};

    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum sotto_precision)i;
    return SOTTO_PRECISION_FP32;
}

int main(int argc, char **argv)
{
    int n_threads = argc > 2 ? atoi(argv[2]) : 1, repeats = argc > 4 ? atoi(argv[4]) : 5;
    struct net_params params = {precision_of(argc > 3 ? argv[3] : "fp32"), false};
    struct sotto_diag diag = {0};
    struct model *model = NULL;
    struct bench b = {0};

    repeats = repeats < 1 ? 1 : repeats > MAX_REPEATS ? MAX_REPEATS : repeats;
    double start = seconds(CLOCK_MONOTONIC);
    if (argc < 2 || model_open(&model, argv[1], &diag) || pool_open(&b.pool, n_threads) ||
        net_open(&b.net, model, &params, b.pool, &diag)) {
        fprintf(stderr, "usage: bench_net MODEL [THREADS [PRECISION [REPEATS]]]\n%s\n", diag.text);
        return 1;
    }
    printf("%s, %d threads, kernels %s, opened in %.0f ms\n", argv[1], n_threads,
           net_kernels(b.net), (seconds(CLOCK_MONOTONIC) - start) * 1e3);
    int err = net_encoder_open(&b.encoder, b.net, n_threads) ||
              net_decoder_open(&b.decoder, b.net, SLOTS, n_threads);
    size_t n_mel = (size_t)(2 * model->shape.n_audio_ctx * model->shape.n_mels);
    b.mel = malloc(n_mel * sizeof *b.mel);
    b.logits = malloc((size_t)(SLOTS * model->shape.n_vocab) * sizeof *b.logits);
    for (size_t i = 0; b.mel && i < n_mel; i++)
        b.mel[i] = (float)(i * 2654435761u % 1000) / 500.0f - 0.6f;
    for (int i = 0; i < SLOTS && !err; i++)
        err = net_window_open(&b.window[i], b.net);
    if (err || !b.mel || !b.logits) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    report("encoder, with cross keys, values", &b, encode, repeats, 1);
    for (int i = 1; i < SLOTS; i++)
        net_encode(b.encoder, b.pool, b.mel, NULL, b.window[i], NULL, NULL);
    bench_steps(&b, false, repeats);
    bench_steps(&b, true, repeats);
    for (int i = 0; i < SLOTS; i++)
        net_window_close(&b.window[i]);
    net_decoder_close(&b.decoder);
    net_encoder_close(&b.encoder);
    net_close(&b.net);
    pool_close(&b.pool);
    model_close(&model);
    free(b.mel);
    free(b.logits);
    return 0;
}
