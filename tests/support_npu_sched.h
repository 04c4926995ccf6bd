/* What the tests of npu/sched share: random linear assembly, and running code in the emulator. */
#ifndef TESTS_SUPPORT_NPU_SCHED_H
#define TESTS_SUPPORT_NPU_SCHED_H

#include "support.h"

#include "npu/sched/sched.h"

enum { TEST_CORE_MEMORY = 65536 };

/* A program of its own for every seed: straight code, a loop, straight code, over three arrays. The
 * caller frees it. */
char *test_random_lin(unsigned seed);

/* Runs function `name` of the assembly text with p0.. = addresses and r0 = count; memory in and out. Fails
 * the test if it does not return. Gives the cycles. */
unsigned long test_run_assembly(const char *text, size_t size, const char *name,
                                const uint32_t *pointers, unsigned n_pointers, uint32_t r0,
                                uint8_t memory[TEST_CORE_MEMORY]);

#endif
