/* What a server, and the kernel on its behalf, uses: CPU time, memory. Asks the kernel anew each
 * time and does no arithmetic. */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

/* What cannot be read is 0. */
struct usage {
    uint64_t cpu_ns; /* of all the server's threads, those of io_uring included */
    uint64_t pss_bytes;
    /* Slab, KernelStack and PageTables of the whole machine: there is no such figure for a process.
     * Both ends of a connection are in it when both are here. */
    uint64_t kernel_bytes;
};

/* pid 0: only the machine's. */
void usage_take(uint64_t pid, struct usage *out);
/* The CPU time alone, which is cheap to ask for. */
uint64_t usage_cpu_ns(uint64_t pid);
bool usage_process_exists(uint64_t pid);
