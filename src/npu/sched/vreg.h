/*
 * Virtual registers: kinds, parts, and which registers of the core one may become. In an op an operand
 * value from ISA_REG_COUNT on names a virtual register and a part of it.
 */
#ifndef NPU_SCHED_VREG_H
#define NPU_SCHED_VREG_H

#include "npu/isa/isa.h"

enum vreg_kind {
    VREG_R,
    VREG_P,
    VREG_M,
    VREG_DN,
    VREG_DJ,
    VREG_DC,
    VREG_S,
    VREG_D,  // m, dn, dj, dc
    VREG_D3, // the same with the second dn, dj, dc
    VREG_L,  // pair of r
    VREG_W,
    VREG_X,
    VREG_Y,
    VREG_Q,
    VREG_AM,
    VREG_BM,
    VREG_CM,
    VREG_KINDS
};

enum { VREG_SUBS = 16, VREG_MAX = 4096 };

/* Kind by name ("r", "cm"), -1: none. */
int vreg_kind_find(const char *name, size_t length);
const char *vreg_kind_name(unsigned kind);
unsigned vreg_kind_leaves(unsigned kind);

/* Part by name ("l", "hh", "dj"); 0 is the whole; -1: none. */
int vreg_sub_find(unsigned kind, const char *name, size_t length);
const char *vreg_sub_name(unsigned kind, unsigned sub); // "" for the whole
void vreg_sub_range(unsigned kind, unsigned sub, unsigned *first, unsigned *count);

/* Operand values. */
static inline int vreg_value(unsigned id, unsigned sub)
{
    return ISA_REG_COUNT + (int)(id * VREG_SUBS + sub);
}
static inline unsigned vreg_id(int value)
{
    return (unsigned)(value - ISA_REG_COUNT) / VREG_SUBS;
}
static inline unsigned vreg_sub(int value)
{
    return (unsigned)(value - ISA_REG_COUNT) % VREG_SUBS;
}
/* Leaf numbers of virtual registers follow those of the core's. */
static inline uint32_t vreg_leaf(unsigned id, unsigned part)
{
    return ISA_REG_COUNT + id * 8 + part;
}

/* The n-th register of the kind, ISA_REG_NONE: no more. */
int vreg_nth(unsigned kind, unsigned n);
/* The part of a core register of the kind; ISA_REG_NONE: it has none. */
int vreg_part(unsigned kind, int reg, unsigned sub);
/* Could a virtual register of the kind stand in the class with that part? */
bool vreg_fits_class(unsigned kind, unsigned sub, unsigned class_id);
/* Another register of the kind and part whose bypass group may differ, or 0. */
int vreg_other_sample(unsigned kind, unsigned sub);

#endif
