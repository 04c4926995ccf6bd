/*
 * The Silero VAD network, 16 kHz: weights, and the forward pass over a batch of chunks. Between
 * chunks only the LSTM's state is carried, so all else runs for many chunks at once. vad_ref.c is the
 * specification in plain C; vad_<isa>.c hold the vector kernels, chosen when the model is opened.
 *
 * Per chunk (facts: snakers4/silero-vad, tinygrad_model.py): 64 samples of context + 512 + 64
 * mirrored; 4 frames of a 256-point Hann spectrum, hop 128, 129 magnitudes; four 1-D convolutions
 * of 3 taps with ReLU (129 -> 128, 128 -> 64 stride 2, 64 -> 64 stride 2, 64 -> 128), which leave one
 * frame; an LSTM cell of 128; the sigmoid of one weighted sum of ReLU(h).
 */
#ifndef AUDIO_VAD_NET_H
#define AUDIO_VAD_NET_H

#include <stdbool.h>

#include "audio/vad.h"

enum {
    VAD_CONTEXT = 64,                         // samples of the chunk before
    VAD_INPUT = VAD_CONTEXT + VAD_CHUNK + 64, // with the mirrored end
    VAD_FFT = 256,
    VAD_HOP = 128,
    VAD_FRAMES = 4,
    VAD_BINS = 129,
    VAD_C1 = 128,
    VAD_C2 = 64,
    VAD_C3 = 64,
    VAD_C4 = 128, // output channels of the convolutions
    VAD_HIDDEN = 128,
    VAD_GATES = 4 * VAD_HIDDEN,
    VAD_BATCH = 12, // chunks evaluated together
};

/* The file's tensors, row-major, outermost dimension first. */
struct vad_weights {
    const float *stft;                      // 258 x 256: real parts of 129 bins, then imaginary
    const float *conv_w[4], *conv_b[4];     // out x in x 3, out
    const float *w_ih, *w_hh, *b_ih, *b_hh; // 512 x 128 twice, 512 twice; gates i, f, g, o
    const float *out_w, *out_b;             // 128, 1
};

struct vad_state {
    _Alignas(64) float h[VAD_HIDDEN];
    _Alignas(64) float c[VAD_HIDDEN];
};

/* y = x W^T (+ bias) (ReLU) for m rows. W is packed in panels of nr columns, [N / nr][K][nr]; a
 * slice of K starts at `k_begin`. x is sliced by the caller. */
struct vad_gemm {
    const float *x;
    size_t x_stride;
    int m;
    const float *w;
    int n, k_full, k_begin, k;
    float *y;
    size_t y_stride;
    const float *bias; // N or NULL
    bool relu;
};

struct vad_kernels {
    const char *name; // "avx2"
    int nr;           // panel width; divides 32
    void (*gemm)(const struct vad_gemm *g);
    /* One step of the LSTM: `gates` (512, holds W_ih x + biases) gets W_hh h added, then h and c
     * are updated. `w_hh`: packed, N = 512, K = 128. */
    void (*lstm)(const float *w_hh, float *gates, struct vad_state *state);
    /* Windows and folds one frame of 256 samples for the half-length cosine and sine sums:
     * `fold`: 4 x VAD_FOLD, see vad_net.c. `window`: 129 values. */
    void (*fold)(const float *x, const float *window, float *fold);
    /* y[i] = sqrt(re[i]^2 + im[i]^2), n a multiple of 32 */
    void (*magnitude)(const float *re, const float *im, float *y, int n);
};

extern const struct vad_kernels vad_kernels_sse2, vad_kernels_avx2, vad_kernels_avx512,
    vad_kernels_neon;

enum { VAD_FOLD = 65 }; // terms of a folded sum

struct vad_model {
    const struct vad_kernels *kernels; // NULL: plain C
    struct vad_weights w;              // for plain C; else only what is not packed
    float *block;                      // all of w
    float *packed;                     // all of the following
    float *window;                     // 129
    float *dft[4];                     // packed 64 x 65: cosines and sines, even and odd bins
    float *conv[4], *ih, *hh, *gate_bias;
};

/* The tensors of a safetensors file in memory, copied into `*block` (mem_free). MODEL, NOMEM. */
int vad_weights_read(struct vad_weights *w, float **block, const uint8_t *data, size_t size,
                     const char *name, struct sotto_diag *diag);

/* From a safetensors file in memory; `name` is for the diagnostic. Errors: MODEL, NOMEM. */
int vad_model_open_memory(struct vad_model **out, const uint8_t *data, size_t size,
                          const char *name, struct sotto_diag *diag);

/* Floats of scratch for one vad_net_run. */
size_t vad_net_scratch(const struct vad_model *m);

/* Probabilities of `n` <= VAD_BATCH chunks that follow each other. `input`: n x VAD_INPUT, the
 * mirrored end not yet filled in. */
void vad_net_run(const struct vad_model *m, struct vad_state *state, float *input, int n,
                 float *scratch, float *probability);

/* The same in plain C, one chunk. */
float vad_ref_chunk(const struct vad_weights *w, struct vad_state *state, const float *input);

#endif
