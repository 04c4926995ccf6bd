/* Any bytes as an ELF file: refused with a reason, or read; what was read disassembles to text that
 * gives the same bytes, and objects link or say why not. */
#include "fuzz_npu.h"
#include "npu/asm/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npu_image *image = NULL, *linked = NULL;
    struct sotto_diag diag = {0};
    if (npu_image_read(&image, data, size, "fuzz.o", &diag)) {
        check(diag.text[0] != 0 && image == NULL);
        return 0;
    }
    check_dump(image);
    const struct npu_image *objects[] = {image};
    if (link_objects(&linked, objects, 1, "fuzz.elf", NULL, &diag) == SOTTO_OK) {
        char *map;
        check_dump(linked);
        check(link_map(linked, &map, &diag) == SOTTO_OK);
        mem_free(map);
    } else {
        check(diag.text[0] != 0 && linked == NULL);
    }
    for (uint32_t address = 0; address < 64; address += 3) {
        npu_image_symbol_at(image, address, NULL);
        npu_image_line(image, 1, address);
    }
    npu_image_close(&linked);
    npu_image_close(&image);
    return 0;
}
