/* What a connection still has to send that is its own: answers, control frames, goodbyes. Exists
 * only while there is some. */
#pragma once

#include "base/text.h"
#include "conn/conn.h"

struct outbox {
    struct text text;
    size_t sent;
    _Atomic uint64_t *budget; /* what `charged` counts towards; NULL: nothing */
    uint64_t charged;
};

/* Above this, a peer is not read until it has taken what it asked for. */
enum { OUTBOX_PAUSE_BYTES = 64 << 10 };

/* The text to append to; the connection is flushed in this turn. NULL: no memory. */
ON_REACTOR struct text *outbox_open(struct reactor *r, struct conn *c) MUST_CHECK;
/* After appending. A text that failed for want of memory would be a broken stream: the connection
 * is dropped. False: it is gone. */
ON_REACTOR bool outbox_close(struct reactor *r, struct conn *c) MUST_CHECK;
/* Both, for one run of bytes. False: no memory, and the connection is gone. */
ON_REACTOR bool outbox_add(struct reactor *r, struct conn *c, struct bytes b) MUST_CHECK;
/* A WebSocket frame; opcode: also with WS_COMPRESSED. */
ON_REACTOR bool outbox_add_frame(struct reactor *r, struct conn *c, unsigned opcode,
                                 struct bytes payload) MUST_CHECK;
/* Counts what it holds towards the server's budget for bodies, until it is freed: for answers that
 * may be large, of which a peer may ask for many and read none. */
ON_REACTOR void outbox_charge(struct reactor *r, struct conn *c);
/* Do such answers take more than their part of that budget, which is half? */
ON_REACTOR bool outbox_is_over_budget(const struct reactor *r) MUST_CHECK;
void outbox_free(struct outbox **o_ptr);

static inline struct bytes outbox_rest(const struct outbox *o)
{
    return (struct bytes){o->text.at + o->sent, o->text.len - o->sent};
}

static inline size_t outbox_len(const struct outbox *o)
{
    return o ? o->text.len - o->sent : 0;
}
