/*
 * sotto bench: what its files share. bench.c reads the command line and repeats the parts in turn,
 * bench_parts.c measures parts of the program, bench_worker.c whole programs, bench_report.c and
 * bench_plot.c show the figures. Unlike the other commands it looks behind sotto.h, into engine/,
 * audio/ and cpu/, to measure one part at a time.
 */
#ifndef CMD_BENCH_H
#define CMD_BENCH_H

#include <stdbool.h>
#include <stdio.h>

#include <sotto.h>

#include "engine/net.h"

enum { BENCH_MAX_REPEATS = 99, BENCH_TEXT = 256, BENCH_PATH = 4096 };

/* Every figure, in the order shown: name (in JSON), unit, what it is. */
#define BENCH_ROWS(X)                                                                              \
    X(OPEN, "open", "ms", "model opened, its files in memory")                                     \
    X(FIRST, "first_token", "ms", "start of the program to first token, 5 s clip")                 \
    X(MEL, "mel", "ms", "log-mel of 30 s, 1 thread")                                               \
    X(VAD, "vad", "ms", "voice activity of 30 s, 1 thread")                                        \
    X(ENCODER_1, "encoder_1_thread", "ms", "encoder of a window with cross K/V, 1 thread")         \
    X(ENCODER, "encoder", "ms", "encoder of a window with cross K/V")                              \
    X(DECODER_1, "decoder_1", "ms", "decoder, 1 sequence: per token")                              \
    X(DECODER_5, "decoder_5_beams", "ms", "decoder, 5 beams of one window: per token")             \
    X(DECODER_8, "decoder_8_windows", "ms", "decoder, 8 windows: per token and window")            \
    X(FILE, "recording", "ms", "recording to text, model open")                                    \
    X(PROCESS, "process", "ms", "the same, whole process")                                         \
    X(MEMORY, "memory", "MB", "peak memory of that process (VmHWM)")                               \
    X(READ, "read", "GB/s", "limit: reading memory")                                               \
    X(PEAK_1, "peak_1_thread", "Gop/s", "limit: multiply-add in weights' format, 1 thread")        \
    X(PEAK, "peak", "Gop/s", "limit: multiply-add in weights' format")

enum bench_id {
#define X(id, name, unit, what) BENCH_##id,
    BENCH_ROWS(X)
#undef X
        BENCH_COUNT,
};

struct bench_row {
    double wall[BENCH_MAX_REPEATS], cpu[BENCH_MAX_REPEATS]; // cpu: NAN where it has no meaning
    int n;                                                  // measured so far
    double fraction;          // of the limit found in this run; NAN: none is known
    const char *bound;        // "compute" or "memory": which limit that is; NULL: none
    char skipped[BENCH_TEXT]; // why there are no figures, or ""
};

struct bench {
    // as asked for
    const char *model, *recording, *plot;
    enum sotto_precision precision;
    int n_threads, n_repeats;
    bool json, quick;

    // what is measured
    char model_path[BENCH_PATH];
    char file[BENCH_PATH], clip[BENCH_PATH]; // recording and clip of 5 s; "": there is none
    double file_s;
    struct bench_row rows[BENCH_COUNT];
    struct bench_parts *parts;

    // what it runs on
    char processor[BENCH_TEXT], features[BENCH_TEXT];
    int n_cores;
    double speech_s; // of the recording
    int n_windows, n_tokens;
};

const char *bench_row_name(int id);
const char *bench_row_unit(int id);
const char *bench_row_what(int id);
void bench_add(struct bench *b, int id, double wall, double cpu);
__attribute__((format(printf, 3, 4))) void bench_skip(struct bench *b, int id, const char *fmt,
                                                      ...);
double bench_median(const double *x, int n);      // NAN for none
double bench_wall(const struct bench *b, int id); // medians
double bench_cpu(const struct bench *b, int id);
double bench_best(const struct bench *b, int id);
/* How much longer single-threaded parts took than they computed: 1 on a machine left alone. */
double bench_disturbance(const struct bench *b);
double bench_clock(void);     // seconds, monotonic; comparable between processes
double bench_cpu_clock(void); // seconds this process has computed

/* ---- bench_parts.c ---- */

/* Opens the model and everything around it. Errors: those of sotto_model_open. */
int bench_parts_open(struct bench *b, struct sotto_diag *diag);
void bench_parts_close(struct bench *b);
void bench_parts_run(struct bench *b);       // once each, into b->rows
void bench_parts_fractions(struct bench *b); // from the medians
const struct net *bench_net(const struct bench *b);
/* "gemm_f16_6x16_avx2": the kernel in use for a format; "gemm_f16_ref" for plain C. */
const char *bench_kernel(const struct bench *b, enum gemm_format format, char dst[BENCH_TEXT]);
enum gemm_format bench_weights_format(const struct bench *b);

/* ---- bench_worker.c ---- */

/* Makes the recording (unless one was named) and the clip. Returns an exit status; says why. */
int bench_recording_open(struct bench *b);
/* Runs this program anew: once to the first token, once over the recording. False: it failed, and
 * a message says why. */
bool bench_worker_run(struct bench *b);
/* What such a process does: `sotto bench --worker token|file ...`. An exit status. */
int bench_worker(const struct bench *b, const char *task);

/* ---- bench_report.c, bench_plot.c ---- */

void bench_table(const struct bench *b, FILE *out);
bool bench_json(const struct bench *b, FILE *out); // false: out of memory or cannot be written
bool bench_svg(const struct bench *b, FILE *out);  // false: cannot be written

#endif
