/* A hand over the connection array that moves with the drain's clock. New peers are still answered
 * meanwhile: a load balancer must be able to see readyz say 503. */
#include "conn/drain.h"

#include "conn/goodbye.h"
#include "conn/inbound.h"
#include "conn/poll.h"

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

/* A waiting poll is answered at once: it comes back anyway, and elsewhere. */
static ON_REACTOR void answer_polls(struct reactor *r)
{
    for (uint32_t slot = 0; slot < r->slot_high; slot++)
        if (reactor_conn(r, slot)->phase == CONN_POLL)
            poll_timeout(r, reactor_conn(r, slot));
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

/* What was accepted before is delivered first, as long as there is time. The hand goes round at
 * most once a turn. */
static ON_REACTOR void say_goodbyes(struct reactor *r, uint32_t due, bool in_time)
{
    for (uint32_t i = 0; i < r->slot_high && r->drain_done < due; i++) {
        struct conn *c = reactor_conn(r, r->drain_slot);
        r->drain_slot = (r->drain_slot + 1) % r->slot_high;
        if (!is_stream(c) || (in_time && conn_is_behind(c)))
            continue;
        goodbye(r, c, WS_CLOSE_GOING_AWAY, "server is going away");
        r->drain_done++;
    }
}

/* A peer whose answer has not gone out, a publisher whose order is not fixed yet; and, as long as
 * there is time, a request that is only half here. */
static bool is_unanswered(const struct conn *c, bool in_time)
{
    if (c->phase == CONN_POLL)
        return true; /* its answer comes in a moment */
    if (c->phase != CONN_HTTP)
        return false;
    return c->outbox || (c->inbound && (in_time || c->inbound->wait == WAIT_ORDER));
}

static bool has_unanswered(const struct reactor *r, bool in_time)
{
    for (uint32_t slot = 0; slot < r->slot_high; slot++)
        if (is_unanswered(&r->conns[slot], in_time))
            return true;
    return false;
}

/* What was accepted, and has not come through this reactor yet. */
static bool is_behind_the_log(const struct reactor *r)
{
    const struct log *l = r->broker->log;
    return log_inbox_len(l) > 0 || r->subscriptions.history.next_seq <= log_head(l);
}

static ON_REACTOR bool is_over(const struct reactor *r, uint64_t elapsed_ms, bool in_time)
{
    if (atomic_load_explicit(&r->broker->end_now, memory_order_relaxed))
        return true;
    if (elapsed_ms > (uint64_t)r->broker->settings.drain_ms + DRAIN_GRACE_MS)
        return true;
    if (in_time && (is_behind_the_log(r) || locals_are_behind(r)))
        return false;
    return stream_count(r) == 0 && r->ending_count == 0 && slot_queue_is_empty(&r->flushes) &&
           !fanout_has_work(&r->fanout) && !has_unanswered(r, in_time);
}

ON_REACTOR bool drain_step(struct reactor *r)
{
    if (!broker_is_draining(r->broker))
        return true;
    if (!r->draining) {
        r->draining = true;
        r->drain_total = stream_count(r);
        answer_polls(r);
    }
    const uint64_t began_ns = atomic_load_explicit(&r->broker->drain_ns, memory_order_relaxed);
    const uint64_t elapsed_ms = r->now_ns > began_ns ? (r->now_ns - began_ns) / 1000000 : 0;
    const bool in_time = elapsed_ms < r->broker->settings.drain_ms &&
                         !atomic_load_explicit(&r->broker->end_now, memory_order_relaxed);
    if (!in_time || !log_has_work(r->broker->log, r->index))
        say_goodbyes(r, due_count(r, elapsed_ms), in_time);
    if (!r->drained && is_over(r, elapsed_ms, in_time)) {
        r->drained = true;
        atomic_fetch_add_explicit(&r->broker->drained_count, 1, memory_order_relaxed);
    }
    /* The log and the listeners need every reactor until the last one is through; and that one may
     * have made room for what the others get only now. */
    return atomic_load_explicit(&r->broker->drained_count, memory_order_relaxed) <
               r->broker->reactor_count ||
           (in_time && is_behind_the_log(r));
}
