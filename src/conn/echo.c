/* Sends back what came. Most messages come whole, in one receive: their frames are rewritten where
 * they lie and sent from there. It checks nothing: text was checked by ws/reader.c as it came. */
#include "conn/echo.h"

#include "conn/access.h"
#include "conn/answer.h"
#include "conn/deflated.h"
#include "conn/exchange.h"
#include "conn/goodbye.h"
#include "conn/inbound.h"
#include "conn/judge.h"
#include "conn/outbox.h"
#include "conn/reactor.h"
#include "conn/upgrade.h"

#include <stdio.h>

/* --- HTTP ------------------------------------------------------------------------------------- */

ON_REACTOR void echo_request(struct reactor *r, struct conn *c, const struct http_request *q,
                             struct bytes head)
{
    const bool is_post = q->method == HTTP_POST;
    if (!access_origin(r, c, q) || !judge_open(r, c, q, head, is_post ? PEER_HTTP : PEER_WS))
        return;
    if (is_post)
        exchange_want_body(r, c, q, head, r->broker->settings.message_bytes_max);
    else
        upgrade_echo(r, c, q);
}

ON_REACTOR void echo_body(struct reactor *r, struct conn *c)
{
    static const struct answer no_room = {
        .status = 503, .headers = "Retry-After: 1\r\nCache-Control: no-store\r\n"};
    const struct http_request *q = c->inbound->request;
    const struct bytes type = http_request_field(q, "content-type");
    char kept[256] = "application/octet-stream";
    if (outbox_is_over_budget(r)) {
        answer_error_with(r, c, q, &no_room, "memory", "too many answers lie unread, try again");
        return;
    }
    if (type.len > 0 && type.len < sizeof(kept))
        snprintf(kept, sizeof(kept), "%.*s", (int)type.len, (const char *)type.at);
    const struct answer a = {.status = 200,
                             .content_type = kept,
                             .body = text_bytes(&c->inbound->body),
                             .headers = "Cache-Control: no-store\r\n"
                                        "X-Content-Type-Options: nosniff\r\n"};
    answer_send(r, c, q, &a);
    outbox_charge(r, c);
}

ON_REACTOR void echo_headers(struct reactor *r, struct conn *c, const struct http_request *q,
                             struct bytes head)
{
    if (!access_origin(r, c, q) || !judge_open(r, c, q, head, PEER_HTTP))
        return;
    const uint8_t *line_end =
        memchr(q->target.at, '\n', head.len - (size_t)(q->target.at - head.at));
    const size_t line_len = (size_t)(line_end - head.at) + 1;
    const struct answer a = {.status = 200,
                             .content_type = "text/plain; charset=utf-8",
                             .body = {line_end + 1, head.len - line_len - 2 /* the empty line */},
                             .headers = "Cache-Control: no-store\r\n"
                                        "X-Content-Type-Options: nosniff\r\n"};
    answer_send(r, c, q, &a);
}

/* --- WebSocket -------------------------------------------------------------------------------- */

static ON_REACTOR void add_frame(struct reactor *r, struct conn *c, struct bytes payload,
                                 enum ws_opcode opcode)
{
    bool added = true;
    if (deflated_is_due(r, c, payload.len))
        added = deflated_send(r, c, payload, opcode);
    else
        (void)!outbox_add_frame(r, c, opcode, payload);
    if (!added)
        goodbye(r, c, WS_CLOSE_INTERNAL, "out of memory");
    else if (c->phase == CONN_WS)
        outbox_charge(r, c);
}

static bool lies_in(struct span a, struct span b)
{
    return a.len > 0 && a.at >= b.at && a.at + a.len <= b.at + b.len;
}

/* Moves the frame up to those before it. False: it does not lie there, or there is no room for its
 * head: that came in an earlier receive. */
static bool add_in_place(struct echo_run *run, struct span payload, enum ws_opcode opcode)
{
    uint8_t head[10];
    const size_t head_len = ws_encode_head(head, opcode, payload.len);
    if (!lies_in(payload, run->left) || (size_t)(payload.at - run->left.at) < head_len)
        return false;
    if (!run->frames.at)
        run->frames = (struct span){payload.at - head_len, 0};
    uint8_t *at = run->frames.at + run->frames.len;
    memmove(at + head_len, payload.at, payload.len);
    memcpy(at, head, head_len);
    run->frames.len += head_len + payload.len;
    run->left = span_skip(run->left, (size_t)(at - run->left.at) + head_len + payload.len);
    return true;
}

ON_REACTOR void echo_message(struct reactor *r, struct conn *c, struct echo_run *run,
                             struct span payload, enum ws_opcode opcode)
{
    if (!deflated_is_due(r, c, payload.len) && add_in_place(run, payload, opcode))
        return;
    echo_keep(r, c, run);
    if (c->phase == CONN_WS)
        add_frame(r, c, span_bytes(payload), opcode);
}

ON_REACTOR void echo_keep(struct reactor *r, struct conn *c, struct echo_run *run)
{
    const struct bytes frames = span_bytes(run->frames);
    run->frames = (struct span){0};
    if (frames.len > 0 && outbox_add(r, c, frames))
        outbox_charge(r, c);
}

ON_REACTOR void echo_send(struct reactor *r, struct conn *c, struct echo_run *run)
{
    const struct bytes frames = span_bytes(run->frames);
    if (frames.len > 0 && reactor_keeps(r, frames) && sender_send_received(r, c, frames))
        run->frames = (struct span){0};
    else
        echo_keep(r, c, run);
}
