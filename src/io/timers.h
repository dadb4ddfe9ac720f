/* One deadline per slot: a dense array and a hand that sweeps over it, so that setting and clearing
 * is one store and an idle slot costs 4 bytes. No allocation per timer, no clock of its own.
 *
 * Times are milliseconds since the reactor's start; they may wrap, as long as no deadline is more
 * than 24 days away. Deadlines are never early. They are late by less than the sweep's interval,
 * which grows with the table so that sweeping stays below 1 % of a core: 1 ms for some thousands of
 * slots, about 200 ms for a million. */
#pragma once

#include "base/attr.h"
#include "base/sizes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TIMERS_BUDGET = SIZED(4096, 3) }; /* calls of one run: the rest waits for the next turn */

struct timers {
    uint32_t *deadlines; /* [capacity]; 0: none. Reserved: untouched costs nothing */
    size_t capacity;     /* slots, rounded up to whole blocks */
    uint32_t high;       /* slots from here on have none */
    uint32_t swept_ms;   /* when the last sweep began */
    uint32_t next_ms;    /* no deadline is before this... */
    bool has_next;       /* ...if there is any */
    /* The sweep under way. */
    bool sweeping;
    bool has_found;    /* among what it passed, and what was set meanwhile: */
    uint32_t found_ms; /* the earliest deadline */
    uint32_t at;       /* where it goes on */
    uint32_t used;     /* the last slot with a deadline that it passed, + 1 */
};

/* -ENOMEM. */
int timers_init(struct timers *t, uint32_t count) MUST_CHECK;
void timers_fini(struct timers *t);

/* Replaces the slot's deadline. */
void timers_set(struct timers *t, uint32_t slot, uint32_t deadline_ms);
/* The same, unless it is due sooner anyway. */
void timers_bring_forward(struct timers *t, uint32_t slot, uint32_t deadline_ms);
void timers_clear(struct timers *t, uint32_t slot);
static inline bool timers_is_set(const struct timers *t, uint32_t slot)
{
    return t->deadlines[slot] != 0;
}

/* How long one may sleep before timers_run() has something to do: 0 at once, UINT32_MAX for ever.
 */
uint32_t timers_wait_ms(const struct timers *t, uint32_t now_ms);

/* Its slot's deadline is cleared already; may set and clear any. */
typedef void timers_due_fn(void *user, uint32_t slot);
/* Calls fn for due slots, at most TIMERS_BUDGET; goes on there next time. Cheap when nothing is. */
void timers_run(struct timers *t, uint32_t now_ms, timers_due_fn *fn, void *user);
