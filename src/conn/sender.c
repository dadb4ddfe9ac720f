/* Batches of sends, and what becomes of each. It decides no policy but one: who is too far behind
 * is handed to slow.c. */
#include "conn/sender.h"

#include "base/alloc.h"
#include "conn/cut.h"
#include "conn/finish.h"
#include "conn/goodbye.h"
#include "conn/inbound.h"
#include "conn/outbox.h"
#include "conn/poll.h"
#include "conn/reactor.h"
#include "conn/slow.h"

#include <errno.h>

enum { MIXED_OWN_VECS = 2 };

int sender_init(struct sender *s)
{
    *s = (struct sender){0};
    s->batches = alloc_reserve(BATCHES_MAX * sizeof(struct batch));
    s->flats = alloc_reserve(BATCHES_MAX * sizeof(*s->flats));
    s->mixed = alloc_reserve(IO_BATCH_MAX * sizeof(*s->mixed));
    if (s->batches && s->flats && s->mixed)
        return 0;
    sender_fini(s);
    return -ENOMEM;
}

void sender_fini(struct sender *s)
{
    alloc_release(s->batches, BATCHES_MAX * sizeof(struct batch));
    alloc_release(s->flats, BATCHES_MAX * sizeof(*s->flats));
    alloc_release(s->mixed, IO_BATCH_MAX * sizeof(*s->mixed));
    batch_forget(s);
    s->batches = NULL;
    s->flats = NULL;
    s->mixed = NULL;
}

ON_REACTOR void sender_forget_batches(struct reactor *r)
{
    ASSERT(r->sender.record_count == 0);
    batch_forget(&r->sender);
}

/* --- gathering sends -------------------------------------------------------------------------- */

/* A record for one send of c. The caller has settled a full batch: settle_if_full(). */
static ON_REACTOR struct send_record *record_new(struct reactor *r, struct conn *c)
{
    struct sender *s = &r->sender;
    ASSERT(s->record_count < IO_BATCH_MAX);
    struct send_record *record = &s->records[s->record_count++];
    *record = (struct send_record){
        .slot = reactor_slot(r, c), .position_before = c->position, .result = SEND_WHOLE};
    return record;
}

static bool is_full(const struct sender *s)
{
    return s->record_count == IO_BATCH_MAX || s->unsettled_bytes > UNSETTLED_BYTES_MAX;
}

static ON_REACTOR void settle_if_full(struct reactor *r)
{
    if (r->sender.transient_bytes > TRANSIENT_BYTES_MAX)
        batch_recycle(r);
    else if (is_full(&r->sender))
        sender_settle(r);
}

static ON_REACTOR uint32_t record_tag(const struct reactor *r, const struct send_record *record)
{
    return (uint32_t)(record - r->sender.records);
}

static ON_REACTOR void send_batch(struct reactor *r, struct conn *c, const struct batch *b)
{
    struct send_record *record = record_new(r, c);
    record->message_count = b->count;
    record->messages = b->vecs;
    record->bytes = b->bytes;
    r->sender.unsettled_bytes += b->bytes;
    c->position = b->last_seq;
    const uint32_t tag = record_tag(r, record);
    if (b->flat.at)
        io_send(r->io, record->slot, tag, b->flat);
    else
        io_send_vec(r->io, record->slot, tag, b->vecs, b->count);
}

/* Its subscribers stay, and are offered it again in the next turn. */
static ON_REACTOR void log_no_image(struct reactor *r)
{
    logline_limited(&r->broker->sink, &r->broker->causes.memory, LOGLINE_ERROR,
                    "no memory for a message's image: its subscribers wait");
}

/* There was nothing to send at its place: the topic is finished, or what was looked at is not for
 * its set, or there is no memory for an image. */
static ON_REACTOR void nothing_for(struct reactor *r, struct conn *c, const struct batch *b)
{
    if (!b->is_end) {
        if (b->seen_seq == c->position)
            log_no_image(r);
        c->position = b->seen_seq;
    }
    if (finish_is_over(r, c))
        finish_goodbye(r, c);
    else if (conn_is_behind(c))
        reactor_queue_flush(r, c);
}

/* Sends what is behind its position. Returns how many bytes. */
static ON_REACTOR size_t send_messages(struct reactor *r, struct conn *c)
{
    const struct batch *b = batch_for(r, c->set, c->wire, c->position);
    if (b->count > 0)
        send_batch(r, c, b);
    else
        nothing_for(r, c, b);
    return b->bytes;
}

ON_REACTOR uint64_t sender_offer(struct reactor *r, struct set *set, enum wire wire, uint32_t slot)
{
    struct conn *c = &r->conns[slot];
    if (c->position >= set->last_seq) {
        if (finish_is_over(r, c))
            reactor_queue_flush(r, c); /* it asked for what comes behind the end */
        return UINT64_MAX;
    }
    if (conn_has(c, CONN_POLLING_OUT))
        return UINT64_MAX;
    if (conn_has(c, CONN_FLUSH_QUEUED))
        return c->position; /* its flush brings the messages; until then they are needed */
    if (wire == WIRE_POLL || slow_lost_its_place(c)) {
        reactor_queue_flush(r, c);
        return c->position;
    }
    settle_if_full(r);
    r->fanout.surcharge += (uint32_t)(send_messages(r, c) / SURCHARGE_BYTES);
    return c->set ? c->position : UINT64_MAX;
}

/* The messages that fit behind what is its own. Returns how many vecs they take. */
static ON_REACTOR uint32_t add_messages(struct reactor *r, struct conn *c,
                                        struct send_record *record, struct iovec *vecs)
{
    struct gathering g = {.vecs = vecs,
                          .max = MIXED_VECS_MAX - MIXED_OWN_VECS,
                          .newest_only = conn_has(c, CONN_CONFLATING)};
    if (c->phase == CONN_POLL || !conn_is_behind(c))
        return 0;
    batch_gather(r, c->set, c->wire, c->position, &g);
    if (g.count == 0)
        return 0; /* what is its own goes out; then it is asked again */
    record->message_count = g.count;
    record->messages = vecs;
    record->bytes += g.bytes;
    c->position = g.last_seq;
    return g.count;
}

/* Its own first: the cut frame's rest and the outbox. Returns how many vecs they take. */
static ON_REACTOR uint32_t add_own(struct reactor *r, struct conn *c, struct send_record *record,
                                   struct iovec *vecs)
{
    uint32_t count = 0;
    if (c->cut) {
        const struct bytes image = cut_frame(r, c->cut, c->wire);
        if (!image.at) {
            log_no_image(r); /* nothing may overtake it */
            return 0;
        }
        ASSERT(c->cut_sent < image.len); /* or it is another frame than the one that was cut */
        const struct bytes rest = bytes_skip(image, c->cut_sent);
        record->cut_len = (uint32_t)rest.len;
        vecs[count++] = batch_vec(rest);
    }
    if (outbox_len(c->outbox) > 0) {
        record->outbox_len = (uint32_t)outbox_len(c->outbox);
        vecs[count++] = batch_vec(outbox_rest(c->outbox));
    }
    record->bytes = (uint64_t)record->cut_len + record->outbox_len;
    return count;
}

/* What is its own, then the first messages behind it. */
static ON_REACTOR void send_mixed(struct reactor *r, struct conn *c)
{
    struct send_record *record = record_new(r, c);
    const uint32_t tag = record_tag(r, record);
    struct iovec *vecs = r->sender.mixed[tag];
    uint32_t count = add_own(r, c, record, vecs);
    if (count > 0 || !c->cut)
        count += add_messages(r, c, record, vecs + count);
    r->sender.unsettled_bytes += record->bytes;
    if (count == 0) {
        r->sender.record_count--; /* nothing, for want of memory, or as yet */
        reactor_queue_flush(r, c);
    } else if (count == 1) {
        io_send(r->io, record->slot, tag, (struct bytes){vecs[0].iov_base, vecs[0].iov_len});
    } else {
        io_send_vec(r->io, record->slot, tag, vecs, count);
    }
}

/* What its place in the log demands first. It may be gone, or subscribe to nothing, afterwards. */
static ON_REACTOR void settle_place(struct reactor *r, struct conn *c)
{
    if (c->phase == CONN_POLL && (conn_is_behind(c) || finish_is_over(r, c)))
        poll_messages(r, c);
    else if (slow_lost_its_place(c))
        slow_apply(r, c);
    if (conn_has(c, CONN_CONFLATING) && c->phase != CONN_CLOSED)
        slow_conflate(r, c);
}

/* It has been offered everything there is, and took it. */
static ON_REACTOR void caught_up(struct reactor *r, struct conn *c)
{
    c->blocked_ms = 0;
    slow_recovered(r, c);
    conn_clear(c, CONN_CONFLATING | CONN_WAS_BLOCKED);
    if (finish_is_over(r, c))
        finish_goodbye(r, c);
    else
        conn_drained(r, c);
}

ON_REACTOR void sender_flush_conn(struct reactor *r, struct conn *c)
{
    settle_if_full(r);
    settle_place(r, c);
    if (c->phase == CONN_CLOSED)
        return;
    if (outbox_len(c->outbox) == 0)
        outbox_free(&c->outbox);
    if (c->cut || c->outbox || (conn_has(c, CONN_CONFLATING) && conn_is_behind(c)))
        send_mixed(r, c);
    else if (c->phase == CONN_POLL)
        return; /* it waits */
    else if (conn_is_behind(c))
        send_messages(r, c);
    else
        caught_up(r, c);
}

static bool owes_something(const struct conn *c)
{
    return c->cut || c->outbox || conn_has(c, CONN_POLLING_OUT | CONN_FLUSH_QUEUED);
}

static ON_REACTOR void send_constant(struct reactor *r, struct conn *c, struct bytes constant,
                                     bool may_be_left)
{
    struct send_record *record = record_new(r, c);
    record->constant = constant;
    record->may_be_left = may_be_left;
    record->bytes = constant.len;
    r->sender.unsettled_bytes += constant.len;
    io_send(r->io, record->slot, record_tag(r, record), constant);
}

ON_REACTOR bool sender_send_constant(struct reactor *r, struct conn *c, struct bytes constant)
{
    if (owes_something(c))
        return false;
    settle_if_full(r);
    send_constant(r, c, constant, true);
    return true;
}

ON_REACTOR bool sender_send_received(struct reactor *r, struct conn *c, struct bytes received)
{
    if (owes_something(c) || is_full(&r->sender))
        return false;
    send_constant(r, c, received, false);
    return true;
}

/* --- settling them ---------------------------------------------------------------------------- */

static ON_REACTOR void wait_for_room(struct reactor *r, struct conn *c)
{
    if (!conn_has(c, CONN_POLLING_OUT)) {
        conn_set(c, CONN_POLLING_OUT | CONN_WAS_BLOCKED);
        io_poll_arm(r->io, reactor_slot(r, c), IO_OUT);
    }
    slow_blocked(r, c);
}

/* Pins the frame that `left` bytes of went out; the messages before it are gone. */
static ON_REACTOR void place_cut(struct reactor *r, struct conn *c,
                                 const struct send_record *record, uint64_t left)
{
    const struct history *h = &r->subscriptions.history;
    struct set_walk walk;
    if (left == 0)
        return;
    set_walk_begin(&walk, h, c->set, record->position_before);
    walk.cost_left = UINT32_MAX; /* it came so far before; what that cost may have been less */
    for (uint32_t i = 0; i < record->message_count && left > 0; i++) {
        c->position = set_walk_next(&walk);
        if (left < record->messages[i].iov_len) {
            c->cut = cut_pin(r, history_at(h, c->position), c->wire);
            c->cut_sent = (uint32_t)left;
            if (!c->cut)
                conn_drop(r, c, true); /* no memory: half a frame cannot be left behind */
            return;
        }
        left -= record->messages[i].iov_len;
        stat_add(&r->stats.deliveries[conn_proto(c)], 1);
    }
    ASSERT(left == 0);
}

static ON_REACTOR void finish_cut(struct reactor *r, struct conn *c)
{
    cut_unpin(r, &c->cut);
    stat_add(&r->stats.deliveries[conn_proto(c)], 1);
}

/* The rest of it is owed now. False: the connection is gone. */
static ON_REACTOR bool keep_constant(struct reactor *r, struct conn *c,
                                     const struct send_record *record, uint64_t sent)
{
    ASSERT(!c->outbox); /* it would overtake the rest */
    if (record->may_be_left && sent == 0)
        return true;
    if (!outbox_add(r, c, bytes_skip(record->constant, sent)))
        return false;
    outbox_charge(r, c);
    return true;
}

static ON_REACTOR void settle_cut(struct reactor *r, struct conn *c,
                                  const struct send_record *record, uint64_t sent)
{
    stat_add(&r->stats.sent_bytes[conn_proto(c)], sent);
    c->position = record->position_before;
    if (sent < record->cut_len) {
        c->cut_sent += (uint32_t)sent;
        wait_for_room(r, c);
        return;
    }
    if (record->cut_len > 0)
        finish_cut(r, c);
    sent -= record->cut_len;
    if (sent < record->outbox_len) {
        c->outbox->sent += sent;
        wait_for_room(r, c);
        return;
    }
    if (record->outbox_len > 0)
        outbox_free(&c->outbox);
    sent -= record->outbox_len;
    if (record->cut_len > 0 || record->outbox_len > 0)
        slow_recovered(r, c);
    if (record->constant.len > 0 && !keep_constant(r, c, record, sent))
        return;
    if (record->constant.len == 0)
        place_cut(r, c, record, sent);
    if (c->phase != CONN_CLOSED)
        wait_for_room(r, c);
}

static ON_REACTOR void settle_whole(struct reactor *r, struct conn *c,
                                    const struct send_record *record)
{
    stat_add(&r->stats.sent_bytes[conn_proto(c)], record->bytes);
    stat_add(&r->stats.deliveries[conn_proto(c)], record->message_count);
    if (record->cut_len > 0)
        finish_cut(r, c);
    if (record->outbox_len > 0)
        outbox_free(&c->outbox);
    c->blocked_ms = 0;
    slow_recovered(r, c);
    if (record->outbox_len > 0 || record->cut_len > 0 || conn_has(c, CONN_WAS_BLOCKED))
        conn_drained(r, c);
    if (conn_is_behind(c) || finish_is_over(r, c) || inbound_waits_for(c, WAIT_TURN))
        reactor_queue_flush(r, c);
    else
        conn_clear(c, CONN_CONFLATING | CONN_WAS_BLOCKED);
}

static ON_REACTOR void settle_one(struct reactor *r, const struct send_record *record)
{
    struct conn *c = reactor_conn(r, record->slot);
    if (c->phase == CONN_CLOSED)
        return;
    if (record->result == SEND_WHOLE)
        settle_whole(r, c, record);
    else if (record->result >= 0)
        settle_cut(r, c, record, (uint64_t)record->result);
    else if (io_is_passing(record->result))
        settle_cut(r, c, record, 0);
    else
        conn_drop(r, c, false); /* the peer is gone */
}

ON_REACTOR void sender_settle(struct reactor *r)
{
    struct sender *s = &r->sender;
    if (s->record_count == 0)
        return;
    io_submit(r->io);
    unsigned count;
    const struct io_result *results = io_results(r->io, &count);
    for (unsigned i = 0; i < count; i++) {
        ASSERT(results[i].tag < s->record_count);
        s->records[results[i].tag].result = results[i].result;
    }
    const unsigned records = s->record_count;
    s->unsettled_bytes = 0;
    s->record_count = 0; /* settling may queue, but sends nothing */
    for (unsigned i = 0; i < records; i++)
        settle_one(r, &s->records[i]);
}

ON_REACTOR void sender_writable(struct reactor *r, struct conn *c)
{
    conn_clear(c, CONN_POLLING_OUT);
    if (c->phase != CONN_SSE)
        c->heard_ms = r->now_ms; /* it took something: a proof of life like any other */
    reactor_queue_flush(r, c);
}
