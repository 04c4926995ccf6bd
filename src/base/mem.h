/* Allocation. Everything in the library allocates here, so that tests can make the n-th fail. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* Uninitialised memory aligned to 64 bytes, or NULL. `count` x `size` is checked for overflow.
 * A size of 0 gives a valid pointer. Free with mem_free. */
void *mem_alloc(size_t count, size_t size);
void *mem_calloc(size_t count, size_t size); // the same, zeroed
/* Grows `ptr` (NULL: allocates) from `old_count` to `count` elements; NULL leaves it untouched. */
void *mem_grow(void *ptr, size_t old_count, size_t count, size_t size);
char *mem_strdup(const char *s); // NULL for NULL or when out of memory
void mem_free(void *ptr);

/* One large block, aligned to 2 MiB and advised for huge pages where the system has them. */
void *mem_alloc_huge(size_t size_bytes);
void mem_free_huge(void *ptr, size_t size_bytes);

/* Tests only: the n-th allocation from now fails (0: the next one), and all after it if `sticky`;
 * < 0 turns it off.
 * Returns how many allocations have been made since the last call. */
long mem_fail_at(long n, int sticky);

#endif
