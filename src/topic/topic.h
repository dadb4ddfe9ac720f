/* The topics one reactor knows: name -> its place in the history and its subscribers. A topic is
 * held while it has a retained message or a set that names it; some that nothing holds are
 * remembered, because what was trimmed of them says whether a resume is exact. It parses no name
 * and sends nothing. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/siphash.h"
#include "topic/links.h"
#include "topic/table.h"

/* Topics that nothing holds and that are remembered all the same; the longest unused is forgotten
 * first. About 6 MiB a reactor. */
enum { TOPICS_UNUSED_MAX = 65536 };

struct topic {
    uint64_t hash;
    uint64_t first_seq;     /* oldest retained message of this topic; 0: none */
    uint64_t last_seq;      /* newest retained; 0: none */
    uint64_t trimmed_seq;   /* the highest sequence of its own that was trimmed; its end apart, of
                               which nobody can say that he has lost it */
    struct set_links links; /* the sets that name it (not those whose patterns match it) */
    struct list unused;     /* in topic_table.unused while nothing holds it */
    uint64_t judged_set;    /* number of the set that was last asked about it; 0: none... */
    bool judged;            /* ...and whether that set's filters match it */
    bool is_finished;       /* takes no more messages; never forgotten */
    uint8_t name_len;
    uint8_t name[];
};

struct topic_table {
    struct table table; /* keyed hash: peers choose the names */
    size_t unused_count;
    struct list unused; /* struct topic.unused, the longest unused first */
    /* The highest trimmed_seq among forgotten topics: a resume on a topic that is not in the table
     * is exact only from here on. */
    uint64_t floor_seq;
    struct siphash_key key;
};

void topic_table_init(struct topic_table *t, const struct siphash_key *key);
void topic_table_fini(struct topic_table *t);

/* NULL: not known. */
struct topic *topic_find(const struct topic_table *t, struct bytes name);
/* Finds or makes it. NULL: no memory. A new topic starts from the table's floor. The caller makes
 * it held (a message, a link), or calls topic_release(). */
struct topic *topic_get(struct topic_table *t, struct bytes name) MUST_CHECK;
/* To be called when it may have lost its last hold: remembered for a while, then forgotten, when
 * its trimmed_seq goes into the floor. A held or finished topic stays. */
void topic_release(struct topic_table *t, struct topic *topic);

/* Topics with a retained message or a set that names them, and finished ones. */
static inline size_t topic_held_count(const struct topic_table *t)
{
    return t->table.count - t->unused_count;
}

static inline struct bytes topic_name(const struct topic *topic)
{
    return (struct bytes){topic->name, topic->name_len};
}
