/* Answers to HTTP requests, with the header lines that every answer carries. */
#pragma once

#include "base/text.h"
#include "conn/conn.h"
#include "http/origin.h"
#include "http/request.h"
#include "log/cursor.h"

struct answer {
    unsigned status;
    const char *content_type;
    struct bytes body;
    const char *headers; /* further lines, each with CRLF; NULL: none */
};

/* Answers q and goes on with the connection: a body that nobody wants is read over, and a
 * connection that cannot be kept is ended. q may be NULL when there is no readable request: then it
 * ends. */
ON_REACTOR void answer_send(struct reactor *r, struct conn *c, const struct http_request *q,
                            const struct answer *a);
/* The same with *body, which is taken; one that failed for want of memory drops the connection. */
ON_REACTOR void answer_send_text(struct reactor *r, struct conn *c, const struct http_request *q,
                                 const struct answer *a, struct text *body);
/* Uproar-Cursor, and ETag when asked for: header lines, each with CRLF. */
void answer_add_cursor(struct text *headers, struct cursor cursor, bool etag);
/* 503, counted. */
ON_REACTOR void answer_no_memory(struct reactor *r, struct conn *c, const struct http_request *q);
/* {"error": code, "message": message}. */
ON_REACTOR void answer_error(struct reactor *r, struct conn *c, const struct http_request *q,
                             unsigned status, const char *code, const char *message);
ON_REACTOR void answer_error_with(struct reactor *r, struct conn *c, const struct http_request *q,
                                  const struct answer *error, const char *code,
                                  const char *message);
