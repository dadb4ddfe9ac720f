/* Subscribers that do not keep up. They cost a cursor and one pinned frame; when what they have not
 * had is trimmed, they have lost their place, and the policy (--slow) decides: close, skip, or
 * latest. Whatever it decides, the cut frame is finished first, then comes the notice; whoever does
 * not take even that is reset. Nobody is skipped silently. */
#pragma once

#include "conn/conn.h"

enum { SLOW_DRAIN_MS = 5000 };

/* Was something trimmed that it has not been offered? */
static inline bool slow_lost_its_place(const struct conn *c)
{
    return c->set && c->position < c->set->trimmed_seq;
}
/* There is room, and it has lost its place. It may be gone, or ending, afterwards. */
ON_REACTOR void slow_apply(struct reactor *r, struct conn *c);
/* A conflating connection has room: moves it to the next message that is the newest of its topic,
 * and tells the gap. */
ON_REACTOR void slow_conflate(struct reactor *r, struct conn *c);
/* Has its topic a newer message, so that a conflating connection does not get it? */
ON_REACTOR bool slow_is_superseded(const struct reactor *r, uint64_t seq);
/* A send did not go out whole: from now on it is watched. */
ON_REACTOR void slow_blocked(struct reactor *r, struct conn *c);
/* It has taken what stood before its place. */
ON_REACTOR void slow_recovered(struct reactor *r, struct conn *c);
/* Its timer fired while it is behind: ends it, or looks again soon. */
ON_REACTOR void slow_watch(struct reactor *r, struct conn *c);
/* Once a turn: when cut frames pin more than the history may hold, resets those stalled longest. */
ON_REACTOR void slow_relieve(struct reactor *r);
