/*
 * Arithmetic of the AIE2 vector unit, bit for bit, as pure functions: the specification of what the
 * emulator computes, and what the kernels' C models are written with. Registers, pipeline and memory
 * are in core.h. How sure each rule is: docs/npu-fidelity.md.
 *
 * Vectors are arrays, element 0 in the lowest bits of the register. f32 and bf16 values are their bit
 * patterns. Outputs may be the same array as an input of the same type, but not overlap it otherwise.
 */
#ifndef NPU_EMU_ARITH_H
#define NPU_EMU_ARITH_H

#include <stdbool.h>
#include <stdint.h>

/* Rounding modes, as in crRnd. 4 to 7, 14 and 15 are reserved. */
enum emu_round {
    EMU_ROUND_FLOOR = 0,
    EMU_ROUND_CEIL = 1,
    EMU_ROUND_TO_ZERO = 2,
    EMU_ROUND_FROM_ZERO = 3,
    EMU_ROUND_NEAREST_DOWN =
        8, // to nearest; ties down, up, to zero, away from zero, to even, to odd
    EMU_ROUND_NEAREST_UP = 9,
    EMU_ROUND_NEAREST_TO_ZERO = 10,
    EMU_ROUND_NEAREST_FROM_ZERO = 11,
    EMU_ROUND_NEAREST_EVEN = 12,
    EMU_ROUND_NEAREST_ODD = 13
};
bool emu_round_defined(unsigned mode);

/* Saturation, as in crSat: bits. SYMMETRIC has no effect alone. */
enum { EMU_SATURATE = 1, EMU_SATURATE_SYMMETRIC = 2 };

/* ---- floats (arith_float.c) ---- */

/* bf16 of a f32. Overflow by rounding gives infinity, denormals are rounded, NaN stays NaN. */
uint16_t emu_bf16_of_f32(uint32_t x, unsigned round);
uint32_t emu_f32_of_bf16(uint16_t x); // exact

/* floor(x * 2^shift) of a bf16, saturated to int32. */
int32_t emu_floor_bf16(uint16_t x, int shift);

/* Order of bf16 numbers by sign and magnitude (-0 < +0); false if either is NaN. */
bool emu_less_bf16(uint16_t a, uint16_t b);

/* What is negated: of vmac.f and its kin, or of vadd.f (ACC1, ACC2). */
enum { EMU_NEGATE_PRODUCT = 1, EMU_NEGATE_ACC1 = 2, EMU_NEGATE_ACC2 = 4 };

/* One lane of the multiply-accumulate unit: n (at most 8) products and up to two accumulators (NULL:
 * none) in one step. All terms are aligned to the largest exponent, each rounded to nearest even
 * at 2^-23 of it, added exactly, and the sum rounded to nearest even. */
uint32_t emu_mac_f32_lane(const uint16_t *a, const uint16_t *b, unsigned n, const uint32_t *acc1,
                          const uint32_t *acc2, unsigned negate);

/* Which products a lane adds. MATRIX: A 4x8 times B 8x4. ELEMENTS: A[i] * B[i] + A[i+16] * B[i+16]. */
enum emu_mac_shape { EMU_MAC_MATRIX, EMU_MAC_ELEMENTS };

/* vmac.f and its kin: out[16] = acc1 + A*B + acc2 with signs; acc1 and acc2 may be NULL. */
void emu_mac_f32(uint32_t *out, const uint32_t *acc1, const uint32_t *acc2, const uint16_t *a,
                 const uint16_t *b, enum emu_mac_shape shape, unsigned negate);

/* vadd.f and its kin, one lane. */
uint32_t emu_add_f32(uint32_t a, uint32_t b, unsigned negate);

/* The same functions by the fastest means of this machine; equal bit for bit. */
struct emu_fast {
    void (*mac_f32)(uint32_t *out, const uint32_t *acc1, const uint32_t *acc2, const uint16_t *a,
                    const uint16_t *b, enum emu_mac_shape shape, unsigned negate);
    void (*add_f32)(uint32_t *out, const uint32_t *a, const uint32_t *b, unsigned negate); // 16
};
const struct emu_fast *emu_fast(void); // looks at the processor: ask once, keep the pointer
const struct emu_fast *emu_plain(void);

/* ---- integers (arith_int.c) ---- */

/* acc / 2^shift, rounded and saturated to `bits`, as its low bits; *overflow is set (never cleared) if
 * it was clamped. shift: -4 to 59; negative multiplies. */
int64_t emu_srs(int64_t acc, int shift, unsigned bits, bool is_signed, unsigned saturate,
                unsigned round, bool *overflow);

/* x * 2^shift (0 to 59) in an accumulator lane of `bits` (32, 64); saturate: bit 0 clamps. */
int64_t emu_ups(int64_t x, int shift, unsigned bits, unsigned saturate, bool *overflow);

/* x as `bits`, clamped as `saturate` says: vpack. */
int64_t emu_pack(int64_t x, unsigned bits, bool is_signed, unsigned saturate);

/* A shape of the integer multiply unit: mac_modes.def. */
enum emu_mac_kind {
    EMU_MAC_PRODUCT,     // A rows x inner, B inner x cols, each element `channels` wide
    EMU_MAC_CONVOLUTION, // A is read at row + k
    EMU_MAC_UNMODELLED   // sparse, complex
};
struct emu_mac_mode {
    uint8_t amode, bmode, variant;
    uint8_t a_bits, b_bits, acc_bits;
    uint8_t rows, inner, cols, channels;
    uint8_t kind; // enum emu_mac_kind
};

/* Fields of the configuration word of the integer multiply unit. */
enum {
    EMU_MAC_ZERO_ACC = 1 << 0,
    EMU_MAC_B_SIGNED = 1 << 8,
    EMU_MAC_A_SIGNED = 1 << 9,
    EMU_MAC_SHIFT16 = 1 << 10,
    EMU_MAC_NEGATE_PRODUCT = 1 << 11,
    EMU_MAC_NEGATE_ACC1 = 1 << 12,
    EMU_MAC_NEGATE_ACC2 = 1 << 13
};
/* The mode of bits 7:1, NULL if there is none. Floating modes too. */
const struct emu_mac_mode *emu_mac_mode(uint32_t config);

/* vmac and its kin, 1024-bit accumulators (NULL: none), 512-bit operands. Of config, the signs, bits
 * 0 and 10 to 13 count; mode is not EMU_MAC_UNMODELLED and its accumulators are integers. */
void emu_mac_int(void *out, const void *acc1, const void *acc2, const void *a, const void *b,
                 const struct emu_mac_mode *mode, uint32_t config);

/* ---- permutations (arith_int.c) ---- */

enum { EMU_SHUFFLE_COUNT = 48 };
/* Source byte of each output byte: 0 to 63 of the first operand, 64 to 127 of the second. */
void emu_shuffle_bytes(unsigned mode, uint8_t source[64]);
void emu_shuffle(uint8_t out[64], const uint8_t a[64], const uint8_t b[64], unsigned mode);

#endif
