/* The axlf container: a fixed head, section headers, sections at multiples of 8. */
#include "npu/files/xclbin.h"

#include "npu/files/bytes.h"

enum {
    AT_SIGNATURE = 0x008,
    AT_FILL = 0x00C, // 28 + 256 bytes of 0xFF in unsigned files
    FILL_BYTES = 28 + 256,
    AT_UNIQUE = 0x128,
    AT_LENGTH = 0x130,
    AT_TIMESTAMP = 0x138,
    AT_PATCH = 0x148,
    AT_MAJOR = 0x14A,
    AT_MODE = 0x14C,
    AT_ACTION = 0x14E,
    AT_VBNV = 0x160,
    AT_UUID = 0x1A0,
    AT_COUNT = 0x1C0,
    HEADER_BYTES = 40,
    ALIGN = 8,
    MAX_SECTIONS = 4096,
    MODE_FLAT = 0,
    ACTION_LOAD_AIE = 1,
};

static const char magic[8] = "xclbin2";

const char *npu_section_name(uint32_t kind)
{
    switch (kind) {
    case NPU_SECTION_BITSTREAM:
        return "BITSTREAM";
    case NPU_SECTION_EMBEDDED_METADATA:
        return "EMBEDDED_METADATA";
    case NPU_SECTION_MEM_TOPOLOGY:
        return "MEM_TOPOLOGY";
    case NPU_SECTION_CONNECTIVITY:
        return "CONNECTIVITY";
    case NPU_SECTION_IP_LAYOUT:
        return "IP_LAYOUT";
    case NPU_SECTION_BUILD_METADATA:
        return "BUILD_METADATA";
    case NPU_SECTION_PDI:
        return "PDI";
    case NPU_SECTION_SYSTEM_METADATA:
        return "SYSTEM_METADATA";
    case NPU_SECTION_AIE_METADATA:
        return "AIE_METADATA";
    case NPU_SECTION_GROUP_TOPOLOGY:
        return "GROUP_TOPOLOGY";
    case NPU_SECTION_GROUP_CONNECTIVITY:
        return "GROUP_CONNECTIVITY";
    case NPU_SECTION_AIE_PARTITION:
        return "AIE_PARTITION";
    default:
        return NULL;
    }
}

static void take_head(struct npu_xclbin *x)
{
    const uint8_t *h = x->head;
    x->timestamp = get64(h + AT_TIMESTAMP);
    x->patch = (uint16_t)get16(h + AT_PATCH);
    x->major = h[AT_MAJOR];
    x->minor = h[AT_MAJOR + 1];
    x->mode = h[AT_MODE];
    x->action_mask = h[AT_ACTION];
    memcpy(x->vbnv, h + AT_VBNV, 64);
    memcpy(x->uuid, h + AT_UUID, 16);
}

/* ---- reading ---- */

static int read_section(struct npu_xclbin *x, const uint8_t *bytes, size_t size, uint32_t i,
                        struct sotto_diag *diag)
{
    size_t at = NPU_XCLBIN_HEAD_BYTES + (size_t)i * HEADER_BYTES;
    const uint8_t *h = bytes + at;
    struct npu_xclbin_section *s = &x->sections[i];
    s->kind = get32(h);
    memcpy(s->name, h + 4, 16);
    s->offset = get64(h + 0x18);
    s->size = get64(h + 0x20);
    if (!in_range(s->offset, s->size, size)) {
        return diag_set(diag, SOTTO_ESYNTAX, x->file,
                        "%s: at 0x%zx: section %u says it has %llu bytes at 0x%llx; the file ends "
                        "at 0x%zx.",
                        x->file, at, i, (unsigned long long)s->size, (unsigned long long)s->offset,
                        size);
    }
    return SOTTO_OK;
}

static int read_sections(struct npu_xclbin *x, const uint8_t *bytes, size_t size,
                         struct sotto_diag *diag)
{
    uint32_t n = get32(x->head + AT_COUNT);
    uint64_t end = NPU_XCLBIN_HEAD_BYTES + (uint64_t)n * HEADER_BYTES;
    if (n > MAX_SECTIONS || end > size) {
        return diag_set(diag, SOTTO_ESYNTAX, x->file, "%s: at 0x%x: %u sections do not fit.",
                        x->file, AT_COUNT, n);
    }
    // One copy of the file: sections may overlap, so copies of each could take more than the file.
    uint8_t *copy = chunk_alloc(&x->chunks, size + 1, 1);
    x->sections = mem_calloc((size_t)n + 1, sizeof *x->sections);
    if (!copy || !x->sections) {
        return files_no_memory(x->file, diag);
    }
    memcpy(copy, bytes, size);
    for (uint32_t i = 0; i < n; i++) {
        int err = read_section(x, bytes, size, i, diag);
        if (err) {
            return err;
        }
        struct npu_xclbin_section *s = &x->sections[i];
        s->data = copy + s->offset;
        end = s->offset + s->size > end ? s->offset + s->size : end;
    }
    x->n_sections = n;
    x->trailer = copy + end;
    x->trailer_size = size - (size_t)end;
    return SOTTO_OK;
}

int npu_xclbin_read(struct npu_xclbin **out, const uint8_t *bytes, size_t size, const char *file,
                    struct sotto_diag *diag)
{
    if (size < NPU_XCLBIN_HEAD_BYTES || memcmp(bytes, magic, sizeof magic) != 0) {
        return diag_set(diag, SOTTO_ESYNTAX, file, "%s: at 0x0: this is no xclbin.", file);
    }
    struct npu_xclbin *x = mem_calloc(1, sizeof *x);
    if (!x || !(x->file = chunk_text(&x->chunks, file, strlen(file)))) {
        npu_xclbin_close(&x);
        return files_no_memory(file, diag);
    }
    memcpy(x->head, bytes, sizeof x->head);
    take_head(x);
    uint64_t length = get64(x->head + AT_LENGTH);
    int err = SOTTO_OK;
    if (length > size || length < NPU_XCLBIN_HEAD_BYTES) {
        err = diag_set(diag, SOTTO_ESYNTAX, file,
                       "%s: at 0x%x: the file says it has %llu bytes; it has %zu.", file, AT_LENGTH,
                       (unsigned long long)length, size);
    }
    err = err ? err : read_sections(x, bytes, (size_t)length, diag);
    if (err) {
        npu_xclbin_close(&x);
        return err;
    }
    *out = x;
    return SOTTO_OK;
}

const struct npu_xclbin_section *npu_xclbin_section(const struct npu_xclbin *x, uint32_t kind)
{
    for (uint32_t i = 0; i < x->n_sections; i++) {
        if (x->sections[i].kind == kind) {
            return &x->sections[i];
        }
    }
    return NULL;
}

void npu_xclbin_close(struct npu_xclbin **x)
{
    if (x && *x) {
        mem_free((*x)->sections);
        chunk_free(&(*x)->chunks);
        mem_free(*x);
        *x = NULL;
    }
}

/* ---- building and writing ---- */

struct npu_xclbin *npu_xclbin_new(const uint8_t uuid[16], uint64_t timestamp)
{
    struct npu_xclbin *x = mem_calloc(1, sizeof *x);
    if (!x) {
        return NULL;
    }
    uint8_t *h = x->head;
    x->file = "xclbin";
    memcpy(h, magic, sizeof magic);
    put32(h + AT_SIGNATURE, ~0u); // unsigned
    memset(h + AT_FILL, 0xFF, FILL_BYTES);
    put64(h + AT_UNIQUE, timestamp);
    put64(h + AT_TIMESTAMP, timestamp);
    h[AT_MAJOR] = 2;
    h[AT_MAJOR + 1] = 11;
    put16(h + AT_MODE, MODE_FLAT);
    put16(h + AT_ACTION, ACTION_LOAD_AIE);
    memcpy(h + AT_VBNV, "xilinx_v1_ipu_0_0", sizeof "xilinx_v1_ipu_0_0");
    memcpy(h + AT_UUID, uuid, 16);
    take_head(x);
    return x;
}

int npu_xclbin_add(struct npu_xclbin *x, uint32_t kind, const char *name, const uint8_t *data,
                   size_t size)
{
    uint8_t *copy = chunk_alloc(&x->chunks, size + 1, 1);
    struct npu_xclbin_section *grown =
        copy ? mem_grow(x->sections, x->n_sections, (size_t)x->n_sections + 1, sizeof *grown)
             : NULL;
    if (!grown) {
        return SOTTO_ENOMEM;
    }
    x->sections = grown;
    struct npu_xclbin_section *s = &grown[x->n_sections++];
    memset(s, 0, sizeof *s);
    memcpy(copy, data, size);
    strncpy(s->name, name, 15);
    s->kind = kind;
    s->data = copy;
    s->size = size;
    return SOTTO_OK;
}

int npu_xclbin_write(const struct npu_xclbin *x, uint8_t **bytes, size_t *size,
                     struct sotto_diag *diag)
{
    struct out out = {0};
    out_bytes(&out, x->head, sizeof x->head);
    out_reserve(&out, (size_t)x->n_sections * HEADER_BYTES);
    for (uint32_t i = 0; i < x->n_sections; i++) {
        const struct npu_xclbin_section *s = &x->sections[i];
        out_align(&out, ALIGN);
        if (!out.failed) {
            uint8_t *h = out.data + NPU_XCLBIN_HEAD_BYTES + (size_t)i * HEADER_BYTES;
            put32(h, s->kind);
            memcpy(h + 4, s->name, 16);
            put64(h + 0x18, out.size);
            put64(h + 0x20, s->size);
        }
        out_bytes(&out, s->data, (size_t)s->size);
    }
    out_bytes(&out, x->trailer, x->trailer_size);
    if (!out.failed) {
        put64(out.data + AT_LENGTH, out.size);
        put32(out.data + AT_COUNT, x->n_sections);
    }
    return out_finish(&out, x->file, bytes, size, diag);
}
