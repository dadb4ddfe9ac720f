/* The histogram of latencies against exact quantiles, over distributions of very different shapes.
 */
#include "load/latency.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

enum { COUNT = 20000 };

typedef double shape_fn(double u);

static struct latency histogram;
static uint64_t values[COUNT];

static double uniform(double u)
{
    return u * 1e6;
}

static double skewed(double u)
{
    return u * u * u * u * u * 1e8; /* most are far below the largest */
}

static double heavy_tailed(double u)
{
    return 1000 / ((1 - u) * (1 - u)); /* over eight powers of ten */
}

static double two_humps(double u)
{
    return u < 0.9 ? 20000 + u * 1000 : 8e9 + u * 1e6;
}

static double constant(double u)
{
    (void)u;
    return 123456789;
}

static double small(double u)
{
    return u * 300; /* around the end of the exact buckets */
}

/* splitmix64: the same numbers everywhere. */
static double next_unit(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ z >> 31) >> 11) / 9007199254740992.0;
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t exact_quantile(double q)
{
    size_t rank = 1; /* the first value that a share q of all do not exceed */
    while ((double)rank < q * COUNT)
        rank++;
    return values[rank - 1];
}

static void fill(shape_fn *shape, uint64_t seed)
{
    histogram = (struct latency){0};
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = (uint64_t)shape(next_unit(&seed));
        latency_record(&histogram, values[i]);
    }
    qsort(values, COUNT, sizeof(*values), compare);
}

Test(latency, agrees_with_exact_quantiles_within_one_part_of_128)
{
    shape_fn *const shapes[] = {uniform, skewed, heavy_tailed, two_humps, constant, small};
    const double quantiles[] = {0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            fill(shapes[s], seed);
            for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
                const uint64_t exact = exact_quantile(quantiles[i]);
                const uint64_t said = latency_quantile(&histogram, quantiles[i]);
                cr_assert(ge(u64, said, exact), "shape %zu, q %f", s, quantiles[i]);
                cr_assert(le(u64, said, exact + exact / 128), "shape %zu, q %f", s, quantiles[i]);
            }
            cr_assert(eq(u64, latency_quantile(&histogram, 1), values[COUNT - 1]));
            cr_assert(eq(u64, histogram.total, COUNT));
        }
}

/* The edges around every power of two, where a bucket is most likely to be off by one. */
Test(latency, is_right_at_the_edges_of_every_bucket_size)
{
    for (unsigned bit = 0; bit < 64; bit++)
        for (int step = -1; step <= 1; step++) {
            const uint64_t value = (UINT64_C(1) << bit) + (uint64_t)step;
            histogram = (struct latency){0};
            latency_record(&histogram, value);
            latency_record(&histogram, UINT64_MAX);
            const uint64_t said = latency_quantile(&histogram, 0.5);
            cr_assert(ge(u64, said, value));
            cr_assert(le(u64, said - value, value / 128));
        }
}

Test(latency, of_nothing_is_nothing)
{
    histogram = (struct latency){0};
    cr_assert(eq(u64, latency_quantile(&histogram, 0.5), 0));
    cr_assert(eq(u64, latency_quantile(&histogram, 1), 0));
}
