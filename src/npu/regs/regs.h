/*
 * The NPU array seen from its registers: which tiles there are, what each can do, every register with its
 * fields, buffer descriptors, stream-switch ports. One table each (regs.def, limits.def, ports.def); nothing
 * else knows bit positions. What files look like that carry register writes: npu/files.
 * Sources: see the tables; tile map and addresses: amd/xdna-driver, Xilinx/aie-rt, Xilinx/mlir-aie.
 *
 *     struct npu_bd bd = {.address = 0x400, .length = 512, .valid = 1};     // zero steps mean 1
 *     uint32_t words[NPU_BD_WORDS];
 *     npu_bd_pack(NPU_TILE_CORE, &bd, words, &diag);
 *     uint32_t push = npu_field_put(NPU_F_CORE_DMA_MM2S_QUEUE_TOKEN, 0, 1);
 *     write(npu_address(0, 2, NPU_CORE_DMA_MM2S_QUEUE + 8 * channel), push);
 */
#ifndef NPU_REGS_REGS_H
#define NPU_REGS_REGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* ---- the array ---- */

enum npu_tile_kind { NPU_TILE_SHIM, NPU_TILE_MEM, NPU_TILE_CORE, NPU_TILE_KINDS };

enum {
    NPU_COLUMNS = 5,        // physical; column 0 has no shim tile
    NPU_COLUMNS_DESIGN = 4, // what a partition can have: physical columns 1 to 4
    NPU_ROWS = 6,           // 0 shim, 1 memory tile, 2 to 5 cores
    NPU_ROW_MEM = 1,
    NPU_ROW_CORE = 2,
    NPU_CORE_ROWS = 4,
    NPU_COLUMN_SHIFT = 25,
    NPU_ROW_SHIFT = 20,
    NPU_TILE_BYTES = 1 << NPU_ROW_SHIFT,
    NPU_BD_WORDS = 8, // the most a descriptor has
    NPU_BD_STRIDE = 0x20,
    NPU_DATA_GRANULE = 4, // bytes; DMA moves words
    NPU_MEM_WINDOW =
        0x80000, // a memory tile's own memory in its descriptors' addresses (west below, east above)
    NPU_MEM_LOCK_OWN = 64, // its own locks in its descriptors (west 0 to 63, east 128 to 191)
    NPU_MEM_NEIGHBOUR_CHANNELS = 4, // channels of it that reach the neighbours
    NPU_MEM_BDS_PER_PARITY = 24,    // even channels: descriptors 0 to 23, odd ones 24 to 47
    NPU_TOKEN_CONTROLLER = 15,      // controller id of task-complete tokens as compilers use it
};

/* Registers are addressed column << 25 | row << 20 | offset; columns count from the partition's first. */
uint32_t npu_address(unsigned column, unsigned row, uint32_t offset);
void npu_address_split(uint32_t address, unsigned *column, unsigned *row, uint32_t *offset);
enum npu_tile_kind npu_tile_kind(unsigned row); // rows above 5 count as cores
const char *npu_tile_kind_name(enum npu_tile_kind kind);

struct npu_limits {
#define LIMIT(member, core, mem, shim, meaning) uint32_t member;
#include "npu/regs/limits.def"
#undef LIMIT
};
const struct npu_limits *npu_limits(enum npu_tile_kind kind);

/* Physical bank of a byte in a tile's memory: core 8 banks, of which two interleave every 16 bytes in each
 * 16 KiB; memory tile 16 banks interleaved every 16 bytes (its reset setting). -1 for the shim. */
int npu_memory_bank(enum npu_tile_kind kind, uint32_t offset);

/* ---- registers ---- */

/* Offsets in the tile: NPU_<KIND>_<NAME>. */
enum npu_reg_offset {
#define REG(K, NAME, offset, count, stride, words, reset) NPU_##K##_##NAME = (offset),
#define FIELD(K, R, NAME, word, hi, lo)
#define BD(K, NAME, word, hi, lo, member, shift, bias, sign)
#include "npu/regs/regs.def"
#undef REG
#undef FIELD
#undef BD
};

/* Fields: NPU_F_<KIND>_<REGISTER>_<NAME>. */
enum npu_field_id {
#define REG(K, NAME, offset, count, stride, words, reset)
#define FIELD(K, R, NAME, word, hi, lo)                      NPU_F_##K##_##R##_##NAME,
#define BD(K, NAME, word, hi, lo, member, shift, bias, sign) NPU_F_##K##_DMA_BD_##NAME,
#include "npu/regs/regs.def"
#undef REG
#undef FIELD
#undef BD
    NPU_FIELDS
};

enum { NPU_WORD_ANY = 255 };

struct npu_field {
    const char *name; // upper case
    uint8_t word;     // of the register; NPU_WORD_ANY: in each
    uint8_t hi, lo;
};

struct npu_reg {
    const char *name;
    enum npu_tile_kind kind;
    uint32_t offset, count, stride, words, reset;
    uint16_t first_field, n_fields; // numbers for npu_field
};

/* The table, by number; NULL behind its end. */
const struct npu_reg *npu_reg(unsigned number);
const struct npu_field *npu_field(unsigned id);
const struct npu_reg *npu_reg_find(enum npu_tile_kind kind, const char *name); // any case; or NULL
/* The register a tile offset belongs to, which one of its `count` and which word; or NULL. */
const struct npu_reg *npu_reg_at(enum npu_tile_kind kind, uint32_t offset, unsigned *index,
                                 unsigned *word);

uint32_t npu_field_get(unsigned id, uint32_t word);
uint32_t npu_field_put(unsigned id, uint32_t word, uint32_t value); // value is cut to the field
uint32_t npu_field_mask(unsigned id);

/* "dma_bd[3].word5", "ss_master[13] (north 1)"; "0x12345" for what the table does not have. Both return
 * the length; the text is cut to size. */
int npu_reg_print(char *dst, size_t size, enum npu_tile_kind kind, uint32_t offset);
/* "enable=1 reset=0": the fields that `mask` touches; empty for registers of one whole field. */
int npu_reg_print_fields(char *dst, size_t size, enum npu_tile_kind kind, uint32_t offset,
                         uint32_t value, uint32_t mask);

/* ---- buffer descriptors ---- */

/* A descriptor of any kind of tile. Numbers are meant as they are: steps and iteration counts are not less
 * one, lock values have their sign. What a kind lacks must be 0: core no zero padding, 4th dimension or bus
 * settings; memory tile no bus settings; shim no padding, compression or 4th dimension. */
struct npu_bd {
    uint64_t
        address;     // bytes, a multiple of 4; core: in its memory; memory tile: see NPU_MEM_WINDOW
    uint32_t length; // words, padding included
    uint32_t step[4];                        // words, at least 1 (0 is taken as 1)
    uint32_t wrap[3];                        // 0: the dimension does not wrap
    uint32_t iteration_step, iteration_wrap; // at least 1 (0 is taken as 1)
    uint32_t iteration_current;
    uint32_t zero_before[3], zero_after[3];
    uint32_t packet_enable, packet_id, packet_type, out_of_order_id;
    uint32_t compression, tlast_suppress;
    uint32_t use_next_bd, next_bd;
    uint32_t valid;
    uint32_t acquire_enable, acquire_lock;
    int32_t
        acquire_value; // < 0: wait for at least that much, then take it; >= 0: wait for exactly it
    uint32_t release_lock;
    int32_t release_value; // added; 0: no release
    uint32_t secure, burst, smid, axcache, axqos;
};

/* Fills the kind's words (npu_limits: bd_words). EINVAL names the member that does not fit. */
int npu_bd_pack(enum npu_tile_kind kind, const struct npu_bd *bd, uint32_t *words,
                struct sotto_diag *diag);
void npu_bd_unpack(enum npu_tile_kind kind, const uint32_t *words, struct npu_bd *bd);
/* One line: what is moved, in which pattern, with which locks. */
int npu_bd_print(char *dst, size_t size, enum npu_tile_kind kind, const struct npu_bd *bd);

/* ---- stream switch ---- */

enum npu_side { NPU_MASTER, NPU_SLAVE }; // out of the switch, into the switch

enum npu_bundle {
    NPU_BUNDLE_CORE,
    NPU_BUNDLE_DMA,
    NPU_BUNDLE_CONTROL,
    NPU_BUNDLE_FIFO,
    NPU_BUNDLE_SOUTH,
    NPU_BUNDLE_WEST,
    NPU_BUNDLE_NORTH,
    NPU_BUNDLE_EAST,
    NPU_BUNDLE_TRACE,
    NPU_BUNDLES
};

const char *npu_bundle_name(enum npu_bundle bundle); // lower case
/* Index in the register file of port number `channel` of a bundle; -1: there is none. */
int npu_port_index(enum npu_tile_kind kind, enum npu_side side, enum npu_bundle bundle,
                   unsigned channel);
unsigned npu_port_count(enum npu_tile_kind kind, enum npu_side side, enum npu_bundle bundle);
/* The reverse; false if there is no such index. */
bool npu_port_at(enum npu_tile_kind kind, enum npu_side side, unsigned index,
                 enum npu_bundle *bundle, unsigned *channel);
/* May this slave (index) feed this master? Source: Xilinx/aie-rt driver/src/stream_switch. */
bool npu_port_connects(enum npu_tile_kind kind, unsigned slave, unsigned master);

#endif
