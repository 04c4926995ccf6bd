/*
 * From a decoded bundle to steps: which functions run in which place of which cycle (impl.h). What the
 * functions do is in scalar.c, memory.c, vector.c and mac.c; stages and operands come from npu/isa.
 */
#include "npu/emu/impl.h"

#include "base/mem.h"

// clang-format off
enum { SLOTS_0 = 0, SLOTS_MV = 1 << ISA_SLOT_MV, SLOTS_LDA = 1 << ISA_SLOT_LDA, SLOTS_ST = 1 << ISA_SLOT_ST };

static const struct emu_semantics semantics[] = {
#define SEM(mnemonic, slots, template, fn, a, b, c) \
    {mnemonic, SLOTS_##slots, EMU_##template, emu_do_##fn, a, b, c},
#include "npu/emu/semantics.def"
#undef SEM
};
// clang-format on

static const struct emu_semantics unknown = {"", 0, EMU_UNKNOWN, emu_do_none, 0, 0, 0};

void emu_do_none(struct emu_core *c, const struct emu_op *op, struct emu_work *w)
{
    (void)c;
    (void)op;
    (void)w;
}

/* Copies the mnemonic without its .2d or .3d. */
static void plain_mnemonic(const char *text, char *dst, size_t size)
{
    size_t n = 0;
    while (*text && *text != ' ' && n + 1 < size) {
        if (text[0] == '.' && (text[1] == '2' || text[1] == '3') && text[2] == 'd')
            text += 3;
        else
            dst[n++] = *text++;
    }
    dst[n] = 0;
}

/* Sparse operands are not worked out. */
static bool is_sparse(const struct isa_insn *insn)
{
    for (const struct isa_operand *o = insn->operands; o->kind; o++) {
        if (o->kind == ISA_KIND_REG && (o->name == ISA_CLASS_mQQXw || o->name == ISA_CLASS_mQXHLb))
            return true;
    }
    return false;
}

const struct emu_semantics *emu_semantics_of(unsigned id)
{
    const struct isa_insn *insn = isa_insn(id);
    char mnemonic[32];
    if (!insn || is_sparse(insn))
        return &unknown;
    plain_mnemonic(insn->text, mnemonic, sizeof mnemonic);
    for (size_t i = 0; i < sizeof semantics / sizeof semantics[0]; i++) {
        const struct emu_semantics *s = &semantics[i];
        if ((!s->slots || s->slots & 1u << insn->slot) && strcmp(s->mnemonic, mnemonic) == 0)
            return s;
    }
    return &unknown;
}

bool emu_models(unsigned insn)
{
    return emu_semantics_of(insn)->template != EMU_UNKNOWN;
}

/* Offset of a vector register in regs.v. */
static unsigned vector_offset(unsigned reg)
{
    const struct isa_reg_info *info = isa_reg(reg);
    unsigned first = info->parts[0] ? info->parts[0] : reg;
    if (first >= ISA_REG_amll0)
        return EMU_W_BYTES + EMU_Q_BYTES + (first - ISA_REG_amll0) * 32;
    if (first >= ISA_REG_ql0)
        return EMU_W_BYTES + (first - ISA_REG_ql0) * 8;
    return (first - ISA_REG_wl0) * 32;
}

static unsigned cut_of(const struct isa_reg_info *info)
{
    if (info->file == ISA_FILE_M || info->file == ISA_FILE_DJ)
        return EMU_CUT_20_SIGNED;
    return info->bits == 20 ? EMU_CUT_20 : info->bits == 6 ? EMU_CUT_6 : EMU_CUT_NONE;
}

struct emu_place emu_place_of(unsigned reg)
{
    const struct isa_reg_info *info = isa_reg(reg);
    struct emu_place p = {.bytes = (uint8_t)(info->bits <= 32 ? 4 : info->bits / 8)};
    if (reg < EMU_SCALARS) {
        p.at = (uint16_t)reg;
        p.cut = (uint8_t)cut_of(info);
    } else if (info->file == ISA_FILE_L) {
        p.at = info->parts[0];
    } else {
        p.at = (uint16_t)vector_offset(reg);
    }
    return p;
}

/* The register of an operand, 0: it is an immediate. */
static unsigned operand_reg(const struct isa_op *op, unsigned k)
{
    const struct isa_operand *o = &isa_insn(op->insn)->operands[k];
    if (o->kind == ISA_KIND_REG)
        return (unsigned)op->value[k];
    return o->kind == ISA_KIND_FIXED || o->kind == ISA_KIND_IMPLIED ? o->name : 0;
}

static bool is_immediate(const struct isa_operand *o)
{
    return o->kind == ISA_KIND_UIMM || o->kind == ISA_KIND_SIMM || o->kind == ISA_KIND_NIMM;
}

/* Fills in the address of [..]; returns the operands it is made of (bit set). */
static unsigned lower_address(const struct isa_op *isa, struct emu_op *op)
{
    const struct isa_insn *insn = isa_insn(isa->insn);
    const char *bracket = strchr(insn->text, '[');
    bool outside = bracket && !memchr(bracket, ',', strcspn(bracket, "]"));
    unsigned used = 0, pointer = 0;
    op->mode = EMU_ADDRESS_OFFSET;
    op->pointer = ISA_REG_sp;
    for (unsigned k = 0; insn->operands[k].kind; k++) {
        const struct isa_operand *o = &insn->operands[k];
        unsigned reg = operand_reg(isa, k), file = reg ? isa_reg(reg)->file : ISA_FILE_NONE;
        if (o->kind == ISA_KIND_REG && o->name == ISA_CLASS_eP) {
            op->pointer = (uint16_t)reg;
            pointer = k + 1;
            used |= 1u << k;
        } else if (is_immediate(o) && (pointer || op->pointer == ISA_REG_sp)) {
            op->imm = isa->value[k];
            op->mode = outside ? EMU_ADDRESS_POST : EMU_ADDRESS_OFFSET;
            used |= 1u << k;
        } else if (pointer && o->kind == ISA_KIND_REG &&
                   (file == ISA_FILE_M || file == ISA_FILE_DJ || file == ISA_FILE_D ||
                    file == ISA_FILE_D3)) {
            op->mode = file == ISA_FILE_M    ? EMU_ADDRESS_POST_R
                       : file == ISA_FILE_DJ ? EMU_ADDRESS_OFFSET_R
                       : file == ISA_FILE_D  ? EMU_ADDRESS_2D
                                             : EMU_ADDRESS_3D;
            op->index =
                file == ISA_FILE_M || file == ISA_FILE_DJ ? (uint16_t)reg : isa_reg(reg)->index;
            used |= 1u << k;
        }
    }
    return used;
}

static bool has_address(unsigned template)
{
    return template >= EMU_LOAD && template <= EMU_POINTER && template != EMU_LOOKUP;
}

/* Operands, but those of the address. */
static void lower_operands(const struct isa_op *isa, struct emu_op *op, unsigned skip)
{
    const struct isa_operand *operands = isa_insn(isa->insn)->operands;
    unsigned n_in = 0, n_out = 0;
    for (unsigned k = 0; operands[k].kind; k++) {
        const struct isa_operand *o = &operands[k];
        unsigned reg = operand_reg(isa, k);
        if (o->kind == ISA_KIND_IMPLIED) {
            if (o->access & ISA_ACCESS_WRITE &&
                (o->name == ISA_REG_srSRS_of || o->name == ISA_REG_srUPS_of))
                op->flag = o->name;
            continue;
        }
        if (o->kind == ISA_KIND_COUNT || o->kind == ISA_KIND_COUNT3 || skip >> k & 1)
            continue;
        if (is_immediate(o)) {
            op->imm = isa->value[k];
            n_in++; // place 0: the immediate
            continue;
        }
        if (o->access & ISA_ACCESS_READ && n_in < 5)
            op->in[n_in++] = emu_place_of(reg);
        if (o->access & ISA_ACCESS_WRITE && n_out < 2)
            op->out[n_out++] = emu_place_of(reg);
    }
}

/* ---- steps ---- */

struct lowering {
    struct emu_op ops[EMU_OPS_MAX];
    struct {
        uint8_t when, op;
        emu_step_fn *fn;
    } steps[EMU_STEPS_MAX];
    unsigned n;
    unsigned work;          // bytes of the flight taken
    struct emu_bundle head; // all but its arrays
};

static void add_step(struct lowering *l, unsigned when, emu_step_fn *fn, const struct emu_op *op)
{
    if (fn == emu_do_none || l->n == EMU_STEPS_MAX)
        return;
    l->steps[l->n].when = (uint8_t)when;
    l->steps[l->n].op = (uint8_t)(op - l->ops);
    l->steps[l->n].fn = fn;
    l->n++;
}

static unsigned write_place(unsigned stage, unsigned bypass)
{
    if (bypass == ISA_BYPASS_MOVE && stage == 2)
        return EMU_W_MOVE;
    if (bypass == ISA_BYPASS_VECTOR && stage == 5)
        return EMU_W_VECTOR;
    return EMU_W2 + stage - 2;
}

static bool is_scalar(const struct emu_place *p)
{
    return p->bytes == 4;
}

/* Steps that write results in their stages. */
static void add_landing(struct lowering *l, const struct isa_op *isa, struct emu_op *op)
{
    const struct isa_operand *operands = isa_insn(isa->insn)->operands;
    unsigned n_out = 0;
    bool part = op->bytes == 16 && op->out[0].bytes == 32;
    for (unsigned k = 0; operands[k].kind && n_out < 2; k++) {
        const struct isa_operand *o = &operands[k];
        unsigned bypass, stage = isa_operand_stage(isa, k, true, &bypass);
        if (!(o->access & ISA_ACCESS_WRITE) ||
            (o->kind != ISA_KIND_REG && o->kind != ISA_KIND_FIXED) ||
            (has_address(op->semantics->template) && o->kind == ISA_KIND_REG &&
             o->name == ISA_CLASS_eP && o->access & ISA_ACCESS_READ))
            continue;
        const struct emu_place *out = &op->out[n_out++];
        bool pair = out->bytes == 8 && isa_reg(operand_reg(isa, k))->file == ISA_FILE_L;
        if (stage <= 1) {
            op->direct |= n_out == 1;
            continue;
        }
        emu_step_fn *fn = n_out == 2         ? (pair ? emu_land_mask_pair : emu_land_mask)
                          : is_scalar(out)   ? emu_land_scalar
                          : pair             ? emu_land_pair
                          : part             ? emu_land_16
                          : out->bytes == 8  ? emu_land_8
                          : out->bytes == 16 ? emu_land_16
                          : out->bytes == 32 ? emu_land_32
                          : out->bytes == 64 ? emu_land_64
                                             : emu_land_128;
        bool only_mask = n_out == 1 && op->semantics->template == EMU_VECTOR &&
                         (pair || is_scalar(out)) &&
                         strncmp(op->semantics->mnemonic, "vextract", 8) != 0;
        if (only_mask)
            fn = pair ? emu_land_mask_pair : emu_land_mask;
        add_step(l, write_place(stage, bypass), fn, op);
    }
}

/* The status flag, if it is written later than E1. */
static void add_flag(struct lowering *l, const struct isa_op *isa, struct emu_op *op)
{
    const struct isa_operand *operands = isa_insn(isa->insn)->operands;
    for (unsigned k = 0; operands[k].kind && op->flag; k++) {
        if (operands[k].kind == ISA_KIND_IMPLIED && operands[k].name == op->flag &&
            operands[k].access & ISA_ACCESS_WRITE && operands[k].stage > 1)
            add_step(l, EMU_W2 + operands[k].stage - 2, emu_land_flag, op);
    }
}

/* Where an EMU_VECTOR instruction reads its operands. */
static unsigned read_place(const struct isa_op *isa)
{
    const struct isa_operand *operands = isa_insn(isa->insn)->operands;
    unsigned last = 1, group = ISA_BYPASS_NONE;
    for (unsigned k = 0; operands[k].kind; k++) {
        unsigned bypass, stage = isa_operand_stage(isa, k, false, &bypass);
        if (operands[k].kind == ISA_KIND_IMPLIED || !stage)
            continue;
        last = stage > last ? stage : last;
        group = bypass ? bypass : group;
    }
    if (last == 1)
        return group ? EMU_BYPASS_ISSUE : EMU_ISSUE;
    if (last == 3)
        return group ? EMU_BYPASS_READ3 : EMU_READ3;
    return last == 7 ? EMU_READ7 : EMU_READ8;
}

static emu_step_fn *load_of(const struct emu_op *op)
{
    switch (op->bytes) {
    case 8:
        return emu_do_load_8;
    case 16:
        return emu_do_load_16;
    case 32:
        return emu_do_load_32;
    default:
        return emu_do_load_4; // or less
    }
}

static void add_load(struct lowering *l, struct emu_op *op, unsigned when)
{
    add_step(l, EMU_ISSUE, emu_do_address, op);
    add_step(l, EMU_LOAD5, load_of(op), op);
    if (when == EMU_READ8)
        add_step(l, EMU_READ7, emu_do_ups_early, op);
    add_step(l, when, op->semantics->fn, op);
}

static void add_store(struct lowering *l, const struct isa_op *isa, struct emu_op *op)
{
    op->stage = isa_itin(isa_itin_of(isa))->memory[0];
    add_step(l, EMU_ISSUE, op->semantics->fn, op);
    add_step(l, EMU_ISSUE, emu_do_address, op);
    add_step(l, op->stage == 7 ? EMU_STORE7 : EMU_STORE5, emu_do_store, op);
}

static void add_op(struct lowering *l, const struct isa_op *isa, struct emu_op *op)
{
    const struct emu_semantics *s = op->semantics;
    switch (s->template) {
    case EMU_SCALAR:
    case EMU_WAIT:
        add_step(l, EMU_ISSUE, s->fn, op);
        if (s->fn == emu_do_call)
            add_step(l, EMU_W4, emu_land_link, op);
        break;
    case EMU_VECTOR:
        add_step(l, read_place(isa), s->fn, op);
        break;
    case EMU_MAC:
        add_step(l, EMU_ISSUE, emu_mac_early, op);
        add_step(l, read_place(isa) == EMU_BYPASS_READ3 ? EMU_BYPASS_READ3 : EMU_READ3, s->fn, op);
        break;
    case EMU_LOAD:
        add_load(l, op, EMU_LOAD5);
        break;
    case EMU_LOAD_LATE:
        add_load(l, op, EMU_READ7);
        break;
    case EMU_LOAD_UPS:
        add_load(l, op, EMU_READ8);
        break;
    case EMU_LOOKUP:
        add_step(l, EMU_ISSUE, s->fn, op);
        add_step(l, EMU_LOAD5, emu_do_lookup_load, op);
        break;
    case EMU_STORE:
        add_store(l, isa, op);
        break;
    case EMU_PART:
        add_step(l, EMU_ISSUE, emu_do_part_address, op);
        add_step(l, EMU_LOAD5, emu_do_part_read, op);
        add_step(l, EMU_STORE11, emu_do_part_write, op);
        break;
    case EMU_POINTER:
        add_step(l, EMU_ISSUE, emu_do_address, op);
        break;
    default:
        return;
    }
    add_landing(l, isa, op);
    add_flag(l, isa, op);
}

/* Bytes of the memory access. */
static unsigned access_bytes(const struct emu_op *op)
{
    const struct emu_semantics *s = op->semantics;
    switch (s->template) {
    case EMU_LOAD:
        return s->a ? s->a : op->out[0].bytes;
    case EMU_LOAD_LATE:
    case EMU_LOAD_UPS:
        return 32;
    case EMU_STORE:
        return s->fn == emu_do_data ? (s->a ? s->a : op->in[0].bytes) : 32;
    case EMU_PART:
        return s->a;
    default:
        return 0;
    }
}

/* Bytes of struct emu_work that the instruction uses. */
static unsigned work_bytes(const struct emu_op *op)
{
    unsigned template = op->semantics->template;
    if (template == EMU_MAC || template == EMU_LOOKUP)
        return sizeof(struct emu_work);
    unsigned out = op->out[0].bytes > op->bytes ? op->out[0].bytes : op->bytes;
    out = template == EMU_WAIT || template == EMU_VECTOR || template == EMU_STORE ? 128 : out;
    return (unsigned)offsetof(struct emu_work, out) + (out + 31) / 32 * 32;
}

static void note_kind(struct emu_bundle *b, const struct emu_op *op)
{
    b->waits |= op->semantics->template == EMU_WAIT;
    b->partword |= op->semantics->template == EMU_PART;
    b->unknown |= op->semantics->template == EMU_UNKNOWN;
    b->done |= op->semantics->fn == emu_do_done;
    b->macs += op->semantics->fn == emu_do_mac_f32 || op->semantics->fn == emu_do_mac_int;
    for (unsigned i = 0; i < 2; i++)
        b->sets_loop |=
            is_scalar(&op->out[i]) && (op->out[i].at == ISA_REG_le || op->out[i].at == ISA_REG_ls);
}

static void lower_op(struct lowering *l, const struct isa_op *isa)
{
    struct emu_op *op = &l->ops[l->head.n_ops];
    op->semantics = emu_semantics_of(isa->insn);
    if (op->semantics->template == EMU_NOTHING)
        return;
    l->head.n_ops++;
    op->insn = isa->insn;
    op->address = l->head.address;
    op->a = op->semantics->a;
    op->b = op->semantics->b;
    op->c = op->semantics->c;
    unsigned skip = 0;
    if (has_address(op->semantics->template))
        skip = lower_address(isa, op);
    lower_operands(isa, op, skip);
    op->bytes = (uint8_t)access_bytes(op);
    if (op->semantics->fn == emu_do_cascade_get && op->out[0].bytes == 128) { // one half of it
        op->out[0].at = (uint16_t)(op->out[0].at + op->a * 64);
        op->out[0].bytes = 64;
    }
    op->work = (uint8_t)(l->work / 32);
    l->work += work_bytes(op);
    note_kind(&l->head, op);
    add_op(l, isa, op);
}

/* ---- reads and writes of scalars within E1 ---- */

struct scalar_set {
    uint64_t bits[(EMU_SCALARS + 63) / 64];
};

static void set_add(struct scalar_set *s, unsigned reg)
{
    const struct isa_reg_info *info = isa_reg(reg);
    if (reg < EMU_SCALARS)
        s->bits[reg / 64] |= (uint64_t)1 << reg % 64;
    for (unsigned i = 0; info && i < ISA_PARTS_MAX && info->parts[i]; i++)
        set_add(s, info->parts[i]);
}

static bool sets_meet(const struct scalar_set *a, const struct scalar_set *b)
{
    uint64_t both = 0;
    for (unsigned i = 0; i < sizeof a->bits / sizeof a->bits[0]; i++)
        both |= a->bits[i] & b->bits[i];
    return both;
}

static void e1_sets(const struct isa_op *isa, struct scalar_set *reads, struct scalar_set *writes)
{
    const struct isa_operand *operands = isa_insn(isa->insn)->operands;
    for (unsigned k = 0; operands[k].kind; k++) {
        unsigned bypass, reg = operand_reg(isa, k);
        if (operands[k].kind == ISA_KIND_COUNT || operands[k].kind == ISA_KIND_COUNT3) {
            unsigned d = (unsigned)isa->value[k - 1];
            set_add(writes, isa_reg(d)->parts[3]);
            if (operands[k].kind == ISA_KIND_COUNT3)
                set_add(writes, isa_reg(d)->parts[6]);
            continue;
        }
        if (!reg)
            continue;
        // Ports read more than the operands say (r26, r28), all of it in E1.
        if (operands[k].access & ISA_ACCESS_READ)
            set_add(reads, reg);
        if (operands[k].access & ISA_ACCESS_WRITE && isa_operand_stage(isa, k, true, &bypass) <= 1)
            set_add(writes, reg);
    }
}

/* Does a step of E1 write a scalar that a later one reads? Steps run in the order of `order`. */
static bool has_hazard(const struct isa_bundle *isa, const uint8_t *order, unsigned n)
{
    struct scalar_set written = {{0}};
    for (unsigned i = 0; i < n; i++) {
        struct scalar_set reads = {{0}}, writes = {{0}};
        e1_sets(&isa->op[order[i]], &reads, &writes);
        if (sets_meet(&written, &reads))
            return true;
        for (unsigned k = 0; k < sizeof written.bits / sizeof written.bits[0]; k++)
            written.bits[k] |= writes.bits[k];
    }
    return false;
}

/* Sorts the steps by place. */
static void sort_steps(const struct lowering *l, struct emu_bundle *b, struct emu_step *steps)
{
    static const uint8_t stage_of[] = {
#define EMU_WHEN(name, stage) stage,
        EMU_WHEN_LIST(EMU_WHEN)
#undef EMU_WHEN
    };
    unsigned n = 0;
    for (unsigned when = 0; when < EMU_WHEN_COUNT; when++) {
        b->first[when] = (uint8_t)n;
        for (unsigned i = 0; i < l->n; i++) {
            if (l->steps[i].when != when)
                continue;
            const struct emu_op *op = &b->ops[l->steps[i].op];
            steps[n++] =
                (struct emu_step){l->steps[i].fn, (uint16_t)((const char *)op - (const char *)b),
                                  (uint16_t)(op->work * 32)};
            b->last = stage_of[when] > b->last ? stage_of[when] : b->last;
        }
    }
    b->first[EMU_WHEN_COUNT] = (uint8_t)n;
}

/* The block: head, ops, steps, the decoded instruction set's view. */
static struct emu_bundle *build(const struct lowering *l, const struct isa_bundle *isa)
{
    size_t ops = sizeof(struct emu_bundle) + l->head.n_ops * sizeof(struct emu_op);
    size_t steps = (ops + 15) / 16 * 16 + l->n * sizeof(struct emu_step);
    char *block = mem_alloc(1, steps + sizeof *isa);
    if (!block)
        return NULL;
    struct emu_bundle *b = (struct emu_bundle *)(void *)block;
    struct emu_step *list = (struct emu_step *)(void *)(block + (ops + 15) / 16 * 16);
    *b = l->head;
    memcpy(b->ops, l->ops, l->head.n_ops * sizeof(struct emu_op));
    memcpy(block + steps, isa, sizeof *isa);
    b->steps = list;
    b->isa = (const struct isa_bundle *)(void *)(block + steps);
    sort_steps(l, b, list);
    return b;
}

/* Slots in the order their steps of E1 run: readers tend to come before writers. */
static unsigned slot_order(const struct isa_bundle *isa, uint8_t order[ISA_SLOT_COUNT])
{
    static const uint8_t all[] = {ISA_SLOT_ST,  ISA_SLOT_VEC, ISA_SLOT_LDA, ISA_SLOT_LDB,
                                  ISA_SLOT_ALU, ISA_SLOT_LNG, ISA_SLOT_MV};
    unsigned n = 0;
    for (unsigned i = 0; i < sizeof all; i++) {
        if (isa->slots & 1u << all[i])
            order[n++] = all[i];
    }
    return n;
}

struct emu_bundle *emu_lower(const struct isa_bundle *isa, uint32_t address)
{
    struct lowering l;
    uint8_t order[ISA_SLOT_COUNT];
    unsigned n = slot_order(isa, order);
    memset(&l, 0, sizeof l);
    l.head.address = address;
    l.head.after = address + isa->size;
    for (unsigned i = 0; i < n; i++)
        lower_op(&l, &isa->op[order[i]]);
    l.head.hazard = has_hazard(isa, order, n);
    l.head.special = l.head.unknown || l.head.waits || l.head.sets_loop || l.head.hazard;
    return build(&l, isa);
}
