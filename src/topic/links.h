/* Which sets subscribe here: the list that a topic and a pattern's node keep. Unordered; a set
 * remembers its place in it. */
#pragma once

#include "base/attr.h"

#include <stdint.h>

struct set;

struct set_links {
    struct set **sets;
    uint32_t count, capacity;
};

/* Adds the set; *place is its place, to be kept by its filter. -ENOMEM. */
int set_links_add(struct set_links *l, struct set *set, uint32_t *place) MUST_CHECK;
/* Removes the set at `place`. Returns the set that stands there now, whose filter's place the
 * caller must change from `l->count` (after removal) to `place`, or NULL when the last one left. */
struct set *set_links_remove(struct set_links *l, uint32_t place);
