/*
 * Log-mel spectrogram. Source: openai/whisper, whisper/audio.py, log_mel_spectrogram: 400-point
 * periodic Hann, hop 160, reflect padding of 200, power, slaney mel filters (80 or 128), log10
 * floored at 1e-10; then max(x, max - 8), (x + 4) / 4.
 */
#ifndef AUDIO_MEL_H
#define AUDIO_MEL_H

#include <stddef.h>

enum { MEL_HOP = 160, MEL_FFT = 400, MEL_WINDOW_FRAMES = 3000 };

struct mel; // tables for one number of mels; immutable, shareable between threads

int mel_open(struct mel **out, int n_mels); // ENOMEM, EINVAL
void mel_close(struct mel **m);

/* log10 mel power (not yet clamped) of frames [0, n_frames): frame t is centred on samples[t * 160].
 * `samples[-200 .. (n_frames - 1) * 160 + 199]` must be readable: the caller has put the padding
 * (reflected at the recording's start, zeros after its end) in place.
 * `dst`: n_frames x M, row-major (time-major). `max` gets the largest value. No allocation.
 * Vector kernels are chosen at run time; `reference` selects plain C. */
void mel_log(const struct mel *m, const float *samples, int n_frames, float *dst, float *max,
             int reference);

/* In place: max(x, floor_max - 8), (x + 4) / 4 over n values. */
void mel_normalise(float *x, size_t n, float floor_max);

#endif
