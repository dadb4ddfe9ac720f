/* A target's URL, taken apart: ws:// or http://, host, port, request target. Resolves no name. */
#pragma once

#include "base/attr.h"
#include "base/text.h"

enum url_scheme { URL_WS, URL_HTTP };

enum { URL_HOST_MAX = 253, URL_TARGET_MAX = 4096 };

/* Everything points into the text that was parsed. */
struct url {
    enum url_scheme scheme;
    struct bytes host;   /* without the brackets of an IPv6 address */
    struct bytes target; /* path and query, "/" at least; may hold {n} */
    uint16_t port;
    bool host_is_v6;
};

/* NULL, or one sentence about what is wrong. */
const char *url_parse(const char *text, struct url *out) MUST_CHECK;
/* "host:port" as a Host field wants it (RFC 9110, 7.2). */
void url_add_authority(struct text *out, const struct url *url);
/* The target with the connection's number in place of each {n}. */
void url_add_target(struct text *out, const struct url *url, uint32_t number);
bool url_has_number(const struct url *url);
/* The target without its query. */
struct bytes url_path(const struct url *url);
