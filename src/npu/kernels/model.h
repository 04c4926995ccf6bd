/*
 * What the kernels of this folder (*.lin) compute, bit for bit, in plain C: the same operations in the same
 * order on arrays laid out as the kernels want them, with the arithmetic of npu/emu/arith.h. The
 * mathematics they approximate, and how well, is tested in tests/test_npu_model.c.
 *
 * fp32 and bf16 values are their bit patterns. Layouts are in bytes at the head of each .lin file; a
 * tile C is given as its two halves, which lie in different banks. Rounding is to nearest even.
 */
#ifndef NPU_KERNELS_MODEL_H
#define NPU_KERNELS_MODEL_H

#include <stdint.h>

/* C += A B, 64x64x64, bf16 and fp32. a: 16 row blocks x 8 k blocks of 4x8; b: 4 strips x 8 k blocks x 4 of
 * 8x4; c0, c1: 2 strips each x 8 row pairs x 2 x 4 blocks of 4x4. */
void kernel_gemm_bf16(const uint16_t a[4096], const uint16_t b[4096], uint32_t c0[2048],
                      uint32_t c1[2048]);

/* C += A B, 64x64x128, int8 and int32 (which wraps). a: 16 row blocks x 16 k blocks of 4x8; b: 4 strips x
 * 16 k blocks x 2 of 8x8; c0, c1: 2 strips each x 8 row pairs x 2 x 2 blocks of 4x8. */
void kernel_gemm_int8(const int8_t a[8192], const int8_t b[8192], int32_t c0[2048],
                      int32_t c1[2048]);

enum kernel_form { KERNEL_ROWS, KERNEL_COLUMNS, KERNEL_TURNED };

/* bf16(C + bias + residual) in one of the forms of epilogue.lin; residual may be NULL. bias: 16 groups of
 * 4 columns, 4 upper and 4 lower parts each. */
void kernel_epilogue(const uint32_t c0[2048], const uint32_t c1[2048], const uint16_t bias[128],
                     const uint16_t *residual, enum kernel_form form, uint16_t out[4096]);
/* The two bf16 parts of a fp32 bias. */
void kernel_epilogue_bias(uint32_t value, uint16_t *upper, uint16_t *lower);

/* GELU (erf form) of n values, n a multiple of 32. */
void kernel_gelu(const uint32_t *x, uint16_t *out, unsigned n);
/* One value before it becomes bf16: GELU(x) * 2048. */
int kernel_gelu_fixed(uint32_t x);

struct kernel_exp2_state {
    uint16_t max[32]; // codes: (x - m + 127) * 128
    uint32_t sum[16]; // 4 rows, all alike, x 4 queries
};

/* 2^(x - m) of blocks of 8 keys x 4 queries. k: kernel_exp2_reference(m) of 4 queries, four times. */
void kernel_exp2(const uint32_t *x, const uint32_t k[16], uint16_t *p,
                 struct kernel_exp2_state *state, unsigned n_blocks);
/* m must be a multiple of 1/128 of at most 4096: then nothing is lost. */
uint32_t kernel_exp2_reference(float m);
/* Code of a score, bf16 of a code. */
uint16_t kernel_exp2_code(uint32_t x, uint32_t k);
uint16_t kernel_exp2_value(uint16_t code);

/* LayerNorm of 8 rows of 512, eps 1e-5, no gain and offset. x0, x1: 4 rows each, 128 blocks of 4x4; d0, d1:
 * scratch; out: as layernorm.lin. */
void kernel_layernorm(const uint32_t x0[2048], const uint32_t x1[2048], uint16_t d0[4096],
                      uint16_t d1[4096], uint16_t out[4096]);

#endif
