/*
 * One transcriber: what a recording is fed into. transcriber.c opens it and takes samples,
 * sequential.c and batched.c turn them into segments, recording.c reads files.
 */
#ifndef ENGINE_TRANSCRIBER_H
#define ENGINE_TRANSCRIBER_H

#include <sotto.h>

#include "audio/vad.h"
#include "engine/batch.h"
#include "engine/config.h"
#include "engine/features.h"
#include "engine/net.h"
#include "engine/samples.h"
#include "engine/segments.h"

struct sotto_model {
    struct model *model;
    struct net *net;
    bool reference;
};

struct sequential;
struct batched;

struct sotto_transcriber {
    const struct sotto_model *model;  // borrowed
    struct config *config;            // owned, as all that follows
    struct pool *pool;
    struct features features;
    float *mel;                       // one window: 3000 x M
    struct net_encoder *encoder;
    struct vad_model *vad_model;      // NULL without voice activity detection
    struct vad *vad;
    struct samples samples;

    /* Of the present recording. */
    enum sotto_mode mode;             // AUTO until it is decided
    struct sequential *sequential;    // the one in use is open
    struct batched *batched;
    bool started;
    double mel_max;                   // of the whole recording if known, else NAN
    double total_s;                   // length if known, else negative
    int language;                     // index; -1: not yet detected
    int n_segments;                   // emitted
    int64_t n_bad_samples;
    double start_wall_s;
    struct sotto_stats stats;
};

double clock_s(void);

/* Forgets the recording under way, if any; and the same, then starts the next. */
void transcriber_reset(struct sotto_transcriber *t);
void transcriber_begin(struct sotto_transcriber *t);

bool transcriber_aborted(const struct sotto_transcriber *t);
/* Encodes t->mel into `window`, timed. ABORTED. */
int transcriber_encode(struct sotto_transcriber *t, struct net_window *window);
/* Detects the language of an encoded window and reports the first one. */
int transcriber_detect(struct sotto_transcriber *t, struct batch *b,
                       const struct net_window *window);
/* Hands the segment to the caller, unless it is blank. ABORTED. */
int transcriber_emit(struct sotto_transcriber *t, const struct segment *s);
void transcriber_progress(const struct sotto_transcriber *t, double done_s);
void transcriber_warn(const struct sotto_transcriber *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The two modes. `run` goes as far as the samples allow; once they are complete, to the end. */
int sequential_open(struct sequential **out, struct sotto_transcriber *t); // NOMEM
void sequential_close(struct sequential **s);
int sequential_feed(struct sequential *s, const float *samples, size_t n); // to voice activity
int sequential_run(struct sequential *s);

int batched_open(struct batched **out, struct sotto_transcriber *t); // NOMEM
void batched_close(struct batched **b);
int batched_feed(struct batched *b, const float *samples, size_t n);
int batched_run(struct batched *b);

#endif
