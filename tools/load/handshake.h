/* How a subscriber asks to be let in, and what it must be told: the WebSocket handshake (RFC 6455,
 * 4.1), the request for an event stream, or a long-poll. No socket. */
#pragma once

#include "load/response.h"
#include "load/url.h"
#include "ws/handshake.h"

enum { HANDSHAKE_KEY_LEN = 24, HANDSHAKE_WHY_MAX = 96 };

struct handshake {
    const struct url *url;
    const char *subprotocol; /* NULL: none is asked for */
    bool polls;              /* http://: not a stream, one question after the other */
    char key[HANDSHAKE_KEY_LEN];
    char accept[WS_ACCEPT_LEN];
};

/* One key for all connections of a run: what must come back is computed once. -ENOMEM. */
int handshake_init(struct handshake *h, const struct url *url, const char *subprotocol) MUST_CHECK;
void handshake_add_request(struct text *out, const struct handshake *h, uint32_t number);
/* Long-poll: the next question, from that place on. */
void handshake_add_poll(struct text *out, const struct handshake *h, uint32_t number,
                        struct bytes cursor);
/* NULL: welcome. Else why not, in `why` or a constant. */
const char *handshake_fault(const struct handshake *h, const struct response *r,
                            char why[static HANDSHAKE_WHY_MAX]);
