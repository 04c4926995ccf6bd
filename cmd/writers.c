/*
 * The table of output formats and those that write a line per segment: txt, tsv, lrc, csv.
 * Subtitles are in writer_cues.c, json in writer_json.c.
 */
#include <stdlib.h>
#include <string.h>

#include "writer_impl.h"

int writer_put(struct writer *w, struct text *t)
{
    int err = t->failed ? SOTTO_ENOMEM : 0;
    if (!err && t->size && fwrite(t->data, 1, t->size, w->file) != t->size)
        err = SOTTO_EIO;
    text_clear(t);
    return err;
}

static int txt_add(struct writer *w, const struct sotto_segment *s)
{
    struct slice text = slice_strip(slice_of(s->text));
    text_append(&w->text, text.data, text.size);
    text_append_str(&w->text, "\n");
    return writer_put(w, &w->text);
}

/* "start<TAB>end<TAB>text", times in milliseconds. */
static int tsv_add(struct writer *w, const struct sotto_segment *s)
{
    char times[64];
    snprintf(times, sizeof(times), "%lld\t%lld\t", time_ms(s->start_s), time_ms(s->end_s));
    text_append_str(&w->text, times);
    text_append_line(&w->text, slice_strip(slice_of(s->text)), true);
    text_append_str(&w->text, "\n");
    return writer_put(w, &w->text);
}

/* "[mm:ss.cc]text"; whisper.cpp cuts to centiseconds, having nothing finer. Minutes may pass 99. */
static int lrc_add(struct writer *w, const struct sotto_segment *s)
{
    char time[64];
    long long cs = time_ms(s->start_s) / 10;
    snprintf(time, sizeof(time), "[%02lld:%02lld.%02lld]", cs / 6000, cs / 100 % 60, cs % 100);
    text_append_str(&w->text, time);
    text_append_line(&w->text, slice_of(s->text), false);
    text_append_str(&w->text, "\n");
    return writer_put(w, &w->text);
}

/* "start,end,"text"", milliseconds, quotes doubled (RFC 4180). */
static int csv_add(struct writer *w, const struct sotto_segment *s)
{
    char times[64];
    snprintf(times, sizeof(times), "%lld,%lld,\"", time_ms(s->start_s), time_ms(s->end_s));
    text_append_str(&w->text, times);
    for (const char *c = s->text; *c; c++)
        text_append(&w->text, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
    text_append_str(&w->text, "\"\n");
    return writer_put(w, &w->text);
}

// clang-format off
static const struct writer_format_row rows[WRITER_FORMAT_COUNT] = {
    [WRITER_TXT]  = {"txt",  "",                   false, txt_add,  NULL},
    [WRITER_SRT]  = {"srt",  "",                   true,  cue_add,  cue_finish},
    [WRITER_VTT]  = {"vtt",  "WEBVTT\n\n",         false, cue_add,  cue_finish},
    [WRITER_JSON] = {"json", "",                   false, json_add, json_finish},
    [WRITER_TSV]  = {"tsv",  "start\tend\ttext\n", false, tsv_add,  NULL},
    [WRITER_LRC]  = {"lrc",  "[by:sotto]\n",       false, lrc_add,  NULL},
    [WRITER_CSV]  = {"csv",  "start,end,text\n",   false, csv_add,  NULL},
};
// clang-format on

int writer_open(struct writer **out, enum writer_format format, FILE *file,
                const struct writer_options *options)
{
    struct writer *w = calloc(1, sizeof(*w));
    if (!w)
        return SOTTO_ENOMEM;
    w->row = &rows[format];
    w->file = file;
    w->options = *options;
    w->cue.line_count = 1;
    if (fputs(w->row->head, file) == EOF) {
        writer_close(&w);
        return SOTTO_EIO;
    }
    *out = w;
    return 0;
}

static bool has_text(const struct sotto_segment *s)
{
    return slice_strip(slice_of(s->text)).size > 0;
}

int writer_add(struct writer *w, const struct sotto_segment *segment)
{
    if (w->row->add != json_add && !has_text(segment))
        return 0;
    return w->row->add(w, segment);
}

size_t writer_held(const struct writer *w)
{
    return w->row->add == json_add ? json_held(w) : 0;
}

bool writer_take_back(struct writer *w)
{
    return w->row->add == json_add && json_take_back(w);
}

int writer_finish(struct writer *w, const char *language)
{
    return w->row->finish ? w->row->finish(w, language) : 0;
}

void writer_close(struct writer **w)
{
    if (!w || !*w)
        return;
    cue_fini(&(*w)->cue);
    free((*w)->text.data);
    free((*w)->segments.data);
    free(*w);
    *w = NULL;
}

const char *writer_name(enum writer_format format)
{
    return rows[format].name;
}

int writer_find(const char *name, size_t length)
{
    for (int i = 0; i < WRITER_FORMAT_COUNT; i++)
        if (strlen(rows[i].name) == length && strncasecmp(rows[i].name, name, length) == 0)
            return i;
    return SOTTO_EINVAL;
}

int writer_print_line(FILE *file, const struct sotto_segment *segment, bool timestamps)
{
    struct slice text = slice_strip(slice_of(segment->text));
    if (!text.size)
        return 0;
    int n;
    if (timestamps) {
        char start[TIME_TEXT_SIZE], end[TIME_TEXT_SIZE];
        time_text(start, segment->start_s, false, '.');
        time_text(end, segment->end_s, false, '.');
        n = fprintf(file, "[%s --> %s] %s\n", start, end, segment->text);
    } else {
        n = fprintf(file, "%.*s\n", (int)text.size, text.data);
    }
    return n < 0 || fflush(file) == EOF ? SOTTO_EIO : 0;
}
