/*
 * Checking options, and encoding their texts. Defaults follow openai/whisper (whisper/transcribe.py,
 * cli) where it has the option, SYSTRAN/faster-whisper (TranscriptionOptions, VadOptions) for
 * hotwords and voice activity.
 */
#include "engine/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

void sotto_options_init(struct sotto_options *o)
{
    *o = (struct sotto_options){
        .temperature_increment = 0.2,
        .best_of = 5,
        .beam_size = 1,
        .patience = 1.0,
        .length_penalty = -1.0,
        .compression_ratio_threshold = 2.4,
        .logprob_threshold = -1.0,
        .no_speech_threshold = 0.6,
        .condition_on_previous_text = true,
        .suppress_tokens = "-1",
        .suppress_blank = true,
        .max_initial_timestamp = 1.0,
        .hallucination_silence_threshold = NAN,
        .vad = true,
        .vad_threshold = 0.5,
        .vad_neg_threshold = NAN,
        .vad_min_speech_ms = 250,
        .vad_min_silence_ms = 500,
        .vad_speech_pad_ms = 400,
        .audio_stream = -1,
        .channel = -1,
    };
}

struct range {
    const char *name;
    double value, min, max;
    bool nan_is_off; // NAN switches the rule off; elsewhere it is a mistake
};

/* The one list of numeric ranges. What is not bounded here is only ever compared. */
static int check_ranges(const struct sotto_options *o, struct sotto_diag *diag)
{
    // clang-format off
    const struct range ranges[] = {
        {"task", o->task, SOTTO_TASK_TRANSCRIBE, SOTTO_TASK_TRANSLATE, false},
        {"mode", o->mode, SOTTO_MODE_AUTO, SOTTO_MODE_BATCHED, false},
        {"n_threads", o->n_threads, 0, 1024, false},
        {"batch_size", o->batch_size, 0, CONFIG_BATCH_MAX, false},
        {"temperature", o->temperature, 0, 1, false},
        {"temperature_increment", o->temperature_increment, 0, 1, false},
        {"best_of", o->best_of, 1, CONFIG_GROUP_MAX, false},
        {"beam_size", o->beam_size, 1, CONFIG_GROUP_MAX, false},
        {"patience", o->patience, 0.01, 100, false},
        {"length_penalty", o->length_penalty, -HUGE_VAL, 1, false},
        {"compression_ratio_threshold", o->compression_ratio_threshold, 0, HUGE_VAL, true},
        {"logprob_threshold", o->logprob_threshold, -HUGE_VAL, HUGE_VAL, true},
        {"no_speech_threshold", o->no_speech_threshold, 0, 1, true},
        {"max_initial_timestamp", o->max_initial_timestamp, -HUGE_VAL, 30, false},
        {"hallucination_silence_threshold", o->hallucination_silence_threshold, 0, 1e6, true},
        {"vad_threshold", o->vad_threshold, 0, 1, false},
        {"vad_neg_threshold", o->vad_neg_threshold, 0, 1, true},
        {"vad_min_speech_ms", o->vad_min_speech_ms, 0, 1e6, false},
        {"vad_min_silence_ms", o->vad_min_silence_ms, 0, 1e6, false},
        {"vad_max_speech_s", o->vad_max_speech_s, 0, HUGE_VAL, false},
        {"vad_speech_pad_ms", o->vad_speech_pad_ms, 0, 1e5, false},
        {"audio_stream", o->audio_stream, -1, 1e6, false},
        {"channel", o->channel, -1, 1e6, false},
        {"n_clips", o->n_clips, 0, 1e6, false},
    };
    // clang-format on

    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const struct range *r = &ranges[i];
        bool within = r->value >= r->min && r->value <= r->max;
        if (!within && !(isnan(r->value) && r->nan_is_off))
            return diag_set(diag, SOTTO_EINVAL, NULL, "%s is %g; it must be from %g to %g", r->name,
                            r->value, r->min, r->max);
    }
    return 0;
}

static int check_clips(const struct sotto_options *o, struct sotto_diag *diag)
{
    double last_end_s = 0;

    if (o->n_clips > 0 && !o->clips)
        return diag_set(diag, SOTTO_EINVAL, NULL, "n_clips is %d, but clips is NULL", o->n_clips);
    for (int i = 0; i < o->n_clips; i++) {
        const struct sotto_clip *c = &o->clips[i];
        bool ordered = isfinite(c->start_s) && c->start_s >= last_end_s;
        if (!ordered || !(c->end_s < 0 || c->end_s >= c->start_s))
            return diag_set(diag, SOTTO_EINVAL, NULL,
                            "clip %d (%g to %g s) is not a span in ascending order", i + 1,
                            c->start_s, c->end_s);
        last_end_s = c->end_s < 0 ? HUGE_VAL : c->end_s;
    }
    return 0;
}

/* Options that exclude or need each other. */
static int check_pairs(const struct sotto_options *o, struct sotto_diag *diag)
{
    if (!isnan(o->hallucination_silence_threshold) && !o->word_timestamps)
        return diag_set(diag, SOTTO_EINVAL, NULL,
                        "hallucination_silence_threshold needs word_timestamps");
    if (o->beam_size > 1 && rint(o->beam_size * o->patience) < 1)
        return diag_set(diag, SOTTO_EINVAL, NULL,
                        "patience is %g: with %d beams not one candidate may finish", o->patience,
                        o->beam_size);
    return 0;
}

static int check_options(const struct sotto_options *o, struct sotto_diag *diag)
{
    int err = check_ranges(o, diag);
    if (!err)
        err = check_clips(o, diag);
    return err ? err : check_pairs(o, diag);
}

static int check_language(struct config *c, const struct model *model, struct sotto_diag *diag)
{
    const struct sotto_options *o = &c->opt;

    c->language = -1;
    if (o->language) {
        c->language = sotto_language_find(o->language);
        if (c->language < 0)
            return diag_set(diag, SOTTO_ELANGUAGE, NULL, "unknown language \"%s\"", o->language);
    }
    if (!model->multilingual) {
        int english = sotto_language_find("en");
        if (c->language >= 0 && c->language != english)
            return diag_set(diag, SOTTO_ELANGUAGE, NULL,
                            "this model knows only English, not \"%s\"; take a multilingual model",
                            o->language);
        if (o->task == SOTTO_TASK_TRANSLATE)
            return diag_set(diag, SOTTO_EUNSUPPORTED, NULL,
                            "an English-only model cannot translate; take a multilingual model");
        c->language = english;
    }
    if (c->language >= 0 && model->multilingual &&
        tokenizer_language_token(model->tokenizer, c->language) < 0)
        return diag_set(diag, SOTTO_ELANGUAGE, NULL, "this model does not know %s",
                        sotto_language_name(c->language));
    return 0;
}

static int own_string(struct config *c, const char **s)
{
    if (!*s)
        return 0;
    char *copy = mem_strdup(*s);
    if (!copy)
        return SOTTO_ENOMEM;
    c->strings[c->n_strings++] = copy;
    *s = copy;
    return 0;
}

static int own_strings(struct config *c)
{
    struct sotto_options *o = &c->opt;
    const char **strings[] = {&o->language,
                              &o->initial_prompt,
                              &o->prefix,
                              &o->hotwords,
                              &o->suppress_tokens,
                              &o->prepend_punctuations,
                              &o->append_punctuations,
                              &o->vad_model};
    const struct sotto_clip *clips = o->clips;

    o->clips = NULL;
    if (o->n_clips > 0) {
        struct sotto_clip *copy = mem_alloc((size_t)o->n_clips, sizeof *copy);
        if (!copy)
            return SOTTO_ENOMEM;
        memcpy(copy, clips, (size_t)o->n_clips * sizeof *copy);
        o->clips = copy;
    }
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        if (own_string(c, strings[i]))
            return SOTTO_ENOMEM;
    return 0;
}

/* Encodes " " + text without white space around it, as openai/whisper does with prompts. */
static int encode_text(struct config_tokens *out, const struct tokenizer *t, const char *text)
{
    if (!text)
        return 0;
    size_t length = strlen(text);
    text = utf8_strip(text, &length);

    char *padded = mem_alloc(length + 2, 1);
    if (!padded)
        return SOTTO_ENOMEM;
    padded[0] = ' ';
    memcpy(padded + 1, text, length);
    padded[length + 1] = '\0';

    int n = tokenizer_encode(t, padded, NULL, 0);
    int err = n < 0 ? n : 0;
    if (!err) {
        out->ids = mem_alloc((size_t)n, sizeof *out->ids);
        err = out->ids ? 0 : SOTTO_ENOMEM;
    }
    if (!err)
        out->n = tokenizer_encode(t, padded, out->ids, n);
    mem_free(padded);
    return err;
}

static int parse_suppress(struct config *c, const struct tokenizer *t, struct sotto_diag *diag)
{
    int n_set;
    const int32_t *set = tokenizer_non_speech(t, &n_set);
    const char *s = c->opt.suppress_tokens ? c->opt.suppress_tokens : "";
    size_t n_max = strlen(s) / 2 + 1 + (size_t)n_set;

    c->suppress.ids = mem_alloc(n_max, sizeof *c->suppress.ids);
    if (!c->suppress.ids)
        return SOTTO_ENOMEM;
    bool has_set = false;
    while (*s) {
        char *end;
        long id = strtol(s, &end, 10);
        if (end == s || (*end && *end != ',') || id < -1 || id >= tokenizer_n_tokens(t))
            return diag_set(diag, SOTTO_EINVAL, NULL,
                            "suppress_tokens: \"%s\" is not a list of token ids", s);
        if (id >= 0)
            c->suppress.ids[c->suppress.n++] = (int32_t)id;
        has_set |= id == -1;
        s = *end ? end + 1 : end;
    }
    if (has_set) {
        memcpy(c->suppress.ids + c->suppress.n, set, (size_t)n_set * sizeof *set);
        c->suppress.n += n_set;
    }
    return 0;
}

/* openai/whisper, whisper/transcribe.py, cli: numpy.arange(temperature, 1 + 1e-6, increment). */
static void plan_temperatures(struct config *c)
{
    double t = c->opt.temperature, step = c->opt.temperature_increment;

    c->temperatures[0] = t;
    c->n_temperatures = 1;
    if (step < 1.0 / (CONFIG_MAX_TEMPERATURES - 2))
        step = step > 0 ? 1.0 / (CONFIG_MAX_TEMPERATURES - 2) : HUGE_VAL;
    for (int i = 1; t + i * step < 1 + 1e-6; i++)
        c->temperatures[c->n_temperatures++] = t + i * step;
}

static void plan_search(struct config *c, const struct model *model)
{
    const struct sotto_options *o = &c->opt;

    c->search = (struct search_params){
        .beam_size = o->beam_size,
        .best_of = o->best_of,
        .patience = o->patience,
        .length_penalty = o->length_penalty,
        .seed = o->seed,
        .sample_len = model->shape.n_text_ctx / 2,
        .without_timestamps = o->without_timestamps,
        .max_initial_timestamp_s = o->max_initial_timestamp > 0 ? o->max_initial_timestamp : -1,
        .suppress_blank = o->suppress_blank,
        .suppress = c->suppress.ids,
        .n_suppress = c->suppress.n,
    };
}

struct search_params config_search(const struct config *c, double temperature, uint64_t window)
{
    struct search_params p = c->search;

    p.temperature = temperature;
    p.seed = c->opt.seed * 0x9e3779b97f4a7c15u + window;
    return p;
}

double config_start_s(const struct config *c)
{
    return c->opt.n_clips > 0 ? c->opt.clips[0].start_s : 0;
}

double config_end_s(const struct config *c)
{
    double end_s = c->opt.n_clips > 0 ? c->opt.clips[c->opt.n_clips - 1].end_s : -1;
    return end_s >= 0 ? end_s : HUGE_VAL;
}

double config_asked_s(const struct config *c, double length_s)
{
    double sum_s = c->opt.n_clips > 0 ? 0 : length_s;

    for (int i = 0; i < c->opt.n_clips; i++) {
        const struct sotto_clip *clip = &c->opt.clips[i];
        double end_s = clip->end_s >= 0 ? fmin(clip->end_s, length_s) : length_s;
        sum_s += fmax(end_s - clip->start_s, 0);
    }
    return sum_s;
}

int config_open(struct config **out, const struct sotto_options *opt, const struct model *model,
                struct sotto_diag *diag)
{
    int err = check_options(opt, diag);
    if (err)
        return err;
    struct config *c = mem_calloc(1, sizeof *c);
    if (!c)
        return diag_set(diag, SOTTO_ENOMEM, NULL, "out of memory");
    c->opt = *opt;
    err = own_strings(c);
    if (!err)
        err = check_language(c, model, diag);
    if (!err)
        err = encode_text(&c->initial_prompt, model->tokenizer, c->opt.initial_prompt);
    if (!err)
        err = encode_text(&c->hotwords, model->tokenizer, c->opt.hotwords);
    if (!err)
        err = encode_text(&c->prefix, model->tokenizer, c->opt.prefix);
    if (!err)
        err = parse_suppress(c, model->tokenizer, diag);
    if (err) {
        if (err == SOTTO_ENOMEM)
            diag_set(diag, err, NULL, "out of memory");
        config_close(&c);
        return err;
    }
    plan_temperatures(c);
    plan_search(c, model);
    c->force_sequential = c->opt.mode == SOTTO_MODE_SEQUENTIAL || c->opt.carry_initial_prompt ||
                          !isnan(c->opt.hallucination_silence_threshold) || c->opt.n_clips > 0;
    *out = c;
    return 0;
}

void config_close(struct config **config)
{
    struct config *c = config ? *config : NULL;
    if (!c)
        return;
    for (int i = 0; i < c->n_strings; i++)
        mem_free(c->strings[i]);
    mem_free((void *)c->opt.clips);
    mem_free(c->initial_prompt.ids);
    mem_free(c->hotwords.ids);
    mem_free(c->prefix.ids);
    mem_free(c->suppress.ids);
    mem_free(c);
    *config = NULL;
}
