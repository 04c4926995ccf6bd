/*
 * Words from tokens.
 */
#include "engine/wordsplit.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum { REPLACEMENT = 0xFFFD };

bool wordsplit_contains(const char *set, const char *word, size_t size)
{
    return memmem(set, strlen(set), word, size) != NULL;
}

bool wordsplit_by_character(int language)
{
    static const char *const codes[] = {"zh", "ja", "th", "lo", "my", "yue"};

    if (language < 0 || language >= language_count)
        return false;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(codes[i], language_table[language].code) == 0)
            return true;
    return false;
}

/* ---- characters ------------------------------------------------------------------------------- */

/* One character of bytes that need not be UTF-8; returns its length. What is broken counts as
 * U+FFFD, one for each longest beginning of a character (Unicode Standard, section 3.9). */
static size_t next_character(const char *s, size_t size, uint32_t *c)
{
    int n = utf8_decode(s, size, c);
    if (n > 0)
        return (size_t)n;
    *c = REPLACEMENT;
    size_t broken = n == 0 ? size : 1;
    while (n < 0 && broken < 3 && broken < size && utf8_decode(s, broken + 1, c) == 0)
        broken++;
    *c = REPLACEMENT;
    return broken;
}

static bool is_space(uint32_t c) // what Python's str.strip removes
{
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

/* Removes white space at both ends of valid UTF-8. */
static void strip(const char **s, size_t *size)
{
    const char *begin = *s, *stop = *s + *size, *end = *s;
    bool inside = false;
    uint32_t c;

    for (const char *p = begin; p < stop;) {
        size_t n = next_character(p, (size_t)(stop - p), &c);
        if (!is_space(c)) {
            if (!inside)
                begin = p;
            inside = true;
            end = p + n;
        }
        p += n;
    }
    *s = begin;
    *size = inside ? (size_t)(end - begin) : 0;
}

/* ---- splitting -------------------------------------------------------------------------------- */

struct splitter {
    const char *raw; // bytes of all tokens
    size_t raw_size;
    uint32_t *full; // its characters
    size_t n_full;
    size_t n_passed; // characters before the present word
    struct word_split *out;
    int text_size;
};

static void put_character(struct splitter *sp, const char *s, size_t n, uint32_t c)
{
    if (c == REPLACEMENT) {
        s = "\xEF\xBF\xBD";
        n = 3;
    }
    memcpy(sp->out->text + sp->text_size, s, n);
    sp->text_size += (int)n;
}

static void push_word(struct splitter *sp, size_t begin, size_t end, int n_tokens)
{
    struct word_part *part = &sp->out->parts[sp->out->n_parts++];
    uint32_t c;

    *part = (struct word_part){.begin = sp->text_size, .n_tokens = n_tokens};
    while (begin < end) {
        size_t n = next_character(sp->raw + begin, end - begin, &c);
        put_character(sp, sp->raw + begin, n, c);
        sp->n_passed++;
        begin += n;
    }
    part->end = sp->text_size;
}

/* A word may end where its bytes are whole characters, or where its broken character is broken in
 * the whole text too. */
static bool may_end(const struct splitter *sp, size_t begin, size_t end)
{
    uint32_t c;

    for (size_t i = sp->n_passed; begin < end; i++) {
        begin += next_character(sp->raw + begin, end - begin, &c);
        if (c == REPLACEMENT)
            return i < sp->n_full && sp->full[i] == REPLACEMENT;
    }
    return true;
}

static void split_characters(struct splitter *sp, const struct tokenizer *tok,
                             const int32_t *tokens, int n)
{
    size_t begin = 0, end = 0;
    int waiting = 0;

    for (size_t at = 0; at < sp->raw_size; sp->n_full++)
        at += next_character(sp->raw + at, sp->raw_size - at, &sp->full[sp->n_full]);
    for (int i = 0; i < n; i++) {
        end += (size_t)tokenizer_bytes(tok, tokens[i]).size;
        waiting++;
        if (!may_end(sp, begin, end))
            continue;
        push_word(sp, begin, end, waiting);
        begin = end;
        waiting = 0;
    }
    if (waiting > 0) // the text ends inside a character
        push_word(sp, begin, end, waiting);
}

/* Joins the pieces that continue a word: neither a leading space nor punctuation alone. */
static void join_pieces(struct word_split *s)
{
    static const char punctuation[] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"; // Python's list
    int n = 0;

    for (int i = 0; i < s->n_parts; i++) {
        const struct word_part *p = &s->parts[i];
        const char *text = s->text + p->begin;
        size_t size = (size_t)(p->end - p->begin);
        bool with_space = size > 0 && text[0] == ' ';
        strip(&text, &size);
        if (n == 0 || with_space || wordsplit_contains(punctuation, text, size)) {
            s->parts[n++] = *p;
        } else {
            s->parts[n - 1].end = p->end;
            s->parts[n - 1].n_tokens += p->n_tokens;
        }
    }
    s->n_parts = n;
}

int wordsplit_init(struct word_split *out, const struct tokenizer *tok, const int32_t *tokens,
                   int n_tokens, bool by_character)
{
    size_t size = tokenizer_decode(tok, tokens, n_tokens, NULL, 0);
    char *raw = mem_alloc(size + 1, 1);
    struct splitter sp = {.raw = raw, .raw_size = size, .out = out};

    sp.full = mem_alloc(size, sizeof *sp.full);
    *out = (struct word_split){.text = mem_alloc(size + 1, 3),
                               .parts = mem_alloc((size_t)n_tokens + 1, sizeof *out->parts)};
    int err = raw && sp.full && out->text && out->parts ? 0 : SOTTO_ENOMEM;
    if (!err) {
        tokenizer_decode(tok, tokens, n_tokens, raw, size + 1);
        split_characters(&sp, tok, tokens, n_tokens);
        out->text[sp.text_size] = '\0';
        if (!by_character)
            join_pieces(out);
    } else {
        wordsplit_fini(out);
    }
    mem_free(raw);
    mem_free(sp.full);
    return err;
}

void wordsplit_fini(struct word_split *s)
{
    mem_free(s->text);
    mem_free(s->parts);
    *s = (struct word_split){0};
}

/* ---- punctuation ------------------------------------------------------------------------------ */

static void empty(struct word_part *p, int at)
{
    p->begin = p->end = at;
    p->n_tokens = 0;
}

static void merge_prepended(struct word_split *s, const char *marks)
{
    for (int i = s->n_parts - 2, j = s->n_parts - 1; i >= 0; i--) {
        struct word_part *word = &s->parts[i], *next = &s->parts[j];
        const char *text = s->text + word->begin;
        size_t size = (size_t)(word->end - word->begin);
        bool with_space = size > 0 && text[0] == ' ';
        strip(&text, &size);
        if (with_space && wordsplit_contains(marks, text, size)) {
            next->begin = word->begin;
            next->n_tokens += word->n_tokens;
            empty(word, word->begin);
        } else {
            j = i;
        }
    }
}

static void merge_appended(struct word_split *s, const char *marks)
{
    for (int i = 0, j = 1; j < s->n_parts; j++) {
        struct word_part *word = &s->parts[i], *mark = &s->parts[j];
        bool ends_in_space = word->end > word->begin && s->text[word->end - 1] == ' ';
        if (!ends_in_space &&
            wordsplit_contains(marks, s->text + mark->begin, (size_t)(mark->end - mark->begin))) {
            if (mark->end > word->end) {
                if (word->begin == word->end)
                    word->begin = mark->begin;
                word->end = mark->end;
            }
            word->n_tokens += mark->n_tokens;
            empty(mark, mark->end);
        } else {
            i = j;
        }
    }
}

void wordsplit_merge(struct word_split *s, const char *prepend, const char *append)
{
    merge_prepended(s, prepend);
    merge_appended(s, append);
}
