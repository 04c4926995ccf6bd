/* Tokens to segments. Rules: openai/whisper, whisper/transcribe.py (the slices at consecutive
 * timestamps). Words are added later, by words.c. */
#include "engine/segments.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum { FRAMES_PER_TIMESTAMP = 2, FRAMES_PER_SECOND = 100 };

static double timestamp_s(int position)
{
    return position * ((double)FRAMES_PER_TIMESTAMP / FRAMES_PER_SECOND);
}

void segment_fini(struct segment *s)
{
    for (int i = 0; i < s->n_words; i++)
        mem_free((char *)s->words[i].text);
    mem_free(s->words);
    mem_free(s->tokens);
    mem_free(s->text);
    *s = (struct segment){0};
}

struct segment *segment_list_add(struct segment_list *list)
{
    if (list->n == list->capacity) {
        int capacity = list->capacity ? 2 * list->capacity : 16;
        struct segment *items = mem_grow(list->items, (size_t)list->n, (size_t)capacity,
                                         sizeof *items);
        if (!items)
            return NULL;
        list->items = items;
        list->capacity = capacity;
    }
    struct segment *s = &list->items[list->n++];
    *s = (struct segment){0};
    return s;
}

void segment_list_truncate(struct segment_list *list, int n)
{
    while (list->n > n)
        segment_fini(&list->items[--list->n]);
}

void segment_list_fini(struct segment_list *list)
{
    segment_list_truncate(list, 0);
    mem_free(list->items);
    *list = (struct segment_list){0};
}

bool segment_is_blank(const struct segment *s)
{
    size_t size = strlen(s->text);
    utf8_strip(s->text, &size);
    return size == 0;
}

/* Bytes at the start of `s` that continue a code point begun before it. */
static size_t continuation_bytes(const char *s, size_t size)
{
    size_t n = 0;
    while (n < size && n < 3 && ((unsigned char)s[n] & 0xc0) == 0x80)
        n++;
    return n;
}

/* Is the end of `s` the beginning of a code point that is cut off? */
static bool ends_inside(const char *s, size_t size)
{
    size_t valid = utf8_valid_prefix(s, size);
    uint32_t c;
    return valid < size && utf8_decode(s + valid, size - valid, &c) == 0;
}

/* Decodes the segment's text tokens. `skip` bytes at its front belong to the segment before;
 * `next` are the tokens that follow, whose first bytes may complete the last code point. */
static int decode_text(struct segment *s, const struct tokenizer *t, size_t skip,
                       const int32_t *next, int n_next, size_t *taken)
{
    size_t own = tokenizer_decode(t, s->tokens, s->n_tokens, NULL, 0);
    size_t after = n_next > 0 ? tokenizer_decode(t, next, n_next, NULL, 0) : 0;
    char *raw = mem_alloc(own + after + 2, 1);
    if (!raw)
        return SOTTO_ENOMEM;
    tokenizer_decode(t, s->tokens, s->n_tokens, raw, own + 1);

    size_t size = own;
    *taken = 0;
    if (after && ends_inside(raw, own)) {
        tokenizer_decode(t, next, n_next, raw + own, after + 1);
        *taken = continuation_bytes(raw + own, after);
        size += *taken;
    }
    skip = skip < size ? skip : size;
    s->text = mem_alloc(3 * (size - skip) + 1, 1);
    if (s->text)
        utf8_repair(s->text, raw + skip, size - skip);
    mem_free(raw);
    return s->text ? 0 : SOTTO_ENOMEM;
}

struct slicer {
    struct segment_list *list;
    const struct tokenizer *tokenizer;
    const struct segments_window *window;
    size_t skip;
};

/* Adds tokens [from, to) as a segment. */
static int add_slice(struct slicer *c, int from, int to, double start_s, double end_s)
{
    const struct segments_window *w = c->window;
    struct segment *s = segment_list_add(c->list);
    if (!s)
        return SOTTO_ENOMEM;
    s->start_s = w->offset_s + start_s;
    s->end_s = w->offset_s + end_s;
    s->seek_s = w->offset_s;
    s->n_tokens = to - from;
    s->tokens = mem_alloc((size_t)s->n_tokens, sizeof *s->tokens);
    if (!s->tokens) {
        s->n_tokens = 0;
        return SOTTO_ENOMEM;
    }
    memcpy(s->tokens, w->tokens + from, (size_t)s->n_tokens * sizeof *s->tokens);
    size_t taken = 0;
    int err = decode_text(s, c->tokenizer, c->skip, w->tokens + to, w->n_tokens - to, &taken);
    c->skip = taken;
    return err;
}

/* Position of the last timestamp among the tokens, or 0. */
static int last_timestamp(const struct segments_window *w, int32_t begin)
{
    for (int i = w->n_tokens - 1; i >= 0; i--)
        if (w->tokens[i] >= begin)
            return w->tokens[i] - begin;
    return 0;
}

/* No pair of timestamps: everything is one segment, up to the last timestamp if there is one. */
static int cut_whole(struct slicer *c, int32_t begin, struct segments_end *end)
{
    const struct segments_window *w = c->window;
    int position = last_timestamp(w, begin);

    end->resume_s = w->duration_s;
    /* NOTE: the reference ends the text where it begins if it has no other timestamp. What is to be
     * kept to the end must not seem unread. */
    if (w->keep_tail && w->n_tokens > 1 && w->tokens[0] == begin + position) {
        double from = timestamp_s(position);
        return add_slice(c, 0, w->n_tokens, from, fmax(from, w->duration_s));
    }
    return add_slice(c, 0, w->n_tokens, 0, position > 0 ? timestamp_s(position) : w->duration_s);
}

int segments_cut(struct segment_list *list, const struct tokenizer *t,
                 const struct segments_window *w, struct segments_end *end)
{
    int32_t begin = tokenizer_special(t)->timestamp_begin, n = w->n_tokens;
    const int32_t *tok = w->tokens;
    struct slicer c = {.list = list, .tokenizer = t, .window = w};
    int last = 0, err = 0;

    end->single_ending = n >= 2 && tok[n - 2] < begin && tok[n - 1] >= begin;
    for (int i = 1; i <= n && !err; i++) {
        bool pair = i < n && tok[i - 1] >= begin && tok[i] >= begin;
        bool ending = i == n && end->single_ending && last > 0;
        if (!pair && !ending)
            continue;
        err = add_slice(&c, last, i, timestamp_s(tok[last] >= begin ? tok[last] - begin : 0),
                        timestamp_s(tok[i - 1] - begin));
        last = i;
    }
    if (err)
        return err;
    if (last == 0)
        return cut_whole(&c, begin, end);
    if (end->single_ending || (w->keep_tail && last < n)) {
        end->resume_s = w->duration_s;
        if (last < n) {
            double from = timestamp_s(tok[last] >= begin ? tok[last] - begin : 0);
            err = add_slice(&c, last, n, from, w->duration_s > from ? w->duration_s : from);
        }
    } else {
        end->resume_s = timestamp_s(tok[last - 1] - begin);
    }
    return err;
}
