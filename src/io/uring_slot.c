/* A slot's life with io_uring, from its accept to its last completion: polls, shutdown, close.
 * Does not accept, connect, receive or send. */
#include "io/uring_internal.h"

#include <poll.h>

static struct uring_slot *slot_at(const struct uring *u, uint32_t slot)
{
    ASSERT(slot < u->slot_count);
    return &u->slots[slot];
}

void uring_slot_check_usable(const struct uring *u, uint32_t slot)
{
    ASSERT((slot_at(u, slot)->flags & (URING_OPEN | URING_CLOSING | URING_CONNECTING)) ==
           URING_OPEN);
}

uint64_t uring_slot_key(const struct uring *u, enum uring_kind kind, uint32_t slot)
{
    return io_key_pack(kind, slot_at(u, slot)->generation, slot);
}

void uring_slot_open(struct uring *u, uint32_t slot)
{
    struct uring_slot *s = slot_at(u, slot);
    ASSERT(s->flags == 0);
    ASSERT(s->polls == 0);
    s->flags = URING_OPEN;
    u->open_count++;
    if (slot < u->accept_count)
        uring_ring_of(u, slot)->accepted_count++;
    if (slot >= u->slot_high)
        u->slot_high = slot + 1;
}

/* --- polls ------------------------------------------------------------------------------------ */

static enum uring_kind poll_kind(enum io_poll what)
{
    return what == IO_IN ? URING_POLL_IN : URING_POLL_OUT;
}

void uring_slot_poll(struct io *io, uint32_t slot, enum io_poll what)
{
    struct uring *u = uring_of(io);
    struct uring_slot *s = slot_at(u, slot);
    uring_slot_check_usable(u, slot);
    ASSERT(!(s->polls & what));
    s->polls |= (uint8_t)what;
    struct uring_ring *r = uring_ring_of(u, slot);
    struct io_uring_sqe *sqe = uring_sqe(u, r);
    io_uring_prep_poll_add(sqe, uring_file(r, slot), what == IO_IN ? POLLIN | POLLRDHUP : POLLOUT);
    sqe->flags = u->file_flags;
    sqe->user_data = uring_slot_key(u, poll_kind(what), slot);
}

/* By key, which the kernel finds in its hash table: by file it would look at every poll of the
 * ring. */
static void withdraw_polls(struct uring *u, uint32_t slot)
{
    const struct uring_slot *s = slot_at(u, slot);
    struct uring_ring *r = uring_ring_of(u, slot);
    if (s->polls & IO_IN)
        uring_cancel(u, r, uring_slot_key(u, URING_POLL_IN, slot));
    if (s->polls & IO_OUT)
        uring_cancel(u, r, uring_slot_key(u, URING_POLL_OUT, slot));
}

/* --- keep-alive ------------------------------------------------------------------------------- */

void uring_slot_keepalive(struct io *io, uint32_t slot)
{
    static const int on = 1;
    struct uring *u = uring_of(io);
    uring_slot_check_usable(u, slot);
    if (u->file_flags == 0) {
        io_set_keepalive((int)slot);
        return;
    }
    struct uring_ring *r = uring_ring_of(u, slot);
    struct io_uring_sqe *sqe = uring_sqe(u, r);
    compat_prep_setsockopt(sqe, uring_file(r, slot), SOL_SOCKET, SO_KEEPALIVE, &on);
    sqe->flags = u->file_flags | IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = uring_slot_key(u, URING_OPTION, slot);
}

/* --- ending ----------------------------------------------------------------------------------- */

void uring_slot_shutdown(struct io *io, uint32_t slot)
{
    struct uring *u = uring_of(io);
    struct uring_slot *s = slot_at(u, slot);
    uring_slot_check_usable(u, slot);
    if (s->flags & URING_SHUTTING)
        return;
    s->flags |= URING_SHUTTING;
    struct uring_ring *r = uring_ring_of(u, slot);
    struct io_uring_sqe *sqe = uring_sqe(u, r);
    io_uring_prep_shutdown(sqe, uring_file(r, slot), SHUT_WR);
    sqe->flags = u->file_flags;
    sqe->user_data = uring_slot_key(u, URING_SHUTDOWN, slot);
}

/* Closes once nothing else of the slot is with the kernel: the number may be given to a newcomer in
 * the moment of the close, and a shutdown finds its file by number, on a thread of its own. */
void uring_slot_close_when_quiet(struct uring *u, uint32_t slot)
{
    struct uring_slot *s = slot_at(u, slot);
    if (s->polls != 0 || (s->flags & (URING_SHUTTING | URING_CONNECTING)))
        return;
    ASSERT(!(s->flags & URING_CLOSE_QUEUED));
    s->flags |= URING_CLOSE_QUEUED;
    struct uring_ring *r = uring_ring_of(u, slot);
    struct io_uring_sqe *sqe = uring_sqe(u, r);
    if (u->file_flags != 0)
        io_uring_prep_close_direct(sqe, slot - r->base);
    else
        io_uring_prep_close(sqe, (int)slot);
    sqe->user_data = uring_slot_key(u, URING_CLOSE, slot);
}

/* connect() to nowhere ends a TCP connection like a failure: an RST to the peer, the send queue
 * thrown away, and armed polls fire. SO_LINGER would need a descriptor (or Linux 6.7). */
void uring_slot_reset(struct uring *u, uint32_t slot)
{
    static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    struct uring_ring *r = uring_ring_of(u, slot);
    struct io_uring_sqe *sqe = uring_sqe(u, r);
    io_uring_prep_connect(sqe, uring_file(r, slot), &nowhere, sizeof(nowhere));
    sqe->flags = u->file_flags | IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = uring_slot_key(u, URING_RESET, slot);
}

void uring_slot_close(struct io *io, uint32_t slot, enum io_close how)
{
    struct uring *u = uring_of(io);
    struct uring_slot *s = slot_at(u, slot);
    ASSERT((s->flags & (URING_OPEN | URING_CLOSING)) == URING_OPEN);
    s->flags |= URING_CLOSING;
    if (s->flags & URING_CONNECTING)
        uring_connect_cancel(u, slot, how);
    else if (how == IO_CLOSE_RESET)
        uring_slot_reset(u, slot);
    else
        withdraw_polls(u, slot);
    uring_slot_close_when_quiet(u, slot);
}

/* --- completions ------------------------------------------------------------------------------ */

static void poll_done(struct uring *u, uint32_t slot, enum io_poll what, int32_t result)
{
    struct uring_slot *s = slot_at(u, slot);
    ASSERT(s->polls & what);
    s->polls &= (uint8_t)~what;
    if (s->flags & URING_CLOSING)
        uring_slot_close_when_quiet(u, slot);
    else
        io_event_add(&u->events, what == IO_IN ? IO_READABLE : IO_WRITABLE, slot, result);
}

static void shutdown_done(struct uring *u, uint32_t slot)
{
    struct uring_slot *s = slot_at(u, slot);
    s->flags &= (uint8_t)~URING_SHUTTING;
    if (s->flags & URING_CLOSING)
        uring_slot_close_when_quiet(u, slot);
}

static void close_done(struct uring *u, uint32_t slot)
{
    struct uring_slot *s = slot_at(u, slot);
    ASSERT(s->flags & URING_CLOSE_QUEUED);
    s->flags = 0;
    s->generation = io_generation_after(s->generation);
    u->open_count--;
    if (!u->freeing)
        io_event_add(&u->events, IO_CLOSED, slot, 0);
    if (slot >= u->accept_count) {
        uring_connect_slot_freed(u, slot);
        return;
    }
    uring_ring_of(u, slot)->accepted_count--;
    uring_accept_slot_freed(u);
}

void uring_slot_done(struct uring *u, struct io_key key, int32_t result)
{
    if (slot_at(u, key.index)->generation != key.generation)
        return; /* a failed reset, told after the close */
    switch ((enum uring_kind)key.kind) {
    case URING_POLL_IN:
        poll_done(u, key.index, IO_IN, result);
        return;
    case URING_POLL_OUT:
        poll_done(u, key.index, IO_OUT, result);
        return;
    case URING_RESET: /* failed: then nothing made the polls fire */
        withdraw_polls(u, key.index);
        return;
    case URING_SHUTDOWN:
        shutdown_done(u, key.index);
        return;
    case URING_CONNECT:
        uring_connect_done(u, key.index, result);
        return;
    case URING_CLOSE:
        close_done(u, key.index);
        return;
    case URING_ACCEPT:
    case URING_WAKE:
    case URING_CANCEL:
    case URING_OPTION:
    case URING_RECV:
    case URING_SEND:
    case URING_BELL:
        break;
    }
    UNREACHABLE("uring_kind");
}
