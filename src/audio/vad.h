/*
 * Voice activity: the Silero VAD network (16 kHz, 512-sample chunks with 64 samples of context) run
 * by our own code from its published weights, and the rule that turns its probabilities into spans.
 * Sources: snakers4/silero-vad (MIT), silero_vad_16k.safetensors; get_speech_timestamps for the rule.
 */
#ifndef AUDIO_VAD_H
#define AUDIO_VAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { VAD_CHUNK = 512 }; // samples, 32 ms

struct vad_model; // immutable, shareable
/* Kernels are chosen by cpu_flags() at this moment. Errors: NOENT, ACCESS, IO, MODEL, NOMEM. */
int vad_model_open(struct vad_model **out, const char *path, struct sotto_diag *diag);
void vad_model_close(struct vad_model **m);
const char *vad_model_kernels(const struct vad_model *m); // "avx2"; "ref": plain C; static

struct vad_params {                 // defaults: vad_params_init
    float threshold, neg_threshold; // neg: NAN means threshold - 0.15 (at least 0.01)
    int min_speech_ms, min_silence_ms, speech_pad_ms;
    double max_speech_s; // 0: no limit
};
void vad_params_init(struct vad_params *p);

/* A stream: feed samples, take spans. */
struct vad;
int vad_open(struct vad **out, const struct vad_model *m, const struct vad_params *p);
void vad_close(struct vad **v);
void vad_reset(struct vad *v);

/* Feeds any number of samples (16 kHz). Chunks are evaluated as they fill. ENOMEM. */
int vad_feed(struct vad *v, const float *samples, size_t n_samples);
/* No more samples: the last chunk is padded with zeros and an open span is closed. */
int vad_finish(struct vad *v);

struct vad_span {
    int64_t start, end; // samples from the beginning of the stream, padding included
    float peak, mean;   // speech probability within
};
/* Takes the next finished span, in order; returns 0 when there is none yet. Spans never overlap
 * and never change once taken. */
int vad_next(struct vad *v, struct vad_span *span);
/* All samples before this one are decided: they lie in a span already taken or in silence. While a
 * span is open this is its (padded) start. */
int64_t vad_decided(const struct vad *v);
/* Is a span open (speech has begun and not ended)? Then `*start` is its padded start. */
int vad_in_speech(const struct vad *v, int64_t *start);
/* The open span so far, once it is certain that it will stay, and that it will end no earlier than
 * `span->end` (which no span with max_speech_s set can promise): 1. Else 0. */
int vad_open_span(const struct vad *v, struct vad_span *span);
int vad_pad(const struct vad *v); // speech_pad_ms in samples
/* Probability of each chunk fed since the last vad_reset, kept for the last 60 s:
 * chunk index -> probability, or -1 if it is no longer (or not yet) known. */
float vad_probability(const struct vad *v, int64_t chunk);

#endif
