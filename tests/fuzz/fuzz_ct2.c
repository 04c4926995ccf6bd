/* CTranslate2's model.bin and config.json. Input: size and bytes of config.json, then model.bin. */
#include <stdio.h>

#include "fuzz_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sotto_diag diag = {0};
    struct ct2_files files = {.vocabulary_text = fuzz_vocabulary()};
    files.config = fuzz_take("config.json", &data, &size);
    files.model = (struct blob){"model.bin", data, size};
    struct model *m = fuzz_new_model();
    int err = ct2_read(m, &files, &diag);
    ct2_detect(data, size);
    fuzz_free_model(m, err);
    return 0;
}
