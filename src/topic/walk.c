/* A set's messages in log order: its plain topics merged by a heap of their next messages, or, with
 * patterns and for short ways, a bounded scan of the ring. It changes nothing. */
#include "topic/subscriptions.h"

/* --- the heap: its smallest comes first ------------------------------------------------------- */

static void sift_up(uint64_t *heads, uint32_t at)
{
    const uint64_t seq = heads[at];
    for (; at > 0 && heads[(at - 1) / 2] > seq; at = (at - 1) / 2)
        heads[at] = heads[(at - 1) / 2];
    heads[at] = seq;
}

static void sift_down(uint64_t *heads, uint32_t count)
{
    const uint64_t seq = heads[0];
    uint32_t at = 0;
    for (uint32_t child; (child = at * 2 + 1) < count; at = child) {
        if (child + 1 < count && heads[child + 1] < heads[child])
            child++;
        if (heads[child] >= seq)
            break;
        heads[at] = heads[child];
    }
    heads[at] = seq;
}

/* --- merging ---------------------------------------------------------------------------------- */

/* The end of a topic is told to the set of exactly that topic. */
static bool is_for(const struct set_walk *w, uint64_t seq)
{
    return history_at(w->history, seq)->kind != MESSAGE_END || set_only_topic(w->set);
}

static void begin_merge(struct set_walk *w)
{
    for (unsigned i = 0; i < w->set->filter_count; i++) {
        const uint64_t seq = history_after(w->history, w->set->filters[i].topic, w->seen_seq);
        if (seq == 0 || !is_for(w, seq))
            continue;
        w->heads[w->head_count] = seq;
        sift_up(w->heads, w->head_count++);
    }
}

static uint64_t merge_next(struct set_walk *w)
{
    if (w->head_count == 0) {
        if (w->seen_seq < w->set->last_seq)
            w->seen_seq = w->set->last_seq;
        return 0;
    }
    const uint64_t seq = w->heads[0], newer = history_newer(w->history, seq);
    if (newer != 0 && is_for(w, newer))
        w->heads[0] = newer;
    else
        w->heads[0] = w->heads[--w->head_count];
    sift_down(w->heads, w->head_count);
    w->seen_seq = seq;
    return seq;
}

/* --- scanning --------------------------------------------------------------------------------- */

static uint64_t scan_next(struct set_walk *w)
{
    while (w->seen_seq < w->set->last_seq && w->cost_left > 0) {
        const uint64_t seq = ++w->seen_seq;
        struct topic *topic = history_topic_at(w->history, seq);
        const uint32_t cost = topic ? set_match_cost(w->set, topic) : 1;
        w->cost_left = cost < w->cost_left ? w->cost_left - cost : 0;
        if (topic && set_matches(w->set, topic) && is_for(w, seq))
            return seq;
    }
    return 0;
}

/* --- both ------------------------------------------------------------------------------------- */

/* Looking at every slot of the way costs less than asking each topic when there are fewer of them.
 */
static bool should_scan(const struct set_walk *w)
{
    const struct set *set = w->set;
    if (set_only_topic(set))
        return false;
    return set->has_pattern || set->last_seq <= w->seen_seq + set->filter_count;
}

/* Whoever stands between a topic's neighbours gets the same. */
static uint64_t before_head(const struct set_walk *w, const struct topic *topic)
{
    const uint64_t older = history_older(w->history, w->heads[0]);
    return older ? older : topic->trimmed_seq;
}

void set_walk_begin(struct set_walk *w, const struct history *h, const struct set *set,
                    uint64_t position)
{
    /* Field by field: the heap is 2 KiB and mostly not needed. */
    w->history = h;
    w->set = set;
    w->before_seq = position;
    w->seen_seq = position < h->first_seq - 1 ? h->first_seq - 1 : position;
    w->head_count = 0;
    w->cost_left = WALK_COST_MAX;
    if (w->seen_seq >= set->quiet_from && w->seen_seq < set->quiet_to) {
        if (set->quiet_from < position)
            w->before_seq = set->quiet_from;
        w->seen_seq = set->quiet_to - 1;
    }
    w->scans = should_scan(w);
    if (w->scans)
        return;
    begin_merge(w);
    const struct topic *topic = set_only_topic(set);
    if (!topic || w->head_count == 0)
        return;
    const uint64_t before = before_head(w, topic);
    if (before < w->before_seq)
        w->before_seq = before;
}

uint64_t set_walk_next(struct set_walk *w)
{
    return w->scans ? scan_next(w) : merge_next(w);
}
