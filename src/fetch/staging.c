/* Folders, locks, checks and renames of a model that is being fetched; see staging.h. */
#include "fetch/staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fetch/sha256.h"
#include "fetch/store.h"

static int too_long(const char *path, struct sotto_diag *diag)
{
    return diag_set(diag, SOTTO_EINVAL, path, "The path is too long: %s.", path);
}

// Makes the folder and all above it.
static int make_folders(const char *path, struct sotto_diag *diag)
{
    char part[STORE_PATH_SIZE];
    size_t n = strlen(path);

    if (n >= sizeof part)
        return too_long(path, diag);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            int cause = errno;
            struct stat st;
            if (stat(part, &st) != 0 || !S_ISDIR(st.st_mode)) // e.g. a read-only, existing parent
                return diag_errno(diag, cause, part, "make the folder");
        }
    }
    return 0;
}

int staging_open(const char *store, const char *name, int k, char *folder, struct sotto_diag *diag)
{
    if (snprintf(folder, STORE_PATH_SIZE, "%s/.fetch/%s-%d", store, name, k) >= STORE_PATH_SIZE)
        return too_long(store, diag);
    return make_folders(folder, diag);
}

int staging_paths(const char *folder, const char *file, char *whole, char *partial,
                  struct sotto_diag *diag)
{
    if (snprintf(partial, STORE_PATH_SIZE, "%s/%s.partial", folder, file) >= STORE_PATH_SIZE)
        return too_long(folder, diag);
    snprintf(whole, STORE_PATH_SIZE, "%s/%s", folder, file);
    return 0;
}

int64_t staging_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
}

// Calls `each` for every file in the folder; true if all calls were.
static bool each_file(const char *folder, bool (*each)(void *user, const char *path), void *user)
{
    char path[STORE_PATH_SIZE];
    struct dirent *e;
    bool all = true;
    DIR *d = opendir(folder);

    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < (int)sizeof path)
            all &= each(user, path);
    }
    if (d)
        closedir(d);
    return all;
}

static bool add_size(void *user, const char *path)
{
    int64_t size = staging_size(path), *sum = user;
    *sum += size > 0 ? size : 0;
    return true;
}

int64_t staging_folder_size(const char *folder)
{
    int64_t sum = 0;
    each_file(folder, add_size, &sum);
    return sum;
}

int staging_check(const char *path, const struct fetch_file *file, struct sotto_diag *diag)
{
    char hex[SHA256_HEX];
    int64_t size = staging_size(path);

    if (file->size > 0 && size != file->size)
        return diag_set(diag, SOTTO_ECHECKSUM, path, "%s has %lld bytes instead of %lld.",
                        file->name, (long long)size, (long long)file->size);
    if (!file->sha256)
        return 0;
    int err = sha256_file(path, hex, diag);
    if (!err && strcmp(hex, file->sha256) != 0)
        err = diag_set(diag, SOTTO_ECHECKSUM, path, "%s has the checksum %s instead of %s.",
                       file->name, hex, file->sha256);
    return err;
}

int staging_accept(const char *partial, const char *whole, struct sotto_diag *diag)
{
    return rename(partial, whole) == 0 ? 0 : diag_errno(diag, errno, partial, "rename");
}

static bool sync_path(void *user, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    (void)user;
    if (fd >= 0)
        close(fd);
    return ok;
}

int staging_publish(const char *folder, const char *target, struct sotto_diag *diag)
{
    if (!each_file(folder, sync_path, NULL) || !sync_path(NULL, folder))
        return diag_errno(diag, errno ? errno : EIO, folder, "write");
    if (rename(folder, target) != 0)
        return diag_errno(diag, errno, target, "write");
    return 0;
}

static bool remove_file(void *user, const char *path)
{
    (void)user;
    return unlink(path) == 0;
}

void staging_remove(const char *store, const char *name)
{
    char folder[STORE_PATH_SIZE];

    for (int k = 0; k < FETCH_MAX_SOURCES; k++) {
        snprintf(folder, sizeof folder, "%s/.fetch/%s-%d", store, name, k);
        each_file(folder, remove_file, NULL);
        rmdir(folder);
    }
}

int staging_lock(const char *store, const char *name, const struct fetch_options *opt, int *out,
                 struct sotto_diag *diag)
{
    char path[STORE_PATH_SIZE], text[128];
    bool told = false;

    if (snprintf(path, sizeof path, "%s/.fetch", store) >= (int)sizeof path - 100)
        return too_long(store, diag);
    int err = make_folders(path, diag);
    if (err)
        return err;
    snprintf(path + strlen(path), 100, "/%.80s.lock", name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return diag_errno(diag, errno, path, "write");
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            break; // a file system without locks: go on without
        if (!told && opt->on_note) {
            snprintf(text, sizeof text, "Another sotto is fetching \"%.60s\"; waiting for it.", name);
            opt->on_note(opt->user, text);
        }
        told = true;
        if (opt->should_abort && opt->should_abort(opt->user)) {
            close(fd);
            return diag_set(diag, SOTTO_EABORTED, NULL, "The download was stopped.");
        }
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    *out = fd;
    return 0;
}
