/*
 * xclbin (axlf): the file XRT loads. Sections of any kind are kept; the ones an NPU's file needs are also
 * read and written as structures. Sources: Xilinx/XRT src/runtime_src/core/include/xrt/detail/xclbin.h;
 * 16 AMD files parsed; names and numbers aiecc uses: Xilinx/mlir-aie.
 */
#ifndef NPU_FILES_XCLBIN_H
#define NPU_FILES_XCLBIN_H

#include <stdbool.h>
#include <stddef.h>

#include "npu/files/partition.h"

enum npu_section_kind {
    NPU_SECTION_BITSTREAM = 0,
    NPU_SECTION_EMBEDDED_METADATA = 2,
    NPU_SECTION_MEM_TOPOLOGY = 6,
    NPU_SECTION_CONNECTIVITY = 7,
    NPU_SECTION_IP_LAYOUT = 8,
    NPU_SECTION_BUILD_METADATA = 14,
    NPU_SECTION_PDI = 18,
    NPU_SECTION_SYSTEM_METADATA = 22,
    NPU_SECTION_AIE_METADATA = 25,
    NPU_SECTION_GROUP_TOPOLOGY = 26,
    NPU_SECTION_GROUP_CONNECTIVITY = 27,
    NPU_SECTION_AIE_PARTITION = 32,
};

enum { NPU_XCLBIN_HEAD_BYTES = 0x1C8 };

struct npu_xclbin_section {
    uint32_t kind;
    char name[17];
    const uint8_t *data;
    uint64_t size, offset; // offset: reading only
};

struct npu_xclbin {
    const char *file;
    uint8_t head
        [NPU_XCLBIN_HEAD_BYTES]; // as in the file; length and section count are made when writing
    uint64_t timestamp;          // copies of what stands in head
    uint8_t major, minor, mode, action_mask;
    uint16_t patch;
    char vbnv[65];
    uint8_t uuid[16];
    struct npu_xclbin_section *sections;
    uint32_t n_sections;
    const uint8_t *trailer; // what follows the sections (xclbinutil's copy of them as JSON)
    size_t trailer_size;
    struct npu_chunk *chunks;
};

const char *npu_section_name(uint32_t kind); // "AIE_PARTITION"; NULL if unknown

/* Errors: ESYNTAX, NOMEM. */
int npu_xclbin_read(struct npu_xclbin **out, const uint8_t *bytes, size_t size, const char *file,
                    struct sotto_diag *diag);
/* Unsigned, version 2.11.0; NULL: out of memory. Equal calls give equal files. */
struct npu_xclbin *npu_xclbin_new(const uint8_t uuid[16], uint64_t timestamp);
/* Appends a copy. */
int npu_xclbin_add(struct npu_xclbin *xclbin, uint32_t kind, const char *name, const uint8_t *data,
                   size_t size);
int npu_xclbin_write(const struct npu_xclbin *xclbin, uint8_t **bytes, size_t *size,
                     struct sotto_diag *diag);
const struct npu_xclbin_section *npu_xclbin_section(const struct npu_xclbin *xclbin, uint32_t kind);
void npu_xclbin_close(struct npu_xclbin **xclbin);

/* ---- sections of fixed records: reading one fails with ESYNTAX if it is cut off ---- */

struct npu_mem {
    uint8_t type, used; // 2: DRAM
    uint64_t size_kb, base;
    char tag[17];
};

struct npu_ip {
    uint32_t type; // 7: processor kernel, which a DPU kernel is
    uint32_t properties;
    uint64_t base;
    char name[65]; // kernel:instance
};

struct npu_connection {
    int32_t argument, ip, mem;
};

/* The records in a section of kind MEM_TOPOLOGY / IP_LAYOUT / CONNECTIVITY or the GROUP_ ones; how many
 * there are, or an error. get: number i, which must be below that. */
int npu_section_count(const struct npu_xclbin *xclbin, const struct npu_xclbin_section *section,
                      struct sotto_diag *diag);
void npu_section_mem(const struct npu_xclbin_section *section, int i, struct npu_mem *mem);
void npu_section_ip(const struct npu_xclbin_section *section, int i, struct npu_ip *ip);
void npu_section_connection(const struct npu_xclbin_section *section, int i,
                            struct npu_connection *connection);

/* Everything XRT wants to see of one kernel that takes (opcode, instructions, count, buffers ...). */
struct npu_xclbin_kernel {
    const char *name, *instance; // "MLIR_AIE", "MLIRAIE"
    uint32_t kernel_id;          // 12 bits; 0x901
    unsigned n_buffers;          // at most 32
};
/* Adds MEM_TOPOLOGY, AIE_PARTITION, EMBEDDED_METADATA, IP_LAYOUT, CONNECTIVITY and the GROUP_ sections. */
int npu_xclbin_add_kernel(struct npu_xclbin *xclbin, const struct npu_xclbin_kernel *kernel,
                          const struct npu_partition *partition, struct sotto_diag *diag);

#endif
