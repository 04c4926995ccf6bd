/*
 * The sequential mode: windows follow each other, each beginning where the timestamps of the one
 * before say. Rules: openai/whisper, whisper/transcribe.py (the main loop). Added to them: with
 * voice activity detection, long silences are passed over and no window reaches into one.
 */
#include <math.h>
#include <string.h>

#include "audio/audio.h"
#include "base/mem.h"
#include "engine/hallucination.h"
#include "engine/speech.h"
#include "engine/timing.h"
#include "engine/transcriber.h"

enum {
    HISTORY_MAX = 512, // tokens kept; a prompt takes the last n_text_ctx / 2 - 1
};

struct sequential {
    struct sotto_transcriber *t;
    struct batch *batch;
    struct net_window *window;
    struct speech speech;
    bool use_speech;
    bool ended;                // after the last clip
    int clip;
    int64_t seek;              // frame where the next window begins
    int64_t counted;           // frames up to here are in stats.speech_s
    int64_t n_windows;
    int32_t history[HISTORY_MAX]; // text so far (with the initial prompt), since the last reset
    int n_history;
    struct timing timing;      // open if word times are wanted
    double last_speech_s;      // end of the last word
    struct segment_list segments; // of the present window
};

/* A stretch of frames to decode as one window. */
struct extent {
    int64_t seek;
    int n_frames;
};

enum progress { PROGRESS_WAIT, PROGRESS_READY, PROGRESS_END };

int sequential_open(struct sequential **out, struct sotto_transcriber *t)
{
    const struct config *c = t->config;
    struct sequential *s = mem_calloc(1, sizeof *s);
    if (!s)
        return SOTTO_ENOMEM;
    s->t = t;
    s->use_speech = t->vad != NULL;
    speech_init(&s->speech, t->vad, t->samples.begin);
    if (!c->opt.carry_initial_prompt) {
        s->n_history = c->initial_prompt.n < HISTORY_MAX ? c->initial_prompt.n : HISTORY_MAX;
        if (s->n_history > 0)
            config_copy_ids(s->history, c->initial_prompt.ids + (c->initial_prompt.n - s->n_history),
                            s->n_history);
    }
    int err = batch_open(&s->batch, t->model->net, t->pool, c, 1);
    if (!err)
        err = net_window_open(&s->window, t->model->net);
    if (!err && c->opt.word_timestamps)
        err = timing_open(&s->timing, t->model->net, c, s->batch);
    if (err)
        sequential_close(&s);
    else
        *out = s;
    return err;
}

void sequential_close(struct sequential **sequential)
{
    struct sequential *s = sequential ? *sequential : NULL;
    if (!s)
        return;
    batch_close(&s->batch);
    net_window_close(&s->window);
    speech_fini(&s->speech);
    segment_list_fini(&s->segments);
    timing_fini(&s->timing);
    mem_free(s);
    *sequential = NULL;
}

int sequential_feed(struct sequential *s, const float *samples, size_t n)
{
    if (!s->use_speech || s->ended)
        return 0;
    int err = speech_feed(&s->speech, samples, n);
    if (!err && s->t->samples.complete)
        err = speech_finish(&s->speech);
    return err;
}

/* ---- what to decode next --------------------------------------------------------------------- */

static int64_t content_frames(const struct sequential *s)
{
    return s->t->samples.complete ? s->t->samples.end / MEL_HOP : INT64_MAX;
}

/* Frames of the present clip; false after the last. */
static bool present_clip(const struct sequential *s, int64_t *begin, int64_t *end)
{
    const struct sotto_options *o = &s->t->config->opt;
    int64_t content = content_frames(s);

    if (s->clip >= (o->n_clips > 0 ? o->n_clips : 1))
        return false;
    *begin = o->n_clips > 0 ? features_frame_at(o->clips[s->clip].start_s) : 0;
    *end = o->n_clips > 0 && o->clips[s->clip].end_s >= 0 ? features_frame_at(o->clips[s->clip].end_s)
                                                          : content;
    *end = *end < content ? *end : content;
    return true;
}

/* What comes after a long silence is decoded without what was said before it: short windows, which
 * silence makes, tempt the recogniser to repeat their prompt. */
static void forget_text(struct sequential *s)
{
    if (s->n_windows > 0)
        s->n_history = 0;
}

/* Moves s->seek over silence. Returns the frame where the speech that it has reached ends (or
 * INT64_MAX while that is open), or -1 if it stands in silence and nothing more is known. */
static int64_t skip_silence(struct sequential *s, int64_t clip_end)
{
    struct speech_group g;
    int64_t silent_until;

    if (!s->use_speech)
        return INT64_MAX;
    if (!speech_at(&s->speech, s->seek * MEL_HOP, &g, &silent_until)) {
        int64_t frame = s->speech.finished ? clip_end : silent_until / MEL_HOP;
        if (frame > s->seek) {
            s->seek = frame < clip_end ? frame : clip_end;
            forget_text(s);
        }
        return -1;
    }
    if (g.begin / MEL_HOP > s->seek) {
        s->seek = g.begin / MEL_HOP;
        forget_text(s);
    }
    return g.closed ? (g.end + MEL_HOP - 1) / MEL_HOP : INT64_MAX;
}

/* Are all samples here that frames up to `end` need? The hallucination rule looks further ahead,
 * and the language is detected on 30 s. */
static bool samples_ready(const struct sequential *s, int64_t end)
{
    double ahead_s = s->t->config->opt.hallucination_silence_threshold;
    if (s->t->language < 0 && !s->use_speech && end < s->seek + MEL_WINDOW_FRAMES)
        end = s->seek + MEL_WINDOW_FRAMES;
    int64_t last = features_last_sample(end - 1);

    if (!isnan(ahead_s))
        last += (int64_t)(ahead_s * AUDIO_RATE);
    return s->t->samples.complete || s->t->samples.end >= last;
}

static enum progress next_extent(struct sequential *s, struct extent *e)
{
    int64_t begin, end;

    while (present_clip(s, &begin, &end)) {
        if (s->seek < begin)
            s->seek = begin;
        if (s->seek >= end) {
            s->clip++;
            continue;
        }
        int64_t limit = skip_silence(s, end);
        if (s->seek >= end)
            continue;
        if (limit < 0)
            return PROGRESS_WAIT;
        limit = limit < end ? limit : end;
        int64_t stop = s->seek + MEL_WINDOW_FRAMES < limit ? s->seek + MEL_WINDOW_FRAMES : limit;
        if (!samples_ready(s, stop))
            return PROGRESS_WAIT;
        *e = (struct extent){s->seek, (int)(stop - s->seek)};
        return PROGRESS_READY;
    }
    return PROGRESS_END;
}

/* ---- one window ------------------------------------------------------------------------------ */

/* Features of the extent into t->mel, floored by the maximum of the recording (or of what has been
 * heard of it so far). */
static void compute_features(struct sequential *s, const struct extent *e)
{
    struct sotto_transcriber *t = s->t;
    double start = clock_s();
    float max;

    features_frames(&t->features, &t->samples, e->seek, e->n_frames, t->mel, &max);
    if (!(t->mel_max >= max))
        t->mel_max = max;
    features_finish(&t->features, t->mel, e->n_frames, (float)t->mel_max);
    t->stats.mel_s += clock_s() - start;
}

/* openai/whisper detects on the first 30 s as they are, with silence after a short recording, which
 * differs from that recording's window to decode (padded with zeros in the spectrogram). Without
 * voice activity detection we do the same, but from the first clip on; with it, the first window of
 * speech serves. */
static bool detects_apart(const struct sequential *s, const struct extent *e)
{
    return s->t->language < 0 && !s->use_speech && e->n_frames < MEL_WINDOW_FRAMES;
}

static int detect_apart(struct sequential *s, int64_t seek)
{
    struct extent first = {seek, MEL_WINDOW_FRAMES};

    compute_features(s, &first);
    int err = transcriber_encode(s->t, s->window);
    return err ? err : transcriber_detect(s->t, s->batch, s->window);
}

/* Previous text for the prompt: hotwords, then what was said. Returns its length. */
static int build_previous(const struct sequential *s, int32_t *dst)
{
    const struct config *c = s->t->config;
    int room = s->t->model->model->shape.n_text_ctx / 2 - 1, n = 0;
    const struct config_tokens *lead[] = {&c->hotwords, &c->initial_prompt};

    room = room < HISTORY_MAX ? room : HISTORY_MAX; // `dst` holds no more
    for (int i = 0; i < 2; i++) {
        if (i == 1 && !c->opt.carry_initial_prompt)
            break;
        int take = lead[i]->n < (room - n) / 2 || i == 1 ? lead[i]->n : (room - n) / 2;
        take = take < room - n ? take : room - n;
        config_copy_ids(dst + n, lead[i]->ids, take);
        n += take;
    }
    int rest = s->n_history < room - n ? s->n_history : room - n;
    config_copy_ids(dst + n, s->history + (s->n_history - rest), rest);
    return n + rest;
}

static void remember(struct sequential *s, const int32_t *tokens, int n)
{
    if (n > HISTORY_MAX) {
        tokens += n - HISTORY_MAX;
        n = HISTORY_MAX;
    }
    int keep = s->n_history < HISTORY_MAX - n ? s->n_history : HISTORY_MAX - n;
    memmove(s->history, s->history + (s->n_history - keep), (size_t)keep * sizeof *s->history);
    config_copy_ids(s->history + keep, tokens, n);
    s->n_history = keep + n;
}

static int run_job(struct sequential *s, struct job *job)
{
    double start = clock_s();
    int err = batch_add(s->batch, job);

    while (!err && !batch_take(s->batch))
        err = batch_step(s->batch);
    if (err)
        batch_cancel(s->batch);
    s->t->stats.decode_s += clock_s() - start;
    s->t->stats.n_tokens = (int)batch_n_tokens(s->batch);
    s->t->stats.n_fallbacks += job->n_fallbacks;
    return err;
}

/* Emits the window's segments and remembers their text. The recogniser may put times into the
 * silence that fills up the last window: the clip's end stands for them. */
static int deliver(struct sequential *s, const struct job *job)
{
    int64_t begin, end;
    bool known = present_clip(s, &begin, &end) && end < INT64_MAX;
    int err = 0;

    for (int i = 0; i < s->segments.n && !err; i++) {
        struct segment *seg = &s->segments.items[i];
        double end_s = known ? (double)end / FEATURES_PER_SECOND : HUGE_VAL;
        if (seg->start_s == seg->end_s || segment_is_blank(seg))
            continue;
        seg->start_s = fmin(seg->start_s, end_s);
        seg->end_s = fmin(seg->end_s, end_s);
        err = transcriber_emit(s->t, seg);
        remember(s, seg->tokens, seg->n_tokens);
    }
    if (!s->t->config->opt.condition_on_previous_text || job->temperature > 0.5f)
        s->n_history = 0;
    return err;
}

/* Silence before or around words that were probably never spoken is skipped. Returns false if the
 * window is to be decoded again from `*next` on. */
static bool judge_words(struct sequential *s, const struct extent *e,
                        const struct segments_end *end, int64_t *next)
{
    const struct sotto_transcriber *t = s->t;
    struct timing *tm = &s->timing;
    int64_t content = content_frames(s);
    struct hallucination_window w = {
        .threshold_s = t->config->opt.hallucination_silence_threshold,
        .offset_s = (double)e->seek / FEATURES_PER_SECOND,
        .segment_s = (double)e->n_frames / FEATURES_PER_SECOND,
        .content_s = content == INT64_MAX ? HUGE_VAL : (double)content / FEATURES_PER_SECOND,
        .last_speech_s = s->last_speech_s,
        .single_timestamp_ending = end->single_ending,
        .window_s = (double)MEL_WINDOW_FRAMES / FEATURES_PER_SECOND,
    };
    double seek_s;
    int n_kept;

    if (isnan(w.threshold_s))
        return true;
    enum hallucination_verdict v = hallucination_judge(&w, tm->segments, tm->n_segments, &seek_s,
                                                       &n_kept);
    if (v != HALLUCINATION_NONE)
        *next = features_frame_at(seek_s);
    if (v == HALLUCINATION_CUT)
        tm->n_segments = n_kept;
    return v != HALLUCINATION_RETRY;
}

/* openai/whisper, whisper/transcribe.py: what follows add_word_timestamps. */
static int time_words(struct sequential *s, const struct extent *e, const struct job *job,
                      const struct segments_end *end, int64_t *next)
{
    struct timing *tm = &s->timing;
    struct timing_window w = {
        .window = s->window,
        .language = job->language,
        .n_frames = e->n_frames,
        .offset_s = (double)e->seek / FEATURES_PER_SECOND,
        .last_speech_s = s->last_speech_s,
    };
    double start = clock_s();
    int err = timing_run(tm, s->batch, s->t->pool, &w, &s->segments);

    s->t->stats.decode_s += clock_s() - start;
    if (err)
        return err;
    double last = wordtimes_end(tm->segments, tm->n_segments, -1);
    if (!end->single_ending && last > w.offset_s)
        *next = features_frame_at(last);
    if (!judge_words(s, e, end, next)) {
        segment_list_truncate(&s->segments, 0);
        return 0;
    }
    segment_list_truncate(&s->segments, tm->n_segments);
    s->last_speech_s = wordtimes_end(tm->segments, tm->n_segments, s->last_speech_s);
    return timing_store(tm, &s->segments);
}

/* Cuts the window into segments, times the words, and decides where the next window begins. */
static int finish_window(struct sequential *s, const struct extent *e, const struct job *job)
{
    struct segments_window w = {
        .tokens = job->tokens,
        .n_tokens = job->n_tokens,
        .offset_s = (double)e->seek / FEATURES_PER_SECOND,
        .duration_s = (double)e->n_frames / FEATURES_PER_SECOND,
    };
    struct segments_end end;
    struct sotto_transcriber *t = s->t;

    segment_list_truncate(&s->segments, 0);
    int err = segments_cut(&s->segments, t->model->model->tokenizer, &w, &end);
    if (err)
        return err;
    for (int i = 0; i < s->segments.n; i++)
        job_describe(job, &s->segments.items[i]);
    int64_t next = e->seek + features_frame_at(end.resume_s);
    if (t->config->opt.word_timestamps)
        err = time_words(s, e, job, &end, &next);
    if (!err)
        err = deliver(s, job);
    s->seek = next > e->seek ? next : e->seek + e->n_frames;
    return err;
}

static int decode_extent(struct sequential *s, const struct extent *e)
{
    struct sotto_transcriber *t = s->t;
    int32_t previous[HISTORY_MAX];
    int err = detects_apart(s, e) ? detect_apart(s, e->seek) : 0;

    if (err)
        return err;
    compute_features(s, e);
    int64_t stop = e->seek + e->n_frames, from = e->seek > s->counted ? e->seek : s->counted;
    if (stop > from) { // windows may overlap
        t->stats.speech_s += (double)(stop - from) / FEATURES_PER_SECOND;
        s->counted = stop;
    }
    err = transcriber_encode(t, s->window);
    if (!err && t->language < 0)
        err = transcriber_detect(t, s->batch, s->window);
    if (err)
        return err;
    struct job job = {
        .window = s->window,
        .previous = previous,
        .n_previous = build_previous(s, previous),
        .use_prefix = s->n_windows == 0,
        .language = t->language,
        .number = (uint64_t)s->n_windows++,
    };
    err = run_job(s, &job);
    if (!err && job.silence)
        s->seek = e->seek + e->n_frames;
    else if (!err)
        err = finish_window(s, e, &job);
    job_fini(&job);
    return err;
}

int sequential_run(struct sequential *s)
{
    struct extent e;
    enum progress p = PROGRESS_WAIT;
    int err = 0;

    while (!err && (p = next_extent(s, &e)) == PROGRESS_READY) {
        err = decode_extent(s, &e);
        transcriber_progress(s->t, (double)s->seek / FEATURES_PER_SECOND);
    }
    s->ended |= p == PROGRESS_END; // after the last clip nothing is needed any more
    samples_forget(&s->t->samples,
                   s->ended ? s->t->samples.end : features_first_sample(s->seek));
    return err;
}
