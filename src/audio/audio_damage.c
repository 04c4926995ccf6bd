/*
 * See audio_damage.h. That a file breaks off shows in several ways, none of which FFmpeg's libraries
 * report as such: less sound than the header claims, a packet flagged as cut, an MP3 frame shorter
 * than all others, an Ogg page that runs past the end of the file (RFC 3533, section 6).
 */
#include "audio/audio_damage.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libavutil/error.h>

#include "base/mem.h"

void damage_init(struct damage *d)
{
    *d = (struct damage){.min_bytes = INT_MAX};
}

void damage_note_packet(struct damage *d, const AVPacket *packet)
{
    if (d->cut) // not the last after all, so damage like any other
        damage_note_error(d, AVERROR_INVALIDDATA);
    if (d->n_packets > 0) {
        d->min_bytes = d->last_bytes < d->min_bytes ? d->last_bytes : d->min_bytes;
        d->max_bytes = d->last_bytes > d->max_bytes ? d->last_bytes : d->max_bytes;
    }
    d->cut = packet->flags & AV_PKT_FLAG_CORRUPT;
    d->last_bytes = packet->size;
    d->n_packets++;
}

void damage_note_error(struct damage *d, int error)
{
    d->n_damaged++;
    d->cut = false; // counted, if it was cut
    if (!d->decode_error)
        d->decode_error = error;
}

/* Frames of constant bit rate differ by a byte at most; a shorter last one is cut. */
static bool mp3_is_cut(const struct damage *d)
{
    return d->n_packets > 2 && d->max_bytes - d->min_bytes <= 1 && d->last_bytes < d->min_bytes;
}

/* Does the last page of the file run past its end? */
static bool ogg_is_cut(const struct source *s)
{
    enum { PAGE_BYTES = 27 + 255 + 255 * 255, HEADER_BYTES = 27 };
    int64_t tail = s->size < PAGE_BYTES ? s->size : PAGE_BYTES;
    bool cut = false;

    if (!s->seekable || tail < HEADER_BYTES)
        return false;
    uint8_t *b = mem_alloc((size_t)tail, 1);
    if (b && pread(s->fd, b, (size_t)tail, s->base + s->size - tail) == tail) {
        int64_t at = tail - 5; // the last page's mark, with its version 0
        while (at >= 0 && memcmp(b + at, "OggS", 5) != 0)
            at--;
        if (at >= 0) {
            int64_t end = at + HEADER_BYTES;
            int n_lacing = end <= tail ? b[end - 1] : 0;
            for (int i = 0; i < n_lacing && at + HEADER_BYTES + i < tail; i++)
                end += b[at + HEADER_BYTES + i];
            cut = end + n_lacing > tail;
        }
    }
    mem_free(b);
    return cut;
}

__attribute__((format(printf, 2, 3))) static void add(struct damage *d, const char *format, ...)
{
    size_t at = strlen(d->text);
    va_list args;

    if (at > 0 && at + 2 < sizeof d->text) {
        memcpy(d->text + at, "; ", 3);
        at += 2;
    }
    va_start(args, format);
    vsnprintf(d->text + at, sizeof d->text - at, format, args);
    va_end(args);
}

void damage_describe(struct damage *d, const struct source *source, double done_s, double claimed_s,
                     bool mp3, bool ogg)
{
    char why[AV_ERROR_MAX_STRING_SIZE] = "";
    // An MP3's header counts whole frames, with the encoder's delay and padding, which the decoder
    // drops: up to 1105 + 576 + 529 samples, 0.28 s at 8000 Hz.
    double slack_s = fmax(mp3 ? 0.3 : 0.1, 0.005 * claimed_s);

    d->text[0] = '\0';
    if (claimed_s > 0 && done_s < claimed_s - slack_s) {
        add(d, "the recording breaks off: only %.2f of %.2f seconds are there", done_s, claimed_s);
    } else if (d->read_error) {
        av_strerror(d->read_error, why, sizeof why);
        add(d, "the recording breaks off after %.2f seconds (%s)", done_s, why);
    } else if (d->cut || (mp3 && mp3_is_cut(d)) || (ogg && ogg_is_cut(source))) {
        add(d, "the recording breaks off after %.2f seconds", done_s);
    }
    if (d->n_damaged)
        add(d, "damaged packets: %lld of %lld", (long long)d->n_damaged, (long long)d->n_packets);
    if (d->n_not_finite)
        add(d, "%lld samples are not numbers and were taken as silence",
            (long long)d->n_not_finite);
}
