/* bare's rings: accept, poll, receive, send, close. An idle connection has one poll armed and no
 * buffer. What the bytes mean is in bare_input.c.
 * A registered table has at most RLIMIT_NOFILE entries, so a million connections need fifty rings.
 * Deferred work does not wake who polls a ring's descriptor: each ring rings one bell instead. */
#include "bare.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum op { OP_ACCEPT, OP_POLL, OP_RECV, OP_SEND, OP_CLOSE };

/* --- submitting ------------------------------------------------------------------------------- */

static void submit(struct bare_ring *r)
{
    while (io_uring_sq_ready(&r->ring) > 0) {
        const int count = io_uring_submit(&r->ring);
        if (count < 0)
            bare_fail("submit", count);
    }
}

/* The caller prepares it; `which` comes back with the result. */
static struct io_uring_sqe *next_sqe(struct bare_ring *r)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
    if (sqe)
        return sqe;
    submit(r);
    sqe = io_uring_get_sqe(&r->ring);
    ASSERT(sqe);
    return sqe;
}

static void tag(struct io_uring_sqe *sqe, enum op op, uint32_t which, unsigned flags)
{
    sqe->flags = (uint8_t)flags;
    sqe->user_data = (uint64_t)op << 32 | which;
}

static void arm_poll(struct bare_ring *r, uint32_t slot)
{
    struct io_uring_sqe *sqe = next_sqe(r);
    io_uring_prep_poll_add(sqe, (int)slot, POLLIN);
    tag(sqe, OP_POLL, slot, IOSQE_FIXED_FILE);
}

static void close_conn(struct bare *b, struct bare_ring *r, uint32_t slot)
{
    struct io_uring_sqe *sqe = next_sqe(r);
    io_uring_prep_close_direct(sqe, slot);
    tag(sqe, OP_CLOSE, slot, IOSQE_CQE_SKIP_SUCCESS);
    b->kinds[r->base + slot] = BARE_CLOSED;
    r->vacant++; /* an accept that takes the place is queued behind the close */
}

/* With these flags a send that succeeds whole says nothing, any other exactly one thing. */
void bare_send(struct bare *b, uint32_t conn, struct bytes what)
{
    const uint32_t slot = conn % b->slots_per_ring;
    struct io_uring_sqe *sqe = next_sqe(&b->rings[conn / b->slots_per_ring]);
    io_uring_prep_send(sqe, (int)slot, what.at, what.len,
                       MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL);
    tag(sqe, OP_SEND, slot, IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void bare_send_range(struct bare *b, uint32_t from, uint32_t to,
                     const struct bytes what[static BARE_KIND_COUNT])
{
    while (from < to) {
        const uint32_t ring = from / b->slots_per_ring;
        const uint32_t end = smaller(to, (ring + 1) * b->slots_per_ring);
        for (; from < end; from++)
            if (what[b->kinds[from]].len > 0)
                bare_send(b, from, what[b->kinds[from]]);
        submit(&b->rings[ring]);
    }
}

/* --- accepting -------------------------------------------------------------------------------- */

static struct bare_ring *ring_with_room(struct bare *b)
{
    for (uint32_t i = 0; i < b->ring_count; i++) {
        if (b->rings[b->accept_ring].vacant > 0)
            return &b->rings[b->accept_ring];
        b->accept_ring = (b->accept_ring + 1) % b->ring_count;
    }
    return NULL;
}

/* Never more than there are vacant places: on a full table an accept drops the newcomer. */
static void accept_more(struct bare *b)
{
    struct bare_ring *r;
    while (b->accepts_in_flight < BARE_ACCEPTS_MAX && (r = ring_with_room(b)) != NULL) {
        struct io_uring_sqe *sqe = next_sqe(r);
        io_uring_prep_accept(sqe, b->listen_fd, NULL, NULL, 0);
        sqe->file_index = IORING_FILE_INDEX_ALLOC; /* liburing 2.3 sets it one too high */
        tag(sqe, OP_ACCEPT, 0, 0);
        r->vacant--;
        b->accepts_in_flight++;
    }
}

static void on_accept(struct bare *b, struct bare_ring *r, int result)
{
    b->accepts_in_flight--;
    if (result < 0) {
        if (result != -ECONNABORTED)
            bare_fail("accept", result);
        r->vacant++;
        return;
    }
    const uint32_t conn = r->base + (uint32_t)result;
    b->kinds[conn] = BARE_HTTP;
    if (conn >= b->high)
        b->high = conn + 1;
    arm_poll(r, (uint32_t)result);
}

/* --- completions ------------------------------------------------------------------------------ */

static void push(struct bare_queue *q, uint32_t slot)
{
    ASSERT(q->tail - q->head <= q->mask);
    q->slots[q->tail++ & q->mask] = slot;
}

/* A message that was lost or cut leaves no figure. A peer that is gone has lost nothing. */
static void check_send(int result)
{
    if (result >= 0 || result == -EAGAIN)
        bare_fail("a send fell short", -EAGAIN);
}

static void on_completion(struct bare *b, struct bare_ring *r, const struct io_uring_cqe *cqe)
{
    const uint32_t which = (uint32_t)cqe->user_data;
    switch ((enum op)(cqe->user_data >> 32)) {
    case OP_ACCEPT:
        on_accept(b, r, cqe->res);
        return;
    case OP_POLL:
        push(&b->readable, which);
        return;
    case OP_RECV:
        b->received[which] = cqe->res;
        b->receiving--;
        return;
    case OP_SEND:
        check_send(cqe->res);
        return;
    case OP_CLOSE:
        bare_fail("close", cqe->res);
    }
    UNREACHABLE("op");
}

static void reap(struct bare *b, struct bare_ring *r)
{
    struct io_uring_cqe *cqe;
    while (io_uring_cq_ready(&r->ring) > 0 && io_uring_peek_cqe(&r->ring, &cqe) == 0) {
        on_completion(b, r, cqe);
        io_uring_cqe_seen(&r->ring, cqe);
    }
}

/* --- receiving -------------------------------------------------------------------------------- */

/* What a poll has announced is there, so that the kernel has finished a receive when it has taken
 * it. Were one ever punted, its result would still be waited for. */
static void receive(struct bare *b, struct bare_ring *r, const uint32_t *slots, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct io_uring_sqe *sqe = next_sqe(r);
        io_uring_prep_recv(sqe, (int)slots[i], b->slices + (size_t)i * BARE_SLICE_LEN,
                           BARE_SLICE_LEN, MSG_DONTWAIT);
        tag(sqe, OP_RECV, i, IOSQE_FIXED_FILE);
    }
    b->receiving = count;
    submit(r);
    for (reap(b, r); b->receiving > 0; reap(b, r))
        io_uring_submit_and_wait(&r->ring, 1);
}

static void on_received(struct bare *b, struct bare_ring *r, uint32_t slot, uint32_t index)
{
    const uint32_t conn = r->base + slot;
    const int result = b->received[index];
    const struct span in = {b->slices + (size_t)index * BARE_SLICE_LEN, (size_t)result};
    if (result == -EAGAIN || (result > 0 && bare_input(b, conn, in)))
        arm_poll(r, slot);
    else
        close_conn(b, r, slot);
}

static void receive_batch(struct bare *b, struct bare_ring *r)
{
    struct bare_queue *q = &b->readable;
    uint32_t slots[BARE_BATCH];
    const uint32_t count = smaller(q->tail - q->head, BARE_BATCH);
    for (uint32_t i = 0; i < count; i++)
        slots[i] = q->slots[q->head++ & q->mask];
    receive(b, r, slots, count);
    for (uint32_t i = 0; i < count; i++)
        on_received(b, r, slots[i], i);
    submit(r); /* replies lie in the slices, which the next batch overwrites */
}

/* --- serving ---------------------------------------------------------------------------------- */

static bool has_deferred(const struct bare_ring *r)
{
    const unsigned flags = IO_URING_READ_ONCE(*r->ring.sq.kflags);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* A newer kernel (6.18) runs only 20 of what it deferred a call: all are taken in before the
 * receives, for larger batches. A call that brings nothing ends it, for the flag can stay up with
 * nothing behind it: the core that added the work raises it a moment later, when we may have run
 * the work already, and only running more lowers it. Was there something yet (20 accepts, say,
 * that found nobody), the next turn finds it, a tick later at most. */
static void run_deferred(struct bare *b, struct bare_ring *r)
{
    bool brought = true;
    while (brought && has_deferred(r)) {
        brought = io_uring_get_events(&r->ring) >= 0 && io_uring_cq_ready(&r->ring) > 0;
        reap(b, r);
    }
}

static void serve(struct bare *b, struct bare_ring *r)
{
    reap(b, r);
    run_deferred(b, r);
    while (b->readable.tail != b->readable.head)
        receive_batch(b, r);
}

/* Whatever completes behind one's back, here as well, rings the bell and so another turn. */
void bare_rings_serve(struct bare *b)
{
    for (uint32_t i = 0; i < b->ring_count; i++)
        serve(b, &b->rings[i]);
    accept_more(b);
    for (uint32_t i = 0; i < b->ring_count; i++)
        submit(&b->rings[i]);
}

/* --- opening and closing ---------------------------------------------------------------------- */

static uint32_t divided_up(uint32_t n, uint32_t by)
{
    return n / by + (n % by != 0);
}

static void open_ring(struct bare *b, struct bare_ring *r)
{
    struct io_uring_params params = {
        .cq_entries = BARE_CQ_ENTRIES,
        .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
                 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG};
    int err = io_uring_queue_init_params(BARE_BATCH, &r->ring, &params);
    if (err == 0)
        err = io_uring_register_files_sparse(&r->ring, b->slots_per_ring);
    if (err == 0)
        err = io_uring_register_eventfd(&r->ring, b->bell_fd);
    if (err != 0)
        bare_fail("a ring and its table", err);
    r->base = (uint32_t)(r - b->rings) * b->slots_per_ring;
    r->vacant = b->slots_per_ring;
}

static void open_memory(struct bare *b)
{
    b->readable.mask = 1;
    while (b->readable.mask < b->slots_per_ring)
        b->readable.mask <<= 1;
    b->readable.slots = alloc_reserve(b->readable.mask * sizeof(*b->readable.slots));
    b->readable.mask--;
    b->kinds = alloc_reserve((size_t)b->ring_count * b->slots_per_ring);
    b->slices = alloc_reserve((size_t)BARE_BATCH * BARE_SLICE_LEN);
    b->rings = alloc_zeroed(b->ring_count * sizeof(*b->rings));
    if (!b->readable.slots || !b->kinds || !b->slices || !b->rings)
        bare_fail("memory", -ENOMEM);
}

void bare_rings_open(struct bare *b, uint32_t count, size_t files_max)
{
    const uint32_t table_max = files_max < BARE_TABLE_MAX ? (uint32_t)files_max : BARE_TABLE_MAX;
    b->ring_count = divided_up(count, table_max);
    b->slots_per_ring = divided_up(count, b->ring_count);
    b->bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (b->bell_fd == -1)
        bare_fail("eventfd", -errno);
    open_memory(b);
    for (uint32_t i = 0; i < b->ring_count; i++)
        open_ring(b, &b->rings[i]);
}

/* Tells the kernel to let go of everything now: what is armed would else hold sockets, and the
 * port, for a while after the process. */
void bare_rings_close(struct bare *b)
{
    struct io_uring_sync_cancel_reg all = {.flags =
                                               IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
                                           .timeout = {.tv_sec = -1, .tv_nsec = -1}};
    for (uint32_t i = 0; i < b->ring_count; i++) {
        io_uring_register_sync_cancel(&b->rings[i].ring, &all);
        io_uring_unregister_files(&b->rings[i].ring);
        io_uring_queue_exit(&b->rings[i].ring);
    }
    close(b->bell_fd);
}
