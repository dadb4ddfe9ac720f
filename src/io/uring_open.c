/* Opens a reactor's rings, as many as its slots need, and closes them. Queues and reaps nothing. */
#include "io/uring_internal.h"

#include "base/alloc.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* --- how many, how large ---------------------------------------------------------------------- */

static uint32_t divided_up(uint32_t n, uint32_t by)
{
    return n / by + (n % by != 0);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void spread_slots(struct uring *u, uint32_t table_max)
{
    u->slots_per_ring = divided_up(u->slot_count, divided_up(u->slot_count, table_max));
    u->ring_count = divided_up(u->slot_count, u->slots_per_ring);
}

static void take_share(const struct uring *u, struct uring_ring *r, uint32_t index)
{
    r->base = index * u->slots_per_ring;
    r->count = smaller(u->slots_per_ring, u->slot_count - r->base);
    r->accept_count = u->accept_count > r->base ? smaller(r->count, u->accept_count - r->base) : 0;
}

/* --- one ring --------------------------------------------------------------------------------- */

/* Connects' slots are taken away from accepts, see uring_connect.c. */
static int register_table(const struct uring *u, struct uring_ring *r)
{
    if (u->file_flags == 0)
        return 0;
    const int err = io_uring_register_files_sparse(&r->ring, r->count);
    if (err != 0 || r->accept_count == r->count)
        return err;
    return io_uring_register_file_alloc_range(&r->ring, 0, r->accept_count);
}

static int open_ring(const struct uring *u, struct uring_ring *r)
{
    int err = uring_are_several(u)
                  ? uring_ring_init_flagged(&r->ring, URING_SQ_ENTRIES_EACH, URING_CQ_ENTRIES)
                  : uring_ring_init(&r->ring, URING_SQ_ENTRIES, URING_CQ_ENTRIES);
    if (err != 0)
        return err;
    err = register_table(u, r);
    if (err == 0 && uring_are_several(u) && r != uring_home(u))
        err = io_uring_register_eventfd(&r->ring, u->bell_fd);
    if (err != 0)
        io_uring_queue_exit(&r->ring);
    return err;
}

static void close_ring(const struct uring *u, struct uring_ring *r)
{
    if (u->file_flags != 0)
        io_uring_unregister_files(&r->ring);
    io_uring_queue_exit(&r->ring);
}

/* --- all of them ------------------------------------------------------------------------------ */

static int open_rings(struct uring *u)
{
    int err = 0;
    uint32_t count = 0;
    for (; err == 0 && count < u->ring_count; count++) {
        take_share(u, &u->rings[count], count);
        err = open_ring(u, &u->rings[count]);
    }
    if (err == 0)
        return 0;
    for (count--; count > 0; count--) /* the last one has closed itself */
        close_ring(u, &u->rings[count - 1]);
    return err;
}

static int open_bell(struct uring *u)
{
    u->bell_fd = uring_are_several(u) ? eventfd(0, EFD_CLOEXEC) : -1; /* blocking: see open_all() */
    return u->bell_fd == -1 && uring_are_several(u) ? -errno : 0;
}

static void close_bell(struct uring *u)
{
    if (u->bell_fd != -1)
        close(u->bell_fd);
}

int uring_rings_open(struct uring *u, uint32_t table_max)
{
    spread_slots(u, table_max);
    u->rings = alloc_zeroed(u->ring_count * sizeof(*u->rings));
    if (!u->rings)
        return -ENOMEM;
    u->latest = u->accept_ring = u->rings;
    int err = open_bell(u);
    if (err != 0)
        goto fail_free;
    err = open_rings(u);
    if (err == 0)
        return 0;
    close_bell(u);
fail_free:
    alloc_free(u->rings);
    return err;
}

void uring_rings_close(struct uring *u)
{
    for (uint32_t i = 0; i < u->ring_count; i++)
        close_ring(u, &u->rings[i]);
    close_bell(u);
    alloc_free(u->rings);
}
