/* Sets made, interned and freed, and each message brought to those that it is for. Where a cursor
 * stands is place.c's, reading in order walk.c's. */
#include "topic/subscriptions.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>

/* --- a set's links ---------------------------------------------------------------------------- */

static struct set_links *links_of(const struct filter *f)
{
    return f->is_pattern ? pattern_links(f->pattern) : &f->topic->links;
}

static bool find_named(struct subscriptions *s, struct filter *f, struct bytes name)
{
    f->is_pattern = pattern_is(name);
    if (f->is_pattern)
        f->pattern = pattern_get(&s->patterns, name);
    else
        f->topic = topic_get(&s->topics, name);
    return f->is_pattern ? f->pattern != NULL : f->topic != NULL;
}

static void release_named(struct subscriptions *s, const struct filter *f)
{
    if (f->is_pattern)
        pattern_release(&s->patterns, f->pattern);
    else
        topic_release(&s->topics, f->topic);
}

static int link_filter(struct subscriptions *s, struct set *set, unsigned i, struct bytes name)
{
    struct filter *f = &set->filters[i];
    if (!find_named(s, f, name))
        return -ENOMEM;
    if (set_links_add(links_of(f), set, &f->place) != 0) {
        release_named(s, f);
        return -ENOMEM;
    }
    set->has_pattern |= f->is_pattern;
    return 0;
}

/* The filter of a set that was moved among its links gets its new place. */
static void keep_place(struct set *moved, const struct set_links *links, uint32_t place)
{
    for (unsigned i = 0; i < moved->filter_count; i++)
        if (links_of(&moved->filters[i]) == links) {
            moved->filters[i].place = place;
            return;
        }
    UNREACHABLE("a link without a filter");
}

static void unlink_filters(struct subscriptions *s, struct set *set, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct filter *f = &set->filters[i];
        struct set_links *links = links_of(f);
        struct set *moved = set_links_remove(links, f->place);
        if (moved)
            keep_place(moved, links, f->place);
        release_named(s, f);
    }
}

static bool link_filters(struct subscriptions *s, struct set *set, const struct bytes *names)
{
    for (unsigned i = 0; i < set->filter_count; i++)
        if (link_filter(s, set, i, names[i]) != 0) {
            unlink_filters(s, set, i);
            return false;
        }
    return true;
}

/* --- interning -------------------------------------------------------------------------------- */

static int compare_names(const void *a_at, const void *b_at)
{
    const struct bytes *a = a_at, *b = b_at;
    const int order = memcmp(a->at, b->at, a->len < b->len ? a->len : b->len);
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

static unsigned sort_names(struct bytes *names, unsigned count)
{
    unsigned kept = 1;
    qsort(names, count, sizeof(*names), compare_names);
    for (unsigned i = 1; i < count; i++)
        if (!bytes_equal(names[i], names[kept - 1]))
            names[kept++] = names[i];
    return kept;
}

static size_t key_len_of(const struct bytes *names, unsigned count)
{
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += names[i].len + 1;
    return len;
}

static uint64_t hash_names(const struct siphash_key *key, const struct bytes *names, unsigned count)
{
    uint64_t hash = 0;
    for (unsigned i = 0; i < count; i++) {
        hash = (hash ^ siphash(key, names[i])) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return hash;
}

static bool has_names(const struct set *set, const struct bytes *names, unsigned count)
{
    if (set->key_len != key_len_of(names, count))
        return false;
    const uint8_t *at = set_key(set);
    for (unsigned i = 0; i < count; at += names[i].len + 1, i++)
        if (memcmp(at, names[i].at, names[i].len) != 0 || at[names[i].len] != 0)
            return false;
    return true;
}

static struct set *set_new(const struct bytes *names, unsigned count)
{
    const size_t key_len = key_len_of(names, count);
    struct set *set = alloc_zeroed(sizeof(*set) + count * sizeof(struct filter) + key_len);
    if (!set)
        return NULL;
    list_init(&set->job);
    set->filter_count = (uint16_t)count;
    set->key_len = (uint32_t)key_len;
    uint8_t *at = (uint8_t *)&set->filters[count];
    for (unsigned i = 0; i < count; at += names[i].len + 1, i++)
        memcpy(at, names[i].at, names[i].len);
    return set;
}

static void set_free(struct set *set)
{
    list_remove(&set->job);
    for (enum wire w = 0; w < WIRES; w++)
        alloc_free(set->members[w].conns);
    alloc_free(set);
}

/* The newest of the topic that is the set's: only the topic's own set is told of its end. */
static uint64_t newest_of(const struct history *h, const struct set *set, const struct topic *topic)
{
    const uint64_t seq = topic->last_seq;
    if (seq == 0 || set_only_topic(set) || history_at(h, seq)->kind != MESSAGE_END)
        return seq;
    return history_older(h, seq);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void start_from_history(struct set *set, const struct history *h)
{
    const uint64_t floor_seq = h->topics->floor_seq;
    for (unsigned i = 0; i < set->filter_count; i++) {
        const struct filter *f = &set->filters[i];
        if (f->is_pattern) {
            set->last_seq = h->next_seq - 1;
            set->trimmed_seq = larger(set->trimmed_seq, larger(h->first_seq - 1, floor_seq));
        } else {
            set->last_seq = larger(set->last_seq, newest_of(h, set, f->topic));
            set->trimmed_seq = larger(set->trimmed_seq, f->topic->trimmed_seq);
        }
    }
    /* What was lost was its own, too: from there on it was quiet, not before. */
    set->last_seq = larger(set->last_seq, set->trimmed_seq);
    set->settled_seq = set->last_seq;
}

static struct set *find_set(const struct subscriptions *s, uint64_t hash, const struct bytes *names,
                            unsigned count)
{
    struct set *set;
    for (uint64_t at = hash; (set = table_next(&s->sets.table, hash, &at)) != NULL;)
        if (has_names(set, names, count))
            break;
    return set;
}

struct set *subscriptions_get(struct subscriptions *s, struct bytes *names, unsigned count)
{
    ASSERT(count > 0);
    ASSERT(count <= SET_FILTERS_MAX);
    count = sort_names(names, count);
    const uint64_t hash = hash_names(&s->topics.key, names, count);
    struct set *set = find_set(s, hash, names, count);
    if (set)
        return set;
    if (table_reserve(&s->sets.table) != 0)
        return NULL;
    set = set_new(names, count);
    if (!set)
        return NULL;
    if (!link_filters(s, set, names)) {
        set_free(set);
        return NULL;
    }
    set->hash = hash;
    set->number = ++s->sets.last_number;
    start_from_history(set, &s->history);
    table_add(&s->sets.table, hash, set);
    return set;
}

void subscriptions_release(struct subscriptions *s, struct set *set)
{
    if (set_count(set) > 0 || !list_is_empty(&set->job))
        return;
    table_remove(&s->sets.table, set->hash, set);
    unlink_filters(s, set, set->filter_count);
    set_free(set);
}

/* --- who has lost something ------------------------------------------------------------------- */

static void raise_trimmed(void *user, const struct set_links *links)
{
    const uint64_t *seq = user;
    for (uint32_t i = 0; i < links->count; i++)
        links->sets[i]->trimmed_seq = larger(links->sets[i]->trimmed_seq, *seq);
}

static void on_trimmed(void *user, struct topic *topic, uint64_t seq)
{
    struct subscriptions *s = user;
    if (history_at(&s->history, seq)->kind == MESSAGE_END)
        return; /* nobody loses a message by it; that the topic is finished, is remembered */
    raise_trimmed(&seq, &topic->links);
    pattern_find(&s->patterns, topic_name(topic), raise_trimmed, &seq);
}

/* --- a message -------------------------------------------------------------------------------- */

struct arrival {
    uint64_t seq;
    subscriptions_found_fn *found;
    void *user;
};

static void tell_set(const struct arrival *a, struct set *set)
{
    if (set->last_seq == a->seq)
        return; /* by another of its filters */
    if (list_is_empty(&set->job)) {
        set->quiet_from = set->last_seq;
        set->quiet_to = a->seq;
    }
    set->last_seq = a->seq;
    a->found(a->user, set, a->seq);
}

static void tell_sets(void *user, const struct set_links *links)
{
    for (uint32_t i = 0; i < links->count; i++)
        tell_set(user, links->sets[i]);
}

static void tell_own_set(const struct arrival *a, const struct topic *topic)
{
    for (uint32_t i = 0; i < topic->links.count; i++)
        if (set_only_topic(topic->links.sets[i]))
            tell_set(a, topic->links.sets[i]);
}

/* A message that nobody gets. False: its topic was finished before. Else there was no memory for a
 * topic that nobody names: who has a pattern for it has lost it, and is told so. */
static bool lose(struct subscriptions *s, const struct message *m, struct arrival *arrival)
{
    if (topic_find(&s->topics, message_topic(m)))
        return false;
    pattern_find(&s->patterns, message_topic(m), raise_trimmed, &arrival->seq);
    pattern_find(&s->patterns, message_topic(m), tell_sets, arrival);
    return true;
}

bool subscriptions_append(struct subscriptions *s, struct message *m, subscriptions_found_fn *found,
                          void *user)
{
    struct arrival arrival = {m->seq, found, user};
    struct topic *topic = history_append(&s->history, m);
    if (!topic)
        return lose(s, m, &arrival);
    if (m->kind == MESSAGE_END) {
        tell_own_set(&arrival, topic);
        return true;
    }
    tell_sets(&arrival, &topic->links);
    pattern_find(&s->patterns, topic_name(topic), tell_sets, &arrival);
    return true;
}

/* --- all of it -------------------------------------------------------------------------------- */

int subscriptions_init(struct subscriptions *s, uint32_t history_count,
                       const struct siphash_key *key)
{
    *s = (struct subscriptions){0};
    topic_table_init(&s->topics, key);
    pattern_table_init(&s->patterns, key);
    const int err = history_init(&s->history, history_count, &s->topics);
    s->history.trimmed = on_trimmed;
    s->history.user = s;
    return err;
}

void subscriptions_fini(struct subscriptions *s)
{
    history_fini(&s->history);
    for (size_t i = 0; i < s->sets.table.capacity; i++)
        if (s->sets.table.slots[i].item)
            set_free(s->sets.table.slots[i].item);
    table_fini(&s->sets.table);
    pattern_table_fini(&s->patterns);
    topic_table_fini(&s->topics);
}
