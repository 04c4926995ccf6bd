/* Weight types against values worked out from their definitions. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "model/tensor.h"

/* binary16 by its definition, the slow way. */
static float slow_f16(uint16_t h)
{
    int sign = h >> 15 ? -1 : 1, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31)
        return fraction ? NAN : (float)sign * INFINITY;
    if (exponent == 0)
        return (float)sign * ldexpf((float)fraction, -24);
    return (float)sign * ldexpf((float)(1024 + fraction), exponent - 25);
}

static void test_f16_all_values(void **state)
{
    (void)state;
    static uint8_t raw[1 + 2 * 65536];
    static float got[65536];
    for (int i = 0; i < 65536; i++) {
        uint16_t h = (uint16_t)i;
        memcpy(raw + 1 + 2 * i, &h, 2); // odd addresses are allowed
    }
    struct tensor t = {raw + 1, NULL, TENSOR_F16, 1, {65536}};
    tensor_read_rows(&t, 0, 1, got);
    for (int i = 0; i < 65536; i++) {
        float want = slow_f16((uint16_t)i);
        if (isnan(want) ? !isnan(got[i]) : memcmp(&want, &got[i], 4) != 0)
            fail_msg("half %04x: %a, not %a", i, got[i], want);
    }
    // the ends of rows that are no multiple of eight
    for (int n = 1; n < 20; n++) {
        struct tensor part = {raw + 1 + 2 * 15000, NULL, TENSOR_F16, 2, {1, n}};
        float x[21] = {0};
        x[n] = 77;
        tensor_read_rows(&part, 0, 1, x);
        for (int i = 0; i < n; i++)
            assert_close(x[i], slow_f16((uint16_t)(15000 + i)), 0);
        assert_close(x[n], 77, 0);
    }
}

static void test_bf16_f32(void **state)
{
    (void)state;
    uint16_t b[] = {0x3f80, 0xbf80, 0x4049, 0x0001, 0x7f80};
    float f[] = {1, -1, 3.140625f, 0x1p-133f, INFINITY}, got[5];
    struct tensor t = {b, NULL, TENSOR_BF16, 1, {5}};
    tensor_read_rows(&t, 0, 1, got);
    assert_memory_equal(got, f, sizeof f);
    t = (struct tensor){f, NULL, TENSOR_F32, 1, {5}};
    tensor_read_rows(&t, 0, 1, got);
    assert_memory_equal(got, f, sizeof f);
}

static void test_integers(void **state)
{
    (void)state;
    int8_t q[] = {127, -127, 64, 0, 1, -128};
    float scales[] = {254, 0.5f}, got[6];
    struct tensor t = {q, scales, TENSOR_I8, 2, {2, 3}};
    tensor_read_rows(&t, 0, 2, got);
    float want[] = {0.5f, -0.5f, 64 / 254.0f, 0, 2, -256};
    assert_close_array(got, want, 6, 1e-7);
    tensor_read_rows(&t, 1, 1, got);
    assert_close_array(got, want + 3, 3, 0);
    struct tensor second = tensor_slice_rows(&t, 1, 1);
    assert_int_equal(second.dim[0], 1);
    tensor_read_rows(&second, 0, 1, got);
    assert_close_array(got, want + 3, 3, 0);

    int16_t s[] = {1024, -512, 1};
    float one = 1024;
    struct tensor u = {s, &one, TENSOR_I16, 1, {3}};
    tensor_read_rows(&u, 0, 1, got);
    assert_close(got[0], 1, 0);
    assert_close(got[1], -0.5, 0);
    assert_close(got[2], 1 / 1024.0, 0);
}

/* Blocks whose code for element i is a known number, built bit by bit. */
static void check_block(enum tensor_type type, int bits, bool has_min, int zero)
{
    uint8_t raw[64] = {0};
    uint16_t d = 0x3800, m = 0xbc00; // 0.5, -1
    size_t at = 2;
    int code[32];
    for (int i = 0; i < 32; i++)
        code[i] = (i * 7 + 3) & ((1 << bits) - 1);
    memcpy(raw, &d, 2);
    if (has_min) {
        memcpy(raw + 2, &m, 2);
        at = 4;
    }
    if (bits == 5) {
        for (int i = 0; i < 32; i++)
            raw[at + (size_t)i / 8] |= (uint8_t)((code[i] >> 4) << (i % 8));
        at += 4;
    }
    for (int i = 0; i < 16 && bits < 8; i++)
        raw[at + (size_t)i] = (uint8_t)((code[i] & 15) | (code[i + 16] & 15) << 4);
    for (int i = 0; i < 32 && bits == 8; i++)
        raw[at + (size_t)i] = (uint8_t)code[i];
    at += bits == 8 ? 32 : 16;

    struct tensor t = {raw, NULL, type, 2, {1, 32}};
    assert_int_equal(tensor_row_bytes(&t), at);
    assert_int_equal(tensor_type_unit(type), 32);
    float got[32];
    tensor_read_rows(&t, 0, 1, got);
    for (int i = 0; i < 32; i++) {
        int value = bits == 8 ? (int8_t)code[i] : code[i] - zero;
        assert_close(got[i], 0.5 * value + (has_min ? -1 : 0), 0);
    }
}

static void test_blocks(void **state)
{
    (void)state;
    check_block(TENSOR_Q8_0, 8, false, 0);
    check_block(TENSOR_Q5_0, 5, false, 16);
    check_block(TENSOR_Q5_1, 5, true, 0);
    check_block(TENSOR_Q4_0, 4, false, 8);
    check_block(TENSOR_Q4_1, 4, true, 0);
}

static void test_shapes(void **state)
{
    (void)state;
    float x[24], row[4];
    for (int i = 0; i < 24; i++)
        x[i] = (float)i;
    struct tensor t = {x, NULL, TENSOR_F32, 3, {2, 3, 4}};
    assert_int_equal(tensor_n_elements(&t), 24);
    assert_int_equal(tensor_n_rows(&t), 6);
    tensor_read_rows(&t, 5, 1, row);
    assert_close(row[0], 20, 0);
    struct tensor v = {x, NULL, TENSOR_F32, 1, {24}};
    assert_int_equal(tensor_n_rows(&v), 1);
    struct tensor s = tensor_slice_rows(&v, 6, 4);
    tensor_read_rows(&s, 0, 1, row);
    assert_close(row[3], 9, 0);
    assert_string_equal(tensor_type_name(TENSOR_Q5_1), "q5_1");
    assert_string_equal(tensor_type_name(TENSOR_TYPE_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f16_all_values), cmocka_unit_test(test_bf16_f32),
        cmocka_unit_test(test_integers),       cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
