/* Products and epilogues; see model.h. */
#include "npu/kernels/model.h"

#include <string.h>

#include "npu/emu/arith.h"

enum { INT8_CONFIG = 0x308 };

void kernel_gemm_bf16(const uint16_t a[4096], const uint16_t b[4096], uint32_t c0[2048],
                      uint32_t c1[2048])
{
    const struct emu_fast *fast = emu_fast();
    for (unsigned strip = 0; strip < 4; strip++) {
        for (unsigned row = 0; row < 16; row++) {
            uint32_t *c = (strip < 2 ? c0 : c1) + (strip % 2 * 16 + row) * 64;
            for (unsigned k = 0; k < 8; k++) {
                for (unsigned col = 0; col < 4; col++) {
                    fast->mac_f32(c + col * 16, c + col * 16, NULL, a + (row * 8 + k) * 32,
                                  b + ((strip * 8 + k) * 4 + col) * 32, EMU_MAC_MATRIX, 0);
                }
            }
        }
    }
}

void kernel_gemm_int8(const int8_t a[8192], const int8_t b[8192], int32_t c0[2048],
                      int32_t c1[2048])
{
    const struct emu_mac_mode *mode = emu_mac_mode(INT8_CONFIG);
    int8_t left[64] = {0}; // an A block is half a register
    for (unsigned strip = 0; strip < 4; strip++) {
        for (unsigned row = 0; row < 16; row++) {
            int32_t *c = (strip < 2 ? c0 : c1) + (strip % 2 * 16 + row) * 64;
            for (unsigned k = 0; k < 16; k++) {
                memcpy(left, a + (row * 16 + k) * 32, 32);
                for (unsigned col = 0; col < 2; col++) {
                    emu_mac_int(c + col * 32, c + col * 32, NULL, left,
                                b + ((strip * 16 + k) * 2 + col) * 64, mode, INT8_CONFIG);
                }
            }
        }
    }
}

/* ---- epilogues ---- */

void kernel_epilogue_bias(uint32_t value, uint16_t *upper, uint16_t *lower)
{
    *upper = emu_bf16_of_f32(value, EMU_ROUND_NEAREST_EVEN);
    uint32_t rest = emu_add_f32(value, emu_f32_of_bf16(*upper), EMU_NEGATE_ACC2);
    *lower = emu_bf16_of_f32(rest, EMU_ROUND_NEAREST_EVEN);
}

enum { ONE = 0x3f80 };

/* One 4x4 block of C with bias and residual, as bf16. col: column block of the strip. */
static void finish(const uint32_t c[16], const uint16_t bias[32], const uint16_t *residual,
                   unsigned col, uint16_t out[16])
{
    uint16_t pick[32] = {0}, identity[32] = {0};
    uint32_t sum[16];
    for (unsigned i = 0; i < 4; i++) {
        pick[i * 8 + 2 * col] = pick[i * 8 + 2 * col + 1] = ONE;
        identity[(i + 4 * (col % 2)) * 4 + i] = ONE;
    }
    emu_mac_f32(sum, c, NULL, pick, bias, EMU_MAC_MATRIX, 0);
    if (residual) {
        emu_mac_f32(sum, sum, NULL, residual, identity, EMU_MAC_MATRIX, 0);
    }
    for (unsigned i = 0; i < 16; i++) {
        out[i] = emu_bf16_of_f32(sum[i], EMU_ROUND_NEAREST_EVEN);
    }
}

/* Index in the result of token t, feature f. */
static unsigned place(enum kernel_form form, unsigned t, unsigned f)
{
    switch (form) {
    case KERNEL_COLUMNS:
        return ((t / 16 * 8 + f / 8) * 4 + t / 4 % 4) * 32 + f % 8 * 4 + t % 4;
    case KERNEL_TURNED:
        return (f / 4 * 8 + t / 8) * 32 + f % 4 * 8 + t % 8;
    case KERNEL_ROWS:
        break;
    }
    return (t / 4 * 8 + f / 8) * 32 + t % 4 * 8 + f % 8;
}

void kernel_epilogue(const uint32_t c0[2048], const uint32_t c1[2048], const uint16_t bias[128],
                     const uint16_t *residual, enum kernel_form form, uint16_t out[4096])
{
    uint16_t block[16];
    for (unsigned b = 0; b < 256; b++) {
        unsigned strip = b / 64, row = b / 4 % 16, col = b % 4;
        const uint32_t *c = (strip < 2 ? c0 : c1) + b % 128 * 16;
        const uint16_t *r = residual ? residual + (row * 8 + strip * 2 + col / 2) * 32 : NULL;
        finish(c, bias + strip * 32, r, col, block);
        for (unsigned i = 0; i < 16; i++) {
            out[place(form, row * 4 + i / 4, strip * 16 + col * 4 + i % 4)] = block[i];
        }
    }
}
