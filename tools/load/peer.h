/* One connection of the load generator, as small as it can be: a million of them stand beside the
 * server that they measure. What a cut frame or a blocked send needs exists only meanwhile. */
#pragma once

#include "base/assert.h"
#include "http/body.h"
#include "load/checker.h"
#include "load/held.h"

enum peer_state {
    PEER_FREE,
    PEER_CONNECTING, /* until IO_CONNECTED */
    PEER_OPENING,    /* request sent, waiting for the head of the answer */
    PEER_OPEN,
    PEER_CLOSING, /* until IO_CLOSED */
};

enum peer_flags {
    PEER_SENDING = 1, /* has bytes in the batch that is being gathered */
    PEER_FRAMED = 2,  /* SSE: chunks, or a declared length */
    PEER_WAITING = 4, /* echo: the answer to the last one is not here yet */
    PEER_LEAVING = 8, /* said goodbye: the end is no failure */
};

struct peer {
    union {
        uint64_t began_ns;          /* until it is open: when it was dialed */
        struct checker_place place; /* fan-out */
    };
    struct held *rest;     /* received, but not whole yet */
    struct held *unsent;   /* what the kernel had no room for */
    struct http_body body; /* SSE */
    uint32_t number;       /* counts the connections from 0 */
    uint32_t round;        /* echo: answers so far */
    uint8_t state, kind, flags;
};
static_assert(sizeof(struct peer) == 64, "a cache line; 64 MB for a million");
