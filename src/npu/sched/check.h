/*
 * Rules of the AIE2 core that any bundle sequence must keep, whoever wrote it: ports, double writes, lost
 * accumulator updates, delay slots, hardware loops, lock distances. Every path of up to 16 bundles is
 * followed: through delay slots to branch targets, from loop ends to loop starts. A read that comes before
 * a pending write lands may be meant (the old value is still there): it is a note, not a fault. Whether
 * scheduled code does what its source says is flow.h.
 */
#ifndef NPU_SCHED_CHECK_H
#define NPU_SCHED_CHECK_H

#include "npu/elf/elf.h"
#include "npu/sched/code.h"

enum check_rule {
    CHECK_PORT,         // two ops use one port in one cycle
    CHECK_DOUBLE_WRITE, // two writes of one register land in one cycle
    CHECK_LOST_UPDATE,  // an accumulation whose result nobody can have read is overwritten
    CHECK_DELAY_SLOT,   // a branch in the delay slots of another
    CHECK_LOOP_END,     // last bundle of a hardware loop: 16 bytes wide, aligned, no 8/16-bit store
    CHECK_LOOP_START,   // first bundle of a hardware loop: aligned
    CHECK_LOOP_SET_UP,  // ls, le or lc written too near the last bundle
    CHECK_LOOP_BRANCH,  // a branch whose delay slots run over a loop's end
    CHECK_LOCK,         // memory too near a lock instruction
    CHECK_UNDEFINED,    // bytes that are no bundle
    CHECK_OLD_VALUE,    // note: a read sees the value before a write in flight
    CHECK_RULES
};

struct check_fault {
    enum check_rule rule;
    bool note;
    uint32_t address, other_address; // of the bundle at fault and the one it clashes with
    int line, other_line;            // of the source, 0: unknown
    const char *file;                // NULL: unknown
    char text[512];                  // what and why
};

typedef void check_report(void *user, const struct check_fault *fault);

/* Checks all of `code` (measured); `on_fault` may be NULL. Returns the number of faults that are no notes,
 * or SOTTO_ENOMEM. */
int check_code(const struct code *code, bool notes, check_report *on_fault, void *user);

/* Every section of code of an object or image. Returns as check_code. */
int check_image(const struct npu_image *image, bool notes, check_report *on_fault, void *user);

/* The bundles of a function of an object or image, from address 0 on, with branch targets and loop ends
 * resolved: for flow_compare. Errors: NOENT (no such symbol), EUNSUPPORTED (no bundle), NOMEM. */
int check_function_code(const struct npu_image *image, const char *name, struct code *code,
                        struct arena *arena, struct sotto_diag *diag);

const char *check_rule_name(enum check_rule rule); // "port", "loop-end"

#endif
