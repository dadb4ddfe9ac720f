/* What the process uses, as the kernel tells it. */
#pragma once

#include <stdint.h>

struct process_usage {
    uint64_t cpu_ns, resident_bytes, virtual_bytes, fd_count_max;
    int64_t start_ms; /* Unix time */
};
/* Fields that cannot be read are 0. Any thread. */
void process_usage(struct process_usage *out);

/* RLIMIT_NOFILE (soft). */
uint64_t process_fd_limit(void);
/* CPUs this process may run on; at least 1. */
unsigned process_cpu_count(void);

/* Lets another thread have the CPU: the one that is waited for may be without. Any thread. */
void process_yield(void);
