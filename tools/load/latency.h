/* A log-linear histogram of nanoseconds, fine enough to quote: base's has steps of an eighth, which
 * is right for a server's metrics and too coarse for a figure. One thread. */
#pragma once

#include <stdint.h>

/* Every power of two has LATENCY_SUB steps: relative error below 1/128. */
enum {
    LATENCY_SUB_BITS = 7,
    LATENCY_SUB = 1 << LATENCY_SUB_BITS,
    LATENCY_BUCKETS = (64 - LATENCY_SUB_BITS + 1) * LATENCY_SUB, /* any 64-bit number has one */
};

struct latency {
    uint64_t total;
    uint64_t max_ns; /* exact */
    uint64_t count[LATENCY_BUCKETS];
};

void latency_record(struct latency *l, uint64_t value_ns);
/* The least value that at least a share q of all do not exceed, rounded up by less than 1/128;
 * never above the maximum; 0 when there is none. */
uint64_t latency_quantile(const struct latency *l, double q);
