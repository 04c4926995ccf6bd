/*
 * The options of `sotto transcribe`. One table (options_table.c) drives parsing, --help, the man
 * page and shell completion; this is its shape and what parsing gives. No printing here: messages
 * go to the caller.
 */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include <sotto.h>

#include "writers.h"

enum { OPTIONS_MAX_CLIPS = 1000, OPTIONS_MESSAGE_SIZE = 512, OPTIONS_MAX_NOTES = 6 };

struct cli_options {
    struct sotto_options lib;         // callbacks left NULL; clips point to `clips`
    struct sotto_model_params params; // n_threads equals lib.n_threads
    const char *model;                // a name of the model store, or a path
    const char *model_dir;            // the model store; NULL: the usual one
    int device;                       // 0: cpu
    struct writer_options writer;
    unsigned formats;          // set of 1u << enum writer_format; 0: text as it comes
    const char *output_dir;    // "-": standard output; NULL: no files are written
    const char **output_files; // owned array of borrowed paths without extension: one per input
    int n_output_files;        // or 0: files are named after the recordings, in output_dir
    bool overwrite, timestamps;
    bool detect_language, quiet, verbose, progress;
    bool ignored;                // target of options that are accepted without effect
    double offset_s, duration_s; // duration 0: to the end
    struct sotto_clip *clips;    // owned
    int n_clips;
    const char **inputs; // owned array of borrowed strings
    int n_inputs;
    bool help, version, man; // asked for: nothing else was checked
    const char *completion;  // shell, or NULL

    bool temperature_given, increment_given; // --temperature; its increment
    bool mode_given, context_given; // --sequential or --batched; --condition-on-previous-text
    char *notes[OPTIONS_MAX_NOTES]; // owned: warnings, in order
    int n_notes;
};

/* Parses argv[1 .. argc). Returns 0; or CLI_EXIT_USAGE or CLI_EXIT_INTERNAL with `message` set to
 * a sentence without a full stop. Call options_fini in any case. Strings in `o` point into argv. */
int options_parse(struct cli_options *o, int argc, char **argv, char message[OPTIONS_MESSAGE_SIZE]);
void options_fini(struct cli_options *o);
void options_defaults(struct cli_options *o);

/* ---- the table ------------------------------------------------------------------------------- */

enum option_kind {
    OPTION_BOOL, // --x, --no-x, --x=false, and openai/whisper's --x True|False
    OPTION_INT,
    OPTION_FLOAT,
    OPTION_TIME, // seconds, mm:ss or hh:mm:ss
    OPTION_STRING,
    OPTION_CHOICE, // an int: the index among the words of `arg`, which are separated by '|'
};

enum option_group {
    GROUP_GENERAL,
    GROUP_OUTPUT,
    GROUP_SUBTITLES,
    GROUP_INPUT,
    GROUP_COMPUTE,
    GROUP_LONG,
    GROUP_DECODE,
    GROUP_PROMPT,
    GROUP_RULES,
    GROUP_VAD,
    GROUP_COMPAT,
    GROUP_COUNT
};

struct option_row;
typedef int (*option_parse_fn)(struct cli_options *o, const struct option_row *row,
                               const char *given, const char *value, char *message);

struct option_row {
    const char *name; // without the dashes
    char letter;      // 0: none
    bool common;      // shown by --help; the others only by `sotto help transcribe`
    enum option_group group;
    enum option_kind kind;
    size_t offset;       // in struct cli_options
    double min, max;     // INT, FLOAT, TIME
    double none;         // INT, FLOAT: what "None" stands for; NO_NONE: not accepted
    const char *arg;     // how help names the value
    const char *aliases; // other spellings with their dashes, separated by spaces; '!': means --no-
    const char *shown;   // default shown instead of the actual one; "": none
    option_parse_fn parse; // NULL: by kind. Gets "true" or "false" for BOOL
    const char *help;      // one sentence, no capital, no full stop
};

#define OPTION_NO_NONE (-1e300)

extern const struct option_row options_table[];
extern const int options_count;
const char *option_group_name(enum option_group group);

/* Parts of parsing that the table's own functions use; `message` as in options_parse. */
int option_fail(char *message, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void option_note(struct cli_options *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool option_read_time(const char *text, double *seconds);
bool option_read_int(const char *text, long long *value);
bool option_read_float(const char *text, double *value);

/* Is `spelling` among `spellings`, separated by spaces? `*negated` (may be NULL): after a '!'. */
bool option_is_spelled(const char *spellings, const char *spelling, bool *negated);

/* ---- options of other programs --------------------------------------------------------------- */

struct option_foreign {
    const char *spellings; // with their dashes, separated by spaces
    const char *neutral;   // the value that asks for nothing: accepted; "false": of a switch, with
                           // or without a value; NULL: none
    const char *hint;      // what to do instead; NULL: accepted without effect
};

extern const struct option_foreign options_foreign[];
extern const int options_foreign_count;

/* The row of `spelling`, NULL if there is none. `value` is what was attached to the option or
 * follows it, NULL if nothing does; `*takes_value`: it belongs to the option; `*neutral`: the
 * option has no effect here and is accepted. */
const struct option_foreign *option_find_foreign(const char *spelling, const char *value,
                                                 bool *neutral, bool *takes_value);

/* Edit distance, a swap of neighbours counting one; case-insensitive. */
int option_distance(const char *a, const char *b);

#endif
