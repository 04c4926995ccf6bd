/*
 * Sounds made by formula, 16 kHz: a voice-like one, and what must not be taken for speech.
 * Deterministic.
 */
#ifndef TESTS_SUPPORT_SOUND_H
#define TESTS_SUPPORT_SOUND_H

#include <stddef.h>

enum { SOUND_RATE = 16000 };

struct sound {
    const char *name;
    void (*make)(float *x, size_t n); // fills n samples, -1..1
};

extern const struct sound sounds_other[]; // no speech in them
extern const int n_sounds_other;

/* Syllables: harmonics of a gliding pitch under five vowels' formants, each begun by a burst of noise.
 * Also in scripts/golden_vad.py. */
void sound_voice(float *x, size_t n);

void sound_white(float *x, size_t n); // uniform, -0.1..0.1; also in scripts/golden_vad.py

#endif
