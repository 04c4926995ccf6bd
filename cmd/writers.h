/*
 * Writers of transcripts: segments go in as they are decoded, a file comes out. Formats follow
 * openai/whisper 20250625, whisper/utils.py (txt, srt, vtt, tsv, json) and ggml-org/whisper.cpp,
 * examples/cli/cli.cpp (lrc, csv). Opening and naming files is output.h's business.
 */
#ifndef CMD_WRITERS_H
#define CMD_WRITERS_H

#include <sotto.h>
#include <stdio.h>

/* Order of the bits in a set of formats, and of `all`. */
enum writer_format {
    WRITER_TXT = 0,
    WRITER_SRT,
    WRITER_VTT,
    WRITER_JSON,
    WRITER_TSV,
    WRITER_LRC,
    WRITER_CSV,
    WRITER_FORMAT_COUNT
};

struct writer_options {
    bool words;             // segments carry words: subtitles are made of them
    bool highlight_words;   // underline each word as it is spoken (srt, vtt)
    int max_line_width;     // code points; 0: no limit
    int max_line_count;     // lines of a subtitle; 0: no limit. Needs max_line_width
    int max_words_per_line; // 0: no limit
};

struct writer;

/* Writes the format's beginning to `file`, which is borrowed until writer_close. */
int writer_open(struct writer **out, enum writer_format format, FILE *file,
                const struct writer_options *options);

/* Adds a segment, in order of time. Segments without text appear in json only. */
int writer_add(struct writer *w, const struct sotto_segment *segment);

/* Formats that are written at the end: bytes that writer_finish will write at most, 0 for others;
 * and the last segment forgotten again, false if it was the only one. */
size_t writer_held(const struct writer *w);
bool writer_take_back(struct writer *w);

/* Writes what is still held back. `language` is a code, or NULL if it is not known. */
int writer_finish(struct writer *w, const char *language);
void writer_close(struct writer **w); // accepts NULL and a NULL writer

/* All of these return 0, SOTTO_ENOMEM or SOTTO_EIO (then errno says why). */

const char *writer_name(enum writer_format format); // "srt": name and file extension; static
int writer_find(const char *name, size_t length);   // a writer_format, or SOTTO_EINVAL

/* The line openai/whisper prints for a segment: "[00:00.000 --> 00:04.320]  text", or the text
 * alone, stripped. Nothing for a segment without text. Returns 0 or SOTTO_EIO. */
int writer_print_line(FILE *file, const struct sotto_segment *segment, bool timestamps);

#endif
