/* Windows of log-mel features. See features.h; the spectrogram itself is in audio/mel.c. */
#include "engine/features.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include <sotto.h>

#include "base/mem.h"

int features_open(struct features *f, int n_mels, bool reference)
{
    *f = (struct features){.n_mels = n_mels, .reference = reference};
    int err = mel_open(&f->mel, n_mels);
    if (err)
        return err;
    f->audio = mem_alloc(FEATURES_WINDOW_SAMPLES + 2 * FEATURES_MARGIN, sizeof *f->audio);
    if (!f->audio) {
        features_fini(f);
        return SOTTO_ENOMEM;
    }
    return 0;
}

void features_fini(struct features *f)
{
    mel_close(&f->mel);
    mem_free(f->audio);
    *f = (struct features){0};
}

int64_t features_frame_at(double seconds)
{
    const double beyond_any_s = 1e9; // and far from overflow, in samples too
    return llrint(fmin(seconds, beyond_any_s) * FEATURES_PER_SECOND);
}

int64_t features_first_sample(int64_t frame)
{
    int64_t first = frame * MEL_HOP - FEATURES_MARGIN;
    return first < 0 ? 0 : first;
}

int64_t features_last_sample(int64_t frame)
{
    return frame * MEL_HOP + FEATURES_MARGIN;
}

void features_frames(struct features *f, const struct samples *s, int64_t frame, int n_frames,
                     float *dst, float *max)
{
    assert(n_frames > 0 && n_frames <= MEL_WINDOW_FRAMES);
    size_t n = (size_t)(n_frames - 1) * MEL_HOP + 2 * FEATURES_MARGIN;

    samples_copy(s, frame * MEL_HOP - FEATURES_MARGIN, n, f->audio);
    mel_log(f->mel, f->audio + FEATURES_MARGIN, n_frames, dst, max, f->reference);
}

void features_window(struct features *f, const float *samples, size_t n, float *dst)
{
    assert(n <= FEATURES_WINDOW_SAMPLES);
    float *audio = f->audio + FEATURES_MARGIN;

    memcpy(audio, samples, n * sizeof *audio);
    memset(audio + n, 0, (FEATURES_WINDOW_SAMPLES + FEATURES_MARGIN - n) * sizeof *audio);
    for (int i = 1; i <= FEATURES_MARGIN; i++)
        audio[-i] = audio[i];

    float max;
    mel_log(f->mel, audio, MEL_WINDOW_FRAMES, dst, &max, f->reference);
    mel_normalise(dst, (size_t)MEL_WINDOW_FRAMES * (size_t)f->n_mels, max);
}

void features_finish(const struct features *f, float *dst, int n_frames, float max)
{
    size_t used = (size_t)n_frames * (size_t)f->n_mels;
    size_t all = (size_t)MEL_WINDOW_FRAMES * (size_t)f->n_mels;

    mel_normalise(dst, used, max);
    memset(dst + used, 0, (all - used) * sizeof *dst);
}
