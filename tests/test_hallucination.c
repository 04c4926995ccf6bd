/* engine/hallucination: the score of words, suspected segments, and what the rule does with a window
 * (openai/whisper, whisper/transcribe.py, hallucination_silence_threshold). */
#include "support.h"

#include <math.h>

#include "engine/hallucination.h"

static struct sotto_word word(const char *text, double start_s, double end_s, double probability)
{
    return (struct sotto_word){text, start_s, end_s, (float)probability};
}

static struct words_segment over(struct sotto_word *w, int n)
{
    return (struct words_segment){
        .start_s = w[0].start_s, .end_s = w[n - 1].end_s, .words = w, .n_words = n};
}

static double score(double duration_s, double probability)
{
    struct sotto_word w = word(" a", 10, 10 + duration_s, probability);
    return hallucination_score(&w);
}

static void test_score(void **state)
{
    (void)state;
    assert_close(score(0.5, 0.9), 0, 0);
    assert_close(score(0.5, 0.1), 1, 0);
    assert_close(score(0.033, 0.9), 1.5, 1e-9); // 0.1 s short of 0.133, times 15
    assert_close(score(3.5, 0.9), 1.5, 1e-9);
    assert_close(score(0.0, 0.1), 1 + 0.133 * 15, 1e-9);
    assert_close(score(2.0, 0.15), 0, 1e-6);
}

static void test_suspected(void **state)
{
    (void)state;
    struct sotto_word w[10] = {{0}};
    struct words_segment s = over(w, 1);

    s.n_words = 0;
    assert_false(hallucination_suspected(&s));
    assert_false(hallucination_suspected(NULL));
    for (int i = 0; i < 10; i++)
        w[i] = word(" a", i, i + 0.5, 0.9);
    s = over(w, 10);
    assert_false(hallucination_suspected(&s));
    w[8].probability = w[9].probability = 0; // only the first eight count
    w[0].probability = w[1].probability = 0;
    assert_false(hallucination_suspected(&s));
    w[7].probability = 0; // a score of 3
    assert_true(hallucination_suspected(&s));
    w[7].probability = 0.9f;
    w[0].text = "."; // punctuation is left out, so that the ninth word counts
    assert_false(hallucination_suspected(&s));
    w[2].probability = 0;
    assert_true(hallucination_suspected(&s));
    s.n_words = 1; // punctuation alone
    assert_true(hallucination_suspected(&s));
    w[0] = word(" a", 0, 0.5, 0.1); // one word of one
    assert_true(hallucination_suspected(&s));
}

static struct hallucination_window window(void)
{
    return (struct hallucination_window){
        .threshold_s = 2,
        .offset_s = 100,
        .segment_s = 30,
        .content_s = 500,
        .last_speech_s = 99,
        .window_s = 30,
    };
}

static void test_judge_ordinary(void **state)
{
    (void)state;
    struct hallucination_window win = window();
    struct sotto_word w[2] = {word(" a", 101, 101.5, 0.9), word(" b", 101.5, 102, 0.9)};
    struct words_segment s = over(w, 2);
    double seek = -1;
    int kept = -1;

    // much of the window is left after the last word: go on there
    assert_int_equal(hallucination_judge(&win, &s, 1, &seek, &kept), HALLUCINATION_SEEK);
    assert_close(seek, 102, 1e-9);
    // little is left: the next window
    w[1].end_s = s.end_s = 129;
    w[1].start_s = 128.5;
    assert_int_equal(hallucination_judge(&win, &s, 1, &seek, &kept), HALLUCINATION_SEEK);
    assert_close(seek, 130, 1e-9);
    // a single timestamp at the end had the last word on where to go
    win.single_timestamp_ending = true;
    seek = -1;
    assert_int_equal(hallucination_judge(&win, &s, 1, &seek, &kept), HALLUCINATION_NONE);
    assert_int_equal(hallucination_judge(&win, NULL, 0, &seek, &kept), HALLUCINATION_NONE);
    assert_close(seek, -1, 0);
    assert_int_equal(kept, -1);
}

static void test_judge_leading_silence(void **state)
{
    (void)state;
    struct hallucination_window win = window();
    struct sotto_word w[1] = {word(" a", 105, 105.5, 0.05)};
    struct words_segment s[2] = {{.start_s = 100, .end_s = 103}, over(w, 1)}; // first has no words
    double seek = -1;
    int kept = -1;

    assert_int_equal(hallucination_judge(&win, s, 2, &seek, &kept), HALLUCINATION_RETRY);
    assert_close(seek, 105, 1e-9);
    w[0].probability = 0.9f;
    assert_int_equal(hallucination_judge(&win, s, 2, &seek, &kept), HALLUCINATION_SEEK);
}

static void test_judge_between_silences(void **state)
{
    (void)state;
    struct hallucination_window win = window();
    struct sotto_word good[1] = {word(" a", 100.5, 101, 0.9)};
    struct sotto_word bad[1] = {word(" b", 110, 110.5, 0.05)};
    struct sotto_word late[1] = {word(" c", 120, 120.5, 0.9)};
    struct words_segment s[3] = {over(good, 1), over(bad, 1), over(late, 1)};
    double seek = -1;
    int kept = -1;

    assert_int_equal(hallucination_judge(&win, s, 3, &seek, &kept), HALLUCINATION_CUT);
    assert_int_equal(kept, 1);
    assert_close(seek, 110, 1e-9);
    // speech follows closely: kept
    late[0] = word(" c", 111, 111.5, 0.9);
    s[2] = over(late, 1);
    assert_int_equal(hallucination_judge(&win, s, 3, &seek, &kept), HALLUCINATION_SEEK);
    // followed closely by another suspect: both go
    late[0].probability = 0;
    assert_int_equal(hallucination_judge(&win, s, 3, &seek, &kept), HALLUCINATION_CUT);
    assert_int_equal(kept, 1);
    // speech just before: kept, and the suspect after it is no longer after silence
    good[0] = word(" a", 109, 109.5, 0.9);
    s[0] = over(good, 1);
    assert_int_equal(hallucination_judge(&win, s, 3, &seek, &kept), HALLUCINATION_SEEK);
    // nothing after it: the window's end decides
    good[0] = word(" a", 100.5, 101, 0.9);
    s[0] = over(good, 1);
    assert_int_equal(hallucination_judge(&win, s, 2, &seek, &kept), HALLUCINATION_CUT);
    // near the recording's end the rest is given up
    win.content_s = 130;
    bad[0] = word(" b", 128.5, 129, 0.05);
    s[1] = over(bad, 1);
    assert_int_equal(hallucination_judge(&win, s, 2, &seek, &kept), HALLUCINATION_CUT);
    assert_true(seek == 130);
    // never back to where the window began
    bad[0] = word(" b", 100.2, 100.3, 0.0);
    s[0] = over(bad, 1);
    win.content_s = 500;
    assert_int_equal(hallucination_judge(&win, s, 1, &seek, &kept), HALLUCINATION_CUT);
    assert_int_equal(kept, 0);
    assert_close(seek, 101, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_score),
        cmocka_unit_test(test_suspected),
        cmocka_unit_test(test_judge_ordinary),
        cmocka_unit_test(test_judge_leading_silence),
        cmocka_unit_test(test_judge_between_silences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
