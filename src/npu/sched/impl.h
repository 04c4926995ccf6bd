/*
 * Shared inside npu/sched only: the state of one function on its way from linear assembly to bundles.
 * analyse.c finds what is live where, assign.c gives registers, modulo.c and list.c give cycles, lower.c
 * joins the pieces.
 */
#ifndef NPU_SCHED_IMPL_H
#define NPU_SCHED_IMPL_H

#include "npu/sched/code.h"
#include "npu/sched/graph.h"
#include "npu/sched/lin.h"
#include "npu/sched/sched.h"

enum { IMPL_PARTS = 8, IMPL_UNROLL_MAX = 16 };

/* ---- analyse.c ---- */

/* Virtual registers without a binding that live within one region become webs: sets of values that must
 * share a register. */
struct web {
    unsigned vreg;
    int first, last, last_write; // ops of the region, by number in it
    int phys[IMPL_UNROLL_MAX];
    unsigned copies; // registers it cycles through; 0: not assigned
};

struct webs {
    struct web *webs;
    unsigned n;
    int *of; // of access a of op i: of[i * DEPS_ACCESS_MAX + a]; -1: not in a web
};

struct work {
    struct arena *arena;
    const struct lin_file *file;
    const struct lin_func *func;
    struct sotto_diag *diag;
    struct deps_regs regs;
    struct deps_op *d;  // of each op's first form, virtual leaves
    int *phys;          // of each virtual register: bound or global; ISA_REG_NONE: local
    int **candidates;   // of each virtual register, ended by ISA_REG_NONE
    bool *global;       // live across a region's border
    uint64_t **live_in; // by region, bits are leaves (vreg * 8 + part)
    uint64_t **live_out;
    bool **present;            // by region, virtual registers that are live or used in it
    bool **busy;               // by region, core leaves taken by bound and global registers
    bool named[ISA_REG_COUNT]; // leaves the source names itself, or the caller reserves
    bool plain;                // unscheduled output
};

int work_analyse(struct work *w);
int work_error(const struct work *w, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int work_no_memory(const struct work *w);

/* Is the region's virtual register one that is assigned for the whole function? */
static inline bool work_is_local(const struct work *w, unsigned vreg)
{
    return w->phys[vreg] == ISA_REG_NONE;
}

/* Timing of an op with bound and global registers as core leaves and webs as GRAPH_WEB leaves. */
int webs_build(struct work *w, const struct lin_op *ops, unsigned n, struct webs *webs,
               struct deps_op *d);

/* ---- assign.c ---- */

int assign_globals(struct work *w);
/* Registers for the webs of straight code in program order; `avoid`: leaves better left alone. */
int assign_straight(struct work *w, unsigned region, const struct lin_op *ops, unsigned n,
                    const bool *avoid, struct lin_op *out);
/* Op i with core registers in all its forms, as iteration `iteration` has them. */
void assign_op(const struct work *w, const struct webs *webs, const struct deps_op *d, unsigned i,
               const struct lin_op *op, int iteration, struct lin_op *out);

/* Registers for the webs of a scheduled loop whose kernel holds m->unroll iterations; false: too few.
 * `missing` (may be NULL) gets the virtual register that found none. */
struct modulo;
bool assign_loop(struct work *w, struct modulo *m, unsigned tries, unsigned *missing);
/* The longest life of a web's value in units of the interval: copies it needs. */
unsigned assign_loop_copies(struct work *w, const struct modulo *m);

/* ---- table.c: slots, ports and banks by cycle ---- */

struct table {
    struct table_cycle *cycles;
    int n, modulo; // modulo > 0: cycle c is c mod n
    int base;      // first cycle, else
    int capacity;
};

/* Empties the table; `t` is zero, or was used before: its memory is used again. */
bool table_init(struct table *t, struct arena *arena, int base, int n, bool modulo);
bool table_fits(const struct table *t, const struct deps_op *d, uint32_t banks, int cycle);
void table_add(struct table *t, const struct deps_op *d, uint32_t banks, int cycle, int sign);

/* ---- modulo.c ---- */

struct modulo {
    unsigned region, n, ii, stages, unroll;
    const struct lin_op *ops;
    struct deps_op *d;     // of the first form, leaves resolved
    struct deps_op *forms; // n * LIN_ALTS_MAX: ports of every form
    int *time;             // flat cycle within the iteration, the earliest stage is 0
    uint8_t *form;         // which alternative
    struct webs webs;
    unsigned res_mii, rec_mii;
    const char *bound; // what bounds the interval, for the report
    int rec_line;      // an op on the critical recurrence
};

int modulo_schedule(struct work *w, unsigned region, struct modulo *m);

/* ---- list.c ---- */

enum list_fixed { LIST_FREE, LIST_BEFORE, LIST_AFTER };
enum list_pin { LIST_PIN_NONE, LIST_PIN_START, LIST_PIN_END };

/* An op with core registers. Fixed ones have their cycle: before 0, or counted from the end. */
struct list_op {
    struct lin_op op;
    struct deps_op *forms;      // of each alternative
    int ref, order, loop, iter; // as in struct graph_node
    enum list_fixed fixed;
    int cycle;         // result; given if fixed
    uint8_t form;      // result
    int gap;           // cycles to the end it keeps at least
    enum list_pin pin; // where the pipelined code has it, from the start or the end
    int pin_cycle;
    uint8_t pin_form; // and in which form
    int after;        // 1 + number of an op it must follow by a bundle at least; 0: none
};

struct list {
    struct list_op *ops;
    unsigned n, cap;
    int branch; // op that ends the code with its delay slots, -1: none
    bool drain; // everything must have landed at the end
    int end;    // in: at least; result
};

struct list_op *list_add(struct work *w, struct list *list, const struct lin_op *op);
int list_schedule(struct work *w, struct list *list);

/* ---- lower.c, plain.c ---- */

struct sched_func;
int lower_function(struct work *w, struct sched_func *out);
int plain_function(struct work *w, struct sched_func *out);
/* ".Lfunc_name" */
const char *lower_label(struct work *w, const char *name, int number);
struct code_ref lower_ref(struct work *w, const struct lin_op *op);

#endif
