/* How a stream ends by our will: WebSocket close frame, end of the event stream. */
#pragma once

#include "conn/conn.h"
#include "ws/ws.h"

/* After what it is owed: a close frame with that code (WebSocket) or the stream's end (SSE); HTTP
 * connections are simply ended. It subscribes to nothing any more. reason: short. */
ON_REACTOR void goodbye(struct reactor *r, struct conn *c, enum ws_close_code code,
                        const char *reason);
