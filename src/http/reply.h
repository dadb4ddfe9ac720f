/* HTTP answers with a known body, as bytes. Streams write their own heads. Pure. */
#pragma once

#include "base/text.h"

const char *http_reason(unsigned status);

/* The whole line: `Date: Sun, 06 Nov 1994 08:49:37 GMT` and CRLF (RFC 9110, 5.6.7). */
void http_add_date(struct text *out, int64_t unix_ms);

struct http_reply {
    unsigned status;
    const char *content_type;  /* NULL: none */
    struct bytes body;         /* content; its length is declared, except with 204 and 304 */
    const char *headers;       /* further header lines, each with CRLF; NULL: none */
    struct bytes more_headers; /* the same, built at run time */
    int64_t date_ms;
    bool head_only;  /* answer to HEAD: the length, not the body; absent: not even that */
    bool keep_alive; /* false adds `Connection: close` */
    bool minor_0;    /* HTTP/1.0 peer: keep-alive is said explicitly */
};
void http_add_reply(struct text *out, const struct http_reply *r);

/* {"error":"bad_topic","message":"..."}: appended to `out` as a body. */
void http_add_error_body(struct text *out, const char *error, const char *message);
