/*
 * One instruction or one bundle as llvm-aie's assembler takes it, read into isa_op and isa_bundle. Lines,
 * labels, directives and files are in asm.h; printing is isa_print.
 *
 *     struct text_bundle b;
 *     struct text_place at = {"gemm.s", 12, 1};
 *     if (text_parse_bundle("lda r0, [p0], #4; jnz r1, #loop", 32, &at, NULL, &b, &diag) == 0)
 *         ... b.bundle.op[ISA_SLOT_LDA], b.refs[0] is the symbol "loop"
 *
 * Accepted: slots in any order, separated by ";"; immediates with "#": decimal, 0x, 0b, 0 octal, negative,
 * expressions in parentheses or not ("#(table+8)"). No comments: cut them off before.
 * Source of the syntax: Xilinx/llvm-aie, AIE2AsmParser.cpp.
 */
#ifndef NPU_ASM_TEXT_H
#define NPU_ASM_TEXT_H

#include "npu/asm/expr.h"
#include "npu/isa/isa.h"

enum { TEXT_ROWS_MAX = 16 };

/* A symbol operand: the operand's value is symbol + addend, 0 stands in its place. Only branches to
 * addresses and moves of immediates may have one (isa_reloc_operand), so an instruction has at most one. */
struct text_ref {
    uint8_t slot, operand;
    int column;              // of the operand
    struct text_name symbol; // within the text given; length 0: no symbol
    int32_t addend;
};

struct text_op {
    struct isa_op op;
    struct text_ref ref; // ref.symbol.length 0: none
};

struct text_bundle {
    struct isa_bundle bundle; // size is set, canonical is true
    struct text_ref refs[ISA_SLOT_COUNT];
    unsigned n_refs;
    int columns[ISA_SLOT_COUNT]; // of each slot's mnemonic
};

/* Every row the instruction's text can mean, in the order of the table. Returns their number (>= 1, cut
 * to `max`), or SOTTO_ESYNTAX with file, line and column. `names` and `diag` may be NULL. */
int text_match_op(const char *text, size_t length, const struct text_place *at,
                  const struct text_names *names, struct text_op *ops, unsigned max,
                  struct sotto_diag *diag);

/* The first of them. */
int text_parse_op(const char *text, size_t length, const struct text_place *at,
                  const struct text_names *names, struct text_op *op, struct sotto_diag *diag);

/* A whole bundle. Where an instruction has several rows, the first choice that makes a bundle is taken.
 * Two instructions for one slot and sets of slots that no format holds are errors, as is a register
 * that only `names` knows: it has no encoding. */
int text_parse_bundle(const char *text, size_t length, const struct text_place *at,
                      const struct text_names *names, struct text_bundle *bundle,
                      struct sotto_diag *diag);

#endif
