/*
 * base/pool: every task runs exactly once, on a thread number of its own, whatever the counts, the
 * pauses between jobs and the length of tasks; and the number of usable cores.
 */
#include "support.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cores.h"
#include "base/mem.h"
#include "base/pool.h"

enum { MAX_TASKS = 5000, MAX_POOL = 9 };

struct job {
    atomic_int runs[MAX_TASKS];
    atomic_int busy[MAX_POOL]; // is this thread number inside a task?
    atomic_int n_clashes;
    int n_threads;
    int spin;
    int before; // plain memory written by the caller, read by the tasks
    int after[MAX_TASKS]; // plain memory written by the tasks, read by the caller
};

static void task_main(void *arg, int task, int thread)
{
    struct job *j = arg;

    if (thread < 0 || thread >= j->n_threads || atomic_exchange(&j->busy[thread], 1)) {
        atomic_fetch_add(&j->n_clashes, 1);
        return;
    }
    atomic_fetch_add(&j->runs[task], 1);
    for (volatile int i = 0; i < j->spin * (task % 7); i++) {
    }
    j->after[task] = j->before + task;
    atomic_store(&j->busy[thread], 0);
}

static void run_job(struct pool *pool, struct job *j, int n_tasks, int value)
{
    memset(j->runs, 0, sizeof j->runs);
    j->before = value;
    pool_run(pool, n_tasks, task_main, j);
    assert_int_equal(j->n_clashes, 0);
    for (int i = 0; i < n_tasks; i++) {
        if (j->runs[i] != 1 || j->after[i] != value + i)
            fail_msg("task %d of %d ran %d times, left %d", i, n_tasks, j->runs[i], j->after[i]);
    }
    for (int i = n_tasks < 0 ? 0 : n_tasks; i < MAX_TASKS; i++)
        assert_int_equal(j->runs[i], 0);
}

static void test_every_task_once(void **state)
{
    (void)state;
    static struct job j;
    const int counts[] = {0, 1, 2, 3, 7, 8, 64, 1000, MAX_TASKS, -1};
    for (int n_threads = 1; n_threads < MAX_POOL; n_threads++) {
        struct pool *pool = NULL;
        assert_ok(pool_open(&pool, n_threads), NULL);
        assert_int_equal(pool_n_threads(pool), n_threads);
        j.n_threads = n_threads;
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            run_job(pool, &j, counts[i], (int)i);
        pool_close(&pool);
        assert_null(pool);
    }
}

// Many small jobs in a row, sometimes with a pause in which the workers fall asleep.
static void test_many_jobs(void **state)
{
    (void)state;
    static struct job j;
    struct pool *pool = NULL;
    uint64_t seed = 5;
    assert_ok(pool_open(&pool, 4), NULL);
    j.n_threads = 4;
    int n_jobs = test_sanitized() ? 2000 : 10000;
    for (int i = 0; i < n_jobs; i++) {
        uint32_t r = test_random(&seed);
        j.spin = r % 5 == 0 ? 50 : 0;
        run_job(pool, &j, 1 + (int)(r >> 8) % 20, i);
        if (r % 97 == 0)
            nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    }
    pool_close(&pool);
}

// More threads than cores, tasks of very different length: as when other programs are busy.
static void test_uneven(void **state)
{
    (void)state;
    static struct job j;
    struct pool *pool = NULL;
    assert_ok(pool_open(&pool, 8), NULL);
    j.n_threads = 8;
    j.spin = 20000;
    for (int i = 0; i < 20; i++)
        run_job(pool, &j, 30, i);
    pool_close(&pool);
}

static void test_open_and_close(void **state)
{
    (void)state;
    struct pool *pool = NULL;
    for (int i = 0; i < 200; i++) {
        assert_ok(pool_open(&pool, 1 + i % 5), NULL);
        pool_close(&pool);
    }
    pool_close(&pool);
    pool_close(NULL);
    assert_ok(pool_open(&pool, 0), NULL);
    assert_int_equal(pool_n_threads(pool), 1);
    pool_close(&pool);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (int n = 0; n < 2; n++) {
        struct pool *pool = NULL;
        mem_fail_at(n, 1);
        int err = pool_open(&pool, 3);
        mem_fail_at(-1, 0);
        assert_error(err, SOTTO_ENOMEM, NULL);
        assert_null(pool);
    }
}

static void test_affinity(void **state)
{
    (void)state;
    cpu_set_t old, one;
    assert_int_equal(sched_getaffinity(0, sizeof old, &old), 0);
    assert_true(pool_usable_cores() >= 1 && pool_usable_cores() <= CPU_COUNT(&old));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &old))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    int n = pool_usable_cores();
    sched_setaffinity(0, sizeof old, &old);
    assert_int_equal(n, 1);
}

static char dir[TEST_PATH];

static void put(const char *name, const char *text)
{
    char path[2 * TEST_PATH];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (char *p = path + strlen(dir) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    test_write_file(path, text, strlen(text));
}

static int quota(void)
{
    char proc[TEST_PATH + 16], sysfs[TEST_PATH + 16];
    snprintf(proc, sizeof proc, "%s/cgroup", dir);
    snprintf(sysfs, sizeof sysfs, "%s/sys", dir);
    return cores_quota(proc, sysfs);
}

static void test_quota_v2(void **state)
{
    (void)state;
    test_temp_dir(dir);
    assert_int_equal(quota(), 0); // no file at all
    put("cgroup", "0::/a/b\n");
    assert_int_equal(quota(), 0);
    put("sys/a/b/cpu.max", "max 100000\n");
    assert_int_equal(quota(), 0);
    put("sys/a/b/cpu.max", "400000 100000\n");
    assert_int_equal(quota(), 4);
    put("sys/a/cpu.max", "150000 100000\n"); // the parent is tighter; 1.5 rounds up
    assert_int_equal(quota(), 2);
    put("sys/cpu.max", "5000 100000\n");
    assert_int_equal(quota(), 1);
    put("sys/cpu.max", "garbage\n");
    assert_int_equal(quota(), 2);
    put("cgroup", "0::/../elsewhere\n"); // a path that is not visible: its own root still counts
    put("sys/cpu.max", "300000 100000\n");
    assert_int_equal(quota(), 3);
    test_temp_dir_remove(dir);
}

static void test_quota_v1(void **state)
{
    (void)state;
    test_temp_dir(dir);
    put("cgroup", "5:memory:/x\n4:cpuset:/x\n3:cpu,cpuacct:/docker/1\n0::/\n");
    put("sys/cpuset/x/cpu.cfs_quota_us", "100000\n"); // not the CPU controller
    put("sys/cpuset/x/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota(), 0);
    put("sys/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "-1\n");
    put("sys/cpu,cpuacct/docker/1/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota(), 0);
    put("sys/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "200000\n");
    assert_int_equal(quota(), 2);
    put("sys/cpu,cpuacct/cpu.cfs_quota_us", "100000\n");
    put("sys/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota(), 1);
    test_temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task_once), cmocka_unit_test(test_many_jobs),
        cmocka_unit_test(test_uneven),          cmocka_unit_test(test_open_and_close),
        cmocka_unit_test(test_out_of_memory),   cmocka_unit_test(test_affinity),
        cmocka_unit_test(test_quota_v2),        cmocka_unit_test(test_quota_v1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
