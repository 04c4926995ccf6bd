/* PDI images: three tables of words, each with its checksum, then the CDO. */
#include "npu/files/pdi.h"

#include "npu/files/bytes.h"

enum {
    TABLE = 0x10 / 4, // first word of the image header table
    TABLE_WORDS = 32,
    IMAGE = 0x90 / 4,
    IMAGE_WORDS = 16,
    PARTITION = 0xD0 / 4,
    PARTITION_WORDS = 32,
    BODY = NPU_PDI_HEADER_BYTES / 4,
    EXTRA = 28, // word of the partition header
    NO_ADDRESS = -1,
};

static const uint32_t sync_words[4] = {0x000000DD, 0x11223344, 0x55667788, 0x99AABBCC};

/* Checksum of a table: the inverted sum of all words but the last. */
static uint32_t checksum(const uint32_t *words, int n)
{
    uint32_t sum = 0;
    for (int i = 0; i < n - 1; i++) {
        sum += words[i];
    }
    return ~sum;
}

/* The first 0x150 bytes of an image, as words. */
static void make_header(const struct npu_pdi *pdi, uint32_t *w)
{
    uint32_t *table = w + TABLE, *image = w + IMAGE, *part = w + PARTITION;
    memset(w, 0, NPU_PDI_HEADER_BYTES);
    memcpy(w, sync_words, sizeof sync_words);

    table[0] = 0x00040000; // version
    table[1] = 1;          // images
    table[2] = IMAGE;
    table[3] = 1; // partitions
    table[4] = PARTITION;
    table[6] = pdi->device;
    table[10] = 0x50504449; // "IDPP"
    table[11] = 0x00201020; // sizes of the headers
    table[12] = 0x30;       // words of all headers
    table[17] = 1;          // extended id
    table[31] = checksum(table, TABLE_WORDS);

    image[0] = PARTITION;
    image[1] = 1; // partitions
    for (int i = 0; i < 4; i++) {
        image[4 + i] = get32((const uint8_t *)pdi->image_name + 4 * i);
    }
    image[8] = pdi->image_id;
    memcpy(image + 9, pdi->image_extra, sizeof pdi->image_extra);
    image[15] = checksum(image, IMAGE_WORDS);

    part[0] = pdi->total_words;
    part[1] = pdi->length_words;
    part[2] = pdi->total_words;
    part[6] = part[7] = (uint32_t)NO_ADDRESS;
    part[8] = BODY;
    part[9] = 0x02000006; // a CDO
    part[10] = 1;         // sections
    part[31] = checksum(part, PARTITION_WORDS);
    memcpy(part + EXTRA, pdi->extra, sizeof pdi->extra); // they are not in the checksum
}

int npu_pdi_write(const struct npu_pdi *pdi, uint8_t **bytes, size_t *size, struct sotto_diag *diag)
{
    uint32_t header[NPU_PDI_HEADER_BYTES / 4];
    struct out out = {0};
    make_header(pdi, header);
    for (size_t i = 0; i < sizeof header / sizeof header[0]; i++) {
        out_word(&out, header[i]);
    }
    out_bytes(&out, pdi->body, pdi->body_size);
    return out_finish(&out, pdi->file, bytes, size, diag);
}

int npu_pdi_write_cdo(const struct npu_cdo *cdo, uint8_t **bytes, size_t *size,
                      struct sotto_diag *diag)
{
    uint8_t *words, *padded;
    size_t n;
    int err = npu_cdo_write(cdo, &words, &n, diag);
    if (err) {
        return err;
    }
    size_t body_size = (n + 15) / 16 * 16;
    padded = mem_grow(words, n, body_size, 1);
    if (!padded) {
        mem_free(words);
        return files_no_memory(cdo->file, diag);
    }
    memset(padded + n, 0, body_size - n);
    struct npu_pdi pdi = {.file = cdo->file,
                          .device = NPU_PDI_DEVICE,
                          .image_id = 0x1C000000,
                          .image_name = "aie_image",
                          .total_words = (uint32_t)(body_size / 4),
                          .length_words = (uint32_t)(n / 4),
                          .body = padded,
                          .body_size = body_size};
    err = npu_pdi_write(&pdi, bytes, size, diag);
    mem_free(padded);
    return err;
}

/* ---- reading ---- */

struct reader {
    struct npu_pdi *pdi;
    const uint8_t *bytes;
    size_t size, base;
    struct sotto_diag *diag;
};

static int malformed(const struct reader *r, size_t at, const char *what)
{
    return diag_set(r->diag, SOTTO_ESYNTAX, r->pdi->file, "%s: at 0x%zx: %s.", r->pdi->file,
                    r->base + at, what);
}

/* `n` words at word offset `at`, whose last is the checksum; NULL with a message. */
static const uint8_t *take_table(struct reader *r, uint32_t at, int n, const char *what,
                                 uint32_t *words)
{
    if (!in_range((uint64_t)at * 4, (uint64_t)n * 4, r->size)) {
        diag_set(r->diag, SOTTO_ESYNTAX, r->pdi->file, "%s: the %s at 0x%zx is not in the file.",
                 r->pdi->file, what, r->base + (size_t)at * 4);
        return NULL;
    }
    const uint8_t *p = r->bytes + (size_t)at * 4;
    for (int i = 0; i < n; i++) {
        words[i] = get32(p + 4 * i);
    }
    uint32_t sum[PARTITION_WORDS];
    memcpy(sum, words, (size_t)n * 4);
    if (n == PARTITION_WORDS && at != TABLE) {
        memset(sum + EXTRA, 0, 3 * sizeof *sum);
    }
    if (checksum(sum, n) != words[n - 1] && checksum(words, n) != words[n - 1]) {
        diag_set(r->diag, SOTTO_ESYNTAX, r->pdi->file,
                 "%s: at 0x%zx: the %s's checksum is 0x%08x and should be 0x%08x.", r->pdi->file,
                 r->base + (size_t)at * 4, what, words[n - 1], checksum(sum, n));
        return NULL;
    }
    return p;
}

static int read_tables(struct reader *r, uint32_t *data_word)
{
    uint32_t table[TABLE_WORDS], image[IMAGE_WORDS], part[PARTITION_WORDS];
    const uint8_t *p;
    for (int i = 0; i < 4; i++) {
        if (r->size < 16 || get32(r->bytes + 4 * i) != sync_words[i]) {
            return malformed(r, 0, "this is no PDI");
        }
    }
    if (!take_table(r, TABLE, TABLE_WORDS, "image header table", table)) {
        return SOTTO_ESYNTAX;
    }
    if (table[1] != 1 || table[3] != 1) {
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, r->pdi->file,
                        "%s: %u images with %u partitions; an NPU's PDI has one with one.",
                        r->pdi->file, table[1], table[3]);
    }
    r->pdi->device = table[6];
    if (!(p = take_table(r, table[2], IMAGE_WORDS, "image header", image))) {
        return SOTTO_ESYNTAX;
    }
    memcpy(r->pdi->image_name, p + 16, 16);
    r->pdi->image_id = image[8];
    memcpy(r->pdi->image_extra, image + 9, sizeof r->pdi->image_extra);
    if (!take_table(r, table[4], PARTITION_WORDS, "partition header", part)) {
        return SOTTO_ESYNTAX;
    }
    r->pdi->total_words = part[0];
    r->pdi->length_words = part[1];
    memcpy(r->pdi->extra, part + EXTRA, sizeof r->pdi->extra);
    *data_word = part[8];
    return SOTTO_OK;
}

static int read_body(struct reader *r, uint32_t data_word)
{
    struct npu_pdi *pdi = r->pdi;
    uint64_t at = (uint64_t)data_word * 4;
    if (at > r->size) {
        return malformed(r, r->size, "the file ends before the partition's data");
    }
    // AMD's production images are shorter or longer than they say: what counts is the CDO's own length.
    bool plain = !pdi->extra[0];
    if (plain && (pdi->length_words > pdi->total_words ||
                  !in_range(at, (uint64_t)pdi->total_words * 4, r->size))) {
        return diag_set(r->diag, SOTTO_ESYNTAX, pdi->file,
                        "%s: the partition says it has %u of %u words; the file has %zu from "
                        "0x%llx on.",
                        pdi->file, pdi->length_words, pdi->total_words, (r->size - (size_t)at) / 4,
                        (unsigned long long)(r->base + at));
    }
    pdi->body_size = r->size - (size_t)at;
    uint8_t *body = chunk_alloc(&pdi->chunks, pdi->body_size + 1, 1);
    if (!body) {
        return files_no_memory(pdi->file, r->diag);
    }
    memcpy(body, r->bytes + at, pdi->body_size);
    pdi->body = body;
    return npu_cdo_read(&pdi->cdo, body, pdi->body_size, pdi->file, r->base + (size_t)at, r->diag);
}

int npu_pdi_read(struct npu_pdi **out, const uint8_t *bytes, size_t size, const char *file,
                 size_t base, struct sotto_diag *diag)
{
    struct reader r = {.bytes = bytes, .size = size, .base = base, .diag = diag};
    uint32_t data_word = 0;
    r.pdi = mem_calloc(1, sizeof *r.pdi);
    if (!r.pdi || !(r.pdi->file = chunk_text(&r.pdi->chunks, file, strlen(file)))) {
        npu_pdi_close(&r.pdi);
        return files_no_memory(file, diag);
    }
    int err = read_tables(&r, &data_word);
    err = err ? err : read_body(&r, data_word);
    if (err) {
        npu_pdi_close(&r.pdi);
        return err;
    }
    *out = r.pdi;
    return SOTTO_OK;
}

void npu_pdi_close(struct npu_pdi **pdi)
{
    if (pdi && *pdi) {
        npu_cdo_close(&(*pdi)->cdo);
        chunk_free(&(*pdi)->chunks);
        mem_free(*pdi);
        *pdi = NULL;
    }
}
