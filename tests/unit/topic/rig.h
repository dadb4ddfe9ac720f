/* One reactor's subscriptions, and helpers to publish to them and to look at what came of it:
 * shared by the tests of topic/. Asserts by itself; holds no expectations of its own. */
#pragma once

#include "base/alloc.h"
#include "topic/subscriptions.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>

enum { RIG_FOUND_MAX = 64 };

struct rig {
    struct subscriptions s;
    uint64_t oldest;                  /* what the next message still retains */
    struct set *found[RIG_FOUND_MAX]; /* the sets that the last message was for */
    unsigned found_count;
};

static inline void rig_init(struct rig *r, uint32_t history_count)
{
    static const struct siphash_key key = {3, 4};
    *r = (struct rig){.oldest = 1};
    cr_assert(eq(int, subscriptions_init(&r->s, history_count, &key), 0));
}

static inline void rig_found(void *user, struct set *set, uint64_t seq)
{
    struct rig *r = user;
    cr_assert(lt(uint, r->found_count, RIG_FOUND_MAX));
    cr_assert(eq(u64, set->last_seq, seq), "found is called after last_seq was raised");
    r->found[r->found_count++] = set;
}

static inline struct message *rig_message(const struct history *h, const char *topic,
                                          enum message_kind kind, uint64_t oldest)
{
    struct message_options o = {
        .topic = bytes_from(topic), .kind = kind, .origin = {.reactor = ORIGIN_NONE}};
    if (kind != MESSAGE_END)
        o.payload = BYTES_LITERAL("payload");
    struct message *m = message_new(&o);
    cr_assert(ne(ptr, m, NULL));
    m->seq = h->next_seq;
    m->oldest = oldest;
    m->time_ms = (int64_t)m->seq * 1000;
    return m;
}

static inline bool rig_append(struct rig *r, const char *topic, enum message_kind kind)
{
    r->found_count = 0;
    return subscriptions_append(&r->s, rig_message(&r->s.history, topic, kind, r->oldest),
                                rig_found, r);
}

/* Returns its sequence. */
static inline uint64_t rig_publish(struct rig *r, const char *topic)
{
    cr_assert(rig_append(r, topic, MESSAGE_TEXT));
    return r->s.history.next_seq - 1;
}

static inline uint64_t rig_finish(struct rig *r, const char *topic)
{
    cr_assert(rig_append(r, topic, MESSAGE_END));
    return r->s.history.next_seq - 1;
}

static inline void rig_trim(struct rig *r, uint64_t oldest)
{
    r->oldest = oldest;
    history_trim(&r->s.history, oldest);
}

/* The set of these names, which stand in one text with spaces between; without a member. NULL: no
 * memory. */
static inline struct set *rig_try_set(struct rig *r, const char *names)
{
    struct bytes split[SET_FILTERS_MAX];
    unsigned count = 0;
    for (struct bytes left = bytes_from(names); left.len > 0; count++) {
        const uint8_t *space = memchr(left.at, ' ', left.len);
        split[count] = (struct bytes){left.at, space ? (size_t)(space - left.at) : left.len};
        left = bytes_skip(left, split[count].len + (space ? 1 : 0));
    }
    return subscriptions_get(&r->s, split, count);
}

/* The oldest position from which the set resumes exactly. */
static inline uint64_t rig_lost_seq(const struct rig *r, const struct set *set)
{
    uint64_t after = 0;
    while (subscriptions_may_have_lost(&r->s, set, after))
        after++;
    return after;
}

static inline struct set *rig_set(struct rig *r, const char *names)
{
    struct set *set = rig_try_set(r, names);
    cr_assert(ne(ptr, set, NULL));
    return set;
}

static inline struct topic *rig_topic(const struct rig *r, const char *name)
{
    return topic_find(&r->s.topics, bytes_from(name));
}

static inline bool rig_was_for(const struct rig *r, const struct set *set)
{
    unsigned times = 0;
    for (unsigned i = 0; i < r->found_count; i++)
        times += r->found[i] == set;
    cr_assert(lt(uint, times, 2), "once for each set");
    return times == 1;
}

/* --- failing allocations: the rig_allowed'th from now on fails, and those after it -------------
 */

static inline bool rig_gate(void *user, size_t size)
{
    unsigned *left = user;
    (void)size;
    return *left > 0 && (*left)-- > 0;
}
