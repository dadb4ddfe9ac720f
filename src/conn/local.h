/* A subscriber in this process: a member of its set like any other, which takes messages out of a
 * bounded ring instead of a socket. What is not in the ring yet is the history's, so it costs the
 * reactor a position; when that is trimmed, the policy decides. How its thread is woken is the
 * owner's business. */
#pragma once

#include "base/list.h"
#include "base/sizes.h"
#include "conn/broker.h"
#include "conn/mail.h"
#include "log/cursor.h"
#include "log/ring.h"

enum { LOCAL_RING = SIZED(1024, 4) }; /* messages offered and not taken yet */
#define LOCAL_RING_BYTES (4ull << 20) /* and bytes, but at least one message */

/* Messages in (after, resumed] may be missing. */
struct local_gap {
    struct cursor after, resumed;
};

struct local;
struct set;

struct local_options {
    enum slow_policy slow;
    struct cursor after; /* what comes behind it */
    const char *pattern; /* well formed; must live as long */
    /* There is something, after LOCAL_NONE: on a reactor, or in local_next(). */
    void (*wake)(struct local *l);
    /* Takes that back, in local_next(), before it looks for the last time. */
    void (*quiet)(struct local *l);
    /* Both sides are through with it. Any thread. */
    void (*free)(struct local *l);
};

/* Zeroed but for its options by the owner, and aligned to a cache line (alloc_reserve()). */
struct local {
    struct local_options options;

    /* The reactor's. */
    struct reactor *reactor; /* constant from local_join() on */
    struct set *set;         /* NULL: not a member yet, or not any more */
    uint64_t position;       /* as conn.position */
    struct list due;         /* in locals.due while it is to be flushed */
    struct list known;       /* in locals.known from its first mail on */
    uint32_t slot, set_place;
    bool has_joined; /* its first mail was opened */
    bool has_slot;
    bool was_blocked; /* since it last had everything its ring was full, or a gap untaken */
    bool conflates;

    /* Between the two. */
    struct mail mail; /* on its way while `asked` */
    _Alignas(64) _Atomic bool asked;
    _Atomic bool leaves;         /* the consumer's last word */
    _Atomic bool idle;           /* the consumer has found nothing, and is to be woken */
    _Atomic bool blocked;        /* the reactor waits for room */
    _Atomic bool has_gap;        /* ours to read: behind what is in the ring, before what will be */
    _Atomic bool has_ended;      /* behind the ring and the gap */
    _Atomic bool is_cut_off;     /* the reactor takes no mail any more */
    _Atomic unsigned char sides; /* that still hold it */
    _Atomic uint32_t callers;    /* that may be sending mail */
    struct local_gap gap, last_gap;
    bool has_last_gap; /* before the end; read once has_ended is seen */
    struct log_ring ring;
};

/* --- its thread's side: one thread at a time ---------------------------------------------------
 */

/* *l->options is filled in. From now on it belongs to both sides. -ENOMEM: to none. */
ANY_THREAD int local_join(struct local *l, struct reactor *r) MUST_CHECK;

enum local_next { LOCAL_NONE, LOCAL_MESSAGE, LOCAL_GAP, LOCAL_END };
/* MESSAGE: its reference is the caller's. NONE: wake() will be called when there is something. */
ANY_THREAD enum local_next local_next(struct local *l, struct message **m, struct local_gap *gap);
/* Takes no more; l may be gone. */
ANY_THREAD void local_leave(struct local *l);
/* Gives up one side's hold. */
ANY_THREAD void local_release(struct local *l);

/* --- the reactor's side ------------------------------------------------------------------------
 */

/* Those of one reactor. */
struct locals {
    struct list known;    /* struct local.known */
    struct list due;      /* struct local.due: to be offered something, not by a fan-out */
    struct local **slots; /* what the sets' member lists count; NULL: free */
    uint32_t count, capacity;
    bool have_ended;
};

void locals_init(struct locals *ls);
/* The server ends: everybody is told, and what is missing. Opens the last mail. */
ON_REACTOR void locals_fini(struct reactor *r);
/* Of struct local.mail. */
ON_REACTOR void local_open_mail(struct reactor *r, struct mail *m);

/* Offers the member what it has not been offered. Returns as fanout.offer does. */
ON_REACTOR uint64_t local_offer(struct reactor *r, uint32_t slot);
/* Those that are due, one round. */
ON_REACTOR void locals_flush(struct reactor *r);
/* Is there one that has not been offered everything? */
ON_REACTOR bool locals_are_behind(const struct reactor *r);
