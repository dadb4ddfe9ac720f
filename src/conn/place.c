/* Cursors are valid up to the log's head, even where this reactor has consumed less: what it has
 * yet to consume up to there is skipped. */
#include "conn/place.h"

#include "conn/reactor.h"

/* Before everything that is retained here. */
static ON_REACTOR uint64_t before_oldest(const struct reactor *r)
{
    return r->subscriptions.history.first_seq - 1;
}

ON_REACTOR uint64_t place_oldest(const struct reactor *r, const struct set *set)
{
    const uint64_t oldest = before_oldest(r);
    return set->trimmed_seq > oldest ? set->trimmed_seq : oldest;
}

static ON_REACTOR struct place with_gap(const struct reactor *r, const struct set *set,
                                        enum gap_reason reason)
{
    return (struct place){place_oldest(r, set), true, reason};
}

static ON_REACTOR struct place after_cursor(const struct reactor *r, const struct set *set,
                                            const struct cursor *c)
{
    if (c->epoch != log_epoch(r->broker->log) || c->seq > log_head(r->broker->log))
        return with_gap(r, set, GAP_EPOCH);
    if (subscriptions_may_have_lost(&r->subscriptions, set, c->seq))
        return with_gap(r, set, GAP_TRIMMED);
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
        return (struct place){.position = place_oldest(r, set)};
    case START_LAST:
        return (struct place){
            .position = start->last == 0
                            ? log_head(r->broker->log)
                            : subscriptions_before_last(&r->subscriptions, set, start->last)};
    case START_CURSOR:
        return after_cursor(r, set, &start->cursor);
    case START_UNREADABLE:
        return with_gap(r, set, GAP_EPOCH);
    }
    UNREACHABLE("start_kind");
}

ON_REACTOR struct cursor place_cursor(const struct reactor *r, uint64_t position)
{
    return (struct cursor){log_epoch(r->broker->log), position};
}
