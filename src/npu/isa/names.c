/*
 * Names to numbers: registers, register classes, immediates' ranges, mnemonics.
 * A class is a few ranges of field values (classes.def), so both directions are short searches.
 */
#include "npu/isa/impl.h"

#include <string.h>

enum { RANGES_MAX = 24 };

struct range {
    uint16_t first, step, count; // field values
    int16_t reg, reg_step;
    bool alias;
};

// clang-format off
static const struct {
    uint8_t bits;
    struct range ranges[RANGES_MAX + 1]; // count 0 ends
} classes[ISA_CLASS_COUNT] = {
#define RANGE(first, step, count, reg, reg_step) {first, step, count, ISA_REG_##reg, reg_step, false},
#define ALIAS(first, step, count, reg, reg_step) {first, step, count, ISA_REG_##reg, reg_step, true},
#define CLASS(id, bits, ranges) [ISA_CLASS_##id] = {bits, {ranges}},
#include "npu/isa/classes.def"
};
// clang-format on

int isa_class_decode(unsigned class_id, unsigned value, bool *alias)
{
    for (const struct range *r = classes[class_id].ranges; r->count; r++) {
        unsigned i = (value - r->first) / r->step;
        if (value >= r->first && i < r->count && r->first + i * r->step == value) {
            *alias = r->alias;
            return r->reg + (int)i * r->reg_step;
        }
    }
    return ISA_REG_NONE;
}

int isa_class_encode(unsigned class_id, int reg)
{
    for (const struct range *r = classes[class_id].ranges; r->count; r++) {
        for (unsigned i = 0; i < r->count && !r->alias; i++) {
            if (r->reg + (int)i * r->reg_step == reg) {
                return (int)(r->first + i * r->step);
            }
        }
    }
    return -1;
}

bool isa_reg_in(unsigned class_id, int reg)
{
    return class_id < ISA_CLASS_COUNT && isa_class_encode(class_id, reg) >= 0;
}

static bool same(const char *name, const char *text, size_t length)
{
    return length && name[0] == text[0] && strlen(name) == length &&
           memcmp(name, text, length) == 0;
}

int isa_reg_find(unsigned class_id, const char *text, size_t length)
{
    for (int reg = ISA_REG_NONE + 1; reg < ISA_REG_COUNT; reg++) {
        if (same(isa_reg((unsigned)reg)->text, text, length) && isa_reg_in(class_id, reg)) {
            return reg;
        }
    }
    return ISA_REG_NONE;
}

int isa_reg_parse(const char *text, size_t length)
{
    for (int reg = ISA_REG_NONE + 1; reg < ISA_REG_COUNT; reg++) {
        if (same(isa_reg((unsigned)reg)->text, text, length)) {
            return reg;
        }
    }
    return ISA_REG_NONE;
}

int isa_insn_find(const char *mnemonic, size_t length, int after)
{
    for (int i = after < 0 ? 0 : after + 1; i < ISA_INSN_COUNT; i++) {
        const char *text = isa_insn((unsigned)i)->text;
        if (length && text[0] == mnemonic[0] && strcspn(text, " ") == length &&
            memcmp(text, mnemonic, length) == 0) {
            return i;
        }
    }
    return -1;
}

bool isa_imm_range(const struct isa_operand *operand, int64_t *min, int64_t *max, int64_t *step)
{
    unsigned bits = isa_field_bits(operand);
    int64_t span = (int64_t)1 << bits;
    switch (operand->kind) {
    case ISA_KIND_UIMM:
        *min = 0;
        break;
    case ISA_KIND_SIMM:
        *min = -span / 2;
        break;
    case ISA_KIND_NIMM:
        *min = -span;
        break;
    default:
        return false;
    }
    *max = (*min + span - 1) * operand->scale;
    *min *= operand->scale;
    *step = operand->scale;
    return true;
}
