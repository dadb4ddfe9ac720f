/* The list of sets that a topic and a pattern's node keep: a dense array, swap with the last on
 * leaving. It tells nobody that it has moved. */
#include "topic/links.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <errno.h>

enum { LINKS_CAPACITY_MIN = 2 };

int set_links_add(struct set_links *l, struct set *set, uint32_t *place)
{
    if (l->count == l->capacity) {
        const uint32_t capacity = l->capacity ? l->capacity * 2 : LINKS_CAPACITY_MIN;
        struct set **sets = alloc_resize(l->sets, capacity * sizeof(struct set *));
        if (!sets)
            return -ENOMEM;
        l->sets = sets;
        l->capacity = capacity;
    }
    *place = l->count++;
    l->sets[*place] = set;
    return 0;
}

struct set *set_links_remove(struct set_links *l, uint32_t place)
{
    ASSERT(place < l->count);
    struct set *moved = l->sets[--l->count];
    l->sets[place] = moved;
    if (l->count == 0) {
        /* Topics are remembered long after their last subscriber: without its list. */
        alloc_free(l->sets);
        *l = (struct set_links){0};
    }
    return place < l->count ? moved : NULL;
}
