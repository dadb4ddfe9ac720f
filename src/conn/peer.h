/* Who a connection is to the embedder: what its request said, and what was asked about it. Kept
 * only when the embedder has callbacks. A peer is one WebSocket, event stream, long-poll or other
 * request; on a connection that is kept, the next request is another peer. */
#pragma once

#include "conn/conn.h"
#include "http/request.h"

enum peer_proto { PEER_HTTP = 1, PEER_POLL, PEER_SSE, PEER_WS };
enum { PEER_ADDRESS_MAX = 64, PEER_REASON_MAX = 124 };

struct broker;
struct mail;
union io_address;

struct peer {
    uint64_t id;
    enum peer_proto proto;
    struct bytes path, query, origin, subprotocol; /* the last two may be absent */
    const struct http_field *fields;               /* names in lower case */
    uint32_t field_count;
    void *user; /* the embedder's */

    /* judge.c's. */
    uint32_t asked;    /* questions of this run through the request */
    uint32_t allowed;  /* the first so many were allowed, in earlier runs too */
    uint32_t question; /* the one that waits for its verdict; 0: none */
    bool is_open;      /* its end is to be told */

    uint16_t code;        /* why it ends; 0: nobody has said */
    struct mail *letters; /* to be opened once it speaks what it asked to speak; newest first */
    void *said;           /* what the runs of bytes lie in */
    char reason[PEER_REASON_MAX];
    char address[PEER_ADDRESS_MAX]; /* the connection's: stays when its request ends */
};

/* Names a place on all reactors for as long as nobody else has it. Any thread may take it apart. */
struct peer_name {
    unsigned reactor;
    uint32_t slot, generation;
};
/* slot_count: of each reactor. */
uint64_t peer_id(uint32_t slot_count, const struct peer_name *name);
/* False: it never was one. */
ANY_THREAD bool peer_parse(const struct broker *b, uint64_t id, struct peer_name *out) MUST_CHECK;

/* --- the reactor's -----------------------------------------------------------------------------
 */

/* A socket was accepted. Without memory it has no peer, and its requests are refused. */
ON_REACTOR void peer_connected(struct reactor *r, uint32_t slot, const union io_address *address);
/* NULL: none. */
ON_REACTOR struct peer *peer_of(const struct reactor *r, const struct conn *c);
/* A request begins: keeps what it says. -ENOMEM. */
ON_REACTOR int peer_begin(struct reactor *r, struct conn *c, const struct http_request *q,
                          enum peer_proto proto) MUST_CHECK;
/* Why it will end, as a WebSocket's close code; the first who knows is right. */
ON_REACTOR void peer_will_end(struct reactor *r, struct conn *c, unsigned code, const char *reason);
/* Its request was answered: the next one is another peer's. */
ON_REACTOR void peer_end(struct reactor *r, struct conn *c);
/* The connection is gone. */
ON_REACTOR void peer_gone(struct reactor *r, struct conn *c);
