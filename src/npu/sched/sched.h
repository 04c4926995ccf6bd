/*
 * The scheduler: linear assembly to bundles. Registers, slots and cycles are chosen here; loops are
 * software-pipelined by modulo scheduling. Results are compared with the source by flow.h before they are
 * given out.
 *
 *     struct sched_result *r;
 *     if (sched_file(&r, file, &(struct sched_options){0}, &diag) == 0) {
 *         fwrite(r->text, 1, r->text_size, out);
 *         sched_close(&r);
 *     }
 */
#ifndef NPU_SCHED_SCHED_H
#define NPU_SCHED_SCHED_H

#include "npu/sched/code.h"
#include "npu/sched/lin.h"

struct sched_options {
    bool unscheduled; // one operation per bundle, waits after each, ordinary branches
    bool unchecked;   // leave out the comparison with the source (tests of the comparison itself)
};

struct sched_loop {
    int line;
    bool pipelined, hardware;
    unsigned ii, res_mii, rec_mii; // initiation interval and its lower bounds
    const char *bound; // what bounds it: "slot vec", "port CM_RM", "bank T", "recurrence (line 7)"
    unsigned stages, unroll; // of one iteration; copies of the body in the kernel
    unsigned ops;
    unsigned slots[ISA_SLOT_COUNT]; // ops per slot in one interval
    unsigned live[4];        // most registers in use at once: r, p/m/d, w (256 bits), am (256 bits)
    unsigned bundles, bytes; // of the kernel
    unsigned kernel;         // its first bundle
};

struct sched_func {
    const char *name;
    struct code code;
    struct sched_loop *loops;
    unsigned n_loops;
    unsigned bytes;
};

struct sched_result {
    struct sched_func *funcs;
    unsigned n_funcs;
    char *text; // assembly of the whole file
    size_t text_size;
    struct arena arena;
};

int sched_file(struct sched_result **out, const struct lin_file *file,
               const struct sched_options *options, struct sotto_diag *diag);
void sched_close(struct sched_result **result); // accepts NULL and a NULL result; sets NULL

/* The loops of a result as text, one block each; the caller's (mem_free), or NULL. */
char *sched_report(const struct sched_result *result);

#endif
