#include "support_npu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npu/asm/text.h"
#include "support.h"

enum { LABELS = 16, IDLE = 16, VALUE_BYTES = 128 };

void npu_case_open(struct npu_case *c)
{
    struct sotto_diag diag = {0};
    memset(c, 0, sizeof *c);
    assert_ok(emu_core_open(&c->core, NULL, NULL, &diag), &diag);
}

void npu_case_close(struct npu_case *c)
{
    emu_core_close(&c->core);
}

/* ---- programs ---- */

struct program {
    uint8_t bytes[EMU_PROGRAM_BYTES];
    uint32_t size;
    struct {
        char name[16];
        uint32_t address;
    } labels[LABELS];
    unsigned n_labels;
};

static void add_bundle(struct program *p, const struct isa_bundle *b)
{
    struct sotto_diag diag = {0};
    uint8_t bytes[ISA_BUNDLE_MAX];
    int n = isa_encode(b, bytes, &diag);
    if (n < 0)
        fail_msg("%s", diag.text);
    assert_true(p->size + (unsigned)n <= sizeof p->bytes);
    memcpy(p->bytes + p->size, bytes, (size_t)n);
    p->size += (uint32_t)n;
}

static void add_idle(struct program *p)
{
    const uint8_t nop[] = {0x01, 0x00};
    memcpy(p->bytes + p->size, nop, sizeof nop);
    p->size += sizeof nop;
}

static uint32_t label_address(const struct program *p, const char *name, size_t length)
{
    for (unsigned i = 0; i < p->n_labels; i++) {
        if (strlen(p->labels[i].name) == length && memcmp(p->labels[i].name, name, length) == 0)
            return p->labels[i].address;
    }
    return 0;
}

static void add_line(struct npu_case *c, struct program *p, const char *line, size_t length,
                     bool second)
{
    struct text_bundle b;
    struct sotto_diag diag = {0};
    struct text_place at = {"case", 1, 1};
    if (length == 5 && memcmp(line, "align", 5) == 0) {
        while (p->size % 16)
            add_idle(p);
        return;
    }
    if (line[length - 1] == ':') {
        if (!second) {
            snprintf(p->labels[p->n_labels].name, 16, "%.*s", (int)length - 1, line);
            p->labels[p->n_labels++].address = p->size;
        }
        return;
    }
    if (text_parse_bundle(line, length, &at, NULL, &b, &diag) != 0)
        fail_msg("%.*s: %s", (int)length, line, diag.text);
    for (unsigned i = 0; i < b.n_refs; i++) {
        const struct text_ref *r = &b.refs[i];
        b.bundle.op[r->slot].value[r->operand] =
            (int32_t)label_address(p, r->symbol.name, r->symbol.length) + r->addend;
    }
    for (unsigned s = 0; s < ISA_SLOT_COUNT; s++) {
        if (b.bundle.slots & 1u << s)
            c->rows[b.bundle.op[s].insn] = true;
    }
    add_bundle(p, &b.bundle);
}

static void assemble(struct npu_case *c, const char *text, struct program *p)
{
    memset(p, 0, sizeof *p);
    for (int pass = 0; pass < 2; pass++) { // sizes do not depend on addresses
        p->size = 0;
        for (const char *line = text; *line;) {
            size_t length = strcspn(line, "\n");
            size_t start = strspn(line, " ");
            if (length > start)
                add_line(c, p, line + start, length - start, pass == 1);
            line += length + (line[length] == '\n');
        }
    }
    for (unsigned i = 0; i < IDLE; i++)
        add_idle(p);
    bool done = c->rows[ISA_INSN_DONE]; // as it ends every program, it proves nothing here
    add_line(c, p, "done", 4, true);
    c->rows[ISA_INSN_DONE] = done;
}

void npu_case_load(struct npu_case *c, const char *text)
{
    npu_case_load_ports(c, text, NULL);
}

void npu_case_load_ports(struct npu_case *c, const char *text, const struct emu_ports *ports)
{
    static struct program p;
    struct sotto_diag diag = {0};
    assemble(c, text, &p);
    emu_core_close(&c->core);
    assert_ok(emu_core_open(&c->core, NULL, ports, &diag), &diag);
    assert_ok(emu_core_load(c->core, 0, p.bytes, p.size, &diag), &diag);
    emu_core_start(c->core, 0);
    c->size = p.size;
}

/* ---- values ---- */

/* "BITS:v,v" or "NUMBER" into bytes; returns their number. `size`: of a register, 0: as listed. */
static unsigned parse_value(const char *text, uint8_t bytes[VALUE_BYTES], unsigned size)
{
    const char *colon = strpbrk(text, ": ");
    char *end;
    if (!colon || *colon == ' ') {
        uint64_t x = strtoull(text, &end, 0);
        memcpy(bytes, &x, 8);
        return size ? size : 4;
    }
    unsigned bits = (unsigned)strtoul(text, &end, 10), n = 0;
    uint64_t listed[VALUE_BYTES];
    const char *at = colon;
    while (*at == ':' || *at == ',') {
        listed[n++] = strtoull(at + 1, &end, 0);
        at = end;
        assert_true(n < VALUE_BYTES);
    }
    if (!size)
        size = (n * bits + 7) / 8;
    memset(bytes, 0, VALUE_BYTES);
    for (unsigned i = 0; i < size * 8 / bits; i++) {
        uint64_t x = listed[i % n];
        if (bits == 4)
            bytes[i / 2] |= (uint8_t)((x & 15) << i % 2 * 4);
        else
            memcpy(bytes + i * bits / 8, &x, bits / 8);
    }
    return size;
}

static unsigned reg_size(int reg)
{
    unsigned bits = isa_reg((unsigned)reg)->bits;
    return bits <= 32 ? 4 : bits / 8;
}

/* One value of a list; gives its register (0: memory), address and bytes; returns what follows. */
static const char *next_value(const char *text, int *reg, uint32_t *address,
                              uint8_t bytes[VALUE_BYTES], unsigned *size)
{
    const char *equal = strchr(text, '=');
    assert_non_null(equal);
    *reg = 0;
    if (*text == '@') {
        *address = (uint32_t)strtoul(text + 1, NULL, 16);
        *size = parse_value(equal + 1, bytes, 0);
    } else {
        *reg = isa_reg_parse(text, (size_t)(equal - text));
        if (!*reg)
            fail_msg("no register %.*s", (int)(equal - text), text);
        *size = parse_value(equal + 1, bytes, reg_size(*reg));
    }
    text = equal + strcspn(equal, " ");
    return text + strspn(text, " ");
}

void npu_case_set(struct npu_case *c, const char *values)
{
    while (*values) {
        uint8_t bytes[VALUE_BYTES];
        uint32_t address = 0;
        unsigned size;
        int reg;
        struct sotto_diag diag = {0};
        values = next_value(values, &reg, &address, bytes, &size);
        if (reg)
            assert_true(emu_core_set(c->core, reg, bytes));
        else
            assert_ok(emu_core_load(c->core, address, bytes, size, &diag), &diag);
    }
}

static void print_bytes(char *dst, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sprintf(dst + 2 * i, "%02x", bytes[n - 1 - i]);
}

void npu_case_expect(struct npu_case *c, const char *values, const char *what)
{
    while (*values) {
        uint8_t want[VALUE_BYTES], got[VALUE_BYTES];
        char a[2 * VALUE_BYTES + 1], b[2 * VALUE_BYTES + 1];
        uint32_t address = 0;
        unsigned size;
        int reg;
        const char *value = values;
        values = next_value(values, &reg, &address, want, &size);
        if (reg)
            assert_true(emu_core_get(c->core, reg, got));
        else
            memcpy(got, emu_core_memory(c->core, (address >> 16) - 4) + (address & 0xffff), size);
        if (memcmp(want, got, size) != 0) {
            print_bytes(a, want, size);
            print_bytes(b, got, size);
            fail_msg("%s\n  %.*s\n  want 0x%s\n  got  0x%s", what, (int)strcspn(value, " "), value,
                     a, b);
        }
    }
}

uint32_t npu_case_u32(struct npu_case *c, int reg)
{
    uint32_t x[32] = {0};
    assert_true(emu_core_get(c->core, reg, x));
    return x[0];
}

/* ---- runs ---- */

void npu_case_run(struct npu_case *c, const char *set, const char *text, const char *expect)
{
    char message[512] = "";
    npu_case_load(c, text);
    npu_case_set(c, set);
    emu_core_run(c->core, 100000);
    if (emu_core_state(c->core) == EMU_FAULTED)
        emu_core_fault_text(c->core, message, sizeof message);
    if (emu_core_state(c->core) != EMU_DONE)
        fail_msg("%s\n  state %d %s", text, emu_core_state(c->core), message);
    npu_case_expect(c, expect, text);
}

const struct emu_fault *npu_case_fault(struct npu_case *c, const char *set, const char *text,
                                       enum emu_fault_code code)
{
    char message[512] = "";
    npu_case_load(c, text);
    npu_case_set(c, set);
    emu_core_run(c->core, 100000);
    const struct emu_fault *f = emu_core_fault(c->core);
    emu_core_fault_text(c->core, message, sizeof message);
    if (emu_core_state(c->core) != EMU_FAULTED || f->code != code)
        fail_msg("%s\n  state %d, fault %d: %s", text, emu_core_state(c->core), f->code, message);
    return f;
}
