/*
 * For tests of the AIE2 core: programs as text, and values of registers and memory as text.
 *
 *     struct npu_case c;
 *     npu_case_open(&c);
 *     npu_case_run(&c, "r1=5 x0=16:1,2,3 @70000=32:7", "add r0, r1, #2", "r0=7");
 *
 * Values: NAME=NUMBER (one register up to 32 bits, or a pair of 64), NAME=BITS:v,v,... (lanes; the list
 * is repeated to fill the register), @ADDRESS=BITS:v,v,... (data memory, hex address, not repeated).
 */
#ifndef TESTS_SUPPORT_NPU_H
#define TESTS_SUPPORT_NPU_H

#include "npu/emu/core.h"

struct npu_case {
    struct emu_core *core;
    uint32_t size;             // of the program
    bool rows[ISA_INSN_COUNT]; // in any program run with npu_case_run
};

void npu_case_open(struct npu_case *c);
void npu_case_close(struct npu_case *c);

/* Assembles lines of bundles (separated by newlines; "name:" marks an address, "align" pads to 16 bytes)
 * to address 0 of an emptied program. Fails the test on an error. */
void npu_case_load(struct npu_case *c, const char *text);
void npu_case_load_ports(struct npu_case *c, const char *text, const struct emu_ports *ports);
/* Sets what the text says; fails unless it is as the text says, printing `what`. */
void npu_case_set(struct npu_case *c, const char *values);
void npu_case_expect(struct npu_case *c, const char *values, const char *what);

/* Resets the core, sets, runs the text followed by idle bundles and "done", expects. */
void npu_case_run(struct npu_case *c, const char *set, const char *text, const char *expect);
/* The same program expected to end in this fault; returns it. */
const struct emu_fault *npu_case_fault(struct npu_case *c, const char *set, const char *text,
                                       enum emu_fault_code code);

uint32_t npu_case_u32(struct npu_case *c, int reg);

#endif
