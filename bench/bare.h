/* bare: the floor for a million connections. One thread, io_uring, as many rings as their sockets
 * need. Knows nothing but fan-out and ping; a byte of user memory for a connection. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

#include <liburing.h>

enum {
    BARE_BATCH = 256,         /* operations that enter the kernel together: LIMITS.md */
    BARE_CQ_ENTRIES = 4096,   /* what is more waits in the kernel's overflow list */
    BARE_ACCEPTS_MAX = 64,    /* in flight on all rings */
    BARE_SLICE_LEN = 1 << 14, /* one receive: no request in bench is larger */
    BARE_BODY_MAX = BARE_SLICE_LEN,
    BARE_TABLE_MAX = 1 << 20, /* the kernel's own limit on a ring's registered files */
};

enum bare_kind {
    BARE_CLOSED,
    BARE_HTTP, /* before its request, and publishers for good */
    BARE_WS,
    BARE_SSE,
    BARE_KIND_COUNT
};

struct bare_ring {
    struct io_uring ring;
    uint32_t base;   /* the number of the connection in its first slot */
    uint32_t vacant; /* slots in its table that no connection has and no accept will take */
};

/* Slots whose poll has fired, first in first out. One poll a slot: it cannot run over. */
struct bare_queue {
    uint32_t *slots;
    uint32_t mask, head, tail;
};

struct bare {
    struct bare_ring *rings;
    uint32_t ring_count, slots_per_ring;
    uint32_t high;  /* all connections are below; a connection's number: ring's base + slot */
    uint8_t *kinds; /* enum bare_kind, by number */
    int listen_fd, bell_fd, signal_fd;
    uint32_t accept_ring, accepts_in_flight;
    struct bare_queue readable; /* of the ring being served */
    uint8_t *slices;            /* [BARE_BATCH] of BARE_SLICE_LEN: what a batch received */
    int received[BARE_BATCH];
    uint32_t receiving;
    struct evp_md_st *sha1;
    uint8_t *frame, *event; /* the message being published, for each kind of subscriber */
    uint64_t ping_ms, period_began_ms;
    uint32_t pinged; /* in this period: the connections below */
};

_Noreturn void bare_fail(const char *what, int err);

/* bare_rings.c: opens rings for count connections, in tables of files_max at most. */
void bare_rings_open(struct bare *b, uint32_t count, size_t files_max);
void bare_rings_close(struct bare *b);
/* What has come for any of them, until nothing more has; then new accepts. */
void bare_rings_serve(struct bare *b);
/* Queues; what must stay until the connection's ring is submitted. */
void bare_send(struct bare *b, uint32_t conn, struct bytes what);
/* To each connection in [from, to) what is for its kind, if anything; submits. */
void bare_send_range(struct bare *b, uint32_t from, uint32_t to,
                     const struct bytes what[static BARE_KIND_COUNT]);

/* bare_input.c: acts on what a connection said; its bytes may be written over with the reply, of
 * BARE_SLICE_LEN at most. false: close it. */
bool bare_input(struct bare *b, uint32_t conn, struct span in) MUST_CHECK;
void bare_input_init(struct bare *b);
