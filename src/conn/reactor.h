/* One reactor: a thread's connections, topics, history and timers, and the turn that drives them.
 * Nothing in it is shared, except that other threads read its statistics and wake it. */
#pragma once

#include "base/sizes.h"
#include "conn/broker.h"
#include "conn/conn.h"
#include "conn/local.h"
#include "conn/mail.h"
#include "conn/sender.h"
#include "conn/tab.h"
#include "http/request.h"
#include "io/io.h"
#include "io/timers.h"
#include "topic/fanout.h"

struct peer;
struct ws_deflater;
struct ws_inflater;

enum {
    SCRATCH_BYTES = 32768,        /* one receive */
    SCRATCH_COUNT = SIZED(64, 3), /* receives in one batch */
};

/* Connections to be looked at, each once: those queued while a round runs wait for the next one. */
struct slot_queue {
    uint32_t *now, *next; /* [slot_count] each */
    uint32_t at, end;     /* the round under way: now[at..end) are still to come */
    uint32_t count;       /* in `next` */
};

static inline bool slot_queue_is_empty(const struct slot_queue *q)
{
    return q->at == q->end && q->count == 0;
}

struct reactor {
    struct broker *broker;
    struct io *io;
    unsigned index;
    uint32_t slot_count;
    uint32_t slot_high; /* slots from here on were never used: who walks over all stops there */
    struct conn *conns; /* [slot_count], reserved: costs memory only where used */
    struct timers timers;
    uint64_t start_ns, now_ns;
    uint64_t slice_end_ns;
    uint32_t now_ms; /* since start_ns, never 0 */

    struct subscriptions subscriptions;
    struct fanout fanout;
    struct list cuts; /* struct cut.link */
    struct sender sender;
    struct locals locals;
    bool entry_lost;     /* one of the entry that is being consumed went to a finished topic */
    struct peer **peers; /* [slot_count], reserved; NULL: none */
    _Atomic uint32_t *questions; /* [slot_count], reserved: those open, 0: none. Any thread */
    uint32_t last_question;
    uint32_t callback_slot; /* the connection that the callback under way is about */
    struct mailbox mailbox;
    struct tabs tabs;

    struct slot_queue flushes; /* those that have something of their own to send */
    struct slot_queue reads;   /* those to receive from */

    /* NULL until they are needed. Of messages that stand alone, so nothing is in them between two.
     */
    struct ws_inflater *spare_inflater;
    struct ws_deflater *deflater;

    uint8_t (*scratch)[SCRATCH_BYTES];
    struct http_request request; /* the one being parsed: too large for the stack of a callback */
    size_t behind_len;           /* bytes that came behind it */
    uint32_t drain_slot;         /* the drain's hand over the connections */
    uint32_t drain_total, drain_done;
    uint32_t open_count;   /* slots in use */
    uint32_t ending_count; /* connections whose last words are on their way */
    uint64_t jitter;       /* state of reactor_jitter() */
    uint16_t next_tag;     /* of the next publish that awaits its order */
    bool draining, drained;
    bool backlog; /* this turn took as many events as it could: more input may lie unread */
    uint32_t refused_count; /* peers that are just being refused */
    uint32_t subscription_count;
    uint32_t history_age_ms; /* when ages were last looked at */
    uint32_t relieved_ms;    /* when stalled peers were last looked for */
    struct stats stats;
};

/* Takes *io whatever the result: any implementation, whose slots are below slot_count. -ENOMEM.
 * On the reactor's own thread, like everything here. */
int reactor_init(struct reactor *r, struct broker *b, unsigned index, struct io **io,
                 uint32_t slot_count) MUST_CHECK;
/* fds: this reactor's listening sockets, borrowed. */
ENTERS_REACTOR int reactor_listen(struct reactor *r, const int *fds, size_t count) MUST_CHECK;
/* Drops everybody. Fine on a zeroed reactor, and on one whose init failed. */
void reactor_fini(struct reactor *r);

/* One turn: sleeps if there is nothing to do, then does all there is, in slices.
 * False: drained, the thread may end. */
ENTERS_REACTOR bool reactor_turn(struct reactor *r);

static inline struct conn *reactor_conn(struct reactor *r, uint32_t slot)
{
    ASSERT(slot < r->slot_count);
    return &r->conns[slot];
}

static inline uint32_t reactor_slot(const struct reactor *r, const struct conn *c)
{
    return (uint32_t)(c - r->conns);
}

/* Puts the connection on the flush list: it has something of its own to send. */
ON_REACTOR void reactor_queue_flush(struct reactor *r, struct conn *c);
/* Others have waited for long enough: what is left is for the next turn. */
bool reactor_slice_is_over(const struct reactor *r);
/* Does it lie in a receive buffer? Then it is valid until sender_settle(). */
bool reactor_keeps(const struct reactor *r, struct bytes b);
/* Reads from the peer in this turn. */
ON_REACTOR void reactor_queue_read(struct reactor *r, struct conn *c);
/* A random delay in [low, high). */
ON_REACTOR uint32_t reactor_jitter(struct reactor *r, uint32_t low, uint32_t high);
/* The time from one ping or heartbeat to the next: up to an eighth shorter, so that those opened
 * together are not all due together. Neighbours are: what one of them needs, here and in the
 * kernel, lies beside what the next one needs. */
uint32_t reactor_spread(const struct reactor *r, const struct conn *c, uint32_t every_ms);
