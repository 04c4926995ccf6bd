/* base/mapfile: contents, empty files, what cannot be mapped. */
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mapfile.h"

static char dir[TEST_PATH], path[TEST_PATH + 16];

static int setup(void **state)
{
    (void)state;
    test_temp_dir(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_temp_dir_remove(dir);
    return 0;
}

static void test_contents(void **state)
{
    (void)state;
    static unsigned char data[50000];
    uint64_t seed = 3;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)test_random(&seed);
    test_write_file(path, data, sizeof data);
    struct mapfile m = {0};
    struct sotto_diag d = {0};
    assert_ok(mapfile_open(&m, path, &d), &d);
    assert_int_equal(m.size, sizeof data);
    assert_memory_equal(m.data, data, sizeof data);
    // Released pages come back with the same contents, whatever the range.
    mapfile_release(&m, m.data + 100, 30000);
    mapfile_release(&m, m.data, m.size);
    mapfile_release(&m, m.data + m.size, 1);
    mapfile_release(&m, m.data + 49999, SIZE_MAX);
    mapfile_release(&m, m.data - 4096, 10);
    assert_memory_equal(m.data, data, sizeof data);
    mapfile_close(&m);
    assert_null(m.data);
    mapfile_close(&m);
}

static void test_empty(void **state)
{
    (void)state;
    struct mapfile m = {.data = (const uint8_t *)"x", .size = 1};
    test_write_file(path, "", 0);
    assert_ok(mapfile_open(&m, path, NULL), NULL);
    assert_null(m.data);
    assert_int_equal(m.size, 0);
    mapfile_release(&m, NULL, 0);
    mapfile_close(&m);
}

static void expect_failure(const char *name, int code)
{
    struct mapfile m = {.size = 77};
    struct sotto_diag d = {0};
    assert_error(mapfile_open(&m, name, &d), code, &d);
    assert_int_equal(m.size, 77); // untouched
    assert_string_equal(d.file, name);
    assert_contains(d.text, name);
}

static void test_failures(void **state)
{
    (void)state;
    expect_failure(path, SOTTO_ENOENT);
    expect_failure(dir, SOTTO_EIO);
    expect_failure("/dev/null", SOTTO_EIO);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_failure(path, SOTTO_EIO); // and does not wait for a writer
    unlink(path);
    test_write_file(path, "x", 1);
    if (geteuid() != 0) { // root may read anything
        chmod(path, 0);
        expect_failure(path, SOTTO_EACCESS);
    }
    char below[TEST_PATH + 32];
    snprintf(below, sizeof below, "%s/below", path);
    expect_failure(below, SOTTO_ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_contents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
