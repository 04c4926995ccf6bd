/*
 * The vocabulary: bytes of every token, which ids are special, language tokens, decoding, and the
 * set of non-speech tokens. Turning text into tokens is in bpe.c; reading vocabulary files is in
 * vocab.c. Facts: openai/whisper, whisper/tokenizer.py.
 */
#include "model/tokenizer_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    N_TIMESTAMPS = 1501,   // 0.00 .. 30.00 s
    N_AFTER_LANGUAGES = 6, // translate, transcribe, startoflm, startofprev, nospeech, notimestamps
    VOCAB_MULTILINGUAL = 51865, // sizes of the published vocabularies: English-only is one less
};

/* ---- special ids ----------------------------------------------------------------------------- */

static bool token_is(const struct tokenizer *t, int32_t id, const char *name)
{
    size_t n = strlen(name);
    return t->offset[id + 1] - t->offset[id] == n && memcmp(t->bytes + t->offset[id], name, n) == 0;
}

/* Id of the special token called `name`, searched from `from` on, or -1. */
static int32_t find_special(const struct tokenizer *t, int32_t from, const char *name)
{
    for (int32_t id = from; id < t->n_tokens; id++)
        if (token_is(t, id, name))
            return id;
    return -1;
}

static int find_language_token(const struct tokenizer *t, int32_t id)
{
    size_t size = t->offset[id + 1] - t->offset[id];
    const char *s = t->bytes + t->offset[id];
    if (size < 6 || size > 8 || memcmp(s, "<|", 2) != 0 || memcmp(s + size - 2, "|>", 2) != 0)
        return -1;
    for (int i = 0; i < language_count; i++)
        if (strlen(language_table[i].code) == size - 4 &&
            memcmp(language_table[i].code, s + 2, size - 4) == 0)
            return i;
    return -1;
}

/* Languages by the names of their tokens; returns how many follow lang_begin. */
static int name_languages(struct tokenizer *t)
{
    int n = 0;
    for (int32_t id = t->special.lang_begin; id < t->n_tokens; id++, n++) {
        int language = find_language_token(t, id);
        if (language < 0 || n == language_count)
            break;
        t->language_token[language] = id;
    }
    return n;
}

/* Without names the order of openai/whisper holds, and the count follows from the size. */
static int count_languages(struct tokenizer *t)
{
    int n = t->n_tokens - t->special.lang_begin - N_AFTER_LANGUAGES - N_TIMESTAMPS;
    if (n < 0 || n > language_count)
        return -1;
    for (int i = 0; i < n; i++)
        t->language_token[i] = t->special.lang_begin + i;
    return n;
}

static int32_t name_or(const struct tokenizer *t, const char *name, int32_t otherwise)
{
    int32_t id = find_special(t, t->special.eot, name);
    return id >= 0 ? id : otherwise;
}

static int32_t find_eot(const struct tokenizer *t)
{
    int32_t id = find_special(t, 0, "<|endoftext|>");
    if (id < 0 && t->n_tokens == VOCAB_MULTILINGUAL - 1)
        return 50256;
    if (id < 0 && t->n_tokens >= VOCAB_MULTILINGUAL && t->n_tokens <= VOCAB_MULTILINGUAL + 1)
        return 50257;
    return id;
}

/* The multilingual vocabulary has an empty text token just before the end-of-text token. */
static bool is_multilingual(const struct tokenizer *t)
{
    int32_t eot = t->special.eot;
    if (eot >= 50256)
        return eot > 50256;
    return eot > 0 && t->offset[eot] == t->offset[eot - 1];
}

static bool assign_specials(struct tokenizer *t)
{
    struct token_special *s = &t->special;
    s->eot = find_eot(t);
    if (s->eot < 0)
        return false;
    s->sot = name_or(t, "<|startoftranscript|>", s->eot + 1);
    s->lang_begin = s->sot + 1;
    if (s->lang_begin >= t->n_tokens)
        return false;
    int n = name_languages(t);
    if (n == 0)
        n = count_languages(t);
    if (n < 0)
        return false;
    s->translate = name_or(t, "<|translate|>", s->lang_begin + n);
    s->transcribe = name_or(t, "<|transcribe|>", s->translate + 1);
    s->sot_lm = name_or(t, "<|startoflm|>", s->transcribe + 1);
    s->sot_prev = name_or(t, "<|startofprev|>", s->sot_lm + 1);
    s->no_speech = name_or(t, "<|nospeech|>", name_or(t, "<|nocaptions|>", s->sot_prev + 1));
    s->no_timestamps = name_or(t, "<|notimestamps|>", s->no_speech + 1);
    s->timestamp_begin = name_or(t, "<|0.00|>", s->no_timestamps + 1);
    if (s->timestamp_begin > t->n_tokens - N_TIMESTAMPS || s->no_timestamps >= t->n_tokens)
        return false;

    t->multilingual = is_multilingual(t);
    s->n_languages = n;
    if (!t->multilingual) { // the ids exist, but the model was not trained with them
        s->n_languages = 0;
        memset(t->language_token, -1, sizeof t->language_token);
    }
    return true;
}

/* ---- the non-speech set ---------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Adds the first token of `text`; unless `first_only`, texts of several tokens are left alone. */
static int add_non_speech(struct tokenizer *t, const char *text, bool first_only)
{
    int32_t ids[8];
    int n = tokenizer_encode(t, text, ids, 8);
    if (n < 0)
        return n;
    if (n == 1 || (n > 1 && first_only))
        t->non_speech[t->n_non_speech++] = ids[0];
    return 0;
}

static int fill_non_speech(struct tokenizer *t)
{
    static const char *const symbols[] = {
        "\"",  "#",  "(",  ")",   "*",   "+",   "/",   ":",  ";",   "<",  "=",   ">",
        "@",   "[",  "\\", "]",   "^",   "_",   "`",   "{",  "|",   "}",  "~",   "「",
        "」",  "『", "』", "<<",  ">>",  "<<<", ">>>", "--", "---", "-(", "-[",  "('",
        "(\"", "((", "))", "(((", ")))", "[[",  "]]",  "{{", "}}",  "♪♪", "♪♪♪",
    };
    static const char *const notes[] = {"♩", "♪", "♫", "♬", "♭", "♮", "♯"};
    enum { N_SYMBOLS = sizeof symbols / sizeof *symbols, N_NOTES = sizeof notes / sizeof *notes };
    static_assert(2 * (N_SYMBOLS + N_NOTES) + 2 <= TOKENIZER_MAX_NON_SPEECH, "room for all");

    int err = add_non_speech(t, " -", true); // allowed inside words, not at their beginning
    if (!err)
        err = add_non_speech(t, " '", true);
    for (int i = 0; !err && i < N_SYMBOLS + N_NOTES; i++) {
        bool note = i >= N_SYMBOLS;
        char spaced[16] = " ";
        strcat(spaced, note ? notes[i - N_SYMBOLS] : symbols[i]);
        err = add_non_speech(t, spaced + 1, note);
        if (!err)
            err = add_non_speech(t, spaced, note);
    }
    if (err)
        return err;
    qsort(t->non_speech, (size_t)t->n_non_speech, sizeof *t->non_speech, compare_ids);
    int n = 0;
    for (int i = 0; i < t->n_non_speech; i++)
        if (n == 0 || t->non_speech[n - 1] != t->non_speech[i])
            t->non_speech[n++] = t->non_speech[i];
    t->n_non_speech = n;
    return 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int copy_tokens(struct tokenizer *t, const struct token_bytes *tokens, int n_tokens)
{
    size_t total = 0;
    for (int i = 0; i < n_tokens; i++)
        total += (size_t)tokens[i].size;
    if (total > UINT32_MAX)
        return SOTTO_EMODEL;
    t->bytes = mem_alloc(total, 1);
    t->offset = mem_alloc((size_t)n_tokens + 1, sizeof *t->offset);
    if (!t->bytes || !t->offset)
        return SOTTO_ENOMEM;
    uint32_t at = 0;
    for (int i = 0; i < n_tokens; i++) {
        t->offset[i] = at;
        if (tokens[i].size > 0)
            memcpy(t->bytes + at, tokens[i].data, (size_t)tokens[i].size);
        at += (uint32_t)tokens[i].size;
    }
    t->offset[n_tokens] = at;
    t->n_tokens = n_tokens;
    return 0;
}

int tokenizer_open(struct tokenizer **out, const struct token_bytes *tokens, int n_tokens,
                   const char *file, struct sotto_diag *diag)
{
    struct tokenizer *t = mem_calloc(1, sizeof *t);
    if (!t)
        return diag_set(diag, SOTTO_ENOMEM, file, "%s: out of memory", file);
    memset(t->language_token, -1, sizeof t->language_token);

    int err = copy_tokens(t, tokens, n_tokens);
    if (!err && !assign_specials(t))
        err = diag_set(diag, SOTTO_EMODEL, file,
                       "%s: not a Whisper vocabulary: among %d tokens the end-of-text token, the "
                       "special tokens or the 1501 timestamps are missing",
                       file, n_tokens);
    else if (!err)
        err = bpe_init(t);
    if (!err)
        err = fill_non_speech(t);
    if (err) {
        if (err == SOTTO_ENOMEM)
            diag_set(diag, err, file, "%s: out of memory", file);
        tokenizer_close(&t);
        return err;
    }
    *out = t;
    return 0;
}

void tokenizer_close(struct tokenizer **t)
{
    if (!t || !*t)
        return;
    bpe_fini(*t);
    mem_free((*t)->offset);
    mem_free((*t)->bytes);
    mem_free(*t);
    *t = NULL;
}

/* ---- questions ------------------------------------------------------------------------------- */

const struct token_special *tokenizer_special(const struct tokenizer *t)
{
    return &t->special;
}

bool tokenizer_multilingual(const struct tokenizer *t)
{
    return t->multilingual;
}

int tokenizer_n_tokens(const struct tokenizer *t)
{
    return t->n_tokens;
}

int32_t tokenizer_language_token(const struct tokenizer *t, int language)
{
    return language >= 0 && language < language_count ? t->language_token[language] : -1;
}

int tokenizer_token_language(const struct tokenizer *t, int32_t token)
{
    for (int i = 0; token >= 0 && i < language_count; i++)
        if (t->language_token[i] == token)
            return i;
    return -1;
}

struct token_bytes tokenizer_bytes(const struct tokenizer *t, int32_t token)
{
    if (token < 0 || token >= t->special.eot)
        return (struct token_bytes){"", 0};
    uint32_t begin = t->offset[token];
    return (struct token_bytes){t->bytes + begin, (int)(t->offset[token + 1] - begin)};
}

size_t tokenizer_decode(const struct tokenizer *t, const int32_t *ids, int n_ids, char *dst,
                        size_t size)
{
    size_t length = 0;
    for (int i = 0; i < n_ids; i++)
        length += (size_t)tokenizer_bytes(t, ids[i]).size;
    if (length >= size)
        return length;
    for (int i = 0; i < n_ids; i++) {
        struct token_bytes b = tokenizer_bytes(t, ids[i]);
        memcpy(dst, b.data, (size_t)b.size);
        dst += b.size;
    }
    *dst = 0;
    return length;
}

const int32_t *tokenizer_non_speech(const struct tokenizer *t, int *n)
{
    *n = t->n_non_speech;
    return t->non_speech;
}
