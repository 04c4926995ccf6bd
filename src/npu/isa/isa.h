/*
 * The instruction set of the AIE2 core (XDNA1: Phoenix, Hawk Point) as tables, and what follows from
 * them: encode, decode, print, look up. Nothing outside this folder knows a bit position. What an
 * instruction does is not here (npu/emu), nor are labels, sections or files (npu/asm).
 * Rows are in the .def files here, which name their sources; docs/npu-isa.md says how sure they are.
 *
 *     struct isa_bundle b;
 *     int n = isa_decode(bytes, size, &b, &diag);           // 2, 4, ... 16, or an error
 *     char text[ISA_TEXT_MAX];
 *     isa_print(&b, text, sizeof text);                     // "lda r0, [p0, #4]; add r1, r2, r3"
 *
 * All functions are pure; the tables are constant: any thread may use them.
 */
#ifndef NPU_ISA_ISA_H
#define NPU_ISA_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sotto.h>

enum {
    ISA_BUNDLE_MAX = 16, // bytes
    ISA_OPERANDS_MAX = 10,
    ISA_TEXT_MAX = 512, // holds any bundle, with its NUL
};

/* LNG takes the place of ALU and MV. NOP is the slot of the two-byte bundle and of one 8-byte one. */
enum isa_slot {
    ISA_SLOT_ALU,
    ISA_SLOT_LDA,
    ISA_SLOT_LDB,
    ISA_SLOT_LNG,
    ISA_SLOT_MV,
    ISA_SLOT_ST,
    ISA_SLOT_VEC,
    ISA_SLOT_NOP,
    ISA_SLOT_COUNT
};

/* ISA_REG_r0 ...: order of registers.def; 0 is no register. */
enum isa_reg {
    ISA_REG_NONE,
#define REG(id, text, file, index, bits, parts) ISA_REG_##id,
#include "npu/isa/registers.def"
#undef REG
    ISA_REG_COUNT
};

enum isa_file {
    ISA_FILE_NONE,
    ISA_FILE_R,
    ISA_FILE_P,
    ISA_FILE_M,
    ISA_FILE_DN,
    ISA_FILE_DJ,
    ISA_FILE_DC,
    ISA_FILE_S,
    ISA_FILE_SPECIAL,
    ISA_FILE_CR,
    ISA_FILE_SR,
    ISA_FILE_WL,
    ISA_FILE_WH,
    ISA_FILE_QHALF,
    ISA_FILE_AM,
    ISA_FILE_L,
    ISA_FILE_D,
    ISA_FILE_D3,
    ISA_FILE_X,
    ISA_FILE_Y,
    ISA_FILE_Q,
    ISA_FILE_QW,
    ISA_FILE_QX,
    ISA_FILE_BM,
    ISA_FILE_CM
};

enum { ISA_PARTS_MAX = 7 };

struct isa_reg_info {
    const char
        *text;     // as printed; d0 and d0_3d have the same, their operand class tells them apart
    uint8_t file;  // enum isa_file
    uint8_t index; // within the file
    uint16_t bits;
    uint16_t parts[ISA_PARTS_MAX]; // enum isa_reg, low bits first, 0 ends; none: not made of others
};

enum isa_class {
#define CLASS(id, bits, ranges) ISA_CLASS_##id,
#include "npu/isa/classes.def"
#undef CLASS
    ISA_CLASS_COUNT
};

enum isa_itin {
#define ITIN(id, stages, memory, ports) ISA_ITIN_##id,
#include "npu/isa/itineraries.def"
#undef ITIN
    ISA_ITIN_COUNT
};

enum isa_port {
    ISA_PORT_NONE,
#define PORT(id) ISA_PORT_##id,
#include "npu/isa/ports.def"
#undef PORT
    ISA_PORT_COUNT
};

/* ISA_INSN_ADD ...: a row's number. */
enum isa_insn_id {
#define INSN(id, slot, mask, value, text, itin, memory, seen, operands) ISA_INSN_##id,
#include "npu/isa/insns.def"
#undef INSN
    ISA_INSN_COUNT
};

enum isa_kind {
    ISA_KIND_END,    // no more operands
    ISA_KIND_REG,    // register in a field
    ISA_KIND_UIMM,   // immediate in a field: field * scale
    ISA_KIND_SIMM,   // the same, signed
    ISA_KIND_NIMM,   // (field - 2^bits) * scale: always negative
    ISA_KIND_FIXED,  // one register, spelled out in the text
    ISA_KIND_COUNT,  // the dc of the d operand before it
    ISA_KIND_COUNT3, // the two dc of the 3D operand before it
    ISA_KIND_IMPLIED // one register, not in the text, with its own stage
};

enum { ISA_ACCESS_READ = 1, ISA_ACCESS_WRITE = 2 };
enum { ISA_MEMORY_NONE, ISA_MEMORY_LOAD, ISA_MEMORY_STORE, ISA_MEMORY_BOTH };

struct isa_operand {
    uint8_t kind;                   // enum isa_kind
    uint8_t access;                 // ISA_ACCESS_ bits
    uint16_t name;                  // REG: enum isa_class; FIXED, IMPLIED: enum isa_reg
    uint16_t scale;                 // immediates
    uint8_t stage;                  // IMPLIED
    uint8_t high, low, high2, low2; // field in the slot word, second piece lower; 255: none
};

struct isa_insn {
    const char *name; // of the row: "ADD_add_r_ri"
    const char *text; // "add $0, $1, $2"
    uint64_t mask, value;
    uint8_t slot;   // enum isa_slot
    uint8_t memory; // ISA_MEMORY_
    uint16_t itin;  // enum isa_itin, before isa_itin_of
    uint32_t seen;  // times met in the compiled code the table was checked with
    struct isa_operand operands[ISA_OPERANDS_MAX + 1];
};

/* One instruction with its operands: enum isa_reg or the immediate as printed, by operand number.
 * Numbers of operands without a field are unused and 0. */
struct isa_op {
    uint16_t insn; // enum isa_insn_id
    int32_t value[ISA_OPERANDS_MAX];
};

struct isa_bundle {
    uint8_t size;   // bytes; result of decode and encode
    uint8_t slots;  // bit s: op[s] is there
    bool canonical; // result of decode: encode gives the same bytes (no ignored bit or alias used)
    struct isa_op op[ISA_SLOT_COUNT];
};

struct isa_format {
    const char *name;
    uint64_t mask, value; // select bits, all within the low 64
    uint32_t seen;        // as in struct isa_insn
    uint8_t bytes, count; // of the bundle; of slots
    struct {
        uint8_t slot, low; // lowest bit
    } slots[6];            // in the order of printing
};

enum { ISA_FORMAT_COUNT = 78, ISA_STAGES_MAX = 8, ISA_USES_MAX = 8 };
enum isa_use { ISA_USE_NONE, ISA_USE_TAKE, ISA_USE_HOLD, ISA_USE_AVOID };
enum isa_bypass { ISA_BYPASS_NONE, ISA_BYPASS_MOVE, ISA_BYPASS_VECTOR };

struct isa_itin_info {
    const char *name;
    struct {
        uint8_t stage, bypass;
    } stages[ISA_STAGES_MAX]; // written operands first; see itineraries.def
    uint8_t memory[2];        // stages that touch data memory, 0: none
    struct {
        uint8_t use, port, from, to;
    } uses[ISA_USES_MAX];
};

enum isa_reloc_field {
    ISA_RELOC_NONE,
    ISA_RELOC_BRANCH,
    ISA_RELOC_MOVA,
    ISA_RELOC_MOVX,
    ISA_RELOC_MOV,
    ISA_RELOC_MOVXM,
    ISA_RELOC_DATA
};

enum { ISA_RELOC_COUNT = 54 };

struct isa_reloc {
    uint8_t bytes; // length of the bundle or data word
    uint8_t field; // enum isa_reloc_field
    struct {
        int8_t high, low; // bits of the value; -1: no piece
        int16_t position; // of `high`, bits below the most significant bit of the bundle
    } pieces[2];
};

/* ---- tables ---- */

const struct isa_insn *isa_insn(unsigned id);        // NULL: id out of range
const struct isa_reg_info *isa_reg(unsigned reg);    // NULL: none or out of range
const struct isa_format *isa_format(unsigned i);     // i < ISA_FORMAT_COUNT, else NULL
const struct isa_itin_info *isa_itin(unsigned itin); // NULL: out of range
const struct isa_reloc *isa_reloc(unsigned type);    // of R_AIE_<type>; NULL: none
const char *isa_slot_name(unsigned slot);            // "lda"; NULL: none
unsigned isa_slot_bits(unsigned slot);               // width of its word; 0: none

/* The slots of a format as a bit set. */
unsigned isa_format_slots(const struct isa_format *format);
/* The one format with exactly these slots (bit set), or NULL. */
const struct isa_format *isa_format_of(unsigned slots);

/* The next row after `after` (-1: from the start) whose text starts with this mnemonic; -1: none. */
int isa_insn_find(const char *mnemonic, size_t length, int after);

/* The class's register of that text; ISA_REG_NONE: none. "r17:r16" is one register. */
int isa_reg_find(unsigned class_id, const char *text, size_t length);
/* The same over all registers: the first of that text (so "d0" is not d0_3d). */
int isa_reg_parse(const char *text, size_t length);
/* Is the register one the class can encode? */
bool isa_reg_in(unsigned class_id, int reg);

/* Range and step of an immediate operand; false if it is none. */
bool isa_imm_range(const struct isa_operand *operand, int64_t *min, int64_t *max, int64_t *step);

/* Timing class of this instruction with these operands (destination and source file matter). */
unsigned isa_itin_of(const struct isa_op *op);
/* Stage in which operand k is read (write: written), 0 if it is not; bypass group to *bypass. */
unsigned isa_operand_stage(const struct isa_op *op, unsigned k, bool write, unsigned *bypass);

/* ---- encode, decode ---- */

/* Decodes the bundle at the start of `bytes`. Returns its length, or SOTTO_EINVAL if `size` is too
 * small for it, SOTTO_EUNSUPPORTED if format or instruction is undefined; then *bundle is untouched.
 * diag may be NULL. */
int isa_decode(const uint8_t *bytes, size_t size, struct isa_bundle *bundle,
               struct sotto_diag *diag);

/* Encodes the ops of bundle->slots. Returns the length, or SOTTO_EINVAL: no format for this set of
 * slots, an instruction in a wrong slot, a register or immediate that does not fit. */
int isa_encode(const struct isa_bundle *bundle, uint8_t bytes[ISA_BUNDLE_MAX],
               struct sotto_diag *diag);

/* One slot. *canonical (NULL allowed): isa_op_encode gives the same word. */
int isa_op_decode(unsigned slot, uint64_t word, struct isa_op *op, bool *canonical);
int isa_op_encode(const struct isa_op *op, uint64_t *word, struct sotto_diag *diag);
/* Is `word` this row? At most one row of a slot says so. */
bool isa_insn_matches(unsigned id, uint64_t word);

/* ---- relocations ---- */

/* The operand of this row that may be a symbol, or -1. */
int isa_reloc_operand(unsigned insn);
/* The relocation R_AIE_<result> for that operand of the op in `slot` of the bundle, or -1: none. */
int isa_reloc_find(const struct isa_bundle *bundle, unsigned slot);
/* The slot whose symbol operand `type` writes in this bundle, or -1. */
int isa_reloc_slot(unsigned type, const struct isa_bundle *bundle);
/* Values that fit: as the operand reads them; both signs of 32 bits; false: no such relocation. */
bool isa_reloc_range(unsigned type, int64_t *min, int64_t *max);
/* Replaces the field in the isa_reloc(type)->bytes bytes of the bundle or word; reads it (no sign). */
void isa_reloc_put(unsigned type, uint8_t *bytes, uint32_t value);
uint32_t isa_reloc_get(unsigned type, const uint8_t *bytes);

/* ---- text ---- */

/* Writes llvm-aie's text, cut to `size` with its NUL (size 0: dst may be NULL). Returns the length of
 * the whole text, as snprintf; SOTTO_EINVAL if an id in it is out of range. */
int isa_print(const struct isa_bundle *bundle, char *dst, size_t size);
int isa_op_print(const struct isa_op *op, char *dst, size_t size);

#endif
