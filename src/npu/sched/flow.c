/* See flow.h. */
#include "npu/sched/flow.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS_MAX = 3000000, // ops or cycles
    ASSUMED_MAX = 8,
    RETRIES_MAX = 200,
    RETURN_ADDRESS = -2
};

/* symbol + offset; symbol 0: the number `offset`. */
struct value {
    uint64_t symbol;
    int64_t offset;
};

/* One byte of memory: byte `index` of a stored value of `size` bytes. */
struct byte {
    struct value address, stored;
    uint8_t index, size;
    bool used;
    int line;
};

struct memory {
    struct byte *table;
    size_t n, size; // size: power of two
};

/* What a register is assumed to hold where a loop needs a number. */
struct assumption {
    struct value value;
    int64_t number;
};

struct machine {
    const struct lin_file *file;
    const struct lin_func *func;
    struct value *leaves;
    unsigned n_leaves;
    struct memory memory;
    uint64_t trace; // locks and streams so far
    unsigned n_trace;
    struct assumption assumed[ASSUMED_MAX];
    unsigned n_assumed;
    long steps;
    unsigned choice; // which numbers are assumed
    unsigned retries;
    bool out_of_memory;
    struct sotto_diag *diag;
};

/* One op in execution. */
struct run {
    const struct isa_op *op;
    const struct deps_op *d;
    struct value in[DEPS_ACCESS_MAX]; // of the reading accesses
    struct value loaded, constant;    // constant: of a symbolic operand
    bool has_constant;
    int line;
};

static int fail(const struct machine *m, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(const struct machine *m, int line, const char *fmt, ...)
{
    char text[sizeof m->diag->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return diag_set_at(m->diag, SOTTO_EINVAL, m->file->name, line, 1, "%s", text);
}

/* ---- values ---- */

static uint64_t mix(uint64_t h, uint64_t x)
{
    h ^= x + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53u;
    return (h ^ h >> 29) | 1; // never 0
}

static uint64_t mix_value(uint64_t h, struct value v)
{
    return mix(mix(h, v.symbol), (uint64_t)v.offset);
}

static uint64_t mix_text(uint64_t h, const char *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        h = mix(h, (unsigned char)t[i]);
    }
    return h;
}

static struct value number(int64_t n)
{
    return (struct value){0, n};
}

static bool same(struct value a, struct value b)
{
    return a.symbol == b.symbol && a.offset == b.offset;
}

static struct value assume(const struct machine *m, struct value v)
{
    for (unsigned i = 0; i < m->n_assumed; i++) {
        if (same(v, m->assumed[i].value)) {
            return number(m->assumed[i].number);
        }
    }
    return v;
}

static struct value sum(struct value a, struct value b)
{
    if (a.symbol && b.symbol) {
        return (struct value){mix(a.symbol, mix(b.symbol, 77)) + mix(b.symbol, 3),
                              a.offset + b.offset};
    }
    return (struct value){a.symbol | b.symbol, a.offset + b.offset};
}

/* ---- memory ---- */

static struct byte *find_byte(const struct memory *m, struct value address)
{
    size_t at = mix_value(1, address) & (m->size - 1);
    while (m->table[at].used && !same(m->table[at].address, address)) {
        at = (at + 1) & (m->size - 1);
    }
    return &m->table[at];
}

static void grow(struct machine *m)
{
    struct memory bigger = {.size = m->memory.size ? m->memory.size * 2 : 1 << 12};
    bigger.table = mem_calloc(bigger.size, sizeof *bigger.table);
    if (!bigger.table) {
        m->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < m->memory.size; i++) {
        if (m->memory.table[i].used) {
            *find_byte(&bigger, m->memory.table[i].address) = m->memory.table[i];
            bigger.n++;
        }
    }
    mem_free(m->memory.table);
    m->memory = bigger;
}

static void store(struct machine *m, struct value address, struct value v, unsigned size, int line)
{
    for (unsigned i = 0; i < size; i++) {
        if ((m->memory.n + 1) * 2 > m->memory.size) {
            grow(m);
            if (m->out_of_memory) {
                return;
            }
        }
        struct byte *b = find_byte(&m->memory, address);
        m->memory.n += !b->used;
        *b = (struct byte){address, v, (uint8_t)i, (uint8_t)size, true, line};
        address.offset++;
    }
}

/* A value stored whole comes back as it was; anything else is a symbol of its bytes. */
static struct value load(const struct machine *m, struct value address, unsigned size)
{
    const struct byte *first = m->memory.size ? find_byte(&m->memory, address) : NULL;
    bool whole = first && first->used && first->index == 0 && first->size == size;
    uint64_t h = mix(11, size);
    struct value a = address;
    for (unsigned i = 0; i < size; i++, a.offset++) {
        const struct byte *b = m->memory.size ? find_byte(&m->memory, a) : NULL;
        whole = whole && b->used && b->index == i && same(b->stored, first->stored);
        h = b && b->used ? mix(mix_value(h, b->stored), b->index) : mix_value(mix(h, 5), a);
    }
    return whole ? first->stored : (struct value){h, 0};
}

/* ---- what an op does ---- */

/* The value read through operand k, part `part`. */
static struct value input(const struct run *r, unsigned k, unsigned part)
{
    for (unsigned a = 0; a < r->d->n; a++) {
        const struct deps_access *x = &r->d->access[a];
        if (!x->write && x->operand == k && x->part == part) {
            return r->in[a];
        }
    }
    return number(0);
}

static bool is_immediate(const struct isa_insn *insn, unsigned k)
{
    unsigned kind = insn->operands[k].kind;
    return kind == ISA_KIND_UIMM || kind == ISA_KIND_SIMM || kind == ISA_KIND_NIMM;
}

static struct value operand(const struct run *r, unsigned k)
{
    if (is_immediate(r->d->insn, k)) {
        return r->has_constant ? r->constant : number(r->op->value[k]);
    }
    return input(r, k, 0);
}

/* Operand numbers of the pointer, of the offset in brackets and of the modifier behind; -1: none. */
struct addressing {
    int pointer, offset, modifier;
    bool stack;
};

static struct addressing addressing(const struct isa_insn *insn)
{
    struct addressing a = {-1, -1, -1, false};
    const char *open = strchr(insn->text, '[');
    const char *close = open ? strchr(open, ']') : NULL;
    if (!close) {
        return a;
    }
    a.stack = strncmp(open, "[sp", 3) == 0;
    const char *comma = memchr(open, ',', (size_t)(close - open));
    const char *dollar = comma ? strchr(comma, '$') : NULL;
    a.pointer = a.stack ? -1 : open[2] - '0';
    a.offset = comma ? dollar[1] - '0' : -1;
    dollar = strchr(close, '$');
    a.modifier = dollar ? dollar[1] - '0' : -1;
    return a;
}

static struct value stack_pointer(const struct run *r)
{
    for (unsigned a = 0; a < r->d->n; a++) {
        if (!r->d->access[a].write && r->d->access[a].leaf == ISA_REG_sp) {
            return r->in[a];
        }
    }
    return number(0);
}

static struct value address_of(const struct run *r)
{
    struct addressing a = addressing(r->d->insn);
    struct value p = a.stack ? stack_pointer(r) : input(r, (unsigned)a.pointer, 0);
    return a.offset >= 0 ? sum(p, operand(r, (unsigned)a.offset)) : p;
}

/* A step of a 2D or 3D walk; parts of d: m, dn, dj, dc (low), dn, dj, dc (high). counts gets both dc. */
static struct value walk(const struct run *r, unsigned d, struct value p, bool three,
                         struct value counts[2])
{
    struct value part[7];
    uint64_t h = mix(21, three);
    bool known = true;
    for (unsigned i = 0; i < (three ? 7u : 4u); i++) {
        part[i] = input(r, d, i);
        h = mix_value(h, part[i]);
    }
    known = !part[1].symbol && !part[3].symbol && (!three || (!part[4].symbol && !part[6].symbol));
    if (!known) {
        counts[0] = (struct value){mix(h, 1), 0};
        counts[1] = (struct value){mix(h, 2), 0};
        return (struct value){mix_value(mix(h, 3), p), 0};
    }
    bool low = part[3].offset < part[1].offset, high = three && part[6].offset < part[4].offset;
    counts[0] = number(low ? part[3].offset + 1 : 0);
    counts[1] = number(!three ? 0 : low ? part[6].offset : high ? part[6].offset + 1 : 0);
    return sum(p, low ? part[2] : high ? part[5] : part[0]);
}

/* The op's name without what only says which unit does it. */
static uint64_t name_of(const struct isa_insn *insn)
{
    const char *t = insn->text;
    size_t n = strcspn(t, " ");
    uint64_t h = 31;
    if (n >= 4 && (!memcmp(t, "vlda", 4) || !memcmp(t, "vldb", 4))) {
        h = mix_text(h, "vld", 3);
        t += 4;
        n -= 4;
    }
    // Forms of addressing do not change what is loaded or stored.
    for (size_t i = 0; i < n; i++) {
        if (n - i >= 3 && (!memcmp(t + i, ".2d", 3) || !memcmp(t + i, ".3d", 3))) {
            i += 2;
            continue;
        }
        h = mix(h, (unsigned char)t[i]);
    }
    return h;
}

static bool named(const struct isa_insn *insn, const char *name)
{
    size_t n = strlen(name);
    return strncmp(insn->text, name, n) == 0 && insn->text[n] == ' ';
}

/* All inputs but those of the address; what is read after `stage` cannot matter (the flags' masks). */
static uint64_t data_inputs(const struct run *r, unsigned stage, uint64_t h)
{
    struct addressing a = addressing(r->d->insn);
    for (unsigned i = 0; i < r->d->n; i++) {
        const struct deps_access *x = &r->d->access[i];
        int k = x->operand;
        if (!x->write && k != a.pointer && k != a.offset && k != a.modifier &&
            x->leaf != ISA_REG_sp && x->stage <= stage) {
            h = mix_value(mix(h, x->operand * 8u + x->part), r->in[i]);
        }
    }
    for (unsigned k = 0; r->d->insn->operands[k].kind; k++) {
        if (is_immediate(r->d->insn, k) && (int)k != a.offset && (int)k != a.modifier) {
            h = mix_value(mix(h, 100 + k), operand(r, k));
        }
    }
    return h;
}

static bool scalar_result(const struct run *r, struct value *out)
{
    const struct isa_insn *insn = r->d->insn;
    struct value a = operand(r, 1), b = operand(r, 2);
    if (named(insn, "mova") || named(insn, "movx") || named(insn, "movxm") ||
        (named(insn, "mov") && insn->slot == ISA_SLOT_MV && insn->itin != ISA_ITIN_MOV_CNTR)) {
        *out = a;
        return true;
    }
    if (named(insn, "add") || named(insn, "add.nc")) {
        *out = sum(a, b);
        return true;
    }
    if (named(insn, "sub") && !b.symbol) {
        *out = sum(a, number(-b.offset));
        return true;
    }
    if (named(insn, "lshl") && !a.symbol && !b.symbol && b.offset > -32 && b.offset < 32) {
        uint32_t x = (uint32_t)a.offset;
        *out = number((int32_t)(b.offset < 0 ? x >> -b.offset : x << b.offset));
        return true;
    }
    if (named(insn, "jnzd")) {
        *out = sum(a, number(-1));
        return true;
    }
    return false;
}

/* The value access `a` writes. */
static struct value result(const struct machine *m, const struct run *r, unsigned a)
{
    const struct isa_insn *insn = r->d->insn;
    const struct deps_access *x = &r->d->access[a];
    struct addressing ad = addressing(insn);
    struct value out, counts[2];
    bool counter = insn->operands[x->operand].kind == ISA_KIND_COUNT ||
                   insn->operands[x->operand].kind == ISA_KIND_COUNT3;
    bool pointer =
        (ad.stack ? x->leaf == ISA_REG_sp : x->operand == ad.pointer) && ad.modifier >= 0;
    if ((counter || pointer) && ad.modifier >= 0) {
        unsigned k = (unsigned)ad.modifier;
        unsigned class_id = insn->operands[k].name;
        struct value p = ad.stack ? stack_pointer(r) : input(r, (unsigned)ad.pointer, 0);
        if (insn->operands[k].kind == ISA_KIND_REG &&
            (class_id == ISA_CLASS_eD || class_id == ISA_CLASS_eDS)) {
            out = walk(r, k, p, class_id == ISA_CLASS_eDS, counts);
            out = counter ? counts[x->part] : out;
        } else {
            out = sum(p, operand(r, k));
        }
    } else if (x->operand == 0 && x->part == 0 && scalar_result(r, &out)) {
        // done
    } else if (insn->memory == ISA_MEMORY_LOAD && r->d->bytes) {
        bool plain = r->d->n && (named(insn, "lda") || named(insn, "vlda") || named(insn, "vldb"));
        uint64_t h = mix(data_inputs(r, x->stage, name_of(insn)), x->operand * 8u + x->part);
        out = plain ? r->loaded : (struct value){mix_value(h, r->loaded), 0};
    } else {
        uint64_t h = mix(name_of(insn), x->operand * 8u + x->part);
        out = (struct value){data_inputs(r, x->stage, h), 0};
    }
    return assume(m, out);
}

static bool is_traced(const struct deps_op *d)
{
    return d->kind >= DEPS_LOCK_ACQUIRE && d->kind <= DEPS_STREAM;
}

static void trace(struct machine *m, const struct run *r)
{
    m->trace = mix(data_inputs(r, 1, mix(m->trace, name_of(r->d->insn))), 9);
    m->n_trace++;
}

static struct value stored_value(const struct run *r)
{
    const struct isa_insn *insn = r->d->insn;
    if (named(insn, "st") || named(insn, "vst") || named(insn, "vst.2d") || named(insn, "vst.3d") ||
        named(insn, "st.2d") || named(insn, "st.3d")) {
        struct value v = input(r, 0, 0);
        return insn->operands[0].name == ISA_CLASS_mQQa
                   ? (struct value){mix_value(mix_value(3, v), input(r, 0, 1)), 0}
                   : v;
    }
    return (struct value){data_inputs(r, r->d->last, name_of(insn)), 0};
}

/* A branch's decision; an unknown condition is decided by its symbol. */
static bool taken(const struct run *r)
{
    const struct isa_insn *insn = r->d->insn;
    if (!named(insn, "jz") && !named(insn, "jnz") && !named(insn, "jnzd")) {
        return true;
    }
    struct value v = operand(r, named(insn, "jnzd") ? 1 : 0);
    bool nonzero = v.symbol ? mix_value(1, v) >> 20 & 1 : v.offset != 0;
    return named(insn, "jz") ? !nonzero : nonzero;
}

/* ---- machines ---- */

static bool machine_init(struct machine *m)
{
    m->n_leaves = ISA_REG_COUNT + m->func->n_vregs * 8;
    m->leaves = mem_calloc(m->n_leaves, sizeof *m->leaves);
    if (!m->leaves) {
        return false;
    }
    for (unsigned i = 0; i < m->n_leaves; i++) {
        m->leaves[i] = assume(m, (struct value){mix(1000, i), 0});
    }
    m->leaves[ISA_REG_lr] = number(RETURN_ADDRESS);
    m->leaves[ISA_REG_le] = m->leaves[ISA_REG_ls] = number(-1);
    grow(m);
    return !m->out_of_memory;
}

static void machine_free(struct machine *m)
{
    mem_free(m->leaves);
    mem_free(m->memory.table);
}

/* ---- linear code ---- */

struct linear {
    struct machine *m;
    struct deps_op *d; // of every op
};

static int linear_op(struct linear *l, unsigned i, struct run *r)
{
    struct machine *m = l->m;
    const struct deps_op *d = &l->d[i];
    struct value out[DEPS_ACCESS_MAX];
    r->op = &m->func->ops[i].alts[0];
    r->d = d;
    r->line = m->func->ops[i].line;
    r->has_constant = m->func->ops[i].symbol && m->func->ops[i].label < 0;
    if (r->has_constant) {
        const char *s = m->func->ops[i].symbol;
        r->constant = (struct value){mix_text(41, s, strlen(s)), m->func->ops[i].addend};
    }
    for (unsigned a = 0; a < d->n; a++) {
        r->in[a] = m->leaves[d->access[a].leaf];
    }
    if (d->memory == ISA_MEMORY_LOAD && d->bytes) {
        r->loaded = load(m, address_of(r), d->bytes);
    }
    if (is_traced(d)) {
        trace(m, r);
    } else if (d->memory >= ISA_MEMORY_STORE) {
        store(m, address_of(r), stored_value(r), d->bytes, r->line);
    }
    for (unsigned a = 0; a < d->n; a++) {
        if (d->access[a].write) {
            out[a] = result(m, r, a);
        }
    }
    for (unsigned a = 0; a < d->n; a++) {
        if (d->access[a].write) {
            m->leaves[d->access[a].leaf] = out[a];
        }
    }
    return ++m->steps > STEPS_MAX ? SOTTO_EUNSUPPORTED : SOTTO_OK;
}

/* What is assumed so far does not suit this loop: the next numbers. */
static int assume_more(struct machine *m)
{
    for (unsigned i = 0; i < m->n_assumed; i++) {
        m->assumed[i].number++;
    }
    return ++m->retries > RETRIES_MAX ? SOTTO_EUNSUPPORTED : 1;
}

/* The number of iterations: known, or assumed from now on (1: start again). */
static int trips_of(struct linear *l, const struct lin_region *r, int64_t *trips)
{
    struct machine *m = l->m;
    uint32_t leaves[ISA_PARTS_MAX];
    *trips = r->trips;
    if (r->trips) {
        return SOTTO_OK;
    }
    lin_leaves(m->func, r->trips_reg, leaves);
    struct value v = m->leaves[leaves[0]];
    if (!v.symbol) {
        *trips = v.offset;
        if (v.offset >= (int64_t)r->min && v.offset % (int64_t)r->multiple == 0) {
            return SOTTO_OK;
        }
        return m->n_assumed ? assume_more(m)
                            : fail(m, r->line,
                                   "the loop would run %lld times, which contradicts min "
                                   "or multiple",
                                   (long long)v.offset);
    }
    if (m->n_assumed == ASSUMED_MAX) {
        return SOTTO_EUNSUPPORTED;
    }
    int64_t step = r->multiple, least = (r->min + step - 1) / step * step;
    m->assumed[m->n_assumed++] = (struct assumption){v, least + step * (int64_t)m->choice};
    return 1;
}

static int linear_run(struct linear *l)
{
    struct machine *m = l->m;
    const struct lin_func *f = m->func;
    struct run r = {0};
    for (unsigned at = 0; at < f->n_regions;) {
        const struct lin_region *region = &f->regions[at];
        int64_t trips = 1;
        int err = region->kind == LIN_LOOP ? trips_of(l, region, &trips) : SOTTO_OK;
        for (int64_t t = 0; t < trips && !err; t++) {
            for (unsigned i = 0; i < region->count && !err; i++) {
                err = linear_op(l, region->first + i, &r);
            }
        }
        if (err) {
            return err;
        }
        unsigned next = at + 1;
        if (region->count && r.d && r.d->kind == DEPS_BRANCH && taken(&r)) {
            const struct lin_op *op = &f->ops[region->first + region->count - 1];
            next = op->label >= 0 ? f->labels[op->label].region : f->n_regions;
        }
        at = next;
        if (++m->steps > STEPS_MAX) {
            return SOTTO_EUNSUPPORTED;
        }
    }
    return SOTTO_OK;
}

/* ---- pipelined code ---- */

enum { IN_FLIGHT = 128 };

struct flight {
    struct run r;
    int age; // stage it is in, 1 when issued; 0: free place
    struct value out[DEPS_ACCESS_MAX];
    bool known[DEPS_ACCESS_MAX];
};

struct pipeline {
    struct machine *m;
    const struct code *code;
    struct deps_op (*d)[ISA_SLOT_COUNT];
    struct flight *flights;
    int64_t pc, target; // bundles
    int delay;          // bundles until the jump to `target`, -1: none
    bool done;
};

static struct value read_leaf(const struct pipeline *p, const struct deps_access *read)
{
    for (int i = 0; i < IN_FLIGHT && read->bypass; i++) {
        const struct flight *f = &p->flights[i];
        for (unsigned a = 0; f->age && a < f->r.d->n; a++) {
            const struct deps_access *w = &f->r.d->access[a];
            if (w->write && w->leaf == read->leaf && w->stage == f->age &&
                w->bypass == read->bypass && f->known[a]) {
                return f->out[a];
            }
        }
    }
    return p->m->leaves[read->leaf];
}

static void know(struct pipeline *p, struct flight *f, unsigned a)
{
    if (!f->known[a]) {
        f->out[a] = result(p->m, &f->r, a);
        f->known[a] = true;
    }
}

static int64_t bundle_at(const struct code *code, int64_t address)
{
    unsigned low = 0, high = code->n_bundles;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (code->bundles[middle].address < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < code->n_bundles && code->bundles[low].address == address ? (int64_t)low : -1;
}

/* Where a branch goes, as a bundle; the caller's address is RETURN_ADDRESS. */
static int64_t target_of(const struct pipeline *p, const struct run *r)
{
    struct value v = named(r->d->insn, "ret")                              ? r->in[0]
                     : named(r->d->insn, "jnzd")                           ? input(r, 2, 0)
                     : named(r->d->insn, "jz") || named(r->d->insn, "jnz") ? operand(r, 1)
                                                                           : operand(r, 0);
    if (v.symbol) {
        return -1;
    }
    return v.offset == RETURN_ADDRESS ? RETURN_ADDRESS : bundle_at(p->code, v.offset);
}

static int branch(struct pipeline *p, const struct flight *f)
{
    if (!taken(&f->r)) {
        return SOTTO_OK;
    }
    if (p->delay >= 0) {
        return fail(p->m, f->r.line, "a branch in the delay slots of another");
    }
    p->target = target_of(p, &f->r);
    p->delay = DEPS_DELAY_SLOTS + 1;
    return p->target == -1 ? fail(p->m, f->r.line, "a branch to where no bundle starts") : SOTTO_OK;
}

/* Two writes of one leaf in one cycle have no defined result. */
static int commit(struct pipeline *p)
{
    for (int i = 0; i < IN_FLIGHT; i++) {
        struct flight *f = &p->flights[i];
        for (unsigned a = 0; f->age && a < f->r.d->n; a++) {
            const struct deps_access *x = &f->r.d->access[a];
            if (!x->write || x->stage != f->age) {
                continue;
            }
            know(p, f, a);
            for (int k = 0; k < i && !deps_is_sticky(x->leaf); k++) {
                const struct flight *g = &p->flights[k];
                for (unsigned b = 0; g->age && b < g->r.d->n; b++) {
                    if (g->r.d->access[b].write && g->r.d->access[b].stage == g->age &&
                        g->r.d->access[b].leaf == x->leaf) {
                        return fail(p->m, f->r.line, "%s is written twice in one cycle (line %d)",
                                    isa_reg(x->leaf)->text, g->r.line);
                    }
                }
            }
        }
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
        struct flight *f = &p->flights[i];
        for (unsigned a = 0; f->age && a < f->r.d->n; a++) {
            if (f->r.d->access[a].write && f->r.d->access[a].stage == f->age) {
                p->m->leaves[f->r.d->access[a].leaf] = f->out[a];
            }
        }
    }
    return SOTTO_OK;
}

/* One cycle of everything in flight: bypassed results, reads, memory, writes. */
static int cycle(struct pipeline *p)
{
    int err = SOTTO_OK;
    for (int i = 0; i < IN_FLIGHT; i++) {
        struct flight *f = &p->flights[i];
        for (unsigned a = 0; f->age && a < f->r.d->n; a++) {
            const struct deps_access *x = &f->r.d->access[a];
            if (x->write && x->bypass && x->stage == f->age) {
                know(p, f, a);
            }
        }
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
        struct flight *f = &p->flights[i];
        for (unsigned a = 0; f->age && a < f->r.d->n; a++) {
            const struct deps_access *x = &f->r.d->access[a];
            if (!x->write && x->stage == f->age) {
                f->r.in[a] = read_leaf(p, x);
            }
        }
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
        struct flight *f = &p->flights[i];
        const struct deps_op *d = f->r.d;
        if (f->age && d->memory == ISA_MEMORY_LOAD && d->bytes && d->first == f->age) {
            f->r.loaded = load(p->m, address_of(&f->r), d->bytes);
        }
    }
    for (int i = 0; i < IN_FLIGHT && !err; i++) {
        struct flight *f = &p->flights[i];
        const struct deps_op *d = f->r.d;
        if (f->age == 1 && is_traced(d)) {
            trace(p->m, &f->r);
        } else if (f->age && d->memory >= ISA_MEMORY_STORE && d->last == f->age) {
            store(p->m, address_of(&f->r), stored_value(&f->r), d->bytes, f->r.line);
        }
        if (f->age == 1 && d->kind == DEPS_BRANCH) {
            err = branch(p, f);
        }
    }
    err = err ? err : commit(p);
    for (int i = 0; i < IN_FLIGHT; i++) {
        struct flight *f = &p->flights[i];
        if (f->age && ++f->age > f->r.d->done) {
            f->age = 0;
        }
    }
    return err;
}

static void issue(struct pipeline *p)
{
    const struct code_bundle *b = &p->code->bundles[p->pc];
    int place = 0;
    for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
        if (!(b->bundle.slots >> s & 1) || isa_insn(b->bundle.op[s].insn)->itin == ISA_ITIN_NOP) {
            continue;
        }
        while (place < IN_FLIGHT && p->flights[place].age) {
            place++;
        }
        if (place == IN_FLIGHT) {
            return;
        }
        struct flight *f = &p->flights[place];
        memset(f->known, 0, sizeof f->known);
        f->age = 1;
        f->r = (struct run){.op = &b->bundle.op[s], .d = &p->d[p->pc][s], .line = b->lines[s]};
        f->r.has_constant = b->refs[s].symbol != NULL;
        if (f->r.has_constant) {
            int64_t address = code_address(p->code, &b->refs[s]);
            const char *name = b->refs[s].symbol;
            f->r.constant =
                address >= 0 ? number(address)
                             : (struct value){mix_text(41, name, strlen(name)), b->refs[s].addend};
        }
    }
}

/* The next bundle: a jump that is due, the back edge of a hardware loop, or the one behind. */
static int advance(struct pipeline *p)
{
    struct value *leaves = p->m->leaves;
    const struct code_bundle *b = &p->code->bundles[p->pc];
    struct value le = leaves[ISA_REG_le];
    p->pc++;
    if (!le.symbol && le.offset == b->address) {
        struct value *lc = &leaves[ISA_REG_lc];
        if (lc->symbol) {
            return fail(p->m, b->lines[0], "the trip count of a hardware loop is unknown");
        }
        if (--lc->offset != 0) {
            p->pc = bundle_at(p->code, leaves[ISA_REG_ls].offset);
            if (p->pc < 0) {
                return fail(p->m, b->lines[0], "a loop starts where no bundle does");
            }
        }
    }
    if (p->delay > 0 && --p->delay == 0) {
        p->delay = -1;
        p->pc = p->target;
        p->done = p->target == RETURN_ADDRESS;
    }
    return SOTTO_OK;
}

static int pipeline_run(struct pipeline *p)
{
    int err = SOTTO_OK;
    p->delay = -1;
    while (!p->done && !err) {
        if (p->pc >= (int64_t)p->code->n_bundles) {
            return fail(p->m, p->m->func->line, "the code runs past its end");
        }
        if (++p->m->steps > STEPS_MAX) {
            return SOTTO_EUNSUPPORTED;
        }
        issue(p);
        err = cycle(p);
        err = err ? err : advance(p);
    }
    for (int i = 0; i < DEPS_SPAN && !err; i++) {
        err = cycle(p);
    }
    return err;
}

/* ---- comparison ---- */

static int compare_memory(const struct machine *a, const struct machine *b, const char *what)
{
    for (size_t i = 0; i < a->memory.size; i++) {
        const struct byte *x = &a->memory.table[i];
        const struct byte *y = x->used ? find_byte(&b->memory, x->address) : NULL;
        if (x->used && (!y->used || !same(x->stored, y->stored) || x->index != y->index)) {
            return fail(b, x->line, "%s: what line %d stores (line %d in the bundles)", what,
                        x->line, y->used ? y->line : 0);
        }
    }
    return SOTTO_OK;
}

static int compare(const struct machine *linear, const struct machine *bundles)
{
    const struct lin_func *f = linear->func;
    int err = compare_memory(linear, bundles, "the bundles do not compute the source");
    err = err ? err : compare_memory(bundles, linear, "the bundles store more than the source");
    for (unsigned i = 0; i < f->n_outs && !err; i++) {
        uint32_t leaves[ISA_PARTS_MAX];
        unsigned n = lin_leaves(f, f->outs[i], leaves);
        for (unsigned k = 0; k < n && !err; k++) {
            char name[64];
            if (leaves[k] < ISA_REG_COUNT &&
                !same(linear->leaves[leaves[k]], bundles->leaves[leaves[k]])) {
                err = fail(bundles, f->end_line, "the bundles leave another value in %s",
                           lin_value_text(f, f->outs[i], name, sizeof name));
            }
        }
    }
    for (unsigned r = ISA_REG_crVaddSign; r <= ISA_REG_crUnpackSign && !err; r++) {
        if (!same(linear->leaves[r], bundles->leaves[r])) {
            err = fail(bundles, f->end_line, "the bundles leave another value in %s",
                       isa_reg(r)->text);
        }
    }
    if (!err && (linear->trace != bundles->trace || linear->n_trace != bundles->n_trace)) {
        err = fail(bundles, f->line, "locks, streams or events are not those of the source");
    }
    return err;
}

static int one_choice(struct machine *base, struct linear *l, struct pipeline *p, unsigned choice)
{
    struct machine linear = *base, bundles;
    linear.choice = choice;
    l->m = &linear;
    int err;
    do {
        linear.steps = 0;
        linear.trace = linear.n_trace = 0;
        err = machine_init(&linear) ? linear_run(l) : SOTTO_ENOMEM;
        if (err) {
            machine_free(&linear);
            linear.leaves = NULL;
            linear.memory = (struct memory){0};
        }
    } while (err == 1);
    bundles = *base;
    memcpy(bundles.assumed, linear.assumed, sizeof bundles.assumed);
    bundles.n_assumed = linear.n_assumed;
    base->n_assumed = linear.n_assumed; // tells whether more choices are of use
    p->m = &bundles;
    p->pc = p->done = 0;
    memset(p->flights, 0, IN_FLIGHT * sizeof *p->flights);
    if (!err) {
        err = machine_init(&bundles) ? pipeline_run(p) : SOTTO_ENOMEM;
        err = err ? err : compare(&linear, &bundles);
        machine_free(&bundles);
    }
    bool dry = linear.out_of_memory || bundles.out_of_memory;
    machine_free(&linear);
    base->n_assumed = base->n_assumed > 0;
    return dry ? SOTTO_ENOMEM : err;
}

int flow_compare(const struct lin_file *file, const struct lin_func *func, const struct code *code,
                 struct sotto_diag *diag)
{
    struct machine base = {.file = file, .func = func, .diag = diag};
    struct deps_regs regs = lin_deps_regs(func);
    struct linear l = {.d = mem_calloc(func->n_ops + 1, sizeof *l.d)};
    struct pipeline p = {.code = code};
    p.d = mem_calloc(code->n_bundles + 1, sizeof *p.d);
    p.flights = mem_calloc(IN_FLIGHT, sizeof *p.flights);
    int err = l.d && p.d && p.flights ? SOTTO_OK : SOTTO_ENOMEM;
    for (unsigned i = 0; i < func->n_ops && !err; i++) {
        deps_describe(&l.d[i], &func->ops[i].alts[0], &regs, &func->flags);
    }
    for (unsigned i = 0; i < code->n_bundles && !err; i++) {
        for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
            if (code->bundles[i].bundle.slots >> s & 1) {
                deps_describe(&p.d[i][s], &code->bundles[i].bundle.op[s], NULL, &func->flags);
            }
        }
    }
    for (unsigned choice = 0; choice < 4 && !err; choice++) {
        base.n_assumed = 0;
        err = one_choice(&base, &l, &p, choice);
        if (!base.n_assumed) {
            break;
        }
    }
    mem_free(l.d);
    mem_free(p.d);
    mem_free(p.flights);
    if (err == SOTTO_EUNSUPPORTED) {
        diag_set_at(diag, err, file->name, func->line, 1, "function %s runs too long to be checked",
                    func->name);
    } else if (err == SOTTO_ENOMEM) {
        diag_set(diag, err, file->name, "out of memory");
    }
    return err;
}
