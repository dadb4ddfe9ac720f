/* The JSON that all transports share: envelopes, gaps, the opening. Strict about members and their
 * order ("protocol"). */
#pragma once

#include "sim/buffer.h"

#include <jansson.h>
#include <stdbool.h>

/* Borrowed from the JSON it was read from, or from `decoded`. */
struct envelope {
    struct bytes id, topic, payload;
    int64_t time_ms; /* 0: not told */
    bool is_binary;
};

struct told_gap {
    struct bytes after, resumed, reason;
};

/* An object or array; the caller's. */
json_t *json_client_parse(struct bytes text, const char *who);
/* The only member; NULL: there is another one, or several. */
json_t *json_client_only_member(json_t *object, const char *name);
struct bytes json_client_string(const json_t *string, const char *who);
void json_client_envelope(json_t *object, struct envelope *out, struct buffer *decoded,
                          const char *who);
void json_client_gap(json_t *object, struct told_gap *out, const char *who);
/* RFC 4648, 4: with padding, and nothing else in between. */
void json_client_base64(struct bytes text, struct buffer *out, const char *who);
