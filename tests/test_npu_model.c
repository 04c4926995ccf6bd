/* The C models of the kernels against mathematics in double precision. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "npu/emu/arith.h"
#include "npu/kernels/model.h"

static uint32_t bits(float f)
{
    uint32_t b;
    memcpy(&b, &f, sizeof b);
    return b;
}

static float real(uint32_t b)
{
    float f;
    memcpy(&f, &b, sizeof f);
    return f;
}

static double bf(uint16_t b)
{
    return real((uint32_t)b << 16);
}

static double normal(uint64_t *seed)
{
    double sum = 0;
    for (int i = 0; i < 12; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(*seed >> 33) / (double)(1u << 31);
    }
    return sum - 6;
}

static uint16_t to_bf16(double x)
{
    return emu_bf16_of_f32(bits((float)x), EMU_ROUND_NEAREST_EVEN);
}

/* ---- products ---- */

static void test_gemm_bf16(void **state)
{
    static uint16_t a[4096], b[4096];
    static uint32_t c[4096], start[4096];
    uint64_t seed = 1;
    double error = 0, norm = 0, bias = 0;
    (void)state;
    for (int i = 0; i < 4096; i++) {
        a[i] = to_bf16(normal(&seed));
        b[i] = to_bf16(normal(&seed));
        c[i] = start[i] = bits((float)normal(&seed));
    }
    kernel_gemm_bf16(a, b, c, c + 2048);
    for (int i = 0; i < 64; i++) {
        for (int j = 0; j < 64; j++) {
            int at = ((j / 16 * 16 + i / 4) * 4 + j / 4 % 4) * 16 + i % 4 * 4 + j % 4;
            double exact = real(start[at]);
            for (int k = 0; k < 64; k++) {
                exact += bf(a[(i / 4 * 8 + k / 8) * 32 + i % 4 * 8 + k % 8]) *
                         bf(b[((j / 16 * 8 + k / 8) * 4 + j / 4 % 4) * 32 + k % 8 * 4 + j % 4]);
            }
            double d = real(c[at]) - exact;
            error += d * d;
            norm += exact * exact;
            bias += d;
        }
    }
    print_message("# gemm bf16: rel. L2 %.2e, mean error %.2e\n", sqrt(error / norm), bias / 4096);
    assert_true(sqrt(error / norm) <= 1e-6);
    assert_true(fabs(bias / 4096) < 1e-4);
}

static void test_gemm_int8(void **state)
{
    static int8_t a[8192], b[8192];
    static int32_t c[4096], start[4096];
    uint64_t seed = 2;
    (void)state;
    for (int i = 0; i < 8192; i++) {
        a[i] = (int8_t)(normal(&seed) * 50);
        b[i] = (int8_t)(normal(&seed) * 50);
    }
    a[0] = b[0] = -128;
    for (int i = 0; i < 4096; i++) {
        c[i] = start[i] = (int32_t)(normal(&seed) * 1e6);
    }
    kernel_gemm_int8(a, b, c, c + 2048);
    for (int i = 0; i < 64; i++) {
        for (int j = 0; j < 64; j++) {
            int at = ((j / 16 * 16 + i / 4) * 2 + j / 8 % 2) * 32 + i % 4 * 8 + j % 8;
            int32_t exact = start[at];
            for (int k = 0; k < 128; k++) {
                exact += a[(i / 4 * 16 + k / 8) * 32 + i % 4 * 8 + k % 8] *
                         b[((j / 16 * 16 + k / 8) * 2 + j / 8 % 2) * 64 + k % 8 * 8 + j % 8];
            }
            assert_int_equal(c[at], exact);
        }
    }
}

/* ---- epilogues ---- */

static unsigned c_index(unsigned t, unsigned f)
{
    return ((f / 16 * 16 + t / 4) * 4 + f / 4 % 4) * 16 + t % 4 * 4 + f % 4;
}

/* A block element where a product expects it. */
static uint16_t a_block(const uint16_t *m, unsigned row, unsigned k)
{
    return m[(row / 4 * 8 + k / 8) * 32 + row % 4 * 8 + k % 8];
}

static uint16_t b_block(const uint16_t *m, unsigned k, unsigned col)
{
    return m[((col / 16 * 8 + k / 8) * 4 + col / 4 % 4) * 32 + k % 8 * 4 + col % 4];
}

static void test_epilogues(void **state)
{
    static uint32_t c[4096];
    static uint16_t residual[4096], bias[128], out[4][4096];
    float plain_bias[64];
    uint64_t seed = 3;
    (void)state;
    for (unsigned i = 0; i < 4096; i++) {
        c[i] = bits((float)normal(&seed));
        residual[i] = to_bf16(normal(&seed));
    }
    for (unsigned f = 0; f < 64; f++) {
        plain_bias[f] = (float)normal(&seed) * 3;
        kernel_epilogue_bias(bits(plain_bias[f]), &bias[f / 4 * 8 + f % 4],
                             &bias[f / 4 * 8 + 4 + f % 4]);
    }
    for (unsigned form = 0; form < 3; form++) {
        kernel_epilogue(c, c + 2048, bias, NULL, form, out[form]);
    }
    kernel_epilogue(c, c + 2048, bias, residual, KERNEL_ROWS, out[3]);
    double worst = 0;
    for (unsigned t = 0; t < 64; t++) {
        for (unsigned f = 0; f < 64; f++) {
            double sum = (double)real(c[c_index(t, f)]) + plain_bias[f];
            uint16_t plain = a_block(out[KERNEL_ROWS], t, f);
            assert_int_equal(b_block(out[KERNEL_COLUMNS], f, t), plain);
            assert_int_equal(a_block(out[KERNEL_TURNED], f, t), plain);
            // Half a unit of bf16, and what the bias loses below 16 bits.
            double limit = fabs(sum) / 256 * 1.0001 + 1e-6 + fabs(plain_bias[f]) * 0x1p-17;
            assert_true(fabs(bf(plain) - sum) <= limit);
            sum += bf(a_block(residual, t, f));
            limit = fabs(sum) / 256 * 1.0001 + 1e-6 + fabs(plain_bias[f]) * 0x1p-17;
            double off = fabs(bf(a_block(out[3], t, f)) - sum);
            assert_true(off <= limit);
            worst = fmax(worst, off);
        }
    }
    assert_true(worst > 0);
}

/* ---- exp2 ---- */

static void test_exp2_codes(void **state)
{
    double worst = 0;
    (void)state;
    // Every code that 16 bits can hold, by the score that gives it; exact at powers of two; monotonic.
    uint32_t k = kernel_exp2_reference(0);
    int previous = -1;
    for (int code = -32768; code < 32768; code++) {
        float x = (float)(code - 127 * 128) / 128;
        int clamped = code < 0 ? 0 : code > 0x7f7f ? 0x7f7f : code;
        assert_int_equal(kernel_exp2_code(bits(x), k), clamped);
        uint16_t value = kernel_exp2_value((uint16_t)clamped);
        assert_true((int)value >= previous);
        previous = value;
        if (code % 128 == 0 && code >= 128 && code < 255 * 128) {
            assert_int_equal(value, code);
        }
        // All scores of this code lie within half a step.
        for (int side = -1; side <= 1 && code >= 128 && code < 254 * 128; side++) {
            double exact = exp2(x + side * 0.5 / 128);
            worst = fmax(worst, fabs(bf(value) / exact - 1));
        }
    }
    print_message("# exp2: rel. error %.4f %%\n", worst * 100);
    assert_true(worst <= 0.0092);
    // Far below: zero; far above, infinite: the largest; minus infinity: zero.
    assert_int_equal(kernel_exp2_value(kernel_exp2_code(bits(-1e4f), k)), 0);
    assert_int_equal(kernel_exp2_value(kernel_exp2_code(bits(-1e9f), k)), 0);
    assert_int_equal(kernel_exp2_value(kernel_exp2_code(bits(-INFINITY), k)), 0);
    assert_int_equal(kernel_exp2_code(bits(INFINITY), k), 0x7f7f);
    assert_int_equal(kernel_exp2_code(bits(1000), k), 0x7f7f);
}

static void test_exp2_scores(void **state)
{
    static uint32_t x[32 * 48], k[16];
    static uint16_t p[32 * 48];
    float m[4];
    uint64_t seed = 4;
    double worst = 0;
    double sums[4] = {0};
    struct kernel_exp2_state st = {0};
    (void)state;
    for (unsigned q = 0; q < 4; q++) {
        m[q] = (float)floor(normal(&seed) * 300) / 128;
    }
    for (unsigned i = 0; i < 16; i++) {
        k[i] = kernel_exp2_reference(m[i % 4]);
    }
    for (unsigned i = 0; i < 32 * 48; i++) {
        double off = normal(&seed) * 30;
        off = off < -126 ? -126 : off > 126.9 ? 126.9 : off;
        x[i] = bits((float)(m[i % 4] + off));
    }
    kernel_exp2(x, k, p, &st, 48);
    for (unsigned i = 0; i < 32 * 48; i++) {
        double exact = exp2((double)real(x[i]) - m[i % 4]);
        worst = fmax(worst, fabs(bf(p[i]) / exact - 1));
        sums[i % 4] += bf(p[i]);
    }
    assert_true(worst <= 0.0092);
    for (unsigned i = 0; i < 16; i++) {
        assert_true(fabs(real(st.sum[i]) / sums[i % 4] - 1) < 1e-5);
    }
    for (unsigned lane = 0; lane < 32; lane++) {
        uint16_t top = 0;
        for (unsigned b = 0; b < 48; b++) {
            uint16_t code = kernel_exp2_code(x[b * 32 + lane], k[lane % 16]);
            top = code > top ? code : top;
        }
        assert_int_equal(st.max[lane], top);
    }
}

/* ---- GELU ---- */

static void test_gelu(void **state)
{
    double worst = 0, at = 0;
    (void)state;
    for (int i = -16 * 8192; i < 16 * 8192; i++) {
        float x = (float)i / 8192;
        double exact = 0.5 * x * erfc(-x / sqrt(2));
        double off = fabs(kernel_gelu_fixed(bits(x)) / 2048.0 - exact);
        if (off > worst) {
            worst = off;
            at = x;
        }
    }
    print_message("# GELU: abs. error %.2e at %g\n", worst, at);
    assert_true(worst <= 9e-4);
    // Saturation on both sides, and the bf16 store.
    assert_int_equal(kernel_gelu_fixed(bits(100)), 32767);
    assert_true(abs(kernel_gelu_fixed(bits(-100))) <= 1);
    uint32_t x[32] = {bits(3), bits(-0.5f)};
    uint16_t out[32];
    kernel_gelu(x, out, 32);
    assert_int_equal(out[0], to_bf16(kernel_gelu_fixed(bits(3)) / 2048.0));
    assert_int_equal(out[1], to_bf16(kernel_gelu_fixed(bits(-0.5f)) / 2048.0));
    assert_int_equal(out[2], to_bf16(kernel_gelu_fixed(0) / 2048.0));
}

/* ---- LayerNorm ---- */

struct errors {
    double squares, norm; // of the tile
    double above; // most that a row's rel. L2 exceeds that of the exact result rounded to bf16
};

static void row_error(const double *row, const double *out, struct errors *e)
{
    double mean = 0, var = 0, error = 0, rounded = 0, norm = 0;
    for (int i = 0; i < 512; i++) {
        mean += row[i] / 512;
    }
    for (int i = 0; i < 512; i++) {
        var += (row[i] - mean) * (row[i] - mean) / 512;
    }
    for (int i = 0; i < 512; i++) {
        double exact = (row[i] - mean) / sqrt(var + 1e-5);
        error += (out[i] - exact) * (out[i] - exact);
        rounded += (bf(to_bf16(exact)) - exact) * (bf(to_bf16(exact)) - exact);
        norm += exact * exact;
    }
    e->squares += error;
    e->norm += norm;
    e->above = fmax(e->above, norm ? (sqrt(error) - sqrt(rounded)) / sqrt(norm) : sqrt(error));
}

/* 8 rows; scale, offset, and how many values are 50 times as large. */
static void layernorm_error(double scale, double offset, unsigned outliers, uint64_t *seed,
                            struct errors *e)
{
    static uint32_t x[2][2048];
    static uint16_t d[2][4096], out[4096];
    static double rows[8][512], result[512];
    for (unsigned r = 0; r < 8; r++) {
        for (unsigned i = 0; i < 512; i++) {
            double v = normal(seed) * scale * (i * 37 % 512 < outliers ? 50 : 1) + offset;
            uint32_t b = bits((float)v);
            rows[r][i] = real(b);
            x[r / 4][i / 4 * 16 + r % 4 * 4 + i % 4] = b;
        }
    }
    kernel_layernorm(x[0], x[1], d[0], d[1], out);
    for (unsigned r = 0; r < 8; r++) {
        for (unsigned i = 0; i < 512; i++) {
            result[i] = bf(out[i / 64 * 512 + r / 4 * 256 + i / 8 % 8 * 32 + r % 4 * 8 + i % 8]);
        }
        row_error(rows[r], result, e);
    }
}

static void test_layernorm(void **state)
{
    static const struct {
        double scale, offset;
        unsigned outliers;
    } cases[] = {{1, 0, 0},    {1, 0, 1},      {1, 0, 2},     {3, 1, 16},    {1, 20, 0},
                 {1e-2, 0, 1}, {1e4, -3e4, 3}, {1e-10, 0, 0}, {1e8, 1e8, 1}, {0, 5, 0}};
    uint64_t seed = 5;
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double worst = 0, above = 0;
        for (int n = 0; n < 12; n++) {
            struct errors e = {0};
            layernorm_error(cases[i].scale, cases[i].offset, cases[i].outliers, &seed, &e);
            worst = fmax(worst, sqrt(e.squares / fmax(e.norm, 1)));
            above = fmax(above, e.above);
        }
        print_message(
            "# LayerNorm, scale %g, mean %g, %u outliers: rel. L2 %.5f, %.5f from storing bf16\n",
            cases[i].scale, cases[i].offset, cases[i].outliers, worst, above);
        assert_true(worst <= 0.0025);
        assert_true(above <= 3e-4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm_bf16),   cmocka_unit_test(test_gemm_int8),
        cmocka_unit_test(test_epilogues),   cmocka_unit_test(test_exp2_codes),
        cmocka_unit_test(test_exp2_scores), cmocka_unit_test(test_gelu),
        cmocka_unit_test(test_layernorm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
