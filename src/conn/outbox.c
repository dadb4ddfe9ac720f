/* A text and how much of it went out. */
#include "conn/outbox.h"

#include "base/alloc.h"
#include "conn/reactor.h"
#include "ws/ws.h"

/* A peer that always owes taking a little would make it grow for ever. Moves less than went out. */
static void forget_sent(struct outbox *o)
{
    if (o->sent < o->text.len - o->sent)
        return;
    o->text.len -= o->sent;
    memmove(o->text.at, o->text.at + o->sent, o->text.len);
    o->sent = 0;
}

ON_REACTOR struct text *outbox_open(struct reactor *r, struct conn *c)
{
    ASSERT(c->phase != CONN_FREE && c->phase != CONN_CLOSED);
    if (!c->outbox)
        c->outbox = alloc_zeroed(sizeof(struct outbox));
    if (!c->outbox)
        return NULL;
    if (c->outbox->sent > 0)
        forget_sent(c->outbox);
    reactor_queue_flush(r, c);
    return &c->outbox->text;
}

ON_REACTOR bool outbox_close(struct reactor *r, struct conn *c)
{
    if (c->outbox && !c->outbox->text.failed)
        return true;
    logline_limited(&r->broker->sink, &r->broker->causes.memory, LOGLINE_ERROR,
                    "no memory for an answer: its connection was dropped");
    conn_drop(r, c, true);
    return false;
}

ON_REACTOR bool outbox_add(struct reactor *r, struct conn *c, struct bytes b)
{
    struct text *out = outbox_open(r, c);
    if (out)
        text_add(out, b);
    return outbox_close(r, c);
}

ON_REACTOR bool outbox_add_frame(struct reactor *r, struct conn *c, unsigned opcode,
                                 struct bytes payload)
{
    uint8_t head[10];
    struct text *out = outbox_open(r, c);
    if (out) {
        text_add(out, (struct bytes){head, ws_encode_head(head, opcode, payload.len)});
        text_add(out, payload);
    }
    return outbox_close(r, c);
}

ON_REACTOR void outbox_charge(struct reactor *r, struct conn *c)
{
    struct outbox *o = c->outbox;
    if (!o || o->text.capacity <= o->charged)
        return;
    o->budget = &r->broker->answer_bytes;
    atomic_fetch_add_explicit(o->budget, o->text.capacity - o->charged, memory_order_relaxed);
    o->charged = o->text.capacity;
}

ON_REACTOR bool outbox_is_over_budget(const struct reactor *r)
{
    const struct broker *b = r->broker;
    const uint64_t unread = atomic_load_explicit(&b->answer_bytes, memory_order_relaxed);
    return unread > b->settings.body_bytes_max / 2;
}

void outbox_free(struct outbox **o_ptr)
{
    if (!*o_ptr)
        return;
    if ((*o_ptr)->budget)
        atomic_fetch_sub_explicit((*o_ptr)->budget, (*o_ptr)->charged, memory_order_relaxed);
    text_fini(&(*o_ptr)->text);
    alloc_free(*o_ptr);
    *o_ptr = NULL;
}
