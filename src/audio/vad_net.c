/*
 * The Silero VAD network's forward pass over a batch of chunks, and its weights packed for the
 * vector kernels. Reading the file is vad_weights.c, the kernels are vad_<isa>.c.
 *
 * The spectrum. The file holds a windowed Fourier basis of 258 x 256. When it is the periodic Hann
 * window's (it is; checked on opening, otherwise plain C runs), the sums fold twice: with
 * e[n] = w[n] (x[n] + x[256-n]) and o[n] = w[n] (x[n] - x[256-n]), n = 0..128,
 *     Re X[k] = sum e[n] cos(2 pi k n / 256),  Im X[k] = -sum o[n] sin(2 pi k n / 256),
 * and since cos changes by (-1)^k and sin by -(-1)^k from n to 128 - n, the even and odd bins need
 * only n = 0..64 of e[n] +- e[128-n] and o[n] -+ o[128-n]: a quarter of the products.
 * Bins are kept as 64 even ones, 64 odd ones, then bin 128; the first convolution's weights follow.
 */
#include "audio/vad_net.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"

enum { SIDE = 64, N_FOLDED = 4 }; // bins per folded product; products: re/im x even/odd

static const struct conv_shape {
    int n_in, n_out;
} conv_shape[4] = {{VAD_BINS, VAD_C1}, {VAD_C1, VAD_C2}, {VAD_C2, VAD_C3}, {VAD_C3, VAD_C4}};

static const struct vad_kernels *choose_kernels(void)
{
    uint32_t flags = cpu_flags();
#if defined(__x86_64__)
    if (flags & CPU_AVX512)
        return &vad_kernels_avx512;
    if (flags & CPU_AVX2)
        return &vad_kernels_avx2;
    if (flags & CPU_SSE2)
        return &vad_kernels_sse2;
#elif defined(__aarch64__)
    if (flags & CPU_NEON)
        return &vad_kernels_neon;
#endif
    (void)flags;
    return NULL;
}

static bool is_hann_basis(const float *stft)
{
    const double pi = 3.14159265358979323846;
    for (int n = 0; n < VAD_FFT; n++) {
        double window = 0.5 - 0.5 * cos(2 * pi * n / VAD_FFT);
        for (int bin = 0; bin < VAD_BINS; bin++) {
            double angle = 2 * pi * ((bin * n) % VAD_FFT) / VAD_FFT;
            double re = stft[bin * VAD_FFT + n] - window * cos(angle);
            double im = fabs(stft[(VAD_BINS + bin) * VAD_FFT + n]) - fabs(window * sin(angle));
            if (!(fabs(re) < 1e-6) || !(fabs(im) < 1e-6))
                return false;
        }
    }
    return true;
}

/* Element (col, k) of the packed matrix, N = n columns in panels of nr. */
static float *packed_at(float *dst, int nr, int n_k, int col, int k)
{
    return dst + ((size_t)(col / nr) * n_k + k) * nr + col % nr;
}

static void pack_dft(float *const dft[N_FOLDED], int nr)
{
    const double pi = 3.14159265358979323846;
    for (int col = 0; col < SIDE; col++) {
        for (int n = 0; n < VAD_FOLD; n++) {
            double even = 2 * pi * ((2 * col * n) % VAD_FFT) / VAD_FFT;
            double odd = 2 * pi * (((2 * col + 1) * n) % VAD_FFT) / VAD_FFT;
            *packed_at(dft[0], nr, VAD_FOLD, col, n) = (float)cos(even);
            *packed_at(dft[1], nr, VAD_FOLD, col, n) = (float)cos(odd);
            *packed_at(dft[2], nr, VAD_FOLD, col, n) = (float)sin(even);
            *packed_at(dft[3], nr, VAD_FOLD, col, n) = (float)sin(odd);
        }
    }
}

// Where bin `bin` is kept.
static int bin_slot(int bin)
{
    return bin == VAD_BINS - 1 ? bin : bin % 2 ? SIDE + bin / 2 : bin / 2;
}

// To K = tap x channel, as three successive frames lie in memory.
static void pack_conv(float *dst, int nr, const float *w, const struct conv_shape *shape, bool bins)
{
    for (int o = 0; o < shape->n_out; o++) {
        for (int i = 0; i < shape->n_in; i++) {
            for (int tap = 0; tap < 3; tap++) {
                int k = tap * shape->n_in + (bins ? bin_slot(i) : i);
                *packed_at(dst, nr, 3 * shape->n_in, o, k) = w[(o * shape->n_in + i) * 3 + tap];
            }
        }
    }
}

static void pack_linear(float *dst, int nr, const float *w, int n_out, int n_in)
{
    for (int o = 0; o < n_out; o++) {
        for (int i = 0; i < n_in; i++)
            *packed_at(dst, nr, n_in, o, i) = w[o * n_in + i];
    }
}

static float *take(float **at, size_t n)
{
    float *p = *at;
    *at += (n + 15) / 16 * 16;
    return p;
}

// Lays out the packed weights from `at`; returns their end.
static float *lay_out(struct vad_model *m, float *at)
{
    m->window = take(&at, SIDE * 2 + 1);
    for (int i = 0; i < N_FOLDED; i++)
        m->dft[i] = take(&at, SIDE * VAD_FOLD);
    for (int i = 0; i < 4; i++)
        m->conv[i] = take(&at, (size_t)conv_shape[i].n_out * conv_shape[i].n_in * 3);
    m->ih = take(&at, VAD_GATES * VAD_HIDDEN);
    m->hh = take(&at, VAD_GATES * VAD_HIDDEN);
    m->gate_bias = take(&at, VAD_GATES);
    return at;
}

static int pack(struct vad_model *m)
{
    static float origin[1]; // only its address is used
    int nr = m->kernels->nr;
    m->packed = mem_calloc((size_t)(lay_out(m, origin) - origin), sizeof(float));
    if (!m->packed)
        return SOTTO_ENOMEM;
    lay_out(m, m->packed);
    memcpy(m->window, m->w.stft, (SIDE * 2 + 1) * sizeof(float)); // bin 0 is the window
    m->window[0] = 0;
    pack_dft(m->dft, nr);
    for (int i = 0; i < 4; i++)
        pack_conv(m->conv[i], nr, m->w.conv_w[i], &conv_shape[i], i == 0);
    pack_linear(m->ih, nr, m->w.w_ih, VAD_GATES, VAD_HIDDEN);
    pack_linear(m->hh, nr, m->w.w_hh, VAD_GATES, VAD_HIDDEN);
    for (int i = 0; i < VAD_GATES; i++)
        m->gate_bias[i] = m->w.b_ih[i] + m->w.b_hh[i];
    return 0;
}

int vad_model_open_memory(struct vad_model **out, const uint8_t *data, size_t size,
                          const char *name, struct sotto_diag *diag)
{
    struct vad_model *m = mem_calloc(1, sizeof(*m));
    if (!m)
        return diag_set(diag, SOTTO_ENOMEM, name, "%s: out of memory", name);
    int err = vad_weights_read(&m->w, &m->block, data, size, name, diag);
    if (!err && is_hann_basis(m->w.stft))
        m->kernels = choose_kernels();
    if (!err && m->kernels && pack(m)) {
        err = diag_set(diag, SOTTO_ENOMEM, name, "%s: out of memory", name);
    }
    if (err)
        vad_model_close(&m);
    else
        *out = m;
    return err;
}

void vad_model_close(struct vad_model **m)
{
    if (!m || !*m)
        return;
    mem_free((*m)->block);
    mem_free((*m)->packed);
    mem_free(*m);
    *m = NULL;
}

const char *vad_model_kernels(const struct vad_model *m)
{
    return m->kernels ? m->kernels->name : "ref";
}

/* ---- forward --------------------------------------------------------------------------------- */

enum {
    N_ROWS = VAD_BATCH * VAD_FRAMES,
    FOLD_ROW = N_FOLDED * VAD_FOLD,
    BIN_ROW = N_FOLDED * SIDE,
    SPECTRUM = VAD_FRAMES * VAD_BINS, // a chunk's magnitudes, time-major
};

size_t vad_net_scratch(const struct vad_model *m)
{
    (void)m;
    return N_ROWS * (FOLD_ROW + BIN_ROW) +
           VAD_BATCH * (SPECTRUM + VAD_FRAMES * VAD_C1 + 2 * VAD_C2 + VAD_C3 + VAD_C4 + VAD_GATES) +
           16 * 16;
}

static void spectra(const struct vad_model *m, const float *input, int n, float *dst,
                    float *scratch)
{
    const struct vad_kernels *k = m->kernels;
    float *folded = take(&scratch, N_ROWS * FOLD_ROW), *bins = take(&scratch, N_ROWS * BIN_ROW);
    int n_rows = n * VAD_FRAMES;

    for (int row = 0; row < n_rows; row++) {
        const float *x = input + (row / VAD_FRAMES) * VAD_INPUT + (row % VAD_FRAMES) * VAD_HOP;
        k->fold(x, m->window, folded + row * FOLD_ROW);
    }
    for (int i = 0; i < N_FOLDED; i++) {
        k->gemm(&(struct vad_gemm){.x = folded + i * VAD_FOLD,
                                   .x_stride = FOLD_ROW,
                                   .m = n_rows,
                                   .w = m->dft[i],
                                   .n = SIDE,
                                   .k_full = VAD_FOLD,
                                   .k = VAD_FOLD,
                                   .y = bins + i * SIDE,
                                   .y_stride = BIN_ROW});
    }
    for (int row = 0; row < n_rows; row++) {
        const float *x = folded + row * FOLD_ROW, *re = bins + row * BIN_ROW;
        float last = 0; // bin 128: alternating signs
        for (int i = 0; i < VAD_FOLD - 1; i += 2)
            last += x[i] - x[i + 1];
        last += x[VAD_FOLD - 1];
        k->magnitude(re, re + 2 * SIDE, dst + row * VAD_BINS, 2 * SIDE);
        dst[row * VAD_BINS + VAD_BINS - 1] = fabsf(last);
    }
}

/* Frame `t` of convolution `i`'s output for n chunks. `x`: n_frames frames per chunk. The frames of
 * zeros at the ends are left out of the product. */
static void convolve(const struct vad_model *m, int i, int t, const float *x, int n_frames,
                     float *y, int n_frames_y, int stride, const float *bias, int n)
{
    int n_in = conv_shape[i].n_in, n_out = conv_shape[i].n_out;
    int first = t * stride - 1, last = t * stride + 1; // input frames under the taps
    int skip = first < 0 ? 1 : 0;
    int n_taps = 3 - skip - (last >= n_frames ? 1 : 0);
    m->kernels->gemm(&(struct vad_gemm){.x = x + (first + skip) * n_in,
                                        .x_stride = (size_t)n_frames * n_in,
                                        .m = n,
                                        .w = m->conv[i],
                                        .n = n_out,
                                        .k_full = 3 * n_in,
                                        .k_begin = skip * n_in,
                                        .k = n_taps * n_in,
                                        .y = y + t * n_out,
                                        .y_stride = (size_t)n_frames_y * n_out,
                                        .bias = bias,
                                        .relu = true});
}

static float weigh(const struct vad_weights *w, const float *h)
{
    float sum = w->out_b[0];
    for (int i = 0; i < VAD_HIDDEN; i++)
        sum += w->out_w[i] * (h[i] > 0 ? h[i] : 0);
    return 1 / (1 + expf(-sum));
}

static void run_batch(const struct vad_model *m, struct vad_state *state, const float *input, int n,
                      float *scratch, float *probability)
{
    static const int stride[4] = {1, 2, 2, 1}, n_frames[5] = {VAD_FRAMES, VAD_FRAMES, 2, 1, 1};
    float *x[6]; // what each layer reads
    x[0] = take(&scratch, VAD_BATCH * SPECTRUM);
    for (int i = 0; i < 4; i++)
        x[i + 1] = take(&scratch, (size_t)VAD_BATCH * n_frames[i + 1] * conv_shape[i].n_out);
    x[5] = take(&scratch, VAD_BATCH * VAD_GATES);

    spectra(m, input, n, x[0], scratch);
    for (int i = 0; i < 4; i++) {
        for (int t = 0; t < n_frames[i + 1]; t++)
            convolve(m, i, t, x[i], n_frames[i], x[i + 1], n_frames[i + 1], stride[i],
                     m->w.conv_b[i], n);
    }
    m->kernels->gemm(&(struct vad_gemm){.x = x[4],
                                        .x_stride = VAD_C4,
                                        .m = n,
                                        .w = m->ih,
                                        .n = VAD_GATES,
                                        .k_full = VAD_HIDDEN,
                                        .k = VAD_HIDDEN,
                                        .y = x[5],
                                        .y_stride = VAD_GATES,
                                        .bias = m->gate_bias});
    for (int i = 0; i < n; i++) {
        m->kernels->lstm(m->hh, x[5] + i * VAD_GATES, state);
        probability[i] = weigh(&m->w, state->h);
    }
}

void vad_net_run(const struct vad_model *m, struct vad_state *state, float *input, int n,
                 float *scratch, float *probability)
{
    for (int i = 0; i < n; i++) { // mirror the end, without repeating the last sample
        float *end = input + (size_t)i * VAD_INPUT + VAD_CONTEXT + VAD_CHUNK;
        for (int j = 0; j < VAD_INPUT - VAD_CONTEXT - VAD_CHUNK; j++)
            end[j] = end[-2 - j];
    }
    if (m->kernels) {
        run_batch(m, state, input, n, scratch, probability);
        return;
    }
    for (int i = 0; i < n; i++)
        probability[i] = vad_ref_chunk(&m->w, state, input + (size_t)i * VAD_INPUT);
}
