/* Where in the log a subscriber of a set stands: what it has lost, and where the newest so many
 * messages begin. It moves nobody. */
#include "topic/subscriptions.h"

static uint64_t lost_by_pattern(const struct subscriptions *s, const struct set *set)
{
    uint64_t lost = s->topics.floor_seq;
    uint32_t cost = 0;
    for (size_t i = 0; i < s->topics.table.capacity; i++) {
        struct topic *topic = s->topics.table.slots[i].item;
        if (!topic || topic->trimmed_seq <= lost)
            continue;
        cost += set_match_cost(set, topic);
        if (cost > PAST_COST_MAX)
            return s->history.first_seq - 1 > lost ? s->history.first_seq - 1 : lost;
        if (set_matches(set, topic))
            lost = topic->trimmed_seq;
    }
    return lost;
}

uint64_t subscriptions_lost_seq(const struct subscriptions *s, const struct set *set)
{
    return set->has_pattern ? lost_by_pattern(s, set) : set->trimmed_seq;
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

/* The same for any set, looking at every slot on the way. */
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
    if (count > 0)
        oldest = only ? oldest_of_topic(h, only, count) : oldest_by_scan(h, set, count);
    const uint64_t position = oldest ? oldest - 1 : h->next_seq - 1;
    return position > set->trimmed_seq ? position : set->trimmed_seq;
}
