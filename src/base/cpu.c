/*
 * What this processor can do. x86-64: Intel SDM volume 2 (CPUID) and volume 1, section 13 (XGETBV:
 * the operating system must save the wide registers); AMD APM volume 3, appendix E. aarch64: the
 * kernel's arch/arm64/include/uapi/asm/hwcap.h.
 */
#include "base/cpu.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

static _Atomic uint32_t allowed = ~0u; // cpu_set_mask

enum {
    LEVEL_AVX2 = CPU_SSE2 | CPU_AVX2,
    LEVEL_AVX512 = LEVEL_AVX2 | CPU_AVX512,
};

// What SOTTO_CPU may name: each level holds those below it.
static const struct level {
    const char *name;
    uint32_t flags;
} levels[] = {
    {"ref", 0},
    {"sse2", CPU_SSE2},
    {"avx2", LEVEL_AVX2},
    {"avxvnni", LEVEL_AVX2 | CPU_AVX_VNNI},
    {"avx512", LEVEL_AVX512},
    {"avx512vnni", LEVEL_AVX512 | CPU_AVX512_VNNI},
    {"avx512bf16", LEVEL_AVX512 | CPU_AVX512_VNNI | CPU_AVX512_BF16},
    {"neon", CPU_NEON},
    {"neondot", CPU_NEON | CPU_NEON_DOTPROD},
    {"neonbf16", CPU_NEON | CPU_NEON_DOTPROD | CPU_NEON_BF16},
};

#if defined(__x86_64__)
static uint32_t xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo;
}

static uint32_t detect(void)
{
    enum {
        XCR0_AVX = 0x06,    // SSE and AVX state
        XCR0_AVX512 = 0xE6, // also mask registers and both halves of ZMM
    };
    const uint32_t avx512_bits = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; // F, DQ, BW, VL
    uint32_t a, b, c, d, flags = CPU_SSE2;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27)) // OSXSAVE
        return flags;
    uint32_t leaf1_c = c, saved = xcr0();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return flags;
    uint32_t leaf7_b = b, leaf7_c = c, leaf7_a1 = 0;
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
        leaf7_a1 = a;

    bool fma_f16c = (leaf1_c & 1u << 12) && (leaf1_c & 1u << 29);
    if ((saved & XCR0_AVX) != XCR0_AVX || !(leaf7_b & 1u << 5) || !fma_f16c)
        return flags;
    flags |= CPU_AVX2;
    if (leaf7_a1 & 1u << 4)
        flags |= CPU_AVX_VNNI;
    if ((saved & XCR0_AVX512) != XCR0_AVX512 || (leaf7_b & avx512_bits) != avx512_bits)
        return flags;
    flags |= CPU_AVX512;
    if (leaf7_c & 1u << 11)
        flags |= CPU_AVX512_VNNI;
    if (leaf7_a1 & 1u << 5)
        flags |= CPU_AVX512_BF16;
    return flags;
}
#elif defined(__aarch64__)
static uint32_t detect(void)
{
    enum { ASIMDDP = 1 << 20, BF16 = 1 << 14 }; // bits of AT_HWCAP and of AT_HWCAP2
    uint32_t flags = CPU_NEON;                  // part of the base architecture

    if (getauxval(AT_HWCAP) & ASIMDDP)
        flags |= CPU_NEON_DOTPROD;
    if (getauxval(AT_HWCAP2) & BF16)
        flags |= CPU_NEON_BF16;
    return flags;
}
#else
static uint32_t detect(void)
{
    return 0;
}
#endif

// An unknown name restricts nothing: cpu levels of other machines may stand in a shared profile.
static uint32_t environment(void)
{
    const char *name = getenv("SOTTO_CPU");

    for (size_t i = 0; name && i < sizeof levels / sizeof *levels; i++)
        if (strcmp(levels[i].name, name) == 0)
            return levels[i].flags;
    return ~0u;
}

uint32_t cpu_flags(void)
{
    // CPUID traps to the hypervisor in virtual machines, so it is asked once; bit 31 marks "known".
    static _Atomic uint32_t detected;
    const uint32_t known = 1u << 31;
    uint32_t flags = atomic_load(&detected);

    if (!flags) {
        flags = detect() | known;
        atomic_store(&detected, flags);
    }
    return flags & ~known & environment() & atomic_load(&allowed);
}

void cpu_set_mask(uint32_t mask)
{
    atomic_store(&allowed, mask);
}
