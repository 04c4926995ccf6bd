/* Random instructions and bundles of the AIE2 core, and text assembled in one step, for the tests of
 * npu/. */
#ifndef TESTS_SUPPORT_NPU_CODE_H
#define TESTS_SUPPORT_NPU_CODE_H

#include "npu/elf/elf.h"
#include "npu/isa/isa.h"
#include "support.h"

/* A valid op of this row with random registers and immediates. */
void npu_random_op(unsigned insn, uint64_t *seed, struct isa_op *op);
/* A valid bundle of this format. */
void npu_random_bundle(const struct isa_format *format, uint64_t *seed, struct isa_bundle *bundle);
/* Random bundles one behind the other; returns the bytes written, at most size. */
size_t npu_random_code(uint8_t *bytes, size_t size, uint64_t *seed);

/* Assembles; an error fails the test. Close the result. */
struct npu_image *npu_assemble(const char *text, const char *file);
/* The section of that name; none fails the test. */
const struct npu_section *npu_section_named(const struct npu_image *image, const char *name);

#endif
