/*
 * The stream around the cutter: samples to the detector and the loudness ring, spans to the cutter,
 * windows to a queue; and the maps from a window's time to the recording's. See windows.h.
 */
#include "engine/windows.h"

#include <math.h>

#include "audio/audio.h"
#include "base/mem.h"
#include "engine/cutter.h"
#include "engine/quiet.h"

enum { SLICE = AUDIO_RATE }; // samples between decisions, so that loudness is still known

struct windows {
    struct cutter cutter;
    struct quiet quiet;
    struct vad *vad; // borrowed; NULL: none
    int64_t n_fed;
    struct window *queue; // [head, tail)
    size_t head, tail, capacity;
};

static float probability_at(const void *vad, int64_t chunk)
{
    return vad_probability(vad, chunk);
}

static int64_t find_cut(void *user, int64_t begin, int64_t end)
{
    const struct windows *w = user;
    return quiet_find(&w->quiet, begin, end, w->vad ? probability_at : NULL, w->vad);
}

int windows_open(struct windows **out, struct vad *vad)
{
    struct windows *w = mem_calloc(1, sizeof(*w));
    struct cutter_params p;
    if (!w)
        return SOTTO_ENOMEM;
    cutter_params_init(&p, vad != NULL);
    if (vad)
        p.pad = vad_pad(vad);
    cutter_init(&w->cutter, &p);
    w->cutter.find_cut = find_cut;
    w->cutter.user = w;
    w->vad = vad;
    if (quiet_init(&w->quiet)) {
        windows_close(&w);
        return SOTTO_ENOMEM;
    }
    *out = w;
    return 0;
}

void windows_close(struct windows **w)
{
    if (!w || !*w)
        return;
    mem_free((*w)->queue);
    cutter_fini(&(*w)->cutter);
    quiet_fini(&(*w)->quiet);
    mem_free(*w);
    *w = NULL;
}

// Queues the windows that are decided.
static int collect(struct windows *w)
{
    for (;;) {
        if (w->tail == w->capacity) {
            size_t capacity = w->capacity ? w->capacity * 2 : 8;
            struct window *queue = mem_grow(w->queue, w->tail, capacity, sizeof(*queue));
            if (!queue)
                return SOTTO_ENOMEM;
            w->queue = queue;
            w->capacity = capacity;
        }
        if (!cutter_next(&w->cutter, &w->queue[w->tail]))
            return 0;
        w->tail++;
    }
}

static int take_spans(struct windows *w)
{
    struct vad_span s;
    int err = 0;

    if (!w->vad) {
        cutter_decided(&w->cutter, w->n_fed);
        if (w->n_fed)
            err = cutter_span(
                &w->cutter,
                &(struct cutter_span){.end = w->n_fed, .open = true, .peak = -1, .mean = -1});
        return err;
    }
    while (!err && vad_next(w->vad, &s))
        err = cutter_span(&w->cutter,
                          &(struct cutter_span){s.start, s.end, false, false, s.peak, s.mean});
    if (!err && vad_open_span(w->vad, &s))
        err = cutter_span(&w->cutter,
                          &(struct cutter_span){s.start, s.end, true, false, s.peak, s.mean});
    cutter_decided(&w->cutter, vad_decided(w->vad));
    return err;
}

int windows_feed(struct windows *w, const float *samples, size_t n_samples)
{
    int err = 0;
    while (n_samples && !err) {
        size_t n = n_samples < SLICE ? n_samples : SLICE;
        quiet_feed(&w->quiet, samples, n);
        w->n_fed += (int64_t)n;
        if (w->vad)
            err = vad_feed(w->vad, samples, n);
        if (!err)
            err = take_spans(w);
        if (!err)
            err = collect(w);
        samples += n;
        n_samples -= n;
    }
    return err;
}

int windows_finish(struct windows *w)
{
    int err = w->vad ? vad_finish(w->vad) : 0;
    if (!err)
        err = take_spans(w);
    cutter_finish(&w->cutter);
    return err ? err : collect(w);
}

bool windows_next(struct windows *w, struct window *window)
{
    if (w->head == w->tail)
        return false;
    *window = w->queue[w->head++];
    if (w->head == w->tail)
        w->head = w->tail = 0;
    return true;
}

int64_t windows_keep_from(const struct windows *w)
{
    return w->head < w->tail ? w->queue[w->head].pieces[0].start : cutter_keep_from(&w->cutter);
}

/* ---- times ----------------------------------------------------------------------------------- */

// The last piece that begins at or before sample `x`.
static const struct window_piece *piece_at(const struct window *w, double x)
{
    int i = w->n_pieces - 1;
    while (i > 0 && w->pieces[i].at > x)
        i--;
    return &w->pieces[i];
}

static int64_t piece_end(const struct window_piece *p)
{
    return p->start + p->n_samples;
}

// Was sound left out between `p` and the piece after it?
static bool seam_after(const struct window *w, const struct window_piece *p)
{
    return p < w->pieces + w->n_pieces - 1 && piece_end(p) != p[1].start;
}

// Linear, no regard to silence; exactly on a seam `is_end` tells the side.
static double map_plain(const struct window *w, double x, bool is_end)
{
    const struct window_piece *p = piece_at(w, x);
    if (is_end && x <= p->at && p > w->pieces)
        p--;
    return (double)p->start + fmin(fmax(x - p->at, 0), p->n_samples);
}

double windows_map_s(const struct window *w, double t, bool is_end)
{
    double x = t * AUDIO_RATE;
    const struct window_piece *p = piece_at(w, x);
    double mapped = map_plain(w, x, is_end);

    if (is_end && p > w->pieces && seam_after(w, p - 1) && x - p->at <= p->lead)
        mapped = (double)piece_end(p - 1);
    else if (!is_end && seam_after(w, p) && p->at + p->n_samples - x <= p->tail)
        mapped = (double)p[1].start;
    return mapped / AUDIO_RATE;
}

void windows_map_span(const struct window *w, double start, double end, double *to_start,
                      double *to_end)
{
    double a = windows_map_s(w, start, false), b = windows_map_s(w, end, true);
    if (b < a) { // all of it lies in the silence beside a seam: where it sounded, mostly
        double from = start * AUDIO_RATE, to = end * AUDIO_RATE;
        const struct window_piece *p = piece_at(w, to);
        a = map_plain(w, from, false) / AUDIO_RATE;
        b = map_plain(w, to, true) / AUDIO_RATE;
        if (from < p->at && to - p->at > p->at - from)
            a = (double)p->start / AUDIO_RATE;
        else if (from < p->at)
            b = (double)piece_end(p - 1) / AUDIO_RATE;
    }
    *to_start = a;
    *to_end = b > a ? b : a;
}

double windows_speech_s(const struct window *w, double from, double to)
{
    double sum = 0;
    for (int i = 0; i < w->n_pieces; i++) {
        const struct window_piece *p = &w->pieces[i];
        double begin = fmax(p->at + p->lead, from * AUDIO_RATE);
        double end = fmin(p->at + p->n_samples - p->tail, to * AUDIO_RATE);
        sum += fmax(end - begin, 0);
    }
    return sum / AUDIO_RATE;
}
