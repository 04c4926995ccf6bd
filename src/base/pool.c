/*
 * A fork-join thread pool. A job is (fn, arg, n_tasks); threads claim task after task from one
 * 64-bit word that holds the job's number and how many of its tasks are left, so a thread that wakes
 * late finds either tasks of the current job or none, and nobody waits for it. Who finds nothing
 * spins for some microseconds, since the engine's jobs follow each other closely, then sleeps on a
 * futex (man 2 futex).
 */
#include "base/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

enum {
    MAX_THREADS = 1024,
    SPINS = 2000, // pauses before a thread goes to sleep; some 30 us on current processors
};

struct worker {
    struct pool *pool;
    pthread_t thread;
    int index;
};

struct pool {
    // Tasks left in the low half, job number in the high half. Both claims and publication go
    // through it: who has claimed a task may read the job below, which stays until it is done.
    _Alignas(64) _Atomic uint64_t claim;
    _Alignas(64) _Atomic uint32_t n_done; // tasks of the current job that are finished
    _Atomic uint32_t caller_sleeps;
    _Alignas(64) _Atomic uint32_t signal; // changes with every job; idle workers sleep on it
    _Atomic uint32_t n_sleeping;
    atomic_bool stop;
    void (*fn)(void *arg, int task, int thread);
    void *arg;
    uint32_t n_tasks;
    int n_threads; // the calling thread included
    struct worker *workers; // n_threads - 1
};

static void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); // `yield` is a no-op on most cores
#endif
}

static uint32_t tasks_left(uint64_t claim)
{
    return (uint32_t)claim;
}

// Claims one task; false if none is left. Acquires what pool_run has published.
static bool claim_task(struct pool *p, uint32_t *left)
{
    uint64_t word = atomic_load_explicit(&p->claim, memory_order_relaxed);

    while (tasks_left(word) > 0) {
        if (atomic_compare_exchange_weak_explicit(&p->claim, &word, word - 1, memory_order_acquire,
                                                  memory_order_relaxed)) {
            *left = tasks_left(word);
            return true;
        }
    }
    return false;
}

// Runs tasks until none can be claimed.
static void work(struct pool *p, int thread)
{
    uint32_t n_finished = 0, left;

    while (claim_task(p, &left)) {
        p->fn(p->arg, (int)(p->n_tasks - left), thread);
        n_finished++;
    }
    if (n_finished == 0)
        return;
    // NOTE: all tasks claimed above are of one job: the next is published only when they are done.
    atomic_fetch_add(&p->n_done, n_finished);
    if (thread != 0 && atomic_load(&p->caller_sleeps))
        futex_wake(&p->n_done, 1);
}

static void idle(struct pool *p)
{
    for (int i = 0; i < SPINS; i++) {
        if (tasks_left(atomic_load_explicit(&p->claim, memory_order_relaxed)) > 0 ||
            atomic_load_explicit(&p->stop, memory_order_relaxed))
            return;
        relax();
    }
    uint32_t seen = atomic_load(&p->signal);
    if (tasks_left(atomic_load(&p->claim)) > 0 || atomic_load(&p->stop))
        return;
    atomic_fetch_add(&p->n_sleeping, 1);
    futex_wait(&p->signal, seen); // returns at once if a job came since
    atomic_fetch_sub(&p->n_sleeping, 1);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;

    while (!atomic_load(&w->pool->stop)) {
        work(w->pool, w->index);
        idle(w->pool);
    }
    return NULL;
}

static void wait_for_workers(struct pool *p)
{
    uint32_t done;

    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&p->n_done) == p->n_tasks)
            return;
        relax();
    }
    atomic_store(&p->caller_sleeps, 1);
    while ((done = atomic_load(&p->n_done)) != p->n_tasks)
        futex_wait(&p->n_done, done);
    atomic_store(&p->caller_sleeps, 0);
}

void pool_run(struct pool *p, int n_tasks, void (*fn)(void *arg, int task, int thread), void *arg)
{
    if (n_tasks <= 0)
        return;
    if (p->n_threads == 1 || n_tasks == 1) {
        for (int i = 0; i < n_tasks; i++)
            fn(arg, i, 0);
        return;
    }
    p->fn = fn;
    p->arg = arg;
    p->n_tasks = (uint32_t)n_tasks;
    atomic_store(&p->n_done, 0);
    uint64_t job = (atomic_load_explicit(&p->claim, memory_order_relaxed) >> 32) + 1;
    atomic_store(&p->claim, job << 32 | (uint32_t)n_tasks);
    atomic_fetch_add(&p->signal, 1);
    if (atomic_load(&p->n_sleeping) > 0)
        futex_wake(&p->signal, n_tasks - 1);
    work(p, 0);
    wait_for_workers(p);
}

// Workers take no signals, so that a handler runs on a thread of the program's own.
static int start_worker(struct pool *p, int i)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    p->workers[i] = (struct worker){.pool = p, .index = i + 1};
    int err = pthread_create(&p->workers[i].thread, NULL, worker_main, &p->workers[i]);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return err ? SOTTO_ENOMEM : 0;
}

int pool_open(struct pool **out, int n_threads)
{
    if (n_threads < 1)
        n_threads = 1;
    if (n_threads > MAX_THREADS)
        n_threads = MAX_THREADS;
    struct pool *p = mem_calloc(1, sizeof *p);
    if (!p)
        return SOTTO_ENOMEM;
    p->n_threads = 1;
    p->workers = mem_calloc((size_t)n_threads, sizeof *p->workers);
    int err = p->workers ? 0 : SOTTO_ENOMEM;
    for (int i = 0; !err && i < n_threads - 1; i++) {
        err = start_worker(p, i);
        p->n_threads += !err;
    }
    if (err)
        pool_close(&p);
    else
        *out = p;
    return err;
}

void pool_close(struct pool **pool)
{
    struct pool *p = pool ? *pool : NULL;

    if (!p)
        return;
    atomic_store(&p->stop, true);
    atomic_fetch_add(&p->signal, 1);
    futex_wake(&p->signal, MAX_THREADS);
    for (int i = 0; i < p->n_threads - 1; i++)
        pthread_join(p->workers[i].thread, NULL);
    mem_free(p->workers);
    mem_free(p);
    *pool = NULL;
}

int pool_n_threads(const struct pool *p)
{
    return p->n_threads;
}
