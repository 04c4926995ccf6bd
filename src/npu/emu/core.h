/*
 * One AIE2 core: registers, program memory, the exposed pipeline, data memory banks, cycle by cycle. It
 * runs encoded bytes. Arrays of cores, DMA and the stream network are built around it: what is outside
 * the core comes in through struct emu_ports and the memory pointers. How sure the model is, and
 * what it cannot know: docs/npu-fidelity.md.
 *
 *     struct emu_core *core;
 *     emu_core_open(&core, NULL, NULL, &diag);
 *     emu_core_load(core, 0, program, size, &diag);
 *     emu_core_call(core, entry);                          // lr: the address that ends the run
 *     emu_core_set(core, ISA_REG_p0, &(uint32_t){0x70000});
 *     if (emu_core_run(core, 100000) == EMU_RETURNED) ... emu_core_get(core, ISA_REG_r0, &r0)
 *
 * What goes wrong inside the machine is its state (EMU_FAULTED), not an error of these functions.
 * A core belongs to one thread at a time; different cores are independent.
 */
#ifndef NPU_EMU_CORE_H
#define NPU_EMU_CORE_H

#include "base/error.h"
#include "npu/isa/isa.h"

enum {
    EMU_PROGRAM_BYTES = 16384,
    EMU_MEMORY_BYTES = 65536, // data memory of a core
    EMU_LOCKS = 16,           // of a core
    EMU_RETURN_ADDRESS = 0xffff0,
};

/* Data memories a core reaches, in the order of its address map from 0x40000; lock ids likewise. */
enum emu_quadrant { EMU_SOUTH, EMU_WEST, EMU_NORTH, EMU_OWN, EMU_QUADRANTS };

enum emu_state { EMU_RUNNING, EMU_DONE, EMU_RETURNED, EMU_FAULTED };

enum emu_fault_code {
#define FAULT(name, text) EMU_FAULT_##name,
#include "npu/emu/faults.def"
#undef FAULT
    EMU_FAULT_COUNT
};

struct emu_fault {
    enum emu_fault_code code;
    uint32_t address; // of the bundle at fault
    uint32_t value;   // as its text says
    uint16_t insn;    // row of the instruction; ISA_INSN_COUNT: none
};

/* Causes of a cycle in which nothing issues. */
enum emu_stall {
    EMU_STALL_BANK,   // two accesses of this core to one bank
    EMU_STALL_MEMORY, // an access lost to someone else (emu_core_step's `denied`)
    EMU_STALL_LOCK,   // waits for a lock, and the one cycle every lock instruction costs
    EMU_STALL_STREAM, // no data, no space
    EMU_STALL_CASCADE,
    EMU_STALL_COUNT
};

struct emu_stats {
    uint64_t cycles, bundles;
    uint64_t stalls[EMU_STALL_COUNT];
};

/* The world outside. Functions that return bool are asked every cycle until they say true. A NULL
 * function: never ready (streams, cascade), own 16 locks only (locks), nobody listens (event), not
 * modelled (tile registers). */
struct emu_ports {
    void *context;
    bool (*acquire)(void *context, unsigned lock, int value); // value < 0: wait for >= -value
    bool (*release)(void *context, unsigned lock, int value); // false: out of range
    bool (*stream_get)(void *context, uint32_t *word);
    bool (*stream_put)(void *context, uint32_t word, bool last);
    bool (*cascade_get)(void *context, uint8_t bytes[64]);
    bool (*cascade_put)(void *context, const uint8_t bytes[64]);
    void (*event)(void *context, unsigned event);
    uint32_t (*tile_read)(void *context, uint32_t address);
    void (*tile_write)(void *context, uint32_t address, uint32_t value);
};

struct emu_core;

/* memory[q]: 64 KiB aligned to 32 bytes, borrowed until close; NULL: not there, but for EMU_OWN, which
 * the core then has itself. `memory` and `ports` may be NULL; ports are copied. */
int emu_core_open(struct emu_core **out, uint8_t *const memory[EMU_QUADRANTS],
                  const struct emu_ports *ports, struct sotto_diag *diag);
void emu_core_close(struct emu_core **core); // accepts NULL and a NULL core

/* All registers and locks 0, pipeline empty, statistics 0; memories stay. */
void emu_core_reset(struct emu_core *core);

/* Copies bytes to program memory (addresses below 0x20000) or to a data memory. EINVAL: does not fit. */
int emu_core_load(struct emu_core *core, uint32_t address, const uint8_t *bytes, size_t size,
                  struct sotto_diag *diag);
uint8_t *emu_core_memory(struct emu_core *core, enum emu_quadrant quadrant); // NULL: none

/* Next bundle. call: also sets lr so that the function's return ends the run. */
void emu_core_start(struct emu_core *core, uint32_t address);
void emu_core_call(struct emu_core *core, uint32_t address);
/* A store to this word is a fault; 0: none. */
void emu_core_guard(struct emu_core *core, uint32_t address);
void emu_core_set_id(struct emu_core *core, uint32_t id); // what reading CORE_ID gives

/* One cycle. denied: the data memory accesses of this cycle lost arbitration, so all waits. */
void emu_core_step(struct emu_core *core, bool denied);
/* Up to `cycles` cycles; returns the state. When a run ends (not by a fault), writes still in the
 * pipeline have landed, in cycles that are not counted. */
enum emu_state emu_core_run(struct emu_core *core, uint64_t cycles);

/* Banks (bit set of 8) of a memory that the next step touches. */
uint8_t emu_core_banks(const struct emu_core *core, enum emu_quadrant quadrant);

/* ---- looking in ---- */

enum emu_state emu_core_state(const struct emu_core *core);
const struct emu_fault *emu_core_fault(const struct emu_core *core);
/* One sentence, with the address and the instruction. */
void emu_core_fault_text(const struct emu_core *core, char *dst, size_t size);
uint32_t emu_core_pc(const struct emu_core *core); // of the next bundle
/* Why the last step issued nothing; -1: it did issue. */
int emu_core_stalled(const struct emu_core *core);
const struct emu_stats *emu_core_stats(const struct emu_core *core);
uint8_t *emu_core_locks(struct emu_core *core); // its own 16, when no port has them

/* Registers by isa_reg, as isa_reg()->bits / 8 bytes rounded up (20-bit ones: 4 bytes). D registers and
 * those with q parts cannot be asked for: false. */
bool emu_core_get(const struct emu_core *core, int reg, void *bytes);
bool emu_core_set(struct emu_core *core, int reg, const void *bytes);

/* What every bundle that was reached has done; i from 0 until false, in no order. */
struct emu_profile {
    uint32_t address;
    uint32_t next;   // address after it
    uint64_t count;  // times issued
    uint64_t stalls; // cycles it waited, or others waited for its accesses
    unsigned macs;   // multiply-accumulate instructions in it
    const struct isa_bundle *bundle;
};
bool emu_core_profile(const struct emu_core *core, unsigned i, struct emu_profile *profile);

/* Does the emulator know what a row of the instruction table does? */
bool emu_models(unsigned insn);

#endif
