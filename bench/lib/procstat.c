/* CPU clocks of other processes and a few /proc files.
 * Does not cache: each call asks anew. */
#include "lib/procstat.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t procstat_cpu_ns(pid_t pid)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool comm_is(const char *pid, const char *comm)
{
    char path[300], name[64] = "";
    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    const bool read = fgets(name, sizeof(name), file) != NULL;
    fclose(file);
    name[strcspn(name, "\n")] = '\0';
    return read && strcmp(name, comm) == 0;
}

pid_t procstat_find(const char *comm)
{
    pid_t found = 0;
    DIR *proc = opendir("/proc");
    if (!proc)
        return 0;
    for (const struct dirent *entry; !found && (entry = readdir(proc)) != NULL;)
        if (isdigit((unsigned char)entry->d_name[0]) && comm_is(entry->d_name, comm))
            found = (pid_t)strtol(entry->d_name, NULL, 10);
    closedir(proc);
    return found;
}

/* "KEY:   123 kB" -> bytes. */
static uint64_t kilobytes_of(const char *path, const char *key)
{
    char line[256];
    uint64_t kilobytes = 0;
    const size_t key_len = strlen(key);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, key, key_len) == 0 && line[key_len] == ':')
            kilobytes = strtoull(line + key_len + 1, NULL, 10);
    fclose(file);
    return kilobytes * 1024;
}

static uint64_t rollup_of(pid_t pid, const char *key)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    return kilobytes_of(path, key);
}

uint64_t procstat_pss_bytes(pid_t pid)
{
    return rollup_of(pid, "Pss");
}

uint64_t procstat_pss_anon_bytes(pid_t pid)
{
    return rollup_of(pid, "Pss_Anon");
}

uint64_t procstat_slab_bytes(void)
{
    return kilobytes_of("/proc/meminfo", "Slab");
}

uint64_t procstat_unreclaimable_bytes(void)
{
    return kilobytes_of("/proc/meminfo", "SUnreclaim");
}

uint64_t procstat_tcp_sockets(void)
{
    unsigned long count = 0;
    char line[256];
    FILE *file = fopen("/proc/net/sockstat", "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file)) {
        const char *at = strncmp(line, "TCP:", 4) == 0 ? strstr(line, " alloc ") : NULL;
        if (at)
            count = strtoul(at + strlen(" alloc "), NULL, 10);
    }
    fclose(file);
    return count;
}
