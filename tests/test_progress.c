/* The progress line: what it says, and that it fits the terminal. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "cmd/progress.h"

static const char *line(int width, const char *label, double done, double total, double left)
{
    static char text[512];
    size_t n = progress_format(text, sizeof(text), width, label, done, total, left);
    assert_int_equal(n, strlen(text));
    return text;
}

static void test_lines(void **state)
{
    (void)state;
    assert_string_equal(line(60, "", 30, 60, 12),
                        "[##############..............]  50% 00:30/01:00, 00:12 left");
    assert_string_equal(line(60, "2/5", 0, 7200, -1),
                        "2/5 [..................................]   0% 00:00/2:00:00");
    assert_string_equal(line(60, "", 3661, -1, -1), "1:01:01 done");
    assert_string_equal(line(60, "1/2", 0, -1, -1), "1/2 working");
}

/* Whatever comes in, the line is shorter than the terminal and never more than 100 %. */
static void test_fits(void **state)
{
    static const double values[] = {-5, 0, 0.5, 59.9, 3599.7, 36000, 1e7, 1e300, -1e300};
    enum { N = sizeof(values) / sizeof(values[0]) };
    (void)state;
    for (int width = 20; width <= 200; width += 9)
        for (int i = 0; i < N * N * N; i++) {
            const char *text =
                line(width, "12/345", values[i % N], values[i / N % N], values[i / N / N]);
            if ((int)strlen(text) >= width)
                fail_msg("width %d: %s", width, text);
        }
    assert_contains(line(80, "", 70, 60, 0), "100% 01:10/01:00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_fits),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
