/*
 * Linear assembly: kernels as operations in program order over virtual or named registers, with loops.
 * The scheduler decides registers, cycles and slots. docs/npu-sched.md describes the language; this is
 * what a file becomes. Single operations are read by npu/asm/text.h.
 *
 *     struct lin_file *file;
 *     if (lin_open(&file, "gemm.lin", &diag) == 0) { ... lin_close(&file); }
 */
#ifndef NPU_SCHED_LIN_H
#define NPU_SCHED_LIN_H

#include "npu/sched/arena.h"
#include "npu/sched/deps.h"
#include "npu/sched/vreg.h"

enum {
    LIN_ALTS_MAX = 4,
    LIN_OPS_MAX = 8192, // in one function
    LIN_REGIONS_MAX = 1024,
    LIN_AREA_ANY = 0, // may meet every other access
    LIN_NO_CYCLE = -100000
};

/* A set of memory accesses that never meets those of another area. */
struct lin_area {
    const char *name;
    uint32_t banks; // bit: one of lin_file.banks, busy for a cycle per access
    bool constant;  // only loads
    bool each;      // accesses of different loop iterations do not meet
    int line;
};

struct lin_vreg {
    const char *name; // without %
    uint8_t kind;     // enum vreg_kind
    int fixed;        // enum isa_reg it is bound to, ISA_REG_NONE: free
    int line;
};

struct lin_op {
    struct isa_op alts[LIN_ALTS_MAX]; // the same operation in different slots
    uint8_t n_alts;
    uint8_t area;       // number in lin_file.areas
    uint32_t banks;     // as in lin_area
    int label;          // target of a branch or value of a move: lin_func.labels; -1: none
    const char *symbol; // or a symbol of another file, NULL: none
    int32_t addend;
    int line;
    int at;           // cycle within the iteration asked for; LIN_NO_CYCLE: free
    int8_t lean;      // -1: as early as possible, 1: as late as possible, 0: scheduler's choice
    uint8_t priority; // placed before those with lower ones
};

struct lin_label {
    const char *name;
    unsigned region; // starts with it
    int line;
};

/* Virtual registers of the scheduler's own, the last ones of a function. */
enum { LIN_HIDDEN_COUNT, LIN_HIDDEN_START, LIN_HIDDEN_TEMP, LIN_HIDDEN };

enum lin_region_kind { LIN_STRAIGHT, LIN_LOOP };

/* Straight code: ops, the last of which may be a branch. Loop: the ops of one iteration. */
struct lin_region {
    uint8_t kind;
    unsigned first, count; // in lin_func.ops
    int line;
    int label; // starts with it, -1: none
    /* loops */
    int64_t trips;          // constant number of iterations; 0: in a register
    int trips_reg;          // operand value, read before the loop
    unsigned min, multiple; // of the trip count
    unsigned ii, max_ii;    // bounds asked for; 0: none
    unsigned unroll;        // most copies of the body in the kernel
    bool soft, no_pipe;     // branch instead of hardware loop; no overlap of iterations
};

struct lin_func {
    const char *name;
    int line, end_line;
    struct lin_vreg *vregs;
    struct lin_op *ops;
    struct lin_label *labels;
    struct lin_region *regions;
    int *outs;                    // operand values read by the caller
    bool reserved[ISA_REG_COUNT]; // leaves the scheduler must not use
    struct deps_flags flags;
    unsigned hidden; // the first of LIN_HIDDEN
    unsigned n_vregs, n_ops, n_labels, n_regions, n_outs;
    unsigned cap_vregs, cap_ops, cap_labels, cap_regions, cap_outs;
};

/* Text copied to the output as it is, before function `before`. */
struct lin_verbatim {
    const char *text;
    unsigned before;
};

struct lin_file {
    const char *name;
    struct lin_func **funcs;
    struct lin_area *areas; // [0]: any
    const char **banks;
    struct lin_verbatim *verbatim;
    unsigned n_funcs, n_areas, n_banks, n_verbatim;
    unsigned cap_funcs, cap_areas, cap_banks, cap_verbatim;
    struct arena arena;
};

/* Reads a file, or `size` bytes of text called `name`. Errors: ESYNTAX with the line; NOENT ...; NOMEM. */
int lin_open(struct lin_file **out, const char *path, struct sotto_diag *diag);
int lin_read(struct lin_file **out, const char *text, size_t size, const char *name,
             struct sotto_diag *diag);
void lin_close(struct lin_file **file); // accepts NULL and a NULL file; sets NULL

/* For deps_describe. The user pointer is the function. */
struct deps_regs lin_deps_regs(const struct lin_func *func);
/* Leaves of an operand value, virtual or not; returns their number. */
unsigned lin_leaves(const struct lin_func *func, int value, uint32_t leaves[ISA_PARTS_MAX]);
/* "%acc.l" or "r3". */
const char *lin_value_text(const struct lin_func *func, int value, char *dst, size_t size);

#endif
