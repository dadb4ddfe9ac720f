/* A ring of entries with a budget of bytes. Who orders them is the sequencer's business. */
#include "log/inbox.h"

#include "log/log.h"
#include "log/message.h"

int inbox_init(struct inbox *in, size_t capacity)
{
    atomic_init(&in->bytes, 0);
    return mpsc_ring_init(&in->ring, capacity);
}

void inbox_fini(struct inbox *in)
{
    mpsc_ring_fini(&in->ring);
}

static uint64_t chain_cost(const struct message *chain)
{
    uint64_t cost = 0;
    for (const struct message *m = chain; m; m = m->next_in_entry)
        cost += message_cost(m);
    return cost;
}

/* A compare-and-swap rather than add and take back: a huge entry that is being refused must not
 * make small ones fail meanwhile. Relaxed: only a count, the ring orders the entries. */
static bool reserve_bytes(struct inbox *in, uint64_t cost)
{
    uint64_t used = atomic_load_explicit(&in->bytes, memory_order_relaxed);
    do {
        /* An entry larger than the whole budget passes when it is alone. */
        if (used > 0 && (cost > LOG_INBOX_BYTES_MAX || used > LOG_INBOX_BYTES_MAX - cost))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&in->bytes, &used, used + cost,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static void release_bytes(struct inbox *in, uint64_t cost)
{
    atomic_fetch_sub_explicit(&in->bytes, cost, memory_order_relaxed);
}

bool inbox_push(struct inbox *in, struct message *chain)
{
    const uint64_t cost = chain_cost(chain); /* before the push: afterwards it is not ours */
    if (!reserve_bytes(in, cost))
        return false;
    if (mpsc_ring_push(&in->ring, chain))
        return true;
    release_bytes(in, cost);
    return false;
}

struct message *inbox_pop(struct inbox *in)
{
    struct message *chain = mpsc_ring_pop(&in->ring);
    if (chain)
        release_bytes(in, chain_cost(chain));
    return chain;
}

bool inbox_has_entry(const struct inbox *in)
{
    return mpsc_ring_has_item(&in->ring);
}

size_t inbox_len(const struct inbox *in)
{
    return mpsc_ring_len(&in->ring);
}
