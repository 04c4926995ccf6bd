/* Linked images (npu/elf) into an emulated core. */
#ifndef NPU_EMU_IMAGE_H
#define NPU_EMU_IMAGE_H

#include "npu/elf/elf.h"
#include "npu/emu/core.h"

/*
 * Loads all segments, and sets what the start-up code would find: sp at the stack's start, the guard word
 * at its end (symbols __stack_start, __stack_end; without them sp is 0x70000 and there is no guard).
 * Errors: EINVAL (an object, or a segment that does not fit).
 */
int emu_load_image(struct emu_core *core, const struct npu_image *image, struct sotto_diag *diag);

#endif
