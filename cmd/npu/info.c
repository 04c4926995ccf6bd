/* sotto-npu info: what a file of the array holds. One tree is made of it (jansson); --json prints that, and
 * the text is the same tree, one line per entry. */
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mapfile.h"
#include "cli.h"
#include "npu/files/load.h"
#include "npu/files/pdi.h"
#include "npu/files/txn.h"
#include "npu/files/xclbin.h"
#include "npu/regs/regs.h"

/* ---- the array after a configuration: what was written where, in register order ---- */

enum { COLUMNS_MAX = 128, ROWS_MAX = 32 };

struct tile {
    bool used;
    uint32_t program_bytes, data_bytes;
    json_t *registers; // "name: fields" of other registers
    json_t *descriptors, *locks, *routes, *queues;
};

struct array {
    struct tile tiles[COLUMNS_MAX][ROWS_MAX];
};

static struct tile *tile_at(struct array *a, uint64_t address, unsigned *row, uint32_t *offset)
{
    unsigned column;
    npu_address_split((uint32_t)address, &column, row, offset);
    if (address > UINT32_MAX || *offset % 4) {
        return NULL; // not to a tile's registers
    }
    struct tile *t = &a->tiles[column][*row];
    t->used = true;
    return t;
}

static void append_line(json_t *array, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void append_line(json_t *array, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    json_array_append_new(array, json_vsprintf(fmt, args));
    va_end(args);
}

static bool is_register(const struct npu_reg *r, const char *name)
{
    return strcmp(r->name, name) == 0;
}

static json_t **list_of(struct tile *t, const struct npu_reg *r)
{
    return is_register(r, "LOCK")              ? &t->locks
           : strncmp(r->name, "SS_", 3) == 0   ? &t->routes
           : strstr(r->name, "_QUEUE") != NULL ? &t->queues
                                               : &t->registers;
}

static void note(json_t **list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void note(json_t **list, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    *list = *list ? *list : json_array();
    json_array_append_new(*list, json_vsprintf(fmt, args));
    va_end(args);
}

/* A circuit connection by its ports; packet masters by arbiter and master selects. */
static void note_master(struct tile *t, enum npu_tile_kind kind, unsigned index, uint32_t value)
{
    enum npu_bundle to, from;
    unsigned j, i, source = value & 0x1F;
    if (!(value >> 31) || !npu_port_at(kind, NPU_MASTER, index, &to, &j)) {
        return;
    }
    if (value >> 30 & 1) {
        note(&t->routes, "packets of arbiter %u, selects 0x%x -> %s %u%s", value & 7,
             value >> 3 & 15, npu_bundle_name(to), j, value & 0x80 ? ", header dropped" : "");
    } else if (npu_port_at(kind, NPU_SLAVE, source, &from, &i)) {
        note(&t->routes, "%s %u -> %s %u%s", npu_bundle_name(from), i, npu_bundle_name(to), j,
             npu_port_connects(kind, source, index) ? "" : " (the switch has no such connection)");
    }
}

static void note_slot(struct tile *t, enum npu_tile_kind kind, unsigned index, uint32_t value)
{
    enum npu_bundle from;
    unsigned i;
    if (value >> 8 & 1 && npu_port_at(kind, NPU_SLAVE, index, &from, &i)) {
        note(&t->routes, "%s %u: packets with id %u under mask %u -> arbiter %u, select %u",
             npu_bundle_name(from), i, value >> 24 & 31, value >> 16 & 31, value & 7,
             value >> 4 & 3);
    }
}

static void note_descriptor(struct tile *t, enum npu_tile_kind kind, unsigned index,
                            const uint32_t *words)
{
    struct npu_bd bd;
    char text[512];
    npu_bd_unpack(kind, words, &bd);
    npu_bd_print(text, sizeof text, kind, &bd);
    note(&t->descriptors, "%u: %s", index, text);
}

static void note_word(struct tile *t, enum npu_tile_kind kind, uint32_t offset, uint32_t value,
                      uint32_t mask)
{
    char name[96], fields[256];
    unsigned index, word;
    const struct npu_reg *r = npu_reg_at(kind, offset, &index, &word);
    if (r && is_register(r, "SS_MASTER")) {
        note_master(t, kind, index, value);
    } else if (r && is_register(r, "SS_SLOT")) {
        note_slot(t, kind, index, value);
    } else if (r && is_register(r, "PROGRAM_MEMORY")) {
        t->program_bytes += 4;
    } else if (r && is_register(r, "DATA_MEMORY")) {
        t->data_bytes += 4;
    } else if (!r || !is_register(r, "SS_SLAVE")) {
        npu_reg_print(name, sizeof name, kind, offset);
        npu_reg_print_fields(fields, sizeof fields, kind, offset, value, mask);
        note(r ? list_of(t, r) : &t->registers, "%s = 0x%x%s%s", name, value, fields[0] ? ": " : "",
             fields);
    }
}

static int take_block(void *user, uint64_t address, const uint32_t *words, uint32_t n)
{
    struct array *a = user;
    for (uint32_t i = 0; i < n; i++) {
        unsigned row, index, word;
        uint32_t offset;
        struct tile *t = tile_at(a, address + 4 * (uint64_t)i, &row, &offset);
        if (!t) {
            return 0;
        }
        enum npu_tile_kind kind = npu_tile_kind(row);
        const struct npu_reg *r = npu_reg_at(kind, offset, &index, &word);
        uint32_t size = npu_limits(kind)->bd_words;
        if (r && is_register(r, "DMA_BD") && word == 0 && n - i >= size) {
            note_descriptor(t, kind, index, words + i);
            i += size - 1;
        } else {
            note_word(t, kind, offset, words[i], ~0u);
        }
    }
    return 0;
}

static int take_masked(void *user, uint64_t address, uint32_t value, uint32_t mask)
{
    unsigned row;
    uint32_t offset;
    struct tile *t = tile_at(user, address, &row, &offset);
    if (t && mask) {
        note_word(t, npu_tile_kind(row), offset, value, mask);
    }
    return 0;
}

static void set_list(json_t *object, const char *key, json_t *list)
{
    if (list) {
        json_object_set_new(object, key, list);
    }
}

static json_t *tiles_json(struct array *a)
{
    json_t *tiles = json_array();
    for (unsigned c = 0; c < COLUMNS_MAX; c++) {
        for (unsigned r = 0; r < ROWS_MAX; r++) {
            struct tile *t = &a->tiles[c][r];
            if (!t->used) {
                continue;
            }
            json_t *o = json_pack("{s:i, s:i, s:s}", "column", (int)c, "row", (int)r, "kind",
                                  npu_tile_kind_name(npu_tile_kind(r)));
            if (t->program_bytes) {
                json_object_set_new(o, "program_bytes", json_integer(t->program_bytes));
            }
            if (t->data_bytes) {
                json_object_set_new(o, "data_bytes", json_integer(t->data_bytes));
            }
            set_list(o, "descriptors", t->descriptors);
            set_list(o, "locks", t->locks);
            set_list(o, "routes", t->routes);
            set_list(o, "queues", t->queues);
            set_list(o, "registers", t->registers);
            json_array_append_new(tiles, o);
        }
    }
    return tiles;
}

static const struct npu_cdo_sink sink_of_array = {.block = take_block, .masked = take_masked};

static json_t *cdo_json(const struct npu_cdo *cdo)
{
    struct array *a = calloc(1, sizeof *a);
    struct npu_cdo_sink sink = sink_of_array;
    if (!a) {
        return NULL;
    }
    sink.user = a;
    npu_cdo_apply(cdo, &sink);
    json_t *o =
        json_pack("{s:I, s:b}", "commands", (json_int_t)cdo->n_cmds, "compact", cdo->compact);
    if (cdo->compact) {
        json_object_set_new(o, "words_not_understood",
                            json_integer(cdo->n_rest - cdo->n_understood));
    }
    json_object_set_new(o, "tiles", tiles_json(a));
    free(a);
    return o;
}

static json_t *pdi_json(const struct npu_pdi *pdi)
{
    json_t *o = cdo_json(pdi->cdo);
    json_object_set_new(o, "image", json_sprintf("%.16s", pdi->image_name));
    json_object_set_new(o, "device", json_sprintf("0x%08x", pdi->device));
    return o;
}

/* ---- instruction streams ---- */

static json_t *op_json(const struct npu_txn_op *op)
{
    char name[96], fields[512] = "";
    unsigned column, row, index, word;
    uint32_t offset;
    const char *code = npu_txn_name(op->code);
    npu_address_split((uint32_t)op->address, &column, &row, &offset);
    enum npu_tile_kind kind = npu_tile_kind(row);
    npu_reg_print(name, sizeof name, kind, offset);
    switch (op->code) {
    case NPU_TXN_SYNC:
        return json_sprintf("sync: wait for %s channel %u of columns %u+%u, rows %u+%u",
                            op->mm2s ? "mm2s" : "s2mm", op->channel, op->column, op->columns,
                            op->row, op->rows);
    case NPU_TXN_PATCH:
        return json_sprintf("ddr_patch (%u,%u) %s += argument %u + %u", column, row, name,
                            op->argument, op->plus);
    case NPU_TXN_BLOCKWRITE: {
        const struct npu_reg *r = npu_reg_at(kind, offset, &index, &word);
        struct npu_bd bd;
        if (r && is_register(r, "DMA_BD") && word == 0 && op->n_words == r->words) {
            npu_bd_unpack(kind, op->words, &bd);
            npu_bd_print(fields, sizeof fields, kind, &bd);
        }
        return json_sprintf("blockwrite (%u,%u) %s, %u words%s%s", column, row, name, op->n_words,
                            fields[0] ? ": " : "", fields);
    }
    case NPU_TXN_WRITE32:
    case NPU_TXN_MASKWRITE:
    case NPU_TXN_MASKPOLL:
    case NPU_TXN_MASKPOLL_BUSY: {
        uint32_t mask = op->code == NPU_TXN_WRITE32 ? ~0u : op->mask;
        npu_reg_print_fields(fields, sizeof fields, kind, offset, op->value, mask);
        return json_sprintf("%s (%u,%u) %s = 0x%x mask 0x%x%s%s", code, column, row, name,
                            op->value, mask, fields[0] ? ": " : "", fields);
    }
    default:
        return code ? json_sprintf("%s", code)
                    : json_sprintf("code 0x%x, %u words", op->code, op->n_words);
    }
}

static json_t *txn_json(const struct npu_txn *txn)
{
    json_t *ops = json_array();
    for (size_t i = 0; i < txn->n_ops; i++) {
        json_array_append_new(ops, op_json(&txn->ops[i]));
    }
    return json_pack("{s:i, s:i, s:b, s:I, s:o}", "columns", txn->columns, "rows", txn->rows,
                     "text", txn->text, "trailing_bytes", (json_int_t)txn->trailing, "instructions",
                     ops);
}

/* ---- xclbin ---- */

static json_t *partition_json(const struct npu_partition *p, const char *file,
                              struct sotto_diag *diag)
{
    json_t *pdis = json_array(), *starts = json_array();
    for (uint32_t i = 0; i < p->n_start_columns; i++) {
        json_array_append_new(starts, json_integer(p->start_columns[i]));
    }
    for (uint32_t i = 0; i < p->n_pdis; i++) {
        const struct npu_partition_pdi *e = &p->pdis[i];
        struct npu_pdi *pdi;
        json_t *o, *groups = json_array();
        if (npu_pdi_read(&pdi, e->image, e->image_size, file, e->image_offset, diag) == SOTTO_OK) {
            o = pdi_json(pdi);
            npu_pdi_close(&pdi);
        } else {
            o = json_pack("{s:s}", "not_read", diag->text);
        }
        for (uint32_t g = 0; g < e->n_groups; g++) {
            append_line(groups, "%s: type %u, pdi id 0x%llx, %u kernels from 0x%llx",
                        e->groups[g].name, e->groups[g].type,
                        (unsigned long long)e->groups[g].pdi_id, e->groups[g].n_kernel_ids,
                        e->groups[g].n_kernel_ids ? (unsigned long long)e->groups[g].kernel_ids[0]
                                                  : 0);
        }
        json_object_set_new(o, "groups", groups);
        json_object_set_new(o, "bytes", json_integer(e->image_size));
        json_array_append_new(pdis, o);
    }
    return json_pack("{s:s, s:i, s:I, s:o, s:o}", "name", p->name, "columns", p->columns,
                     "operations_per_cycle", (json_int_t)p->operations_per_cycle, "start_columns",
                     starts, "pdis", pdis);
}

static int xclbin_json(const struct npu_xclbin *x, json_t **out, struct sotto_diag *diag)
{
    json_t *sections = json_array(), *kernels = json_array(), *memories = json_array();
    json_t *o = json_pack("{s:o, s:o, s:o}", "sections", sections, "kernels", kernels, "memories",
                          memories);
    *out = o;
    for (uint32_t i = 0; i < x->n_sections; i++) {
        const struct npu_xclbin_section *s = &x->sections[i];
        const char *name = npu_section_name(s->kind);
        append_line(sections, "%s (%u): %llu bytes at 0x%llx", name ? name : "other", s->kind,
                    (unsigned long long)s->size, (unsigned long long)s->offset);
        int n = 0;
        if (s->kind == NPU_SECTION_IP_LAYOUT || s->kind == NPU_SECTION_MEM_TOPOLOGY) {
            n = npu_section_count(x, s, diag);
        }
        for (int k = 0; k < n; k++) {
            struct npu_ip ip;
            struct npu_mem mem;
            if (s->kind == NPU_SECTION_IP_LAYOUT) {
                npu_section_ip(s, k, &ip);
                append_line(kernels, "%s: type %u, id 0x%x", ip.name, ip.type,
                            ip.properties >> 16 & 0xFFF);
            } else {
                npu_section_mem(s, k, &mem);
                append_line(memories, "%s: %llu KiB at 0x%llx", mem.tag,
                            (unsigned long long)mem.size_kb, (unsigned long long)mem.base);
            }
        }
        struct npu_partition *p;
        if (s->kind == NPU_SECTION_AIE_PARTITION) {
            n = npu_partition_read(&p, s->data, (size_t)s->size, x->file, (size_t)s->offset, diag);
            if (n == SOTTO_OK) {
                json_object_set_new(o, "partition", partition_json(p, x->file, diag));
                npu_partition_close(&p);
            }
        }
        if (n < 0) {
            return n;
        }
    }
    return SOTTO_OK;
}

/* ---- core images ---- */

static int take_piece(void *user, uint64_t address, const uint32_t *words, uint32_t n)
{
    (void)words;
    unsigned column, row;
    uint32_t offset;
    char name[96];
    npu_address_split((uint32_t)address, &column, &row, &offset);
    npu_reg_print(name, sizeof name, NPU_TILE_CORE, offset);
    append_line(user, "%s: %u bytes%s", name, n * 4,
                row > 3      ? " (north neighbour)"
                : row < 3    ? " (south neighbour)"
                : column < 1 ? " (west neighbour)"
                             : "");
    return 0;
}

static int elf_json(const struct npu_image *image, json_t **out, struct sotto_diag *diag)
{
    json_t *pieces = json_array();
    struct npu_cdo_sink sink = {.user = pieces, .block = take_piece};
    *out = json_pack("{s:I, s:i, s:o}", "entry", (json_int_t)image->entry, "symbols",
                     (int)image->n_symbols, "pieces", pieces);
    return npu_load_image(image, 1, 3, &sink, diag); // a core with all its neighbours
}

/* ---- files ---- */

static int read_tree(const struct mapfile *map, const char *file, json_t **o, const char **kind,
                     struct sotto_diag *diag)
{
    static const uint8_t pdi_start[4] = {0xDD, 0, 0, 0}, cdo_start[8] = {4, 0, 0, 0, 'C', 'D', 'O'};
    const uint8_t *b = map->data;
    struct npu_xclbin *x;
    struct npu_pdi *pdi;
    struct npu_cdo *cdo;
    struct npu_txn *txn;
    struct npu_image *image;
    int err;
    if (map->size >= 8 && memcmp(b, "xclbin2", 8) == 0) {
        *kind = "xclbin";
        if (!(err = npu_xclbin_read(&x, b, map->size, file, diag))) {
            err = xclbin_json(x, o, diag);
            npu_xclbin_close(&x);
        }
    } else if (map->size >= 8 && memcmp(b, pdi_start, 4) == 0) {
        *kind = "pdi";
        if (!(err = npu_pdi_read(&pdi, b, map->size, file, 0, diag))) {
            *o = pdi_json(pdi);
            npu_pdi_close(&pdi);
        }
    } else if (map->size >= 8 && memcmp(b, cdo_start, 8) == 0) {
        *kind = "cdo";
        if (!(err = npu_cdo_read(&cdo, b, map->size, file, 0, diag))) {
            *o = cdo_json(cdo);
            npu_cdo_close(&cdo);
        }
    } else if (map->size >= 4 && memcmp(b,
                                        "\x7f"
                                        "ELF",
                                        4) == 0) {
        *kind = "core image";
        if (!(err = npu_image_read(&image, b, map->size, file, diag))) {
            err = elf_json(image, o, diag);
            npu_image_close(&image);
        }
    } else {
        *kind = "instruction stream";
        if (!(err = npu_txn_read(&txn, b, map->size, file, diag))) {
            *o = txn_json(txn);
            npu_txn_close(&txn);
        }
    }
    return err;
}

static void print_text(const json_t *node, const char *key, int depth)
{
    const char *name;
    json_t *child;
    size_t i;
    bool leaf = !json_is_object(node) && !json_is_array(node);
    printf("%*s%s%s", 2 * depth, "", key ? key : "-", leaf && key ? ": " : leaf ? " " : "\n");
    if (json_is_string(node)) {
        printf("%s\n", json_string_value(node));
    } else if (leaf) {
        json_dumpf(node, stdout, JSON_ENCODE_ANY);
        putchar('\n');
    }
    json_object_foreach((json_t *)node, name, child)
    {
        print_text(child, name, depth + 1);
    }
    json_array_foreach(node, i, child)
    {
        print_text(child, NULL, depth + 1);
    }
}

int npu_cmd_info(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
    struct sotto_diag diag = {0};
    struct mapfile map;
    const char *kind = "";
    json_t *tree = NULL;
    bool as_json = false;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c != 'j') {
            return npu_cli_usage("info", "bad option '%s'", argv[optind - 1]);
        }
        as_json = true;
    }
    if (argc - optind != 1) {
        return npu_cli_usage("info", "one file is needed, not %d", argc - optind);
    }
    const char *file = argv[optind];
    if (mapfile_open(&map, file, &diag)) {
        return npu_cli_fail(&diag);
    }
    int err = read_tree(&map, file, &tree, &kind, &diag);
    if (!err && tree) {
        json_object_set_new(tree, "file", json_string(kind));
        if (as_json) {
            json_dumpf(tree, stdout, JSON_INDENT(2) | JSON_SORT_KEYS);
            putchar('\n');
        } else {
            print_text(tree, file, 0);
        }
    }
    json_decref(tree);
    mapfile_close(&map);
    return err ? npu_cli_fail(&diag) : tree ? CLI_EXIT_OK : CLI_EXIT_INTERNAL;
}
