/*
 * Improbable words: see hallucination.h.
 */
#include "engine/hallucination.h"

#include <math.h>
#include <string.h>

// openai/whisper, whisper/transcribe.py: the prepended and the appended marks together
static const char punctuation[] = "\"'“¿([{-\"'.。,，!！?？:：”)]}、";

double hallucination_score(const struct sotto_word *w)
{
    double duration_s = w->end_s - w->start_s, score = 0;

    if (w->probability < 0.15f)
        score += 1;
    if (duration_s < 0.133)
        score += (0.133 - duration_s) * 15;
    if (duration_s > 2)
        score += duration_s - 2;
    return score;
}

bool hallucination_suspected(const struct words_segment *s)
{
    double score = 0;
    int n = 0;

    if (!s || s->n_words == 0)
        return false;
    for (int i = 0; i < s->n_words && n < 8; i++) {
        if (wordsplit_contains(punctuation, s->words[i].text, strlen(s->words[i].text)))
            continue;
        score += hallucination_score(&s->words[i]);
        n++;
    }
    return score >= 3 || score + 0.01 >= n;
}

const struct words_segment *hallucination_next(const struct words_segment *segments, int n)
{
    for (int i = 0; i < n; i++)
        if (segments[i].n_words > 0)
            return &segments[i];
    return NULL;
}

static bool is_surrounded(const struct hallucination_window *w, const struct words_segment *s,
                          const struct words_segment *next, double last_end_s)
{
    double window_end_s = w->offset_s + w->window_s;
    double next_start_s = next ? next->words[0].start_s : w->offset_s + w->segment_s;
    bool before = s->start_s - last_end_s > w->threshold_s || s->start_s < w->threshold_s ||
                  s->start_s - w->offset_s < 2;
    bool after = next_start_s - s->end_s > w->threshold_s || hallucination_suspected(next) ||
                 window_end_s - s->end_s < 2;
    return before && after;
}

enum hallucination_verdict hallucination_judge(const struct hallucination_window *w,
                                               const struct words_segment *segments, int n,
                                               double *seek_s, int *n_kept)
{
    enum hallucination_verdict verdict = HALLUCINATION_NONE;
    double end_s = wordtimes_end(segments, n, -INFINITY), last_end_s = w->last_speech_s;

    if (!w->single_timestamp_ending && end_s > w->offset_s) {
        bool far = w->offset_s + w->window_s - end_s > w->threshold_s;
        *seek_s = far ? end_s : w->offset_s + w->segment_s;
        verdict = HALLUCINATION_SEEK;
    }
    const struct words_segment *first = hallucination_next(segments, n);
    if (first && hallucination_suspected(first) && first->start_s - w->offset_s > w->threshold_s) {
        *seek_s = first->start_s;
        return HALLUCINATION_RETRY;
    }
    for (int i = 0; i < n; i++) {
        const struct words_segment *s = &segments[i];
        if (s->n_words == 0)
            continue;
        const struct words_segment *next = hallucination_next(s + 1, n - i - 1);
        if (hallucination_suspected(s) && is_surrounded(w, s, next, last_end_s)) {
            bool at_end = w->content_s - s->end_s < w->threshold_s;
            *seek_s = at_end ? w->content_s : fmax(w->offset_s + 1, s->start_s);
            *n_kept = i;
            return HALLUCINATION_CUT;
        }
        last_end_s = s->end_s;
    }
    return verdict;
}
