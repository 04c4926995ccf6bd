/*
 * What mel.c prepares for the kernels of log-mel, and the list of kernels. Private to src/audio.
 */
#ifndef AUDIO_MEL_TABLES_H
#define AUDIO_MEL_TABLES_H

#include "audio/mel.h"

enum {
    MEL_BINS = MEL_FFT / 2 + 1, // 201, 0..8000 Hz
    MEL_HALF_FFT = MEL_FFT / 2, // 200 complex points for 400 real ones
    MEL_MAX = 256,              // mels
};

struct mel_filter {
    int first, count; // power bins with a weight
    int offset;       // of the first weight in `weights`
};

struct mel {
    int n_mels;
    float window[MEL_FFT]; // periodic Hann
    struct mel_filter filter[MEL_MAX];
    float weights[2 * MEL_BINS]; // each bin lies under at most two triangles

    /* The plain transform: cos and sin of 2 pi i / 400. */
    double cosine[MEL_FFT], sine[MEL_FFT];

    /* The fast transform, 200 = 8 x 5 x 5; twiddles are e^(-2 pi i ...) as re, im. */
    float half_window[MEL_FFT];        // window / 2: the real transform's halving, done early
    float twiddle8[25][8][2];          // [n][k]: n k / 200
    float twiddle5[5][5][2];           // [n][k]: n k / 25
    float split[MEL_HALF_FFT / 2][2];  // [k]: k / 400
    unsigned char place[MEL_HALF_FFT]; // where bin k of the 200 is left
};

typedef void mel_log_fn(const struct mel *m, const float *samples, int n_frames, float *dst,
                        float *max);

mel_log_fn mel_log_ref;
mel_log_fn mel_log_sse2;
mel_log_fn mel_log_avx2;
mel_log_fn mel_log_avx512;
mel_log_fn mel_log_neon;

static const float MEL_FLOOR = 1e-10f; // of the power, before the logarithm

#endif
