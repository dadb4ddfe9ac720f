/* Which request gets which answer: paths, methods, permissions. */
#pragma once

#include "conn/conn.h"
#include "http/request.h"

/* q is complete (its body is not); head: its bytes. */
ON_REACTOR void route_request(struct reactor *r, struct conn *c, const struct http_request *q,
                              struct bytes head);
/* A body that was asked for is complete. */
ON_REACTOR void route_body(struct reactor *r, struct conn *c);
/* It is longer than its request may have it: answered, and the connection ends behind that. */
ON_REACTOR void route_body_too_large(struct reactor *r, struct conn *c,
                                     const struct http_request *q);
/* Over capacity, and it does not even say what it wants: refused all the same. */
ON_REACTOR void route_refuse_silent(struct reactor *r, struct conn *c);
/* The name that the error body gives a status. */
const char *route_error_name(unsigned status);
