/* Inputs, expected results and errors of each kernel: the table behind kernels.h. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "npu/emu/arith.h"
#include "npu/kernels/impl.h"
#include "npu/kernels/model.h"

/* ---- numbers ---- */

static uint32_t random_u32(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 32);
}

/* About normal, sigma 1. */
static float random_normal(uint64_t *seed)
{
    double sum = 0;
    for (int i = 0; i < 12; i++) {
        sum += random_u32(seed) / 4294967296.0;
    }
    return (float)(sum - 6);
}

static uint32_t bits_of(float f)
{
    uint32_t b;
    memcpy(&b, &f, sizeof b);
    return b;
}

static double real(uint32_t b)
{
    float f;
    memcpy(&f, &b, sizeof f);
    return f;
}

static double real_bf16(uint16_t b)
{
    return real((uint32_t)b << 16);
}

static uint32_t edge_f32(uint64_t *seed)
{
    static const float values[] = {0,         -0.0f,     1,       -1,        FLT_MIN, -FLT_MIN,
                                   FLT_MAX,   -FLT_MAX,  1e-45f,  15.99951f, 16,      -16,
                                   -15.9998f, 3.7f,      -3.7f,   6144,      -6200,   -13000,
                                   98304,     -98304,    -130000, -2e5f,     1e30f,   -1e30f,
                                   INFINITY,  -INFINITY, NAN,     0.5f};
    uint32_t r = random_u32(seed);
    if (r % 4 == 0) {
        return random_u32(seed); // any bits
    }
    return r % 4 == 1 ? bits_of(random_normal(seed) * 20)
                      : bits_of(values[r / 4 % (sizeof values / sizeof values[0])]);
}

/* A fp32 value of that kind; the i-th of an array. */
static uint32_t value(enum kernel_input input, unsigned i, float scale, uint64_t *seed,
                      const struct kernel_captures *captures)
{
    switch (input) {
    case KERNEL_EDGE:
        return edge_f32(seed);
    case KERNEL_CAPTURED:
        return captures->f32[i * 7 % captures->n_f32];
    default:
        return bits_of(random_normal(seed) * scale);
    }
}

static uint16_t value_bf16(enum kernel_input input, unsigned i, uint64_t *seed,
                           const struct kernel_captures *captures)
{
    return emu_bf16_of_f32(value(input, i, 1, seed, captures), EMU_ROUND_NEAREST_EVEN);
}

/* ---- memory: aligned to what it is read as ---- */

static void *at(uint8_t *memory, uint32_t address)
{
    return memory + (address & 0xffff);
}

static const void *seen(const uint8_t *memory, uint32_t address)
{
    return memory + (address & 0xffff);
}

static void fill_c(uint8_t *memory, enum kernel_input input, uint64_t *seed,
                   const struct kernel_captures *captures)
{
    for (unsigned i = 0; i < 4096; i++) {
        uint32_t *half = at(memory, i < 2048 ? KERNEL_C0 : KERNEL_C1);
        half[i % 2048] = value(input, i, 4, seed, captures);
    }
}

static double norm_ratio(double error, double norm)
{
    return norm > 0 ? sqrt(error / norm) : sqrt(error);
}

/* ---- gemm bf16 ---- */

static void gemm_bf16_prepare(uint8_t *memory, struct kernel_call *call, enum kernel_input input,
                              uint64_t *seed, const struct kernel_captures *captures)
{
    uint16_t *a = at(memory, KERNEL_TOKENS(call->slot)),
             *b = at(memory, KERNEL_WEIGHTS(call->slot));
    call->p[0] = KERNEL_TOKENS(call->slot);
    call->p[1] = KERNEL_WEIGHTS(call->slot);
    call->p[2] = KERNEL_C0;
    for (unsigned i = 0; i < 4096; i++) {
        bool tiles = input == KERNEL_CAPTURED;
        a[i] = tiles ? captures->a[i / 32 % captures->n_tiles][i % 32]
                     : value_bf16(input, i, seed, captures);
        b[i] = tiles ? captures->b[i / 32 % captures->n_tiles][i % 32]
                     : value_bf16(input, i, seed, captures);
    }
    fill_c(memory, input, seed, captures);
}

static void gemm_bf16_model(uint8_t *memory, const struct kernel_call *call)
{
    kernel_gemm_bf16(at(memory, call->p[0]), at(memory, call->p[1]), at(memory, KERNEL_C0),
                     at(memory, KERNEL_C1));
}

static double gemm_bf16_error(const uint8_t *before, const uint8_t *after,
                              const struct kernel_call *call)
{
    const uint16_t *a = seen(before, call->p[0]), *b = seen(before, call->p[1]);
    double error = 0, norm = 0;
    for (unsigned n = 0; n < 4096; n++) {
        unsigned i = n / 64, j = n % 64;
        unsigned index = ((j / 16 % 2 * 16 + i / 4) * 4 + j / 4 % 4) * 16 + i % 4 * 4 + j % 4;
        uint32_t half = j < 32 ? KERNEL_C0 : KERNEL_C1;
        double exact = real(((const uint32_t *)seen(before, half))[index]);
        for (unsigned k = 0; k < 64; k++) {
            exact += real_bf16(a[(i / 4 * 8 + k / 8) * 32 + i % 4 * 8 + k % 8]) *
                     real_bf16(b[((j / 16 * 8 + k / 8) * 4 + j / 4 % 4) * 32 + k % 8 * 4 + j % 4]);
        }
        double off = real(((const uint32_t *)seen(after, half))[index]) - exact;
        error += off * off;
        norm += exact * exact;
    }
    return norm_ratio(error, norm);
}

/* ---- gemm int8 ---- */

static void gemm_int8_prepare(uint8_t *memory, struct kernel_call *call, enum kernel_input input,
                              uint64_t *seed, const struct kernel_captures *captures)
{
    int8_t *a = at(memory, KERNEL_TOKENS(call->slot)), *b = at(memory, KERNEL_WEIGHTS(call->slot));
    call->p[0] = KERNEL_TOKENS(call->slot);
    call->p[1] = KERNEL_WEIGHTS(call->slot);
    call->p[2] = KERNEL_C0;
    for (unsigned i = 0; i < 8192; i++) {
        uint32_t r = random_u32(seed);
        static const int8_t edges[] = {-128, 127, -127, 0, 1, -1};
        a[i] = input == KERNEL_EDGE ? edges[r % 6] : (int8_t)(r >> 8);
        b[i] = input == KERNEL_EDGE ? edges[r / 6 % 6] : (int8_t)(r >> 16);
        if (input == KERNEL_CAPTURED) { // bytes of the captured operands
            a[i] = ((const int8_t *)captures->a)[i % (captures->n_tiles * 64)];
            b[i] = ((const int8_t *)captures->b)[i % (captures->n_tiles * 64)];
        }
    }
    for (unsigned i = 0; i < 4096; i++) {
        int32_t *half = at(memory, i < 2048 ? KERNEL_C0 : KERNEL_C1);
        half[i % 2048] = (int32_t)random_u32(seed) / (input == KERNEL_EDGE ? 1 : 1024);
    }
}

static void gemm_int8_model(uint8_t *memory, const struct kernel_call *call)
{
    kernel_gemm_int8(at(memory, call->p[0]), at(memory, call->p[1]), at(memory, KERNEL_C0),
                     at(memory, KERNEL_C1));
}

/* Number of wrong sums; they are exact. */
static double gemm_int8_error(const uint8_t *before, const uint8_t *after,
                              const struct kernel_call *call)
{
    const int8_t *a = seen(before, call->p[0]), *b = seen(before, call->p[1]);
    double wrong = 0;
    for (unsigned n = 0; n < 4096; n++) {
        unsigned i = n / 64, j = n % 64;
        unsigned index = ((j / 16 % 2 * 16 + i / 4) * 2 + j / 8 % 2) * 32 + i % 4 * 8 + j % 8;
        uint32_t half = j < 32 ? KERNEL_C0 : KERNEL_C1;
        int64_t exact = ((const int32_t *)seen(before, half))[index];
        for (unsigned k = 0; k < 128; k++) {
            exact += a[(i / 4 * 16 + k / 8) * 32 + i % 4 * 8 + k % 8] *
                     b[((j / 16 * 16 + k / 8) * 2 + j / 8 % 2) * 64 + k % 8 * 8 + j % 8];
        }
        wrong += ((const int32_t *)seen(after, half))[index] != (int32_t)exact;
    }
    return wrong;
}

/* ---- exp2 ---- */

enum { EXP2_BLOCKS = 48, EXP2_SCORES = 1500 };

static void exp2_prepare(uint8_t *memory, struct kernel_call *call, enum kernel_input input,
                         uint64_t *seed, const struct kernel_captures *captures)
{
    uint32_t *x = at(memory, KERNEL_TOKENS(call->slot)), *k = at(memory, KERNEL_CONSTANTS);
    struct kernel_exp2_state *state = at(memory, KERNEL_STATE);
    float m[4];
    *call = (struct kernel_call){
        .p = {KERNEL_TOKENS(call->slot), KERNEL_CONSTANTS, KERNEL_OUT, KERNEL_STATE},
        .r0 = EXP2_BLOCKS,
        .slot = call->slot};
    for (unsigned q = 0; q < 4; q++) {
        m[q] = floorf(random_normal(seed) * 1000) / 128;
    }
    for (unsigned i = 0; i < 16; i++) {
        k[i] = kernel_exp2_reference(m[i % 4]);
    }
    for (unsigned i = 0; i < EXP2_BLOCKS * 32; i++) {
        float off = fmaxf(-125.9f, fminf(random_normal(seed) * 15, 126.9f));
        x[i] =
            input == KERNEL_RANDOM ? bits_of(m[i % 4] + off) : value(input, i, 1, seed, captures);
        if (i >= EXP2_SCORES) {
            x[i] = bits_of(-INFINITY); // padding
        }
    }
    memset(state, 0, sizeof *state);
    for (unsigned i = 0; i < 32 && input != KERNEL_RANDOM; i++) {
        state->max[i] = (uint16_t)(random_u32(seed) % 0x7f80);
        state->sum[i % 16] = value(input, i, 1, seed, captures);
    }
}

static void exp2_model(uint8_t *memory, const struct kernel_call *call)
{
    kernel_exp2(at(memory, call->p[0]), at(memory, call->p[1]), at(memory, call->p[2]),
                at(memory, call->p[3]), call->r0);
}

static double exp2_error(const uint8_t *before, const uint8_t *after,
                         const struct kernel_call *call)
{
    const uint32_t *x = seen(before, call->p[0]), *k = seen(before, call->p[1]);
    const uint16_t *p = seen(after, call->p[2]);
    double worst = 0, origin = real(kernel_exp2_reference(0));
    for (unsigned i = 0; i < EXP2_SCORES; i++) {
        double exact = exp2(real(x[i]) + real(k[i % 16]) - origin);
        worst = fmax(worst, fabs(real_bf16(p[i]) / exact - 1));
    }
    return worst;
}

/* ---- GELU ---- */

enum { GELU_VALUES = 2048 };

static void gelu_prepare(uint8_t *memory, struct kernel_call *call, enum kernel_input input,
                         uint64_t *seed, const struct kernel_captures *captures)
{
    uint32_t *x = at(memory, KERNEL_C0);
    call->p[0] = KERNEL_C0;
    call->p[1] = KERNEL_OUT;
    for (unsigned i = 0; i < GELU_VALUES; i++) {
        x[i] = value(input, i, 2.5f, seed, captures);
    }
}

static void gelu_model(uint8_t *memory, const struct kernel_call *call)
{
    kernel_gelu(at(memory, call->p[0]), at(memory, call->p[1]), GELU_VALUES);
}

/* The result before its bf16 store is known from the model, which it equals. */
static double gelu_error(const uint8_t *before, const uint8_t *after,
                         const struct kernel_call *call)
{
    const uint32_t *x = seen(before, call->p[0]);
    double worst = 0;
    (void)after;
    for (unsigned i = 0; i < GELU_VALUES; i++) {
        double v = real(x[i]), exact = 0.5 * v * erfc(-v / sqrt(2));
        worst = fmax(worst, fabs(kernel_gelu_fixed(x[i]) / 2048.0 - exact));
    }
    return worst;
}

/* ---- LayerNorm ---- */

static void layernorm_prepare(uint8_t *memory, struct kernel_call *call, enum kernel_input input,
                              uint64_t *seed, const struct kernel_captures *captures)
{
    *call = (struct kernel_call){.p = {KERNEL_WEIGHTS(0), KERNEL_WEIGHTS(1), KERNEL_C0, KERNEL_OUT},
                                 .r0 = 0,
                                 .slot = call->slot};
    for (unsigned i = 0; i < 4096; i++) {
        uint32_t *x = at(memory, KERNEL_WEIGHTS(i / 2048));
        // Eight columns are 50 times as large.
        bool large = i / 16 % 16 == 3;
        x[i % 2048] = value(input, i, large ? 50 : 1, seed, captures);
    }
}

static void layernorm_model(uint8_t *memory, const struct kernel_call *call)
{
    (void)call;
    kernel_layernorm(at(memory, KERNEL_WEIGHTS(0)), at(memory, KERNEL_WEIGHTS(1)),
                     at(memory, KERNEL_C0), at(memory, KERNEL_C1), at(memory, KERNEL_OUT));
}

static double layernorm_error(const uint8_t *before, const uint8_t *after,
                              const struct kernel_call *call)
{
    const uint16_t *out = seen(after, KERNEL_OUT);
    double error = 0, norm = 0;
    (void)call;
    for (unsigned r = 0; r < 8; r++) {
        const uint32_t *x = seen(before, KERNEL_WEIGHTS(r / 4));
        double mean = 0, var = 0;
        for (unsigned i = 0; i < 512; i++) {
            mean += real(x[i / 4 * 16 + r % 4 * 4 + i % 4]) / 512;
        }
        for (unsigned i = 0; i < 512; i++) {
            double d = real(x[i / 4 * 16 + r % 4 * 4 + i % 4]) - mean;
            var += d * d / 512;
        }
        for (unsigned i = 0; i < 512; i++) {
            double exact = (real(x[i / 4 * 16 + r % 4 * 4 + i % 4]) - mean) / sqrt(var + 1e-5);
            unsigned index = i / 64 * 512 + r / 4 * 256 + i / 8 % 8 * 32 + r % 4 * 8 + i % 8;
            double off = real_bf16(out[index]) - exact;
            error += off * off;
            norm += exact * exact;
        }
    }
    return norm_ratio(error, norm);
}

/* ---- epilogues ---- */

static void epilogue_prepare(uint8_t *memory, struct kernel_call *call, enum kernel_input input,
                             uint64_t *seed, const struct kernel_captures *captures)
{
    uint16_t *bias = at(memory, KERNEL_BIAS), *residual = at(memory, KERNEL_WEIGHTS(call->slot));
    *call =
        (struct kernel_call){.p = {KERNEL_C0, KERNEL_BIAS, KERNEL_OUT, KERNEL_WEIGHTS(call->slot)},
                             .r0 = 0,
                             .slot = call->slot};
    fill_c(memory, input, seed, captures);
    for (unsigned f = 0; f < 64; f++) {
        kernel_epilogue_bias(value(input, f, 1, seed, captures), &bias[f / 4 * 8 + f % 4],
                             &bias[f / 4 * 8 + 4 + f % 4]);
    }
    for (unsigned i = 0; i < 4096; i++) {
        residual[i] = value_bf16(input, i, seed, captures);
    }
}

static void epilogue(uint8_t *memory, const struct kernel_call *call, enum kernel_form form,
                     bool residual)
{
    kernel_epilogue(at(memory, KERNEL_C0), at(memory, KERNEL_C1), at(memory, call->p[1]),
                    residual ? at(memory, call->p[3]) : NULL, form, at(memory, call->p[2]));
}

static void rows_model(uint8_t *memory, const struct kernel_call *call)
{
    epilogue(memory, call, KERNEL_ROWS, false);
}

static void columns_model(uint8_t *memory, const struct kernel_call *call)
{
    epilogue(memory, call, KERNEL_COLUMNS, false);
}

static void turned_model(uint8_t *memory, const struct kernel_call *call)
{
    epilogue(memory, call, KERNEL_TURNED, false);
}

static void residual_model(uint8_t *memory, const struct kernel_call *call)
{
    epilogue(memory, call, KERNEL_ROWS, true);
}

/* Token t, feature f of the result. */
static double result(const uint16_t *out, enum kernel_form form, unsigned t, unsigned f)
{
    unsigned index = form == KERNEL_ROWS ? (t / 4 * 8 + f / 8) * 32 + t % 4 * 8 + f % 8
                     : form == KERNEL_COLUMNS
                         ? ((t / 16 * 8 + f / 8) * 4 + t / 4 % 4) * 32 + f % 8 * 4 + t % 4
                         : (f / 4 * 8 + t / 8) * 32 + f % 4 * 8 + t % 8;
    return real_bf16(out[index]);
}

static double epilogue_error(const uint8_t *before, const uint8_t *after,
                             const struct kernel_call *call, enum kernel_form form, bool residual)
{
    const uint16_t *bias = seen(before, call->p[1]), *r = seen(before, call->p[3]);
    const uint16_t *out = seen(after, call->p[2]);
    double error = 0, norm = 0;
    for (unsigned n = 0; n < 4096; n++) {
        unsigned t = n / 64, f = n % 64;
        const uint32_t *c = seen(before, f < 32 ? KERNEL_C0 : KERNEL_C1);
        double exact =
            real(c[((f / 16 % 2 * 16 + t / 4) * 4 + f / 4 % 4) * 16 + t % 4 * 4 + f % 4]);
        exact += real_bf16(bias[f / 4 * 8 + f % 4]) + real_bf16(bias[f / 4 * 8 + 4 + f % 4]);
        exact += residual ? result(r, KERNEL_ROWS, t, f) : 0;
        double off = result(out, form, t, f) - exact;
        error += off * off;
        norm += exact * exact;
    }
    return norm_ratio(error, norm);
}

static double rows_error(const uint8_t *b, const uint8_t *a, const struct kernel_call *call)
{
    return epilogue_error(b, a, call, KERNEL_ROWS, false);
}

static double columns_error(const uint8_t *b, const uint8_t *a, const struct kernel_call *call)
{
    return epilogue_error(b, a, call, KERNEL_COLUMNS, false);
}

static double turned_error(const uint8_t *b, const uint8_t *a, const struct kernel_call *call)
{
    return epilogue_error(b, a, call, KERNEL_TURNED, false);
}

static double residual_error(const uint8_t *b, const uint8_t *a, const struct kernel_call *call)
{
    return epilogue_error(b, a, call, KERNEL_ROWS, true);
}

/* ---- the table ---- */

// clang-format off
static const struct kernel kernels[] = {
    {"gemm_bf16_64x64x64", "64x64x64", 0, 64 * 64 * 64, 128, 2330, 2150, "rel. L2", 1e-6,
     gemm_bf16_prepare, gemm_bf16_model, gemm_bf16_error},
    {"gemm_int8_64x64x128", "64x64x128", 0, 64 * 64 * 128, 256, 2500, 2200, "wrong sums", 0,
     gemm_int8_prepare, gemm_int8_model, gemm_int8_error},
    {"exp2", "1500 scores", EXP2_SCORES, 0, 0, 0.34, 0.27, "rel.", 0.0092,
     exp2_prepare, exp2_model, exp2_error},
    {"gelu", "2048", GELU_VALUES, 0, 0, 0.9, 0.55, "abs.", 9e-4,
     gelu_prepare, gelu_model, gelu_error},
    {"layernorm_8x512", "8 rows of 512", 4096, 0, 0, 0.8, 0.5, "rel. L2", 0.0025,
     layernorm_prepare, layernorm_model, layernorm_error},
    {"epilogue_rows", "64x64", 4096, 0, 0, 0.2, 0.16, "rel. L2", 0.0020,
     epilogue_prepare, rows_model, rows_error},
    {"epilogue_columns", "64x64", 4096, 0, 0, 0.2, 0.16, "rel. L2", 0.0020,
     epilogue_prepare, columns_model, columns_error},
    {"epilogue_turned", "64x64", 4096, 0, 0, 0.2, 0.16, "rel. L2", 0.0020,
     epilogue_prepare, turned_model, turned_error},
    {"epilogue_residual", "64x64", 4096, 0, 0, 0.2, 0.16, "rel. L2", 0.0020,
     epilogue_prepare, residual_model, residual_error},
};
// clang-format on

unsigned kernel_count(void)
{
    return sizeof kernels / sizeof kernels[0];
}

const struct kernel *kernel_at(unsigned i)
{
    return i < kernel_count() ? &kernels[i] : NULL;
}

void kernel_prepare(const struct kernel *k, uint8_t memory[EMU_MEMORY_BYTES],
                    struct kernel_call *call, enum kernel_input input, uint64_t seed, unsigned slot,
                    const struct kernel_captures *captures)
{
    for (unsigned i = 0; i < EMU_MEMORY_BYTES; i++) {
        memory[i] = (uint8_t)random_u32(&seed);
    }
    *call = (struct kernel_call){.slot = slot};
    k->prepare(memory, call, input, &seed, captures);
}

void kernel_model(const struct kernel *k, uint8_t memory[EMU_MEMORY_BYTES],
                  const struct kernel_call *call)
{
    k->model(memory, call);
}
