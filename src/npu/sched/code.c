/* See code.h. */
#include "npu/sched/code.h"

#include <stdio.h>
#include <string.h>

enum { WIDEN_MAX = 512 };

struct code_bundle *code_add(struct code *code, struct arena *arena)
{
    struct code_bundle *moved =
        arena_grow(arena, code->bundles, code->n_bundles, &code->cap_bundles, sizeof *moved);
    if (!moved) {
        return NULL;
    }
    code->bundles = moved;
    struct code_bundle *b = &code->bundles[code->n_bundles++];
    memset(b, 0, sizeof *b);
    return b;
}

int code_add_label(struct code *code, struct arena *arena, const char *name, bool global)
{
    struct code_label *moved =
        arena_grow(arena, code->labels, code->n_labels, &code->cap_labels, sizeof *moved);
    if (!moved || !name) {
        return SOTTO_ENOMEM;
    }
    code->labels = moved;
    code->labels[code->n_labels++] = (struct code_label){name, code->n_bundles, global};
    return SOTTO_OK;
}

void code_put(struct code_bundle *bundle, const struct isa_op *op, struct code_ref ref, int line)
{
    unsigned slot = isa_insn(op->insn)->slot;
    bundle->bundle.slots |= (uint8_t)(1u << slot);
    bundle->bundle.op[slot] = *op;
    bundle->refs[slot] = ref;
    bundle->lines[slot] = line;
}

/* The nop of a slot: the row whose mask leaves nothing open. */
static struct isa_op nop_of(unsigned slot)
{
    static const uint16_t nops[ISA_SLOT_COUNT] = {
        [ISA_SLOT_ALU] = ISA_INSN_NOPX, [ISA_SLOT_LDA] = ISA_INSN_NOPA,
        [ISA_SLOT_LDB] = ISA_INSN_NOPB, [ISA_SLOT_LNG] = ISA_INSN_NOPXM,
        [ISA_SLOT_MV] = ISA_INSN_NOPM,  [ISA_SLOT_ST] = ISA_INSN_NOPS,
        [ISA_SLOT_VEC] = ISA_INSN_NOPV, [ISA_SLOT_NOP] = ISA_INSN_NOP,
    };
    return (struct isa_op){.insn = nops[slot]};
}

static void fill(struct code_bundle *b, unsigned slots)
{
    for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
        if ((slots & ~b->bundle.slots) >> s & 1) {
            b->bundle.op[s] = nop_of(s);
        }
    }
    b->bundle.slots = (uint8_t)slots;
}

/* The smallest set of slots that holds `slots` and takes `bytes`; 0: none. The lone nop is dropped from
 * a bundle that grows. */
static unsigned wider(unsigned slots, unsigned bytes)
{
    if (slots == 1u << ISA_SLOT_NOP && bytes > 2) {
        slots = 0;
    }
    for (unsigned i = 0; i < ISA_FORMAT_COUNT; i++) {
        unsigned set = isa_format_slots(isa_format(i));
        if (isa_format(i)->bytes == bytes && (set & slots) == slots) {
            return set;
        }
    }
    return 0;
}

int code_measure(struct code *code)
{
    uint32_t address = 0;
    for (unsigned i = 0; i < code->n_bundles; i++) {
        struct code_bundle *b = &code->bundles[i];
        if (!b->bundle.slots) {
            fill(b, 1u << ISA_SLOT_NOP);
        }
        // Sets without a format of their own take the smallest one around them.
        if (!isa_format_of(b->bundle.slots)) {
            unsigned set = 0;
            for (unsigned bytes = 2; bytes <= ISA_BUNDLE_MAX && !set; bytes += 2) {
                set = wider(b->bundle.slots, bytes);
            }
            if (!set) {
                return SOTTO_EINVAL;
            }
            fill(b, set);
        }
        b->bundle.size = isa_format_of(b->bundle.slots)->bytes;
        b->address = address;
        address += b->bundle.size;
    }
    return SOTTO_OK;
}

/* cost[m]: fewest bundles that give m more bytes; step[i][m]: bytes bundle i adds on the way there. */
bool code_widen(struct code *code, unsigned first, unsigned end, unsigned more)
{
    enum { NEVER = 10000 };
    if (more == 0) {
        return true;
    }
    if (more > WIDEN_MAX || more % 2 || end <= first) {
        return false;
    }
    // Bundles nearest the end first; more than this many are never needed.
    unsigned n = end - first < 64 ? end - first : 64;
    uint8_t step[64][WIDEN_MAX / 2 + 1];
    int cost[WIDEN_MAX / 2 + 1];
    for (unsigned m = 0; m <= more / 2; m++) {
        cost[m] = m ? NEVER : 0;
    }
    for (unsigned i = 0; i < n; i++) {
        const struct isa_bundle *b = &code->bundles[end - 1 - i].bundle;
        for (unsigned m = more / 2 + 1; m-- > 0;) {
            step[i][m] = 0;
            for (unsigned grow = 1; grow <= m && b->size + 2 * grow <= ISA_BUNDLE_MAX; grow++) {
                if (cost[m - grow] + 1 < cost[m] && wider(b->slots, b->size + 2 * grow)) {
                    cost[m] = cost[m - grow] + 1;
                    step[i][m] = (uint8_t)grow;
                }
            }
        }
    }
    if (cost[more / 2] >= NEVER) {
        return false;
    }
    for (unsigned i = n, m = more / 2; i-- > 0 && m;) {
        struct code_bundle *b = &code->bundles[end - 1 - i];
        if (step[i][m]) {
            unsigned set = wider(b->bundle.slots, b->bundle.size + 2u * step[i][m]);
            b->bundle.slots &= (uint8_t)set;
            fill(b, set);
            m -= step[i][m];
        }
    }
    return code_measure(code) == SOTTO_OK;
}

uint32_t code_end(const struct code *code)
{
    const struct code_bundle *last = &code->bundles[code->n_bundles - 1];
    return code->n_bundles ? last->address + last->bundle.size : 0;
}

int code_align(struct code *code, struct arena *arena, unsigned first)
{
    while (code_end(code) % 16 &&
           !code_widen(code, first, code->n_bundles, 16 - code_end(code) % 16)) {
        first = code->n_bundles;
        if (!code_add(code, arena) || code_measure(code)) {
            return SOTTO_ENOMEM;
        }
    }
    return SOTTO_OK;
}

int code_find(const struct code *code, const char *name)
{
    for (unsigned i = 0; i < code->n_labels; i++) {
        if (strcmp(code->labels[i].name, name) == 0) {
            return (int)code->labels[i].bundle;
        }
    }
    return -1;
}

int64_t code_address(const struct code *code, const struct code_ref *ref)
{
    int bundle = code_find(code, ref->symbol);
    if (bundle < 0 || code->n_bundles == 0) {
        return -1;
    }
    return ref->addend + (int64_t)((unsigned)bundle < code->n_bundles
                                       ? code->bundles[bundle].address
                                       : code_end(code));
}

int code_print(const struct code_bundle *bundle, char *dst, size_t size)
{
    const struct isa_format *format = isa_format_of(bundle->bundle.slots);
    size_t n = 0;
    for (unsigned i = 0; format && i < format->count; i++) {
        unsigned slot = format->slots[i].slot;
        char text[ISA_TEXT_MAX];
        const struct code_ref *ref = &bundle->refs[slot];
        if (isa_op_print(&bundle->bundle.op[slot], text, sizeof text) < 0) {
            return SOTTO_EINVAL;
        }
        // A symbol stands for the last immediate: only branches and moves have one.
        char *hash = ref->symbol ? strrchr(text, '#') : NULL;
        if (hash && ref->addend) {
            snprintf(hash, sizeof text - (size_t)(hash - text), "#(%s%+d)", ref->symbol,
                     ref->addend);
        } else if (hash) {
            snprintf(hash, sizeof text - (size_t)(hash - text), "#%s", ref->symbol);
        }
        n += (size_t)snprintf(n < size ? dst + n : NULL, n < size ? size - n : 0, "%s%s",
                              i ? "; " : "", text);
    }
    return format ? (int)n : SOTTO_EINVAL;
}
