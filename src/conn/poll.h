/* Long-polls: answered at once when there is something, else when a message comes or the time is
 * over. */
#pragma once

#include "conn/conn.h"
#include "http/request.h"

struct asking;

/* Origin and token are checked. head: the request's bytes, copied while it waits. */
ON_REACTOR void poll_request(struct reactor *r, struct conn *c, const struct http_request *q,
                             struct bytes head, struct asking *a);
/* It waits, and its set has messages behind its position: answers it with them. */
ON_REACTOR void poll_messages(struct reactor *r, struct conn *c);
/* Bytes behind the request: the next ones, which wait. */
ON_REACTOR void poll_receive(struct reactor *r, struct conn *c, struct span in);
/* The time is over (or the server leaves): 204, or 304, once this reactor has consumed whatever was
 * in the log when the request came. */
ON_REACTOR void poll_timeout(struct reactor *r, struct conn *c);
