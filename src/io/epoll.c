/* io.h with epoll, for kernels and containers that refuse io_uring: batches of receives and sends,
 * waiting. A slot is a descriptor. Slots are epoll_slot.c's, accepting epoll_accept.c's. */
#define _GNU_SOURCE
#include "io/epoll_internal.h"

#include "base/alloc.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- batches ---------------------------------------------------------------------------------- */

static struct epoll_op *op_add(struct epoll *e, enum epoll_op_kind kind, uint32_t slot,
                               uint32_t tag)
{
    ASSERT(e->op_count < IO_BATCH_MAX);
    epoll_slot_usable(e, slot);
    struct epoll_op *op = &e->ops[e->op_count++];
    op->kind = kind;
    op->slot = slot;
    op->tag = tag;
    return op;
}

static void epoll_recv(struct io *io, uint32_t slot, uint32_t tag, struct span buf)
{
    op_add(epoll_of(io), EPOLL_RECV, slot, tag)->buf = buf;
}

static void epoll_send(struct io *io, uint32_t slot, uint32_t tag, struct bytes contiguous)
{
    op_add(epoll_of(io), EPOLL_SEND, slot, tag)->contiguous = contiguous;
}

static void epoll_send_vec(struct io *io, uint32_t slot, uint32_t tag, const struct iovec *vec,
                           unsigned count)
{
    struct epoll_op *op = op_add(epoll_of(io), EPOLL_SEND_VEC, slot, tag);
    op->vec = vec;
    op->vec_count = count;
}

static void add_result(struct epoll *e, const struct epoll_op *op, ssize_t n)
{
    const int32_t result = n < 0 ? -errno : (int32_t)n;
    e->results[e->result_count++] = (struct io_result){op->slot, op->tag, result};
}

static void run_recv(struct epoll *e, const struct epoll_op *op)
{
    const ssize_t n = recv((int)op->slot, op->buf.at, op->buf.len, MSG_DONTWAIT);
    add_result(e, op, n);
    if (n == -1 ? errno == EAGAIN : n > 0 && (size_t)n < op->buf.len)
        epoll_slot_used_up(e, op->slot, IO_IN);
}

static void finish_send(struct epoll *e, const struct epoll_op *op, ssize_t n, size_t whole)
{
    if (n >= 0 && (size_t)n == whole)
        return;
    add_result(e, op, n);
    if (n >= 0 || errno == EAGAIN)
        epoll_slot_used_up(e, op->slot, IO_OUT);
}

static void run_send(struct epoll *e, const struct epoll_op *op)
{
    const struct bytes b = op->contiguous;
    const ssize_t n = send((int)op->slot, b.at, b.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    finish_send(e, op, n, b.len);
}

static void run_send_vec(struct epoll *e, const struct epoll_op *op)
{
    size_t whole = 0;
    for (unsigned i = 0; i < op->vec_count; i++)
        whole += op->vec[i].iov_len;
    const struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)op->vec,
                               .msg_iovlen = op->vec_count};
    const ssize_t n = sendmsg((int)op->slot, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    finish_send(e, op, n, whole);
}

static void run_op(struct epoll *e, const struct epoll_op *op)
{
    switch (op->kind) {
    case EPOLL_RECV:
        run_recv(e, op);
        return;
    case EPOLL_SEND:
        run_send(e, op);
        return;
    case EPOLL_SEND_VEC:
        run_send_vec(e, op);
        return;
    }
    UNREACHABLE("epoll_op_kind");
}

static void epoll_submit(struct io *io)
{
    struct epoll *e = epoll_of(io);
    e->result_count = 0;
    for (unsigned i = 0; i < e->op_count; i++)
        run_op(e, &e->ops[i]);
    e->op_count = 0;
    epoll_slot_end_all(e);
}

static const struct io_result *epoll_results(const struct io *io, unsigned *count)
{
    const struct epoll *e = (const struct epoll *)io;
    *count = e->result_count;
    return e->results;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static ANY_THREAD void epoll_wake(struct io *io)
{
    const uint64_t one = 1;
    /* Fails only when 2^64-2 wake-ups are already waiting to be read. */
    const ssize_t n = write(epoll_of(io)->wake_fd, &one, sizeof(one));
    (void)n;
}

static void woken(struct epoll *e)
{
    uint64_t count;
    if (read(e->wake_fd, &count, sizeof(count)) == sizeof(count))
        io_event_add(&e->events, IO_WOKEN, 0, 0);
}

static int timeout_ms(uint64_t timeout_ns)
{
    const uint64_t ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return timeout_ns == UINT64_MAX || ms > INT32_MAX ? -1 : (int)ms;
}

static int fetch(struct epoll *e, uint64_t timeout_ns)
{
    const struct timespec t = {.tv_sec = (time_t)(timeout_ns / 1000000000u),
                               .tv_nsec = (long)(timeout_ns % 1000000000u)};
    if (timeout_ns == 0)
        return epoll_wait(e->epoll_fd, e->fetched, EPOLL_FETCH_MAX, 0);
    if (!e->lacks_pwait2) {
        const int count = epoll_pwait2(e->epoll_fd, e->fetched, EPOLL_FETCH_MAX,
                                       timeout_ns == UINT64_MAX ? NULL : &t, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM))
            return count;
        e->lacks_pwait2 = true; /* older than 5.11, or a container that does not know it */
    }
    return epoll_wait(e->epoll_fd, e->fetched, EPOLL_FETCH_MAX, timeout_ms(timeout_ns));
}

static void dispatch(struct epoll *e, const struct epoll_event *event)
{
    const struct io_key key = io_key_unpack(event->data.u64);
    switch ((enum epoll_key)key.kind) {
    case EPOLL_SLOT:
        epoll_slot_event(e, key, event->events);
        return;
    case EPOLL_LISTENER:
        epoll_accept_event(e, key.index);
        return;
    case EPOLL_WAKE:
        woken(e);
        return;
    }
    UNREACHABLE("epoll_key");
}

/* Newcomers may get the numbers of closed slots, so those are announced first: when the list has no
 * room for all that one look may bring, the kernel is asked next time. */
static void collect(struct epoll *e, uint64_t timeout_ns)
{
    e->events.count = 0;
    epoll_slot_announce(e);
    if (e->events.count + EPOLL_EVENTS_TURN > IO_EVENTS_MAX)
        return;
    epoll_accept_prepare(e);
    timeout_ns = e->events.count > 0 ? 0 : io_gate_limit(&e->gate, timeout_ns);
    const int count = fetch(e, timeout_ns);
    for (int i = 0; i < count; i++)
        dispatch(e, &e->fetched[i]);
}

static unsigned epoll_turn(struct io *io, uint64_t timeout_ns, const struct io_event **events)
{
    struct epoll *e = epoll_of(io);
    if (e->op_count > 0)
        epoll_submit(io);
    epoll_slot_end_all(e);
    collect(e, timeout_ns);
    *events = e->events.at;
    return e->events.count;
}

/* --- from birth to death ---------------------------------------------------------------------- */

static void release(struct epoll *e)
{
    const size_t n = e->slot_count;
    alloc_release(e->slots, n * sizeof(*e->slots));
    alloc_release(e->ends, n * 2 * sizeof(*e->ends));
    alloc_release(e->closed.at, n * sizeof(*e->closed.at));
    alloc_release(e->checked.at, n * sizeof(*e->checked.at));
    alloc_release(e->events.at, IO_EVENTS_MAX * sizeof(*e->events.at));
    alloc_free(e);
}

static void close_fds(struct epoll *e)
{
    const int fds[] = {e->reserve_fd, e->wake_fd, e->epoll_fd};
    for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
        if (fds[i] != -1)
            close(fds[i]);
}

static void epoll_destroy(struct io *io)
{
    struct epoll *e = epoll_of(io);
    if (e->op_count > 0)
        epoll_submit(io);
    epoll_listen_stop(io);
    for (uint32_t slot = 0; slot < e->slot_high; slot++)
        if ((e->slots[slot].flags & (EPOLL_OPEN | EPOLL_CLOSING)) == EPOLL_OPEN)
            epoll_slot_close(io, slot, IO_CLOSE_FLUSH);
    epoll_slot_end_all(e);
    close_fds(e);
    release(e);
}

static const struct io_impl epoll_impl = {
    .destroy = epoll_destroy,
    .listen = epoll_listen,
    .listen_stop = epoll_listen_stop,
    .listen_pause = epoll_listen_pause,
    .connect = epoll_connect,
    .poll_arm = epoll_slot_poll,
    .recv = epoll_recv,
    .send = epoll_send,
    .send_vec = epoll_send_vec,
    .keepalive = epoll_slot_keepalive,
    .shutdown = epoll_slot_shutdown,
    .close = epoll_slot_close,
    .submit = epoll_submit,
    .results = epoll_results,
    .wait = epoll_turn,
    .wake = epoll_wake,
};

static int reserve(struct epoll *e)
{
    const size_t n = e->slot_count;
    e->closed.capacity = e->checked.capacity = n;
    e->slots = alloc_reserve(n * sizeof(*e->slots));
    e->ends = alloc_reserve(n * 2 * sizeof(*e->ends));
    e->closed.at = alloc_reserve(n * sizeof(*e->closed.at));
    e->checked.at = alloc_reserve(n * sizeof(*e->checked.at));
    e->events.at = alloc_reserve(IO_EVENTS_MAX * sizeof(*e->events.at));
    const bool complete = e->slots && e->ends && e->closed.at && e->checked.at && e->events.at;
    return complete ? 0 : -ENOMEM;
}

static int open_fds(struct epoll *e)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = io_key_pack(EPOLL_WAKE, 0, 0)};
    e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (e->epoll_fd == -1)
        return -errno;
    e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->wake_fd == -1)
        return -errno;
    e->reserve_fd = fcntl(e->wake_fd, F_DUPFD_CLOEXEC, 0);
    if (e->reserve_fd == -1)
        return -errno;
    return epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, e->wake_fd, &event) == 0 ? 0 : -errno;
}

int epoll_new(struct io **out, const struct io_options *options)
{
    struct epoll *e = alloc_zeroed(sizeof(*e));
    if (!e)
        return -ENOMEM;
    io_attach(&e->io, &epoll_impl);
    e->slot_count = options->slot_count;
    e->epoll_fd = e->wake_fd = e->reserve_fd = e->held.fd = -1;
    int err = reserve(e);
    if (err == 0)
        err = open_fds(e);
    if (err != 0) {
        close_fds(e);
        release(e);
        return err;
    }
    *out = &e->io;
    return 0;
}

/* Nothing but the calls without which there is no server at all. */
void epoll_probe(struct io_probe *out)
{
    struct io *io;
    const struct io_options smallest = {.backend = IO_EPOLL, .slot_count = 1};
    out->slot_is_fd = true;
    const int err = epoll_new(&io, &smallest);
    probe_note(out, "epoll", err, true);
    if (err == 0)
        io_free(&io);
}
