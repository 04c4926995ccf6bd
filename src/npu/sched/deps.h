/*
 * When two instructions of the AIE2 core may follow each other: which registers they read and write in
 * which pipeline stage, which ports and data-memory stages they use, and the distances that follow. One
 * model for the scheduler and the checker; nothing else in this folder knows a latency. Facts come from
 * npu/isa's timing classes; those of locks from section 8 of the instruction notes (smallest distances
 * in AMD-compiled code) and of branches and loops from llvm-aie.
 *
 * Cycles: an op issued in cycle t is in stage s in cycle t + s - 1. A value written in stage w is seen by
 * reads from cycle t + w on; one cycle earlier by a reader of the same bypass group. Distances are in
 * issued bundles from the first op to the second; negative ones let the second be issued earlier.
 */
#ifndef NPU_SCHED_DEPS_H
#define NPU_SCHED_DEPS_H

#include "npu/isa/isa.h"

enum {
    DEPS_ACCESS_MAX = 48,
    DEPS_DELAY_SLOTS = 5,      // bundles after a branch that always execute
    DEPS_LOOP_BUNDLES = 7,     // from the one that writes ls, le or lc to the one at le
    DEPS_LOOP_BYTES = 112,     // between these two
    DEPS_LOOP_HEAD_BYTES = 64, // from the end of the set-up to ls
    DEPS_SPAN = 16,            // no rule reaches further than this many bundles
    DEPS_NONE = -1000          // no rule
};

/* Parts of registers: numbers below ISA_REG_COUNT are registers without parts; others belong to
 * virtual registers. */
struct deps_access {
    uint32_t leaf;
    uint8_t stage, bypass;
    uint8_t from;          // reads: the value must be there from this stage on
    uint8_t operand, part; // part: place within the operand's leaves
    bool write;
    bool loose; // bypass group depends on which register a virtual one becomes
};

enum deps_kind {
    DEPS_PLAIN,
    DEPS_LOCK_ACQUIRE,
    DEPS_LOCK_RELEASE,
    DEPS_STREAM, // streams, cascade, event, done, register bus: kept in order
    DEPS_BRANCH
};

struct deps_op {
    const struct isa_insn *insn;
    const struct isa_itin_info *itin;
    uint8_t kind;        // enum deps_kind
    uint8_t slot;        // enum isa_slot
    uint8_t memory;      // ISA_MEMORY_
    uint8_t first, last; // stages in which data memory is touched, 0: not
    uint8_t bytes;       // of the memory access; 0: none or unknown
    uint8_t done;        // last stage in which anything happens
    uint16_t n;
    struct deps_access access[DEPS_ACCESS_MAX];
};

/* What operand values from ISA_REG_COUNT on mean. */
struct deps_regs {
    void *user;
    /* The leaves of an operand's virtual register, low part first; returns their number. */
    unsigned (*leaves)(void *user, int value, uint32_t leaves[ISA_PARTS_MAX]);
    /* A register it may become, for the timing class; *other: one with another bypass group, or 0. */
    int (*sample)(void *user, int value, int *other);
};

/* Status registers someone reads. Writes to others do not count: all are sticky flags or srCarry. */
struct deps_flags {
    bool read[ISA_REG_COUNT];
};
void deps_flags_add(struct deps_flags *flags, const struct isa_op *op);
bool deps_is_status(unsigned reg);
bool deps_is_sticky(unsigned reg); // several writers may come in any order

/* `regs` may be NULL (no virtual registers), `flags` too (no status register is read). */
void deps_describe(struct deps_op *d, const struct isa_op *op, const struct deps_regs *regs,
                   const struct deps_flags *flags);

/* Leaves of a register that is not virtual; returns their number (>= 1). */
unsigned deps_leaves(int reg, uint32_t leaves[ISA_PARTS_MAX]);

/* Smallest distance from the op of the first access to the op of the second. */
int deps_raw(const struct deps_access *write, const struct deps_access *read);
int deps_war(const struct deps_access *read, const struct deps_access *write);
int deps_waw(const struct deps_access *first, const struct deps_access *second);

/* Data memory, if both may touch the same bytes; DEPS_NONE: any order. */
int deps_memory(const struct deps_op *first, const struct deps_op *second);
/* Locks, streams and events against each other and against data memory; DEPS_NONE: any order. */
int deps_order(const struct deps_op *first, const struct deps_op *second);

/* First port that `first`, issued `distance` >= 0 bundles before `second`, shares with it in one cycle;
 * ISA_PORT_NONE: none. `strict`: two ops that hold a unit do not meet either. *cycle (may be NULL)
 * counts from the issue of `second`. */
unsigned deps_port_conflict(const struct deps_op *first, const struct deps_op *second, int distance,
                            bool strict, int *cycle);

bool deps_is_branch(const struct isa_op *op);
bool deps_is_partword_store(const struct deps_op *d);
const char *deps_port_name(unsigned port);

#endif
