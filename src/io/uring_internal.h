/* The io_uring implementation's own structures, shared by its files. Not for others: see io.h. */
#pragma once

#include "io/compat.h"
#include "io/io_internal.h"

enum uring_kind {
    URING_ACCEPT = 1, /* index: the accept operation */
    URING_POLL_IN,    /* index: the slot, from here... */
    URING_POLL_OUT,
    URING_RESET,
    URING_SHUTDOWN,
    URING_CONNECT,
    URING_CLOSE, /* ...to here */
    URING_WAKE,
    URING_CANCEL, /* never of interest */
    URING_OPTION, /* nor this */
    URING_RECV,   /* index: the place in the batch, generation: of the batch */
    URING_SEND,
    URING_BELL, /* one of several rings has something for us */
};

enum {
    URING_SQ_ENTRIES = 1024, /* a batch of IO_BATCH_MAX, and the polls and closes around it */
    URING_CQ_ENTRIES = 8192, /* what is more waits in the kernel's overflow list: nothing is lost */
    URING_TABLE_MAX = 1 << 20, /* the largest file table of a ring */
    /* Of one of several rings: fifty of them for a million connections. Completions stay as many:
     * by their number the kernel chooses how finely it hashes what can be cancelled. */
    URING_SQ_ENTRIES_EACH = 512,
    /* A listener that is the k-th gets up to 32/k accepts in flight, at least 2:
     * 32 * (1 + 1/2 + ... + 1/16) = 109 of them together at most. */
    URING_ACCEPTS_MAX = 128,
    URING_ACCEPTS_SHARED = 32,
    /* Per slot, completions that may be under way at once: two polls, reset, shutdown, close. (A
     * connect is over before there are any of them but reset and close.) */
    URING_DONES_PER_SLOT = 5,
    URING_CONNECTS_QUEUED = 64, /* connects of which the kernel has not read the address yet */
    /* How long io_free() waits for the kernel's last completions. */
    URING_FREE_MS = 2000,
};

enum uring_slot_flag {
    URING_OPEN = 1,         /* from IO_ACCEPTED to IO_CLOSED */
    URING_CLOSING = 2,      /* io_close() was called */
    URING_SHUTTING = 4,     /* a shutdown is with the kernel */
    URING_CLOSE_QUEUED = 8, /* the close itself is with the kernel */
    URING_CONNECTING = 16,  /* a connect is with the kernel */
    URING_RESETTING = 32,   /* closed while connecting, by a reset: in case it gets through */
};

struct uring_slot {
    uint32_t generation;
    uint8_t polls; /* enum io_poll: polls that the kernel holds */
    uint8_t flags; /* enum uring_slot_flag */
    uint16_t unused;
};
static_assert(sizeof(struct uring_slot) == 8, "user memory per connection: LIMITS.md");

/* A completion that is no result: it stands in line for the next list of events. */
struct uring_done {
    uint64_t key;
    int32_t result;
};

struct uring_op {
    uint32_t slot;
    uint32_t tag;
};

enum uring_accept_state {
    URING_ACCEPT_FREE,
    URING_ACCEPT_IN_FLIGHT,
    URING_ACCEPT_HELD, /* took a peer whose descriptor is no slot: see uring_accept.c */
};

struct uring_accept {
    enum uring_accept_state state;
    struct uring_ring *ring;
    uint32_t listener;
    int held_fd;
    socklen_t peer_len;
    union io_address peer;
};

/* One ring of the kernel's, and the slots whose files stand in its table. */
struct uring_ring {
    struct io_uring ring;
    uint32_t base;           /* its first slot: a file's place in the table is its slot less that */
    uint32_t count;          /* slots */
    uint32_t accept_count;   /* of these the first ones, which accepts may take */
    uint32_t accepted_count; /* open slots among them */
    unsigned accepts_in_flight; /* those held count too: they have a file of ours */
    unsigned recv_pending;
    bool is_dirty;           /* stands in the list: something may be queued, or its results there */
    struct uring_ring *next; /* in the list */
    unsigned connects_queued;
    union io_address remotes[URING_CONNECTS_QUEUED];
};

struct uring {
    struct io io;
    /* [ring_count]; in the first one sleeps: see uring_rings.c */
    struct uring_ring *rings;
    struct uring_ring *latest; /* where the slot was that was looked for last */
    struct uring_ring *dirty;
    uint32_t ring_count;
    uint32_t slots_per_ring;
    int bell_fd; /* of several rings: all but the first ring it, which reads it */
    bool bell_armed;
    uint64_t bell_value;
    uint32_t slot_count;
    uint32_t slot_high; /* slots from here on were never used */
    uint32_t open_count;
    uint32_t accept_count; /* slots that accepts may take: those below; the others are connects' */
    uint8_t file_flags;    /* IOSQE_FIXED_FILE, or 0 where slots are ordinary descriptors */
    bool freeing;          /* events are dropped, newcomers closed */
    struct uring_slot *slots;
    struct io_events events;

    /* The batch being queued, and the results of the one before. */
    uint32_t batch;
    unsigned op_count;
    unsigned msg_count;
    unsigned result_count;
    struct uring_op ops[IO_BATCH_MAX];
    struct io_result results[IO_BATCH_MAX];
    struct msghdr msgs[IO_BATCH_MAX];

    /* A ring of slot_count * URING_DONES_PER_SLOT + URING_ACCEPTS_MAX + 1 (wake-up) completions:
     * one for each operation that can be with the kernel, so it cannot run over. */
    struct uring_done *dones;
    size_t done_capacity;
    size_t done_head;
    size_t done_count;

    /* Slots of connects: those that were closed, the last one first, then those never used. */
    uint32_t *vacant; /* [slot_count - accept_count] */
    uint32_t vacant_count;
    uint32_t connect_fresh;

    int wake_fd;
    bool wake_armed;
    uint64_t wake_value;

    struct io_gate gate;
    unsigned listener_count;
    struct uring_ring *accept_ring; /* takes the newcomers */
    unsigned accepts_in_flight;     /* on all rings */
    unsigned accepts_held;
    int listeners[IO_LISTENERS_MAX];
    unsigned listener_accepts[IO_LISTENERS_MAX]; /* in flight, of each */
    struct uring_accept accepts[URING_ACCEPTS_MAX];
};

static inline struct uring *uring_of(struct io *io)
{
    return (struct uring *)io; /* its first member */
}

/* Where a slot's file is; mostly where the last one was. */
static inline struct uring_ring *uring_ring_of(struct uring *u, uint32_t slot)
{
    if (slot - u->latest->base >= u->latest->count)
        u->latest = &u->rings[slot / u->slots_per_ring];
    return u->latest;
}

/* What the kernel calls the slot there. */
static inline int uring_file(const struct uring_ring *r, uint32_t slot)
{
    return (int)(slot - r->base);
}

/* --- uring.c ---------------------------------------------------------------------------------- */

/* A completion for the next wait. */
void uring_remember(struct uring *u, uint64_t key, int32_t result);
/* A completion, to where it belongs: results, those for the next wait, or nowhere. */
void uring_sort_completion(struct uring *u, struct uring_ring *r, const struct io_uring_cqe *cqe);

/* --- uring_open.c ----------------------------------------------------------------------------- */

/* As many rings as the slots need, `table_max` in each at most. On failure none is left. */
int uring_rings_open(struct uring *u, uint32_t table_max) MUST_CHECK;
void uring_rings_close(struct uring *u);

/* --- uring_rings.c ---------------------------------------------------------------------------- */

static inline struct uring_ring *uring_home(const struct uring *u)
{
    return u->rings;
}

static inline bool uring_are_several(const struct uring *u)
{
    return u->ring_count > 1;
}

/* Never NULL: when the queue is full, the kernel takes what is in it first. */
struct io_uring_sqe *uring_sqe(struct uring *u, struct uring_ring *r);
/* Withdraws the operation with this key: it completes, with -ECANCELED or what it was about to. */
void uring_cancel(struct uring *u, struct uring_ring *r, uint64_t key);
/* Hands over everything queued there. Reaps nothing: the caller may still be reading the results of
 * the last batch. */
void uring_flush(struct uring_ring *r);
/* Hands over everything queued, and takes everything that has completed where something was. */
void uring_rings_finish(struct uring *u);
/* Starts everything queued, runs what the kernel deferred to us, and waits if there is nothing.
 * What has completed stands in `dones` then. */
void uring_rings_enter(struct uring *u, uint64_t timeout_ns);
/* Of several: so that nobody listens to the bell any more. */
void uring_rings_silence(struct uring *u);

/* --- uring_slot.c ----------------------------------------------------------------------------- */

/* Makes a file, accepted or to be connected, a slot. */
void uring_slot_open(struct uring *u, uint32_t slot);
uint64_t uring_slot_key(const struct uring *u, enum uring_kind kind, uint32_t slot);
void uring_slot_check_usable(const struct uring *u, uint32_t slot);
void uring_slot_poll(struct io *io, uint32_t slot, enum io_poll what);
void uring_slot_keepalive(struct io *io, uint32_t slot);
void uring_slot_shutdown(struct io *io, uint32_t slot);
void uring_slot_close(struct io *io, uint32_t slot, enum io_close how);
/* Closes a slot that is being closed once nothing else of it is with the kernel. */
void uring_slot_close_when_quiet(struct uring *u, uint32_t slot);
/* Sends the peer an RST, and throws away what it has not taken. */
void uring_slot_reset(struct uring *u, uint32_t slot);
void uring_slot_done(struct uring *u, struct io_key key, int32_t result);

/* --- uring_connect.c -------------------------------------------------------------------------- */

int uring_connect_init(struct uring *u) MUST_CHECK;
void uring_connect_fini(struct uring *u);
int64_t uring_connect(struct io *io, const union io_address *remote, const union io_address *local);
/* io_close() of a slot that is being connected. */
void uring_connect_cancel(struct uring *u, uint32_t slot, enum io_close how);
void uring_connect_done(struct uring *u, uint32_t slot, int32_t result);
/* A slot of connects became free. */
void uring_connect_slot_freed(struct uring *u, uint32_t slot);

/* --- uring_accept.c --------------------------------------------------------------------------- */

int uring_listen(struct io *io, int fd);
void uring_listen_stop(struct io *io);
void uring_listen_pause(struct io *io, bool paused);
/* Starts as many accepts as may run now. Before every wait. */
void uring_accept_refill(struct uring *u);
void uring_accept_done(struct uring *u, uint32_t index, int32_t result);
/* A slot became free: what accepting lacked may be there now. */
void uring_accept_slot_freed(struct uring *u);

/* --- uring_probe.c ---------------------------------------------------------------------------- */

/* A ring with the best set-up that the kernel takes, for this thread. -errno. */
int uring_ring_init(struct io_uring *ring, unsigned sq_entries, unsigned cq_entries) MUST_CHECK;
/* The same for one of several rings, which shows in memory whether there is work to run. */
int uring_ring_init_flagged(struct io_uring *ring, unsigned sq_entries, unsigned cq_entries)
    MUST_CHECK;
/* Does a registered file go away as soon as it is closed, whatever else is going on? */
bool uring_lets_go_at_once(void);
