/*
 * The VAD network against onnxruntime with the same weights and the span rule against the
 * package's (tests/golden/vad.bin, made by scripts/golden_vad.py); kernels against plain C; the
 * stream's promises; what is and is not taken for speech; malformed weights.
 */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audio/audio.h"
#include "audio/vad_net.h"
#include "audio/vad_rule.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "support_sound.h"

enum { N_SIGNAL = 191800, N_PROBABILITIES = 375, N_RULE_CHUNKS = 500 };

static const char *const weights_name = "silero-vad/silero_vad_16k.safetensors";

static struct vad_model *open_weights(void)
{
    char path[TEST_PATH];
    struct sotto_diag diag = {0};
    struct vad_model *m;
    test_model(weights_name, path);
    assert_ok(vad_model_open(&m, path, &diag), &diag);
    return m;
}

static struct vad *open_stream(const struct vad_model *m)
{
    struct vad_params p;
    struct vad *v;
    vad_params_init(&p);
    assert_ok(vad_open(&v, m, &p), NULL);
    return v;
}

/* As signal() of scripts/golden_vad.py. */
static float *make_signal(void)
{
    float *x = malloc(N_SIGNAL * sizeof(*x)), *noise = malloc(N_SIGNAL * sizeof(*x));
    sound_voice(x, N_SIGNAL);
    sound_white(noise, N_SIGNAL);
    for (int i = 0; i < N_SIGNAL; i++) {
        double s = (double)i / SOUND_RATE;
        float voice = s < 4 ? 1 : s < 7 ? 0 : s < 10 ? 1 : 0.05f;
        float white = s < 4 ? 0 : s < 6 ? 0.5f : s < 7 ? 0 : s < 10 ? 1 : 0;
        x[i] = voice * x[i] + white * noise[i];
    }
    free(noise);
    return x;
}

/* Feeds in pieces of up to `most` samples; p gets all probabilities. */
static int feed(struct vad *v, const float *x, size_t n, size_t most, uint64_t seed, float *p)
{
    int n_p = 0;
    for (size_t i = 0; i < n;) {
        size_t part = 1 + test_random(&seed) % most;
        part = part < n - i ? part : n - i;
        assert_ok(vad_feed(v, x + i, part), NULL);
        i += part;
        while (p && vad_probability(v, n_p) >= 0) {
            p[n_p] = vad_probability(v, n_p);
            n_p++;
        }
    }
    assert_ok(vad_finish(v), NULL);
    while (p && vad_probability(v, n_p) >= 0) {
        p[n_p] = vad_probability(v, n_p);
        n_p++;
    }
    return n_p;
}

/* ---- the network ----------------------------------------------------------------------------- */

static void test_golden_network(void **state)
{
    (void)state;
    static const uint32_t masks[] = {0, CPU_SSE2, CPU_SSE2 | CPU_AVX2, ~0u};
    size_t size;
    float *x = make_signal(), *golden = malloc(N_PROBABILITIES * sizeof(float));
    float *got = malloc(N_PROBABILITIES * sizeof(float));
    uint8_t *file = test_read_file("tests/golden/vad.bin", &size);
    assert_memory_equal(file, "SVAD\1\0\0\0", 8);
    memcpy(golden, file + 12, N_PROBABILITIES * sizeof(float));

    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        cpu_set_mask(masks[i]);
        struct vad_model *m = open_weights();
        cpu_set_mask(~0u);
        struct vad *v = open_stream(m);
        print_message("kernels: %s\n", vad_model_kernels(m));
        if (!masks[i])
            assert_string_equal(vad_model_kernels(m), "ref");
        assert_int_equal(feed(v, x, N_SIGNAL, 20000, 1, got), N_PROBABILITIES);
        assert_close_array(got, golden, N_PROBABILITIES, 2e-5);
        vad_close(&v);
        vad_model_close(&m);
    }
    free(file);
    free(got);
    free(golden);
    free(x);
}

// How a recording is cut into feeds changes nothing, not even the last bit.
static void test_feed_sizes(void **state)
{
    (void)state;
    static const size_t most[] = {1, 700, 511, 6144, 300000};
    struct vad_model *m = open_weights();
    struct vad *v = open_stream(m);
    float *x = make_signal(), p[2][N_PROBABILITIES];
    size_t n = N_SIGNAL / (test_sanitized() ? 4 : 1);
    int n_p = feed(v, x, n, 512, 3, p[0]);

    for (int i = 0; i < 5; i++) {
        vad_reset(v);
        assert_int_equal(feed(v, x, n, most[i], 4, p[1]), n_p);
        assert_memory_equal(p[0], p[1], (size_t)n_p * sizeof(float));
    }
    free(x);
    vad_close(&v);
    vad_model_close(&m);
}

// Undefined and huge samples do not linger in the network's state.
static void test_bad_samples(void **state)
{
    (void)state;
    struct vad_model *m = open_weights();
    struct vad *v = open_stream(m);
    float *x = make_signal();
    struct vad_span s;
    for (int i = 0; i < 3 * SOUND_RATE; i++)
        x[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -1e30f;
    assert_ok(vad_feed(v, x, 3 * SOUND_RATE), NULL);
    for (int i = 0; i < 93; i++)
        assert_true(vad_probability(v, i) >= 0 && vad_probability(v, i) <= 1);
    memset(x, 0, 2 * SOUND_RATE * sizeof(float));
    sound_voice(x + 2 * SOUND_RATE, 3 * SOUND_RATE);
    assert_ok(vad_feed(v, x, 5 * SOUND_RATE), NULL);
    assert_ok(vad_finish(v), NULL);
    int64_t end = 0;
    while (vad_next(v, &s))
        end = s.end;
    assert_int_equal(end, 8 * SOUND_RATE);
    float peak = 0;
    for (int i = 160; i < 250; i++)
        peak = fmaxf(peak, vad_probability(v, i));
    assert_true(peak > 0.9f);
    free(x);
    vad_close(&v);
    vad_model_close(&m);
}

/* ---- the rule -------------------------------------------------------------------------------- */

/* As noise and probabilities() of scripts/golden_vad.py. */
static uint32_t next_bits(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

static void make_probabilities(int number, float *p)
{
    static const double level[] = {0.03, 0.2, 0.42, 0.6, 0.95};
    uint64_t state = 100 + (uint64_t)number;
    int n = 0;
    while (n < N_RULE_CHUNKS) {
        double base = level[next_bits(&state) % 5];
        int length = 1 + (int)(next_bits(&state) % (4 + (uint32_t)number % 40));
        for (int i = 0; i < length; i++) {
            double x = base + 0.15 * ((double)(int32_t)next_bits(&state) / 2147483648.0);
            if (n < N_RULE_CHUNKS)
                p[n++] = (float)fmin(fmax(x, 0), 1);
        }
    }
}

struct rule_case {
    float threshold, neg_threshold;
    int32_t min_speech_ms, min_silence_ms, pad_ms;
    float max_speech_s;
    uint32_t n_chunks, n_samples, n_spans;
};

/* Runs the rule chunk by chunk, checks its promises on the way, returns how many spans came. */
static int run_rule(struct vad_rule *r, const float *p, int n, int64_t total,
                    struct vad_span *spans)
{
    int n_spans = 0;
    int64_t decided = 0, start = 0;
    struct vad_span open, promised = {-1, -1, 0, 0}, s;

    for (int i = 0; i <= n; i++) {
        if (i < n)
            assert_ok(vad_rule_chunk(r, p[i], i == n - 1 ? total : INT64_MAX), NULL);
        else
            assert_ok(vad_rule_finish(r, total), NULL);
        while (vad_rule_next(r, &s)) {
            assert_true(s.start >= decided && s.start >= start && s.end > s.start &&
                        s.end <= total);
            assert_true(s.peak <= 1 && s.mean <= s.peak && s.mean > 0);
            if (promised.start >= 0) {
                assert_int_equal(s.start, promised.start);
                assert_true(s.end >= promised.end);
                promised.start = -1;
            }
            start = s.end;
            spans[n_spans++] = s;
        }
        if (promised.start < 0 && vad_rule_open_span(r, &open))
            promised = open;
        else if (promised.start >= 0 && vad_rule_open_span(r, &open)) {
            assert_int_equal(open.start, promised.start);
            assert_true(open.end >= promised.end || r->pause);
        }
        assert_true(vad_rule_decided(r) >= decided);
        decided = vad_rule_decided(r);
        if (vad_rule_in_speech(r, &s.start))
            assert_true(decided <= s.start);
    }
    assert_int_equal(vad_rule_decided(r), total);
    return n_spans;
}

static void test_golden_rule(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = test_read_file("tests/golden/vad.bin", &size);
    const uint8_t *at = file + 12 + N_PROBABILITIES * sizeof(float);
    uint32_t n_cases;
    int n_all = 0;
    memcpy(&n_cases, at, 4);
    at += 4;
    for (uint32_t i = 0; i < n_cases; i++) {
        struct rule_case c;
        struct vad_rule rule;
        struct vad_span spans[N_RULE_CHUNKS];
        float p[N_RULE_CHUNKS];
        memcpy(&c, at, sizeof(c));
        at += sizeof(c);
        assert_int_equal(c.n_chunks, N_RULE_CHUNKS);
        struct vad_params params = {c.threshold,      c.neg_threshold, c.min_speech_ms,
                                    c.min_silence_ms, c.pad_ms,        c.max_speech_s};
        make_probabilities((int)i, p);
        vad_rule_init(&rule, &params);
        int n = run_rule(&rule, p, N_RULE_CHUNKS, c.n_samples, spans);
        assert_int_equal(n, c.n_spans);
        for (int j = 0; j < n; j++, at += 8) {
            int32_t golden[2];
            memcpy(golden, at, 8);
            assert_int_equal(spans[j].start, golden[0]);
            assert_int_equal(spans[j].end, golden[1]);
        }
        n_all += n;
        vad_rule_fini(&rule);
    }
    assert_ptr_equal(at, file + size);
    assert_true(n_all > 300);
    free(file);
}

// Spans as a reader of the parameters expects them: one case worked out by hand.
static void test_rule_by_hand(void **state)
{
    (void)state;
    struct vad_rule rule;
    struct vad_params params;
    struct vad_span s[10];
    float p[100] = {0};
    for (int i = 20; i < 40; i++) // 20 chunks of speech, a pause of 5, 10 more
        p[i] = 0.9f;
    for (int i = 45; i < 55; i++)
        p[i] = 0.6f;
    for (int i = 72; i < 78; i++) // 6 chunks: 192 ms, too short
        p[i] = 1;
    vad_params_init(&params);
    params.speech_pad_ms = 200;
    vad_rule_init(&rule, &params);
    assert_int_equal(run_rule(&rule, p, 100, 51200, s), 1);
    assert_int_equal(s[0].start, 20 * 512 - 3200);
    assert_int_equal(s[0].end, 55 * 512 + 3200);
    assert_close(s[0].peak, 0.9, 1e-6);
    assert_close(s[0].mean, (20 * 0.9 + 10 * 0.6) / 35, 1e-6);

    params.min_silence_ms = 100; // the pause of 160 ms now separates; it is shared
    vad_rule_fini(&rule);
    vad_rule_init(&rule, &params);
    assert_int_equal(run_rule(&rule, p, 100, 51200, s), 2);
    assert_int_equal(s[0].end, 40 * 512 + 5 * 256);
    assert_int_equal(s[1].start, s[0].end);
    vad_rule_fini(&rule);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct vad_params params;
    struct vad_model *m = open_weights();
    vad_params_init(&params);
    for (int n = 0;; n++) {
        struct vad *v = NULL;
        mem_fail_at(n, 0);
        int err = vad_open(&v, m, &params);
        mem_fail_at(-1, 0);
        vad_close(&v);
        if (!err)
            break;
        assert_int_equal(err, SOTTO_ENOMEM);
        assert_true(n < 10);
    }
    struct vad *v = open_stream(m);
    float *x = make_signal();
    mem_fail_at(0, 0); // the queue of spans
    int err = vad_feed(v, x, 9 * SOUND_RATE);
    mem_fail_at(-1, 0);
    assert_int_equal(err, SOTTO_ENOMEM);
    vad_close(&v);

    char path[TEST_PATH];
    test_model(weights_name, path);
    for (int n = 0; n < 100; n++) {
        struct vad_model *other = NULL;
        mem_fail_at(n, 0);
        err = vad_model_open(&other, path, NULL);
        mem_fail_at(-1, 0);
        vad_model_close(&other);
        if (!err)
            break;
        assert_int_equal(err, SOTTO_ENOMEM);
    }
    assert_ok(err, NULL);
    free(x);
    vad_model_close(&m);
}

/* ---- speech and other sounds ----------------------------------------------------------------- */

static double speech_s(struct vad *v, const float *x, size_t n, float *peak)
{
    struct vad_span s;
    double sum = 0;
    vad_reset(v);
    assert_ok(vad_feed(v, x, n), NULL);
    assert_ok(vad_finish(v), NULL);
    *peak = 0;
    while (vad_next(v, &s))
        sum += (double)(s.end - s.start) / SOUND_RATE;
    for (int64_t i = 0; i * VAD_CHUNK < (int64_t)n; i++)
        *peak = fmaxf(*peak, vad_probability(v, i));
    return sum;
}

static void test_made_sounds(void **state)
{
    (void)state;
    struct vad_model *m = open_weights();
    struct vad *v = open_stream(m);
    size_t n = 30 * SOUND_RATE;
    float *x = malloc(n * sizeof(*x)), peak;
    for (int i = 0; i < n_sounds_other; i++) {
        sounds_other[i].make(x, n);
        double s = speech_s(v, x, n, &peak);
        print_message("%-18s speech %.1f s, highest probability %.3f\n", sounds_other[i].name, s,
                      peak);
        assert_close(s, 0, 0);
    }
    sound_voice(x, n);
    assert_true(speech_s(v, x, n, &peak) > 29);
    free(x);
    vad_close(&v);
    vad_model_close(&m);
}

/* A file's samples, at most `most`; NULL if there is no such file. */
static float *read_audio(const char *path, size_t most, size_t *n)
{
    struct sotto_diag diag = {0};
    struct audio_params params = {.stream = -1, .channel = -1};
    struct audio *a;
    int err = audio_open(&a, path, &params, &diag);
    if (err == SOTTO_ENOENT)
        return NULL;
    assert_ok(err, &diag);
    float *x = malloc(most * sizeof(*x));
    size_t got = 1;
    for (*n = 0; *n < most && got; *n += got)
        assert_ok(audio_read(a, x + *n, most - *n, &got, &diag), &diag);
    audio_close(&a);
    return x;
}

static void test_packaged_sounds(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool speech;
    } files[] = {
        {"/usr/share/sounds/freedesktop/stereo/alarm-clock-elapsed.oga", false},
        {"/usr/share/sounds/freedesktop/stereo/phone-incoming-call.oga", false},
        {"/usr/share/sounds/freedesktop/stereo/phone-outgoing-busy.oga", false},
        {"/usr/share/sounds/freedesktop/stereo/suspend-error.oga", false},
        {"/usr/share/sounds/freedesktop/stereo/complete.oga", false},
        {"/usr/share/sounds/freedesktop/stereo/bell.oga", false},
        {"/usr/share/sounds/freedesktop/stereo/audio-channel-front-center.oga", true},
        {"/usr/share/sounds/freedesktop/stereo/audio-channel-rear-left.oga", true},
        {"/usr/share/sonic-pi/samples/loop_amen_full.flac", false},
        {"/usr/share/sonic-pi/samples/loop_garzul.flac", false},
        {"/usr/share/sonic-pi/samples/loop_mika.flac", false},
        {"/usr/share/sonic-pi/samples/ambi_choir.flac", false},
        {"/usr/share/sonic-pi/samples/ambi_lunar_land.flac", false},
        {"/usr/share/sonic-pi/samples/guit_em9.flac", false},
        {"/usr/share/sonic-pi/samples/misc_crow.flac", false},
        {"/usr/share/sonic-pi/samples/bass_voxy_c.flac", false},
        {"/usr/share/sonic-pi/samples/vinyl_backspin.flac", false},
    };
    struct vad_model *m = open_weights();
    struct vad *v = open_stream(m);
    int n_found = 0;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        size_t n;
        float peak, *x = read_audio(files[i].path, 60 * SOUND_RATE, &n);
        if (!x) {
            print_message("not installed: %s\n", files[i].path);
            continue;
        }
        double s = speech_s(v, x, n, &peak);
        print_message("%-62s speech %.1f of %.1f s, highest probability %.3f\n", files[i].path, s,
                      (double)n / SOUND_RATE, peak);
        assert_int_equal(s > 0, files[i].speech);
        n_found++;
        free(x);
    }
    vad_close(&v);
    vad_model_close(&m);
    if (!n_found)
        test_skip("neither sound-theme-freedesktop nor sonic-pi-samples is installed");
}

static void test_recorded_speech(void **state)
{
    (void)state;
    static const char *const names[] = {"cards/001.wav",
                                        "cards/005.wav",
                                        "librivox/sense_and_sensibility_01_austen_64kb-0870.wav",
                                        "librivox/sense_and_sensibility_01_austen_64kb-0880.wav",
                                        "librivox/sense_and_sensibility_01_austen_64kb-0890.wav",
                                        "librivox/sense_and_sensibility_01_austen_64kb-0920.wav",
                                        "librivox/sense_and_sensibility_01_austen_64kb-0930.wav"};
    struct vad_model *m = open_weights();
    struct vad *v = open_stream(m);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[TEST_PATH];
        size_t n;
        float peak;
        test_speech(names[i], path);
        float *x = read_audio(path, 60 * SOUND_RATE, &n);
        double s = speech_s(v, x, n, &peak), whole = (double)n / SOUND_RATE;
        print_message("%-60s speech %.1f of %.1f s\n", names[i], s, whole);
        assert_true(s > 0.9 * whole - 0.2); // they begin and end with a breath of silence
        free(x);
    }
    vad_close(&v);
    vad_model_close(&m);
}

/* ---- the weights' file ----------------------------------------------------------------------- */

static void expect_bad(const uint8_t *data, size_t size, const char *part)
{
    struct sotto_diag diag = {0};
    struct vad_model *m = NULL;
    assert_error(vad_model_open_memory(&m, data, size, "weights", &diag), SOTTO_EMODEL, &diag);
    assert_null(m);
    assert_contains(diag.text, "weights");
    assert_contains(diag.text, part);
}

// Replaces the first `from` in the header by `to`, of the same length.
static void patch(uint8_t *data, const char *from, const char *to)
{
    uint8_t *at = memmem(data, 4000, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(to));
}

static void test_bad_weights(void **state)
{
    (void)state;
    static const char *const changes[][3] = {{"conv3.bias", "conv9.bias", "conv3.bias"},
                                             {"[258,1,256]", "[256,1,258]", "stft_conv.weight"},
                                             {"\"F32\"", "\"I32\"", "stft_conv.weight"}};
    char path[TEST_PATH];
    size_t size;
    test_model(weights_name, path);
    uint8_t *data = test_read_file(path, &size), *copy = malloc(size);

    expect_bad(data, 0, "safetensors");
    expect_bad(data, 100, "safetensors");
    expect_bad(data, size - 4, "beyond the end");
    for (int i = 0; i < 3; i++) {
        memcpy(copy, data, size);
        patch(copy, changes[i][0], changes[i][1]);
        expect_bad(copy, size, changes[i][2]);
    }
    memcpy(copy, data, size);
    memset(copy + size - 4, 0xFF, 4); // NaN: final_conv.bias
    expect_bad(copy, size, "final_conv.bias");

    struct sotto_diag diag = {0};
    struct vad_model *m;
    assert_error(vad_model_open(&m, "/nonexistent/vad", &diag), SOTTO_ENOENT, &diag);
    free(copy);
    free(data);
}

// A spectrum that is not the Hann window's cannot be folded: plain C runs.
static void test_other_spectrum(void **state)
{
    (void)state;
    char path[TEST_PATH];
    size_t size;
    uint64_t header;
    test_model(weights_name, path);
    uint8_t *data = test_read_file(path, &size);
    memcpy(&header, data, 8);
    float first = 0.5f;
    memcpy(data + 8 + header, &first, 4);
    struct vad_model *m;
    assert_ok(vad_model_open_memory(&m, data, size, "weights", NULL), NULL);
    assert_string_equal(vad_model_kernels(m), "ref");
    vad_model_close(&m);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_network),  cmocka_unit_test(test_feed_sizes),
        cmocka_unit_test(test_bad_samples),     cmocka_unit_test(test_golden_rule),
        cmocka_unit_test(test_rule_by_hand),    cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_made_sounds),     cmocka_unit_test(test_packaged_sounds),
        cmocka_unit_test(test_recorded_speech), cmocka_unit_test(test_bad_weights),
        cmocka_unit_test(test_other_spectrum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
