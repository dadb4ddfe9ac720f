/* /proc and getrlimit. No caching: whoever asks often pays. */
#define _GNU_SOURCE
#include "io/process.h"

#include "base/clock.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Reads a small file of /proc whole; "" when it cannot. */
static void read_small(const char *path, char *out, size_t size)
{
    out[0] = '\0';
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    const ssize_t n = read(fd, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    close(fd);
}

/* Field 22 of /proc/self/stat: ticks after boot. The name in field 2 may hold anything but is
 * closed by the last ')'. */
static uint64_t start_ticks(void)
{
    char stat[1024];
    read_small("/proc/self/stat", stat, sizeof(stat));
    const char *at = strrchr(stat, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

static int64_t start_unix_ms(void)
{
    char uptime[64];
    const long hz = sysconf(_SC_CLK_TCK);
    read_small("/proc/uptime", uptime, sizeof(uptime));
    if (hz <= 0 || uptime[0] == '\0')
        return 0;
    const double age = strtod(uptime, NULL) - (double)start_ticks() / (double)hz;
    return clock_realtime_ms() - (int64_t)(age * 1000);
}

uint64_t process_fd_limit(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

unsigned process_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    const int count = CPU_COUNT(&set);
    return count > 0 ? (unsigned)count : 1;
}

static uint64_t timeval_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

void process_usage(struct process_usage *out)
{
    *out = (struct process_usage){0};
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        out->cpu_ns = timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
    char statm[128];
    read_small("/proc/self/statm", statm, sizeof(statm));
    char *rest = statm;
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    out->virtual_bytes = strtoull(rest, &rest, 10) * page;
    out->resident_bytes = strtoull(rest, &rest, 10) * page;
    out->fd_count_max = process_fd_limit();
    out->start_ms = start_unix_ms();
}

void process_yield(void)
{
    sched_yield();
}
