/*
 * Opening models and transcribers, and feeding samples: the public functions of sotto.h but for
 * files (recording.c). The two modes do the work.
 */
#include "engine/transcriber.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audio/audio.h"
#include "base/datadir.h"
#include "base/mem.h"

enum { FEED_CHUNK = 5 * AUDIO_RATE }; // samples taken before the mode runs again

double clock_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* ---- models ---------------------------------------------------------------------------------- */

void sotto_model_params_init(struct sotto_model_params *params)
{
    *params = (struct sotto_model_params){.precision = SOTTO_PRECISION_AUTO};
}

int sotto_model_open(sotto_model **out, const char *path, const struct sotto_model_params *params,
                     struct sotto_diag *diag)
{
    struct sotto_model_params defaults;
    struct pool *pool = NULL;

    sotto_model_params_init(&defaults);
    if (!params)
        params = &defaults;
    if (!out || !path)
        return diag_set(diag, SOTTO_EINVAL, NULL, "sotto_model_open: no path or no place for it");
    if (params->n_threads < 0 || params->n_threads > 1024)
        return diag_set(diag, SOTTO_EINVAL, NULL, "n_threads is %d; it must be from 0 to 1024",
                        params->n_threads);

    if (params->precision < SOTTO_PRECISION_AUTO || params->precision > SOTTO_PRECISION_INT8)
        return diag_set(diag, SOTTO_EINVAL, NULL, "precision is %d, which is none",
                        (int)params->precision);

    sotto_model *m = mem_calloc(1, sizeof *m);
    int err = m ? 0 : diag_set(diag, SOTTO_ENOMEM, path, "out of memory");
    if (!err)
        err = model_open(&m->model, path, diag);
    if (!err && pool_open(&pool, params->n_threads ? params->n_threads : pool_usable_cores()))
        err = diag_set(diag, SOTTO_ENOMEM, path, "out of memory");
    if (!err) {
        struct net_params np = {.precision = params->precision, .reference = params->reference};
        m->reference = params->reference;
        err = net_open(&m->net, m->model, &np, pool, diag);
    }
    pool_close(&pool);
    if (err) {
        sotto_model_close(&m);
        return err;
    }
    *out = m;
    return 0;
}

void sotto_model_close(sotto_model **model)
{
    sotto_model *m = model ? *model : NULL;
    if (!m)
        return;
    net_close(&m->net);
    model_close(&m->model);
    mem_free(m);
    *model = NULL;
}

static const char *precision_name(enum sotto_precision p)
{
    static const char *const names[] = {"auto", "fp32", "bf16", "int8"};
    return names[p];
}

void sotto_model_get_info(const sotto_model *m, struct sotto_model_info *info)
{
    if (!info)
        return;
    if (!m) {
        *info = (struct sotto_model_info){.format = "", .weights = "", .kernels = "", .precision = ""};
        return;
    }
    const struct model_shape *s = &m->model->shape;

    *info = (struct sotto_model_info){
        .n_mels = s->n_mels,
        .n_audio_ctx = s->n_audio_ctx,
        .n_audio_state = s->n_audio_state,
        .n_audio_head = s->n_audio_head,
        .n_audio_layer = s->n_audio_layer,
        .n_text_ctx = s->n_text_ctx,
        .n_text_state = s->n_text_state,
        .n_text_head = s->n_text_head,
        .n_text_layer = s->n_text_layer,
        .n_vocab = s->n_vocab,
        .multilingual = m->model->multilingual,
        .n_languages = tokenizer_special(m->model->tokenizer)->n_languages,
        .format = m->model->format,
        .weights = tensor_type_name(m->model->weight_type),
        .kernels = net_kernels(m->net),
        .precision = precision_name(net_precision(m->net)),
    };
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_vad(struct sotto_transcriber *t, struct sotto_diag *diag)
{
    const struct sotto_options *o = &t->config->opt;
    char fetched[PATH_MAX] = "";
    const char *path = o->vad_model ? o->vad_model : fetched;
    struct vad_params p;

    if (!o->vad)
        return 0;
    if (!o->vad_model && (datadir_vad(fetched, sizeof fetched) || access(fetched, R_OK)))
        return diag_set(diag, SOTTO_ENOENT, fetched,
                        "voice activity detection has no weights%s%s: fetch them (sotto model fetch "
                        "silero-vad), name them (vad_model), or turn it off",
                        *fetched ? " at " : "", fetched);
    vad_params_init(&p);
    p.threshold = (float)o->vad_threshold;
    p.neg_threshold = (float)o->vad_neg_threshold;
    p.min_speech_ms = o->vad_min_speech_ms;
    p.min_silence_ms = o->vad_min_silence_ms;
    p.speech_pad_ms = o->vad_speech_pad_ms;
    p.max_speech_s = o->vad_max_speech_s;
    int err = vad_model_open(&t->vad_model, path, diag);
    if (!err && vad_open(&t->vad, t->vad_model, &p))
        err = diag_set(diag, SOTTO_ENOMEM, NULL, "out of memory");
    return err;
}

static int open_parts(struct sotto_transcriber *t)
{
    const struct model *m = t->model->model;
    int n_threads = t->config->opt.n_threads ? t->config->opt.n_threads : pool_usable_cores();

    int err = pool_open(&t->pool, n_threads);
    if (!err)
        err = features_open(&t->features, m->shape.n_mels, t->model->reference);
    if (!err)
        err = net_encoder_open(&t->encoder, t->model->net, n_threads);
    if (!err) {
        t->mel = mem_alloc((size_t)MEL_WINDOW_FRAMES * (size_t)m->shape.n_mels, sizeof *t->mel);
        err = t->mel ? 0 : SOTTO_ENOMEM;
    }
    return err;
}

int sotto_transcriber_open(sotto_transcriber **out, const sotto_model *model,
                           const struct sotto_options *options, struct sotto_diag *diag)
{
    struct sotto_options defaults;
    sotto_options_init(&defaults);
    if (!out || !model)
        return diag_set(diag, SOTTO_EINVAL, NULL, "sotto_transcriber_open: no model");

    sotto_transcriber *t = mem_calloc(1, sizeof *t);
    if (!t)
        return diag_set(diag, SOTTO_ENOMEM, NULL, "out of memory");
    t->model = model;
    t->mel_max = NAN;
    t->total_s = -1;
    samples_init(&t->samples);
    int err = config_open(&t->config, options ? options : &defaults, model->model, diag);
    if (!err)
        err = open_vad(t, diag);
    if (!err) {
        err = open_parts(t);
        if (err)
            diag_set(diag, err, NULL, "out of memory");
    }
    if (err) {
        sotto_transcriber_close(&t);
        return err;
    }
    *out = t;
    return 0;
}

static void close_modes(struct sotto_transcriber *t)
{
    sequential_close(&t->sequential);
    batched_close(&t->batched);
}

void sotto_transcriber_close(sotto_transcriber **transcriber)
{
    sotto_transcriber *t = transcriber ? *transcriber : NULL;
    if (!t)
        return;
    close_modes(t);
    samples_fini(&t->samples);
    vad_close(&t->vad);
    vad_model_close(&t->vad_model);
    net_encoder_close(&t->encoder);
    mem_free(t->mel);
    features_fini(&t->features);
    pool_close(&t->pool);
    config_close(&t->config);
    mem_free(t);
    *transcriber = NULL;
}

/* ---- for the modes --------------------------------------------------------------------------- */

bool transcriber_aborted(const struct sotto_transcriber *t)
{
    const struct sotto_options *o = &t->config->opt;
    return o->should_abort && o->should_abort(o->user);
}

int transcriber_encode(struct sotto_transcriber *t, struct net_window *window)
{
    const struct sotto_options *o = &t->config->opt;
    double start = clock_s();
    int err = net_encode(t->encoder, t->pool, t->mel, NULL, window, o->should_abort, o->user);

    t->stats.encode_s += clock_s() - start;
    t->stats.n_windows++;
    return err;
}

int transcriber_detect(struct sotto_transcriber *t, struct batch *b,
                       const struct net_window *window)
{
    const struct sotto_options *o = &t->config->opt;
    float *probs = mem_alloc((size_t)language_count, sizeof *probs);
    int best;
    int err = probs ? batch_detect_language(b, window, probs, &best) : SOTTO_ENOMEM;

    if (!err) {
        t->language = best;
        if (o->on_language)
            o->on_language(o->user, sotto_language_code(best), probs[best]);
    }
    mem_free(probs);
    return err;
}

int transcriber_emit(struct sotto_transcriber *t, const struct segment *s)
{
    const struct sotto_options *o = &t->config->opt;

    if (segment_is_blank(s))
        return 0;
    struct sotto_segment out = {
        .id = t->n_segments++,
        .start_s = s->start_s,
        .end_s = s->end_s,
        .seek_s = s->seek_s,
        .text = s->text,
        .tokens = s->tokens,
        .n_tokens = s->n_tokens,
        .words = s->words,
        .n_words = s->n_words,
        .temperature = s->temperature,
        .avg_logprob = s->avg_logprob,
        .compression_ratio = s->compression_ratio,
        .no_speech_prob = s->no_speech_prob,
        .language = sotto_language_code(s->language),
    };
    if (o->on_segment && o->on_segment(o->user, &out))
        return SOTTO_EABORTED;
    return 0;
}

void transcriber_progress(const struct sotto_transcriber *t, double done_s)
{
    const struct sotto_options *o = &t->config->opt;
    double known_s = t->samples.complete ? (double)t->samples.end / AUDIO_RATE : t->total_s;
    double total_s = fmin(known_s, config_end_s(t->config));
    struct sotto_progress p = {.done_s = done_s, .total_s = total_s};

    if (total_s >= 0 && done_s > total_s)
        p.done_s = total_s;
    if (o->on_progress)
        o->on_progress(o->user, &p);
}

void transcriber_warn(const struct sotto_transcriber *t, const char *fmt, ...)
{
    const struct sotto_options *o = &t->config->opt;
    char text[1024];
    va_list ap;

    if (!o->on_warning)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    o->on_warning(o->user, text);
}

/* ---- a recording ----------------------------------------------------------------------------- */

/* Forgets the present recording; the transcriber is ready for the next. */
void transcriber_reset(struct sotto_transcriber *t)
{
    close_modes(t);
    samples_reset(&t->samples);
    if (t->vad)
        vad_reset(t->vad);
    t->started = false;
    t->mel_max = NAN;
    t->total_s = -1;
}

void transcriber_begin(struct sotto_transcriber *t)
{
    transcriber_reset(t);
    t->started = true;
    t->mode = t->config->force_sequential ? SOTTO_MODE_SEQUENTIAL : t->config->opt.mode;
    t->language = t->config->language;
    t->n_segments = 0;
    t->n_bad_samples = 0;
    t->start_wall_s = clock_s();
    t->stats = (struct sotto_stats){.n_threads = pool_n_threads(t->pool), .device = "cpu"};
}

/* Gives new samples to the mode in use, or, when that has just been decided, all samples so far. */
static int feed_mode(struct sotto_transcriber *t, const float *samples, size_t n)
{
    int err = 0;

    if (t->mode == SOTTO_MODE_AUTO) {
        if (t->samples.end > FEATURES_WINDOW_SAMPLES)
            t->mode = SOTTO_MODE_BATCHED;
        else if (t->samples.complete)
            t->mode = SOTTO_MODE_SEQUENTIAL;
        else
            return 0;
    }
    if (!t->sequential && !t->batched) {
        samples = t->samples.data;
        n = (size_t)(t->samples.end - t->samples.begin);
        err = t->mode == SOTTO_MODE_BATCHED ? batched_open(&t->batched, t)
                                            : sequential_open(&t->sequential, t);
    }
    if (err)
        return err;
    double begin = clock_s();
    err = t->batched ? batched_feed(t->batched, samples, n)
                     : sequential_feed(t->sequential, samples, n);
    t->stats.vad_s += clock_s() - begin;
    if (err)
        return err;
    return t->batched ? batched_run(t->batched) : sequential_run(t->sequential);
}

static int feed_chunk(struct sotto_transcriber *t, const float *samples, size_t n)
{
    int64_t before = t->samples.end;
    int err = samples_append(&t->samples, samples, n, &t->n_bad_samples);

    if (err)
        return err;
    if (transcriber_aborted(t))
        return SOTTO_EABORTED;
    return feed_mode(t, t->samples.data + (before - t->samples.begin), n);
}

static int fail(struct sotto_transcriber *t, int err, struct sotto_diag *diag)
{
    transcriber_reset(t);
    return diag_set(diag, err, NULL, "%s", sotto_error_text(err));
}

int sotto_feed(sotto_transcriber *t, const float *samples, size_t n_samples,
               struct sotto_diag *diag)
{
    if (!t || (!samples && n_samples))
        return diag_set(diag, SOTTO_EINVAL, NULL, "sotto_feed: no transcriber or no samples");
    if (!t->started)
        transcriber_begin(t);
    for (size_t i = 0; i < n_samples; i += FEED_CHUNK) {
        size_t n = n_samples - i < FEED_CHUNK ? n_samples - i : FEED_CHUNK;
        int err = feed_chunk(t, samples + i, n);
        if (err)
            return fail(t, err, diag);
    }
    return 0;
}

int sotto_finish(sotto_transcriber *t, struct sotto_diag *diag)
{
    if (!t)
        return diag_set(diag, SOTTO_EINVAL, NULL, "sotto_finish: no transcriber");
    if (!t->started)
        transcriber_begin(t);
    t->samples.complete = true;
    int err = feed_mode(t, NULL, 0);
    if (err)
        return fail(t, err, diag);
    if (t->n_bad_samples > 0)
        transcriber_warn(t, "%lld samples were not numbers; they were taken as silence",
                         (long long)t->n_bad_samples);
    t->stats.audio_s = config_asked_s(t->config, (double)t->samples.end / AUDIO_RATE);
    t->stats.wall_s = clock_s() - t->start_wall_s;
    transcriber_progress(t, HUGE_VAL);
    transcriber_reset(t);
    return 0;
}

void sotto_get_stats(const sotto_transcriber *t, struct sotto_stats *stats)
{
    if (stats)
        *stats = t ? t->stats : (struct sotto_stats){.device = "cpu"};
}
