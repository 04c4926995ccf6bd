/*
 * Which spans of speech make a window: the decisions behind windows.h, on spans alone. The caller
 * tells spans as they are decided and answers where a long one is best cut.
 */
#ifndef ENGINE_CUTTER_H
#define ENGINE_CUTTER_H

#include "engine/windows.h"

struct cutter_params { // samples; cutter_params_init sets defaults
    int max_samples;   // length of a window, 30 s
    int min_fill;      // a window may end at a pause from this length on, 24 s
    int max_gap;       // silence kept between two spans, 1 s; half of it at either side of a seam
    int split_gap;     // a longer silence ends the window, 30 s
    int search;        // where an over-long span is cut: the last 10 s; without detector 8 s
    int pad;           // of the detector's spans: sound at their ends that is not speech
};
void cutter_params_init(struct cutter_params *p, bool vad);

struct cutter_span {
    int64_t start, end; // `end` is what is known so far while the span is open
    bool open;          // it may still grow
    bool cut;           // `start` is a cut through speech
    float peak, mean;
};

struct cutter {
    struct cutter_params p;
    struct cutter_span *spans; // not yet in a window, in order; only the last may be open
    size_t n_spans, capacity;
    int64_t decided; // no further span begins before this
    bool finished;
    /* The best place to cut within [begin, end]. */
    int64_t (*find_cut)(void *user, int64_t begin, int64_t end);
    void *user;
};

void cutter_init(struct cutter *c, const struct cutter_params *p);
void cutter_fini(struct cutter *c);

/* The next span, or, if the last one is open, what has become of it. Spans come in order and do not
 * overlap; an open one will reach `end` at least. ENOMEM. */
int cutter_span(struct cutter *c, const struct cutter_span *span);
void cutter_decided(struct cutter *c, int64_t decided); // see `decided`; must not decrease
void cutter_finish(struct cutter *c);

/* As windows_next, windows_keep_from. */
bool cutter_next(struct cutter *c, struct window *window);
int64_t cutter_keep_from(const struct cutter *c);

#endif
