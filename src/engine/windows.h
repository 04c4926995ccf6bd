/*
 * Cutting a recording into windows for the batched mode: spans of speech, packed towards 30 s, cut
 * at pauses; and the way back from a window's time to the recording's. A stream: samples in, windows
 * out as soon as nothing that follows can change them, in bounded memory.
 *
 * Rules. Every sample of every span is in exactly one window, in order; no window is longer than
 * 30 s. Spans that follow each other share a window, with the natural sound between them as it was;
 * a pause of more than 1 s (beyond the detector's padding) loses its middle. A window ends at the
 * longest pause between 24 and 30 s (late ones are preferred). A span that fits into a window is
 * never cut; a longer one is cut at its quietest place in the last 10 s of what the window can hold.
 * A silence of more than 30 s always ends the window. Without a detector all is one endless span, cut
 * in the last 8 s.
 */
#ifndef ENGINE_WINDOWS_H
#define ENGINE_WINDOWS_H

#include <stdbool.h>

#include "audio/vad.h"

enum {
    WINDOW_MAX = 480000, // samples, 30 s
    WINDOW_PIECES = 64,  // a window with this many pieces ends
};

/* A stretch of the recording in a window: one span, or part of one, with silence kept around it. */
struct window_piece {
    int64_t start; // in the recording, samples
    int32_t n_samples;
    int32_t at;         // in the window, samples
    int32_t lead, tail; // samples at its ends without speech
};

struct window {
    int n_pieces, n_samples;                   // n_samples: of all pieces
    struct window_piece pieces[WINDOW_PIECES]; // in order; neighbours may touch in the recording
    bool cut_begin, cut_end;                   // speech goes on beyond this edge
    float peak, mean; // speech probability in its spans; -1 without a detector
};

struct windows;

/* `vad` (borrowed; NULL: none) must be fresh; windows_feed feeds it. ENOMEM. */
int windows_open(struct windows **out, struct vad *vad);
void windows_close(struct windows **w);

int windows_feed(struct windows *w, const float *samples, size_t n_samples); // ENOMEM
int windows_finish(struct windows *w);                                       // ENOMEM

/* Takes the next window, if there is one. */
bool windows_next(struct windows *w, struct window *window);
/* No window still to be taken needs samples before this one. */
int64_t windows_keep_from(const struct windows *w);

/* ---- times ----------------------------------------------------------------------------------- */

/*
 * Second `t` of the window's sound -> second of the recording. Piecewise linear; where sound was left
 * out, the start of something goes to the beginning of the next piece and its end to the end of the
 * one before, also from the silence beside the seam, where the recogniser puts times that belong to
 * the other side. Times outside are clamped. Monotone in `t` for either edge.
 */
double windows_map_s(const struct window *w, double t, bool is_end);

/* Both ends of a segment or word: *to_end >= *to_start, which two calls of windows_map_s do not
 * promise for what lies in the silence beside a seam (it stays where it sounded). */
void windows_map_span(const struct window *w, double start, double end, double *to_start,
                      double *to_end);

/* Seconds of speech within [from, to] of the window's time. */
double windows_speech_s(const struct window *w, double from, double to);

#endif
