/* Calls from any thread against the end of the server: those that began are waited for, no others
 * get in. What they do is theirs. */
#include "server/server_internal.h"

#include <sched.h>

/* Counted first, then looked: seq_cst, so that either we see the drain, or whoever began it and
 * then looks at the count sees us. */
static bool stay_if(struct uproar *u, bool may)
{
    if (!may)
        server_leave(u);
    return may;
}

bool server_enter(struct uproar *u)
{
    atomic_fetch_add(&u->calling, 1);
    return stay_if(u, atomic_load(&u->broker.drain_ns) == 0);
}

bool server_enter_until_end(struct uproar *u)
{
    atomic_fetch_add(&u->calling, 1);
    return stay_if(u, !atomic_load(&u->is_shut));
}

void server_leave(struct uproar *u)
{
    atomic_fetch_sub(&u->calling, 1);
}

void server_shut(struct uproar *u)
{
    atomic_store(&u->is_shut, true);
    while (atomic_load(&u->calling) > 0)
        sched_yield();
}
