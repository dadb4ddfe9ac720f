/* io.h with io_uring: batches of receives and sends, waiting and dispatch. Rings are
 * uring_rings.c's, what happens to slots is uring_slot.c's, when to accept uring_accept.c's,
 * whether the kernel is good enough uring_probe.c's. */
#include "io/uring_internal.h"

#include "base/alloc.h"
#include "io/process.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* --- completions ------------------------------------------------------------------------------ */

void uring_remember(struct uring *u, uint64_t key, int32_t result)
{
    ASSERT(u->done_count < u->done_capacity);
    if (u->done_count == 0)
        u->done_head = 0; /* stays where memory is touched already */
    const size_t at = (u->done_head + u->done_count++) % u->done_capacity;
    u->dones[at] = (struct uring_done){key, result};
}

static void add_result(struct uring *u, struct io_key key, int32_t result)
{
    if (key.generation != u->batch)
        return;
    ASSERT(key.index < u->op_count);
    ASSERT(u->result_count < IO_BATCH_MAX);
    const struct uring_op *op = &u->ops[key.index];
    u->results[u->result_count++] = (struct io_result){op->slot, op->tag, result};
}

/* Sends tell only when they fall short; receives always do, and are counted. */
void uring_sort_completion(struct uring *u, struct uring_ring *r, const struct io_uring_cqe *cqe)
{
    const struct io_key key = io_key_unpack(cqe->user_data);
    if (key.kind == URING_CANCEL || key.kind == URING_OPTION)
        return;
    if (key.kind == URING_BELL) {
        u->bell_armed = false;
        return;
    }
    if (key.kind == URING_SEND || key.kind == URING_RECV)
        add_result(u, key, cqe->res);
    else
        uring_remember(u, cqe->user_data, cqe->res);
    if (key.kind == URING_RECV)
        r->recv_pending--;
}

/* The oldest one. */
static bool next_done(struct uring *u, struct uring_done *out)
{
    if (u->done_count == 0)
        return false;
    *out = u->dones[u->done_head];
    u->done_head = (u->done_head + 1) % u->done_capacity;
    u->done_count--;
    return true;
}

/* --- batches ---------------------------------------------------------------------------------- */

static uint64_t op_key(struct uring *u, enum uring_kind kind, uint32_t slot, uint32_t tag)
{
    ASSERT(u->op_count < IO_BATCH_MAX);
    uring_slot_check_usable(u, slot);
    u->ops[u->op_count] = (struct uring_op){slot, tag};
    return io_key_pack(kind, u->batch, u->op_count++);
}

static void uring_recv(struct io *io, uint32_t slot, uint32_t tag, struct span buf)
{
    struct uring *u = uring_of(io);
    const uint64_t key = op_key(u, URING_RECV, slot, tag);
    struct uring_ring *r = uring_ring_of(u, slot);
    struct io_uring_sqe *sqe = uring_sqe(u, r);
    io_uring_prep_recv(sqe, uring_file(r, slot), buf.at, buf.len, MSG_DONTWAIT);
    sqe->flags = u->file_flags;
    sqe->user_data = key;
    r->recv_pending++;
}

/* With MSG_WAITALL a send that fell short is told (without, it would count as success and be
 * skipped); with MSG_DONTWAIT it is told at once rather than waiting for room. */
enum { SEND_FLAGS = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL };

static void uring_send(struct io *io, uint32_t slot, uint32_t tag, struct bytes contiguous)
{
    struct uring *u = uring_of(io);
    const uint64_t key = op_key(u, URING_SEND, slot, tag);
    struct uring_ring *r = uring_ring_of(u, slot);
    struct io_uring_sqe *sqe = uring_sqe(u, r);
    io_uring_prep_send(sqe, uring_file(r, slot), contiguous.at, contiguous.len, SEND_FLAGS);
    sqe->flags = u->file_flags | IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = key;
}

static void uring_send_vec(struct io *io, uint32_t slot, uint32_t tag, const struct iovec *vec,
                           unsigned count)
{
    struct uring *u = uring_of(io);
    struct msghdr *msg = &u->msgs[u->op_count];
    const uint64_t key = op_key(u, URING_SEND, slot, tag);
    *msg = (struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)vec, .msg_iovlen = count};
    struct uring_ring *r = uring_ring_of(u, slot);
    struct io_uring_sqe *sqe = uring_sqe(u, r);
    io_uring_prep_sendmsg(sqe, uring_file(r, slot), msg, SEND_FLAGS);
    sqe->flags = u->file_flags | IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = key;
}

static void uring_submit(struct io *io)
{
    struct uring *u = uring_of(io);
    u->result_count = 0;
    uring_rings_finish(u);
    u->op_count = 0;
    u->batch = io_generation_after(u->batch);
}

static const struct io_result *uring_results(const struct io *io, unsigned *count)
{
    const struct uring *u = (const struct uring *)io;
    *count = u->result_count;
    return u->results;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void wake_arm(struct uring *u)
{
    if (u->wake_armed)
        return;
    u->wake_armed = true;
    struct io_uring_sqe *sqe = uring_sqe(u, uring_home(u));
    io_uring_prep_read(sqe, u->wake_fd, &u->wake_value, sizeof(u->wake_value), 0);
    sqe->user_data = io_key_pack(URING_WAKE, 0, 0);
}

static ANY_THREAD void uring_wake(struct io *io)
{
    const uint64_t one = 1;
    /* Fails only when 2^64-2 wake-ups are already waiting to be read. */
    const ssize_t n = write(uring_of(io)->wake_fd, &one, sizeof(one));
    (void)n;
}

static void dispatch(struct uring *u, struct uring_done done)
{
    const struct io_key key = io_key_unpack(done.key);
    switch ((enum uring_kind)key.kind) {
    case URING_ACCEPT:
        uring_accept_done(u, key.index, done.result);
        return;
    case URING_POLL_IN:
    case URING_POLL_OUT:
    case URING_RESET:
    case URING_SHUTDOWN:
    case URING_CONNECT:
    case URING_CLOSE:
        uring_slot_done(u, key, done.result);
        return;
    case URING_WAKE:
        u->wake_armed = false;
        if (!u->freeing)
            io_event_add(&u->events, IO_WOKEN, 0, 0);
        return;
    case URING_CANCEL:
    case URING_OPTION:
    case URING_RECV:
    case URING_SEND:
    case URING_BELL:
        break;
    }
    UNREACHABLE("uring_kind");
}

static void collect(struct uring *u, uint64_t timeout_ns)
{
    uring_rings_enter(u, timeout_ns);
    u->events.count = 0;
    struct uring_done done;
    /* A completion makes at most one event. */
    while (u->events.count < IO_EVENTS_MAX && next_done(u, &done))
        dispatch(u, done);
}

static unsigned uring_wait(struct io *io, uint64_t timeout_ns, const struct io_event **events)
{
    struct uring *u = uring_of(io);
    if (u->op_count > 0)
        uring_submit(io);
    uring_accept_refill(u);
    wake_arm(u);
    collect(u, io_gate_limit(&u->gate, timeout_ns));
    *events = u->events.at;
    return u->events.count;
}

/* --- from birth to death ---------------------------------------------------------------------- */

/* Until the kernel holds nothing of ours any more, but not for ever: the ring's end does the rest,
 * only later. */
static void let_go(struct uring *u)
{
    const uint64_t deadline_ns = clock_monotonic_ns() + URING_FREE_MS * UINT64_C(1000000);
    while (u->open_count > 0 || u->accepts_in_flight > 0 || u->wake_armed) {
        if (clock_monotonic_ns() > deadline_ns)
            break;
        collect(u, 10 * 1000000);
    }
}

static void release(struct uring *u)
{
    uring_connect_fini(u);
    alloc_release(u->slots, u->slot_count * sizeof(*u->slots));
    alloc_release(u->dones, u->done_capacity * sizeof(*u->dones));
    alloc_release(u->events.at, IO_EVENTS_MAX * sizeof(*u->events.at));
    alloc_free(u);
}

static void uring_destroy(struct io *io)
{
    struct uring *u = uring_of(io);
    if (u->op_count > 0)
        uring_submit(io);
    u->freeing = true;
    uring_listen_stop(io);
    for (uint32_t slot = 0; slot < u->slot_high; slot++)
        if ((u->slots[slot].flags & (URING_OPEN | URING_CLOSING)) == URING_OPEN)
            uring_slot_close(io, slot, IO_CLOSE_FLUSH);
    uring_wake(io);
    let_go(u);
    if (uring_are_several(u))
        uring_rings_silence(u);
    uring_rings_close(u);
    close(u->wake_fd);
    release(u);
}

static const struct io_impl uring_impl = {
    .destroy = uring_destroy,
    .listen = uring_listen,
    .listen_stop = uring_listen_stop,
    .listen_pause = uring_listen_pause,
    .connect = uring_connect,
    .poll_arm = uring_slot_poll,
    .recv = uring_recv,
    .send = uring_send,
    .send_vec = uring_send_vec,
    .keepalive = uring_slot_keepalive,
    .shutdown = uring_slot_shutdown,
    .close = uring_slot_close,
    .submit = uring_submit,
    .results = uring_results,
    .wait = uring_wait,
    .wake = uring_wake,
};

static int reserve(struct uring *u)
{
    u->done_capacity = (size_t)u->slot_count * URING_DONES_PER_SLOT + URING_ACCEPTS_MAX + 1;
    u->slots = alloc_reserve(u->slot_count * sizeof(*u->slots));
    u->dones = alloc_reserve(u->done_capacity * sizeof(*u->dones));
    u->events.at = alloc_reserve(IO_EVENTS_MAX * sizeof(*u->events.at));
    return u->slots && u->dones && u->events.at ? uring_connect_init(u) : -ENOMEM;
}

static int open_all(struct uring *u, uint32_t table_max)
{
    /* Blocking for io_uring's sake: it fails reads of a non-blocking file instead of waiting. */
    u->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (u->wake_fd == -1)
        return -errno;
    const int err = uring_rings_open(u, table_max > 0 ? table_max : u->slot_count);
    if (err != 0)
        close(u->wake_fd);
    return err;
}

int uring_new_with(struct io **out, const struct io_options *options, uint32_t table_max)
{
    struct uring *u = alloc_zeroed(sizeof(*u));
    if (!u)
        return -ENOMEM;
    io_attach(&u->io, &uring_impl);
    u->slot_count = options->slot_count;
    u->accept_count = table_max > 0 ? u->slot_count - options->connect_count : u->slot_count;
    u->file_flags = table_max > 0 ? IOSQE_FIXED_FILE : 0;
    int err = reserve(u);
    if (err == 0)
        err = open_all(u, table_max);
    if (err != 0) {
        release(u);
        return err;
    }
    *out = &u->io;
    return 0;
}

/* Registered files spare the process's table: its lock, and a reference count per operation. On
 * kernels that let go of them late, slots are ordinary descriptors instead. */
int uring_new(struct io **out, const struct io_options *options)
{
    const uint64_t limit = process_fd_limit(); /* the kernel's, for a table */
    const uint32_t table_max = limit < URING_TABLE_MAX ? (uint32_t)limit : URING_TABLE_MAX;
    return uring_new_with(out, options, uring_lets_go_at_once() ? table_max : 0);
}
