/*
 * Decoded frames of any format as 16-bit mono at 16 kHz, exactly as the ffmpeg program's
 * automatically inserted aresample filter makes them.
 */
#ifndef AUDIO_AUDIO_CONVERT_H
#define AUDIO_AUDIO_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include <libavutil/frame.h>
#include <libswresample/swresample.h>

#include "base/error.h"

struct convert {
    int channel;     // -1: mix all, else only this one
    SwrContext *swr; // NULL until the first frame, and after a change of format
    AVFrame *last;   // no samples: format, rate and layout `swr` is set up for
    uint8_t *picked; // one channel of a packed frame
    size_t picked_bytes;
    int16_t *out; // samples [pos, n) wait to be taken
    size_t out_capacity, pos, n;
    int64_t n_not_finite; // NaN and infinite samples replaced by silence
};

int convert_init(struct convert *c, int channel); // ENOMEM
void convert_fini(struct convert *c);

/* Converts `frame` less its first `n_skip` samples (frame may be altered); the samples go to `out`,
 * which must have been taken. Errors: AUDIO, NOMEM; `why` then says what is wrong. */
int convert_frame(struct convert *c, AVFrame *frame, int n_skip, const char **why);
/* No more frames: `out` gets what was held back; n == 0 when there is nothing left. */
int convert_flush(struct convert *c);

/* Number of channels, before and after FFmpeg 5.1's new layouts. */
int convert_frame_channels(const AVFrame *frame);

#endif
