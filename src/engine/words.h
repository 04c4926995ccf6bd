/*
 * Word timestamps: the decoder reads a window's text once more, and where its alignment heads look
 * tells when each word was spoken. Facts: openai/whisper, whisper/timing.py (find_alignment,
 * add_word_timestamps). The arithmetic is in dtw.c, words of tokens in wordsplit.c, corrections
 * of the times in wordtimes.c.
 */
#ifndef ENGINE_WORDS_H
#define ENGINE_WORDS_H

#include "engine/net.h"
#include "engine/wordtimes.h"
#include "ops/ops.h"

struct words; // scratch and the words found last

struct words_params {
    const struct ops *ops;        // NULL: the plain C ones. Copied
    const char *prepend, *append; // punctuation marks; NULL: openai/whisper's sets. Borrowed
    int max_rows;                 // of one decoder step: net_decoder_max_rows; at most 32 are used
};

/* Errors: NOMEM. `model` is borrowed. Holds about 16 MiB; the attention of a window comes on top
 * while it is aligned: heads x tokens x positions floats, at most 64 MiB or one head. */
int words_open(struct words **out, const struct model *model, const struct words_params *params);
void words_close(struct words **w);

struct words_window {
    int slot;             // of the decoder, bound to the window; its cache is overwritten
    const int32_t *start; // start sequence as decoded: <|startoftranscript|> [language task]
    int n_start;          // (without <|notimestamps|>)
    int language;         // index of the language table, -1 for English-only models
    int n_frames;         // mel frames (10 ms) of the window that are not padding, 0..3000
    double offset_s;      // where the window begins in the recording
    double last_speech_s; // end of the last word before it, 0 at the beginning
    struct words_segment *segments;
    int n_segments;
};

/* Fills words and corrects times of the window's segments. Their words live until the next run or
 * words_close. Errors: NOMEM, ABORTED (segments are then untouched). */
int words_run(struct words *w, struct net_decoder *d, struct pool *pool,
              const struct words_window *window);

#endif
