/* What a connection keeps while a request or a message is unfinished: the bytes so far, and why it
 * waits. Bodies count towards the server's budget. It parses nothing. */
#pragma once

#include "base/text.h"
#include "conn/conn.h"
#include "http/body.h"
#include "http/request.h"
#include "log/message.h"
#include "ws/ws.h"

/* Where in a request (or WebSocket message) the connection is. */
enum inbound_state {
    INBOUND_HEAD,    /* part of a request head is parked */
    INBOUND_BODY,    /* a body that was asked for */
    INBOUND_ANSWER,  /* the body is complete: the answer is due */
    INBOUND_POLL,    /* a long-poll waits: `head` is its request */
    INBOUND_VERDICT, /* the embedder was asked about `head` */
    INBOUND_DISCARD, /* a body that nobody wants: read over, then on to the next request */
    INBOUND_WS,      /* in the middle of a WebSocket message */
};

/* Why its input is not being processed. */
enum inbound_wait {
    WAIT_NONE,
    WAIT_ORDER,   /* published: the answer goes out when the order is fixed */
    WAIT_VERDICT, /* the embedder said later */
    WAIT_ROOM,    /* the log's inbox is full: the message is kept */
    WAIT_MEMORY,  /* the body budget is used up */
    WAIT_OUTBOX,  /* the peer does not take its answers */
    WAIT_TURN,    /* this turn's slice is over: it goes on when the connection is flushed */
};

enum { VERDICT_MS = 10000 }; /* for the embedder to answer */

struct inbound {
    enum inbound_state state : 8;
    enum inbound_wait wait : 8;
    bool head_started;      /* its deadline runs */
    bool admitted;          /* the body has room in the budget, and may be read */
    uint16_t tag;           /* of the publish that awaits its order */
    uint32_t wait_since_ms; /* reactor time; WAIT_MEMORY: of the message's first such wait */
    bool waited_for_memory; /* this message has */
    struct text parked;     /* received, not yet consumed */
    size_t scanned;         /* how far the end of a head was searched in `parked` */
    struct text head;       /* the request's own copy, so that `request` stays valid */
    struct text body;       /* the body or message so far: its capacity is charged */
    uint32_t body_max;      /* how long it may be */
    size_t body_mark;       /* its length when its deadline was last set */
    struct http_body decoder;
    size_t discarded;             /* bytes of an unwanted body read over */
    struct http_request *request; /* into `head`; NULL outside a publish */
    struct message *message;      /* complete; waits for room in the log, or for a verdict */
    uint64_t message_bytes;       /* of it, charged like a body */
    uint64_t poll_head; /* INBOUND_POLL: the log's head when it came; its answer covers all of it */
    struct ws_reader ws;
    struct ws_inflater *inflater; /* inside a compressed message, or kept: deflated.h */
    uint32_t inflater_bytes;      /* of the former, charged like a body */
    struct ws_deflater *deflater; /* kept */
    struct text packed;           /* of a compressed message: waits for room to be inflated */
    uint32_t utf8;                /* of what was inflated of a text */
};

/* The connection's, made if need be. NULL: no memory. */
ON_REACTOR struct inbound *inbound_get(struct reactor *r, struct conn *c) MUST_CHECK;
ON_REACTOR void inbound_free(struct reactor *r, struct conn *c);
/* The request is over: only parked bytes, the beginning of the next one, are kept. */
ON_REACTOR void inbound_reset(struct reactor *r, struct conn *c);

/* Appends to one of its texts. What has been received is kept whatever the budget says (at most one
 * receive per connection more than it). -ENOMEM: nothing is appended. */
ON_REACTOR int inbound_add(struct reactor *r, struct inbound *in, struct text *t, struct bytes b)
    MUST_CHECK;
/* Room behind what the body holds, for at most BODY_STEP bytes and at least one; in all for one
 * byte more than a message may have. -ENOMEM. */
enum { BODY_STEP = 32 << 10 };
ON_REACTOR int inbound_body_room(struct reactor *r, struct inbound *in, struct span *room)
    MUST_CHECK;
/* Would `more` bytes of body be too many for the server? Never when no other body is unfinished, or
 * one larger than the whole budget could never be finished. Otherwise it is not to be read now. in:
 * NULL is fine. */
ON_REACTOR bool inbound_is_over_budget(const struct reactor *r, const struct inbound *in,
                                       size_t more) MUST_CHECK;
/* Room for a body whose length is known, charged before a byte of it is read, so that those
 * admitted can all be finished. -ENOBUFS: over the budget; -ENOMEM. */
ON_REACTOR int inbound_reserve_body(struct reactor *r, struct inbound *in, size_t capacity)
    MUST_CHECK;
/* Gives the body's memory back, budget included, and what the message was charged. */
ON_REACTOR void inbound_clear_body(struct reactor *r, struct inbound *in);
/* So many bytes are charged for its inflater from now on. */
ON_REACTOR void inbound_charge_inflater(struct reactor *r, struct inbound *in, uint32_t bytes);
/* Keeps a message that waits for a verdict, instead of the body that it was made of: charged like
 * that, until inbound_clear_body(). Takes *m. */
ON_REACTOR void inbound_keep_message(struct reactor *r, struct inbound *in, struct message **m);
/* Keeps received bytes for later. */
ON_REACTOR int inbound_park(struct reactor *r, struct conn *c, struct bytes b) MUST_CHECK;
/* Takes the parked bytes out, to be processed; empty when there are none. */
struct text inbound_unpark(struct conn *c);
/* Puts back what was not consumed of them, in front of nothing else: `consumed` bytes are done.
 * Frees the rest. -ENOMEM: the stream is broken. */
ON_REACTOR int inbound_repark(struct reactor *r, struct conn *c, struct text *held, size_t consumed)
    MUST_CHECK;
/* Its input is not processed from now on, for that reason; looked at again in `retry_ms`. */
ON_REACTOR void inbound_begin_wait(struct reactor *r, struct conn *c, enum inbound_wait wait,
                                   uint32_t retry_ms);

static inline bool inbound_waits_for(const struct conn *c, enum inbound_wait wait)
{
    return c->inbound && c->inbound->wait == wait;
}

/* Its input waited for room in the kernel, or for its turn: there is room. */
static inline bool inbound_may_be_resumed(const struct conn *c)
{
    return !conn_has(c, CONN_POLLING_OUT) &&
           (inbound_waits_for(c, WAIT_OUTBOX) || inbound_waits_for(c, WAIT_TURN));
}
