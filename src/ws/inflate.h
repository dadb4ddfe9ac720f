/* The payload of compressed messages, inflated (RFC 7692, 7.2.2). Frames are ws.h's. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

/* One direction of a connection: about 7 KiB, and 32 KiB more once a message was so long. */
struct ws_inflater;

/* NULL: no memory. */
struct ws_inflater *ws_inflater_new(void) MUST_CHECK;
/* Clears the caller's pointer; NULL is fine. */
void ws_inflater_free(struct ws_inflater **i_ptr);
/* Forgets what it has seen: the next message stands alone. */
void ws_inflater_reset(struct ws_inflater *i);

enum ws_inflate {
    WS_INFLATE_MORE, /* *in is used up; the last of what it says may come out with the tail */
    WS_INFLATE_FULL, /* *out is: go on with another one */
    WS_INFLATE_BAD,  /* not deflated data */
    WS_INFLATE_NO_MEMORY,
};
/* Moves *in and *out on. The bytes between both are one message's, in any pieces. */
enum ws_inflate ws_inflate(struct ws_inflater *i, struct bytes *in, struct span *out) MUST_CHECK;
/* What a sender leaves out at the message's end: to be inflated like the rest. */
struct bytes ws_inflate_tail(const struct ws_inflater *i);
/* Behind that: was it a whole message? */
bool ws_inflate_is_whole(const struct ws_inflater *i);
