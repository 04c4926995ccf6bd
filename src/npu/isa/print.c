/* Instructions as llvm-aie's assembly text: slots separated by "; ", immediates as #decimal. */
#include "npu/isa/impl.h"

#include <stdio.h>

/* Text cut to a buffer while its full length is counted. */
struct sink {
    char *dst;
    size_t size, length;
};

static void put_char(struct sink *s, char c)
{
    if (s->length + 1 < s->size) {
        s->dst[s->length] = c;
    }
    s->length++;
}

static void put(struct sink *s, const char *text)
{
    while (*text) {
        put_char(s, *text++);
    }
}

static int finish(struct sink *s)
{
    if (s->size) {
        s->dst[s->length < s->size ? s->length : s->size - 1] = '\0';
    }
    return (int)s->length;
}

static bool put_operand(struct sink *s, const struct isa_operand *operand, int32_t value)
{
    char number[16];
    if (operand->kind == ISA_KIND_REG) {
        const struct isa_reg_info *reg = value > 0 ? isa_reg((unsigned)value) : NULL;
        put(s, reg ? reg->text : "");
        return reg != NULL;
    }
    snprintf(number, sizeof number, "#%d", value);
    put(s, number);
    return true;
}

static bool put_op(struct sink *s, const struct isa_op *op)
{
    const struct isa_insn *insn = isa_insn(op->insn);
    if (!insn) {
        return false;
    }
    for (const char *t = insn->text; *t; t++) {
        if (*t != '$') {
            put_char(s, *t);
            continue;
        }
        unsigned k = (unsigned)(*++t - '0');
        if (!put_operand(s, &insn->operands[k], op->value[k])) {
            return false;
        }
    }
    return true;
}

int isa_op_print(const struct isa_op *op, char *dst, size_t size)
{
    struct sink s = {dst, size, 0};
    bool ok = put_op(&s, op);
    int length = finish(&s);
    return ok ? length : SOTTO_EINVAL;
}

int isa_print(const struct isa_bundle *bundle, char *dst, size_t size)
{
    struct sink s = {dst, size, 0};
    const struct isa_format *format = isa_format_of(bundle->slots);
    bool ok = format != NULL;
    for (unsigned i = 0; ok && i < format->count; i++) {
        put(&s, i ? "; " : "");
        ok = put_op(&s, &bundle->op[format->slots[i].slot]);
    }
    int length = finish(&s);
    return ok ? length : SOTTO_EINVAL;
}
