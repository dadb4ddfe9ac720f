/* What a request's path and query say: percent-decoding, query fields, topic names. Pure. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

enum { TOPIC_MAX = 255 };

/* Decodes %XX into out (capacity out_max). plus_is_space: in a query, not in a path.
 * Returns the length, or -1: bad escape or no room. */
int http_percent_decode(struct bytes in, bool plus_is_space, uint8_t *out, size_t out_max)
    MUST_CHECK;

/* Steps through "a=1&b=2" (raw): false at the end. A field without '=' has an absent value. */
bool http_query_next(struct bytes *query, struct bytes *name, struct bytes *value) MUST_CHECK;
enum { HTTP_QUERY_ABSENT = -1, HTTP_QUERY_BAD = -2 };
/* The first value of `name`, decoded into out. Its length, or ABSENT, or BAD: escapes, too long. */
int http_query_get(struct bytes query, const char *name, uint8_t *out, size_t out_max) MUST_CHECK;

/* The same, as a number in decimal digits (at most 9 of them). 0, or ABSENT, or BAD. */
int http_query_number(struct bytes query, const char *name, uint64_t *out) MUST_CHECK;

/* A topic that can be published to: 1-255 bytes of UTF-8 without control characters, no empty
 * level, no level "*" or "#". NULL when fine, else one sentence for the peer. */
const char *topic_name_problem(struct bytes topic);
/* The same for what can be subscribed to: `*` may be a level, and `#` the last one; such a pattern
 * has at most 32 levels. */
const char *topic_filter_problem(struct bytes topic);
