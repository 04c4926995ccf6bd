/*
 * See audio_source.h. Reads of pipes and terminals wait in short steps, so that an abort is heard
 * while no data comes.
 */
#include "audio/audio_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavutil/error.h>
#include <libavutil/mem.h>

enum { BUFFER_BYTES = 32768, POLL_MS = 50 };

bool source_abort(struct source *s)
{
    if (!s->aborted && s->should_abort)
        s->aborted = s->should_abort(s->user);
    return s->aborted;
}

static int wait_readable(struct source *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};

    while (!source_abort(s)) {
        int n = poll(&p, 1, POLL_MS);
        if (n > 0 || (n < 0 && errno != EINTR))
            return 0; // readable, or read() will name the fault
    }
    return AVERROR_EXIT;
}

static int read_bytes(void *opaque, uint8_t *buf, int size)
{
    struct source *s = opaque;

    for (;;) {
        if (source_abort(s) || (!s->seekable && wait_readable(s) != 0))
            return AVERROR_EXIT;
        ssize_t n = read(s->fd, buf, (size_t)size);
        if (n > 0) {
            if (s->n_read == 0)
                memcpy(s->head, buf, (size_t)n < sizeof s->head ? (size_t)n : sizeof s->head);
            s->n_read += n;
            return (int)n;
        }
        if (n == 0)
            return AVERROR_EOF;
        if (errno != EINTR && errno != EAGAIN) {
            s->read_errno = s->read_errno ? s->read_errno : errno;
            return AVERROR(errno);
        }
    }
}

static int64_t seek_bytes(void *opaque, int64_t offset, int whence)
{
    struct source *s = opaque;

    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE)
        return s->size >= 0 ? s->size : AVERROR(ENOSYS);
    if (whence == SEEK_SET && offset <= INT64_MAX - s->base)
        offset += s->base;
    int64_t at = lseek(s->fd, offset, whence);
    return at < 0 ? AVERROR(errno) : at - s->base;
}

static int open_descriptor(struct source *s, const char *path, const char *name,
                           struct sotto_diag *diag)
{
    s->borrowed = strcmp(path, "-") == 0;
    s->fd = s->borrowed ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0)
        return diag_errno(diag, errno, path, "open");

    struct stat st;
    if (fstat(s->fd, &st) != 0)
        return diag_errno(diag, errno, name, "read");
    if (S_ISDIR(st.st_mode))
        return diag_set(diag, SOTTO_EAUDIO, name, "%s is a folder, not a recording", name);
    s->base = S_ISREG(st.st_mode) ? lseek(s->fd, 0, SEEK_CUR) : -1;
    s->seekable = s->base >= 0;
    if (!s->seekable)
        s->base = 0;
    s->size = s->seekable ? (int64_t)st.st_size - s->base : -1;
    if (s->seekable && s->size <= 0)
        return diag_set(diag, SOTTO_EAUDIO, name, "%s is empty (0 bytes)", name);
    return 0;
}

int source_open(struct source *s, const char *path, const char *name,
                bool (*should_abort)(void *user), void *user, struct sotto_diag *diag)
{
    *s = (struct source){.fd = -1, .should_abort = should_abort, .user = user};
    int err = open_descriptor(s, path, name, diag);
    if (err)
        return err;

    uint8_t *buffer = av_malloc(BUFFER_BYTES); // FFmpeg may replace it, hence its allocator
    if (buffer)
        s->pb = avio_alloc_context(buffer, BUFFER_BYTES, 0, s, read_bytes, NULL,
                                   s->seekable ? seek_bytes : NULL);
    if (!s->pb) {
        av_free(buffer);
        return diag_set(diag, SOTTO_ENOMEM, name, "%s: out of memory", name);
    }
    return 0;
}

void source_close(struct source *s)
{
    if (s->pb)
        av_freep(&s->pb->buffer);
    avio_context_free(&s->pb);
    if (s->fd >= 0 && !s->borrowed)
        close(s->fd);
    s->fd = -1;
}
