/* The log's inbox: entries from any thread, bounded by count and bytes, popped by whoever holds the
 * sequencer role. It orders nothing beyond each producer's own calls. */
#pragma once

#include "base/attr.h"
#include "base/mpsc_ring.h"

struct message;

struct inbox {
    struct mpsc_ring ring;
    _Alignas(64) _Atomic uint64_t bytes; /* message_cost() of what is in it or about to be */
};

/* capacity: a power of two. -ENOMEM. */
int inbox_init(struct inbox *in, size_t capacity) MUST_CHECK;
void inbox_fini(struct inbox *in); /* must be empty */

/* One entry: a chain of messages. False: full, the caller keeps it; else it is gone. */
ANY_THREAD bool inbox_push(struct inbox *in, struct message *chain) MUST_CHECK;
/* NULL: nothing published at the head. For the holder of the role. */
struct message *inbox_pop(struct inbox *in);
/* Exact while nobody holds the role, else a hint. seq_cst. */
ANY_THREAD bool inbox_has_entry(const struct inbox *in);
ANY_THREAD size_t inbox_len(const struct inbox *in);
