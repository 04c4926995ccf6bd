/*
 * A core image as writes into the array: program and data of PT_LOAD segments, at the tile that holds them.
 * Source of the rules: Xilinx/aie-rt driver/src/core/xaie_elfloader.c; windows: array addresses of a core.
 */
#ifndef NPU_FILES_LOAD_H
#define NPU_FILES_LOAD_H

#include "npu/elf/elf.h"
#include "npu/files/cdo.h"

/* One write per piece, in the order of the segments: register address (npu_address) and words; zeros up to a
 * segment's size are included. Data of neighbours goes to their tiles. Returns the sink's code, or ESYNTAX if
 * something lies outside program and data memory or in a tile that has none, EUNSUPPORTED for an object. */
int npu_load_image(const struct npu_image *image, unsigned column, unsigned row,
                   const struct npu_cdo_sink *sink, struct sotto_diag *diag);

#endif
