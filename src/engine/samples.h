/*
 * The part of a recording that is still needed, as it arrives: samples are appended at the end and
 * forgotten from the front, and addressed by their position in the recording.
 */
#ifndef ENGINE_SAMPLES_H
#define ENGINE_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct samples {
    float *data;     // samples [begin, end)
    int64_t begin, end;
    size_t capacity;
    bool complete;   // no more will come: `end` is the recording's length
};

void samples_init(struct samples *s);
void samples_fini(struct samples *s);
void samples_reset(struct samples *s); // keeps the memory
/* The first sample to be appended is the one at `position`. Only while there are none. */
void samples_start(struct samples *s, int64_t position);

/* Appends; NaN and infinite values become 0 and are counted in `*n_bad` (may be NULL). ENOMEM. */
int samples_append(struct samples *s, const float *src, size_t n, int64_t *n_bad);

/* Samples before `position` will not be asked for again. */
void samples_forget(struct samples *s, int64_t position);

/* Copies [position, position + n) to dst. Before the recording's start the signal is reflected
 * (x[-i] = x[i], as numpy.pad's "reflect"), after its known end it is zero. Everything else in the
 * range must still be held. */
void samples_copy(const struct samples *s, int64_t position, size_t n, float *dst);

#endif
