/*
 * Log-mel against values from numpy (scripts/golden_mel.py) and against what is known of it; kernel
 * against kernel is in tests/check/mel.c.
 */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audio/mel.h"
#include "audio/mel_tables.h"
#include "base/cpu.h"
#include "base/mem.h"

enum { N_SAMPLES = 8000, N_FRAMES = 55, MARGIN = MEL_FFT / 2 };

/* The signal of scripts/golden_mel.py, after its reflection and before its silence. */
static float *make_signal(void)
{
    static const int shifts[4] = {0, 6, 11, 0};
    float *x = calloc(MARGIN + N_SAMPLES + 2000, sizeof *x);
    uint32_t phase = 0, noise = 1;

    for (int i = 0; i < N_SAMPLES; i++) {
        phase += 0x00800000u + (uint32_t)i * 0x8000u;
        noise = noise * 1664525u + 1013904223u;
        int q = (int)(phase >> 16) - 32768;
        int arch = q * (32768 - abs(q)) >> 14, hiss = (int)(noise >> 20) - 2048;
        x[MARGIN + i] = (float)((arch + hiss) >> shifts[i * 4 / N_SAMPLES]) / 32768.0f;
    }
    for (int i = 1; i <= MARGIN; i++)
        x[MARGIN - i] = x[MARGIN + i];
    return x;
}

static void test_golden(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = test_read_file("tests/golden/mel.bin", &size);
    uint32_t head[5];

    assert_true(size == 28 + N_FRAMES * (80 + 128) * sizeof(float));
    assert_memory_equal(file, "SOTTOMEL", 8);
    memcpy(head, file + 8, sizeof head);
    assert_int_equal(head[0], 1);
    assert_int_equal(head[1], N_SAMPLES);
    assert_int_equal(head[2], N_FRAMES);

    float *x = make_signal(), *golden = (float *)(file + 28);
    for (int i = 0; i < 2; i++) {
        int n_mels = (int)head[3 + i];
        size_t n = (size_t)(N_FRAMES * n_mels);
        float *got = malloc(n * sizeof *got), max;
        struct mel *m;
        assert_ok(mel_open(&m, n_mels), NULL);
        for (int reference = 0; reference < 2; reference++) {
            mel_log(m, x + MARGIN, N_FRAMES, got, &max, reference);
            mel_normalise(got, n, max);
            assert_close_array(got, golden, n, reference ? 2e-6 : 5e-5);
        }
        mel_close(&m);
        assert_null(m);
        free(got);
        golden += n;
    }
    free(x);
    free(file);
}

/* With every instruction set masked, mel_log is the plain version, bit for bit. */
static void test_plain_machine(void **state)
{
    (void)state;
    float *x = make_signal(), plain[5 * 80], got[5 * 80], a, b;
    struct mel *m;

    assert_ok(mel_open(&m, 80), NULL);
    mel_log(m, x + MARGIN, 5, plain, &a, 1);
    cpu_set_mask(0);
    mel_log(m, x + MARGIN, 5, got, &b, 0);
    cpu_set_mask(~0u);
    assert_memory_equal(plain, got, sizeof got);
    assert_true(a == b);
    mel_close(&m);
    free(x);
}

/* Frames do not know their neighbours: any cut gives the same values. */
static void test_cuts(void **state)
{
    (void)state;
    float *x = make_signal(), whole[N_FRAMES * 80], part[N_FRAMES * 80], max;
    struct mel *m;

    assert_ok(mel_open(&m, 80), NULL);
    mel_log(m, x + MARGIN, N_FRAMES, whole, &max, 0);
    for (int first = 0, n = 1; first < N_FRAMES; first += n, n += 2) {
        if (n > N_FRAMES - first)
            n = N_FRAMES - first;
        mel_log(m, x + MARGIN + first * MEL_HOP, n, part + first * 80, &max, 0);
    }
    assert_memory_equal(whole, part, sizeof whole);
    mel_log(m, x + MARGIN, 0, whole, &max, 0); // no frames: nothing is touched
    assert_true(isinf(max) && max < 0);
    assert_memory_equal(whole, part, sizeof whole);
    mel_close(&m);
    free(x);
}

/* A tone is loudest in the mel whose triangle peaks nearest to it. */
static void test_tones(void **state)
{
    (void)state;
    static const struct {
        double hz;
        int mel;
    } tones[] = {{0, 0}, {200, 4}, {440, 11}, {1000, 26}, {4000, 62}, {7800, 79}};
    float x[2 * MARGIN], out[80], max;
    struct mel *m;

    assert_ok(mel_open(&m, 80), NULL);
    for (size_t i = 0; i < sizeof tones / sizeof *tones; i++) {
        for (int n = 0; n < 2 * MARGIN; n++)
            x[n] = 0.5f * (float)cos(2 * 3.14159265358979 * tones[i].hz / 16000 * n);
        mel_log(m, x + MARGIN, 1, out, &max, 0);
        int loudest = 0;
        for (int k = 1; k < 80; k++)
            loudest = out[k] > out[loudest] ? k : loudest;
        assert_int_equal(loudest, tones[i].mel);
        assert_true(out[loudest] == max);
    }
    mel_close(&m);
}

static void test_filters(void **state)
{
    (void)state;
    // Of openai/whisper's mel_filters.npz: how many weights are not zero, and the first.
    static const struct {
        int n_mels, n_weights;
        double first;
    } expected[] = {{80, 391, 0.02486259}, {128, 394, 0.01237399}};

    for (int i = 0; i < 2; i++) {
        struct mel *m;
        assert_ok(mel_open(&m, expected[i].n_mels), NULL);
        int n = 0;
        for (int k = 0; k < m->n_mels; k++) {
            const struct mel_filter *f = &m->filter[k];
            assert_true(f->count > 0 && f->first >= 0 && f->first + f->count <= MEL_BINS);
            assert_int_equal(f->offset, n);
            n += f->count;
        }
        assert_int_equal(n, expected[i].n_weights);
        assert_close(m->weights[0], expected[i].first, 1e-8);
        mel_close(&m);
    }
}

static void test_normalise(void **state)
{
    (void)state;
    float x[7] = {1.5f, -6.4f, -6.6f, -10.0f, 0.0f, 1.0f, -20.0f};
    const float expected[7] = {1.375f, -0.6f, -0.625f, -0.625f, 1.0f, 1.25f, -0.625f};

    mel_normalise(x, 7, 1.5f);
    assert_close_array(x, expected, 7, 1e-6);
}

static void test_open_fails(void **state)
{
    (void)state;
    struct mel *untouched = (struct mel *)16, *m = untouched;

    assert_error(mel_open(&m, 0), SOTTO_EINVAL, NULL);
    assert_error(mel_open(&m, MEL_MAX + 1), SOTTO_EINVAL, NULL);
    mem_fail_at(0, 0);
    assert_error(mel_open(&m, 80), SOTTO_ENOMEM, NULL);
    mem_fail_at(-1, 0);
    assert_ptr_equal(m, untouched);
    m = NULL;
    mel_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),     cmocka_unit_test(test_plain_machine),
        cmocka_unit_test(test_cuts),       cmocka_unit_test(test_tones),
        cmocka_unit_test(test_filters),    cmocka_unit_test(test_normalise),
        cmocka_unit_test(test_open_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
