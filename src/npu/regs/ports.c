/* Ports of the stream switches and which connections they have. The rules are those of Xilinx/aie-rt,
 * driver/src/stream_switch/xaie_ss_aieml.c, and mlir-aie's target model. */
#include "npu/regs/regs.h"

struct row {
    enum npu_tile_kind kind;
    enum npu_side side;
    enum npu_bundle bundle;
    uint8_t first, count;
};

static const struct row rows[] = {
#define PORT(kind, side, bundle, first, count)                                                     \
    {NPU_TILE_##kind, NPU_##side, NPU_BUNDLE_##bundle, first, count},
#include "npu/regs/ports.def"
#undef PORT
};

enum { N_ROWS = sizeof rows / sizeof rows[0] };

const char *npu_bundle_name(enum npu_bundle bundle)
{
    static const char *const names[NPU_BUNDLES] = {"core", "dma",   "control", "fifo", "south",
                                                   "west", "north", "east",    "trace"};
    return names[bundle];
}

static const struct row *find(enum npu_tile_kind kind, enum npu_side side, enum npu_bundle bundle)
{
    for (int i = 0; i < N_ROWS; i++) {
        if (rows[i].kind == kind && rows[i].side == side && rows[i].bundle == bundle) {
            return &rows[i];
        }
    }
    return NULL;
}

unsigned npu_port_count(enum npu_tile_kind kind, enum npu_side side, enum npu_bundle bundle)
{
    const struct row *r = find(kind, side, bundle);
    return r ? r->count : 0;
}

int npu_port_index(enum npu_tile_kind kind, enum npu_side side, enum npu_bundle bundle,
                   unsigned channel)
{
    const struct row *r = find(kind, side, bundle);
    return r && channel < r->count ? (int)(r->first + channel) : -1;
}

bool npu_port_at(enum npu_tile_kind kind, enum npu_side side, unsigned index,
                 enum npu_bundle *bundle, unsigned *channel)
{
    for (int i = 0; i < N_ROWS; i++) {
        const struct row *r = &rows[i];
        if (r->kind == kind && r->side == side && index >= r->first &&
            index < (unsigned)(r->first + r->count)) {
            *bundle = r->bundle;
            *channel = index - r->first;
            return true;
        }
    }
    return false;
}

static bool is_direction(enum npu_bundle b)
{
    return b >= NPU_BUNDLE_SOUTH && b <= NPU_BUNDLE_EAST;
}

static bool core_connects(enum npu_bundle from, unsigned i, enum npu_bundle to, unsigned j)
{
    switch (from) {
    case NPU_BUNDLE_TRACE:
        return to == NPU_BUNDLE_FIFO || to == NPU_BUNDLE_SOUTH || (to == NPU_BUNDLE_DMA && j == 0);
    case NPU_BUNDLE_CORE:
        return to != NPU_BUNDLE_CORE;
    case NPU_BUNDLE_CONTROL:
        return to != NPU_BUNDLE_DMA && to != NPU_BUNDLE_CONTROL;
    default:
        return from != to || i == j || !(is_direction(from) || from == NPU_BUNDLE_DMA);
    }
}

static bool mem_connects(enum npu_bundle from, unsigned i, enum npu_bundle to, unsigned j)
{
    switch (from) {
    case NPU_BUNDLE_TRACE:
        return to == NPU_BUNDLE_SOUTH || (to == NPU_BUNDLE_DMA && j == 5);
    case NPU_BUNDLE_CONTROL:
        return is_direction(to) || (to == NPU_BUNDLE_DMA && j == 5);
    case NPU_BUNDLE_DMA:
        return to != NPU_BUNDLE_DMA || i == j;
    default: // north and south
        return !is_direction(to) || i == j;
    }
}

static bool shim_connects(enum npu_bundle from, unsigned i, enum npu_bundle to, unsigned j)
{
    switch (from) {
    case NPU_BUNDLE_TRACE:
        return to == NPU_BUNDLE_FIFO || to == NPU_BUNDLE_SOUTH;
    case NPU_BUNDLE_CONTROL:
        return to != NPU_BUNDLE_CONTROL;
    case NPU_BUNDLE_SOUTH:
    case NPU_BUNDLE_FIFO:
        return true;
    default: // west, north, east
        return from != to || i == j;
    }
}

bool npu_port_connects(enum npu_tile_kind kind, unsigned slave, unsigned master)
{
    enum npu_bundle from, to;
    unsigned i, j;
    if (!npu_port_at(kind, NPU_SLAVE, slave, &from, &i) ||
        !npu_port_at(kind, NPU_MASTER, master, &to, &j)) {
        return false;
    }
    return kind == NPU_TILE_CORE  ? core_connects(from, i, to, j)
           : kind == NPU_TILE_MEM ? mem_connects(from, i, to, j)
                                  : shim_connects(from, i, to, j);
}
