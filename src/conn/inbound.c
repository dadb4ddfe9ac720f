/* Unfinished input and its share of the body budget. */
#include "conn/inbound.h"

#include "base/alloc.h"
#include "conn/reactor.h"

#include <errno.h>

enum { INBOUND_TEXT_MIN = 512 };

static void charge(struct broker *b, struct inbound *in, uint64_t bytes)
{
    atomic_fetch_add_explicit(&b->body_bytes, bytes, memory_order_relaxed);
    in->charged += bytes;
}

static void refund(struct broker *b, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&b->body_bytes, bytes, memory_order_relaxed);
}

ON_REACTOR struct inbound *inbound_get(struct reactor *r, struct conn *c)
{
    (void)r;
    if (!c->inbound)
        c->inbound = alloc_zeroed(sizeof(struct inbound));
    return c->inbound;
}

ON_REACTOR void inbound_free(struct reactor *r, struct conn *c)
{
    struct inbound *in = c->inbound;
    if (!in)
        return;
    c->inbound = NULL;
    refund(r->broker, in->charged);
    text_fini(&in->parked);
    text_fini(&in->head);
    text_fini(&in->body);
    alloc_free(in->request);
    if (in->message)
        message_unref(&in->message);
    alloc_free(in);
}

ON_REACTOR void inbound_reset(struct reactor *r, struct conn *c)
{
    if (!c->inbound)
        return;
    struct text parked = inbound_unpark(r, c);
    const uint64_t parked_charge = parked.capacity;
    inbound_free(r, c);
    if (parked.len > 0)
        c->inbound = alloc_zeroed(sizeof(struct inbound));
    if (parked.len > 0 && c->inbound) {
        c->inbound->parked = parked;
        c->inbound->charged = parked_charge;
        return;
    }
    refund(r->broker, parked_charge);
    const bool lost = parked.len > 0;
    text_fini(&parked);
    if (lost)
        conn_drop(r, c, true);
}

ON_REACTOR int inbound_add(struct reactor *r, struct inbound *in, struct text *t, struct bytes b)
{
    const size_t before = t->capacity;
    size_t capacity = before ? before : INBOUND_TEXT_MIN;
    while (capacity - t->len < b.len)
        capacity *= 2;
    if (capacity > before) {
        uint8_t *at = alloc_resize(t->at, capacity);
        if (!at)
            return -ENOMEM;
        t->at = at;
        t->capacity = capacity;
        charge(r->broker, in, capacity - before);
    }
    text_add(t, b);
    return 0;
}

ON_REACTOR int inbound_reserve(struct reactor *r, struct inbound *in, struct text *t,
                               size_t capacity)
{
    ASSERT(t->capacity == 0);
    const uint64_t others =
        atomic_load_explicit(&r->broker->body_bytes, memory_order_relaxed) - in->charged;
    if (others > 0 && others + in->charged + capacity > r->broker->settings.body_bytes_max)
        return -ENOBUFS;
    t->at = alloc_bytes(capacity);
    if (!t->at)
        return -ENOMEM;
    t->capacity = capacity;
    charge(r->broker, in, capacity);
    return 0;
}

ON_REACTOR void inbound_clear(struct reactor *r, struct inbound *in, struct text *t)
{
    refund(r->broker, t->capacity);
    in->charged -= t->capacity;
    text_fini(t);
}

ON_REACTOR int inbound_park(struct reactor *r, struct conn *c, struct bytes b)
{
    if (b.len == 0)
        return 0;
    struct inbound *in = inbound_get(r, c);
    return in ? inbound_add(r, in, &in->parked, b) : -ENOMEM;
}

/* While it is out, its charge is the holder's: inbound_free() must not refund it too. */
ON_REACTOR struct text inbound_unpark(struct reactor *r, struct conn *c)
{
    (void)r;
    struct inbound *in = c->inbound;
    if (!in)
        return (struct text){0};
    const struct text held = in->parked;
    in->charged -= held.capacity;
    in->parked = (struct text){0};
    return held;
}

ON_REACTOR int inbound_repark(struct reactor *r, struct conn *c, struct text *held, size_t consumed)
{
    struct inbound *in = c->inbound;
    if (in && consumed == 0 && in->parked.len == 0) {
        in->charged += held->capacity;
        in->parked = *held;
        *held = (struct text){0};
        return 0;
    }
    int err = 0;
    if (c->phase == CONN_HTTP || c->phase == CONN_WS)
        err = inbound_park(r, c, bytes_skip(text_bytes(held), consumed));
    refund(r->broker, held->capacity);
    text_fini(held);
    return err;
}

ON_REACTOR void inbound_begin_wait(struct reactor *r, struct conn *c, enum inbound_wait wait,
                                   uint32_t retry_ms)
{
    struct inbound *in = c->inbound;
    const bool again = wait == WAIT_MEMORY && in->waited_for_memory;
    if (in->wait == WAIT_NONE && !again)
        in->wait_since_ms = r->now_ms;
    in->waited_for_memory = in->waited_for_memory || wait == WAIT_MEMORY;
    in->wait = wait;
    conn_set_timer(r, c, retry_ms);
}
