/*
 * Reads a recording with FFmpeg's libraries. Which stream is taken, how it is decoded and what an
 * error does follow the ffmpeg program (fftools/ffmpeg.c and ffmpeg_opt.c of FFmpeg 5.1), so that
 * the samples are those of openai/whisper's loader. Bytes come from audio_source.c, the conversion
 * to 16 kHz mono is in audio_convert.c.
 *
 * NOTE on FFmpeg's messages. av_log prints to stderr by default and can only be silenced for the
 * whole process, which is not a library's to decide. So every context we own is given a level
 * offset that turns its messages into debugging output: AVCodecContext and SwrContext have a field
 * for it; AVFormatContext has none, so its class is copied and told to take an encoder's field that
 * is unused here. FFmpeg's own inner contexts (the decoders with which avformat_find_stream_info
 * looks into damaged files) stay at the level of the process: a program that wants them silent
 * calls av_log_set_level(AV_LOG_QUIET), as cmd/ does.
 */
#include "audio/audio.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avstring.h>
#include <libavutil/mathematics.h>

#include "audio/audio_convert.h"
#include "audio/audio_damage.h"
#include "audio/audio_source.h"
#include "base/mem.h"

// Beyond AV_LOG_TRACE, but a level is cut to 8 bits (libavutil/log.c), so no more than 199.
enum { LOG_QUIETER = 100, MAX_EMPTY_READS = 1000, SEEK_MIN_S = 30, SEEK_PREROLL_S = 3 };
// Other sample rates are damage; the resampler would take gigabytes and minutes for them.
enum { RATE_MIN = 100, RATE_MAX = 4000000 };

struct audio {
    char *name; // what messages call the recording
    struct source source;
    AVClass format_class; // AVFormatContext's, with a log level offset
    AVFormatContext *format;
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *frame;
    int stream; // index in `format`
    struct convert convert;

    struct damage damage;

    int64_t skip;     // samples still to be dropped (start_s)
    int skip_frame;   // decoded samples still to be dropped (after a seek)
    int64_t n_done;   // samples made so far, those before start_s included
    int64_t n_frames; // decoded so far
    double claimed_s; // length by the stream's own header, < 0 if it does not say
    bool has_frame;   // `frame` waits to be converted
    bool sent_end, at_end;
};

static int interrupted(void *opaque)
{
    struct audio *a = opaque;
    return source_abort(&a->source);
}

/* A recording has no business opening anything else (playlists, external tracks, network). */
static int refuse_to_open(AVFormatContext *format, AVIOContext **pb, const char *url, int flags,
                          AVDictionary **options)
{
    (void)format, (void)pb, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);
}

/* Formats that only name other files or addresses. They could open nothing anyway; knowing them
 * gives a clear message. */
static bool is_list_of_files(const AVInputFormat *format)
{
    static const char lists[] = "hls,applehttp,concat,dash,imf,sdp,rtsp,rtp,webm_dash_manifest,"
                                "lavfi,avisynth,vapoursynth,mlv";
    return av_match_list(format->name, lists, ',') > 0;
}

/* Turns FFmpeg's error into ours; an abort or a failed read is behind it more often than not. */
static int fail(const struct audio *a, int err, const char *what, struct sotto_diag *diag)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";

    if (a->source.aborted)
        return diag_set(diag, SOTTO_EABORTED, a->name, "%s: stopped by the caller", a->name);
    if (err == AVERROR(ENOMEM))
        return diag_set(diag, SOTTO_ENOMEM, a->name, "%s: out of memory", a->name);
    if (a->source.read_errno)
        return diag_errno(diag, a->source.read_errno, a->name, "read");
    if (a->source.pb && a->source.n_read == 0)
        return diag_set(diag, SOTTO_EAUDIO, a->name, "%s is empty (0 bytes)", a->name);
    av_strerror(err, text, sizeof text);
    return diag_set(
        diag, SOTTO_EAUDIO, a->name, "%s: %s (%s)%s", a->name, what, text,
        a->source.seekable ? "" : "; some formats cannot be read from a pipe, only from a file");
}

static int open_format(struct audio *a, const char *url, struct sotto_diag *diag)
{
#if LIBAVFORMAT_VERSION_MAJOR >= 59
    const AVInputFormat *kind = NULL;
#else
    AVInputFormat *kind = NULL;
#endif
    AVDictionary *options = NULL;

    a->format = avformat_alloc_context();
    if (!a->format)
        return fail(a, AVERROR(ENOMEM), "", diag);
    a->format_class = *a->format->av_class;
    a->format_class.version = LIBAVUTIL_VERSION_INT; // the fields that the copy has
    a->format_class.log_level_offset_offset = offsetof(AVFormatContext, audio_preload);
    a->format->av_class = &a->format_class;
    a->format->audio_preload = LOG_QUIETER;
    a->format->flags |= AVFMT_FLAG_CUSTOM_IO; // pb stays ours, whatever fails
    a->format->pb = a->source.pb;
    a->format->io_open = refuse_to_open;
    a->format->interrupt_callback = (AVIOInterruptCB){interrupted, a};

    int err = av_probe_input_buffer2(a->source.pb, &kind, url, a->format, 0, 0);
    if (err >= 0 && (kind->flags & AVFMT_NOFILE)) // image2, by the name's ending alone (".raw")
        err = AVERROR_INVALIDDATA;
    if (err < 0)
        return fail(a, err, "not an audio or video file that FFmpeg knows", diag);
    if (is_list_of_files(kind))
        return diag_set(diag, SOTTO_EAUDIO, a->name,
                        "%s is not a recording but names other files or addresses (format %s)",
                        a->name, kind->name);
    if (av_dict_set(&options, "scan_all_pmts", "1", 0) < 0 ||       // as the ffmpeg program does
        av_dict_set(&options, "protocol_whitelist", "none", 0) < 0) // for demuxers within demuxers
        err = AVERROR(ENOMEM);
    else
        err = avformat_open_input(&a->format, url, kind, &options);
    av_dict_free(&options);
    if (err >= 0) {
        err = avformat_find_stream_info(a->format, NULL);
        if (err < 0 && a->format->nb_streams > 0 && err != AVERROR(ENOMEM) && !a->source.aborted)
            err = 0; // what is known may do
    }
    return err < 0 ? fail(a, err, "not a readable audio or video file", diag) : 0;
}

static int stream_channels(const AVCodecParameters *par)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(59, 24, 100)
    return par->ch_layout.nb_channels;
#else
    return par->channels;
#endif
}

/* The ffmpeg program's choice (open_output_file): packets seen, then "default", then channels. */
static int score_stream(const AVStream *st)
{
    return stream_channels(st->codecpar) +
           (st->event_flags & AVSTREAM_EVENT_FLAG_NEW_PACKETS ? 100000000 : 0) +
           (st->disposition & AV_DISPOSITION_DEFAULT ? 5000000 : 0);
}

static int choose_stream(struct audio *a, const struct audio_params *p, struct sotto_diag *diag)
{
    int n_audio = 0, best = 0;

    a->stream = -1;
    for (unsigned i = 0; i < a->format->nb_streams; i++) {
        AVStream *st = a->format->streams[i];
        st->discard = AVDISCARD_ALL;
        if (st->codecpar->codec_type != AVMEDIA_TYPE_AUDIO)
            continue;
        int score = score_stream(st);
        if (p->stream == n_audio || (p->stream < 0 && score > best)) {
            best = score;
            a->stream = (int)i;
        }
        n_audio++;
    }
    if (n_audio == 0)
        return diag_set(diag, SOTTO_EAUDIO, a->name, "%s has no audio%s", a->name,
                        a->format->nb_streams ? " track, only other tracks" : "");
    if (a->stream < 0 && p->stream >= 0)
        return diag_set(diag, SOTTO_EAUDIO, a->name,
                        "%s has no audio track %d: it has %d, counted from 0", a->name, p->stream,
                        n_audio);
    if (a->stream < 0)
        return diag_set(diag, SOTTO_EAUDIO, a->name, "%s: its audio track has no sound", a->name);

    AVStream *st = a->format->streams[a->stream];
    int n_channels = stream_channels(st->codecpar);
    if (p->channel >= 0 && n_channels > 0 && p->channel >= n_channels)
        return diag_set(diag, SOTTO_EAUDIO, a->name,
                        "%s has no channel %d: it has %d, counted from 0", a->name, p->channel,
                        n_channels);
    st->discard = AVDISCARD_DEFAULT;
    return 0;
}

static void guess_layout(AVCodecContext *decoder)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(59, 24, 100)
    if (decoder->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC && decoder->ch_layout.nb_channels > 0)
        av_channel_layout_default(&decoder->ch_layout, decoder->ch_layout.nb_channels);
#else
    if (!decoder->channel_layout)
        decoder->channel_layout = (uint64_t)av_get_default_channel_layout(decoder->channels);
#endif
}

static int open_decoder(struct audio *a, struct sotto_diag *diag)
{
    const AVStream *st = a->format->streams[a->stream];
    const AVCodec *codec = avcodec_find_decoder(st->codecpar->codec_id);

    if (!codec)
        return diag_set(diag, SOTTO_EAUDIO, a->name, "%s: no decoder for its audio (%s)", a->name,
                        avcodec_get_name(st->codecpar->codec_id));
    a->decoder = avcodec_alloc_context3(codec);
    if (!a->decoder)
        return fail(a, AVERROR(ENOMEM), "", diag);
    int err = avcodec_parameters_to_context(a->decoder, st->codecpar);
    if (err >= 0) {
        a->decoder->pkt_timebase = st->time_base;
        a->decoder->log_level_offset = LOG_QUIETER;
        a->decoder->thread_count = 1; // decoding takes far less than 1 % of the time
        guess_layout(a->decoder);
        err = avcodec_open2(a->decoder, codec, NULL);
    }
    return err < 0 ? fail(a, err, "its audio cannot be decoded", diag) : 0;
}

/* Length by the stream's header; other streams may well be longer, and guesses do not count. */
static double claimed_length(const struct audio *a)
{
    const AVStream *st = a->format->streams[a->stream];

    if (a->format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE)
        return -1.0;
    if (st->duration != AV_NOPTS_VALUE)
        return (double)st->duration * av_q2d(st->time_base);
    if (a->format->duration != AV_NOPTS_VALUE && a->format->nb_streams == 1)
        return (double)a->format->duration / AV_TIME_BASE;
    return -1.0;
}

static int open_all(struct audio *a, const char *path, const struct audio_params *p,
                    struct sotto_diag *diag)
{
    bool is_stdin = strcmp(path, "-") == 0;

    a->name = mem_strdup(is_stdin ? "standard input" : path);
    a->packet = av_packet_alloc();
    a->frame = av_frame_alloc();
    if (!a->name || !a->packet || !a->frame || convert_init(&a->convert, p->channel))
        return diag_set(diag, SOTTO_ENOMEM, path, "%s: out of memory", path);

    int err = source_open(&a->source, path, a->name, p->should_abort, p->user, diag);
    if (!err)
        err = open_format(a, is_stdin ? "pipe:" : path, diag);
    if (!err)
        err = choose_stream(a, p, diag);
    if (!err)
        err = open_decoder(a, diag);
    if (!err)
        a->claimed_s = claimed_length(a);
    return err;
}

void audio_close(struct audio **audio)
{
    struct audio *a = *audio;

    if (!a)
        return;
    convert_fini(&a->convert);
    avcodec_free_context(&a->decoder);
    avformat_close_input(&a->format);
    av_frame_free(&a->frame);
    av_packet_free(&a->packet);
    source_close(&a->source);
    mem_free(a->name);
    mem_free(a);
    *audio = NULL;
}

/* The next packet of our stream, or none at the end (also where reading fails: as the ffmpeg
 * program does, that ends the recording). Returns whether there is one. */
static bool read_packet(struct audio *a)
{
    for (int n_empty = 0;;) {
        av_packet_unref(a->packet);
        int err = av_read_frame(a->format, a->packet);
        if (err == AVERROR(EAGAIN) && ++n_empty < MAX_EMPTY_READS && !source_abort(&a->source))
            continue;
        if (err < 0) {
            if (err != AVERROR_EOF)
                a->damage.read_error = err;
            return false;
        }
        if (a->packet->stream_index == a->stream)
            break;
    }
    return true;
}

/* What a decoder says of the packets before start_s is of no interest: after a seek it has reason to
 * complain. */
static void note_error(struct audio *a, int err)
{
    if (a->skip == 0 || a->n_done == 0)
        damage_note_error(&a->damage, err);
}

/* Gives the decoder the next packet, or tells it of the end. */
static void feed_decoder(struct audio *a)
{
    if (!read_packet(a)) {
        a->sent_end = true;
        avcodec_send_packet(a->decoder, NULL);
        return;
    }
    damage_note_packet(&a->damage, a->packet);
    int err = avcodec_send_packet(a->decoder, a->packet);
    if (err < 0 && err != AVERROR_EOF)
        note_error(a, err);
    av_packet_unref(a->packet);
}

/* The next decoded frame in a->frame. 0, AVERROR_EOF, AVERROR_EXIT or out of memory; damaged
 * packets are counted and passed over. */
static int decode_frame(struct audio *a)
{
    for (;;) {
        if (source_abort(&a->source))
            return AVERROR_EXIT;
        int err = avcodec_receive_frame(a->decoder, a->frame);
        if (err == AVERROR_EOF || err == AVERROR(ENOMEM))
            return err;
        if (err == 0 && a->frame->sample_rate >= RATE_MIN && a->frame->sample_rate <= RATE_MAX) {
            a->n_frames++;
            return 0;
        }
        if (err != AVERROR(EAGAIN))
            note_error(a, err ? err : AVERROR_INVALIDDATA);
        av_frame_unref(a->frame);
        if (a->sent_end && err != 0)
            return AVERROR_EOF;
        if (!a->sent_end)
            feed_decoder(a);
    }
}

/* A WAV file written into a pipe states no length (all ones): FFmpeg calls its last packet cut. */
static bool is_unmeasured_wav(const struct audio *a)
{
    static const uint8_t head[8] = {'R', 'I', 'F', 'F', 0xff, 0xff, 0xff, 0xff};
    return memcmp(a->source.head, head, sizeof head) == 0;
}

static void describe(struct audio *a)
{
    a->damage.n_not_finite = a->convert.n_not_finite;
    if (is_unmeasured_wav(a))
        a->damage.cut = false;
    damage_describe(&a->damage, &a->source, (double)a->n_done / AUDIO_RATE, a->claimed_s,
                    a->decoder->codec_id == AV_CODEC_ID_MP3,
                    strcmp(a->format->iformat->name, "ogg") == 0);
}

/* The end: what the resampler held back, then nothing. */
static int finish(struct audio *a, struct sotto_diag *diag)
{
    const struct damage *d = &a->damage;

    if (convert_flush(&a->convert))
        return fail(a, AVERROR(ENOMEM), "", diag);
    a->n_done += (int64_t)a->convert.n;
    if (a->convert.n > 0)
        return 0;
    a->at_end = true;
    if (a->n_frames == 0 && (d->n_damaged || d->read_error))
        return fail(a, d->read_error ? d->read_error : d->decode_error,
                    "nothing in it can be decoded", diag);
    describe(a);
    return 0;
}

/* Makes more samples in a->convert. */
static int refill(struct audio *a, struct sotto_diag *diag)
{
    const char *why = "";
    int err = a->has_frame ? 0 : decode_frame(a);

    if (err == AVERROR_EOF)
        return finish(a, diag);
    if (err < 0)
        return fail(a, err, "decoding failed", diag);
    a->has_frame = false;
    int n_skip = FFMIN(a->skip_frame, a->frame->nb_samples);
    a->skip_frame -= n_skip;
    err = convert_frame(&a->convert, a->frame, n_skip, &why);
    av_frame_unref(a->frame);
    if (err)
        return diag_set(diag, err, a->name, "%s: %s", a->name, why);
    a->n_done += (int64_t)a->convert.n;
    return 0;
}

int audio_read(struct audio *a, float *dst, size_t max, size_t *n_read, struct sotto_diag *diag)
{
    size_t n = 0;

    while (n < max) {
        struct convert *c = &a->convert;
        if (c->pos == c->n) {
            if (a->at_end)
                break;
            int err = refill(a, diag);
            if (err)
                return err;
            continue;
        }
        size_t n_dropped = (size_t)FFMIN(a->skip, (int64_t)(c->n - c->pos));
        a->skip -= (int64_t)n_dropped;
        c->pos += n_dropped;
        size_t n_now = FFMIN(max - n, c->n - c->pos);
        for (size_t i = 0; i < n_now; i++)
            dst[n + i] = (float)c->out[c->pos + i] / 32768.0f;
        c->pos += n_now;
        n += n_now;
    }
    *n_read = n;
    return 0;
}

/* Do a packet's samples depend on nothing but a few packets before it? AAC and AC-3 fill in noise
 * from generators that run through the whole stream, ADPCM adds up differences. */
static bool forgets(enum AVCodecID codec)
{
    bool pcm = codec >= AV_CODEC_ID_FIRST_AUDIO && codec < AV_CODEC_ID_ADPCM_IMA_QT;
    return pcm || codec == AV_CODEC_ID_FLAC || codec == AV_CODEC_ID_ALAC || codec == AV_CODEC_ID_MP3;
}

/* May a seek be trusted to land where its timestamps say, and to give the same samples? Of the
 * formats whose timestamps count samples, those are left out in which they start again (chained
 * Ogg) or are guesses (ADTS). */
static bool can_seek(const struct audio *a, int rate)
{
    static const char exact[] = "wav,w64,aiff,caf,flac,mp3,mov,mp4";
    AVRational unit = a->format->streams[a->stream]->time_base;

    return unit.num > 0 && forgets(a->decoder->codec_id) && (int64_t)unit.num * rate <= unit.den &&
           av_match_list(a->format->iformat->name, exact, ',') > 0;
}

/*
 * Goes to `start` (a sample at 16 kHz) without decoding all before it, such that the samples are
 * still those of a whole read: decoding begins seconds earlier, and the resampler at a sample that
 * both rates share. Returns 0, a fault, or 1 if that is not possible and `a` must be opened again.
 */
static int seek_to(struct audio *a, int64_t start)
{
    AVRational unit = a->format->streams[a->stream]->time_base;
    int err = decode_frame(a);
    int64_t first = a->frame->pts;
    int rate = a->frame->sample_rate;

    if (err < 0)
        return err == AVERROR_EOF ? 1 : err;
    if (first == AV_NOPTS_VALUE || !can_seek(a, rate))
        return 1;
    int64_t want = av_rescale(start - SEEK_PREROLL_S * AUDIO_RATE, rate, AUDIO_RATE);
    int64_t stamp = first + av_rescale_q(want, (AVRational){1, rate}, unit);
    if (avformat_seek_file(a->format, a->stream, INT64_MIN, stamp, stamp, 0) < 0)
        return 1;
    avcodec_flush_buffers(a->decoder);
    damage_init(&a->damage);
    err = decode_frame(a);
    if (err < 0)
        return err == AVERROR_EOF ? 1 : err;

    int64_t at = av_rescale_q(a->frame->pts - first, unit, (AVRational){1, rate});
    int64_t shared = rate / av_gcd(rate, AUDIO_RATE);
    if (a->frame->pts == AV_NOPTS_VALUE || a->frame->sample_rate != rate || at < 0 || at > want)
        return 1;
    a->skip_frame = (int)((shared - at % shared) % shared);
    a->n_done = (at + a->skip_frame) / shared * (AUDIO_RATE / av_gcd(rate, AUDIO_RATE));
    a->skip = start - a->n_done;
    a->has_frame = true;
    damage_init(&a->damage);
    return 0;
}

static int open_at(struct audio **out, const char *path, const struct audio_params *p,
                   bool may_seek, struct sotto_diag *diag)
{
    struct audio *a = mem_calloc(1, sizeof *a);

    if (!a)
        return diag_set(diag, SOTTO_ENOMEM, path, "%s: out of memory", path);
    a->source.fd = -1;
    damage_init(&a->damage);
    a->skip = p->start_s > 0 ? llrint(fmin(p->start_s, 1e9) * AUDIO_RATE) : 0;
    int err = open_all(a, path, p, diag);
    if (!err && may_seek && a->source.seekable && a->skip >= SEEK_MIN_S * AUDIO_RATE) {
        err = seek_to(a, a->skip);
        if (err < 0)
            err = fail(a, err, "decoding failed", diag);
        else if (err > 0 && a->source.borrowed)
            lseek(a->source.fd, a->source.base, SEEK_SET);
    }
    if (err) {
        audio_close(&a);
        return err;
    }
    *out = a;
    return 0;
}

int audio_open(struct audio **out, const char *path, const struct audio_params *params,
               struct sotto_diag *diag)
{
    int err = open_at(out, path, params, true, diag);

    return err > 0 ? open_at(out, path, params, false, diag) : err;
}

double audio_duration_s(const struct audio *a)
{
    const AVStream *st = a->format->streams[a->stream];

    if (st->duration != AV_NOPTS_VALUE && st->duration > 0)
        return (double)st->duration * av_q2d(st->time_base);
    return a->format->duration != AV_NOPTS_VALUE ? (double)a->format->duration / AV_TIME_BASE
                                                 : -1.0;
}

const char *audio_warning(const struct audio *a)
{
    return a->damage.text[0] ? a->damage.text : NULL;
}
