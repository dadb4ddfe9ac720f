/* Opening a WebSocket: from request to subscription, or to echoes. The frames that follow are
 * websocket.c's. */
#pragma once

#include "conn/conn.h"
#include "http/request.h"

struct asking;

/* Origin and token are checked; the handshake is not. */
ON_REACTOR void upgrade_open(struct reactor *r, struct conn *c, const struct http_request *q,
                             struct asking *a);
/* The same, without a subscription: echo.h. */
ON_REACTOR void upgrade_echo(struct reactor *r, struct conn *c, const struct http_request *q);
