/* Shared inside npu/isa only: register classes by field value. */
#ifndef NPU_ISA_IMPL_H
#define NPU_ISA_IMPL_H

#include "npu/isa/isa.h"

/* The register a field value names, ISA_REG_NONE if it names none. *alias: encode never writes it. */
int isa_class_decode(unsigned class_id, unsigned value, bool *alias);

/* The field value for a register, -1 if the class lacks it. */
int isa_class_encode(unsigned class_id, int reg);

/* Bits of the operand's field, 0: it has none. */
unsigned isa_field_bits(const struct isa_operand *operand);

/* Rows of a slot: from first to before end. */
void isa_slot_rows(unsigned slot, unsigned *first, unsigned *end);

#endif
