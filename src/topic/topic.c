/* The topic table: linear probing with backward-shift deletion. */
#include "topic/topic.h"

#include "base/alloc.h"
#include "base/assert.h"

enum { TABLE_CAPACITY_MIN = 64 };

void topic_table_init(struct topic_table *t, const struct siphash_key *key)
{
    *t = (struct topic_table){.key = *key};
}

void topic_table_fini(struct topic_table *t)
{
    for (size_t i = 0; i < t->capacity; i++)
        alloc_free(t->slots[i]);
    alloc_free(t->slots);
    *t = (struct topic_table){0};
}

static bool topic_is(const struct topic *topic, uint64_t hash, struct bytes name)
{
    return topic->hash == hash && topic->name_len == name.len &&
           memcmp(topic->name, name.at, name.len) == 0;
}

/* The slot of that name, or the free slot where it would go. The table is never full. */
static size_t slot_of(const struct topic_table *t, uint64_t hash, struct bytes name)
{
    size_t i = hash & (t->capacity - 1);
    while (t->slots[i] && !topic_is(t->slots[i], hash, name))
        i = (i + 1) & (t->capacity - 1);
    return i;
}

static size_t free_slot(struct topic *const *slots, size_t capacity, uint64_t hash)
{
    size_t i = hash & (capacity - 1);
    while (slots[i])
        i = (i + 1) & (capacity - 1);
    return i;
}

static bool grow(struct topic_table *t)
{
    const size_t capacity = t->capacity ? t->capacity * 2 : TABLE_CAPACITY_MIN;
    struct topic **slots = alloc_zeroed(capacity * sizeof(struct topic *));
    if (!slots)
        return false;
    for (size_t i = 0; i < t->capacity; i++)
        if (t->slots[i])
            slots[free_slot(slots, capacity, t->slots[i]->hash)] = t->slots[i];
    alloc_free(t->slots);
    t->slots = slots;
    t->capacity = capacity;
    return true;
}

struct topic *topic_find(const struct topic_table *t, struct bytes name)
{
    if (t->capacity == 0)
        return NULL;
    return t->slots[slot_of(t, siphash(&t->key, name), name)];
}

struct topic *topic_get(struct topic_table *t, struct bytes name)
{
    ASSERT(name.len > 0 && name.len <= UINT8_MAX);
    struct topic *topic = topic_find(t, name);
    if (topic)
        return topic;
    if ((t->count + 1) * 4 > t->capacity * 3 && !grow(t))
        return NULL;
    topic = alloc_zeroed(sizeof(struct topic) + name.len);
    if (!topic)
        return NULL;
    topic->hash = siphash(&t->key, name);
    topic->trimmed_seq = t->floor_seq;
    topic->name_len = (uint8_t)name.len;
    memcpy(topic->name, name.at, name.len);
    t->slots[free_slot(t->slots, t->capacity, topic->hash)] = topic;
    t->count++;
    return topic;
}

/* Closes the hole so that no probe sequence is cut: whatever may stand there moves in. */
static void close_hole(struct topic_table *t, size_t hole)
{
    const size_t mask = t->capacity - 1;
    for (size_t i = (hole + 1) & mask; t->slots[i]; i = (i + 1) & mask) {
        const size_t home = t->slots[i]->hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* its home lies behind the hole: it must stay reachable */
        t->slots[hole] = t->slots[i];
        t->slots[i] = NULL;
        hole = i;
    }
}

void topic_forget_if_unused(struct topic_table *t, struct topic *topic)
{
    if (topic->set || topic->last_seq != 0)
        return;
    const struct bytes name = {topic->name, topic->name_len};
    const size_t i = slot_of(t, topic->hash, name);
    ASSERT(t->slots[i] == topic);
    if (topic->trimmed_seq > t->floor_seq)
        t->floor_seq = topic->trimmed_seq;
    t->slots[i] = NULL;
    t->count--;
    close_hole(t, i);
    alloc_free(topic);
}

uint64_t topic_trimmed_seq(const struct topic_table *t, const struct topic *topic_or_null)
{
    return topic_or_null ? topic_or_null->trimmed_seq : t->floor_seq;
}
