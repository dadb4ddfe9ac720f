/* Frames in, publishes out. Between messages nothing is kept: the reader lives on the stack. */
#include "conn/websocket.h"

#include "conn/deflated.h"
#include "conn/echo.h"
#include "conn/goodbye.h"
#include "conn/inbound.h"
#include "conn/outbox.h"
#include "conn/ping.h"
#include "conn/publish.h"
#include "conn/reactor.h"

#include <errno.h>

enum {
    WAIT_RETRY_MS = 20,
    WAIT_MAX_MS = 10000, /* for room in the log or in the body budget */
};

/* What lies in the receive buffer: payload, so that a message that came whole is published from
 * there, and frames that go back. */
struct pending {
    struct span slice;
    struct echo_run echo;
};

static ON_REACTOR void log_no_memory(struct reactor *r)
{
    logline_limited(&r->broker->sink, &r->broker->causes.memory, LOGLINE_ERROR,
                    "no memory for a WebSocket message: its sender was closed");
}

static ON_REACTOR void no_memory(struct reactor *r, struct conn *c)
{
    log_no_memory(r);
    goodbye(r, c, WS_CLOSE_INTERNAL, "out of memory");
}

static ON_REACTOR bool begin_wait(struct reactor *r, struct conn *c, enum inbound_wait wait)
{
    if (!inbound_get(r, c)) {
        no_memory(r, c);
        return false;
    }
    c->inbound->state = INBOUND_WS;
    inbound_begin_wait(r, c, wait, WAIT_RETRY_MS);
    return true;
}

static bool is_waiting(const struct conn *c)
{
    return c->inbound && c->inbound->wait != WAIT_NONE;
}

/* --- messages --------------------------------------------------------------------------------- */

/* Of the server's memory for messages: unfinished ones, and echoes that nobody takes. */
static ON_REACTOR bool is_over_budget(const struct reactor *r, const struct conn *c)
{
    return inbound_is_over_budget(r, c->inbound, 0) || (echo_is_for(c) && outbox_is_over_budget(r));
}

/* Moves what is pending out of the receive buffer. */
static ON_REACTOR void keep_pending(struct reactor *r, struct conn *c, struct pending *p)
{
    if (p->slice.len == 0)
        return;
    struct inbound *in = inbound_get(r, c);
    if (!in || inbound_add(r, in, &in->body, span_bytes(p->slice)) != 0) {
        no_memory(r, c);
        return;
    }
    in->state = INBOUND_WS;
    p->slice = (struct span){0};
    if (is_over_budget(r, c))
        (void)begin_wait(r, c, WAIT_MEMORY);
}

static ON_REACTOR void on_data(struct reactor *r, struct conn *c, struct pending *p,
                               struct span slice)
{
    const bool first = p->slice.len == 0 && (!c->inbound || c->inbound->body.len == 0);
    keep_pending(r, c, p);
    p->slice = slice;
    if (!first && c->phase == CONN_WS)
        keep_pending(r, c, p);
}

static ON_REACTOR void denied(struct reactor *r, struct conn *c)
{
    stat_add(&r->stats.rejected[REJECTED_denied], 1);
    goodbye(r, c, WS_CLOSE_POLICY, "publishing this was denied");
}

/* The log is full: as long as the message waits, its body stays charged. */
static ON_REACTOR void wait_for_room(struct reactor *r, struct conn *c, struct message **kept)
{
    if (begin_wait(r, c, WAIT_ROOM))
        c->inbound->message = *kept;
    else
        message_unref(kept);
}

/* The verdict comes by mail: no need to look again and again. */
static ON_REACTOR void wait_for_verdict(struct reactor *r, struct conn *c, struct message **kept)
{
    if (!begin_wait(r, c, WAIT_VERDICT)) {
        message_unref(kept);
        return;
    }
    inbound_keep_message(r, c->inbound, kept);
    conn_set_timer(r, c, VERDICT_MS);
    if (!inbound_is_over_budget(r, c->inbound, 0))
        return;
    stat_add(&r->stats.rejected[REJECTED_memory], 1);
    goodbye(r, c, WS_CLOSE_TRY_LATER, "no room for messages, try again");
}

static ON_REACTOR void publish(struct reactor *r, struct conn *c, struct bytes payload,
                               enum message_kind kind)
{
    struct message *kept = NULL;
    switch (publish_from_websocket(r, c, payload, kind, &kept)) {
    case PUBLISH_TAKEN:
        return;
    case PUBLISH_NO_MEMORY:
        stat_add(&r->stats.rejected[REJECTED_memory], 1);
        no_memory(r, c);
        return;
    case PUBLISH_DENIED:
        denied(r, c);
        return;
    case PUBLISH_FULL:
        wait_for_room(r, c, &kept);
        return;
    case PUBLISH_LATER:
        wait_for_verdict(r, c, &kept);
        return;
    }
    UNREACHABLE("publish_result");
}

static ON_REACTOR bool may_publish(struct reactor *r, struct conn *c)
{
    const char *why = !set_only_topic(c->set)
                          ? "a connection of several topics or a pattern only listens"
                      : !conn_has(c, CONN_MAY_PUBLISH) ? "publishing needs the publish token"
                                                       : NULL;
    if (!why)
        return true;
    stat_add(&r->stats.rejected[REJECTED_not_allowed], 1);
    goodbye(r, c, WS_CLOSE_POLICY, why);
    return false;
}

/* Not read on until it has taken what it asked for. */
static ON_REACTOR void wait_if_owed_much(struct reactor *r, struct conn *c)
{
    const size_t owed = c->phase == CONN_WS ? outbox_len(c->outbox) : 0;
    if (owed > OUTBOX_PAUSE_BYTES || (owed > 0 && outbox_is_over_budget(r)))
        (void)begin_wait(r, c, WAIT_OUTBOX);
}

/* Publishes it, or sends it back. */
static ON_REACTOR void on_message(struct reactor *r, struct conn *c, struct pending *p,
                                  enum ws_opcode opcode)
{
    struct inbound *in = c->inbound;
    const bool whole = !in || in->body.len == 0;
    const struct span payload = whole ? p->slice : (struct span){in->body.at, in->body.len};
    if (echo_is_for(c)) {
        echo_message(r, c, &p->echo, payload, opcode);
        wait_if_owed_much(r, c);
    } else if (may_publish(r, c)) {
        publish(r, c, span_bytes(payload), opcode == WS_TEXT ? MESSAGE_TEXT : MESSAGE_BINARY);
    }
    p->slice = (struct span){0};
    if (c->inbound && (c->inbound->wait == WAIT_NONE || c->inbound->wait == WAIT_OUTBOX)) {
        inbound_clear_body(r, c->inbound);
        c->inbound->waited_for_memory = false;
    } /* while the message waits for room, its body stays charged */
}

/* --- control frames --------------------------------------------------------------------------- */

static ON_REACTOR void on_ping(struct reactor *r, struct conn *c, struct span payload)
{
    uint8_t frame[127];
    const size_t len = ws_encode_pong(frame, span_bytes(payload));
    if (outbox_add(r, c, (struct bytes){frame, len}))
        wait_if_owed_much(r, c);
}

static ON_REACTOR void on_violation(struct reactor *r, struct conn *c, unsigned code,
                                    const char *why)
{
    if (code == WS_CLOSE_TOO_BIG)
        stat_add(&r->stats.rejected[REJECTED_too_large], 1);
    if (code == WS_CLOSE_BAD_TEXT)
        stat_add(&r->stats.rejected[REJECTED_bad_text], 1);
    goodbye(r, c, code, why);
}

/* --- compressed messages ---------------------------------------------------------------------- */

static ON_REACTOR void on_bad_inflated(struct reactor *r, struct conn *c, enum inflated result)
{
    switch (result) {
    case INFLATED_BAD:
        on_violation(r, c, WS_CLOSE_BAD_TEXT, "a compressed message that deflate did not make");
        return;
    case INFLATED_BAD_TEXT:
        on_violation(r, c, WS_CLOSE_BAD_TEXT, "text that is not UTF-8");
        return;
    case INFLATED_TOO_LONG:
        on_violation(r, c, WS_CLOSE_TOO_BIG, "the message is too long");
        return;
    case INFLATED_NO_MEMORY:
        no_memory(r, c);
        return;
    case INFLATED_FINE:
        break;
    }
    UNREACHABLE("inflated");
}

/* A few bytes may become a million: while there is no room for that, they stay as they are. */
static ON_REACTOR void keep_compressed(struct reactor *r, struct conn *c, struct bytes part)
{
    struct inbound *in = inbound_get(r, c);
    if (!in || inbound_add(r, in, &in->packed, part) != 0)
        no_memory(r, c);
    else
        (void)begin_wait(r, c, WAIT_MEMORY);
}

static ON_REACTOR void on_compressed_data(struct reactor *r, struct conn *c, struct bytes part,
                                          enum ws_opcode opcode)
{
    if (is_over_budget(r, c)) {
        keep_compressed(r, c, part);
        return;
    }
    const enum inflated result = deflated_add(r, c, part, opcode);
    if (result != INFLATED_FINE)
        on_bad_inflated(r, c, result);
    else if (is_over_budget(r, c))
        (void)begin_wait(r, c, WAIT_MEMORY);
}

/* There is room again. */
static ON_REACTOR void inflate_kept(struct reactor *r, struct conn *c)
{
    struct text packed = c->inbound->packed;
    c->inbound->packed = (struct text){0};
    if (packed.len > 0)
        on_compressed_data(r, c, text_bytes(&packed),
                           (enum ws_opcode)c->inbound->ws.message_opcode);
    text_fini(&packed);
}

/* A receive may hold many messages that inflate to very much: others have their turn between. */
static ON_REACTOR void wait_for_turn(struct reactor *r, struct conn *c)
{
    if (c->phase != CONN_WS || is_waiting(c) || !reactor_slice_is_over(r))
        return;
    if (begin_wait(r, c, WAIT_TURN))
        reactor_queue_flush(r, c);
}

static ON_REACTOR void on_compressed_message(struct reactor *r, struct conn *c, struct pending *p,
                                             enum ws_opcode opcode)
{
    const enum inflated result = deflated_finish(r, c, opcode);
    if (result != INFLATED_FINE) {
        on_bad_inflated(r, c, result);
        return;
    }
    on_message(r, c, p, opcode);
    wait_for_turn(r, c);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* What is answered in words of our own, behind the echoes of what came before. */
static ON_REACTOR void on_control(struct reactor *r, struct conn *c, const struct ws_reader *reader,
                                  const struct ws_step *step)
{
    if (step->event == WS_EVENT_PING)
        on_ping(r, c, step->slice);
    else if (step->event == WS_EVENT_CLOSE)
        goodbye(r, c, reader->close_code, ""); /* the peer's code goes back (RFC 6455, 5.5.1) */
    else if (step->event == WS_EVENT_VIOLATION)
        on_violation(r, c, reader->close_code, step->why);
}

static ON_REACTOR void on_step(struct reactor *r, struct conn *c, const struct ws_reader *reader,
                               const struct ws_step *step, struct pending *p)
{
    switch (step->event) {
    case WS_EVENT_DATA:
        if (step->compressed)
            on_compressed_data(r, c, span_bytes(step->slice), step->opcode);
        else
            on_data(r, c, p, step->slice);
        return;
    case WS_EVENT_MESSAGE:
        if (step->compressed)
            on_compressed_message(r, c, p, step->opcode);
        else
            on_message(r, c, p, step->opcode);
        return;
    case WS_EVENT_PING:
    case WS_EVENT_CLOSE:
    case WS_EVENT_VIOLATION:
        echo_keep(r, c, &p->echo);
        if (c->phase == CONN_WS)
            on_control(r, c, reader, step);
        return;
    case WS_EVENT_PONG:
    case WS_EVENT_MORE:
        return;
    }
    UNREACHABLE("ws_event");
}

/* As far as it goes; *in is what is left. */
static ON_REACTOR void run(struct reactor *r, struct conn *c, struct span *in)
{
    const struct ws_limits limits = {r->broker->settings.message_bytes_max, c->deflate != 0};
    struct ws_reader reader = {0};
    struct ws_step step = {.event = WS_EVENT_DATA};
    struct pending pending = {.echo.left = *in};
    if (c->inbound)
        reader = c->inbound->ws;
    while (c->phase == CONN_WS && !is_waiting(c) && step.event != WS_EVENT_MORE) {
        step.event = ws_reader_next(&reader, in, &limits, &step);
        on_step(r, c, &reader, &step, &pending);
    }
    if (c->phase == CONN_WS)
        keep_pending(r, c, &pending);
    if (c->phase == CONN_WS && !ws_reader_is_idle(&reader) && !inbound_get(r, c))
        no_memory(r, c);
    if (c->phase == CONN_WS)
        echo_send(r, c, &pending.echo);
    if (c->phase != CONN_WS)
        return;
    if (c->inbound)
        c->inbound->ws = reader;
}

/* Between messages nothing is kept. */
static ON_REACTOR void free_if_idle(struct reactor *r, struct conn *c)
{
    const struct inbound *in = c->inbound;
    if (in && in->wait == WAIT_NONE && in->parked.len == 0 && in->body.len == 0 &&
        ws_reader_is_idle(&in->ws) && !in->inflater && !in->deflater)
        inbound_free(r, c);
}

ON_REACTOR void websocket_receive(struct reactor *r, struct conn *c, struct span in)
{
    if (c->deflate)
        wait_for_turn(r, c); /* others of this turn's receives may have inflated very much */
    if (c->phase == CONN_WS && !is_waiting(c))
        run(r, c, &in);
    if (c->phase != CONN_WS)
        return;
    if (inbound_park(r, c, span_bytes(in)) == 0) {
        free_if_idle(r, c);
        return;
    }
    log_no_memory(r);
    conn_drop(r, c, true); /* a goodbye could overtake echoes that are on their way */
}

ON_REACTOR void websocket_resume(struct reactor *r, struct conn *c)
{
    if (inbound_may_be_resumed(c))
        c->inbound->wait = WAIT_NONE;
    if (is_waiting(c) || !c->inbound)
        return;
    inflate_kept(r, c);
    if (c->phase != CONN_WS || is_waiting(c))
        return;
    struct text held = inbound_unpark(c);
    struct span in = {held.at, held.len};
    run(r, c, &in);
    if (inbound_repark(r, c, &held, held.len - in.len) != 0)
        no_memory(r, c);
    else if (c->phase == CONN_WS)
        free_if_idle(r, c);
}

/* --- verdicts --------------------------------------------------------------------------------- */

/* What it published may go on: into the log, if that has room. */
static ON_REACTOR void allowed(struct reactor *r, struct conn *c)
{
    struct inbound *in = c->inbound;
    if (publish_again(r, &in->message) != PUBLISH_TAKEN) {
        in->wait = WAIT_NONE; /* another wait, with a time of its own */
        inbound_begin_wait(r, c, WAIT_ROOM, WAIT_RETRY_MS);
        return;
    }
    inbound_clear_body(r, in);
    in->wait = WAIT_NONE;
    conn_set_timer(r, c, r->broker->settings.ping_ms);
    conn_resume_input(r, c);
}

ON_REACTOR void websocket_judged(struct reactor *r, struct conn *c, enum verdict v)
{
    if (v == VERDICT_ALLOW)
        allowed(r, c);
    else
        denied(r, c);
}

/* --- time ------------------------------------------------------------------------------------- */

static ON_REACTOR void on_no_verdict(struct reactor *r, struct conn *c)
{
    if (judge_give_up(r, c))
        goodbye(r, c, WS_CLOSE_TRY_LATER, "nobody could say in time whether this may be");
    else
        conn_set_timer(r, c, WAIT_RETRY_MS); /* the verdict is on its way */
}

/* Each time that it takes something of what it is owed, the wait begins anew. */
static uint32_t waits_since_ms(const struct conn *c)
{
    return c->inbound->wait == WAIT_OUTBOX ? c->heard_ms : c->inbound->wait_since_ms;
}

static ON_REACTOR void on_wait_timeout(struct reactor *r, struct conn *c)
{
    struct inbound *in = c->inbound;
    const bool too_long = r->now_ms - waits_since_ms(c) >= WAIT_MAX_MS;
    const bool over = in->wait == WAIT_ROOM     ? publish_again(r, &in->message) == PUBLISH_TAKEN
                      : in->wait == WAIT_MEMORY ? !is_over_budget(r, c)
                                                : in->wait == WAIT_TURN;
    if (over) {
        if (in->wait == WAIT_ROOM)
            inbound_clear_body(r, in);
        in->wait = WAIT_NONE;
        conn_set_timer(r, c, r->broker->settings.ping_ms);
        conn_resume_input(r, c);
    } else if (!too_long) {
        conn_set_timer(r, c, WAIT_RETRY_MS);
    } else if (in->wait == WAIT_OUTBOX) {
        conn_drop(r, c, true); /* it takes neither pongs nor echoes */
    } else if (in->wait == WAIT_VERDICT) {
        on_no_verdict(r, c);
    } else {
        stat_add(&r->stats.rejected[in->wait == WAIT_ROOM ? REJECTED_log_full : REJECTED_memory],
                 1);
        goodbye(r, c, WS_CLOSE_TRY_LATER, "no room for messages, try again");
    }
}

ON_REACTOR void websocket_timeout(struct reactor *r, struct conn *c)
{
    if (is_waiting(c))
        on_wait_timeout(r, c);
    else
        ping_timeout(r, c);
}
