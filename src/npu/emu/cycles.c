/*
 * Whole cycles: the steps of all bundles in flight, in the order of enum emu_when, as one list. Which list
 * follows is remembered, so that code that repeats runs without looking anything up. Bundles in
 * flight that have no step left count as none, which keeps the lists few.
 */
#include "npu/emu/impl.h"

#include "base/mem.h"

static const uint8_t stage_of[] = {
#define EMU_WHEN(name, stage) stage,
    EMU_WHEN_LIST(EMU_WHEN)
#undef EMU_WHEN
};

/* What the emulator's loop does itself. */
static enum emu_inline inline_of(emu_step_fn *fn, const struct emu_op *op)
{
    if (fn == emu_land_32)
        return EMU_INLINE_LAND_32;
    if (fn == emu_land_64)
        return EMU_INLINE_LAND_64;
    if (fn == emu_do_load_32)
        return EMU_INLINE_LOAD_32;
    if (fn == emu_do_address && op->bytes == 32 && !op->stage &&
        (op->mode == EMU_ADDRESS_POST || op->mode == EMU_ADDRESS_POST_R))
        return EMU_INLINE_ADDRESS_32;
    if (fn == emu_mac_early && op->in[op->b].bytes == 64)
        return EMU_INLINE_MAC_EARLY;
    return EMU_CALL;
}

static const struct emu_bundle *bundle_of_age(const struct emu_cycle *cycle, unsigned age)
{
    return age ? cycle->before[age - 1] : cycle->bundle;
}

/* Steps of a cycle; with `steps` NULL only their number. */
static unsigned gather(const struct emu_cycle *cycle, struct emu_cycle_step *steps)
{
    unsigned n = 0;
    for (unsigned when = 0; when < EMU_WHEN_COUNT; when++) {
        unsigned age = stage_of[when] - 1u;
        const struct emu_bundle *b = bundle_of_age(cycle, age);
        for (unsigned i = b ? b->first[when] : 0; b && i < b->first[when + 1]; i++, n++) {
            const struct emu_step *s = &b->steps[i];
            const struct emu_op *op = (const void *)((const char *)b + s->op);
            if (steps)
                steps[n] = (struct emu_cycle_step){s->fn, op, (uint8_t)inline_of(s->fn, op),
                                                   (uint8_t)age, s->work};
        }
    }
    return n;
}

static unsigned hash(const struct emu_cycle *key)
{
    uint64_t h = (uintptr_t)key->bundle;
    for (unsigned i = 0; i < EMU_HISTORY; i++)
        h = (h ^ (uintptr_t)key->before[i]) * 0x9e3779b97f4a7c15u;
    return (unsigned)(h >> 40) % EMU_CYCLE_BUCKETS;
}

static bool same(const struct emu_cycle *a, const struct emu_cycle *b)
{
    return a->bundle == b->bundle && memcmp(a->before, b->before, sizeof a->before) == 0;
}

static struct emu_cycle *find(struct emu_core *c, const struct emu_cycle *key)
{
    struct emu_cycle **bucket = &c->buckets[hash(key)];
    for (struct emu_cycle *cycle = *bucket; cycle; cycle = cycle->chain) {
        if (same(cycle, key))
            return cycle;
    }
    unsigned n = gather(key, NULL);
    struct emu_cycle *cycle = mem_alloc(1, sizeof *cycle + n * sizeof cycle->steps[0]);
    if (!cycle)
        return NULL;
    *cycle = *key;
    cycle->n_steps = gather(key, cycle->steps);
    cycle->chain = *bucket;
    *bucket = cycle;
    c->n_cycles++;
    return cycle;
}

struct emu_cycle *emu_next_cycle(struct emu_core *c, struct emu_bundle *b)
{
    struct emu_cycle key = {.bundle = b}, *last = c->cycle;
    if (last) {
        for (unsigned i = 0; i < EMU_HISTORY; i++) {
            const struct emu_bundle *before = i ? last->before[i - 1] : last->bundle;
            key.before[i] = before && before->last > i + 1 ? before : NULL;
        }
    }
    if (c->n_cycles >= EMU_CYCLES_MAX) { // a program of endlessly many ways: begin anew
        emu_forget_cycles(c);
        last = NULL;
    }
    struct emu_cycle *cycle = find(c, &key);
    if (last && cycle) {
        last->next[1] = last->next[0];
        last->next[0].bundle = b;
        last->next[0].cycle = cycle;
    }
    return cycle;
}

void emu_forget_cycles(struct emu_core *c)
{
    for (unsigned i = 0; i < EMU_CYCLE_BUCKETS; i++) {
        while (c->buckets[i]) {
            struct emu_cycle *cycle = c->buckets[i];
            c->buckets[i] = cycle->chain;
            mem_free(cycle);
        }
    }
    c->n_cycles = 0;
    c->cycle = NULL;
}
