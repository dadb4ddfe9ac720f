/* The body of a long-poll's answer: messages as a JSON array, or one a line (NDJSON), up to a limit
 * of messages and bytes. No socket, no clock, no history. */
#pragma once

#include "base/sizes.h"
#include "base/text.h"

enum { POLL_MESSAGES_MAX = SIZED(1000, 6), POLL_BYTES_MAX = 1 << 20 };

struct poll_body {
    struct text text;
    uint32_t count;
    bool lines; /* NDJSON */
};

void poll_body_begin(struct poll_body *b, bool lines);
/* Has it room for a further envelope of so many bytes? The first one always fits. */
bool poll_body_has_room(const struct poll_body *b, size_t envelope_len);
void poll_body_add(struct poll_body *b, struct bytes envelope);
void poll_body_end(struct poll_body *b);

/* "application/json", or that of lines. */
const char *poll_content_type(bool lines);

/* The inside of the first entity tag of an If-None-Match (RFC 9110, 13.1.2), weak or not, without
 * its quotes; absent: there is none, or `*`. */
struct bytes poll_first_tag(struct bytes list);
