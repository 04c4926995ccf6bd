/*
 * A file mapped read-only. NOTE: a file that another process shortens while it is mapped raises
 * SIGBUS on access; model files are replaced by rename, never rewritten in place, so this is left.
 */
#include "base/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int map(struct mapfile *out, int fd, const char *path, struct sotto_diag *diag)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return diag_errno(diag, errno, path, "read");
    if (S_ISDIR(st.st_mode))
        return diag_set(diag, SOTTO_EIO, path, "Cannot read %s: it is a folder, not a file.", path);
    if (!S_ISREG(st.st_mode))
        return diag_set(diag, SOTTO_EIO, path, "Cannot read %s: it is not a regular file.", path);
    if ((uintmax_t)st.st_size > SIZE_MAX)
        return diag_set(diag, SOTTO_ENOMEM, path, "Cannot map %s: it is too large.", path);
    struct mapfile m = {.size = (size_t)st.st_size};
    if (m.size > 0) {
        void *p = mmap(NULL, m.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            return diag_errno(diag, errno, path, "map");
        m.data = p;
    }
    *out = m;
    return 0;
}

int mapfile_open(struct mapfile *out, const char *path, struct sotto_diag *diag)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // do not hang on a FIFO

    if (fd < 0)
        return diag_errno(diag, errno, path, "open");
    int err = map(out, fd, path, diag);
    close(fd);
    return err;
}

void mapfile_release(const struct mapfile *m, const void *start, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t base = (uintptr_t)m->data, begin = (uintptr_t)start;

    if (!m->data || begin < base || begin - base > m->size)
        return;
    if (size > m->size - (begin - base))
        size = m->size - (begin - base);
    // Only pages that lie wholly inside, so that neighbours stay where they are.
    uintptr_t end = (begin + size) / page * page;
    begin = (begin + page - 1) / page * page;
    if (end > begin)
        madvise((void *)begin, end - begin, MADV_DONTNEED); // NOLINT: read-only, comes back on access
}

void mapfile_close(struct mapfile *m)
{
    if (m->data)
        munmap((void *)m->data, m->size);
    *m = (struct mapfile){0};
}
