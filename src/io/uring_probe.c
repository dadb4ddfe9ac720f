/* Whether io_uring works here, found by trying each operation on rings and sockets of its own:
 * never by version, since containers forbid and distributions backport. Keeps nothing open. */
#include "io/uring_internal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- set-up ----------------------------------------------------------------------------------- */

enum {
    /* SUBMIT_ALL: one bad operation must not stop the batch behind it. */
    SETUP_NEEDED = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
    /* These only make it cheaper: completions are worked off when we ask for them, by the one
     * thread that submits. */
    SETUP_COOPERATIVE = SETUP_NEEDED | IORING_SETUP_COOP_TASKRUN,
    SETUP_DEFERRED = SETUP_COOPERATIVE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

static int try_setup(struct io_uring *ring, unsigned sq_entries, unsigned cq_entries,
                     unsigned flags)
{
    struct io_uring_params params = {.flags = flags, .cq_entries = cq_entries};
    const int err = io_uring_queue_init_params(sq_entries, ring, &params);
    if (err == 0)
        io_uring_register_ring_fd(ring); /* cheaper to enter; works without */
    return err;
}

int uring_ring_init(struct io_uring *ring, unsigned sq_entries, unsigned cq_entries)
{
    const unsigned flags[] = {SETUP_DEFERRED, SETUP_COOPERATIVE, SETUP_NEEDED};
    int err = -EINVAL;
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags) && err == -EINVAL; i++)
        err = try_setup(ring, sq_entries, cq_entries, flags[i]);
    return err;
}

/* Kernels that let go of registered files at once have all of it. */
int uring_ring_init_flagged(struct io_uring *ring, unsigned sq_entries, unsigned cq_entries)
{
    return try_setup(ring, sq_entries, cq_entries, SETUP_DEFERRED | IORING_SETUP_TASKRUN_FLAG);
}

/* --- one operation at a time ------------------------------------------------------------------ */

enum { TRY_MS = 1000, TRY_ENTRIES = 8 };

/* Submits the one operation prepared in sqe; its result, or -ETIME. */
static int run(struct io_uring *ring, struct io_uring_sqe *sqe)
{
    struct io_uring_cqe *cqe = NULL;
    struct __kernel_timespec limit = {.tv_sec = TRY_MS / 1000};
    sqe->user_data = 1;
    int err = io_uring_submit(ring);
    if (err >= 0)
        err = io_uring_wait_cqe_timeout(ring, &cqe, &limit);
    if (err < 0 || !cqe)
        return err < 0 ? err : -ETIME;
    const int result = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return result;
}

/* Is there a completion that nobody should have sent? */
static bool is_silent(struct io_uring *ring)
{
    struct io_uring_cqe *cqe;
    io_uring_submit_and_get_events(ring);
    return io_uring_peek_cqe(ring, &cqe) != 0;
}

static int as_error(bool is_right)
{
    return is_right ? 0 : -EPROTO;
}

/* --- the operations ----------------------------------------------------------------------------
 */

struct bench {
    struct io_uring ring;
    int listen_fd;
    int peer_fd;
    int wake_fd;
    int slot;
};

static int try_files(struct bench *b)
{
    return io_uring_register_files_sparse(&b->ring, TRY_ENTRIES);
}

static int try_accept(struct bench *b)
{
    union io_address at = {
        .in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    b->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    b->peer_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (b->listen_fd == -1 || b->peer_fd == -1 || bind(b->listen_fd, &at.any, sizeof(at.in)) != 0 ||
        listen(b->listen_fd, 1) != 0 || getsockname(b->listen_fd, &at.any, &len) != 0 ||
        connect(b->peer_fd, &at.any, sizeof(at.in)) != 0)
        return -errno;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
    len = sizeof(at);
    compat_prep_accept_direct(sqe, b->listen_fd, &at.any, &len);
    b->slot = run(&b->ring, sqe);
    return b->slot < 0 ? b->slot : 0;
}

static int try_recv(struct bench *b)
{
    uint8_t byte;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
    io_uring_prep_recv(sqe, b->slot, &byte, 1, MSG_DONTWAIT);
    sqe->flags = IOSQE_FIXED_FILE;
    const int result = run(&b->ring, sqe);
    return result == -EAGAIN ? 0 : result < 0 ? result : -EPROTO;
}

/* Whole sends must be silent, and there. */
static int try_silent(struct bench *b, struct io_uring_sqe *sqe)
{
    uint8_t byte = 0;
    sqe->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
    const bool silent = is_silent(&b->ring);
    return as_error(silent && recv(b->peer_fd, &byte, 1, MSG_DONTWAIT) == 1 && byte == 'x');
}

static int try_send(struct bench *b)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
    io_uring_prep_send(sqe, b->slot, "x", 1, MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL);
    return try_silent(b, sqe);
}

static int try_sendmsg(struct bench *b)
{
    struct iovec vec = {.iov_base = (char[]){'x'}, .iov_len = 1};
    struct msghdr msg = {.msg_iov = &vec, .msg_iovlen = 1};
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
    io_uring_prep_sendmsg(sqe, b->slot, &msg, MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL);
    return try_silent(b, sqe);
}

static int try_poll(struct bench *b)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
    io_uring_prep_poll_add(sqe, b->slot, POLLOUT);
    sqe->flags = IOSQE_FIXED_FILE;
    const int result = run(&b->ring, sqe);
    return result < 0 ? result : as_error(result & POLLOUT);
}

static int try_cancel(struct bench *b)
{
    enum { KEY_POLL = 7 };
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
    io_uring_prep_poll_add(sqe, b->slot, POLLIN);
    sqe->flags = IOSQE_FIXED_FILE;
    sqe->user_data = KEY_POLL;
    if (!is_silent(&b->ring))
        return -EPROTO;
    sqe = io_uring_get_sqe(&b->ring);
    io_uring_prep_cancel64(sqe, KEY_POLL, 0);
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    const int result = run(&b->ring, sqe); /* the poll's, since the cancel says nothing */
    return result == -ECANCELED ? 0 : result < 0 ? result : -EPROTO;
}

static int try_wake(struct bench *b)
{
    uint64_t value = 1;
    b->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (b->wake_fd == -1 || write(b->wake_fd, &value, sizeof(value)) != sizeof(value))
        return -errno;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
    io_uring_prep_read(sqe, b->wake_fd, &value, sizeof(value), 0);
    const int result = run(&b->ring, sqe);
    return result < 0 ? result : as_error(result == sizeof(value));
}

static int try_keepalive(struct bench *b)
{
    const int on = 1;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
    compat_prep_setsockopt(sqe, b->slot, SOL_SOCKET, SO_KEEPALIVE, &on);
    sqe->flags = IOSQE_FIXED_FILE;
    return run(&b->ring, sqe);
}

static int try_shutdown(struct bench *b)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
    io_uring_prep_shutdown(sqe, b->slot, SHUT_WR);
    sqe->flags = IOSQE_FIXED_FILE;
    return run(&b->ring, sqe);
}

static int try_reset(struct bench *b)
{
    static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
    io_uring_prep_connect(sqe, b->slot, &nowhere, sizeof(nowhere));
    sqe->flags = IOSQE_FIXED_FILE;
    return run(&b->ring, sqe);
}

static int try_close(struct bench *b)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
    io_uring_prep_close_direct(sqe, (unsigned)b->slot);
    return run(&b->ring, sqe);
}

static void try_all(struct bench *b, struct io_probe *out)
{
    static const struct {
        const char *name;
        int (*attempt)(struct bench *b);
        bool needed;
    } steps[] = {
        {"registered files", try_files, true},
        {"accept", try_accept, true},
        {"receive", try_recv, true},
        {"send", try_send, true},
        {"sendmsg", try_sendmsg, true},
        {"poll", try_poll, true},
        {"cancel", try_cancel, true},
        {"wake-up read", try_wake, true},
        {"keep-alive", try_keepalive, false},
        {"shutdown", try_shutdown, true},
        {"reset", try_reset, true},
        {"close", try_close, true},
    };
    /* Each needs those before it. */
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps) && out->usable; i++)
        probe_note(out, steps[i].name, steps[i].attempt(b), steps[i].needed);
}

static void bench_close(struct bench *b)
{
    const int fds[] = {b->listen_fd, b->peer_fd, b->wake_fd};
    io_uring_queue_exit(&b->ring);
    for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

void uring_probe(struct io_probe *out)
{
    struct bench b = {.listen_fd = -1, .peer_fd = -1, .wake_fd = -1};
    const int err = uring_ring_init(&b.ring, TRY_ENTRIES, 2 * TRY_ENTRIES);
    probe_note(out, "ring", err, true);
    if (err != 0)
        return;
    const bool has_timed_wait = b.ring.features & IORING_FEAT_EXT_ARG;
    const bool keeps_overflow = b.ring.features & IORING_FEAT_NODROP;
    probe_note(out, "wait with time-out", has_timed_wait ? 0 : -ENOSYS, true);
    probe_note(out, "no completion dropped", keeps_overflow ? 0 : -ENOSYS, true);
    try_all(&b, out);
    bench_close(&b);
    out->slot_is_fd = !uring_lets_go_at_once();
    probe_note(out, "registered files let go at once", out->slot_is_fd ? -EBUSY : 0, false);
}

/* --- does a close close? ---------------------------------------------------------------------- */

/* Before about 6.13 a registered file that was closed is let go of only after every older operation
 * on any registered file of the ring, idle polls of hours included, and before 6.4 one second later
 * still: peers would see no end, and closed sockets pile up. */
static bool closes_under_poll(struct io_uring *ring, int idle_fd, int *closed_fd, int peer_fd)
{
    const int fds[] = {idle_fd, *closed_fd};
    const int err = io_uring_register_files(ring, fds, 2);
    close(*closed_fd); /* only the ring holds it now */
    *closed_fd = -1;
    if (err != 0)
        return false;
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_poll_add(sqe, 0, POLLIN);
    sqe->flags = IOSQE_FIXED_FILE;
    sqe = io_uring_get_sqe(ring);
    io_uring_prep_close_direct(sqe, 1);
    if (io_uring_submit(ring) != 2)
        return false;
    enum { PATIENCE_MS = 20 };
    struct pollfd peer = {.fd = peer_fd, .events = POLLIN};
    return poll(&peer, 1, PATIENCE_MS) == 1;
}

bool uring_lets_go_at_once(void)
{
    struct io_uring ring;
    int idle[2], pair[2];
    bool answer = false;
    if (uring_ring_init(&ring, TRY_ENTRIES, 2 * TRY_ENTRIES) != 0)
        return false;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, idle) != 0)
        goto fail_ring;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        goto fail_idle;
    answer = closes_under_poll(&ring, idle[0], &pair[0], pair[1]);
    close(pair[1]);
fail_idle:
    close(idle[0]);
    close(idle[1]);
fail_ring:
    io_uring_queue_exit(&ring);
    return answer;
}
