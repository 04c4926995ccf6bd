/*
 * Parsing of the command line by the table in options_table.c, and the checks that concern several
 * options at once. Both - and _ are accepted in long names, unique beginnings are completed, and a
 * name nobody knows is answered with the nearest one.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "exit.h"
#include "options.h"

int option_fail(char *message, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, OPTIONS_MESSAGE_SIZE, fmt, args);
    va_end(args);
    return CLI_EXIT_USAGE;
}

void option_note(struct cli_options *o, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (o->n_notes < OPTIONS_MAX_NOTES && vasprintf(&o->notes[o->n_notes], fmt, args) >= 0)
        o->n_notes++;
    va_end(args);
}

int option_distance(const char *a, const char *b)
{
    enum { MAX = 63 };
    int n = (int)strnlen(a, MAX), m = (int)strnlen(b, MAX);
    int d[3][MAX + 2]; // rows i - 2, i - 1, i, taken modulo 3
    for (int j = 0; j <= m; j++)
        d[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *row = d[i % 3], *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
            int best = up[j - 1] + (ca != cb);
            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                tolower((unsigned char)a[i - 2]) == cb && up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            row[j] = best;
        }
    }
    return d[n % 3][m];
}

/* ---- values ---------------------------------------------------------------------------------- */

bool option_read_int(const char *text, long long *value)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end || errno || isspace((unsigned char)*text))
        return false;
    *value = n;
    return true;
}

bool option_read_float(const char *text, double *value)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end || !isfinite(x) || isspace((unsigned char)*text))
        return false;
    *value = x;
    return true;
}

/* One field of a time: digits, in the last one also a decimal fraction. */
static bool read_time_field(const char *s, size_t size, bool last, double *value)
{
    char buffer[32];
    if (size == 0 || size >= sizeof(buffer) ||
        strspn(s, last ? "0123456789." : "0123456789") < size)
        return false;
    memcpy(buffer, s, size);
    buffer[size] = '\0';
    return option_read_float(buffer, value);
}

bool option_read_time(const char *text, double *seconds)
{
    double total = 0;
    for (int field = 0; field < 3; field++) {
        size_t size = strcspn(text, ":");
        bool last = !text[size];
        double value;
        if (!read_time_field(text, size, last, &value) || (field > 0 && value >= 60))
            return false;
        total = total * 60 + value;
        if (last) {
            *seconds = total;
            return true;
        }
        text += size + 1;
    }
    return false;
}

static bool is_bool_word(const char *s, bool *value)
{
    *value = strcasecmp(s, "true") == 0;
    return *value || strcasecmp(s, "false") == 0;
}

static int fail_range(char *message, const struct option_row *row, const char *given,
                      const char *value, const char *kind)
{
    const char *also = row->none != OPTION_NO_NONE ? ", or None" : "";
    if (row->max >= INT_MAX)
        return option_fail(message, "%s: '%s' is not %s of at least %g%s", given, value, kind,
                           row->min, also);
    return option_fail(message, "%s: '%s' is not %s from %g to %g%s", given, value, kind, row->min,
                       row->max, also);
}

static int set_int(struct cli_options *o, const struct option_row *row, const char *given,
                   const char *value, char *message)
{
    long long n;
    void *target = (char *)o + row->offset;
    if (row->none != OPTION_NO_NONE && strcasecmp(value, "none") == 0)
        n = (long long)row->none;
    else if (!option_read_int(value, &n) || n < row->min || n > row->max)
        return fail_range(message, row, given, value, "a whole number");
    *(int *)target = (int)n;
    return 0;
}

static int set_float(struct cli_options *o, const struct option_row *row, const char *given,
                     const char *value, char *message)
{
    double x;
    if (row->none != OPTION_NO_NONE && strcasecmp(value, "none") == 0)
        x = row->none;
    else if (!option_read_float(value, &x) || x < row->min || x > row->max)
        return fail_range(message, row, given, value, "a number");
    *(double *)((char *)o + row->offset) = x;
    return 0;
}

static int set_time(struct cli_options *o, const struct option_row *row, const char *given,
                    const char *value, char *message)
{
    if (!option_read_time(value, (double *)((char *)o + row->offset)))
        return option_fail(message, "%s: '%s' is not a time: use seconds, mm:ss or hh:mm:ss", given,
                           value);
    return 0;
}

static int set_choice(struct cli_options *o, const struct option_row *row, const char *given,
                      const char *value, char *message)
{
    int i = 0;
    for (const char *word = row->arg; *word; i++) {
        size_t size = strcspn(word, "|");
        if (strlen(value) == size && strncasecmp(word, value, size) == 0) {
            *(int *)((char *)o + row->offset) = i;
            return 0;
        }
        word += size + (word[size] == '|');
    }
    return option_fail(message, "%s: '%s' is not one of %s", given, value, row->arg);
}

static int set_value(struct cli_options *o, const struct option_row *row, const char *given,
                     const char *value, char *message)
{
    bool flag;
    if (row->kind == OPTION_BOOL && !is_bool_word(value, &flag))
        return option_fail(message, "%s: '%s' is neither true nor false", given, value);
    if (row->parse)
        return row->parse(o, row, given, value, message);
    switch (row->kind) {
    case OPTION_BOOL:
        *((bool *)((char *)o + row->offset)) = flag;
        return 0;
    case OPTION_INT:
        return set_int(o, row, given, value, message);
    case OPTION_FLOAT:
        o->increment_given |=
            row->offset == offsetof(struct cli_options, lib.temperature_increment);
        return set_float(o, row, given, value, message);
    case OPTION_TIME:
        return set_time(o, row, given, value, message);
    case OPTION_CHOICE:
        return set_choice(o, row, given, value, message);
    case OPTION_STRING:
        *(const char **)((char *)o + row->offset) = value;
        return 0;
    }
    return CLI_EXIT_INTERNAL;
}

/* ---- names ----------------------------------------------------------------------------------- */

enum { NAME_SIZE = 64 };

/* The row spelled `spelling` ("--name", "-abc"), with - for _. */
static const struct option_row *find_exact(const char *spelling, bool *negated)
{
    *negated = false;
    for (int i = 0; i < options_count; i++) {
        const struct option_row *row = &options_table[i];
        if (spelling[1] == '-' && strcmp(row->name, spelling + 2) == 0)
            return row;
        if (option_is_spelled(row->aliases, spelling, negated))
            return row;
    }
    return NULL;
}

static const struct option_row *find_letter(char letter)
{
    for (int i = 0; letter && i < options_count; i++)
        if (options_table[i].letter == letter)
            return &options_table[i];
    return NULL;
}

/* The only row whose name begins with `name`; NULL if there is none or several (`*n` counts).
 * Others' habits must be spelled out. */
static const struct option_row *find_beginning(const char *name, int *n)
{
    const struct option_row *found = NULL;
    *n = 0;
    for (int i = 0; i < options_count; i++) {
        if (options_table[i].group != GROUP_COMPAT &&
            strncmp(options_table[i].name, name, strlen(name)) == 0) {
            found = &options_table[i];
            ++*n;
        }
    }
    return *n == 1 ? found : NULL;
}

/* Finds "--name" also as "--no-name" of a switch and by its beginning. `*negated` says which. */
static const struct option_row *find_long(const char *spelling, bool *negated)
{
    int n;
    const struct option_row *row = find_exact(spelling, negated);
    if (!row && strncmp(spelling, "--no-", 5) == 0) {
        char positive[NAME_SIZE];
        snprintf(positive, sizeof(positive), "--%s", spelling + 5);
        row = find_exact(positive, negated);
        if (row && row->kind == OPTION_BOOL)
            *negated = true;
        else
            row = NULL;
    }
    if (!row && strlen(spelling) >= 4)
        row = find_beginning(spelling + 2, &n);
    return row;
}

static int fail_unknown(char *message, const char *given, const char *spelling)
{
    const char *name = spelling + strspn(spelling, "-");
    const char *no = "";
    const struct option_row *best = NULL;
    int best_distance = 1 + (int)strlen(name) / 3, n;
    if (strncmp(name, "no-", 3) == 0) {
        no = "no-";
        name += 3;
    }
    find_beginning(name, &n);
    for (int i = 0; i < options_count; i++) {
        const struct option_row *row = &options_table[i];
        int distance = option_distance(name, row->name);
        if (n > 1 && strncmp(row->name, name, strlen(name)) == 0)
            distance = 0;
        if (row->group == GROUP_COMPAT)
            continue;
        if (distance <= best_distance && (!*no || row->kind == OPTION_BOOL)) {
            best = row;
            best_distance = distance - 1;
        }
    }
    if (best)
        return option_fail(message, "unknown option %s; did you mean --%s%s?", given, no,
                           best->name);
    return option_fail(message, "unknown option %s; `sotto help transcribe` lists them all", given);
}

/* ---- arguments ------------------------------------------------------------------------------- */

struct cursor {
    int argc, i;
    char **argv;
};

/* Applies `row`. `value` is what was attached to it (NULL: nothing), else the next argument. */
static int apply(struct cli_options *o, struct cursor *c, const struct option_row *row,
                 const char *given, const char *value, bool negated, char *message)
{
    bool flag;
    if (negated && value)
        return option_fail(message, "%s takes no value", given);
    if (row->kind == OPTION_BOOL && !value) {
        if (!negated && c->i + 1 < c->argc && is_bool_word(c->argv[c->i + 1], &flag))
            value = c->argv[++c->i];
        else
            value = negated ? "false" : "true";
    }
    if (!value) {
        if (c->i + 1 >= c->argc)
            return option_fail(message, "%s needs a value: %s", given, row->arg);
        value = c->argv[++c->i];
    }
    return set_value(o, row, given, value, message);
}

/* Copies `arg` up to a '=' with - for _; false if it does not fit (then no option is so long). */
static bool spell(char spelling[NAME_SIZE], const char *arg)
{
    size_t size = strcspn(arg, "=");
    if (size >= NAME_SIZE)
        return false;
    for (size_t i = 0; i < size; i++)
        spelling[i] = arg[i] == '_' ? '-' : arg[i];
    spelling[size] = '\0';
    return true;
}

/* Another program's option: accepted without effect, or refused with a hint. `*found`: it is one. */
static int parse_foreign(struct cursor *c, const char *spelling, bool *found, char *message)
{
    const char *attached = strchr(c->argv[c->i], '=');
    const char *value = attached ? attached + 1 : c->i + 1 < c->argc ? c->argv[c->i + 1] : NULL;
    bool neutral, takes_value;
    const struct option_foreign *row = option_find_foreign(spelling, value, &neutral, &takes_value);
    *found = row != NULL;
    if (!row)
        return 0;
    if (!neutral)
        return option_fail(message, "%s is not an option here: %s", spelling, row->hint);
    c->i += takes_value && !attached;
    return 0;
}

static int parse_long(struct cli_options *o, struct cursor *c, char *message)
{
    const char *arg = c->argv[c->i];
    const char *equals = strchr(arg, '=');
    char spelling[NAME_SIZE], given[NAME_SIZE];
    bool negated;
    if (!spell(spelling, arg))
        return option_fail(message, "unknown option %.60s...", arg);
    snprintf(given, sizeof(given), "%.*s", (int)strcspn(arg, "="), arg);
    bool foreign = false;
    const struct option_row *row = find_exact(spelling, &negated);
    int err = row ? 0 : parse_foreign(c, spelling, &foreign, message);
    if (foreign)
        return err;
    row = find_long(spelling, &negated);
    if (!row)
        return fail_unknown(message, given, spelling);
    return apply(o, c, row, given, equals ? equals + 1 : NULL, negated, message);
}

/* "model" of "-model": hardly meant as "-m odel". */
static bool is_long_name(const char *name)
{
    for (int i = 0; name[1] && i < options_count; i++)
        if (strcmp(options_table[i].name, name) == 0)
            return true;
    return false;
}

/* "-x", "-xy" (switches together), "-x3" (a value attached) or a name such as "-bs". */
static int parse_short(struct cli_options *o, struct cursor *c, char *message)
{
    const char *arg = c->argv[c->i];
    char spelling[NAME_SIZE];
    bool negated = false;
    bool spelled = spell(spelling, arg), foreign = false;
    const struct option_row *row = spelled ? find_exact(spelling, &negated) : NULL;
    const char *equals = strchr(arg, '=');
    int err = spelled && !row ? parse_foreign(c, spelling, &foreign, message) : 0;
    if (foreign)
        return err;
    if (row)
        return apply(o, c, row, spelling, equals ? equals + 1 : NULL, negated, message);
    if (is_long_name(arg + 1))
        return option_fail(message, "unknown option %s; did you mean -%s?", arg, arg);
    for (const char *p = arg + 1; *p; p++) {
        char given[3] = {'-', *p, '\0'};
        row = find_letter(*p);
        if (!row && p == arg + 1 && spell(spelling, arg))
            return fail_unknown(message, arg, spelling);
        if (!row)
            return option_fail(message, "unknown option %s in %s", given, arg);
        if (row->kind != OPTION_BOOL)
            return apply(o, c, row, given, p[1] ? p + 1 + (p[1] == '=') : NULL, false, message);
        err = p[1] ? set_value(o, row, given, "true", message)
                   : apply(o, c, row, given, NULL, false, message);
        if (err)
            return err;
    }
    return 0;
}

static int parse_all(struct cli_options *o, struct cursor *c, char *message)
{
    int err = 0;
    for (c->i = 1; c->i < c->argc && !err; c->i++) {
        const char *arg = c->argv[c->i];
        if (strcmp(arg, "--") == 0) {
            while (++c->i < c->argc)
                o->inputs[o->n_inputs++] = c->argv[c->i];
        } else if (arg[0] != '-' || !arg[1]) {
            o->inputs[o->n_inputs++] = arg;
        } else if (arg[1] == '-') {
            err = parse_long(o, c, message);
        } else {
            err = parse_short(o, c, message);
        }
    }
    return err;
}

/* ---- checks of several options --------------------------------------------------------------- */

static int finish_inputs(struct cli_options *o, char *message)
{
    int n_stdin = 0;
    if (!o->n_inputs)
        return option_fail(message, "no input file named");
    for (int i = 0; i < o->n_inputs; i++)
        n_stdin += strcmp(o->inputs[i], "-") == 0;
    if (n_stdin > 1)
        return option_fail(message, "standard input (-) can be read only once");
    return 0;
}

static int finish_output_files(struct cli_options *o, char *message)
{
    if (o->output_dir)
        return option_fail(message, "--output-dir and --output-file exclude each other");
    if (!o->formats)
        return option_fail(message, "--output-file needs a format: -f txt, or -f srt,json");
    if (o->n_output_files != o->n_inputs)
        return option_fail(message, "--output-file is given %d times for %d recordings",
                           o->n_output_files, o->n_inputs);
    for (int i = 1; i < o->n_output_files; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(o->output_files[i], o->output_files[j]) == 0)
                return option_fail(message, "--output-file %s is given twice", o->output_files[i]);
    return 0;
}

static int finish_output(struct cli_options *o, char *message)
{
    struct writer_options *w = &o->writer;
    int err = o->n_output_files ? finish_output_files(o, message) : 0;
    if (err)
        return err;
    if (o->quiet && o->verbose)
        return option_fail(message, "--quiet and --verbose exclude each other");
    if (o->output_dir && !o->formats)
        o->formats =
            strcmp(o->output_dir, "-") == 0 ? 1u << WRITER_TXT : (1u << WRITER_FORMAT_COUNT) - 1;
    if (o->formats && !o->output_dir && !o->n_output_files)
        o->output_dir = ".";
    if (o->output_dir && strcmp(o->output_dir, "-") == 0 && (o->formats & (o->formats - 1)))
        return option_fail(message, "only one format can go to standard output (-o -)");
    if (w->max_line_count && !w->max_line_width)
        option_note(o, "--max-line-count has no effect without --max-line-width");
    if (w->max_line_count && w->max_line_width && w->max_words_per_line)
        option_note(o, "--max-words-per-line has no effect with --max-line-width and "
                       "--max-line-count");
    bool subtitles = o->formats & (1u << WRITER_SRT | 1u << WRITER_VTT);
    if (!subtitles && (w->highlight_words || w->max_line_width || w->max_words_per_line))
        option_note(o, "line width, words per line and highlighting concern subtitles: -f srt or "
                       "-f vtt");
    bool want_words = w->highlight_words || w->max_line_width || w->max_line_count ||
                      w->max_words_per_line || !isnan(o->lib.hallucination_silence_threshold);
    if (want_words)
        o->lib.word_timestamps = true;
    w->words = o->lib.word_timestamps;
    return 0;
}

static int finish_clips(struct cli_options *o, char *message)
{
    bool span = o->offset_s > 0 || o->duration_s > 0;
    if (span && o->n_clips)
        return option_fail(message, "--clip-timestamps excludes --offset and --duration");
    if (span) {
        o->clips = calloc(1, sizeof(*o->clips));
        if (!o->clips)
            return CLI_EXIT_INTERNAL;
        o->clips[0].start_s = o->offset_s;
        o->clips[0].end_s = o->duration_s > 0 ? o->offset_s + o->duration_s : -1;
        o->n_clips = 1;
    }
    o->lib.clips = o->clips;
    o->lib.n_clips = o->n_clips;
    return 0;
}

/* Carrying the text over needs the windows one after the other. */
static void finish_mode(struct cli_options *o)
{
    bool carry = o->context_given && o->lib.condition_on_previous_text;
    if (carry && !o->mode_given)
        o->lib.mode = SOTTO_MODE_SEQUENTIAL;
    if (carry && o->mode_given && o->lib.mode == SOTTO_MODE_BATCHED)
        option_note(o, "--condition-on-previous-text has no effect with --batched");
}

/* A temperature by itself means exactly that one; a range is asked for by its step. */
static void finish_temperature(struct cli_options *o)
{
    if (o->temperature_given && !o->increment_given)
        o->lib.temperature_increment = 0;
}

static int finish(struct cli_options *o, char *message)
{
    int err = finish_inputs(o, message);
    if (!err)
        err = finish_output(o, message);
    if (!err)
        err = finish_clips(o, message);
    if (!err) {
        finish_mode(o);
        finish_temperature(o);
    }
    o->params.n_threads = o->lib.n_threads;
    return err;
}

/* ---- whole ----------------------------------------------------------------------------------- */

void options_defaults(struct cli_options *o)
{
    memset(o, 0, sizeof(*o));
    sotto_options_init(&o->lib);
    sotto_model_params_init(&o->params);
    o->model = "base";
    o->overwrite = true;
    o->timestamps = true;
    o->progress = true;
}

int options_parse(struct cli_options *o, int argc, char **argv, char message[OPTIONS_MESSAGE_SIZE])
{
    struct cursor cursor = {argc, 1, argv};
    options_defaults(o);
    message[0] = '\0';
    o->inputs = calloc((size_t)argc + 1, sizeof(*o->inputs));
    o->output_files = calloc((size_t)argc + 1, sizeof(*o->output_files));
    if (!o->inputs || !o->output_files) {
        option_fail(message, "out of memory");
        return CLI_EXIT_INTERNAL;
    }
    int err = parse_all(o, &cursor, message);
    if (err || o->help || o->version || o->man || o->completion)
        return err;
    return finish(o, message);
}

void options_fini(struct cli_options *o)
{
    free(o->inputs);
    free(o->output_files);
    free(o->clips);
    for (int i = 0; i < o->n_notes; i++)
        free(o->notes[i]);
    memset(o, 0, sizeof(*o));
}
