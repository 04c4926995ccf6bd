/*
 * Transcribing files: the public functions that read audio, which part of a file is read, and what
 * needs a recording twice.
 */
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "audio/audio.h"
#include "base/mem.h"
#include "engine/transcriber.h"

enum { READ_CHUNK = 1 << 15 }; // samples, about 2 s

/* Sound beside the clips that is read with them: a detector wants to hear what comes before a word
 * and that it goes on, a spectrogram half a frame. */
static const double lead_s = 5, trail_s = 1;
static const double window_s = (double)FEATURES_WINDOW_SAMPLES / AUDIO_RATE;
static const double beyond_any_s = 1e9;

/* ---- reading a part of a file ---------------------------------------------------------------- */

struct reading {
    struct audio *audio;
    float *buffer;   // READ_CHUNK
    int64_t at, end; // next sample; where to stop
};

static int64_t sample_of(double seconds)
{
    return llrint(fmin(seconds, beyond_any_s) * AUDIO_RATE);
}

/* From sample `begin` to the end; the caller may set r->end. */
static int reading_open(struct reading *r, struct sotto_transcriber *t, const char *path,
                        int64_t begin, struct sotto_diag *diag)
{
    const struct sotto_options *o = &t->config->opt;
    struct audio_params p = {
        .stream = o->audio_stream,
        .channel = o->channel,
        .start_s = (double)begin / AUDIO_RATE,
        .should_abort = o->should_abort,
        .user = o->user,
    };

    *r = (struct reading){.at = begin, .end = INT64_MAX};
    r->buffer = mem_alloc(READ_CHUNK, sizeof *r->buffer);
    if (!r->buffer)
        return diag_set(diag, SOTTO_ENOMEM, path, "out of memory");
    return audio_open(&r->audio, path, &p, diag);
}

static void reading_close(struct reading *r)
{
    audio_close(&r->audio);
    mem_free(r->buffer);
}

/* Up to READ_CHUNK samples into r->buffer; `*n` 0: the end. */
static int reading_next(struct reading *r, size_t *n, struct sotto_diag *diag)
{
    int64_t left = r->end > r->at ? r->end - r->at : 0;
    int err = audio_read(r->audio, r->buffer, left < READ_CHUNK ? (size_t)left : READ_CHUNK, n, diag);

    r->at += err ? 0 : (int64_t)*n;
    return err;
}

/* Opens the part of the file that the clips need, or all of it. */
static int open_wanted(struct reading *r, struct sotto_transcriber *t, const char *path,
                       struct sotto_diag *diag)
{
    const struct sotto_options *o = &t->config->opt;
    double start_s = config_start_s(t->config), end_s = config_end_s(t->config);
    int64_t begin = sample_of(fmax(start_s - lead_s, 0));

    begin -= begin % VAD_CHUNK; // the detector sees the chunks of a whole read
    int err = reading_open(r, t, path, begin, diag);
    if (!isnan(o->hallucination_silence_threshold))
        end_s += o->hallucination_silence_threshold;
    if (t->config->language < 0 && !o->vad) // detected on a whole window
        end_s = fmax(end_s, start_s + window_s);
    r->end = sample_of(end_s + trail_s);
    return err;
}

/* ---- the loudest frame ----------------------------------------------------------------------- */

struct scan {
    struct samples samples;
    int64_t frame, end; // frames still to be looked at
    float max;
};

/* Looks at all frames that are there; leaves the last ones, which need samples yet to come, unless
 * the recording is complete. */
static void scan_frames(struct scan *scan, struct sotto_transcriber *t)
{
    struct samples *s = &scan->samples;

    for (;;) {
        int64_t n_ready = (s->complete ? s->end : s->end - FEATURES_MARGIN) / MEL_HOP;
        int64_t n = (n_ready < scan->end ? n_ready : scan->end) - scan->frame;
        if (n <= 0 || (n < MEL_WINDOW_FRAMES && !s->complete))
            return;
        if (n > MEL_WINDOW_FRAMES)
            n = MEL_WINDOW_FRAMES;
        float max;
        features_frames(&t->features, s, scan->frame, (int)n, t->mel, &max);
        scan->max = max > scan->max ? max : scan->max;
        scan->frame += n;
        samples_forget(s, features_first_sample(scan->frame));
    }
}

/*
 * openai/whisper floors the spectrogram at 8 below the maximum of the whole recording. The
 * sequential mode without voice activity detection promises the same numbers, so it reads a file
 * twice: first for that maximum (of the stretch that the clips lie in: all the rest need not be
 * read). Standard input cannot be read twice: there the maximum so far is used.
 */
static int find_max(struct sotto_transcriber *t, const char *path, struct sotto_diag *diag)
{
    struct reading r;
    struct scan scan = {
        .frame = features_frame_at(config_start_s(t->config)),
        .end = features_frame_at(config_end_s(t->config)),
        .max = -10.0f, // log10 of the floor, 1e-10: what the padding after the end has
    };
    size_t n = 1;
    int err = open_wanted(&r, t, path, diag);

    samples_init(&scan.samples);
    samples_start(&scan.samples, r.at);
    while (!err && n > 0) {
        err = reading_next(&r, &n, diag);
        if (!err && samples_append(&scan.samples, r.buffer, n, NULL))
            err = diag_set(diag, SOTTO_ENOMEM, path, "out of memory");
        scan.samples.complete = n == 0;
        if (!err)
            scan_frames(&scan, t);
    }
    if (!err)
        t->mel_max = scan.max;
    reading_close(&r);
    samples_fini(&scan.samples);
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

/* ---- public functions ------------------------------------------------------------------------ */

static int feed_file(struct sotto_transcriber *t, struct reading *r, struct sotto_diag *diag)
{
    size_t n = 1;
    int err = 0;

    samples_start(&t->samples, r->at);
    while (!err && n > 0) {
        double start = clock_s();
        err = reading_next(r, &n, diag);
        t->stats.decode_audio_s += clock_s() - start;
        if (!err && n > 0)
            err = sotto_feed(t, r->buffer, n, diag);
    }
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
    struct reading r = {0};

    if (!t || !path)
        return diag_set(diag, SOTTO_EINVAL, path, "sotto_transcribe_file: no transcriber or no path");
    if (diag)
        *diag = (struct sotto_diag){0};
    transcriber_begin(t);
    int err = needs_max(t, path) ? find_max(t, path, diag) : 0;
    if (!err)
        err = open_wanted(&r, t, path, diag);
    if (!err) {
        t->total_s = audio_duration_s(r.audio);
        err = feed_file(t, &r, diag);
    }
    if (!err && audio_warning(r.audio))
        transcriber_warn(t, "%s: %s", path, audio_warning(r.audio));
    if (!err)
        err = sotto_finish(t, diag);
    reading_close(&r);
    if (err)
        transcriber_reset(t);
    return name_file(diag, err, path);
}

/* Reads up to 30 s into t->mel, with silence after a short recording, as openai/whisper does. */
static int read_first_window(struct sotto_transcriber *t, const char *path, struct sotto_diag *diag)
{
    struct reading r = {0};
    float *samples = mem_alloc(FEATURES_WINDOW_SAMPLES, sizeof *samples);
    size_t n = 0, got = 1;
    int err = samples ? 0 : SOTTO_ENOMEM;

    if (!err)
        err = reading_open(&r, t, path, sample_of(config_start_s(t->config)), diag);
    r.end = r.at + FEATURES_WINDOW_SAMPLES;
    while (!err && got > 0) {
        err = reading_next(&r, &got, diag);
        if (!err)
            memcpy(samples + n, r.buffer, got * sizeof *samples);
        n += err ? 0 : got;
    }
    if (!err)
        features_window(&t->features, samples, n, t->mel);
    reading_close(&r);
    mem_free(samples);
    return err;
}

int sotto_detect_language(sotto_transcriber *t, const char *path, const char **code, float *probs,
                          struct sotto_diag *diag)
{
    if (!t || !path || !code)
        return diag_set(diag, SOTTO_EINVAL, path, "sotto_detect_language: an argument is missing");
    if (!t->model->model->multilingual)
        return diag_set(diag, SOTTO_EUNSUPPORTED, path,
                        "an English-only model cannot detect languages");
    struct batch *batch = NULL;
    struct net_window *window = NULL;
    float *all = mem_alloc((size_t)language_count, sizeof *all);
    int best;

    if (diag)
        *diag = (struct sotto_diag){0};
    transcriber_begin(t);
    int err = all ? read_first_window(t, path, diag) : SOTTO_ENOMEM;
    if (!err)
        err = net_window_open(&window, t->model->net);
    if (!err)
        err = batch_open(&batch, t->model->net, t->pool, t->config, 1);
    if (!err)
        err = transcriber_encode(t, window);
    if (!err)
        err = batch_detect_language(batch, window, all, &best);
    if (!err) {
        *code = sotto_language_code(best);
        if (probs)
            memcpy(probs, all, (size_t)language_count * sizeof *probs);
    }
    batch_close(&batch);
    net_window_close(&window);
    mem_free(all);
    transcriber_reset(t);
    return name_file(diag, err, path);
}
