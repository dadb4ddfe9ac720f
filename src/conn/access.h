/* Who may do what: origins and tokens. */
#pragma once

#include "conn/conn.h"
#include "http/request.h"

/* A page of a foreign origin is answered 403 here. True: it may go on. */
ON_REACTOR bool access_origin(struct reactor *r, struct conn *c, const struct http_request *q)
    MUST_CHECK;
/* Does the request carry the token (Authorization: Bearer, or ?token=)? An absent token: yes. */
bool access_has_token(const struct http_request *q, struct bytes token) MUST_CHECK;
/* Answers 401 here. True: it may go on. */
ON_REACTOR bool access_token(struct reactor *r, struct conn *c, const struct http_request *q,
                             struct bytes token) MUST_CHECK;
