/*
 * Byte pair encoding of text. The text is cut into pieces by GPT-2's pattern; in each piece the
 * neighbours whose joint bytes are the token of lowest rank are merged until none are left.
 * Facts: openai/tiktoken, src/lib.rs (whole pieces first; the leftmost of equal ranks; a token's
 * rank is its id); openai/whisper, whisper/tokenizer.py (the pattern).
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "model/tokenizer_priv.h"

/* White space as Unicode's White_Space property has it; \s of PCRE2 would add U+180E. */
#define WS                                                                                         \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"    \
    "\\x{205f}\\x{3000}"
static const char split_pattern[] = "'s|'t|'re|'ve|'m|'ll|'d"
                                    "| ?\\p{L}+| ?\\p{N}+| ?[^" WS "\\p{L}\\p{N}]+"
                                    "|[" WS "]+(?![^" WS "])|[" WS "]+";

/* ---- tokens by their bytes ------------------------------------------------------------------- */

static uint32_t hash_bytes(const char *s, size_t n)
{
    uint32_t h = 2166136261u; // FNV-1a
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)s[i]) * 16777619u;
    return h ^ h >> 15;
}

/* Slot that holds the token with these bytes, or the free one where it belongs. */
static uint32_t find_slot(const struct tokenizer *t, const char *s, size_t n)
{
    uint32_t i = hash_bytes(s, n) & t->slot_mask;
    for (; t->slots[i] >= 0; i = (i + 1) & t->slot_mask) {
        uint32_t begin = t->offset[t->slots[i]], end = t->offset[t->slots[i] + 1];
        if (end - begin == n && memcmp(t->bytes + begin, s, n) == 0)
            break;
    }
    return i;
}

static int32_t find_token(const struct tokenizer *t, const char *s, size_t n)
{
    return t->slots[find_slot(t, s, n)];
}

int bpe_init(struct tokenizer *t)
{
    uint32_t n_slots = 256;
    while (n_slots < 2 * (uint32_t)t->special.eot)
        n_slots *= 2;
    t->slots = mem_alloc(n_slots, sizeof *t->slots);
    if (!t->slots)
        return SOTTO_ENOMEM;
    memset(t->slots, -1, n_slots * sizeof *t->slots);
    t->slot_mask = n_slots - 1;
    for (int32_t id = 0; id < t->special.eot; id++) {
        struct token_bytes b = tokenizer_bytes(t, id);
        uint32_t slot = b.size > 0 ? find_slot(t, b.data, (size_t)b.size) : 0;
        if (b.size > 0 && t->slots[slot] < 0)
            t->slots[slot] = id;
    }

    int code;
    PCRE2_SIZE at;
    t->pattern = pcre2_compile((PCRE2_SPTR)split_pattern, PCRE2_ZERO_TERMINATED,
                               PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &code, &at, NULL);
    return t->pattern ? 0 : SOTTO_ENOMEM;
}

void bpe_fini(struct tokenizer *t)
{
    pcre2_code_free(t->pattern);
    mem_free(t->slots);
}

/* ---- merging --------------------------------------------------------------------------------- */

/* A possible merge: the part that begins at `at` with its right neighbour, `size` bytes in all. An
 * entry is stale when the parts have changed since; then sizes do not add up any more. */
struct merge {
    int32_t rank;
    uint32_t at, size;
};

struct encoder {
    const struct tokenizer *t;
    int32_t *ids;          // borrowed
    int max, n;            // n counts on beyond max
    uint32_t *size, *prev; // by first byte of a part: its size (0: merged away), its left neighbour
    struct merge *heap;    // least rank first, then leftmost
    size_t n_heap, room;   // room: bytes of the longest piece these arrays can hold
};

static bool merge_before(const struct merge *a, const struct merge *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(struct encoder *e, struct merge m)
{
    size_t i = e->n_heap++;
    while (i > 0 && merge_before(&m, &e->heap[(i - 1) / 2])) {
        e->heap[i] = e->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    e->heap[i] = m;
}

static struct merge heap_pop(struct encoder *e)
{
    struct merge top = e->heap[0], last = e->heap[--e->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= e->n_heap)
            break;
        if (child + 1 < e->n_heap && merge_before(&e->heap[child + 1], &e->heap[child]))
            child++;
        if (!merge_before(&e->heap[child], &last))
            break;
        e->heap[i] = e->heap[child];
        i = child;
    }
    e->heap[i] = last;
    return top;
}

static void offer_merge(struct encoder *e, const char *piece, uint32_t n, uint32_t at)
{
    uint32_t right = at + e->size[at];
    if (right >= n)
        return;
    uint32_t size = e->size[at] + e->size[right];
    int32_t rank = find_token(e->t, piece + at, size);
    if (rank >= 0)
        heap_push(e, (struct merge){rank, at, size});
}

static bool merge_is_fresh(const struct encoder *e, const struct merge *m, uint32_t n)
{
    uint32_t left = e->size[m->at], right = m->at + left;
    return left > 0 && left < m->size && right < n && left + e->size[right] == m->size;
}

static void emit(struct encoder *e, int32_t id)
{
    if (e->n < e->max)
        e->ids[e->n] = id;
    e->n++;
}

/* Each piece of n bytes offers n - 1 merges and each of at most n - 1 merges two more, so the heap
 * never holds 3n. */
static int reserve(struct encoder *e, size_t n)
{
    if (n <= e->room)
        return 0;
    size_t room = n < 256 ? 256 : n;
    mem_free(e->size);
    mem_free(e->prev);
    mem_free(e->heap);
    e->room = 0;
    e->size = mem_alloc(room, sizeof *e->size);
    e->prev = mem_alloc(room, sizeof *e->prev);
    e->heap = mem_alloc(room, 3 * sizeof *e->heap);
    if (!e->size || !e->prev || !e->heap)
        return SOTTO_ENOMEM;
    e->room = room;
    return 0;
}

static void merge_parts(struct encoder *e, const char *piece, uint32_t n)
{
    e->n_heap = 0;
    for (uint32_t i = 0; i < n; i++) {
        e->size[i] = 1;
        e->prev[i] = i - 1;
    }
    for (uint32_t i = 0; i + 1 < n; i++)
        offer_merge(e, piece, n, i);
    while (e->n_heap > 0) {
        struct merge m = heap_pop(e);
        if (!merge_is_fresh(e, &m, n))
            continue;
        uint32_t next = m.at + m.size;
        e->size[m.at + e->size[m.at]] = 0;
        e->size[m.at] = m.size;
        if (next < n)
            e->prev[next] = m.at;
        offer_merge(e, piece, n, m.at);
        if (m.at > 0)
            offer_merge(e, piece, n, e->prev[m.at]);
    }
}

static int encode_piece(struct encoder *e, const char *piece, size_t n)
{
    int32_t whole = find_token(e->t, piece, n);
    if (whole >= 0) {
        emit(e, whole);
        return 0;
    }
    int err = reserve(e, n);
    if (err)
        return err;
    merge_parts(e, piece, (uint32_t)n);
    for (uint32_t i = 0; i < n; i += e->size[i]) {
        int32_t id = find_token(e->t, piece + i, e->size[i]);
        if (id >= 0) // a byte that no token stands for is left out
            emit(e, id);
    }
    return 0;
}

/* ---- splitting ------------------------------------------------------------------------------- */

static int encode_valid(struct encoder *e, const char *text, size_t size)
{
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    if (!match)
        return SOTTO_ENOMEM;
    int err = 0;
    for (size_t at = 0; !err && at < size;) {
        size_t end = at + 1;
        int rc =
            pcre2_match(e->t->pattern, (PCRE2_SPTR)text, size, at, PCRE2_NO_UTF_CHECK, match, NULL);
        if (rc == PCRE2_ERROR_NOMEMORY || rc == PCRE2_ERROR_HEAPLIMIT) {
            err = SOTTO_ENOMEM;
            break;
        }
        if (rc > 0 && pcre2_get_ovector_pointer(match)[1] > at)
            end = pcre2_get_ovector_pointer(match)[1];
        else // the pattern matches anything, so this is a match limit: take one code point
            while (end < size && ((uint8_t)text[end] & 0xc0) == 0x80)
                end++;
        err = encode_piece(e, text + at, end - at);
        at = end;
    }
    pcre2_match_data_free(match);
    return err;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, int32_t *ids, int max)
{
    struct encoder e = {.t = t, .ids = ids, .max = max};
    size_t size = strlen(text);
    char *repaired = NULL;
    if (size > INT32_MAX / 8)
        return SOTTO_EINVAL;
    if (utf8_valid_prefix(text, size) != size) {
        repaired = mem_alloc(3 * size + 1, 1);
        if (!repaired)
            return SOTTO_ENOMEM;
        size = utf8_repair(repaired, text, size);
        text = repaired;
    }
    int err = encode_valid(&e, text, size);
    mem_free(e.size);
    mem_free(e.prev);
    mem_free(e.heap);
    mem_free(repaired);
    return err ? err : e.n;
}
