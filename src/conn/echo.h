/* What is served only as a load-test target (--target): a WebSocket's messages and a POST's body go
 * back to their sender, and a request's header lines can be looked at. Nothing is published. */
#pragma once

#include "conn/conn.h"
#include "http/request.h"
#include "ws/ws.h"

/* --- HTTP ------------------------------------------------------------------------------------- */

/* GET upgrades, POST wants its body. */
ON_REACTOR void echo_request(struct reactor *r, struct conn *c, const struct http_request *q,
                             struct bytes head);
ON_REACTOR void echo_body(struct reactor *r, struct conn *c);
/* The field lines of `head`, as they came. */
ON_REACTOR void echo_headers(struct reactor *r, struct conn *c, const struct http_request *q,
                             struct bytes head);

/* --- WebSocket -------------------------------------------------------------------------------- */

/* Is this WebSocket one whose messages go back to it? It is the only kind without a subscription.
 */
static inline bool echo_is_for(const struct conn *c)
{
    return c->phase == CONN_WS && !c->set;
}

/* Frames that go back from where their payload was received, one behind the other: each is shorter
 * than the one it came in. */
struct echo_run {
    struct span frames; /* at == NULL: none yet */
    struct span left;   /* what may be overwritten of the buffer that is being read */
};

/* A whole message, wherever its payload lies. */
ON_REACTOR void echo_message(struct reactor *r, struct conn *c, struct echo_run *run,
                             struct span payload, enum ws_opcode opcode);
/* What is in the run goes out behind what is owed already, and before anything that follows. */
ON_REACTOR void echo_keep(struct reactor *r, struct conn *c, struct echo_run *run);
/* The same, at the end of what was received: from where it lies, if that may be. */
ON_REACTOR void echo_send(struct reactor *r, struct conn *c, struct echo_run *run);
