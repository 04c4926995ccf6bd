/* Instruction streams, read and written. The layouts are those of txn.h's sources. */
#include "npu/files/txn.h"

#include <ctype.h>

#include "npu/files/bytes.h"

enum {
    HEADER_BYTES = 16,
    CUSTOM = 0x80, // codes from here on carry their size in word 1
    PATCH_BYTES = 48,
    SYNC_BYTES = 16,
    MAX_BYTES = 256 << 20, // larger is no instruction stream
};

struct reader {
    struct npu_txn *txn;
    const uint8_t *bytes;
    size_t size; // of the stream
    struct sotto_diag *diag;
};

static int malformed(const struct reader *r, size_t offset, const char *what)
{
    return diag_set(r->diag, SOTTO_ESYNTAX, r->txn->file, "%s: at 0x%zx: %s.", r->txn->file, offset,
                    what);
}

const char *npu_txn_name(uint8_t code)
{
    switch (code) {
    case NPU_TXN_WRITE32:
        return "write32";
    case NPU_TXN_BLOCKWRITE:
        return "blockwrite";
    case NPU_TXN_MASKWRITE:
        return "maskwrite";
    case NPU_TXN_MASKPOLL:
        return "maskpoll";
    case NPU_TXN_NOOP:
        return "noop";
    case NPU_TXN_PREEMPT:
        return "preempt";
    case NPU_TXN_MASKPOLL_BUSY:
        return "maskpoll_busy";
    case NPU_TXN_LOADPDI:
        return "loadpdi";
    case NPU_TXN_SYNC:
        return "sync";
    case NPU_TXN_PATCH:
        return "ddr_patch";
    case NPU_TXN_READ_REGS:
        return "read_regs";
    case NPU_TXN_RECORD_TIMER:
        return "record_timer";
    case NPU_TXN_MERGE_SYNC:
        return "merge_sync";
    case NPU_TXN_LOAD_PM_END:
        return "load_pm_end";
    default:
        return NULL;
    }
}

/* Size in bytes of the instruction at p, of which at least 4 bytes are there; 0: it does not say. */
static uint64_t op_size(const uint8_t *p, size_t left)
{
    uint8_t code = p[0];
    switch (code) {
    case NPU_TXN_WRITE32:
        return 24;
    case NPU_TXN_BLOCKWRITE:
        return left >= 16 ? get32(p + 12) : 16;
    case NPU_TXN_MASKWRITE:
    case NPU_TXN_MASKPOLL:
    case NPU_TXN_MASKPOLL_BUSY:
        return 28;
    case NPU_TXN_NOOP:
    case NPU_TXN_PREEMPT:
        return 4;
    case NPU_TXN_LOADPDI:
        return 16;
    default:
        return code < CUSTOM ? 0 : left >= 8 ? get32(p + 4) : 8;
    }
}

/* `n` words at p, copied. */
static int keep_words(struct reader *r, struct npu_txn_op *op, const uint8_t *p, size_t n)
{
    uint32_t *words = chunk_alloc(&r->txn->chunks, n, sizeof *words);
    if (!words) {
        return files_no_memory(r->txn->file, r->diag);
    }
    for (size_t i = 0; i < n; i++) {
        words[i] = get32(p + 4 * i);
    }
    op->words = words;
    op->n_words = (uint32_t)n;
    return SOTTO_OK;
}

static bool is_patch(const uint8_t *p, size_t size)
{
    return size == PATCH_BYTES && !get32(p + 8) && !get32(p + 12) && !get32(p + 16) &&
           !get32(p + 20) && !get32(p + 36) && !get32(p + 44);
}

static int decode_custom(struct reader *r, struct npu_txn_op *op, const uint8_t *p, size_t size)
{
    if (op->code == NPU_TXN_SYNC && size == SYNC_BYTES && !p[11] && p[8] <= 1 && !p[12]) {
        op->mm2s = p[8];
        op->row = p[9];
        op->column = p[10];
        op->rows = p[13];
        op->columns = p[14];
        op->channel = p[15];
        return SOTTO_OK;
    }
    if (op->code == NPU_TXN_PATCH && is_patch(p, size)) {
        op->address = get64(p + 24);
        op->argument = get32(p + 32);
        op->plus = get32(p + 40);
        return SOTTO_OK;
    }
    return keep_words(r, op, p + 8, size / 4 - 2);
}

static int decode(struct reader *r, struct npu_txn_op *op, const uint8_t *p, size_t size)
{
    op->code = p[0];
    op->head = get32(p) >> 8;
    op->pad = size > 4 ? get32(p + 4) : 0;
    switch (op->code) {
    case NPU_TXN_WRITE32:
        op->address = get64(p + 8);
        op->value = get32(p + 16);
        return get32(p + 20) == size ? SOTTO_OK : malformed(r, op->offset, "write32 of wrong size");
    case NPU_TXN_BLOCKWRITE:
        op->address = get32(p + 8);
        return keep_words(r, op, p + 16, size / 4 - 4);
    case NPU_TXN_MASKWRITE:
    case NPU_TXN_MASKPOLL:
    case NPU_TXN_MASKPOLL_BUSY:
        op->address = get64(p + 8);
        op->value = get32(p + 16);
        op->mask = get32(p + 20);
        return get32(p + 24) == size ? SOTTO_OK
                                     : malformed(r, op->offset, "masked operation of wrong size");
    case NPU_TXN_LOADPDI:
        return keep_words(r, op, p + 4, 3);
    case NPU_TXN_NOOP:
    case NPU_TXN_PREEMPT:
        return SOTTO_OK;
    default:
        return decode_custom(r, op, p, size);
    }
}

static int read_op(struct reader *r, size_t *at)
{
    struct npu_txn *txn = r->txn;
    const uint8_t *p = r->bytes + *at;
    size_t left = r->size - *at;
    if (left < 4) {
        return malformed(r, *at, "the stream ends before its last instruction");
    }
    uint64_t size = op_size(p, left);
    if (size == 0) {
        return diag_set(r->diag, SOTTO_ESYNTAX, txn->file,
                        "%s: at 0x%zx: there is no instruction 0x%02x.", txn->file, *at, p[0]);
    }
    size_t least = p[0] == NPU_TXN_BLOCKWRITE ? 16 : p[0] >= CUSTOM ? 8 : 4;
    if (size < least || size % 4 || size > left) {
        return diag_set(r->diag, SOTTO_ESYNTAX, txn->file,
                        "%s: at 0x%zx: instruction 0x%02x of %llu bytes, but %zu are left.",
                        txn->file, *at, p[0], (unsigned long long)size, left);
    }
    if (!array_room(&txn->ops, txn->n_ops, sizeof *txn->ops)) {
        return files_no_memory(txn->file, r->diag);
    }
    struct npu_txn_op *op = &txn->ops[txn->n_ops];
    *op = (struct npu_txn_op){.offset = *at};
    int err = decode(r, op, p, (size_t)size);
    txn->n_ops += err == SOTTO_OK;
    *at += (size_t)size;
    return err;
}

static int read_header(struct reader *r, uint32_t *n_ops)
{
    struct npu_txn *txn = r->txn;
    if (r->size < HEADER_BYTES) {
        return malformed(r, 0, "shorter than the header of an instruction stream");
    }
    uint32_t first = get32(r->bytes), second = get32(r->bytes + 4), total = get32(r->bytes + 12);
    txn->major = (uint8_t)first;
    txn->minor = (uint8_t)(first >> 8);
    txn->generation = (uint8_t)(first >> 16);
    txn->rows = (uint8_t)(first >> 24);
    txn->columns = (uint8_t)second;
    txn->mem_rows = (uint8_t)(second >> 8);
    txn->reserved = second >> 16;
    *n_ops = get32(r->bytes + 8);
    if (txn->major != 0 || txn->minor != 1) {
        return diag_set(r->diag, SOTTO_EUNSUPPORTED, txn->file,
                        "%s: an instruction stream of version %u.%u; 0.1 is what this reads.",
                        txn->file, txn->major, txn->minor);
    }
    if (total < HEADER_BYTES || total % 4 || total > r->size) {
        return diag_set(r->diag, SOTTO_ESYNTAX, txn->file,
                        "%s: at 0xc: the stream says it has %u bytes; the file has %zu.", txn->file,
                        total, r->size);
    }
    txn->trailing = r->size - total;
    r->size = total;
    return SOTTO_OK;
}

static int read_binary(struct reader *r)
{
    uint32_t n_ops = 0;
    size_t at = HEADER_BYTES;
    int err = read_header(r, &n_ops);
    for (uint32_t i = 0; !err && i < n_ops; i++) {
        err = read_op(r, &at);
    }
    if (!err && at != r->size) {
        return diag_set(r->diag, SOTTO_ESYNTAX, r->txn->file,
                        "%s: %u instructions end at 0x%zx, but the stream goes on to 0x%zx.",
                        r->txn->file, n_ops, at, r->size);
    }
    return err;
}

/* ---- hexadecimal text, as older compilers write ---- */

static bool looks_like_text(const uint8_t *bytes, size_t size)
{
    size_t n = size < 8 ? size : 8;
    for (size_t i = 0; i < n; i++) {
        if (!isxdigit(bytes[i])) {
            return false;
        }
    }
    return size >= 8;
}

/* The words of the text; *size in bytes. NULL: not one word of 8 digits per line, or no memory. */
static uint8_t *text_words(struct reader *r, const uint8_t *text, size_t size, size_t *n_bytes)
{
    uint8_t *bytes = chunk_alloc(&r->txn->chunks, size / 8 + 1, 4);
    size_t n = 0;
    for (size_t i = 0; bytes && i < size;) {
        if (isspace(text[i])) {
            i++;
            continue;
        }
        uint32_t word = 0;
        size_t digits = 0;
        for (; i < size && isxdigit(text[i]); i++, digits++) {
            int c = tolower(text[i]);
            word = word << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        if (digits != 8) {
            malformed(r, i, "the text is not words of eight hexadecimal digits");
            return NULL;
        }
        put32(bytes + 4 * n++, word);
    }
    if (!bytes) {
        files_no_memory(r->txn->file, r->diag);
    }
    *n_bytes = n * 4;
    return bytes;
}

int npu_txn_read(struct npu_txn **out, const uint8_t *bytes, size_t size, const char *file,
                 struct sotto_diag *diag)
{
    struct sotto_diag own = {0};
    struct reader r = {.bytes = bytes, .size = size, .diag = diag ? diag : &own};
    int err = SOTTO_OK;
    r.txn = npu_txn_new(0);
    if (!r.txn || !(r.txn->file = chunk_text(&r.txn->chunks, file, strlen(file)))) {
        npu_txn_close(&r.txn);
        return files_no_memory(file, diag);
    }
    if (size > MAX_BYTES) {
        err = malformed(&r, 0, "too large for an instruction stream");
    } else if (looks_like_text(bytes, size)) {
        r.txn->text = true;
        r.bytes = text_words(&r, bytes, size, &r.size);
        err = r.bytes ? SOTTO_OK : r.diag->code;
    }
    err = err ? err : read_binary(&r);
    if (err) {
        npu_txn_close(&r.txn);
        return err;
    }
    *out = r.txn;
    return SOTTO_OK;
}

/* ---- building and writing ---- */

struct npu_txn *npu_txn_new(unsigned columns)
{
    struct npu_txn *txn = mem_calloc(1, sizeof *txn);
    if (txn) {
        txn->file = "instruction stream";
        txn->minor = 1;
        txn->generation = 3; // AIE-ML
        txn->rows = 6;
        txn->columns = (uint8_t)columns;
        txn->mem_rows = 1;
    }
    return txn;
}

void npu_txn_close(struct npu_txn **txn)
{
    if (txn && *txn) {
        mem_free((*txn)->ops);
        chunk_free(&(*txn)->chunks);
        mem_free(*txn);
        *txn = NULL;
    }
}

int npu_txn_add(struct npu_txn *txn, const struct npu_txn_op *op)
{
    if (op->address % 4 || (op->code < CUSTOM && !npu_txn_name(op->code)) ||
        (op->code == NPU_TXN_LOADPDI && op->n_words != 3)) {
        return SOTTO_EINVAL;
    }
    uint32_t *words = NULL;
    if (op->n_words) {
        words = chunk_alloc(&txn->chunks, op->n_words, sizeof *words);
        if (!words) {
            return SOTTO_ENOMEM;
        }
        memcpy(words, op->words, op->n_words * sizeof *words);
    }
    if (!array_room(&txn->ops, txn->n_ops, sizeof *txn->ops)) {
        return SOTTO_ENOMEM;
    }
    txn->ops[txn->n_ops] = *op;
    txn->ops[txn->n_ops++].words = words;
    return SOTTO_OK;
}

static void out_words(struct out *out, const uint32_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out_word(out, words[i]);
    }
}

static void out_address(struct out *out, uint64_t address)
{
    out_word(out, (uint32_t)address);
    out_word(out, (uint32_t)(address >> 32));
}

static void write_custom(struct out *out, const struct npu_txn_op *op)
{
    if (op->code == NPU_TXN_SYNC && !op->n_words) {
        out_word(out, SYNC_BYTES);
        out_word(out, (uint32_t)op->mm2s | (uint32_t)op->row << 8 | (uint32_t)op->column << 16);
        out_word(out, (uint32_t)op->rows << 8 | (uint32_t)op->columns << 16 |
                          (uint32_t)op->channel << 24);
    } else if (op->code == NPU_TXN_PATCH && !op->n_words) {
        out_word(out, PATCH_BYTES);
        out_reserve(out, 16);
        out_address(out, op->address);
        out_address(out, op->argument);
        out_address(out, op->plus);
    } else {
        out_word(out, (op->n_words + 2) * 4);
        out_words(out, op->words, op->n_words);
    }
}

static void write_op(struct out *out, const struct npu_txn_op *op)
{
    out_word(out, op->code | op->head << 8);
    switch (op->code) {
    case NPU_TXN_WRITE32:
        out_word(out, op->pad);
        out_address(out, op->address);
        out_word(out, op->value);
        out_word(out, 24);
        break;
    case NPU_TXN_BLOCKWRITE:
        out_word(out, op->pad);
        out_word(out, (uint32_t)op->address);
        out_word(out, (op->n_words + 4) * 4);
        out_words(out, op->words, op->n_words);
        break;
    case NPU_TXN_MASKWRITE:
    case NPU_TXN_MASKPOLL:
    case NPU_TXN_MASKPOLL_BUSY:
        out_word(out, op->pad);
        out_address(out, op->address);
        out_word(out, op->value);
        out_word(out, op->mask);
        out_word(out, 28);
        break;
    case NPU_TXN_NOOP:
    case NPU_TXN_PREEMPT:
        break;
    case NPU_TXN_LOADPDI:
        out_words(out, op->words, op->n_words);
        break;
    default:
        write_custom(out, op);
    }
}

int npu_txn_write(const struct npu_txn *txn, uint8_t **bytes, size_t *size, struct sotto_diag *diag)
{
    struct out out = {0};
    out_word(&out, (uint32_t)txn->rows << 24 | (uint32_t)txn->generation << 16 |
                       (uint32_t)txn->minor << 8 | txn->major);
    out_word(&out, txn->columns | (uint32_t)txn->mem_rows << 8 | txn->reserved << 16);
    out_word(&out, (uint32_t)txn->n_ops);
    out_word(&out, 0);
    for (size_t i = 0; i < txn->n_ops; i++) {
        write_op(&out, &txn->ops[i]);
    }
    if (!out.failed) {
        put32(out.data + 12, (uint32_t)out.size);
    }
    return out_finish(&out, txn->file, bytes, size, diag);
}
