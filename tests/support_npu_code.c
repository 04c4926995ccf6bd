#include "support_npu_code.h"

#include <string.h>

#include "npu/asm/asm.h"

static int32_t pick(const struct isa_operand *o, uint64_t *seed)
{
    int64_t min, max, step;
    if (isa_imm_range(o, &min, &max, &step)) {
        uint64_t n = (uint64_t)((max - min) / step) + 1;
        uint64_t r = (uint64_t)test_random(seed) << 32 | test_random(seed);
        return (int32_t)(min + (int64_t)(r % n) * step);
    }
    if (o->kind != ISA_KIND_REG) {
        return 0;
    }
    unsigned reg = test_random(seed) % ISA_REG_COUNT;
    while (!isa_reg_in(o->name, (int)reg)) {
        reg = (reg + 1) % ISA_REG_COUNT;
    }
    return (int32_t)reg;
}

void npu_random_op(unsigned insn, uint64_t *seed, struct isa_op *op)
{
    memset(op, 0, sizeof *op);
    op->insn = (uint16_t)insn;
    for (unsigned k = 0; isa_insn(insn)->operands[k].kind; k++) {
        op->value[k] = pick(&isa_insn(insn)->operands[k], seed);
    }
}

void npu_random_bundle(const struct isa_format *format, uint64_t *seed, struct isa_bundle *bundle)
{
    memset(bundle, 0, sizeof *bundle);
    bundle->slots = (uint8_t)isa_format_slots(format);
    bundle->size = format->bytes;
    bundle->canonical = true;
    for (unsigned i = 0; i < format->count; i++) {
        unsigned id;
        do {
            id = test_random(seed) % ISA_INSN_COUNT;
        } while (isa_insn(id)->slot != format->slots[i].slot);
        npu_random_op(id, seed, &bundle->op[format->slots[i].slot]);
    }
}

size_t npu_random_code(uint8_t *bytes, size_t size, uint64_t *seed)
{
    size_t n = 0;
    while (size - n >= ISA_BUNDLE_MAX) {
        struct isa_bundle b;
        npu_random_bundle(isa_format(test_random(seed) % ISA_FORMAT_COUNT), seed, &b);
        n += (size_t)isa_encode(&b, bytes + n, NULL);
    }
    return n;
}

struct npu_image *npu_assemble(const char *text, const char *file)
{
    struct npu_image *image = NULL;
    struct sotto_diag diag = {0};
    assert_ok(asm_text(&image, text, strlen(text), file, NULL, &diag), &diag);
    return image;
}

const struct npu_section *npu_section_named(const struct npu_image *image, const char *name)
{
    for (unsigned i = 1; i < image->n_sections; i++) {
        if (strcmp(image->sections[i].name, name) == 0) {
            return &image->sections[i];
        }
    }
    fail_msg("there is no section %s", name);
    return NULL;
}
