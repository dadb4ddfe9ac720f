/* A subscription set: topics and patterns that one or more connections subscribe to. Equal sets are
 * one (interned); a connection belongs to exactly one. Who its members are, by the wire form they
 * want, and how far the current fan-out has come. Members are connection indexes; what a connection
 * is, only conn/ knows. */
#pragma once

#include "base/assert.h"
#include "base/attr.h"
#include "base/bytes.h"
#include "base/list.h"

enum { SET_FILTERS_MAX = 256 };

/* The forms in which a message leaves. A waiting long-poll is a member too: it is answered; and a
 * subscriber in this process, which gets the message itself. */
enum wire {
    WIRE_WS,
    WIRE_WS_DEFLATE,
    WIRE_SSE_CHUNKED,
    WIRE_SSE_PLAIN,
    WIRE_WS_JSON,
    WIRE_WS_JSON_DEFLATE,
    WIRE_SSE_JSON_CHUNKED,
    WIRE_SSE_JSON_PLAIN,
    WIRE_POLL,
    WIRE_LOCAL,
    WIRES
};

/* A WebSocket that gets payloads alone: there is no place in it for anything else. */
static inline bool wire_is_raw_ws(enum wire wire)
{
    return wire == WIRE_WS || wire == WIRE_WS_DEFLATE;
}

struct member_list {
    uint32_t *conns;
    uint32_t count, capacity;
};

/* One topic or pattern of a set, and its place among the links of what it names. */
struct filter {
    union {
        struct topic *topic;
        struct pattern_node *pattern;
    };
    uint32_t place;
    bool is_pattern;
};
static_assert(sizeof(struct filter) + sizeof(struct set *) <= 24,
              "what a subscription costs: its filter here, its link there");

/* A pass walks the lists from the last wire's last member down to the first. Leaving swaps the last
 * member into the gap: it was visited already, or stands where the pass will still come; those who
 * join stand behind the pass and are at the head already. So nobody is ever skipped. */
struct set {
    uint64_t last_seq;    /* no retained message of its own is newer. Exact for what came since the
                             set exists; before that a pattern's may be too high */
    uint64_t trimmed_seq; /* none of its own up to here is retained: who stands before it may have
                             lost something. Exact as last_seq is */
    uint64_t quiet_from, quiet_to; /* no message of its own lies strictly between: a shortcut */
    uint64_t number;               /* never given to another set */
    uint64_t hash;
    struct member_list members[WIRES];
    struct list job;      /* in fanout.jobs while a pass is under way */
    uint64_t pass_seq;    /* the first message this pass offers; it must stay retained until then */
    uint64_t settled_seq; /* everything up to here was offered to every member by earlier passes */
    uint32_t place;       /* members [0, place) of `wire` are still to come */
    enum wire wire : 8;
    bool has_pattern;
    uint16_t filter_count;
    uint32_t key_len;
    struct filter filters[]; /* then the key: its names, sorted, each ended by NUL */
};

/* Adds a member; *place is its place, to be kept by the member. -ENOMEM. */
int set_join(struct set *s, enum wire wire, uint32_t conn, uint32_t *place) MUST_CHECK;
/* Removes the member at `place`. Returns the connection that stands there now, whose kept place the
 * caller must set to `place`, or the leaving one itself when it stood last. An empty set stays
 * until subscriptions_release(). */
uint32_t set_leave(struct set *s, enum wire wire, uint32_t place);
/* Its names, sorted, each ended by NUL: key_len bytes. */
static inline const uint8_t *set_key(const struct set *s)
{
    return (const uint8_t *)&s->filters[s->filter_count];
}
/* The name of the i-th filter, as it was given: borrowed from the set. Looks at those before it. */
struct bytes set_filter_name(const struct set *s, unsigned i);
/* Its one topic, when it is a set of exactly one plain topic; else NULL. */
static inline struct topic *set_only_topic(const struct set *s)
{
    return s->filter_count == 1 && !s->has_pattern ? s->filters[0].topic : NULL;
}
/* Does one of its filters match the topic? Remembers its last answer with the topic. */
bool set_matches(const struct set *s, struct topic *topic);
/* What asking that costs, in units of some 10 ns: long lists of deep patterns are dear, and asking
 * twice in a row is not. */
uint32_t set_match_cost(const struct set *s, const struct topic *topic);

static inline uint32_t set_count(const struct set *s)
{
    uint32_t count = 0;
    for (enum wire w = 0; w < WIRES; w++)
        count += s->members[w].count;
    return count;
}
