/* An engine orders what is published and delivers it to the reactors; the log's doors (log.h), the
 * reactors' rings, sleeping and waking, stamps and retention are the same for each. There is one,
 * `memory`. The second that this is made for is a bridge: a thread that hands publishes to another
 * system and receives them back, in that system's order, with its sequence and its epoch. What such
 * a bridge does not need is not here.
 *
 * An engine lives in src/log and uses from log_internal.h: log_order() and log_deliver(), from one
 * thread at a time, and log_wake_sleepers() after that. */
#pragma once

#include "log/log.h"

struct log_engine {
    const char *name;
    /* Makes l->engine_state. l->epoch is random and l->head 0, both the engine's to change here and
     * only here: a bridge sets its stream's epoch, and as head the sequence before the first that
     * it will deliver. The rest of the log is ready: the engine may start threads. -errno. */
    int (*open)(struct log *l, const struct log_options *o);
    /* Ends its threads, and gives up what it has not ordered. */
    void (*close)(struct log *l);
    /* As log_append(); never blocks. What is accepted is ordered some time, on any thread, with
     * the same origin. (A bridge keeps who waits for what, and finds it by what comes back.) */
    int (*append)(struct log *l, struct message **chain);
    /* A reactor made room after log_deliver() was blocked on its ring, or is_waiting() was true.
     * On the reactor's thread; never blocks. (A bridge wakes its own thread.) */
    void (*advance)(struct log *l);
    /* Is there something that only advance() gets going? Once a turn of each reactor: cheap. In the
     * wake-up protocol: seq_cst. (A bridge has its own thread: never.) */
    bool (*is_waiting)(const struct log *l);
    /* Entries accepted and not yet ordered. */
    size_t (*backlog)(const struct log *l);
};

/* In this process and its memory; one total order without a thread of its own. */
extern const struct log_engine log_engine_memory;
