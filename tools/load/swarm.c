/* Subscribers: dialing, the handshake, and from bytes to messages. A connection that fails is not
 * tried again: it is a finding. */
#include "load/swarm.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "load/events.h"
#include "load/frames.h"
#include "load/poll.h"

#include <errno.h>
#include <stdio.h>

#define NS_PER_S UINT64_C(1000000000)

static const struct engine_kind swarm_kind;

int swarm_init(struct swarm *s, struct engine *e, const struct swarm_plan *plan,
               struct swarm_hooks hooks)
{
    *s = (struct swarm){.engine = e, .plan = plan, .hooks = hooks};
    s->slots = alloc_bytes(plan->count * sizeof(*s->slots));
    if (!s->slots)
        return -ENOMEM;
    memset(s->slots, 0xff, plan->count * sizeof(*s->slots)); /* SWARM_NO_SLOT */
    e->kinds[SWARM_KIND].kind = &swarm_kind;
    e->kinds[SWARM_KIND].user = s;
    return 0;
}

void swarm_fini(struct swarm *s)
{
    alloc_free(s->slots);
    text_fini(&s->request);
}

static const struct swarm_target *target_of(const struct swarm *s, uint32_t number)
{
    return &s->plan->targets[number % s->plan->target_count];
}

static bool is_ws(const struct swarm *s, const struct peer *p)
{
    return target_of(s, p->number)->handshake.url->scheme == URL_WS;
}

static bool polls(const struct swarm *s, const struct peer *p)
{
    return target_of(s, p->number)->handshake.polls;
}

/* --- opening ---------------------------------------------------------------------------------- */

static bool may_dial(const struct swarm *s)
{
    return s->dialed < s->plan->count && s->opening + s->leaving < SWARM_OPENING_MAX &&
           s->engine->socket_count < s->engine->slot_count;
}

/* When the next one is due. */
static uint64_t dial_due_ns(const struct swarm *s)
{
    if (s->plan->rate == 0 || s->dialed == 0)
        return 0;
    /* In two steps, or a million connections would not fit in 64 bits. */
    const uint64_t whole = s->dialed / s->plan->rate, part = s->dialed % s->plan->rate;
    return s->began_ns + whole * NS_PER_S + part * NS_PER_S / s->plan->rate;
}

static ON_REACTOR void dial_one(struct swarm *s)
{
    const struct swarm_plan *plan = s->plan;
    const uint32_t number = s->dialed++;
    const int64_t slot = engine_dial(s->engine, SWARM_KIND, &target_of(s, number)->remote,
                                     sources_for(&plan->sources, number));
    if (slot < 0) {
        s->failed++;
        failures_add(&s->failures, strerror((int)-slot));
        return;
    }
    engine_peer(s->engine, (uint32_t)slot)->number = number;
    s->slots[number] = (uint32_t)slot;
    s->opening++;
}

static ON_REACTOR void dial_due(struct swarm *s)
{
    if (s->dialed == 0)
        s->began_ns = clock_monotonic_ns();
    const uint64_t now_ns = clock_monotonic_ns();
    while (may_dial(s) && dial_due_ns(s) <= now_ns && !swarm_is_hopeless(s))
        dial_one(s);
}

static ON_REACTOR void on_connected(void *user, uint32_t slot)
{
    struct swarm *s = user;
    const uint32_t number = engine_peer(s->engine, slot)->number;
    s->request.len = 0;
    handshake_add_request(&s->request, &target_of(s, number)->handshake, number);
    if (s->request.failed)
        engine_fail(s->engine, slot, strerror(ENOMEM));
    else
        engine_send(s->engine, slot, text_bytes(&s->request));
}

static ON_REACTOR void become_open(struct swarm *s, uint32_t slot)
{
    struct peer *p = engine_peer(s->engine, slot);
    p->state = PEER_OPEN;
    s->opening--;
    s->opened++;
    s->open++;
    latency_record(&s->handshake, s->engine->now_ns - p->began_ns);
    p->place = (struct checker_place){0};
    if (s->hooks.opened)
        s->hooks.opened(s->hooks.user, slot);
}

static ON_REACTOR void begin_stream(struct swarm *s, uint32_t slot, const struct response *r)
{
    struct peer *p = engine_peer(s->engine, slot);
    if (!is_ws(s, p) && response_body_init(r, &p->body))
        p->flags |= PEER_FRAMED;
    become_open(s, slot);
}

/* True: *in is past the head of the answer, and the subscriber is in. */
static ON_REACTOR bool take_answer(struct swarm *s, uint32_t slot, struct span *in)
{
    struct response r;
    size_t head_len;
    const uint32_t number = engine_peer(s->engine, slot)->number;
    char room[HANDSHAKE_WHY_MAX];
    for (;;) {
        switch (response_parse(span_bytes(*in), &r, &head_len)) {
        case RESPONSE_MORE:
            return false;
        case RESPONSE_BAD:
            engine_fail(s->engine, slot, "an answer that is no HTTP");
            return false;
        case RESPONSE_DONE:
            break;
        }
        *in = span_skip(*in, head_len);
        if (r.status >= 200 || r.status == 101)
            break; /* else: an interim answer (RFC 9110, 15.2) */
    }
    const char *why = handshake_fault(&target_of(s, number)->handshake, &r, room);
    if (!why && r.closes && events_is_refusal(span_bytes(*in)))
        why = "refused: a stream that only says when to come again";
    if (why)
        engine_fail(s->engine, slot, why);
    else
        begin_stream(s, slot, &r);
    return !why;
}

/* --- reading ---------------------------------------------------------------------------------- */

static ON_REACTOR void on_message(struct swarm *s, uint32_t slot, struct bytes message)
{
    s->messages++;
    if (s->hooks.message)
        s->hooks.message(s->hooks.user, slot, message);
}

/* The server ends it, in the words of its protocol. A WebSocket owes it an answer (RFC 6455,
 * 5.5.1). */
static ON_REACTOR void take_leave(struct swarm *s, uint32_t slot)
{
    s->told++;
    swarm_leave(s, slot);
}

static ON_REACTOR void on_close_frame(struct swarm *s, uint32_t slot,
                                      const struct frames_step *step)
{
    char why[FAILURE_TEXT_MAX];
    struct peer *p = engine_peer(s->engine, slot);
    if (p->flags & PEER_LEAVING)
        return; /* the end of the stream follows */
    if (s->draining && step->code == WS_CLOSE_GOING_AWAY) {
        take_leave(s, slot);
        return;
    }
    snprintf(why, sizeof(why), "closed by the server: %u %.*s", step->code,
             (int)(step->slice.len < 60 ? step->slice.len : 60), (const char *)step->slice.at);
    engine_fail(s->engine, slot, why);
}

static ON_REACTOR void on_frame(struct swarm *s, uint32_t slot, enum frames_event event,
                                const struct frames_step *step)
{
    switch (event) {
    case FRAMES_MESSAGE:
        on_message(s, slot, step->slice);
        return;
    case FRAMES_PING:
        s->pings++;
        engine_send_frame(s->engine, slot, WS_PONG, step->slice);
        return;
    case FRAMES_CLOSE:
        on_close_frame(s, slot, step);
        return;
    case FRAMES_WRONG:
        engine_fail(s->engine, slot, step->why);
        return;
    case FRAMES_MORE:
    case FRAMES_PONG:
        return;
    }
}

static ON_REACTOR struct span take_frames(struct swarm *s, uint32_t slot, struct span in)
{
    const struct peer *p = engine_peer(s->engine, slot);
    struct frames_step step;
    while (p->state == PEER_OPEN && in.len > 0) {
        const enum frames_event event = frames_next(&in, &step);
        if (event == FRAMES_MORE)
            break;
        on_frame(s, slot, event, &step);
    }
    return in;
}

/* Of the framing (chunks) only what is new has to be freed. */
static ON_REACTOR struct span take_events(struct swarm *s, uint32_t slot, struct span in,
                                          size_t old)
{
    struct peer *p = engine_peer(s->engine, slot);
    enum events_unframe unframed = EVENTS_GOES_ON;
    struct bytes data;
    if (p->flags & PEER_FRAMED) {
        struct span raw = span_skip(in, old);
        unframed = events_unframe(&p->body, &raw);
        in.len = old + raw.len;
    }
    struct bytes left = span_bytes(in);
    while (p->state == PEER_OPEN && events_next(&left, &data))
        on_message(s, slot, data);
    if (unframed == EVENTS_ENDED && p->state == PEER_OPEN && s->draining)
        take_leave(s, slot);
    else if (unframed != EVENTS_GOES_ON && p->state == PEER_OPEN)
        engine_fail(s->engine, slot,
                    unframed == EVENTS_BAD ? "chunks that are none"
                                           : "the server ended the stream");
    return span_skip(in, in.len - left.len);
}

static ON_REACTOR void ask_again(struct swarm *s, uint32_t slot, struct bytes cursor)
{
    const uint32_t number = engine_peer(s->engine, slot)->number;
    s->request.len = 0;
    handshake_add_poll(&s->request, &target_of(s, number)->handshake, number, cursor);
    if (s->request.failed)
        engine_fail(s->engine, slot, strerror(ENOMEM));
    else
        engine_send(s->engine, slot, text_bytes(&s->request));
}

/* The first answer lets a poller in. */
static ON_REACTOR void on_poll_answer(struct swarm *s, uint32_t slot, const struct poll_answer *a)
{
    char why[FAILURE_TEXT_MAX];
    struct bytes body = a->body, message;
    const struct peer *p = engine_peer(s->engine, slot);
    if ((a->status != 200 && a->status != 204) || !a->cursor.at) {
        snprintf(why, sizeof(why), "a poll is answered: HTTP %u", a->status);
        engine_fail(s->engine, slot, why);
        return;
    }
    if (p->state == PEER_OPENING)
        become_open(s, slot);
    while (p->state == PEER_OPEN && poll_next(&body, &message))
        on_message(s, slot, message);
    if (p->state == PEER_OPEN)
        ask_again(s, slot, a->cursor);
}

static ON_REACTOR struct span take_poll(struct swarm *s, uint32_t slot, struct span in)
{
    struct bytes left = span_bytes(in);
    struct poll_answer answer;
    switch (poll_parse(&left, &answer)) {
    case POLL_MORE:
        break;
    case POLL_BAD:
        engine_fail(s->engine, slot, "an answer that is no HTTP, or has no length");
        break;
    case POLL_DONE:
        on_poll_answer(s, slot, &answer);
        break;
    }
    return span_skip(in, in.len - left.len);
}

static ON_REACTOR struct span on_received(void *user, uint32_t slot, struct span in, size_t old)
{
    struct swarm *s = user;
    const struct peer *p = engine_peer(s->engine, slot);
    if (polls(s, p))
        return take_poll(s, slot, in);
    if (p->state == PEER_OPENING) {
        if (!take_answer(s, slot, &in))
            return in;
        old = 0;
    }
    return is_ws(s, p) ? take_frames(s, slot, in) : take_events(s, slot, in, old);
}

/* --- ending ----------------------------------------------------------------------------------- */

static void on_ended(void *user, uint32_t slot, const char *why)
{
    struct swarm *s = user;
    const struct peer *p = engine_peer(s->engine, slot);
    s->slots[p->number] = SWARM_NO_SLOT;
    if (p->state == PEER_OPEN && p->flags & PEER_LEAVING) {
        s->leaving--;
        return;
    }
    failures_add(&s->failures, why);
    if (p->state == PEER_OPEN) {
        s->open--;
        s->dropped++;
        if (s->hooks.dropped)
            s->hooks.dropped(s->hooks.user, slot);
    } else {
        s->opening--;
        s->failed++;
    }
}

static const struct engine_kind swarm_kind = {
    .connected = on_connected, .received = on_received, .ended = on_ended};

void swarm_leave(struct swarm *s, uint32_t slot)
{
    struct peer *p = engine_peer(s->engine, slot);
    uint8_t normal[2];
    ASSERT(p->state == PEER_OPEN);
    s->open--;
    if (!is_ws(s, p)) {
        s->slots[p->number] = SWARM_NO_SLOT;
        engine_close(s->engine, slot, IO_CLOSE_RESET);
        return;
    }
    p->flags |= PEER_LEAVING;
    p->began_ns = s->engine->now_ns; /* its books are closed */
    s->leaving++;
    store_be(normal, sizeof(normal), WS_CLOSE_NORMAL);
    engine_send_frame(s->engine, slot, WS_CLOSE, (struct bytes){normal, sizeof(normal)});
}

void swarm_cut(struct swarm *s)
{
    for (uint32_t number = 0; number < s->dialed; number++) {
        const uint32_t slot = s->slots[number];
        if (slot == SWARM_NO_SLOT || engine_peer(s->engine, slot)->state != PEER_OPEN)
            continue;
        s->open--;
        s->slots[number] = SWARM_NO_SLOT;
        engine_close(s->engine, slot, IO_CLOSE_RESET);
    }
}

static ON_REACTOR void give_up(struct swarm *s, uint32_t slot)
{
    const struct peer *p = engine_peer(s->engine, slot);
    if (p->state == PEER_OPEN) { /* leaving */
        failures_add(&s->failures, "no answer to a close in time");
        s->dropped++;
        engine_fail(s->engine, slot, "");
    } else {
        engine_fail(s->engine, slot,
                    p->state == PEER_CONNECTING ? "no connection in time" : "no answer in time");
    }
}

/* They were dialed in the order of their numbers, so the first one that is not late ends it. */
static ON_REACTOR void expire(struct swarm *s)
{
    for (; s->oldest < s->dialed; s->oldest++) {
        const uint32_t slot = s->slots[s->oldest];
        if (slot == SWARM_NO_SLOT)
            continue;
        const struct peer *p = engine_peer(s->engine, slot);
        if (p->state == PEER_OPEN && !(p->flags & PEER_LEAVING))
            continue;
        if (s->engine->now_ns < p->began_ns + s->plan->timeout_ns)
            return;
        give_up(s, slot);
    }
}

void swarm_turn(struct swarm *s, uint64_t until_ns)
{
    const uint64_t limit_ns = clock_monotonic_ns() + SWARM_TURN_MS * UINT64_C(1000000);
    if (until_ns > limit_ns)
        until_ns = limit_ns;
    dial_due(s);
    if (may_dial(s) && dial_due_ns(s) < until_ns)
        until_ns = dial_due_ns(s);
    engine_turn(s->engine, until_ns);
    expire(s);
}

bool swarm_is_settled(const struct swarm *s)
{
    const bool all = s->dialed == s->plan->count || swarm_is_hopeless(s);
    return all && s->opening == 0 && s->leaving == 0;
}

bool swarm_is_hopeless(const struct swarm *s)
{
    return s->opened == 0 && s->failed >= SWARM_HOPELESS;
}
