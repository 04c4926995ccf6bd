/*
 * The table of options of `sotto transcribe`, with the values that need more than their kind's
 * parsing. Spellings: openai/whisper 20250625 (whisper/transcribe.py, cli) leads; aliases are those
 * of ggml-org/whisper.cpp (examples/cli/cli.cpp) and whisper-ctranslate2 0.5.8. Where the three
 * clash openai/whisper wins: -f is the format (whisper.cpp: a file), -o the folder; --offset and
 * --duration are in seconds, whisper.cpp's -ot and -d in milliseconds. What sotto does not have at
 * all is in options_foreign.c.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "exit.h"
#include "options.h"

/* ---- languages ------------------------------------------------------------------------------- */

enum { MAX_NEAR = 5 };

/* The names nearest to `value`, as "German, Greek, ..."; empty if none is near. */
static void near_languages(const char *value, char *dst, size_t size)
{
    int limit = strlen(value) <= 4 ? 1 : (int)strlen(value) / 3, n = 0;
    dst[0] = '\0';
    for (int distance = 0; distance <= limit; distance++) {
        for (int i = 0; i < sotto_language_count() && n < MAX_NEAR; i++) {
            const char *code = sotto_language_code(i), *name = sotto_language_name(i);
            bool begins = strlen(value) >= 2 && strncasecmp(name, value, strlen(value)) == 0;
            int d = begins ? 0 : option_distance(value, name);
            int dc = option_distance(value, code);
            if (strlen(value) <= 3 && dc == 1 && d > 1)
                d = 1;
            if (d != distance)
                continue;
            size_t used = strlen(dst);
            snprintf(dst + used, size - used, "%s%s (%s)", n ? ", " : "", name, code);
            n++;
        }
    }
}

static int parse_language(struct cli_options *o, const struct option_row *row, const char *given,
                          const char *value, char *message)
{
    char lower[64], near[256];
    size_t i = 0;
    (void)row;
    if (strcasecmp(value, "auto") == 0 || strcasecmp(value, "none") == 0) {
        o->lib.language = NULL;
        return 0;
    }
    for (; value[i] && i + 1 < sizeof(lower); i++)
        lower[i] = (char)tolower((unsigned char)value[i]);
    lower[i] = '\0';
    int language = sotto_language_find(lower);
    if (language >= 0) {
        o->lib.language = sotto_language_code(language);
        return 0;
    }
    near_languages(lower, near, sizeof(near));
    if (near[0])
        return option_fail(message, "%s: unknown language '%s'; near it: %s", given, value, near);
    return option_fail(message, "%s: unknown language '%s'; `sotto help languages` lists them",
                       given, value);
}

/* ---- output ---------------------------------------------------------------------------------- */

static int parse_formats(struct cli_options *o, const struct option_row *row, const char *given,
                         const char *value, char *message)
{
    unsigned formats = 0;
    (void)row;
    for (const char *s = value; *s;) {
        size_t size = strcspn(s, ",");
        int format = writer_find(s, size);
        if (size == 3 && strncasecmp(s, "all", 3) == 0) {
            formats |= (1u << WRITER_FORMAT_COUNT) - 1;
        } else if (format >= 0) {
            formats |= 1u << format;
        } else {
            const char *hint = strchr(value, '.') ? "; recordings are named without -f" : "";
            return option_fail(message,
                               "%s: '%.*s' is not one of txt, srt, vtt, json, tsv, lrc, "
                               "csv, all%s",
                               given, (int)size, s, hint);
        }
        s += size + (s[size] == ',');
    }
    if (!formats)
        return option_fail(message, "%s needs a format", given);
    o->formats = formats;
    return 0;
}

/* whisper.cpp's --output-srt and so on: each adds its format. */
static int parse_output_x(struct cli_options *o, const struct option_row *row, const char *given,
                          const char *value, char *message)
{
    const char *name = strrchr(row->name, '-') + 1;
    int format = writer_find(name, strlen(name));
    (void)given;
    (void)message;
    if (strcasecmp(value, "true") == 0)
        o->formats |= 1u << format;
    return 0;
}

static int parse_dir(struct cli_options *o, const struct option_row *row, const char *given,
                     const char *value, char *message)
{
    const char *dot = strrchr(value, '.');
    (void)row;
    if (!*value)
        return option_fail(message, "%s needs a folder, or - for standard output", given);
    if (dot && !strchr(dot, '/') && writer_find(dot + 1, strlen(dot + 1)) >= 0)
        return option_fail(message,
                           "%s: '%s' looks like a file, but a folder is expected; for one "
                           "file use: -f %s -o - FILE >%s",
                           given, value, dot + 1, value);
    o->output_dir = value;
    return 0;
}

static int parse_output_file(struct cli_options *o, const struct option_row *row, const char *given,
                             const char *value, char *message)
{
    const char *slash = strrchr(value, '/'), *base = slash ? slash + 1 : value;
    const char *dot = strrchr(base, '.');
    (void)row;
    if (!*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
        return option_fail(message, "%s: '%s' names no file", given, value);
    if (strcmp(value, "-") == 0)
        return option_fail(message, "%s: for standard output use: -o -", given);
    if (dot && writer_find(dot + 1, strlen(dot + 1)) >= 0)
        return option_fail(message, "%s: '%s': the extension comes from the format: -f %s %s %.*s",
                           given, value, dot + 1, given, (int)(dot - value), value);
    o->output_files[o->n_output_files++] = value;
    return 0;
}

/* whisper.cpp's -ojf: json with words. */
static int parse_json_full(struct cli_options *o, const struct option_row *row, const char *given,
                           const char *value, char *message)
{
    (void)row;
    (void)given;
    (void)message;
    if (strcasecmp(value, "true") == 0) {
        o->formats |= 1u << WRITER_JSON;
        o->lib.word_timestamps = true;
    }
    return 0;
}

/* whisper.cpp's -ml: subtitles of one line of at most so many characters; 0: as they come. */
static int parse_max_len(struct cli_options *o, const struct option_row *row, const char *given,
                         const char *value, char *message)
{
    long long n;
    if (!option_read_int(value, &n) || n < row->min || n > row->max)
        return option_fail(message, "%s: '%s' is not a whole number from %g to %g", given, value,
                           row->min, row->max);
    o->writer.max_line_width = (int)n;
    o->writer.max_line_count = n > 0;
    return 0;
}

/* ---- input ----------------------------------------------------------------------------------- */

/* whisper.cpp's -ot and -d. */
static int parse_ms(struct cli_options *o, const struct option_row *row, const char *given,
                    const char *value, char *message)
{
    long long ms;
    if (!option_read_int(value, &ms) || ms < 0 || ms > row->max)
        return option_fail(message,
                           "%s: '%s' is not a whole number of milliseconds; --offset and "
                           "--duration take seconds or mm:ss",
                           given, value);
    *(double *)((char *)o + row->offset) = (double)ms / 1000;
    return 0;
}

/* "start,end,start,end,...": seconds or mm:ss; the last end may be left out. */
static int parse_clips(struct cli_options *o, const struct option_row *row, const char *given,
                       const char *value, char *message)
{
    struct sotto_clip *clips = calloc(OPTIONS_MAX_CLIPS, sizeof(*clips));
    double last = 0, time;
    int n = 0; // times read
    (void)row;
    free(o->clips);
    o->clips = clips;
    o->n_clips = 0;
    if (!clips)
        return option_fail(message, "out of memory");
    for (const char *s = value; *s; n++) {
        char field[32];
        size_t size = strcspn(s, ",");
        snprintf(field, sizeof(field), "%.*s", (int)size, s);
        if (n >= 2 * OPTIONS_MAX_CLIPS || size >= sizeof(field) || !option_read_time(field, &time))
            return option_fail(message, "%s: '%s' is not a list of times start,end,start,end,...",
                               given, value);
        if (time < last || (n % 2 == 1 && time <= last))
            return option_fail(message, "%s: %s is not after the time before it", given, field);
        if (n % 2 == 0)
            clips[n / 2] = (struct sotto_clip){time, -1};
        else
            clips[n / 2].end_s = time;
        last = time;
        s += size + (s[size] == ',');
    }
    o->n_clips = (n + 1) / 2;
    if (o->n_clips == 1 && clips[0].start_s == 0 && clips[0].end_s < 0)
        o->n_clips = 0; // openai/whisper's default, "0": everything
    return 0;
}

/* ---- computing and decoding ------------------------------------------------------------------ */

static int parse_device(struct cli_options *o, const struct option_row *row, const char *given,
                        const char *value, char *message)
{
    (void)row;
    if (strcasecmp(value, "cpu") != 0 && strcasecmp(value, "auto") != 0)
        return option_fail(message, "%s: '%s' is not supported; this build computes on: cpu", given,
                           value);
    o->device = 0;
    return 0;
}

static int parse_precision(struct cli_options *o, const struct option_row *row, const char *given,
                           const char *value, char *message)
{
    static const struct {
        const char *name;
        enum sotto_precision precision;
    } names[] = {
        {"auto", SOTTO_PRECISION_AUTO},     {"fp32", SOTTO_PRECISION_FP32},
        {"bf16", SOTTO_PRECISION_BF16},     {"int8", SOTTO_PRECISION_INT8},
        {"default", SOTTO_PRECISION_AUTO},  {"float32", SOTTO_PRECISION_FP32},
        {"bfloat16", SOTTO_PRECISION_BF16}, {"int8_float32", SOTTO_PRECISION_INT8},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(names[i].name, value) == 0) {
            o->params.precision = names[i].precision;
            return 0;
        }
    }
    return option_fail(message, "%s: '%s' is not one of %s", given, value, row->arg);
}

static int parse_mode(struct cli_options *o, const struct option_row *row, const char *given,
                      const char *value, char *message)
{
    bool batched = strcmp(row->name, "batched") == 0;
    bool on = strcasecmp(value, "true") == 0;
    enum sotto_mode mode = batched == on ? SOTTO_MODE_BATCHED : SOTTO_MODE_SEQUENTIAL;
    if (!on && !batched)
        mode = SOTTO_MODE_AUTO; // --no-sequential only takes --sequential back
    if (o->mode_given && mode != o->lib.mode)
        return option_fail(message, "%s: --sequential and --batched exclude each other", given);
    o->mode_given = mode != SOTTO_MODE_AUTO;
    o->lib.mode = mode;
    return 0;
}

static int parse_condition(struct cli_options *o, const struct option_row *row, const char *given,
                           const char *value, char *message)
{
    (void)row;
    (void)given;
    (void)message;
    o->lib.condition_on_previous_text = strcasecmp(value, "true") == 0;
    o->context_given = true;
    return 0;
}

static int parse_translate(struct cli_options *o, const struct option_row *row, const char *given,
                           const char *value, char *message)
{
    (void)row;
    (void)given;
    (void)message;
    o->lib.task = strcasecmp(value, "true") == 0 ? SOTTO_TASK_TRANSLATE : SOTTO_TASK_TRANSCRIBE;
    return 0;
}

static int parse_no_fallback(struct cli_options *o, const struct option_row *row, const char *given,
                             const char *value, char *message)
{
    (void)row;
    (void)given;
    (void)message;
    if (strcasecmp(value, "true") == 0)
        o->lib.temperature_increment = 0;
    return 0;
}

/* One temperature, or a list as openai/whisper's functions take it. What the library can do is even
 * steps up to 1; another list is refused. */
static int parse_temperature(struct cli_options *o, const struct option_row *row, const char *given,
                             const char *value, char *message)
{
    double first = 0, step = 0, last = 0;
    int n = 0;
    for (const char *s = value; n == 0 || *s; n++) {
        char field[32];
        double t;
        size_t size = strcspn(s, ",");
        snprintf(field, sizeof(field), "%.*s", (int)size, s);
        if (size >= sizeof(field) || !option_read_float(field, &t) || t < 0 || t > 1)
            return option_fail(message, "%s: '%s' is not a number from 0 to 1%s", given, field,
                               n || s[size] ? ", without spaces around commas" : "");
        if (n == 1)
            step = t - first;
        if (n > 0 && (step < 0.02 || fabs(t - last - step) > 1e-6))
            break;
        first = n ? first : t;
        last = t;
        s += size + (s[size] == ',');
        if (!*s && (n == 0 || last + step > 1 + 1e-6)) {
            o->lib.temperature = first;
            o->temperature_given = true;
            if (n > 0) {
                o->lib.temperature_increment = step;
                o->increment_given = true;
            }
            return 0;
        }
    }
    (void)row;
    return option_fail(message,
                       "%s: '%s' does not go up to 1 in even steps, as 0,0.2,0.4,0.6,0.8,1 does",
                       given, value);
}

/* whisper.cpp's -mc: how much of the text before is given; here all of it or nothing. */
static int parse_max_context(struct cli_options *o, const struct option_row *row, const char *given,
                             const char *value, char *message)
{
    enum { PROMPT_TOKENS = 223 }; // openai/whisper: n_text_ctx / 2 - 1
    long long n;
    (void)row;
    if (!option_read_int(value, &n) || n < -1 || (n > 0 && n < PROMPT_TOKENS))
        return option_fail(message,
                           "%s: '%s' is not supported: 0 is --no-condition-on-previous-text, -1 "
                           "all that fits",
                           given, value);
    o->lib.condition_on_previous_text = n != 0;
    return 0;
}

static int parse_suppress_nst(struct cli_options *o, const struct option_row *row,
                              const char *given, const char *value, char *message)
{
    (void)row;
    (void)given;
    (void)message;
    if (strcasecmp(value, "true") == 0)
        o->lib.suppress_tokens = "-1";
    return 0;
}

static int parse_seed(struct cli_options *o, const struct option_row *row, const char *given,
                      const char *value, char *message)
{
    char *end;
    (void)row;
    errno = 0;
    unsigned long long seed = strtoull(value, &end, 10);
    if (!isdigit((unsigned char)*value) || *end || errno)
        return option_fail(message, "%s: '%s' is not a whole number from 0 to %llu", given, value,
                           ULLONG_MAX);
    o->lib.seed = seed;
    return 0;
}

static int parse_suppress(struct cli_options *o, const struct option_row *row, const char *given,
                          const char *value, char *message)
{
    (void)row;
    for (const char *s = value; *s;) {
        char field[16];
        long long id;
        size_t size = strcspn(s, ",");
        snprintf(field, sizeof(field), "%.*s", (int)size, s);
        if (size >= sizeof(field) || !option_read_int(field, &id) || id < -1 || id > INT_MAX)
            return option_fail(message, "%s: '%s' is not a list of token ids such as -1,50257",
                               given, value);
        s += size + (s[size] == ',');
    }
    o->lib.suppress_tokens = value;
    return 0;
}

static int parse_completion(struct cli_options *o, const struct option_row *row, const char *given,
                            const char *value, char *message)
{
    (void)row;
    if (strcmp(value, "bash") != 0)
        return option_fail(message, "%s: '%s' is not a shell with completion here; there is: bash",
                           given, value);
    o->completion = value;
    return 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

#define LIB(field)             offsetof(struct cli_options, lib.field)
#define CLI(field)             offsetof(struct cli_options, field)
#define RANGE(lo, hi)          .min = (lo), .max = (hi), .none = OPTION_NO_NONE
#define OR_NONE(lo, hi, value) .min = (lo), .max = (hi), .none = (value)
#define ANY                    .none = OPTION_NO_NONE
#define LOTS                   1e9 // no upper limit is named

// clang-format off
const struct option_row options_table[] = {
    // ---- general
    {"model", 'm', true, GROUP_GENERAL, OPTION_STRING, CLI(model), ANY, "NAME|PATH",
     "--model-directory", NULL, NULL,
     "name of a fetched model, or a model file or folder"},
    {"model-dir", 0, false, GROUP_GENERAL, OPTION_STRING, CLI(model_dir), ANY, "DIR", NULL,
     "$SOTTO_MODELS", NULL, "folder of fetched models, one folder each"},
    {"language", 'l', true, GROUP_GENERAL, OPTION_STRING, LIB(language), ANY, "LANG", NULL, "detected",
     parse_language, "language spoken, as code or name (en, German)"},
    {"task", 0, true, GROUP_GENERAL, OPTION_CHOICE, LIB(task), ANY, "transcribe|translate", NULL, NULL,
     NULL, "what was said, or what it means in English"},
    {"translate", 0, false, GROUP_GENERAL, OPTION_BOOL, 0, ANY, "", "-tr", "", parse_translate,
     "the same as --task translate"},
    {"detect-language", 0, true, GROUP_GENERAL, OPTION_BOOL, CLI(detect_language), ANY, "", "-dl", NULL,
     NULL, "only say which language is spoken"},
    {"quiet", 'q', true, GROUP_GENERAL, OPTION_BOOL, CLI(quiet), ANY, "", "-np --no-prints", NULL, NULL,
     "nothing but errors on standard error"},
    {"verbose", 'v', true, GROUP_GENERAL, OPTION_BOOL, CLI(verbose), ANY, "", NULL, NULL, NULL,
     "details on standard error; the text also with -f and -o"},
    {"progress", 0, false, GROUP_GENERAL, OPTION_BOOL, CLI(progress), ANY, "", "-pp --print-progress",
     "on a terminal", NULL, "progress bar on standard error"},
    {"help", 'h', true, GROUP_GENERAL, OPTION_BOOL, CLI(help), ANY, "", NULL, "", NULL,
     "this help; `sotto help transcribe` lists all options"},
    {"version", 'V', true, GROUP_GENERAL, OPTION_BOOL, CLI(version), ANY, "", NULL, "", NULL,
     "the version"},
    {"man", 0, false, GROUP_GENERAL, OPTION_BOOL, CLI(man), ANY, "", NULL, "", NULL,
     "the manual page, for man -l"},
    {"completion", 0, false, GROUP_GENERAL, OPTION_STRING, 0, ANY, "bash", NULL, "", parse_completion,
     "a completion script for the shell"},

    // ---- output
    {"output-format", 'f', true, GROUP_OUTPUT, OPTION_STRING, 0, ANY, "LIST", NULL, "all with -o",
     parse_formats, "txt, srt, vtt, json, tsv, lrc, csv, all"},
    {"output-dir", 'o', true, GROUP_OUTPUT, OPTION_STRING, CLI(output_dir), ANY, "DIR", NULL, ". with -f",
     parse_dir, "folder for the files, or - for standard output"},
    {"output-file", 0, false, GROUP_OUTPUT, OPTION_STRING, 0, ANY, "PATH", "-of", "", parse_output_file,
     "name of the files without extension, instead of -o; once per recording"},
    {"overwrite", 0, true, GROUP_OUTPUT, OPTION_BOOL, CLI(overwrite), ANY, "", NULL, NULL, NULL,
     "replace existing files; else skip the recording"},
    {"timestamps", 0, true, GROUP_OUTPUT, OPTION_BOOL, CLI(timestamps), ANY, "", "!-nt", NULL, NULL,
     "times before each line on standard output"},
    {"word-timestamps", 0, true, GROUP_OUTPUT, OPTION_BOOL, LIB(word_timestamps), ANY, "", NULL, NULL,
     NULL, "times of single words (json, subtitles)"},

    // ---- subtitles
    {"highlight-words", 0, false, GROUP_SUBTITLES, OPTION_BOOL, CLI(writer.highlight_words), ANY, "",
     NULL, NULL, NULL, "underline each word as it is spoken"},
    {"max-line-width", 0, false, GROUP_SUBTITLES, OPTION_INT, CLI(writer.max_line_width),
     OR_NONE(0, 10000, 0), "N", NULL, "no limit", NULL, "characters in a line"},
    {"max-line-count", 0, false, GROUP_SUBTITLES, OPTION_INT, CLI(writer.max_line_count),
     OR_NONE(0, 10000, 0), "N", NULL, "no limit", NULL,
     "lines in a subtitle; needs --max-line-width"},
    {"max-words-per-line", 0, false, GROUP_SUBTITLES, OPTION_INT, CLI(writer.max_words_per_line),
     OR_NONE(0, 10000, 0), "N", NULL, "no limit", NULL, "words in a subtitle"},

    // ---- input
    {"offset", 0, true, GROUP_INPUT, OPTION_TIME, CLI(offset_s), ANY, "TIME", NULL, NULL, NULL,
     "begin here: seconds, mm:ss or hh:mm:ss"},
    {"duration", 0, true, GROUP_INPUT, OPTION_TIME, CLI(duration_s), ANY, "TIME", NULL, "to the end", NULL,
     "transcribe this much; 0: to the end"},
    {"clip-timestamps", 0, false, GROUP_INPUT, OPTION_STRING, 0, ANY, "LIST", NULL, "everything",
     parse_clips, "spans to transcribe: start,end,start,end,... in order"},
    {"audio-track", 0, false, GROUP_INPUT, OPTION_INT, LIB(audio_stream), OR_NONE(0, 1000, -1), "N", NULL,
     "the best", NULL, "which audio stream of the file, counted from 0"},
    {"channel", 0, false, GROUP_INPUT, OPTION_INT, LIB(channel), OR_NONE(0, 1000, -1), "N", NULL,
     "all, mixed", NULL, "only this channel, counted from 0"},

    // ---- computing
    {"threads", 't', true, GROUP_COMPUTE, OPTION_INT, LIB(n_threads), OR_NONE(0, 1024, 0), "N", NULL,
     "one per core", NULL, "threads to compute with"},
    {"device", 0, false, GROUP_COMPUTE, OPTION_STRING, 0, ANY, "cpu", NULL, "cpu", parse_device,
     "where to compute"},
    {"precision", 0, true, GROUP_COMPUTE, OPTION_STRING, 0, ANY, "auto|fp32|bf16|int8", "--compute-type",
     "auto", parse_precision, "arithmetic; auto is the fastest that is accurate here"},
    {"reference", 0, false, GROUP_COMPUTE, OPTION_BOOL, CLI(params.reference), ANY, "", NULL, NULL, NULL,
     "plain C kernels: the specification, slow"},

    // ---- long recordings
    {"sequential", 0, true, GROUP_LONG, OPTION_BOOL, 0, ANY, "", NULL, "", parse_mode,
     "windows one after the other; default up to 30 s"},
    {"batched", 0, false, GROUP_LONG, OPTION_BOOL, 0, ANY, "", NULL, "", parse_mode,
     "windows cut at pauses, decoded side by side; default beyond 30 s"},
    {"batch-size", 0, false, GROUP_LONG, OPTION_INT, LIB(batch_size), OR_NONE(0, 64, 0), "N", NULL,
     "chosen", NULL, "windows decoded side by side"},
    {"condition-on-previous-text", 0, false, GROUP_LONG, OPTION_BOOL, LIB(condition_on_previous_text),
     ANY, "", NULL, "where sequential", parse_condition,
     "give each window the text before it; selects --sequential"},

    // ---- decoding
    {"beam-size", 0, true, GROUP_DECODE, OPTION_INT, LIB(beam_size), OR_NONE(1, 16, 1), "N", "-bs", NULL,
     NULL, "beams of beam search; 1 is greedy and fastest"},
    {"patience", 0, false, GROUP_DECODE, OPTION_FLOAT, LIB(patience), OR_NONE(0.01, 100, 1), "X", NULL,
     NULL, NULL, "beam search goes on until beam size times this many ended"},
    {"length-penalty", 0, false, GROUP_DECODE, OPTION_FLOAT, LIB(length_penalty), OR_NONE(-1, 1, -1), "X",
     NULL, "off", NULL, "exponent of the length penalty, 0 to 1"},
    {"best-of", 0, false, GROUP_DECODE, OPTION_INT, LIB(best_of), OR_NONE(1, 16, 1), "N", "-bo", NULL,
     NULL, "samples to choose from when the temperature is above 0"},
    {"temperature", 0, true, GROUP_DECODE, OPTION_FLOAT, LIB(temperature), RANGE(0, 1), "X", "-tp", NULL,
     parse_temperature,
     "0: the likeliest text; above: sampling; alone: no fallback; 0,0.5,1: a list of fallbacks"},
    {"temperature-increment-on-fallback", 0, false, GROUP_DECODE, OPTION_FLOAT,
     LIB(temperature_increment), OR_NONE(0, 1, 0), "X",
     "-tpi --temperature-inc --temperature-increment", NULL, NULL,
     "step of the temperature when a window fails the thresholds; 0: no fallback"},
    {"no-fallback", 0, false, GROUP_DECODE, OPTION_BOOL, 0, ANY, "", "-nf", "", parse_no_fallback,
     "the same as --temperature-increment-on-fallback 0"},
    {"seed", 0, false, GROUP_DECODE, OPTION_STRING, 0, ANY, "N", NULL, "0", parse_seed,
     "of sampling: the same seed gives the same text"},
    {"compression-ratio-threshold", 0, false, GROUP_DECODE, OPTION_FLOAT,
     LIB(compression_ratio_threshold), OR_NONE(0, 1000, NAN), "X", NULL, NULL, NULL,
     "a window whose text compresses better repeats itself: it fails"},
    {"logprob-threshold", 0, false, GROUP_DECODE, OPTION_FLOAT, LIB(logprob_threshold),
     OR_NONE(-1000, 0, NAN), "X", "-lpt --logprob-thold --log-prob-threshold", NULL, NULL,
     "a window less certain than this on average fails"},
    {"no-speech-threshold", 0, false, GROUP_DECODE, OPTION_FLOAT, LIB(no_speech_threshold),
     OR_NONE(0, 1, NAN), "X", "-nth --no-speech-thold", NULL, NULL,
     "a failing window likelier silent than this is silence"},
    {"hallucination-silence-threshold", 0, false, GROUP_DECODE, OPTION_FLOAT,
     LIB(hallucination_silence_threshold), OR_NONE(0, 3600, NAN), "SECONDS", NULL, NULL, NULL,
     "skip silences longer than this around text that seems invented"},

    // ---- prompts
    {"initial-prompt", 0, true, GROUP_PROMPT, OPTION_STRING, LIB(initial_prompt), ANY, "TEXT", "--prompt",
     NULL, NULL, "text as if said before: style, names, spelling"},
    {"carry-initial-prompt", 0, false, GROUP_PROMPT, OPTION_BOOL, LIB(carry_initial_prompt), ANY, "", NULL,
     NULL, NULL, "repeat the prompt before every window"},
    {"prefix", 0, false, GROUP_PROMPT, OPTION_STRING, LIB(prefix), ANY, "TEXT", NULL, NULL, NULL,
     "text the first window begins with"},
    {"hotwords", 0, false, GROUP_PROMPT, OPTION_STRING, LIB(hotwords), ANY, "TEXT", NULL, NULL, NULL,
     "words to expect, given with every window"},

    // ---- rules
    {"suppress-tokens", 0, false, GROUP_RULES, OPTION_STRING, LIB(suppress_tokens), ANY, "LIST", NULL,
     NULL, parse_suppress, "token ids never to write; -1: signs that are not speech; '': none"},
    {"suppress-blank", 0, false, GROUP_RULES, OPTION_BOOL, LIB(suppress_blank), ANY, "", NULL, NULL, NULL,
     "no blank at a window's beginning"},
    {"without-timestamps", 0, false, GROUP_RULES, OPTION_BOOL, LIB(without_timestamps), ANY, "", NULL,
     NULL, NULL, "decode without timestamp tokens"},
    {"max-initial-timestamp", 0, false, GROUP_RULES, OPTION_FLOAT, LIB(max_initial_timestamp),
     OR_NONE(0, 30, 30), "SECONDS", NULL, NULL, NULL, "latest start of a window's first segment"},
    {"prepend-punctuations", 0, false, GROUP_RULES, OPTION_STRING, LIB(prepend_punctuations), ANY, "SIGNS",
     NULL, "openai/whisper's", NULL, "signs that belong to the word after them"},
    {"append-punctuations", 0, false, GROUP_RULES, OPTION_STRING, LIB(append_punctuations), ANY, "SIGNS",
     NULL, "openai/whisper's", NULL, "signs that belong to the word before them"},

    // ---- voice activity
    {"vad", 0, true, GROUP_VAD, OPTION_BOOL, LIB(vad), ANY, "", "--vad-filter", NULL, NULL,
     "skip what is not speech"},
    {"vad-threshold", 0, false, GROUP_VAD, OPTION_FLOAT, LIB(vad_threshold), RANGE(0, 1), "X",
     "-vt --vad-onset", NULL, NULL, "probability above which it is speech"},
    {"vad-neg-threshold", 0, false, GROUP_VAD, OPTION_FLOAT, LIB(vad_neg_threshold), OR_NONE(0, 1, NAN),
     "X", NULL, "threshold - 0.15", NULL, "probability below which speech ends"},
    {"vad-min-speech-ms", 0, false, GROUP_VAD, OPTION_INT, LIB(vad_min_speech_ms), RANGE(0, 60000), "MS",
     "-vspd --vad-min-speech-duration-ms", NULL, NULL, "shorter speech is dropped"},
    {"vad-min-silence-ms", 0, false, GROUP_VAD, OPTION_INT, LIB(vad_min_silence_ms), RANGE(0, 60000), "MS",
     "-vsd --vad-min-silence-duration-ms", NULL, NULL, "shorter pauses do not end speech"},
    {"vad-max-speech-s", 0, false, GROUP_VAD, OPTION_FLOAT, LIB(vad_max_speech_s), OR_NONE(0, LOTS, 0),
     "SECONDS", "-vmsd --vad-max-speech-duration-s", "no limit", NULL, "longer speech is split"},
    {"vad-speech-pad-ms", 0, false, GROUP_VAD, OPTION_INT, LIB(vad_speech_pad_ms), RANGE(0, 10000), "MS",
     "-vp", NULL, NULL, "kept before and after speech"},
    {"vad-model", 0, false, GROUP_VAD, OPTION_STRING, LIB(vad_model), ANY, "PATH", "-vm",
     "the fetched one", NULL, "weights of the Silero detector"},

    // ---- accepted for others' habits
    {"output-txt", 0, false, GROUP_COMPAT, OPTION_BOOL, 0, ANY, "", "-otxt", "", parse_output_x,
     "the same as -f txt"},
    {"output-srt", 0, false, GROUP_COMPAT, OPTION_BOOL, 0, ANY, "", "-osrt", "", parse_output_x,
     "the same as -f srt"},
    {"output-vtt", 0, false, GROUP_COMPAT, OPTION_BOOL, 0, ANY, "", "-ovtt", "", parse_output_x,
     "the same as -f vtt"},
    {"output-json", 0, false, GROUP_COMPAT, OPTION_BOOL, 0, ANY, "", "-oj", "", parse_output_x,
     "the same as -f json"},
    {"output-lrc", 0, false, GROUP_COMPAT, OPTION_BOOL, 0, ANY, "", "-olrc", "", parse_output_x,
     "the same as -f lrc"},
    {"output-csv", 0, false, GROUP_COMPAT, OPTION_BOOL, 0, ANY, "", "-ocsv", "", parse_output_x,
     "the same as -f csv"},
    {"output-json-full", 0, false, GROUP_COMPAT, OPTION_BOOL, 0, ANY, "", "-ojf", "", parse_json_full,
     "the same as -f json --word-timestamps"},
    {"output-tsv", 0, false, GROUP_COMPAT, OPTION_BOOL, 0, ANY, "", "-otsv", "", parse_output_x,
     "the same as -f tsv"},
    {"max-len", 0, false, GROUP_COMPAT, OPTION_INT, 0, RANGE(0, 10000), "N", "-ml", "", parse_max_len,
     "the same as --max-line-width N --max-line-count 1"},
    {"offset-ms", 0, false, GROUP_COMPAT, OPTION_INT, CLI(offset_s), RANGE(0, LOTS), "MS",
     "-ot --offset-t", "", parse_ms, "--offset in milliseconds"},
    {"duration-ms", 0, false, GROUP_COMPAT, OPTION_INT, CLI(duration_s), RANGE(0, LOTS), "MS", "-d",
     "", parse_ms, "--duration in milliseconds"},
    {"max-context", 0, false, GROUP_COMPAT, OPTION_INT, 0, RANGE(-1, LOTS), "N", "-mc", "",
     parse_max_context, "0 is the same as --no-condition-on-previous-text; -1 all that fits"},
    {"suppress-nst", 0, false, GROUP_COMPAT, OPTION_BOOL, 0, ANY, "", "-sns", "", parse_suppress_nst,
     "the same as --suppress-tokens -1, the default"},
    {"fp16", 0, false, GROUP_COMPAT, OPTION_BOOL, CLI(ignored), ANY, "", NULL, "", NULL,
     "no effect; see --precision"},
};
// clang-format on

const int options_count = (int)(sizeof(options_table) / sizeof(options_table[0]));

const char *option_group_name(enum option_group group)
{
    static const char *const names[GROUP_COUNT] = {
        [GROUP_GENERAL] = "General",
        [GROUP_OUTPUT] = "Output",
        [GROUP_SUBTITLES] = "Subtitles (srt, vtt; these turn on --word-timestamps)",
        [GROUP_INPUT] = "Input",
        [GROUP_COMPUTE] = "Computing",
        [GROUP_LONG] = "Long recordings",
        [GROUP_DECODE] = "Decoding",
        [GROUP_PROMPT] = "Prompts",
        [GROUP_RULES] = "Token rules",
        [GROUP_VAD] = "Voice activity detection",
        [GROUP_COMPAT] = "Accepted for compatibility",
    };
    return names[group];
}
