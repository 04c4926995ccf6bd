/*
 * Keeps count of what is wrong with a recording while it is read, and says it in a sentence.
 */
#ifndef AUDIO_AUDIO_DAMAGE_H
#define AUDIO_AUDIO_DAMAGE_H

#include <libavcodec/packet.h>

#include "audio/audio_source.h"

struct damage {
    int64_t n_packets, n_damaged;
    int64_t n_not_finite;         // NaN and infinite samples
    int decode_error, read_error; // the first of each, FFmpeg's code; 0 if none
    bool cut;                     // the last packet is incomplete
    int last_bytes;               // size of the last packet,
    int min_bytes, max_bytes;     // and of those before it
    char text[512];               // the sentence, "" if all is well
};

void damage_init(struct damage *d);
/* Call for each packet before it is decoded. */
void damage_note_packet(struct damage *d, const AVPacket *packet);
/* The last packet could not be decoded. */
void damage_note_error(struct damage *d, int error);

/* Makes the sentence at the end of a recording of `done_s` seconds, where its header claims
 * `claimed_s` (< 0: nothing). `mp3` and `ogg` tell that codec and container. */
void damage_describe(struct damage *d, const struct source *source, double done_s, double claimed_s,
                     bool mp3, bool ogg);

#endif
