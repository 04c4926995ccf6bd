/* Names of output files, and that they appear complete or not at all. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/exit.h"
#include "cmd/output.h"

static char dir[TEST_PATH];
static char message[OUTPUT_MESSAGE_SIZE];
static const struct sotto_segment segment = {.end_s = 1, .text = " Hello"};

static int setup(void **state)
{
    (void)state;
    test_temp_dir(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_temp_dir_remove(dir);
    return 0;
}

static bool exists(const char *name)
{
    char path[2 * TEST_PATH];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void assert_content(const char *name, const char *expected)
{
    char path[2 * TEST_PATH];
    size_t size;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    char *text = test_read_file(path, &size);
    assert_string_equal(text, expected);
    free(text);
}

static int n_files(void)
{
    char command[2 * TEST_PATH];
    int n = -1;
    snprintf(command, sizeof(command), "ls -A '%s' | wc -l", dir);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%d", &n), 1);
    pclose(pipe);
    return n;
}

static struct output_request request_of(unsigned formats)
{
    return (struct output_request){
        .dir = dir, .stem = "talk", .formats = formats, .overwrite = true};
}

static void test_stems(void **state)
{
    static const char *const inputs[] = {
        "a/talk.wav", "b/talk.mp3", "c/talk.mp3", "d/talk.mp3",        "-",      ".hidden",
        "..x.wav",    "a.b.c.ogg",  "noext",      "http://h/show.mp3", "dir/x/",
    };
    static const char *const expected[] = {
        "talk", "talk.mp3", "talk.2", "talk.3", "stdin", ".hidden",
        "..x",  "a.b.c",    "noext",  "show",   "x",
    };
    enum { N = sizeof(inputs) / sizeof(inputs[0]) };
    (void)state;
    char **stems = output_plan_stems(inputs, N);
    assert_non_null(stems);
    for (int i = 0; i < N; i++)
        assert_string_equal(stems[i], expected[i]);
    output_free_stems(stems, N);
}

static void test_commit(void **state)
{
    struct output_request request = request_of(1u << WRITER_TXT | 1u << WRITER_TSV);
    struct output *o;
    char names[3 * TEST_PATH];
    (void)state;
    assert_int_equal(output_open(&o, &request, message), 0);
    assert_int_equal(output_add(o, &segment, message), 0);
    assert_false(exists("talk.txt"));
    assert_int_equal(output_commit(o, "en", false, message), 0);
    output_names(o, names, sizeof(names));
    assert_contains(names, "/talk.{txt,tsv}");
    output_close(&o);
    assert_null(o);
    assert_content("talk.txt", "Hello\n");
    assert_content("talk.tsv", "start\tend\ttext\n0\t1000\tHello\n");
    assert_int_equal(n_files(), 2);
}

static void test_partial_and_dropped(void **state)
{
    struct output_request request = request_of(1u << WRITER_TXT);
    struct output *o;
    (void)state;
    assert_int_equal(output_open(&o, &request, message), 0);
    assert_int_equal(output_add(o, &segment, message), 0);
    assert_int_equal(output_commit(o, "en", true, message), 0);
    output_close(&o);
    assert_content("talk.partial.txt", "Hello\n");
    assert_int_equal(output_open(&o, &request, message), 0);
    assert_int_equal(output_add(o, &segment, message), 0);
    output_close(&o); // not committed: nothing stays
    assert_int_equal(n_files(), 1);
}

static void test_no_overwrite(void **state)
{
    struct output_request request = request_of(1u << WRITER_TXT | 1u << WRITER_SRT);
    struct output *o;
    char path[2 * TEST_PATH];
    (void)state;
    snprintf(path, sizeof(path), "%s/talk.txt", dir);
    test_write_file(path, "old", 3);
    request.overwrite = false;
    assert_int_equal(output_open(&o, &request, message), 0);
    assert_int_equal(output_commit(o, "en", false, message), 0);
    output_close(&o);
    assert_content("talk.txt", "old");
    assert_true(exists("talk.srt"));
    assert_int_equal(output_open(&o, &request, message), 0);
    assert_null(o);
    assert_int_equal(n_files(), 2);
}

static void test_in_the_way(void **state)
{
    struct output_request request = request_of(1u << WRITER_TXT);
    struct output *o;
    char path[2 * TEST_PATH], link[2 * TEST_PATH];
    const char *inputs[] = {link};
    (void)state;
    snprintf(path, sizeof(path), "%s/talk.txt", dir);
    snprintf(link, sizeof(link), "%s/link", dir);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(output_open(&o, &request, message), CLI_EXIT_OUTPUT);
    assert_contains(message, "talk.txt: Is a directory");
    assert_int_equal(rmdir(path), 0);
    test_write_file(path, "RIFF", 4); // the recording itself, under another name
    assert_int_equal(symlink("talk.txt", link), 0);
    request.inputs = inputs;
    request.n_inputs = 1;
    assert_int_equal(output_open(&o, &request, message), CLI_EXIT_OUTPUT);
    assert_contains(message, "it is one of the recordings");
    assert_content("talk.txt", "RIFF");
    assert_int_equal(n_files(), 2);
}

static void test_long_name(void **state)
{
    char stem[300];
    struct output_request request = request_of(1u << WRITER_TXT);
    struct output *o;
    (void)state;
    memset(stem, 'x', sizeof(stem) - 1);
    stem[sizeof(stem) - 1] = '\0';
    request.stem = stem;
    assert_int_equal(output_open(&o, &request, message), CLI_EXIT_OUTPUT);
    assert_contains(message, "File name too long");
    stem[245] = '\0'; // fits, though not with ".partial" or a long temporary name
    assert_int_equal(output_open(&o, &request, message), 0);
    assert_int_equal(output_commit(o, NULL, false, message), 0);
    output_close(&o);
    assert_int_equal(n_files(), 1);
}

static void test_prepare_dir(void **state)
{
    char path[2 * TEST_PATH];
    struct stat st;
    (void)state;
    snprintf(path, sizeof(path), "%s/a/b//c/", dir);
    assert_int_equal(output_prepare_dir(path, message), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(output_prepare_dir(path, message), 0);
    assert_int_equal(output_prepare_dir("-", message), 0);
    snprintf(path, sizeof(path), "%s/file", dir);
    test_write_file(path, "", 0);
    assert_int_equal(output_prepare_dir(path, message), CLI_EXIT_OUTPUT);
    assert_contains(message, "Not a directory");
    assert_int_equal(output_prepare_dir("/proc/sotto", message), CLI_EXIT_OUTPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stems),
        cmocka_unit_test_setup_teardown(test_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_partial_and_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_overwrite, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prepare_dir, setup, teardown),
    };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
