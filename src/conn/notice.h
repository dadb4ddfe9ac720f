/* Telling a subscriber something beside its messages, in the words of its transport: above all that
 * some are missing. */
#pragma once

#include "conn/conn.h"
#include "log/envelope.h"

/* Behind what it is owed: SSE gets `event: gap`, a JSON WebSocket {"gap":...}; a raw WebSocket has
 * no place for it and is closed with 4410. False: the connection subscribes to nothing any more. */
ON_REACTOR bool notice_gap(struct reactor *r, struct conn *c, const struct gap *gap) MUST_CHECK;
/* The block of an event stream, which is taken, in its framing. False: it is gone. */
ON_REACTOR bool notice_event(struct reactor *r, struct conn *c, struct text *event) MUST_CHECK;
