/* GELU and exp2 in 16-bit fixed point; see model.h, gelu.lin and exp2.lin. */
#include <string.h>

#include "npu/emu/arith.h"
#include "npu/kernels/model.h"

/* srs of a 32-bit lane with saturation, as the kernels set it. */
static int32_t shifted(uint32_t acc, int shift, bool is_signed)
{
    bool overflow = false;
    int64_t x = emu_srs((int32_t)acc, shift, 16, is_signed, EMU_SATURATE, EMU_ROUND_NEAREST_EVEN,
                        &overflow);
    return is_signed ? (int16_t)x : (int32_t)(uint16_t)x;
}

/* ---- GELU ---- */

enum {
    GELU_MAGIC_A = 0x4288, // bf16 68 and 40: 68^2 + 40^2 = 6224
    GELU_MAGIC_B = 0x4220,
    GELU_MAGIC = 0x45c28000, // bits of 6224.0
    GELU_T_MAX = 7578,
};
/* sqrt(Phi(-t)) by powers of t / 4: Q26, the last Q13. */
static const int32_t gelu_poly[] = {47545690, -75896233, -73906008, 202237279, -12285};

/* The unsigned 16 bits of 16 + GELU(x), Q11. */
static uint32_t gelu_code(uint32_t x)
{
    static const uint16_t magic[2] = {GELU_MAGIC_A, GELU_MAGIC_B};
    uint32_t bits = emu_mac_f32_lane(magic, magic, 2, &x, NULL, 0);
    int32_t fixed = shifted(bits - GELU_MAGIC, 0, true);
    uint32_t t = (uint32_t)(fixed < 0 ? -fixed : fixed);
    t = t < GELU_T_MAX ? t : GELU_T_MAX;
    int32_t p = gelu_poly[4];
    for (unsigned k = 4; k-- > 0;) {
        p = shifted((uint32_t)gelu_poly[k] + (uint32_t)p * t, k ? 13 : 11, true);
    }
    int32_t s = shifted((uint32_t)(p * p), 15, true);
    uint32_t up = (uint32_t)(fixed > 0 ? fixed : 0) + 0x8000;
    return (uint32_t)shifted(up * 0x8000 - (uint32_t)s * t, 15, false);
}

int kernel_gelu_fixed(uint32_t x)
{
    return (int)gelu_code(x) - 32768;
}

void kernel_gelu(const uint32_t *x, uint16_t *out, unsigned n)
{
    static const uint16_t magic[2] = {GELU_MAGIC_A, GELU_MAGIC_B};
    for (unsigned i = 0; i < n; i++) {
        uint32_t y = (GELU_MAGIC & 0xffff0000) | gelu_code(x[i]);
        y = emu_mac_f32_lane(magic, magic, 2, &y, NULL, EMU_NEGATE_PRODUCT);
        out[i] = emu_bf16_of_f32(y, EMU_ROUND_NEAREST_EVEN);
    }
}

/* ---- exp2 ---- */

enum { EXP2_MAGIC_ROOT = 34696, EXP2_MAGIC = EXP2_MAGIC_ROOT * EXP2_MAGIC_ROOT, EXP2_CURVE = 44 };
enum { EXP2_CODE_MAX = 0x7f7f, ONE = 0x3f80 };

uint32_t kernel_exp2_reference(float m)
{
    float magic, k;
    uint32_t bits = EXP2_MAGIC;
    memcpy(&magic, &bits, sizeof magic);
    k = magic + (127.0f - m);
    memcpy(&bits, &k, sizeof bits);
    return bits;
}

uint16_t kernel_exp2_code(uint32_t x, uint32_t k)
{
    uint32_t bits = emu_add_f32(x, k, 0);
    int32_t code = shifted(bits - EXP2_MAGIC, 0, false);
    return (uint16_t)(code < EXP2_CODE_MAX ? code : EXP2_CODE_MAX);
}

uint16_t kernel_exp2_value(uint16_t code)
{
    int32_t f = code & 127;
    int32_t e = shifted((uint32_t)(f * EXP2_CURVE), 0, true);
    return (uint16_t)shifted(((uint32_t)code << 14) - (uint32_t)(e * (127 - f)), 14, false);
}

void kernel_exp2(const uint32_t *x, const uint32_t k[16], uint16_t *p,
                 struct kernel_exp2_state *state, unsigned n_blocks)
{
    uint16_t ones[32];
    for (unsigned i = 0; i < 32; i++) {
        ones[i] = ONE;
    }
    for (unsigned b = 0; b < n_blocks; b++, x += 32, p += 32) {
        for (unsigned i = 0; i < 32; i++) {
            uint16_t code = kernel_exp2_code(x[i], k[i % 16]);
            state->max[i] = code > state->max[i] ? code : state->max[i];
            p[i] = kernel_exp2_value(code);
        }
        emu_mac_f32(state->sum, state->sum, NULL, ones, p, EMU_MAC_MATRIX, 0);
    }
}
