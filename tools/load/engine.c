/* The turn: events, receives in batches, sends in batches. At most one send per socket between two
 * io_submit() calls, since a whole one leaves no trace by which two could be told apart.
 * It does not decide whom to dial, nor when. */
#include "load/engine.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "load/frames.h"

#include <string.h>

enum { RECEIVE_ROUNDS_MAX = 4 }; /* of a peer that always has more, before others get their turn */

int engine_init(struct engine *e, enum io_backend backend, uint32_t slot_count)
{
    const struct io_options options = {
        .backend = backend, .slot_count = slot_count, .connect_count = slot_count};
    *e = (struct engine){.slot_count = slot_count};
    e->peers = alloc_reserve(slot_count * sizeof(*e->peers));
    e->buffers = alloc_bytes((size_t)ENGINE_RECEIVES * ENGINE_RECEIVE_LEN);
    e->ready = alloc_bytes(IO_EVENTS_MAX * sizeof(*e->ready));
    clock_random_bytes(&e->mask, sizeof(e->mask));
    const int err = e->peers && e->buffers && e->ready ? io_new(&e->io, &options) : -ENOMEM;
    if (err != 0)
        engine_fini(e);
    return err;
}

static ON_REACTOR void close_all(struct engine *e)
{
    /* Resets: nothing unsent, no TIME_WAIT that keeps the ports of the next run. */
    for (uint32_t slot = 0; e->socket_count > 0 && slot < e->slot_count; slot++) {
        const uint8_t state = engine_peer(e, slot)->state;
        if (state != PEER_FREE && state != PEER_CLOSING)
            engine_close(e, slot, IO_CLOSE_RESET);
        if (slot % IO_EVENTS_MAX == 0)
            engine_turn(e, 0);
    }
    while (e->socket_count > 0)
        engine_turn(e, UINT64_MAX);
}

void engine_fini(struct engine *e)
{
    if (e->io)
        close_all(e);
    io_free(&e->io);
    if (e->peers)
        alloc_release(e->peers, e->slot_count * sizeof(*e->peers));
    alloc_free(e->buffers);
    alloc_free(e->ready);
    text_fini(&e->joined);
    text_fini(&e->frame);
    text_fini(&e->outgoing);
}

/* --- one socket's life ------------------------------------------------------------------------ */

int64_t engine_dial(struct engine *e, unsigned kind, const union io_address *remote,
                    const union io_address *local)
{
    const int64_t slot = io_connect(e->io, remote, local);
    if (slot < 0)
        return slot;
    struct peer *p = engine_peer(e, (uint32_t)slot);
    ASSERT(p->state == PEER_FREE);
    *p = (struct peer){.state = PEER_CONNECTING, .kind = (uint8_t)kind};
    p->began_ns = clock_monotonic_ns();
    e->socket_count++;
    return slot;
}

void engine_close(struct engine *e, uint32_t slot, enum io_close how)
{
    struct peer *p = engine_peer(e, slot);
    ASSERT(p->state != PEER_FREE);
    ASSERT(p->state != PEER_CLOSING);
    held_drop(&p->rest);
    held_drop(&p->unsent);
    p->state = PEER_CLOSING;
    io_close(e->io, slot, how);
}

void engine_fail(struct engine *e, uint32_t slot, const char *why)
{
    const uint8_t kind = engine_peer(e, slot)->kind;
    e->kinds[kind].kind->ended(e->kinds[kind].user, slot, why);
    engine_close(e, slot, IO_CLOSE_RESET);
}

static ON_REACTOR void fail_errno(struct engine *e, uint32_t slot, int64_t err)
{
    engine_fail(e, slot, strerror((int)-err));
}

static ON_REACTOR void on_connected(struct engine *e, uint32_t slot, int32_t result)
{
    struct peer *p = engine_peer(e, slot);
    if (p->state != PEER_CONNECTING)
        return;
    if (result != 0) {
        fail_errno(e, slot, result);
        return;
    }
    p->state = PEER_OPENING;
    io_poll_arm(e->io, slot, IO_IN);
    e->kinds[p->kind].kind->connected(e->kinds[p->kind].user, slot);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* What the kernel did not take waits for room. */
static ON_REACTOR void hold_unsent(struct engine *e, uint32_t slot, struct bytes rest)
{
    struct peer *p = engine_peer(e, slot);
    if (held_add(&p->unsent, rest) == 0)
        io_poll_arm(e->io, slot, IO_OUT);
    else
        fail_errno(e, slot, -ENOMEM);
}

static ON_REACTOR void on_send_result(struct engine *e, const struct io_result *r)
{
    const struct engine_send *s = &e->sends[r->tag];
    const size_t sent = r->result > 0 ? (size_t)r->result : 0;
    if (engine_peer(e, s->slot)->state == PEER_CLOSING)
        return;
    if (r->result < 0 && !io_is_passing(r->result))
        fail_errno(e, s->slot, r->result);
    else
        hold_unsent(e, s->slot, (struct bytes){e->outgoing.at + s->offset + sent, s->len - sent});
}

static ON_REACTOR void flush(struct engine *e)
{
    unsigned count;
    if (e->send_count == 0)
        return;
    for (uint32_t i = 0; i < e->send_count; i++) {
        const struct engine_send *s = &e->sends[i];
        struct peer *p = engine_peer(e, s->slot);
        p->flags &= (uint8_t)~PEER_SENDING;
        if (p->state != PEER_CLOSING)
            io_send(e->io, s->slot, i, (struct bytes){e->outgoing.at + s->offset, s->len});
    }
    io_submit(e->io);
    const struct io_result *results = io_results(e->io, &count);
    for (unsigned i = 0; i < count; i++)
        on_send_result(e, &results[i]);
    e->send_count = 0;
    e->outgoing.len = 0;
}

/* Whether the batch's last send is that peer's: more can join it. */
static bool sends_last(const struct engine *e, uint32_t slot)
{
    return e->send_count > 0 && e->sends[e->send_count - 1].slot == slot;
}

/* Puts bytes into the batch. False: no memory. */
static bool gather(struct engine *e, uint32_t slot, struct bytes bytes)
{
    uint8_t *room = text_extend(&e->outgoing, bytes.len);
    if (!room) {
        e->outgoing.failed = false; /* one peer's loss: the next one's may be smaller */
        return false;
    }
    memcpy(room, bytes.at, bytes.len);
    if (!sends_last(e, slot))
        e->sends[e->send_count++] =
            (struct engine_send){.slot = slot, .offset = e->outgoing.len - bytes.len};
    e->sends[e->send_count - 1].len += bytes.len;
    engine_peer(e, slot)->flags |= PEER_SENDING;
    return true;
}

void engine_send(struct engine *e, uint32_t slot, struct bytes bytes)
{
    struct peer *p = engine_peer(e, slot);
    const bool is_full = (p->flags & PEER_SENDING) || e->send_count == IO_BATCH_MAX;
    if (is_full && !sends_last(e, slot))
        flush(e);
    if (p->state == PEER_CLOSING || bytes.len == 0)
        return;
    e->sent_bytes[p->kind] += bytes.len;
    if (p->unsent && p->unsent->len + bytes.len > ENGINE_UNSENT_MAX)
        engine_fail(e, slot, "takes nothing any more");
    else if (p->unsent ? held_add(&p->unsent, bytes) != 0 : !gather(e, slot, bytes))
        fail_errno(e, slot, -ENOMEM);
}

/* A new key for every frame (RFC 6455, 5.3); nobody here has to be kept from guessing it. */
static uint32_t next_mask(struct engine *e)
{
    e->mask = e->mask * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(e->mask >> 32);
}

void engine_send_frame(struct engine *e, uint32_t slot, unsigned opcode, struct bytes payload)
{
    e->frame.len = 0;
    uint8_t *frame = text_extend(&e->frame, payload.len + WS_HEAD_MAX);
    if (!frame) {
        e->frame.failed = false;
        fail_errno(e, slot, -ENOMEM);
        return;
    }
    const size_t len = frames_encode(frame, (enum ws_opcode)opcode, payload, next_mask(e));
    engine_send(e, slot, (struct bytes){frame, len});
}

/* There is room again: sends on, as one send of its own. */
static ON_REACTOR void on_writable(struct engine *e, uint32_t slot)
{
    struct peer *p = engine_peer(e, slot);
    if (p->state == PEER_CLOSING || !p->unsent)
        return;
    struct held *rest = p->unsent;
    p->unsent = NULL;
    engine_send(e, slot, held_bytes(rest));
    held_drop(&rest);
}

/* --- receiving -------------------------------------------------------------------------------- */

/* Hands what was held and what came to the kind, and holds what it returns. */
static ON_REACTOR void take_in(struct engine *e, uint32_t slot, struct span fresh)
{
    struct peer *p = engine_peer(e, slot);
    const size_t old = p->rest ? p->rest->len : 0;
    struct span in = fresh;
    if (old > 0) {
        e->joined.len = 0;
        text_add(&e->joined, held_bytes(p->rest));
        text_add(&e->joined, span_bytes(fresh));
        if (e->joined.failed) {
            e->joined.failed = false;
            fail_errno(e, slot, -ENOMEM);
            return;
        }
        in = (struct span){e->joined.at, e->joined.len};
        held_drop(&p->rest);
    }
    const struct span rest =
        e->kinds[p->kind].kind->received(e->kinds[p->kind].user, slot, in, old);
    if (p->state == PEER_CLOSING)
        return;
    if (held_add(&p->rest, span_bytes(rest)) != 0)
        engine_fail(e, slot, "a message that is too long");
}

/* Whether there is anything to receive from it: it may have ended since it was ready. */
static bool is_live(const struct peer *p)
{
    return p->state == PEER_OPENING || p->state == PEER_OPEN;
}

static ON_REACTOR void on_receive_result(struct engine *e, const struct io_result *r)
{
    const struct span buffer = {e->buffers + (size_t)r->tag * ENGINE_RECEIVE_LEN,
                                r->result > 0 ? (size_t)r->result : 0};
    if (!is_live(engine_peer(e, r->slot)))
        return;
    e->received_bytes[engine_peer(e, r->slot)->kind] += buffer.len;
    if (r->result == 0)
        engine_fail(e, r->slot, "closed by the server");
    else if (r->result > 0)
        take_in(e, r->slot, buffer);
    else if (!io_is_passing(r->result))
        fail_errno(e, r->slot, r->result);
}

static ON_REACTOR void receive_start(struct engine *e, const uint32_t *slots, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (is_live(engine_peer(e, slots[i])))
            io_recv(e->io, slots[i], i,
                    (struct span){e->buffers + (size_t)i * ENGINE_RECEIVE_LEN, ENGINE_RECEIVE_LEN});
    io_submit(e->io);
}

/* One batch of those that are ready; returns how many of them filled their buffer and may have
 * more: they stand at `again` then. */
static ON_REACTOR uint32_t receive_batch(struct engine *e, const uint32_t *slots, uint32_t count,
                                         uint32_t *again)
{
    struct io_result results[ENGINE_RECEIVES];
    unsigned result_count;
    uint32_t again_count = 0;
    receive_start(e, slots, count);
    const struct io_result *theirs = io_results(e->io, &result_count);
    ASSERT(result_count <= ENGINE_RECEIVES);
    memcpy(results, theirs, result_count * sizeof(*results)); /* answering may submit */
    e->now_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < result_count; i++) {
        on_receive_result(e, &results[i]);
        if (!is_live(engine_peer(e, results[i].slot)))
            continue;
        if (results[i].result == ENGINE_RECEIVE_LEN)
            again[again_count++] = results[i].slot;
        else
            io_poll_arm(e->io, results[i].slot, IO_IN);
    }
    return again_count;
}

static ON_REACTOR void receive_all(struct engine *e)
{
    for (int round = 0; round < RECEIVE_ROUNDS_MAX && e->ready_count > 0; round++) {
        uint32_t again = 0;
        for (uint32_t i = 0; i < e->ready_count; i += ENGINE_RECEIVES) {
            const uint32_t left = e->ready_count - i;
            again += receive_batch(e, e->ready + i, left < ENGINE_RECEIVES ? left : ENGINE_RECEIVES,
                                   e->ready + again);
        }
        e->ready_count = again;
    }
    for (uint32_t i = 0; i < e->ready_count; i++)
        if (is_live(engine_peer(e, e->ready[i])))
            io_poll_arm(e->io, e->ready[i], IO_IN);
    e->ready_count = 0;
}

/* --- the turn --------------------------------------------------------------------------------- */

static ON_REACTOR void on_event(struct engine *e, const struct io_event *event)
{
    switch (event->kind) {
    case IO_CONNECTED:
        on_connected(e, event->slot, event->result);
        return;
    case IO_READABLE:
        e->ready[e->ready_count++] = event->slot;
        return;
    case IO_WRITABLE:
        on_writable(e, event->slot);
        return;
    case IO_CLOSED:
        *engine_peer(e, event->slot) = (struct peer){.state = PEER_FREE};
        e->socket_count--;
        return;
    case IO_ACCEPTED:
    case IO_ACCEPT_FAILED:
    case IO_WOKEN:
        return;
    }
    UNREACHABLE("io_kind");
}

void engine_turn(struct engine *e, uint64_t until_ns)
{
    const struct io_event *events;
    flush(e);
    uint64_t now_ns = clock_monotonic_ns();
    const unsigned count = io_wait(e->io, until_ns > now_ns ? until_ns - now_ns : 0, &events);
    e->now_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < count; i++)
        on_event(e, &events[i]);
    receive_all(e);
    flush(e);
    e->now_ns = clock_monotonic_ns();
}
