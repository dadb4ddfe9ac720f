/* Many connections to one path: opened at a bounded pace, each from one of several loopback
 * addresses, then read as they come. What they carry is the mode's business. */
#pragma once

#include "client.h"
#include "client_deflate.h"
#include "lib/held.h"

enum peer_state { PEER_CLOSED, PEER_CONNECTING, PEER_OPENING, PEER_OPEN };

struct swarm;
struct peer {
    struct watch watch; /* first: the loop knows peers by it */
    struct swarm *swarm;
    struct held *rest; /* the beginning of a frame or line */
    uint64_t position; /* messages received */
    uint64_t began_ns; /* connecting, echo: when it began */
    uint32_t index;
    int fd;
    enum peer_state state;
};

typedef void swarm_opened_fn(void *user, struct peer *p);
/* One message: false when it is not what was expected and the run is pointless. */
typedef bool swarm_message_fn(void *user, struct peer *p, struct bytes payload);

struct swarm {
    const struct client_options *options;
    struct loop *loop;
    struct peer *peers;
    uint8_t *scratch;
    void *user;
    swarm_opened_fn *on_opened;   /* may be NULL */
    swarm_message_fn *on_message; /* may be NULL: ignored */
    uint64_t now_ns;              /* when the bytes being looked at were read */
    struct inflated inflated;
    size_t wire_len; /* payload of the last WebSocket message, as it came */
    uint64_t reads, pings;
    uint64_t dialed; /* connections begun, for their source addresses */
    uint32_t opening, opened, failed;
    uint32_t closed; /* by the server, after they were open */
};

int swarm_init(struct swarm *s, const struct client_options *o, struct loop *l) MUST_CHECK;
/* Opens all; 0 only if none failed. A failed connection is not tried again: it is a finding. */
int swarm_open(struct swarm *s) MUST_CHECK;
void swarm_dial(struct swarm *s, struct peer *p);
/* Still what was asked for? */
bool swarm_is_whole(const struct swarm *s);
void swarm_peer_close(struct peer *p);
/* Resets all connections that are open. */
void swarm_fini(struct swarm *s);

/* client_stream.c: hands over every whole message; returns the bytes used, SIZE_MAX when they are
 * neither WebSocket nor SSE. */
size_t stream_take(struct swarm *s, struct peer *p, struct bytes in);
