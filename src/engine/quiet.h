/*
 * The loudness of the last minute and a half of a stream, and the quietest place in a stretch of it:
 * where speech without a pause is cut.
 */
#ifndef ENGINE_QUIET_H
#define ENGINE_QUIET_H

#include <stddef.h>
#include <stdint.h>

enum { QUIET_FRAME = 160 }; // samples, 10 ms

struct quiet {
    float *power;     // mean square of each frame, the last QUIET_KEPT in a ring
    int64_t n_frames; // complete ones so far
    double sum;       // of squares in the frame under way
    int n_in_frame;
};

int quiet_init(struct quiet *q); // ENOMEM
void quiet_fini(struct quiet *q);
void quiet_feed(struct quiet *q, const float *samples, size_t n); // NaN and infinity count as 0

/* Speech probability of a chunk of VAD_CHUNK samples; negative: unknown. vad_probability fits. */
typedef float quiet_probability(const void *vad, int64_t chunk);

/*
 * The best place to cut in [begin, end): quiet for 90 ms, in quiet surroundings (410 ms), unlikely
 * to be speech (`probability` may be NULL), rather late than early. Samples beyond what was fed or
 * is still kept do not count; if none is left, `end` is returned.
 */
int64_t quiet_find(const struct quiet *q, int64_t begin, int64_t end,
                   quiet_probability *probability, const void *vad);

#endif
