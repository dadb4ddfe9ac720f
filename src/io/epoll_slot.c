/* A slot's life with epoll: registered once, edge-triggered, for everything; one-shot polls are
 * emulated on top without a system call. Does not accept, receive or send.
 *
 * An edge says "ready" once. The slot remembers it until a receive or send finds the end of it: a
 * short one. So arming costs nothing, and a poll armed while ready fires with the next wait. */
#include "io/epoll_internal.h"

#include <unistd.h>

static struct epoll_slot *slot_at(const struct epoll *e, uint32_t slot)
{
    ASSERT(slot < e->slot_count);
    return &e->slots[slot];
}

struct epoll_slot *epoll_slot_usable(const struct epoll *e, uint32_t slot)
{
    struct epoll_slot *s = slot_at(e, slot);
    ASSERT((s->flags & (EPOLL_OPEN | EPOLL_CLOSING)) == EPOLL_OPEN);
    ASSERT(!(s->flags & EPOLL_CONNECTING));
    return s;
}

int epoll_slot_open(struct epoll *e, int fd)
{
    const uint32_t slot = (uint32_t)fd;
    struct epoll_slot *s = slot_at(e, slot);
    ASSERT(!(s->flags & EPOLL_OPEN));
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.u64 = io_key_pack(EPOLL_SLOT, s->generation, slot)};
    if (epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return -errno;
    s->flags |= EPOLL_OPEN;
    if (slot >= e->slot_high)
        e->slot_high = slot + 1;
    return 0;
}

/* --- polls ------------------------------------------------------------------------------------ */

/* Events for what is armed and ready, which disarms it. At most two. */
static void fire(struct epoll *e, uint32_t slot)
{
    struct epoll_slot *s = slot_at(e, slot);
    const unsigned both = s->armed & s->ready;
    s->armed &= (uint8_t)~both;
    if (both & IO_IN)
        io_event_add(&e->events, IO_READABLE, slot, 0);
    if (both & IO_OUT)
        io_event_add(&e->events, IO_WRITABLE, slot, 0);
}

void epoll_slot_poll(struct io *io, uint32_t slot, enum io_poll what)
{
    struct epoll *e = epoll_of(io);
    struct epoll_slot *s = epoll_slot_usable(e, slot);
    ASSERT(!(s->armed & what));
    s->armed |= (uint8_t)what;
    if (!(s->ready & what) || (s->flags & EPOLL_CHECKED))
        return;
    s->flags |= EPOLL_CHECKED;
    epoll_list_add(&e->checked, slot);
}

void epoll_slot_event(struct epoll *e, struct io_key key, uint32_t what)
{
    struct epoll_slot *s = slot_at(e, key.index);
    if (s->generation != key.generation || !(s->flags & EPOLL_OPEN))
        return;
    if ((s->flags & EPOLL_CONNECTING) && !epoll_connect_event(e, key.index, what))
        return;
    if (what & (EPOLLHUP | EPOLLERR))
        s->flags |= EPOLL_DEAD;
    if (what & EPOLLRDHUP)
        s->flags |= EPOLL_PEER_END;
    if (what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        s->ready |= IO_IN;
    if (what & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        s->ready |= IO_OUT;
    fire(e, key.index);
}

void epoll_slot_used_up(struct epoll *e, uint32_t slot, enum io_poll what)
{
    struct epoll_slot *s = slot_at(e, slot);
    /* The end comes behind the data, and no edge will tell of it again. */
    const unsigned lasting = what == IO_IN ? EPOLL_DEAD | EPOLL_PEER_END : EPOLL_DEAD;
    if (!(s->flags & lasting))
        s->ready &= (uint8_t)~what;
}

/* --- keep-alive ------------------------------------------------------------------------------- */

void epoll_slot_keepalive(struct io *io, uint32_t slot)
{
    (void)epoll_slot_usable(epoll_of(io), slot);
    io_set_keepalive((int)slot);
}

/* --- ending ----------------------------------------------------------------------------------- */

static void end_later(struct epoll *e, uint32_t slot, enum epoll_ending how)
{
    ASSERT(e->end_count < (size_t)e->slot_count * 2);
    e->ends[e->end_count++] = (struct epoll_end){slot, how};
}

void epoll_slot_shutdown(struct io *io, uint32_t slot)
{
    struct epoll *e = epoll_of(io);
    struct epoll_slot *s = epoll_slot_usable(e, slot);
    if (s->flags & EPOLL_SHUT)
        return;
    s->flags |= EPOLL_SHUT;
    end_later(e, slot, EPOLL_END_SHUTDOWN);
}

void epoll_slot_close(struct io *io, uint32_t slot, enum io_close how)
{
    struct epoll *e = epoll_of(io);
    struct epoll_slot *s = slot_at(e, slot);
    s->flags &= (uint8_t)~EPOLL_CONNECTING; /* the one thing that may be asked of such a slot */
    epoll_slot_usable(e, slot);
    s->flags |= EPOLL_CLOSING;
    s->armed = 0;
    end_later(e, slot, how == IO_CLOSE_RESET ? EPOLL_END_RESET : EPOLL_END_FLUSH);
}

static void end_one(struct epoll *e, struct epoll_end end)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    const int fd = (int)end.slot;
    if (end.how == EPOLL_END_SHUTDOWN) {
        shutdown(fd, SHUT_WR);
        return;
    }
    if (end.how == EPOLL_END_RESET)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd); /* leaves the set by itself; a copy in a forked child is told by the generation */
    struct epoll_slot *s = slot_at(e, end.slot);
    s->generation = io_generation_after(s->generation);
    s->ready = 0;
    epoll_list_add(&e->closed, end.slot);
    epoll_accept_slot_freed(e);
}

void epoll_slot_end_all(struct epoll *e)
{
    for (size_t i = 0; i < e->end_count; i++)
        end_one(e, e->ends[i]);
    e->end_count = 0;
}

/* --- announcing ------------------------------------------------------------------------------- */

static size_t room(const struct epoll *e)
{
    return IO_EVENTS_MAX - e->events.count;
}

void epoll_slot_announce(struct epoll *e)
{
    while (e->closed.count > 0 && room(e) >= 1) {
        const uint32_t slot = e->closed.at[--e->closed.count];
        slot_at(e, slot)->flags &= EPOLL_CHECKED; /* it may stand in that list still */
        io_event_add(&e->events, IO_CLOSED, slot, 0);
    }
    while (e->checked.count > 0 && room(e) >= 2) {
        const uint32_t slot = e->checked.at[--e->checked.count];
        slot_at(e, slot)->flags &= (uint8_t)~EPOLL_CHECKED;
        fire(e, slot);
    }
}
