/* Connecting with io_uring: an ordinary socket, put into the registered file table at a slot of our
 * choice. Chooses no addresses.
 *
 * WHICH SLOT. The kernel chooses the slot of an accepted socket, at the moment a peer comes, which
 * we hear of later: a number that looks free here may be taken there. So connects have slots of
 * their own, the last `connect_count` ones, where accepts never look
 * (IORING_REGISTER_FILE_ALLOC_RANGE). To let the kernel choose for connects too
 * (IORING_FILE_INDEX_ALLOC) would not do: it would give us the slot of a socket whose IO_CLOSED the
 * reactor has not seen yet. */
#include "io/uring_internal.h"

#include "base/alloc.h"

#include <unistd.h>

/* --- slots ------------------------------------------------------------------------------------ */

int uring_connect_init(struct uring *u)
{
    const uint32_t count = u->slot_count - u->accept_count;
    u->connect_fresh = u->accept_count;
    if (count > 0)
        u->vacant = alloc_reserve(count * sizeof(*u->vacant));
    return count == 0 || u->vacant ? 0 : -ENOMEM;
}

void uring_connect_fini(struct uring *u)
{
    if (u->vacant)
        alloc_release(u->vacant, (u->slot_count - u->accept_count) * sizeof(*u->vacant));
}

void uring_connect_slot_freed(struct uring *u, uint32_t slot)
{
    ASSERT(u->vacant_count < u->slot_count - u->accept_count);
    u->vacant[u->vacant_count++] = slot;
}

/* Puts fd, which it takes, into the table. The slot, or -errno. */
static int64_t install(struct uring *u, int fd)
{
    const bool reuse = u->vacant_count > 0;
    if (!reuse && u->connect_fresh == u->slot_count) {
        close(fd);
        return -EMFILE;
    }
    const uint32_t slot = reuse ? u->vacant[u->vacant_count - 1] : u->connect_fresh;
    struct uring_ring *r = uring_ring_of(u, slot);
    const int count = io_uring_register_files_update(&r->ring, slot - r->base, &fd, 1);
    close(fd); /* only the ring holds it now */
    if (count != 1)
        return count < 0 ? count : -ENFILE;
    if (reuse)
        u->vacant_count--;
    else
        u->connect_fresh++;
    return slot;
}

/* An ordinary descriptor is a slot already, if it is not too large. */
static int64_t adopt(const struct uring *u, int fd)
{
    while (fd >= 0 && (uint32_t)fd < u->slot_count && u->slots[fd].flags != 0)
        fd = outgoing_renumber(fd);
    if (fd < 0 || (uint32_t)fd < u->slot_count)
        return fd;
    close(fd);
    return -EMFILE;
}

/* --- from request to answer ------------------------------------------------------------------- */

int64_t uring_connect(struct io *io, const union io_address *remote, const union io_address *local)
{
    struct uring *u = uring_of(io);
    const int fd = outgoing_socket(remote, local, 0);
    if (fd < 0)
        return fd;
    const int64_t slot = u->file_flags != 0 ? install(u, fd) : adopt(u, fd);
    if (slot < 0)
        return slot;
    uring_slot_open(u, (uint32_t)slot);
    u->slots[slot].flags |= URING_CONNECTING;
    struct uring_ring *r = uring_ring_of(u, (uint32_t)slot);
    if (r->connects_queued == URING_CONNECTS_QUEUED)
        uring_flush(r);
    struct io_uring_sqe *sqe = uring_sqe(u, r);
    union io_address *copy = &r->remotes[r->connects_queued++];
    *copy = *remote;
    io_uring_prep_connect(sqe, uring_file(r, (uint32_t)slot), &copy->any, io_address_len(copy));
    sqe->flags = u->file_flags;
    sqe->user_data = uring_slot_key(u, URING_CONNECT, (uint32_t)slot);
    return slot;
}

void uring_connect_cancel(struct uring *u, uint32_t slot, enum io_close how)
{
    if (how == IO_CLOSE_RESET)
        u->slots[slot].flags |= URING_RESETTING;
    uring_cancel(u, uring_ring_of(u, slot), uring_slot_key(u, URING_CONNECT, slot));
}

void uring_connect_done(struct uring *u, uint32_t slot, int32_t result)
{
    struct uring_slot *s = &u->slots[slot];
    ASSERT(s->flags & URING_CONNECTING);
    s->flags &= (uint8_t)~URING_CONNECTING;
    if (!(s->flags & URING_CLOSING)) {
        io_event_add(&u->events, IO_CONNECTED, slot, result);
        return;
    }
    if (result == 0 && (s->flags & URING_RESETTING))
        uring_slot_reset(u, slot);
    uring_slot_close_when_quiet(u, slot);
}
