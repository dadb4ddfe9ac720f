/* Cursors are valid up to the log's head, even where this reactor has consumed less: what it has
 * yet to consume up to there is skipped. */
#include "conn/place.h"

#include "conn/reactor.h"

/* Before everything that is retained here. */
static ON_REACTOR uint64_t before_oldest(const struct reactor *r)
{
    return r->subscriptions.history.first_seq - 1;
}

static ON_REACTOR struct place with_gap(const struct reactor *r, enum gap_reason reason)
{
    return (struct place){before_oldest(r), true, reason};
}

/* Nothing of the set was lost after it, although the set may say so: with patterns it only knows
 * exactly what was trimmed since it exists. */
static ON_REACTOR bool is_exact(const struct reactor *r, const struct set *set, uint64_t seq)
{
    return seq >= set->trimmed_seq ||
           (set->has_pattern && seq >= subscriptions_lost_seq(&r->subscriptions, set));
}

static ON_REACTOR struct place after_cursor(const struct reactor *r, const struct set *set,
                                            const struct cursor *c)
{
    if (c->epoch != log_epoch(r->broker->log) || c->seq > log_head(r->broker->log))
        return with_gap(r, GAP_EPOCH);
    if (!is_exact(r, set, c->seq))
        return with_gap(r, GAP_TRIMMED);
    /* What lies before the oldest is nobody's any more, and nothing of it was the set's. */
    const uint64_t oldest = before_oldest(r);
    return (struct place){.position = c->seq > oldest ? c->seq : oldest};
}

ON_REACTOR struct place place_find(struct reactor *r, const struct set *set,
                                   const struct start *start)
{
    switch (start->kind) {
    case START_NOW:
        /* Not what this reactor has: what was acknowledged before is not news. */
        return (struct place){.position = log_head(r->broker->log)};
    case START_EARLIEST:
        return (struct place){.position = before_oldest(r)};
    case START_LAST:
        return (struct place){
            .position = start->last == 0
                            ? log_head(r->broker->log)
                            : subscriptions_before_last(&r->subscriptions, set, start->last)};
    case START_CURSOR:
        return after_cursor(r, set, &start->cursor);
    case START_UNREADABLE:
        return with_gap(r, GAP_EPOCH);
    }
    UNREACHABLE("start_kind");
}

ON_REACTOR struct cursor place_cursor(const struct reactor *r, uint64_t position)
{
    return (struct cursor){log_epoch(r->broker->log), position};
}
