/* CDO version 2, read, written and played back. */
#include "npu/files/cdo.h"

#include "npu/files/bytes.h"

enum {
    HEADER_WORDS = 5,
    IDENT = 0x004F4443, // "CDO"
    VERSION = 0x200,
    LONG_FORM = 255,
    COMPACT_MASK_WRITE = 2,
    COMPACT_WRITE = 3,
};

const char *npu_cdo_name(uint32_t id)
{
    switch (id) {
    case NPU_CDO_END:
        return "end";
    case NPU_CDO_MASK_POLL:
        return "mask_poll";
    case NPU_CDO_MASK_WRITE:
        return "mask_write";
    case NPU_CDO_WRITE:
        return "write";
    case NPU_CDO_DELAY:
        return "delay";
    case NPU_CDO_DMA_WRITE:
        return "dma_write";
    case NPU_CDO_MASK_POLL64:
        return "mask_poll64";
    case NPU_CDO_MASK_WRITE64:
        return "mask_write64";
    case NPU_CDO_WRITE64:
        return "write64";
    case NPU_CDO_NOP:
        return "nop";
    case NPU_CDO_MARKER:
        return "marker";
    default:
        return NULL;
    }
}

/* Fills in what the payload means; false: it is too short for its command. */
static bool decode(struct npu_cdo_cmd *c)
{
    const uint32_t *w = c->words;
    switch (c->id) {
    case NPU_CDO_MASK_POLL:
    case NPU_CDO_MASK_WRITE:
        c->address = c->n_words >= 3 ? w[0] : 0;
        c->mask = c->n_words >= 3 ? w[1] : 0;
        c->value = c->n_words >= 3 ? w[2] : 0;
        return c->n_words >= 3;
    case NPU_CDO_WRITE:
        c->address = c->n_words >= 2 ? w[0] : 0;
        c->value = c->n_words >= 2 ? w[1] : 0;
        c->mask = ~0u;
        return c->n_words >= 2;
    case NPU_CDO_MASK_POLL64:
    case NPU_CDO_MASK_WRITE64:
        if (c->n_words < 4) {
            return false;
        }
        c->address = (uint64_t)w[0] << 32 | w[1];
        c->mask = w[2];
        c->value = w[3];
        return true;
    case NPU_CDO_WRITE64:
        if (c->n_words < 3) {
            return false;
        }
        c->address = (uint64_t)w[0] << 32 | w[1];
        c->value = w[2];
        c->mask = ~0u;
        return true;
    case NPU_CDO_DMA_WRITE:
        if (c->n_words < 2) {
            return false;
        }
        c->address = (uint64_t)w[0] << 32 | w[1];
        c->data = w + 2;
        c->n_data = c->n_words - 2;
        return true;
    default:
        return true;
    }
}

struct reader {
    struct npu_cdo *cdo;
    size_t base;
    struct sotto_diag *diag;
};

static int malformed(const struct reader *r, size_t at, const char *what)
{
    return diag_set(r->diag, SOTTO_ESYNTAX, r->cdo->file, "%s: at 0x%zx: %s.", r->cdo->file,
                    r->base + at, what);
}

static int append(struct npu_cdo *cdo, const struct npu_cdo_cmd *cmd)
{
    if (!array_room(&cdo->cmds, cdo->n_cmds, sizeof *cdo->cmds)) {
        return SOTTO_ENOMEM;
    }
    cdo->cmds[cdo->n_cmds++] = *cmd;
    return SOTTO_OK;
}

static int read_commands(struct reader *r, const uint32_t *words, uint32_t n)
{
    for (uint32_t i = 0; i < n;) {
        struct npu_cdo_cmd c = {.id = words[i] & 0xFFFF,
                                .n_words = words[i] >> 16 & 0xFF,
                                .offset = (i + HEADER_WORDS) * (size_t)4};
        if (words[i] >> 24 || (c.id >> 8) != 1) {
            return diag_set(r->diag, SOTTO_ESYNTAX, r->cdo->file,
                            "%s: at 0x%zx: 0x%08x is no command.", r->cdo->file, r->base + c.offset,
                            words[i]);
        }
        i++;
        if (c.n_words == LONG_FORM) {
            if (i == n) {
                return malformed(r, c.offset, "the length of the last command is missing");
            }
            c.long_form = true;
            c.n_words = words[i++];
        }
        if (c.n_words > n - i) {
            return diag_set(r->diag, SOTTO_ESYNTAX, r->cdo->file,
                            "%s: at 0x%zx: command 0x%x has %u words, but %u are left.",
                            r->cdo->file, r->base + c.offset, c.id, c.n_words, n - i);
        }
        c.words = words + i;
        i += c.n_words;
        if (!decode(&c)) {
            return malformed(r, c.offset, "too few words for this command");
        }
        if (append(r->cdo, &c)) {
            return files_no_memory(r->cdo->file, r->diag);
        }
    }
    return SOTTO_OK;
}

/* {2 or 3, count, count x (address, [mask,] value)}, up to the first other one. */
static int read_compact(struct reader *r, const uint32_t *words, uint32_t n)
{
    struct npu_cdo *cdo = r->cdo;
    uint32_t i = 0;
    cdo->rest = words;
    cdo->n_rest = n;
    while (n - i >= 2 && (words[i] == COMPACT_MASK_WRITE || words[i] == COMPACT_WRITE)) {
        uint32_t each = words[i] == COMPACT_WRITE ? 2 : 3, count = words[i + 1];
        if (count > (n - i - 2) / each) {
            return malformed(r, (i + HEADER_WORDS) * (size_t)4, "more writes than words");
        }
        for (uint32_t k = 0; k < count; k++) {
            const uint32_t *w = words + i + 2 + k * each;
            struct npu_cdo_cmd c = {.id = each == 2 ? NPU_CDO_WRITE : NPU_CDO_MASK_WRITE,
                                    .words = w,
                                    .n_words = each,
                                    .offset = (i + 2 + k * each + HEADER_WORDS) * (size_t)4};
            decode(&c);
            if (append(cdo, &c)) {
                return files_no_memory(cdo->file, r->diag);
            }
        }
        i += 2 + count * each;
    }
    cdo->n_understood = i;
    return SOTTO_OK;
}

static int read_header(struct reader *r, const uint8_t *bytes, size_t size, uint32_t *n)
{
    if (size < HEADER_WORDS * 4) {
        return malformed(r, 0, "too short for a CDO's header");
    }
    uint32_t sum = 0;
    for (int i = 0; i < HEADER_WORDS - 1; i++) {
        sum += get32(bytes + 4 * i);
    }
    if (get32(bytes) != 4 || get32(bytes + 4) != IDENT) {
        return malformed(r, 0, "this is no CDO");
    }
    if (get32(bytes + 8) != VERSION) {
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, r->cdo->file,
                        "%s: a CDO of version 0x%x; 0x200 is what this reads.", r->cdo->file,
                        get32(bytes + 8));
    }
    if (get32(bytes + 16) != (uint32_t)~sum) {
        return diag_set(r->diag, SOTTO_ESYNTAX, r->cdo->file,
                        "%s: at 0x%zx: the CDO header's checksum is 0x%08x and should be 0x%08x.",
                        r->cdo->file, r->base + 16, get32(bytes + 16), (uint32_t)~sum);
    }
    *n = get32(bytes + 12);
    r->cdo->length_words = *n;
    uint32_t there = (uint32_t)((size - HEADER_WORDS * 4) / 4);
    uint32_t first = there ? get32(bytes + 4 * HEADER_WORDS) : 0;
    r->cdo->compact = first && first < 0x100;
    if (r->cdo->compact) { // says how long it would be in the plain encoding
        *n = *n < there ? *n : there;
        return SOTTO_OK;
    }
    if (*n > there) {
        return diag_set(r->diag, SOTTO_ESYNTAX, r->cdo->file,
                        "%s: at 0x%zx: the CDO says it has %u words; %zu are there.", r->cdo->file,
                        r->base + 12, *n, (size - HEADER_WORDS * 4) / 4);
    }
    return SOTTO_OK;
}

int npu_cdo_read(struct npu_cdo **out, const uint8_t *bytes, size_t size, const char *file,
                 size_t base, struct sotto_diag *diag)
{
    struct reader r = {.cdo = npu_cdo_new(), .base = base, .diag = diag};
    uint32_t n = 0, *words = NULL;
    int err = SOTTO_OK;
    if (!r.cdo || !(r.cdo->file = chunk_text(&r.cdo->chunks, file, strlen(file)))) {
        npu_cdo_close(&r.cdo);
        return files_no_memory(file, diag);
    }
    err = read_header(&r, bytes, size, &n);
    if (!err && !(words = chunk_alloc(&r.cdo->chunks, (size_t)n + 1, sizeof *words))) {
        err = files_no_memory(file, diag);
    }
    for (uint32_t i = 0; !err && i < n; i++) {
        words[i] = get32(bytes + (i + HEADER_WORDS) * (size_t)4);
    }
    if (!err) {
        r.cdo->size = (n + (size_t)HEADER_WORDS) * 4;
        err = r.cdo->compact ? read_compact(&r, words, n) : read_commands(&r, words, n);
    }
    if (err) {
        npu_cdo_close(&r.cdo);
        return err;
    }
    *out = r.cdo;
    return SOTTO_OK;
}

/* ---- building and writing ---- */

struct npu_cdo *npu_cdo_new(void)
{
    struct npu_cdo *cdo = mem_calloc(1, sizeof *cdo);
    if (cdo) {
        cdo->file = "CDO";
    }
    return cdo;
}

void npu_cdo_close(struct npu_cdo **cdo)
{
    if (cdo && *cdo) {
        mem_free((*cdo)->cmds);
        chunk_free(&(*cdo)->chunks);
        mem_free(*cdo);
        *cdo = NULL;
    }
}

/* `n` payload words: the first `n_first` given, then `rest` (NULL: zeros). */
static int add(struct npu_cdo *cdo, uint32_t id, const uint32_t *first, uint32_t n_first,
               const uint32_t *rest, uint32_t n_rest)
{
    uint32_t n = n_first + n_rest;
    uint32_t *words = n >= n_rest ? chunk_alloc(&cdo->chunks, (size_t)n + 1, sizeof *words) : NULL;
    if (!words) {
        return SOTTO_ENOMEM;
    }
    if (n_first) {
        memcpy(words, first, n_first * sizeof *words);
    }
    if (n_rest && rest) {
        memcpy(words + n_first, rest, n_rest * sizeof *words);
    }
    struct npu_cdo_cmd c = {.id = id, .words = words, .n_words = n, .long_form = n >= LONG_FORM};
    decode(&c);
    return c.address % 4 ? SOTTO_EINVAL : append(cdo, &c);
}

int npu_cdo_add_nop(struct npu_cdo *cdo, unsigned n_words)
{
    return add(cdo, NPU_CDO_NOP, NULL, 0, NULL, n_words);
}

int npu_cdo_add_write(struct npu_cdo *cdo, uint32_t address, uint32_t value)
{
    return add(cdo, NPU_CDO_WRITE, (uint32_t[]){address, value}, 2, NULL, 0);
}

int npu_cdo_add_mask_write(struct npu_cdo *cdo, uint32_t address, uint32_t mask, uint32_t value)
{
    return add(cdo, NPU_CDO_MASK_WRITE, (uint32_t[]){address, mask, value}, 3, NULL, 0);
}

int npu_cdo_add_block(struct npu_cdo *cdo, uint32_t address, const uint32_t *words, uint32_t n)
{
    return add(cdo, NPU_CDO_DMA_WRITE, (uint32_t[]){0, address}, 2, words, n);
}

static void write_command(struct out *out, const struct npu_cdo_cmd *c)
{
    bool long_form = c->long_form || c->n_words >= LONG_FORM;
    out_word(out, c->id | (long_form ? LONG_FORM : c->n_words) << 16);
    if (long_form) {
        out_word(out, c->n_words);
    }
    for (uint32_t i = 0; i < c->n_words; i++) {
        out_word(out, c->words[i]);
    }
}

int npu_cdo_write(const struct npu_cdo *cdo, uint8_t **bytes, size_t *size, struct sotto_diag *diag)
{
    struct out out = {0};
    out_word(&out, HEADER_WORDS - 1);
    out_word(&out, IDENT);
    out_word(&out, VERSION);
    out_reserve(&out, 8);
    for (uint32_t i = 0; cdo->compact && i < cdo->n_rest; i++) {
        out_word(&out, cdo->rest[i]);
    }
    for (size_t i = 0; !cdo->compact && i < cdo->n_cmds; i++) {
        write_command(&out, &cdo->cmds[i]);
    }
    if (!out.failed) {
        uint32_t n = cdo->compact ? cdo->length_words : (uint32_t)(out.size / 4) - HEADER_WORDS;
        put32(out.data + 12, n);
        put32(out.data + 16, ~(HEADER_WORDS - 1 + (uint32_t)IDENT + VERSION + n));
    }
    return out_finish(&out, cdo->file, bytes, size, diag);
}

int npu_cdo_apply(const struct npu_cdo *cdo, const struct npu_cdo_sink *sink)
{
    int err = 0;
    for (size_t i = 0; !err && i < cdo->n_cmds; i++) {
        const struct npu_cdo_cmd *c = &cdo->cmds[i];
        switch (c->id) {
        case NPU_CDO_WRITE:
        case NPU_CDO_WRITE64:
            err = sink->block(sink->user, c->address, &c->value, 1);
            break;
        case NPU_CDO_DMA_WRITE:
            err = sink->block(sink->user, c->address, c->data, c->n_data);
            break;
        case NPU_CDO_MASK_WRITE:
        case NPU_CDO_MASK_WRITE64:
            err = sink->masked(sink->user, c->address, c->value, c->mask);
            break;
        case NPU_CDO_MASK_POLL:
        case NPU_CDO_MASK_POLL64:
            err = sink->poll ? sink->poll(sink->user, c->address, c->value, c->mask) : 0;
            break;
        default:
            break;
        }
    }
    return err;
}
