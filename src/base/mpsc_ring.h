/* A bounded lock-free ring of pointers: any thread pushes, one thread (or one role) pops, each
 * producer's order is kept. It never waits, allocates after init, or wakes anybody.
 *
 * A producer claims a slot and then publishes it; between the two the consumer sees the ring as
 * empty from there on (mpsc_ring_pop() returns NULL) although later slots may be published. The
 * producer must tell the consumer after its push is complete (wake-up, sequencer role). */
#pragma once

#include "base/attr.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `turn` counts in laps, not positions, so that zero-filled memory is an empty ring. A position's
 * lap is the position without its slot bits: turn == lap: free for it; lap + 1: published. */
struct mpsc_slot {
    _Atomic uint64_t turn;
    void *item;
};

struct mpsc_ring {
    _Alignas(64) _Atomic uint64_t tail; /* producers: next position to claim */
    _Alignas(64) _Atomic uint64_t head; /* consumer only writes it; anybody may look */
    _Alignas(64) struct mpsc_slot *slots;
    uint64_t mask;
};

/* capacity: a power of two >= 2. -ENOMEM. Memory is touched only as it is used. */
int mpsc_ring_init(struct mpsc_ring *r, size_t capacity) MUST_CHECK;
void mpsc_ring_fini(struct mpsc_ring *r); /* must be empty, or hold what the caller does not own */

/* False: full, nothing taken. item != NULL. seq_cst towards mpsc_ring_has_item(), so that
 * "push, then look whether the consumer sleeps" pairs with "say that I sleep, then look again". */
ANY_THREAD bool mpsc_ring_push(struct mpsc_ring *r, void *item) MUST_CHECK;
/* NULL: nothing published at the head. Consumer only. */
void *mpsc_ring_pop(struct mpsc_ring *r);
/* What the next pop gives, left in place. Consumer only. */
void *mpsc_ring_peek(const struct mpsc_ring *r);
/* Would a pop give something? Consumer only (other threads get a hint). seq_cst. */
bool mpsc_ring_has_item(const struct mpsc_ring *r);
/* Claimed slots: a hint for statistics. */
ANY_THREAD size_t mpsc_ring_len(const struct mpsc_ring *r);
/* Free slots; exact, or less, for an only producer. seq_cst towards mpsc_ring_pop(), so that "say
 * that I am blocked, then look for room" pairs with "pop, then look whether somebody is blocked".
 */
ANY_THREAD size_t mpsc_ring_room(const struct mpsc_ring *r);
