/*
 * Does code compute what linear assembly says? Both are run on symbols: every result is a number that
 * stands for the operation and the values it was made of, so equal numbers mean the same graph of values.
 * The linear code is run op by op; the bundles as the pipeline does it: reads and writes in their stages,
 * old values until a write lands, bypasses, delay slots, hardware loops. Pointers are symbol plus
 * distance; memory is known byte by byte. What instructions compute is not known here.
 *
 * Compared: all bytes of memory written, the registers of `.out`, control registers, locks and streams in
 * order. Trip counts and branches that depend on unknown values are tried with several assumptions.
 */
#ifndef NPU_SCHED_FLOW_H
#define NPU_SCHED_FLOW_H

#include "npu/sched/code.h"
#include "npu/sched/lin.h"

/* SOTTO_OK if they agree; SOTTO_EINVAL with the place if not; SOTTO_EUNSUPPORTED if the code runs too long
 * to be followed. `code` starts at address 0 with the function. */
int flow_compare(const struct lin_file *file, const struct lin_func *func, const struct code *code,
                 struct sotto_diag *diag);

#endif
