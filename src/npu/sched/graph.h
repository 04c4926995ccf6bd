/*
 * Dependences among a set of operations. Each stands at a reference time at which the set is known to be
 * right (sequential code: far apart in program order; pipelined code: its cycles). Whatever each read sees
 * there it must see in every other arrangement. Memory and locks follow program order instead.
 */
#ifndef NPU_SCHED_GRAPH_H
#define NPU_SCHED_GRAPH_H

#include "npu/sched/lin.h"

enum {
    GRAPH_SEQUENTIAL = 64, // reference cycles between operations of sequential code
    GRAPH_WEB = 1 << 28,   // leaves from here on belong to one iteration only
};

struct graph_node {
    const struct deps_op *d;
    const struct lin_op *op;
    int ref;        // reference cycle
    int order;      // place in program order
    int loop, iter; // loop the op belongs to (-1: none) and iteration: for areas with `each`
    uint32_t shift; // added to leaves from GRAPH_WEB on
    bool fixed;     // edges between two such nodes are left out
};

struct graph_edge {
    int from, to, distance;
    bool flow; // a value of a web goes from the first to the second
};

struct graph {
    struct graph_edge *edges;
    unsigned n, cap;
};

int graph_build(struct graph *graph, struct arena *arena, const struct lin_file *file,
                const struct graph_node *nodes, unsigned n);

/* Distance kept because of memory, locks or streams, if `a` comes before `b` in program order;
 * DEPS_NONE: any order. */
int graph_order(const struct lin_file *file, const struct graph_node *a,
                const struct graph_node *b);

#endif
