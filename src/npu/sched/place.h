/*
 * Modulo scheduling proper: cycles for the ops of one loop iteration at a given initiation interval, by
 * order of swing modulo scheduling (Llosa et al., PACT 1996: neighbours one after the other, so that
 * values live short) with ejection of what stands in the way (Rau, MICRO 1994).
 */
#ifndef NPU_SCHED_PLACE_H
#define NPU_SCHED_PLACE_H

#include "npu/sched/impl.h"

struct place_edge {
    int from, to, distance;
    int omega; // iterations from the first op to the second
    bool flow;
};

struct place {
    struct arena *arena;
    const struct modulo *m;
    struct place_edge *edges; // by `from`
    unsigned n_edges;
    int *far;                  // n * n: longest path at this interval, PLACE_FAR: none
    struct table table, taken; // taken: only what no op can have
    int *time;                 // result
    uint8_t *form;
    bool *placed;
    const int *depth; // longest way to each op within the iteration
    unsigned ii, variant;
    int reserve; // cycle in which a branch takes the alu slot, -1: none
};

enum { PLACE_FAR = -1000000 };

/* Smallest interval that the recurrences allow; *line of an op on the worst one. */
unsigned place_rec_mii(const struct place *p, int *line);
/* Tries one interval; `variant` 0, 1, ... are different orders. */
bool place_try(struct place *p, unsigned ii, unsigned variant);

#endif
