/*
 * The rule that turns one speech probability per chunk into spans of speech, in streaming form: its
 * spans are those of get_speech_timestamps (snakers4/silero-vad, utils_vad.py, defaults of
 * min_silence_at_max_speech and use_max_poss_sil_at_max_speech) over the whole recording, given out
 * as soon as nothing that follows can change them. No audio and no network here.
 */
#ifndef AUDIO_VAD_RULE_H
#define AUDIO_VAD_RULE_H

#include <stdbool.h>

#include "audio/vad.h"

struct vad_tally { // probabilities of some chunks
    double sum;
    int64_t n;
    float peak;
};

struct vad_raw { // a span before or after padding
    int64_t start, end;
    struct vad_tally tally;
};

struct vad_rule {
    float threshold, neg_threshold;
    int64_t min_speech, min_silence, pad; // samples
    double max_speech;                    // samples from a span's start to the forced cut

    int64_t n_chunks, total; // total: INT64_MAX until the end is known

    bool open;      // speech has begun
    bool confirmed; // it is already too long to be dropped; `padded_start` is final
    int64_t start, padded_start;
    int64_t pause; // where the silence that may end it began; 0: there is none
    struct vad_tally tally, before_pause;
    int64_t cut, cut_silence; // longest pause within, where a long span may be cut
    struct vad_tally before_cut, after_cut;

    bool has_pending; // a span that only lacks its final end
    struct vad_raw pending;
    int64_t last_end; // of the last span queued

    struct vad_span *queue; // finished spans [head, tail)
    size_t head, tail, capacity;
};

/* `p` is borrowed. Never fails. */
void vad_rule_init(struct vad_rule *r, const struct vad_params *p);
void vad_rule_reset(struct vad_rule *r); // back to the beginning, parameters and memory kept
void vad_rule_fini(struct vad_rule *r);

/* The next chunk's probability. `total`: length of the recording if this is its last chunk, else
 * INT64_MAX. ENOMEM. */
int vad_rule_chunk(struct vad_rule *r, float probability, int64_t total);
int vad_rule_finish(struct vad_rule *r, int64_t total); // ENOMEM

int vad_rule_next(struct vad_rule *r, struct vad_span *span); // see vad_next
int64_t vad_rule_decided(const struct vad_rule *r);           // see vad_decided
int vad_rule_in_speech(const struct vad_rule *r, int64_t *start);
int vad_rule_open_span(const struct vad_rule *r, struct vad_span *span); // see vad_open_span

#endif
