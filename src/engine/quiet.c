/* Loudness by frames and the quietest place; see quiet.h. */
#include "engine/quiet.h"

#include <math.h>

#include "audio/audio.h"
#include "audio/vad.h"
#include "base/error.h"
#include "base/mem.h"

enum { KEPT = 8192 }; // frames, a power of two: 82 s

int quiet_init(struct quiet *q)
{
    *q = (struct quiet){.power = mem_calloc(KEPT, sizeof(float))};
    return q->power ? 0 : SOTTO_ENOMEM;
}

void quiet_fini(struct quiet *q)
{
    mem_free(q->power);
    q->power = NULL;
}

void quiet_feed(struct quiet *q, const float *samples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float x = isfinite(samples[i]) ? samples[i] : 0;
        q->sum += (double)x * x;
        if (++q->n_in_frame == QUIET_FRAME) {
            q->power[q->n_frames++ % KEPT] = (float)(q->sum / QUIET_FRAME);
            q->sum = 0;
            q->n_in_frame = 0;
        }
    }
}

// Decibels of the mean power of the frames [begin, end) that are known.
static double level_db(const struct quiet *q, int64_t begin, int64_t end)
{
    double sum = 0;
    int64_t oldest = q->n_frames > KEPT ? q->n_frames - KEPT : 0;
    begin = begin < oldest ? oldest : begin;
    end = end > q->n_frames ? q->n_frames : end;
    for (int64_t f = begin; f < end; f++)
        sum += q->power[f % KEPT];
    return 10 * log10(sum / (double)(end > begin ? end - begin : 1) + 1e-9);
}

// Mean probability of the chunk of `sample` and its neighbours.
static double speech_near(int64_t sample, quiet_probability *probability, const void *vad)
{
    double sum = 0;
    int n = 0;
    for (int64_t chunk = sample / VAD_CHUNK - 1; chunk <= sample / VAD_CHUNK + 1; chunk++) {
        float p = probability(vad, chunk);
        if (p >= 0) {
            sum += p;
            n++;
        }
    }
    return n ? sum / n : 0.5;
}

int64_t quiet_find(const struct quiet *q, int64_t begin, int64_t end,
                   quiet_probability *probability, const void *vad)
{
    const double near_weight = 1, wide_weight = 0.5, speech_weight = 25; // decibels
    const double late_db_per_frame = 1.5 * QUIET_FRAME / AUDIO_RATE;
    int64_t oldest = q->n_frames > KEPT ? q->n_frames - KEPT : 0;
    int64_t first = (begin + QUIET_FRAME - 1) / QUIET_FRAME, last = end / QUIET_FRAME;
    int64_t best = end;
    double best_cost = INFINITY;

    first = first < oldest ? oldest : first;
    last = last > q->n_frames ? q->n_frames : last;
    for (int64_t f = first; f < last; f++) {
        int64_t sample = f * QUIET_FRAME + QUIET_FRAME / 2;
        double cost = near_weight * level_db(q, f - 4, f + 5) +
                      wide_weight * level_db(q, f - 20, f + 21) -
                      late_db_per_frame * (double)(f - first);
        if (probability)
            cost += speech_weight * speech_near(sample, probability, vad);
        if (cost <= best_cost) {
            best_cost = cost;
            best = sample;
        }
    }
    return best;
}
