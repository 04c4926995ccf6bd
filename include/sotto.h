/*
 * libsotto: speech to text with OpenAI's Whisper, on the CPU.
 *
 * A complete program (tests/api_example.c compiles and runs it):
 *
 *     #include <sotto.h>
 *     #include <stdio.h>
 *
 *     static int on_segment(void *user, const struct sotto_segment *s)
 *     {
 *         (void)user;
 *         printf("[%.2f --> %.2f]%s\n", s->start_s, s->end_s, s->text);
 *         return 0; // anything else ends the transcription with SOTTO_EABORTED
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         struct sotto_diag diag = {0};
 *         sotto_model *model = NULL;
 *         sotto_transcriber *t = NULL;
 *         int err = argc == 3 ? 0 : SOTTO_EINVAL;
 *
 *         if (!err)
 *             err = sotto_model_open(&model, argv[1], NULL, &diag);
 *         struct sotto_options opt;
 *         sotto_options_init(&opt);
 *         opt.on_segment = on_segment;
 *         if (!err)
 *             err = sotto_transcriber_open(&t, model, &opt, &diag);
 *         if (!err)
 *             err = sotto_transcribe_file(t, argv[2], &diag);
 *         if (err)
 *             fprintf(stderr, "%s: %s\n", sotto_error_name(err), diag.text);
 *         sotto_transcriber_close(&t);
 *         sotto_model_close(&model);
 *         return err != 0;
 *     }
 *
 * Rules. Functions that can fail return 0 or a negative SOTTO_E... code and, where a `diag` is
 * taken (NULL is allowed), say in it what failed and why; results behind pointers are untouched
 * on failure. The library keeps no global state, prints nothing and never exits. A model is
 * immutable and may be shared by any number of transcribers in any number of threads; one
 * transcriber must be used by one thread at a time. Callbacks run on the thread that called
 * sotto_transcribe_file, sotto_feed or sotto_finish. All text is UTF-8 and always valid.
 */
#ifndef SOTTO_H
#define SOTTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SOTTO_VERSION_MAJOR 0
#define SOTTO_VERSION_MINOR 1
#define SOTTO_VERSION_PATCH 0

#if defined(__GNUC__)
#define SOTTO_API __attribute__((visibility("default")))
#else
#define SOTTO_API
#endif

/* Every error: value, name, text. The one list: codes, names and texts come from here. */
#define SOTTO_ERROR_MAP(X)                                                                         \
    X(-1, NOMEM, "out of memory")                                                                  \
    X(-2, INVAL, "invalid argument or option")                                                     \
    X(-3, NOENT, "no such file")                                                                   \
    X(-4, ACCESS, "permission denied")                                                             \
    X(-5, IO, "input or output error")                                                             \
    X(-6, NOSPACE, "no space left on the device")                                                  \
    X(-7, AUDIO, "not a readable audio or video file")                                             \
    X(-8, MODEL, "malformed or incomplete model")                                                  \
    X(-9, UNSUPPORTED, "not supported")                                                            \
    X(-10, LANGUAGE, "unknown language")                                                           \
    X(-11, NETWORK, "download failed")                                                             \
    X(-12, CHECKSUM, "checksum does not match")                                                    \
    X(-13, ABORTED, "stopped by the caller")                                                       \
    X(-14, DEVICE, "device error")                                                                 \
    X(-15, SYNTAX, "malformed input text")                                                         \
    X(-16, INTERNAL, "internal error")

enum sotto_error {
    SOTTO_OK = 0,
#define X(value, name, text) SOTTO_E##name = (value),
    SOTTO_ERROR_MAP(X)
#undef X
};

/* What went wrong. `text` is a whole sentence that names the file and the cause. Zero-initialise. */
struct sotto_diag {
    int code;        // SOTTO_E..., 0 if nothing was reported
    int line;        // 1-based line in a text input, 0 if it has none
    int column;      // 1-based, 0 if unknown
    char file[512];  // the file concerned, "" if none
    char text[1024]; // UTF-8, NUL-terminated
};

SOTTO_API const char *sotto_version(void);          // "0.1.0"; static
SOTTO_API const char *sotto_error_name(int error);  // "EMODEL"; "OK" for 0; static
SOTTO_API const char *sotto_error_text(int error);  // "malformed or incomplete model"; static

/* ---- models ---------------------------------------------------------------------------------- */

typedef struct sotto_model sotto_model;

enum sotto_precision {
    SOTTO_PRECISION_AUTO = 0, // the fastest that is accurate on this machine
    SOTTO_PRECISION_FP32,     // fp32 arithmetic; weights kept as the file has them (exact)
    SOTTO_PRECISION_BF16,     // bf16 products, fp32 sums
    SOTTO_PRECISION_INT8,     // int8 products, int32 sums, fp32 scales
};

struct sotto_model_params {
    enum sotto_precision precision; // default AUTO
    int n_threads;                  // threads used while opening; 0: one per usable core
    bool reference;                 // true: the plain C kernels (the specification; slow)
};

SOTTO_API void sotto_model_params_init(struct sotto_model_params *params);

/*
 * Opens the model at `path`: a CTranslate2 or Hugging Face folder, or a whisper.cpp file.
 * `params` may be NULL (defaults). `*out` is owned by the caller; close it after the last
 * transcriber that uses it. Errors: NOENT, ACCESS, IO, MODEL, UNSUPPORTED, NOMEM, INVAL.
 */
SOTTO_API int sotto_model_open(sotto_model **out, const char *path,
                               const struct sotto_model_params *params, struct sotto_diag *diag);
SOTTO_API void sotto_model_close(sotto_model **model); // accepts NULL and a NULL model; sets NULL

struct sotto_model_info {
    int n_mels;         // 80 or 128
    int n_audio_ctx;    // encoder positions per 30 s window (1500)
    int n_audio_state;  // encoder width
    int n_audio_head, n_audio_layer;
    int n_text_ctx;     // decoder positions (448)
    int n_text_state, n_text_head, n_text_layer;
    int n_vocab;
    bool multilingual;
    int n_languages;        // 0 for English-only models
    const char *format;     // "CTranslate2", "whisper.cpp", "Hugging Face"; lives with the model
    const char *weights;    // weight type in the file, e.g. "fp16"; lives with the model
    const char *kernels;    // kernels chosen on this machine, e.g. "avx2"; lives with the model
    const char *precision;  // precision in use, "fp32", "bf16" or "int8"; lives with the model
};
/* Of a NULL model: zeros and empty strings. */
SOTTO_API void sotto_model_get_info(const sotto_model *model, struct sotto_model_info *info);

/* Language table. `code` is Whisper's ("en", "yue"), `name` English ("english"). Static strings. */
SOTTO_API int sotto_language_count(void);
SOTTO_API const char *sotto_language_code(int i);        // NULL if i is out of range
SOTTO_API const char *sotto_language_name(int i);        // NULL if i is out of range
SOTTO_API int sotto_language_find(const char *code_or_name); // index, or SOTTO_ELANGUAGE

/* ---- results --------------------------------------------------------------------------------- */

struct sotto_word {
    const char *text;   // with its leading space, as Whisper writes it
    double start_s, end_s;
    float probability;  // mean probability of the word's tokens, 0..1
};

/* One segment of text. Everything in it is borrowed until the callback returns. */
struct sotto_segment {
    int id;                  // 0, 1, 2, ... in order of time
    double start_s, end_s;   // seconds from the beginning of the recording
    double seek_s;           // start of the window it was decoded from
    const char *text;        // usually with a leading space
    const int32_t *tokens;   // all text and timestamp tokens of the segment
    int n_tokens;
    const struct sotto_word *words; // NULL unless word_timestamps
    int n_words;
    float temperature;
    float avg_logprob;       // mean log probability of the window's tokens (natural log)
    float compression_ratio; // bytes of the window's text / bytes after zlib
    float no_speech_prob;    // 0..1
    const char *language;    // code of the language the window was decoded in
};

struct sotto_progress {
    double done_s;  // up to where the recording is finished; never less than before
    double total_s; // its end, or the last clip's; a negative number while that is not known
};

/* ---- transcription --------------------------------------------------------------------------- */

typedef struct sotto_transcriber sotto_transcriber;

enum sotto_task { SOTTO_TASK_TRANSCRIBE = 0, SOTTO_TASK_TRANSLATE };

enum sotto_mode {
    SOTTO_MODE_AUTO = 0,   // batched beyond 30 s, unless an option needs sequential
    SOTTO_MODE_SEQUENTIAL, // windows follow each other, seeking by timestamps
    SOTTO_MODE_BATCHED,    // windows cut at pauses, decoded side by side
};

/* A span of the recording; end_s < 0 means its end. */
struct sotto_clip {
    double start_s, end_s;
};

/* Initialise with sotto_options_init, then change. Names and defaults follow openai/whisper
 * where it has the option; strings and arrays are copied by sotto_transcriber_open. */
struct sotto_options {
    const char *language;    // code or name; NULL: detect. English-only models: NULL or English
    enum sotto_task task;
    enum sotto_mode mode;
    int n_threads;           // 0: one per usable core
    int batch_size;          // windows decoded side by side in batched mode, 1..64; 0: chosen (8)

    double temperature;      // 0: greedy or beam; above: sampling. default 0, range 0..1
    double temperature_increment; // step of the fallback, 0.2; 0 turns the fallback off
    int best_of;             // samples when temperature > 0, 1..16, default 5
    int beam_size;           // 1: greedy. 1..16, default 1
    double patience;         // default 1.0; > 0
    double length_penalty;   // negative: plain mean log probability (default -1). else 0..1
    uint64_t seed;           // of the sampler; same seed, same text. default 0
    double compression_ratio_threshold; // fallback above it; >= 0, default 2.4. NAN: off
    double logprob_threshold;           // fallback below it; default -1.0. NAN: off
    double no_speech_threshold;         // 0..1, default 0.6. NAN: off

    bool condition_on_previous_text; // default true in sequential mode; ignored in batched mode
    const char *initial_prompt;      // text before the first window; NULL: none
    bool carry_initial_prompt;       // repeat initial_prompt before every window
    const char *prefix;              // text the first window begins with; NULL: none
    const char *hotwords;            // hint words given with every window; NULL: none
    const char *suppress_tokens;     // comma-separated ids; "-1": the non-speech set (default); "": none
    bool suppress_blank;             // default true
    bool without_timestamps;         // default false
    double max_initial_timestamp;    // seconds up to 30, default 1.0; 0 or less: no limit

    bool word_timestamps;            // default false
    const char *prepend_punctuations; // NULL: openai/whisper's set
    const char *append_punctuations;  // NULL: openai/whisper's set
    double hallucination_silence_threshold; // seconds, 0..1e6; NAN: off (default). needs word_timestamps

    bool vad;                    // default true
    double vad_threshold;        // speech probability, default 0.5
    double vad_neg_threshold;    // end of speech below it; NAN: vad_threshold - 0.15
    int vad_min_speech_ms;       // default 250
    int vad_min_silence_ms;      // default 500 for cutting, see docs/transcription.md
    double vad_max_speech_s;     // default 0: no limit
    int vad_speech_pad_ms;       // default 400
    const char *vad_model;       // path of the Silero weights; NULL: the place `model fetch` puts them

    const struct sotto_clip *clips; // spans to transcribe, in order; NULL: everything
    int n_clips;
    int audio_stream;            // index among the file's audio streams, -1: FFmpeg's choice
    int channel;                 // -1: mix all (default); 0..: only this one

    void *user;                  // passed to the callbacks
    int (*on_segment)(void *user, const struct sotto_segment *segment); // non-zero: stop
    void (*on_progress)(void *user, const struct sotto_progress *progress);
    void (*on_language)(void *user, const char *code, float probability); // first detection
    void (*on_warning)(void *user, const char *text); // e.g. a truncated file; text is borrowed
    bool (*should_abort)(void *user); // polled often, also inside the encoder (<= 100 ms apart)
};

SOTTO_API void sotto_options_init(struct sotto_options *options);

/* Checks the options and makes a transcriber. It borrows `model` until it is closed.
 * Errors: INVAL (the text names the option and its range), LANGUAGE (unknown, or not the model's),
 * UNSUPPORTED (translation by an English-only model), NOMEM, and where the detector's weights cannot
 * be read NOENT, ACCESS, IO, MODEL. */
SOTTO_API int sotto_transcriber_open(sotto_transcriber **out, const sotto_model *model,
                                     const struct sotto_options *options, struct sotto_diag *diag);
SOTTO_API void sotto_transcriber_close(sotto_transcriber **t);

/* Transcribes one file from beginning to end; "-" is standard input. The transcriber is ready for
 * the next recording afterwards, also after a failure. A file that breaks off is transcribed as far
 * as it goes, with a warning. Errors: NOENT, ACCESS, IO, AUDIO, ABORTED, NOMEM, INVAL (an argument
 * is NULL), MODEL (it gives no number for any language). */
SOTTO_API int sotto_transcribe_file(sotto_transcriber *t, const char *path, struct sotto_diag *diag);

/* The same in pieces: feed mono samples at 16 kHz (-1..1; NaN counts as silence) as they arrive,
 * then finish. Segments come as soon as a window is complete. After a failure the next samples begin
 * a new recording. Errors: ABORTED, NOMEM, INVAL (an argument is NULL), MODEL (it gives no number
 * for any language). */
SOTTO_API int sotto_feed(sotto_transcriber *t, const float *samples, size_t n_samples,
                         struct sotto_diag *diag);
SOTTO_API int sotto_finish(sotto_transcriber *t, struct sotto_diag *diag);

/* Detects the language of the first 30 s of a file. `code` is static; `probs` (may be NULL) gets
 * one probability per language of sotto_language_code. Errors as sotto_transcribe_file, and
 * UNSUPPORTED for an English-only model. */
SOTTO_API int sotto_detect_language(sotto_transcriber *t, const char *path, const char **code,
                                    float *probs, struct sotto_diag *diag);

/* What the last recording cost. */
struct sotto_stats {
    double audio_s;   // length of the recording, or of its clips
    double speech_s;  // of it, passed to the network
    double wall_s;    // from the first sample to the last segment
    double decode_audio_s, mel_s, vad_s, encode_s, decode_s; // wall seconds by part
    int n_windows, n_tokens, n_fallbacks;
    int n_threads;
    const char *device; // "cpu"; static
};
/* Of a NULL transcriber: zeros. */
SOTTO_API void sotto_get_stats(const sotto_transcriber *t, struct sotto_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
