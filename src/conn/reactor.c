/* The turn: events in, entries of the log, fan-outs, what connections owe, timers. Everything in
 * slices, so that no peer, topic or publisher holds up the others. */
#include "conn/reactor.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sizes.h"
#include "conn/callback.h"
#include "conn/drain.h"
#include "conn/peer.h"
#include "conn/publish.h"
#include "conn/slow.h"
#include "ws/deflate.h"
#include "ws/inflate.h"
#include "ws/ws.h"

#include <errno.h>

enum {
    LARGE_FANOUT = SIZED(32, 3),  /* members */
    READ_ROUNDS_MAX = 4,          /* receives from one connection a turn */
    CONSUME_MAX = SIZED(4096, 6), /* entries of the log a round */
    CONSUME_LOOK = SIZED(16, 2),  /* entries between looks at the clock */
    AGE_INTERVAL_MS = 1000,
    DRAIN_STEP_MS = 20,
    SLICE_NS = 8000000,   /* of receiving, or of flushing: the rest waits for the next turn */
    SPREAD_TOGETHER = 32, /* connections */
};

/* --- setting up ------------------------------------------------------------------------------- */

static void update_now(struct reactor *r)
{
    r->now_ns = clock_monotonic_ns();
    r->now_ms = (uint32_t)((r->now_ns - r->start_ns) / 1000000) + 1;
}

static ENTERS_REACTOR uint64_t offer_member(void *user, struct set *set, enum wire wire,
                                            uint32_t slot)
{
    if (wire == WIRE_LOCAL)
        return local_offer(user, slot);
    return sender_offer(user, set, wire, slot);
}

static ENTERS_REACTOR void settle_sends(void *user)
{
    sender_settle(user);
}

static bool slot_queue_init(struct slot_queue *q, size_t n)
{
    q->now = alloc_reserve(n * sizeof(uint32_t));
    q->next = alloc_reserve(n * sizeof(uint32_t));
    return q->now && q->next;
}

static void slot_queue_fini(struct slot_queue *q, size_t n)
{
    alloc_release(q->now, n * sizeof(uint32_t));
    alloc_release(q->next, n * sizeof(uint32_t));
}

static int reserve_arrays(struct reactor *r)
{
    const size_t n = r->slot_count;
    r->conns = alloc_reserve(n * sizeof(struct conn));
    r->scratch = alloc_reserve((size_t)SCRATCH_COUNT * SCRATCH_BYTES);
    r->peers = alloc_reserve(n * sizeof(struct peer *));
    r->questions = alloc_reserve(n * sizeof(*r->questions));
    const bool queues = slot_queue_init(&r->flushes, n) && slot_queue_init(&r->reads, n);
    return r->conns && r->scratch && r->peers && r->questions && queues ? 0 : -ENOMEM;
}

int reactor_init(struct reactor *r, struct broker *b, unsigned index, struct io **io,
                 uint32_t slot_count)
{
    *r = (struct reactor){.broker = b, .index = index, .io = *io, .slot_count = slot_count};
    *io = NULL;
    r->callback_slot = CALLBACK_NO_SLOT;
    r->start_ns = clock_monotonic_ns();
    update_now(r);
    list_init(&r->cuts);
    locals_init(&r->locals);
    fanout_init(&r->fanout);
    r->fanout.offer = offer_member;
    r->fanout.settle = settle_sends;
    r->fanout.user = r;
    if (reserve_arrays(r) == 0 && sender_init(&r->sender) == 0 &&
        timers_init(&r->timers, r->slot_count) == 0 &&
        subscriptions_init(&r->subscriptions, b->settings.history_count, &b->hash_key) == 0)
        return 0;
    reactor_fini(r);
    return -ENOMEM;
}

ENTERS_REACTOR int reactor_listen(struct reactor *r, const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const int number = io_listen(r->io, fds[i]);
        if (number < 0)
            return number;
    }
    return 0;
}

static ENTERS_REACTOR void drop_everyone(struct reactor *r)
{
    locals_fini(r);
    for (uint32_t slot = 0; slot < r->slot_high && r->open_count > 0; slot++) {
        struct conn *c = &r->conns[slot];
        if (c->phase == CONN_FREE || c->phase == CONN_CLOSED)
            continue;
        peer_will_end(r, c, WS_CLOSE_GOING_AWAY, "server is going away");
        conn_drop(r, c, false);
    }
}

void reactor_fini(struct reactor *r)
{
    const size_t n = r->slot_count;
    if (!r->broker)
        return;
    drop_everyone(r);
    io_free(&r->io);
    subscriptions_fini(&r->subscriptions);
    timers_fini(&r->timers);
    sender_fini(&r->sender);
    ws_inflater_free(&r->spare_inflater);
    ws_deflater_free(&r->deflater);
    alloc_release(r->scratch, (size_t)SCRATCH_COUNT * SCRATCH_BYTES);
    slot_queue_fini(&r->reads, n);
    slot_queue_fini(&r->flushes, n);
    alloc_release(r->questions, n * sizeof(*r->questions));
    alloc_release(r->peers, n * sizeof(struct peer *));
    alloc_release(r->conns, n * sizeof(struct conn));
    r->broker = NULL;
}

/* --- queues ----------------------------------------------------------------------------------- */

static void slot_queue_push(struct slot_queue *q, const struct reactor *r, const struct conn *c)
{
    ASSERT(q->count < r->slot_count);
    q->next[q->count++] = reactor_slot(r, c);
}

/* The next one of the round; when it is over, false, and the next call begins a round over those
 * queued meanwhile. */
static bool slot_queue_next(struct slot_queue *q, uint32_t *slot)
{
    if (q->at == q->end)
        return false;
    *slot = q->now[q->at++];
    return true;
}

static void slot_queue_begin(struct slot_queue *q)
{
    if (q->at < q->end)
        return; /* what is left of the last round comes first */
    uint32_t *round = q->next;
    q->next = q->now;
    q->now = round;
    q->at = 0;
    q->end = q->count;
    q->count = 0;
}

ON_REACTOR void reactor_queue_flush(struct reactor *r, struct conn *c)
{
    if (conn_has(c, CONN_FLUSH_QUEUED | CONN_POLLING_OUT))
        return; /* while it waits for room, the poll brings it here */
    conn_set(c, CONN_FLUSH_QUEUED);
    slot_queue_push(&r->flushes, r, c);
}

ON_REACTOR void reactor_queue_read(struct reactor *r, struct conn *c)
{
    if (conn_has(c, CONN_READ_QUEUED))
        return;
    conn_set(c, CONN_READ_QUEUED);
    slot_queue_push(&r->reads, r, c);
}

ON_REACTOR uint32_t reactor_jitter(struct reactor *r, uint32_t low, uint32_t high)
{
    /* A linear congruential step: spreading needs no secrecy. */
    r->jitter = r->jitter * 6364136223846793005u + 1442695040888963407u;
    return low + (uint32_t)((r->jitter >> 33) % (high - low));
}

uint32_t reactor_spread(const struct reactor *r, const struct conn *c, uint32_t every_ms)
{
    /* Multiples of the golden ratio lie evenly in a circle, however many there are. */
    const uint32_t turn = reactor_slot(r, c) / SPREAD_TOGETHER * UINT32_C(0x9e3779b9);
    return every_ms - (uint32_t)((uint64_t)turn * (every_ms / 8 + 1) >> 32);
}

/* --- events ----------------------------------------------------------------------------------- */

static ON_REACTOR void on_event(struct reactor *r, const struct io_event *e)
{
    struct conn *c;
    switch (e->kind) {
    case IO_ACCEPTED:
        conn_open(r, e);
        return;
    case IO_ACCEPT_FAILED:
        logline_limited(&r->broker->sink, &r->broker->causes.accept, LOGLINE_ERROR,
                        "cannot accept a connection: %s; it waits in the backlog",
                        strerror(-e->result));
        return;
    case IO_READABLE:
        c = reactor_conn(r, e->slot);
        conn_clear(c, CONN_POLLING_IN);
        reactor_queue_read(r, c);
        return;
    case IO_WRITABLE:
        sender_writable(r, reactor_conn(r, e->slot));
        return;
    case IO_CLOSED:
        conn_closed(r, e->slot);
        return;
    case IO_WOKEN:
        stat_add(&r->stats.wakeups, 1);
        return;
    case IO_CONNECTED: /* nobody asked for any */
        break;
    }
    UNREACHABLE("io_kind");
}

/* --- slices: thousands may speak, or resume, at once; the others have their turn meanwhile -----
 */

static void slice_begin(struct reactor *r)
{
    r->slice_end_ns = clock_monotonic_ns() + SLICE_NS;
}

bool reactor_slice_is_over(const struct reactor *r)
{
    return clock_monotonic_ns() >= r->slice_end_ns;
}

/* --- receiving -------------------------------------------------------------------------------- */

bool reactor_keeps(const struct reactor *r, struct bytes b)
{
    return b.at >= r->scratch[0] && b.at < r->scratch[SCRATCH_COUNT];
}

/* Starts a receive for each of up to SCRATCH_COUNT of them. False: none is left. */
static ON_REACTOR bool queue_receives(struct reactor *r)
{
    uint32_t slot, queued = 0;
    while (queued < SCRATCH_COUNT && slot_queue_next(&r->reads, &slot)) {
        struct conn *c = reactor_conn(r, slot);
        conn_clear(c, CONN_READ_QUEUED);
        if (c->phase == CONN_FREE || !conn_wants_input(c))
            continue;
        io_recv(r->io, slot, queued, (struct span){r->scratch[queued], SCRATCH_BYTES});
        queued++;
    }
    return queued > 0;
}

static ON_REACTOR void on_received(struct reactor *r, const struct io_result *result)
{
    struct conn *c = reactor_conn(r, result->slot);
    if (result->result > 0) {
        const size_t len = (size_t)result->result;
        conn_clear(c, CONN_UNREAD);
        if (len == SCRATCH_BYTES)
            conn_set(c, CONN_UNREAD);
        conn_receive(r, c, (struct span){r->scratch[result->tag], len});
        conn_read_on(r, c);
    } else if (result->result == 0) {
        conn_peer_ended(r, c);
    } else if (io_is_passing(result->result)) {
        conn_clear(c, CONN_UNREAD);
        conn_read_on(r, c);
    } else {
        conn_drop(r, c, false);
    }
}

static ON_REACTOR void receive(struct reactor *r)
{
    slot_queue_begin(&r->reads);
    while (!reactor_slice_is_over(r) && queue_receives(r)) {
        io_submit(r->io);
        unsigned count;
        const struct io_result *results = io_results(r->io, &count);
        for (unsigned i = 0; i < count; i++)
            on_received(r, &results[i]);
        sender_settle(r); /* what went back from the receive buffers */
    }
}

/* --- the log ---------------------------------------------------------------------------------- */

static void extend_fanout(void *user, struct set *set, uint64_t seq)
{
    fanout_extend(user, set, seq);
}

static ON_REACTOR void tell_order(struct reactor *r, struct message *m, bool taken)
{
    callback_begin(r, CALLBACK_done, CALLBACK_NO_SLOT);
    message_ordered(m, taken ? 0 : -EPIPE);
    callback_end(r);
}

/* The history's reference keeps m: at least until the next one is appended. */
static ON_REACTOR void consume_one(struct reactor *r)
{
    struct message *m = log_consume(r->broker->log, r->index);
    const bool taken = subscriptions_append(&r->subscriptions, m, extend_fanout, &r->fanout);
    if (m->origin.reactor == r->index && m->origin.tag != TAG_NONE)
        publish_ordered(r, m, taken);
    r->entry_lost = r->entry_lost || !taken;
    if (m->has_done && message_done_reactor(m) == r->index)
        tell_order(r, m, !r->entry_lost);
    if (!m->next_in_entry)
        r->entry_lost = false;
}

/* An entry that would trim what a fan-out still has to offer waits in the ring: those who keep up
 * lose nothing, and publishers feel it as back-pressure. */
static ON_REACTOR void consume(struct reactor *r)
{
    sender_forget_batches(r);
    for (int i = 0; i < CONSUME_MAX; i++) {
        const struct message *m = log_peek(r->broker->log, r->index);
        if (!m || !fanout_may_trim(&r->fanout, m->oldest))
            return;
        consume_one(r);
        if ((i + 1) % CONSUME_LOOK == 0 && reactor_slice_is_over(r))
            return; /* with very many patterns a message is dear */
    }
}

static ON_REACTOR void on_events(struct reactor *r, const struct io_event *events, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        on_event(r, &events[i]);
}

static ON_REACTOR void look_once_more(struct reactor *r)
{
    const struct io_event *events;
    const unsigned count = io_wait(r->io, 0, &events);
    on_events(r, events, count);
}

/* Everything that has arrived is taken in before anything is sent: sends then carry more at once.
 * Before a large fan-out it is worth looking once more (a look costs as much as one send): without
 * that, 64 publishers found 14 messages in a send where there could have been 40. It never waits,
 * and is bounded, so that a peer that never stops sending cannot keep the others waiting. */
static ON_REACTOR void take_in(struct reactor *r)
{
    const uint64_t end_ns = clock_monotonic_ns() + SLICE_NS;
    for (int round = 0; round < READ_ROUNDS_MAX; round++) {
        slice_begin(r);
        receive(r);
        slice_begin(r); /* its own, or publishers could keep it from what they publish */
        consume(r);
        if (fanout_exceeds(&r->fanout, LARGE_FANOUT))
            look_once_more(r);
        if (r->reads.count == 0 || clock_monotonic_ns() >= end_ns)
            return;
    }
}

/* --- sending ---------------------------------------------------------------------------------- */

static ON_REACTOR void flush(struct reactor *r)
{
    uint32_t slot;
    slice_begin(r);
    slot_queue_begin(&r->flushes);
    while (!reactor_slice_is_over(r) && slot_queue_next(&r->flushes, &slot)) {
        struct conn *c = reactor_conn(r, slot);
        conn_clear(c, CONN_FLUSH_QUEUED);
        if (c->phase != CONN_FREE && c->phase != CONN_CLOSED && !conn_has(c, CONN_POLLING_OUT))
            sender_flush_conn(r, c);
    }
    sender_settle(r);
}

/* --- time ------------------------------------------------------------------------------------- */

static ENTERS_REACTOR void on_timer(void *user, uint32_t slot)
{
    struct reactor *r = user;
    struct conn *c = reactor_conn(r, slot);
    if (c->phase != CONN_FREE)
        conn_timeout(r, c);
}

static ON_REACTOR void keep_time(struct reactor *r)
{
    timers_run(&r->timers, r->now_ms, on_timer, r);
    sender_settle(r);
    if (r->now_ms - r->history_age_ms < AGE_INTERVAL_MS)
        return;
    r->history_age_ms = r->now_ms;
    sender_forget_batches(r);
    history_trim_age(&r->subscriptions.history,
                     clock_realtime_ms() - r->broker->settings.history_ms,
                     fanout_needed_seq(&r->fanout));
}

static void publish_gauges(struct reactor *r)
{
    struct stats *s = &r->stats;
    const struct history *h = &r->subscriptions.history;
    const struct topic_table *t = &r->subscriptions.topics;
    atomic_store_explicit(&s->history_bytes, h->bytes, memory_order_relaxed);
    atomic_store_explicit(&s->history_messages, history_count(h), memory_order_relaxed);
    atomic_store_explicit(&s->topics, topic_held_count(t), memory_order_relaxed);
    atomic_store_explicit(&s->subscriptions, r->subscription_count, memory_order_relaxed);
}

/* --- the turn --------------------------------------------------------------------------------- */

static ON_REACTOR bool has_work(const struct reactor *r)
{
    return !slot_queue_is_empty(&r->flushes) || !slot_queue_is_empty(&r->reads) ||
           fanout_has_work(&r->fanout) || !list_is_empty(&r->locals.due);
}

static ON_REACTOR uint64_t sleep_ns(struct reactor *r)
{
    uint32_t ms = timers_wait_ms(&r->timers, r->now_ms);
    if (history_count(&r->subscriptions.history) > 0 && ms > AGE_INTERVAL_MS)
        ms = AGE_INTERVAL_MS;
    if (broker_is_draining(r->broker) && ms > DRAIN_STEP_MS)
        ms = DRAIN_STEP_MS;
    return ms == UINT32_MAX ? UINT64_MAX : (uint64_t)ms * 1000000;
}

/* Waits for events; sleeps only after having said so and looked once more. */
static ON_REACTOR unsigned wait_for_events(struct reactor *r, const struct io_event **events)
{
    if (has_work(r))
        return io_wait(r->io, 0, events);
    log_sleep_begin(r->broker->log, r->index);
    const bool awake = log_has_work(r->broker->log, r->index) || mail_waits(r);
    const unsigned count = io_wait(r->io, awake ? 0 : sleep_ns(r), events);
    log_sleep_end(r->broker->log, r->index);
    return count;
}

ENTERS_REACTOR bool reactor_turn(struct reactor *r)
{
    const struct io_event *events;
    const unsigned count = wait_for_events(r, &events);
    update_now(r);
    r->backlog = count == IO_EVENTS_MAX;
    on_events(r, events, count);
    slice_begin(r);
    mail_open(r);
    take_in(r);
    fanout_run(&r->fanout, &r->subscriptions);
    locals_flush(r);
    flush(r);
    keep_time(r);
    slow_relieve(r);
    log_help(r->broker->log, r->index);
    publish_gauges(r);
    const bool goes_on = drain_step(r);
    histogram_record(&r->stats.turn, clock_monotonic_ns() - r->now_ns);
    return goes_on;
}
