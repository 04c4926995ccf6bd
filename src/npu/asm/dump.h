/*
 * Any AIE2 ELF file as assembly text that assembles (asm.h) to the same bytes: objects with their
 * relocations as symbols, images with `.base` and labels at branch targets. What is no bundle, or would
 * come out of the assembler differently, is printed as data.
 */
#ifndef NPU_ASM_DUMP_H
#define NPU_ASM_DUMP_H

#include "npu/elf/elf.h"

struct dump_options {
    bool lines; // name the source lines, where the file knows them
};

struct dump_counts {
    unsigned bundles;    // printed as instructions
    unsigned data_bytes; // of code sections, printed as data
};

/* *text is NUL-terminated and the caller's (mem_free). `options` and `counts` may be NULL.
 * Errors: NOMEM. */
int dump_text(const struct npu_image *image, const struct dump_options *options, char **text,
              size_t *length, struct dump_counts *counts, struct sotto_diag *diag);

#endif
