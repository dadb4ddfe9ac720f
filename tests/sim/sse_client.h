/* An event stream as EventSource reads it (WHATWG HTML, 9.2.6), out of the decoded body. What
 * EventSource would ignore is a failure here ("protocol"). */
#pragma once

#include "sim/buffer.h"

#include <stdbool.h>

enum { SSE_FIELD_MAX = 96 };

struct sse_client {
    const char *who; /* for failures */
    /* The block, once it is whole; until the next call. */
    bool has_id, has_event, has_data, has_retry;
    char id[SSE_FIELD_MAX], event[SSE_FIELD_MAX];
    struct buffer data;
    unsigned heartbeat_count;
    bool is_told;
};

void sse_client_reset(struct sse_client *c);
/* Takes from `in` up to the end of a block; true: it is whole. */
bool sse_client_read(struct sse_client *c, struct buffer *in);
/* Is it between two blocks? */
bool sse_client_may_end(const struct sse_client *c);
void sse_client_fini(struct sse_client *c);
