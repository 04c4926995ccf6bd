/* What several tests need; see support.h. */
#include "support.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void test_close(double a, double b, double tolerance, const char *what, const char *file, int line)
{
    if (a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= tolerance)
        return;
    print_error("%s = %.9g, expected %.9g (differs by %.3g, allowed %.3g)\n", what, a, b,
                fabs(a - b), tolerance);
    _fail(file, line);
}

void test_close_array(const float *a, const float *b, size_t n, double tolerance, const char *what,
                      const char *file, int line)
{
    size_t worst = 0;
    double largest = 0;

    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        bool same = a[i] == b[i] || (isnan(a[i]) && isnan(b[i]));
        if (!same && (isnan(d) || d > largest)) {
            largest = isnan(d) ? INFINITY : d;
            worst = i;
        }
    }
    if (largest <= tolerance)
        return;
    print_error("%s[%zu] = %.9g, expected %.9g (worst of %zu, differs by %.3g, allowed %.3g)\n",
                what, worst, (double)a[worst], (double)b[worst], n, largest, tolerance);
    _fail(file, line);
}

void test_error(int err, int expected, const struct sotto_diag *diag, const char *what,
                const char *file, int line)
{
    if (err == expected)
        return;
    print_error("%s = %s (%d), expected %s (%d): %s\n", what, sotto_error_name(err), err,
                sotto_error_name(expected), expected, diag ? diag->text : "");
    _fail(file, line);
}

void test_contains(const char *text, const char *part, const char *file, int line)
{
    if (text && strstr(text, part))
        return;
    print_error("\"%s\" does not contain \"%s\"\n", text ? text : "(null)", part);
    _fail(file, line);
}

void test_temp_dir(char dst[TEST_PATH])
{
    const char *base = getenv("TMPDIR");

    snprintf(dst, TEST_PATH, "%s/sotto-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(dst))
        fail_msg("cannot make %s: %s", dst, strerror(errno));
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void test_temp_dir_remove(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void test_write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(data, 1, size, f) == size;

    if (f)
        ok &= fclose(f) == 0;
    if (!ok)
        fail_msg("cannot write %s: %s", path, strerror(errno));
}

void *test_read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    char *data = NULL;
    size_t used = 0, room = 0;

    if (!f)
        fail_msg("cannot read %s: %s", path, strerror(errno));
    do {
        room = room ? 2 * room : 4096;
        data = realloc(data, room + 1);
        assert_non_null(data);
        used += fread(data + used, 1, room - used, f);
    } while (used == room);
    fclose(f);
    data[used] = '\0';
    if (size)
        *size = used;
    return data;
}

int64_t test_bytes_read(void)
{
    FILE *f = fopen("/proc/self/io", "r");
    long long n = -1;

    assert_non_null(f);
    assert_int_equal(fscanf(f, "rchar: %lld", &n), 1);
    fclose(f);
    return n;
}

void test_model(const char *name, char dst[TEST_PATH])
{
    const char *store = getenv("SOTTO_MODELS"), *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");

    if (store && *store)
        snprintf(dst, TEST_PATH, "%s/%s", store, name);
    else if (data && *data)
        snprintf(dst, TEST_PATH, "%s/sotto/models/%s", data, name);
    else
        snprintf(dst, TEST_PATH, "%s/.local/share/sotto/models/%s", home ? home : "", name);
    if (access(dst, R_OK) != 0)
        test_skip("no model %s (`make test` fetches it)", dst);
}

void test_speech(const char *name, char dst[TEST_PATH])
{
    snprintf(dst, TEST_PATH, "/usr/share/pocketsphinx/test/data/%s", name);
    if (access(dst, R_OK) != 0)
        test_skip("no %s (Debian package pocketsphinx-testdata)", dst);
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value && strcmp(value, "0") != 0;
}

bool test_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return is_set("SOTTO_SANITIZED");
#endif
}

bool test_long(void)
{
    return is_set("SOTTO_TEST_LONG");
}

// splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
uint32_t test_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

float test_random_float(uint64_t *state, float lo, float hi)
{
    return lo + (hi - lo) * (float)(test_random(state) >> 8) / (float)(1 << 24);
}
