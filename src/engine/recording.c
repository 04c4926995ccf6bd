/*
 * Transcribing files: the public functions that read audio, and what needs a recording twice.
 */
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "audio/audio.h"
#include "base/mem.h"
#include "engine/transcriber.h"

enum { READ_CHUNK = 1 << 15 }; // samples, about 2 s

static int open_audio(struct sotto_transcriber *t, struct audio **a, const char *path,
                      struct sotto_diag *diag)
{
    const struct sotto_options *o = &t->config->opt;
    struct audio_params p = {
        .stream = o->audio_stream,
        .channel = o->channel,
        .should_abort = o->should_abort,
        .user = o->user,
    };
    return audio_open(a, path, &p, diag);
}

static int read_timed(struct sotto_transcriber *t, struct audio *a, float *dst, size_t max,
                      size_t *n, struct sotto_diag *diag)
{
    double start = clock_s();
    int err = audio_read(a, dst, max, n, diag);
    t->stats.decode_audio_s += clock_s() - start;
    return err;
}

/* Largest log-mel value of all frames held, from `*frame` on; leaves the last ones, which need
 * samples yet to come, unless the recording is complete. */
static void scan_max(struct sotto_transcriber *t, struct samples *s, int64_t *frame, float *max)
{
    for (;;) {
        int64_t n_ready = s->complete ? s->end / MEL_HOP
                                      : (s->end - FEATURES_MARGIN) / MEL_HOP;
        int64_t n = n_ready - *frame;
        if (n <= 0 || (n < MEL_WINDOW_FRAMES && !s->complete))
            return;
        if (n > MEL_WINDOW_FRAMES)
            n = MEL_WINDOW_FRAMES;
        float m;
        features_frames(&t->features, s, *frame, (int)n, t->mel, &m);
        *max = m > *max ? m : *max;
        *frame += n;
        samples_forget(s, features_first_sample(*frame));
    }
}

/*
 * openai/whisper floors the spectrogram at 8 below the maximum of the whole recording. The
 * sequential mode without voice activity detection promises the same numbers, so it reads a file
 * twice: first for that maximum. (Standard input cannot be read twice: there the maximum so far is
 * used.)
 */
static int find_max(struct sotto_transcriber *t, const char *path, struct sotto_diag *diag)
{
    struct audio *a = NULL;
    struct samples s;
    int64_t frame = 0;
    float max = -10.0f; // log10 of the floor, 1e-10: what the padding after the end has
    float *buffer = mem_alloc(READ_CHUNK, sizeof *buffer);
    size_t n = 1;

    samples_init(&s);
    int err = buffer ? open_audio(t, &a, path, diag)
                     : diag_set(diag, SOTTO_ENOMEM, path, "out of memory");
    while (!err && n > 0) {
        err = audio_read(a, buffer, READ_CHUNK, &n, diag);
        if (!err && samples_append(&s, buffer, n, NULL))
            err = diag_set(diag, SOTTO_ENOMEM, path, "out of memory");
        s.complete = n == 0;
        if (!err)
            scan_max(t, &s, &frame, &max);
    }
    if (!err)
        t->mel_max = max;
    audio_close(&a);
    samples_fini(&s);
    mem_free(buffer);
    return err;
}

static bool regular_file(const char *path)
{
    struct stat st;
    return strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool needs_max(const struct sotto_transcriber *t, const char *path)
{
    return t->config->force_sequential && !t->config->opt.vad && regular_file(path);
}

static int feed_file(struct sotto_transcriber *t, struct audio *a, const char *path,
                     struct sotto_diag *diag)
{
    float *buffer = mem_alloc(READ_CHUNK, sizeof *buffer);
    size_t n = 1;
    int err = buffer ? 0 : diag_set(diag, SOTTO_ENOMEM, path, "out of memory");

    while (!err && n > 0) {
        err = read_timed(t, a, buffer, READ_CHUNK, &n, diag);
        if (!err && n > 0)
            err = sotto_feed(t, buffer, n, diag);
    }
    mem_free(buffer);
    return err;
}

/* Errors from inside the engine know nothing of files: say which one it was. */
static int name_file(struct sotto_diag *diag, int err, const char *path)
{
    if (err && diag && !diag->file[0])
        diag_set(diag, err, path, "%s: %s", path, sotto_error_text(err));
    return err;
}

int sotto_transcribe_file(sotto_transcriber *t, const char *path, struct sotto_diag *diag)
{
    struct audio *a = NULL;

    if (!t || !path)
        return diag_set(diag, SOTTO_EINVAL, path, "sotto_transcribe_file: no transcriber or no path");
    if (diag)
        *diag = (struct sotto_diag){0};
    transcriber_begin(t);
    int err = needs_max(t, path) ? find_max(t, path, diag) : 0;
    if (!err)
        err = open_audio(t, &a, path, diag);
    if (!err) {
        t->total_s = audio_duration_s(a);
        err = feed_file(t, a, path, diag);
    }
    if (!err && audio_warning(a))
        transcriber_warn(t, "%s: %s", path, audio_warning(a));
    if (!err)
        err = sotto_finish(t, diag);
    audio_close(&a);
    if (err)
        transcriber_reset(t);
    return name_file(diag, err, path);
}

/* Reads up to 30 s and detects on them, as openai/whisper does: silence follows a short clip. */
int sotto_detect_language(sotto_transcriber *t, const char *path, const char **code, float *probs,
                          struct sotto_diag *diag)
{
    if (!t || !path || !code)
        return diag_set(diag, SOTTO_EINVAL, path, "sotto_detect_language: an argument is missing");
    if (!t->model->model->multilingual)
        return diag_set(diag, SOTTO_EUNSUPPORTED, path,
                        "an English-only model cannot detect languages");
    struct audio *a = NULL;
    struct batch *batch = NULL;
    struct net_window *window = NULL;
    float *samples = mem_alloc(FEATURES_WINDOW_SAMPLES, sizeof *samples);
    float *all = mem_alloc((size_t)language_count, sizeof *all);
    size_t n = 0, got = 1;

    if (diag)
        *diag = (struct sotto_diag){0};
    transcriber_begin(t);
    int err = samples && all ? open_audio(t, &a, path, diag) : SOTTO_ENOMEM;
    while (!err && got > 0 && n < FEATURES_WINDOW_SAMPLES) {
        err = read_timed(t, a, samples + n, FEATURES_WINDOW_SAMPLES - n, &got, diag);
        n += err ? 0 : got;
    }
    if (!err)
        err = net_window_open(&window, t->model->net);
    if (!err)
        err = batch_open(&batch, t->model->net, t->pool, t->config, 1);
    if (!err) {
        features_window(&t->features, samples, n, t->mel);
        err = transcriber_encode(t, window);
    }
    if (!err)
        err = batch_detect_language(batch, window, all);
    if (!err) {
        int best = 0;
        for (int l = 1; l < language_count; l++)
            best = all[l] > all[best] ? l : best;
        *code = sotto_language_code(best);
        if (probs)
            memcpy(probs, all, (size_t)language_count * sizeof *probs);
    }
    batch_close(&batch);
    net_window_close(&window);
    audio_close(&a);
    mem_free(samples);
    mem_free(all);
    transcriber_reset(t);
    return name_file(diag, err, path);
}
