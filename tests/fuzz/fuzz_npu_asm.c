/* Any text: it assembles, or says where it is wrong. What assembles survives writing, reading and
 * disassembly. */
#include "fuzz_npu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_error(void *user, const struct sotto_diag *error)
{
    ++*(unsigned *)user;
    check(error->code == SOTTO_ESYNTAX && error->text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npu_image *image = NULL, *back = NULL;
    struct sotto_diag diag = {0};
    unsigned n_errors = 0;
    const struct asm_options options = {&n_errors, on_error};
    uint8_t *bytes;
    size_t n;
    int err = asm_text(&image, (const char *)data, size, "fuzz.s", &options, &diag);
    check((err == SOTTO_OK) == (n_errors == 0) && (err == SOTTO_OK) == (image != NULL));
    if (err) {
        check(diag.text[0] != 0 && diag.line >= 0);
        return 0;
    }
    check(npu_image_write(image, &bytes, &n, &diag) == SOTTO_OK);
    check(npu_image_read(&back, bytes, n, "fuzz.o", &diag) == SOTTO_OK);
    check(back->n_symbols == image->n_symbols && back->linked == image->linked);
    check_dump(back);
    mem_free(bytes);
    npu_image_close(&back);
    npu_image_close(&image);
    return 0;
}
