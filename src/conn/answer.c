/* Status, body, origin headers; then what becomes of the connection. */
#include "conn/answer.h"

#include "base/clock.h"
#include "conn/exchange.h"
#include "conn/outbox.h"
#include "conn/peer.h"
#include "conn/reactor.h"
#include "http/reply.h"
#include "ws/ws.h"

static ON_REACTOR void add_answer(struct reactor *r, struct text *out, const struct http_request *q,
                                  const struct answer *a, bool keep)
{
    struct text more = {0};
    if (a->headers)
        text_add_str(&more, a->headers);
    http_origin_add_headers(
        &more, q, q ? http_origin_check(q, &r->broker->settings.origins) : HTTP_ORIGIN_NONE);
    const struct http_reply reply = {
        .status = a->status,
        .content_type = a->content_type,
        .body = a->body,
        .more_headers = text_bytes(&more),
        .date_ms = clock_realtime_ms(),
        .head_only = q && q->method == HTTP_HEAD,
        .keep_alive = keep,
        .minor_0 = q && q->minor == 0,
    };
    http_add_reply(out, &reply);
    out->failed = out->failed || more.failed;
    text_fini(&more);
}

/* How a request ends, in a WebSocket's terms. */
static unsigned end_code(unsigned status)
{
    switch (status) {
    case 401:
    case 403:
        return WS_CLOSE_POLICY;
    case 503:
        return WS_CLOSE_TRY_LATER;
    default:
        return WS_CLOSE_NORMAL;
    }
}

ON_REACTOR void answer_send(struct reactor *r, struct conn *c, const struct http_request *q,
                            const struct answer *a)
{
    const bool keep = q && exchange_can_go_on(c, q);
    peer_will_end(r, c, end_code(a->status), "");
    struct text *out = outbox_open(r, c);
    if (out)
        add_answer(r, out, q, a, keep);
    if (!outbox_close(r, c))
        return;
    if (keep)
        exchange_answered(r, c, q);
    else
        conn_end(r, c);
}

ON_REACTOR void answer_send_text(struct reactor *r, struct conn *c, const struct http_request *q,
                                 const struct answer *a, struct text *body)
{
    struct answer whole = *a;
    whole.body = text_bytes(body);
    if (body->failed)
        conn_drop(r, c, true); /* half an answer would be a lie */
    else
        answer_send(r, c, q, &whole);
    text_fini(body);
}

ON_REACTOR void answer_error_with(struct reactor *r, struct conn *c, const struct http_request *q,
                                  const struct answer *error, const char *code, const char *message)
{
    struct text body = {0};
    http_add_error_body(&body, code, message);
    struct answer a = *error;
    a.content_type = "application/json";
    answer_send_text(r, c, q, &a, &body);
}

ON_REACTOR void answer_error(struct reactor *r, struct conn *c, const struct http_request *q,
                             unsigned status, const char *code, const char *message)
{
    const struct answer a = {.status = status, .headers = "Cache-Control: no-store\r\n"};
    answer_error_with(r, c, q, &a, code, message);
}

void answer_add_cursor(struct text *headers, struct cursor cursor, bool etag)
{
    char text[CURSOR_TEXT_MAX];
    cursor_format(cursor, text);
    text_printf(headers, "Uproar-Cursor: %s\r\n", text);
    if (etag)
        text_printf(headers, "ETag: \"%s\"\r\n", text);
}

ON_REACTOR void answer_no_memory(struct reactor *r, struct conn *c, const struct http_request *q)
{
    stat_add(&r->stats.refused[REFUSED_memory], 1);
    answer_error(r, c, q, 503, "no_memory", "the server is out of memory, try again");
}
