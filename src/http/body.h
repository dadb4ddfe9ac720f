/* A request body in both framings (RFC 9112, 6 and 7.1): bytes in, slices out, nothing kept. */
#pragma once

#include "http/request.h"

struct http_body {
    uint64_t left;     /* of the length or of the chunk */
    uint32_t line_len; /* bytes of the current chunk line or trailer section, for the limits */
    uint8_t state;     /* enum in body.c */
    uint8_t digits;
};

enum http_body_step {
    HTTP_BODY_MORE, /* *in is used up */
    HTTP_BODY_DATA, /* *slice is part of the body */
    HTTP_BODY_DONE, /* the body is over; what is left of *in is the next request */
    HTTP_BODY_BAD,  /* faulty framing: 400 and close */
};

void http_body_init(struct http_body *b, const struct http_request *r);
/* Moves *in on. Call again until MORE, DONE or BAD. */
enum http_body_step http_body_next(struct http_body *b, struct bytes *in, struct bytes *slice)
    MUST_CHECK;
