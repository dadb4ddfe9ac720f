/* How far a mistyped name is from a real one, for "the nearest is". Never allocates. */
#pragma once

#include <stddef.h>

enum { SPELLING_NAME_MAX = 32 }; /* bytes of a real name */

/* Letters to insert, to remove or to change (Levenshtein). A part of the name, or of `also` (other
 * programs' names for it, NULL: none), is nearer than a misspelling: 1. name: at most
 * SPELLING_NAME_MAX bytes; typed may be anything. */
size_t spelling_distance(const char *typed, const char *name, const char *also);
