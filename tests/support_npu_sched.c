/* See support_npu_sched.h. */
#include "support_npu_sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npu/asm/asm.h"
#include "npu/asm/link.h"
#include "npu/emu/core.h"
#include "npu/emu/image.h"

/* ---- random programs ---- */

struct generator {
    char *text;
    size_t n, size;
    uint32_t random;
    bool has_x[4], has_bm[4], has_r[6], has_w[3]; // written before
    bool in_loop;
    unsigned offset; // into the output array
};

static unsigned dice(struct generator *g, unsigned sides)
{
    g->random = g->random * 1664525u + 1013904223u;
    return (g->random >> 12) % sides;
}

static void line(struct generator *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line(struct generator *g, const char *fmt, ...)
{
    va_list args;
    if (g->n + 256 > g->size) {
        g->size = g->size ? g->size * 2 : 4096;
        g->text = realloc(g->text, g->size);
        assert_non_null(g->text);
    }
    va_start(args, fmt);
    g->n += (size_t)vsnprintf(g->text + g->n, 255, fmt, args);
    va_end(args);
    g->text[g->n++] = '\n';
    g->text[g->n] = '\0';
}

/* One of those written before; -1: none. */
static int some(struct generator *g, const bool *has, unsigned n)
{
    unsigned start = dice(g, n);
    for (unsigned i = 0; i < n; i++) {
        if (has[(start + i) % n]) {
            return (int)((start + i) % n);
        }
    }
    return -1;
}

static void vector_op(struct generator *g)
{
    int a = some(g, g->has_x, 4), b = some(g, g->has_x, 4), d = (int)dice(g, 4);
    int c = some(g, g->has_bm, 4), e = some(g, g->has_bm, 4), r = some(g, g->has_r, 6);
    switch (dice(g, 12)) {
    case 0:
    case 1:
        line(g, " vld %%x%d.l, [%%a, #%u] @A", d, dice(g, 3) * 32);
        line(g, " vld %%x%d.h, [%%a], #32 @A", d);
        g->has_x[d] = true;
        return;
    case 2:
        line(g, " vlda %%c%d.l, [%%b, #%u] @B", d, dice(g, 4) * 32);
        line(g, " vlda %%c%d.h, [%%b], #64 @B", d);
        g->has_bm[d] = true;
        return;
    case 3:
        if (a >= 0) {
            line(g, " vmul.f %%c%d, %%x%d, %%x%d, %%cfg", d, a, b);
            g->has_bm[d] = true;
        }
        return;
    case 4:
    case 5:
        if (a >= 0 && c >= 0) {
            line(g, " vmac.f %%c%d, %%c%d, %%x%d, %%x%d, %%cfg", dice(g, 2) ? c : d, c, a, b);
            g->has_bm[d] |= true;
            g->has_bm[d] = g->has_bm[d];
            line(g, " vmac.f %%c%d, %%c%d, %%x%d, %%x%d, %%cfg", d, c, b, a);
        }
        return;
    case 6:
        if (c >= 0) {
            line(g, " vadd.f %%c%d, %%c%d, %%c%d, %%cfg", d, c, e);
            g->has_bm[d] = true;
        }
        return;
    case 7:
        if (a >= 0) {
            line(g, " vadd.32 %%x%d, %%x%d, %%x%d", d, a, b);
            g->has_x[d] = true;
        }
        return;
    case 8:
        if (a >= 0 && r >= 0) {
            line(g, " vshuffle %%x%d, %%x%d, %%x%d, %%mode", d, a, b);
            g->has_x[d] = true;
        }
        return;
    case 9:
        if (c >= 0) {
            line(g, " vconv.bf16.fp32 %%w%d, %%c%d", d % 3, c);
            g->has_w[d % 3] = true;
        }
        return;
    case 10:
        if (a >= 0) {
            line(g, " vst %%x%d.%c, [%%o], #32 @O", a, "lh"[dice(g, 2)]);
        }
        return;
    default:
        if (c >= 0) {
            line(g,
                 dice(g, 2) ? " vst.conv.bf16.fp32 %%c%d, [%%o], #32 @O"
                            : " vst %%c%d.l, [%%o], #32 @O",
                 c);
        }
    }
}

static void scalar_op(struct generator *g)
{
    int a = some(g, g->has_r, 6), b = some(g, g->has_r, 6), d = (int)dice(g, 6);
    int w = some(g, g->has_w, 3);
    static const char *const names[] = {"add", "sub", "mul", "and", "xor", "lt", "ashl"};
    switch (dice(g, 7)) {
    case 0:
        line(g, " movi %%r%d, #%d", d, (int)dice(g, 900) - 400);
        break;
    case 1:
        line(g, " lda %%r%d, [%%s], #4 @S", d);
        break;
    case 2:
    case 3:
        if (a < 0) {
            return;
        }
        line(g, " %s %%r%d, %%r%d, %%r%d", names[dice(g, 7)], d, a, b);
        break;
    case 4:
        if (a >= 0) {
            line(g, " st %%r%d, [%%t], #4 @T", a);
        }
        return;
    case 5:
        if (a >= 0) {
            line(g, " st.s%d %%r%d, [%%t], #4 @T", dice(g, 2) ? 8 : 16, a);
        }
        return;
    default:
        if (w >= 0) {
            line(g, " vst %%w%d, [%%o], #32 @O", w);
        }
        return;
    }
    g->has_r[d] = true;
}

static void ops(struct generator *g, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (dice(g, 4)) {
            vector_op(g);
        } else {
            scalar_op(g);
        }
    }
}

static void init_all(struct generator *g)
{
    for (int i = 0; i < 4; i++) {
        line(g, " vlda %%x%d.l, [%%a, #%d] @A", i, 32 * i);
        line(g, " vldb %%x%d.h, [%%a], #32 @A", i);
        line(g, " vlda %%c%d.l, [%%b, #%d] @B", i, 32 * i);
        line(g, " vlda %%c%d.h, [%%b], #32 @B", i);
    }
    line(g, " movi %%r0, #5\n movi %%r1, #-77\n add %%r2, %%r0, %%r1");
}

/* The loop may carry values from one iteration to the next, or start with fresh ones. */
static void loop(struct generator *g)
{
    static const char *const kinds[] = {
        "24",         "7", "2", "%n min=4", "%n min=2 multiple=2", "9 soft", "%n min=6 soft",
        "12 unroll=1"};
    line(g, ".loop %s", kinds[dice(g, 8)]);
    if (dice(g, 2)) {
        memset(g->has_x, 0, sizeof g->has_x);
        memset(g->has_bm, 0, sizeof g->has_bm);
        memset(g->has_w, 0, sizeof g->has_w);
    }
    line(g, " vldb %%x0.l, [%%a], #32 @A\n vldb %%x0.h, [%%a], #32 @A");
    g->has_x[0] = true;
    ops(g, 3 + dice(g, 14));
    line(g, " vst %%x0.l, [%%o], #32 @O");
    line(g, ".endloop");
}

char *test_random_lin(unsigned seed)
{
    struct generator g = {.random = seed * 2654435761u + 99};
    static const char *const areas[] = {
        ".area A const\n.area B const bank=K\n.area S const bank=K\n"
        ".area T\n.area O each",
        ".area A const bank=K\n.area B const bank=L\n.area S\n"
        ".area T bank=L each\n.area O bank=K"};
    line(&g, ".bank K L\n%s", areas[dice(&g, 2)]);
    line(&g, ".func f\n.reg p a=p0 b=p1 o=p2 s=p3 t=p4\n.reg r n=r0 cfg mode r0 r1 r2 r3 r4 r5");
    line(&g, ".reg x x0 x1 x2 x3\n.reg bm c0 c1 c2 c3\n.reg w w0 w1 w2");
    line(&g, " movi %%cfg, #60\n movi %%mode, #%u", dice(&g, 48));
    g.has_r[0] = g.has_r[1] = g.has_r[2] = true;
    for (int i = 0; i < 4; i++) {
        g.has_x[i] = g.has_bm[i] = true;
    }
    init_all(&g);
    ops(&g, dice(&g, 20));
    for (unsigned i = 0; i < 1 + dice(&g, 2); i++) {
        loop(&g);
        init_all(&g);
        for (int k = 0; k < 4; k++) {
            g.has_x[k] = g.has_bm[k] = true;
        }
        ops(&g, dice(&g, 10));
    }
    line(&g, " st %%r0, [%%t], #4 @T\n ret lr\n.endfunc");
    return g.text;
}

/* ---- running ---- */

unsigned long test_run_assembly(const char *text, size_t size, const char *name,
                                const uint32_t *pointers, unsigned n_pointers, uint32_t r0,
                                uint8_t memory[TEST_CORE_MEMORY])
{
    struct sotto_diag diag = {0};
    struct npu_image *object = NULL, *image = NULL;
    struct emu_core *core = NULL;
    struct link_options options;
    link_options_init(&options);
    options.entry = name;
    assert_ok(asm_text(&object, text, size, "scheduled.s", NULL, &diag), &diag);
    const struct npu_image *objects[] = {object};
    assert_ok(link_objects(&image, objects, 1, "scheduled.elf", &options, &diag), &diag);
    assert_ok(emu_core_open(&core, NULL, NULL, &diag), &diag);
    for (unsigned i = 0; i < image->n_segments; i++) {
        assert_ok(emu_core_load(core, image->segments[i].address, image->segments[i].data,
                                image->segments[i].file_size, &diag),
                  &diag);
    }
    memcpy(emu_core_memory(core, EMU_OWN), memory, TEST_CORE_MEMORY);
    emu_core_call(core, npu_image_symbol(image, name)->value);
    for (unsigned i = 0; i < n_pointers; i++) {
        emu_core_set(core, ISA_REG_p0 + (int)i, &pointers[i]);
    }
    emu_core_set(core, ISA_REG_r0, &r0);
    enum emu_state state = emu_core_run(core, 1000000);
    if (state != EMU_RETURNED) {
        char why[512];
        emu_core_fault_text(core, why, sizeof why);
        fail_msg("the function did not return (state %d): %s", state, why);
    }
    unsigned long cycles = (unsigned long)emu_core_stats(core)->cycles;
    memcpy(memory, emu_core_memory(core, EMU_OWN), TEST_CORE_MEMORY);
    emu_core_close(&core);
    npu_image_close(&image);
    npu_image_close(&object);
    return cycles;
}
