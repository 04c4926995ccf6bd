/*
 * Bytes of a recording for FFmpeg's demuxers: a file descriptor behind an AVIOContext. We open the
 * one file ourselves, so that nothing a file says can make FFmpeg open another file or address.
 */
#ifndef AUDIO_AUDIO_SOURCE_H
#define AUDIO_AUDIO_SOURCE_H

#include <libavformat/avio.h>

#include "base/error.h"

struct source {
    int fd;
    bool borrowed; // standard input is not ours to close
    bool seekable;
    int64_t base;   // offset in the descriptor that counts as 0
    int64_t size;   // bytes, or -1 if unknown
    int64_t n_read; // bytes read so far
    uint8_t head[8]; // the first bytes read
    int read_errno; // of the first failed read, 0 if none
    bool aborted;   // should_abort has said so
    bool (*should_abort)(void *user);
    void *user;
    AVIOContext *pb; // reads from here; owned
};

/* Opens `path`, "-" being standard input; `name` is what messages call it. `should_abort` may be
 * NULL. Errors: NOENT, ACCESS, IO, AUDIO (a folder, or empty), NOMEM. The struct must not move. */
int source_open(struct source *s, const char *path, const char *name,
                bool (*should_abort)(void *user), void *user, struct sotto_diag *diag);
void source_close(struct source *s);

bool source_abort(struct source *s); // asks should_abort, and remembers

#endif
