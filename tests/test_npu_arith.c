/*
 * npu/emu arithmetic: captures from a Phoenix NPU replayed bit for bit (data/npu), every rule
 * against a second, simpler way to say it, and the fast versions against the plain ones.
 */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npu/emu/arith.h"

/* The next line of a capture without its comments; false at the end. */
static bool next_line(char **at, char *line, size_t size)
{
    while (**at) {
        size_t n = strcspn(*at, "\n");
        bool comment = **at == '#';
        assert_true(n < size);
        memcpy(line, *at, n);
        line[n] = 0;
        *at += n;
        *at += **at == '\n';
        if (!comment && n)
            return true;
    }
    return false;
}

static uint32_t hex(const char *text, unsigned digits)
{
    char part[9] = {0};
    memcpy(part, text, digits);
    return (uint32_t)strtoul(part, NULL, 16);
}

static uint32_t bits_of(float x)
{
    uint32_t y;
    memcpy(&y, &x, 4);
    return y;
}

static float float_of(uint32_t x)
{
    float y;
    memcpy(&y, &x, 4);
    return y;
}

static void same(const uint32_t *a, const uint32_t *b, unsigned n, const char *what)
{
    for (unsigned i = 0; i < n; i++) {
        if (a[i] != b[i])
            fail_msg("%s, lane %u: %08x, not %08x", what, i, a[i], b[i]);
    }
}

static void test_captured_mac(void **state)
{
    size_t size;
    char *text = test_read_file("tests/data/npu/mac_bf16.csv", &size), *at = text, line[512];
    unsigned tiles = 0;
    (void)state;
    for (; next_line(&at, line, sizeof line); tiles++) {
        uint16_t a[32], b[32];
        uint32_t want[16], got[16], zero[16] = {0};
        for (unsigned i = 0; i < 32; i++) {
            a[i] = (uint16_t)hex(line + 4 * i, 4);
            b[i] = (uint16_t)hex(line + 129 + 4 * i, 4);
        }
        for (unsigned i = 0; i < 16; i++)
            want[i] = hex(line + 258 + 8 * i, 8);
        emu_mac_f32(got, NULL, NULL, a, b, EMU_MAC_MATRIX, 0);
        same(got, want, 16, "mul");
        emu_fast()->mac_f32(got, NULL, NULL, a, b, EMU_MAC_MATRIX, 0);
        same(got, want, 16, "fast mul");
        emu_fast()->mac_f32(got, zero, NULL, a, b, EMU_MAC_MATRIX, 0);
        same(got, want, 16, "mac of 0");
    }
    assert_int_equal(tiles, 54);
    free(text);
}

static void test_captured_conversion(void **state)
{
    static const unsigned modes[] = {0, 1, 2, 3, 8, 9, 10, 11, 12, 13};
    size_t size;
    char *text = test_read_file("tests/data/npu/f32_to_bf16.csv", &size), *at = text, line[512];
    unsigned n = 0;
    (void)state;
    while (next_line(&at, line, sizeof line)) {
        for (unsigned i = 0; i < 10; i++, n++) {
            assert_true(emu_round_defined(modes[i]));
            assert_int_equal(emu_bf16_of_f32(hex(line, 8), modes[i]), hex(line + 9 + 5 * i, 4));
        }
    }
    assert_int_equal(n, 960);
    for (unsigned i = 0, defined = 0; i < 32; i++) {
        defined += emu_round_defined(i);
        assert_true(i < 31 || defined == 10);
    }
    free(text);
}

static void test_captured_shuffles(void **state)
{
    size_t size;
    char *text = test_read_file("tests/data/npu/shuffle.csv", &size), *at = text, line[512];
    uint8_t a[64], b[64], out[64], source[64];
    unsigned n = 0;
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        a[i] = (uint8_t)i;
        b[i] = (uint8_t)(64 + i);
    }
    for (; next_line(&at, line, sizeof line); n++) {
        const char *routes = strchr(line, ',') + 1;
        assert_int_equal(strtoul(line, NULL, 10), n);
        emu_shuffle(out, a, b, n);
        emu_shuffle_bytes(n, source);
        for (unsigned i = 0; i < 64; i++) {
            assert_int_equal(out[i], hex(routes + 2 * i, 2));
            assert_int_equal(source[i], hex(routes + 2 * i, 2));
        }
    }
    assert_int_equal(n, EMU_SHUFFLE_COUNT);
    free(text);
}

/* ---- the multiply-accumulate rule in other words: long doubles on an explicit grid ---- */

static double grid_round(double x, double grid)
{
    return nearbyint(x / grid) * grid;
}

/* The rule for ordinary numbers: sum of terms rounded to 2^-23 of the largest exponent. */
static float mac_in_words(const float *a, const float *b, unsigned n, const float *acc,
                          unsigned n_acc)
{
    int top = -10000, ea, eb;
    for (unsigned i = 0; i < n; i++) {
        if (a[i] != 0 && b[i] != 0) {
            frexpf(a[i], &ea); // 2^(ea - 1) <= |a| < 2^ea
            frexpf(b[i], &eb);
            top = ea + eb - 2 > top ? ea + eb - 2 : top;
        }
    }
    for (unsigned i = 0; i < n_acc; i++) {
        if (acc[i] != 0) {
            frexpf(acc[i], &ea);
            top = ea - 1 > top ? ea - 1 : top;
        }
    }
    double sum = 0, grid = ldexp(1, top - 23);
    for (unsigned i = 0; i < n; i++)
        sum += grid_round((double)a[i] * b[i], grid);
    for (unsigned i = 0; i < n_acc; i++)
        sum += grid_round(acc[i], grid);
    return (float)sum;
}

static void test_mac_rule(void **state)
{
    uint64_t seed = 1;
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        uint16_t a[8], b[8];
        float x[8], y[8], acc[2];
        uint32_t bits[2];
        unsigned spread = 1 + round % 30;
        for (unsigned i = 0; i < 8; i++) {
            a[i] = (uint16_t)((test_random(&seed) & 0x807f) | (127 + test_random(&seed) % spread)
                                                                  << 7);
            b[i] = (uint16_t)((test_random(&seed) & 0x807f) | (120 + test_random(&seed) % spread)
                                                                  << 7);
            x[i] = float_of(emu_f32_of_bf16(a[i]));
            y[i] = float_of(emu_f32_of_bf16(b[i]));
        }
        for (unsigned i = 0; i < 2; i++) {
            bits[i] = (test_random(&seed) & 0x807fffff) | (110 + test_random(&seed) % 40) << 23;
            acc[i] = float_of(bits[i]);
        }
        assert_int_equal(emu_mac_f32_lane(a, b, 8, NULL, NULL, 0),
                         bits_of(mac_in_words(x, y, 8, NULL, 0)));
        assert_int_equal(emu_mac_f32_lane(a, b, 8, bits, NULL, 0),
                         bits_of(mac_in_words(x, y, 8, acc, 1)));
        assert_int_equal(emu_mac_f32_lane(a, b, 8, bits, bits + 1, 0),
                         bits_of(mac_in_words(x, y, 8, acc, 2)));
        acc[1] = -acc[1];
        for (unsigned i = 0; i < 8; i++)
            x[i] = -x[i];
        assert_int_equal(
            emu_mac_f32_lane(a, b, 8, bits, bits + 1, EMU_NEGATE_PRODUCT | EMU_NEGATE_ACC2),
            bits_of(mac_in_words(x, y, 8, acc, 2)));
    }
}

static void test_mac_edges(void **state)
{
    const uint16_t one = 0x3f80, inf = 0x7f80, nan = 0x7fc0, zero = 0, big = 0x7f00, tiny = 0x0001;
    const uint32_t acc_nan = 0x7fc12345, acc_inf = 0x7f800000, minus_inf = 0xff800000;
    const uint32_t denormal = 0x00000001, f_one = 0x3f800000;
    (void)state;
    assert_int_equal(emu_mac_f32_lane(&inf, &one, 1, NULL, NULL, 0), 0x7f800000);
    assert_int_equal(emu_mac_f32_lane(&inf, &one, 1, NULL, NULL, EMU_NEGATE_PRODUCT), 0xff800000);
    assert_int_equal(emu_mac_f32_lane(&inf, &zero, 1, NULL, NULL, 0), 0x7f800001);
    assert_int_equal(emu_mac_f32_lane(&inf, &one, 1, &minus_inf, NULL, 0) & 0x7f800001, 0x7f800001);
    assert_int_equal(emu_mac_f32_lane(&one, &one, 1, &acc_inf, NULL, 0), 0x7f800000);
    assert_int_equal(emu_mac_f32_lane(&zero, &one, 1, &acc_nan, NULL, 0), acc_nan);
    assert_int_equal(emu_mac_f32_lane(&nan, &zero, 1, NULL, NULL, 0), 0x7f800001);
    assert_int_equal(emu_mac_f32_lane(&big, &big, 1, NULL, NULL, 0), 0x7f800000);
    assert_int_equal(emu_mac_f32_lane(&tiny, &tiny, 1, NULL, NULL, 0), 0); // flushed
    assert_int_equal(emu_mac_f32_lane(&tiny, &big, 1, NULL, NULL, 0),      // 2^-133 * 2^127
                     bits_of(ldexpf(1, -6)));
    assert_int_equal(emu_mac_f32_lane(&zero, &zero, 1, &denormal, NULL, 0), 0);
    assert_int_equal(emu_mac_f32_lane(&one, &one, 1, &f_one, NULL, EMU_NEGATE_ACC1), 0);
    assert_int_equal(emu_mac_f32_lane(NULL, NULL, 0, NULL, NULL, 0), 0);

    assert_int_equal(emu_add_f32(acc_inf, minus_inf, 0), 0x7f800001);
    assert_int_equal(emu_add_f32(acc_inf, f_one, 0), acc_inf);
    assert_int_equal(emu_add_f32(acc_inf, f_one, EMU_NEGATE_ACC1), minus_inf);
    assert_int_equal(emu_add_f32(0x7f7fffff, 0x7f7fffff, 0), acc_inf);
    assert_int_equal(emu_add_f32(0x00800000, 0x80800001, 0), 0x80000000); // denormal: zero, signed
    assert_int_equal(emu_add_f32(0x80000000, 0x80000000, 0), 0);
    assert_int_equal(emu_add_f32(0x00400000, 0x00400000, 0), 0x00800000); // denormal inputs count
    // +inf plus a negative NaN shows the mantissas' sum (payload captured: 0xff8c of bf16)
    assert_int_equal(emu_add_f32(0x7f800000, 0xffc60000, 0) >> 16, 0xff8c);
    // 1 + 2^-24 + 2^-24: each aligned and rounded alone
    assert_int_equal(emu_add_f32(f_one, bits_of(ldexpf(1.5f, -24)), 0), f_one + 1);
    assert_int_equal(emu_add_f32(f_one, bits_of(ldexpf(1, -24)), 0), f_one);
    assert_int_equal(emu_add_f32(f_one, bits_of(ldexpf(1, -24)), EMU_NEGATE_ACC2), f_one);
}

/* ---- fast against plain ---- */

/* Numbers of every sort: round decides how often zeros and specials appear and how wide exponents go. */
static uint32_t any_f32(uint64_t *seed, unsigned round)
{
    uint32_t x = test_random(seed), kind = test_random(seed);
    static const uint32_t special[] = {0,          0x80000000, 0x7f800000, 0xff800000,
                                       0x7fc00001, 0x00000001, 0x807fffff, 0x00800000,
                                       0x7f7fffff, 0x7f000000, 0x3f800000};
    if (round % 4 == 1 && kind % 16 == 0)
        return special[kind / 16 % 11];
    if (round % 4 == 2)
        return x; // exponents anywhere
    if (kind % 8 == 0)
        return x & 0x80000000;
    unsigned spread = 1 + round / 4 % 40;
    return (x & 0x807fffff) | (127 - spread / 2 + kind / 8 % spread) << 23;
}

static void test_fast(void **state)
{
    const struct emu_fast *fast = emu_fast();
    unsigned rounds = test_sanitized() ? 20000 : 200000;
    uint64_t seed = 7;
    (void)state;
    for (unsigned round = 0; round < rounds; round++) {
        uint16_t a[32], b[32];
        uint32_t c[16], d[16], plain[16], quick[16];
        for (unsigned i = 0; i < 32; i++) {
            a[i] = (uint16_t)(any_f32(&seed, round) >> 16);
            b[i] = (uint16_t)(any_f32(&seed, round) >> 16);
        }
        for (unsigned i = 0; i < 16; i++) {
            c[i] = any_f32(&seed, round);
            d[i] = any_f32(&seed, round);
        }
        const uint32_t *acc1 = round & 16 ? c : NULL, *acc2 = round & 32 ? d : NULL;
        enum emu_mac_shape shape = round & 64 ? EMU_MAC_MATRIX : EMU_MAC_ELEMENTS;
        unsigned negate = round >> 7 & 7;
        emu_mac_f32(plain, acc1, acc2, a, b, shape, negate);
        fast->mac_f32(quick, acc1, acc2, a, b, shape, negate);
        same(quick, plain, 16, "fast mac");
        emu_plain()->add_f32(plain, c, d, negate);
        fast->add_f32(quick, c, d, negate);
        same(quick, plain, 16, "fast add");
    }
}

/* ---- conversions ---- */

static void test_bf16(void **state)
{
    uint64_t seed = 3;
    (void)state;
    for (unsigned i = 0; i < 65536; i++) {
        uint16_t x = (uint16_t)i;
        for (unsigned mode = 0; mode < 14; mode++) {
            if (emu_round_defined(mode))
                assert_int_equal(emu_bf16_of_f32(emu_f32_of_bf16(x), mode), x);
        }
        uint16_t y = (uint16_t)test_random(&seed);
        float f = float_of(emu_f32_of_bf16(x)), g = float_of(emu_f32_of_bf16(y));
        bool both_zero = f == 0 && g == 0;
        assert_int_equal(emu_less_bf16(x, y), both_zero ? signbit(f) && !signbit(g) : f < g);
        if (isnan(f))
            continue;
        int shift = (int)(test_random(&seed) % 64) - 4;
        double v = floor(ldexp(f, shift));
        int32_t want = v < INT32_MIN ? INT32_MIN : v > INT32_MAX ? INT32_MAX : (int32_t)v;
        assert_int_equal(emu_floor_bf16(x, shift), want);
    }
}

/* The modes as arithmetic on a number with 8 fraction bits. */
static double round_in_words(double x, unsigned mode)
{
    double down = floor(x), up = ceil(x), near = fabs(x - down) < 0.5 ? down : up;
    bool tie = x - down == 0.5;
    switch (mode) {
    case 0:
        return down;
    case 1:
        return up;
    case 2:
        return trunc(x);
    case 3:
        return x < 0 ? down : up;
    case 8:
        return tie ? down : near;
    case 9:
        return tie ? up : near;
    case 10:
        return tie ? trunc(x) : near;
    case 11:
        return tie ? (x < 0 ? down : up) : near;
    case 12:
        return tie ? (fmod(down, 2) == 0 ? down : up) : near;
    default:
        return tie ? (fmod(down, 2) == 0 ? up : down) : near;
    }
}

static void test_srs(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < 14; mode++) {
        for (int x = -1300; emu_round_defined(mode) && x < 1300; x++) {
            for (int shift = -4; shift < 14; shift++) {
                bool overflow = false;
                double want = round_in_words(ldexp(x, -shift), mode);
                assert_true(emu_srs(x, shift, 32, true, 0, mode, &overflow) == (int64_t)want);
                assert_false(overflow);
                int64_t got = emu_srs(x, shift, 8, true, EMU_SATURATE, mode, &overflow);
                assert_true(got == (want < -128 ? -128 : want > 127 ? 127 : want));
                assert_int_equal(overflow, want < -128 || want > 127);
                got = emu_srs(x, shift, 8, true, 3, mode, &overflow);
                assert_true(got == (want < -127 ? -127 : want > 127 ? 127 : want));
                got = emu_srs(x, shift, 8, false, EMU_SATURATE, mode, &overflow);
                assert_true(got == (want < 0 ? 0 : want > 255 ? 255 : want));
                got = emu_srs(x, shift, 8, false, 0, mode, &overflow);
                assert_true(got == ((int64_t)want & 255));
            }
        }
    }
    bool overflow = false;
    assert_true(emu_srs(INT64_MIN, 59, 32, true, 0, EMU_ROUND_FLOOR, &overflow) == -16);
    assert_true(emu_srs(INT64_MIN, 0, 32, true, 1, EMU_ROUND_FLOOR, &overflow) == INT32_MIN);
    assert_true(emu_srs(INT64_MAX, -4, 32, true, 1, EMU_ROUND_FLOOR, &overflow) == INT32_MAX);
    assert_true(emu_srs(INT64_MAX, 59, 32, true, 1, EMU_ROUND_CEIL, &overflow) == 16);
}

static void test_ups_pack(void **state)
{
    bool overflow = false;
    (void)state;
    assert_true(emu_ups(-3, 4, 32, 0, &overflow) == -48);
    assert_true(emu_ups(0x7fff, 16, 32, 0, &overflow) == 0x7fff0000);
    assert_false(overflow);
    assert_true(emu_ups(0x7fff, 17, 32, 0, &overflow) == -131072);
    assert_true(emu_ups(0x7fff, 17, 32, 1, &overflow) == INT32_MAX);
    assert_true(overflow);
    assert_true(emu_ups(-0x8000, 17, 32, 1, &overflow) == INT32_MIN);
    assert_true(emu_ups(-1, 59, 64, 1, &overflow) == -((int64_t)1 << 59));
    assert_true(emu_ups(INT32_MAX, 59, 64, 1, &overflow) == INT64_MAX);
    assert_true(emu_pack(200, 8, true, 0) == -56);
    assert_true(emu_pack(200, 8, true, 1) == 127);
    assert_true(emu_pack(-200, 8, true, 3) == -127);
    assert_true(emu_pack(200, 4, false, 1) == 15);
    assert_true(emu_pack(-1, 8, false, 1) == 0);
}

/* ---- integer multiply-accumulate ---- */

static int64_t element(const uint8_t *v, unsigned i, unsigned bits, bool is_signed)
{
    int64_t x = 0;
    for (unsigned b = 0; b < bits; b++)
        x |= (int64_t)(v[(i * bits + b) / 8] >> ((i * bits + b) % 8) & 1) << b;
    return is_signed && x >> (bits - 1) ? x - ((int64_t)1 << bits) : x;
}

static void test_mac_int(void **state)
{
    uint64_t seed = 11;
    unsigned modes = 0;
    (void)state;
    for (unsigned config = 0; config < 256; config += 2) {
        const struct emu_mac_mode *m = emu_mac_mode(config);
        modes += m != NULL;
        if (!m || m->amode == 2 || m->kind == EMU_MAC_UNMODELLED)
            continue;
        assert_int_equal(m->rows * m->cols * m->channels * m->acc_bits % 512, 0);
        for (unsigned round = 0; round < 64; round++) {
            uint8_t a[64], b[64];
            uint64_t acc1[16], acc2[16], out[16];
            uint32_t word = config | (test_random(&seed) & 0x3f01);
            for (unsigned i = 0; i < 64; i++) {
                a[i] = (uint8_t)test_random(&seed);
                b[i] = (uint8_t)test_random(&seed);
            }
            for (unsigned i = 0; i < 16; i++) {
                acc1[i] = (uint64_t)test_random(&seed) << 32 | test_random(&seed);
                acc2[i] = (uint64_t)test_random(&seed) << 32 | test_random(&seed);
            }
            bool with1 = round & 1, with2 = round & 2;
            emu_mac_int(out, with1 ? acc1 : NULL, with2 ? acc2 : NULL, a, b, m, word);
            unsigned lanes = m->rows * m->cols * m->channels;
            for (unsigned i = 0; i < lanes; i++) {
                unsigned ch = i % m->channels, col = i / m->channels % m->cols;
                unsigned row = i / m->channels / m->cols;
                uint64_t sum = 0, mask = m->acc_bits == 32 ? 0xffffffff : ~(uint64_t)0;
                for (unsigned k = 0; k < m->inner; k++) {
                    unsigned at = m->kind == EMU_MAC_CONVOLUTION ? row + k : row * m->inner + k;
                    sum += (uint64_t)(element(a, at * m->channels + ch, m->a_bits, word >> 9 & 1) *
                                      element(b, (k * m->cols + col) * m->channels + ch, m->b_bits,
                                              word >> 8 & 1));
                }
                sum = word & EMU_MAC_NEGATE_PRODUCT ? -sum : sum;
                uint64_t x =
                    (uint64_t)element((uint8_t *)acc1, i, m->acc_bits == 32 ? 32 : 63, false);
                if (m->acc_bits == 64)
                    x = acc1[i];
                x = word & EMU_MAC_SHIFT16 ? x << 16 : x;
                x = word & EMU_MAC_NEGATE_ACC1 ? -x : x;
                sum += with1 && !(word & EMU_MAC_ZERO_ACC) ? x : 0;
                x = m->acc_bits == 64 ? acc2[i] : (uint64_t)element((uint8_t *)acc2, i, 32, false);
                sum += with2 ? (word & EMU_MAC_NEGATE_ACC2 ? -x : x) : 0;
                uint64_t got =
                    m->acc_bits == 64 ? out[i] : (uint64_t)element((uint8_t *)out, i, 32, false);
                assert_int_equal(got & mask, sum & mask);
            }
        }
    }
    assert_int_equal(modes, 26);
    assert_int_equal(emu_mac_mode(0x308)->rows, 4);
    assert_int_equal(emu_mac_mode(0x1c)->amode, 2);
    assert_null(emu_mac_mode(0x06));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captured_mac),
        cmocka_unit_test(test_captured_conversion),
        cmocka_unit_test(test_captured_shuffles),
        cmocka_unit_test(test_mac_rule),
        cmocka_unit_test(test_mac_edges),
        cmocka_unit_test(test_fast),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_srs),
        cmocka_unit_test(test_ups_pack),
        cmocka_unit_test(test_mac_int),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
