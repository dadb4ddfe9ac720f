/* What one reactor retains: a ring of message references in log order, linked per topic in both
 * directions, so that a subscriber far behind on a quiet topic never scans the ring. Count and byte
 * limits come stamped on the entries (one decision for all reactors), age from their time. */
#pragma once

#include "base/sizes.h"
#include "log/message.h"
#include "topic/topic.h"

/* The newest entries keep the wire images that were built for them; those of older ones are given
 * back (see message_retire_images()). */
enum { HISTORY_IMAGES_KEPT = SIZED(1024, 8) };

struct history_slot {
    struct message *message;
    struct topic *topic;  /* NULL: no memory for its topic when it came (counts as trimmed), or the
                             topic was finished before (nobody is to get it) */
    uint32_t older_delta; /* distance in seq to the topic's neighbour; 0: none retained */
    uint32_t newer_delta;
};

/* A message is about to be let go of: who has not had it has lost it. */
typedef void history_trimmed_fn(void *user, struct topic *topic, uint64_t seq);

struct history {
    struct history_slot *slots; /* reserved: costs memory only as it fills */
    uint64_t mask;
    uint64_t first_seq; /* the oldest retained; first_seq == next_seq: empty */
    uint64_t next_seq;  /* one past the newest */
    uint64_t bytes;     /* by message_cost() */
    struct topic_table *topics;
    history_trimmed_fn *trimmed; /* set by the owner after history_init(); NULL: nobody asks */
    void *user;
};

/* count_max: as the log's history_count. topics is borrowed. -ENOMEM. */
int history_init(struct history *h, uint32_t count_max, struct topic_table *topics) MUST_CHECK;
void history_fini(struct history *h);

/* Takes the reference of m, the next message of the log, after trimming what m->oldest no longer
 * retains, and retires the images of the one that is HISTORY_IMAGES_KEPT behind it. An entry of
 * kind MESSAGE_END finishes its topic. Returns its topic, or NULL: no memory for one, or finished
 * before.
 */
struct topic *history_append(struct history *h, struct message *m);
/* Lets go of everything before seq. */
void history_trim(struct history *h, uint64_t seq);
/* Lets go of messages published before time_ms, but not of before_seq and later ones. */
void history_trim_age(struct history *h, int64_t time_ms, uint64_t before_seq);

/* The first message of the topic after seq; 0: none. From a place between the topic's own entries
 * it looks from both sides at once: forward along the ring and backward along the topic. */
uint64_t history_after(const struct history *h, const struct topic *topic, uint64_t seq);
/* The neighbour after an entry of its topic; 0: it is the newest. */
uint64_t history_newer(const struct history *h, uint64_t seq);
/* The neighbour before an entry of its topic; 0: none retained. */
uint64_t history_older(const struct history *h, uint64_t seq);
struct message *history_at(const struct history *h, uint64_t seq);
struct topic *history_topic_at(const struct history *h, uint64_t seq);
/* Is it so new that its wire images are shared with the other reactors? */
static inline bool history_shares_images(const struct history *h, uint64_t seq)
{
    return seq >= h->first_seq && seq + HISTORY_IMAGES_KEPT >= h->next_seq;
}

static inline uint64_t history_count(const struct history *h)
{
    return h->next_seq - h->first_seq;
}
