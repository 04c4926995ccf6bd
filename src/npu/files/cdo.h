/*
 * CDO version 2: the register writes that configure the array, as a PDI carries them.
 * Sources: Xilinx/bootgen cdo-driver/cdo_driver.c; 35 images of aiecc decoded (Unicorn-Commander/
 * Unicorn-Amanuensis). AMD's production images use a second, compact encoding behind the same header; of it
 * only the plain and masked writes in front are understood, the rest is kept as it is.
 */
#ifndef NPU_FILES_CDO_H
#define NPU_FILES_CDO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum npu_cdo_id {
    NPU_CDO_END = 0x100,
    NPU_CDO_MASK_POLL = 0x101,
    NPU_CDO_MASK_WRITE = 0x102,
    NPU_CDO_WRITE = 0x103,
    NPU_CDO_DELAY = 0x104,
    NPU_CDO_DMA_WRITE = 0x105,
    NPU_CDO_MASK_POLL64 = 0x106,
    NPU_CDO_MASK_WRITE64 = 0x107,
    NPU_CDO_WRITE64 = 0x108,
    NPU_CDO_NOP = 0x111,
    NPU_CDO_MARKER = 0x119,
};

struct npu_cdo_cmd {
    uint32_t id;           // module << 8 | command; NPU_CDO_
    const uint32_t *words; // payload
    uint32_t n_words;
    bool long_form; // its length stands in a word of its own
    size_t offset;  // bytes from the CDO's start
    /* What the words say, for commands with an address: register = value under mask, or n_data words. */
    uint64_t address;
    uint32_t value, mask;
    const uint32_t *data;
    uint32_t n_data;
};

struct npu_cdo {
    const char *file;
    bool compact;
    struct npu_cdo_cmd
        *cmds; // of a compact one: writes and masked writes, one command per register
    size_t n_cmds;
    const uint32_t *rest;          // of a compact one: all words behind the header
    uint32_t n_rest, n_understood; // words of it that cmds stand for
    uint32_t length_words;         // what the header says; more than there are, in compact ones
    size_t size;                   // bytes of the CDO with its header
    struct npu_chunk *chunks;
};

const char *npu_cdo_name(uint32_t id); // "mask_write"; NULL if unknown

/* Reads a CDO; bytes behind it are ignored (cdo->size says where it ends). Errors: ESYNTAX, EUNSUPPORTED
 * (another version), NOMEM. `base`: where in the file it starts, for messages. */
int npu_cdo_read(struct npu_cdo **out, const uint8_t *bytes, size_t size, const char *file,
                 size_t base, struct sotto_diag *diag);
struct npu_cdo *npu_cdo_new(void);
/* Append one command: 0, ENOMEM, or EINVAL for an address that is no multiple of 4. */
int npu_cdo_add_nop(struct npu_cdo *cdo, unsigned n_words);
int npu_cdo_add_write(struct npu_cdo *cdo, uint32_t address, uint32_t value);
int npu_cdo_add_mask_write(struct npu_cdo *cdo, uint32_t address, uint32_t mask, uint32_t value);
int npu_cdo_add_block(struct npu_cdo *cdo, uint32_t address, const uint32_t *words, uint32_t n);
/* Header, commands; *bytes is the caller's (mem_free). */
int npu_cdo_write(const struct npu_cdo *cdo, uint8_t **bytes, size_t *size,
                  struct sotto_diag *diag);
void npu_cdo_close(struct npu_cdo **cdo);

/* Who takes the writes, in order. Functions return 0 or a code that ends it. */
struct npu_cdo_sink {
    void *user;
    int (*block)(void *user, uint64_t address, const uint32_t *words, uint32_t n);
    int (*masked)(void *user, uint64_t address, uint32_t value, uint32_t mask);
    int (*poll)(void *user, uint64_t address, uint32_t value, uint32_t mask); // may be NULL
};
int npu_cdo_apply(const struct npu_cdo *cdo, const struct npu_cdo_sink *sink);

#endif
