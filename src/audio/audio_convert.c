/*
 * See audio_convert.h. What the filter does is written down in FFmpeg, libavfilter/af_aresample.c
 * (filter_frame, flush_frame): default options, room for n * ratio + 32 samples and the delay. As
 * the program does, a change of format within a stream starts anew and drops the resampler's tail
 * (under 2 ms; fftools/ffmpeg_filter.c, ifilter_send_frame). libavfilter itself is not needed.
 */
#include "audio/audio_convert.h"

#include <math.h>
#include <string.h>

#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libavutil/samplefmt.h>

#include "audio/audio.h"
#include "base/mem.h"

// FFmpeg 5.1 replaced (channels, mask) by AVChannelLayout; 7.0 removed the former.
#define HAVE_CH_LAYOUT (LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 24, 100))

enum {
    LOG_QUIETER = 100, // see audio.c
    FLUSH_SAMPLES = 4096,
    MAX_CHANNELS = 64, // of libswresample (swresample_internal.h, SWR_CH_MAX)
};

#if HAVE_CH_LAYOUT
int convert_frame_channels(const AVFrame *frame)
{
    return frame->ch_layout.nb_channels;
}

static bool same_layout(const AVFrame *a, const AVFrame *b)
{
    return av_channel_layout_compare(&a->ch_layout, &b->ch_layout) == 0;
}

static int remember_layout(AVFrame *to, const AVFrame *from)
{
    return av_channel_layout_copy(&to->ch_layout, &from->ch_layout);
}

static SwrContext *new_resampler(AVFrame *frame, bool mono)
{
    AVChannelLayout out = AV_CHANNEL_LAYOUT_MONO;
    SwrContext *swr = NULL;

    if (swr_alloc_set_opts2(&swr, &out, AV_SAMPLE_FMT_S16, AUDIO_RATE,
                            mono ? &out : &frame->ch_layout, frame->format, frame->sample_rate,
                            LOG_QUIETER, NULL) < 0)
        swr_free(&swr);
    return swr;
}
#else
int convert_frame_channels(const AVFrame *frame)
{
    return frame->channels;
}

static bool same_layout(const AVFrame *a, const AVFrame *b)
{
    return a->channels == b->channels && a->channel_layout == b->channel_layout;
}

static int remember_layout(AVFrame *to, const AVFrame *from)
{
    to->channels = from->channels;
    to->channel_layout = from->channel_layout;
    return 0;
}

static SwrContext *new_resampler(AVFrame *frame, bool mono)
{
    int64_t in = frame->channel_layout ? (int64_t)frame->channel_layout
                                       : av_get_default_channel_layout(frame->channels);
    SwrContext *swr = swr_alloc_set_opts(NULL, AV_CH_LAYOUT_MONO, AV_SAMPLE_FMT_S16, AUDIO_RATE,
                                         mono ? AV_CH_LAYOUT_MONO : in, frame->format,
                                         frame->sample_rate, LOG_QUIETER, NULL);
    if (swr && !mono && !in)
        av_opt_set_int(swr, "ich", frame->channels, 0);
    return swr;
}
#endif

/* Where FFmpeg knows no layout (say, 9 channels), the program gives up; we weigh all alike. */
static int init_with_equal_weights(struct convert *c, const AVFrame *frame)
{
    double weights[MAX_CHANNELS];
    int n = convert_frame_channels(frame);

    for (int i = 0; i < n; i++)
        weights[i] = 1.0 / n;
    int err = swr_set_matrix(c->swr, weights, n);
    return err < 0 ? err : swr_init(c->swr);
}

static int set_up(struct convert *c, AVFrame *frame, const char **why)
{
    bool mono = c->channel >= 0;

    swr_free(&c->swr);
    c->last->format = frame->format;
    c->last->sample_rate = frame->sample_rate;
    if (remember_layout(c->last, frame) < 0 || !(c->swr = new_resampler(frame, mono))) {
        *why = "out of memory";
        return SOTTO_ENOMEM;
    }
    int err = swr_init(c->swr);
    if (err < 0 && err != AVERROR(ENOMEM) && !mono)
        err = init_with_equal_weights(c, frame);
    if (err < 0) {
        swr_free(&c->swr);
        *why = err == AVERROR(ENOMEM) ? "out of memory" : "its sample format cannot be converted";
        return err == AVERROR(ENOMEM) ? SOTTO_ENOMEM : SOTTO_EAUDIO;
    }
    return 0;
}

static int reserve(struct convert *c, size_t n)
{
    if (n <= c->out_capacity)
        return 0;
    int16_t *out = mem_alloc(n, sizeof *out);
    if (!out)
        return SOTTO_ENOMEM;
    mem_free(c->out);
    c->out = out;
    c->out_capacity = n;
    return 0;
}

/* Number of samples among `n` that are NaN or infinite: all exponent bits set. */
static int64_t count_not_finite_f32(const float *x, size_t n)
{
    int64_t count = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        count += (bits & 0x7f800000u) == 0x7f800000u;
    }
    return count;
}

static int64_t silence_not_finite(void *data, size_t n, bool is_double)
{
    int64_t count = 0;

    for (size_t i = 0; i < n; i++) {
        if (is_double ? isfinite(((double *)data)[i]) : isfinite(((float *)data)[i]))
            continue;
        if (is_double)
            ((double *)data)[i] = 0.0;
        else
            ((float *)data)[i] = 0.0f;
        count++;
    }
    return count;
}

static bool has_not_finite(const void *data, size_t n, bool is_double)
{
    if (!is_double)
        return count_not_finite_f32(data, n) > 0;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(((const double *)data)[i]))
            return true;
    return false;
}

/* The ffmpeg program turns NaN into full-scale noise; here it is silence, and counted. */
static int repair_frame(struct convert *c, AVFrame *frame)
{
    enum AVSampleFormat packed = av_get_packed_sample_fmt(frame->format);
    bool is_double = packed == AV_SAMPLE_FMT_DBL;

    if (packed != AV_SAMPLE_FMT_FLT && !is_double)
        return 0;
    bool planar = av_sample_fmt_is_planar(frame->format);
    int n_channels = convert_frame_channels(frame);
    int n_planes = planar ? n_channels : 1;
    size_t n = (size_t)frame->nb_samples * (size_t)(planar ? 1 : n_channels);
    for (int p = 0; p < n_planes; p++) {
        if (!has_not_finite(frame->extended_data[p], n, is_double))
            continue;
        if (av_frame_make_writable(frame) < 0)
            return SOTTO_ENOMEM;
        c->n_not_finite += silence_not_finite(frame->extended_data[p], n, is_double);
    }
    return 0;
}

static const uint8_t *pick_channel(struct convert *c, const AVFrame *frame)
{
    size_t width = (size_t)av_get_bytes_per_sample(frame->format);
    size_t n = (size_t)frame->nb_samples, n_channels = (size_t)convert_frame_channels(frame);

    if (av_sample_fmt_is_planar(frame->format))
        return frame->extended_data[c->channel];
    if (c->picked_bytes < n * width) {
        mem_free(c->picked);
        c->picked_bytes = 0;
        c->picked = mem_alloc(n, width);
        if (!c->picked)
            return NULL;
        c->picked_bytes = n * width;
    }
    const uint8_t *from = frame->extended_data[0] + (size_t)c->channel * width;
    for (size_t i = 0; i < n; i++)
        memcpy(c->picked + i * width, from + i * n_channels * width, width);
    return c->picked;
}

/* Input pointers of `frame` from sample n_skip on; `planes` has room for all its planes. */
static int input_planes(struct convert *c, const AVFrame *frame, int n_skip, const uint8_t **planes)
{
    int n_channels = convert_frame_channels(frame);
    bool planar = av_sample_fmt_is_planar(frame->format), one = c->channel >= 0;
    size_t step = (size_t)av_get_bytes_per_sample(frame->format) *
                  (size_t)(planar || one ? 1 : n_channels) * (size_t)n_skip;

    if (one) {
        planes[0] = pick_channel(c, frame);
        if (!planes[0])
            return SOTTO_ENOMEM;
        planes[0] += step;
        return 0;
    }
    for (int p = 0; p < (planar ? n_channels : 1); p++)
        planes[p] = frame->extended_data[p] + step;
    return 0;
}

int convert_frame(struct convert *c, AVFrame *frame, int n_skip, const char **why)
{
    const uint8_t *planes[MAX_CHANNELS];
    int n_channels = convert_frame_channels(frame);

    c->pos = c->n = 0;
    if (frame->nb_samples <= n_skip)
        return 0;
    *why = "it has more than 64 channels; choose one";
    if (n_channels < 1 || (n_channels > MAX_CHANNELS && c->channel < 0))
        return SOTTO_EAUDIO;
    *why = "the chosen channel is missing in a part of it";
    if (c->channel >= n_channels)
        return SOTTO_EAUDIO;
    if (!c->swr || c->last->format != frame->format || c->last->sample_rate != frame->sample_rate ||
        !same_layout(c->last, frame)) {
        int err = set_up(c, frame, why);
        if (err)
            return err;
    }

    *why = "out of memory";
    int n_in = frame->nb_samples - n_skip;
    double ratio = (double)AUDIO_RATE / frame->sample_rate;
    int n_out = (int)(n_in * ratio + 32);
    int64_t delay = swr_get_delay(c->swr, AUDIO_RATE);
    if (delay > 0)
        n_out += (int)FFMIN(delay, FFMAX(4096, n_out));
    if (reserve(c, (size_t)n_out) || repair_frame(c, frame) ||
        input_planes(c, frame, n_skip, planes))
        return SOTTO_ENOMEM;
    uint8_t *out = (uint8_t *)c->out;
    int n = swr_convert(c->swr, &out, n_out, planes, n_in);
    if (n < 0)
        return n == AVERROR(ENOMEM) ? SOTTO_ENOMEM : SOTTO_EAUDIO;
    c->n = (size_t)n;
    return 0;
}

int convert_flush(struct convert *c)
{
    c->pos = c->n = 0;
    if (!c->swr)
        return 0;
    if (reserve(c, FLUSH_SAMPLES))
        return SOTTO_ENOMEM;
    uint8_t *out = (uint8_t *)c->out;
    int n = swr_convert(c->swr, &out, FLUSH_SAMPLES, NULL, 0);
    c->n = n > 0 ? (size_t)n : 0;
    return 0;
}

int convert_init(struct convert *c, int channel)
{
    *c = (struct convert){.channel = channel, .last = av_frame_alloc()};
    return c->last ? 0 : SOTTO_ENOMEM;
}

void convert_fini(struct convert *c)
{
    swr_free(&c->swr);
    av_frame_free(&c->last);
    mem_free(c->picked);
    mem_free(c->out);
    *c = (struct convert){.channel = -1};
}
