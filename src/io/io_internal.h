/* What all implementations of io.h share: the table of operations, event lists, when to accept.
 * Not here: anything that knows io_uring or epoll.
 *
 * THE DOOR FOR A THIRD KERNEL. A simulated one (tests) embeds a struct io as its first member,
 * calls io_attach() with its own table, and hands &its_own->io to whoever takes a struct io. It
 * needs no io_new(); io_free() ends it through its table. */
#pragma once

#include "base/assert.h"
#include "base/clock.h"
#include "io/io.h"

#include <errno.h>

/* One function per function of io.h, same contract; `destroy` frees the implementation itself. */
struct io_impl {
    void (*destroy)(struct io *io);
    int (*listen)(struct io *io, int fd);
    void (*listen_stop)(struct io *io);
    void (*listen_pause)(struct io *io, bool paused);
    int64_t (*connect)(struct io *io, const union io_address *remote,
                       const union io_address *local);
    void (*poll_arm)(struct io *io, uint32_t slot, enum io_poll what);
    void (*recv)(struct io *io, uint32_t slot, uint32_t tag, struct span buf);
    void (*send)(struct io *io, uint32_t slot, uint32_t tag, struct bytes contiguous);
    void (*send_vec)(struct io *io, uint32_t slot, uint32_t tag, const struct iovec *vec,
                     unsigned count);
    void (*keepalive)(struct io *io, uint32_t slot);
    void (*shutdown)(struct io *io, uint32_t slot);
    void (*close)(struct io *io, uint32_t slot, enum io_close how);
    void (*submit)(struct io *io);
    const struct io_result *(*results)(const struct io *io, unsigned *count);
    unsigned (*wait)(struct io *io, uint64_t timeout_ns, const struct io_event **events);
    void (*wake)(struct io *io);
};

struct io {
    const struct io_impl *impl;
};

static inline void io_attach(struct io *io, const struct io_impl *impl)
{
    io->impl = impl;
}

int uring_new(struct io **out, const struct io_options *options) MUST_CHECK;
/* With registered files, so many to a ring, or with ordinary descriptors (0): for tests,
 * uring_new() finds out by itself. */
int uring_new_with(struct io **out, const struct io_options *options, uint32_t table_max)
    MUST_CHECK;
int epoll_new(struct io **out, const struct io_options *options) MUST_CHECK;
void uring_probe(struct io_probe *out);
void epoll_probe(struct io_probe *out);

/* One line of a probe's table. err: 0 or -errno. A `needed` operation that fails is why not. */
void probe_note(struct io_probe *out, const char *operation, int err, bool needed);

/* --- connecting ------------------------------------------------------------------------------- */

static inline socklen_t io_address_len(const union io_address *at)
{
    return at->any.sa_family == AF_INET6 ? sizeof(at->in6) : sizeof(at->in);
}

/* A socket that io_connect() can connect to `remote`; flags: of socket(2). The descriptor, or
 * -errno. */
int outgoing_socket(const union io_address *remote, const union io_address *local, int flags)
    MUST_CHECK;

/* The same under the next number that is free in the process: at this one's the reactor still has
 * to be told that the slot was closed. Takes fd; -EMFILE. */
int outgoing_renumber(int fd) MUST_CHECK;

/* --- options ---------------------------------------------------------------------------------- */

/* For io_keepalive() where slots are descriptors. */
static inline void io_set_keepalive(int fd)
{
    const int on = 1;
    /* Fails only where there is no such socket. */
    (void)!setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* --- keys ------------------------------------------------------------------------------------ */

/* What the kernel gives back with a completion: kind:4 | generation:28 | index:32. */
enum { KEY_GENERATION_BITS = 28 };

struct io_key {
    unsigned kind;
    uint32_t generation;
    uint32_t index;
};

static inline uint32_t io_generation_after(uint32_t generation)
{
    return (generation + 1) & ((1u << KEY_GENERATION_BITS) - 1);
}

static inline uint64_t io_key_pack(unsigned kind, uint32_t generation, uint32_t index)
{
    return (uint64_t)kind << 60 | (uint64_t)generation << 32 | index;
}

static inline struct io_key io_key_unpack(uint64_t packed)
{
    return (struct io_key){
        .kind = (unsigned)(packed >> 60),
        .generation = (uint32_t)(packed >> 32) & ((1u << KEY_GENERATION_BITS) - 1),
        .index = (uint32_t)packed,
    };
}

/* --- event lists ------------------------------------------------------------------------------ */

struct io_events {
    struct io_event *at; /* IO_EVENTS_MAX */
    unsigned count;
};

/* The caller has made sure that there is room. */
static inline struct io_event *io_event_add(struct io_events *e, enum io_kind kind, uint32_t slot,
                                            int32_t result)
{
    ASSERT(e->count < IO_EVENTS_MAX);
    struct io_event *event = &e->at[e->count++];
    event->kind = kind;
    event->slot = slot;
    event->result = result;
    event->listener = 0;
    return event;
}

/* --- when to accept --------------------------------------------------------------------------- */

enum { IO_ACCEPT_RETRY_MS = 100 };

struct io_gate {
    uint64_t retry_ns; /* accepting failed: try again then; 0: it did not */
    bool paused;
    bool stopped;
};

static inline bool io_gate_is_open(const struct io_gate *g)
{
    return g->retry_ns == 0 && !g->paused && !g->stopped;
}

/* The host or this process is short of something: accepting rests. True: it was not resting yet. */
static inline bool io_gate_fail(struct io_gate *g)
{
    const bool first = g->retry_ns == 0;
    if (first)
        g->retry_ns = clock_monotonic_ns() + IO_ACCEPT_RETRY_MS * UINT64_C(1000000);
    return first;
}

/* True once, when the rest is over. */
static inline bool io_gate_retry_is_due(struct io_gate *g)
{
    if (g->retry_ns == 0 || clock_monotonic_ns() < g->retry_ns)
        return false;
    g->retry_ns = 0;
    return true;
}

/* How long a wait may last at most, so that the retry is not late. */
static inline uint64_t io_gate_limit(const struct io_gate *g, uint64_t timeout_ns)
{
    if (g->retry_ns == 0)
        return timeout_ns;
    const uint64_t now_ns = clock_monotonic_ns();
    const uint64_t left_ns = g->retry_ns > now_ns ? g->retry_ns - now_ns : 0;
    return left_ns < timeout_ns ? left_ns : timeout_ns;
}

/* Errors of accept4() that are one peer's (accept(2), "Error handling"): the next one may do. */
static inline bool io_accept_error_is_peers(int err)
{
    switch (-err) {
    case ECONNABORTED:
    case EINTR:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:
        return true;
    }
    return false;
}
