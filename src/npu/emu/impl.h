/*
 * Inside npu/emu: the core's state, decoded bundles, and the functions that are the instructions.
 *
 * Time: bundle i issues in E1 and is in stage s, s - 1 cycles later; nothing but a stall of all stages
 * changes that. So a bundle is decoded once into steps, each bound to a place in a cycle (enum emu_when);
 * what a whole cycle does follows from the bundles in flight, and is kept in a struct emu_cycle
 * (cycles.c). flights[] holds what the last 16 bundles carry along. Within a cycle reads come before writes; but
 * values written through a bypass (W_ before BYPASS_) are seen by readers of the same bypass group.
 */
#ifndef NPU_EMU_IMPL_H
#define NPU_EMU_IMPL_H

#include <string.h>

#include "npu/emu/arith.h"
#include "npu/emu/core.h"

enum {
    EMU_FLIGHTS = 16, // more than the last stage
    EMU_OPS_MAX = 7,
    EMU_SCALARS = ISA_REG_wl0, // registers up to the last status register, numbered as isa_reg
    EMU_W_BYTES = 24 * 32,
    EMU_Q_BYTES = 8 * 8,
    EMU_AM_BYTES = 36 * 32,
};

/* Places in a cycle, in order: EMU_WHEN(name, stage). */
#define EMU_WHEN_LIST(EMU_WHEN)                                                                    \
    EMU_WHEN(LOAD5, 5)                                                                             \
    EMU_WHEN(STORE5, 5)                                                                            \
    EMU_WHEN(STORE7, 7)                                                                            \
    EMU_WHEN(STORE11, 11)                                                                          \
    EMU_WHEN(READ3, 3)                                                                             \
    EMU_WHEN(READ7, 7)                                                                             \
    EMU_WHEN(READ8, 8)                                                                             \
    EMU_WHEN(ISSUE, 1)                                                                             \
    EMU_WHEN(W_MOVE, 2)                                                                            \
    EMU_WHEN(W_VECTOR, 5)                                                                          \
    EMU_WHEN(BYPASS_ISSUE, 1)                                                                      \
    EMU_WHEN(BYPASS_READ3, 3)                                                                      \
    EMU_WHEN(W2, 2)                                                                                \
    EMU_WHEN(W3, 3)                                                                                \
    EMU_WHEN(W4, 4)                                                                                \
    EMU_WHEN(W5, 5)                                                                                \
    EMU_WHEN(W6, 6)                                                                                \
    EMU_WHEN(W7, 7)                                                                                \
    EMU_WHEN(W8, 8)                                                                                \
    EMU_WHEN(W9, 9)

enum emu_when {
#define EMU_WHEN(name, stage) EMU_##name,
    EMU_WHEN_LIST(EMU_WHEN)
#undef EMU_WHEN
        EMU_WHEN_COUNT
};

union emu_vec {
    uint8_t u8[128];
    uint16_t u16[64];
    uint32_t u32[32];
    uint64_t u64[16];
} __attribute__((aligned(32)));

/* What one instruction carries from stage to stage. Only as much of it exists as the instruction uses:
 * out up to its result's size, in only where vectors are kept. */
struct emu_work {
    uint8_t *host;     // memory it will touch
    uint64_t mask;     // its second result, or a status flag
    uint32_t x[4];     // scalars it keeps
    union emu_vec out; // its result, or data to store
    union emu_vec in;  // vector operands read early: two of 512 bits
};

struct emu_bundle;

enum { EMU_FLIGHT_BYTES = 1280 };

struct emu_flight {
    uint8_t work[EMU_FLIGHT_BYTES] __attribute__((aligned(64)));
};

/* How a scalar is cut when written. */
enum emu_cut { EMU_CUT_NONE, EMU_CUT_20, EMU_CUT_20_SIGNED, EMU_CUT_6 };

enum emu_addressing {
    EMU_ADDRESS_OFFSET,   // [p, #imm], [sp, #imm], [p]
    EMU_ADDRESS_OFFSET_R, // [p, dj]
    EMU_ADDRESS_POST,     // [p], #imm
    EMU_ADDRESS_POST_R,   // [p], m
    EMU_ADDRESS_2D,
    EMU_ADDRESS_3D
};

struct emu_op;
typedef void emu_step_fn(struct emu_core *c, const struct emu_op *op, struct emu_work *w);

/* What a mnemonic means: semantics.def. */
enum emu_template {
    EMU_NOTHING,
    EMU_SCALAR,    // fn in E1; result written in its stage
    EMU_VECTOR,    // fn where the operands are read; results written in their stages
    EMU_MAC,       // early in E1 keeps operands, fn in E3 with the accumulators
    EMU_LOAD,      // address in E1, a bytes in E5, then fn (may be NULL)
    EMU_LOAD_LATE, // the same, fn in E7 (unpack)
    EMU_LOAD_UPS,  // the same, E7 reads shift and sign, fn in E8
    EMU_LOOKUP,    // fn in E1 gives four addresses
    EMU_STORE,     // address and fn in E1, a bytes in E5 or E7
    EMU_PART,      // 8/16-bit store: read in E5, written in E11
    EMU_POINTER,   // address only
    EMU_WAIT,      // early asks a port before the bundle issues; fn in E1
    EMU_UNKNOWN
};

struct emu_semantics {
    const char *mnemonic; // without .2d, .3d
    uint8_t slots;        // bit set of isa_slot it is for, 0: any
    uint8_t template;
    emu_step_fn *fn;
    uint8_t a, b, c; // for fn: widths, signs, indices of its sort
};

struct emu_place {
    uint16_t at;   // scalars: register, 0: the immediate; vectors: offset in regs.v
    uint8_t bytes; // 4: scalar, 8: pair or ql/qh, 16.., 32, 64, 128
    uint8_t cut;   // enum emu_cut
};

struct emu_op {
    struct emu_place out[2], in[5];
    uint32_t address;        // of its bundle
    int32_t imm;             // the immediate operand, or address step
    uint16_t pointer, index; // registers of the address
    uint8_t mode;            // enum emu_addressing
    uint8_t bytes;           // of the memory access
    uint8_t stage;           // of a store's memory access; 0: no store
    uint8_t direct;          // out[0] is a scalar written in E1
    uint8_t a, b, c;
    uint8_t work;  // offset in the flight's work, in units of 32 bytes
    uint16_t insn; // row
    uint16_t flag; // status register it may set later than in E1, 0: none
    const struct emu_semantics *semantics;
};

struct emu_step {
    emu_step_fn *fn;
    uint16_t op;   // offset in the bundle
    uint16_t work; // offset in the flight
};

enum { EMU_STEPS_MAX = 48 };

/* A decoded bundle: this, its ops, its steps; one block of memory. */
struct emu_bundle {
    uint32_t address, after;
    struct emu_bundle *next; // the one at `after`, once known
    uint64_t count, stalls;
    uint8_t last; // stage of its last step
    uint8_t n_ops;
    uint8_t macs;
    bool special; // any of the next four
    bool unknown, waits, hazard, sets_loop;
    bool done, partword;
    uint8_t first[EMU_WHEN_COUNT + 1]; // steps by place
    const struct emu_step *steps;
    const struct isa_bundle *isa; // in the same block, behind the steps
    struct emu_op ops[];
};

enum { EMU_HISTORY = 11 }; // bundles that may have work left when one issues

/* The commonest steps, done in the loop itself; the rest are calls. */
enum emu_inline {
    EMU_CALL,
    EMU_INLINE_LAND_32,
    EMU_INLINE_LAND_64,
    EMU_INLINE_LOAD_32,
    EMU_INLINE_ADDRESS_32, // of a load with a pointer that moves
    EMU_INLINE_MAC_EARLY
};

struct emu_cycle_step {
    emu_step_fn *fn;
    const struct emu_op *op;
    uint8_t what; // enum emu_inline
    uint8_t age;  // of the bundle: 0, it issues now
    uint16_t work;
};

/* All that happens in a cycle in which `bundle` issues behind these others. */
struct emu_cycle {
    struct emu_bundle *bundle; // NULL: none issues (the pipeline drains)
    const struct emu_bundle
        *before[EMU_HISTORY]; // [0] the latest; NULL: none, or nothing left to do
    struct emu_cycle *chain;  // in the hash table
    struct {
        const struct emu_bundle *bundle;
        struct emu_cycle *cycle;
    } next[2]; // what followed last
    unsigned n_steps;
    struct emu_cycle_step steps[];
};

enum { EMU_CYCLE_BUCKETS = 4096, EMU_CYCLES_MAX = 65536 };

struct emu_regs {
    uint32_t s[EMU_SCALARS]; // m and dj sign-extended
    uint8_t v[EMU_W_BYTES + EMU_Q_BYTES + EMU_AM_BYTES] __attribute__((aligned(64)));
};

struct emu_core {
    struct emu_regs regs;
    const uint32_t *in; // scalars as E1 reads them: regs.s, or old
    uint64_t n;         // bundles issued: the pipeline's time
    struct emu_bundle *next;
    struct emu_cycle *cycle;                    // the last one
    uint32_t banks[EMU_FLIGHTS][EMU_QUADRANTS]; // accesses per bank, 4 bits each
    uint32_t conflicts;                         // bit: cycle in which a bank is wanted twice
    uint32_t branch_left, branch_target;
    uint32_t stall; // cycles still to wait
    enum emu_stall stall_cause;
    int stalled;
    enum emu_state state;
    struct emu_fault fault;
    struct emu_stats stats;
    const struct emu_fast *fast;
    uint8_t *memory[EMU_QUADRANTS];
    uint32_t guard;
    uint64_t loop_written; // when le or ls was
    uint32_t waited;       // slots of the next bundle whose port has answered
    struct emu_ports ports;
    uint8_t locks[EMU_LOCKS];
    uint32_t old[EMU_SCALARS];
    uint32_t pc; // of `next`, also when there is none
    uint32_t program_end;
    uint8_t program[EMU_PROGRAM_BYTES + ISA_BUNDLE_MAX];
    struct emu_bundle *decoded[EMU_PROGRAM_BYTES / 2];
    struct emu_bundle **all; // decoded ones
    unsigned n_all;
    struct emu_cycle *buckets[EMU_CYCLE_BUCKETS];
    unsigned n_cycles;
    void (*run)(struct emu_core *c, uint64_t end); // cycle.c or cycle_avx2.c
    uint8_t *own_memory;                           // if it is the core's to free
    struct emu_flight flights[EMU_FLIGHTS];
};

static inline struct emu_work *emu_work_of(struct emu_flight *f, unsigned offset)
{
    return (struct emu_work *)(void *)(f->work + offset);
}

/* The meaning of a row; never NULL. */
const struct emu_semantics *emu_semantics_of(unsigned insn);

/* Decodes the bundle at an address; NULL: a fault is set. */
struct emu_bundle *emu_bundle_at(struct emu_core *c, uint32_t address);
void emu_forget_bundles(struct emu_core *c);

/* Turns a bundle into steps. NULL: out of memory. Free with mem_free. */
struct emu_bundle *emu_lower(const struct isa_bundle *isa, uint32_t address);
struct emu_place emu_place_of(unsigned reg); // not of D, D3, QW, QX

/* The cycle in which b (NULL: nothing) issues after the last one. NULL: out of memory. */
struct emu_cycle *emu_next_cycle(struct emu_core *c, struct emu_bundle *b);
void emu_forget_cycles(struct emu_core *c);

/* Runs while the core is running and stats.cycles < end. */
void emu_run_plain(struct emu_core *c, uint64_t end);
void emu_run_avx2(struct emu_core *c, uint64_t end);
void emu_run_steps(struct emu_core *c, const struct emu_cycle *cycle);

/* For those: what is not needed in most cycles. */
bool emu_may_issue(struct emu_core *c, struct emu_bundle *b);
void emu_charge_conflicts(struct emu_core *c, struct emu_bundle *b, unsigned slot);
void emu_loop_back(struct emu_core *c, const struct emu_bundle *b);
void emu_redirect(struct emu_core *c); // c->pc is not the next bundle's
struct emu_bundle *emu_look_up(struct emu_core *c, uint32_t address); // NULL: none there

/* Where a function called by this instruction returns to: behind five delay slots. */
uint32_t emu_return_address(struct emu_core *c, const struct emu_op *op);

void emu_fault(struct emu_core *c, enum emu_fault_code code, const struct emu_op *op,
               uint32_t value);

/* ---- for the instructions ---- */

static inline uint32_t emu_cut_to(uint32_t x, unsigned cut)
{
    switch (cut) {
    case EMU_CUT_20:
        return x & 0xfffff;
    case EMU_CUT_20_SIGNED:
        return (uint32_t)((int32_t)(x << 12) >> 12);
    case EMU_CUT_6:
        return x & 63;
    default:
        return x;
    }
}

/* A scalar operand or the immediate, as E1 reads it. */
static inline uint32_t emu_in(const struct emu_core *c, const struct emu_op *op, unsigned k)
{
    return op->in[k].at ? c->in[op->in[k].at] : (uint32_t)op->imm;
}

static inline uint64_t emu_in_pair(const struct emu_core *c, const struct emu_op *op, unsigned k)
{
    return (uint64_t)c->in[op->in[k].at + 1] << 32 | c->in[op->in[k].at];
}

static inline const uint8_t *emu_in_vec(const struct emu_core *c, const struct emu_op *op,
                                        unsigned k)
{
    return c->regs.v + op->in[k].at;
}

/* The scalar result: now, or carried to its stage. */
static inline void emu_out(struct emu_core *c, const struct emu_op *op, struct emu_work *w,
                           uint32_t x)
{
    if (op->direct)
        c->regs.s[op->out[0].at] = emu_cut_to(x, op->out[0].cut);
    else
        w->out.u32[0] = x;
}

/* A status flag in E1. */
static inline void emu_flag(struct emu_core *c, unsigned reg, bool set)
{
    c->regs.s[reg] |= set;
}

/* E1 of memory instructions (memory.c). */
emu_step_fn emu_do_address, emu_do_part_address;
/* Stages of memory (memory.c). */
emu_step_fn emu_do_load_4, emu_do_load_8, emu_do_load_16, emu_do_load_32, emu_do_store,
    emu_do_part_read, emu_do_part_write, emu_do_lookup_load, emu_do_ups_early;
/* Landing (core.c). */
emu_step_fn emu_land_scalar, emu_land_pair, emu_land_8, emu_land_16, emu_land_32, emu_land_64,
    emu_land_128, emu_land_mask, emu_land_mask_pair, emu_land_flag;
emu_step_fn emu_mac_early, emu_land_link;

/* Asks the port of an EMU_WAIT instruction; false: wait. */
bool emu_port_ready(struct emu_core *c, const struct emu_bundle *b, const struct emu_op *op,
                    struct emu_work *w);

/* Every function semantics.def names. */
#define SEM(mnemonic, slots, template, fn, a, b, c) extern emu_step_fn emu_do_##fn;
#include "npu/emu/semantics.def"
#undef SEM

#endif
