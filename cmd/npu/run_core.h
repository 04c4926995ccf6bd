/* What sotto-npu run-core prints and writes about a run. */
#ifndef CMD_NPU_RUN_CORE_H
#define CMD_NPU_RUN_CORE_H

#include <stdio.h>

#include "npu/elf/elf.h"
#include "npu/emu/core.h"

/* Runs up to `cycles` cycles and writes a trace (Chrome's JSON, which Perfetto reads): one cycle is one
 * microsecond; tracks for functions, hardware loops and stalls. */
enum emu_state npu_run_traced(struct emu_core *core, const struct npu_image *image, uint64_t cycles,
                              FILE *out);

/* Cycles, bundles, stalls by cause, multiply-accumulates. */
void npu_print_stats(const struct emu_core *core, FILE *out);
/* Cycles per symbol, the bundles that took most of them. */
void npu_print_profile(const struct emu_core *core, const struct npu_image *image, FILE *out);

#endif
