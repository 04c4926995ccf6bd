/*
 * A stream of samples through the VAD network and the span rule. Chunks are collected into batches;
 * the network is vad_net.c, the rule vad_rule.c.
 */
#include "audio/vad.h"

#include <math.h>
#include <string.h>

#include "audio/vad_net.h"
#include "audio/vad_rule.h"
#include "base/mapfile.h"
#include "base/mem.h"

enum { HISTORY = 2048 }; // probabilities kept, a power of two: 65 s

struct vad {
    const struct vad_model *model;
    struct vad_rule rule;
    struct vad_state state;
    float *input; // VAD_BATCH x VAD_INPUT
    float *scratch;
    int n_full;    // whole chunks waiting in `input`
    int n_partial; // samples of the chunk after them
    int64_t n_fed; // samples
    float history[HISTORY];
};

int vad_model_open(struct vad_model **out, const char *path, struct sotto_diag *diag)
{
    struct mapfile file;
    int err = mapfile_open(&file, path, diag);
    if (err)
        return err;
    err = vad_model_open_memory(out, file.data, file.size, path, diag);
    mapfile_close(&file);
    return err;
}

int vad_open(struct vad **out, const struct vad_model *m, const struct vad_params *p)
{
    struct vad *v = mem_calloc(1, sizeof(*v));
    if (!v)
        return SOTTO_ENOMEM;
    v->model = m;
    vad_rule_init(&v->rule, p);
    v->input = mem_calloc(VAD_BATCH * VAD_INPUT, sizeof(float));
    v->scratch = mem_alloc(vad_net_scratch(m), sizeof(float));
    if (!v->input || !v->scratch) {
        vad_close(&v);
        return SOTTO_ENOMEM;
    }
    *out = v;
    return 0;
}

void vad_close(struct vad **v)
{
    if (!v || !*v)
        return;
    vad_rule_fini(&(*v)->rule);
    mem_free((*v)->input);
    mem_free((*v)->scratch);
    mem_free(*v);
    *v = NULL;
}

void vad_reset(struct vad *v)
{
    vad_rule_reset(&v->rule);
    memset(&v->state, 0, sizeof(v->state));
    memset(v->input, 0, VAD_CONTEXT * sizeof(float));
    v->n_full = v->n_partial = 0;
    v->n_fed = 0;
}

// Evaluates the waiting chunks. `total`: length of the stream if they end it, else INT64_MAX.
static int run(struct vad *v, int64_t total)
{
    float probability[VAD_BATCH];
    int n = v->n_full, err = 0;
    float *rest = v->input + (size_t)n * VAD_INPUT; // context and beginning of the next chunk

    if (!n)
        return 0;
    vad_net_run(v->model, &v->state, v->input, n, v->scratch, probability);
    for (int i = 0; i < n && !err; i++) {
        v->history[v->rule.n_chunks % HISTORY] = probability[i];
        err = vad_rule_chunk(&v->rule, probability[i], i == n - 1 ? total : INT64_MAX);
    }
    if (n < VAD_BATCH)
        memcpy(v->input, rest, (size_t)(VAD_CONTEXT + v->n_partial) * sizeof(float));
    v->n_full = 0;
    return err;
}

/* The chunk being filled is complete: its end is the next one's context. */
static int complete_chunk(struct vad *v, int64_t total)
{
    const float *end = v->input + (size_t)v->n_full * VAD_INPUT + VAD_CHUNK;
    float context[VAD_CONTEXT];
    memcpy(context, end, sizeof(context));
    v->n_partial = 0;
    int err = 0;
    if (++v->n_full == VAD_BATCH)
        err = run(v, total);
    memcpy(v->input + (size_t)v->n_full * VAD_INPUT, context, sizeof(context));
    return err;
}

// What the network cannot digest would stay in the LSTM's state for good.
static float sane(float x)
{
    const float limit = 16;
    return isnan(x) ? 0 : x > limit ? limit : x < -limit ? -limit : x;
}

int vad_feed(struct vad *v, const float *samples, size_t n_samples)
{
    int err = 0;
    v->n_fed += (int64_t)n_samples;
    while (n_samples && !err) {
        float *dst = v->input + (size_t)v->n_full * VAD_INPUT + VAD_CONTEXT + v->n_partial;
        size_t room = (size_t)(VAD_CHUNK - v->n_partial), n = n_samples < room ? n_samples : room;
        for (size_t i = 0; i < n; i++)
            dst[i] = sane(samples[i]);
        samples += n;
        n_samples -= n;
        v->n_partial += (int)n;
        if (v->n_partial == VAD_CHUNK)
            err = complete_chunk(v, INT64_MAX);
    }
    return err ? err : run(v, INT64_MAX);
}

int vad_finish(struct vad *v)
{
    int err = 0;
    if (v->n_partial) {
        float *dst = v->input + (size_t)v->n_full * VAD_INPUT + VAD_CONTEXT + v->n_partial;
        memset(dst, 0, (size_t)(VAD_CHUNK - v->n_partial) * sizeof(float));
        err = complete_chunk(v, v->n_fed);
        if (!err)
            err = run(v, v->n_fed);
    }
    return err ? err : vad_rule_finish(&v->rule, v->n_fed);
}

int vad_next(struct vad *v, struct vad_span *span)
{
    return vad_rule_next(&v->rule, span);
}

int64_t vad_decided(const struct vad *v)
{
    return vad_rule_decided(&v->rule);
}

int vad_in_speech(const struct vad *v, int64_t *start)
{
    return vad_rule_in_speech(&v->rule, start);
}

int vad_open_span(const struct vad *v, struct vad_span *span)
{
    return vad_rule_open_span(&v->rule, span);
}

int vad_pad(const struct vad *v)
{
    return (int)v->rule.pad;
}

float vad_probability(const struct vad *v, int64_t chunk)
{
    if (chunk < 0 || chunk >= v->rule.n_chunks || chunk < v->rule.n_chunks - HISTORY)
        return -1;
    return v->history[chunk % HISTORY];
}
