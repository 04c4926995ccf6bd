/* Any bytes as an xclbin: refused with a reason, or read, with every section that has a structure; the
 * partition is also read on its own. */
#include "fuzz_npu.h"
#include "npu/files/pdi.h"
#include "npu/files/xclbin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_partition(const uint8_t *data, size_t size)
{
    struct npu_partition *p = NULL, *again = NULL;
    struct sotto_diag diag = {0};
    uint8_t *bytes;
    size_t n;
    if (npu_partition_read(&p, data, size, "fuzz", 0, &diag)) {
        check(diag.text[0] != 0 && p == NULL);
        return;
    }
    check(npu_partition_write(p, &bytes, &n, &diag) == SOTTO_OK);
    check(npu_partition_read(&again, bytes, n, "again", 0, &diag) == SOTTO_OK);
    check(again->n_pdis == p->n_pdis);
    mem_free(bytes);
    npu_partition_close(&again);
    npu_partition_close(&p);
}

static void try_section(const struct npu_xclbin *x, const struct npu_xclbin_section *s)
{
    struct sotto_diag diag = {0};
    struct npu_mem mem;
    struct npu_connection connection;
    if (s->kind == NPU_SECTION_AIE_PARTITION) {
        try_partition(s->data, (size_t)s->size);
    } else if (s->kind == NPU_SECTION_MEM_TOPOLOGY || s->kind == NPU_SECTION_CONNECTIVITY) {
        int n = npu_section_count(x, s, &diag);
        for (int i = 0; i < n; i++) {
            s->kind == NPU_SECTION_MEM_TOPOLOGY ? npu_section_mem(s, i, &mem)
                                                : npu_section_connection(s, i, &connection);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npu_xclbin *x = NULL;
    struct sotto_diag diag = {0};
    try_partition(data, size);
    if (npu_xclbin_read(&x, data, size, "fuzz.xclbin", &diag)) {
        check(diag.text[0] != 0 && x == NULL);
        return 0;
    }
    for (uint32_t i = 0; i < x->n_sections; i++) {
        try_section(x, &x->sections[i]);
    }
    npu_xclbin_close(&x);
    return 0;
}
