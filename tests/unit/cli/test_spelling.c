/* Distances between typed and real names. */
#include "cli/spelling.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

Test(spelling, counts_letters_to_change)
{
    cr_assert(eq(sz, spelling_distance("hold", "hold", NULL), 0));
    cr_assert(eq(sz, spelling_distance("hodl", "hold", NULL), 2));
    cr_assert(eq(sz, spelling_distance("hol", "hold", NULL), 1));
    cr_assert(eq(sz, spelling_distance("", "hold", NULL), 4));
    cr_assert(eq(sz, spelling_distance("kitten", "sitting", NULL), 3));
}

Test(spelling, knows_parts_and_other_names)
{
    cr_assert(eq(sz, spelling_distance("max", "max-connections", NULL), 1));
    cr_assert(eq(sz, spelling_distance("duration", "hold", "duration time"), 1));
    cr_assert(
        gt(sz, spelling_distance("ma", "max-connections", NULL), 1)); /* too short to mean it */
}

Test(spelling, takes_whatever_was_typed)
{
    char typed[1001];
    for (size_t i = 0; i < 1000; i++)
        typed[i] = 'X';
    typed[1000] = '\0';
    cr_assert(eq(sz, spelling_distance(typed, "abcdefghijklmnopqrstuvwxyz012345", NULL), 1000));
}
