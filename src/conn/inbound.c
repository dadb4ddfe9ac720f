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

ON_REACTOR bool inbound_is_over_budget(const struct reactor *r, const struct inbound *in,
                                       size_t more)
{
    const struct broker *b = r->broker;
    const uint64_t total = atomic_load_explicit(&b->body_bytes, memory_order_relaxed);
    const uint64_t own = in ? in->body.capacity + in->message_bytes : 0;
    const bool is_alone = total == own;
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
    refund(r->broker, in->body.capacity + in->message_bytes);
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

/* Makes room for `more` bytes in one of its texts. */
static ON_REACTOR int grow(struct reactor *r, struct inbound *in, struct text *t, size_t more)
{
    const size_t before = t->capacity;
    size_t capacity = before ? before : INBOUND_TEXT_MIN;
    while (capacity - t->len < more)
        capacity *= 2;
    if (capacity == before)
        return 0;
    uint8_t *at = alloc_resize(t->at, capacity);
    if (!at)
        return -ENOMEM;
    t->at = at;
    t->capacity = capacity;
    if (t == &in->body)
        charge(r->broker, capacity - before);
    return 0;
}

ON_REACTOR int inbound_add(struct reactor *r, struct inbound *in, struct text *t, struct bytes b)
{
    const int err = grow(r, in, t, b.len);
    if (err == 0)
        text_add(t, b);
    return err;
}

ON_REACTOR int inbound_body_room(struct reactor *r, struct inbound *in, struct span *room)
{
    const int err = grow(r, in, &in->body, 1);
    const size_t left = in->body.capacity - in->body.len;
    *room = (struct span){in->body.at + in->body.len, left < BODY_STEP ? left : BODY_STEP};
    return err;
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
