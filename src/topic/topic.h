/* The topics one reactor knows: name -> its place in the history and its subscribers. A topic
 * exists while it has a retained message or a set that names it. It parses no name and sends
 * nothing. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"
#include "base/siphash.h"

struct set;

struct topic {
    uint64_t hash;
    uint64_t first_seq;   /* oldest retained message of this topic; 0: none */
    uint64_t last_seq;    /* newest retained; 0: none */
    uint64_t trimmed_seq; /* the highest sequence of its own that was trimmed */
    struct set *set;      /* its subscribers; NULL: none */
    uint8_t name_len;
    uint8_t name[];
};

/* Open addressing, keyed hash (peers choose the names), at most 3/4 full. */
struct topic_table {
    struct topic **slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    /* The highest trimmed_seq among forgotten topics: a resume on a topic that is not in the table
     * is exact only from here on. */
    uint64_t floor_seq;
    struct siphash_key key;
};

void topic_table_init(struct topic_table *t, const struct siphash_key *key);
void topic_table_fini(struct topic_table *t);

/* NULL: not known. */
struct topic *topic_find(const struct topic_table *t, struct bytes name);
/* Finds or makes it. NULL: no memory. A new topic starts from the table's floor. */
struct topic *topic_get(struct topic_table *t, struct bytes name) MUST_CHECK;
/* Forgets the topic if nothing holds it any more; its trimmed_seq goes into the floor. */
void topic_forget_if_unused(struct topic_table *t, struct topic *topic);

/* The highest sequence of this name that is no longer retained: a cursor >= it is exact. */
uint64_t topic_trimmed_seq(const struct topic_table *t, const struct topic *topic_or_null);
