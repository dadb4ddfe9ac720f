/* Connecting with epoll: a connect that does not wait, and what the set tells of its end. Chooses
 * no addresses. */
#include "io/epoll_internal.h"

#include <unistd.h>

/* A descriptor is a slot already, if it is not too large. */
static int open_numbered(const struct epoll *e, const union io_address *remote,
                         const union io_address *local)
{
    int fd = outgoing_socket(remote, local, SOCK_NONBLOCK);
    while (fd >= 0 && (uint32_t)fd < e->slot_count && (e->slots[fd].flags & EPOLL_OPEN))
        fd = outgoing_renumber(fd);
    if (fd < 0 || (uint32_t)fd < e->slot_count)
        return fd;
    close(fd);
    return -EMFILE;
}

int64_t epoll_connect(struct io *io, const union io_address *remote, const union io_address *local)
{
    struct epoll *e = epoll_of(io);
    const int fd = open_numbered(e, remote, local);
    if (fd < 0)
        return fd;
    int err = 0;
    if (connect(fd, &remote->any, io_address_len(remote)) != 0 && errno != EINPROGRESS)
        err = -errno;
    else
        err = epoll_slot_open(e, fd); /* not before: what was never connected counts as hung up */
    if (err == 0) {
        e->slots[fd].flags |= EPOLL_CONNECTING;
        return fd;
    }
    close(fd);
    return err;
}

bool epoll_connect_event(struct epoll *e, uint32_t slot, uint32_t what)
{
    int err = 0;
    socklen_t len = sizeof(err);
    if (!(what & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
        return false;
    e->slots[slot].flags &= (uint8_t)~EPOLL_CONNECTING;
    if (getsockopt((int)slot, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
        err = errno;
    io_event_add(&e->events, IO_CONNECTED, slot, -err);
    return true;
}
