/* One question asked by four transports: WebSocket, event stream, long-poll, and HEAD for the place
 * alone. What each answers is in upgrade.c, stream.c and poll.c. */
#include "conn/subscribe.h"

#include "conn/access.h"
#include "conn/answer.h"
#include "conn/asking.h"
#include "conn/exchange.h"
#include "conn/inbound.h"
#include "conn/judge.h"
#include "conn/place.h"
#include "conn/poll.h"
#include "conn/reactor.h"
#include "conn/stream.h"
#include "conn/tab.h"
#include "conn/upgrade.h"
#include "http/target.h"

static bool wants_upgrade(const struct http_request *q)
{
    /* Other upgrades (h2c) are ignored, as RFC 9110, 7.8 allows. */
    return http_request_has_token(q, "upgrade", "websocket") ||
           http_request_field(q, "sec-websocket-key").at;
}

static bool has_query(const struct http_request *q, const char *name)
{
    uint8_t unused[1];
    return http_query_get(q->query, name, unused, sizeof(unused)) != HTTP_QUERY_ABSENT;
}

bool subscribe_is_for_people(const struct http_request *q)
{
    return q->method == HTTP_GET && !wants_upgrade(q) &&
           !http_request_accepts(q, "text/event-stream") && http_request_accepts(q, "text/html") &&
           !has_query(q, "after") && !has_query(q, "wait");
}

static ON_REACTOR void tell_cursor(struct reactor *r, struct conn *c, const struct http_request *q)
{
    struct text headers = {0};
    answer_add_cursor(&headers, place_cursor(r, log_head(r->broker->log)), false);
    text_add_str(&headers, "Cache-Control: no-store\r\n");
    text_add_byte(&headers, '\0');
    const struct answer a = {.status = headers.failed ? 503 : 200,
                             .headers = headers.failed ? NULL : (const char *)headers.at};
    answer_send(r, c, q, &a);
    text_fini(&headers);
}

/* 503 when there was no memory to read it, else the peer's mistake. */
static ON_REACTOR void answer_problem(struct reactor *r, struct conn *c,
                                      const struct http_request *q,
                                      const struct asking_problem *problem)
{
    if (problem->code == asking_no_memory.code)
        answer_no_memory(r, c, q);
    else
        answer_error(r, c, q, 400, problem->code, problem->message);
}

/* Only streams: on another connection the next request may be somebody else's. */
static ON_REACTOR bool is_streaming(const struct conn *c)
{
    return c->phase == CONN_WS || c->phase == CONN_SSE;
}

static ON_REACTOR void open_by(struct reactor *r, struct conn *c, const struct http_request *q,
                               struct bytes head, struct asking *a)
{
    uint64_t tab;
    bool has_tab;
    if (!tab_read(r, c, q, &tab, &has_tab))
        return;
    if (q->method == HTTP_HEAD)
        tell_cursor(r, c, q);
    else if (q->method == HTTP_GET && wants_upgrade(q))
        upgrade_open(r, c, q, a);
    else if (q->method == HTTP_POST || http_request_accepts(q, "text/event-stream"))
        stream_open(r, c, q, a);
    else
        poll_request(r, c, q, head, a);
    if (has_tab && is_streaming(c))
        tab_remember(r, c, tab);
}

static enum peer_proto proto_of(const struct http_request *q)
{
    if (q->method == HTTP_HEAD)
        return PEER_HTTP;
    if (wants_upgrade(q))
        return PEER_WS;
    return http_request_accepts(q, "text/event-stream") ? PEER_SSE : PEER_POLL;
}

/* False: it is answered, or waits. */
static ON_REACTOR bool may_have_all(struct reactor *r, struct conn *c, const struct http_request *q,
                                    struct bytes head, const struct asking *a)
{
    for (unsigned i = 0; i < a->name_count; i++)
        if (!judge_subscribe(r, c, q, head, a->names[i]))
            return false;
    return true;
}

ON_REACTOR void subscribe_request(struct reactor *r, struct conn *c, const struct http_request *q,
                                  struct bytes head, struct bytes topic)
{
    struct asking a;
    if (!access_origin(r, c, q) || !access_token(r, c, q, r->broker->settings.subscribe_token))
        return;
    if (!judge_open(r, c, q, head, proto_of(q)))
        return;
    const struct asking_problem problem = asking_from_request(&a, q, topic);
    if (problem.code)
        answer_problem(r, c, q, &problem);
    else if (may_have_all(r, c, q, head, &a))
        open_by(r, c, q, head, &a);
    asking_fini(&a);
}

/* --- POST /t ---------------------------------------------------------------------------------- */

static bool accepts_events(const struct http_request *q)
{
    return !http_request_field(q, "accept").at || http_request_accepts(q, "text/event-stream") ||
           http_request_accepts(q, "*/*");
}

ON_REACTOR void subscribe_post(struct reactor *r, struct conn *c, const struct http_request *q,
                               struct bytes head)
{
    if (!access_origin(r, c, q) || !access_token(r, c, q, r->broker->settings.subscribe_token))
        return;
    if (!judge_open(r, c, q, head, PEER_SSE))
        return;
    if (!accepts_events(q))
        answer_error(r, c, q, 406, "not_acceptable",
                     "POST /t subscribes to an event stream: Accept: text/event-stream. To "
                     "publish, POST to /t/TOPIC");
    else
        exchange_want_body(r, c, q, head, ASKING_BODY_MAX);
}

ON_REACTOR void subscribe_body(struct reactor *r, struct conn *c)
{
    struct inbound *in = c->inbound;
    const struct http_request *q = in->request;
    struct asking a;
    const struct asking_problem problem = asking_from_body(&a, q, text_bytes(&in->body));
    judge_rewind(r, c);
    if (problem.code)
        answer_problem(r, c, q, &problem);
    else if (may_have_all(r, c, q, (struct bytes){0}, &a))
        open_by(r, c, q, (struct bytes){0}, &a);
    asking_fini(&a);
}
