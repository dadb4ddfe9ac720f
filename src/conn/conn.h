/* One connection: 64 bytes while it is idle, whatever it speaks. What it receives and publishes,
 * what it still has to be sent, stands elsewhere and only while there is some. */
#pragma once

#include "base/assert.h"
#include "base/attr.h"
#include "base/bytes.h"
#include "conn/stats.h"
#include "topic/set.h"

struct cut;
struct inbound;
struct outbox;
struct reactor;

enum conn_phase {
    CONN_FREE,
    CONN_HTTP,   /* between requests, or in one */
    CONN_POLL,   /* a long-poll waits for a message */
    CONN_WS,     /* an upgraded WebSocket */
    CONN_SSE,    /* an event stream */
    CONN_ENDING, /* the last bytes go out; what comes in is discarded */
    CONN_CLOSED, /* io_close() was asked; waits for IO_CLOSED */
};

enum conn_flag {
    CONN_POLLING_IN = 1 << 0,   /* a poll for input is armed */
    CONN_POLLING_OUT = 1 << 1,  /* a poll for room is armed: the connection is behind */
    CONN_FLUSH_QUEUED = 1 << 2, /* stands in the reactor's flush list */
    CONN_SHUTDOWN = 1 << 3,     /* we said that no more comes */
    CONN_PEER_ENDED = 1 << 4,   /* the peer said so */
    CONN_MAY_PUBLISH = 1 << 5,  /* WebSocket: the handshake allowed it */
    CONN_REFUSED = 1 << 6,      /* over capacity: it gets its refusal and nothing else */
    CONN_COUNTED = 1 << 7,      /* counts towards the server's capacity */
    CONN_PINGED = 1 << 8,       /* a ping since the peer was last heard */
    CONN_CLOSE_SENT = 1 << 9,   /* WebSocket: our close frame is on its way */
    CONN_READ_QUEUED = 1 << 10, /* stands in the reactor's list of those to read from */
    CONN_UNREAD = 1 << 11,      /* the last receive filled its buffer: there may be more */
    CONN_LOST = 1 << 12,        /* lost its place and has not taken what stands before the notice */
    CONN_CONFLATING = 1 << 13,  /* gets only the newest of each topic until it has caught up */
    CONN_WAS_BLOCKED = 1 << 14, /* since it last had everything it once could not take more */
    CONN_KEEPALIVE = 1 << 15,   /* the kernel asks whether it is still there */
};

/* What a WebSocket's handshake agreed on (RFC 7692, 7.1). The server's window is kept as bits. */
enum conn_deflate {
    CONN_DEFLATE = 1 << 0,
    CONN_DEFLATE_PEER_KEEPS = 1 << 1, /* the peer's messages may refer to earlier ones */
    CONN_DEFLATE_WE_KEEP = 1 << 2,    /* ours */
    CONN_DEFLATE_BITS_SHIFT = 4,
};

struct conn {
    _Atomic uint32_t generation; /* of the slot, first: a successor's start goes on from it. Any
                                    thread may look */
    uint32_t set_place;
    uint64_t position;       /* every message of its set up to here was offered */
    struct set *set;         /* NULL: subscribes to nothing */
    struct cut *cut;         /* the frame that went out only in part */
    struct outbox *outbox;   /* bytes of its own that are still to be sent */
    struct inbound *inbound; /* an unfinished request or message */
    uint32_t cut_sent;       /* bytes of it that went out */
    uint32_t heard_ms;       /* when the peer last sent something; an event stream: when it began */
    enum conn_phase phase : 4;
    enum wire wire : 4;
    uint8_t deflate; /* bits by enum conn_deflate; 0: not agreed on */
    uint16_t flags;
    uint32_t blocked_ms; /* when it first could not take more; 0: it can. Behind CONN_SHUTDOWN: when
                            that was */
};
static_assert(sizeof(struct conn) == 64, "one cache line: a fan-out touches it and nothing else");

/* Answers and letters to a predecessor are dropped. */
static inline uint32_t conn_generation(const struct conn *c)
{
    return atomic_load_explicit(&c->generation, memory_order_relaxed);
}

static inline void conn_next_generation(struct conn *c)
{
    atomic_store_explicit(&c->generation, conn_generation(c) + 1, memory_order_relaxed);
}

static inline enum stat_proto conn_proto(const struct conn *c)
{
    return c->phase == CONN_WS     ? STAT_WS
           : c->phase == CONN_SSE  ? STAT_SSE
           : c->phase == CONN_POLL ? STAT_POLL
                                   : STAT_HTTP;
}

static inline bool conn_has(const struct conn *c, unsigned flag)
{
    return (c->flags & flag) != 0;
}

static inline void conn_set(struct conn *c, unsigned flag)
{
    c->flags = (uint16_t)(c->flags | flag);
}

static inline void conn_clear(struct conn *c, unsigned flag)
{
    c->flags = (uint16_t)(c->flags & ~flag);
}

/* Has its set messages that it was not offered yet? */
static inline bool conn_is_behind(const struct conn *c)
{
    return c->set && c->position < c->set->last_seq;
}

/* --- life ------------------------------------------------------------------------------------- */

/* Every change of phase passes here. */
ON_REACTOR void conn_set_phase(struct reactor *r, struct conn *c, enum conn_phase phase);

struct io_event;
/* A socket was accepted. */
ON_REACTOR void conn_open(struct reactor *r, const struct io_event *e);
/* The kernel let go of the slot. */
ON_REACTOR void conn_closed(struct reactor *r, uint32_t slot);
/* Ends it without another word: by RST when `reset`, so that nothing stays in kernel memory. */
ON_REACTOR void conn_drop(struct reactor *r, struct conn *c, bool reset);
/* Ends it well: what is in its outbox goes out, then the end of the stream; the peer's bytes are
 * read and discarded for a while, so that no RST eats the last words. */
ON_REACTOR void conn_end(struct reactor *r, struct conn *c);

/* Everything it owed went out: goes on with input that waited for that, or with its end. */
ON_REACTOR void conn_drained(struct reactor *r, struct conn *c);

/* Its timer fired. */
ON_REACTOR void conn_timeout(struct reactor *r, struct conn *c);
/* Sets its timer; one per connection, its meaning follows from the phase. */
ON_REACTOR void conn_set_timer(struct reactor *r, struct conn *c, uint32_t in_ms);
/* The same, unless it fires sooner anyway. */
ON_REACTOR void conn_bring_timer_forward(struct reactor *r, struct conn *c, uint32_t in_ms);

/* --- subscribing ------------------------------------------------------------------------------ */

struct asking;
struct place;
/* Joins the subscribers of what is asked for; *out says where it begins. -ENOMEM. */
ON_REACTOR int conn_subscribe(struct reactor *r, struct conn *c, struct asking *a, enum wire wire,
                              struct place *out) MUST_CHECK;
ON_REACTOR void conn_unsubscribe(struct reactor *r, struct conn *c);

/* --- receiving -------------------------------------------------------------------------------- */

/* Bytes from the peer, of whatever phase. They may be changed in place; nothing is kept of them
 * but copies. */
ON_REACTOR void conn_receive(struct reactor *r, struct conn *c, struct span in);
/* The peer will send no more. */
ON_REACTOR void conn_peer_ended(struct reactor *r, struct conn *c);
/* May the peer be read now? Not while it does not take what we send. */
ON_REACTOR bool conn_wants_input(const struct conn *c);
/* Polls for input if the peer may be read and no poll is armed. */
ON_REACTOR void conn_read_on(struct reactor *r, struct conn *c);
/* What made it wait is over: goes on with what it sent meanwhile. */
ON_REACTOR void conn_resume_input(struct reactor *r, struct conn *c);
