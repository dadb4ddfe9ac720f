/* The ring and its per-topic links. It decides no limit but age. */
#include "topic/history.h"

#include "base/alloc.h"

#include <errno.h>

static struct history_slot *slot_at(const struct history *h, uint64_t seq)
{
    return &h->slots[seq & h->mask];
}

static size_t slots_size(const struct history *h)
{
    return (h->mask + 1) * sizeof(struct history_slot);
}

int history_init(struct history *h, uint32_t count_max, struct topic_table *topics)
{
    uint64_t capacity = 2;
    while (capacity < count_max)
        capacity *= 2;
    /* The log's first sequence is 1. */
    *h = (struct history){.mask = capacity - 1, .first_seq = 1, .next_seq = 1, .topics = topics};
    h->slots = alloc_reserve(slots_size(h));
    return h->slots ? 0 : -ENOMEM;
}

void history_fini(struct history *h)
{
    if (!h->slots)
        return;
    history_trim(h, h->next_seq);
    alloc_release(h->slots, slots_size(h));
    h->slots = NULL;
}

/* --- trimming --------------------------------------------------------------------------------- */

static void unlink_oldest(struct history *h, const struct history_slot *s, uint64_t seq)
{
    struct topic *topic = s->topic;
    ASSERT(topic->first_seq == seq);
    if (s->message->kind != MESSAGE_END)
        topic->trimmed_seq = seq;
    if (s->newer_delta == 0) {
        topic->first_seq = topic->last_seq = 0;
        topic_release(h->topics, topic);
        return;
    }
    topic->first_seq = seq + s->newer_delta;
    slot_at(h, topic->first_seq)->older_delta = 0;
}

static void trim_one(struct history *h)
{
    const uint64_t seq = h->first_seq;
    struct history_slot *s = slot_at(h, seq);
    if (s->topic && h->trimmed)
        h->trimmed(h->user, s->topic, seq);
    if (s->topic)
        unlink_oldest(h, s, seq);
    h->bytes -= message_cost(s->message);
    if (history_shares_images(h, seq))
        message_retire_images(s->message);
    h->first_seq++;
    message_unref(&s->message);
}

void history_trim(struct history *h, uint64_t seq)
{
    while (h->first_seq < seq && h->first_seq < h->next_seq)
        trim_one(h);
}

void history_trim_age(struct history *h, int64_t time_ms, uint64_t before_seq)
{
    const uint64_t end = before_seq < h->next_seq ? before_seq : h->next_seq;
    while (h->first_seq < end && slot_at(h, h->first_seq)->message->time_ms < time_ms)
        trim_one(h);
}

/* --- appending -------------------------------------------------------------------------------- */

static struct topic *topic_for(struct history *h, const struct message *m)
{
    struct topic *topic = topic_get(h->topics, message_topic(m));
    if (!topic) {
        h->topics->floor_seq = m->seq; /* whoever resumes on it is told of a gap */
        return NULL;
    }
    if (topic->is_finished)
        return NULL;
    topic->is_finished = m->kind == MESSAGE_END;
    return topic;
}

static void link_newest(struct history *h, struct history_slot *s, uint64_t seq)
{
    struct topic *topic = s->topic;
    if (topic->last_seq == 0) {
        topic->first_seq = seq;
    } else {
        s->older_delta = (uint32_t)(seq - topic->last_seq);
        slot_at(h, topic->last_seq)->newer_delta = s->older_delta;
    }
    topic->last_seq = seq;
}

struct topic *history_append(struct history *h, struct message *m)
{
    ASSERT(m->seq == h->next_seq);
    history_trim(h, m->oldest);
    ASSERT(history_count(h) <= h->mask);
    struct history_slot *s = slot_at(h, m->seq);
    *s = (struct history_slot){.message = m, .topic = topic_for(h, m)};
    h->next_seq++;
    h->bytes += message_cost(m);
    if (s->topic)
        link_newest(h, s, m->seq);
    if (m->seq >= h->first_seq + HISTORY_IMAGES_KEPT)
        message_retire_images(slot_at(h, m->seq - HISTORY_IMAGES_KEPT)->message);
    return s->topic;
}

/* --- finding ---------------------------------------------------------------------------------- */

uint64_t history_after(const struct history *h, const struct topic *topic, uint64_t seq)
{
    if (topic->last_seq <= seq)
        return 0;
    if (seq < topic->first_seq)
        return topic->first_seq;
    if (slot_at(h, seq)->topic == topic)
        return history_newer(h, seq);
    uint64_t ahead = seq + 1, back = topic->last_seq;
    while (slot_at(h, ahead)->topic != topic) {
        const uint64_t older = back - slot_at(h, back)->older_delta;
        if (older <= seq)
            return back;
        back = older;
        ahead++;
    }
    return ahead;
}

uint64_t history_newer(const struct history *h, uint64_t seq)
{
    const uint32_t delta = slot_at(h, seq)->newer_delta;
    return delta ? seq + delta : 0;
}

uint64_t history_older(const struct history *h, uint64_t seq)
{
    const uint32_t delta = slot_at(h, seq)->older_delta;
    return delta ? seq - delta : 0;
}

static const struct history_slot *retained_at(const struct history *h, uint64_t seq)
{
    ASSERT(seq >= h->first_seq);
    ASSERT(seq < h->next_seq);
    return slot_at(h, seq);
}

struct message *history_at(const struct history *h, uint64_t seq)
{
    return retained_at(h, seq)->message;
}

struct topic *history_topic_at(const struct history *h, uint64_t seq)
{
    return retained_at(h, seq)->topic;
}
