/* How long is waited before the next connection, and when it is given up. */
#include "cat/backoff.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define S 1000000000ull

static struct backoff begin(uint64_t retry_s)
{
    struct backoff b;
    const struct options o = {.retry_s = retry_s};
    backoff_init(&b, &o, 100 * S);
    return b;
}

Test(backoff, gives_a_server_up_that_was_never_there)
{
    struct backoff b = begin(OPTION_ABSENT);
    cr_assert(eq(u64, backoff_next(&b, 100 * S, 0, 0), UINT64_MAX));
}

Test(backoff, looks_for_ever_for_one_that_was)
{
    struct backoff b = begin(OPTION_ABSENT);
    backoff_connected(&b);
    backoff_lost(&b, 200 * S);
    cr_assert(ne(u64, backoff_next(&b, 100000 * S, 0, 0), UINT64_MAX));
}

Test(backoff, has_the_patience_that_was_asked_for)
{
    struct backoff b = begin(30);
    cr_assert(ne(u64, backoff_next(&b, 129 * S, 0, 0), UINT64_MAX));
    cr_assert(eq(u64, backoff_next(&b, 130 * S, 0, 0), UINT64_MAX));
    backoff_connected(&b);
    backoff_lost(&b, 200 * S);
    cr_assert(ne(u64, backoff_next(&b, 229 * S, 0, 0), UINT64_MAX));
    cr_assert(eq(u64, backoff_next(&b, 230 * S, 0, 0), UINT64_MAX));
}

Test(backoff, waits_ever_longer_up_to_ten_seconds_and_half_of_it_by_chance)
{
    struct backoff b = begin(1000);
    for (uint64_t ms = 200; ms < 100000; ms *= 2) {
        const uint64_t most = ms < 10000 ? ms : 10000;
        struct backoff same = b;
        cr_assert(eq(u64, backoff_next(&same, 100 * S, 0, 0), most / 2));
        cr_assert(eq(u64, backoff_next(&b, 100 * S, 0, (uint32_t)most / 2 - 1), most - 1));
    }
    backoff_worked(&b);
    cr_assert(eq(u64, backoff_next(&b, 100 * S, 0, 0), 100));
}

Test(backoff, waits_as_long_as_the_server_asks_within_reason)
{
    struct backoff b = begin(1000);
    cr_assert(eq(u64, backoff_next(&b, 100 * S, 3000, 0), 3000));
    cr_assert(eq(u64, backoff_next(&b, 100 * S, 1, 0), 200));
    cr_assert(eq(u64, backoff_next(&b, 100 * S, UINT64_MAX, 0), 60000));
}
