/*
 * The output formats, byte by byte. What openai/whisper defines (txt, srt, vtt, tsv) was computed
 * by its own whisper/utils.py (20250625) from the segments below; the one difference is that "-->"
 * becomes "->" in subtitles made of words too. lrc and csv follow whisper.cpp's examples/cli/cli.cpp.
 */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/writers.h"

// clang-format off
static const struct sotto_word words_a[] = {
    {" Grüße,", 0.0, 0.5, 0.5f}, {" world", 0.5, 1.2, 0.5f}, {" -", 1.2, 1.25, 0.5f},
    {"->", 1.25, 2.4995, 0.5f},
};
static const struct sotto_word words_b[] = {
    {" It\tis", 2.6, 3.0, 0.5f}, {" \"good\".", 3.0, 4.32, 0.123456789f},
};
static const struct sotto_word words_c[] = {
    {" 日本", 3725.0005, 3725.5, 0.5f}, {"語", 3725.5, 3726.0, 0.5f},
    {"です", 3726.1, 3726.5015, 0.5f},
};
static const int32_t tokens_a[] = {50364, 2690, 50489};
#define NUMBERS .temperature = 0.2f, .avg_logprob = -0.276214391f, .compression_ratio = 1.25f, \
                .no_speech_prob = 0.00123456f, .language = "de"
static const struct sotto_segment segments[] = {
    {.id = 0, .start_s = 0, .end_s = 2.4995, .seek_s = 0, .text = " Grüße, world -->\u00a0",
     .tokens = tokens_a, .n_tokens = 3, .words = words_a, .n_words = 4, NUMBERS},
    {.id = 1, .start_s = 2.5, .end_s = 4.32, .seek_s = 0, .text = " It\tis \"good\".",
     .words = words_b, .n_words = 2, NUMBERS},
    {.id = 2, .start_s = 3725.0005, .end_s = 3726.5015, .seek_s = 3720.12, .text = " 日本語です",
     .words = words_c, .n_words = 3, NUMBERS},
};
enum { N_SEGMENTS = sizeof(segments) / sizeof(segments[0]) };

static const char TXT[] =
    "Grüße, world -->\n"
    "It\tis \"good\".\n"
    "日本語です\n";
static const char SRT[] =
    "1\n"
    "00:00:00,000 --> 00:00:02,500\n"
    "Grüße, world ->\n"
    "\n"
    "2\n"
    "00:00:02,500 --> 00:00:04,320\n"
    "It\tis \"good\".\n"
    "\n"
    "3\n"
    "01:02:05,000 --> 01:02:06,502\n"
    "日本語です\n"
    "\n";
static const char VTT[] =
    "WEBVTT\n"
    "\n"
    "00:00.000 --> 00:02.500\n"
    "Grüße, world ->\n"
    "\n"
    "00:02.500 --> 00:04.320\n"
    "It\tis \"good\".\n"
    "\n"
    "01:02:05.000 --> 01:02:06.502\n"
    "日本語です\n"
    "\n";
static const char TSV[] =
    "start\tend\ttext\n"
    "0\t2500\tGrüße, world -->\n"
    "2500\t4320\tIt is \"good\".\n"
    "3725000\t3726502\t日本語です\n";
static const char SRT_WORDS[] =
    "1\n"
    "00:00:00,000 --> 00:00:02,500\n"
    "Grüße, world ->\n"
    "\n"
    "2\n"
    "00:00:02,600 --> 00:00:04,320\n"
    "It\tis \"good\".\n"
    "\n"
    "3\n"
    "01:02:05,000 --> 01:02:06,502\n"
    "日本語です\n"
    "\n";
static const char VTT_WIDTH[] =
    "WEBVTT\n"
    "\n"
    "00:00.000 --> 00:02.500\n"
    "Grüße, world\n"
    "->\n"
    "\n"
    "00:02.600 --> 00:04.320\n"
    "It\tis\n"
    "\"good\".\n"
    "\n"
    "01:02:05.000 --> 01:02:06.502\n"
    "日本語です\n"
    "\n";
static const char SRT_WIDTH_COUNT[] =
    "1\n"
    "00:00:00,000 --> 00:00:03,000\n"
    "Grüße, world -\n"
    "-> It\tis\n"
    "\n"
    "2\n"
    "00:00:03,000 --> 00:00:04,320\n"
    "\"good\".\n"
    "\n"
    "3\n"
    "01:02:05,000 --> 01:02:06,502\n"
    "日本語です\n"
    "\n";
static const char SRT_PER_LINE[] =
    "1\n"
    "00:00:00,000 --> 00:00:01,200\n"
    "Grüße, world\n"
    "\n"
    "2\n"
    "00:00:01,200 --> 00:00:02,500\n"
    "->\n"
    "\n"
    "3\n"
    "00:00:02,600 --> 00:00:04,320\n"
    "It\tis \"good\".\n"
    "\n"
    "4\n"
    "01:02:05,000 --> 01:02:06,000\n"
    "日本語\n"
    "\n"
    "5\n"
    "01:02:06,100 --> 01:02:06,502\n"
    "です\n"
    "\n";
static const char VTT_HIGHLIGHT[] =
    "WEBVTT\n"
    "\n"
    "00:00.000 --> 00:00.500\n"
    "<u>Grüße,</u> world -\n"
    "\n"
    "00:00.500 --> 00:01.200\n"
    "Grüße, <u>world</u> -\n"
    "\n"
    "00:01.200 --> 00:01.250\n"
    "Grüße, world <u>-</u>\n"
    "\n"
    "00:01.250 --> 00:02.500\n"
    "<u>-></u>\n"
    "\n"
    "00:02.600 --> 00:03.000\n"
    "<u>It\tis</u> \"good\".\n"
    "\n"
    "00:03.000 --> 00:04.320\n"
    "It\tis <u>\"good\".</u>\n"
    "\n"
    "01:02:05.000 --> 01:02:05.500\n"
    "<u>日本</u>語です\n"
    "\n"
    "01:02:05.500 --> 01:02:06.000\n"
    "日本<u>語</u>です\n"
    "\n"
    "01:02:06.000 --> 01:02:06.100\n"
    "日本語です\n"
    "\n"
    "01:02:06.100 --> 01:02:06.502\n"
    "日本語<u>です</u>\n"
    "\n";
static const char LRC[] =
    "[by:sotto]\n"
    "[00:00.00] Grüße, world -->\u00a0\n"
    "[00:02.50] It\tis \"good\".\n"
    "[62:05.00] 日本語です\n";
static const char CSV[] =
    "start,end,text\n"
    "0,2500,\" Grüße, world -->\u00a0\"\n"
    "2500,4320,\" It\tis \"\"good\"\".\"\n"
    "3725000,3726502,\" 日本語です\"\n";

static const struct {
    const char *name, *format, *expected;
    struct writer_options options; // words, highlight, width, count, words per line
} cases[] = {
    {"txt", "txt", TXT, {0}},
    {"srt", "srt", SRT, {0}},
    {"vtt", "vtt", VTT, {0}},
    {"tsv", "tsv", TSV, {0}},
    {"lrc", "lrc", LRC, {0}},
    {"csv", "csv", CSV, {0}},
    {"srt of words", "srt", SRT_WORDS, {true, false, 0, 0, 0}},
    {"vtt, 12 wide", "vtt", VTT_WIDTH, {true, false, 12, 0, 0}},
    {"srt, 14 wide, 2 lines", "srt", SRT_WIDTH_COUNT, {true, false, 14, 2, 0}},
    {"srt, 2 words", "srt", SRT_PER_LINE, {true, false, 0, 0, 2}},
    {"vtt, highlighted", "vtt", VTT_HIGHLIGHT, {true, true, 0, 0, 3}},
};
// clang-format on

/* Everything the writer makes of the segments; the caller frees it. */
static char *write_all(const char *format, const struct writer_options *options,
                       const struct sotto_segment *s, int n, const char *language)
{
    char *text = NULL;
    size_t size = 0;
    struct writer *w = NULL;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    int found = writer_find(format, strlen(format));
    assert_true(found >= 0);
    assert_int_equal(writer_open(&w, (enum writer_format)found, file, options), 0);
    for (int i = 0; i < n; i++)
        assert_int_equal(writer_add(w, &s[i]), 0);
    assert_int_equal(writer_finish(w, language), 0);
    writer_close(&w);
    assert_null(w);
    fclose(file);
    return text;
}

static void test_goldens(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = write_all(cases[i].format, &cases[i].options, segments, N_SEGMENTS, "de");
        if (strcmp(text, cases[i].expected) != 0)
            fail_msg("%s: wrote\n%s---- expected\n%s----", cases[i].name, text, cases[i].expected);
        free(text);
    }
}

static void test_nothing(void **state)
{
    static const char *const expected[][2] = {
        {"txt", ""},
        {"srt", ""},
        {"vtt", "WEBVTT\n\n"},
        {"tsv", "start\tend\ttext\n"},
        {"lrc", "[by:sotto]\n"},
        {"csv", "start,end,text\n"},
        {"json", "{\"text\": \"\", \"segments\": [], \"language\": null}\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        char *text =
            write_all(expected[i][0], &(struct writer_options){.words = true}, NULL, 0, NULL);
        assert_string_equal(text, expected[i][1]);
        free(text);
    }
}

/* A segment without text shows in json only; one with text but no words is not lost. */
static void test_blank_and_wordless(void **state)
{
    const struct sotto_segment s[] = {
        {.id = 0, .start_s = 0, .end_s = 1, .text = " \u3000 "},
        {.id = 1, .start_s = 1, .end_s = 2, .text = " One", .words = words_a, .n_words = 1},
        {.id = 2, .start_s = 2, .end_s = 3, .text = " Two\n\nthree"},
    };
    const struct writer_options words = {.words = true};
    (void)state;
    char *text = write_all("srt", &words, s, 3, NULL);
    assert_string_equal(text, "1\n00:00:00,000 --> 00:00:00,500\nGrüße,\n\n"
                              "2\n00:00:02,000 --> 00:00:03,000\nTwo\nthree\n\n");
    free(text);
    text = write_all("tsv", &words, s, 3, NULL);
    assert_string_equal(text, "start\tend\ttext\n1000\t2000\tOne\n2000\t3000\tTwo  three\n");
    free(text);
    text = write_all("json", &words, s, 1, NULL);
    assert_contains(text, "\"id\": 0");
    free(text);
}

static const json_t *get(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);
    if (!value)
        fail_msg("no field %s", key);
    return value;
}

static void check_json_segment(const json_t *s)
{
    static const char *const fields[] = {"id",
                                         "seek",
                                         "start",
                                         "end",
                                         "text",
                                         "tokens",
                                         "temperature",
                                         "avg_logprob",
                                         "compression_ratio",
                                         "no_speech_prob",
                                         "words"};
    size_t i = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)s, key, value)
    {
        assert_true(i < sizeof(fields) / sizeof(fields[0]));
        assert_string_equal(key, fields[i++]);
    }
    assert_int_equal(i, sizeof(fields) / sizeof(fields[0]));
    assert_int_equal(json_integer_value(get(s, "seek")), 372012);
    assert_close(json_real_value(get(s, "end")), 3726.5015, 1e-9);
    assert_string_equal(json_string_value(get(s, "text")), " 日本語です");
    assert_int_equal(json_array_size(get(s, "tokens")), 0);
    assert_int_equal(json_array_size(get(s, "words")), 3);
}

static void test_json(void **state)
{
    json_error_t error;
    const struct writer_options options = {.words = true};
    (void)state;
    char *text = write_all("json", &options, segments, N_SEGMENTS, "de");
    assert_contains(text, "\"temperature\": 0.2, \"avg_logprob\": -0.2762144, "
                          "\"compression_ratio\": 1.25, \"no_speech_prob\": 0.00123456");
    assert_contains(text, "\"tokens\": [50364, 2690, 50489]");
    assert_contains(text, "{\"word\": \" \\\"good\\\".\", \"start\": 3.0, \"end\": 4.32, "
                          "\"probability\": 0.12345679}");
    json_t *root = json_loads(text, 0, &error);
    if (!root)
        fail_msg("%s: %s", error.text, text);
    assert_string_equal(json_string_value(get(root, "text")),
                        " Grüße, world -->\u00a0 It\tis \"good\". 日本語です");
    assert_string_equal(json_string_value(get(root, "language")), "de");
    assert_int_equal(json_array_size(get(root, "segments")), N_SEGMENTS);
    check_json_segment(json_array_get(get(root, "segments"), 2));
    json_decref(root);
    free(text);
}

static void test_json_not_finite(void **state)
{
    const struct sotto_segment s = {
        .text = "x", .avg_logprob = NAN, .compression_ratio = INFINITY, .end_s = 1};
    (void)state;
    char *text = write_all("json", &(struct writer_options){0}, &s, 1, "en");
    assert_contains(text, "\"avg_logprob\": null, \"compression_ratio\": null");
    assert_null(strstr(text, "words"));
    free(text);
}

/* A long recording: time and memory linear in the text. Quadratic would take minutes. */
static void test_json_long(void **state)
{
    enum { N = 20000 };
    struct writer *w;
    FILE *file = tmpfile();
    (void)state;
    assert_non_null(file);
    assert_int_equal(writer_open(&w, WRITER_JSON, file, &(struct writer_options){0}), 0);
    for (int i = 0; i < N; i++) {
        struct sotto_segment s = segments[2];
        s.id = i;
        assert_int_equal(writer_add(w, &s), 0);
    }
    assert_int_equal(writer_finish(w, "ja"), 0);
    writer_close(&w);
    rewind(file);
    json_t *root = json_loadf(file, 0, NULL);
    assert_non_null(root);
    assert_int_equal(json_array_size(get(root, "segments")), N);
    json_decref(root);
    fclose(file);
}

/* Errors of the file come back as EIO, not as silence. */
static void test_full_disk(void **state)
{
    (void)state;
    for (int format = 0; format < WRITER_FORMAT_COUNT; format++) {
        struct writer *w = NULL;
        FILE *file = fopen("/dev/full", "w");
        if (!file)
            test_skip("no /dev/full");
        setvbuf(file, NULL, _IONBF, 0);
        int err = writer_open(&w, (enum writer_format)format, file, &(struct writer_options){0});
        if (!err)
            err = writer_add(w, &segments[0]);
        if (!err)
            err = writer_finish(w, NULL);
        assert_error(err, SOTTO_EIO, NULL);
        writer_close(&w);
        fclose(file);
    }
}

static void check_line(const struct sotto_segment *s, bool timestamps, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_int_equal(writer_print_line(file, s, timestamps), 0);
    fclose(file);
    assert_string_equal(text, expected);
    free(text);
}

static void test_print_line(void **state)
{
    const struct sotto_segment early = {.start_s = -0.5, .end_s = 59.9996, .text = "x"};
    const struct sotto_segment blank = {.text = " \n"};
    (void)state;
    check_line(&segments[1], true, "[00:02.500 --> 00:04.320]  It\tis \"good\".\n");
    check_line(&segments[2], true, "[01:02:05.000 --> 01:02:06.502]  日本語です\n");
    check_line(&segments[2], false, "日本語です\n");
    check_line(&early, true, "[00:00.000 --> 01:00.000] x\n");
    check_line(&blank, true, "");
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < WRITER_FORMAT_COUNT; i++) {
        const char *name = writer_name((enum writer_format)i);
        assert_int_equal(writer_find(name, strlen(name)), i);
    }
    assert_int_equal(writer_find("SRT", 3), WRITER_SRT);
    assert_int_equal(writer_find("sr", 2), SOTTO_EINVAL);
    assert_int_equal(writer_find("srtx", 4), SOTTO_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goldens),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_blank_and_wordless),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_not_finite),
        cmocka_unit_test(test_json_long),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_print_line),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("writers", tests, NULL, NULL);
}
