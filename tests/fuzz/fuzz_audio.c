/*
 * The audio entry: any bytes as a recording, from a file in memory. FFmpeg's demuxers and decoders
 * can be slow on nonsense, so time and length are bounded. The size picks options.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <stdio.h>

#include <libavutil/log.h>

#include "audio/audio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_SAMPLES = 20 * AUDIO_RATE, PIECE = 4000, MAX_S = 5 };

static bool time_is_up(void *user)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec - *(const time_t *)user > MAX_S;
}

static void read_all(struct audio *a)
{
    float samples[PIECE];
    size_t n = 0, total = 0;
    struct sotto_diag diag;

    while (total < MAX_SAMPLES && audio_read(a, samples, PIECE, &n, &diag) == 0 && n > 0) {
        for (size_t i = 0; i < n; i++)
            if (!(samples[i] >= -1.0f && samples[i] <= 1.0f))
                abort();
        total += n;
    }
    const char *warning = audio_warning(a);
    if (warning && !*warning)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct audio_params params = {
        .stream = size % 7 == 1 ? 1 : -1,
        .channel = size % 5 == 1 ? 0 : -1,
        .start_s = size % 3 == 1 ? 31.0 : 0.0, // beyond 30 s it seeks
        .should_abort = time_is_up,
        .user = &now.tv_sec,
    };
    char path[64];
    struct sotto_diag diag = {0};
    struct audio *a = NULL;

    av_log_set_level(AV_LOG_QUIET);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int err = audio_open(&a, path, &params, &diag);
    if (err == 0)
        read_all(a);
    else if (a || diag.code != err || !diag.text[0])
        abort();
    audio_close(&a);
    close(fd);
    return 0;
}
