/*
 * The kernels as a table, and running one in the core emulator: inputs into a core's memory where the encoder
 * has its buffers, a call, the C model's result (model.h) for comparison. sotto-npu bench-kernels and the
 * tests stand on this.
 *
 *     const struct kernel *k = kernel_at(i);
 *     struct kernel_call call;
 *     kernel_prepare(k, memory, &call, KERNEL_RANDOM, seed, slot, NULL);
 *     memcpy(expected, memory, sizeof expected);
 *     kernel_model(k, expected, &call);
 *     kernel_run(k, image, memory, &call, KERNEL_ALONE, &stats, &diag);
 *
 * Calling convention: pointers in p0 to p3, a count in r0, return by lr with ret. A kernel sets the control
 * registers it needs and leaves them so; it keeps lr, sp, p6, p7, m7 and r24 to r31 and may change
 * all else. Memory of the core, by 16 KiB banks:
 *
 *     0x70000 token slot 0      0x72000 C, first half
 *     0x74000 token slot 1      0x76000 C, second half
 *     0x78000 weight slot 0     0x7a000 OUT
 *     0x7c000 weight slot 1     0x7e000 strip, 0x7e800 bias, 0x7f800 constants and statistics
 */
#ifndef NPU_KERNELS_KERNELS_H
#define NPU_KERNELS_KERNELS_H

#include "npu/elf/elf.h"
#include "npu/emu/core.h"

enum kernel_input { KERNEL_RANDOM, KERNEL_EDGE, KERNEL_CAPTURED, KERNEL_INPUTS };

/* Who wins a bank that the core and the DMA want in the same cycle. ALONE: no DMA. */
enum kernel_arbiter {
    KERNEL_ALONE,
    KERNEL_CORE_FIRST,
    KERNEL_ROUND_ROBIN,
    KERNEL_DMA_FIRST,
    KERNEL_ARBITERS
};

enum { KERNEL_PROGRAM_MAX = 14 * 1024 }; // bytes of all kernels together

struct kernel_call {
    uint32_t p[4]; // addresses
    uint32_t r0;
    unsigned slot;  // of tokens and weights
    unsigned phase; // cycles the streams of the DMA are ahead: 0 to 3 are different cases
};

/* Numbers captured on silicon: tests/data/npu/{mac_bf16,f32_to_bf16}.csv. */
struct kernel_captures {
    uint16_t (*a)[32], (*b)[32]; // operands of products
    uint32_t *f32;
    unsigned n_tiles, n_f32;
};

struct kernel {
    const char *name;  // its function
    const char *shape; // "64x64x64"
    unsigned elements; // cycles are counted per element; 0: by MACs
    unsigned macs, macs_per_cycle;
    double must, aim; // cycles, or cycles per element
    const char *measure;
    double max_error;
    void (*prepare)(uint8_t *memory, struct kernel_call *call, enum kernel_input input,
                    uint64_t *seed, const struct kernel_captures *captures);
    void (*model)(uint8_t *memory, const struct kernel_call *call);
    /* Error of `after` against double precision on the inputs of `before`. */
    double (*error)(const uint8_t *before, const uint8_t *after, const struct kernel_call *call);
};

unsigned kernel_count(void);
const struct kernel *kernel_at(unsigned i);

/* Fills a core's memory: all of it random, then the inputs. captures: only for KERNEL_CAPTURED. */
void kernel_prepare(const struct kernel *k, uint8_t memory[EMU_MEMORY_BYTES],
                    struct kernel_call *call, enum kernel_input input, uint64_t seed, unsigned slot,
                    const struct kernel_captures *captures);
/* What the kernel must make of this memory: every byte of it. */
void kernel_model(const struct kernel *k, uint8_t memory[EMU_MEMORY_BYTES],
                  const struct kernel_call *call);

/* Calls the kernel's function of a linked image. DMA (unless ALONE): both streams fill the other slots at
 * 4 bytes a cycle, OUT leaves at 0.44. Errors: EINVAL (no such function, it faults, does not return or does not
 * keep its registers), NOMEM. */
int kernel_run(const struct kernel *k, const struct npu_image *image,
               uint8_t memory[EMU_MEMORY_BYTES], const struct kernel_call *call,
               enum kernel_arbiter arbiter, struct emu_stats *stats, struct sotto_diag *diag);

/* Reads the captures in `folder`. Close them. Errors: NOENT ..., ESYNTAX, NOMEM. */
int kernel_captures_open(struct kernel_captures **out, const char *folder, struct sotto_diag *diag);
void kernel_captures_close(struct kernel_captures **captures);

#endif
