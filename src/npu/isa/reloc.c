/*
 * Relocations on bytes: which one an operand of a bundle needs, and putting and getting the value. Which
 * rows take a symbol is known here; the pieces are in relocs.def. What a symbol is: npu/asm.
 */
#include "npu/isa/impl.h"

int isa_reloc_operand(unsigned insn)
{
    switch (insn) {
    case ISA_INSN_J_jump_imm:
    case ISA_INSN_JL:
        return 0;
    case ISA_INSN_JZ:
    case ISA_INSN_JNZ:
    case ISA_INSN_MOVA_lda_cg:
    case ISA_INSN_MOVX_alu_cg:
    case ISA_INSN_MOV_mv_cg:
    case ISA_INSN_MOVXM_lng_cg:
        return 1;
    default:
        return -1;
    }
}

static unsigned field_of(unsigned insn)
{
    switch (insn) {
    case ISA_INSN_MOVA_lda_cg:
        return ISA_RELOC_MOVA;
    case ISA_INSN_MOVX_alu_cg:
        return ISA_RELOC_MOVX;
    case ISA_INSN_MOV_mv_cg:
        return ISA_RELOC_MOV;
    case ISA_INSN_MOVXM_lng_cg:
        return ISA_RELOC_MOVXM;
    default:
        return ISA_RELOC_BRANCH;
    }
}

int isa_reloc_find(const struct isa_bundle *bundle, unsigned slot)
{
    const struct isa_format *format = isa_format_of(bundle->slots);
    const struct isa_insn *insn = isa_insn(bundle->op[slot].insn);
    int k = insn ? isa_reloc_operand(bundle->op[slot].insn) : -1;
    if (!format || k < 0 || !(bundle->slots >> slot & 1)) {
        return -1;
    }
    unsigned low = 0;
    for (unsigned i = 0; i < format->count; i++) {
        low = format->slots[i].slot == slot ? format->slots[i].low : low;
    }
    int position = 8 * format->bytes - 1 - (int)low - insn->operands[k].high;
    for (unsigned type = 0; type < ISA_RELOC_COUNT; type++) {
        const struct isa_reloc *r = isa_reloc(type);
        if (r->field == field_of(bundle->op[slot].insn) && r->bytes == format->bytes &&
            r->pieces[0].position == position) {
            return (int)type;
        }
    }
    return -1;
}

int isa_reloc_slot(unsigned type, const struct isa_bundle *bundle)
{
    for (unsigned slot = 0; slot < ISA_SLOT_COUNT; slot++) {
        if ((bundle->slots >> slot & 1) && isa_reloc_find(bundle, slot) == (int)type) {
            return (int)slot;
        }
    }
    return -1;
}

bool isa_reloc_range(unsigned type, int64_t *min, int64_t *max)
{
    const struct isa_reloc *r = isa_reloc(type);
    if (!r) {
        return false;
    }
    int bits = r->pieces[0].high + 1;
    bool whole = r->field == ISA_RELOC_MOVXM || bits == 32; // 32 bits hold either sign
    bool with_sign = r->field != ISA_RELOC_BRANCH && r->field != ISA_RELOC_DATA;
    *min = whole || with_sign ? -((int64_t)1 << (bits - 1)) : 0;
    *max = whole || !with_sign ? ((int64_t)1 << bits) - 1 : ((int64_t)1 << (bits - 1)) - 1;
    return true;
}

/* Bit i of the value is bit result of the bytes; -1: it has no place. */
static int place_of(const struct isa_reloc *r, int i)
{
    for (unsigned p = 0; p < 2 && r->pieces[p].high >= 0; p++) {
        if (i >= r->pieces[p].low && i <= r->pieces[p].high) {
            return 8 * r->bytes - 1 - r->pieces[p].position - (r->pieces[p].high - i);
        }
    }
    return -1;
}

void isa_reloc_put(unsigned type, uint8_t *bytes, uint32_t value)
{
    const struct isa_reloc *r = isa_reloc(type);
    for (int i = 0; r && i < 32; i++) {
        int at = place_of(r, i);
        if (at >= 0) {
            bytes[at / 8] &= (uint8_t) ~(1u << at % 8);
            bytes[at / 8] |= (uint8_t)((value >> i & 1) << at % 8);
        }
    }
}

uint32_t isa_reloc_get(unsigned type, const uint8_t *bytes)
{
    const struct isa_reloc *r = isa_reloc(type);
    uint32_t value = 0;
    for (int i = 0; r && i < 32; i++) {
        int at = place_of(r, i);
        value |= at >= 0 ? (uint32_t)(bytes[at / 8] >> at % 8 & 1) << i : 0;
    }
    return value;
}
