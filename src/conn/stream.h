/* Event streams: their opening, and what time does to them. */
#pragma once

#include "conn/conn.h"
#include "http/request.h"

struct asking;

/* Origin and token are checked. q may stand in the connection's inbound, which is freed. */
ON_REACTOR void stream_open(struct reactor *r, struct conn *c, const struct http_request *q,
                            struct asking *a);
/* No room: EventSource gives up for ever on an error, so it gets 200, `retry:` and the end (WHATWG
 * HTML, 9.2.3). */
ON_REACTOR void stream_refuse(struct reactor *r, struct conn *c, const struct http_request *q);
/* Its timer: heartbeat, or the end by --stream-max. */
ON_REACTOR void stream_timeout(struct reactor *r, struct conn *c);
