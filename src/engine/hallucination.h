/*
 * Words that were probably never spoken, and the silence around them that may be skipped. Pure
 * functions of words and times. Facts: openai/whisper, whisper/transcribe.py
 * (hallucination_silence_threshold).
 */
#ifndef ENGINE_HALLUCINATION_H
#define ENGINE_HALLUCINATION_H

#include "engine/wordtimes.h"

/* 0 for an ordinary word; grows as it is improbable, very short or very long. */
double hallucination_score(const struct sotto_word *word);

/* True if the segment's first eight words (punctuation left out) are mostly anomalous. A segment
 * without words, or NULL, is not. */
bool hallucination_suspected(const struct words_segment *segment);

/* The first of the segments that has words, or NULL. */
const struct words_segment *hallucination_next(const struct words_segment *segments, int n);

/* A window after its word times are known. */
struct hallucination_window {
    double threshold_s;           // hallucination_silence_threshold
    double offset_s;              // its beginning in the recording
    double segment_s;             // length of what was decoded, without padding
    double content_s;             // length of the recording
    double last_speech_s;         // end of the last word before the window
    bool single_timestamp_ending; // its tokens end in one timestamp after text
    double window_s;              // full length, 30.0
};

enum hallucination_verdict {
    HALLUCINATION_NONE = 0, // all segments stay; seek is as decided before
    HALLUCINATION_SEEK,     // all segments stay; go on at *seek_s
    HALLUCINATION_RETRY,    // no segment stays: decode again from *seek_s, nothing else happens
    HALLUCINATION_CUT,      // the first *n_kept segments stay; go on at *seek_s
};

/*
 * The rule: long silence before an anomalous first segment is skipped; an anomalous segment between
 * silences (or anomalies) is dropped with all after it. `*seek_s` and `*n_kept` are written as the
 * verdict says. A seek at the end of the recording is exactly content_s.
 */
enum hallucination_verdict hallucination_judge(const struct hallucination_window *window,
                                               const struct words_segment *segments, int n,
                                               double *seek_s, int *n_kept);

#endif
