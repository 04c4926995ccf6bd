/*
 * Word times for a window's segments: words.h applied to a list of segments. Used by both modes.
 */
#ifndef ENGINE_TIMING_H
#define ENGINE_TIMING_H

#include "engine/batch.h"
#include "engine/segments.h"
#include "engine/words.h"

struct timing {
    struct words *words;
    struct words_segment *segments; // of the last window
    int n_segments, capacity;
};

int timing_open(struct timing *t, const struct net *net, const struct config *c, struct batch *b);
void timing_fini(struct timing *t);

struct timing_window {
    const struct net_window *window;
    int language;
    int n_frames;          // of the window that are not padding
    double offset_s;       // its beginning in the recording
    double last_speech_s;  // end of the last word before it
};

/* Times the words of all segments of `list`, in t->segments; the list itself is not changed until
 * timing_store, so that the rules on silence can be asked in between. ENOMEM, EABORTED. */
int timing_run(struct timing *t, struct batch *b, struct pool *pool, const struct timing_window *w,
               const struct segment_list *list);

/* Copies words and corrected times into the first t->n_segments segments of `list`. ENOMEM. */
int timing_store(const struct timing *t, struct segment_list *list);

#endif
