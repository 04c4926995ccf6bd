/* fetch/http against a local server that drops connections, lies about sizes and ignores ranges. */
#include "support.h"
#include "support_http.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fetch/http.h"

enum { SIZE = 300000 };

static unsigned char data[SIZE];
static char dir[TEST_PATH], file[TEST_PATH + 16], url[256];
static struct http_server *server;
static struct http_route route[3];
static struct site site;
static struct http_options opt;
static struct sotto_diag diag;

static int setup(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)test_random(&seed);
    test_temp_dir(dir);
    snprintf(file, sizeof file, "%s/file", dir);
    memset(route, 0, sizeof route);
    route[0] = (struct http_route){.path = "/f", .body = data, .size = SIZE};
    server = http_server_start(route);
    assert_non_null(server);
    http_server_url(server, "/f", url, sizeof url);
    opt = (struct http_options){
        .site = &site, .n_retries = 2, .retry_wait_ms = 1, .stall_timeout_s = 1};
    diag = (struct sotto_diag){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_server_stop(&server);
    test_temp_dir_remove(dir);
    return 0;
}

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static int download(int64_t size)
{
    struct http_info info;
    return http_download(url, file, size, true, &opt, &info, &diag);
}

static void assert_whole(void)
{
    size_t n;
    char *got = test_read_file(file, &n);
    assert_int_equal(n, SIZE);
    assert_memory_equal(got, data, SIZE);
    free(got);
}

static void test_whole(void **state)
{
    (void)state;
    assert_ok(download(SIZE), &diag);
    assert_whole();
    assert_int_equal(route[0].n_requests, 1);
    assert_ok(download(SIZE), &diag); // complete: the server is not asked
    assert_int_equal(route[0].n_requests, 1);
    unlink(file);
    assert_ok(download(0), &diag); // size not known
    assert_whole();
}

static void test_continues_after_drops(void **state)
{
    (void)state;
    route[0].n_drops = 5; // more than n_retries: progress earns patience
    route[0].drop_after = 50000;
    assert_ok(download(SIZE), &diag);
    assert_whole();
    assert_int_equal(route[0].n_requests, 6);
    assert_int_equal(route[0].n_ranges, 5);
}

static void test_continues_a_file_left_behind(void **state)
{
    (void)state;
    test_write_file(file, data, 100001);
    assert_ok(download(SIZE), &diag);
    assert_whole();
    assert_int_equal(route[0].n_requests, 1);
    assert_int_equal(route[0].n_ranges, 1);
}

static void test_keeps_what_came(void **state)
{
    (void)state;
    route[0].n_drops = 1000;
    route[0].drop_after = 0; // nothing ever comes after the first part
    test_write_file(file, data, 1234);
    assert_error(download(SIZE), SOTTO_ENETWORK, &diag);
    assert_int_equal(size_of(file), 1234);
    assert_int_equal(route[0].n_requests, 3);
}

static void test_range_ignored(void **state)
{
    (void)state;
    route[0].n_drops = 1;
    route[0].drop_after = 70000;
    route[0].ignore_range = true;
    assert_ok(download(SIZE), &diag);
    assert_whole();
    assert_int_equal(route[0].n_requests, 2);
}

static void test_range_ignored_and_always_dropped(void **state)
{
    (void)state;
    route[0].n_drops = 1000; // never comes further than this: must give up
    route[0].drop_after = 70000;
    route[0].ignore_range = true;
    assert_error(download(SIZE), SOTTO_ENETWORK, &diag);
    assert_true(route[0].n_requests <= 5);
}

static void test_wrong_range(void **state)
{
    (void)state;
    route[0].n_drops = 1;
    route[0].drop_after = 70000;
    route[0].range_delta = -3; // other bytes than asked for: begin anew, without a range
    assert_ok(download(SIZE), &diag);
    assert_whole();
    assert_int_equal(route[0].n_requests, 3);
}

static void test_left_behind_is_too_long(void **state)
{
    (void)state;
    static char junk[SIZE + 10];
    test_write_file(file, junk, sizeof junk);
    assert_ok(download(SIZE), &diag);
    assert_whole();
    // Size not known: the server has nothing at that place (416), so it begins anew.
    test_write_file(file, junk, sizeof junk);
    assert_ok(download(0), &diag);
    assert_whole();
}

static void test_status(void **state)
{
    (void)state;
    route[0].n_fails = 1000;
    route[0].fail_status = 404;
    assert_error(download(SIZE), SOTTO_ENETWORK, &diag);
    assert_contains(diag.text, "404");
    assert_int_equal(route[0].n_requests, 1); // asking again is no use
    assert_int_equal(size_of(file), 0);       // and the error page is not the file

    route[0].n_requests = 0;
    route[0].fail_status = 500;
    assert_error(download(SIZE), SOTTO_ENETWORK, &diag);
    assert_contains(diag.text, "500");
    assert_int_equal(route[0].n_requests, 3);

    route[0].n_requests = 0;
    route[0].n_fails = 2;
    route[0].fail_status = 503;
    assert_ok(download(SIZE), &diag);
    assert_whole();
}

static void test_length_too_large(void **state)
{
    (void)state;
    route[0].length_delta = 1000; // then closes the connection
    assert_error(download(0), SOTTO_ENETWORK, &diag);
    unlink(file);
    assert_ok(download(SIZE), &diag); // all that was wanted came, whatever it says
    assert_whole();
}

static void test_length_too_small(void **state)
{
    (void)state;
    route[0].length_delta = -1000; // the client stops reading where it is told to
    assert_error(download(SIZE), SOTTO_ENETWORK, &diag);
    assert_contains(diag.text, "299000 of 300000");
    assert_true(route[0].n_requests <= 4);
    route[0].length_delta = 0; // an honest server delivers the rest
    assert_ok(download(SIZE), &diag);
    assert_whole();
}

static void test_more_than_expected(void **state)
{
    (void)state;
    route[0].n_extra = 7;
    assert_error(download(SIZE), SOTTO_ENETWORK, &diag);
    assert_contains(diag.text, "more than");
    assert_int_equal(size_of(file), -1);
    assert_int_equal(route[0].n_requests, 1);
}

static void test_stall(void **state)
{
    (void)state;
    struct timespec a, b;
    route[0].stall = true;
    opt.n_retries = 0;
    clock_gettime(CLOCK_MONOTONIC, &a);
    assert_error(download(SIZE), SOTTO_ENETWORK, &diag);
    clock_gettime(CLOCK_MONOTONIC, &b);
    // A second attempt follows because the first made progress.
    assert_true(b.tv_sec - a.tv_sec < 9);
    assert_true(size_of(file) >= SIZE / 2);
}

static int n_polls;

static bool abort_soon(void *user)
{
    (void)user;
    return ++n_polls > 2;
}

static void test_abort(void **state)
{
    (void)state;
    route[0].stall = true;
    opt.stall_timeout_s = 30;
    opt.should_abort = abort_soon;
    n_polls = 0;
    assert_error(download(SIZE), SOTTO_EABORTED, &diag);
}

static int64_t last_done, last_total;

static void on_progress(void *user, int64_t done, int64_t total)
{
    (void)user;
    assert_true(done >= last_done);
    last_done = done;
    last_total = total;
}

static void test_progress(void **state)
{
    (void)state;
    opt.on_progress = on_progress;
    last_done = last_total = 0;
    test_write_file(file, data, 1000);
    assert_ok(download(0), &diag);
    assert_int_equal(last_done, SIZE);
    assert_int_equal(last_total, SIZE); // also when continued
}

static void test_no_server(void **state)
{
    (void)state;
    opt.n_retries = 50;
    opt.retry_wait_ms = 100;
    http_server_stop(&server); // nobody listens there any more
    time_t begun = time(NULL);
    assert_error(download(SIZE), SOTTO_ENETWORK, &diag);
    assert_true(time(NULL) - begun <= 3);
    snprintf(url, sizeof url, "http://name.invalid/x");
    assert_error(download(SIZE), SOTTO_ENETWORK, &diag);
    assert_contains(diag.text, "name.invalid");
}

static void test_secrets_stay_secret(void **state)
{
    (void)state;
    snprintf(url, sizeof url, "http://user:secret@127.0.0.1:%d/none", http_server_port(server));
    assert_error(download(SIZE), SOTTO_ENETWORK, &diag);
    assert_null(strstr(diag.text, "secret"));
    assert_null(strstr(diag.file, "secret"));
    assert_contains(diag.text, "127.0.0.1");
}

static void test_redirects(void **state)
{
    (void)state;
    char location[600], from[256];
    struct http_info info;
    snprintf(location, sizeof location,
             "Location: %s\r\nX-Linked-Size: 300000\r\nX-Linked-ETag: \"%s\"\r\n", url,
             "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1");
    route[1] = (struct http_route){.path = "/r", .body = "", .status = 302, .headers = location};
    http_server_url(server, "/r", from, sizeof from);
    assert_ok(http_download(from, file, SIZE, true, &opt, &info, &diag), &diag);
    assert_whole();
    assert_string_equal(info.url, url);
    assert_int_equal(info.size, 300000);
    assert_string_equal(info.sha256,
                        "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1");

    // Away from the network, and in circles.
    unlink(file);
    route[1].headers = "Location: file:///etc/hostname\r\n";
    assert_error(http_download(from, file, 0, true, &opt, &info, &diag), SOTTO_ENETWORK, &diag);
    assert_int_equal(size_of(file), 0);
    route[1].headers = "Location: /r\r\n";
    assert_error(http_download(from, file, 0, true, &opt, &info, &diag), SOTTO_ENETWORK, &diag);
}

static void test_disk_full(void **state)
{
    (void)state;
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){100000, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    int err = download(SIZE);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_error(err, SOTTO_ENOSPACE, &diag);
    assert_int_equal(route[0].n_requests, 1);
    assert_ok(download(SIZE), &diag); // with room again it goes on
    assert_whole();
    assert_int_equal(route[0].n_ranges, 1);
}

static void test_unwritable(void **state)
{
    (void)state;
    snprintf(file, sizeof file, "%s/no/file", dir);
    assert_error(download(SIZE), SOTTO_ENOENT, &diag);
    assert_int_equal(route[0].n_requests, 0);
}

static void test_get(void **state)
{
    (void)state;
    char *body = NULL;
    size_t n = 0;
    struct http_info info;
    route[0].type = "text/plain";
    assert_ok(http_get(url, NULL, SIZE, &body, &n, &opt, &info, &diag), &diag);
    assert_int_equal(n, SIZE);
    assert_memory_equal(body, data, SIZE);
    assert_int_equal(body[SIZE], 0);
    assert_string_equal(info.type, "text/plain");
    free(body);
    body = NULL;
    assert_error(http_get(url, NULL, SIZE - 1, &body, &n, &opt, &info, &diag), SOTTO_ENETWORK, &diag);
    assert_null(body);
    route[0].size = 0;
    assert_ok(http_get(url, NULL, SIZE, &body, &n, &opt, NULL, &diag), &diag);
    assert_string_equal(body, "");
    free(body);
}

static void test_resolve(void **state)
{
    (void)state;
    const struct {
        const char *base, *ref, *expected;
    } rows[] = {
        {"https://a.example/simple/x/", "https://b.example/f.whl#sha256=1", "https://b.example/f.whl"},
        {"https://a.example/simple/x/", "../../packages/f.whl", "https://a.example/packages/f.whl"},
        {"https://a.example/simple/x/", "/f.whl?q=1", "https://a.example/f.whl?q=1"},
        {"https://a.example/simple/x/", "f.whl", "https://a.example/simple/x/f.whl"},
    };
    char out[200];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(http_resolve(rows[i].base, rows[i].ref, out, sizeof out), 0);
        assert_string_equal(out, rows[i].expected);
    }
    assert_int_equal(http_resolve("nonsense", "f", out, sizeof out), SOTTO_EINVAL);
    assert_int_equal(http_resolve(rows[0].base, rows[0].ref, out, 10), SOTTO_EINVAL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    // A proxy of the surroundings has no business with the loopback interface.
    setenv("no_proxy", "*", 1);
    const struct CMUnitTest tests[] = {
        T(test_whole),
        T(test_continues_after_drops),
        T(test_continues_a_file_left_behind),
        T(test_keeps_what_came),
        T(test_range_ignored),
        T(test_range_ignored_and_always_dropped),
        T(test_wrong_range),
        T(test_left_behind_is_too_long),
        T(test_status),
        T(test_length_too_large),
        T(test_length_too_small),
        T(test_more_than_expected),
        T(test_stall),
        T(test_abort),
        T(test_progress),
        T(test_no_server),
        T(test_secrets_stay_secret),
        T(test_redirects),
        T(test_disk_full),
        T(test_unwritable),
        T(test_get),
        T(test_resolve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
