/* Values below LATENCY_SUB have a bucket each; above, every power of two is cut into LATENCY_SUB
 * equal ones. It keeps no mean: nobody should quote it. */
#include "load/latency.h"

#include <stddef.h>

static size_t bucket_of(uint64_t value)
{
    if (value < LATENCY_SUB)
        return (size_t)value;
    const unsigned shift = 63u - (unsigned)__builtin_clzll(value) - LATENCY_SUB_BITS;
    return (shift + 1) * (size_t)LATENCY_SUB + (size_t)(value >> shift & (LATENCY_SUB - 1));
}

/* The largest value of a bucket. */
static uint64_t upper_edge(size_t bucket)
{
    if (bucket < LATENCY_SUB)
        return bucket;
    const size_t shift = bucket / LATENCY_SUB - 1;
    const uint64_t low = (uint64_t)(LATENCY_SUB + bucket % LATENCY_SUB) << shift;
    return low + ((UINT64_C(1) << shift) - 1);
}

void latency_record(struct latency *l, uint64_t value_ns)
{
    l->count[bucket_of(value_ns)]++;
    l->total++;
    if (value_ns > l->max_ns)
        l->max_ns = value_ns;
}

uint64_t latency_quantile(const struct latency *l, double q)
{
    uint64_t seen = 0;
    const double rank = q * (double)l->total;
    for (size_t i = 0; i < LATENCY_BUCKETS && l->total > 0; i++) {
        seen += l->count[i];
        if (seen > 0 && (double)seen >= rank)
            return upper_edge(i) < l->max_ns ? upper_edge(i) : l->max_ns;
    }
    return l->max_ns;
}
