/*
 * Which spans make a window; see cutter.h and the rules in windows.h. A decision is taken as soon as
 * nothing that may follow can change it, so windows do not depend on how the stream was fed.
 */
#include "engine/cutter.h"

#include <string.h>

#include "audio/audio.h"
#include "base/mem.h"

enum {
    // Speech left on either side of a cut through a span.
    MIN_HEAD = 2 * AUDIO_RATE,
    MIN_TAIL = AUDIO_RATE,
    // Sound known beyond the last place where a cut may be.
    CERTAIN = MIN_TAIL + AUDIO_RATE / 2,
};

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void cutter_params_init(struct cutter_params *p, bool vad)
{
    *p = (struct cutter_params){
        .max_samples = WINDOW_MAX,
        .min_fill = 24 * AUDIO_RATE,
        .max_gap = AUDIO_RATE,
        .split_gap = 30 * AUDIO_RATE,
        .search = (vad ? 10 : 8) * AUDIO_RATE,
        .pad = vad ? AUDIO_RATE / 5 : 0,
    };
}

void cutter_init(struct cutter *c, const struct cutter_params *p)
{
    *c = (struct cutter){.p = *p};
}

void cutter_fini(struct cutter *c)
{
    mem_free(c->spans);
    c->spans = NULL;
    c->n_spans = c->capacity = 0;
}

int cutter_span(struct cutter *c, const struct cutter_span *span)
{
    if (c->n_spans && c->spans[c->n_spans - 1].open) {
        struct cutter_span *last = &c->spans[c->n_spans - 1];
        last->end = span->end;
        last->open = span->open;
        last->peak = span->peak;
        last->mean = span->mean;
        return 0;
    }
    if (c->n_spans == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : 64;
        struct cutter_span *spans = mem_grow(c->spans, c->n_spans, capacity, sizeof(*spans));
        if (!spans)
            return SOTTO_ENOMEM;
        c->spans = spans;
        c->capacity = capacity;
    }
    c->spans[c->n_spans++] = *span;
    return 0;
}

void cutter_decided(struct cutter *c, int64_t decided)
{
    c->decided = decided;
}

void cutter_finish(struct cutter *c)
{
    c->finished = true;
    if (c->n_spans)
        c->spans[c->n_spans - 1].open = false;
}

int64_t cutter_keep_from(const struct cutter *c)
{
    return c->n_spans ? c->spans[0].start : c->decided;
}

/* ---- deciding -------------------------------------------------------------------------------- */

struct plan { // a window: whole spans, then perhaps the beginning of the next up to `cut`
    size_t n_whole;
    int64_t cut; // 0: none
};

static int64_t gap_before(const struct cutter *c, size_t i)
{
    return i ? c->spans[i].start - c->spans[i - 1].end : 0;
}

/* How good it is to end a window of `fill` samples at a pause of `gap`: long pauses are likely the
 * ends of sentences, full windows save work. */
static double pause_score(int64_t gap, int64_t fill)
{
    const int64_t long_pause = 3 * AUDIO_RATE / 2;
    const double second_of_fill = 0.15; // is worth as many seconds of pause
    return (double)min64(gap, long_pause) + second_of_fill * (double)fill;
}

/* Span `i` does not fit after `used` samples; `best` is the best pause before it, 0 if none lies
 * late enough in the window. */
static bool plan_overflow(const struct cutter *c, size_t i, int64_t used, size_t best,
                          struct plan *plan)
{
    const struct cutter_span *s = &c->spans[i];
    int64_t length = s->end - s->start, max = c->p.max_samples;

    *plan = (struct plan){.n_whole = best ? best : i};
    if (best)
        return true;
    if (s->open && length < max + CERTAIN)
        return false; // it may turn out to fit into a window of its own
    if (length <= max)
        return true;
    int64_t end = min64(s->start + max - used, s->end - MIN_TAIL);
    int64_t begin = max64(end - c->p.search, s->start + MIN_HEAD);
    begin = min64(begin, end);
    plan->cut = c->find_cut(c->user, begin, end);
    plan->cut = max64(begin, min64(plan->cut, end));
    return true;
}

// False: not yet decided.
static bool plan_window(const struct cutter *c, struct plan *plan)
{
    int64_t fill = 0;
    size_t best = 0, i;
    double best_score = 0;

    for (i = 0; i < c->n_spans; i++) {
        const struct cutter_span *s = &c->spans[i];
        int64_t gap = gap_before(c, i), used = fill + min64(gap, c->p.max_gap);
        if (gap > c->p.split_gap || i == WINDOW_PIECES - 1)
            break;
        if (i && fill >= c->p.min_fill && pause_score(gap, fill) >= best_score) {
            best_score = pause_score(gap, fill);
            best = i;
        }
        if (used + s->end - s->start > c->p.max_samples)
            return plan_overflow(c, i, used, best, plan);
        if (s->open)
            return false;
        fill = used + s->end - s->start;
    }
    *plan = (struct plan){.n_whole = i};
    if (i < c->n_spans)
        return true;
    return i && (c->finished || c->decided - c->spans[i - 1].end > c->p.split_gap);
}

/* ---- making the window ----------------------------------------------------------------------- */

/* Appends a piece for the span. The silence between it and the piece before is kept, or, if that is
 * long, its two ends; either piece gets half. */
static void add_span(const struct cutter_params *p, struct window *w, const struct cutter_span *s,
                     int64_t end, bool first)
{
    struct window_piece *prev = first ? NULL : &w->pieces[w->n_pieces - 1];
    int64_t gap = prev ? s->start - (prev->start + prev->n_samples) : 0;
    int64_t kept = min64(gap, p->max_gap), before = kept / 2, after = kept - before;
    int64_t pad = s->cut || (prev && !gap) ? 0 : p->pad;

    if (prev) {
        prev->n_samples += (int32_t)before;
        prev->tail = (int32_t)min64((gap ? p->pad : 0) + before, prev->n_samples / 2);
    }
    struct window_piece piece = {
        .start = s->start - after,
        .n_samples = (int32_t)(end - s->start + after),
        .at = prev ? prev->at + prev->n_samples : 0,
    };
    piece.lead = (int32_t)min64(pad + after, piece.n_samples / 2);
    piece.tail = (int32_t)min64(end == s->end ? p->pad : 0, piece.n_samples / 2);
    w->pieces[w->n_pieces++] = piece;
    w->n_samples = piece.at + piece.n_samples;
}

// Removes the planned spans; what is left of a cut one stays.
static void consume(struct cutter *c, const struct plan *plan)
{
    if (plan->cut) {
        c->spans[plan->n_whole].start = plan->cut;
        c->spans[plan->n_whole].cut = true;
    }
    c->n_spans -= plan->n_whole;
    memmove(c->spans, c->spans + plan->n_whole, c->n_spans * sizeof(*c->spans));
}

bool cutter_next(struct cutter *c, struct window *w)
{
    struct plan plan;
    double sum = 0, n_speech = 0;
    if (!plan_window(c, &plan))
        return false;
    size_t n = plan.n_whole + (plan.cut ? 1 : 0);
    w->n_pieces = w->n_samples = 0;
    w->peak = -1;
    for (size_t i = 0; i < n; i++) {
        const struct cutter_span *s = &c->spans[i];
        int64_t end = i < plan.n_whole ? s->end : plan.cut;
        add_span(&c->p, w, s, end, i == 0);
        w->peak = s->peak > w->peak ? s->peak : w->peak;
        sum += (double)s->mean * (double)(end - s->start);
        n_speech += (double)(end - s->start);
    }
    w->mean = (float)(sum / n_speech);
    w->cut_begin = c->spans[0].cut;
    w->cut_end = plan.cut != 0;
    consume(c, &plan);
    return true;
}
