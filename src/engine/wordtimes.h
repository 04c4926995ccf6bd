/*
 * From the times of words to words of segments: overlong words at sentence ends and after pauses
 * are shortened, and the segments' own times corrected. Arithmetic only. Facts: openai/whisper,
 * whisper/timing.py (add_word_timestamps).
 */
#ifndef ENGINE_WORDTIMES_H
#define ENGINE_WORDTIMES_H

#include <sotto.h>

#include "engine/wordsplit.h"

/* A segment of the window. */
struct words_segment {
    const int32_t *tokens; // in: as decoded; ids from end of text on (timestamps) are not text
    int n_tokens;
    double start_s, end_s;    // in: of its timestamps, in the recording; out: corrected
    struct sotto_word *words; // out: borrowed from struct words until its next run
    int n_words;
};

struct word_limits {
    double median_s; // median duration of the words, at most 0.7; 0 if none lasts
    double max_s;    // twice that
    bool any;        // some word lasts
};

/* Errors: NOMEM. */
int wordtimes_limits(const struct word_part *parts, int n, struct word_limits *out);

/* Shortens words at the ends of sentences. Before punctuation is joined to words. */
void wordtimes_cut_sentences(struct word_split *split, const struct word_limits *limits);

/* Fills one segment's words (at most n_parts) from the parts at `*next` on, which then is the first
 * part of the following segment. `text` has room for their text and a NUL each; returns its end. */
char *wordtimes_collect(const struct word_split *split, int *next, int n_text_tokens,
                        double offset_s, struct sotto_word *words, int *n_words, char *text);

/* Corrects the words and times of a segment. `*last_speech_s`: end of the speech before; becomes the
 * segment's end. */
void wordtimes_correct(struct words_segment *segment, const struct word_limits *limits,
                       double *last_speech_s);

/* End of the last word of the segments; without words the last segment's end; `otherwise` if there
 * is no segment (openai/whisper, whisper/utils.py: get_end). */
double wordtimes_end(const struct words_segment *segments, int n, double otherwise);

#endif
