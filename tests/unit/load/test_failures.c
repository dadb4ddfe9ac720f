/* Causes of failures: counted apart, and clean enough to be shown. */
#include "load/failures.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

Test(failures, are_counted_by_cause)
{
    struct failures f = {0};
    failures_add(&f, "refused");
    failures_add(&f, "no answer");
    failures_add_many(&f, "refused", 3);
    cr_assert(eq(sz, f.count, 2));
    cr_assert(eq(str, f.at[0].what, "refused"));
    cr_assert(eq(u64, f.at[0].count, 4));
    cr_assert(eq(u64, f.at[1].count, 1));
}

Test(failures, quote_servers_without_what_would_harm_a_terminal)
{
    struct failures f = {0};
    failures_add(&f, "closed: 4000 \033[2Jbye\n\xff");
    failures_add(&f, "closed: 4000 \033[2Jbye\n\xff");
    cr_assert(eq(str, f.at[0].what, "closed: 4000 ?[2Jbye??"));
    cr_assert(eq(u64, f.at[0].count, 2), "one cause");
}

Test(failures, beyond_the_last_place_are_counted_together)
{
    struct failures f = {0};
    for (char what[] = "a"; what[0] < 'a' + FAILURES_MAX + 4; what[0]++)
        failures_add(&f, what);
    cr_assert(eq(sz, f.count, FAILURES_MAX));
    cr_assert(eq(str, f.at[FAILURES_MAX - 1].what, "other causes"));
    cr_assert(eq(u64, f.at[FAILURES_MAX - 1].count, 5));
}
