/* A hand over the connection array that moves with the drain's clock. New peers are still answered
 * meanwhile: a load balancer must be able to see readyz say 503. */
#include "conn/drain.h"

#include "conn/goodbye.h"

enum { DRAIN_GRACE_MS = 3000 }; /* after the last goodbye, for slow peers to take it */

static bool is_stream(const struct conn *c)
{
    return c->phase == CONN_WS || c->phase == CONN_SSE;
}

static uint32_t stream_count(const struct reactor *r)
{
    return atomic_load_explicit(&r->stats.connections[STAT_WS], memory_order_relaxed) +
           atomic_load_explicit(&r->stats.connections[STAT_SSE], memory_order_relaxed);
}

/* How many should have been told by now. */
static uint32_t due_count(const struct reactor *r, uint64_t elapsed_ms)
{
    const uint32_t drain_ms = r->broker->settings.drain_ms;
    if (elapsed_ms >= drain_ms || atomic_load_explicit(&r->broker->end_now, memory_order_relaxed))
        return r->drain_total;
    /* The first ones leave at once, the last ones at the end. */
    return (uint32_t)((uint64_t)r->drain_total * elapsed_ms / drain_ms) + 1;
}

static ON_REACTOR void say_goodbyes(struct reactor *r, uint32_t due)
{
    while (r->drain_done < due && r->drain_slot < r->slot_count) {
        struct conn *c = reactor_conn(r, r->drain_slot++);
        if (!is_stream(c))
            continue;
        goodbye(r, c, WS_CLOSE_GOING_AWAY, "server is going away");
        r->drain_done++;
    }
}

static bool is_over(const struct reactor *r, uint64_t elapsed_ms)
{
    if (atomic_load_explicit(&r->broker->end_now, memory_order_relaxed))
        return true;
    if (elapsed_ms > (uint64_t)r->broker->settings.drain_ms + DRAIN_GRACE_MS)
        return true;
    return stream_count(r) == 0 && r->ending_count == 0 && r->flushes.count == 0 &&
           !fanout_has_work(&r->fanout);
}

ON_REACTOR bool drain_step(struct reactor *r)
{
    if (!broker_is_draining(r->broker))
        return true;
    if (!r->draining) {
        r->draining = true;
        r->drain_total = stream_count(r);
    }
    const uint64_t began_ns = atomic_load_explicit(&r->broker->drain_ns, memory_order_relaxed);
    const uint64_t elapsed_ms = r->now_ns > began_ns ? (r->now_ns - began_ns) / 1000000 : 0;
    say_goodbyes(r, due_count(r, elapsed_ms));
    return !is_over(r, elapsed_ms);
}
