/* CPU clocks of other processes, /proc/PID/smaps_rollup and /proc/meminfo.
 * The CPU clock counts what /proc/PID/stat has as utime + stime, in nanoseconds instead of ticks.
 */
#include "load/usage.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t usage_cpu_ns(uint64_t pid)
{
    clockid_t clock;
    struct timespec t;
    if (pid == 0 || clock_getcpuclockid((pid_t)pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The sum of those lines "KEY:   123 kB", in bytes. keys ends in NULL. */
static uint64_t sum_of(const char *path, const char *const *keys)
{
    char line[256];
    uint64_t kilobytes = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file)) {
        const char *colon = strchr(line, ':');
        const size_t len = colon ? (size_t)(colon - line) : 0;
        for (const char *const *key = keys; *key && colon; key++)
            if (strlen(*key) == len && memcmp(line, *key, len) == 0)
                kilobytes += strtoull(colon + 1, NULL, 10);
    }
    fclose(file);
    return kilobytes * 1024;
}

void usage_take(uint64_t pid, struct usage *out)
{
    char path[64];
    *out = (struct usage){0};
    out->kernel_bytes =
        sum_of("/proc/meminfo", (const char *const[]){"Slab", "KernelStack", "PageTables", NULL});
    if (pid == 0)
        return;
    snprintf(path, sizeof(path), "/proc/%llu/smaps_rollup", (unsigned long long)pid);
    out->cpu_ns = usage_cpu_ns(pid);
    out->pss_bytes = sum_of(path, (const char *const[]){"Pss", NULL});
}

bool usage_process_exists(uint64_t pid)
{
    return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}
