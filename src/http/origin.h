/* Who may call from a web page: the Origin check and CORS (Fetch standard). Pure. */
#pragma once

#include "base/text.h"
#include "http/request.h"

struct http_origins {
    const char *const *allowed; /* ends in NULL; "*" is not special; NULL: none */
};

enum http_origin {
    HTTP_ORIGIN_NONE,    /* not from a page */
    HTTP_ORIGIN_SAME,    /* the request's own host */
    HTTP_ORIGIN_ALLOWED, /* listed: CORS headers are due */
    HTTP_ORIGIN_FOREIGN, /* 403 */
};

/* `Origin: null`, several Origin fields and anything unreadable are foreign. Compares scheme-less
 * with the host (default ports 80 and 443 dropped by their scheme), case folded. */
enum http_origin http_origin_check(const struct http_request *r, const struct http_origins *o);

/* Header lines for an answer: for ALLOWED Access-Control-Allow-Origin (echoed),
 * -Allow-Credentials, -Expose-Headers (Uproar-Cursor, ETag, Retry-After); always `Vary: Origin`.
 * r: needed for ALLOWED only. */
void http_origin_add_headers(struct text *out, const struct http_request *r, enum http_origin o);
/* The further lines of a preflight's answer: methods, headers (Authorization, Content-Type,
 * Last-Event-ID), Max-Age 86400. */
void http_origin_add_preflight(struct text *out, const char *methods);
