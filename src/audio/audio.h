/*
 * Any audio or video file as mono fp32 samples at 16 kHz, read as a stream. The samples equal those
 * of openai/whisper's loader (ffmpeg -ac 1 -ar 16000 -f s16le, then / 32768), bit for bit, but that
 * NaN and infinite samples are silence. Memory does not grow with the length. Nothing but `path` is
 * ever opened: no playlists, no addresses.
 */
#ifndef AUDIO_AUDIO_H
#define AUDIO_AUDIO_H

#include <stddef.h>

#include "base/error.h"

enum { AUDIO_RATE = 16000 }; // samples per second

struct audio_params {
    int stream;                       // index among the audio streams, -1: FFmpeg's choice
    int channel;                      // -1: mix all, else only this one
    double start_s;                   // drop what lies before, exactly to the sample; 0: nothing.
                                      // From 30 s on it seeks where the samples will be the same
                                      // (PCM, FLAC, ALAC and MP3 in wav, aiff, caf, flac, mp3, mp4;
                                      // damaged packets skipped shift them), else it decodes and
                                      // drops
    bool (*should_abort)(void *user); // NULL: never
    void *user;
};

struct audio;

/* Opens `path` ("-": standard input). Errors: NOENT, ACCESS, IO, AUDIO (not audio, empty, no audio
 * stream, stream or channel index out of range: the text says which), NOMEM. */
int audio_open(struct audio **out, const char *path, const struct audio_params *params,
               struct sotto_diag *diag);

/* Reads up to `max` samples (-1..1) into `dst`; `*n_read` 0 means the end. A file that breaks off
 * ends early: audio_warning then tells. Errors: AUDIO (nothing at all could be decoded), NOMEM,
 * ABORTED. */
int audio_read(struct audio *a, float *dst, size_t max, size_t *n_read, struct sotto_diag *diag);

double audio_duration_s(const struct audio *a); // as the file claims; negative if unknown
/* What was wrong with the recording: it breaks off, packets are damaged, samples are not numbers.
 * Known once audio_read has come to the end; NULL if all is well (or not yet known). Borrowed. */
const char *audio_warning(const struct audio *a);
void audio_close(struct audio **a);

#endif
