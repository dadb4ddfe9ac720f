/* The log as its own files see it: who may touch which part. Nothing outside src/log includes it.
 */
#pragma once

#include "log/inbox.h"
#include "log/log.h"

/* IDLE: nobody orders. HELD: somebody does. AGAIN: somebody does, and has to look once more before
 * leaving, because something was added after the look it may have had. */
enum log_role { LOG_IDLE, LOG_HELD, LOG_AGAIN };

struct log_reactor {
    struct mpsc_ring ring;
    _Alignas(64) _Atomic bool sleeping; /* or about to: look, then wake */
};

/* What count and byte limits retain, decided once for all reactors. */
struct retention {
    uint32_t *payload_lens; /* [seq % count_max] */
    uint32_t count_max;
    uint32_t count;
    uint64_t bytes, bytes_max;
};

struct log {
    _Alignas(64) _Atomic int role; /* enum log_role */
    /* 0, or 1 + the reactor whose full ring stopped the order. Set by the role's holder only, taken
     * down by a holder that got on, or by that reactor, which then goes on itself. */
    _Alignas(64) _Atomic unsigned blocked;
    _Alignas(64) _Atomic uint64_t head;

    /* Owned by the holder of the role, which hands it over with its release. */
    _Alignas(64) struct message *pending; /* stamped, not yet in every ring; then its chain */
    unsigned next_reactor;                /* the first whose ring lacks `pending` */
    uint64_t seq;
    struct retention kept;

    /* Constant after log_new(). */
    _Alignas(64) uint64_t epoch;
    log_wake_fn *wake;
    void *wake_user;
    size_t size;
    unsigned reactor_count;

    struct inbox inbox;
    struct log_reactor reactors[];
};

/* Takes the role if nobody has it and orders what is in the inbox; else makes the holder look once
 * more. To be called after what is to be seen has been stored. */
ANY_THREAD void sequencer_run(struct log *l);
