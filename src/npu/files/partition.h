/*
 * AIE_PARTITION: which configurations (PDIs) an xclbin brings, for how many columns, and which kernels they
 * serve. Source: Xilinx/XRT src/runtime_src/core/include/xrt/detail/xclbin.h and, for the order of things,
 * xclbinutil; 16 AMD files parsed.
 */
#ifndef NPU_FILES_PARTITION_H
#define NPU_FILES_PARTITION_H

#include <stddef.h>

#include "base/error.h"

enum npu_group_type { NPU_GROUP_PRIMARY = 1, NPU_GROUP_LITE = 2, NPU_GROUP_PREPOST = 3 };

struct npu_group {
    const char *name;
    uint8_t type; // NPU_GROUP_
    uint64_t pdi_id;
    const uint64_t *kernel_ids;
    uint32_t n_kernel_ids;
    const uint32_t *pre_groups;
    uint32_t n_pre_groups;
};

struct npu_partition_pdi {
    uint8_t uuid[16];
    const uint8_t *image; // a PDI file
    uint32_t image_size;  // bytes
    const struct npu_group *groups;
    uint32_t n_groups;
    uint32_t image_offset; // in the section; reading only
};

struct npu_partition {
    const char *name;
    uint8_t schema;
    uint32_t operations_per_cycle;
    uint64_t inference_fingerprint, pre_post_fingerprint;
    const char *kernel_commit; // "" when there is none; NULL: the section has no text for it
    uint16_t columns;
    const uint16_t *start_columns;
    uint32_t n_start_columns;
    const struct npu_partition_pdi *pdis;
    uint32_t n_pdis;
    struct npu_chunk *chunks;
};

/* Reads the section; everything is copied. `base`: where in the file it starts. */
int npu_partition_read(struct npu_partition **out, const uint8_t *bytes, size_t size,
                       const char *file, size_t base, struct sotto_diag *diag);
/* *bytes is the caller's (mem_free). */
int npu_partition_write(const struct npu_partition *partition, uint8_t **bytes, size_t *size,
                        struct sotto_diag *diag);
void npu_partition_close(struct npu_partition **partition); // of those that were read

#endif
