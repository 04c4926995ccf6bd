/* One call of a kernel in the core emulator, with or without a DMA that wants the same banks. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "npu/emu/image.h"
#include "npu/kernels/impl.h"

enum { CYCLES_MAX = 1000000, STREAMS = 3, WAITING_MAX = 4 };

/* A DMA channel: an access of 16 bytes every `period` hundredths of a cycle. */
struct stream {
    uint32_t address, left;
    unsigned period, time, waiting;
};

struct dma {
    struct stream streams[STREAMS];
    bool core_won[8]; // last conflict, by bank
};

static void start(struct dma *dma, const struct kernel_call *call)
{
    // The second stream is two cycles off the first, as two channels with a common clock may be.
    unsigned ahead = call->phase * 100, slot = 1 - call->slot;
    *dma = (struct dma){.streams = {
                            {KERNEL_TOKENS(slot), KERNEL_CHUNK, 400, ahead, 0},
                            {KERNEL_WEIGHTS(slot), KERNEL_CHUNK, 400, ahead + 200, 0},
                            {KERNEL_OUT, KERNEL_CHUNK, 3636, ahead, 0},
                        }};
}

/* One cycle of the DMA against the banks the core wants; is the core denied? */
static bool cycle(struct dma *dma, uint8_t wanted, enum kernel_arbiter arbiter)
{
    bool denied = false;
    uint8_t taken = 0;
    for (unsigned i = 0; i < STREAMS; i++) {
        struct stream *s = &dma->streams[i];
        s->time += 100;
        if (s->time >= s->period && s->left && s->waiting < WAITING_MAX) {
            s->time -= s->period;
            s->waiting++;
            s->left -= 16;
        }
        unsigned bank = (s->address >> 14) % 4 * 2 + (s->address >> 4) % 2;
        if (!s->waiting || (taken >> bank & 1)) {
            continue;
        }
        if (wanted >> bank & 1) {
            bool core = arbiter == KERNEL_CORE_FIRST ||
                        (arbiter == KERNEL_ROUND_ROBIN && !dma->core_won[bank]);
            dma->core_won[bank] = core;
            if (core) {
                continue;
            }
            denied = true;
        }
        taken |= (uint8_t)(1u << bank);
        s->waiting--;
        s->address += 16;
    }
    return denied;
}

/* What a kernel keeps, besides lr. */
static const uint16_t kept[] = {ISA_REG_sp,  ISA_REG_p6,  ISA_REG_p7,  ISA_REG_m7,
                                ISA_REG_r24, ISA_REG_r25, ISA_REG_r26, ISA_REG_r27,
                                ISA_REG_r28, ISA_REG_r29, ISA_REG_r30, ISA_REG_r31};
enum { KEPT = sizeof kept / sizeof kept[0], KEPT_VALUE = 0x7a500 };

static void call_function(struct emu_core *core, const struct kernel_call *call, uint32_t address)
{
    emu_core_call(core, address);
    for (unsigned i = 0; i < 4; i++) {
        emu_core_set(core, ISA_REG_p0 + (int)i, &call->p[i]);
    }
    emu_core_set(core, ISA_REG_r0, &call->r0);
    for (unsigned i = 0; i < KEPT; i++) {
        emu_core_set(core, kept[i], &(uint32_t){KEPT_VALUE + 32 * i});
    }
}

/* The first register that was to be kept and was not, or NULL. */
static const char *lost(const struct emu_core *core)
{
    for (unsigned i = 0; i < KEPT; i++) {
        uint32_t now;
        emu_core_get(core, kept[i], &now);
        if ((now & 0xfffff) != KEPT_VALUE + 32 * i) {
            return isa_reg(kept[i])->text;
        }
    }
    return NULL;
}

static enum emu_state go(struct emu_core *core, const struct kernel_call *call,
                         enum kernel_arbiter arbiter)
{
    struct dma dma;
    if (arbiter == KERNEL_ALONE) {
        return emu_core_run(core, CYCLES_MAX);
    }
    start(&dma, call);
    for (unsigned i = 0; i < CYCLES_MAX && emu_core_state(core) == EMU_RUNNING; i++) {
        emu_core_step(core, cycle(&dma, emu_core_banks(core, EMU_OWN), arbiter));
    }
    return emu_core_state(core);
}

int kernel_run(const struct kernel *k, const struct npu_image *image,
               uint8_t memory[EMU_MEMORY_BYTES], const struct kernel_call *call,
               enum kernel_arbiter arbiter, struct emu_stats *stats, struct sotto_diag *diag)
{
    struct emu_core *core = NULL;
    const struct npu_symbol *function = npu_image_symbol(image, k->name);
    if (!function) {
        return diag_set(diag, SOTTO_EINVAL, image->file, "%s has no function %s", image->file,
                        k->name);
    }
    int err = emu_core_open(&core, NULL, NULL, diag);
    err = err ? err : emu_load_image(core, image, diag);
    if (!err) {
        memcpy(emu_core_memory(core, EMU_OWN), memory, EMU_MEMORY_BYTES);
        call_function(core, call, function->value);
        enum emu_state state = go(core, call, arbiter);
        *stats = *emu_core_stats(core);
        memcpy(memory, emu_core_memory(core, EMU_OWN), EMU_MEMORY_BYTES);
        if (state == EMU_FAULTED) {
            char why[512];
            emu_core_fault_text(core, why, sizeof why);
            err = diag_set(diag, SOTTO_EINVAL, image->file, "%s: %s", k->name, why);
        } else if (state != EMU_RETURNED) {
            err = diag_set(diag, SOTTO_EINVAL, image->file, "%s does not return", k->name);
        } else if (lost(core)) {
            err = diag_set(diag, SOTTO_EINVAL, image->file, "%s does not keep %s", k->name,
                           lost(core));
        }
    }
    emu_core_close(&core);
    return err;
}
