/* whisper.cpp's model files, vocabulary included. */
#include <stdio.h>

#include "fuzz_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sotto_diag diag = {0};
    struct blob file = {"ggml.bin", data, size};
    struct model *m = fuzz_new_model();
    int err = ggml_read(m, &file, &diag);
    ggml_detect(data, size);
    fuzz_free_model(m, err);
    return 0;
}
