/* io.h with io_uring: the ring, batches of receives and sends, waiting and dispatch. What happens
 * to slots is uring_slot.c's, when to accept uring_accept.c's, whether the kernel is good enough
 * uring_probe.c's. */
#include "io/uring_internal.h"

#include "base/alloc.h"

#include <sched.h>
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
static void sort_completion(struct uring *u, const struct io_uring_cqe *cqe)
{
    const struct io_key key = io_key_unpack(cqe->user_data);
    if (key.kind == URING_CANCEL)
        return;
    if (key.kind == URING_SEND || key.kind == URING_RECV)
        add_result(u, key, cqe->res);
    else
        uring_remember(u, cqe->user_data, cqe->res);
    if (key.kind == URING_RECV)
        u->recv_pending--;
}

/* Takes everything that has completed, results to the results, the rest for the next wait. */
static void reap(struct uring *u)
{
    struct io_uring_cqe *cqes[64];
    unsigned count;
    while ((count = io_uring_peek_batch_cqe(&u->ring, cqes, 64)) > 0) {
        for (unsigned i = 0; i < count; i++)
            sort_completion(u, cqes[i]);
        io_uring_cq_advance(&u->ring, count);
    }
}

/* The oldest completion that is not a result: first those remembered, then those in the ring. */
static bool next_done(struct uring *u, struct uring_done *out)
{
    while (u->done_count == 0) {
        struct io_uring_cqe *cqe;
        if (io_uring_peek_batch_cqe(&u->ring, &cqe, 1) == 0)
            return false;
        sort_completion(u, cqe);
        io_uring_cq_advance(&u->ring, 1);
    }
    *out = u->dones[u->done_head];
    u->done_head = (u->done_head + 1) % u->done_capacity;
    u->done_count--;
    return true;
}

/* --- submitting ------------------------------------------------------------------------------- */

/* Hands over everything queued. The kernel may take it in parts when it is short of memory for a
 * moment. Nothing is reaped here: the caller may still be reading the results of the last batch. */
void uring_flush(struct uring *u)
{
    while (io_uring_sq_ready(&u->ring) > 0) {
        const int count = io_uring_submit(&u->ring);
        ASSERT(count != -EEXIST); /* not the thread that called io_new() */
        if (count < 0)
            sched_yield();
    }
    u->connects_queued = 0;
}

struct io_uring_sqe *uring_sqe(struct uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    if (sqe)
        return sqe;
    uring_flush(u);
    sqe = io_uring_get_sqe(&u->ring);
    ASSERT(sqe);
    return sqe;
}

void uring_cancel(struct uring *u, uint64_t key)
{
    struct io_uring_sqe *sqe = uring_sqe(u);
    io_uring_prep_cancel64(sqe, key, 0);
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = io_key_pack(URING_CANCEL, 0, 0);
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
    struct io_uring_sqe *sqe = uring_sqe(u);
    io_uring_prep_recv(sqe, (int)slot, buf.at, buf.len, MSG_DONTWAIT);
    sqe->flags = u->file_flags;
    sqe->user_data = key;
    u->recv_pending++;
}

/* With MSG_WAITALL a send that fell short is told (without, it would count as success and be
 * skipped); with MSG_DONTWAIT it is told at once rather than waiting for room. */
enum { SEND_FLAGS = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL };

static void uring_send(struct io *io, uint32_t slot, uint32_t tag, struct bytes contiguous)
{
    struct uring *u = uring_of(io);
    const uint64_t key = op_key(u, URING_SEND, slot, tag);
    struct io_uring_sqe *sqe = uring_sqe(u);
    io_uring_prep_send(sqe, (int)slot, contiguous.at, contiguous.len, SEND_FLAGS);
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
    struct io_uring_sqe *sqe = uring_sqe(u);
    io_uring_prep_sendmsg(sqe, (int)slot, msg, SEND_FLAGS);
    sqe->flags = u->file_flags | IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = key;
}

/* None of these operations waits for anything, so the kernel has finished them when it has taken
 * them. Receives are counted all the same: a missing one would hang its connection for ever. */
static void uring_submit(struct io *io)
{
    struct uring *u = uring_of(io);
    u->result_count = 0;
    uring_flush(u);
    reap(u);
    while (u->recv_pending > 0) {
        io_uring_submit_and_wait(&u->ring, 1);
        reap(u);
    }
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
    struct io_uring_sqe *sqe = uring_sqe(u);
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
    case URING_RECV:
    case URING_SEND:
        break;
    }
    UNREACHABLE("uring_kind");
}

enum { DEFERRED_A_CALL = 20 };

/* One system call: submits, runs what the kernel deferred to us, waits if there is nothing yet.
 * Errors (a signal, a time-out, short of memory for a moment) only mean fewer events. */
static void enter(struct uring *u, uint64_t timeout_ns)
{
    struct io_uring_cqe *first;
    if (timeout_ns == 0) {
        io_uring_submit_and_get_events(&u->ring);
    } else if (timeout_ns == UINT64_MAX) {
        io_uring_submit_and_wait(&u->ring, 1);
    } else {
        struct __kernel_timespec t = {.tv_sec = (int64_t)(timeout_ns / 1000000000u),
                                      .tv_nsec = (int64_t)(timeout_ns % 1000000000u)};
        io_uring_submit_and_wait_timeout(&u->ring, &first, 1, &t, NULL);
    }
}

/* Newer kernels (6.18) run no more than 20 of what they deferred a call (IO_LOCAL_TW_DEFAULT_MAX).
 * When thousands speak at once they would come 20 a turn, and everybody else behind them. */
static void run_deferred(struct uring *u, unsigned ready_before)
{
    unsigned ready;
    while ((ready = io_uring_cq_ready(&u->ring)) >= ready_before + DEFERRED_A_CALL &&
           ready < IO_EVENTS_MAX) {
        ready_before = ready;
        if (io_uring_get_events(&u->ring) < 0)
            return;
    }
}

static void collect(struct uring *u, uint64_t timeout_ns)
{
    if (u->done_count > 0 || io_uring_cq_ready(&u->ring) > 0)
        timeout_ns = 0;
    const unsigned ready_before = io_uring_cq_ready(&u->ring);
    enter(u, timeout_ns);
    run_deferred(u, ready_before);
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
            return;
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
    if (u->file_flags != 0)
        io_uring_unregister_files(&u->ring);
    io_uring_queue_exit(&u->ring);
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
    return u->slots && u->dones && u->events.at ? 0 : -ENOMEM;
}

static int open_ring(struct uring *u, bool registered)
{
    int err = uring_ring_init(&u->ring, URING_SQ_ENTRIES, URING_CQ_ENTRIES);
    if (err != 0)
        return err;
    if (registered) {
        u->file_flags = IOSQE_FIXED_FILE;
        err = io_uring_register_files_sparse(&u->ring, u->slot_count);
        if (err == 0)
            err = uring_connect_init(u);
        if (err != 0)
            goto fail_ring;
    }
    /* Blocking for io_uring's sake: it fails reads of a non-blocking file instead of waiting. */
    u->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (u->wake_fd == -1) {
        err = -errno;
        goto fail_ring;
    }
    return 0;

fail_ring:
    io_uring_queue_exit(&u->ring);
    return err;
}

int uring_new_with(struct io **out, const struct io_options *options, bool registered)
{
    struct uring *u = alloc_zeroed(sizeof(*u));
    if (!u)
        return -ENOMEM;
    io_attach(&u->io, &uring_impl);
    u->slot_count = options->slot_count;
    u->accept_count = registered ? u->slot_count - options->connect_count : u->slot_count;
    int err = reserve(u);
    if (err == 0)
        err = open_ring(u, registered);
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
    return uring_new_with(out, options, uring_lets_go_at_once());
}
