/* Log-linear histogram of nanoseconds: one writer, any reader (relaxed counters). Fixed size. */
#pragma once

#include "base/attr.h"

#include <stdatomic.h>
#include <stdint.h>

/* Buckets double every HISTOGRAM_SUB steps; relative error <= 1/HISTOGRAM_SUB. 40 rows reach
 * 2^42 ns, 73 minutes; what is longer counts as that. */
enum {
    HISTOGRAM_SUB_BITS = 3,
    HISTOGRAM_SUB = 1 << HISTOGRAM_SUB_BITS,
    HISTOGRAM_BUCKETS = 40 * HISTOGRAM_SUB
};

struct histogram {
    _Atomic uint64_t count[HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum_ns;
};

void histogram_record(struct histogram *h, uint64_t value_ns);
uint64_t histogram_total(const struct histogram *h);
/* How many values are <= bound_ns (exact at bucket edges). */
uint64_t histogram_count_below(const struct histogram *h, uint64_t bound_ns);
/* The value at quantile q in [0, 1]: the upper edge of its bucket; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double q);
