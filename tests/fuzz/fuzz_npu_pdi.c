/* Any bytes as a PDI, and as a CDO: refused with a reason, or read; a plain CDO comes back byte for byte. */
#include "fuzz_npu.h"
#include "npu/files/pdi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *user, uint64_t address, const uint32_t *words, uint32_t n)
{
    (void)address;
    for (uint32_t i = 0; i < n; i++) {
        *(uint32_t *)user += words[i];
    }
    return 0;
}

static int masked(void *user, uint64_t address, uint32_t value, uint32_t mask)
{
    (void)address;
    *(uint32_t *)user += value & mask;
    return 0;
}

static void check_cdo(const struct npu_cdo *cdo, const uint8_t *data)
{
    struct sotto_diag diag = {0};
    uint32_t sum = 0;
    struct npu_cdo_sink sink = {.user = &sum, .block = count, .masked = masked};
    uint8_t *bytes;
    size_t n;
    check(npu_cdo_apply(cdo, &sink) == 0);
    check(npu_cdo_write(cdo, &bytes, &n, &diag) == SOTTO_OK);
    check(n == cdo->size && memcmp(bytes, data, n) == 0);
    mem_free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npu_pdi *pdi = NULL;
    struct npu_cdo *cdo = NULL;
    struct sotto_diag diag = {0};
    if (npu_pdi_read(&pdi, data, size, "fuzz.pdi", 0, &diag) == SOTTO_OK) {
        check_cdo(pdi->cdo, pdi->body);
        npu_pdi_close(&pdi);
    } else {
        check(diag.text[0] != 0 && pdi == NULL);
    }
    // Checksums stop most damage: the commands are tried without the containers, too.
    if (npu_cdo_read(&cdo, data, size, "fuzz.cdo", 0, &diag) == SOTTO_OK) {
        check_cdo(cdo, data);
        npu_cdo_close(&cdo);
    }
    return 0;
}
