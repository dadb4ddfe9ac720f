/* Batches of sends, and what becomes of each. It decides no policy but one: who is too far behind
 * is handed to slow.c. */
#include "conn/sender.h"

#include "base/alloc.h"
#include "conn/outbox.h"
#include "conn/reactor.h"
#include "conn/slow.h"
#include "conn/wire.h"

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
    s->batches = NULL;
    s->flats = NULL;
    s->mixed = NULL;
}

static ON_REACTOR struct bytes wire_at(struct reactor *r, enum wire wire, uint64_t seq)
{
    return wire_bytes(history_at(&r->history, seq), wire, log_epoch(r->broker->log));
}

/* --- batches ---------------------------------------------------------------------------------- */

static struct iovec vec_of(struct bytes b)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)b.at, .iov_len = b.len};
}

/* Each message's time from publish to its first send on this reactor, once. */
static ON_REACTOR void time_message(struct reactor *r, uint64_t seq)
{
    if (seq <= r->sender.timed_seq)
        return;
    r->sender.timed_seq = seq;
    const uint64_t since_ns = history_at(&r->history, seq)->appended_ns;
    histogram_record(&r->stats.publish_to_send, r->now_ns > since_ns ? r->now_ns - since_ns : 0);
}

/* Consecutive messages of one topic, as vecs. */
struct gathering {
    struct iovec *vecs;
    uint32_t max, count;
    uint64_t last_seq;
    size_t bytes;
};

/* Gathers the topic's messages from `seq` on, as far as the limits go: at least one. None: no
 * memory for the first image. */
static ON_REACTOR void gather(struct reactor *r, enum wire wire, uint64_t seq, struct gathering *g)
{
    for (; seq != 0 && g->count < g->max; seq = history_newer(&r->history, seq)) {
        const struct bytes b = wire_at(r, wire, seq);
        if (!b.at || (g->count > 0 && g->bytes + b.len > BATCH_BYTES_MAX))
            return;
        time_message(r, seq);
        g->vecs[g->count++] = vec_of(b);
        g->bytes += b.len;
        g->last_seq = seq;
    }
}

/* A send of 64 pieces costs the kernel about 2 us more than one of one piece: copied once, when
 * many share it. A single message is in one piece already. */
static void flatten(struct batch *b, uint8_t *out)
{
    size_t len = 0;
    b->flat = (struct bytes){0};
    if (b->count == 1)
        b->flat = (struct bytes){b->vecs[0].iov_base, b->vecs[0].iov_len};
    if (b->count == 1 || !b->topic->set || set_count(b->topic->set) < FLAT_MEMBERS_MIN)
        return;
    for (uint32_t i = 0; i < b->count; i++) {
        memcpy(out + len, b->vecs[i].iov_base, b->vecs[i].iov_len);
        len += b->vecs[i].iov_len;
    }
    b->flat = (struct bytes){out, len};
}

static ON_REACTOR bool batch_build(struct reactor *r, struct batch *b, uint64_t position)
{
    b->first_seq = history_after(&r->history, b->topic, position);
    const uint32_t older = history_older_delta(&r->history, b->first_seq);
    b->before_seq = older ? b->first_seq - older : b->topic->trimmed_seq;
    struct gathering g = {.vecs = b->vecs, .max = BATCH_VECS_MAX};
    gather(r, b->wire, b->first_seq, &g);
    b->count = g.count;
    b->last_seq = g.last_seq;
    b->bytes = g.bytes;
    return b->count > 0;
}

/* The shared batch for that place, or NULL: no memory for its image. The topic has messages after
 * `position`, and none of them is trimmed. */
static ON_REACTOR const struct batch *batch_for(struct reactor *r, const struct topic *topic,
                                                enum wire wire, uint64_t position)
{
    struct sender *s = &r->sender;
    for (unsigned i = 0; i < s->batch_count; i++) {
        const struct batch *b = &s->batches[i];
        if (b->topic == topic && b->wire == wire && b->before_seq <= position &&
            position < b->first_seq)
            return b;
    }
    if (s->batch_count == BATCHES_MAX) {
        sender_settle(r); /* the kernel reads them no more */
        s->batch_count = 0;
    }
    struct batch *b = &s->batches[s->batch_count];
    b->topic = topic;
    b->wire = wire;
    if (!batch_build(r, b, position))
        return NULL;
    flatten(b, s->flats[s->batch_count++]);
    return b;
}

ON_REACTOR void sender_forget_batches(struct reactor *r)
{
    ASSERT(r->sender.record_count == 0);
    r->sender.batch_count = 0;
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

static ON_REACTOR void settle_if_full(struct reactor *r)
{
    if (r->sender.record_count == IO_BATCH_MAX)
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
    record->first_seq = b->first_seq;
    record->last_seq = b->last_seq;
    record->bytes = b->bytes;
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

ON_REACTOR uint64_t sender_offer(struct reactor *r, struct set *set, enum wire wire, uint32_t slot)
{
    struct conn *c = &r->conns[slot];
    if (c->position >= set->topic->last_seq)
        return UINT64_MAX;
    if (conn_has(c, CONN_POLLING_OUT))
        return UINT64_MAX;
    if (conn_has(c, CONN_FLUSH_QUEUED))
        return c->position; /* its flush brings the messages; until then they are needed */
    settle_if_full(r);
    if (slow_lost_its_place(c)) {
        slow_apply(r, c);
        return UINT64_MAX;
    }
    const struct batch *b = batch_for(r, set->topic, wire, c->position);
    if (!b) {
        log_no_image(r);
        return c->position;
    }
    send_batch(r, c, b);
    return b->last_seq;
}

/* The messages that fit behind what is its own. Returns how many vecs they take. */
static ON_REACTOR uint32_t add_messages(struct reactor *r, struct conn *c,
                                        struct send_record *record, struct iovec *vecs)
{
    struct gathering g = {.vecs = vecs, .max = MIXED_VECS_MAX - MIXED_OWN_VECS};
    if (!conn_is_behind(c))
        return 0;
    record->first_seq = history_after(&r->history, c->set->topic, c->position);
    gather(r, c->wire, record->first_seq, &g);
    if (g.count == 0)
        return 0; /* no memory for an image: what is its own goes out */
    record->message_count = g.count;
    record->last_seq = c->position = g.last_seq;
    record->bytes += g.bytes;
    return g.count;
}

/* The cut frame's rest and the outbox, then the first messages behind them. */
static ON_REACTOR void send_mixed(struct reactor *r, struct conn *c)
{
    struct send_record *record = record_new(r, c);
    const uint32_t tag = record_tag(r, record);
    struct iovec *vecs = r->sender.mixed[tag];
    uint32_t count = 0;
    if (c->cut) {
        const struct bytes image = wire_bytes(c->cut, c->wire, log_epoch(r->broker->log));
        const struct bytes rest = bytes_skip(image, c->cut_sent);
        record->cut_len = (uint32_t)rest.len;
        vecs[count++] = vec_of(rest);
    }
    if (c->outbox) {
        record->outbox_len = (uint32_t)outbox_len(c->outbox);
        vecs[count++] = vec_of(outbox_rest(c->outbox));
    }
    record->bytes = record->cut_len + record->outbox_len;
    count += add_messages(r, c, record, vecs + count);
    if (count == 1)
        io_send(r->io, record->slot, tag, (struct bytes){vecs[0].iov_base, vecs[0].iov_len});
    else
        io_send_vec(r->io, record->slot, tag, vecs, count);
}

ON_REACTOR void sender_flush_conn(struct reactor *r, struct conn *c)
{
    settle_if_full(r);
    if (slow_lost_its_place(c))
        slow_apply(r, c);
    if (c->phase == CONN_CLOSED)
        return;
    if (c->cut || outbox_len(c->outbox) > 0) {
        send_mixed(r, c);
        return;
    }
    outbox_free(&c->outbox);
    if (!conn_is_behind(c)) {
        c->blocked_ms = 0;
        conn_drained(r, c);
        return;
    }
    const struct batch *b = batch_for(r, c->set->topic, c->wire, c->position);
    if (b) {
        send_batch(r, c, b);
        return;
    }
    log_no_image(r);
    reactor_queue_flush(r, c);
}

ON_REACTOR bool sender_send_constant(struct reactor *r, struct conn *c, struct bytes constant)
{
    if (c->cut || c->outbox || conn_has(c, CONN_POLLING_OUT | CONN_FLUSH_QUEUED))
        return false;
    settle_if_full(r);
    struct send_record *record = record_new(r, c);
    record->constant = constant;
    record->bytes = constant.len;
    io_send(r->io, record->slot, record_tag(r, record), constant);
    return true;
}

/* --- settling them ---------------------------------------------------------------------------- */

static ON_REACTOR void wait_for_room(struct reactor *r, struct conn *c)
{
    if (!conn_has(c, CONN_POLLING_OUT)) {
        conn_set(c, CONN_POLLING_OUT);
        io_poll_arm(r->io, reactor_slot(r, c), IO_OUT);
    }
    slow_blocked(r, c);
}

/* Pins the frame that `left` bytes of went out; the messages before it are gone. */
static ON_REACTOR void place_cut(struct reactor *r, struct conn *c,
                                 const struct send_record *record, uint64_t left)
{
    uint64_t seq = record->first_seq;
    for (uint32_t i = 0; i < record->message_count; i++) {
        struct message *m = history_at(&r->history, seq);
        const uint64_t len = wire_at(r, c->wire, seq).len;
        if (left < len && left == 0)
            return;
        c->position = seq;
        if (left < len) {
            message_ref(m, 1);
            c->cut = m;
            c->cut_sent = (uint32_t)left;
            return;
        }
        left -= len;
        stat_add(&r->stats.deliveries[conn_proto(c)], 1);
        seq = history_newer(&r->history, seq);
    }
    UNREACHABLE("a cut behind the last message");
}

static ON_REACTOR void finish_cut(struct reactor *r, struct conn *c)
{
    message_unref(&c->cut);
    stat_add(&r->stats.deliveries[conn_proto(c)], 1);
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
    if (c->cut)
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
    if (record->constant.len > 0 && sent > 0 &&
        !outbox_add(r, c, bytes_skip(record->constant, sent)))
        return;
    if (record->constant.len == 0)
        place_cut(r, c, record, sent);
    wait_for_room(r, c);
}

static ON_REACTOR void settle_whole(struct reactor *r, struct conn *c,
                                    const struct send_record *record)
{
    stat_add(&r->stats.sent_bytes[conn_proto(c)], record->bytes);
    stat_add(&r->stats.deliveries[conn_proto(c)], record->message_count);
    if (c->cut)
        finish_cut(r, c);
    if (record->outbox_len > 0)
        outbox_free(&c->outbox);
    c->blocked_ms = 0;
    if (record->outbox_len > 0 || record->cut_len > 0)
        conn_drained(r, c);
    if (conn_is_behind(c))
        reactor_queue_flush(r, c);
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
    s->record_count = 0; /* settling may queue, but sends nothing */
    for (unsigned i = 0; i < records; i++)
        settle_one(r, &s->records[i]);
}

ON_REACTOR void sender_writable(struct reactor *r, struct conn *c)
{
    conn_clear(c, CONN_POLLING_OUT);
    c->heard_ms = r->now_ms; /* it took something: a proof of life like any other */
    reactor_queue_flush(r, c);
}
