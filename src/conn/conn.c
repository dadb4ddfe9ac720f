/* One connection's life: opened, subscribed, ended. What it says is its protocol's. */
#include "conn/conn.h"

#include "base/sizes.h"
#include "conn/asking.h"
#include "conn/cut.h"
#include "conn/deflated.h"
#include "conn/exchange.h"
#include "conn/goodbye.h"
#include "conn/inbound.h"
#include "conn/outbox.h"
#include "conn/peer.h"
#include "conn/place.h"
#include "conn/poll.h"
#include "conn/reactor.h"
#include "conn/slow.h"
#include "conn/stream.h"
#include "conn/websocket.h"

#include <errno.h>

enum {
    FIRST_HEAD_MS = 10000, /* the first request head must be there by then */
    REFUSED_HEAD_MS = 1000,
    LINGER_MS = 2000,           /* for the peer to take our last words and close */
    LINGER_MAX_MS = 10000,      /* for one that still sends: it may look for them only then */
    REFUSED_LINGER_MS = 500,    /* its place is for the next one */
    REFUSED_MAX = SIZED(64, 2), /* peers being refused at once; more wait in the backlog */
};

/* Every change of phase passes here: the gauges follow. */
ON_REACTOR void conn_set_phase(struct reactor *r, struct conn *c, enum conn_phase phase)
{
    if (c->phase != CONN_FREE && c->phase != CONN_CLOSED)
        atomic_fetch_sub_explicit(&r->stats.connections[conn_proto(c)], 1, memory_order_relaxed);
    if (c->phase == CONN_ENDING)
        r->ending_count--;
    if (phase == CONN_ENDING)
        r->ending_count++;
    c->phase = phase;
    if (phase != CONN_FREE && phase != CONN_CLOSED)
        atomic_fetch_add_explicit(&r->stats.connections[conn_proto(c)], 1, memory_order_relaxed);
}

ON_REACTOR void conn_set_timer(struct reactor *r, struct conn *c, uint32_t in_ms)
{
    timers_set(&r->timers, reactor_slot(r, c), r->now_ms + in_ms);
}

ON_REACTOR void conn_bring_timer_forward(struct reactor *r, struct conn *c, uint32_t in_ms)
{
    timers_bring_forward(&r->timers, reactor_slot(r, c), r->now_ms + in_ms);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Not added first and taken back: somebody else would be refused for it meanwhile. */
static ON_REACTOR bool take_capacity(struct broker *b)
{
    uint32_t count = atomic_load_explicit(&b->conn_count, memory_order_relaxed);
    while (count < b->settings.conn_count_max)
        if (atomic_compare_exchange_weak_explicit(&b->conn_count, &count, count + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

static ON_REACTOR void begin_refusal(struct reactor *r, struct conn *c)
{
    logline_limited(&r->broker->sink, &r->broker->causes.full, LOGLINE_WARNING,
                    "full: a connection was refused (--max-connections %u)",
                    r->broker->settings.conn_count_max);
    conn_set(c, CONN_REFUSED);
    conn_set_timer(r, c, REFUSED_HEAD_MS);
    if (++r->refused_count == REFUSED_MAX)
        io_listen_pause(r->io, true);
}

ON_REACTOR void conn_open(struct reactor *r, const struct io_event *e)
{
    struct conn *c = reactor_conn(r, e->slot);
    ASSERT(c->phase == CONN_FREE);
    if (e->slot >= r->slot_high)
        r->slot_high = e->slot + 1;
    /* A predecessor's place in the lists is kept, so that no slot stands in one twice. */
    const uint16_t queued = c->flags & (CONN_FLUSH_QUEUED | CONN_READ_QUEUED);
    memset((char *)c + sizeof(c->generation), 0, sizeof(*c) - sizeof(c->generation));
    c->flags = queued;
    c->heard_ms = r->now_ms;
    conn_set_phase(r, c, CONN_HTTP);
    peer_connected(r, e->slot, &e->peer);
    stat_add(&r->stats.accepts, 1);
    r->open_count++;
    if (!e->last_resort && take_capacity(r->broker)) {
        conn_set(c, CONN_COUNTED);
        conn_set_timer(r, c, FIRST_HEAD_MS);
    } else {
        begin_refusal(r, c);
    }
    conn_read_on(r, c);
}

/* --- ending ----------------------------------------------------------------------------------- */

static ON_REACTOR void end_refusal(struct reactor *r)
{
    if (r->refused_count-- == REFUSED_MAX)
        io_listen_pause(r->io, false);
}

/* What it holds of others' is given back at once; the slot itself when the kernel says so. */
static ON_REACTOR void release(struct reactor *r, struct conn *c)
{
    conn_unsubscribe(r, c);
    peer_gone(r, c);
    inbound_free(r, c);
    deflated_release(r, c);
    outbox_free(&c->outbox);
    cut_unpin(r, &c->cut);
    timers_clear(&r->timers, reactor_slot(r, c));
    if (conn_has(c, CONN_COUNTED))
        atomic_fetch_sub_explicit(&r->broker->conn_count, 1, memory_order_relaxed);
    if (conn_has(c, CONN_REFUSED))
        end_refusal(r);
}

ON_REACTOR void conn_drop(struct reactor *r, struct conn *c, bool reset)
{
    ASSERT(c->phase != CONN_FREE);
    if (c->phase == CONN_CLOSED)
        return;
    release(r, c);
    conn_set_phase(r, c, CONN_CLOSED);
    io_close(r->io, reactor_slot(r, c), reset ? IO_CLOSE_RESET : IO_CLOSE_FLUSH);
}

ON_REACTOR void conn_closed(struct reactor *r, uint32_t slot)
{
    struct conn *c = reactor_conn(r, slot);
    ASSERT(c->phase == CONN_CLOSED);
    c->phase = CONN_FREE;
    r->open_count--;
}

ON_REACTOR void conn_end(struct reactor *r, struct conn *c)
{
    if (c->phase == CONN_CLOSED || c->phase == CONN_ENDING)
        return;
    conn_unsubscribe(r, c);
    inbound_free(r, c);
    conn_set_phase(r, c, CONN_ENDING);
    conn_set_timer(r, c, SLOW_DRAIN_MS);
    if (!c->cut && !c->outbox)
        conn_drained(r, c);
}

/* The last words are with the kernel: say so, and wait for the peer to take them. Closing with
 * unread input would send an RST that overtakes them (RFC 9112, 9.6). */
static ON_REACTOR void finish_ending(struct reactor *r, struct conn *c)
{
    if (conn_has(c, CONN_PEER_ENDED)) {
        conn_drop(r, c, false);
        return;
    }
    if (!conn_has(c, CONN_SHUTDOWN)) {
        conn_set(c, CONN_SHUTDOWN);
        c->blocked_ms = r->now_ms;
        io_shutdown(r->io, reactor_slot(r, c));
        conn_set_timer(r, c, conn_has(c, CONN_REFUSED) ? REFUSED_LINGER_MS : LINGER_MS);
    }
    conn_read_on(r, c);
}

ON_REACTOR void conn_drained(struct reactor *r, struct conn *c)
{
    if (c->phase == CONN_ENDING)
        finish_ending(r, c);
    else if (inbound_waits_for(c, WAIT_OUTBOX) || inbound_waits_for(c, WAIT_TURN))
        conn_resume_input(r, c);
    else if (conn_has(c, CONN_PEER_ENDED) && !c->inbound)
        conn_end(r, c); /* it said all it had to say, and has its answers */
    else
        conn_read_on(r, c);
}

/* --- subscribing ------------------------------------------------------------------------------ */

ON_REACTOR int conn_subscribe(struct reactor *r, struct conn *c, struct asking *a, enum wire wire,
                              struct place *out)
{
    ASSERT(!c->set);
    struct set *set = subscriptions_get(&r->subscriptions, a->names, a->name_count);
    if (!set)
        return -ENOMEM;
    if (set_join(set, wire, reactor_slot(r, c), &c->set_place) != 0) {
        subscriptions_release(&r->subscriptions, set);
        return -ENOMEM;
    }
    *out = place_find(r, set, &a->start);
    c->set = set;
    c->wire = wire;
    c->position = out->position;
    r->subscription_count += set->filter_count;
    if (conn_is_behind(c))
        reactor_queue_flush(r, c);
    return 0;
}

ON_REACTOR void conn_unsubscribe(struct reactor *r, struct conn *c)
{
    struct set *set = c->set;
    if (!set)
        return;
    const uint32_t moved = set_leave(set, c->wire, c->set_place);
    reactor_conn(r, moved)->set_place = c->set_place;
    c->set = NULL;
    r->subscription_count -= set->filter_count;
    subscriptions_release(&r->subscriptions, set);
}

/* --- receiving -------------------------------------------------------------------------------- */

ON_REACTOR bool conn_wants_input(const struct conn *c)
{
    if (c->phase == CONN_CLOSED || conn_has(c, CONN_PEER_ENDED))
        return false;
    if (c->phase == CONN_ENDING)
        return true;
    if (c->outbox && conn_has(c, CONN_POLLING_OUT))
        return false; /* it does not take its answers: it gets no new ones */
    if (c->phase == CONN_POLL)
        return true; /* it may leave */
    return !c->inbound || c->inbound->wait == WAIT_NONE;
}

ON_REACTOR void conn_read_on(struct reactor *r, struct conn *c)
{
    if (!conn_wants_input(c) || conn_has(c, CONN_POLLING_IN | CONN_READ_QUEUED))
        return;
    if (conn_has(c, CONN_UNREAD)) {
        reactor_queue_read(r, c);
        return;
    }
    conn_set(c, CONN_POLLING_IN);
    io_poll_arm(r->io, reactor_slot(r, c), IO_IN);
}

ON_REACTOR void conn_receive(struct reactor *r, struct conn *c, struct span in)
{
    if (c->phase != CONN_SSE)
        c->heard_ms = r->now_ms;
    conn_clear(c, CONN_PINGED);
    stat_add(&r->stats.received_bytes[conn_proto(c)], in.len);
    switch (c->phase) {
    case CONN_HTTP:
        exchange_receive(r, c, in);
        return;
    case CONN_POLL:
        poll_receive(r, c, in);
        return;
    case CONN_WS:
        websocket_receive(r, c, in);
        return;
    case CONN_SSE:
    case CONN_ENDING:
    case CONN_CLOSED:
        return; /* an event stream's peer has nothing to say */
    case CONN_FREE:
        break;
    }
    UNREACHABLE("phase");
}

ON_REACTOR void conn_resume_input(struct reactor *r, struct conn *c)
{
    switch (c->phase) {
    case CONN_HTTP:
        exchange_resume(r, c);
        break;
    case CONN_WS:
        websocket_resume(r, c);
        break;
    case CONN_POLL:
    case CONN_SSE:
    case CONN_ENDING:
    case CONN_CLOSED:
        break;
    case CONN_FREE:
        UNREACHABLE("phase");
    }
    conn_read_on(r, c);
}

ON_REACTOR void conn_peer_ended(struct reactor *r, struct conn *c)
{
    conn_set(c, CONN_PEER_ENDED);
    if (c->phase == CONN_HTTP && (c->inbound || c->outbox)) {
        exchange_peer_ended(r, c); /* it may only have said all that it has to say */
        return;
    }
    if (c->phase == CONN_ENDING && (c->outbox || c->cut))
        return;
    conn_drop(r, c, false);
}

/* --- time ------------------------------------------------------------------------------------- */

/* Unread input would make an RST of our end, which may overtake our last words. */
static ON_REACTOR bool still_sends(const struct reactor *r, const struct conn *c)
{
    return conn_has(c, CONN_SHUTDOWN) && !conn_has(c, CONN_REFUSED) &&
           r->now_ms - c->heard_ms < LINGER_MS && r->now_ms - c->blocked_ms < LINGER_MAX_MS;
}

ON_REACTOR void conn_timeout(struct reactor *r, struct conn *c)
{
    switch (c->phase) {
    case CONN_HTTP:
        exchange_timeout(r, c);
        return;
    case CONN_POLL:
        poll_timeout(r, c);
        return;
    case CONN_WS:
        websocket_timeout(r, c);
        return;
    case CONN_SSE:
        stream_timeout(r, c);
        return;
    case CONN_ENDING:
        if (still_sends(r, c))
            conn_set_timer(r, c, LINGER_MS);
        else
            conn_drop(r, c, c->cut || c->outbox);
        return;
    case CONN_CLOSED:
        return;
    case CONN_FREE:
        break;
    }
    UNREACHABLE("phase");
}
