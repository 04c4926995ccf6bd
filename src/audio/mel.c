/*
 * Log-mel spectrogram: tables, the plain C version (the specification), and the choice of kernel.
 * The fast version is in mel_vector.h. Sources: openai/whisper, whisper/audio.py; the filters are
 * those of librosa.filters.mel(sr=16000, n_fft=400, htk=False, norm="slaney"), after M. Slaney,
 * Auditory Toolbox: linear below 1 kHz, logarithmic above, each triangle of area 1.
 */
#include "audio/mel.h"

#include <math.h>
#include <string.h>

#include <sotto.h>

#include "audio/mel_tables.h"
#include "base/cpu.h"
#include "base/mem.h"

static const double PI = 3.14159265358979323846;
static const double SAMPLE_RATE = 16000.0;

/* Slaney's scale: 3 mels in 200 Hz up to 1000 Hz, then 27 mels for a factor of 6.4. */
static const double MEL_PER_HZ = 3.0 / 200.0;
static const double KNEE_HZ = 1000.0;

static double log_step(void)
{
    return log(6.4) / 27.0;
}

static double hz_to_mel(double hz)
{
    if (hz < KNEE_HZ)
        return hz * MEL_PER_HZ;
    return KNEE_HZ * MEL_PER_HZ + log(hz / KNEE_HZ) / log_step();
}

static double mel_to_hz(double mel)
{
    double knee = KNEE_HZ * MEL_PER_HZ;

    if (mel < knee)
        return mel / MEL_PER_HZ;
    return KNEE_HZ * exp(log_step() * (mel - knee));
}

/* The triangle lo..peak..hi at the frequency of `bin`, scaled to area 1. */
static double triangle(double lo, double peak, double hi, int bin)
{
    double hz = bin * SAMPLE_RATE / MEL_FFT;
    double rise = (hz - lo) / (peak - lo), fall = (hi - hz) / (hi - peak);

    return fmax(0.0, fmin(rise, fall)) * 2.0 / (hi - lo);
}

static void make_filters(struct mel *m)
{
    double step = hz_to_mel(SAMPLE_RATE / 2) / (m->n_mels + 1);
    int n = 0;

    for (int i = 0; i < m->n_mels; i++) {
        struct mel_filter *f = &m->filter[i];
        double lo = mel_to_hz(i * step), peak = mel_to_hz((i + 1) * step),
               hi = mel_to_hz((i + 2) * step);
        *f = (struct mel_filter){.offset = n};
        for (int bin = 0; bin < MEL_BINS; bin++) {
            double w = triangle(lo, peak, hi, bin);
            if (w < 1e-9) // outside, or a foot of the triangle but for rounding
                continue;
            if (f->count++ == 0)
                f->first = bin;
            m->weights[n++] = (float)w;
        }
    }
}

static void make_twiddle(float dst[2], double turns)
{
    dst[0] = (float)cos(2.0 * PI * turns);
    dst[1] = (float)-sin(2.0 * PI * turns);
}

static void make_transform(struct mel *m)
{
    for (int i = 0; i < MEL_FFT; i++) {
        m->cosine[i] = cos(2.0 * PI * i / MEL_FFT);
        m->sine[i] = sin(2.0 * PI * i / MEL_FFT);
        m->window[i] = (float)(0.5 - 0.5 * m->cosine[i]);
        m->half_window[i] = 0.5f * m->window[i];
    }
    for (int n = 0; n < 25; n++)
        for (int k = 0; k < 8; k++)
            make_twiddle(m->twiddle8[n][k], n * k / 200.0);
    for (int n = 0; n < 5; n++)
        for (int k = 0; k < 5; k++)
            make_twiddle(m->twiddle5[n][k], n * k / 25.0);
    for (int k = 0; k < MEL_HALF_FFT / 2; k++)
        make_twiddle(m->split[k], k / (double)MEL_FFT);
    for (int k8 = 0; k8 < 8; k8++)
        for (int k5 = 0; k5 < 5; k5++)
            for (int k1 = 0; k1 < 5; k1++)
                m->place[k8 + 8 * (k5 + 5 * k1)] = (unsigned char)(25 * k8 + 5 * k5 + k1);
}

int mel_open(struct mel **out, int n_mels)
{
    if (n_mels < 1 || n_mels > MEL_MAX)
        return SOTTO_EINVAL;
    struct mel *m = mem_calloc(1, sizeof *m);
    if (!m)
        return SOTTO_ENOMEM;
    m->n_mels = n_mels;
    make_filters(m);
    make_transform(m);
    *out = m;
    return 0;
}

void mel_close(struct mel **m)
{
    mem_free(*m);
    *m = NULL;
}

/* Power of the 201 bins of 400 windowed samples: the transform as it is defined. */
static void power_spectrum(const struct mel *m, const float *samples, double power[MEL_BINS])
{
    double x[MEL_FFT];

    for (int n = 0; n < MEL_FFT; n++)
        x[n] = (double)samples[n] * m->window[n];
    for (int k = 0; k < MEL_BINS; k++) {
        double re = 0.0, im = 0.0;
        for (int n = 0, turn = 0; n < MEL_FFT; n++) {
            re += x[n] * m->cosine[turn];
            im -= x[n] * m->sine[turn];
            turn += k;
            if (turn >= MEL_FFT)
                turn -= MEL_FFT;
        }
        power[k] = re * re + im * im;
    }
}

void mel_log_ref(const struct mel *m, const float *samples, int n_frames, float *dst, float *max)
{
    double power[MEL_BINS];
    float largest = -INFINITY;

    for (int t = 0; t < n_frames; t++) {
        power_spectrum(m, samples + (ptrdiff_t)t * MEL_HOP - MEL_FFT / 2, power);
        for (int i = 0; i < m->n_mels; i++) {
            const struct mel_filter *f = &m->filter[i];
            double sum = 0.0;
            for (int j = 0; j < f->count; j++)
                sum += m->weights[f->offset + j] * power[f->first + j];
            float value = (float)log10(sum > (double)MEL_FLOOR ? sum : (double)MEL_FLOOR);
            dst[(ptrdiff_t)t * m->n_mels + i] = value;
            largest = value > largest ? value : largest;
        }
    }
    *max = largest;
}

/* The ladder: the best kernel this machine has. */
static mel_log_fn *choose_kernel(void)
{
    uint32_t flags = cpu_flags();
    mel_log_fn *fn = mel_log_ref;

#if defined(__x86_64__)
    if (flags & CPU_SSE2)
        fn = mel_log_sse2;
    if (flags & CPU_AVX2)
        fn = mel_log_avx2;
    if (flags & CPU_AVX512)
        fn = mel_log_avx512;
#elif defined(__aarch64__)
    if (flags & CPU_NEON)
        fn = mel_log_neon;
#endif
    (void)flags;
    return fn;
}

void mel_log(const struct mel *m, const float *samples, int n_frames, float *dst, float *max,
             int reference)
{
    (reference ? mel_log_ref : choose_kernel())(m, samples, n_frames, dst, max);
}

void mel_normalise(float *x, size_t n, float floor_max)
{
    typedef float float4 __attribute__((vector_size(16)));
    float low = floor_max - 8.0f;
    size_t i = 0;

    for (; i + 4 <= n; i += 4) { // four at a time, on any machine
        float4 v;
        memcpy(&v, x + i, sizeof v);
        for (int j = 0; j < 4; j++)
            v[j] = v[j] > low ? v[j] : low;
        v = (v + 4.0f) * 0.25f;
        memcpy(x + i, &v, sizeof v);
    }
    for (; i < n; i++)
        x[i] = ((x[i] > low ? x[i] : low) + 4.0f) * 0.25f;
}
