/* Server-Sent Events as a client reads them (WHATWG HTML, 9.2.6): bytes in, blocks out, whatever
 * the cuts. No socket. Blocks without data are told too: their id is a place in the log. */
#pragma once

#include "base/text.h"

struct event_stream {
    struct text line;            /* of which the end has not come */
    struct text data, event, id; /* of the block so far */
    bool has_data, has_id;
    bool after_cr;     /* a LF that comes next belongs to the last line's end */
    bool past_start;   /* a byte order mark may stand only before */
    uint64_t retry_ms; /* what the server said last; 0: nothing */
};

/* One block: what stood between two empty lines. Valid until the next call. */
struct event_block {
    struct bytes event; /* absent: "message" */
    struct bytes data;  /* absent: none, nothing is dispatched */
    struct bytes id;    /* absent: none */
};

/* Moves *in on. False: it is used up, or there is no memory (event_stream_failed()). */
bool event_stream_next(struct event_stream *s, struct bytes *in, struct event_block *out)
    MUST_CHECK;
bool event_stream_failed(const struct event_stream *s);
void event_stream_fini(struct event_stream *s);
