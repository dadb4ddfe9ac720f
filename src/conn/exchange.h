/* HTTP on a connection: one request after the other, each read whole and answered before the next
 * one is looked at. Which answer, route.c decides. */
#pragma once

#include "conn/conn.h"
#include "http/request.h"

ON_REACTOR void exchange_receive(struct reactor *r, struct conn *c, struct span in);
/* Goes on with parked input. */
ON_REACTOR void exchange_resume(struct reactor *r, struct conn *c);
ON_REACTOR void exchange_peer_ended(struct reactor *r, struct conn *c);
ON_REACTOR void exchange_timeout(struct reactor *r, struct conn *c);

/* The body of q is collected, up to body_max bytes, and handed to route_body(). q is copied. */
ON_REACTOR void exchange_want_body(struct reactor *r, struct conn *c, const struct http_request *q,
                                   struct bytes head, uint32_t body_max);
/* The request that waits, for a verdict or as a long-poll. Valid until the connection goes on. */
ON_REACTOR const struct http_request *exchange_kept(struct reactor *r, const struct conn *c);
/* May the connection be used again once q is answered? */
bool exchange_can_go_on(const struct conn *c, const struct http_request *q);
/* q was answered and the connection stays: its body, if any, is read over, then the next request.
 */
ON_REACTOR void exchange_answered(struct reactor *r, struct conn *c, const struct http_request *q);
