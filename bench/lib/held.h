/* Bytes put aside until more of them come or a socket takes them. One heap block, none while empty.
 * Not here: limits; whoever holds bytes says how many are too many. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

struct held {
    size_t len;
    uint8_t at[];
};

/* 0 or -ENOMEM (then nothing changed). *h may be NULL: nothing held yet. */
int held_append(struct held **h, struct bytes more) MUST_CHECK;
/* Copies what is held to out, forgets it and returns its length. Longer than room: 0, still held.
 */
size_t held_take(struct held **h, uint8_t *out, size_t room);
/* Drops the first n bytes. */
void held_skip(struct held **h, size_t n);
void held_drop(struct held **h);

static inline struct bytes held_bytes(const struct held *h)
{
    return h ? (struct bytes){h->at, h->len} : (struct bytes){0};
}
