/*
 * Reading recordings: samples against formulas and against what the ffmpeg program gave
 * (tests/golden/audio.txt, scripts/corpus_audio.sh), faults, damage, streams, seeking, aborting.
 * `test_audio --dump FILE [START]` writes 16-bit samples to standard output, from second START on, for
 * scripts/compare_ffmpeg.sh and test_seek.sh.
 */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavutil/log.h>
#include <libswresample/swresample.h>

#include "audio/audio.h"
#include "base/mem.h"

#define CORPUS "tests/fuzz/corpus/audio"

static const struct audio_params defaults = {.stream = -1, .channel = -1};
static char dir[TEST_PATH];

/* ---- helpers --------------------------------------------------------------------------------- */

struct wav {
    int format; // 1: integers, 3: floats
    int bits, channels, rate;
};

static void put(uint8_t **p, uint32_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        *(*p)++ = (uint8_t)(value >> 8 * i);
}

/* The 44 bytes before `size` bytes of samples. */
static void wav_header(uint8_t head[44], struct wav w, uint32_t size)
{
    uint8_t *p = head;
    uint32_t frame = (uint32_t)(w.channels * w.bits / 8);

    memcpy(p, "RIFF", 4), p += 4;
    put(&p, size + 36, 4);
    memcpy(p, "WAVEfmt ", 8), p += 8;
    put(&p, 16, 4);
    put(&p, (uint32_t)w.format, 2);
    put(&p, (uint32_t)w.channels, 2);
    put(&p, (uint32_t)w.rate, 4);
    put(&p, (uint32_t)w.rate * frame, 4);
    put(&p, frame, 2);
    put(&p, (uint32_t)w.bits, 2);
    memcpy(p, "data", 4), p += 4;
    put(&p, size, 4);
}

/* Writes a WAV file into the test's folder and returns its path (static, until the next call). */
static const char *write_wav(const char *name, struct wav w, const void *samples, size_t size)
{
    static char path[TEST_PATH + 64];
    uint8_t *file = malloc(44 + size);

    wav_header(file, w, (uint32_t)size);
    memcpy(file + 44, samples, size);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    test_write_file(path, file, 44 + size);
    free(file);
    return path;
}

struct recording {
    float *x;
    size_t n;
    char warning[512]; // "" if none
    double duration_s;
};

static int read_with(const char *path, const struct audio_params *p, size_t piece,
                     struct recording *r, struct sotto_diag *diag)
{
    struct audio *a = NULL;
    size_t n, room = 0;
    int err = audio_open(&a, path, p, diag);

    *r = (struct recording){.duration_s = -1};
    if (err) {
        assert_null(a);
        return err;
    }
    do {
        if (room - r->n < piece)
            r->x = realloc(r->x, (room = 2 * room + piece) * sizeof *r->x);
        n = 0;
        err = audio_read(a, r->x + r->n, piece, &n, diag);
        assert_true(n <= piece);
        r->n += n;
    } while (!err && n > 0);
    if (!err) // the end stays the end
        assert_true(audio_read(a, r->x, 1, &n, diag) == 0 && n == 0);
    if (audio_warning(a))
        snprintf(r->warning, sizeof r->warning, "%s", audio_warning(a));
    r->duration_s = audio_duration_s(a);
    audio_close(&a);
    assert_null(a);
    return err;
}

static struct recording read_all(const char *path, const struct audio_params *p)
{
    struct recording r;
    struct sotto_diag diag = {0};

    assert_ok(read_with(path, p ? p : &defaults, 5000, &r, &diag), &diag);
    return r;
}

static void expect_error(const char *path, const struct audio_params *p, int code, const char *part)
{
    struct recording r;
    struct sotto_diag diag = {0};

    assert_error(read_with(path, p ? p : &defaults, 5000, &r, &diag), code, &diag);
    assert_contains(diag.text, part);
    assert_int_equal(diag.code, code);
    free(r.x);
}

static void expect_tone(const struct recording *r, double hz, double amplitude, size_t edge,
                        double tolerance)
{
    assert_true(r->n > 2 * edge);
    for (size_t i = edge; i < r->n - edge; i++)
        assert_close(r->x[i], amplitude * sin(2 * M_PI * hz * (double)i / AUDIO_RATE), tolerance);
}

/* n frames of a tone, channel c with amplitude[c]. */
static int16_t *make_tone(size_t n, int rate, int channels, double hz, const double *amplitude)
{
    int16_t *x = malloc(n * (size_t)channels * sizeof *x);

    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < channels; c++)
            x[i * (size_t)channels + (size_t)c] =
                (int16_t)lrint(32767 * amplitude[c] * sin(2 * M_PI * hz * (double)i / rate));
    return x;
}

/* ---- samples --------------------------------------------------------------------------------- */

static void test_exact(void **state)
{
    (void)state;
    enum { N = 20000 };
    static const size_t pieces[] = {1, 7, 1000, 100000};
    int16_t x[N];
    uint64_t seed = 1;

    for (int i = 0; i < N; i++)
        x[i] = (int16_t)test_random(&seed);
    x[0] = -32768;
    const char *path = write_wav("exact.wav", (struct wav){1, 16, 1, 16000}, x, sizeof x);
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
        struct recording r;
        assert_ok(read_with(path, &defaults, pieces[k], &r, NULL), NULL);
        assert_int_equal(r.n, N);
        for (int i = 0; i < N; i++)
            assert_true(r.x[i] == (float)x[i] / 32768.0f);
        assert_string_equal(r.warning, "");
        assert_close(r.duration_s, 1.25, 1e-9);
        free(r.x);
    }
}

static void test_rates_and_channels(void **state)
{
    (void)state;
    static const struct wav wavs[] = {
        {1, 16, 2, 16000}, {1, 16, 1, 8000},  {1, 16, 2, 44100}, {1, 16, 1, 48000},
        {1, 16, 6, 22050}, {1, 16, 2, 11025}, {1, 16, 9, 96000}, {1, 16, 1, 192000},
    };
    static const double amplitude[9] = {.3, .3, .3, .3, .3, .3, .3, .3, .3};

    for (size_t k = 0; k < sizeof wavs / sizeof *wavs; k++) {
        struct wav w = wavs[k];
        size_t n = (size_t)w.rate;
        int16_t *x = make_tone(n, w.rate, w.channels, 440, amplitude);
        const char *path = write_wav("tone.wav", w, x, n * (size_t)w.channels * sizeof *x);
        struct recording r = read_all(path, NULL);
        assert_close(r.n, 16000, 1);
        // 5.1 leaves out the low-frequency channel; the others' weights add to one.
        expect_tone(&r, 440, .3, 100, 3e-4);
        free(r.x);
        free(x);
    }
}

/* Each channel by itself, integers and floats, interleaved; and what is not there. */
static void test_channel(void **state)
{
    (void)state;
    static const double amplitude[3] = {0.1, -0.4, 0.8};
    struct audio_params p = defaults;
    int16_t *x = make_tone(8000, 16000, 3, 300, amplitude);
    float *f = malloc(24000 * sizeof *f);

    for (int i = 0; i < 24000; i++)
        f[i] = (float)x[i] / 32768.0f;
    for (p.channel = 0; p.channel < 3; p.channel++)
        for (int k = 0; k < 2; k++) {
            const char *path = k ? write_wav("c.wav", (struct wav){3, 32, 3, 16000}, f, 96000)
                                 : write_wav("c.wav", (struct wav){1, 16, 3, 16000}, x, 48000);
            struct recording r = read_all(path, &p);
            assert_int_equal(r.n, 8000);
            for (size_t i = 0; i < r.n; i++)
                assert_true(r.x[i] == f[3 * i + (size_t)p.channel]);
            free(r.x);
        }
    const char *path = write_wav("c.wav", (struct wav){1, 16, 3, 16000}, x, 48000);
    expect_error(path, &p, SOTTO_EAUDIO, "has no channel 3: it has 3");
    free(x);
    free(f);
}

static void test_not_numbers(void **state)
{
    (void)state;
    enum { N = 4000 };
    float f[N];
    double d[N];

    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < N; i++)
            d[i] = f[i] = 0.25f;
        d[100] = f[100] = NAN;
        d[2000] = f[2000] = INFINITY;
        d[3999] = f[3999] = -INFINITY;
        const char *path = k ? write_wav("n.wav", (struct wav){3, 64, 1, 16000}, d, sizeof d)
                             : write_wav("n.wav", (struct wav){3, 32, 1, 16000}, f, sizeof f);
        struct recording r = read_all(path, NULL);
        assert_int_equal(r.n, N);
        for (int i = 0; i < N; i++)
            assert_true(r.x[i] == (i == 100 || i == 2000 || i == 3999 ? 0.0f : 0.25f));
        assert_contains(r.warning, "3 samples are not numbers");
        free(r.x);
    }
}

/* ---- the corpus ------------------------------------------------------------------------------ */

/* FNV-1a of the samples as 16-bit numbers, as in scripts/corpus_audio.sh. */
static uint32_t hash_samples(const struct recording *r)
{
    uint32_t h = 0x811c9dc5u;

    for (size_t i = 0; i < r->n; i++) {
        uint16_t v = (uint16_t)lrintf(r->x[i] * 32768.0f);
        h = (h ^ (v & 255)) * 0x01000193u;
        h = (h ^ (v >> 8)) * 0x01000193u;
    }
    return h;
}

/* Do the golden hashes hold here? Resamplers of other versions and processors may round otherwise. */
static bool hashes_hold(const char *first_line)
{
    char mine[64];
    unsigned version = swresample_version();
#if defined(__x86_64__)
    const char *machine = "x86_64";
#else
    const char *machine = "other";
#endif
    snprintf(mine, sizeof mine, "# libswresample %u %u %s", version >> 16, version >> 8 & 255,
             machine);
    return strncmp(first_line, mine, strlen(mine)) == 0;
}

/* Bit for bit what the ffmpeg program makes of each file. */
static void test_like_ffmpeg(void **state)
{
    (void)state;
    size_t size;
    char *table = test_read_file("tests/golden/audio.txt", &size), *next = NULL;
    char *line = strtok_r(table, "\n", &next);
    bool exact = hashes_hold(line);
    int n_files = 0;

    if (!exact)
        print_message("another FFmpeg: lengths are compared, hashes are not\n");
    while ((line = strtok_r(NULL, "\n", &next))) {
        char name[128], path[256];
        size_t n;
        unsigned hash;
        assert_int_equal(sscanf(line, "%127s %zu %x", name, &n, &hash), 3);
        snprintf(path, sizeof path, CORPUS "/%s", name);
        struct recording r = read_all(path, NULL);
        if (exact && (r.n != n || hash_samples(&r) != hash))
            fail_msg("%s: %zu samples, hash %08x instead of %zu, %08x", name, r.n, hash_samples(&r),
                     n, hash);
        assert_close(r.n, n, 40);
        free(r.x);
        n_files++;
    }
    assert_true(n_files > 20);
    free(table);
}

static int n_messages; // of FFmpeg, in the test below

static void count_message(void *context, int level, const char *format, va_list args)
{
    (void)context, (void)args;
    if ((level & 255) <= AV_LOG_INFO) {
        print_message("FFmpeg would have printed: %s", format);
        n_messages++;
    }
}

/* ok_*, warn_*, err_*: the outcome is in the name. Nothing is printed for whole files. */
static void test_outcomes(void **state)
{
    (void)state;
    DIR *d = opendir(CORPUS);
    struct dirent *e;
    int n_files = 0;

    assert_non_null(d);
    while ((e = readdir(d))) {
        struct recording r;
        struct sotto_diag diag = {0};
        char path[512];
        bool ok = !strncmp(e->d_name, "ok", 2), warn = !strncmp(e->d_name, "warn_", 5);
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, CORPUS "/%s", e->d_name);
        n_messages = 0;
        if (ok)
            av_log_set_callback(count_message);
        int err = read_with(path, &defaults, 1000, &r, &diag);
        av_log_set_callback(av_log_default_callback);
        assert_error(err, ok || warn ? SOTTO_OK : SOTTO_EAUDIO, &diag);
        if (warn != (r.warning[0] != '\0'))
            fail_msg("%s: warning \"%s\"", e->d_name, r.warning);
        if (err)
            assert_contains(diag.text, path); // the file is named
        assert_int_equal(n_messages, 0);
        free(r.x);
        n_files++;
    }
    closedir(d);
    assert_true(n_files > 30);
}

static void test_corpus_texts(void **state)
{
    (void)state;
    static const struct {
        const char *name, *part;
    } errors[] = {
        {"err_no_sound.mp4", "has no audio track"}, {"err_picture.png", "has no audio track"},
        {"err_text.wav", "not an audio or video"},  {"err_header.wav", "not an audio or video"},
        {"err_playlist.m3u8", "format hls"},        {"err_concat.wav", "format concat"},
    };
    static const char *const cut[] = {"warn_cut.wav", "warn_cut.flac", "warn_cut.mp3",
                                      "warn_cut.ogg", "warn_cut.m4a"};
    char path[512];

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        snprintf(path, sizeof path, CORPUS "/%s", errors[i].name);
        expect_error(path, NULL, SOTTO_EAUDIO, errors[i].part);
    }
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        snprintf(path, sizeof path, CORPUS "/%s", cut[i]);
        struct recording r = read_all(path, NULL);
        assert_true(r.n > 0);
        assert_contains(r.warning, "breaks off");
        free(r.x);
    }
    struct recording r = read_all(CORPUS "/warn_damaged.aac", NULL);
    assert_contains(r.warning, "damaged packets");
    free(r.x);
}

/* A WAV written into a pipe has no length in its header: nothing is missing at its end. */
static void test_unknown_length(void **state)
{
    (void)state;
    static int16_t x[16001];
    uint8_t length[4] = {0xff, 0xff, 0xff, 0xff};

    for (int i = 0; i < 16001; i++)
        x[i] = (int16_t)(i * 37);
    const char *path = write_wav("pipe.wav", (struct wav){1, 16, 1, 16000}, x, sizeof x);
    FILE *f = fopen(path, "r+b");
    for (int at = 4; at <= 40; at += 36) {
        fseek(f, at, SEEK_SET);
        assert_int_equal(fwrite(length, 1, 4, f), 4);
    }
    fclose(f);
    struct recording r = read_all(path, NULL);
    assert_int_equal(r.n, 16001);
    assert_string_equal(r.warning, "");
    free(r.x);
}

/* A video with two audio tracks, 44.1 and 16 kHz: each by its number, and a third. */
static void test_tracks(void **state)
{
    (void)state;
    struct audio_params p = defaults;
    struct recording best = read_all(CORPUS "/ok_video.mkv", NULL), r[2];

    for (p.stream = 0; p.stream < 2; p.stream++)
        r[p.stream] = read_all(CORPUS "/ok_video.mkv", &p);
    assert_int_equal(best.n, r[0].n);
    assert_memory_equal(best.x, r[0].x, best.n * sizeof *best.x);
    assert_true(r[1].n != r[0].n);
    expect_error(CORPUS "/ok_video.mkv", &p, SOTTO_EAUDIO, "has no audio track 2: it has 2");
    free(best.x);
    free(r[0].x);
    free(r[1].x);
}

/* ---- faults ---------------------------------------------------------------------------------- */

static void test_faults(void **state)
{
    (void)state;
    char path[TEST_PATH + 64];

    expect_error("no/such/file.wav", NULL, SOTTO_ENOENT, "no/such/file.wav");
    expect_error("http://127.0.0.1/a.wav", NULL, SOTTO_ENOENT, "http://127.0.0.1/a.wav");
    expect_error("concat:" CORPUS "/ok.aac", NULL, SOTTO_ENOENT, "concat:");
    expect_error(dir, NULL, SOTTO_EAUDIO, "is a folder");
    snprintf(path, sizeof path, "%s/empty.wav", dir);
    test_write_file(path, "", 0);
    expect_error(path, NULL, SOTTO_EAUDIO, "is empty (0 bytes)");
    static const int rates[] = {7, 2000000000}; // would take gigabytes and minutes to resample
    for (int i = 0; i < 2; i++)
        expect_error(write_wav("r.wav", (struct wav){1, 16, 1, rates[i]}, path, 4000), NULL,
                     SOTTO_EAUDIO, "nothing in it can be decoded");
    struct recording r = read_all(CORPUS "/ok_no_samples.wav", NULL); // a valid, silent recording
    assert_int_equal(r.n, 0);
    assert_string_equal(r.warning, "");
    free(r.x);
}

static void test_unreadable(void **state)
{
    (void)state;
    char path[TEST_PATH + 64];

    uid_t user = geteuid();
    snprintf(path, sizeof path, "%s/secret.wav", dir);
    test_write_file(path, "RIFF", 4);
    chmod(path, 0);
    if (user == 0 && seteuid(65534) != 0) // root may read anything: be nobody for a moment
        test_skip("cannot give up being root");
    struct recording r;
    struct sotto_diag diag = {0};
    int err = read_with(path, &defaults, 100, &r, &diag);
    assert_int_equal(seteuid(user), 0);
    assert_error(err, SOTTO_EACCESS, &diag);
    assert_contains(diag.text, path);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    int n_failed = 0;

    for (long n = 0; n < 100; n++) {
        struct recording r;
        struct sotto_diag diag = {0};
        mem_fail_at(n, 0);
        int err = read_with(CORPUS "/ok_stereo.wav", &defaults, 500, &r, &diag);
        mem_fail_at(-1, 0);
        free(r.x);
        if (!err)
            break;
        assert_error(err, SOTTO_ENOMEM, &diag);
        n_failed++;
    }
    assert_in_range(n_failed, 3, 50);
}

/* ---- start, pipes, aborting, length ---------------------------------------------------------- */

/* What comes after start_s is the tail of a whole read, bit for bit: skipped (below 30 s, and from
 * formats that cannot be trusted) or sought. */
static void test_start(void **state)
{
    (void)state;
    static const double starts[] = {0.01, 2.5, 30.0, 33.333};
    enum { RATE = 44100, N = 36 * RATE };
    int16_t *x = malloc(N * sizeof *x);
    uint64_t seed = 2;
    struct audio_params p = defaults;

    for (int i = 0; i < N; i++)
        x[i] = (int16_t)test_random(&seed);
    const char *path = write_wav("long.wav", (struct wav){1, 16, 1, RATE}, x, N * sizeof *x);
    struct recording whole = read_all(path, NULL);
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        size_t skipped = (size_t)lrint(starts[i] * AUDIO_RATE);
        p.start_s = starts[i];
        struct recording r = read_all(path, &p);
        assert_int_equal(r.n, whole.n - skipped);
        assert_memory_equal(r.x, whole.x + skipped, r.n * sizeof *r.x);
        assert_string_equal(r.warning, "");
        free(r.x);
    }
    p.start_s = 1e6; // beyond the end: nothing, and no fault
    struct recording r = read_all(path, &p);
    assert_int_equal(r.n, 0);
    free(r.x);
    free(whole.x);
    free(x);
}

struct feeder {
    int fd;
    const uint8_t *data;
    size_t size;
};

static void *feed(void *arg)
{
    struct feeder *f = arg;

    for (size_t at = 0; at < f->size;) {
        ssize_t n = write(f->fd, f->data + at, f->size - at > 1000 ? 1000 : f->size - at);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    close(f->fd);
    return NULL;
}

/* Puts `fd` in the place of standard input; returns the old one. */
static int replace_stdin(int fd)
{
    int old = dup(STDIN_FILENO);
    dup2(fd, STDIN_FILENO);
    close(fd);
    return old;
}

/* The same file by name, as standard input from a file (from its middle), and through a pipe. */
static void test_standard_input(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = test_read_file(CORPUS "/ok.flac", &size);
    struct recording by_name = read_all(CORPUS "/ok.flac", NULL), r;
    char path[TEST_PATH + 64];
    int ends[2];

    uint8_t *shifted = calloc(1, size + 100);
    memcpy(shifted + 100, file, size);
    snprintf(path, sizeof path, "%s/shifted", dir);
    test_write_file(path, shifted, size + 100);
    int fd = open(path, O_RDONLY);
    lseek(fd, 100, SEEK_SET);
    int old = replace_stdin(fd);
    r = read_all("-", NULL);
    assert_int_equal(r.n, by_name.n);
    assert_memory_equal(r.x, by_name.x, r.n * sizeof *r.x);
    free(r.x);

    assert_int_equal(pipe(ends), 0);
    replace_stdin(ends[0]);
    struct feeder f = {ends[1], file, size};
    pthread_t thread;
    pthread_create(&thread, NULL, feed, &f);
    r = read_all("-", NULL);
    pthread_join(thread, NULL);
    assert_int_equal(r.n, by_name.n);
    assert_memory_equal(r.x, by_name.x, r.n * sizeof *r.x);
    free(r.x);

    replace_stdin(open("/dev/null", O_RDONLY));
    expect_error("-", NULL, SOTTO_EAUDIO, "standard input is empty");
    replace_stdin(old);
    free(by_name.x);
    free(shifted);
    free(file);
}

static bool abort_after(void *user)
{
    return --*(int *)user < 0;
}

static void test_abort(void **state)
{
    (void)state;
    struct audio_params p = defaults;
    int calls, n_aborted = 0, ends[2];
    struct recording r;

    p.should_abort = abort_after;
    p.user = &calls;
    for (int limit = 0; limit < 1000; limit++) { // at every place where it is asked
        struct sotto_diag diag = {0};
        calls = limit;
        int err = read_with(CORPUS "/ok_video.mkv", &p, 500, &r, &diag);
        free(r.x);
        if (!err)
            break;
        assert_error(err, SOTTO_EABORTED, &diag);
        n_aborted++;
    }
    assert_in_range(n_aborted, 5, 999);

    assert_int_equal(pipe(ends), 0); // a pipe from which nothing ever comes
    int old = replace_stdin(ends[0]);
    calls = 3;
    struct sotto_diag diag = {0};
    assert_error(read_with("-", &p, 500, &r, &diag), SOTTO_EABORTED, &diag);
    replace_stdin(old);
    close(ends[1]);
}

static long peak_kb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* Ten hours at 8 kHz, as a file of holes: no more memory than for a minute. */
static void test_ten_hours(void **state)
{
    (void)state;
    enum { PIECE = 16000 };
    struct wav w = {1, 8, 1, 8000}; // 8 bits: holes are full scale, -1
    uint32_t hours = test_sanitized() ? 1 : 10, size = 8000 * 3600 * hours;
    uint8_t head[44];
    char path[TEST_PATH + 64];
    struct audio *a;
    struct sotto_diag diag = {0};
    static float x[PIECE];
    size_t n = 1, total = 0;
    long before = 0;

    wav_header(head, w, size);
    snprintf(path, sizeof path, "%s/hours.wav", dir);
    test_write_file(path, head, sizeof head);
    assert_int_equal(truncate(path, 44 + (off_t)size), 0);
    assert_ok(audio_open(&a, path, &defaults, &diag), &diag);
    assert_close(audio_duration_s(a), 3600.0 * hours, 0.01);
    while (n > 0) {
        assert_ok(audio_read(a, x, PIECE, &n, &diag), &diag);
        total += n;
        if (total == 60 * PIECE)
            before = peak_kb();
    }
    assert_close(total, 2.0 * size, 2);
    assert_null(audio_warning(a));
    audio_close(&a);

    struct audio_params late = defaults; // its last minute is there at once
    late.start_s = 3600.0 * hours - 60;
    int64_t n_bytes = test_bytes_read();
    assert_ok(audio_open(&a, path, &late, &diag), &diag);
    assert_ok(audio_read(a, x, PIECE, &n, &diag), &diag);
    assert_int_equal(n, PIECE);
    assert_in_range(test_bytes_read() - n_bytes, PIECE / 2, 400000);
    audio_close(&a);
    if (!test_sanitized()) // which keeps freed memory for a while
        assert_in_range(peak_kb() - before, 0, 2000);
}

/* ---- main ------------------------------------------------------------------------------------ */

static int make_dir(void **state)
{
    (void)state;
    test_temp_dir(dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    test_temp_dir_remove(dir);
    return 0;
}

static int dump(const char *path, double start_s)
{
    struct recording r;
    struct sotto_diag diag = {0};
    struct audio_params p = defaults;
    p.start_s = start_s;
    int err = read_with(path, &p, 16000, &r, &diag);

    for (size_t i = 0; i < r.n; i++) {
        int16_t v = (int16_t)lrintf(r.x[i] * 32768.0f);
        fwrite(&v, sizeof v, 1, stdout);
    }
    if (err || r.warning[0])
        fprintf(stderr, "%s\n", err ? diag.text : r.warning);
    free(r.x);
    return err != 0;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "--dump") == 0)
        return dump(argv[2], argc > 3 ? atof(argv[3]) : 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),          cmocka_unit_test(test_rates_and_channels),
        cmocka_unit_test(test_channel),        cmocka_unit_test(test_not_numbers),
        cmocka_unit_test(test_like_ffmpeg),    cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_corpus_texts),   cmocka_unit_test(test_tracks),
        cmocka_unit_test(test_unknown_length),
        cmocka_unit_test(test_faults),         cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_out_of_memory),  cmocka_unit_test(test_start),
        cmocka_unit_test(test_standard_input), cmocka_unit_test(test_abort),
        cmocka_unit_test(test_ten_hours),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
