/* A small thread pool: fork-join over numbered tasks. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stdbool.h>

struct pool;

/* A pool of `n_threads` (>= 1; the calling thread is one of them). 0 or SOTTO_ENOMEM. */
int pool_open(struct pool **out, int n_threads);
void pool_close(struct pool **pool);
int pool_n_threads(const struct pool *pool);

/* Calls fn(arg, task, thread) for task = 0..n_tasks-1, `thread` in 0..n_threads-1, and returns
 * when all are done. Tasks are claimed one by one, so uneven tasks and busy cores are no harm.
 * Waiting threads spin briefly, then sleep. Not reentrant; one caller at a time. */
void pool_run(struct pool *pool, int n_tasks, void (*fn)(void *arg, int task, int thread),
              void *arg);

/* Cores this process may use (affinity and cgroup limits honoured). */
int pool_usable_cores(void);

#endif
