/* Groups of speech for the sequential mode. See speech.h. */
#include "engine/speech.h"

#include <string.h>

#include "audio/audio.h"
#include "base/mem.h"

/* Spans closer than this stay together. Whisper copes with pauses of this length; it begins to
 * invent text in longer ones. */
enum { JOIN_SAMPLES = 5 * AUDIO_RATE / 2 };

void speech_init(struct speech *s, struct vad *vad, int64_t origin)
{
    *s = (struct speech){.vad = vad, .origin = origin, .end = origin};
}

void speech_fini(struct speech *s)
{
    mem_free(s->groups);
    *s = (struct speech){0};
}

/* Adds a span to the groups. One that is not settled is still being spoken. */
static int add_span(struct speech *s, int64_t begin, int64_t end, bool settled)
{
    if (s->n_groups > 0) {
        struct speech_group *last = &s->groups[s->n_groups - 1];
        if (!last->closed && begin - last->end < JOIN_SAMPLES) {
            if (settled && end > last->settled)
                last->settled = end;
            last->end = end > last->end ? end : last->end;
            return 0;
        }
        last->closed = true;
    }
    if (s->n_groups == s->capacity) {
        int capacity = s->capacity ? 2 * s->capacity : 16;
        struct speech_group *groups = mem_grow(s->groups, (size_t)s->n_groups, (size_t)capacity,
                                               sizeof *groups);
        if (!groups)
            return SOTTO_ENOMEM;
        s->groups = groups;
        s->capacity = capacity;
    }
    s->groups[s->n_groups++] = (struct speech_group){begin, end, settled ? end : begin, false};
    return 0;
}

static int64_t decided(const struct speech *s)
{
    return s->origin + vad_decided(s->vad);
}

/* Takes what the detector has decided; closes the last group once silence has lasted. */
static int update(struct speech *s)
{
    struct vad_span span;
    int64_t begin;

    if (s->n_groups > 0) {
        struct speech_group *last = &s->groups[s->n_groups - 1];
        last->end = last->settled;
        if (last->end == last->begin) // what opened it may have been too short for speech
            s->n_groups--;
    }
    while (vad_next(s->vad, &span)) {
        int err = add_span(s, s->origin + span.start, s->origin + span.end, true);
        if (err)
            return err;
    }
    if (vad_in_speech(s->vad, &begin))
        return add_span(s, s->origin + begin, s->end, false);
    if (s->n_groups > 0) {
        struct speech_group *last = &s->groups[s->n_groups - 1];
        if (s->finished || decided(s) - last->end >= JOIN_SAMPLES)
            last->closed = true;
    }
    return 0;
}

int speech_feed(struct speech *s, const float *samples, size_t n)
{
    int err = vad_feed(s->vad, samples, n);
    s->end += (int64_t)n;
    return err ? err : update(s);
}

int speech_finish(struct speech *s)
{
    int err = vad_finish(s->vad);
    s->finished = true;
    return err ? err : update(s);
}

bool speech_at(struct speech *s, int64_t position, struct speech_group *group,
               int64_t *silent_until)
{
    int n_past = 0;
    while (n_past < s->n_groups && s->groups[n_past].closed && s->groups[n_past].end <= position)
        n_past++;
    s->n_groups -= n_past;
    if (n_past > 0)
        memmove(s->groups, s->groups + n_past, (size_t)s->n_groups * sizeof *s->groups);

    if (s->n_groups == 0) {
        *silent_until = s->finished ? s->end : decided(s);
        return false;
    }
    *group = s->groups[0];
    return true;
}
