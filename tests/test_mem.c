/* base/mem: alignment, overflow, growing, and the hook that makes allocations fail. */
#include "support.h"

#include <string.h>

#include "base/mem.h"

static void test_alignment(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300; n += 7) {
        char *p = mem_alloc(n, 1);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(p, 1, n);
        mem_free(p);
    }
    mem_free(NULL);
}

static void test_overflow(void **state)
{
    (void)state;
    assert_null(mem_alloc(SIZE_MAX / 2, 3));
    assert_null(mem_alloc(SIZE_MAX, 1));
    assert_null(mem_calloc(SIZE_MAX / 4 + 1, 4));
    assert_null(mem_alloc_huge(SIZE_MAX));
    char *p = mem_alloc(4, 1);
    assert_null(mem_grow(p, 4, SIZE_MAX / 2, 4)); // and p is still ours
    memset(p, 1, 4);
    mem_free(p);
}

static void test_calloc_zeroes(void **state)
{
    (void)state;
    unsigned char *p = mem_alloc(1000, 1); // likely to be handed out again
    memset(p, 0xAA, 1000);
    mem_free(p);
    p = mem_calloc(250, 4);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    mem_free(p);
}

static void test_grow(void **state)
{
    (void)state;
    int *p = mem_grow(NULL, 0, 3, sizeof *p);
    for (int i = 0; i < 3; i++)
        p[i] = i + 10;
    p = mem_grow(p, 3, 100, sizeof *p);
    assert_int_equal((uintptr_t)p % 64, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(p[i], i + 10);
    mem_free(p);
}

static void test_strdup(void **state)
{
    (void)state;
    char *s = mem_strdup("caf\xC3\xA9");
    assert_string_equal(s, "caf\xC3\xA9");
    mem_free(s);
    assert_null(mem_strdup(NULL));
}

static void test_huge(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 4096, (2 << 20) - 1, 2 << 20, (5 << 20) + 3};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *p = mem_alloc_huge(sizes[i]);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % (2 << 20), 0);
        for (size_t at = 0; at < sizes[i]; at += 4096)
            assert_int_equal(p[at], 0);
        if (sizes[i])
            p[sizes[i] - 1] = 1;
        mem_free_huge(p, sizes[i]);
    }
    mem_free_huge(NULL, 10);
}

static bool alloc_works(void)
{
    void *p = mem_alloc(8, 1);
    mem_free(p);
    return p != NULL;
}

static void test_fail_once(void **state)
{
    (void)state;
    mem_fail_at(2, 0);
    assert_true(alloc_works());
    assert_true(alloc_works());
    assert_false(alloc_works());
    assert_true(alloc_works());
    assert_int_equal(mem_fail_at(-1, 0), 4);
}

static void test_fail_sticky(void **state)
{
    (void)state;
    mem_fail_at(1, 1);
    assert_true(alloc_works());
    for (int i = 0; i < 5; i++)
        assert_false(alloc_works());
    assert_null(mem_strdup("x"));
    assert_null(mem_calloc(1, 1));
    assert_null(mem_alloc_huge(1));
    mem_fail_at(-1, 0);
    assert_true(alloc_works());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment),     cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_calloc_zeroes), cmocka_unit_test(test_grow),
        cmocka_unit_test(test_strdup),        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_fail_once),     cmocka_unit_test(test_fail_sticky),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
