/* An HTTP/1.1 request head, parsed strictly (RFC 9112) without a socket and without allocating.
 * Everything in struct http_request points into the parsed bytes. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

enum {
    HTTP_HEAD_MAX = 16384,
    HTTP_FIELDS_MAX = 100,
    HTTP_TARGET_MAX = 8192,
};

enum http_method {
    HTTP_GET = 1,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_PATCH,
    HTTP_OTHER, /* a valid token that we do not know: 501 (RFC 9110, 9.1) */
};

struct http_field {
    struct bytes name, value; /* value without the white space around it */
};

struct http_request {
    enum http_method method;
    struct bytes method_name;
    struct bytes target;  /* as sent; "*" and absolute-form are accepted */
    struct bytes path;    /* raw, from '/', of origin-form and absolute-form; "*" for OPTIONS */
    struct bytes query;   /* raw, without '?'; absent: at == NULL */
    struct bytes host;    /* of absolute-form, else of Host; absent: at == NULL (only HTTP/1.0) */
    uint8_t minor;        /* HTTP/1.minor, 0 or 1 (a higher minor counts as 1) */
    bool keep_alive;      /* may the connection be used again after the answer */
    bool expect_continue; /* and there is a body to wait for */
    bool chunked;
    uint64_t content_length; /* 0 unless declared; meaningless when chunked */
    uint32_t field_count;
    struct http_field fields[HTTP_FIELDS_MAX];
};

enum http_parse {
    HTTP_PARSE_MORE, /* not the whole head yet, and nothing wrong so far */
    HTTP_PARSE_DONE, /* *head_len bytes are the head */
    HTTP_PARSE_BAD,  /* answer *status (400, 414, 417, 431, 501, 505) and close */
};

/* Incremental by re-reading, linear in total: `*scanned` is kept by the caller between calls on the
 * same, growing buffer (0 at first), so that a head sent byte by byte is not searched again and
 * again; DONE sets it to 0 for the next head. Only DONE leaves anything in *r (else it has no
 * fields), so r may be another one each time. The result for given bytes never depends on where
 * they were cut. Up to 8 empty lines before the request line are skipped (RFC 9112, 2.2). why: one
 * static sentence for the peer. */
enum http_parse http_request_parse(struct http_request *r, struct bytes in, size_t *scanned,
                                   size_t *head_len, unsigned *status, const char **why) MUST_CHECK;

/* The first field of that name (lower case), or absent. */
struct bytes http_request_field(const struct http_request *r, const char *name);
/* How many fields of that name. */
unsigned http_request_field_count(const struct http_request *r, const char *name);
/* Is `token` in the comma-separated list of any field of that name? ASCII case folded. */
bool http_request_has_token(const struct http_request *r, const char *name, const char *token);
/* Does Accept name this media type literally (parameters and q=0 respected; no wildcards)? */
bool http_request_accepts(const struct http_request *r, const char *media_type);
