/*
 * Subtitles: srt and vtt. Without words a segment is a subtitle. With words, lines and subtitles
 * are broken by openai/whisper's rules (20250625, whisper/utils.py, SubtitlesWriter), here as a
 * stream: the subtitle being collected is all that is held.
 *
 * Two things are done better than there: "-->" becomes "->" also where words are written, and a
 * segment that has text but no words is not lost. A blank line, which would end the subtitle in
 * the middle, becomes a single line break.
 */
#include <stdlib.h>
#include <string.h>

#include "writer_impl.h"

static const double LONG_PAUSE_S = 3.0;
static const int NO_LIMIT = 1000; // openai/whisper's stand-in for "no limit"

static void cue_clear(struct cue *c)
{
    for (int i = 0; i < c->n_words; i++)
        free(c->words[i].text);
    c->n_words = 0;
}

void cue_fini(struct cue *c)
{
    cue_clear(c);
    free(c->words);
    c->words = NULL;
    c->capacity = 0;
}

/* Appends `s` as the body of a subtitle: "-->" and blank lines would end it early. */
static void append_body(struct text *t, const char *s)
{
    for (; *s; s++) {
        if (strncmp(s, "-->", 3) == 0) {
            text_append_str(t, "->");
            s += 2;
        } else if (*s != '\r' && !(*s == '\n' && s[1] == '\n')) {
            text_append(t, s, 1);
        }
    }
}

static int put_cue(struct writer *w, double start_s, double end_s, const char *body)
{
    bool srt = w->row->srt;
    char start[TIME_TEXT_SIZE], end[TIME_TEXT_SIZE], number[32];
    time_text(start, start_s, srt, srt ? ',' : '.');
    time_text(end, end_s, srt, srt ? ',' : '.');
    if (srt) {
        snprintf(number, sizeof(number), "%d\n", ++w->cue.number);
        text_append_str(&w->text, number);
    }
    text_append_str(&w->text, start);
    text_append_str(&w->text, " --> ");
    text_append_str(&w->text, end);
    text_append_str(&w->text, "\n");
    append_body(&w->text, body);
    text_append_str(&w->text, "\n\n");
    return writer_put(w, &w->text);
}

/* All words of the subtitle joined, word `marked` (or none, -1) underlined. */
static void join_words(struct text *body, const struct cue *c, int marked)
{
    text_clear(body);
    for (int i = 0; i < c->n_words; i++) {
        const char *word = c->words[i].text;
        struct slice bare = slice_strip(slice_of(word));
        if (i == marked && bare.size) {
            text_append(body, word, (size_t)(bare.data - word));
            text_append_str(body, "<u>");
            text_append_str(body, bare.data); // with its trailing space, as openai/whisper has it
            text_append_str(body, "</u>");
        } else {
            text_append_str(body, word);
        }
    }
    text_append(body, "", 0);
}

/* The subtitle once per word, that word underlined, and plain in the gaps between them. */
static int put_highlighted(struct writer *w, struct text *body)
{
    const struct cue *c = &w->cue;
    double last_s = c->words[0].start_s;
    int err = 0;
    for (int i = 0; i < c->n_words && !err; i++) {
        const struct cue_word *word = &c->words[i];
        if (time_ms(last_s) != time_ms(word->start_s)) {
            join_words(body, c, -1);
            err = body->failed ? SOTTO_ENOMEM : put_cue(w, last_s, word->start_s, body->data);
        }
        join_words(body, c, i);
        if (!err)
            err = body->failed ? SOTTO_ENOMEM : put_cue(w, word->start_s, word->end_s, body->data);
        last_s = word->end_s;
    }
    return err;
}

/* Writes the subtitle collected so far and begins a new one. */
static int flush_cue(struct writer *w)
{
    struct cue *c = &w->cue;
    if (!c->n_words)
        return 0;
    struct text body = {0};
    int err;
    if (w->options.highlight_words) {
        err = put_highlighted(w, &body);
    } else {
        join_words(&body, c, -1);
        err = body.failed
                  ? SOTTO_ENOMEM
                  : put_cue(w, c->words[0].start_s, c->words[c->n_words - 1].end_s, body.data);
    }
    free(body.data);
    cue_clear(c);
    c->line_count = 1;
    return err;
}

static int append_word(struct cue *c, const struct sotto_word *word, struct slice text,
                       bool new_line)
{
    if (c->n_words == c->capacity) {
        int capacity = c->capacity ? 2 * c->capacity : 32;
        struct cue_word *words = realloc(c->words, (size_t)capacity * sizeof(*words));
        if (!words)
            return SOTTO_ENOMEM;
        c->words = words;
        c->capacity = capacity;
    }
    char *copy = malloc(text.size + 2);
    if (!copy)
        return SOTTO_ENOMEM;
    snprintf(copy, text.size + 2, "%s%.*s", new_line ? "\n" : "", (int)text.size, text.data);
    c->words[c->n_words++] = (struct cue_word){copy, word->start_s, word->end_s};
    return 0;
}

/* One word; `chunk_start`: a segment begins here, or a line of max_words_per_line words. */
static int add_word(struct writer *w, const struct sotto_word *word, bool chunk_start)
{
    const struct writer_options *o = &w->options;
    struct cue *c = &w->cue;
    bool preserve_segments = !o->max_line_count || !o->max_line_width;
    size_t width = (size_t)(o->max_line_width ? o->max_line_width : NO_LIMIT);
    struct slice text = slice_of(word->text);

    if (!c->begun)
        c->last_s = word->start_s;
    c->begun = true;
    bool long_pause = !preserve_segments && word->start_s - c->last_s > LONG_PAUSE_S;
    bool has_room = c->line_len + slice_code_points(text) <= width;
    bool segment_break = chunk_start && c->n_words > 0 && preserve_segments;
    bool new_line = false;
    int err = 0;

    if (c->line_len > 0 && has_room && !long_pause && !segment_break) {
        c->line_len += slice_code_points(text);
    } else {
        text = slice_strip(text);
        bool full = o->max_line_count && (long_pause || c->line_count >= o->max_line_count);
        if (segment_break || (c->n_words > 0 && full)) {
            err = flush_cue(w);
        } else if (c->line_len > 0) {
            c->line_count++;
            new_line = true;
        }
        c->line_len = slice_code_points(text);
    }
    c->last_s = word->start_s;
    return err ? err : append_word(c, word, text, new_line);
}

static int add_segment(struct writer *w, const struct sotto_segment *s)
{
    struct slice stripped = slice_strip(slice_of(s->text));
    struct text body = {0};
    int err = flush_cue(w);
    w->cue.line_len = 0;
    text_append(&body, stripped.data, stripped.size);
    if (!err)
        err = body.failed ? SOTTO_ENOMEM : put_cue(w, s->start_s, s->end_s, body.data);
    free(body.data);
    return err;
}

int cue_add(struct writer *w, const struct sotto_segment *s)
{
    if (!w->options.words || !s->n_words)
        return add_segment(w, s);
    int per_line = w->options.max_words_per_line ? w->options.max_words_per_line : NO_LIMIT;
    int err = 0;
    for (int i = 0; i < s->n_words && !err; i++)
        err = add_word(w, &s->words[i], i % per_line == 0);
    return err;
}

int cue_finish(struct writer *w, const char *language)
{
    (void)language;
    return flush_cue(w);
}
