/*
 * The tables made from the .def files, and looking things up in them by number. Register classes and
 * look-up by name are in names.c; bit positions are used in code.c only.
 */
#include "npu/isa/impl.h"

// clang-format off

enum { ISA_REG_ = ISA_REG_NONE }; // what an empty place in PARTS becomes

static const struct isa_reg_info regs[ISA_REG_COUNT] = {
#define PARTS(...) PARTS_(__VA_ARGS__, , , , , , , , )
#define PARTS_(a, b, c, d, e, f, g, ...) \
    {ISA_REG_##a, ISA_REG_##b, ISA_REG_##c, ISA_REG_##d, ISA_REG_##e, ISA_REG_##f, ISA_REG_##g}
#define REG(id, text, file, index, bits, parts) \
    [ISA_REG_##id] = {text, ISA_FILE_##file, index, bits, parts},
#include "npu/isa/registers.def"
};

static const struct isa_insn insns[ISA_INSN_COUNT] = {
#define F(high, low)          high, low, 255, 255
#define F2(h1, l1, h2, l2)    h1, l1, h2, l2
#define NO_FIELD              255, 255, 255, 255
#define REGISTER(id, access, ...) {ISA_KIND_REG, access, ISA_CLASS_##id, 0, 0, __VA_ARGS__},
#define R(id, ...)            REGISTER(id, ISA_ACCESS_READ, __VA_ARGS__)
#define W(id, ...)            REGISTER(id, ISA_ACCESS_WRITE, __VA_ARGS__)
#define RW(id, ...)           REGISTER(id, ISA_ACCESS_READ | ISA_ACCESS_WRITE, __VA_ARGS__)
#define UIMM(scale, ...)      {ISA_KIND_UIMM, ISA_ACCESS_READ, 0, scale, 0, __VA_ARGS__},
#define SIMM(scale, ...)      {ISA_KIND_SIMM, ISA_ACCESS_READ, 0, scale, 0, __VA_ARGS__},
#define NIMM(scale, ...)      {ISA_KIND_NIMM, ISA_ACCESS_READ, 0, scale, 0, __VA_ARGS__},
#define FIXED_R(reg)          {ISA_KIND_FIXED, ISA_ACCESS_READ, ISA_REG_##reg, 0, 0, NO_FIELD},
#define FIXED_RW(reg) \
    {ISA_KIND_FIXED, ISA_ACCESS_READ | ISA_ACCESS_WRITE, ISA_REG_##reg, 0, 0, NO_FIELD},
#define COUNT                 {ISA_KIND_COUNT, ISA_ACCESS_WRITE, 0, 0, 0, NO_FIELD},
#define COUNT3                {ISA_KIND_COUNT3, ISA_ACCESS_WRITE, 0, 0, 0, NO_FIELD},
#define USES(reg, stage)      {ISA_KIND_IMPLIED, ISA_ACCESS_READ, ISA_REG_##reg, 0, stage, NO_FIELD},
#define SETS(reg, stage)      {ISA_KIND_IMPLIED, ISA_ACCESS_WRITE, ISA_REG_##reg, 0, stage, NO_FIELD},
#define INSN(id, slot, mask, value, text, itin, memory, seen, operands)      \
    [ISA_INSN_##id] = {#id, text, mask, value, ISA_SLOT_##slot, ISA_MEMORY_##memory, \
                       ISA_ITIN_##itin, seen, {operands}},
#include "npu/isa/insns.def"
#undef F
#undef F2
#undef R
#undef W
#undef RW
#undef COUNT
#undef COUNT3
#undef USES
#undef SETS
};

static const struct isa_format formats[ISA_FORMAT_COUNT] = {
#define SLOT(slot, low)       {ISA_SLOT_##slot, low},
#define FORMAT(name, bytes, mask, value, seen, slots) \
    {#name, mask, value, seen, bytes, sizeof((const uint8_t[][2]){slots}) / 2, {slots}},
#include "npu/isa/formats.def"
};

static const struct isa_itin_info itins[ISA_ITIN_COUNT] = {
#define STAGES(list)          {list}
#define AT(stage)             {stage, ISA_BYPASS_NONE},
#define MV(stage)             {stage, ISA_BYPASS_MOVE},
#define VC(stage)             {stage, ISA_BYPASS_VECTOR},
#define MEMORY(a, b)          {a, b}
#define TAKE(port, from, to)  {ISA_USE_TAKE, ISA_PORT_##port, from, to},
#define HOLD(port, from, to)  {ISA_USE_HOLD, ISA_PORT_##port, from, to},
#define AVOID(port, from, to) {ISA_USE_AVOID, ISA_PORT_##port, from, to},
#define ITIN(id, stages, memory, ports) [ISA_ITIN_##id] = {#id, stages, memory, {ports}},
#include "npu/isa/itineraries.def"
};

static const struct {
    uint16_t itin;
    uint8_t file0, file1;
    uint16_t variant;
} variants[] = {
#define VARIANT(itin, file0, file1, variant) \
    {ISA_ITIN_##itin, ISA_FILE_##file0, ISA_FILE_##file1, ISA_ITIN_##variant},
#include "npu/isa/itin_variants.def"
};

static const struct isa_reloc relocs[ISA_RELOC_COUNT] = {
#define RELOC(number, bytes, field, h1, l1, p1, h2, l2, p2) \
    [number] = {bytes, ISA_RELOC_##field, {{h1, l1, p1}, {h2, l2, p2}}},
#include "npu/isa/relocs.def"
};

/* The first row of every slot is its nop; the last is the one before the next slot's. */
static const struct {
    const char *name;
    uint8_t bits;
    uint16_t first, end; // rows
} slots[ISA_SLOT_COUNT] = {
    [ISA_SLOT_ALU] = {"alu", 20, ISA_INSN_NOPX, ISA_INSN_NOPA},
    [ISA_SLOT_LDA] = {"lda", 21, ISA_INSN_NOPA, ISA_INSN_NOPB},
    [ISA_SLOT_LDB] = {"ldb", 16, ISA_INSN_NOPB, ISA_INSN_NOPXM},
    [ISA_SLOT_LNG] = {"lng", 42, ISA_INSN_NOPXM, ISA_INSN_NOPM},
    [ISA_SLOT_MV]  = {"mv",  22, ISA_INSN_NOPM, ISA_INSN_NOPS},
    [ISA_SLOT_ST]  = {"st",  21, ISA_INSN_NOPS, ISA_INSN_NOPV},
    [ISA_SLOT_VEC] = {"vec", 26, ISA_INSN_NOPV, ISA_INSN_NOP},
    [ISA_SLOT_NOP] = {"nop", 1,  ISA_INSN_NOP, ISA_INSN_COUNT},
};
// clang-format on

const struct isa_insn *isa_insn(unsigned id)
{
    return id < ISA_INSN_COUNT ? &insns[id] : NULL;
}

const struct isa_reg_info *isa_reg(unsigned reg)
{
    return reg > ISA_REG_NONE && reg < ISA_REG_COUNT ? &regs[reg] : NULL;
}

const struct isa_format *isa_format(unsigned i)
{
    return i < ISA_FORMAT_COUNT ? &formats[i] : NULL;
}

const struct isa_itin_info *isa_itin(unsigned itin)
{
    return itin < ISA_ITIN_COUNT ? &itins[itin] : NULL;
}

const struct isa_reloc *isa_reloc(unsigned type)
{
    return type < ISA_RELOC_COUNT ? &relocs[type] : NULL;
}

const char *isa_slot_name(unsigned slot)
{
    return slot < ISA_SLOT_COUNT ? slots[slot].name : NULL;
}

unsigned isa_slot_bits(unsigned slot)
{
    return slot < ISA_SLOT_COUNT ? slots[slot].bits : 0;
}

void isa_slot_rows(unsigned slot, unsigned *first, unsigned *end)
{
    *first = slots[slot].first;
    *end = slots[slot].end;
}

unsigned isa_format_slots(const struct isa_format *format)
{
    unsigned set = 0;
    for (unsigned i = 0; i < format->count; i++) {
        set |= 1u << format->slots[i].slot;
    }
    return set;
}

const struct isa_format *isa_format_of(unsigned set)
{
    for (unsigned i = 0; i < ISA_FORMAT_COUNT; i++) {
        if (isa_format_slots(&formats[i]) == set) {
            return &formats[i];
        }
    }
    return NULL;
}

/* The file of operand k's register, ISA_FILE_NONE if it is none. */
static unsigned operand_file(const struct isa_op *op, unsigned k)
{
    if (insns[op->insn].operands[k].kind != ISA_KIND_REG) {
        return ISA_FILE_NONE;
    }
    const struct isa_reg_info *reg = isa_reg((unsigned)op->value[k]);
    return reg ? reg->file : ISA_FILE_NONE;
}

unsigned isa_itin_of(const struct isa_op *op)
{
    unsigned itin = insns[op->insn].itin;
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        if (variants[i].itin == itin &&
            (!variants[i].file0 || variants[i].file0 == operand_file(op, 0)) &&
            (!variants[i].file1 || variants[i].file1 == operand_file(op, 1))) {
            return variants[i].variant;
        }
    }
    return itin;
}

/* Places a class's stage list holds for the writes of one operand. */
static unsigned places(const struct isa_operand *operand, unsigned access)
{
    if (operand->kind == ISA_KIND_IMPLIED || !(operand->access & access)) {
        return 0;
    }
    return operand->kind == ISA_KIND_COUNT3 ? 2 : 1;
}

unsigned isa_operand_stage(const struct isa_op *op, unsigned k, bool write, unsigned *bypass)
{
    const struct isa_operand *operands = insns[op->insn].operands;
    unsigned access = write ? ISA_ACCESS_WRITE : ISA_ACCESS_READ;
    unsigned place = 0;
    *bypass = ISA_BYPASS_NONE;
    if (k >= ISA_OPERANDS_MAX || !(operands[k].access & access)) {
        return 0;
    }
    if (operands[k].kind == ISA_KIND_IMPLIED) {
        return operands[k].stage;
    }
    for (unsigned i = 0; !write && operands[i].kind; i++) {
        place += places(&operands[i], ISA_ACCESS_WRITE);
    }
    for (unsigned i = 0; i < k; i++) {
        place += places(&operands[i], access);
    }
    const struct isa_itin_info *info = &itins[isa_itin_of(op)];
    *bypass = info->stages[place].bypass;
    return info->stages[place].stage;
}
