/*
 * Allocation for the whole library: 64-byte alignment for vector kernels, overflow checks, and a
 * hook with which tests make the n-th allocation fail.
 */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64 };
static const size_t HUGE_BYTES = (size_t)2 << 20;

// The test hook of mem_fail_at: how many allocations until the failure, < 0: never.
static atomic_long n_made;
static atomic_long fail_in = -1;
static atomic_int fail_sticky;

long mem_fail_at(long n, int sticky)
{
    atomic_store(&fail_sticky, sticky);
    atomic_store(&fail_in, n);
    return atomic_exchange(&n_made, 0);
}

static int must_fail(void)
{
    atomic_fetch_add_explicit(&n_made, 1, memory_order_relaxed);
    if (atomic_load_explicit(&fail_in, memory_order_relaxed) < 0)
        return 0;
    long left = atomic_fetch_sub(&fail_in, 1);
    if (left == 0 && atomic_load(&fail_sticky))
        atomic_store(&fail_in, 0);
    return left == 0;
}

void *mem_alloc(size_t count, size_t size)
{
    size_t bytes;
    void *p;

    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - ALIGNMENT)
        return NULL;
    if (must_fail() || posix_memalign(&p, ALIGNMENT, bytes ? bytes : 1) != 0)
        return NULL;
    return p;
}

void *mem_calloc(size_t count, size_t size)
{
    void *p = mem_alloc(count, size);

    if (p)
        memset(p, 0, count * size);
    return p;
}

void *mem_grow(void *ptr, size_t old_count, size_t count, size_t size)
{
    void *p = mem_alloc(count, size);

    if (p && ptr) {
        memcpy(p, ptr, (old_count < count ? old_count : count) * size);
        mem_free(ptr);
    }
    return p;
}

char *mem_strdup(const char *s)
{
    size_t n = s ? strlen(s) + 1 : 0;
    char *p = s ? mem_alloc(n, 1) : NULL;

    if (p)
        memcpy(p, s, n);
    return p;
}

void mem_free(void *ptr)
{
    free(ptr);
}

static size_t round_huge(size_t bytes)
{
    return (bytes + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1);
}

void *mem_alloc_huge(size_t size_bytes)
{
    if (size_bytes == 0)
        size_bytes = 1;
    if (size_bytes > PTRDIFF_MAX - 2 * HUGE_BYTES || must_fail())
        return NULL;
    // Mapped with room to cut a 2 MiB aligned piece out of it.
    size_t bytes = round_huge(size_bytes), room = bytes + HUGE_BYTES;
    char *p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = (HUGE_BYTES - (uintptr_t)p % HUGE_BYTES) % HUGE_BYTES;
    if (before)
        munmap(p, before);
    if (HUGE_BYTES - before)
        munmap(p + before + bytes, HUGE_BYTES - before);
    p += before;
    madvise(p, bytes, MADV_HUGEPAGE); // advice only: without huge pages nothing is lost but speed
    return p;
}

void mem_free_huge(void *ptr, size_t size_bytes)
{
    if (ptr)
        munmap(ptr, round_huge(size_bytes ? size_bytes : 1));
}
