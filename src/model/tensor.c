/*
 * Tensors as they lie in model files: sizes, slices, and their values as fp32. No arithmetic beyond
 * undoing each weight type. Data may start at any address, so it is read with memcpy.
 * Facts: IEEE 754 binary16; bfloat16 is the upper half of binary32; CTranslate2,
 * python/ctranslate2/specs/model_spec.py (int8 and int16: q = round(value * scale)); ggml,
 * ggml-common.h and dequantize_row_* in ggml-quants.c (blocks of 32).
 */
#include "model/tensor.h"

#include <stdbool.h>
#include <string.h>

enum { BLOCK = 32 };

/* One row per weight type: name, elements and bytes of its smallest unit. */
static const struct {
    const char *name;
    uint8_t unit, unit_bytes;
} types[TENSOR_TYPE_COUNT] = {
    // clang-format off
    [TENSOR_F32]  = {"fp32",  1,     4},
    [TENSOR_F16]  = {"fp16",  1,     2},
    [TENSOR_BF16] = {"bf16",  1,     2},
    [TENSOR_I8]   = {"int8",  1,     1},
    [TENSOR_I16]  = {"int16", 1,     2},
    [TENSOR_Q8_0] = {"q8_0",  BLOCK, 2 + 32},         // fp16 scale, 32 int8
    [TENSOR_Q5_0] = {"q5_0",  BLOCK, 2 + 4 + 16},     // fp16 scale, 32 high bits, 32 nibbles
    [TENSOR_Q5_1] = {"q5_1",  BLOCK, 2 + 2 + 4 + 16}, // fp16 scale, fp16 minimum, then as Q5_0
    [TENSOR_Q4_0] = {"q4_0",  BLOCK, 2 + 16},         // fp16 scale, 32 nibbles
    [TENSOR_Q4_1] = {"q4_1",  BLOCK, 2 + 2 + 16},     // fp16 scale, fp16 minimum, 32 nibbles
    // clang-format on
};

const char *tensor_type_name(enum tensor_type type)
{
    return (unsigned)type < TENSOR_TYPE_COUNT ? types[type].name : "unknown";
}

int tensor_type_unit(enum tensor_type type)
{
    return types[type].unit;
}

size_t tensor_n_rows(const struct tensor *t)
{
    size_t n = 1;
    for (int i = 0; i + 1 < t->n_dim; i++)
        n *= (size_t)t->dim[i];
    return n;
}

size_t tensor_n_elements(const struct tensor *t)
{
    return t->n_dim > 0 ? tensor_n_rows(t) * (size_t)t->dim[t->n_dim - 1] : 0;
}

static size_t elements_bytes(enum tensor_type type, size_t n)
{
    return n / types[type].unit * types[type].unit_bytes;
}

size_t tensor_row_bytes(const struct tensor *t)
{
    return t->n_dim > 0 ? elements_bytes(t->type, (size_t)t->dim[t->n_dim - 1]) : 0;
}

struct tensor tensor_slice_rows(const struct tensor *t, size_t row, size_t n_rows)
{
    struct tensor s = *t;
    size_t step = t->n_dim == 1 ? elements_bytes(t->type, row) : row * tensor_row_bytes(t);
    s.data = (const uint8_t *)t->data + step;
    if (t->type == TENSOR_I8 && t->n_dim > 1)
        s.scale = t->scale + row;
    s.dim[0] = (int32_t)n_rows;
    return s;
}

static float as_float(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float f16_value(uint16_t h)
{
    uint32_t magnitude = h & 0x7fffu, sign = (uint32_t)(h & 0x8000u) << 16;
    if (magnitude < 0x0400u) // zero, subnormal
        return h & 0x8000u ? -(float)magnitude * 0x1p-24f : (float)magnitude * 0x1p-24f;
    uint32_t bias = magnitude >= 0x7c00u ? 224u << 23 : 112u << 23; // 15 -> 127; infinity, NaN
    return as_float(sign | ((magnitude << 13) + bias));
}

static uint16_t load_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The bulk of most models, so eight at a time, in the compiler's vectors. Subnormals come from an
 * integer, so that no slow subnormal fp32 arises. Comparisons give all ones or zero. */
enum { LANES = 8 };
typedef uint16_t u16_lanes __attribute__((vector_size(LANES * 2)));
typedef uint32_t u32_lanes __attribute__((vector_size(LANES * 4)));
typedef int32_t i32_lanes __attribute__((vector_size(LANES * 4)));
typedef float f32_lanes __attribute__((vector_size(LANES * 4)));

static void read_f16_lanes(const uint8_t *src, float *dst)
{
    u16_lanes half;
    memcpy(&half, src, sizeof half);
    i32_lanes h = __builtin_convertvector(half, i32_lanes), magnitude = h & 0x7fff;
    u32_lanes is_tiny = (u32_lanes)(magnitude < 0x0400), special = (u32_lanes)(magnitude > 0x7bff);
    u32_lanes bits = ((u32_lanes)magnitude << 13) + (112u << 23) + (special & (112u << 23));
    u32_lanes tiny = (u32_lanes)(__builtin_convertvector(magnitude, f32_lanes) * 0x1p-24f);
    bits = (bits & ~is_tiny) | (tiny & is_tiny) | ((u32_lanes)h & 0x8000u) << 16;
    memcpy(dst, &bits, sizeof bits);
}

static void read_f16(const uint8_t *src, size_t n, float *dst)
{
    size_t i = 0;
    for (; n - i >= LANES; i += LANES)
        read_f16_lanes(src + 2 * i, dst + i);
    for (; i < n; i++)
        dst[i] = f16_value(load_u16(src + 2 * i));
}

static void read_bf16(const uint8_t *src, size_t n, float *dst)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = as_float((uint32_t)load_u16(src + 2 * i) << 16);
}

static void read_i8(const uint8_t *src, size_t n, float scale, float *dst)
{
    float unit = 1.0f / scale;
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(int8_t)src[i] * unit;
}

static void read_i16(const uint8_t *src, size_t n, float scale, float *dst)
{
    float unit = 1.0f / scale;
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(int16_t)load_u16(src + 2 * i) * unit;
}

static void read_q8_0(const uint8_t *src, size_t n, float *dst)
{
    for (; n >= BLOCK; n -= BLOCK, src += 2 + BLOCK, dst += BLOCK) {
        float d = f16_value(load_u16(src));
        for (int i = 0; i < BLOCK; i++)
            dst[i] = (float)(int8_t)src[2 + i] * d;
    }
}

/* Four-bit types: element i and i + 16 share a byte. Without a minimum, code 8 is zero. */
static void read_q4(const uint8_t *src, size_t n, bool has_min, float *dst)
{
    size_t head = has_min ? 4 : 2;
    for (; n >= BLOCK; n -= BLOCK, src += head + BLOCK / 2, dst += BLOCK) {
        float d = f16_value(load_u16(src));
        float m = has_min ? f16_value(load_u16(src + 2)) : 0.0f;
        int zero = has_min ? 0 : 8;
        const uint8_t *q = src + head;
        for (int i = 0; i < BLOCK / 2; i++) {
            dst[i] = (float)((q[i] & 15) - zero) * d + m;
            dst[i + BLOCK / 2] = (float)((q[i] >> 4) - zero) * d + m;
        }
    }
}

/* Five-bit types: as four-bit, and bit i of a 32-bit word is the fifth bit of element i. */
static void read_q5(const uint8_t *src, size_t n, bool has_min, float *dst)
{
    size_t head = has_min ? 4 : 2;
    for (; n >= BLOCK; n -= BLOCK, src += head + 4 + BLOCK / 2, dst += BLOCK) {
        float d = f16_value(load_u16(src));
        float m = has_min ? f16_value(load_u16(src + 2)) : 0.0f;
        int zero = has_min ? 0 : 16;
        uint32_t high;
        memcpy(&high, src + head, sizeof high);
        const uint8_t *q = src + head + 4;
        for (int i = 0; i < BLOCK / 2; i++) {
            int a = (q[i] & 15) | (int)((high >> i & 1) << 4);
            int b = (q[i] >> 4) | (int)((high >> (i + BLOCK / 2) & 1) << 4);
            dst[i] = (float)(a - zero) * d + m;
            dst[i + BLOCK / 2] = (float)(b - zero) * d + m;
        }
    }
}

void tensor_read_rows(const struct tensor *t, size_t row, size_t n_rows, float *dst)
{
    size_t cols = t->n_dim > 0 ? (size_t)t->dim[t->n_dim - 1] : 0, bytes = tensor_row_bytes(t);
    const uint8_t *src = (const uint8_t *)t->data + row * bytes;
    size_t n = n_rows * cols; // a row of blocks is whole, so rows run on without a gap

    switch (t->type) {
    case TENSOR_F32:
        memcpy(dst, src, n * sizeof *dst);
        break;
    case TENSOR_F16:
        read_f16(src, n, dst);
        break;
    case TENSOR_BF16:
        read_bf16(src, n, dst);
        break;
    case TENSOR_I8:
        for (size_t r = 0; r < n_rows; r++)
            read_i8(src + r * bytes, cols, t->scale[row + r], dst + r * cols);
        break;
    case TENSOR_I16:
        read_i16(src, n, t->scale[0], dst);
        break;
    case TENSOR_Q8_0:
        read_q8_0(src, n, dst);
        break;
    case TENSOR_Q5_0:
    case TENSOR_Q5_1:
        read_q5(src, n, t->type == TENSOR_Q5_1, dst);
        break;
    case TENSOR_Q4_0:
    case TENSOR_Q4_1:
        read_q4(src, n, t->type == TENSOR_Q4_1, dst);
        break;
    case TENSOR_TYPE_COUNT:
        break;
    }
}
