/*
 * A file of assembly text becomes an object: labels, sections, directives, symbols, relocations. The text
 * is llvm-aie's (docs/npu-asm.md); instructions are read by text.h; joining objects is link.h.
 *
 * A file whose sections carry `.base ADDRESS` becomes an image instead: every reference is resolved, and
 * the result is linked. That is what dump.h makes of images.
 */
#ifndef NPU_ASM_ASM_H
#define NPU_ASM_ASM_H

#include "npu/elf/elf.h"

enum { ASM_ERRORS_MAX = 100 }; // then assembling stops

struct asm_options {
    void *user;
    void (*on_error)(void *user, const struct sotto_diag *error); // each error; NULL: none
};

/* Assembles `text`; `file` is its name in messages and in the line table. All errors go to on_error (in
 * the order of the text, but those found at the end), the first also to diag. Errors: ESYNTAX, NOMEM.
 * options and diag may be NULL. */
int asm_text(struct npu_image **out, const char *text, size_t length, const char *file,
             const struct asm_options *options, struct sotto_diag *diag);
/* The same from a file; also NOENT, ACCESS, IO. */
int asm_file(struct npu_image **out, const char *path, const struct asm_options *options,
             struct sotto_diag *diag);

#endif
