/* Member lists (dense arrays, swap with the last on leaving), and what a set's filters say of a
 * topic. Making and freeing sets is subscriptions.c's. */
#include "topic/set.h"

#include "base/alloc.h"
#include "topic/pattern.h"
#include "topic/topic.h"

#include <errno.h>

enum { MEMBERS_CAPACITY_MIN = 4 };

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

static struct bytes name_at(const uint8_t *key)
{
    return bytes_from((const char *)key);
}

struct bytes set_filter_name(const struct set *s, unsigned i)
{
    ASSERT(i < s->filter_count);
    struct bytes name = name_at(set_key(s));
    for (; i > 0; i--)
        name = name_at(name.at + name.len + 1);
    return name;
}

static bool names_topic(const struct set *s, const struct topic *topic)
{
    for (unsigned i = 0; i < s->filter_count; i++)
        if (!s->filters[i].is_pattern && s->filters[i].topic == topic)
            return true;
    return false;
}

static bool has_match(const struct set *s, const struct topic *topic)
{
    struct bytes name = name_at(set_key(s));
    for (unsigned i = 0; i < s->filter_count; i++) {
        if (s->filters[i].is_pattern && pattern_matches(name, topic_name(topic)))
            return true;
        if (i + 1 < s->filter_count)
            name = name_at(name.at + name.len + 1);
    }
    return false;
}

uint32_t set_match_cost(const struct set *s, const struct topic *topic)
{
    if (topic->judged_set == s->number)
        return 1;
    return 1 + s->filter_count + (s->has_pattern ? s->key_len / 4 : 0);
}

bool set_matches(const struct set *s, struct topic *topic)
{
    if (topic->judged_set != s->number) {
        topic->judged_set = s->number;
        topic->judged = names_topic(s, topic) || (s->has_pattern && has_match(s, topic));
    }
    return topic->judged;
}
