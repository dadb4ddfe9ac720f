/* Member lists: dense arrays, swap with the last on leaving. */
#include "topic/set.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <errno.h>

enum { MEMBERS_CAPACITY_MIN = 4 };

struct set *set_get(struct topic *topic)
{
    if (topic->set)
        return topic->set;
    struct set *s = alloc_zeroed(sizeof(*s));
    if (!s)
        return NULL;
    s->topic = topic;
    s->settled_seq = topic->last_seq;
    list_init(&s->job);
    topic->set = s;
    return s;
}

int set_join(struct set *s, enum wire wire, uint32_t conn, uint32_t *place)
{
    struct member_list *l = &s->members[wire];
    if (l->count == l->capacity) {
        const uint32_t capacity = l->capacity ? l->capacity * 2 : MEMBERS_CAPACITY_MIN;
        uint32_t *conns = alloc_resize(l->conns, capacity * sizeof(uint32_t));
        if (!conns)
            return -ENOMEM;
        l->conns = conns;
        l->capacity = capacity;
    }
    *place = l->count++;
    l->conns[*place] = conn;
    return 0;
}

uint32_t set_leave(struct set *s, enum wire wire, uint32_t place)
{
    struct member_list *l = &s->members[wire];
    ASSERT(place < l->count);
    const uint32_t moved = l->conns[--l->count];
    l->conns[place] = moved;
    if (s->wire == wire && s->place > l->count)
        s->place = l->count;
    return moved;
}

void set_free(struct set *s)
{
    list_remove(&s->job);
    for (enum wire w = 0; w < WIRES; w++)
        alloc_free(s->members[w].conns);
    s->topic->set = NULL;
    alloc_free(s);
}

void set_free_if_empty(struct set *s, struct topic_table *table)
{
    if (set_count(s) > 0 || !list_is_empty(&s->job))
        return;
    struct topic *topic = s->topic;
    set_free(s);
    topic_forget_if_unused(table, topic);
}
