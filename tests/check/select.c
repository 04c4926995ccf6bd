/*
 * ops_select under every restriction of the processor's features: the right kernels are taken, and
 * every entry of the table is filled.
 */
#include "check/check.h"

#include <string.h>

static void check_filled(struct check *c, const struct ops *ops)
{
    for (int f = 0; f < GEMM_FORMAT_COUNT; f++) {
        const struct gemm_kernel *g = &ops->gemm[f];
        if (!g->available || !g->pack || !g->run || g->mr < 1 || g->nr < 1 || g->k_group < 1)
            check_fail(c, "%s: no kernel for format %d", ops->name, f);
    }
    if (!ops->layernorm_f32 || !ops->softmax_f32 || !ops->gelu_f32 || !ops->logsumexp_f32 ||
        !ops->attend_f32 || !ops->quantise_u8 || !ops->convert_bf16)
        check_fail(c, "%s: an operation is missing", ops->name);
}

/* The last row of the table that `flags` allow must have been chosen. */
static void check_mask(struct check *c, uint32_t flags)
{
    struct ops ops, ref;
    const char *level = "ref";
    void (*expected[GEMM_FORMAT_COUNT])(const struct gemm_args *a);
    const struct cpu_kernel *row;

    ops_init_ref(&ref);
    for (int f = 0; f < GEMM_FORMAT_COUNT; f++)
        expected[f] = ref.gemm[f].run;
    for (int i = 0; (row = cpu_kernel_at(i)); i++) {
        if ((flags & row->needs) != row->needs)
            continue;
        if (row->init)
            level = row->target;
        else
            expected[row->format] = row->gemm.run;
    }
    cpu_set_mask(flags);
    ops_select(&ops, false);
    cpu_set_mask(~0u);
    check_filled(c, &ops);
    if (strcmp(ops.name, level) != 0)
        check_fail(c, "flags %x: level is %s, expected %s", flags, ops.name, level);
    for (int f = 0; f < GEMM_FORMAT_COUNT; f++)
        if (ops.gemm[f].run != expected[f])
            check_fail(c, "flags %x: wrong kernel for format %d", flags, f);
}

void check_select(struct check *c)
{
    struct ops ops;
    uint32_t all = cpu_flags();

    if (!c->bench && check_begin(c, 0, "select_reference")) {
        ops_select(&ops, true);
        check_filled(c, &ops);
        if (strcmp(ops.name, "ref") != 0)
            check_fail(c, "level is %s", ops.name);
        check_end(c);
    }
    if (!c->bench && check_begin(c, 0, "select_masked")) {
        for (uint32_t flags = all;; flags = (flags - 1) & all) { // every subset
            check_mask(c, flags);
            if (flags == 0)
                break;
        }
        check_end(c);
    }
}
