/*
 * The Silero VAD network in plain C: the specification of the vector versions. See vad_net.h.
 */
#include <math.h>
#include <string.h>

#include "audio/vad_net.h"

// Magnitudes of one chunk's frames; dst: VAD_BINS x VAD_FRAMES, channel-major as the weights are.
static void spectrum(const float *stft, const float *input, float *dst)
{
    for (int t = 0; t < VAD_FRAMES; t++) {
        const float *x = input + t * VAD_HOP;
        for (int bin = 0; bin < VAD_BINS; bin++) {
            const float *wr = stft + (size_t)bin * VAD_FFT;
            const float *wi = wr + (size_t)VAD_BINS * VAD_FFT;
            float re = 0, im = 0;
            for (int i = 0; i < VAD_FFT; i++) {
                re += wr[i] * x[i];
                im += wi[i] * x[i];
            }
            dst[bin * VAD_FRAMES + t] = sqrtf(re * re + im * im);
        }
    }
}

/* 3 taps, one frame of zeros before and after, ReLU. x: n_in x n_frames, y: n_out x the frames that
 * the stride leaves, whose number is returned. */
static int convolve(const float *w, const float *b, int n_in, int n_out, int stride, const float *x,
                    int n_frames, float *y)
{
    int n_left = (n_frames - 1) / stride + 1;
    for (int o = 0; o < n_out; o++) {
        for (int t = 0; t < n_left; t++) {
            float sum = b[o];
            for (int i = 0; i < n_in; i++) {
                for (int tap = 0; tap < 3; tap++) {
                    int from = t * stride + tap - 1;
                    if (from >= 0 && from < n_frames)
                        sum += w[(o * n_in + i) * 3 + tap] * x[i * n_frames + from];
                }
            }
            y[o * n_left + t] = sum > 0 ? sum : 0;
        }
    }
    return n_left;
}

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

static void lstm(const struct vad_weights *w, const float *x, struct vad_state *s)
{
    float gates[VAD_GATES];
    for (int i = 0; i < VAD_GATES; i++) {
        float sum = w->b_ih[i] + w->b_hh[i];
        for (int j = 0; j < VAD_HIDDEN; j++) {
            sum += w->w_ih[i * VAD_HIDDEN + j] * x[j];
            sum += w->w_hh[i * VAD_HIDDEN + j] * s->h[j];
        }
        gates[i] = sum;
    }
    for (int i = 0; i < VAD_HIDDEN; i++) {
        float in = sigmoid(gates[i]), forget = sigmoid(gates[VAD_HIDDEN + i]);
        float cell = tanhf(gates[2 * VAD_HIDDEN + i]), out = sigmoid(gates[3 * VAD_HIDDEN + i]);
        s->c[i] = forget * s->c[i] + in * cell;
        s->h[i] = out * tanhf(s->c[i]);
    }
}

float vad_ref_chunk(const struct vad_weights *w, struct vad_state *state, const float *input)
{
    static const struct {
        int n_in, n_out, stride;
    } conv[4] = {
        {VAD_BINS, VAD_C1, 1}, {VAD_C1, VAD_C2, 2}, {VAD_C2, VAD_C3, 2}, {VAD_C3, VAD_C4, 1}};
    float a[VAD_BINS * VAD_FRAMES], b[VAD_C1 * VAD_FRAMES];
    int n_frames = VAD_FRAMES;

    spectrum(w->stft, input, a);
    for (int i = 0; i < 4; i++) {
        n_frames = convolve(w->conv_w[i], w->conv_b[i], conv[i].n_in, conv[i].n_out, conv[i].stride,
                            a, n_frames, b);
        memcpy(a, b, sizeof(b));
    }
    lstm(w, a, state);
    float sum = w->out_b[0];
    for (int i = 0; i < VAD_HIDDEN; i++)
        sum += w->out_w[i] * (state->h[i] > 0 ? state->h[i] : 0);
    return sigmoid(sum);
}
