/* Any text as linear assembly: read it, and schedule what is small enough. */
#include <stddef.h>
#include <stdint.h>

#include "npu/sched/sched.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sotto_diag diag = {0};
    struct lin_file *file = NULL;
    if (size > 4096 || lin_read(&file, (const char *)data, size, "fuzz.lin", &diag)) {
        return 0;
    }
    unsigned ops = 0;
    for (unsigned i = 0; i < file->n_funcs; i++) {
        ops += file->funcs[i]->n_ops;
    }
    for (int plain = 0; plain < 2 && ops <= 40; plain++) {
        struct sched_result *r = NULL;
        int err = sched_file(&r, file, &(struct sched_options){.unscheduled = plain}, &diag);
        if (err == SOTTO_EINTERNAL) {
            __builtin_trap(); // scheduled wrongly
        }
        sched_close(&r);
    }
    lin_close(&file);
    return 0;
}
