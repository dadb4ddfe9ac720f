/* Shared inside src/http: character classes, lists, hosts, and why a request is refused.
 * Not for other folders. */
#pragma once

#include "http/request.h"

/* status 0: nothing is wrong. */
struct http_refusal {
    unsigned status;
    const char *why; /* one static sentence for the peer */
};
#define HTTP_FINE               ((struct http_refusal){0, NULL})
#define HTTP_REFUSED(code, why) ((struct http_refusal){(code), (why)})

static inline bool http_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static inline bool http_is_alnum(uint8_t c)
{
    return http_is_digit(c) || (byte_lower(c) >= 'a' && byte_lower(c) <= 'z');
}

/* Of OWS and BWS (RFC 9110, 5.6.3). */
static inline bool http_is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* tchar of RFC 9110, 5.6.2. */
static inline bool http_is_tchar(uint8_t c)
{
    return http_is_alnum(c) || memchr("-!#$%&'*+.^_`|~", c, 15);
}

/* What neither a field value nor a chunk extension may hold (RFC 9110, 5.5). */
static inline bool http_is_control(uint8_t c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* 0-15, or -1. */
static inline int http_hex_digit(uint8_t c)
{
    if (http_is_digit(c))
        return c - '0';
    const uint8_t lower = byte_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool http_is_token(struct bytes b);
/* Without the spaces and tabs around it. */
struct bytes http_trim(struct bytes b);
/* Steps through a list; separators inside quoted strings do not count. False at the end. */
bool http_list_next(struct bytes *list, uint8_t separator, struct bytes *element) MUST_CHECK;

/* "name: value", without its CRLF; bytes that no head may hold are gone already. Counts every
 * field, keeps the first HTTP_FIELDS_MAX. */
struct http_refusal http_field_parse(struct http_request *r, struct bytes line) MUST_CHECK;
/* What the fields of a whole head say together: host, framing, expectations, persistence. */
struct http_refusal http_fields_settle(struct http_request *r) MUST_CHECK;

struct http_host {
    struct bytes name; /* with the brackets of an IPv6 address */
    struct bytes port; /* digits; absent or empty: the scheme's own */
};
/* False: not uri-host [":" port] (RFC 9110, 7.2), or an empty host. */
bool http_host_parse(struct bytes text, struct http_host *host) MUST_CHECK;
