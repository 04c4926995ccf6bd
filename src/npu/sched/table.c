/* Which slots, ports and bank pairs are taken in which cycle: reservation tables. See impl.h. */
#include "npu/sched/impl.h"

#include <string.h>

struct table_cycle {
    uint8_t slots[ISA_SLOT_COUNT];
    uint8_t ports[ISA_PORT_COUNT][ISA_USE_AVOID + 1];
    uint8_t banks[32];
};

bool table_init(struct table *t, struct arena *arena, int base, int n, bool modulo)
{
    if (n > t->capacity) {
        t->capacity = n + n / 2;
        t->cycles = arena_alloc(arena, (size_t)t->capacity, sizeof *t->cycles);
    } else {
        memset(t->cycles, 0, (size_t)n * sizeof *t->cycles);
    }
    t->n = n;
    t->modulo = modulo;
    t->base = base;
    return t->cycles != NULL;
}

static struct table_cycle *at(const struct table *t, int cycle)
{
    if (t->modulo) {
        int c = cycle % t->n;
        return &t->cycles[c < 0 ? c + t->n : c];
    }
    int c = cycle - t->base;
    return c >= 0 && c < t->n ? &t->cycles[c] : NULL;
}

/* LNG takes the place of ALU and MV. */
static bool slot_free(const struct table_cycle *c, unsigned slot)
{
    if (c->slots[slot] ||
        (slot == ISA_SLOT_LNG && (c->slots[ISA_SLOT_ALU] || c->slots[ISA_SLOT_MV]))) {
        return false;
    }
    return !((slot == ISA_SLOT_ALU || slot == ISA_SLOT_MV) && c->slots[ISA_SLOT_LNG]);
}

/* Two ops that hold a unit keep apart, and those that avoid it keep away from both uses. */
static bool port_free(const uint8_t uses[ISA_USE_AVOID + 1], unsigned use)
{
    bool others = uses[ISA_USE_TAKE] || uses[ISA_USE_HOLD];
    return !others && (use == ISA_USE_AVOID || !uses[ISA_USE_AVOID]);
}

static bool banks_free(const struct table *t, const struct deps_op *d, uint32_t banks, int cycle)
{
    const struct table_cycle *c = d->first ? at(t, cycle + d->first - 1) : NULL;
    const struct table_cycle *c2 = d->last != d->first ? at(t, cycle + d->last - 1) : NULL;
    for (unsigned b = 0; banks >> b; b++) {
        if ((banks >> b & 1) && ((c && c->banks[b]) || (c2 && c2->banks[b]))) {
            return false;
        }
    }
    return true;
}

bool table_fits(const struct table *t, const struct deps_op *d, uint32_t banks, int cycle)
{
    const struct table_cycle *c = at(t, cycle);
    if (!c || !slot_free(c, d->slot) || (banks && !banks_free(t, d, banks, cycle))) {
        return false;
    }
    for (unsigned u = 0; u < ISA_USES_MAX && d->itin->uses[u].use; u++) {
        // A port held longer than the loop's interval meets itself.
        if (t->modulo && d->itin->uses[u].to - d->itin->uses[u].from + 1 > t->n &&
            d->itin->uses[u].use != ISA_USE_AVOID) {
            return false;
        }
        for (int s = d->itin->uses[u].from; s <= d->itin->uses[u].to; s++) {
            c = at(t, cycle + s - 1);
            if (c && !port_free(c->ports[d->itin->uses[u].port], d->itin->uses[u].use)) {
                return false;
            }
        }
    }
    return true;
}

void table_add(struct table *t, const struct deps_op *d, uint32_t banks, int cycle, int sign)
{
    struct table_cycle *c = at(t, cycle);
    if (c) {
        c->slots[d->slot] = (uint8_t)(c->slots[d->slot] + sign);
    }
    for (unsigned u = 0; u < ISA_USES_MAX && d->itin->uses[u].use; u++) {
        for (int s = d->itin->uses[u].from; s <= d->itin->uses[u].to; s++) {
            uint8_t *n = (c = at(t, cycle + s - 1))
                             ? &c->ports[d->itin->uses[u].port][d->itin->uses[u].use]
                             : NULL;
            if (n) {
                *n = (uint8_t)(*n + sign);
            }
        }
    }
    for (int m = 0; m < 1 + (d->last != d->first) && d->first; m++) {
        c = at(t, cycle + (m ? d->last : d->first) - 1);
        for (unsigned b = 0; c && banks >> b; b++) {
            c->banks[b] = (uint8_t)(c->banks[b] + (int)(banks >> b & 1) * sign);
        }
    }
}
