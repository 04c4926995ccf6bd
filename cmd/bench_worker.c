/*
 * Whole programs, as sotto bench measures them: itself run anew, once from its start to the first
 * token, once over the recording, so that opening, memory and the first touch of everything count.
 * The recordings are here too.
 */
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audio/audio.h"
#include "bench.h"
#include "engine/transcriber.h"
#include "exit.h"

enum { CLIP_SAMPLES = 5 * AUDIO_RATE, DEFAULT_SECONDS = 60, LINE_SIZE = 512 };

static const char SPEECH[] = "/usr/share/pocketsphinx/test/data/librivox/*.wav";
extern char **environ;

/* ---- recordings ------------------------------------------------------------------------------ */

static void write_number(FILE *f, uint32_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        fputc((int)(value >> 8 * i & 255), f);
}

/* A WAV file that has no name and goes away with its last process; `path` is good for children. */
static bool write_wav(const float *x, size_t n, char path[BENCH_PATH])
{
    int fd = memfd_create("sotto-bench", 0);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f)
        return false;
    fwrite("RIFF", 1, 4, f);
    write_number(f, (uint32_t)(36 + 2 * n), 4);
    fwrite("WAVEfmt ", 1, 8, f);
    write_number(f, 16, 4);
    write_number(f, 1, 2); // PCM
    write_number(f, 1, 2); // channel
    write_number(f, AUDIO_RATE, 4);
    write_number(f, 2 * AUDIO_RATE, 4);
    write_number(f, 2, 2);
    write_number(f, 16, 2);
    fwrite("data", 1, 4, f);
    write_number(f, (uint32_t)(2 * n), 4);
    for (size_t i = 0; i < n; i++)
        write_number(f, (uint16_t)(int16_t)lrintf(fmaxf(-1, fminf(1, x[i])) * 32767), 2);
    bool ok = fflush(f) == 0 && !ferror(f);
    snprintf(path, BENCH_PATH, "/proc/self/fd/%d", fd); // the stream stays open
    return ok;
}

/* Up to `max` samples of a file. Returns how many, or a negative error. */
static long read_samples(const char *path, float *dst, size_t max, struct sotto_diag *diag)
{
    const struct audio_params params = {.stream = -1, .channel = -1};
    struct audio *audio = NULL;
    size_t n = 0, got = 1;
    int err = audio_open(&audio, path, &params, diag);
    while (!err && got && n < max) {
        err = audio_read(audio, dst + n, max - n, &got, diag);
        n += err ? 0 : got;
    }
    audio_close(&audio);
    return err ? err : (long)n;
}

/* The sentences of Debian's package, one after another with pauses. Returns the samples. */
static size_t read_sentences(float *dst, size_t max)
{
    struct sotto_diag diag = {0};
    glob_t found = {0};
    size_t n = 0;
    if (glob(SPEECH, 0, NULL, &found) != 0)
        return 0;
    while (n < max)
        for (size_t i = 0; i < found.gl_pathc && n < max; i++) {
            long got = read_samples(found.gl_pathv[i], dst + n, max - n, &diag);
            if (got <= 0) {
                globfree(&found);
                return n;
            }
            n += (size_t)got;
            for (int k = 0; k < AUDIO_RATE && n < max; k++)
                dst[n++] = 0;
        }
    globfree(&found);
    return n;
}

int bench_recording_open(struct bench *b)
{
    struct sotto_diag diag = {0};
    size_t max = (size_t)(b->quick ? 10 : DEFAULT_SECONDS) * AUDIO_RATE;
    float *x = calloc(max, sizeof(*x));
    long n = 0;
    bool ok = x != NULL;

    if (x && b->recording)
        n = read_samples(b->recording, x, CLIP_SAMPLES, &diag);
    else if (x)
        n = (long)read_sentences(x, max);
    if (n < 0) {
        fprintf(stderr, "sotto: %s\n", diag.text[0] ? diag.text : sotto_error_text((int)n));
        free(x);
        return exit_from_error((int)n);
    }
    if (b->recording)
        snprintf(b->file, sizeof(b->file), "%s", b->recording);
    else if (n > 0)
        ok = ok && write_wav(x, (size_t)n, b->file);
    if (n > 0)
        ok = ok && write_wav(x, CLIP_SAMPLES, b->clip);
    free(x);
    if (!ok)
        fprintf(stderr, "sotto: cannot make a recording: %s\n", strerror(errno));
    return ok ? CLI_EXIT_OK : CLI_EXIT_INTERNAL;
}

/* ---- what the new process does --------------------------------------------------------------- */

/* This process's peak memory in KB, or -1. The kernel's ru_maxrss would count the parent too. */
static long peak_memory_kb(void)
{
    char line[LINE_SIZE];
    long kb = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && kb < 0 && fgets(line, sizeof(line), f))
        if (sscanf(line, "VmHWM: %ld", &kb) != 1)
            kb = -1;
    if (f)
        fclose(f);
    return kb;
}

static int print_segment(void *user, const struct sotto_segment *s)
{
    return fprintf(user, "[%.2f --> %.2f]%s\n", s->start_s, s->end_s, s->text) < 0;
}

static int work_on_file(sotto_transcriber *t, const struct bench *b, FILE *text,
                        struct sotto_diag *diag)
{
    struct sotto_stats s;
    double wall = bench_clock(), cpu = bench_cpu_clock();
    int err = sotto_transcribe_file(t, b->recording, diag);
    fflush(text);
    wall = bench_clock() - wall;
    cpu = bench_cpu_clock() - cpu;
    sotto_get_stats(t, &s);
    if (!err)
        printf("%.6f %.6f %ld %.6f %.6f %d %d\n", wall, cpu, peak_memory_kb(), s.audio_s,
               s.speech_s, s.n_windows, s.n_tokens);
    return err;
}

/* The first step of a transcription in English: start of text, language, task. */
static int first_token(struct sotto_transcriber *t, struct net_decoder *d, struct net_window *w,
                       float *logits)
{
    const struct net *net = t->model->net;
    const struct token_special *special = tokenizer_special(t->model->model->tokenizer);
    bool multilingual = t->model->model->multilingual;
    struct net_row rows[3] = {{0, special->sot, 0, !multilingual},
                              {0, special->lang_begin, 1, false},
                              {0, special->transcribe, 2, true}};
    int best = 0;
    net_decoder_bind(d, 0, w);
    int err = net_decoder_step(d, t->pool, rows, multilingual ? 3 : 1, logits, NULL);
    if (!err)
        net_ops(net)->logsumexp_f32(logits, (size_t)net_model(net)->shape.n_vocab, &best);
    return err ? err : best;
}

/* The way of a short recording through the program, up to the first token, by the calls that
 * sequential.c makes. */
static int work_to_token(struct sotto_transcriber *t, const struct bench *b,
                         struct sotto_diag *diag)
{
    const struct net *net = t->model->net;
    struct net_decoder *d = NULL;
    struct net_window *w = NULL;
    float *x = calloc(CLIP_SAMPLES, sizeof(*x));
    float *logits = calloc((size_t)net_model(net)->shape.n_vocab, sizeof(*logits));
    int err = x && logits ? 0 : SOTTO_ENOMEM;
    if (!err)
        err = net_decoder_open(&d, net, 1, pool_n_threads(t->pool));
    if (!err)
        err = net_window_open(&w, net);
    long n = err ? err : read_samples(b->recording, x, CLIP_SAMPLES, diag);
    err = n < 0 ? (int)n : 0;
    if (!err && t->vad)
        err = vad_feed(t->vad, x, (size_t)n);
    if (!err && t->vad)
        err = vad_finish(t->vad);
    if (!err)
        features_window(&t->features, x, (size_t)n, t->mel);
    if (!err)
        err = transcriber_encode(t, w);
    int token = err ? err : first_token(t, d, w, logits);
    if (token >= 0)
        printf("%.6f %.6f\n", bench_clock(), bench_cpu_clock());
    net_decoder_close(&d);
    net_window_close(&w);
    free(x);
    free(logits);
    return token < 0 ? token : 0;
}

int bench_worker(const struct bench *b, const char *task)
{
    struct sotto_model_params params;
    struct sotto_options options;
    struct sotto_diag diag = {0};
    sotto_model *model = NULL;
    sotto_transcriber *t = NULL;
    FILE *text = fopen("/dev/null", "w");
    bool whole = strcmp(task, "file") == 0;

    sotto_model_params_init(&params);
    params.precision = b->precision;
    params.n_threads = b->n_threads;
    sotto_options_init(&options);
    options.n_threads = b->n_threads;
    options.on_segment = print_segment;
    options.user = text;
    double begin = bench_clock(), cpu = bench_cpu_clock();
    int err = !text || !b->recording || (!whole && strcmp(task, "token") != 0) ? SOTTO_EINVAL : 0;
    if (!err)
        err = sotto_model_open(&model, b->model_path, &params, &diag);
    if (!err)
        printf("%.6f %.6f\n", bench_clock() - begin, bench_cpu_clock() - cpu);
    if (!err)
        err = sotto_transcriber_open(&t, model, &options, &diag);
    if (!err)
        err = whole ? work_on_file(t, b, text, &diag) : work_to_token(t, b, &diag);
    if (err)
        fprintf(stderr, "sotto: %s\n", diag.text[0] ? diag.text : sotto_error_text(err));
    sotto_transcriber_close(&t);
    sotto_model_close(&model);
    if (text)
        fclose(text);
    return err ? exit_from_error(err) : CLI_EXIT_OK;
}

/* ---- starting it ----------------------------------------------------------------------------- */

/* This program over `file`, what it prints into `said`. Returns its seconds from start to end, or a
 * negative number. */
static double start(const struct bench *b, const char *task, const char *file, char *said,
                    size_t size, double *cpu)
{
    static const char *const precisions[] = {"auto", "fp32", "bf16", "int8"};
    char threads[16];
    const char *argv[] = {
        "sotto",       "bench",     "--worker", task,          "--model",
        b->model_path, "--threads", threads,    "--precision", precisions[b->precision],
        file,          NULL};
    posix_spawn_file_actions_t actions;
    struct rusage usage;
    int ends[2], status = -1, n;
    size_t used = 0;
    pid_t pid = -1;

    snprintf(threads, sizeof(threads), "%d", b->n_threads);
    if (pipe(ends) != 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    double begin = bench_clock();
    int err = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    while (!err && (n = (int)read(ends[0], said + used, size - 1 - used)) > 0)
        used += (size_t)n;
    said[used] = '\0';
    close(ends[0]);
    if (err || wait4(pid, &status, 0, &usage) != pid || status != 0)
        return -1;
    *cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return bench_clock() - begin;
}

static bool run_token(struct bench *b)
{
    char said[LINE_SIZE];
    double open_s, open_cpu, token_at, token_cpu, cpu, begin = bench_clock();
    if (start(b, "token", b->clip, said, sizeof(said), &cpu) < 0 ||
        sscanf(said, "%lf %lf %lf %lf", &open_s, &open_cpu, &token_at, &token_cpu) != 4)
        return false;
    bench_add(b, BENCH_OPEN, open_s * 1e3, open_cpu * 1e3);
    bench_add(b, BENCH_FIRST, (token_at - begin) * 1e3, token_cpu * 1e3);
    return true;
}

static bool run_file(struct bench *b)
{
    char said[LINE_SIZE];
    double open_s, open_cpu, wall, cpu, all_cpu;
    long kb;
    double all = start(b, "file", b->file, said, sizeof(said), &all_cpu);
    if (all < 0 || sscanf(said, "%lf %lf %lf %lf %ld %lf %lf %d %d", &open_s, &open_cpu, &wall,
                          &cpu, &kb, &b->file_s, &b->speech_s, &b->n_windows, &b->n_tokens) != 9)
        return false;
    bench_add(b, BENCH_FILE, wall * 1e3, cpu * 1e3);
    bench_add(b, BENCH_PROCESS, all * 1e3, all_cpu * 1e3);
    bench_add(b, BENCH_MEMORY, (double)kb / 1024, NAN);
    return true;
}

bool bench_worker_run(struct bench *b)
{
    if (*b->file)
        return run_token(b) && run_file(b);
    for (int id = BENCH_OPEN; id <= BENCH_MEMORY; id++)
        if (id == BENCH_OPEN || id == BENCH_FIRST || id >= BENCH_FILE)
            bench_skip(b, id, "no recording was named, and pocketsphinx-testdata is not installed");
    return true;
}
