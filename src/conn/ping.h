/* Is a WebSocket's peer still there? It is asked when it has been silent for an interval, and gone
 * when it is silent for two more. */
#pragma once

#include "conn/conn.h"

/* Its timer fired, and it waits for nothing else. */
ON_REACTOR void ping_timeout(struct reactor *r, struct conn *c);
