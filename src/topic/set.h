/* Who subscribes to the same topic, by the wire form they want, and how far the current fan-out has
 * come. Members are connection indexes; what a connection is, only conn/ knows. */
#pragma once

#include "base/attr.h"
#include "base/list.h"
#include "topic/topic.h"

/* The forms in which a message leaves. */
enum wire { WIRE_WS, WIRE_SSE_CHUNKED, WIRE_SSE_PLAIN, WIRES };

struct member_list {
    uint32_t *conns;
    uint32_t count, capacity;
};

/* A pass walks the lists from the last wire's last member down to the first. Leaving swaps the last
 * member into the gap: it was visited already, or stands where the pass will still come; those who
 * join stand behind the pass and are at the head already. So nobody is ever skipped. */
struct set {
    struct topic *topic;
    struct member_list members[WIRES];
    struct list job;      /* in fanout.jobs while a pass is under way */
    uint64_t pass_seq;    /* the first message this pass offers; it must stay retained until then */
    uint64_t settled_seq; /* everything up to here was offered to every member by earlier passes */
    uint32_t place;       /* members [0, place) of `wire` are still to come */
    enum wire wire;
};

/* The topic's set, made if need be. NULL: no memory. */
struct set *set_get(struct topic *topic) MUST_CHECK;
/* Adds a member; *place is its place, to be kept by the member. -ENOMEM. */
int set_join(struct set *s, enum wire wire, uint32_t conn, uint32_t *place) MUST_CHECK;
/* Removes the member at `place`. Returns the connection that stands there now, whose kept place the
 * caller must set to `place`, or the leaving one itself when it stood last. An empty set stays
 * until set_free_if_empty(). */
uint32_t set_leave(struct set *s, enum wire wire, uint32_t place);
/* Frees an empty set that no pass is walking, and lets the table forget the topic. */
void set_free_if_empty(struct set *s, struct topic_table *table);
/* Frees the set whatever it holds: at the end of the reactor. */
void set_free(struct set *s);

static inline uint32_t set_count(const struct set *s)
{
    uint32_t count = 0;
    for (enum wire w = 0; w < WIRES; w++)
        count += s->members[w].count;
    return count;
}
