/* One io over real loopback sockets, and helpers to wait for what should come: shared by the tests
 * of both implementations. Asserts by itself; holds no expectations of its own. */
#pragma once

#include "io/io_internal.h"
#include "io/listener.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__clang__)
/* A test is the reactor's thread. */
#pragma clang diagnostic ignored "-Wthread-safety-analysis"
#endif

enum variant { RIG_URING, RIG_URING_RINGS, RIG_URING_PLAIN, RIG_EPOLL };

enum { RIG_PATIENCE_MS = 3000, RIG_SLOTS = 20000, RIG_EVENTS = 16384, RIG_RINGS = 3 };
/* Less than what gives up by itself (freeing after 2 s), and more than a busy machine takes. */
enum { RIG_SOON_MS = 1500 };

struct rig {
    enum variant variant;
    struct io *io;
    int listen_fd;
    int listener;
    union io_address at;
    struct io_event *seen; /* [RIG_EVENTS], those not asked for yet */
    unsigned seen_count;
};

/* Declares a test of each implementation; skipped where it cannot run. */
#define ON_EACH(name)                                                                              \
    static void name(struct rig *r);                                                               \
    Test(uring, name)                                                                              \
    {                                                                                              \
        rig_run(RIG_URING, name);                                                                  \
    }                                                                                              \
    Test(uring_rings, name)                                                                        \
    {                                                                                              \
        rig_run(RIG_URING_RINGS, name);                                                            \
    }                                                                                              \
    Test(uring_plain, name)                                                                        \
    {                                                                                              \
        rig_run(RIG_URING_PLAIN, name);                                                            \
    }                                                                                              \
    Test(epoll, name)                                                                              \
    {                                                                                              \
        rig_run(RIG_EPOLL, name);                                                                  \
    }                                                                                              \
    static void name(struct rig *r)

static inline bool rig_is_registered(enum variant v)
{
    return v == RIG_URING || v == RIG_URING_RINGS;
}

static inline void rig_skip_if_missing(enum variant v)
{
    struct io_probe probe;
    if (v == RIG_EPOLL)
        return;
    io_probe(IO_URING, &probe);
    if (!probe.usable)
        cr_skip_test("io_uring does not work here: %s", probe.why);
    if (rig_is_registered(v) && probe.slot_is_fd)
        cr_skip_test("this kernel lets go of registered files late");
}

static inline int rig_io_new_for(enum variant v, uint32_t slot_count, uint32_t connect_count,
                                 struct io **out)
{
    const struct io_options options = {.backend = v == RIG_EPOLL ? IO_EPOLL : IO_URING,
                                       .slot_count = slot_count,
                                       .connect_count = connect_count};
    if (v == RIG_URING_PLAIN)
        return uring_new_with(out, &options, 0);
    if (v == RIG_URING_RINGS)
        return uring_new_with(out, &options, (slot_count + RIG_RINGS - 1) / RIG_RINGS);
    return io_new(out, &options);
}

static inline int rig_io_new(enum variant v, uint32_t slot_count, struct io **out)
{
    return rig_io_new_for(v, slot_count, 0, out);
}

static inline void rig_open(struct rig *r, enum variant v, uint32_t slot_count)
{
    const struct listener_options one = {.count = 1};
    *r = (struct rig){.variant = v, .seen = calloc(RIG_EVENTS, sizeof(struct io_event))};
    cr_assert(eq(int, listener_parse("127.0.0.1:0", &r->at), 0));
    cr_assert(eq(int, listener_open_at(&r->at, &one, &r->listen_fd), 0));
    cr_assert(eq(int, rig_io_new(v, slot_count, &r->io), 0));
    r->listener = io_listen(r->io, r->listen_fd);
    cr_assert(eq(int, r->listener, 0));
}

static inline void rig_close(struct rig *r)
{
    if (r->io)
        io_free(&r->io);
    close(r->listen_fd);
    free(r->seen);
}

static inline void rig_run(enum variant v, void (*test)(struct rig *r))
{
    struct rig r;
    rig_skip_if_missing(v);
    rig_open(&r, v, RIG_SLOTS);
    test(&r);
    rig_close(&r);
}

static inline uint64_t rig_now_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

/* --- events ----------------------------------------------------------------------------------- */

static inline void rig_turn(struct rig *r, unsigned timeout_ms)
{
    const struct io_event *events;
    const unsigned count = io_wait(r->io, timeout_ms * UINT64_C(1000000), &events);
    cr_assert(le(uint, count, IO_EVENTS_MAX));
    cr_assert(le(uint, r->seen_count + count, RIG_EVENTS));
    memcpy(r->seen + r->seen_count, events, count * sizeof(*events));
    r->seen_count += count;
}

static inline bool rig_take(struct rig *r, enum io_kind kind, int64_t slot, struct io_event *out)
{
    for (unsigned i = 0; i < r->seen_count; i++) {
        if (r->seen[i].kind != kind || (slot >= 0 && r->seen[i].slot != slot))
            continue;
        *out = r->seen[i];
        memmove(r->seen + i, r->seen + i + 1, (--r->seen_count - i) * sizeof(*r->seen));
        return true;
    }
    return false;
}

/* The next event of this kind; slot -1: any. */
static inline struct io_event rig_await(struct rig *r, enum io_kind kind, int64_t slot)
{
    struct io_event event;
    const uint64_t end_ms = rig_now_ms() + RIG_PATIENCE_MS;
    while (!rig_take(r, kind, slot, &event)) {
        cr_assert(lt(u64, rig_now_ms(), end_ms), "no event of kind %d", (int)kind);
        rig_turn(r, 50);
    }
    return event;
}

/* How many of this kind come within a while. */
static inline unsigned rig_count(struct rig *r, enum io_kind kind, int64_t slot, unsigned ms)
{
    struct io_event event;
    unsigned count = 0;
    const uint64_t end_ms = rig_now_ms() + ms;
    do
        rig_turn(r, 5);
    while (rig_now_ms() < end_ms);
    while (rig_take(r, kind, slot, &event))
        count++;
    return count;
}

/* --- peers ------------------------------------------------------------------------------------ */

static inline int rig_peer(struct rig *r, int rcvbuf)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(ge(int, fd, 0));
    if (rcvbuf > 0)
        cr_assert(eq(int, setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0));
    cr_assert(eq(int, connect(fd, &r->at.any, sizeof(r->at.in)), 0));
    return fd;
}

/* A connection: the peer's descriptor, and its slot. */
static inline int rig_pair(struct rig *r, uint32_t *slot)
{
    const int fd = rig_peer(r, 0);
    *slot = rig_await(r, IO_ACCEPTED, -1).slot;
    return fd;
}

static inline bool rig_peer_can_read(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

/* Reads to the end; how many bytes, or -errno. */
static inline ssize_t rig_peer_drain(int fd)
{
    static char sink[65536];
    ssize_t total = 0, n;
    while (rig_peer_can_read(fd, RIG_PATIENCE_MS) && (n = recv(fd, sink, sizeof(sink), 0)) != 0) {
        if (n < 0)
            return -errno;
        total += n;
    }
    return total;
}

static inline struct io_result rig_recv(struct rig *r, uint32_t slot, void *at, size_t len)
{
    unsigned count;
    io_recv(r->io, slot, 77, (struct span){at, len});
    io_submit(r->io);
    const struct io_result *results = io_results(r->io, &count);
    cr_assert(eq(uint, count, 1));
    cr_assert(eq(u32, results[0].slot, slot));
    cr_assert(eq(u32, results[0].tag, 77));
    return results[0];
}

/* Bytes sent, or -errno, of one send alone. */
static inline int64_t rig_send(struct rig *r, uint32_t slot, struct bytes b)
{
    unsigned count;
    io_send(r->io, slot, 88, b);
    io_submit(r->io);
    const struct io_result *results = io_results(r->io, &count);
    cr_assert(le(uint, count, 1), "at most one result");
    if (count == 0)
        return (int64_t)b.len;
    cr_assert(eq(u32, results[0].tag, 88));
    return results[0].result;
}

static inline void rig_end(struct rig *r, uint32_t slot, enum io_close how)
{
    io_close(r->io, slot, how);
    rig_await(r, IO_CLOSED, slot);
}

/* Open descriptors of the process. */
static inline unsigned rig_fd_count(void)
{
    unsigned count = 0;
    DIR *d = opendir("/proc/self/fd");
    cr_assert(ne(ptr, d, NULL));
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

/* Waits until no more are open than before: the kernel may need a moment. */
static inline void rig_assert_fd_count(unsigned before)
{
    cr_assert(eq(uint, rig_fd_count(), before));
}
