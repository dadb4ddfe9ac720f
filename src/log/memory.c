/* The engine of one process: publishers append to an inbox, and one of them, or a reactor, plays
 * the sequencer. The order itself is made in sequencer.c. */
#include "base/alloc.h"
#include "log/log_internal.h"
#include "log/sequencer.h"

#include <errno.h>

static int memory_open(struct log *l, const struct log_options *o)
{
    struct sequencer *s = alloc_reserve(sizeof(*s)); /* aligned to a page: it has cache lines */
    if (!s)
        return -ENOMEM;
    const int err = inbox_init(&s->inbox, o->inbox_capacity ? o->inbox_capacity : LOG_INBOX_MAX);
    if (err) {
        alloc_release(s, sizeof(*s));
        return err;
    }
    l->engine_state = s;
    return 0;
}

static void memory_close(struct log *l)
{
    struct sequencer *s = l->engine_state;
    for (struct message *chain; (chain = inbox_pop(&s->inbox));)
        log_unref_chain(chain, 1, 1);
    inbox_fini(&s->inbox);
    alloc_release(s, sizeof(*s));
}

static int memory_append(struct log *l, struct message **chain)
{
    struct sequencer *s = l->engine_state;
    if (!inbox_push(&s->inbox, *chain))
        return -EAGAIN;
    *chain = NULL;
    sequencer_run(l, s);
    return 0;
}

static void memory_advance(struct log *l)
{
    sequencer_run(l, l->engine_state);
}

/* When somebody holds the role, that one goes on or wakes a reactor. seq_cst: see
 * log_wake_sleepers(). */
static bool memory_is_waiting(const struct log *l)
{
    const struct sequencer *s = l->engine_state;
    return atomic_load_explicit(&s->role, memory_order_seq_cst) == ROLE_IDLE &&
           inbox_has_entry(&s->inbox);
}

static size_t memory_backlog(const struct log *l)
{
    const struct sequencer *s = l->engine_state;
    return inbox_len(&s->inbox);
}

const struct log_engine log_engine_memory = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .append = memory_append,
    .advance = memory_advance,
    .is_waiting = memory_is_waiting,
    .backlog = memory_backlog,
};
