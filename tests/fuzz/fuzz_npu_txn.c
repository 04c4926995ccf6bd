/* Any bytes as an instruction stream: refused with a reason, or read; what was read is written and read again
 * as the same bytes. */
#include "fuzz_npu.h"
#include "npu/files/txn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npu_txn *txn = NULL, *again = NULL;
    struct sotto_diag diag = {0};
    uint8_t *first, *second;
    size_t n_first, n_second;
    if (npu_txn_read(&txn, data, size, "fuzz.bin", &diag)) {
        check(diag.text[0] != 0 && txn == NULL);
        return 0;
    }
    check(npu_txn_write(txn, &first, &n_first, &diag) == SOTTO_OK);
    check(npu_txn_read(&again, first, n_first, "again.bin", &diag) == SOTTO_OK);
    check(again->n_ops == txn->n_ops);
    check(npu_txn_write(again, &second, &n_second, &diag) == SOTTO_OK);
    check(n_first == n_second && memcmp(first, second, n_first) == 0);
    check(txn->text || (n_first <= size && memcmp(first, data, n_first) == 0));
    mem_free(first);
    mem_free(second);
    npu_txn_close(&again);
    npu_txn_close(&txn);
    return 0;
}
