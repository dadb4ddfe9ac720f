/* Subscribers that do not keep up. One policy so far: whoever's place is no longer retained is told
 * so and closed; whoever does not take even that is reset. Nobody is skipped silently. */
#pragma once

#include "conn/conn.h"

enum { SLOW_DRAIN_MS = 5000 };

/* Was something trimmed that it has not been offered? */
ON_REACTOR bool slow_lost_its_place(const struct conn *c);
/* Finishes the cut frame, says why (WebSocket 1013; SSE: the stream's end, its cursor tells the
 * rest), and ends the connection. */
ON_REACTOR void slow_apply(struct reactor *r, struct conn *c);
/* A send did not go out whole: from now on it is watched. */
ON_REACTOR void slow_blocked(struct reactor *r, struct conn *c);
/* Its timer fired while it is behind: ends it, or looks again soon. */
ON_REACTOR void slow_watch(struct reactor *r, struct conn *c);
