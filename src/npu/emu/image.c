/* Linked images into a core's memories. */
#include "npu/emu/image.h"

#include "base/mem.h"

static int load_segment(struct emu_core *core, const struct npu_image *image,
                        const struct npu_segment *s, struct sotto_diag *diag)
{
    struct sotto_diag why = {0};
    int err =
        s->file_size ? emu_core_load(core, s->address, s->data, s->file_size, &why) : SOTTO_OK;
    if (!err && s->size > s->file_size) {
        uint8_t *zeros = mem_calloc(s->size - s->file_size, 1);
        if (!zeros)
            return diag_set(diag, SOTTO_ENOMEM, image->file, "out of memory");
        err = emu_core_load(core, s->address + s->file_size, zeros, s->size - s->file_size, &why);
        mem_free(zeros);
    }
    return err ? diag_set(diag, err, image->file, "%s", why.text) : SOTTO_OK;
}

int emu_load_image(struct emu_core *core, const struct npu_image *image, struct sotto_diag *diag)
{
    if (!image->linked)
        return diag_set(diag, SOTTO_EINVAL, image->file,
                        "an object, not a linked image: link it first");
    for (unsigned i = 0; i < image->n_segments; i++) {
        int err = load_segment(core, image, &image->segments[i], diag);
        if (err)
            return err;
    }
    const struct npu_symbol *start = npu_image_symbol(image, "__stack_start");
    const struct npu_symbol *end = npu_image_symbol(image, "__stack_end");
    uint32_t sp = start ? start->value : NPU_DATA_OWN;
    emu_core_set(core, ISA_REG_sp, &sp);
    if (start && end && end->value > start->value + 4)
        emu_core_guard(core, end->value - 4);
    emu_core_start(core, image->entry);
    return SOTTO_OK;
}
