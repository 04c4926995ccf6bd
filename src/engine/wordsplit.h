/*
 * Decoded tokens as words: where words begin, and punctuation joined to its neighbours. Text only,
 * no times. Facts: openai/whisper, whisper/tokenizer.py (split_to_word_tokens) and
 * whisper/timing.py (merge_punctuations).
 */
#ifndef ENGINE_WORDSPLIT_H
#define ENGINE_WORDSPLIT_H

#include "model/tokenizer.h"

/* One word. Neighbouring words are neighbours in the text too, so joining two is joining ranges. */
struct word_part {
    int begin, end; // bytes of the text; empty once joined to a neighbour
    int n_tokens;
    double start_s, end_s; // from the beginning of the window; filled by words.c
    double probability;
};

struct word_split {
    char *text;              // valid UTF-8 of all words; bytes that are not become U+FFFD
    struct word_part *parts; // in order; their token counts add up to the tokens split
    int n_parts;
};

/* Splits text tokens: before spaces and round punctuation, or (`by_character`) wherever tokens end
 * on a whole character. Close with wordsplit_fini. Errors: NOMEM. */
int wordsplit_init(struct word_split *out, const struct tokenizer *tok, const int32_t *tokens,
                   int n_tokens, bool by_character);
void wordsplit_fini(struct word_split *s);

/* Languages written without spaces: zh ja th lo my yue. `language`: index or -1. */
bool wordsplit_by_character(int language);

/* Joins words that are `prepend` marks to the word after them, `append` marks to the one before. */
void wordsplit_merge(struct word_split *s, const char *prepend, const char *append);

/* True if the `size` bytes at `word` occur in `set` (an empty word always does). */
bool wordsplit_contains(const char *set, const char *word, size_t size);

#endif
