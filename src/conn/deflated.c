/* Inflates into the body, within the limits of messages; compresses what goes to one peer alone. */
#include "conn/deflated.h"

#include "base/utf8.h"
#include "conn/inbound.h"
#include "conn/outbox.h"
#include "conn/reactor.h"
#include "conn/wire.h"
#include "ws/deflate.h"
#include "ws/inflate.h"

/* What they take, once they were used (inflate.h, deflate.h). */
enum { INFLATER_BYTES = 40 << 10, DEFLATER_BYTES = 128 << 10, DEFLATER_WINDOWS = 4 };

/* --- contexts that are kept ------------------------------------------------------------------- */

static unsigned window_bits(uint8_t deflate)
{
    return deflate >> CONN_DEFLATE_BITS_SHIFT;
}

static uint64_t contexts_bytes(uint8_t deflate)
{
    const uint64_t in = deflate & CONN_DEFLATE_PEER_KEEPS ? INFLATER_BYTES : 0;
    const uint64_t out = deflate & CONN_DEFLATE_WE_KEEP
                             ? DEFLATER_BYTES + ((uint64_t)DEFLATER_WINDOWS << window_bits(deflate))
                             : 0;
    return in + out;
}

ON_REACTOR bool deflated_agree(struct reactor *r, struct conn *c, uint8_t deflate)
{
    struct broker *b = r->broker;
    const uint64_t bytes = contexts_bytes(deflate);
    const uint64_t before =
        atomic_fetch_add_explicit(&b->context_bytes, bytes, memory_order_relaxed);
    if (bytes > 0 && before + bytes > b->settings.body_bytes_max / 2) {
        atomic_fetch_sub_explicit(&b->context_bytes, bytes, memory_order_relaxed);
        return false;
    }
    c->deflate = deflate;
    return true;
}

ON_REACTOR void deflated_release(struct reactor *r, struct conn *c)
{
    const uint64_t bytes = contexts_bytes(c->deflate);
    if (bytes > 0)
        atomic_fetch_sub_explicit(&r->broker->context_bytes, bytes, memory_order_relaxed);
    c->deflate = 0;
}

/* --- in --------------------------------------------------------------------------------------- */

/* The reactor keeps one inflater for whoever is in the middle of a message next. */
static ON_REACTOR bool take_inflater(struct reactor *r, struct conn *c)
{
    struct inbound *in = inbound_get(r, c);
    if (!in)
        return false;
    in->state = INBOUND_WS;
    if (in->inflater)
        return true;
    in->inflater = r->spare_inflater ? r->spare_inflater : ws_inflater_new();
    r->spare_inflater = NULL;
    if (in->inflater && !(c->deflate & CONN_DEFLATE_PEER_KEEPS))
        inbound_charge_inflater(r, in, INFLATER_BYTES);
    return in->inflater != NULL;
}

static ON_REACTOR void give_inflater_back(struct reactor *r, struct inbound *in)
{
    inbound_charge_inflater(r, in, 0);
    if (r->spare_inflater) {
        ws_inflater_free(&in->inflater);
        return;
    }
    ws_inflater_reset(in->inflater);
    r->spare_inflater = in->inflater;
    in->inflater = NULL;
}

/* What came out of the last step: from `before` on. */
static ON_REACTOR enum inflated judge(const struct reactor *r, struct inbound *in, size_t before,
                                      bool is_text)
{
    const struct bytes fresh = {in->body.at + before, in->body.len - before};
    if (in->body.len > r->broker->settings.message_bytes_max)
        return INFLATED_TOO_LONG;
    return !is_text || utf8_stream(&in->utf8, fresh) ? INFLATED_FINE : INFLATED_BAD_TEXT;
}

static ON_REACTOR enum inflated inflate_into_body(struct reactor *r, struct inbound *in,
                                                  struct bytes part, bool is_text)
{
    enum ws_inflate step;
    do {
        struct span room;
        if (inbound_body_room(r, in, &room) != 0)
            return INFLATED_NO_MEMORY;
        const size_t before = in->body.len, room_len = room.len;
        step = ws_inflate(in->inflater, &part, &room);
        in->body.len += room_len - room.len;
        const enum inflated judged = judge(r, in, before, is_text);
        if (judged != INFLATED_FINE)
            return judged;
    } while (step == WS_INFLATE_FULL);
    return step == WS_INFLATE_MORE  ? INFLATED_FINE
           : step == WS_INFLATE_BAD ? INFLATED_BAD
                                    : INFLATED_NO_MEMORY;
}

ON_REACTOR enum inflated deflated_add(struct reactor *r, struct conn *c, struct bytes part,
                                      enum ws_opcode opcode)
{
    if (!take_inflater(r, c))
        return INFLATED_NO_MEMORY;
    return inflate_into_body(r, c->inbound, part, opcode == WS_TEXT);
}

ON_REACTOR enum inflated deflated_finish(struct reactor *r, struct conn *c, enum ws_opcode opcode)
{
    if (!take_inflater(r, c)) /* an empty frame has no part */
        return INFLATED_NO_MEMORY;
    struct inbound *in = c->inbound;
    const enum inflated tail =
        inflate_into_body(r, in, ws_inflate_tail(in->inflater), opcode == WS_TEXT);
    if (tail != INFLATED_FINE)
        return tail;
    if (!ws_inflate_is_whole(in->inflater))
        return INFLATED_BAD;
    if (in->utf8 != 0)
        return INFLATED_BAD_TEXT;
    if (!(c->deflate & CONN_DEFLATE_PEER_KEEPS))
        give_inflater_back(r, in);
    return INFLATED_FINE;
}

/* --- out -------------------------------------------------------------------------------------- */

ON_REACTOR bool deflated_is_due(const struct reactor *r, const struct conn *c, size_t len)
{
    return c->deflate != 0 && len > 0 && len <= WS_DEFLATE_MAX &&
           len >= r->broker->settings.deflate_bytes_min;
}

/* Where the one for this peer's messages is kept; NULL: it is not. */
static ON_REACTOR struct ws_deflater **kept_deflater(struct reactor *r, struct conn *c)
{
    if (c->deflate & CONN_DEFLATE_WE_KEEP)
        return inbound_get(r, c) ? &c->inbound->deflater : NULL;
    return &r->deflater;
}

static ON_REACTOR bool compress(struct reactor *r, struct conn *c, struct bytes payload,
                                struct text *out)
{
    const bool keeps = c->deflate & CONN_DEFLATE_WE_KEEP;
    const bool is_odd = !keeps && window_bits(c->deflate) != WIRE_WINDOW_BITS;
    struct ws_deflater *odd = NULL;
    struct ws_deflater **d = is_odd ? &odd : kept_deflater(r, c);
    if (d && !*d)
        *d = ws_deflater_new(window_bits(c->deflate), keeps);
    const bool done = d && *d && ws_deflate(*d, payload, out);
    if (!keeps && d && *d)
        ws_deflater_reset(*d);
    ws_deflater_free(&odd);
    return done;
}

ON_REACTOR bool deflated_send(struct reactor *r, struct conn *c, struct bytes payload,
                              enum ws_opcode opcode)
{
    struct text packed = {0};
    const bool done = compress(r, c, payload, &packed);
    /* What the peer is to remember has to be sent. */
    const bool is_worth_it = packed.len < payload.len || (c->deflate & CONN_DEFLATE_WE_KEEP);
    if (done)
        (void)!outbox_add_frame(r, c, is_worth_it ? WS_COMPRESSED | opcode : opcode,
                                is_worth_it ? text_bytes(&packed) : payload);
    text_fini(&packed);
    return done;
}
