/* Unfinished input and its share of the body budget. */
#include "conn/inbound.h"

#include "base/alloc.h"
#include "conn/reactor.h"
#include "ws/deflate.h"
#include "ws/inflate.h"

#include <errno.h>

enum { INBOUND_TEXT_MIN = 512 };

static void charge(struct broker *b, uint64_t bytes)
{
    atomic_fetch_add_explicit(&b->body_bytes, bytes, memory_order_relaxed);
}

static void refund(struct broker *b, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&b->body_bytes, bytes, memory_order_relaxed);
}

/* What is charged for it. */
static uint64_t charged(const struct inbound *in)
{
    return in->body.capacity + in->message_bytes + in->inflater_bytes;
}

ON_REACTOR bool inbound_is_over_budget(const struct reactor *r, const struct inbound *in,
                                       size_t more)
{
    const struct broker *b = r->broker;
    const uint64_t total = atomic_load_explicit(&b->body_bytes, memory_order_relaxed);
    const bool is_alone = total == (in ? charged(in) : 0);
    return !is_alone && total + more > b->settings.body_bytes_max;
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
    refund(r->broker, charged(in));
    text_fini(&in->parked);
    text_fini(&in->head);
    text_fini(&in->body);
    text_fini(&in->packed);
    alloc_free(in->request);
    ws_inflater_free(&in->inflater);
    ws_deflater_free(&in->deflater);
    if (in->message)
        message_unref(&in->message);
    alloc_free(in);
}

ON_REACTOR void inbound_reset(struct reactor *r, struct conn *c)
{
    struct text parked = inbound_unpark(c);
    inbound_free(r, c);
    if (parked.len == 0) {
        text_fini(&parked);
        return;
    }
    if (inbound_get(r, c)) {
        c->inbound->parked = parked;
        return;
    }
    text_fini(&parked);
    conn_drop(r, c, true); /* requests that were received would never be answered */
}

static ON_REACTOR int resize(struct reactor *r, struct inbound *in, struct text *t, size_t capacity)
{
    uint8_t *at = alloc_resize(t->at, capacity);
    if (!at)
        return -ENOMEM;
    if (t == &in->body)
        charge(r->broker, capacity - t->capacity);
    t->at = at;
    t->capacity = capacity;
    return 0;
}

ON_REACTOR int inbound_add(struct reactor *r, struct inbound *in, struct text *t, struct bytes b)
{
    size_t capacity = t->capacity ? t->capacity : INBOUND_TEXT_MIN;
    while (capacity - t->len < b.len)
        capacity *= 2;
    if (capacity > t->capacity && resize(r, in, t, capacity) != 0)
        return -ENOMEM;
    text_add(t, b);
    return 0;
}

ON_REACTOR int inbound_body_room(struct reactor *r, struct inbound *in, struct span *room)
{
    const size_t most = (size_t)r->broker->settings.message_bytes_max + 1;
    struct text *body = &in->body;
    size_t capacity = body->capacity ? body->capacity : INBOUND_TEXT_MIN;
    if (capacity == body->len)
        capacity *= 2;
    if (capacity > most && most > body->len)
        capacity = most;
    if (capacity > body->capacity && resize(r, in, body, capacity) != 0)
        return -ENOMEM;
    const size_t left = body->capacity - body->len;
    *room = (struct span){body->at + body->len, left < BODY_STEP ? left : BODY_STEP};
    return 0;
}

ON_REACTOR int inbound_reserve_body(struct reactor *r, struct inbound *in, size_t capacity)
{
    ASSERT(in->body.capacity == 0);
    if (inbound_is_over_budget(r, in, capacity))
        return -ENOBUFS;
    in->body.at = alloc_bytes(capacity);
    if (!in->body.at)
        return -ENOMEM;
    in->body.capacity = capacity;
    charge(r->broker, capacity);
    return 0;
}

ON_REACTOR void inbound_clear_body(struct reactor *r, struct inbound *in)
{
    refund(r->broker, in->body.capacity + in->message_bytes);
    in->message_bytes = 0;
    text_fini(&in->body);
}

ON_REACTOR void inbound_charge_inflater(struct reactor *r, struct inbound *in, uint32_t bytes)
{
    refund(r->broker, in->inflater_bytes);
    charge(r->broker, bytes);
    in->inflater_bytes = bytes;
}

ON_REACTOR void inbound_keep_message(struct reactor *r, struct inbound *in, struct message **m)
{
    inbound_clear_body(r, in); /* the message has its own copy */
    in->message = *m;
    *m = NULL;
    in->message_bytes = message_cost(in->message);
    charge(r->broker, in->message_bytes);
}

ON_REACTOR int inbound_park(struct reactor *r, struct conn *c, struct bytes b)
{
    if (b.len == 0)
        return 0;
    struct inbound *in = inbound_get(r, c);
    return in ? inbound_add(r, in, &in->parked, b) : -ENOMEM;
}

struct text inbound_unpark(struct conn *c)
{
    if (!c->inbound)
        return (struct text){0};
    const struct text held = c->inbound->parked;
    c->inbound->parked = (struct text){0};
    return held;
}

ON_REACTOR int inbound_repark(struct reactor *r, struct conn *c, struct text *held, size_t consumed)
{
    struct inbound *in = c->inbound;
    if (in && consumed == 0 && in->parked.len == 0) {
        text_fini(&in->parked);
        in->parked = *held;
        *held = (struct text){0};
        return 0;
    }
    int err = 0;
    if (c->phase == CONN_HTTP || c->phase == CONN_POLL || c->phase == CONN_WS)
        err = inbound_park(r, c, bytes_skip(text_bytes(held), consumed));
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
