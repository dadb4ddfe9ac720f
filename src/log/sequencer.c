/* The sequencer: a role that any thread plays for a moment, never a thread. It gives entries their
 * place and delivers them; it never waits, neither for a reactor nor for a producer.
 *
 * Why nothing is stranded. Something is left to do only in one of these states:
 * - An entry is published and its producer has not yet done exchange(role, AGAIN): that exchange
 *   comes, and finds either IDLE (the producer orders) or a holder, whose leave then fails.
 * - An entry is published behind one that is claimed but not published: a holder sees an empty
 *   inbox and leaves; the late producer's exchange comes after its publishing and covers both.
 * - `blocked`: the reactor named there has not looked since it made room. See deliver.c.
 * - A holder left because it had ordered LOG_HOLD_MAX: see leave_to_reactors(). */
#include "log/sequencer.h"

#include "base/clock.h"
#include "log/log_internal.h"

enum drain_end { DRAIN_EMPTY, DRAIN_BLOCKED, DRAIN_HELD_LONG };

/* What one holder did, from taking the role to leaving. */
struct hold {
    unsigned entry_count;
    bool delivered;
};

/* Unix time, read anew when the entry was appended so much later than the one it was last read for.
 * So it is never later than when the place was decided, at most that much earlier than the append,
 * and goes back only if the clock does. (Reading it for each entry was a fifth of all that an entry
 * costs on its way to a reactor.) */
enum { READING_LASTS_NS = 250 * 1000 };

static int64_t time_of(struct sequencer *s, const struct message *m)
{
    if (s->reading_ms == 0 || m->appended_ns >= s->reading_ns + READING_LASTS_NS) {
        s->reading_ms = clock_realtime_ms();
        s->reading_ns = m->appended_ns;
    }
    return s->reading_ms;
}

static enum drain_end drain(struct log *l, struct sequencer *s, struct hold *h)
{
    for (;;) {
        if (!log_deliver(l, &h->delivered))
            return DRAIN_BLOCKED;
        if (h->entry_count == LOG_HOLD_MAX)
            return DRAIN_HELD_LONG;
        struct message *chain = inbox_pop(&s->inbox);
        if (!chain)
            return DRAIN_EMPTY;
        h->entry_count++;
        log_order(l, chain, log_head(l) + 1, time_of(s, chain));
    }
}

/* --- the role --------------------------------------------------------------------------------- */

/* Fails when something was added since the exchange(HELD). Leaving as blocked goes through here
 * too: whoever took `blocked` down and then found us holding the role relies on our going on.
 * Release: the next holder gets what we own. */
static bool leave(struct sequencer *s)
{
    int expected = ROLE_HELD;
    return atomic_compare_exchange_strong_explicit(&s->role, &expected, ROLE_IDLE,
                                                   memory_order_seq_cst, memory_order_seq_cst);
}

/* Leaves although there may be more, so that no publisher is captured. Nothing is pending and
 * nobody is blocked, hence what is left is in the inbox, including what an AGAIN that we overwrite
 * stood for. The reactors see it there: those asleep are woken, and one that is about to sleep
 * looks (log_has_work) after its flag, so either it sees IDLE and the entry, or we see the flag. */
static void leave_to_reactors(struct sequencer *s)
{
    atomic_exchange_explicit(&s->role, ROLE_IDLE, memory_order_seq_cst);
}

void sequencer_run(struct log *l, struct sequencer *s)
{
    if (atomic_exchange_explicit(&s->role, ROLE_AGAIN, memory_order_seq_cst) != ROLE_IDLE)
        return;
    struct hold h = {0};
    enum drain_end end;
    do {
        /* Acquire: what was stored before an AGAIN that this overwrites is seen by the drain. */
        atomic_exchange_explicit(&s->role, ROLE_HELD, memory_order_seq_cst);
        end = drain(l, s, &h);
    } while (end != DRAIN_HELD_LONG && !leave(s));
    if (end == DRAIN_HELD_LONG)
        leave_to_reactors(s);
    if (end == DRAIN_HELD_LONG || h.delivered)
        log_wake_sleepers(l);
}
