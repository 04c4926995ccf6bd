/*
 * Hugging Face folders. Input: size and bytes of config.json, generation_config.json and of the
 * index of shards, then a safetensors file.
 */
#include <stdio.h>

#include "fuzz_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char vocab[] = "{\"a\": 0, \"<|endoftext|>\": 1, \"<|startoftranscript|>\": 2, "
                                "\"<|en|>\": 3}";
    struct sotto_diag diag = {0};
    struct hf_files files = {.vocab = {"vocab.json", (const uint8_t *)vocab, sizeof vocab - 1}};
    files.config = fuzz_take("config.json", &data, &size);
    files.generation_config = fuzz_take("generation_config.json", &data, &size);
    struct blob index = fuzz_take("model.safetensors.index.json", &data, &size);
    files.shard[0] = (struct blob){"model.safetensors", data, size};
    files.n_shards = 1;

    char *names[MODEL_MAX_FILES];
    int n = 0;
    if (index.data && hf_shard_names(&index, names, &n, &diag) == 0)
        for (int i = 0; i < n; i++)
            mem_free(names[i]);
    if (!files.config.data)
        return 0;
    struct model *m = fuzz_new_model();
    int err = hf_read(m, &files, &diag);
    fuzz_free_model(m, err);
    return 0;
}
