/* Names of output files, and that they appear complete or not at all. */
#include "support.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

/* Paths of the user: folder and stem. */
static void test_split_paths(void **state)
{
    static const char *const paths[] = {"x", "a/b", "/x", "a//b.c", "./-x"};
    static const char *const expected[][2] = {
        {".", "x"}, {"a", "b"}, {"/", "x"}, {"a/", "b.c"}, {".", "-x"}};
    enum { N = sizeof(paths) / sizeof(paths[0]) };
    char **dirs, **stems;
    (void)state;
    assert_true(output_split_paths(paths, N, &dirs, &stems));
    for (int i = 0; i < N; i++) {
        assert_string_equal(dirs[i], expected[i][0]);
        assert_string_equal(stems[i], expected[i][1]);
    }
    output_free_stems(dirs, N);
    output_free_stems(stems, N);
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

/* What an earlier run left is replaced by as much or more, never by less. */
static void test_partial_of_an_earlier_run(void **state)
{
    struct output_request request = request_of(1u << WRITER_TXT | 1u << WRITER_JSON);
    const int n_segments[] = {2, 3, 1, 1};
    struct output *o;
    char names[3 * TEST_PATH];
    (void)state;
    for (int run = 0; run < 4; run++) {
        assert_int_equal(output_open(&o, &request, message), 0);
        for (int i = 0; i < n_segments[run]; i++)
            assert_int_equal(output_add(o, &segment, message), 0);
        assert_int_equal(output_commit(o, "en", true, message), 0);
        *names = '\0';
        output_names(o, names, sizeof(names));
        output_close(&o);
        assert_contains(names, run < 2 ? "/talk.partial.{txt,json}" : "/talk.partial.2.{txt,json}");
    }
    assert_content("talk.partial.txt", "Hello\nHello\nHello\n");
    assert_content("talk.partial.2.txt", "Hello\n");
    assert_int_equal(n_files(), 4);
}

/* json is written at the end, but has its room from the first segment on. */
static void test_full_json(void **state)
{
    struct output_request request = request_of(1u << WRITER_JSON);
    struct rlimit old, limit;
    struct output *o;
    char path[2 * TEST_PATH];
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (int most = 0; most < 3; most++) {
        int n = 0, status = 0;
        limit = old;
        limit.rlim_cur = 64 + (rlim_t)most * 230; // a segment takes some 200 bytes
        assert_int_equal(output_open(&o, &request, message), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        while (!status && n < 100) {
            status = output_add(o, &segment, message);
            n++;
        }
        int err = output_commit(o, "en", true, path);
        output_close(&o);
        setrlimit(RLIMIT_FSIZE, &old);
        assert_int_equal(status, CLI_EXIT_OUTPUT);
        assert_contains(message, "talk.json: File too large");
        assert_int_equal(n, most + 1);
        assert_int_equal(err, most ? 0 : CLI_EXIT_OUTPUT);
        assert_int_equal(exists("talk.partial.json"), most > 0);
        if (!most)
            continue;
        snprintf(path, sizeof(path), "%s/talk.partial.json", dir);
        json_t *doc = json_load_file(path, 0, NULL);
        assert_non_null(doc);
        assert_int_equal(json_array_size(json_object_get(doc, "segments")), most);
        json_decref(doc);
    }
    assert_int_equal(n_files(), 1);
}

/* A file that can grow no further: whole segments are kept, in formats written as they come. */
static void test_full(void **state)
{
    struct output_request request =
        request_of(1u << WRITER_TXT | 1u << WRITER_VTT);
    struct rlimit old, limit;
    struct output *o;
    char names[3 * TEST_PATH];
    int n = 0, status = 0;
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 100; // the third subtitle does not fit
    assert_int_equal(output_open(&o, &request, message), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    while (!status && n < 100) {
        status = output_add(o, &segment, message);
        n++;
    }
    int again = output_commit(o, "en", true, names);
    output_names(o, names, sizeof(names));
    output_close(&o);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, CLI_EXIT_OUTPUT);
    assert_contains(message, "talk.vtt: File too large");
    assert_int_equal(again, 0);
    assert_contains(names, "/talk.partial.{txt,vtt}");
    assert_int_equal(n, 3);
    assert_content("talk.partial.txt", "Hello\nHello\nHello\n");
    assert_content("talk.partial.vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n\n"
                                       "00:00.000 --> 00:01.000\nHello\n\n");
    assert_int_equal(n_files(), 2);
}

/* One format fails at the end; the others get their names, also those after it. */
static void test_one_fails(void **state)
{
    struct output_request request =
        request_of(1u << WRITER_TXT | 1u << WRITER_JSON | 1u << WRITER_CSV);
    struct rlimit old, limit;
    struct output *o;
    char names[3 * TEST_PATH];
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 64;
    assert_int_equal(output_open(&o, &request, message), 0);
    assert_int_equal(output_add(o, &segment, message), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int first = output_commit(o, "en", false, message);
    setrlimit(RLIMIT_FSIZE, &old); // space again: still no json without its segments
    int second = output_commit(o, "en", true, names);
    output_names(o, names, sizeof(names));
    output_close(&o);
    assert_int_equal(first, CLI_EXIT_OUTPUT);
    assert_int_equal(second, CLI_EXIT_OUTPUT);
    assert_contains(message, "talk.json: File too large");
    assert_contains(names, "/talk.{txt,csv}");
    assert_int_equal(n_files(), 2);
}

static void test_folder_removed(void **state)
{
    struct output_request request = request_of(1u << WRITER_TXT | 1u << WRITER_SRT);
    struct output *o;
    char sub[2 * TEST_PATH], command[4 * TEST_PATH];
    (void)state;
    snprintf(sub, sizeof(sub), "%s/sub", dir);
    request.dir = sub;
    assert_int_equal(output_prepare_dir(sub, message), 0);
    assert_int_equal(output_open(&o, &request, message), 0);
    assert_int_equal(output_add(o, &segment, message), 0);
    snprintf(command, sizeof(command), "rm -r '%s'", sub);
    assert_int_equal(system(command), 0);
    assert_int_equal(output_add(o, &segment, message), 0);
    assert_int_equal(output_commit(o, "en", false, message), 0);
    output_close(&o);
    assert_content("sub/talk.txt", "Hello\nHello\n");
    assert_true(exists("sub/talk.srt"));
    assert_int_equal(system(command), 0);
}

/* A name that cannot be had: the text stays where the message says. */
static void test_name_taken_meanwhile(void **state)
{
    struct output_request request = request_of(1u << WRITER_TXT);
    struct output *o;
    char path[2 * TEST_PATH], content[64] = "";
    (void)state;
    snprintf(path, sizeof(path), "%s/talk.txt", dir);
    assert_int_equal(output_open(&o, &request, message), 0);
    assert_int_equal(output_add(o, &segment, message), 0);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(output_commit(o, "en", false, message), CLI_EXIT_OUTPUT);
    output_close(&o);
    assert_contains(message, "talk.txt: Is a directory; its contents are in ");
    FILE *kept = fopen(strstr(message, "are in ") + 7, "r");
    assert_non_null(kept);
    assert_non_null(fgets(content, sizeof(content), kept));
    fclose(kept);
    assert_string_equal(content, "Hello\n");
    assert_int_equal(unlink(strstr(message, "are in ") + 7), 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(n_files(), 0);
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
        cmocka_unit_test(test_split_paths),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_folder_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_name_taken_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_partial_and_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_partial_of_an_earlier_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_overwrite, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prepare_dir, setup, teardown),
    };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
