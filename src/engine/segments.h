/*
 * From a window's tokens to timed segments of text, and lists of segments.
 */
#ifndef ENGINE_SEGMENTS_H
#define ENGINE_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include <sotto.h>

#include "model/tokenizer.h"

struct segment {
    double start_s, end_s;  // seconds from the beginning of the recording
    double seek_s;          // of the window
    int32_t *tokens;        // owned
    int n_tokens;
    char *text;             // owned, valid UTF-8
    struct sotto_word *words; // owned, with their texts; NULL: none
    int n_words;
    float temperature, avg_logprob, compression_ratio, no_speech_prob;
    int language;           // index of the language table
};

struct segment_list {
    struct segment *items;
    int n, capacity;
};

void segment_fini(struct segment *s);
/* Appends an empty segment and returns it, or NULL when out of memory. */
struct segment *segment_list_add(struct segment_list *list);
void segment_list_truncate(struct segment_list *list, int n); // frees what is cut off
void segment_list_fini(struct segment_list *list);

struct segments_window {
    const int32_t *tokens;   // as decoded, without end of text
    int n_tokens;
    double offset_s;         // the window's start in the recording
    double duration_s;       // of its audio
    bool keep_tail;          // text after the last timestamp is a segment, not left for the next window
};

struct segments_end {
    bool single_ending;      // one timestamp ends the window: nothing was said after it
    double resume_s;         // where the next window begins, seconds from this one's start
};

/*
 * Cuts at pairs of timestamps, as openai/whisper does (whisper/transcribe.py), and appends to
 * `list`. A code point split between two segments goes to the first of them. ENOMEM.
 */
int segments_cut(struct segment_list *list, const struct tokenizer *t,
                 const struct segments_window *w, struct segments_end *end);

/* No text but blanks? */
bool segment_is_blank(const struct segment *s);

#endif
