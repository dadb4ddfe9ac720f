/* Levenshtein's distance, one line of its table at a time, and what counts as nearer than it.
 * It knows no list of names: whoever asks keeps the best. */
#include "cli/spelling.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum { PART_MIN = 3 }; /* "to" is in too many names to mean one */

static size_t min_of_three(size_t a, size_t b, size_t c)
{
    const size_t least = a < b ? a : b;
    return least < c ? least : c;
}

static size_t edit_distance(const char *typed, const char *name)
{
    size_t cost[SPELLING_NAME_MAX + 1];
    const size_t name_len = strlen(name);
    assert(name_len <= SPELLING_NAME_MAX);
    for (size_t j = 0; j <= name_len; j++)
        cost[j] = j;
    for (size_t i = 0; typed[i]; i++) {
        size_t diagonal = cost[0];
        cost[0] = i + 1;
        for (size_t j = 1; j <= name_len; j++) {
            const size_t change = diagonal + (typed[i] != name[j - 1]);
            diagonal = cost[j];
            cost[j] = min_of_three(change, cost[j] + 1, cost[j - 1] + 1);
        }
    }
    return cost[name_len];
}

size_t spelling_distance(const char *typed, const char *name, const char *also)
{
    const size_t distance = edit_distance(typed, name);
    const bool is_part = strlen(typed) >= PART_MIN &&
                         (strstr(name, typed) != NULL || (also && strstr(also, typed) != NULL));
    return is_part && distance > 1 ? 1 : distance;
}
