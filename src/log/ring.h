/* What one reactor has been given and not yet taken: messages in log order, bounded by count and
 * bytes. Whoever delivers is its only producer, the reactor its only consumer. */
#pragma once

#include "base/attr.h"
#include "base/mpsc_ring.h"
#include "log/message.h"

struct log_ring {
    struct mpsc_ring messages;
    /* The producer's. By message_cost(), ever since: what is in it is the difference, so that
     * neither side has to write what the other writes. */
    _Alignas(64) uint64_t pushed_bytes;
    uint64_t taken_seen; /* taken_bytes when the producer last looked: it looks only when it must */
    uint64_t bytes_max;
    _Alignas(64) _Atomic uint64_t taken_bytes; /* the consumer's */
};

/* Zero-filled before. capacity: a power of two. -ENOMEM. */
int log_ring_init(struct log_ring *r, size_t capacity, uint64_t bytes_max) MUST_CHECK;
void log_ring_fini(struct log_ring *r); /* must be empty */

/* The producer's. False: full, by count or bytes; but an empty ring takes any message. */
bool log_ring_push(struct log_ring *r, struct message *m) MUST_CHECK;
/* Would m go in now? seq_cst towards log_ring_pop(), so that "say that I am blocked, then look for
 * room" pairs with "pop, then look whether somebody is blocked". */
bool log_ring_has_room(struct log_ring *r, const struct message *m);

/* The consumer's. NULL: none. */
struct message *log_ring_pop(struct log_ring *r);
const struct message *log_ring_peek(const struct log_ring *r);
/* Would a pop give something? seq_cst, as mpsc_ring_has_item(). */
bool log_ring_has_message(const struct log_ring *r);
ANY_THREAD size_t log_ring_len(const struct log_ring *r); /* a hint */
