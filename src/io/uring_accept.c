/* Accepting with io_uring: single accepts, each with its own address, never more of them than slots
 * are free: with a full table the kernel would close a newcomer's socket without a word.
 * Does not look at who is accepted. */
#include "io/uring_internal.h"

#include <fcntl.h>
#include <unistd.h>

int uring_listen(struct io *io, int fd)
{
    struct uring *u = uring_of(io);
    ASSERT(!u->gate.stopped);
    if (u->listener_count == IO_LISTENERS_MAX)
        return -ENOSPC;
    /* io_uring fails an accept on a non-blocking socket instead of waiting for a peer. */
    const int flags = fcntl(fd, F_GETFL);
    if (flags == -1 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == -1)
        return -errno;
    u->listeners[u->listener_count] = fd;
    return (int)u->listener_count++;
}

static void cancel_accepts(struct uring *u)
{
    for (uint32_t i = 0; i < URING_ACCEPTS_MAX && u->accepts_in_flight > u->accepts_held; i++)
        if (u->accepts[i].state == URING_ACCEPT_IN_FLIGHT)
            uring_cancel(u, u->accepts[i].ring, io_key_pack(URING_ACCEPT, 0, i));
}

static void accept_free(struct uring *u, struct uring_accept *a)
{
    a->state = URING_ACCEPT_FREE;
    a->ring->accepts_in_flight--;
    u->accepts_in_flight--;
    u->listener_accepts[a->listener]--;
}

/* Closes those whose descriptors are no slots: after a stop nobody will take them. */
static void drop_held(struct uring *u)
{
    for (uint32_t i = 0; i < URING_ACCEPTS_MAX && u->accepts_held > 0; i++) {
        if (u->accepts[i].state != URING_ACCEPT_HELD)
            continue;
        close(u->accepts[i].held_fd);
        u->accepts_held--;
        accept_free(u, &u->accepts[i]);
    }
}

void uring_listen_stop(struct io *io)
{
    struct uring *u = uring_of(io);
    u->gate.stopped = true;
    cancel_accepts(u);
    drop_held(u);
}

void uring_listen_pause(struct io *io, bool paused)
{
    struct uring *u = uring_of(io);
    if (paused && !u->gate.paused)
        cancel_accepts(u);
    u->gate.paused = paused;
}

/* --- starting --------------------------------------------------------------------------------- */

static uint32_t free_accept(const struct uring *u)
{
    for (uint32_t i = 0; i < URING_ACCEPTS_MAX; i++)
        if (u->accepts[i].state == URING_ACCEPT_FREE)
            return i;
    UNREACHABLE("as many accepts as URING_ACCEPTS_MAX says are enough");
}

static void accept_start(struct uring *u, struct uring_ring *r, uint32_t listener)
{
    const uint32_t index = free_accept(u);
    struct uring_accept *a = &u->accepts[index];
    a->state = URING_ACCEPT_IN_FLIGHT;
    a->ring = r;
    a->listener = listener;
    a->peer_len = sizeof(a->peer);
    r->accepts_in_flight++;
    u->accepts_in_flight++;
    u->listener_accepts[listener]++;
    struct io_uring_sqe *sqe = uring_sqe(u, r);
    const int fd = u->listeners[listener];
    if (u->file_flags != 0)
        compat_prep_accept_direct(sqe, fd, &a->peer.any, &a->peer_len);
    else
        io_uring_prep_accept(sqe, fd, &a->peer.any, &a->peer_len, SOCK_CLOEXEC);
    sqe->user_data = io_key_pack(URING_ACCEPT, 0, index);
}

static uint32_t room(const struct uring_ring *r)
{
    const uint32_t taken = r->accepted_count + r->accepts_in_flight;
    return taken < r->accept_count ? r->accept_count - taken : 0;
}

/* One ring takes all newcomers until it is full, then the one with most room: who came together
 * lies together, and a batch of sends to them enters the kernel once or twice. NULL: all are full.
 */
static struct uring_ring *ring_with_room(struct uring *u)
{
    struct uring_ring *best = u->accept_ring;
    for (uint32_t i = 0; room(u->accept_ring) == 0 && i < u->ring_count; i++)
        if (room(&u->rings[i]) > room(best))
            best = &u->rings[i];
    u->accept_ring = best;
    return room(best) > 0 ? best : NULL;
}

/* One round gives each listener one more: with few slots left, all get some. */
static bool refill_round(struct uring *u)
{
    const unsigned share = URING_ACCEPTS_SHARED / u->listener_count;
    bool started = false;
    for (uint32_t i = 0; i < u->listener_count; i++) {
        struct uring_ring *r = u->listener_accepts[i] < share ? ring_with_room(u) : NULL;
        if (!r)
            continue;
        accept_start(u, r, i);
        started = true;
    }
    return started;
}

static void retry_held(struct uring *u);

void uring_accept_refill(struct uring *u)
{
    if (io_gate_retry_is_due(&u->gate))
        retry_held(u);
    if (u->listener_count == 0 || !io_gate_is_open(&u->gate))
        return;
    while (refill_round(u))
        continue;
}

/* --- finishing -------------------------------------------------------------------------------- */

static void accept_rest(struct uring *u, uint32_t listener, int32_t err)
{
    if (io_gate_fail(&u->gate))
        io_event_add(&u->events, IO_ACCEPT_FAILED, 0, err)->listener = listener;
}

static void announce(struct uring *u, struct uring_accept *a, uint32_t slot)
{
    accept_free(u, a);
    uring_slot_open(u, slot);
    if (u->freeing) {
        uring_slot_close(&u->io, slot, IO_CLOSE_FLUSH);
        return;
    }
    struct io_event *event = io_event_add(&u->events, IO_ACCEPTED, slot, 0);
    event->listener = a->listener;
    event->peer = a->peer;
}

static void hold(struct uring *u, struct uring_accept *a, int fd)
{
    a->state = URING_ACCEPT_HELD;
    a->held_fd = fd;
    u->accepts_held++;
    if (u->gate.stopped)
        drop_held(u);
    else
        accept_rest(u, a->listener, -EMFILE);
}

void uring_accept_done(struct uring *u, uint32_t index, int32_t result)
{
    struct uring_accept *a = &u->accepts[index];
    if (result >= 0) {
        if ((uint32_t)result < a->ring->count)
            announce(u, a, a->ring->base + (uint32_t)result);
        else
            hold(u, a, result);
        return;
    }
    accept_free(u, a);
    if (result == -ECANCELED || io_accept_error_is_peers(result) || u->gate.stopped)
        return;
    accept_rest(u, a->listener, result);
}

/* --- ordinary descriptors that are no slots --------------------------------------------------- */

/* The process has so many descriptors that this one's number is beyond our slots. The peer is not
 * dropped: it is tried again under the lowest free number whenever a slot closes, and every
 * 100 ms. */
static void retry_one(struct uring *u, uint32_t index)
{
    struct uring_accept *a = &u->accepts[index];
    const int fd = fcntl(a->held_fd, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0 && (uint32_t)fd < u->slot_count) {
        close(a->held_fd);
        a->state = URING_ACCEPT_IN_FLIGHT;
        u->accepts_held--;
        uring_remember(u, io_key_pack(URING_ACCEPT, 0, index), fd);
        return;
    }
    if (fd >= 0)
        close(fd);
    io_gate_fail(&u->gate);
}

static void retry_held(struct uring *u)
{
    for (uint32_t i = 0; i < URING_ACCEPTS_MAX && u->accepts_held > 0; i++)
        if (u->accepts[i].state == URING_ACCEPT_HELD)
            retry_one(u, i);
}

void uring_accept_slot_freed(struct uring *u)
{
    if (u->gate.retry_ns != 0)
        u->gate.retry_ns = 1; /* long ago: due now */
}
