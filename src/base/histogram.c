/* Values below HISTOGRAM_SUB have a bucket each; above, every power of two is cut into
 * HISTOGRAM_SUB equal buckets. It keeps no minimum or maximum. */
#include "base/histogram.h"

#include <stddef.h>

/* The largest value of a bucket. */
static uint64_t upper_edge(size_t bucket)
{
    if (bucket < HISTOGRAM_SUB)
        return bucket;
    const size_t shift = bucket / HISTOGRAM_SUB - 1;
    return ((uint64_t)(HISTOGRAM_SUB + bucket % HISTOGRAM_SUB + 1) << shift) - 1;
}

static size_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_SUB)
        return (size_t)value;
    const unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (shift + 1) * HISTOGRAM_SUB + (size_t)(value >> shift & (HISTOGRAM_SUB - 1));
}

/* A load and a store rather than a locked add: there is one writer. */
static void add(_Atomic uint64_t *counter, uint64_t n)
{
    const uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, before + n, memory_order_relaxed);
}

void histogram_record(struct histogram *h, uint64_t value_ns)
{
    const uint64_t longest = upper_edge(HISTOGRAM_BUCKETS - 1);
    const uint64_t value = value_ns < longest ? value_ns : longest;
    add(&h->count[bucket_of(value)], 1);
    add(&h->sum_ns, value);
}

uint64_t histogram_total(const struct histogram *h)
{
    return histogram_count_below(h, UINT64_MAX);
}

uint64_t histogram_count_below(const struct histogram *h, uint64_t bound_ns)
{
    uint64_t total = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS && upper_edge(i) <= bound_ns; i++)
        total += atomic_load_explicit(&h->count[i], memory_order_relaxed);
    return total;
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
    const uint64_t total = histogram_total(h);
    if (total == 0)
        return 0;
    /* The first value whose rank is at least q of all; the writer may add meanwhile, never take. */
    const double rank = q * (double)total;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += atomic_load_explicit(&h->count[i], memory_order_relaxed);
        if (seen > 0 && (double)seen >= rank)
            return upper_edge(i);
    }
    return upper_edge(HISTOGRAM_BUCKETS - 1);
}
