/* Buckets, counts and quantiles of the log-linear histogram. */
#include "base/histogram.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct histogram h;

Test(histogram, is_empty_at_first)
{
    cr_assert(eq(u64, histogram_total(&h), 0));
    cr_assert(eq(u64, histogram_quantile(&h, 0.5), 0));
    cr_assert(eq(u64, histogram_count_below(&h, UINT64_MAX), 0));
}

Test(histogram, keeps_small_values_exactly)
{
    for (uint64_t v = 0; v < 16; v++)
        histogram_record(&h, v);
    for (uint64_t v = 0; v < 16; v++)
        cr_assert(eq(u64, histogram_count_below(&h, v), v + 1));
    cr_assert(eq(u64, histogram_total(&h), 16));
    cr_assert(eq(u64, h.sum_ns, 120));
}

/* The edges around every power of two, where a bucket index is most likely to be off by one. */
Test(histogram, answers_within_one_part_of_eight_wherever_the_value_is)
{
    for (unsigned bit = 3; bit < 42; bit++)
        for (uint64_t part = 0; part < 64; part++) {
            const uint64_t edge = (1ull << bit) + (part << bit) / 64;
            for (uint64_t v = edge - 1; v <= edge + 1; v++) {
                h = (struct histogram){0};
                histogram_record(&h, v);
                const uint64_t answer = histogram_quantile(&h, 0.5);
                cr_assert(ge(u64, answer, v));
                cr_assert(le(u64, answer, v + v / HISTOGRAM_SUB));
                cr_assert(eq(u64, histogram_count_below(&h, answer), 1));
                cr_assert(eq(u64, histogram_count_below(&h, answer - 1), 0));
            }
        }
}

Test(histogram, never_puts_a_larger_value_into_a_lower_bucket)
{
    uint64_t before = 0;
    for (uint64_t v = 0; v < 100000; v++) {
        h = (struct histogram){0};
        histogram_record(&h, v);
        const uint64_t edge = histogram_quantile(&h, 1);
        cr_assert(ge(u64, edge, before));
        before = edge;
    }
}

Test(histogram, finds_quantiles_by_rank)
{
    for (uint64_t v = 1; v <= 100; v++)
        histogram_record(&h, v <= 90 ? 5 : v <= 99 ? 12 : 1000);
    cr_assert(eq(u64, histogram_quantile(&h, 0), 5));
    cr_assert(eq(u64, histogram_quantile(&h, 0.5), 5));
    cr_assert(eq(u64, histogram_quantile(&h, 0.9), 5));
    cr_assert(eq(u64, histogram_quantile(&h, 0.95), 12));
    cr_assert(eq(u64, histogram_quantile(&h, 0.99), 12));
    cr_assert(eq(u64, histogram_quantile(&h, 1), 1023));
}

Test(histogram, counts_what_is_too_long_as_the_longest)
{
    const uint64_t longest = (1ull << 42) - 1;
    histogram_record(&h, longest);
    histogram_record(&h, longest + 1);
    histogram_record(&h, UINT64_MAX);
    cr_assert(eq(u64, histogram_count_below(&h, longest), 3));
    cr_assert(eq(u64, histogram_quantile(&h, 0.5), longest));
    cr_assert(eq(u64, h.sum_ns, 3 * longest));
}
