/*
 * One instruction, one bundle. A row's template ("lda $0, [$1], $2") is walked beside the text: blanks are
 * free, words and signs must be the same, at $k an operand is read. Of the rows that do not fit, the one
 * that got farthest explains why.
 */
#include "npu/asm/text.h"

#include <stdio.h>
#include <string.h>

/* One row tried on the text. */
struct attempt {
    struct scan s;
    const struct isa_insn *insn;
    struct text_op op;
    unsigned seen;       // operands read so far, as bits
    unsigned grade;      // how near a failure was to success: breaks ties
    struct sotto_diag d; // why it failed
};

enum { GRADE_SIGN = 1, GRADE_CLASS, GRADE_RANGE };

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '$' || c == '@' || c == '%';
}

/* The word at the cursor, with a second after a colon ("r17:r16"). */
static size_t word_length(const struct scan *s)
{
    size_t n = 0, rest = s->length - s->at;
    while (n < rest && (is_word(s->text[s->at + n]) || (n && s->text[s->at + n] == ':'))) {
        n++;
    }
    return n;
}

static int mnemonic_length(const struct isa_insn *insn)
{
    return (int)strcspn(insn->text, " ");
}

/* "r0, r1, ... r31": what a class holds. */
static void describe_class(unsigned class_id, char *dst, size_t size)
{
    int first = 0, second = 0, last = 0, n = 0;
    for (int reg = 1; reg < ISA_REG_COUNT; reg++) {
        if (isa_reg_in(class_id, reg)) {
            first = n == 0 ? reg : first;
            second = n == 1 ? reg : second;
            last = reg;
            n++;
        }
    }
    const char *a = isa_reg((unsigned)first)->text;
    if (n <= 2) {
        snprintf(dst, size, "%s%s%s", a, n == 2 ? " or " : "",
                 n == 2 ? isa_reg((unsigned)second)->text : "");
    } else {
        snprintf(dst, size, "one of %s, %s, ... %s", a, isa_reg((unsigned)second)->text,
                 isa_reg((unsigned)last)->text);
    }
}

static int fail_class(struct attempt *t, unsigned k, size_t length)
{
    const struct scan *s = &t->s;
    char allowed[96];
    t->grade = GRADE_CLASS;
    describe_class(t->insn->operands[k].name, allowed, sizeof allowed);
    char c = s->at < s->length ? s->text[s->at] : 0;
    if ((c >= '0' && c <= '9') || c == '-') {
        return scan_error(s, s->at, "operand %u of '%.*s': '#' is missing before the number", k + 1,
                          mnemonic_length(t->insn), t->insn->text);
    }
    if (length == 0) {
        t->grade = GRADE_SIGN;
        return scan_error(s, s->at, "operand %u of '%.*s' is a register: %s", k + 1,
                          mnemonic_length(t->insn), t->insn->text, allowed);
    }
    return scan_error(s, s->at, "operand %u of '%.*s' cannot be '%.*s': it is %s", k + 1,
                      mnemonic_length(t->insn), t->insn->text, (int)length, s->text + s->at,
                      allowed);
}

static int read_register(struct attempt *t, unsigned k, int32_t *value)
{
    struct scan *s = &t->s;
    unsigned class_id = t->insn->operands[k].name;
    size_t length = word_length(s);
    int reg = isa_reg_find(class_id, s->text + s->at, length);
    if (!reg && length && s->names && s->names->reg) {
        reg = s->names->reg(s->names->user, class_id, s->text + s->at, length);
    }
    if (!reg) {
        return fail_class(t, k, length);
    }
    s->at += length;
    *value = reg;
    return SOTTO_OK;
}

static int check_range(struct attempt *t, unsigned k, size_t at, int64_t number)
{
    int64_t min = 0, max = 0, step = 1;
    isa_imm_range(&t->insn->operands[k], &min, &max, &step);
    bool whole = min == INT32_MIN && max == INT32_MAX; // 32 bits: unsigned is as good
    if (number >= min && number <= (whole ? (int64_t)UINT32_MAX : max) && number % step == 0) {
        return SOTTO_OK;
    }
    t->grade = GRADE_RANGE;
    if (step == 1) {
        return scan_error(&t->s, at, "the immediate %lld of '%.*s' is out of range [%lld, %lld]",
                          (long long)number, mnemonic_length(t->insn), t->insn->text,
                          (long long)min, (long long)max);
    }
    return scan_error(&t->s, at,
                      "the immediate %lld of '%.*s' is not a multiple of %lld in [%lld, %lld]",
                      (long long)number, mnemonic_length(t->insn), t->insn->text, (long long)step,
                      (long long)min, (long long)max);
}

static int read_symbol(struct attempt *t, unsigned k, size_t at, const struct expr *value)
{
    struct text_name shown = value->plus.length ? value->plus : value->minus;
    if (isa_reloc_operand(t->op.op.insn) != (int)k) {
        t->grade = GRADE_RANGE;
        return scan_error(&t->s, at, "operand %u of '%.*s' must be a number: '%.*s' is none yet",
                          k + 1, mnemonic_length(t->insn), t->insn->text, (int)shown.length,
                          shown.name);
    }
    if (value->minus.length || value->number < INT32_MIN || value->number > INT32_MAX) {
        t->grade = GRADE_RANGE;
        return scan_error(&t->s, at, "an operand can be a symbol plus a 32-bit number, no more");
    }
    t->op.ref = (struct text_ref){t->insn->slot, (uint8_t)k, t->s.place.column + (int)at,
                                  value->plus, (int32_t)value->number};
    return SOTTO_OK;
}

static int read_immediate(struct attempt *t, unsigned k, int32_t *result)
{
    struct scan *s = &t->s;
    struct expr value;
    size_t at = s->at;
    *result = 0;
    if (!scan_take(s, '#')) {
        t->grade = GRADE_SIGN;
        return scan_error(s, at, "operand %u of '%.*s' is an immediate: '#' is missing here", k + 1,
                          mnemonic_length(t->insn), t->insn->text);
    }
    t->grade = GRADE_RANGE;
    int err = expr_parse(s, &value);
    if (!err && (value.plus.length || value.minus.length)) {
        err = read_symbol(t, k, at, &value);
    } else if (!err) {
        err = check_range(t, k, at, value.number);
        *result = (int32_t)(uint32_t)(uint64_t)value.number;
    }
    if (err) {
        s->at = at; // the failure is here, not behind
    }
    return err;
}

static int read_operand(struct attempt *t, unsigned k)
{
    int32_t value = 0;
    size_t at = t->s.at;
    int err = t->insn->operands[k].kind == ISA_KIND_REG ? read_register(t, k, &value)
                                                        : read_immediate(t, k, &value);
    if (!err && (t->seen >> k & 1) && t->op.op.value[k] != value) {
        t->grade = GRADE_CLASS;
        err = scan_error(&t->s, at, "the first two operands of '%.*s' must be the same register",
                         mnemonic_length(t->insn), t->insn->text);
        t->s.at = at;
    }
    if (!err) {
        t->op.op.value[k] = value;
        t->seen |= 1u << k;
    }
    return err;
}

/* A sign or a word of the template at the cursor; moves *form behind it. */
static int read_literal(struct attempt *t, const char **form)
{
    struct scan *s = &t->s;
    size_t n = 1;
    if (is_word(**form)) {
        n = strcspn(*form, " ,[]");
        if (word_length(s) != n || memcmp(s->text + s->at, *form, n) != 0) {
            t->grade = GRADE_SIGN;
            return scan_error(s, s->at, "'%.*s' is missing here", (int)n, *form);
        }
    } else if (s->at >= s->length || s->text[s->at] != **form) {
        t->grade = GRADE_SIGN;
        return scan_error(s, s->at, "'%c' is missing here", **form);
    }
    s->at += n;
    *form += n;
    return SOTTO_OK;
}

static int try_row(struct attempt *t)
{
    const char *form = t->insn->text + mnemonic_length(t->insn);
    int err = SOTTO_OK;
    while (*form && !err) {
        scan_space(&t->s);
        if (*form == ' ') {
            form++;
        } else if (*form == '$') {
            err = read_operand(t, (unsigned)(form[1] - '0'));
            form += 2;
        } else {
            err = read_literal(t, &form);
        }
    }
    scan_space(&t->s);
    if (!err && t->s.at < t->s.length) {
        t->grade = GRADE_SIGN;
        err = scan_error(&t->s, t->s.at, "'%.*s' is too much for '%.*s'", scan_rest(&t->s),
                         t->s.text + t->s.at, mnemonic_length(t->insn), t->insn->text);
    }
    return err;
}

int text_match_op(const char *text, size_t length, const struct text_place *at,
                  const struct text_names *names, struct text_op *ops, unsigned max,
                  struct sotto_diag *diag)
{
    struct scan s = {.text = text, .length = length, .place = *at, .names = names, .diag = diag};
    scan_space(&s);
    size_t start = s.at, n = word_length(&s);
    struct attempt t, best = {.grade = 0};
    unsigned found = 0;
    if (n == 0) {
        return scan_error(&s, start, "an instruction is missing here");
    }
    s.at += n;
    for (int id = -1; (id = isa_insn_find(text + start, n, id)) >= 0;) {
        memset(&t, 0, offsetof(struct attempt, d));
        t.s = s;
        t.s.diag = &t.d;
        t.insn = isa_insn((unsigned)id);
        t.op.op.insn = (uint16_t)id;
        if (!try_row(&t)) {
            if (found < max) {
                ops[found++] = t.op;
            }
        } else if (!best.insn || t.s.at > best.s.at ||
                   (t.s.at == best.s.at && t.grade > best.grade)) {
            best = t;
        }
    }
    if (found) {
        return (int)found;
    }
    if (!best.insn) {
        return scan_error(&s, start, "there is no instruction '%.*s'", (int)n, text + start);
    }
    if (diag) {
        *diag = best.d;
    }
    return SOTTO_ESYNTAX;
}

int text_parse_op(const char *text, size_t length, const struct text_place *at,
                  const struct text_names *names, struct text_op *op, struct sotto_diag *diag)
{
    int n = text_match_op(text, length, at, names, op, 1, diag);
    return n < 0 ? n : SOTTO_OK;
}

/* ---- bundles ---- */

struct part {
    size_t at, length;
    struct text_op ops[TEXT_ROWS_MAX];
    unsigned n_ops, chosen;
};

/* Cuts the text at its semicolons. Returns the number of parts, 0: too many. */
static unsigned split(const char *text, size_t length, struct part *parts, unsigned max)
{
    unsigned n = 0;
    size_t start = 0;
    bool quoted = false;
    for (size_t i = 0; i <= length; i++) {
        quoted ^= i < length && text[i] == '"';
        if (i < length && (text[i] != ';' || quoted)) {
            continue;
        }
        if (n == max) {
            return 0;
        }
        parts[n].at = start;
        parts[n].length = i - start;
        start = i + 1;
        n++;
    }
    return n;
}

static unsigned slot_of(const struct part *part, unsigned choice)
{
    return isa_insn(part->ops[choice].op.insn)->slot;
}

/* Tries the rows of part i and those after it; true: a format holds them. */
static bool choose(struct part *parts, unsigned n, unsigned i, unsigned slots)
{
    if (i == n) {
        return isa_format_of(slots) != NULL;
    }
    for (unsigned c = 0; c < parts[i].n_ops; c++) {
        unsigned bit = 1u << slot_of(&parts[i], c);
        parts[i].chosen = c;
        if (!(slots & bit) && choose(parts, n, i + 1, slots | bit)) {
            return true;
        }
    }
    return false;
}

/* Where a part's first character that is not blank stands. */
static size_t part_start(const struct scan *s, const struct part *part)
{
    struct scan inner = {.text = s->text, .length = part->at + part->length, .at = part->at};
    scan_space(&inner);
    return inner.at;
}

/* The nops that make a bundle of these slots: the smallest format that has them all. */
static void describe_missing(unsigned slots, char *dst, size_t size)
{
    const struct isa_format *best = NULL;
    for (unsigned i = 0; i < ISA_FORMAT_COUNT; i++) {
        const struct isa_format *f = isa_format(i);
        if ((isa_format_slots(f) & slots) == slots && (!best || f->bytes < best->bytes)) {
            best = f;
        }
    }
    size_t used = (size_t)snprintf(dst, size, best ? "; add" : "");
    if (!best && (slots & 1u << ISA_SLOT_LNG)) {
        snprintf(dst, size, ": lng stands in place of alu and mv");
    }
    for (unsigned i = 0; best && i < best->count && used < size; i++) {
        static const uint16_t nops[ISA_SLOT_COUNT] = {ISA_INSN_NOPX,  ISA_INSN_NOPA, ISA_INSN_NOPB,
                                                      ISA_INSN_NOPXM, ISA_INSN_NOPM, ISA_INSN_NOPS,
                                                      ISA_INSN_NOPV,  ISA_INSN_NOP};
        if (!(slots >> best->slots[i].slot & 1)) {
            used += (size_t)snprintf(dst + used, size - used, " %s",
                                     isa_insn(nops[best->slots[i].slot])->text);
        }
    }
}

static int fail_bundle(const struct scan *s, const struct part *parts, unsigned n)
{
    unsigned slots = 0, owner[ISA_SLOT_COUNT] = {0};
    char missing[96], names[64];
    size_t used = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned slot = slot_of(&parts[i], 0);
        const struct part *a = &parts[owner[slot]], *b = &parts[i];
        if (slots >> slot & 1 && b->n_ops == 1) {
            return scan_error(s, part_start(s, b), "'%.*s' and '%.*s' both need the slot %s",
                              mnemonic_length(isa_insn(a->ops[0].op.insn)),
                              isa_insn(a->ops[0].op.insn)->text,
                              mnemonic_length(isa_insn(b->ops[0].op.insn)),
                              isa_insn(b->ops[0].op.insn)->text, isa_slot_name(slot));
        }
        slots |= 1u << slot;
        owner[slot] = i;
    }
    for (unsigned slot = 0; slot < ISA_SLOT_COUNT; slot++) {
        if (slots >> slot & 1) {
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "",
                                     isa_slot_name(slot));
        }
    }
    describe_missing(slots, missing, sizeof missing);
    return scan_error(s, 0, "no bundle holds exactly the slots %s%s", names, missing);
}

static int finish(const struct scan *s, const struct part *parts, unsigned n,
                  struct text_bundle *result)
{
    struct text_bundle b;
    uint8_t bytes[ISA_BUNDLE_MAX];
    struct sotto_diag d = {0};
    memset(&b, 0, sizeof b);
    for (unsigned i = 0; i < n; i++) {
        const struct text_op *op = &parts[i].ops[parts[i].chosen];
        unsigned slot = slot_of(&parts[i], parts[i].chosen);
        b.bundle.slots |= (uint8_t)(1u << slot);
        b.bundle.op[slot] = op->op;
        b.columns[slot] = s->place.column + (int)part_start(s, &parts[i]);
        if (op->ref.symbol.length) {
            b.refs[b.n_refs++] = op->ref;
        }
    }
    int size = isa_encode(&b.bundle, bytes, &d);
    if (size < 0) {
        return scan_error(s, 0, "%s", d.text);
    }
    b.bundle.size = (uint8_t)size;
    b.bundle.canonical = true;
    *result = b;
    return SOTTO_OK;
}

int text_parse_bundle(const char *text, size_t length, const struct text_place *at,
                      const struct text_names *names, struct text_bundle *bundle,
                      struct sotto_diag *diag)
{
    struct scan s = {.text = text, .length = length, .place = *at, .names = names, .diag = diag};
    struct part parts[ISA_SLOT_COUNT];
    unsigned n = split(text, length, parts, ISA_SLOT_COUNT);
    if (n == 0) {
        return scan_error(&s, 0, "a bundle has at most %d instructions", ISA_SLOT_COUNT - 2);
    }
    for (unsigned i = 0; i < n; i++) {
        struct text_place place = *at;
        place.column += (int)parts[i].at;
        int found = text_match_op(text + parts[i].at, parts[i].length, &place, names, parts[i].ops,
                                  TEXT_ROWS_MAX, diag);
        if (found < 0) {
            return found;
        }
        parts[i].n_ops = (unsigned)found;
    }
    return choose(parts, n, 0, 0) ? finish(&s, parts, n, bundle) : fail_bundle(&s, parts, n);
}
