/*
 * The NPU instruction stream: what the array's controller executes for one run. Register names and fields:
 * npu/regs. Sources: Xilinx/mlir-aie lib/Targets/AIETargetNPU.cpp, Xilinx/aie-rt
 * driver/src/common/xaie_txn.h, nod-ai/iree-amd-aie AMDAIETransactionBuilder.cpp; one real stream decoded.
 *
 *     struct npu_txn *txn = npu_txn_new(4);
 *     npu_txn_add(txn, &(struct npu_txn_op){.code = NPU_TXN_WRITE32, .address = a, .value = v});
 *     npu_txn_write(txn, &bytes, &size, &diag);
 */
#ifndef NPU_FILES_TXN_H
#define NPU_FILES_TXN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum npu_txn_code {
    NPU_TXN_WRITE32 = 0x00,
    NPU_TXN_BLOCKWRITE = 0x01,
    NPU_TXN_MASKWRITE = 0x03,
    NPU_TXN_MASKPOLL = 0x04, // wait until (register & mask) == value
    NPU_TXN_NOOP = 0x05,
    NPU_TXN_PREEMPT = 0x06,
    NPU_TXN_MASKPOLL_BUSY = 0x07,
    NPU_TXN_LOADPDI = 0x08,
    NPU_TXN_SYNC = 0x80,  // wait for task-complete tokens
    NPU_TXN_PATCH = 0x81, // add a kernel argument's address to a shim descriptor
    NPU_TXN_READ_REGS = 0x82,
    NPU_TXN_RECORD_TIMER = 0x83,
    NPU_TXN_MERGE_SYNC = 0x84,
    NPU_TXN_LOAD_PM_END = 200,
};

/* One instruction. Codes from 0x80 on that are none of the above keep their payload in `words`. */
struct npu_txn_op {
    uint8_t code;
    uint32_t head; // bits 31:8 of the first word as they are there (column and row of some writers)
    uint32_t pad;  // second word where it means nothing
    uint64_t address; // register; of the descriptor's word 1 for PATCH
    uint32_t value, mask;
    const uint32_t *words; // BLOCKWRITE's data; payload of other codes
    uint32_t n_words;
    /* SYNC: one token of each tile in the rectangle */
    uint8_t column, row, columns, rows, channel;
    bool mm2s;
    /* PATCH: address of argument number `argument` (0: the first buffer) plus `plus` bytes */
    uint32_t argument, plus;
    size_t offset; // in the file, for messages
};

struct npu_txn {
    const char *file;
    uint8_t major, minor, generation, rows, columns, mem_rows;
    uint32_t reserved; // bits 31:16 of the second word
    struct npu_txn_op *ops;
    size_t n_ops;
    size_t trailing; // bytes behind the stream that the file has besides
    bool text;       // the file was hexadecimal text
    struct npu_chunk *chunks;
};

const char *npu_txn_name(uint8_t code); // "write32"; NULL if unknown

/* Reads a stream: binary, or text with one hexadecimal word per line. Errors: ESYNTAX, EUNSUPPORTED (other
 * versions), NOMEM. */
int npu_txn_read(struct npu_txn **out, const uint8_t *bytes, size_t size, const char *file,
                 struct sotto_diag *diag);
struct npu_txn *npu_txn_new(unsigned columns); // empty, for NPU1; NULL: out of memory
/* Appends a copy, data included. EINVAL: an address that is no multiple of 4, NOMEM. */
int npu_txn_add(struct npu_txn *txn, const struct npu_txn_op *op);
/* *bytes is the caller's (mem_free). */
int npu_txn_write(const struct npu_txn *txn, uint8_t **bytes, size_t *size,
                  struct sotto_diag *diag);
void npu_txn_close(struct npu_txn **txn);

#endif
