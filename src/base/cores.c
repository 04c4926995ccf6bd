/*
 * How many cores this process may use: affinity, then the control groups' quota. Sources: Linux
 * Documentation/admin-guide/cgroup-v2.rst (cpu.max: "quota period" in microseconds, "max" for none)
 * and Documentation/scheduler/sched-bwc.rst (version 1: cpu.cfs_quota_us, -1 for none).
 */
#include "base/cores.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pool.h"

enum { PATH_SIZE = 4096 };

static int read_line(const char *path, char *dst, int size)
{
    FILE *f = fopen(path, "re");
    int ok = f && fgets(dst, size, f) != NULL;

    if (f)
        fclose(f);
    return ok;
}

static int whole_cores(long quota, long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long n = quota / period + (quota % period != 0);
    return n > INT_MAX ? INT_MAX : (int)n;
}

static int quota_v2(const char *folder)
{
    char path[PATH_SIZE + 16], line[128];
    long quota, period;

    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (!read_line(path, line, sizeof line) || sscanf(line, "%ld %ld", &quota, &period) != 2)
        return 0;
    return whole_cores(quota, period);
}

static int quota_v1(const char *folder)
{
    char path[PATH_SIZE + 32], quota[64], period[64];

    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (!read_line(path, quota, sizeof quota))
        return 0;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (!read_line(path, period, sizeof period))
        return 0;
    return whole_cores(atol(quota), atol(period));
}

// The tightest quota of `root` + `group` and of every folder above it up to `root`. A container
// often sees its host's path in /proc/self/cgroup, but only its own folder, mounted at the root.
static int quota_upwards(const char *root, const char *group, int (*quota)(const char *folder))
{
    char folder[PATH_SIZE];
    size_t n_root = strlen(root);
    int tightest = 0;

    if (snprintf(folder, sizeof folder, "%s%s", root, group) >= (int)sizeof folder)
        return 0;
    for (;;) {
        int n = quota(folder);
        if (n > 0 && (tightest == 0 || n < tightest))
            tightest = n;
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < n_root)
            return tightest;
        *slash = '\0';
    }
}

// Is "cpu" among the comma-separated controllers?
static int has_cpu(const char *controllers)
{
    for (const char *p = controllers; p; p = strchr(p, ',')) {
        p += *p == ',';
        if (strncmp(p, "cpu", 3) == 0 && (p[3] == ',' || p[3] == '\0'))
            return 1;
    }
    return 0;
}

int cores_quota(const char *proc_cgroup, const char *sysfs)
{
    char line[PATH_SIZE], root[PATH_SIZE];
    int tightest = 0;
    FILE *f = fopen(proc_cgroup, "re");

    // Lines are "hierarchy:controllers:path"; version 2 has hierarchy 0 and no controllers.
    while (f && fgets(line, sizeof line, f)) {
        char *controllers = strchr(line, ':'), *group = controllers;
        if (!controllers || !(group = strchr(++controllers, ':')))
            continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        int n = 0;
        if (*controllers == '\0') {
            n = quota_upwards(sysfs, group, quota_v2);
        } else if (has_cpu(controllers)) {
            snprintf(root, sizeof root, "%s/%s", sysfs, controllers);
            if (access(root, F_OK) != 0)
                snprintf(root, sizeof root, "%s/cpu", sysfs);
            n = quota_upwards(root, group, quota_v1);
        }
        if (n > 0 && (tightest == 0 || n < tightest))
            tightest = n;
    }
    if (f)
        fclose(f);
    return tightest;
}

static int affinity(void)
{
    // The kernel refuses a set smaller than its own: grow until it fits.
    for (int n_cpus = 1024; n_cpus <= 1 << 20; n_cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(n_cpus);
        if (!set)
            break;
        size_t bytes = CPU_ALLOC_SIZE(n_cpus);
        int n = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (n > 0)
            return n;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

int pool_usable_cores(void)
{
    int n = affinity(), quota = cores_quota("/proc/self/cgroup", "/sys/fs/cgroup");

    return quota > 0 && quota < n ? quota : n;
}
