/*
 * Encode and decode: the only place that moves bits. A bundle is a little-endian number of up to 128
 * bits; its lowest bits give the length (Xilinx/llvm-aie, AIE2Disassembler.cpp), the select bits of a
 * row of formats.def the slots, and mask, value and valid registers of a row the instruction.
 */
#include "npu/isa/impl.h"

#include <string.h>

#include "base/error.h"

typedef unsigned __int128 bits128;

enum { NO_BIT = 255 };

unsigned isa_field_bits(const struct isa_operand *operand)
{
    if (operand->high == NO_BIT || operand->kind == ISA_KIND_END) {
        return 0;
    }
    unsigned n = operand->high - operand->low + 1u;
    return operand->high2 == NO_BIT ? n : n + operand->high2 - operand->low2 + 1u;
}

static uint64_t ones(unsigned n)
{
    return ((uint64_t)1 << n) - 1; // n < 64
}

/* ---- one slot ---- */

static uint64_t field_get(const struct isa_operand *operand, uint64_t word)
{
    uint64_t v = word >> operand->low & ones(operand->high - operand->low + 1u);
    if (operand->high2 == NO_BIT) {
        return v;
    }
    unsigned n = operand->high2 - operand->low2 + 1u;
    return v << n | (word >> operand->low2 & ones(n));
}

static uint64_t field_put(const struct isa_operand *operand, uint64_t v)
{
    if (operand->high2 == NO_BIT) {
        return v << operand->low;
    }
    unsigned n = operand->high2 - operand->low2 + 1u;
    return v >> n << operand->low | (v & ones(n)) << operand->low2;
}

/* Value of an operand from its field; false: the field names no register. */
static bool operand_decode(const struct isa_operand *operand, uint64_t word, int32_t *value,
                           bool *alias)
{
    unsigned bits = isa_field_bits(operand);
    *alias = false;
    if (!bits) {
        *value = 0;
        return true;
    }
    int64_t v = (int64_t)field_get(operand, word);
    if (operand->kind == ISA_KIND_REG) {
        *value = isa_class_decode(operand->name, (unsigned)v, alias);
        return *value != ISA_REG_NONE;
    }
    int64_t span = (int64_t)1 << bits;
    if (operand->kind == ISA_KIND_NIMM || (operand->kind == ISA_KIND_SIMM && v >= span / 2)) {
        v -= span;
    }
    *value = (int32_t)(v * operand->scale);
    return true;
}

/* Every bit of the word that the row gives a meaning. */
static uint64_t insn_bits(const struct isa_insn *insn)
{
    uint64_t used = insn->mask;
    for (const struct isa_operand *o = insn->operands; o->kind; o++) {
        unsigned bits = isa_field_bits(o);
        used |= bits ? field_put(o, ones(bits)) : 0;
    }
    return used;
}

static bool insn_decode(unsigned id, uint64_t word, struct isa_op *op, bool *canonical)
{
    const struct isa_insn *insn = isa_insn(id);
    if ((word & insn->mask) != insn->value) {
        return false;
    }
    memset(op, 0, sizeof *op);
    op->insn = (uint16_t)id;
    *canonical = (word & ~insn_bits(insn)) == 0;
    for (unsigned k = 0; insn->operands[k].kind; k++) {
        bool alias;
        if (!operand_decode(&insn->operands[k], word, &op->value[k], &alias)) {
            return false;
        }
        *canonical = *canonical && !alias;
    }
    return true;
}

bool isa_insn_matches(unsigned id, uint64_t word)
{
    struct isa_op op;
    bool canonical;
    return isa_insn(id) && insn_decode(id, word, &op, &canonical);
}

int isa_op_decode(unsigned slot, uint64_t word, struct isa_op *op, bool *canonical)
{
    if (slot >= ISA_SLOT_COUNT || word >> isa_slot_bits(slot)) {
        return SOTTO_EINVAL;
    }
    unsigned first, end;
    isa_slot_rows(slot, &first, &end);
    for (unsigned id = first; id < end; id++) {
        struct isa_op found;
        bool exact;
        if (insn_decode(id, word, &found, &exact)) {
            *op = found;
            if (canonical) {
                *canonical = exact;
            }
            return SOTTO_OK;
        }
    }
    return SOTTO_EUNSUPPORTED;
}

static int operand_encode(const struct isa_insn *insn, unsigned k, int32_t value, uint64_t *field,
                          struct sotto_diag *diag)
{
    const struct isa_operand *operand = &insn->operands[k];
    if (operand->kind == ISA_KIND_REG) {
        int code = isa_class_encode(operand->name, value);
        if (code < 0) {
            const struct isa_reg_info *reg = value > 0 ? isa_reg((unsigned)value) : NULL;
            return diag_set(diag, SOTTO_EINVAL, NULL, "%s: operand %u cannot be %s", insn->name, k,
                            reg ? reg->text : "no register");
        }
        *field = (uint64_t)code;
        return SOTTO_OK;
    }
    int64_t min, max, step;
    if (!isa_imm_range(operand, &min, &max, &step)) {
        return SOTTO_EINVAL;
    }
    if (value < min || value > max || value % step) {
        return diag_set(diag, SOTTO_EINVAL, NULL,
                        "%s: immediate %d is not a multiple of %lld in [%lld, %lld]", insn->name,
                        value, (long long)step, (long long)min, (long long)max);
    }
    *field = (uint64_t)(value / step) & ones(isa_field_bits(operand));
    return SOTTO_OK;
}

int isa_op_encode(const struct isa_op *op, uint64_t *word, struct sotto_diag *diag)
{
    const struct isa_insn *insn = isa_insn(op->insn);
    if (!insn) {
        return diag_set(diag, SOTTO_EINVAL, NULL, "no instruction has the number %u", op->insn);
    }
    uint64_t w = insn->value;
    for (unsigned k = 0; insn->operands[k].kind; k++) {
        uint64_t field = 0;
        if (!isa_field_bits(&insn->operands[k])) {
            continue;
        }
        int err = operand_encode(insn, k, op->value[k], &field, diag);
        if (err) {
            return err;
        }
        w |= field_put(&insn->operands[k], field);
    }
    *word = w;
    return SOTTO_OK;
}

/* ---- bundles ---- */

/* Bytes of a bundle by its low four bits. */
static unsigned bundle_bytes(unsigned low)
{
    static const uint8_t bytes[16] = {
        [1] = 2, [9] = 4, [5] = 6, [13] = 6, [3] = 8, [11] = 10, [7] = 12, [15] = 14};
    return low & 1 ? bytes[low & 15] : ISA_BUNDLE_MAX;
}

static const struct isa_format *find_format(bits128 word, unsigned bytes)
{
    for (unsigned i = 0; i < ISA_FORMAT_COUNT; i++) {
        const struct isa_format *f = isa_format(i);
        if (f->bytes == bytes && ((uint64_t)word & f->mask) == f->value) {
            return f;
        }
    }
    return NULL;
}

static int decode_slots(const struct isa_format *format, bits128 word, struct isa_bundle *bundle,
                        struct sotto_diag *diag)
{
    bits128 used = format->mask;
    bundle->size = format->bytes;
    bundle->slots = (uint8_t)isa_format_slots(format);
    bundle->canonical = true;
    for (unsigned i = 0; i < format->count; i++) {
        unsigned slot = format->slots[i].slot, low = format->slots[i].low;
        uint64_t part = (uint64_t)(word >> low) & ones(isa_slot_bits(slot));
        bool exact;
        if (isa_op_decode(slot, part, &bundle->op[slot], &exact)) {
            return diag_set(diag, SOTTO_EUNSUPPORTED, NULL,
                            "0x%llx is no instruction of the slot %s", (unsigned long long)part,
                            isa_slot_name(slot));
        }
        bundle->canonical = bundle->canonical && exact;
        used |= (bits128)ones(isa_slot_bits(slot)) << low;
    }
    bundle->canonical = bundle->canonical && !(word & ~used);
    return SOTTO_OK;
}

int isa_decode(const uint8_t *bytes, size_t size, struct isa_bundle *bundle,
               struct sotto_diag *diag)
{
    unsigned n = size ? bundle_bytes(bytes[0]) : 2;
    if (size < n) {
        return diag_set(diag, SOTTO_EINVAL, NULL, "a bundle of %u bytes, but only %zu are there", n,
                        size);
    }
    bits128 word = 0;
    for (unsigned i = 0; i < n; i++) {
        word |= (bits128)bytes[i] << 8 * i;
    }
    const struct isa_format *format = find_format(word, n);
    if (!format) {
        return diag_set(diag, SOTTO_EUNSUPPORTED, NULL, "no %u-byte bundle format fits 0x%llx", n,
                        (unsigned long long)word);
    }
    struct isa_bundle result;
    memset(&result, 0, sizeof result);
    int err = decode_slots(format, word, &result, diag);
    if (err) {
        return err;
    }
    *bundle = result;
    return (int)n;
}

int isa_encode(const struct isa_bundle *bundle, uint8_t bytes[ISA_BUNDLE_MAX],
               struct sotto_diag *diag)
{
    const struct isa_format *format = isa_format_of(bundle->slots);
    if (!format) {
        return diag_set(diag, SOTTO_EINVAL, NULL, "no bundle format has this set of slots (0x%x)",
                        bundle->slots);
    }
    bits128 word = format->value;
    for (unsigned i = 0; i < format->count; i++) {
        unsigned slot = format->slots[i].slot;
        const struct isa_insn *insn = isa_insn(bundle->op[slot].insn);
        uint64_t part = 0;
        if (insn && insn->slot != slot) {
            return diag_set(diag, SOTTO_EINVAL, NULL, "%s does not go into the slot %s", insn->name,
                            isa_slot_name(slot));
        }
        int err = isa_op_encode(&bundle->op[slot], &part, diag);
        if (err) {
            return err;
        }
        word |= (bits128)part << format->slots[i].low;
    }
    for (unsigned i = 0; i < format->bytes; i++) {
        bytes[i] = (uint8_t)(word >> 8 * i);
    }
    return format->bytes;
}
