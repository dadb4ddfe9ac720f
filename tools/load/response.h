/* The head of an HTTP/1.1 response, as a client sees it (RFC 9112). Points into the parsed bytes;
 * no socket, no allocation. */
#pragma once

#include "base/attr.h"
#include "http/body.h"

enum { RESPONSE_HEAD_MAX = 16384 };

struct response {
    struct bytes fields; /* the field lines, for response_field() */
    unsigned status;
    uint8_t minor;
    bool chunked;
    bool has_length;
    bool closes; /* the connection ends with it: said so, or HTTP/1.0 */
    uint64_t content_length;
};

enum response_parse { RESPONSE_MORE, RESPONSE_DONE, RESPONSE_BAD };
/* *head_len: bytes of the head. RESPONSE_BAD also for heads that are too long. */
enum response_parse response_parse(struct bytes in, struct response *out, size_t *head_len)
    MUST_CHECK;
/* The first field of that name, or absent. */
struct bytes response_field(const struct response *r, const char *name);
/* Is token in a comma-separated field? */
bool response_has_token(const struct response *r, const char *name, const char *token);
/* The state for http_body_next(); false: no framing, the body ends with the connection. */
bool response_body_init(const struct response *r, struct http_body *body);
