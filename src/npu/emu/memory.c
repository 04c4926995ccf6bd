/*
 * Loads and stores: addresses in E1, memory in E5 (stores through srs and conv E7, 8/16-bit stores E5 and
 * E11), with a note of each bank touched in the cycle it will be. Conversions on the way are in vector.c.
 * Source of the 2D and 3D walk: AMD AI Engine-ML intrinsics guide, "Addressing intrinsics".
 */
#include "npu/emu/impl.h"

static void set_pointer(struct emu_core *c, unsigned reg, uint32_t x)
{
    c->regs.s[reg] = x & 0xfffff;
}

static void walk_2d(struct emu_core *c, const struct emu_op *op, uint32_t p)
{
    unsigned k = op->index;
    uint32_t count = c->in[ISA_REG_dc0 + k];
    bool wraps = count >= c->in[ISA_REG_dn0 + k];
    set_pointer(c, op->pointer, p + (wraps ? c->in[ISA_REG_m0 + k] : c->in[ISA_REG_dj0 + k]));
    c->regs.s[ISA_REG_dc0 + k] = wraps ? 0 : count + 1;
}

static void walk_3d(struct emu_core *c, const struct emu_op *op, uint32_t p)
{
    unsigned k = op->index;
    uint32_t low = c->in[ISA_REG_dc0 + k], high = c->in[ISA_REG_dc4 + k], step;
    if (low < c->in[ISA_REG_dn0 + k]) {
        step = c->in[ISA_REG_dj0 + k];
        low++;
    } else if (high < c->in[ISA_REG_dn4 + k]) {
        step = c->in[ISA_REG_dj4 + k];
        low = 0;
        high++;
    } else {
        step = c->in[ISA_REG_m0 + k];
        low = high = 0;
    }
    set_pointer(c, op->pointer, p + step);
    c->regs.s[ISA_REG_dc0 + k] = low;
    c->regs.s[ISA_REG_dc4 + k] = high;
}

/* The address, and the pointer's new value. */
static inline uint32_t walk(struct emu_core *c, const struct emu_op *op)
{
    uint32_t p = c->in[op->pointer];
    switch (op->mode) {
    case EMU_ADDRESS_OFFSET:
        return (p + (uint32_t)op->imm) & 0xfffff;
    case EMU_ADDRESS_OFFSET_R:
        return (p + c->in[op->index]) & 0xfffff;
    case EMU_ADDRESS_POST:
        set_pointer(c, op->pointer, p + (uint32_t)op->imm);
        break;
    case EMU_ADDRESS_POST_R:
        set_pointer(c, op->pointer, p + c->in[op->index]);
        break;
    case EMU_ADDRESS_2D:
        walk_2d(c, op, p);
        break;
    default:
        walk_3d(c, op, p);
        break;
    }
    return p;
}

/* Notes that the banks of an access are wanted `ahead` cycles from now. */
static inline void want_banks(struct emu_core *c, uint32_t address, unsigned bytes, unsigned ahead)
{
    unsigned quadrant = (address >> 16) & 3, pair = address >> 14 & 3;
    unsigned slot = (unsigned)((c->n + ahead) % EMU_FLIGHTS);
    uint32_t banks = (bytes == 32 ? 0x11u : address & 16 ? 0x10u : 0x01u) << 8 * pair;
    uint32_t *counts = &c->banks[slot][quadrant];
    *counts += banks;
    if (*counts & 0xeeeeeeee)
        c->conflicts |= 1u << slot;
}

/* Host memory of an access, NULL if there is none: then a fault is set. */
static inline uint8_t *locate(struct emu_core *c, const struct emu_op *op, uint32_t address,
                              unsigned bytes)
{
    if (address & (bytes - 1)) {
        emu_fault(c, EMU_FAULT_MISALIGNED, op, address);
        return NULL;
    }
    uint8_t *memory = address >> 18 == 1 ? c->memory[address >> 16 & 3] : NULL;
    if (!memory) {
        emu_fault(c, EMU_FAULT_RANGE, op, address);
        return NULL;
    }
    return memory + (address & 0xffff);
}

static void check_guard(struct emu_core *c, const struct emu_op *op, uint32_t address,
                        unsigned bytes)
{
    if (c->guard && c->guard + 4 > address && c->guard < address + bytes)
        emu_fault(c, EMU_FAULT_STACK, op, c->guard);
}

void emu_do_address(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t address = walk(c, op);
    if (!op->bytes)
        return; // pointer arithmetic only
    w->host = locate(c, op, address, op->bytes);
    if (!w->host)
        return;
    want_banks(c, address, op->bytes, op->stage ? op->stage - 1u : 4);
    if (op->stage)
        check_guard(c, op, address, op->bytes);
}

/* ---- E5, E7 ---- */

void emu_do_load_4(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)c;
    w->out.u32[0] = 0;
    memcpy(w->out.u8, w->host, op->bytes);
}

void emu_do_load_8(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)c;
    (void)op;
    memcpy(w->out.u8, w->host, 8);
}

void emu_do_load_16(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)c;
    (void)op;
    memcpy(w->out.u8, w->host, 16);
}

void emu_do_load_32(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)c;
    (void)op;
    memcpy(w->out.u8, w->host, 32);
}

void emu_do_load_part(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)c;
    unsigned drop = 32 - 8 * op->a;
    uint32_t x = w->out.u32[0] << drop;
    w->out.u32[0] = op->b ? (uint32_t)((int32_t)x >> drop) : x >> drop;
}

void emu_do_store(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)c;
    memcpy(w->host, w->out.u8, op->bytes);
}

void emu_do_data(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    if (op->in[0].bytes == 4)
        w->out.u32[0] = emu_in(c, op, 0);
    else
        memcpy(w->out.u8, emu_in_vec(c, op, 0), op->bytes);
}

/* ---- 8- and 16-bit stores read the word and write it back ---- */

void emu_do_part_address(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t address = walk(c, op);
    uint8_t *at = locate(c, op, address, op->bytes);
    if (!at)
        return;
    w->host = at - (address & 3);
    w->x[0] = address & 3;
    w->x[1] = emu_in(c, op, 0);
    want_banks(c, address, 4, 4);
    want_banks(c, address, 4, 10);
    check_guard(c, op, address, op->bytes);
}

void emu_do_part_read(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)c;
    memcpy(w->out.u8, w->host, 4);
    memcpy(w->out.u8 + w->x[0], &w->x[1], op->bytes);
}

void emu_do_part_write(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)c;
    (void)op;
    memcpy(w->host, w->out.u8, 4);
}

/* ---- table lookups: four addresses of 8 bytes; the odd ones use the copy 16 bytes further ---- */

void emu_do_lookup(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    uint32_t words[8], wanted = 0;
    memcpy(words, emu_in_vec(c, op, 0), sizeof words);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t address = words[op->b + i] & 0xfffff & ~(uint32_t)op->a;
        address |= i % 2 ? 16 : 0;
        uint8_t *at = locate(c, op, address & ~7u, 8);
        if (!at)
            return;
        // Two of the four may share a bank without a stall: no measurement says otherwise.
        uint32_t bank = 1u << ((address >> 13 & 30) | (address >> 4 & 1)); // of 4 memories
        if (!(wanted & bank))
            want_banks(c, address, 8, 4);
        wanted |= bank;
        memcpy(&w->in.u64[i], &at, sizeof at);
    }
}

void emu_do_lookup_load(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)c;
    (void)op;
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *at;
        memcpy(&at, &w->in.u64[i], sizeof at);
        memcpy(&w->out.u64[i], at, 8);
    }
}
