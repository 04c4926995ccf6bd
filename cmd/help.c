/*
 * --help, the man page and shell completion, printed from options_table.c and exit.def, so that
 * they cannot disagree with the program. Defaults are read from freshly initialised options.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exit.h"
#include "fetch/models.h"
#include "help.h"
#include "options.h"

enum { LEFT_WIDTH = 34, LINE_WIDTH = 98, TEXT_SIZE = 256 };

static const struct {
    int status;
    const char *text;
} exits[] = {
#define X(value, name, text) {value, text},
#include "exit.def"
#undef X
};

static const char DESCRIPTION[] =
    "sotto writes down what is said in recordings, with OpenAI's Whisper models, on this machine. "
    "Any audio or video file that FFmpeg reads will do; - is standard input. Without -f and -o the "
    "text goes to standard output as it is decoded.";

static const char *const EXAMPLES[][2] = {
    {"sotto talk.mp3", "print the text with its times"},
    {"sotto -f srt,txt -o out *.mp4", "out/NAME.srt and out/NAME.txt for each video"},
    {"sotto -l de --task translate talk.ogg", "German speech, English text"},
    {"sotto -f json -o - --word-timestamps talk.wav", "json with word times to standard output"},
    {"ffmpeg -i URL -f wav - | sotto -", "read standard input"},
    {"sotto model fetch base", "get a model; `sotto model list` shows which"},
};

static const char *const ENVIRONMENT[][2] = {
    {"SOTTO_MODELS", "folder of fetched models"},
    {"XDG_DATA_HOME", "fetched models are in sotto/models below it if SOTTO_MODELS is not set; "
                      "default ~/.local/share"},
};

static const char FILES_TEXT[] =
    "Files are named as openai/whisper names them: the recording's name without its extension, "
    "plus "
    "that of the format. Where two recordings would get the same name, the second one keeps its "
    "extension (talk.mp3.srt) or gets a number; standard input becomes stdin. A file appears under "
    "its name only when it is complete. When a run is interrupted, the segments finished so far "
    "are "
    "left in NAME.partial.EXT.";

static const char SPELLING_TEXT[] =
    "Long options may be written with - or _, be cut short where that is unambiguous, and take "
    "their value after a space or =. Switches are turned off by --no-NAME; --NAME True and --NAME "
    "False work as well. None is accepted where openai/whisper accepts it. Other spellings known "
    "from openai/whisper, whisper.cpp and whisper-ctranslate2 are listed with each option; where "
    "they clash, openai/whisper's meaning holds: -f is the format, -o the folder, and --offset and "
    "--duration are seconds (whisper.cpp's -ot and -d are its milliseconds).";

static const char DIFFERENCES_TEXT[] =
    "What openai/whisper's users find different: the text goes to standard output and no files are "
    "written unless -f or -o is given; the search is greedy (--beam-size 5 for beams); speech is "
    "looked for first (--no-vad does without); beyond 30 seconds windows are decoded side by side "
    "(--sequential for one after the other, with the text before as context); a --temperature "
    "given "
    "alone switches the fallback off, a range needs --temperature-increment-on-fallback; options "
    "for subtitles turn on --word-timestamps by themselves; --verbose is off by default.";

/* ---- parts shared by all ---------------------------------------------------------------------- */

static void format_double(char *dst, double x)
{
    if (isnan(x))
        snprintf(dst, TEXT_SIZE, "off");
    else
        snprintf(dst, TEXT_SIZE, "%g", x);
}

/* The default of `row` as text; empty if there is none worth showing. */
static void format_default(char dst[TEXT_SIZE], const struct option_row *row,
                           const struct cli_options *defaults)
{
    const char *field = (const char *)defaults + row->offset;
    dst[0] = '\0';
    if (row->shown) {
        snprintf(dst, TEXT_SIZE, "%s", row->shown);
    } else if (row->kind == OPTION_BOOL) {
        snprintf(dst, TEXT_SIZE, "%s", *(const bool *)field ? "on" : "");
    } else if (row->kind == OPTION_INT) {
        snprintf(dst, TEXT_SIZE, "%d", *(const int *)field);
    } else if (row->kind == OPTION_FLOAT || row->kind == OPTION_TIME) {
        format_double(dst, *(const double *)field);
    } else if (row->kind == OPTION_STRING) {
        const char *s = *(const char *const *)field;
        snprintf(dst, TEXT_SIZE, "%s", s ? s : "");
    } else if (row->kind == OPTION_CHOICE) {
        const char *s = row->arg;
        for (int i = 0; i < *(const int *)field; i++)
            s += strcspn(s, "|") + 1;
        snprintf(dst, TEXT_SIZE, "%.*s", (int)strcspn(s, "|"), s);
    }
}

/* Switches that are on by default are shown as --[no-]name. */
static const char *name_prefix(const struct option_row *row, const struct cli_options *defaults)
{
    bool on = row->kind == OPTION_BOOL && !row->parse &&
              *((const bool *)((const char *)defaults + row->offset));
    return on ? "--[no-]" : "--";
}

/* ---- plain text ------------------------------------------------------------------------------ */

/* Prints `text` from column `column` on, broken between words; continued at `indent`. */
static void print_wrapped(FILE *out, const char *text, int column, int indent)
{
    while (*text) {
        int size = (int)strcspn(text, " ");
        if (column > indent && column + 1 + size > LINE_WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            column += fprintf(out, " ");
        }
        column += fprintf(out, "%.*s", size, text);
        text += size + strspn(text + size, " ");
    }
    fputc('\n', out);
}

static void print_row(FILE *out, const struct option_row *row, const struct cli_options *defaults,
                      bool full)
{
    char left[TEXT_SIZE], value[TEXT_SIZE], right[3 * TEXT_SIZE], letter[8] = "    ";
    format_default(value, row, defaults);
    if (row->letter)
        snprintf(letter, sizeof(letter), "-%c, ", row->letter);
    snprintf(left, sizeof(left), "  %s%s%s%s%s", letter, name_prefix(row, defaults), row->name,
             *row->arg ? " " : "", row->arg);
    int n = snprintf(right, sizeof(right), "%s%s%s%s", row->help, *value ? " [" : "", value,
                     *value ? "]" : "");
    if (full && row->aliases)
        snprintf(right + n, sizeof(right) - (size_t)n, " (also %s)",
                 row->aliases + (row->aliases[0] == '!'));
    if (strlen(left) < LEFT_WIDTH)
        fprintf(out, "%-*s", LEFT_WIDTH, left);
    else
        fprintf(out, "%s\n%*s", left, LEFT_WIDTH, "");
    print_wrapped(out, right, LEFT_WIDTH, LEFT_WIDTH);
}

static void print_options(FILE *out, bool full)
{
    struct cli_options defaults;
    options_defaults(&defaults);
    for (int group = 0; group < GROUP_COUNT; group++) {
        bool titled = false;
        for (int i = 0; i < options_count; i++) {
            const struct option_row *row = &options_table[i];
            if ((int)row->group != group || (!full && !row->common))
                continue;
            if (!titled)
                fprintf(out, "\n%s:\n", option_group_name(row->group));
            titled = true;
            print_row(out, row, &defaults, full);
        }
    }
}

static void print_usage(FILE *out)
{
    fputs(
        "Usage: sotto [OPTION]... FILE...    transcribe recordings (- is standard input)\n"
        "       sotto model list             show the models that are here and that can be had\n"
        "       sotto model fetch NAME...    get models\n"
        "       sotto bench [FILE]           how fast it is here, part by part\n"
        "       sotto help [TOPIC]           transcribe (all options), bench, languages, others,\n"
        "                                    exit\n",
        out);
}

void help_short(FILE *out)
{
    print_usage(out);
    print_options(out, false);
    fputs("\nAll options: sotto help transcribe\n", out);
}

void help_transcribe(FILE *out)
{
    print_usage(out);
    fputc('\n', out);
    print_wrapped(out, DESCRIPTION, 0, 0);
    print_options(out, true);
    fputc('\n', out);
    print_wrapped(out, SPELLING_TEXT, 0, 0);
    fputc('\n', out);
    print_wrapped(out, FILES_TEXT, 0, 0);
    fputs("\nExamples:\n", out);
    for (size_t i = 0; i < sizeof(EXAMPLES) / sizeof(EXAMPLES[0]); i++)
        fprintf(out, "  %-47s %s\n", EXAMPLES[i][0], EXAMPLES[i][1]);
    fputs("\nEnvironment:\n", out);
    for (size_t i = 0; i < sizeof(ENVIRONMENT) / sizeof(ENVIRONMENT[0]); i++) {
        fprintf(out, "  %-16s", ENVIRONMENT[i][0]);
        print_wrapped(out, ENVIRONMENT[i][1], 18, 18);
    }
    fputc('\n', out);
    help_exit(out);
}

void help_exit(FILE *out)
{
    fputs("Exit status:\n", out);
    for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++)
        fprintf(out, "  %3d  %s\n", exits[i].status, exits[i].text);
}

void help_languages(FILE *out)
{
    for (int i = 0; i < sotto_language_count(); i++)
        fprintf(out, "%-4s %s\n", sotto_language_code(i), sotto_language_name(i));
}

static const char FOREIGN_TEXT[] =
    "Options of openai/whisper, whisper.cpp, whisper-ctranslate2 and whisperX that sotto does not "
    "have, and what to do instead. They are accepted where their value asks for nothing (False, or "
    "the value in brackets).";

void help_foreign(FILE *out)
{
    print_wrapped(out, FOREIGN_TEXT, 0, 0);
    fputc('\n', out);
    for (int i = 0; i < options_foreign_count; i++) {
        const struct option_foreign *row = &options_foreign[i];
        bool value = row->neutral && *row->neutral && strcmp(row->neutral, "false") != 0;
        char left[TEXT_SIZE];
        snprintf(left, sizeof(left), "  %s%s%s%s", row->spellings, value ? " [" : "",
                 value ? row->neutral : "", value ? "]" : "");
        fprintf(out, "%-*s ", LEFT_WIDTH - 1, left);
        print_wrapped(out, row->hint ? row->hint : "accepted without effect", LEFT_WIDTH,
                      LEFT_WIDTH);
    }
}

void help_version(FILE *out)
{
    fprintf(out, "sotto %s\n", sotto_version());
}

/* ---- man page -------------------------------------------------------------------------------- */

/* Prints `text` so that troff takes it literally. */
static void print_troff(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        switch (*text) {
        case '-':
            fputs("\\-", out);
            break;
        case '\\':
            fputs("\\e", out);
            break;
        case '\'':
            fputs("\\(aq", out);
            break;
        case '`':
            fputs("\\(ga", out);
            break;
        case '"':
            fputs("\\(dq", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

/* A man entry: the tag in bold, then `value` in italics, then the text. */
static void print_entry(FILE *out, const char *tag, const char *value, const char *text)
{
    fputs(".TP\n\\fB", out);
    print_troff(out, tag);
    fputs("\\fR", out);
    if (*value) {
        fputs(" \\fI", out);
        print_troff(out, value);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    print_troff(out, text);
    fputc('\n', out);
}

static void print_man_row(FILE *out, const struct option_row *row,
                          const struct cli_options *defaults)
{
    char tag[TEXT_SIZE], value[TEXT_SIZE], text[3 * TEXT_SIZE], letter[8] = "";
    if (row->letter)
        snprintf(letter, sizeof(letter), "-%c, ", row->letter);
    snprintf(tag, sizeof(tag), "%s%s%s", letter, name_prefix(row, defaults), row->name);
    format_default(value, row, defaults);
    int n = snprintf(text, sizeof(text), "%c%s.", row->help[0] & ~0x20, row->help + 1);
    if (row->help[0] < 'a' || row->help[0] > 'z')
        text[0] = row->help[0];
    if (row->kind == OPTION_INT || row->kind == OPTION_FLOAT)
        if (row->max < 1e9)
            n += snprintf(text + n, sizeof(text) - (size_t)n, " Range: %g to %g%s.", row->min,
                          row->max, row->none == OPTION_NO_NONE ? "" : ", or None");
    if (*value)
        n += snprintf(text + n, sizeof(text) - (size_t)n, " Default: %s.", value);
    if (row->aliases)
        snprintf(text + n, sizeof(text) - (size_t)n, " Also: %s.",
                 row->aliases + (row->aliases[0] == '!'));
    print_entry(out, tag, row->arg, text);
}

static void print_man_options(FILE *out)
{
    struct cli_options defaults;
    options_defaults(&defaults);
    for (int group = 0; group < GROUP_COUNT; group++) {
        fputs(".SS ", out);
        print_troff(out, option_group_name((enum option_group)group));
        fputc('\n', out);
        for (int i = 0; i < options_count; i++)
            if ((int)options_table[i].group == group)
                print_man_row(out, &options_table[i], &defaults);
    }
}

static void print_paragraph(FILE *out, const char *title, const char *text)
{
    fprintf(out, ".SH %s\n", title);
    print_troff(out, text);
    fputc('\n', out);
}

void help_man(FILE *out)
{
    fprintf(out, ".TH SOTTO 1 \"\" \"sotto %s\" \"User Commands\"\n", sotto_version());
    print_paragraph(out, "NAME", "sotto - speech to text with Whisper models");
    fputs(".SH SYNOPSIS\n"
          ".B sotto\n[\\fIOPTION\\fR]... \\fIFILE\\fR...\n.br\n"
          ".B sotto model list\n.br\n"
          ".B sotto model fetch\n\\fINAME\\fR...\n.br\n"
          ".B sotto bench\n[\\fIOPTION\\fR]... [\\fIFILE\\fR]\n.br\n"
          ".B sotto help\n[\\fITOPIC\\fR]\n",
          out);
    print_paragraph(out, "DESCRIPTION", DESCRIPTION);
    fputs(".SH OPTIONS\n", out);
    print_man_options(out);
    print_paragraph(out, "SPELLING OF OPTIONS", SPELLING_TEXT);
    print_paragraph(out, "OPTIONS OF OTHER PROGRAMS", FOREIGN_TEXT);
    for (int i = 0; i < options_foreign_count; i++)
        if (options_foreign[i].hint)
            print_entry(out, options_foreign[i].spellings, "", options_foreign[i].hint);
    print_paragraph(out, "OUTPUT FILES", FILES_TEXT);
    print_paragraph(out, "DIFFERENCES", DIFFERENCES_TEXT);
    fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
        char status[16];
        snprintf(status, sizeof(status), "%d", exits[i].status);
        print_entry(out, status, "", exits[i].text);
    }
    fputs(".SH ENVIRONMENT\n", out);
    for (size_t i = 0; i < sizeof(ENVIRONMENT) / sizeof(ENVIRONMENT[0]); i++)
        print_entry(out, ENVIRONMENT[i][0], "", ENVIRONMENT[i][1]);
    fputs(".SH EXAMPLES\n", out);
    for (size_t i = 0; i < sizeof(EXAMPLES) / sizeof(EXAMPLES[0]); i++)
        print_entry(out, EXAMPLES[i][0], "", EXAMPLES[i][1]);
}

/* ---- completion ------------------------------------------------------------------------------ */

/* What is offered after an option, in bash; NULL: the words of its `arg`, or nothing. */
static const char *completion_of(const struct option_row *row)
{
    static const struct {
        const char *name, *bash;
    } special[] = {
        {"output-format", "_sotto_words 'txt srt vtt json tsv lrc csv all'"},
        {"language", "_sotto_words \"$(sotto help languages 2>/dev/null | cut -d' ' -f1) auto\""},
        {"model", "_sotto_words \"$_sotto_models\"; _sotto_files -f"},
        {"output-dir", "_sotto_files -d"},
        {"model-dir", "_sotto_files -d"},
    };
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if (strcmp(row->name, special[i].name) == 0)
            return special[i].bash;
    return strcmp(row->arg, "PATH") == 0 ? "_sotto_files -f" : NULL;
}

/* The spellings of `row`, as the pattern of a case. */
static void print_pattern(FILE *out, const struct option_row *row)
{
    const char *s = row->aliases;
    fprintf(out, "    --%s", row->name);
    if (row->letter)
        fprintf(out, " | -%c", row->letter);
    while (s && *s) {
        size_t word = strcspn(s, " ");
        fprintf(out, " | %.*s", (int)word, s);
        s += word + strspn(s + word, " ");
    }
    fputs(")\n        ", out);
}

/* A case for each option with a value. */
static void print_cases(FILE *out)
{
    for (int i = 0; i < options_count; i++) {
        const struct option_row *row = &options_table[i];
        const char *bash = completion_of(row);
        if (row->kind == OPTION_BOOL)
            continue;
        print_pattern(out, row);
        if (bash) {
            fputs(bash, out);
        } else if (row->kind == OPTION_CHOICE || islower((unsigned char)row->arg[0])) {
            fputs("_sotto_words '", out);
            for (const char *c = row->arg; *c; c++)
                fputc(*c == '|' ? ' ' : *c, out);
            fputc('\'', out);
        } else {
            fputc(':', out); // a number or free text
        }
        fputs("\n        return ;;\n", out);
    }
}

static void print_names(FILE *out)
{
    struct cli_options defaults;
    options_defaults(&defaults);
    for (int i = 0; i < options_count; i++) {
        const struct option_row *row = &options_table[i];
        if (row->group == GROUP_COMPAT)
            continue;
        fprintf(out, " --%s", row->name);
        if (strcmp(name_prefix(row, &defaults), "--") != 0)
            fprintf(out, " --no-%s", row->name);
    }
}

static const char COMPLETION_BEGIN[] =
    "_sotto_words() {\n"
    "    COMPREPLY+=($(compgen -W \"$1\" -- \"$cur\"))\n"
    "}\n"
    "_sotto_files() {\n"
    "    local IFS=$'\\n'\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    COMPREPLY+=($(compgen \"$1\" -- \"$cur\"))\n"
    "}\n"
    "_sotto() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local command=${COMP_WORDS[1]} verb=${COMP_WORDS[2]}\n"
    "    COMPREPLY=()\n"
    "    if ((COMP_CWORD == 1)) && [[ $cur != -* ]]; then\n"
    "        _sotto_words 'transcribe model bench help version'\n"
    "    elif [[ $command == model ]]; then\n"
    "        case $COMP_CWORD,$verb in\n"
    "        2,*) _sotto_words 'fetch list path' ;;\n"
    "        *,fetch) _sotto_words \"$_sotto_models --from --quiet\" ;;\n"
    "        3,path) _sotto_words \"$_sotto_models\" ;;\n"
    "        esac\n"
    "        return\n"
    "    elif [[ $command == bench ]]; then\n"
    "        _sotto_words '--model --threads --precision --repeats --quick --json --plot'\n"
    "        _sotto_files -f\n"
    "        return\n"
    "    elif [[ $command == help ]]; then\n"
    "        _sotto_words 'transcribe model bench languages others exit'\n"
    "        return\n"
    "    fi\n"
    "    case $prev in\n";

static const char COMPLETION_END[] = "'\n"
                                     "    else\n"
                                     "        _sotto_files -f\n"
                                     "    fi\n"
                                     "}\n"
                                     "complete -F _sotto sotto\n";

void help_completion(FILE *out)
{
    fputs("# bash completion for sotto: to source, or for share/bash-completion/completions\n"
          "_sotto_models='",
          out);
    for (int i = 0; i < fetch_n_models; i++)
        fprintf(out, "%s%s", i ? " " : "", fetch_models[i].name);
    fputs("'\n", out);
    fputs(COMPLETION_BEGIN, out);
    print_cases(out);
    fputs("    esac\n"
          "    if [[ $cur == -* ]]; then\n"
          "        _sotto_words '",
          out);
    print_names(out);
    fputs(COMPLETION_END, out);
}
