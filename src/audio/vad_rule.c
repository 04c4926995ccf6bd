/*
 * Probabilities to spans; see vad_rule.h. A raw span runs from a chunk at or above the threshold to
 * the first chunk of a silence that lasted long enough. Padding happens once the neighbours are
 * known: two spans closer than twice the padding share the silence between them, so the last raw
 * span waits (`pending`) until the next one has begun for certain or that distance has passed.
 */
#include "audio/vad_rule.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "audio/audio.h"
#include "base/mem.h"

// A pause must be longer than this to be a place where an over-long span may be cut (98 ms).
enum { CUT_SILENCE = 98 * AUDIO_RATE / 1000 };

static const struct vad_tally tally_zero = {0, 0, 0};

static void tally_add(struct vad_tally *t, float p)
{
    t->sum += p;
    t->n++;
    if (p > t->peak)
        t->peak = p;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void vad_params_init(struct vad_params *p)
{
    *p = (struct vad_params){
        .threshold = 0.5f,
        .neg_threshold = NAN,
        .min_speech_ms = 250,
        .min_silence_ms = 500,
        .speech_pad_ms = 400,
        .max_speech_s = 0,
    };
}

void vad_rule_init(struct vad_rule *r, const struct vad_params *p)
{
    memset(r, 0, sizeof(*r));
    r->threshold = p->threshold;
    r->neg_threshold =
        isnan(p->neg_threshold) ? fmaxf(p->threshold - 0.15f, 0.01f) : p->neg_threshold;
    r->min_speech = (int64_t)p->min_speech_ms * AUDIO_RATE / 1000;
    r->min_silence = (int64_t)p->min_silence_ms * AUDIO_RATE / 1000;
    r->pad = max64(0, (int64_t)p->speech_pad_ms * AUDIO_RATE / 1000);
    r->max_speech = p->max_speech_s > 0
                        ? p->max_speech_s * AUDIO_RATE - VAD_CHUNK - 2 * (double)r->pad
                        : INFINITY;
    vad_rule_reset(r);
}

void vad_rule_reset(struct vad_rule *r)
{
    r->n_chunks = 0;
    r->total = INT64_MAX;
    r->open = r->confirmed = r->has_pending = false;
    r->start = r->padded_start = r->pause = r->cut = r->cut_silence = r->last_end = 0;
    r->head = r->tail = 0;
}

void vad_rule_fini(struct vad_rule *r)
{
    mem_free(r->queue);
    r->queue = NULL;
    r->head = r->tail = r->capacity = 0;
}

static struct vad_span to_span(const struct vad_raw *raw)
{
    return (struct vad_span){
        .start = raw->start,
        .end = raw->end,
        .peak = raw->tally.peak,
        .mean = raw->tally.n ? (float)(raw->tally.sum / (double)raw->tally.n) : 0,
    };
}

// Queues the pending span, whose end is final now.
static int push_pending(struct vad_rule *r)
{
    if (r->tail == r->capacity) {
        size_t capacity = r->capacity ? r->capacity * 2 : 16;
        struct vad_span *queue = mem_grow(r->queue, r->capacity, capacity, sizeof(*queue));
        if (!queue)
            return SOTTO_ENOMEM;
        r->queue = queue;
        r->capacity = capacity;
    }
    r->queue[r->tail++] = to_span(&r->pending);
    r->last_end = r->pending.end;
    r->has_pending = false;
    return 0;
}

/* The padded start of a span that begins at `start` and will not be dropped. Settles the end of the
 * pending span, which it may touch. */
static int settle_start(struct vad_rule *r, int64_t start, int64_t *padded)
{
    if (!r->has_pending) {
        *padded = max64(0, start - r->pad);
        return 0;
    }
    int64_t silence = start - r->pending.end;
    int64_t tail = silence < 2 * r->pad ? silence / 2 : r->pad;
    r->pending.end = min64(r->pending.end + tail, r->total);
    *padded = max64(0, start - tail);
    return push_pending(r);
}

// A raw span is complete: it becomes the pending one.
static int emit(struct vad_rule *r, int64_t end, const struct vad_tally *tally)
{
    int64_t padded = r->padded_start;
    if (!r->confirmed) {
        int err = settle_start(r, r->start, &padded);
        if (err)
            return err;
    }
    assert(!r->has_pending); // confirming has settled it
    r->pending = (struct vad_raw){padded, end, *tally};
    r->has_pending = true;
    return 0;
}

static void begin(struct vad_rule *r, int64_t start)
{
    r->open = true;
    r->confirmed = false;
    r->start = start;
    r->pause = r->cut_silence = 0;
    r->tally = r->after_cut = tally_zero;
}

/* The open span is longer than allowed: cut it at its longest pause, and the rest stays open; or,
 * when it has none, here, and the chunk at hand belongs to no span (only to their padding). */
static int cut_long(struct vad_rule *r, int64_t here)
{
    int err;
    if (r->cut_silence) {
        err = emit(r, r->cut, &r->before_cut);
        struct vad_tally rest = r->after_cut;
        begin(r, r->cut + r->cut_silence);
        r->tally = rest;
    } else {
        err = emit(r, here, &r->tally);
        r->open = false;
    }
    return err;
}

// Speech is back after a pause: remember the longest, the first among equals.
static void end_pause(struct vad_rule *r, int64_t here)
{
    int64_t silence = here - r->pause;
    if (silence > CUT_SILENCE && silence > r->cut_silence) {
        r->cut = r->pause;
        r->cut_silence = silence;
        r->before_cut = r->before_pause;
        r->after_cut = tally_zero;
    }
    r->pause = 0;
}

// A chunk while a span is open.
static int chunk_open(struct vad_rule *r, float p, int64_t here)
{
    int err = 0;
    if ((double)(here - r->start) > r->max_speech) {
        err = cut_long(r, here);
        if (err || !r->open)
            return err;
    }
    if (p < r->neg_threshold) {
        if (!r->pause) {
            r->pause = here;
            r->before_pause = r->tally;
        }
        if (here - r->pause >= r->min_silence) {
            if (r->pause - r->start > r->min_speech)
                err = emit(r, r->pause, &r->before_pause);
            r->open = false;
            return err;
        }
    }
    tally_add(&r->tally, p);
    tally_add(&r->after_cut, p);
    return 0;
}

/* Settles what the chunks so far decide: that the open span will stay, and that no span can begin
 * close enough to the pending one to shorten its padding. */
static int settle(struct vad_rule *r, int64_t here)
{
    if (r->open && !r->confirmed && (r->pause ? r->pause : here) - r->start > r->min_speech) {
        int err = settle_start(r, r->start, &r->padded_start);
        if (err)
            return err;
        r->confirmed = true;
    }
    int64_t clear_until = r->open ? r->start : here + VAD_CHUNK;
    if (r->has_pending && clear_until - r->pending.end >= 2 * r->pad) {
        r->pending.end = min64(r->pending.end + r->pad, r->total);
        return push_pending(r);
    }
    return 0;
}

int vad_rule_chunk(struct vad_rule *r, float p, int64_t total)
{
    int64_t here = r->n_chunks++ * VAD_CHUNK;
    int err = 0;
    r->total = total;
    if (r->open && p >= r->threshold && r->pause)
        end_pause(r, here);
    if (r->open) {
        err = chunk_open(r, p, here);
    } else if (p >= r->threshold) {
        begin(r, here);
        tally_add(&r->tally, p);
    }
    return err ? err : settle(r, here);
}

int vad_rule_finish(struct vad_rule *r, int64_t total)
{
    int err = 0;
    r->total = total;
    if (r->open && total - r->start > r->min_speech)
        err = emit(r, total, &r->tally);
    r->open = false;
    if (!err && r->has_pending) {
        r->pending.end = min64(r->pending.end + r->pad, total);
        err = push_pending(r);
    }
    return err;
}

int vad_rule_next(struct vad_rule *r, struct vad_span *span)
{
    if (r->head == r->tail)
        return 0;
    *span = r->queue[r->head++];
    if (r->head == r->tail)
        r->head = r->tail = 0;
    return 1;
}

int vad_rule_in_speech(const struct vad_rule *r, int64_t *start)
{
    if (r->open)
        *start = r->confirmed ? r->padded_start : max64(r->last_end, r->start - r->pad);
    return r->open;
}

int vad_rule_open_span(const struct vad_rule *r, struct vad_span *span)
{
    if (!r->open || !r->confirmed || isfinite(r->max_speech))
        return 0;
    *span = to_span(&(struct vad_raw){.start = r->padded_start,
                                      .end = r->pause ? r->pause : r->n_chunks * VAD_CHUNK,
                                      .tally = r->tally});
    return 1;
}

int64_t vad_rule_decided(const struct vad_rule *r)
{
    int64_t start;
    if (r->head < r->tail)
        return r->queue[r->head].start;
    if (r->has_pending)
        return r->pending.start;
    if (vad_rule_in_speech(r, &start))
        return start;
    if (r->total != INT64_MAX)
        return r->total;
    return max64(r->last_end, r->n_chunks * VAD_CHUNK - r->pad);
}
