/* What the writers share among themselves: text helpers, the row of a format, the state. */
#ifndef CMD_WRITER_IMPL_H
#define CMD_WRITER_IMPL_H

#include <jansson.h>

#include "writers.h"

/* ---- text ------------------------------------------------------------------------------------ */

/* A growing string. Zero-initialise; free `data`. After a failed append `failed` stays set. */
struct text {
    char *data; // NUL-terminated once something was appended
    size_t size, capacity;
    bool failed;
};
void text_append(struct text *t, const char *s, size_t size);
void text_append_str(struct text *t, const char *s);
void text_clear(struct text *t);

/* A piece of someone else's string. */
struct slice {
    const char *data;
    size_t size;
};
struct slice slice_strip(struct slice s); // without white space, as Python's str.strip
struct slice slice_of(const char *s);     // the whole string
size_t slice_code_points(struct slice s); // Python's len()

/* Appends `s` made fit for one line: tabs (if asked for), line breaks and the like become spaces. */
void text_append_line(struct text *t, struct slice s, bool tabs);

/* Whole milliseconds, half to even as Python rounds; never negative. */
long long time_ms(double seconds);

/* "01:02:03,004", hours left out below one hour unless asked for. */
enum { TIME_TEXT_SIZE = 32 };
void time_text(char dst[TIME_TEXT_SIZE], double seconds, bool hours, char decimal_mark);

/* ---- formats --------------------------------------------------------------------------------- */

struct cue_word {
    char *text; // owned; begins with '\n' where a line begins
    double start_s, end_s;
};

/* The subtitle being collected. Names follow openai/whisper's iterate_subtitles. */
struct cue {
    struct cue_word *words;
    int n_words, capacity;
    size_t line_len; // code points on the current line
    int line_count;
    double last_s; // start of the word before
    bool begun;    // a word was seen: last_s holds
    int number;    // of the subtitle written last
};

struct writer {
    const struct writer_format_row *row;
    FILE *file;
    struct writer_options options;
    struct text text; // scratch; json: all text so far
    struct cue cue;
    struct text segments; // json: the segments so far, serialised
    size_t n_quoted;      // json: bytes of all text, quoted
    struct {
        size_t text, segments, n_quoted;
    } before; // json: the segment added last
};

struct writer_format_row {
    const char *name;
    const char *head; // what the file begins with
    bool srt;         // subtitles are numbered and timed as in srt, not as in vtt
    int (*add)(struct writer *w, const struct sotto_segment *s);
    int (*finish)(struct writer *w, const char *language);
};

int cue_add(struct writer *w, const struct sotto_segment *s);
int cue_finish(struct writer *w, const char *language);
void cue_fini(struct cue *c);

int json_add(struct writer *w, const struct sotto_segment *s);
int json_finish(struct writer *w, const char *language);
size_t json_held(const struct writer *w);
bool json_take_back(struct writer *w);

/* 0, ENOMEM if `t` could not grow, or EIO if writing it to the file failed. Clears `t`. */
int writer_put(struct writer *w, struct text *t);

#endif
