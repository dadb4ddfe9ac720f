/* What the kernel says a process has cost: CPU time, memory. Reads /proc and CPU clocks only.
 * Not here: wall time and any arithmetic on the numbers. */
#pragma once

#include "base/attr.h"

#include <stdint.h>
#include <sys/types.h>

/* On-CPU nanoseconds of all its threads, io_uring workers and ended threads included: the sum of
 * /proc/PID/task/N/schedstat, in one call and without missing a thread that ended. 0: no such. */
uint64_t procstat_cpu_ns(pid_t pid);
/* The process whose name (/proc/PID/comm) is exactly that, or 0. */
pid_t procstat_find(const char *comm);
/* Proportional set size in bytes; 0 when it cannot be read. */
uint64_t procstat_pss_bytes(pid_t pid);
/* The part of it that is heap, stacks and other private memory: other processes that come and go
 * change a process's share of the libraries, but not this. */
uint64_t procstat_pss_anon_bytes(pid_t pid);
/* Slab memory of the whole machine in bytes: both ends of every connection. */
uint64_t procstat_slab_bytes(void);
/* The part of it that is not inodes and names: reading /proc fills those, sockets have one of each
 * whoever serves them. */
uint64_t procstat_unreclaimable_bytes(void);
/* TCP sockets of the whole machine. */
uint64_t procstat_tcp_sockets(void);
