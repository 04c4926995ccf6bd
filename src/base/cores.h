/* How many cores the control groups leave this process. */
#ifndef BASE_CORES_H
#define BASE_CORES_H

/* Cores of the tightest CPU quota on the path to the root, rounded up; 0 if there is no quota.
 * `proc_cgroup` is /proc/self/cgroup and `sysfs` /sys/fs/cgroup but in tests. */
int cores_quota(const char *proc_cgroup, const char *sysfs);

#endif
