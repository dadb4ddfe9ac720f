/* Where in the log a subscriber of a set stands: what it has lost, and where the newest so many
 * messages begin. It moves nobody. */
#include "topic/subscriptions.h"

static bool pattern_may_have_lost(const struct subscriptions *s, const struct set *set,
                                  uint64_t after)
{
    uint32_t cost = 0;
    if (s->topics.floor_seq > after)
        return true;
    for (size_t i = 0; i < s->topics.table.capacity && cost <= PAST_COST_MAX; i++) {
        struct topic *topic = s->topics.table.slots[i].item;
        cost++;
        if (!topic || topic->trimmed_seq <= after)
            continue;
        cost += set_match_cost(set, topic);
        if (set_matches(set, topic))
            return true;
    }
    return cost > PAST_COST_MAX;
}

bool subscriptions_may_have_lost(const struct subscriptions *s, const struct set *set,
                                 uint64_t after)
{
    if (after >= set->trimmed_seq)
        return false;
    return !set->has_pattern || pattern_may_have_lost(s, set, after);
}

static bool is_end(const struct history *h, uint64_t seq)
{
    return history_at(h, seq)->kind == MESSAGE_END;
}

/* The oldest of the topic's newest `count`; 0: it has none. */
static uint64_t oldest_of_topic(const struct history *h, const struct topic *topic, uint32_t count)
{
    uint64_t seq = topic->last_seq;
    if (seq != 0 && is_end(h, seq))
        seq = history_older(h, seq);
    for (uint64_t older; seq != 0 && count > 1; count--, seq = older)
        if ((older = history_older(h, seq)) == 0)
            break;
    return seq;
}

/* The same for several topics: always back over the newest of theirs that is left. */
static uint64_t oldest_of_topics(const struct history *h, const struct set *set, uint32_t count)
{
    uint64_t newest[SET_FILTERS_MAX], oldest = 0;
    for (unsigned i = 0; i < set->filter_count; i++)
        newest[i] = oldest_of_topic(h, set->filters[i].topic, 1);
    for (; count > 0; count--) {
        unsigned of = 0;
        for (unsigned i = 1; i < set->filter_count; i++)
            if (newest[i] > newest[of])
                of = i;
        if (newest[of] == 0)
            break;
        oldest = newest[of];
        newest[of] = history_older(h, oldest);
    }
    return oldest;
}

/* The same for patterns, looking at every slot on the way. */
static uint64_t oldest_by_scan(const struct history *h, const struct set *set, uint32_t count)
{
    uint64_t oldest = 0;
    uint32_t cost = 0;
    for (uint64_t seq = h->next_seq - 1; seq >= h->first_seq && count > 0 && cost <= PAST_COST_MAX;
         seq--) {
        struct topic *topic = history_topic_at(h, seq);
        cost += topic ? set_match_cost(set, topic) : 1;
        if (!topic || !set_matches(set, topic) || is_end(h, seq))
            continue;
        oldest = seq;
        count--;
    }
    return oldest;
}

uint64_t subscriptions_before_last(const struct subscriptions *s, const struct set *set,
                                   uint32_t count)
{
    const struct history *h = &s->history;
    const struct topic *only = set_only_topic(set);
    uint64_t oldest = 0;
    if (count > 0 && set->has_pattern)
        oldest = oldest_by_scan(h, set, count);
    else if (count > 0)
        oldest = only ? oldest_of_topic(h, only, count) : oldest_of_topics(h, set, count);
    const uint64_t position = oldest ? oldest - 1 : h->next_seq - 1;
    return position > set->trimmed_seq ? position : set->trimmed_seq;
}
