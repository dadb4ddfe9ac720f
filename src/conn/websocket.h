/* A WebSocket's frames on a connection: publishes, pings, the closing handshake, and its time. */
#pragma once

#include "conn/conn.h"
#include "conn/judge.h"

ON_REACTOR void websocket_receive(struct reactor *r, struct conn *c, struct span in);
/* Goes on with parked input. */
ON_REACTOR void websocket_resume(struct reactor *r, struct conn *c);
ON_REACTOR void websocket_timeout(struct reactor *r, struct conn *c);

/* The verdict on the message that it waits with. */
ON_REACTOR void websocket_judged(struct reactor *r, struct conn *c, enum verdict v);
