/*
 * The batched mode: windows cut at pauses, decoded side by side. Each window stands by itself, so
 * no text is carried from one to the next and none can spoil the next. What the recogniser leaves
 * unread at a window's end becomes a window of its own; the language is checked per window.
 */
#include <math.h>
#include <string.h>

#include "audio/audio.h"
#include "base/mem.h"
#include "engine/timing.h"
#include "engine/transcriber.h"
#include "engine/windows.h"

/* A rest of speech longer than this is not left unread. */
static const double tail_min_s = 1.5;
/* And only when the text got on by this much: rests of rests must come to an end. */
static const double progress_min_s = 1.0;
/* A window is taken to be in another language than the recording only when this sure. */
static const float switch_probability = 0.85f, switch_main_below = 0.05f;
static const double switch_speech_s = 3.0;

struct item {
    struct item *next;          // in order of time
    struct job job;
    struct net_window *keys;    // of the batch's pool; NULL once decoded
    struct window window;       // where its sound is from
    double offset_s;            // window time at which this item's sound begins (tails: > 0)
    struct job read;            // what was read before, while the job asks for more
    int32_t *given;             // its tokens and the time to go on from
    double asked_s;             // and that time; 0: not asked
    float *audio;               // owned: its sound, until decoded
    size_t n_audio;
    struct segment_list segments;
    bool done;
};

struct batched {
    struct sotto_transcriber *t;
    struct batch *batch;
    struct windows *windows;
    struct net_window **keys;   // free ones: n_keys
    int n_keys, n_places;
    struct item *first, *last;  // not yet emitted
    struct item **tails;        // waiting to be started, n_tails
    int n_tails;
    struct timing timing;
    double *language_weight;    // per language: probability x seconds, over all windows
    float *probs;
    uint64_t number;
    double done_s;              // progress last reported
};

int batched_open(struct batched **out, struct sotto_transcriber *t)
{
    const struct config *c = t->config;
    int n = c->opt.batch_size ? c->opt.batch_size : CONFIG_BATCH_DEFAULT;
    struct batched *b = mem_calloc(1, sizeof *b);
    if (!b)
        return SOTTO_ENOMEM;
    b->t = t;
    b->n_places = n;
    b->keys = mem_calloc((size_t)n, sizeof *b->keys);
    b->tails = mem_calloc((size_t)n, sizeof *b->tails);
    b->language_weight = mem_calloc((size_t)language_count, sizeof *b->language_weight);
    b->probs = mem_calloc((size_t)language_count, sizeof *b->probs);
    int err = b->keys && b->tails && b->language_weight && b->probs ? 0 : SOTTO_ENOMEM;
    if (!err)
        err = batch_open(&b->batch, t->model->net, t->pool, c, n);
    if (!err)
        err = windows_open(&b->windows, t->vad);
    for (int i = 0; i < n && !err; i++) {
        err = net_window_open(&b->keys[i], t->model->net);
        b->n_keys += !err;
    }
    if (!err && c->opt.word_timestamps)
        err = timing_open(&b->timing, t->model->net, c, b->batch);
    if (err)
        batched_close(&b);
    else
        *out = b;
    return err;
}

static void give_keys(struct batched *b, struct item *it)
{
    if (it->keys)
        b->keys[b->n_keys++] = it->keys;
    it->keys = NULL;
}

static void item_free(struct batched *b, struct item *it)
{
    give_keys(b, it);
    job_fini(&it->job);
    job_fini(&it->read);
    mem_free(it->given);
    mem_free(it->audio);
    segment_list_fini(&it->segments);
    mem_free(it);
}

void batched_close(struct batched **batched)
{
    struct batched *b = batched ? *batched : NULL;
    if (!b)
        return;
    if (b->batch)
        batch_cancel(b->batch);
    while (b->first) {
        struct item *it = b->first;
        b->first = it->next;
        item_free(b, it);
    }
    for (int i = 0; i < b->n_keys; i++)
        net_window_close(&b->keys[i]);
    timing_fini(&b->timing);
    windows_close(&b->windows);
    batch_close(&b->batch);
    mem_free(b->keys);
    mem_free(b->tails);
    mem_free(b->language_weight);
    mem_free(b->probs);
    mem_free(b);
    *batched = NULL;
}

int batched_feed(struct batched *b, const float *samples, size_t n)
{
    int err = windows_feed(b->windows, samples, n);
    if (!err && b->t->samples.complete)
        err = windows_finish(b->windows);
    return err;
}

/* ---- starting a window ----------------------------------------------------------------------- */

/* The recording's language is the one with most weight over all windows; a window is decoded in
 * another only when it is long enough and that is nearly certain. */
static int choose_language(struct batched *b, struct item *it)
{
    struct sotto_transcriber *t = b->t;
    double seconds = (double)it->n_audio / AUDIO_RATE;
    int best, main = 0;

    if (t->config->language >= 0) {
        it->job.language = t->config->language;
        return 0;
    }
    int err = batch_detect_language(b->batch, it->keys, b->probs, &best);
    if (err)
        return err;
    for (int l = 0; l < language_count; l++) {
        b->language_weight[l] += b->probs[l] * seconds;
        main = b->language_weight[l] > b->language_weight[main] ? l : main;
    }
    bool other = b->probs[best] >= switch_probability && b->probs[main] <= switch_main_below &&
                 seconds >= switch_speech_s;
    it->job.language = other ? best : main;
    if (t->language < 0 && t->config->opt.on_language)
        t->config->opt.on_language(t->config->opt.user, sotto_language_code(main), b->probs[main]);
    t->language = main;
    return 0;
}

/* Encodes the item's sound and gives it a place in the batch. */
static int start_item(struct batched *b, struct item *it)
{
    struct sotto_transcriber *t = b->t;
    const struct config *c = t->config;
    double start = clock_s();

    features_window(&t->features, it->audio, it->n_audio, t->mel);
    t->stats.mel_s += clock_s() - start;
    t->stats.speech_s += it->offset_s > 0 ? 0 : (double)it->n_audio / AUDIO_RATE;
    it->keys = b->keys[--b->n_keys];
    int err = transcriber_encode(t, it->keys);
    start = clock_s();
    if (!err)
        err = choose_language(b, it);
    if (err)
        return err;
    const struct config_tokens *hint = c->hotwords.n ? &c->hotwords : &c->initial_prompt;
    it->job.window = it->keys;
    it->job.previous = hint->ids;
    it->job.n_previous = hint->n;
    it->job.use_prefix = b->number == 0;
    it->job.number = b->number++;
    it->job.user = it;
    err = batch_add(b->batch, &it->job);
    t->stats.decode_s += clock_s() - start;
    return err;
}

static struct item *item_new(const struct window *w, double offset_s, size_t n_audio)
{
    struct item *it = mem_calloc(1, sizeof *it);
    if (!it)
        return NULL;
    it->window = *w;
    it->offset_s = offset_s;
    it->n_audio = n_audio;
    it->audio = mem_alloc(n_audio, sizeof *it->audio);
    if (!it->audio) {
        mem_free(it);
        return NULL;
    }
    return it;
}

/* The next window of the recording as the last item, with its sound. */
static int add_window(struct batched *b, const struct window *w, struct item **out)
{
    struct item *it = item_new(w, 0, (size_t)w->n_samples);
    if (!it)
        return SOTTO_ENOMEM;
    float *dst = it->audio;
    for (int i = 0; i < w->n_pieces; i++) {
        samples_copy(&b->t->samples, w->pieces[i].start, (size_t)w->pieces[i].n_samples, dst);
        dst += w->pieces[i].n_samples;
    }
    if (b->last)
        b->last->next = it;
    else
        b->first = it;
    b->last = it;
    *out = it;
    return 0;
}

/* What is left of `it` from `from_s` of its own time on, as an item right after it. */
static int add_tail(struct batched *b, struct item *it, double from_s)
{
    size_t skip = (size_t)(from_s * AUDIO_RATE);
    struct item *tail = item_new(&it->window, it->offset_s + from_s, it->n_audio - skip);
    if (!tail)
        return SOTTO_ENOMEM;
    memcpy(tail->audio, it->audio + skip, tail->n_audio * sizeof *tail->audio);
    tail->next = it->next;
    it->next = tail;
    if (b->last == it)
        b->last = tail;
    b->tails[b->n_tails++] = tail;
    return 0;
}

/* ---- finishing a window ---------------------------------------------------------------------- */

static void map_times(const struct item *it)
{
    for (int i = 0; i < it->segments.n; i++) {
        struct segment *s = &it->segments.items[i];
        windows_map_span(&it->window, it->offset_s + s->start_s, it->offset_s + s->end_s,
                         &s->start_s, &s->end_s);
        s->seek_s = windows_map_s(&it->window, it->offset_s, false);
        for (int w = 0; w < s->n_words; w++) {
            struct sotto_word *word = &s->words[w];
            windows_map_span(&it->window, it->offset_s + word->start_s, it->offset_s + word->end_s,
                             &word->start_s, &word->end_s);
        }
        job_describe(&it->job, s);
    }
}

static int time_words(struct batched *b, struct item *it, double duration_s)
{
    struct timing_window w = {
        .window = it->keys,
        .language = it->job.language,
        .n_frames = (int)(duration_s * FEATURES_PER_SECOND),
        .offset_s = 0,
        .last_speech_s = 0,
    };
    int err = timing_run(&b->timing, b->batch, b->t->pool, &w, &it->segments);
    return err ? err : timing_store(&b->timing, &it->segments);
}

/* End of the last text, in the item's own time. */
static double text_end_s(const struct item *it)
{
    for (int i = it->segments.n - 1; i >= 0; i--)
        if (!segment_is_blank(&it->segments.items[i]))
            return it->segments.items[i].end_s;
    return 0;
}

/* Does so much speech follow the last text that it must be decoded by itself? */
static bool has_tail(const struct item *it, double text_end, double duration_s)
{
    double rest_s = windows_speech_s(&it->window, it->offset_s + text_end, it->offset_s + duration_s);
    return text_end >= progress_min_s && rest_s >= tail_min_s;
}

/* The tokens up to the end of the last text, and its time once more, as the beginning of the next
 * segment: <|20.00|> text <|23.00|> -> <|20.00|> text <|23.00|><|23.00|>. False: cannot be made. */
static bool tokens_to_give(const struct batched *b, const struct item *it, double text_end, int *n)
{
    const struct model *m = b->t->model->model;
    const struct config *c = b->t->config;
    const int32_t *tokens = it->job.tokens;
    int32_t end = tokenizer_special(m->tokenizer)->timestamp_begin + (int32_t)lrint(text_end / 0.02);
    const int words = 32, half = m->shape.n_text_ctx / 2; // a few words more; as batch.c's prompt
    int previous = it->job.n_previous < half ? it->job.n_previous : half;
    int prefix = !it->job.use_prefix ? 0 : c->prefix.n < half ? c->prefix.n : half;

    for (*n = it->job.n_tokens; *n > 0 && tokens[*n - 1] != end;)
        --*n;
    if (*n < 2 || *n + 1 > half - words || c->opt.without_timestamps)
        return false;
    if (tokens[*n - 2] == end)
        --*n; // the next segment had been begun
    return previous + prefix + *n + words <= m->shape.n_text_ctx;
}

/* Has the window's speech been left unread from `text_end` on, the decoder is asked once more, with
 * what it said so far and the time to go on from. That costs no encoding, unlike a tail. Asking again
 * from where the last answer began would bring the same answer: then a tail it is. */
static int ask_more(struct batched *b, struct item *it, double text_end, bool *asked)
{
    int n;

    *asked = text_end - it->asked_s >= progress_min_s && tokens_to_give(b, it, text_end, &n);
    if (!*asked)
        return 0;
    mem_free(it->given);
    it->given = mem_alloc((size_t)n + 1, sizeof *it->given);
    if (!it->given)
        return SOTTO_ENOMEM;
    memcpy(it->given, it->job.tokens, (size_t)n * sizeof *it->given);
    it->given[n] = it->given[n - 1];
    it->asked_s = text_end;
    job_fini(&it->read);
    it->read = it->job;
    it->job.given = it->given;
    it->job.n_given = n + 1;
    return batch_add(b->batch, &it->job);
}

/* Does the answer get on, as far as its last token tells? */
static bool gets_on(const struct batched *b, const struct item *it)
{
    const struct job *job = &it->job;
    int32_t begin = tokenizer_special(b->t->model->model->tokenizer)->timestamp_begin;
    int32_t from = it->given[job->n_given - 1];

    if (job->unsure || job->silence || job->n_tokens == 0)
        return false;
    int32_t last = job->tokens[job->n_tokens - 1];
    return last < begin || 0.02 * (last - from) >= progress_min_s;
}

/* The job's answer behind what had been read; or, if it does not help, only that. */
static int join_answer(const struct batched *b, struct item *it)
{
    struct job *job = &it->job, *read = &it->read;
    int n = job->n_given, m = job->n_tokens;

    if (!gets_on(b, it)) {
        job_fini(job);
        *job = *read;
        *read = (struct job){0};
        return 0;
    }
    int32_t *all = mem_alloc((size_t)n + (size_t)m, sizeof *all);
    if (!all)
        return SOTTO_ENOMEM;
    memcpy(all, it->given, (size_t)n * sizeof *all);
    memcpy(all + n, job->tokens, (size_t)m * sizeof *all);
    mem_free(job->tokens);
    job->tokens = all;
    job->n_tokens = n + m;
    job->n_given = 0;
    job->n_fallbacks += read->n_fallbacks;
    job->avg_logprob = (read->avg_logprob * (float)n + job->avg_logprob * (float)m) / (float)(n + m);
    job->temperature = fmaxf(job->temperature, read->temperature);
    job->compression_ratio = fmaxf(job->compression_ratio, read->compression_ratio);
    return 0;
}

static int finish_item(struct batched *b, struct item *it)
{
    bool asked = false;
    int err = it->job.n_given ? join_answer(b, it) : 0;

    if (err)
        return err;
    double duration_s = (double)it->n_audio / AUDIO_RATE;
    struct segments_window w = {
        .tokens = it->job.tokens,
        .n_tokens = it->job.n_tokens,
        .offset_s = 0,
        .duration_s = duration_s,
        .keep_tail = true,
    };
    struct segments_end end;

    segment_list_truncate(&it->segments, 0);
    if (!it->job.silence)
        err = segments_cut(&it->segments, b->t->model->model->tokenizer, &w, &end);
    double text_end = err ? 0 : text_end_s(it);
    if (!err && has_tail(it, text_end, duration_s)) {
        err = ask_more(b, it, text_end, &asked);
        if (err || asked)
            return err;
        err = add_tail(b, it, text_end);
    }
    if (!err && b->timing.words && it->segments.n > 0)
        err = time_words(b, it, duration_s);
    if (!err)
        map_times(it);
    b->t->stats.n_fallbacks += it->job.n_fallbacks;
    give_keys(b, it);
    mem_free(it->audio);
    it->audio = NULL;
    it->done = true;
    return err;
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* Windows that are encoded but not finished count half: decoded side by side, they finish together. */
static void report(struct batched *b)
{
    int64_t encoded = windows_keep_from(b->windows);
    int64_t finished = b->first ? b->first->window.pieces[0].start : encoded;
    double done_s = 0.5 * (double)(encoded + finished) / AUDIO_RATE;

    if (done_s > b->done_s) {
        b->done_s = done_s;
        transcriber_progress(b->t, done_s);
    }
}

/* Emits what is finished at the front. */
static int emit_front(struct batched *b)
{
    int err = 0;

    while (b->first && b->first->done && !err) {
        struct item *it = b->first;
        for (int i = 0; i < it->segments.n && !err; i++)
            err = transcriber_emit(b->t, &it->segments.items[i]);
        b->first = it->next;
        if (!b->first)
            b->last = NULL;
        item_free(b, it);
    }
    report(b);
    return err;
}

/* One decoder step, and what has finished with it. */
static int step(struct batched *b)
{
    double start = clock_s();
    int err = batch_step(b->batch);
    struct job *job;

    while (!err && (job = batch_take(b->batch)) != NULL)
        err = finish_item(b, job->user);
    b->t->stats.decode_s += clock_s() - start;
    b->t->stats.n_tokens = (int)batch_n_tokens(b->batch);
    return err ? err : emit_front(b);
}

/* Starts tails and new windows while there are places. */
static int fill(struct batched *b)
{
    struct window w;
    int err = 0;

    while (!err && batch_free_places(b->batch) > 0 && b->n_keys > 0) {
        struct item *it = NULL;
        if (b->n_tails > 0)
            it = b->tails[--b->n_tails];
        else if (windows_next(b->windows, &w))
            err = add_window(b, &w, &it);
        else
            break;
        if (!err)
            err = start_item(b, it);
        report(b);
    }
    samples_forget(&b->t->samples, windows_keep_from(b->windows));
    return err;
}

/* While more samples are to come, steps are made only with all places taken: a full batch reads the
 * weights once for all its windows. */
int batched_run(struct batched *b)
{
    for (;;) {
        int err = fill(b);
        if (err)
            return err;
        int active = batch_n_active(b->batch);
        if (active == 0 || (active < b->n_places && !b->t->samples.complete))
            return 0;
        err = step(b);
        if (err)
            return err;
    }
}
