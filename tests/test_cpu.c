/* base/cpu: agrees with the kernel's list of flags, and can be restricted. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"

// Is `flag` in /proc/cpuinfo's "flags" (x86) or "Features" (aarch64) line?
static bool kernel_says(const char *flag)
{
    static char line[16384];
    FILE *f = fopen("/proc/cpuinfo", "r");
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f)) {
        if (strncmp(line, "flags", 5) != 0 && strncmp(line, "Features", 8) != 0)
            continue;
        for (char *word = strtok(line, " \t\n"); word; word = strtok(NULL, " \t\n"))
            found |= strcmp(word, flag) == 0;
        break;
    }
    if (f)
        fclose(f);
    return found;
}

static void test_kernel_agrees(void **state)
{
    (void)state;
#if defined(__x86_64__)
    const struct {
        uint32_t flag;
        const char *names[4]; // all of them
    } rows[] = {
        {CPU_SSE2, {"sse2"}},
        {CPU_AVX2, {"avx2", "fma", "f16c"}},
        {CPU_AVX512, {"avx512f", "avx512bw", "avx512dq", "avx512vl"}},
        {CPU_AVX512_VNNI, {"avx512_vnni", "avx512f"}},
        {CPU_AVX512_BF16, {"avx512_bf16", "avx512f"}},
        {CPU_AVX_VNNI, {"avx_vnni", "avx2"}},
    };
#elif defined(__aarch64__)
    const struct {
        uint32_t flag;
        const char *names[4];
    } rows[] = {
        {CPU_NEON, {"asimd"}},
        {CPU_NEON_DOTPROD, {"asimddp"}},
        {CPU_NEON_BF16, {"bf16"}},
    };
#endif
    unsetenv("SOTTO_CPU");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool expected = true;
        for (int j = 0; j < 4 && rows[i].names[j]; j++)
            expected &= kernel_says(rows[i].names[j]);
        if (((cpu_flags() & rows[i].flag) != 0) != expected)
            fail_msg("%s: the kernel says %d, cpu_flags %d", rows[i].names[0], expected, !expected);
    }
}

static void test_mask(void **state)
{
    (void)state;
    unsetenv("SOTTO_CPU");
    uint32_t all = cpu_flags();
    assert_int_not_equal(all, 0);
    cpu_set_mask(0);
    assert_int_equal(cpu_flags(), 0);
    cpu_set_mask(CPU_SSE2 | CPU_NEON);
    assert_int_equal(cpu_flags(), all & (CPU_SSE2 | CPU_NEON));
    cpu_set_mask(~0u);
    assert_int_equal(cpu_flags(), all);
}

static void test_environment(void **state)
{
    (void)state;
    unsetenv("SOTTO_CPU");
    uint32_t all = cpu_flags();
    const struct {
        const char *name;
        uint32_t allowed;
    } rows[] = {
        {"ref", 0},
        {"sse2", CPU_SSE2},
        {"avx2", CPU_SSE2 | CPU_AVX2},
        {"avx512", CPU_SSE2 | CPU_AVX2 | CPU_AVX512},
        {"neon", CPU_NEON},
        {"no such level", ~0u},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        setenv("SOTTO_CPU", rows[i].name, 1);
        assert_int_equal(cpu_flags(), all & rows[i].allowed);
    }
    unsetenv("SOTTO_CPU");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel_agrees),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
