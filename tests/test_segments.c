/*
 * Tokens to segments: slices at pairs of timestamps, what is left over, and characters whose bytes
 * fall on both sides of a boundary. Expectations by hand from the rules in segments.h.
 */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/segments.h"

/* A vocabulary of the English size in which token i is the byte i, for i < 256. */
enum { EOT = 50256, N_TOKENS = 51864 };

static struct tokenizer *open_bytes(void)
{
    static char bytes[256];
    struct token_bytes *tokens = mem_calloc(N_TOKENS, sizeof *tokens);
    static char names[N_TOKENS][8];
    struct tokenizer *t = NULL;
    struct sotto_diag diag = {0};

    for (int i = 0; i < N_TOKENS; i++) {
        if (i < 256) {
            bytes[i] = (char)i;
            tokens[i] = (struct token_bytes){&bytes[i], 1};
        } else {
            snprintf(names[i], sizeof names[i], "<%d>", i);
            tokens[i] = (struct token_bytes){names[i], (int)strlen(names[i])};
        }
    }
    assert_ok(tokenizer_open(&t, tokens, N_TOKENS, "test", &diag), &diag);
    assert_int_equal(tokenizer_special(t)->eot, EOT);
    mem_free(tokens);
    return t;
}

struct built {
    int32_t tokens[256];
    int n;
};

static void text(struct built *b, const char *s)
{
    while (*s)
        b->tokens[b->n++] = (unsigned char)*s++;
}

static void stamp(struct built *b, const struct tokenizer *t, double seconds)
{
    b->tokens[b->n++] = tokenizer_special(t)->timestamp_begin + (int)(seconds * 50 + 0.5);
}

static struct segments_end cut(struct segment_list *list, const struct tokenizer *t,
                               const struct built *b, double duration_s, bool keep_tail)
{
    struct segments_window w = {b->tokens, b->n, 100.0, duration_s, keep_tail};
    struct segments_end end = {0};
    *list = (struct segment_list){0};
    assert_ok(segments_cut(list, t, &w, &end), NULL);
    return end;
}

static void check(const struct segment *s, double start_s, double end_s, const char *expected)
{
    assert_close(s->start_s, start_s, 1e-9);
    assert_close(s->end_s, end_s, 1e-9);
    assert_string_equal(s->text, expected);
}

static void test_pairs_and_single_ending(void **state)
{
    struct tokenizer *t = *state;
    struct segment_list list;
    struct built b = {.n = 0};
    stamp(&b, t, 0), text(&b, " one"), stamp(&b, t, 2.5), stamp(&b, t, 3), text(&b, " two"),
        stamp(&b, t, 7.02);
    struct segments_end end = cut(&list, t, &b, 30, false);
    assert_true(end.single_ending);
    assert_close(end.resume_s, 30, 0);
    assert_int_equal(list.n, 2);
    check(&list.items[0], 100, 102.5, " one");
    check(&list.items[1], 103, 107.02, " two");
    segment_list_fini(&list);
}

static void test_unfinished_end_is_left_or_kept(void **state)
{
    struct tokenizer *t = *state;
    struct segment_list list;
    struct built b = {.n = 0};
    stamp(&b, t, 0), text(&b, " one"), stamp(&b, t, 2), stamp(&b, t, 2), text(&b, " two");

    struct segments_end end = cut(&list, t, &b, 30, false);
    assert_false(end.single_ending);
    assert_close(end.resume_s, 2, 1e-9);
    assert_int_equal(list.n, 1);
    check(&list.items[0], 100, 102, " one");
    segment_list_fini(&list);

    end = cut(&list, t, &b, 12, true);
    assert_close(end.resume_s, 12, 0);
    assert_int_equal(list.n, 2);
    check(&list.items[1], 102, 112, " two");
    segment_list_fini(&list);
}

static void test_without_pairs(void **state)
{
    struct tokenizer *t = *state;
    struct segment_list list;
    struct built b = {.n = 0};

    stamp(&b, t, 0), text(&b, " all"), stamp(&b, t, 4);
    struct segments_end end = cut(&list, t, &b, 9, false);
    assert_int_equal(list.n, 1);
    check(&list.items[0], 100, 104, " all");
    assert_close(end.resume_s, 9, 0);
    segment_list_fini(&list);

    b.n = 0;
    stamp(&b, t, 0), text(&b, " all");
    cut(&list, t, &b, 9, false);
    check(&list.items[0], 100, 109, " all");
    segment_list_fini(&list);

    b.n = 0;
    cut(&list, t, &b, 9, false);
    assert_int_equal(list.n, 1);
    check(&list.items[0], 100, 109, "");
    assert_true(segment_is_blank(&list.items[0]));
    segment_list_fini(&list);
}

static void test_split_character_goes_to_the_first(void **state)
{
    struct tokenizer *t = *state;
    struct segment_list list;
    struct built b = {.n = 0};
    /* U+20AC is e2 82 ac: two bytes before the boundary, one after it. */
    stamp(&b, t, 0), text(&b, " a\xe2\x82"), stamp(&b, t, 1), stamp(&b, t, 1),
        text(&b, "\xac z"), stamp(&b, t, 2);
    cut(&list, t, &b, 30, false);
    assert_int_equal(list.n, 2);
    check(&list.items[0], 100, 101, " a\xe2\x82\xac");
    check(&list.items[1], 101, 102, " z");
    segment_list_fini(&list);

    b.n = 0; // nothing completes it: replaced, never printed broken
    stamp(&b, t, 0), text(&b, " a\xe2\x82"), stamp(&b, t, 1), stamp(&b, t, 1), text(&b, " z"),
        stamp(&b, t, 2);
    cut(&list, t, &b, 30, false);
    check(&list.items[0], 100, 101, " a\xef\xbf\xbd");
    check(&list.items[1], 101, 102, " z");
    segment_list_fini(&list);
}

static void test_out_of_memory(void **state)
{
    struct tokenizer *t = *state;
    struct built b = {.n = 0};
    stamp(&b, t, 0), text(&b, " one"), stamp(&b, t, 2), stamp(&b, t, 2), text(&b, " two"),
        stamp(&b, t, 3);
    struct segments_window w = {b.tokens, b.n, 0, 30, false};
    int failures = 0;
    for (long n = 0; n < 64; n++) {
        struct segment_list list = {0};
        struct segments_end end;
        mem_fail_at(n, 1);
        int err = segments_cut(&list, t, &w, &end);
        mem_fail_at(-1, 0);
        segment_list_fini(&list);
        if (!err)
            break;
        assert_error(err, SOTTO_ENOMEM, NULL);
        failures++;
    }
    assert_in_range(failures, 3, 60);
}

static int setup(void **state)
{
    *state = open_bytes();
    return 0;
}

static int teardown(void **state)
{
    struct tokenizer *t = *state;
    tokenizer_close(&t);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_and_single_ending),
        cmocka_unit_test(test_unfinished_end_is_left_or_kept),
        cmocka_unit_test(test_without_pairs),
        cmocka_unit_test(test_split_character_goes_to_the_first),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
