/* base/utf8 against an independent definition: encode every code point, and try every byte pair. */
#include "support.h"

#include <string.h>

#include "base/utf8.h"

// Encodes by the definition of UTF-8 (RFC 3629, section 3); 0 for surrogates and beyond the range.
static int encode(uint32_t c, char *dst)
{
    if ((c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF)
        return 0;
    if (c < 0x80) {
        dst[0] = (char)c;
        return 1;
    }
    int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, c >>= 6)
        dst[i] = (char)(0x80 | (c & 0x3F));
    dst[0] = (char)((0xF00 >> n) | c);
    return n;
}

static void test_every_code_point(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        char s[4];
        uint32_t back = ~0u;
        int n = encode(c, s);
        if (n == 0)
            continue;
        if (utf8_decode(s, (size_t)n, &back) != n || back != c)
            fail_msg("U+%04X decodes to U+%04X", c, back);
        for (int cut = 0; cut < n; cut++)
            if (utf8_decode(s, (size_t)cut, NULL) != 0)
                fail_msg("U+%04X cut to %d bytes is not called incomplete", c, cut);
    }
}

// Counts the valid sequences of each length among all byte strings: as many as there are code points.
static void test_nothing_else_is_valid(void **state)
{
    (void)state;
    long n_valid[5] = {0};
    for (uint32_t word = 0; word < 1u << 24; word++) { // the last byte does not matter to 2 and 3
        char s[4] = {(char)(word >> 16), (char)(word >> 8), (char)word, (char)0x80};
        int n = utf8_decode(s, 4, NULL);
        if (n > 0 && n < 4 && (n == 3 || (s[2] == 0 && (n == 2 || s[1] == 0))))
            n_valid[n]++;
        if (n == 4)
            n_valid[4] += 64; // each third byte goes with 64 last bytes
    }
    assert_int_equal(n_valid[1], 0x80);
    assert_int_equal(n_valid[2], 0x800 - 0x80);
    assert_int_equal(n_valid[3], 0x10000 - 0x800 - 0x800);
    assert_int_equal(n_valid[4], 0x100000);
}

static void test_invalid(void **state)
{
    (void)state;
    const char *bad[] = {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80",
                         "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5", "\xFF", "\xC3\x28",
                         "\xE2\x82\x28", "\xF0\x9F\x98\x28"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(utf8_decode(bad[i], strlen(bad[i]), NULL), -1);
}

static void test_valid_prefix(void **state)
{
    (void)state;
    assert_int_equal(utf8_valid_prefix("", 0), 0);
    assert_int_equal(utf8_valid_prefix("abc", 3), 3);
    assert_int_equal(utf8_valid_prefix("a\xE2\x82\xAC", 4), 4);
    assert_int_equal(utf8_valid_prefix("a\xE2\x82", 3), 1);
    assert_int_equal(utf8_valid_prefix("a\xFF""b", 3), 1);
}

// Expected values: Python 3, bytes.decode("utf-8", "replace").
static void test_repair(void **state)
{
    (void)state;
    const struct {
        const char *in, *out;
    } rows[] = {
        {"plain", "plain"},
        {"a\xFF""b", "a\xEF\xBF\xBD""b"},
        {"\xE2\x82", "\xEF\xBF\xBD"},
        {"\xE2\x82x", "\xEF\xBF\xBDx"},
        {"\xF0\x9F\x98", "\xEF\xBF\xBD"},
        {"\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xF0\x80\x80\x41", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x41"},
        {"\xE2\x82\xAC\xE2", "\xE2\x82\xAC\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[64];
        size_t n = utf8_repair(out, rows[i].in, strlen(rows[i].in));
        assert_string_equal(out, rows[i].out);
        assert_int_equal(n, strlen(rows[i].out));
    }
}

static void test_repair_random(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char in[16], out[3 * sizeof in + 1];
        size_t n = test_random(&seed) % (sizeof in + 1);
        for (size_t i = 0; i < n; i++) // bytes near the edges of the table are the interesting ones
            in[i] = (char)(test_random(&seed) % 3 ? 0x80 + test_random(&seed) % 0x80
                                                  : test_random(&seed));
        size_t m = utf8_repair(out, in, n);
        assert_true(m <= 3 * n);
        assert_int_equal(out[m], 0);
        assert_int_equal(utf8_valid_prefix(out, m), m);
    }
}

// Expected values: Python 3, str.isspace of every code point, and str.strip.
static void test_white_space(void **state)
{
    (void)state;
    const uint32_t spaces[] = {0x09,   0x0A,   0x0B,   0x0C,   0x0D,   0x1C,   0x1D,   0x1E,
                               0x1F,   0x20,   0x85,   0xA0,   0x1680, 0x2000, 0x2001, 0x2002,
                               0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200A,
                               0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
    const size_t n_spaces = sizeof spaces / sizeof *spaces;
    const struct {
        const char *in, *out;
    } rows[] = {
        {"", ""},
        {" \n\xE3\x80\x80\xC2\xA0", ""},
        {"a", "a"},
        {"\xE3\x80\x80 a b\xC2\xA0", "a b"},
        {"\xE2\x80\xA8\xE3\x81\x82\xE3\x80\x80\xE3\x81\x84\x1F", "\xE3\x81\x82\xE3\x80\x80\xE3\x81\x84"},
        {" \xFF ", "\xFF"},
        {" \xE3\x80", "\xE3\x80"}, // a space cut off is none
        {"\xE2\x80\x8B ", "\xE2\x80\x8B"}, // nor is the one of no width
    };
    size_t k = 0;

    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        bool expected = k < n_spaces && spaces[k] == c;
        k += expected;
        if (utf8_is_space(c) != expected)
            fail_msg("U+%04X is %staken for white space", c, expected ? "not " : "");
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].in);
        const char *s = utf8_strip(rows[i].in, &n);
        assert_int_equal(n, strlen(rows[i].out));
        assert_memory_equal(s, rows[i].out, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point), cmocka_unit_test(test_nothing_else_is_valid),
        cmocka_unit_test(test_invalid),          cmocka_unit_test(test_valid_prefix),
        cmocka_unit_test(test_repair),           cmocka_unit_test(test_repair_random),
        cmocka_unit_test(test_white_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
