/* Opening subscriptions: the WebSocket upgrade and the event stream; and the latter's time. */
#pragma once

#include "conn/conn.h"
#include "http/request.h"

/* Origin and token are checked, the topic's name is good. */
ON_REACTOR void stream_open_websocket(struct reactor *r, struct conn *c,
                                      const struct http_request *q, struct bytes topic);
ON_REACTOR void stream_open_events(struct reactor *r, struct conn *c, const struct http_request *q,
                                   struct bytes topic);
/* No room: EventSource gives up for ever on an error, so it gets 200, `retry:` and the end (WHATWG
 * HTML, 9.2.3). */
ON_REACTOR void stream_refuse_events(struct reactor *r, struct conn *c,
                                     const struct http_request *q);
/* An event stream's timer: heartbeat. */
ON_REACTOR void stream_timeout(struct reactor *r, struct conn *c);
