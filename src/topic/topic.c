/* The topic table: finding, making, remembering the unused ones in the order in which they lost
 * their last hold. Who links to a topic, it does not look at. */
#include "topic/topic.h"

#include "base/alloc.h"
#include "base/assert.h"

void topic_table_init(struct topic_table *t, const struct siphash_key *key)
{
    *t = (struct topic_table){.key = *key};
    list_init(&t->unused);
}

static void topic_free(struct topic *topic)
{
    alloc_free(topic->links.sets);
    alloc_free(topic);
}

void topic_table_fini(struct topic_table *t)
{
    for (size_t i = 0; i < t->table.capacity; i++)
        if (t->table.slots[i].item)
            topic_free(t->table.slots[i].item);
    table_fini(&t->table);
    *t = (struct topic_table){0};
}

static struct topic *find(const struct topic_table *t, uint64_t hash, struct bytes name)
{
    struct topic *topic;
    for (uint64_t at = hash; (topic = table_next(&t->table, hash, &at)) != NULL;)
        if (bytes_equal(topic_name(topic), name))
            break;
    return topic;
}

struct topic *topic_find(const struct topic_table *t, struct bytes name)
{
    return find(t, siphash(&t->key, name), name);
}

static struct topic *topic_new(struct topic_table *t, uint64_t hash, struct bytes name)
{
    if (table_reserve(&t->table) != 0)
        return NULL;
    struct topic *topic = alloc_zeroed(sizeof(struct topic) + name.len);
    if (!topic)
        return NULL;
    topic->hash = hash;
    topic->trimmed_seq = t->floor_seq;
    list_init(&topic->unused);
    topic->name_len = (uint8_t)name.len;
    memcpy(topic->name, name.at, name.len);
    table_add(&t->table, hash, topic);
    return topic;
}

static void leave_unused(struct topic_table *t, struct topic *topic)
{
    if (list_is_empty(&topic->unused))
        return;
    list_remove(&topic->unused);
    t->unused_count--;
}

struct topic *topic_get(struct topic_table *t, struct bytes name)
{
    ASSERT(name.len > 0);
    ASSERT(name.len <= UINT8_MAX);
    const uint64_t hash = siphash(&t->key, name);
    struct topic *topic = find(t, hash, name);
    if (!topic)
        return topic_new(t, hash, name);
    leave_unused(t, topic);
    return topic;
}

static void forget(struct topic_table *t, struct topic *topic)
{
    if (topic->trimmed_seq > t->floor_seq)
        t->floor_seq = topic->trimmed_seq;
    leave_unused(t, topic);
    table_remove(&t->table, topic->hash, topic);
    topic_free(topic);
}

static bool is_held(const struct topic *topic)
{
    return topic->links.count > 0 || topic->last_seq != 0;
}

void topic_release(struct topic_table *t, struct topic *topic)
{
    if (is_held(topic) || topic->is_finished || !list_is_empty(&topic->unused))
        return;
    list_push_back(&t->unused, &topic->unused);
    t->unused_count++;
    if (t->unused_count > TOPICS_UNUSED_MAX)
        forget(t, LIST_OWNER(t->unused.next, struct topic, unused));
}
