/*
 * Output files: temporary file in the same folder, fsync, rename. Naming rules are in output.h. What
 * was written is not given up where a disk fills, a folder goes away or a name cannot be had: as
 * much as is whole becomes NAME.partial.EXT, or stays in the temporary file, which is then named.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exit.h"
#include "output.h"

struct output_file {
    struct writer *writer;
    FILE *file;
    char *temp;    // NULL: standard output, or renamed already
    char *final;   // its name once it is complete
    char *partial; // its name if it stays incomplete
    int n_base;    // bytes of `final` and `partial` before ".partial"
    off_t good;    // bytes that are in the file for certain and end with a segment
    bool failed;   // a write failed: only `good` bytes count
    bool reserved; // the file has room for what the writer holds back
    bool full;     // no room for more: what is held back can still be written
    bool committed, is_partial;
};

struct output {
    struct output_file files[WRITER_FORMAT_COUNT];
    int n_files;
};

static int fail(char *message, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(char *message, int status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, OUTPUT_MESSAGE_SIZE, fmt, args);
    va_end(args);
    return status;
}

static int fail_nomem(char *message)
{
    return fail(message, CLI_EXIT_INTERNAL, "out of memory");
}

static int fail_errno(char *message, const char *name, int error)
{
    if (error == EPIPE) {
        message[0] = '\0';
        return CLI_EXIT_PIPE;
    }
    return fail(message, CLI_EXIT_OUTPUT, "cannot write %s: %s", name, strerror(error));
}

/* ---- folder ---------------------------------------------------------------------------------- */

int output_prepare_dir(const char *dir, char message[OUTPUT_MESSAGE_SIZE])
{
    struct stat st;
    if (strcmp(dir, "-") == 0)
        return 0;
    char *path = strdup(dir);
    if (!path)
        return fail_nomem(message);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777); // what stands in the way shows at the last one
        *slash = '/';
    }
    int error = mkdir(path, 0777) == 0 || errno == EEXIST ? 0 : errno;
    if (!error && (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)))
        error = ENOTDIR;
    if (!error && access(path, W_OK | X_OK) != 0)
        error = errno;
    free(path);
    if (error)
        return fail(message, CLI_EXIT_OUTPUT, "cannot write into folder %s: %s", dir,
                    strerror(error));
    return 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* The part after the last slash that is not at the end. */
static void base_name(char *dst, size_t size, const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    snprintf(dst, size, "%.*s", (int)(end - begin), path + begin);
}

/* Cuts the extension off as Python's os.path.splitext does: dots at the beginning do not count. */
static void cut_extension(char *name)
{
    char *dot = strrchr(name, '.');
    if (dot && strspn(name, ".") < (size_t)(dot - name))
        *dot = '\0';
}

static bool taken(char *const *stems, int n, const char *stem)
{
    for (int i = 0; i < n; i++)
        if (strcmp(stems[i], stem) == 0)
            return true;
    return false;
}

static char *plan_stem(char *const *stems, int n, const char *input)
{
    char base[PATH_MAX], stem[PATH_MAX], numbered[PATH_MAX + 16];
    base_name(base, sizeof(base), strcmp(input, "-") == 0 ? "stdin" : input);
    snprintf(stem, sizeof(stem), "%s", base);
    cut_extension(stem);
    if (!taken(stems, n, stem))
        return strdup(stem);
    if (!taken(stems, n, base))
        return strdup(base);
    for (int i = 2;; i++) {
        snprintf(numbered, sizeof(numbered), "%s.%d", stem, i);
        if (!taken(stems, n, numbered))
            return strdup(numbered);
    }
}

char **output_plan_stems(const char *const *inputs, int n_inputs)
{
    char **stems = calloc((size_t)n_inputs + 1, sizeof(*stems));
    for (int i = 0; stems && i < n_inputs; i++) {
        stems[i] = plan_stem(stems, i, inputs[i]);
        if (!stems[i]) {
            output_free_stems(stems, i);
            return NULL;
        }
    }
    return stems;
}

bool output_split_paths(const char *const *paths, int n_paths, char ***dirs, char ***stems)
{
    char **d = calloc((size_t)n_paths + 1, sizeof(*d)),
         **s = calloc((size_t)n_paths + 1, sizeof(*s));
    bool ok = d && s;
    for (int i = 0; ok && i < n_paths; i++) {
        const char *slash = strrchr(paths[i], '/');
        d[i] = !slash              ? strdup(".")
               : slash == paths[i] ? strdup("/")
                                   : strndup(paths[i], (size_t)(slash - paths[i]));
        s[i] = strdup(slash ? slash + 1 : paths[i]);
        ok = d[i] && s[i];
    }
    if (!ok) {
        output_free_stems(d, n_paths);
        output_free_stems(s, n_paths);
        return false;
    }
    *dirs = d;
    *stems = s;
    return true;
}

void output_free_stems(char **stems, int n_inputs)
{
    for (int i = 0; stems && i < n_inputs; i++)
        free(stems[i]);
    free(stems);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void file_drop(struct output_file *f)
{
    writer_close(&f->writer);
    if (f->file && f->file != stdout)
        fclose(f->file);
    if (f->temp)
        unlink(f->temp);
    free(f->temp);
    free(f->final);
    free(f->partial);
    memset(f, 0, sizeof(*f));
}

/* An output must not replace a folder or one of the recordings. */
static int check_target(const char *name, const struct stat *st,
                        const struct output_request *request, char *message)
{
    struct stat in;
    if (S_ISDIR(st->st_mode))
        return fail_errno(message, name, EISDIR);
    for (int i = 0; i < request->n_inputs; i++)
        if (strcmp(request->inputs[i], "-") != 0 && stat(request->inputs[i], &in) == 0 &&
            in.st_dev == st->st_dev && in.st_ino == st->st_ino)
            return fail(message, CLI_EXIT_OUTPUT,
                        "cannot write %s: it is one of the recordings; choose a folder with -o",
                        name);
    return 0;
}

/* Creates the temporary file: same folder, since rename does not cross file systems. */
static int open_temp(struct output_file *f, const char *dir, char *message)
{
    mode_t mask = umask(0);
    umask(mask);
    if (asprintf(&f->temp, "%s/.sotto-XXXXXX", dir) < 0) {
        f->temp = NULL;
        return fail_nomem(message);
    }
    int fd = mkostemp(f->temp, O_CLOEXEC);
    if (fd < 0) {
        int error = errno;
        free(f->temp);
        f->temp = NULL;
        return fail_errno(message, f->final, error);
    }
    fchmod(fd, 0666 & ~mask);
    f->file = fdopen(fd, "w+"); // read back by file_restore
    if (!f->file) {
        close(fd);
        return fail_nomem(message);
    }
    return 0;
}

/* Opens one file, or (`*skipped`) leaves it as it is. */
static int file_open(struct output_file *f, enum writer_format format,
                     const struct output_request *request, bool *skipped, char *message)
{
    const char *dir = request->dir, *extension = writer_name(format);
    const char *slash = dir[strlen(dir) - 1] == '/' ? "" : "/";
    const char *shown = strcmp(dir, ".") == 0 ? "" : dir;
    struct stat st;
    if (!*shown)
        slash = "";
    if (asprintf(&f->final, "%s%s%s.%s", shown, slash, request->stem, extension) < 0)
        f->final = NULL;
    if (asprintf(&f->partial, "%s%s%s.partial.%s", shown, slash, request->stem, extension) < 0)
        f->partial = NULL;
    if (!f->final || !f->partial)
        return fail_nomem(message);
    f->n_base = (int)(strlen(f->final) - strlen(extension) - 1);
    if (stat(f->final, &st) == 0) {
        int err = check_target(f->final, &st, request, message);
        *skipped = !err && !request->overwrite;
        if (err || *skipped)
            return err;
    } else if (errno == ENAMETOOLONG) {
        return fail_errno(message, f->final, errno);
    }
    return open_temp(f, dir, message);
}

static int open_writer(struct output_file *f, enum writer_format format,
                       const struct output_request *request, char *message)
{
    int err = writer_open(&f->writer, format, f->file, &request->writer);
    if (err == SOTTO_EIO)
        return fail_errno(message, f->final ? f->final : "standard output", errno);
    return err ? fail_nomem(message) : 0;
}

int output_open(struct output **out, const struct output_request *request,
                char message[OUTPUT_MESSAGE_SIZE])
{
    struct output *o = calloc(1, sizeof(*o));
    int err = o ? 0 : fail_nomem(message);
    bool to_stdout = strcmp(request->dir, "-") == 0;
    *out = NULL;
    for (int format = 0; format < WRITER_FORMAT_COUNT && !err; format++) {
        if (!(request->formats & 1u << format))
            continue;
        struct output_file *f = &o->files[o->n_files++];
        bool skipped = false;
        if (to_stdout)
            f->file = stdout;
        else
            err = file_open(f, (enum writer_format)format, request, &skipped, message);
        if (!err && !skipped)
            err = open_writer(f, (enum writer_format)format, request, message);
        if (skipped) {
            file_drop(f);
            o->n_files--;
        }
    }
    if (err || !o->n_files)
        output_close(&o);
    *out = o;
    return err;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Takes room in the file for what the writer holds back, so that a disk that fills cannot take away
 * the segments that had it. Without room for the last segment it is given up. Returns errno's value. */
static int file_reserve(struct output_file *f)
{
    size_t held = f->final ? writer_held(f->writer) : 0;
    if (held == 0)
        return 0;
    int error = posix_fallocate(fileno(f->file), 0, (off_t)held);
    if (error != ENOSPC && error != EFBIG && error != EDQUOT) {
        f->reserved |= error == 0;
        return 0; // other errors: a file system that cannot
    }
    f->full = true;
    f->failed = !writer_take_back(f->writer);
    return error;
}

static int file_add(struct output_file *f, const struct sotto_segment *segment, char *message)
{
    if (f->full)
        return fail_errno(message, f->final, ENOSPC);
    int err = writer_add(f->writer, segment);
    if (!err && fflush(f->file) == EOF)
        err = SOTTO_EIO;
    f->failed |= err != 0;
    int error = err ? 0 : file_reserve(f);
    if (error)
        return fail_errno(message, f->final, error);
    if (err == SOTTO_EIO)
        return fail_errno(message, f->final ? f->final : "standard output", errno);
    if (err)
        return fail_nomem(message);
    f->good = ftello(f->file);
    return 0;
}

/* Every file gets it, also after one that failed; the first failure is reported. */
int output_add(struct output *o, const struct sotto_segment *segment,
               char message[OUTPUT_MESSAGE_SIZE])
{
    int status = 0;
    for (int i = 0; i < o->n_files; i++) {
        char ignored[OUTPUT_MESSAGE_SIZE];
        int err = file_add(&o->files[i], segment, status ? ignored : message);
        status = status ? status : err;
    }
    return status;
}

/* Takes back what may be half in the file. Formats that are written at the end have nothing then. */
static bool file_take_back(struct output_file *f)
{
    if (!f->final || f->good <= 0)
        return false;
    __fpurge(f->file);
    clearerr(f->file);
    return ftruncate(fileno(f->file), f->good) == 0;
}

/* The folder was removed with the temporary file in it: makes both again. */
static bool file_restore(struct output_file *f, const char *name)
{
    char message[OUTPUT_MESSAGE_SIZE], dir[PATH_MAX], buffer[4096];
    struct output_file copy = {.final = f->final};
    const char *slash = strrchr(name, '/');
    ssize_t n = -1;
    snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - name) : 1, slash ? name : ".");
    if (output_prepare_dir(dir, message) != 0 || open_temp(&copy, dir, message) != 0)
        return false;
    for (off_t at = 0; (n = pread(fileno(f->file), buffer, sizeof(buffer), at)) > 0; at += n)
        if (fwrite(buffer, 1, (size_t)n, copy.file) != (size_t)n)
            break;
    bool ok = n == 0 && fflush(copy.file) == 0;
    if (!ok) {
        fclose(copy.file);
        unlink(copy.temp);
        free(copy.temp);
        return false;
    }
    fclose(f->file);
    free(f->temp);
    f->file = copy.file;
    f->temp = copy.temp;
    return true;
}

static int file_rename(struct output_file *f, const char *name, char *message)
{
    if (rename(f->temp, name) == 0 ||
        (errno == ENOENT && file_restore(f, name) && rename(f->temp, name) == 0)) {
        free(f->temp);
        f->temp = NULL;
        return 0;
    }
    int error = errno;
    if (access(f->temp, F_OK) != 0)
        return fail_errno(message, name, error);
    fail(message, CLI_EXIT_OUTPUT, "cannot write %s: %s; its contents are in %s", name,
         strerror(error), f->temp);
    free(f->temp);
    f->temp = NULL;
    return CLI_EXIT_OUTPUT;
}

static int file_commit(struct output_file *f, const char *language, bool partial, char *message)
{
    const char *name = !f->final ? "standard output" : partial ? f->partial : f->final;
    int err = f->failed ? SOTTO_EIO : writer_finish(f->writer, language);
    if (!err && fflush(f->file) == EOF)
        err = SOTTO_EIO;
    if (!err && f->reserved && ftruncate(fileno(f->file), ftello(f->file)) != 0)
        err = SOTTO_EIO;
    if (err) {
        int error = f->failed ? EIO : errno;
        f->failed = true;
        if (!partial || !file_take_back(f))
            return err == SOTTO_EIO ? fail_errno(message, name, error) : fail_nomem(message);
    }
    // Some file systems have no fsync (EINVAL); there is nothing to wait for then.
    if (f->final && fsync(fileno(f->file)) != 0 && errno != EINVAL && !partial)
        return fail_errno(message, name, errno);
    err = f->final ? file_rename(f, name, message) : 0;
    f->committed = !err;
    f->is_partial = partial;
    return err;
}

/* Is there, from an earlier run, a file of more under one of the partial names? */
static bool partial_is_shorter(const struct output *o)
{
    for (int i = 0; i < o->n_files; i++) {
        const struct output_file *f = &o->files[i];
        size_t held = writer_held(f->writer);
        struct stat st;
        if (f->final && stat(f->partial, &st) == 0 && st.st_size > (held ? (off_t)held : f->good))
            return true;
    }
    return false;
}

/* A run that was cut short earlier than the one before it does not replace what that one left: all
 * its files get a number, NAME.partial.2.EXT. */
static void name_partials(struct output *o)
{
    for (int n = 2; n < 100 && partial_is_shorter(o); n++)
        for (int i = 0; i < o->n_files; i++) {
            struct output_file *f = &o->files[i];
            char *name;
            if (!f->final || asprintf(&name, "%.*s.partial.%d%s", f->n_base, f->final, n,
                                      f->final + f->n_base) < 0)
                continue;
            free(f->partial);
            f->partial = name;
        }
}

int output_commit(struct output *o, const char *language, bool partial,
                  char message[OUTPUT_MESSAGE_SIZE])
{
    int status = 0;
    if (partial)
        name_partials(o);
    for (int i = 0; i < o->n_files; i++) {
        char ignored[OUTPUT_MESSAGE_SIZE];
        struct output_file *f = &o->files[i];
        if (f->committed || (f->final && !f->temp))
            continue;
        int err = file_commit(f, language, partial, status ? ignored : message);
        status = status ? status : err;
    }
    return status;
}

void output_close(struct output **o)
{
    if (!o || !*o)
        return;
    for (int i = 0; i < (*o)->n_files; i++)
        file_drop(&(*o)->files[i]);
    free(*o);
    *o = NULL;
}

/* Appends to what `dst` holds. */
static void append(char *dst, size_t size, const char *text, size_t length)
{
    size_t used = strlen(dst);
    snprintf(dst + used, size - used, "%.*s", (int)length, text);
}

/* The files with one kind of name, final or partial. */
static void append_names(const struct output *o, bool partial, char *dst, size_t size)
{
    int n = 0, named = 0;
    for (int i = 0; i < o->n_files; i++)
        n += o->files[i].committed && o->files[i].final && o->files[i].is_partial == partial;
    for (int i = 0; i < o->n_files; i++) {
        const struct output_file *f = &o->files[i];
        if (!f->committed || !f->final || f->is_partial != partial)
            continue;
        const char *name = partial ? f->partial : f->final, *extension = strrchr(name, '.') + 1;
        if (!named && *dst)
            append(dst, size, ", ", 2);
        if (!named)
            append(dst, size, name, (size_t)(extension - name));
        append(dst, size, named ? "," : n > 1 ? "{" : "", 1);
        append(dst, size, extension, strlen(extension));
        named++;
    }
    if (n > 1)
        append(dst, size, "}", 1);
}

void output_names(const struct output *o, char *dst, size_t size)
{
    dst[0] = '\0';
    append_names(o, false, dst, size);
    append_names(o, true, dst, size);
}
