/* The policy `close`. How a WebSocket or an event stream says goodbye stands with them. */
#include "conn/slow.h"

#include "conn/goodbye.h"
#include "conn/reactor.h"

enum { SLOW_WATCH_MS = 1000 };

ON_REACTOR bool slow_lost_its_place(const struct conn *c)
{
    return c->set && c->position < c->set->topic->trimmed_seq;
}

ON_REACTOR void slow_apply(struct reactor *r, struct conn *c)
{
    stat_add(&r->stats.gaps_slow, 1);
    stat_add(&r->stats.slow_closes, 1);
    logline_limited(&r->broker->sink, &r->broker->causes.slow, LOGLINE_WARNING,
                    "a subscriber fell behind what the history keeps and was closed");
    goodbye(r, c, WS_CLOSE_TRY_LATER, "too slow: messages it had not taken were trimmed");
}

ON_REACTOR void slow_blocked(struct reactor *r, struct conn *c)
{
    if (c->blocked_ms != 0)
        return;
    c->blocked_ms = r->now_ms;
    if (c->phase == CONN_WS || c->phase == CONN_SSE)
        conn_set_timer(r, c, SLOW_WATCH_MS);
}

ON_REACTOR void slow_watch(struct reactor *r, struct conn *c)
{
    if (slow_lost_its_place(c))
        slow_apply(r, c);
    else
        conn_set_timer(r, c, SLOW_WATCH_MS);
}
