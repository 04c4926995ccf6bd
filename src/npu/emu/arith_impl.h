/* Shared by the arithmetic files of npu/emu only. */
#ifndef NPU_EMU_ARITH_IMPL_H
#define NPU_EMU_ARITH_IMPL_H

#include "npu/emu/arith.h"

/* Does a magnitude grow by one unit when its lower bits are dropped? odd: its last kept bit; guard: the
 * first dropped bit; sticky: any other. */
bool emu_round_up(unsigned mode, bool negative, bool odd, bool guard, bool sticky);

const struct emu_fast *emu_fast_avx2(void); // only on x86-64 with AVX2

#endif
