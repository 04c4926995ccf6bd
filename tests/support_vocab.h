/*
 * A small vocabulary for tests of the search and the words: every byte is the token of its value,
 * then come the given texts, then the special tokens and all 1501 timestamps.
 */
#ifndef TESTS_SUPPORT_VOCAB_H
#define TESTS_SUPPORT_VOCAB_H

#include "model/tokenizer.h"

enum { VOCAB_FIRST_TEXT = 256 }; // id of texts[0]

/* Fails the test if it cannot be made. Multilingual, with English and Japanese. */
struct tokenizer *vocab_open(const char *const *texts, int n_texts);

#endif
