/* A ring of messages with a budget of bytes. Who waits for room, and who is woken, is decided by
 * those who push and pop. */
#include "log/ring.h"

int log_ring_init(struct log_ring *r, size_t capacity, uint64_t bytes_max)
{
    r->bytes_max = bytes_max;
    return mpsc_ring_init(&r->messages, capacity);
}

void log_ring_fini(struct log_ring *r)
{
    mpsc_ring_fini(&r->messages);
}

/* Relaxed: seen late it is too small, and the ring looks fuller than it is. See has_room() for why
 * that cannot last, and pop() for why it cannot be seen too early. */
static bool fits(struct log_ring *r, const struct message *m)
{
    const uint64_t cost = message_cost(m);
    if (r->pushed_bytes - r->taken_seen + cost <= r->bytes_max)
        return true;
    r->taken_seen = atomic_load_explicit(&r->taken_bytes, memory_order_relaxed);
    const uint64_t held = r->pushed_bytes - r->taken_seen;
    return held == 0 || held + cost <= r->bytes_max;
}

bool log_ring_push(struct log_ring *r, struct message *m)
{
    const uint64_t cost = message_cost(m); /* before the push: afterwards it may be gone */
    if (!fits(r, m) || !mpsc_ring_push(&r->messages, m))
        return false;
    r->pushed_bytes += cost;
    return true;
}

/* Count first: its seq_cst look at the ring's head pairs with the pop's store of it, and who sees
 * that store sees the bytes that were stored before it. */
bool log_ring_has_room(struct log_ring *r, const struct message *m)
{
    return mpsc_ring_room(&r->messages) > 0 && fits(r, m);
}

struct message *log_ring_pop(struct log_ring *r)
{
    const struct message *next = mpsc_ring_peek(&r->messages);
    if (!next)
        return NULL;
    /* Before the pop, whose seq_cst store of the head publishes it too: no second dear store. Seen
     * before the pop it does no harm, the slot itself is free only then. */
    const uint64_t taken = atomic_load_explicit(&r->taken_bytes, memory_order_relaxed);
    atomic_store_explicit(&r->taken_bytes, taken + message_cost(next), memory_order_relaxed);
    struct message *m = mpsc_ring_pop(&r->messages);
    ASSERT(m == next); /* this is the only consumer */
    return m;
}

const struct message *log_ring_peek(const struct log_ring *r)
{
    return mpsc_ring_peek(&r->messages);
}

bool log_ring_has_message(const struct log_ring *r)
{
    return mpsc_ring_has_item(&r->messages);
}

size_t log_ring_len(const struct log_ring *r)
{
    return mpsc_ring_len(&r->messages);
}
