/* One total order for everything that is published: an engine that any thread appends to and that
 * decides the order (`memory`: a bounded inbox, and the sequencer role that one of the appending
 * threads plays at a time), and one ring per reactor that gets the same entries in the same order.
 * It does not keep history and knows no topic.
 *
 * Nobody ever waits here: an append that finds no room is refused (-EAGAIN), who finds a reactor's
 * ring full remembers the place, says `blocked` and leaves; the reactor that makes room goes on.
 * Nothing accepted is dropped. */
#pragma once

#include "base/attr.h"
#include "base/sizes.h"
#include "log/message.h"

struct log;
struct log_engine;

enum {
    LOG_INBOX_MAX = 65536,         /* entries */
    LOG_REACTOR_RING_MAX = 16384,  /* messages per reactor */
    LOG_REACTORS_MAX = 256,        /* at most IMAGE_HOLDERS_MAX */
    LOG_HOLD_MAX = SIZED(1024, 4), /* entries one holder orders before it hands the role on */
};
#define LOG_INBOX_BYTES_MAX (64ull << 20) /* but at least one entry */
#define LOG_RING_BYTES_MAX  (64ull << 20) /* per reactor, by message_cost(); but at least one */

typedef void log_wake_fn(void *user, unsigned reactor);

struct log_options {
    const struct log_engine *engine; /* NULL: memory; see engine.h */
    unsigned reactor_count;
    uint32_t history_count;  /* decides `oldest`: how many the reactors keep */
    uint64_t history_bytes;  /* by message_cost(); the newest message always stays */
    uint32_t ring_capacity;  /* powers of two; 0: LOG_REACTOR_RING_MAX, LOG_INBOX_MAX */
    uint32_t inbox_capacity; /* (tests make them small to meet full ones often) */
    uint64_t ring_bytes;     /* 0: LOG_RING_BYTES_MAX */
    log_wake_fn *wake;       /* wakes a reactor thread that sleeps; any thread */
    void *wake_user;
};

int log_new(struct log **out, const struct log_options *o) MUST_CHECK;
/* After every thread that appends or consumes is gone. Frees what is still in inbox and rings. */
void log_free(struct log **l_ptr);

/* Appends a message, or a chain linked by next_in_entry: adjacent in the order, all or nothing.
 * Takes the caller's reference(s) and clears *chain on 0; on -EAGAIN (full) the caller keeps them.
 * The calls of one thread keep their order. Never blocks; may play the sequencer meanwhile.
 * A reactor that was refused may go to sleep and try again when it consumes: what filled the inbox
 * comes to its own ring after the refusal, and wakes it. */
ANY_THREAD int log_append(struct log *l, struct message **chain) MUST_CHECK;

/* Epoch: random per log, never 0. */
ANY_THREAD uint64_t log_epoch(const struct log *l);
/* The newest sequence given out; 0: none yet. No reactor can have seen a larger one. */
ANY_THREAD uint64_t log_head(const struct log *l);
ANY_THREAD size_t log_inbox_len(const struct log *l);

/* --- for the reactor threads ------------------------------------------------------------------ */

/* The next message of this reactor, which receives the reference; NULL: none now. */
ON_REACTOR struct message *log_consume(struct log *l, unsigned reactor);
/* Looks without taking; NULL: none now. The reactor decides by m->oldest whether it may take it. */
ON_REACTOR const struct message *log_peek(struct log *l, unsigned reactor);
/* Once a turn, after consuming: if the log is blocked on room this reactor may have made, or the
 * inbox holds entries that nobody is ordering, plays the sequencer. */
ON_REACTOR void log_help(struct log *l, unsigned reactor);
/* Is there something for this reactor to do? Used in the wake-up protocol: seq_cst. */
ON_REACTOR bool log_has_work(struct log *l, unsigned reactor);
ANY_THREAD size_t log_reactor_ring_len(const struct log *l, unsigned reactor);

/* Wake-up elision (measured: waking costs 12 us, looking costs nothing): the reactor says that it
 * is about to sleep, looks at log_has_work() once more, sleeps; whoever pushes clears the flag and
 * calls wake only if it was set. */
ON_REACTOR void log_sleep_begin(struct log *l, unsigned reactor);
ON_REACTOR void log_sleep_end(struct log *l, unsigned reactor);
/* For whoever has something else for the reactor: it must look for that before it sleeps, too. */
ANY_THREAD void log_wake_reactor(struct log *l, unsigned reactor);
