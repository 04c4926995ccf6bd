/*
 * Windows of log-mel features cut from a recording, padded as openai/whisper pads them.
 */
#ifndef ENGINE_FEATURES_H
#define ENGINE_FEATURES_H

#include "audio/audio.h"
#include "audio/mel.h"
#include "engine/samples.h"

enum {
    FEATURES_WINDOW_SAMPLES = MEL_HOP * MEL_WINDOW_FRAMES, // 480,000
    FEATURES_MARGIN = MEL_FFT / 2,                         // samples a frame reaches to each side
    FEATURES_PER_SECOND = AUDIO_RATE / MEL_HOP,            // frames
};

struct features {
    struct mel *mel;
    int n_mels;
    bool reference;
    float *audio;    // scratch: one window and its margins
};

int features_open(struct features *f, int n_mels, bool reference); // ENOMEM
void features_fini(struct features *f);

/* The frame that begins nearest to a second of the recording; for what is later than 1e9 s, that. */
int64_t features_frame_at(double seconds);
/* First sample that frame `frame` needs, and the one after the last. */
int64_t features_first_sample(int64_t frame);
int64_t features_last_sample(int64_t frame);

/*
 * Frames [frame, frame + n_frames) of the recording into `dst` (3000 x M, time-major, log10 power,
 * not normalised; rows from n_frames on are untouched). `*max` gets their largest value.
 */
void features_frames(struct features *f, const struct samples *s, int64_t frame, int n_frames,
                     float *dst, float *max);

/* A window by itself: `n` samples (at most 480,000), then silence to 30 s; normalised by its own
 * maximum. `dst`: 3000 x M. */
void features_window(struct features *f, const float *samples, size_t n, float *dst);

/* Normalises n_frames rows by `max` and sets the rows after them to 0, as openai/whisper pads a
 * short window (whisper/transcribe.py: pad_or_trim of the normalised spectrogram). */
void features_finish(const struct features *f, float *dst, int n_frames, float max);

#endif
