/* The epoll implementation's own structures, shared by its files. Not for others: see io.h. */
#pragma once

#include "io/io_internal.h"

#include <sys/epoll.h>

enum epoll_key { EPOLL_SLOT = 1, EPOLL_LISTENER, EPOLL_WAKE };

enum {
    EPOLL_FETCH_MAX = 1024,  /* kernel events a turn */
    EPOLL_ACCEPTS_TURN = 64, /* of one listener in a turn */
    /* The most that one look at the kernel can turn into: two polls for each of its events, and the
     * newcomers; a failure to accept besides. */
    EPOLL_EVENTS_TURN =
        2 * EPOLL_FETCH_MAX + IO_LISTENERS_MAX * EPOLL_ACCEPTS_TURN + IO_LISTENERS_MAX,
};
static_assert((int)EPOLL_EVENTS_TURN <= (int)IO_EVENTS_MAX, "they must fit in one list");

enum epoll_slot_flag {
    EPOLL_OPEN = 1,      /* from IO_ACCEPTED to IO_CLOSED */
    EPOLL_CLOSING = 2,   /* io_close() was called */
    EPOLL_SHUT = 4,      /* io_shutdown() was called */
    EPOLL_CHECKED = 8,   /* stands in the list of slots armed while ready */
    EPOLL_PEER_END = 16, /* the peer sent its end: input stays ready */
    EPOLL_DEAD = 32,     /* hung up or failed: everything stays ready */
    EPOLL_CONNECTING = 64,
};

struct epoll_slot {
    uint32_t generation;
    uint8_t armed; /* enum io_poll: what the reactor waits for */
    uint8_t ready; /* enum io_poll: what the kernel told, and nobody used up since */
    uint8_t flags; /* enum epoll_slot_flag */
    uint8_t unused;
};
static_assert(sizeof(struct epoll_slot) == 8, "user memory per connection: LIMITS.md");

enum epoll_op_kind { EPOLL_RECV, EPOLL_SEND, EPOLL_SEND_VEC };

struct epoll_op {
    enum epoll_op_kind kind;
    uint32_t slot;
    uint32_t tag;
    unsigned vec_count;
    union {
        struct span buf;
        struct bytes contiguous;
        const struct iovec *vec;
    };
};

enum epoll_ending { EPOLL_END_SHUTDOWN, EPOLL_END_FLUSH, EPOLL_END_RESET };

/* What ends: executed behind all sends, and nothing may follow it on its slot. */
struct epoll_end {
    uint32_t slot;
    enum epoll_ending how;
};

/* A list in reserved memory whose stated maximum cannot be passed. */
struct epoll_list {
    uint32_t *at;
    size_t capacity;
    size_t count;
};

struct epoll_held {
    int fd; /* -1: nobody */
    uint32_t listener;
    union io_address peer;
};

struct epoll {
    struct io io;
    int epoll_fd;
    int wake_fd;
    /* Nothing but a place in the process's table: with EMFILE it is given up for one newcomer, who
     * can then be told so; taken again when a slot closes. -1: given up. */
    int reserve_fd;
    bool lacks_pwait2;
    uint32_t slot_count;
    uint32_t slot_high; /* slots from here on were never used */
    struct epoll_slot *slots;
    struct io_events events;

    unsigned op_count;
    unsigned result_count;
    struct epoll_op ops[IO_BATCH_MAX];
    struct io_result results[IO_BATCH_MAX];

    struct epoll_end *ends; /* [2 * slot_count]: one shutdown and one close each */
    size_t end_count;
    struct epoll_list closed;  /* [slot_count], to be announced */
    struct epoll_list checked; /* [slot_count], to be looked at: EPOLL_CHECKED */

    struct io_gate gate;
    bool listening; /* the listeners are in the set with EPOLLIN */
    unsigned listener_count;
    int listeners[IO_LISTENERS_MAX];
    struct epoll_held held;

    struct epoll_event fetched[EPOLL_FETCH_MAX];
};

static inline struct epoll *epoll_of(struct io *io)
{
    return (struct epoll *)io; /* its first member */
}

static inline void epoll_list_add(struct epoll_list *l, uint32_t slot)
{
    ASSERT(l->count < l->capacity);
    l->at[l->count++] = slot;
}

/* --- epoll_slot.c ----------------------------------------------------------------------------- */

/* Puts a socket into the set and makes it a slot. -errno: it is still the caller's.
 */
int epoll_slot_open(struct epoll *e, int fd) MUST_CHECK;
struct epoll_slot *epoll_slot_usable(const struct epoll *e, uint32_t slot);
void epoll_slot_poll(struct io *io, uint32_t slot, enum io_poll what);
void epoll_slot_keepalive(struct io *io, uint32_t slot);
void epoll_slot_shutdown(struct io *io, uint32_t slot);
void epoll_slot_close(struct io *io, uint32_t slot, enum io_close how);
/* Executes shutdowns and closes. */
void epoll_slot_end_all(struct epoll *e);
/* Events that need no look at the kernel: closed slots, and slots armed while ready. */
void epoll_slot_announce(struct epoll *e);
void epoll_slot_event(struct epoll *e, struct io_key key, uint32_t what);
/* A receive or send came back with less than it could take: not ready any more. */
void epoll_slot_used_up(struct epoll *e, uint32_t slot, enum io_poll what);

/* --- epoll_connect.c -------------------------------------------------------------------------- */

int64_t epoll_connect(struct io *io, const union io_address *remote, const union io_address *local);
/* The kernel told something of a slot that is being connected. True: it has come to its end. */
bool epoll_connect_event(struct epoll *e, uint32_t slot, uint32_t what);

/* --- epoll_accept.c --------------------------------------------------------------------------- */

int epoll_listen(struct io *io, int fd);
void epoll_listen_stop(struct io *io);
void epoll_listen_pause(struct io *io, bool paused);
/* Before every wait: retries that are due, listeners in or out of the set. */
void epoll_accept_prepare(struct epoll *e);
void epoll_accept_event(struct epoll *e, uint32_t listener);
/* A descriptor became free. */
void epoll_accept_slot_freed(struct epoll *e);
