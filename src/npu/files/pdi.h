/*
 * PDI: the container of one array configuration (CDO), as firmware takes it. The header words and checksums
 * are those of the images aiecc makes; the rules regenerate them byte for byte.
 * Sources: 35 aiecc and 106 AMD images decoded (Unicorn-Commander/Unicorn-Amanuensis, amd/RyzenAI-SW);
 * names of fields: Xilinx/bootgen.
 */
#ifndef NPU_FILES_PDI_H
#define NPU_FILES_PDI_H

#include "npu/files/cdo.h"

enum { NPU_PDI_HEADER_BYTES = 0x150, NPU_PDI_DEVICE = 0x14CA8093 };

struct npu_pdi {
    const char *file;
    uint32_t device;                    // NPU_PDI_DEVICE
    uint32_t image_id;                  // 0x1C000000
    char image_name[17];                // "aie_image"
    uint32_t image_extra[6];            // image header words 9 to 14; 0 but in a few of AMD\'s
    uint32_t total_words, length_words; // of the partition; 0 when building: from the body
    uint32_t extra[3];   // partition header words 28 to 30, which only AMD's production images have
    const uint8_t *body; // from 0x150 on, as it is in the file
    size_t body_size;
    struct npu_cdo *cdo; // what the body says
    struct npu_chunk *chunks;
};

/* Reads an image with its CDO. Checked: sync words, three checksums, offsets, lengths, one image with one
 * partition. Errors: ESYNTAX, EUNSUPPORTED, NOMEM. `base`: where in the file it starts, for messages. */
int npu_pdi_read(struct npu_pdi **out, const uint8_t *bytes, size_t size, const char *file,
                 size_t base, struct sotto_diag *diag);
/* The image of a CDO; both *bytes are the caller's (mem_free). */
int npu_pdi_write_cdo(const struct npu_cdo *cdo, uint8_t **bytes, size_t *size,
                      struct sotto_diag *diag);
/* The same bytes as were read. */
int npu_pdi_write(const struct npu_pdi *pdi, uint8_t **bytes, size_t *size,
                  struct sotto_diag *diag);
void npu_pdi_close(struct npu_pdi **pdi);

#endif
