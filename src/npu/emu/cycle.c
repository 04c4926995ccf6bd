/* The loop over cycles for any machine, and the one that empties the pipeline. */
#define RUN emu_run_plain
#include "npu/emu/cycle_kernels.h"

void emu_run_steps(struct emu_core *c, const struct emu_cycle *cycle)
{
    run_steps(c, cycle);
}
