/* Every kernel, scheduled and as one operation per bundle with waits, in the core emulator: all of memory must
 * be what the C model says, on random, edge and captured inputs, in both slots, whatever the DMA does. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "npu/asm/asm.h"
#include "npu/asm/link.h"
#include "npu/kernels/kernels.h"
#include "npu/sched/check.h"
#include "npu/sched/sched.h"

static const char *const sources[] = {"gemm_bf16", "gemm_int8", "exp2",
                                      "gelu",      "layernorm", "epilogue"};
enum { SOURCES = sizeof sources / sizeof sources[0] };

/* The kernels of some sources as one image. */
static struct npu_image *build(unsigned first, unsigned count, bool unscheduled)
{
    struct npu_image *objects[SOURCES], *image = NULL;
    struct sotto_diag diag = {0};
    for (unsigned i = 0; i < count; i++) {
        char path[TEST_PATH];
        struct lin_file *file = NULL;
        struct sched_result *result = NULL;
        struct sched_options options = {.unscheduled = unscheduled};
        snprintf(path, sizeof path, "src/npu/kernels/%s.lin", sources[first + i]);
        assert_ok(lin_open(&file, path, &diag), &diag);
        assert_ok(sched_file(&result, file, &options, &diag), &diag);
        assert_ok(asm_text(&objects[i], result->text, result->text_size, path, NULL, &diag), &diag);
        sched_close(&result);
        lin_close(&file);
    }
    assert_ok(link_objects(&image, (const struct npu_image *const *)objects, count, "kernels", NULL,
                           &diag),
              &diag);
    for (unsigned i = 0; i < count; i++) {
        npu_image_close(&objects[i]);
    }
    return image;
}

static const char *const input_names[] = {"random", "edge", "captured"};

/* Runs and compares; returns the cycles. */
static unsigned long run(const struct kernel *k, const struct npu_image *image,
                         enum kernel_input input, unsigned slot, enum kernel_arbiter arbiter,
                         const struct kernel_captures *captures, uint64_t seed)
{
    static uint8_t memory[EMU_MEMORY_BYTES] __attribute__((aligned(64)));
    static uint8_t expected[EMU_MEMORY_BYTES] __attribute__((aligned(64)));
    struct kernel_call call;
    struct emu_stats stats;
    struct sotto_diag diag = {0};
    kernel_prepare(k, memory, &call, input, seed, slot, captures);
    call.phase = seed % 4;
    memcpy(expected, memory, sizeof expected);
    kernel_model(k, expected, &call);
    assert_ok(kernel_run(k, image, memory, &call, arbiter, &stats, &diag), &diag);
    for (unsigned i = 0; i < EMU_MEMORY_BYTES; i += 2) {
        if (memcmp(memory + i, expected + i, 2) != 0) {
            fail_msg("%s, %s inputs, slot %u: at 0x%x %02x%02x, the model says %02x%02x", k->name,
                     input_names[input], slot, 0x70000 + i, memory[i + 1], memory[i],
                     expected[i + 1], expected[i]);
        }
    }
    return (unsigned long)stats.cycles;
}

static void run_all(const struct npu_image *image, unsigned seeds)
{
    struct kernel_captures *captures = NULL;
    struct sotto_diag diag = {0};
    assert_ok(kernel_captures_open(&captures, "tests/data/npu", &diag), &diag);
    for (unsigned i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        if (!npu_image_symbol(image, k->name)) {
            continue;
        }
        unsigned long cycles = 0;
        for (unsigned input = 0; input < KERNEL_INPUTS; input++) {
            for (unsigned n = 0; n < seeds; n++) {
                cycles = run(k, image, input, n % 2, KERNEL_ALONE, captures, 100 + n);
            }
        }
        print_message("# %s: %lu cycles\n", k->name, cycles);
    }
    kernel_captures_close(&captures);
}

static void test_scheduled(void **state)
{
    (void)state;
    struct npu_image *image = build(0, SOURCES, false);
    run_all(image, test_sanitized() ? 2 : 6);
    npu_image_close(&image);
}

static void test_unscheduled(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SOURCES; i++) {
        struct npu_image *image = build(i, 1, true);
        run_all(image, 2);
        npu_image_close(&image);
    }
}

/* What the kernels must reach, in cycles, bytes and error. */
static void test_targets(void **state)
{
    (void)state;
    struct npu_image *image = build(0, SOURCES, false);
    uint32_t bytes = 0;
    for (unsigned i = 0; i < image->n_segments; i++) {
        bytes += image->segments[i].flags & NPU_SEGMENT_EXEC ? image->segments[i].size : 0;
    }
    print_message("# %u bytes of program\n", bytes);
    assert_true(bytes <= KERNEL_PROGRAM_MAX);
    for (unsigned i = 0; i < kernel_count(); i++) {
        const struct kernel *k = kernel_at(i);
        static uint8_t memory[EMU_MEMORY_BYTES] __attribute__((aligned(64)));
        static uint8_t before[EMU_MEMORY_BYTES] __attribute__((aligned(64)));
        struct kernel_call call;
        struct emu_stats stats;
        struct sotto_diag diag = {0};
        kernel_prepare(k, memory, &call, KERNEL_RANDOM, 7, 0, NULL);
        memcpy(before, memory, sizeof before);
        assert_ok(kernel_run(k, image, memory, &call, KERNEL_ALONE, &stats, &diag), &diag);
        double error = k->error(before, memory, &call);
        double cost = (double)stats.cycles / (k->elements ? k->elements : 1);
        print_message("# %s: %g, error %.2e\n", k->name, cost, error);
        assert_true(cost <= k->must);
        assert_true(error <= k->max_error);
    }
    npu_image_close(&image);
}

/* The products keep their results and their time while the DMA fills the other slots. */
static void test_dma(void **state)
{
    (void)state;
    struct npu_image *image = build(0, 2, false);
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned slot = 0; slot < 2; slot++) {
            for (unsigned a = KERNEL_CORE_FIRST; a < KERNEL_ARBITERS; a++) {
                unsigned long cycles = 0;
                for (unsigned phase = 0; phase < 4; phase++) {
                    unsigned long c = run(kernel_at(i), image, KERNEL_RANDOM, slot, a, NULL, phase);
                    cycles = c > cycles ? c : cycles;
                }
                print_message("# %s, slot %u, arbiter %u: %lu cycles\n", kernel_at(i)->name, slot,
                              a, cycles);
                assert_true(cycles <= kernel_at(i)->must);
            }
        }
    }
    npu_image_close(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scheduled),
        cmocka_unit_test(test_unscheduled),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_dma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
