/* Bytes that a connection keeps for a while: the beginning of a frame, the rest of a send. On the
 * heap only while there are any. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

enum { HELD_MAX = 80 << 20 }; /* more than the longest message */

struct held {
    uint32_t len, room;
    uint8_t bytes[];
};

static inline struct bytes held_bytes(const struct held *h)
{
    return h ? (struct bytes){h->bytes, h->len} : (struct bytes){0};
}

/* Adds b behind what is held. -ENOMEM, -EMSGSIZE above HELD_MAX; what was held stays then. */
int held_add(struct held **h, struct bytes b) MUST_CHECK;
/* Lets go of the first n bytes. */
void held_skip(struct held **h, size_t n);
void held_drop(struct held **h);
