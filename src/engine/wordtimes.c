/*
 * The drift guards of word times: see wordtimes.h.
 */
#include "engine/wordtimes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int wordtimes_limits(const struct word_part *parts, int n_parts, struct word_limits *out)
{
    double *duration = mem_alloc((size_t)n_parts, sizeof *duration), median = 0;
    int n = 0;

    if (!duration)
        return SOTTO_ENOMEM;
    for (int i = 0; i < n_parts; i++)
        if (parts[i].end_s != parts[i].start_s)
            duration[n++] = parts[i].end_s - parts[i].start_s;
    qsort(duration, (size_t)n, sizeof *duration, compare_doubles);
    if (n > 0)
        median = (duration[(n - 1) / 2] + duration[n / 2]) / 2;
    mem_free(duration);
    median = fmin(0.7, median);
    *out = (struct word_limits){.median_s = median, .max_s = 2 * median, .any = n > 0};
    return 0;
}

static bool ends_sentence(const struct word_split *s, const struct word_part *p)
{
    return wordsplit_contains(".。!！?？", s->text + p->begin, (size_t)(p->end - p->begin));
}

void wordtimes_cut_sentences(struct word_split *s, const struct word_limits *limits)
{
    for (int i = 1; limits->any && i < s->n_parts; i++) {
        struct word_part *p = &s->parts[i];
        if (!(p->end_s - p->start_s > limits->max_s))
            continue;
        if (ends_sentence(s, p))
            p->end_s = p->start_s + limits->max_s;
        else if (ends_sentence(s, p - 1))
            p->start_s = p->end_s - limits->max_s;
    }
}

static double round_centiseconds(double s)
{
    return rint(s * 100) / 100;
}

char *wordtimes_collect(const struct word_split *s, int *next, int n_text_tokens, double offset_s,
                        struct sotto_word *words, int *n_words, char *text)
{
    int n = 0;

    for (int n_saved = 0; *next < s->n_parts && n_saved < n_text_tokens; (*next)++) {
        const struct word_part *p = &s->parts[*next];
        size_t size = (size_t)(p->end - p->begin);
        n_saved += p->n_tokens;
        if (size == 0)
            continue;
        memcpy(text, s->text + p->begin, size);
        text[size] = '\0';
        words[n++] = (struct sotto_word){
            .text = text,
            .start_s = round_centiseconds(offset_s + p->start_s),
            .end_s = round_centiseconds(offset_s + p->end_s),
            .probability = (float)p->probability,
        };
        text += size + 1;
    }
    *n_words = n;
    return text;
}

/* The first words after a pause tend to reach back into it. */
static void shorten_first(struct sotto_word *w, int n, const struct word_limits *limits,
                          double last_speech_s)
{
    double max = limits->max_s;
    bool after_pause = w[0].end_s - last_speech_s > limits->median_s * 4;
    bool first_long = w[0].end_s - w[0].start_s > max;
    bool two_long = n > 1 && w[1].end_s - w[0].start_s > max * 2;

    if (!after_pause || !(first_long || two_long))
        return;
    if (n > 1 && w[1].end_s - w[1].start_s > max)
        w[0].end_s = w[1].start_s = fmax(w[1].end_s / 2, w[1].end_s - max);
    w[0].start_s = fmax(0, w[0].end_s - max);
}

void wordtimes_correct(struct words_segment *seg, const struct word_limits *limits,
                       double *last_speech_s)
{
    if (seg->n_words == 0)
        return;
    struct sotto_word *first = seg->words, *last = &seg->words[seg->n_words - 1];
    shorten_first(first, seg->n_words, limits, *last_speech_s);

    /* Where word and segment disagree by more than half a second, the segment is right. */
    if (seg->start_s < first->end_s && seg->start_s - 0.5 > first->start_s)
        first->start_s = fmax(0, fmin(first->end_s - limits->median_s, seg->start_s));
    else
        seg->start_s = first->start_s;
    if (seg->end_s > last->start_s && seg->end_s + 0.5 < last->end_s)
        last->end_s = fmax(last->start_s + limits->median_s, seg->end_s);
    else
        seg->end_s = last->end_s;
    *last_speech_s = seg->end_s;
}

double wordtimes_end(const struct words_segment *segments, int n, double otherwise)
{
    for (int i = n - 1; i >= 0; i--)
        if (segments[i].n_words > 0)
            return segments[i].words[segments[i].n_words - 1].end_s;
    return n > 0 ? segments[n - 1].end_s : otherwise;
}
