/* The AIE_PARTITION section: fixed structures that point into a heap behind them. */
#include "npu/files/partition.h"

#include "npu/files/bytes.h"

enum {
    HEADER_BYTES = 184,
    PDI_BYTES = 96,
    GROUP_BYTES = 96,
    AT_NAME = 4,
    AT_OPS = 8,
    AT_INFERENCE = 0x10,
    AT_PRE_POST = 0x18,
    AT_COLUMNS = 0x20,
    AT_START = 0x28,
    AT_PDIS = 0x78,
    AT_COMMIT = 0x80,
    ALIGN = 8,
};

struct reader {
    struct npu_partition *p;
    const uint8_t *bytes;
    size_t size, base;
    const char *file;
    struct sotto_diag *diag;
};

static int no_memory(const struct reader *r)
{
    return files_no_memory(r->file, r->diag);
}

/* {count, offset} at `at`; the elements of `each` bytes must be in the section. */
static int take_array(const struct reader *r, size_t at, size_t each, const char *what,
                      uint32_t *count, uint32_t *offset)
{
    *count = get32(r->bytes + at);
    *offset = get32(r->bytes + at + 4);
    if (!in_range(*offset, (uint64_t)*count * each, r->size)) {
        return diag_set(r->diag, SOTTO_ESYNTAX, r->file,
                        "%s: at 0x%zx: %u %s at 0x%x are not in the section of %zu bytes.", r->file,
                        r->base + at, *count, what, *offset, r->size);
    }
    return SOTTO_OK;
}

static int take_text(const struct reader *r, size_t at, const char *what, const char **text)
{
    uint32_t offset = get32(r->bytes + at);
    const char *start = (const char *)r->bytes + offset;
    const void *end = offset < r->size ? memchr(start, 0, r->size - offset) : NULL;
    if (!end) {
        return diag_set(r->diag, SOTTO_ESYNTAX, r->file,
                        "%s: at 0x%zx: the %s at 0x%x is not in the section.", r->file,
                        r->base + at, what, offset);
    }
    *text = chunk_text(&r->p->chunks, start, (size_t)((const char *)end - start));
    return *text ? SOTTO_OK : no_memory(r);
}

static int read_group(const struct reader *r, size_t at, struct npu_group *g)
{
    uint32_t offset;
    int err = take_text(r, at, "group's name", &g->name);
    g->type = r->bytes[at + 4];
    g->pdi_id = get64(r->bytes + at + 8);
    err = err ? err : take_array(r, at + 0x10, 8, "kernel ids", &g->n_kernel_ids, &offset);
    if (err) {
        return err;
    }
    uint64_t *ids = chunk_alloc(&r->p->chunks, (size_t)g->n_kernel_ids + 1, sizeof *ids);
    for (uint32_t i = 0; ids && i < g->n_kernel_ids; i++) {
        ids[i] = get64(r->bytes + offset + 8 * (size_t)i);
    }
    g->kernel_ids = ids;
    err = take_array(r, at + 0x18, 4, "earlier groups", &g->n_pre_groups, &offset);
    if (err) {
        return err;
    }
    uint32_t *pre = chunk_alloc(&r->p->chunks, (size_t)g->n_pre_groups + 1, sizeof *pre);
    for (uint32_t i = 0; pre && i < g->n_pre_groups; i++) {
        pre[i] = get32(r->bytes + offset + 4 * (size_t)i);
    }
    g->pre_groups = pre;
    return ids && pre ? SOTTO_OK : no_memory(r);
}

static int read_pdi(const struct reader *r, size_t at, struct npu_partition_pdi *pdi)
{
    uint32_t offset;
    memcpy(pdi->uuid, r->bytes + at, 16);
    int err = take_array(r, at + 0x10, 1, "bytes of a PDI", &pdi->image_size, &pdi->image_offset);
    if (err) {
        return err;
    }
    uint8_t *image = chunk_alloc(&r->p->chunks, (size_t)pdi->image_size + 1, 1);
    if (!image) {
        return no_memory(r);
    }
    memcpy(image, r->bytes + pdi->image_offset, pdi->image_size);
    pdi->image = image;
    err = take_array(r, at + 0x18, GROUP_BYTES, "groups", &pdi->n_groups, &offset);
    if (err) {
        return err;
    }
    struct npu_group *groups =
        chunk_alloc(&r->p->chunks, (size_t)pdi->n_groups + 1, sizeof *groups);
    for (uint32_t i = 0; groups && !err && i < pdi->n_groups; i++) {
        err = read_group(r, offset + (size_t)i * GROUP_BYTES, &groups[i]);
    }
    pdi->groups = groups;
    return groups ? err : no_memory(r);
}

static int read_header(struct reader *r)
{
    struct npu_partition *p = r->p;
    uint32_t offset, pdis_at;
    const uint8_t *b = r->bytes;
    p->schema = b[0];
    p->operations_per_cycle = get32(b + AT_OPS);
    p->inference_fingerprint = get64(b + AT_INFERENCE);
    p->pre_post_fingerprint = get64(b + AT_PRE_POST);
    p->columns = (uint16_t)get16(b + AT_COLUMNS);
    int err = take_text(r, AT_NAME, "partition's name", &p->name);
    if (!err && get32(b + AT_COMMIT)) {
        err = take_text(r, AT_COMMIT, "kernel commit", &p->kernel_commit);
    }
    err = err ? err : take_array(r, AT_START, 2, "start columns", &p->n_start_columns, &offset);
    if (err) {
        return err;
    }
    uint16_t *columns = chunk_alloc(&p->chunks, (size_t)p->n_start_columns + 1, sizeof *columns);
    for (uint32_t i = 0; columns && i < p->n_start_columns; i++) {
        columns[i] = (uint16_t)get16(b + offset + 2 * (size_t)i);
    }
    p->start_columns = columns;
    err = columns ? take_array(r, AT_PDIS, PDI_BYTES, "PDIs", &p->n_pdis, &pdis_at) : no_memory(r);
    if (err) {
        return err;
    }
    struct npu_partition_pdi *pdis = chunk_alloc(&p->chunks, (size_t)p->n_pdis + 1, sizeof *pdis);
    // Many entries may share an image: what they take together must stay near the section's size.
    uint64_t total = 0;
    for (uint32_t i = 0; pdis && !err && i < p->n_pdis; i++) {
        total += get32(b + pdis_at + (size_t)i * PDI_BYTES + 0x10);
        err = total > r->size
                  ? diag_set(r->diag, SOTTO_ESYNTAX, r->file, "%s: at 0x%zx: the PDIs overlap.",
                             r->file, r->base + pdis_at + (size_t)i * PDI_BYTES)
                  : read_pdi(r, pdis_at + (size_t)i * PDI_BYTES, &pdis[i]);
    }
    p->pdis = pdis;
    return pdis ? err : no_memory(r);
}

int npu_partition_read(struct npu_partition **out, const uint8_t *bytes, size_t size,
                       const char *file, size_t base, struct sotto_diag *diag)
{
    struct reader r = {.bytes = bytes, .size = size, .base = base, .file = file, .diag = diag};
    if (size < HEADER_BYTES) {
        return diag_set(diag, SOTTO_ESYNTAX, file,
                        "%s: at 0x%zx: AIE_PARTITION has %zu bytes; its header alone has %d.", file,
                        base, size, HEADER_BYTES);
    }
    r.p = mem_calloc(1, sizeof *r.p);
    if (!r.p) {
        return no_memory(&r);
    }
    int err = read_header(&r);
    if (err) {
        npu_partition_close(&r.p);
        return err;
    }
    *out = r.p;
    return SOTTO_OK;
}

void npu_partition_close(struct npu_partition **partition)
{
    if (partition && *partition) {
        chunk_free(&(*partition)->chunks);
        mem_free(*partition);
        *partition = NULL;
    }
}

/* ---- writing: name, commit, columns; each PDI's image, groups' contents, groups; then the PDIs ---- */

static void put_array(uint8_t *at, uint32_t count, size_t offset)
{
    put32(at, count);
    put32(at + 4, (uint32_t)offset);
}

static void write_group(struct out *out, const struct npu_group *g, uint8_t *record)
{
    put32(record, (uint32_t)out->size);
    out_bytes(out, g->name, strlen(g->name) + 1);
    out_align(out, ALIGN);
    record[4] = g->type;
    put64(record + 8, g->pdi_id);
    if (g->n_kernel_ids) {
        put_array(record + 0x10, g->n_kernel_ids, out->size);
    }
    for (uint32_t i = 0; i < g->n_kernel_ids; i++) {
        out_word(out, (uint32_t)g->kernel_ids[i]);
        out_word(out, (uint32_t)(g->kernel_ids[i] >> 32));
    }
    if (g->n_pre_groups) {
        put_array(record + 0x18, g->n_pre_groups, out->size);
    }
    for (uint32_t i = 0; i < g->n_pre_groups; i++) {
        out_word(out, g->pre_groups[i]);
    }
    out_align(out, ALIGN);
}

static void write_pdi(struct out *out, const struct npu_partition_pdi *pdi, uint8_t *record)
{
    struct out groups = {0};
    memcpy(record, pdi->uuid, 16);
    put_array(record + 0x10, pdi->image_size, out->size);
    out_bytes(out, pdi->image, pdi->image_size);
    out_align(out, ALIGN);
    for (uint32_t i = 0; i < pdi->n_groups; i++) {
        uint8_t group[GROUP_BYTES] = {0};
        write_group(out, &pdi->groups[i], group);
        out_bytes(&groups, group, sizeof group);
    }
    put_array(record + 0x18, pdi->n_groups, out->size);
    out_bytes(out, groups.data, groups.size);
    out->failed |= groups.failed;
    mem_free(groups.data);
}

int npu_partition_write(const struct npu_partition *p, uint8_t **bytes, size_t *size,
                        struct sotto_diag *diag)
{
    struct out out = {0}, pdis = {0};
    uint8_t header[HEADER_BYTES] = {p->schema};
    out_reserve(&out, HEADER_BYTES);
    put32(header + AT_NAME, (uint32_t)out.size);
    out_bytes(&out, p->name, strlen(p->name) + 1);
    out_align(&out, ALIGN);
    put32(header + AT_OPS, p->operations_per_cycle);
    put64(header + AT_INFERENCE, p->inference_fingerprint);
    put64(header + AT_PRE_POST, p->pre_post_fingerprint);
    if (p->kernel_commit) {
        put32(header + AT_COMMIT, (uint32_t)out.size);
        out_bytes(&out, p->kernel_commit, strlen(p->kernel_commit) + 1);
        out_align(&out, ALIGN);
    }
    put16(header + AT_COLUMNS, p->columns);
    put_array(header + AT_START, p->n_start_columns, out.size);
    for (uint32_t i = 0; i < p->n_start_columns; i++) {
        uint8_t column[2];
        put16(column, p->start_columns[i]);
        out_bytes(&out, column, sizeof column);
    }
    out_align(&out, ALIGN);
    for (uint32_t i = 0; i < p->n_pdis; i++) {
        uint8_t record[PDI_BYTES] = {0};
        write_pdi(&out, &p->pdis[i], record);
        out_bytes(&pdis, record, sizeof record);
    }
    put_array(header + AT_PDIS, p->n_pdis, out.size);
    out_bytes(&out, pdis.data, pdis.size);
    out.failed |= pdis.failed;
    mem_free(pdis.data);
    if (!out.failed) {
        memcpy(out.data, header, sizeof header);
    }
    return out_finish(&out, "AIE_PARTITION", bytes, size, diag);
}
