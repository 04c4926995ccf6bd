/*
 * A sequence of bundles with labels: what the scheduler makes and the checker reads. Branch targets and
 * other symbols stay names until text or object code is made of them.
 */
#ifndef NPU_SCHED_CODE_H
#define NPU_SCHED_CODE_H

#include "npu/isa/isa.h"
#include "npu/sched/arena.h"

struct code_ref {
    const char *symbol; // NULL: the operand is a number
    int32_t addend;
};

struct code_bundle {
    struct isa_bundle bundle; // size as it will be encoded
    struct code_ref refs[ISA_SLOT_COUNT];
    int lines[ISA_SLOT_COUNT]; // of the source, 0: none
    uint32_t address;          // bytes from the start of the code
};

struct code_label {
    const char *name;
    unsigned bundle; // index of the bundle it stands before
    bool global;
};

struct code {
    const char *file; // of the lines
    struct code_bundle *bundles;
    struct code_label *labels; // by bundle
    unsigned n_bundles, n_labels, cap_bundles, cap_labels;
};

/* Appends an empty bundle (a nop). NULL: out of memory. */
struct code_bundle *code_add(struct code *code, struct arena *arena);
int code_add_label(struct code *code, struct arena *arena, const char *name, bool global);
/* Puts an op into its slot. */
void code_put(struct code_bundle *bundle, const struct isa_op *op, struct code_ref ref, int line);
/* Sets size and addresses of all bundles; fills empty ones with nop. SOTTO_EINVAL: no such format. */
int code_measure(struct code *code);
/* Makes bundles first..end-1 exactly `more` bytes longer by writing nops into empty slots, as few bundles
 * as possible; false: impossible, nothing changed. */
bool code_widen(struct code *code, unsigned first, unsigned end, unsigned more);
/* Makes the end of the code a multiple of 16 bytes: widens bundles from `first` on, or appends nops. */
int code_align(struct code *code, struct arena *arena, unsigned first);
uint32_t code_end(const struct code *code); // bytes
/* The label's bundle, -1: none. */
int code_find(const struct code *code, const char *name);
/* Address a ref means, -1: symbol of another file. */
int64_t code_address(const struct code *code, const struct code_ref *ref);
/* "vlda wl0, [p0], #32; nopb" with symbols; as isa_print. */
int code_print(const struct code_bundle *bundle, char *dst, size_t size);

#endif
