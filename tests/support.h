/*
 * What several tests need: cmocka's headers in the right order, comparisons that print both values,
 * temporary folders, the model store and the recordings of Debian's pocketsphinx-testdata. A test
 * that lacks something calls test_skip, which ends it as skipped with the reason.
 */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sotto.h>

enum { TEST_PATH = 4096 };

/* Fails unless |a - b| <= tolerance; prints both. Two NaNs, or the same infinity, are equal. */
#define assert_close(a, b, tolerance) test_close((a), (b), (tolerance), #a, __FILE__, __LINE__)
void test_close(double a, double b, double tolerance, const char *what, const char *file, int line);

/* The same for n floats; prints the worst element. */
#define assert_close_array(a, b, n, tolerance)                                                     \
    test_close_array((a), (b), (n), (tolerance), #a, __FILE__, __LINE__)
void test_close_array(const float *a, const float *b, size_t n, double tolerance, const char *what,
                      const char *file, int line);

/* Fails unless the code is `expected`; prints names of both and the diagnostic (NULL allowed). */
#define assert_error(err, expected, diag)                                                          \
    test_error((err), (expected), (diag), #err, __FILE__, __LINE__)
void test_error(int err, int expected, const struct sotto_diag *diag, const char *what,
                const char *file, int line);
#define assert_ok(err, diag) assert_error(err, SOTTO_OK, diag)

/* Fails unless `text` contains `part`; prints both. */
#define assert_contains(text, part) test_contains((text), (part), __FILE__, __LINE__)
void test_contains(const char *text, const char *part, const char *file, int line);

/* Ends the test as skipped, with the reason. */
#define test_skip(...) (print_message("skipped: " __VA_ARGS__), print_message("\n"), skip())

/* A new empty folder, removed with all in it by test_temp_dir_remove. */
void test_temp_dir(char dst[TEST_PATH]);
void test_temp_dir_remove(const char *path);

/* Writes / reads a whole file; the memory is the caller's (free). Failing fails the test. */
void test_write_file(const char *path, const void *data, size_t size);
void *test_read_file(const char *path, size_t *size); // a NUL follows the last byte

/* Bytes that this process has read so far, from files and pipes. */
int64_t test_bytes_read(void);

/* Path of a file or folder of the model store ("base", "silero-vad/silero_vad_16k.safetensors").
 * Skips the test if it is not there. */
void test_model(const char *name, char dst[TEST_PATH]);

/* Path of a file of pocketsphinx-testdata, from its data folder ("librivox/...wav", "numbers.raw").
 * Skips the test if the package is not installed. */
void test_speech(const char *name, char dst[TEST_PATH]);

/* Is this a sanitised build (slower), is the long variant of a test wanted? */
bool test_sanitized(void);
bool test_long(void);

/* Deterministic pseudo-random numbers; `state` is the seed, any value. */
uint32_t test_random(uint64_t *state);
float test_random_float(uint64_t *state, float lo, float hi);

#endif
