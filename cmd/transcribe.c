/*
 * The command transcribe: the model and transcriber once, then one recording after the other. A
 * recording that fails does not stop those after it; a signal ends the run and leaves the finished
 * segments under NAME.partial.EXT.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sotto.h>

#include "commands.h"
#include "exit.h"
#include "fetch/store.h"
#include "help.h"
#include "options.h"
#include "output.h"
#include "progress.h"

struct run {
    const struct cli_options *o;
    sotto_model *model;
    sotto_transcriber *transcriber;
    struct sotto_model_info info;
    struct progress progress;
    char **stems;  // names of the outputs, one per input
    char **dirs;   // their folders; NULL: all are in o->output_dir
    int *statuses; // exit status of each input
    double audio_s, wall_s;
    int n_done, n_threads;
    const char *device;
    char usual_vad[STORE_PATH_SIZE]; // with --model-dir: the detector in the usual store, or ""

    // The present recording.
    const char *name;
    struct output *output; // NULL: no files
    bool text;             // lines go to standard output
    int n_segments;
    const char *language; // detected, or of the first segment; static
    int write_status;     // exit status of a failed write, 0 if none
    char message[OUTPUT_MESSAGE_SIZE];
};

// The one global of the program: a signal handler has nowhere else to write.
static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
    if (stop_signal)
        signal(number, SIG_DFL); // whoever insists gets an immediate end
    stop_signal = number;
}

/* No SA_RESTART: a blocked read of standard input must return. What was ignored stays ignored. */
static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal}, old;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN); // shows as EPIPE where it is written
    signal(SIGXFSZ, SIG_IGN); // as EFBIG
}

/* ---- messages -------------------------------------------------------------------------------- */

static void say(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct run *r, const char *fmt, ...)
{
    va_list args;
    progress_hide(&r->progress);
    fputs("sotto: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

/* What the library has to say about `name`, with the name if its sentence leaves it out. */
static void say_diag(struct run *r, const char *name, int err, const struct sotto_diag *diag)
{
    const char *text = diag->text[0] ? diag->text : sotto_error_text(err);
    if (strstr(text, name))
        say(r, "%s", text);
    else
        say(r, "%s: %s", name, text);
}

static void say_saved(struct run *r)
{
    char names[4096];
    output_names(r->output, names, sizeof(names));
    if (*names && !r->o->quiet)
        say(r, "%s: wrote %s", r->name, names);
}

/* 72.5 as "72.5 s", 4000 as "1:06:40". */
static void format_length(char dst[32], double seconds)
{
    long s = (long)(seconds + 0.5);
    if (seconds < 100)
        snprintf(dst, 32, "%.1f s", seconds);
    else if (s < 3600)
        snprintf(dst, 32, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(dst, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

static void say_speed(struct run *r)
{
    char audio[32], wall[32];
    format_length(audio, r->audio_s);
    format_length(wall, r->wall_s);
    say(r, "%s of audio in %s, %.1fx realtime (%s, %s, %s, %d thread%s)", audio, wall,
        r->wall_s > 0 ? r->audio_s / r->wall_s : 0, r->device, r->info.kernels, r->info.precision,
        r->n_threads, r->n_threads == 1 ? "" : "s");
}

static void say_details(struct run *r, const struct sotto_stats *s)
{
    say(r, "%s: %.1f s, %.1f s of it speech; %d windows, %d tokens, %d fallbacks", r->name,
        s->audio_s, s->speech_s, s->n_windows, s->n_tokens, s->n_fallbacks);
    say(r, "%s: read %.2f s, mel %.2f s, vad %.2f s, encode %.2f s, decode %.2f s", r->name,
        s->decode_audio_s, s->mel_s, s->vad_s, s->encode_s, s->decode_s);
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static int print_text(struct run *r, const struct sotto_segment *segment)
{
    if (!r->text)
        return 0;
    progress_hide(&r->progress);
    if (writer_print_line(stdout, segment, r->o->timestamps) == 0)
        return 0;
    if (errno == EINTR && stop_signal)
        return 0;
    if (errno == EPIPE && !r->output)
        return CLI_EXIT_PIPE;
    if (r->output) { // the files matter more
        if (errno != EPIPE)
            say(r, "warning: cannot write standard output: %s", strerror(errno));
        __fpurge(stdout);
        clearerr(stdout);
        r->text = false;
        return 0;
    }
    snprintf(r->message, sizeof(r->message), "cannot write standard output: %s", strerror(errno));
    return CLI_EXIT_OUTPUT;
}

static int on_segment(void *user, const struct sotto_segment *segment)
{
    struct run *r = user;
    if (!r->language)
        r->language = segment->language;
    r->write_status = print_text(r, segment);
    if (!r->write_status && r->output)
        r->write_status = output_add(r->output, segment, r->message);
    r->n_segments++;
    return r->write_status;
}

static void on_progress(void *user, const struct sotto_progress *progress)
{
    struct run *r = user;
    progress_update(&r->progress, progress->done_s, progress->total_s);
}

static void on_language(void *user, const char *code, float probability)
{
    struct run *r = user;
    int i = sotto_language_find(code);
    if (r->language)
        return; // windows after the first are rechecked; that is in json
    r->language = sotto_language_code(i);
    if (!r->o->quiet)
        say(r, "%s: detected language: %s (%.2f)", r->name, sotto_language_name(i), probability);
}

static void on_warning(void *user, const char *text)
{
    struct run *r = user;
    if (!r->o->quiet)
        say(r, "warning: %s", text);
}

static bool should_abort(void *user)
{
    (void)user;
    return stop_signal != 0;
}

/* ---- one recording --------------------------------------------------------------------------- */

/* "; try ..." for what looks like a command that was not understood. */
static const char *hint_for_missing(const char *path)
{
    static const char *const words[] = {"models", "list", "fetch", "download", "pull"};
    bool meant = option_distance(path, "model") == 1;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        meant |= strcmp(path, words[i]) == 0;
    return meant ? "; for models: sotto model list, sotto model fetch NAME" : "";
}

/* What can be told without the model. Returns 0, or CLI_EXIT_INPUT with a message. */
static int check_input(const char *path, char message[OUTPUT_MESSAGE_SIZE])
{
    struct stat st;
    const char *cause = NULL;
    if (strcmp(path, "-") == 0) {
        if (isatty(STDIN_FILENO))
            cause = "standard input is a terminal; pipe a recording into it";
    } else if (strstr(path, "://")) {
        cause = NULL; // an address: FFmpeg's business
    } else if (stat(path, &st) != 0) {
        cause = errno == ENOENT ? "no such file" : strerror(errno);
    } else if (S_ISDIR(st.st_mode)) {
        cause = "is a folder, not a recording";
    } else if (S_ISREG(st.st_mode) && st.st_size == 0) {
        cause = "the file is empty";
    } else if (access(path, R_OK) != 0) {
        cause = strerror(errno);
    }
    if (!cause)
        return 0;
    snprintf(message, OUTPUT_MESSAGE_SIZE, "%s: %s%s", path, cause, hint_for_missing(path));
    return CLI_EXIT_INPUT;
}

static const char *language_of(const struct run *r)
{
    if (r->o->lib.language)
        return r->o->lib.language;
    return r->language || r->info.multilingual ? r->language : "en";
}

/* After a recording that failed, was interrupted or could not be written: keeps what was finished.
 * A failure that was told already is not told again. */
static void save_partial(struct run *r, bool told)
{
    char message[OUTPUT_MESSAGE_SIZE] = "";
    if (!r->output || !r->n_segments || r->write_status == CLI_EXIT_PIPE)
        return;
    if (output_commit(r->output, language_of(r), true, message) != 0 && *message && !told)
        say(r, "%s", message);
    say_saved(r);
}

/* The exit status of a transcription that ended with `err`; says why unless it was a signal. */
static int fail_recording(struct run *r, int err, const struct sotto_diag *diag)
{
    if (r->write_status) {
        if (*r->message)
            say(r, "%s: %s", r->name, r->message);
        save_partial(r, true);
        return r->write_status;
    }
    save_partial(r, false);
    if (err == SOTTO_EABORTED && stop_signal)
        return 128 + stop_signal;
    say_diag(r, r->name, err, diag);
    return exit_from_error(err);
}

static void begin_recording(struct run *r, int i)
{
    char label[64] = "";
    r->name = r->o->inputs[i];
    r->n_segments = 0;
    r->language = NULL;
    r->write_status = 0;
    r->message[0] = '\0';
    progress_hide(&r->progress);
    if (r->text && r->o->n_inputs > 1) {
        printf("%s==> %s <==\n", i ? "\n" : "", r->name);
        fflush(stdout);
    }
    if (r->o->n_inputs > 1)
        snprintf(label, sizeof(label), "%d/%d", i + 1, r->o->n_inputs);
    progress_begin(&r->progress, label, r->o->n_clips ? r->o->clips[0].start_s : 0);
}

static int finish_recording(struct run *r)
{
    struct sotto_stats stats;
    sotto_get_stats(r->transcriber, &stats);
    r->audio_s += stats.audio_s;
    r->n_threads = stats.n_threads;
    r->device = stats.device;
    r->n_done++;
    if (!r->n_segments && !r->o->quiet)
        say(r, "%s: %s", r->name,
            r->o->n_clips && stats.audio_s <= 0 ? "ends before the part that was asked for"
                                                : "no speech found");
    if (r->o->verbose)
        say_details(r, &stats);
    if (!r->output)
        return 0;
    int status = output_commit(r->output, language_of(r), false, r->message);
    if (status && *r->message)
        say(r, "%s: %s", r->name, r->message);
    if (status)
        save_partial(r, true);
    else
        say_saved(r);
    return status;
}

/* Opens the files of recording `i`. `*skip`: there is nothing to do. */
static int open_output(struct run *r, int i, bool *skip)
{
    const struct cli_options *o = r->o;
    struct output_request request = {
        .dir = r->dirs ? r->dirs[i] : o->output_dir,
        .stem = r->stems[i],
        .formats = o->formats,
        .overwrite = o->overwrite,
        .writer = o->writer,
        .inputs = o->inputs,
        .n_inputs = o->n_inputs,
    };
    if (!o->formats)
        return 0;
    int status = output_open(&r->output, &request, r->message);
    *skip = !status && !r->output;
    if (status && *r->message)
        say(r, "%s: %s", o->inputs[i], r->message);
    return status;
}

static int transcribe_one(struct run *r, int i)
{
    struct sotto_diag diag = {0};
    bool skip = false;
    begin_recording(r, i);
    int status = open_output(r, i, &skip);
    if (skip && !r->o->quiet)
        say(r, "%s: skipped, its files exist", r->name);
    if (!status && !skip) {
        double begin_s = progress_clock();
        int err = sotto_transcribe_file(r->transcriber, r->name, &diag);
        r->wall_s += progress_clock() - begin_s;
        status = err ? fail_recording(r, err, &diag) : finish_recording(r);
    }
    output_close(&r->output);
    return status;
}

/* One line: code, name, probability, file; separated by tabs. */
static int detect_one(struct run *r, int i)
{
    struct sotto_diag diag = {0};
    const char *code;
    int n = sotto_language_count();
    float *probs = calloc((size_t)n, sizeof(*probs));
    begin_recording(r, i);
    int err =
        probs ? sotto_detect_language(r->transcriber, r->name, &code, probs, &diag) : SOTTO_ENOMEM;
    int status = err ? fail_recording(r, err, &diag) : 0;
    if (!err) {
        int language = sotto_language_find(code);
        progress_hide(&r->progress);
        printf("%s\t%s\t%.3f\t%s\n", code, sotto_language_name(language), probs[language], r->name);
        fflush(stdout);
    }
    free(probs);
    return status;
}

/* ---- the run --------------------------------------------------------------------------------- */

static int open_model(struct run *r, const char *path, const char *vad_path)
{
    const struct cli_options *o = r->o;
    struct sotto_diag diag = {0};
    double begin_s = progress_clock();
    int err = sotto_model_open(&r->model, path, &o->params, &diag);
    if (err) {
        say_diag(r, o->model, err, &diag);
        return err == SOTTO_ENOMEM ? CLI_EXIT_INTERNAL : CLI_EXIT_MODEL;
    }
    sotto_model_get_info(r->model, &r->info);
    if (o->verbose)
        say(r, "model %s: %s, %s weights, %s; %s kernels, %s; opened in %.2f s", path,
            r->info.format, r->info.weights, r->info.multilingual ? "multilingual" : "English only",
            r->info.kernels, r->info.precision, progress_clock() - begin_s);

    struct sotto_options lib = o->lib;
    lib.vad = vad_path != NULL;
    lib.vad_model = vad_path;
    lib.user = r;
    lib.on_segment = on_segment;
    lib.on_progress = on_progress;
    lib.on_language = on_language;
    lib.on_warning = on_warning;
    lib.should_abort = should_abort;
    err = sotto_transcriber_open(&r->transcriber, r->model, &lib, &diag);
    if (!err)
        return 0;
    say(r, "%s", diag.text[0] ? diag.text : sotto_error_text(err));
    int status = exit_from_error(err);
    return status == CLI_EXIT_INPUT ? CLI_EXIT_MODEL : status; // a file, but not a recording
}

/* --model-dir: the store of this run. The detector may stay where it is. */
static int enter_store(struct run *r)
{
    if (!r->o->model_dir)
        return 0;
    if (store_vad_path(r->usual_vad, sizeof(r->usual_vad)) != 0)
        r->usual_vad[0] = '\0';
    if (setenv("SOTTO_MODELS", r->o->model_dir, 1) == 0)
        return 0;
    say(r, "out of memory");
    return CLI_EXIT_INTERNAL;
}

static int find_model(struct run *r, char path[STORE_PATH_SIZE])
{
    struct sotto_diag diag = {0};
    const char *dir = r->o->model_dir;
    int err = store_resolve(r->o->model, path, STORE_PATH_SIZE, &diag);
    if (err)
        say_diag(r, r->o->model, err, &diag);
    if (err && dir)
        say(r,
            "looked in the folder given by --model-dir; to fetch into it: SOTTO_MODELS='%s' sotto "
            "model fetch NAME",
            dir);
    return err ? CLI_EXIT_MODEL : 0;
}

/* The detector's weights: as given, or from the store. NULL in `*path` if it is not wanted. */
static int find_vad(struct run *r, char store[STORE_PATH_SIZE], const char **path)
{
    *path = NULL;
    if (!r->o->lib.vad || r->o->detect_language)
        return 0;
    *path = r->o->lib.vad_model;
    if (*path)
        return 0;
    *path = store;
    if (store_vad_path(store, STORE_PATH_SIZE) == 0 && access(store, R_OK) == 0)
        return 0;
    if (r->usual_vad[0] && access(r->usual_vad, R_OK) == 0) {
        *path = r->usual_vad;
        return 0;
    }
    say(r, "The voice activity detector is not on this machine yet. It comes with the first model "
           "fetched, or by: sotto model fetch silero-vad. To do without it: --no-vad");
    return CLI_EXIT_MODEL;
}

/* Checks what needs no model: a status that ends the run, or 0 and the number of bad inputs. */
static int check_first(struct run *r, int *n_bad)
{
    const struct cli_options *o = r->o;
    for (int i = 0; i < o->n_notes && !o->quiet; i++)
        say(r, "warning: %s", o->notes[i]);
    for (int i = 0; o->formats && i < (r->dirs ? o->n_inputs : 1); i++) {
        if (output_prepare_dir(r->dirs ? r->dirs[i] : o->output_dir, r->message) != 0) {
            say(r, "%s", r->message);
            return CLI_EXIT_OUTPUT;
        }
    }
    for (int i = 0; i < o->n_inputs; i++) {
        r->statuses[i] = check_input(o->inputs[i], r->message);
        if (r->statuses[i])
            say(r, "%s", r->message);
        *n_bad += r->statuses[i] != 0;
    }
    return 0;
}

static int run_all(struct run *r)
{
    for (int i = 0; i < r->o->n_inputs && !stop_signal; i++) {
        if (r->statuses[i])
            continue;
        r->statuses[i] = r->o->detect_language ? detect_one(r, i) : transcribe_one(r, i);
        if (r->statuses[i] == CLI_EXIT_PIPE)
            return CLI_EXIT_PIPE;
    }
    return stop_signal ? 128 + stop_signal : 0;
}

/* The status of the whole: that of all failures if they agree and nothing succeeded. */
static int sum_up(struct run *r)
{
    int n_failed = 0, n = r->o->n_inputs, status = 0;
    for (int i = 0; i < n; i++) {
        if (r->statuses[i]) {
            status = n_failed && status != r->statuses[i] ? CLI_EXIT_SOME : r->statuses[i];
            n_failed++;
        }
    }
    if (n_failed && n > 1) {
        say(r, "%d of %d recordings failed:", n_failed, n);
        for (int i = 0; i < n; i++)
            if (r->statuses[i])
                fprintf(stderr, "  %s\n", r->o->inputs[i]);
    }
    return n_failed && n_failed < n ? CLI_EXIT_SOME : status;
}

/* The model and the recordings; the statuses of these are in r->statuses. */
static int run_recordings(struct run *r)
{
    char model[STORE_PATH_SIZE], vad_store[STORE_PATH_SIZE];
    const char *vad;
    int status = enter_store(r);
    if (!status)
        status = find_model(r, model);
    int vad_status =
        find_vad(r, vad_store, &vad); // both, so that one visit to `model fetch` will do
    if (!status)
        status = vad_status;
    if (!status)
        status = open_model(r, model, vad);
    if (status)
        return status;
    status = run_all(r);
    progress_hide(&r->progress);
    if (r->n_done && !r->o->quiet && status != CLI_EXIT_PIPE)
        say_speed(r);
    if (stop_signal)
        say(r, "interrupted");
    return status;
}

static int run(struct run *r)
{
    int n_bad = 0;
    int status = check_first(r, &n_bad);
    if (!status && n_bad < r->o->n_inputs)
        status = run_recordings(r);
    return status ? status : sum_up(r);
}

static int run_options(const struct cli_options *o)
{
    bool to_stdout = o->output_dir && strcmp(o->output_dir, "-") == 0;
    struct run r = {.o = o, .text = !o->formats || (o->verbose && !to_stdout)};
    r.text = r.text && !o->detect_language;
    progress_init(&r.progress, o->progress && !o->quiet);
    if (o->n_output_files)
        output_split_paths(o->output_files, o->n_inputs, &r.dirs, &r.stems);
    else
        r.stems = output_plan_stems(o->inputs, o->n_inputs);
    r.statuses = calloc((size_t)o->n_inputs, sizeof(*r.statuses));
    int status = CLI_EXIT_INTERNAL;
    if (r.stems && r.statuses)
        status = run(&r);
    else
        say(&r, "out of memory");
    sotto_transcriber_close(&r.transcriber);
    sotto_model_close(&r.model);
    output_free_stems(r.stems, o->n_inputs);
    output_free_stems(r.dirs, o->n_inputs);
    free(r.statuses);
    return status;
}

int cmd_transcribe(int argc, char **argv)
{
    struct cli_options o;
    char message[OPTIONS_MESSAGE_SIZE];
    int status = options_parse(&o, argc, argv, message);
    if (argc == 1) {
        help_short(stderr);
    } else if (status) {
        fprintf(stderr, "sotto: %s\nTry: sotto --help\n", message);
    } else if (o.help) {
        help_short(stdout);
    } else if (o.version) {
        help_version(stdout);
    } else if (o.man) {
        help_man(stdout);
    } else if (o.completion) {
        help_completion(stdout);
    } else {
        catch_signals();
        status = run_options(&o);
    }
    options_fini(&o);
    return status;
}
