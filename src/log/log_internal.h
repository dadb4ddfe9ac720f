/* The log as its own files see it: who may touch which part. Nothing outside src/log includes it.
 */
#pragma once

#include "log/engine.h"
#include "log/log.h"
#include "log/ring.h"

struct log_reactor {
    struct log_ring ring;
    _Alignas(64) _Atomic bool sleeping; /* or about to: look, then wake */
};

/* What count and byte limits retain, decided once for all reactors. */
struct retention {
    uint32_t *costs; /* [seq % count_max] */
    uint32_t count_max;
    uint32_t count;
    uint64_t bytes, bytes_max;
};

struct log {
    /* 0, or 1 + the reactor whose full ring stopped the order. Set by who delivers, taken down by
     * who got on, or by that reactor, which then asks the engine to go on. */
    _Alignas(64) _Atomic unsigned blocked;
    _Alignas(64) _Atomic uint64_t head;

    /* Owned by whoever delivers, which the engine sees to: one thread at a time. */
    _Alignas(64) struct message *pending; /* stamped, not yet in every ring; then its chain */
    unsigned next_reactor;                /* the first whose ring lacks `pending` */
    struct retention kept;

    /* Constant after log_new(). */
    _Alignas(64) uint64_t epoch;
    const struct log_engine *engine;
    void *engine_state;
    log_wake_fn *wake;
    void *wake_user;
    size_t size;
    unsigned reactor_count;

    struct log_reactor reactors[];
};

/* The next entry: stamps its messages first_seq, first_seq + 1, ... with their time and what is
 * retained now, and makes it the one that log_deliver() brings out; there must be no other. Takes
 * the entry. first_seq is one more than log_head(): the reactors' histories index by sequence. (A
 * bridge whose system leaves numbers out fills them with messages of a topic that nobody has.) */
void log_order(struct log *l, struct message *chain, uint64_t first_seq, int64_t time_ms);

/* Brings the entry, if there is one, to every reactor's ring, going on where it was stopped. Sets
 * *delivered if any ring got anything. False: a ring is full; its reactor calls engine->advance()
 * when it has made room. */
bool log_deliver(struct log *l, bool *delivered) MUST_CHECK;

/* Wakes the reactors that sleep. After log_deliver(), and after letting go of whatever keeps others
 * from delivering: a wake-up is a system call, and nobody should have to wait for the order
 * meanwhile. */
ANY_THREAD void log_wake_sleepers(struct log *l);

/* Gives up first_refs references of the first message and other_refs of those behind it. */
void log_unref_chain(struct message *chain, unsigned first_refs, unsigned other_refs);
