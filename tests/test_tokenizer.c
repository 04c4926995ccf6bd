/*
 * The tokenizer against tiktoken and Hugging Face's tokenizers (tests/golden/tokenizer_*.txt, made by
 * scripts/golden_tokenizer.py), the language table, and vocabulary files.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "model/vocab.h"

/* ---- real vocabularies ----------------------------------------------------------------------- */

static struct model *open_real(const char *name)
{
    char path[TEST_PATH];
    struct model *m = NULL;
    struct sotto_diag diag = {0};
    test_model(name, path);
    assert_ok(model_open(&m, path, &diag), &diag);
    return m;
}

static size_t from_hex(const char *hex, char *dst)
{
    size_t n = 0;
    unsigned byte;
    for (; hex[2 * n] && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        dst[n] = (char)byte;
    dst[n] = 0;
    return n;
}

/* One line: text, ids. Texts with a NUL cannot be given to the encoder. */
static bool check_line(const struct tokenizer *t, char *line, int number)
{
    static char text[1 << 16], back[1 << 16];
    static int32_t ids[1 << 15];
    char *save, *hex = strtok_r(line, " ", &save);
    size_t size = strcmp(hex, "-") == 0 ? 0 : from_hex(hex, text);
    text[size] = 0;
    if (strlen(text) != size)
        return false;
    int n = tokenizer_encode(t, text, ids, 1 << 15), k = 0;
    for (char *id; (id = strtok_r(NULL, " ", &save)); k++)
        if (k >= n || atoi(id) != ids[k])
            fail_msg("line %d (%s): token %d is %d, not %s", number, text, k, k < n ? ids[k] : -1,
                     id);
    if (n != k)
        fail_msg("line %d (%s): %d tokens, not %d", number, text, n, k);
    assert_int_equal(tokenizer_decode(t, ids, n, back, sizeof back), size);
    assert_string_equal(back, text);
    return true;
}

static void check_golden(const char *model, const char *path)
{
    struct model *m = open_real(model);
    char *file = test_read_file(path, NULL), *save = NULL;
    int number = 0, checked = 0;
    for (char *line = strtok_r(file, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        checked += check_line(m->tokenizer, line, ++number);
    print_message("%s: %d of %d texts\n", path, checked, number);
    assert_true(checked > 90);
    free(file);
    model_close(&m);
}

static void test_golden_multilingual(void **state)
{
    (void)state;
    const char *other = getenv("SOTTO_TOKENIZER_GOLDEN");
    check_golden("base", other ? other : "tests/golden/tokenizer_base.txt");
}

static void test_golden_english(void **state)
{
    (void)state;
    check_golden("tiny.en", "tests/golden/tokenizer_tiny.en.txt");
}

static void test_special_ids(void **state)
{
    (void)state;
    struct model *m = open_real("base");
    const struct token_special *s = tokenizer_special(m->tokenizer);
    int32_t got[] = {
        s->eot,      s->sot,       s->translate,     s->transcribe,      s->sot_lm,
        s->sot_prev, s->no_speech, s->no_timestamps, s->timestamp_begin, s->lang_begin};
    int32_t want[] = {50257, 50258, 50358, 50359, 50360, 50361, 50362, 50363, 50364, 50259};
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(s->n_languages, 99);
    assert_true(tokenizer_multilingual(m->tokenizer));
    assert_int_equal(tokenizer_language_token(m->tokenizer, sotto_language_find("de")), 50261);
    assert_int_equal(tokenizer_language_token(m->tokenizer, sotto_language_find("su")), 50357);
    assert_int_equal(tokenizer_language_token(m->tokenizer, sotto_language_find("yue")), -1);
    assert_int_equal(tokenizer_token_language(m->tokenizer, 50259), 0);
    assert_int_equal(tokenizer_token_language(m->tokenizer, 50358), -1);
    assert_int_equal(tokenizer_bytes(m->tokenizer, 50257).size, 0);
    assert_int_equal(tokenizer_bytes(m->tokenizer, -1).size, 0);
    assert_int_equal(tokenizer_bytes(m->tokenizer, 1 << 30).size, 0);
    model_close(&m);

    m = open_real("tiny.en");
    s = tokenizer_special(m->tokenizer);
    assert_int_equal(s->eot, 50256);
    assert_int_equal(s->sot, 50257);
    assert_int_equal(s->no_speech, 50361);
    assert_int_equal(s->timestamp_begin, 50363);
    assert_int_equal(s->n_languages, 0);
    assert_false(tokenizer_multilingual(m->tokenizer));
    assert_int_equal(tokenizer_language_token(m->tokenizer, 0), -1);
    model_close(&m);
}

/* The lists the models' own config.json carry (suppress_ids), less the special tokens. */
static void test_non_speech(void **state)
{
    (void)state;
    static const int32_t multilingual[] = {
        1,     2,     7,     8,     9,     10,    14,    25,    26,    27,    28,    29,
        31,    58,    59,    60,    61,    62,    63,    90,    91,    92,    93,    359,
        503,   522,   542,   873,   893,   902,   918,   922,   931,   1350,  1853,  1982,
        2460,  2627,  3246,  3253,  3268,  3536,  3846,  3961,  4183,  4667,  6585,  6647,
        7273,  9061,  9383,  10428, 10929, 11938, 12033, 12331, 12562, 13793, 14157, 14635,
        15265, 15618, 16553, 16604, 18362, 18956, 20075, 21675, 22520, 26130, 26161, 26435,
        28279, 29464, 31650, 32302, 32470, 36865, 42863, 47425, 49870, 50254};
    struct model *m = open_real("base");
    int n;
    const int32_t *ids = tokenizer_non_speech(m->tokenizer, &n);
    assert_int_equal(n, (int)(sizeof multilingual / sizeof *multilingual));
    assert_memory_equal(ids, multilingual, sizeof multilingual);
    model_close(&m);
}

/* ---- behaviour that needs no real vocabulary ------------------------------------------------- */

/* All bytes, `extra` texts, an empty token if multilingual, then the specials. */
static int make_vocab(struct vocab *v, const char *const *extra, int n_extra, bool multilingual)
{
    static const char *const after[] = {"<|translate|>",   "<|transcribe|>", "<|startoflm|>",
                                        "<|startofprev|>", "<|nospeech|>",   "<|notimestamps|>"};
    int id = 0, err = 0;
    for (; id < 256; id++)
        err |= vocab_set(v, id, &(char){(char)id}, 1);
    for (int i = 0; i < n_extra; i++)
        err |= vocab_set(v, id++, extra[i], strlen(extra[i]));
    if (multilingual)
        err |= vocab_set(v, id++, "", 0);
    err |= vocab_set(v, id++, "<|endoftext|>", 13);
    err |= vocab_set(v, id++, "<|startoftranscript|>", 21);
    err |= vocab_set(v, id++, "<|de|>", 6); // out of the table's order
    err |= vocab_set(v, id++, "<|en|>", 6);
    for (int i = 0; i < 6; i++)
        err |= vocab_set(v, id++, after[i], strlen(after[i]));
    err |= vocab_resize(v, id + 1501);
    return err;
}

static struct tokenizer *open_small(const char *const *extra, int n_extra, bool multilingual)
{
    struct vocab v = {0};
    struct tokenizer *t = NULL;
    struct sotto_diag diag = {0};
    assert_int_equal(make_vocab(&v, extra, n_extra, multilingual), 0);
    assert_ok(tokenizer_open(&t, v.tokens, v.n, "vocab", &diag), &diag);
    vocab_fini(&v);
    return t;
}

static void test_merge_order(void **state)
{
    (void)state;
    static const char *const extra[] = {"ab", "bc", "abc", "cd", "aa", "aaaa"};
    struct tokenizer *t = open_small(extra, 6, true);
    int32_t ids[16];
    assert_int_equal(tokenizer_encode(t, "abcd", ids, 16), 2); // ab, then abc, which beats cd
    assert_int_equal(ids[0], 258);
    assert_int_equal(ids[1], 'd');
    assert_int_equal(tokenizer_encode(t, "xabcab", ids, 16), 3);
    assert_int_equal(ids[2], 256);
    assert_int_equal(tokenizer_encode(t, "abc", ids, 16), 1); // a whole piece is looked up first
    assert_int_equal(ids[0], 258);
    assert_int_equal(tokenizer_encode(t, "aaaaa", ids, 16), 2); // from the left: aa aa a
    assert_int_equal(ids[0], 261);
    assert_int_equal(ids[1], 'a');
    // more tokens than there is room for: counted, not written
    ids[2] = -7;
    assert_int_equal(tokenizer_encode(t, "x y z", ids, 2), 5);
    assert_int_equal(ids[2], -7);
    assert_int_equal(tokenizer_encode(t, "", ids, 16), 0);
    tokenizer_close(&t);
    assert_null(t);
    tokenizer_close(&t);
    tokenizer_close(NULL);
}

static void test_named_languages(void **state)
{
    (void)state;
    struct tokenizer *t = open_small(NULL, 0, true);
    const struct token_special *s = tokenizer_special(t);
    assert_int_equal(s->eot, 257);
    assert_int_equal(s->n_languages, 2);
    assert_int_equal(tokenizer_language_token(t, sotto_language_find("en")), s->lang_begin + 1);
    assert_int_equal(tokenizer_token_language(t, s->lang_begin), sotto_language_find("de"));
    tokenizer_close(&t);
    t = open_small(NULL, 0, false);
    assert_false(tokenizer_multilingual(t));
    assert_int_equal(tokenizer_special(t)->n_languages, 0);
    tokenizer_close(&t);
}

static void test_invalid_utf8(void **state)
{
    (void)state;
    struct tokenizer *t = open_small(NULL, 0, true);
    int32_t ids[32];
    char text[64];
    int n = tokenizer_encode(t, "a\xff\xc3(\xe2\x82", ids, 32);
    assert_true(n > 0 && n <= 32);
    tokenizer_decode(t, ids, n, text, sizeof text);
    assert_string_equal(text, "a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd");
    assert_int_equal(tokenizer_decode(t, ids, n, text, 4), strlen(text)); // too small: the length
    tokenizer_close(&t);
}

/* A piece of n bytes costs n log n, a text of many pieces is linear. */
static void test_long_text(void **state)
{
    (void)state;
    static const char *const extra[] = {"aa", "aaaa", "aaaaaaaa", " b"};
    enum { SIZE = 400000 };
    struct tokenizer *t = open_small(extra, 4, true);
    char *text = malloc(SIZE + 1);
    int32_t *ids = malloc(SIZE * sizeof *ids);
    const char *const patterns[] = {"a", " ", " b", "'", "\xe6\xbc\xa2", "1", "\n"};
    clock_t begin = clock();
    for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
        size_t n = strlen(patterns[p]), size = SIZE / n * n;
        for (size_t i = 0; i < size; i += n)
            memcpy(text + i, patterns[p], n);
        text[size] = 0;
        int count = tokenizer_encode(t, text, ids, SIZE);
        assert_true(count > 0 && count <= SIZE);
        if (p == 0)
            assert_int_equal(count, SIZE / 8);
    }
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < (test_sanitized() ? 60 : 15));
    free(ids);
    free(text);
    tokenizer_close(&t);
}

static void test_not_whisper(void **state)
{
    (void)state;
    struct token_bytes few[] = {{"a", 1}, {"<|endoftext|>", 13}, {"<|startoftranscript|>", 21}};
    struct tokenizer *t = NULL;
    for (int n = 0; n <= 3; n++) {
        struct sotto_diag diag = {0};
        assert_error(tokenizer_open(&t, few, n, "few.txt", &diag), SOTTO_EMODEL, &diag);
        assert_contains(diag.text, "few.txt");
        assert_null(t);
    }
}

/* ---- vocabulary files ------------------------------------------------------------------------ */

static struct blob text_blob(const char *text)
{
    return (struct blob){"vocab", (const uint8_t *)text, strlen(text)};
}

static void assert_token(const struct vocab *v, int id, const char *want)
{
    assert_true(id < v->n);
    assert_int_equal(v->tokens[id].size, strlen(want));
    assert_memory_equal(v->tokens[id].data, want, strlen(want));
}

static void test_lines(void **state)
{
    (void)state;
    struct vocab v = {0};
    struct blob unix_text = text_blob("a\n\xc4\xa0"
                                      "b\n\n\xc4\x8a\nx\r\n"),
                dos = text_blob("a\r\nb\r\n");
    assert_ok(vocab_read_lines(&v, &unix_text, NULL), NULL);
    assert_int_equal(v.n, 5);
    assert_token(&v, 1, " b");
    assert_token(&v, 2, "");
    assert_token(&v, 3, "\n");
    assert_token(&v, 4, "x\r"); // not every line ends so: it belongs to the token
    vocab_fini(&v);
    assert_ok(vocab_read_lines(&v, &dos, NULL), NULL);
    assert_int_equal(v.n, 2);
    assert_token(&v, 1, "b");
    vocab_fini(&v);
}

static void test_json(void **state)
{
    (void)state;
    struct vocab v = {0};
    struct sotto_diag diag = {0};
    struct blob array = text_blob("[\"\\u0120a\", \"a\\u00ad\", \"\\u4e00\"]");
    assert_ok(vocab_read_array(&v, &array, &diag), &diag);
    assert_token(&v, 0, " a");
    assert_token(&v, 1, "a\xc2\xad"); // U+00AD is not in the alphabet, so the text stays as it is
    assert_token(&v, 2, "\xe4\xb8\x80");
    vocab_fini(&v);

    struct blob object = text_blob("{\"b\": 2, \"\\u0120\": 0}");
    assert_ok(vocab_read_object(&v, &object, &diag), &diag);
    assert_int_equal(v.n, 3);
    assert_token(&v, 0, " ");
    assert_token(&v, 1, "");
    assert_token(&v, 2, "b");
    vocab_fini(&v);

    struct blob tokenizer = text_blob("{\"model\": {\"vocab\": {\"a\": 0}}, \"added_tokens\": "
                                      "[{\"id\": 2, \"content\": \"<|x y|>\"}]}");
    assert_ok(vocab_read_tokenizer(&v, &tokenizer, &diag), &diag);
    assert_int_equal(v.n, 3);
    assert_token(&v, 2, "<|x y|>");
    vocab_fini(&v);
}

static void test_bad_json(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",       "[1]",          "{\"a\": -1}", "{\"a\": 99999999}", "{\"a\": \"b\"}",
        "[\"a\"", "{\"a\": 1.5}", "3",           "{\"a\":",           "[[[["};
    int (*const readers[])(struct vocab *, const struct blob *, struct sotto_diag *) = {
        vocab_read_array, vocab_read_object, vocab_read_tokenizer};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int k = 0; k < 3; k++) {
            struct vocab v = {0};
            struct sotto_diag diag = {0};
            struct blob b = text_blob(texts[i]);
            assert_error(readers[k](&v, &b, &diag), SOTTO_EMODEL, &diag);
            assert_contains(diag.text, "vocab");
            vocab_fini(&v);
        }
}

/* Every byte survives GPT-2's alphabet. */
static void test_alphabet(void **state)
{
    (void)state;
    char text[4];
    for (int b = 0, extra = 0; b < 256; b++) {
        bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        int c = plain ? b : 256 + extra++, n = 0;
        if (c >= 128)
            text[n++] = (char)(0xc0 | c >> 6);
        text[n++] = (char)(c < 128 ? c : 0x80 | (c & 63));
        struct vocab v = {0};
        assert_int_equal(vocab_set_printable(&v, 0, text, (size_t)n), 0);
        assert_int_equal(v.tokens[0].size, 1);
        assert_int_equal((uint8_t)v.tokens[0].data[0], b);
        vocab_fini(&v);
    }
}

/* ---- languages ------------------------------------------------------------------------------- */

static void test_languages(void **state)
{
    (void)state;
    assert_int_equal(sotto_language_count(), 100);
    assert_string_equal(sotto_language_code(0), "en");
    assert_string_equal(sotto_language_name(99), "cantonese");
    assert_null(sotto_language_code(100));
    assert_null(sotto_language_name(-1));
    for (int i = 0; i < sotto_language_count(); i++) {
        assert_int_equal(sotto_language_find(sotto_language_code(i)), i);
        assert_int_equal(sotto_language_find(sotto_language_name(i)), i);
    }
    static const char *const pairs[][2] = {
        {"EN", "en"},       {"German", "de"},    {"burmese", "my"},  {"Valencian", "ca"},
        {"flemish", "nl"},  {"haitian", "ht"},   {"panjabi", "pa"},  {"MANDARIN", "zh"},
        {"moldovan", "ro"}, {"castilian", "es"}, {"sinhalese", "si"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_string_equal(sotto_language_code(sotto_language_find(pairs[i][0])), pairs[i][1]);
    assert_int_equal(sotto_language_find("klingon"), SOTTO_ELANGUAGE);
    assert_int_equal(sotto_language_find(""), SOTTO_ELANGUAGE);
    assert_int_equal(sotto_language_find(NULL), SOTTO_ELANGUAGE);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct vocab v = {0};
    assert_int_equal(make_vocab(&v, NULL, 0, true), 0);
    int err = SOTTO_ENOMEM, n = 0;
    for (; err == SOTTO_ENOMEM && n < 1000; n++) {
        struct tokenizer *t = NULL;
        mem_fail_at(n, 1);
        err = tokenizer_open(&t, v.tokens, v.n, "vocab", NULL);
        mem_fail_at(-1, 0);
        assert_true(err == SOTTO_ENOMEM || err == 0);
        tokenizer_close(&t);
    }
    assert_int_equal(err, 0);
    assert_true(n > 3);
    vocab_fini(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_multilingual),
        cmocka_unit_test(test_golden_english),
        cmocka_unit_test(test_special_ids),
        cmocka_unit_test(test_non_speech),
        cmocka_unit_test(test_merge_order),
        cmocka_unit_test(test_named_languages),
        cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_not_whisper),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_alphabet),
        cmocka_unit_test(test_languages),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
