/* The sample buffer: padding at both ends, forgetting, numbers that are none. */
#include "support.h"

#include <math.h>

#include "engine/samples.h"

static void feed_ramp(struct samples *s, int from, int to)
{
    for (int i = from; i < to; i++) {
        float x = (float)i;
        assert_ok(samples_append(s, &x, 1, NULL), NULL);
    }
}

static void test_reflects_and_pads(void **state)
{
    struct samples s;
    float got[12];
    (void)state;
    samples_init(&s);
    feed_ramp(&s, 0, 6);
    s.complete = true;
    samples_copy(&s, -3, 12, got);
    const float expected[12] = {3, 2, 1, 0, 1, 2, 3, 4, 5, 0, 0, 0};
    assert_close_array(got, expected, 12, 0);
    samples_fini(&s);
}

static void test_reflection_of_a_short_recording_is_silence(void **state)
{
    struct samples s;
    float got[4];
    (void)state;
    samples_init(&s);
    feed_ramp(&s, 0, 2);
    s.complete = true;
    samples_copy(&s, -4, 4, got);
    const float expected[4] = {0, 0, 0, 1};
    assert_close_array(got, expected, 4, 0);
    samples_fini(&s);
}

static void test_forgets_in_bounded_memory(void **state)
{
    struct samples s;
    float block[1000], got[200];
    (void)state;
    samples_init(&s);
    for (int b = 0; b < 5000; b++) {
        for (int i = 0; i < 1000; i++)
            block[i] = (float)((b * 1000 + i) % 8191);
        assert_ok(samples_append(&s, block, 1000, NULL), NULL);
        samples_forget(&s, s.end - 200);
        samples_copy(&s, s.end - 200, 200, got);
        assert_close(got[0], (double)((s.end - 200) % 8191), 0);
        assert_close(got[199], (double)((s.end - 1) % 8191), 0);
    }
    assert_int_equal(s.end, 5000000);
    assert_in_range(s.capacity, 1, 1 << 17);
    samples_forget(&s, s.end + 100); // beyond what is there: everything goes
    assert_int_equal(s.begin, s.end);
    samples_fini(&s);
}

static void test_bad_numbers_are_silence(void **state)
{
    struct samples s;
    int64_t n_bad = 0;
    const float in[5] = {0.5f, NAN, INFINITY, -INFINITY, -0.25f};
    const float expected[5] = {0.5f, 0, 0, 0, -0.25f};
    float got[5];
    (void)state;
    samples_init(&s);
    assert_ok(samples_append(&s, in, 5, &n_bad), NULL);
    samples_copy(&s, 0, 5, got);
    assert_close_array(got, expected, 5, 0);
    assert_int_equal(n_bad, 3);
    samples_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reflects_and_pads),
        cmocka_unit_test(test_reflection_of_a_short_recording_is_silence),
        cmocka_unit_test(test_forgets_in_bounded_memory),
        cmocka_unit_test(test_bad_numbers_are_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
