/* From an entry whose place is decided to every reactor's ring: the same for every engine. It never
 * waits for a reactor, and does not decide the order. */
#include "log/log_internal.h"

/* --- stamps ----------------------------------------------------------------------------------- */

static void forget_oldest(struct retention *kept, uint64_t newest)
{
    const uint64_t oldest = newest - kept->count + 1;
    kept->bytes -= kept->costs[oldest % kept->count_max];
    kept->count--;
}

/* Returns the oldest sequence that stays once m is in. */
static uint64_t retain(struct retention *kept, const struct message *m)
{
    if (kept->count == kept->count_max)
        forget_oldest(kept, m->seq - 1);
    kept->costs[m->seq % kept->count_max] = (uint32_t)message_cost(m);
    kept->bytes += message_cost(m);
    kept->count++;
    while (kept->bytes > kept->bytes_max && kept->count > 1)
        forget_oldest(kept, m->seq);
    return m->seq - kept->count + 1;
}

/* One reference and one right to ask for images per ring, all before the first push: a fast reactor
 * may give up its own before the last one has got any. The caller's reference becomes one of them.
 */
static void share(const struct log *l, struct message *m)
{
    if (l->reactor_count > 1)
        message_ref(m, l->reactor_count - 1);
    /* Relaxed: the rings hand it over. */
    atomic_store_explicit(&m->image_holders, (uint16_t)l->reactor_count, memory_order_relaxed);
}

void log_order(struct log *l, struct message *chain, uint64_t first_seq, int64_t time_ms)
{
    uint64_t seq = first_seq;
    ASSERT(!l->pending);
    /* Relaxed: ours, handed over together with the rest. */
    ASSERT(first_seq == atomic_load_explicit(&l->head, memory_order_relaxed) + 1);
    for (struct message *m = chain; m; m = m->next_in_entry) {
        m->seq = seq++;
        m->time_ms = time_ms;
        m->oldest = retain(&l->kept, m);
        share(l, m);
    }
    /* Before any reactor can see the entry, so that no peer ever holds a cursor beyond the head.
     * Release, for log_head(); towards those who got the entry from a ring, the ring orders it. */
    atomic_store_explicit(&l->head, seq - 1, memory_order_release);
    l->pending = chain;
    l->next_reactor = 0;
}

/* --- delivery --------------------------------------------------------------------------------- */

/* Pushes the pending message to one reactor. False: its ring is full and `blocked` says so.
 *
 * Here:    blocked = reactor;  look at its ring's head, then at the bytes it took.
 * Reactor: store the bytes it takes, then its ring's head (pop);  look at blocked.
 * `blocked` and head are seq_cst on both sides, and one of the two looks comes last and sees the
 * other's store: either we find the room, of which the bytes are a part that the head publishes, or
 * the reactor finds `blocked` and asks the engine to go on. */
static bool offer(struct log *l, unsigned reactor)
{
    struct log_ring *ring = &l->reactors[reactor].ring;
    if (log_ring_push(ring, l->pending))
        return true;
    atomic_store_explicit(&l->blocked, reactor + 1, memory_order_seq_cst);
    if (!log_ring_has_room(ring, l->pending))
        return false;
    const bool pushed = log_ring_push(ring, l->pending);
    ASSERT(pushed); /* nobody else pushes */
    return true;
}

bool log_deliver(struct log *l, bool *delivered)
{
    while (l->pending) {
        /* Read before the last push: the reactors may free the message at once. */
        struct message *next = l->pending->next_in_entry;
        for (; l->next_reactor < l->reactor_count; l->next_reactor++) {
            if (!offer(l, l->next_reactor))
                return false;
            *delivered = true;
        }
        l->pending = next;
        l->next_reactor = 0;
    }
    /* Left over from before we got on; log_has_work() would go on believing it. */
    if (atomic_load_explicit(&l->blocked, memory_order_relaxed) != 0)
        atomic_store_explicit(&l->blocked, 0, memory_order_seq_cst);
    return true;
}

void log_wake_reactor(struct log *l, unsigned reactor)
{
    _Atomic bool *sleeping = &l->reactors[reactor].sleeping;
    if (atomic_load_explicit(sleeping, memory_order_seq_cst) &&
        atomic_exchange_explicit(sleeping, false, memory_order_seq_cst))
        l->wake(l->wake_user, reactor);
}

/* Dekker's pattern again: we stored (rings, what the engine keeps) and now look at `sleeping`; a
 * reactor stores `sleeping` and then looks at those, all seq_cst. */
void log_wake_sleepers(struct log *l)
{
    for (unsigned i = 0; i < l->reactor_count; i++)
        log_wake_reactor(l, i);
}
