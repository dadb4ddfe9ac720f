/* From the caller's thread by mail, then behind what the peer is owed already, in its own form. */
#include "conn/direct.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/writer.h"
#include "conn/goodbye.h"
#include "conn/notice.h"
#include "conn/outbox.h"
#include "conn/reactor.h"
#include "sse/sse.h"
#include "ws/ws.h"

#include <errno.h>

enum {
    LETTER_OVERHEAD = 256,
    OWED_MIN = 1 << 20, /* what a peer may owe taking before it is too slow, or one message */
};
#define LETTERS_BYTES_MAX (64ull << 20) /* on their way to reactors, on all of them */

struct letter {
    struct mail mail;
    uint32_t slot, generation;
    bool is_end;
    unsigned code; /* of the end */
    enum message_kind kind;
    size_t len;
    uint8_t body[]; /* or the reason; then NUL */
};

/* --- writing ---------------------------------------------------------------------------------- */

/* One at least, however long; and who is too much can always be ended. */
static bool charge(struct broker *b, uint64_t size, bool is_end)
{
    const uint64_t before = atomic_fetch_add_explicit(&b->letter_bytes, size, memory_order_relaxed);
    if (is_end || before == 0 || before + size <= LETTERS_BYTES_MAX)
        return true;
    atomic_fetch_sub_explicit(&b->letter_bytes, size, memory_order_relaxed);
    return false;
}

static void tear_up(struct broker *b, struct letter *l)
{
    atomic_fetch_sub_explicit(&b->letter_bytes, l->len + LETTER_OVERHEAD, memory_order_relaxed);
    alloc_free(l);
}

static ENTERS_REACTOR void open_letter(struct reactor *r, struct mail *m);

static int post(struct broker *b, uint64_t peer, const struct letter *what, struct bytes body)
{
    struct peer_name name;
    if (!peer_parse(b, peer, &name))
        return -ENOENT;
    struct reactor *r = &b->reactors[name.reactor];
    if (conn_generation(&r->conns[name.slot]) != name.generation)
        return -ENOENT;
    if (!charge(b, body.len + LETTER_OVERHEAD, what->is_end))
        return -EAGAIN;
    struct letter *l = alloc_bytes(sizeof(*l) + body.len + 1);
    if (!l) {
        atomic_fetch_sub_explicit(&b->letter_bytes, body.len + LETTER_OVERHEAD,
                                  memory_order_relaxed);
        return -ENOMEM;
    }
    *l = *what;
    l->mail.open = open_letter;
    l->slot = name.slot;
    l->generation = name.generation;
    l->len = body.len;
    if (body.len > 0)
        memcpy(l->body, body.at, body.len);
    l->body[body.len] = '\0';
    mail_send(r, &l->mail);
    return 0;
}

int direct_send(struct broker *b, uint64_t peer, enum message_kind kind, struct bytes body)
{
    return post(b, peer, &(struct letter){.kind = kind}, body);
}

int direct_close(struct broker *b, uint64_t peer, unsigned code, struct bytes reason)
{
    return post(b, peer, &(struct letter){.is_end = true, .code = code}, reason);
}

/* --- delivering ------------------------------------------------------------------------------- */

/* What is for JSON: {"direct":{"data":…}}, base64 for binary. */
static void add_json(struct text *out, const struct letter *l)
{
    const struct bytes body = {l->body, l->len};
    if (l->kind == MESSAGE_TEXT) {
        text_add_str(out, "{\"direct\":{\"data\":");
        text_add_json(out, body);
    } else {
        struct writer size = {0};
        writer_put_base64(&size, body);
        text_add_str(out, "{\"direct\":{\"base64\":\"");
        struct writer w = {.at = text_extend(out, size.len)};
        if (w.at)
            writer_put_base64(&w, body);
        text_add_str(out, "\"");
    }
    text_add_str(out, "}}");
}

static ON_REACTOR bool add_event(struct reactor *r, struct conn *c, struct bytes body,
                                 enum message_kind kind)
{
    struct text event = {0};
    sse_add_direct(&event, body, kind);
    return notice_event(r, c, &event);
}

static ON_REACTOR bool add_in_json(struct reactor *r, struct conn *c, const struct letter *l)
{
    struct text json = {0};
    bool added = false;
    add_json(&json, l);
    if (json.failed)
        conn_drop(r, c, true);
    else if (c->phase == CONN_WS)
        added = outbox_add_frame(r, c, WS_TEXT, text_bytes(&json));
    else
        added = add_event(r, c, text_bytes(&json), MESSAGE_TEXT);
    text_fini(&json);
    return added;
}

/* False: it is gone. */
static ON_REACTOR bool add(struct reactor *r, struct conn *c, const struct letter *l)
{
    switch (c->wire) {
    case WIRE_WS:
    case WIRE_WS_DEFLATE:
        return outbox_add_frame(r, c, l->kind == MESSAGE_TEXT ? WS_TEXT : WS_BINARY,
                                (struct bytes){l->body, l->len});
    case WIRE_SSE_CHUNKED:
    case WIRE_SSE_PLAIN:
        return add_event(r, c, (struct bytes){l->body, l->len}, l->kind);
    case WIRE_WS_JSON:
    case WIRE_WS_JSON_DEFLATE:
    case WIRE_SSE_JSON_CHUNKED:
    case WIRE_SSE_JSON_PLAIN:
        return add_in_json(r, c, l);
    case WIRE_POLL:
    case WIRE_LOCAL:
    case WIRES:
        break;
    }
    UNREACHABLE("wire");
}

/* It does not take what it is sent: too much of it, or with others like it. */
static ON_REACTOR bool owes_too_much(const struct reactor *r, const struct conn *c)
{
    const size_t max = r->broker->settings.message_bytes_max;
    if (outbox_len(c->outbox) > (max > OWED_MIN ? max : OWED_MIN))
        return true;
    return conn_has(c, CONN_POLLING_OUT) && outbox_is_over_budget(r);
}

static ON_REACTOR void deliver(struct reactor *r, struct conn *c, const struct letter *l)
{
    if (c->phase != CONN_WS && c->phase != CONN_SSE)
        return;
    if (owes_too_much(r, c)) {
        stat_add(&r->stats.slow_closes, 1);
        goodbye(r, c, WS_CLOSE_TRY_LATER, "too slow: what it was sent was not taken");
    } else if (!conn_has(c, CONN_CLOSE_SENT) && add(r, c, l)) {
        outbox_charge(r, c);
    }
}

static ON_REACTOR void end(struct reactor *r, struct conn *c, const struct letter *l)
{
    const char *reason = (const char *)l->body;
    if (c->phase == CONN_ENDING)
        return; /* its last words are on their way */
    peer_will_end(r, c, l->code, reason);
    if (c->phase == CONN_WS || c->phase == CONN_SSE)
        goodbye(r, c, l->code, reason);
    else
        conn_drop(r, c, false);
}

static ON_REACTOR bool is_about_to_stream(const struct reactor *r, const struct conn *c)
{
    const struct peer *p = peer_of(r, c);
    return c->phase == CONN_HTTP && p && p->said && (p->proto == PEER_WS || p->proto == PEER_SSE);
}

static ENTERS_REACTOR void open_letter(struct reactor *r, struct mail *m)
{
    struct letter *l = (struct letter *)m;
    struct conn *c = reactor_conn(r, l->slot);
    if (conn_generation(c) == l->generation && c->phase != CONN_FREE && c->phase != CONN_CLOSED) {
        if (l->is_end) {
            end(r, c, l);
        } else if (is_about_to_stream(r, c)) {
            m->next = peer_of(r, c)->letters;
            peer_of(r, c)->letters = m;
            return;
        } else {
            deliver(r, c, l);
        }
    }
    tear_up(r->broker, l);
}

ON_REACTOR void direct_open_letters(struct reactor *r, struct conn *c)
{
    struct peer *p = peer_of(r, c);
    if (!p)
        return;
    struct mail *m = mail_turned_round(p->letters);
    p->letters = NULL;
    while (m) {
        struct mail *next = m->next;
        open_letter(r, m);
        m = next;
    }
}

ON_REACTOR void direct_return_letters(struct reactor *r, struct peer *p)
{
    while (p->letters) {
        struct mail *m = p->letters;
        p->letters = m->next;
        tear_up(r->broker, (struct letter *)m);
    }
}
