/*
 * Cutting a recording at pauses into windows of at most 30 s, packed towards 30 s, for the batched
 * mode; and mapping window time back to the recording's. Streaming: windows come as soon as they are
 * certain. Positions are samples at 16 kHz. (Contract by the caller, batched.c; the owner of this
 * file may refine it.)
 */
#ifndef ENGINE_WINDOWS_H
#define ENGINE_WINDOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "audio/vad.h"

enum { WINDOW_MAX_SAMPLES = 480000, WINDOW_MAX_PIECES = 64 };

/* A stretch of the recording's sound inside a window. */
struct window_piece {
    int64_t start;   // in the recording
    int32_t n_samples;
};

struct window {
    struct window_piece pieces[WINDOW_MAX_PIECES]; // in order, none overlapping
    int n_pieces;
    int32_t n_samples;   // sum of the pieces
    /* speech inside the window, in window samples, in order (all of it without a detector) */
    struct {
        int32_t start, end;
    } speech[WINDOW_MAX_PIECES];
    int n_speech;
};

struct windows;

/* `vad`: borrowed, fed and finished by this module; NULL: cut at the quietest places. ENOMEM. */
int windows_open(struct windows **out, struct vad *vad);
void windows_close(struct windows **w);
int windows_feed(struct windows *w, const float *samples, size_t n); // ENOMEM
int windows_finish(struct windows *w);                               // ENOMEM

/* Takes the next window, if one is certain. */
bool windows_next(struct windows *w, struct window *out);
/* Samples before this one are in no window still to come. */
int64_t windows_keep_from(const struct windows *w);

/* Window time to recording time, both in seconds. Where a piece ends and another begins, `is_end`
 * chooses the first one's end rather than the second one's start. */
double windows_map_s(const struct window *w, double time_s, bool is_end);
/* Seconds of speech between two window times. */
double windows_speech_s(const struct window *w, double from_s, double to_s);

#endif
