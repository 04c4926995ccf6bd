/* Sounds made by formula. See support_sound.h. */
#include "support_sound.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const double two_pi = 6.283185307179586;

// Uniform in -1..1: Knuth's 64-bit linear congruential generator (MMIX), its upper half.
static double noise(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(int32_t)(*state >> 32) / 2147483648.0;
}

void sound_white(float *x, size_t n)
{
    uint64_t state = 1;
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(0.1 * noise(&state));
}

void sound_voice(float *x, size_t n)
{
    enum { N_HARMONICS = 32, SYLLABLE = SOUND_RATE / 4 };
    static const double formant[5][3] = {{730, 1090, 2440},
                                         {270, 2290, 3010},
                                         {530, 1840, 2480},
                                         {570, 840, 2410},
                                         {300, 870, 2240}};
    uint64_t state = 2;
    for (size_t i = 0; i < n; i++) {
        const double t = (double)i / SOUND_RATE, *f = formant[i / SYLLABLE % 5];
        double pitch = 120 + 15 * sin(two_pi * 0.6 * t);
        double phase = two_pi * 120 * t - 25 * cos(two_pi * 0.6 * t);
        double in_syllable = (double)(i % SYLLABLE) / SYLLABLE, sum = 0;
        for (int k = 1; k <= N_HARMONICS; k++) {
            double gain = 0;
            for (int j = 0; j < 3; j++) {
                double off = (k * pitch - f[j]) / (60 + 40 * j);
                gain += 1 / (1 + off * off);
            }
            sum += gain * sin(k * phase);
        }
        double burst = in_syllable < 0.16 ? 0.05 * noise(&state) : 0;
        x[i] = (float)(0.12 * sum * sin(two_pi / 2 * in_syllable) + burst);
    }
}

static void silence(float *x, size_t n)
{
    memset(x, 0, n * sizeof(*x));
}

static void faint(float *x, size_t n) // one bit of dither
{
    uint64_t state = 3;
    for (size_t i = 0; i < n; i++)
        x[i] = noise(&state) > 0 ? 1.0f / 32768 : 0;
}

static void white_loud(float *x, size_t n)
{
    sound_white(x, n);
    for (size_t i = 0; i < n; i++)
        x[i] *= 8;
}

// Paul Kellet's three-pole approximation of a slope of -3 dB per octave.
static void pink(float *x, size_t n)
{
    uint64_t state = 4;
    double a = 0, b = 0, c = 0;
    for (size_t i = 0; i < n; i++) {
        double w = noise(&state);
        a = 0.99765 * a + w * 0.0990460;
        b = 0.96300 * b + w * 0.2965164;
        c = 0.57000 * c + w * 1.0526913;
        x[i] = (float)(0.08 * (a + b + c + 0.1848 * w));
    }
}

static void hum(float *x, size_t n) // mains: 50 Hz and harmonics over a little noise
{
    uint64_t state = 5;
    for (size_t i = 0; i < n; i++) {
        double sum = 0, t = (double)i / SOUND_RATE;
        for (int k = 1; k <= 12; k++)
            sum += sin(two_pi * 50 * k * t + k * k) / k;
        x[i] = (float)(0.15 * sum + 0.003 * noise(&state));
    }
}

static void rain(float *x, size_t n) // hiss and drops
{
    uint64_t state = 6;
    double last = 0, drop = 0, pitch = 0;
    for (size_t i = 0; i < n; i++) {
        double w = noise(&state), hiss = w - last;
        last = w;
        if (noise(&state) > 0.997) {
            drop = 0.1 + 0.1 * noise(&state);
            pitch = 2500 + 1500 * noise(&state);
        }
        drop *= 0.99;
        x[i] = (float)(0.03 * hiss + drop * sin(two_pi * pitch * (double)i / SOUND_RATE));
    }
}

// A plucked or struck tone with six harmonics, `t` seconds after its beginning.
static double tone(double pitch, double t, double decay)
{
    double sum = 0;
    for (int k = 1; k <= 6; k++)
        sum += sin(two_pi * pitch * k * t) / (k * k) * exp(-t * decay * k);
    return sum * (t < 0.005 ? t / 0.005 : 1);
}

static double key(int semitones_from_a)
{
    return 220 * pow(2, semitones_from_a / 12.0);
}

static void chords(float *x, size_t n) // four chords, one each 1.5 s
{
    static const int chord[4][4] = {{-9, 3, 7, 10}, {-12, 0, 3, 7}, {-4, 3, 8, 12}, {-2, 2, 5, 10}};
    for (size_t i = 0; i < n; i++) {
        double t = (double)i / SOUND_RATE, sum = 0;
        const int *c = chord[(int)(t / 1.5) % 4];
        for (int j = 0; j < 4; j++)
            sum += tone(key(c[j]), fmod(t, 1.5), 1.2);
        x[i] = (float)(0.12 * sum);
    }
}

static void melody(float *x, size_t n) // with a drum on each beat
{
    static const int tune[16] = {3, 7, 10, 12, 10, 7, 8, 5, 7, 3, 5, 2, 3, -2, 0, 3};
    uint64_t state = 7;
    for (size_t i = 0; i < n; i++) {
        double t = (double)i / SOUND_RATE, beat = fmod(t, 0.4);
        double drum =
            0.3 * exp(-beat * 40) * noise(&state) + 0.4 * exp(-beat * 15) * sin(two_pi * 60 * beat);
        x[i] = (float)(0.3 * tone(key(tune[(int)(t / 0.4) % 16]), beat, 2) + drum);
    }
}

static void dog(float *x, size_t n) // two barks each 1.6 s: a falling harsh tone with noise
{
    uint64_t state = 8;
    for (size_t i = 0; i < n; i++) {
        double t = fmod((double)i / SOUND_RATE, 1.6), w = noise(&state), sum = 0;
        t = t > 0.4 ? t - 0.4 : t;
        double phase = two_pi * (520 * t - 500 * t * t), u = t / 0.18;
        for (int k = 1; k <= 8; k++)
            sum += sin(k * phase) / (1 + fabs(k - 2.5));
        x[i] = u < 1 ? (float)(0.35 * u * (1 - u) * 4 * (sum + w)) : 0.0005f * (float)w;
    }
}

static void alarm_clock(float *x, size_t n) // four beeps a second, then a pause
{
    for (size_t i = 0; i < n; i++) {
        double t = fmod((double)i / SOUND_RATE, 1.0), beep = fmod(t, 0.125);
        double on = t < 0.5 && beep < 0.07 ? 1 : 0;
        x[i] = (float)(0.25 * on * (sin(two_pi * 2048 * t) + sin(two_pi * 3 * 2048 * t) / 3));
    }
}

static void clicks(float *x, size_t n) // a ticking clock
{
    for (size_t i = 0; i < n; i++) {
        double t = fmod((double)i / SOUND_RATE, 0.5);
        x[i] = (float)(0.5 * exp(-t * 400) * sin(two_pi * 3100 * t));
    }
}

const struct sound sounds_other[] = {
    {"silence", silence},
    {"faint noise", faint},
    {"white noise", sound_white},
    {"loud white noise", white_loud},
    {"pink noise", pink},
    {"mains hum", hum},
    {"rain", rain},
    {"chords", chords},
    {"melody", melody},
    {"dog", dog},
    {"alarm clock", alarm_clock},
    {"ticking clock", clicks},
};
const int n_sounds_other = sizeof(sounds_other) / sizeof(sounds_other[0]);
