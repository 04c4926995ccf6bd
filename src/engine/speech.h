/*
 * Where speech is, for the sequential mode: voice-activity spans joined over short silences, so that
 * windows are cut from natural sound and long silences are passed over.
 */
#ifndef ENGINE_SPEECH_H
#define ENGINE_SPEECH_H

#include "audio/vad.h"

struct speech_group {
    int64_t begin, end; // samples; `end` is what is known so far while the group is open
    int64_t settled;    // end of the last span in it that is over
    bool closed;
};

struct speech {
    struct vad *vad;               // borrowed
    int64_t origin;                // position in the recording of the detector's first sample
    struct speech_group *groups;   // in order; those that ended before the last question are dropped
    int n_groups, capacity;
    int64_t end;                   // of what was fed; of the recording, once finished
    bool finished;
};

/* What will be fed begins at sample `origin` of the recording. */
void speech_init(struct speech *s, struct vad *vad, int64_t origin);
void speech_fini(struct speech *s);

int speech_feed(struct speech *s, const float *samples, size_t n); // ENOMEM
int speech_finish(struct speech *s);                               // ENOMEM

/*
 * The speech at or after `position` (which must not decrease from call to call). Returns true and
 * fills `group` when there is some. Returns false when none is known; then `*silent_until` says how
 * far it is certain that there is none (the end of the recording once finished).
 */
bool speech_at(struct speech *s, int64_t position, struct speech_group *group,
               int64_t *silent_until);

#endif
