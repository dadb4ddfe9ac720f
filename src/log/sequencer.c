/* The sequencer: a role that any thread plays for a moment, never a thread. It stamps entries and
 * hands them to every reactor; it never waits, neither for a reactor nor for a producer.
 *
 * Why nothing is stranded. Something is left to do only in one of these states:
 * - An entry is published and its producer has not yet done exchange(role, AGAIN): that exchange
 *   comes, and finds either IDLE (the producer orders) or a holder, whose leave then fails.
 * - An entry is published behind one that is claimed but not published: a holder sees an empty
 * inbox and leaves; the late producer's exchange comes after its publishing and covers both.
 * - `blocked`: the reactor named there has not looked since it made room. See offer().
 * - A holder left because it had ordered LOG_HOLD_MAX: see leave_to_reactors(). */
#include "base/clock.h"
#include "log/log_internal.h"

enum drain_end { DRAIN_EMPTY, DRAIN_BLOCKED, DRAIN_HELD_LONG };

/* What one holder did, from taking the role to leaving. */
struct hold {
    unsigned entry_count;
    bool delivered;
};

/* --- stamps ----------------------------------------------------------------------------------- */

static void forget_oldest(struct retention *kept, uint64_t newest)
{
    const uint64_t oldest = newest - kept->count + 1;
    kept->bytes -= (uint64_t)kept->payload_lens[oldest % kept->count_max] + MESSAGE_OVERHEAD;
    kept->count--;
}

/* Returns the oldest sequence that stays once m is in. */
static uint64_t retain(struct retention *kept, const struct message *m)
{
    if (kept->count == kept->count_max)
        forget_oldest(kept, m->seq - 1);
    kept->payload_lens[m->seq % kept->count_max] = m->payload_len;
    kept->bytes += message_cost(m);
    kept->count++;
    while (kept->bytes > kept->bytes_max && kept->count > 1)
        forget_oldest(kept, m->seq);
    return m->seq - kept->count + 1;
}

static void stamp(struct log *l, struct message *chain)
{
    const int64_t time_ms = clock_realtime_ms();
    for (struct message *m = chain; m; m = m->next_in_entry) {
        m->seq = ++l->seq;
        m->time_ms = time_ms;
        m->oldest = retain(&l->kept, m);
        /* One reference per ring, all before the first push: a fast reactor may let go of its own
         * before the last one has got any. The inbox's becomes one of them. */
        if (l->reactor_count > 1)
            message_ref(m, l->reactor_count - 1);
    }
    /* Before any reactor can see the entry, so that no peer ever holds a cursor beyond the head.
     * Release, for log_head(); towards those who got the entry from a ring, the ring orders it. */
    atomic_store_explicit(&l->head, l->seq, memory_order_release);
}

/* --- delivery --------------------------------------------------------------------------------- */

/* Pushes the pending message to one reactor. False: its ring is full and `blocked` says so.
 *
 * Here:    blocked = reactor;  look at its ring's head.    (both seq_cst)
 * Reactor: store its ring's head (pop);  look at blocked.  (both seq_cst)
 * One of the two looks comes last and sees the other's store: either we find the room, or the
 * reactor finds `blocked` and runs the sequencer. If we still hold the role then, its exchange
 * makes our leave fail and we come here again. */
static bool offer(struct log *l, unsigned reactor)
{
    struct mpsc_ring *ring = &l->reactors[reactor].ring;
    if (mpsc_ring_push(ring, l->pending))
        return true;
    atomic_store_explicit(&l->blocked, reactor + 1, memory_order_seq_cst);
    if (mpsc_ring_room(ring) == 0)
        return false;
    const bool pushed = mpsc_ring_push(ring, l->pending);
    ASSERT(pushed); /* the holder is the ring's only producer */
    return true;
}

/* Brings the pending chain to every ring, going on where another holder may have stopped. False:
 * blocked. */
static bool deliver(struct log *l, struct hold *h)
{
    while (l->pending) {
        /* Read before the last push: the reactors may free the message at once. */
        struct message *next = l->pending->next_in_entry;
        for (; l->next_reactor < l->reactor_count; l->next_reactor++) {
            if (!offer(l, l->next_reactor))
                return false;
            h->delivered = true;
        }
        l->pending = next;
        l->next_reactor = 0;
    }
    /* Left over from before we got on; log_has_work() would go on believing it. */
    if (atomic_load_explicit(&l->blocked, memory_order_relaxed) != 0)
        atomic_store_explicit(&l->blocked, 0, memory_order_seq_cst);
    return true;
}

static enum drain_end drain(struct log *l, struct hold *h)
{
    for (;;) {
        if (!deliver(l, h))
            return DRAIN_BLOCKED;
        if (h->entry_count == LOG_HOLD_MAX)
            return DRAIN_HELD_LONG;
        struct message *chain = inbox_pop(&l->inbox);
        if (!chain)
            return DRAIN_EMPTY;
        h->entry_count++;
        stamp(l, chain);
        l->pending = chain;
    }
}

/* --- the role --------------------------------------------------------------------------------- */

/* Dekker's pattern again: we stored (rings, role) and now look at `sleeping`; a reactor stores
 * `sleeping` and then looks at those, all seq_cst. After the role is released: a wake-up is a
 * system call, and nobody should have to wait for the order meanwhile. */
static void wake_sleepers(struct log *l)
{
    for (unsigned i = 0; i < l->reactor_count; i++) {
        _Atomic bool *sleeping = &l->reactors[i].sleeping;
        if (atomic_load_explicit(sleeping, memory_order_seq_cst) &&
            atomic_exchange_explicit(sleeping, false, memory_order_seq_cst))
            l->wake(l->wake_user, i);
    }
}

/* Fails when something was added since the exchange(HELD). Leaving as blocked goes through here
 * too: whoever took `blocked` down and then found us holding the role relies on our going on.
 * Release: the next holder gets what we own. */
static bool leave(struct log *l)
{
    int expected = LOG_HELD;
    return atomic_compare_exchange_strong_explicit(&l->role, &expected, LOG_IDLE,
                                                   memory_order_seq_cst, memory_order_seq_cst);
}

/* Leaves although there may be more, so that no publisher is captured. Nothing is pending and
 * nobody is blocked, hence what is left is in the inbox, including what an AGAIN that we overwrite
 * stood for. The reactors see it there: those asleep are woken, and one that is about to sleep
 * looks (log_has_work) after its flag, so either it sees IDLE and the entry, or we see the flag. */
static void leave_to_reactors(struct log *l)
{
    ASSERT(!l->pending);
    atomic_exchange_explicit(&l->role, LOG_IDLE, memory_order_seq_cst);
}

void sequencer_run(struct log *l)
{
    if (atomic_exchange_explicit(&l->role, LOG_AGAIN, memory_order_seq_cst) != LOG_IDLE)
        return;
    struct hold h = {0};
    enum drain_end end;
    do {
        /* Acquire: what was stored before an AGAIN that this overwrites is seen by the drain. */
        atomic_exchange_explicit(&l->role, LOG_HELD, memory_order_seq_cst);
        end = drain(l, &h);
    } while (end != DRAIN_HELD_LONG && !leave(l));
    if (end == DRAIN_HELD_LONG)
        leave_to_reactors(l);
    if (end == DRAIN_HELD_LONG || h.delivered)
        wake_sleepers(l);
}
