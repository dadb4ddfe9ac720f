/* Accepting with epoll: listeners stand in the set, level-triggered, while peers are wanted. Every
 * peer taken becomes a slot, or is held until it can. Does not look at who is accepted. */
#define _GNU_SOURCE
#include "io/epoll_internal.h"

#include <fcntl.h>
#include <unistd.h>

static int listener_control(const struct epoll *e, uint32_t listener, int operation, uint32_t what)
{
    struct epoll_event event = {.events = what,
                                .data.u64 = io_key_pack(EPOLL_LISTENER, 0, listener)};
    return epoll_ctl(e->epoll_fd, operation, e->listeners[listener], &event) == 0 ? 0 : -errno;
}

int epoll_listen(struct io *io, int fd)
{
    struct epoll *e = epoll_of(io);
    ASSERT(!e->gate.stopped);
    if (e->listener_count == IO_LISTENERS_MAX)
        return -ENOSPC;
    const int flags = fcntl(fd, F_GETFL);
    if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
        return -errno;
    e->listeners[e->listener_count] = fd;
    const int err =
        listener_control(e, e->listener_count, EPOLL_CTL_ADD, e->listening ? EPOLLIN : 0);
    return err != 0 ? err : (int)e->listener_count++;
}

/* --- resting and going on --------------------------------------------------------------------- */

static void accept_rest(struct epoll *e, uint32_t listener, int err)
{
    if (io_gate_fail(&e->gate))
        io_event_add(&e->events, IO_ACCEPT_FAILED, 0, err)->listener = listener;
}

static void take_reserve(struct epoll *e)
{
    if (e->reserve_fd == -1)
        e->reserve_fd = fcntl(e->wake_fd, F_DUPFD_CLOEXEC, 0);
}

static void drop_held(struct epoll *e)
{
    if (e->held.fd != -1)
        close(e->held.fd);
    e->held.fd = -1;
}

void epoll_listen_stop(struct io *io)
{
    struct epoll *e = epoll_of(io);
    e->gate.stopped = true;
    for (uint32_t i = 0; i < e->listener_count; i++)
        epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, e->listeners[i], NULL);
    e->listener_count = 0;
    drop_held(e);
}

void epoll_listen_pause(struct io *io, bool paused)
{
    epoll_of(io)->gate.paused = paused;
}

void epoll_accept_slot_freed(struct epoll *e)
{
    take_reserve(e);
    if (e->gate.retry_ns != 0)
        e->gate.retry_ns = 1; /* long ago: due now */
}

/* --- peers ------------------------------------------------------------------------------------ */

/* Makes it a slot and announces it, or holds it. */
static void adopt(struct epoll *e, int fd, uint32_t listener, const union io_address *peer)
{
    const int err = (uint32_t)fd < e->slot_count ? epoll_slot_open(e, fd) : -EMFILE;
    if (err != 0) {
        e->held = (struct epoll_held){.fd = fd, .listener = listener, .peer = *peer};
        accept_rest(e, listener, err);
        return;
    }
    struct io_event *event = io_event_add(&e->events, IO_ACCEPTED, (uint32_t)fd, 0);
    event->listener = listener;
    event->last_resort = e->reserve_fd == -1;
    event->peer = *peer;
}

/* The held peer's number was beyond our slots, or the kernel had no memory to watch it: once more,
 * under the lowest free number. */
static void retry_held(struct epoll *e)
{
    if (e->held.fd == -1)
        return;
    const struct epoll_held held = e->held;
    int fd = fcntl(held.fd, F_DUPFD_CLOEXEC, 0);
    if (fd == -1)
        fd = held.fd;
    else
        close(held.fd);
    e->held.fd = -1;
    adopt(e, fd, held.listener, &held.peer);
}

/* False: no descriptor was to be had, not even by giving up the reserve. */
static bool give_up_reserve(struct epoll *e, int err)
{
    if (err != -EMFILE || e->reserve_fd == -1)
        return false;
    close(e->reserve_fd);
    e->reserve_fd = -1;
    return true;
}

/* True: there may be more. */
static bool accept_one(struct epoll *e, uint32_t listener)
{
    union io_address peer;
    socklen_t len = sizeof(peer);
    const int fd = accept4(e->listeners[listener], &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        adopt(e, fd, listener, &peer);
        return io_gate_is_open(&e->gate);
    }
    const int err = -errno;
    if (err == -EAGAIN)
        return false;
    if (io_accept_error_is_peers(err) || give_up_reserve(e, err))
        return true;
    accept_rest(e, listener, err);
    return false;
}

void epoll_accept_event(struct epoll *e, uint32_t listener)
{
    if (listener >= e->listener_count || !io_gate_is_open(&e->gate))
        return;
    for (int i = 0; i < EPOLL_ACCEPTS_TURN; i++)
        if (!accept_one(e, listener))
            return;
}

void epoll_accept_prepare(struct epoll *e)
{
    if (io_gate_retry_is_due(&e->gate))
        retry_held(e);
    const bool wanted = io_gate_is_open(&e->gate);
    if (wanted == e->listening)
        return;
    e->listening = wanted;
    for (uint32_t i = 0; i < e->listener_count; i++)
        (void)listener_control(e, i, EPOLL_CTL_MOD, wanted ? EPOLLIN : 0);
}
