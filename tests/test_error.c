/* base/error: names and texts of every code, and diagnostics that stay valid whatever goes in. */
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(sotto_error_name(0), "OK");
    assert_string_equal(sotto_error_name(SOTTO_EMODEL), "EMODEL");
    assert_string_equal(sotto_error_text(SOTTO_EMODEL), "malformed or incomplete model");
    assert_string_equal(sotto_error_name(1), "EUNKNOWN");
    assert_string_equal(sotto_error_text(-1000), "unknown error");
    const int codes[] = {
#define X(value, name, text) SOTTO_E##name,
        SOTTO_ERROR_MAP(X)
#undef X
    };
    int n = sizeof codes / sizeof *codes;
    for (int i = 0; i < n; i++) { // one code, one name
        assert_true(codes[i] < 0);
        assert_string_not_equal(sotto_error_name(codes[i]), "EUNKNOWN");
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(codes[i], codes[j]);
            assert_string_not_equal(sotto_error_name(codes[i]), sotto_error_name(codes[j]));
        }
    }
}

static void test_version(void **state)
{
    (void)state;
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", SOTTO_VERSION_MAJOR, SOTTO_VERSION_MINOR,
             SOTTO_VERSION_PATCH);
    assert_string_equal(sotto_version(), expected);
}

static void test_set(void **state)
{
    (void)state;
    struct sotto_diag d = {.line = 7, .column = 9};
    assert_int_equal(diag_set(&d, SOTTO_EIO, "a.wav", "Cannot read %s: %d.", "a.wav", 5), SOTTO_EIO);
    assert_int_equal(d.code, SOTTO_EIO);
    assert_int_equal(d.line, 0);
    assert_int_equal(d.column, 0);
    assert_string_equal(d.file, "a.wav");
    assert_string_equal(d.text, "Cannot read a.wav: 5.");

    assert_int_equal(diag_set_at(&d, SOTTO_ESYNTAX, NULL, 3, 4, "bad"), SOTTO_ESYNTAX);
    assert_string_equal(d.file, "");
    assert_int_equal(d.line, 3);
    assert_int_equal(d.column, 4);

    assert_int_equal(diag_set(NULL, SOTTO_EIO, "x", "y"), SOTTO_EIO);
}

// A message may be wrapped around the one that stands in the same diagnostic.
static void test_set_from_itself(void **state)
{
    (void)state;
    struct sotto_diag d = {0};
    diag_set(&d, SOTTO_EIO, "f", "inner");
    diag_set(&d, SOTTO_EMODEL, d.file, "outer: %s", d.text);
    assert_string_equal(d.text, "outer: inner");
    assert_string_equal(d.file, "f");
}

static void test_long_text_is_cut_between_code_points(void **state)
{
    (void)state;
    for (int lead = 0; lead < 3; lead++) {
        char text[3000] = "";
        memset(text, 'x', (size_t)lead);
        for (size_t at = (size_t)lead; at + 3 < sizeof text; at += 3)
            memcpy(text + at, "\xE2\x82\xAC", 4);
        struct sotto_diag d = {0};
        diag_set(&d, SOTTO_EIO, text, "%s", text);
        assert_true(strlen(d.text) >= sizeof d.text - 3);
        assert_int_equal(utf8_valid_prefix(d.text, strlen(d.text)), strlen(d.text));
        assert_int_equal(utf8_valid_prefix(d.file, strlen(d.file)), strlen(d.file));
    }
}

static void test_bad_bytes_are_replaced(void **state)
{
    (void)state;
    struct sotto_diag d = {0};
    diag_set(&d, SOTTO_EIO, "a\xFF", "Cannot open %s.", "a\xFF");
    assert_string_equal(d.file, "a\xEF\xBF\xBD");
    assert_string_equal(d.text, "Cannot open a\xEF\xBF\xBD.");

    char bad[1100]; // grows threefold on repair and must still fit
    memset(bad, 0x80, sizeof bad);
    bad[sizeof bad - 1] = '\0';
    diag_set(&d, SOTTO_EIO, bad, "%s", bad);
    assert_true(strlen(d.text) < sizeof d.text);
    assert_int_equal(utf8_valid_prefix(d.text, strlen(d.text)), strlen(d.text));
    assert_int_equal(utf8_valid_prefix(d.file, strlen(d.file)), strlen(d.file));
}

static void test_errno(void **state)
{
    (void)state;
    const struct {
        int err, code;
    } rows[] = {
        {ENOENT, SOTTO_ENOENT},   {ENOTDIR, SOTTO_ENOENT},  {EACCES, SOTTO_EACCESS},
        {EPERM, SOTTO_EACCESS},   {ENOSPC, SOTTO_ENOSPACE}, {EDQUOT, SOTTO_ENOSPACE},
        {ENOMEM, SOTTO_ENOMEM},   {EIO, SOTTO_EIO},         {EROFS, SOTTO_EACCESS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sotto_diag d = {0};
        assert_error(diag_errno(&d, rows[i].err, "m/model.bin", "open"), rows[i].code, &d);
        assert_contains(d.text, "m/model.bin");
        assert_contains(d.text, "open");
        assert_contains(d.text, strerror(rows[i].err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_set_from_itself),
        cmocka_unit_test(test_long_text_is_cut_between_code_points),
        cmocka_unit_test(test_bad_bytes_are_replaced),
        cmocka_unit_test(test_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
