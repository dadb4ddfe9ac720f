/* Heads, bodies, keep-alive, pipelining and their deadlines. */
#include "conn/exchange.h"

#include "base/alloc.h"
#include "conn/answer.h"
#include "conn/inbound.h"
#include "conn/judge.h"
#include "conn/outbox.h"
#include "conn/publish.h"
#include "conn/reactor.h"
#include "conn/route.h"
#include "conn/websocket.h"

#include <errno.h>

enum {
    HEAD_MS = 10000, /* from a head's first byte to its last */
    BODY_MS = 30000, /* in each such time a body is finished, or comes on by so much: */
    BODY_PROGRESS_MIN = 16 << 10,
    KEEP_ALIVE_MS = 60000,
    OUTBOX_STUCK_MS = 30000,
    WAIT_RETRY_MS = 50,
    WAIT_MAX_MS = 10000,     /* for room in the body budget */
    DISCARD_MAX = 256 << 10, /* a longer unwanted body is not worth the connection */
};

enum step { STEP_ON, STEP_MORE };

static ON_REACTOR void no_memory(struct reactor *r, struct conn *c)
{
    logline_limited(&r->broker->sink, &r->broker->causes.memory, LOGLINE_ERROR,
                    "no memory for a request: it was refused");
    answer_error(r, c, NULL, 503, "no_memory", "the server is out of memory, try again");
}

/* --- bodies ----------------------------------------------------------------------------------- */

/* The request is over: nothing of it is kept, the next one may come. */
static ON_REACTOR void request_over(struct reactor *r, struct conn *c)
{
    inbound_reset(r, c);
    if (c->phase == CONN_HTTP)
        conn_set_timer(r, c, KEEP_ALIVE_MS);
}

static void parse_again(struct http_request *q, struct bytes head)
{
    size_t scanned = 0, head_len;
    unsigned status;
    const char *why;
    const enum http_parse again = http_request_parse(q, head, &scanned, &head_len, &status, &why);
    ASSERT(again == HTTP_PARSE_DONE); /* the same bytes, parsed when they came */
}

static ON_REACTOR int copy_request(struct reactor *r, struct inbound *in, struct bytes head)
{
    in->request = alloc_bytes(sizeof(struct http_request));
    if (!in->request || inbound_add(r, in, &in->head, head) != 0)
        return -ENOMEM;
    parse_again(in->request, text_bytes(&in->head));
    return 0;
}

/* The body may be read now, or waits for room in the budget. A chunked one pays as it comes.
 * begun: some of it has come, so its peer waits for no 100 (RFC 9110, 10.1.1). */
static ON_REACTOR void admit_body(struct reactor *r, struct conn *c, bool begun)
{
    struct inbound *in = c->inbound;
    const struct http_request *q = in->request;
    const bool known = !q->chunked && q->content_length > 0;
    const int err = known ? inbound_reserve_body(r, in, q->content_length) : 0;
    if (err == -ENOBUFS) {
        inbound_begin_wait(r, c, WAIT_MEMORY, WAIT_RETRY_MS);
    } else if (err != 0) {
        no_memory(r, c);
    } else {
        in->admitted = true;
        in->wait = WAIT_NONE;
        conn_set_timer(r, c, BODY_MS);
        if (q->expect_continue && !begun)
            (void)!outbox_add(r, c, BYTES_LITERAL("HTTP/1.1 100 Continue\r\n\r\n"));
    }
}

ON_REACTOR void exchange_want_body(struct reactor *r, struct conn *c, const struct http_request *q,
                                   struct bytes head, uint32_t body_max)
{
    if (!q->chunked && q->content_length > body_max) {
        route_body_too_large(r, c, q);
        return;
    }
    struct inbound *in = inbound_get(r, c);
    if (!in || copy_request(r, in, head) != 0) {
        no_memory(r, c);
        return;
    }
    in->state = INBOUND_BODY;
    in->body_max = body_max;
    http_body_init(&in->decoder, q);
    admit_body(r, c, r->behind_len > 0);
}

static bool has_unread_body(const struct conn *c, const struct http_request *q)
{
    const bool was_read = c->inbound && c->inbound->state == INBOUND_ANSWER;
    return !was_read && (q->chunked || q->content_length > 0);
}

/* Whoever waits for a 100 will not send the body, or will: the framing is lost either way. */
bool exchange_can_go_on(const struct conn *c, const struct http_request *q)
{
    if (!q->keep_alive || !has_unread_body(c, q))
        return q->keep_alive;
    return !q->expect_continue && (q->chunked || q->content_length <= DISCARD_MAX);
}

ON_REACTOR void exchange_answered(struct reactor *r, struct conn *c, const struct http_request *q)
{
    peer_end(r, c);
    if (!has_unread_body(c, q)) {
        request_over(r, c);
        return;
    }
    struct inbound *in = inbound_get(r, c);
    if (!in) {
        conn_end(r, c);
        return;
    }
    in->state = INBOUND_DISCARD;
    in->discarded = 0;
    http_body_init(&in->decoder, q);
    conn_set_timer(r, c, BODY_MS);
}

static ON_REACTOR void discard(struct reactor *r, struct conn *c, struct bytes slice)
{
    c->inbound->discarded += slice.len;
    if (c->inbound->discarded > DISCARD_MAX)
        conn_end(r, c);
}

static ON_REACTOR void collect(struct reactor *r, struct conn *c, struct bytes slice)
{
    struct inbound *in = c->inbound;
    if (in->body.len + slice.len > in->body_max) {
        route_body_too_large(r, c, in->request);
        return;
    }
    if (inbound_add(r, in, &in->body, slice) != 0) {
        no_memory(r, c);
        return;
    }
    if (in->request->chunked && inbound_is_over_budget(r, in, 0))
        inbound_begin_wait(r, c, WAIT_MEMORY, WAIT_RETRY_MS);
}

/* The rest of the body will not be read. An unwanted one's request has its answer: a second one
 * would pass for the next request's. */
static ON_REACTOR void give_up_body(struct reactor *r, struct conn *c, unsigned status,
                                    const char *code, const char *why)
{
    if (c->inbound->state == INBOUND_DISCARD) {
        conn_end(r, c);
        return;
    }
    struct http_request last = *c->inbound->request;
    last.keep_alive = false; /* nobody knows where the next one begins */
    answer_error(r, c, &last, status, code, why);
}

static ON_REACTOR enum step body_step(struct reactor *r, struct conn *c, struct span *in)
{
    struct inbound *inbound = c->inbound;
    struct bytes rest = span_bytes(*in), slice = {0};
    const enum http_body_step step = http_body_next(&inbound->decoder, &rest, &slice);
    *in = span_skip(*in, in->len - rest.len);
    switch (step) {
    case HTTP_BODY_MORE:
        return STEP_MORE;
    case HTTP_BODY_DATA:
        if (inbound->state == INBOUND_BODY)
            collect(r, c, slice);
        else
            discard(r, c, slice);
        return STEP_ON;
    case HTTP_BODY_DONE:
        if (inbound->state == INBOUND_BODY) {
            inbound->state = INBOUND_ANSWER;
            route_body(r, c);
        } else {
            request_over(r, c);
        }
        return STEP_ON;
    case HTTP_BODY_BAD:
        give_up_body(r, c, 400, "bad_request", "the body's framing is faulty");
        return STEP_ON;
    }
    UNREACHABLE("http_body_step");
}

/* --- heads ------------------------------------------------------------------------------------ */

static ON_REACTOR enum step head_step(struct reactor *r, struct conn *c, struct span *in,
                                      size_t *scanned)
{
    size_t head_len = 0;
    unsigned status = 0;
    const char *why = NULL;
    switch (http_request_parse(&r->request, span_bytes(*in), scanned, &head_len, &status, &why)) {
    case HTTP_PARSE_MORE:
        return STEP_MORE;
    case HTTP_PARSE_BAD:
        *in = span_skip(*in, in->len);
        answer_error(r, c, NULL, status, route_error_name(status), why);
        return STEP_ON;
    case HTTP_PARSE_DONE: {
        const struct bytes head = {in->at, head_len};
        *in = span_skip(*in, head_len);
        *scanned = 0;
        r->behind_len = in->len;
        route_request(r, c, &r->request, head);
        return STEP_ON;
    }
    }
    UNREACHABLE("http_parse");
}

static bool in_body(const struct conn *c)
{
    return c->inbound &&
           (c->inbound->state == INBOUND_BODY || c->inbound->state == INBOUND_DISCARD);
}

static ON_REACTOR bool may_go_on(struct reactor *r, struct conn *c)
{
    if (c->phase != CONN_HTTP || (c->inbound && c->inbound->wait != WAIT_NONE))
        return false;
    if (outbox_len(c->outbox) <= OUTBOX_PAUSE_BYTES)
        return true;
    if (!inbound_get(r, c)) {
        conn_drop(r, c, true);
        return false;
    }
    inbound_begin_wait(r, c, WAIT_OUTBOX, OUTBOX_STUCK_MS);
    return false;
}

/* A request may cost milliseconds, and many may be pipelined. */
static ON_REACTOR void wait_for_turn(struct reactor *r, struct conn *c)
{
    if (!inbound_get(r, c)) {
        conn_drop(r, c, true);
        return;
    }
    c->inbound->wait = WAIT_TURN;
    reactor_queue_flush(r, c);
}

/* As far as it goes. A body of no bytes ends without input, so it is looked at once more. */
static ON_REACTOR void run(struct reactor *r, struct conn *c, struct span *in, size_t *scanned)
{
    enum step step = STEP_ON;
    while (step == STEP_ON && may_go_on(r, c)) {
        if (in->len > 0 && reactor_slice_is_over(r)) {
            wait_for_turn(r, c);
            return;
        }
        if (in_body(c))
            step = body_step(r, c, in);
        else if (in->len > 0)
            step = head_step(r, c, in, scanned);
        else
            return;
    }
}

/* Bytes behind an upgrade's head are the new protocol's. */
static ON_REACTOR void hand_over(struct reactor *r, struct conn *c, struct span rest)
{
    if (c->phase == CONN_WS && rest.len > 0)
        websocket_receive(r, c, rest);
}

static ON_REACTOR void keep_scanned(struct reactor *r, struct conn *c, size_t scanned)
{
    struct inbound *in = c->inbound;
    if (c->phase != CONN_HTTP || !in || in->parked.len == 0 || in_body(c) || in->wait != WAIT_NONE)
        return;
    in->scanned = scanned;
    if (!in->head_started && !conn_has(c, CONN_REFUSED))
        conn_set_timer(r, c, HEAD_MS); /* so long for the whole head, however it drips */
    in->head_started = true;
}

/* A 503 now could pass for the answer to a publish that was accepted. */
static ON_REACTOR void cannot_park(struct reactor *r, struct conn *c)
{
    if (inbound_waits_for(c, WAIT_ORDER))
        conn_drop(r, c, true);
    else
        no_memory(r, c);
}

/* Bytes behind a request that still waits for its answer are the next one's. */
static bool is_http(const struct conn *c)
{
    return c->phase == CONN_HTTP || c->phase == CONN_POLL;
}

ON_REACTOR void exchange_receive(struct reactor *r, struct conn *c, struct span in)
{
    if (c->inbound && (c->inbound->wait != WAIT_NONE || c->inbound->parked.len > 0)) {
        if (inbound_park(r, c, span_bytes(in)) != 0)
            cannot_park(r, c);
        else
            exchange_resume(r, c);
        return;
    }
    size_t scanned = 0;
    run(r, c, &in, &scanned);
    if (is_http(c) && inbound_park(r, c, span_bytes(in)) != 0)
        cannot_park(r, c);
    keep_scanned(r, c, scanned);
    hand_over(r, c, in);
}

static ON_REACTOR bool is_waiting(const struct conn *c)
{
    return c->inbound && c->inbound->wait != WAIT_NONE;
}

/* Between requests nothing is kept. */
static ON_REACTOR void free_if_idle(struct reactor *r, struct conn *c)
{
    const struct inbound *in = c->inbound;
    if (c->phase == CONN_HTTP && in && in->state == INBOUND_HEAD && in->wait == WAIT_NONE &&
        in->parked.len == 0)
        request_over(r, c);
}

ON_REACTOR const struct http_request *exchange_kept(struct reactor *r, const struct conn *c)
{
    if (c->inbound->request)
        return c->inbound->request;
    parse_again(&r->request, text_bytes(&c->inbound->head));
    return &r->request;
}

/* The verdict is there: the request runs again. */
static ON_REACTOR void run_again(struct reactor *r, struct conn *c, size_t behind_len)
{
    if (c->inbound->state == INBOUND_ANSWER) {
        route_body(r, c);
        return;
    }
    struct text head = c->inbound->head;
    c->inbound->head = (struct text){0};
    c->inbound->state = INBOUND_HEAD;
    parse_again(&r->request, text_bytes(&head));
    r->behind_len = behind_len;
    route_request(r, c, &r->request, text_bytes(&head));
    text_fini(&head);
}

static bool has_verdict(const struct conn *c)
{
    return c->inbound &&
           (c->inbound->state == INBOUND_VERDICT || c->inbound->state == INBOUND_ANSWER);
}

ON_REACTOR void exchange_resume(struct reactor *r, struct conn *c)
{
    if (inbound_may_be_resumed(c))
        c->inbound->wait = WAIT_NONE;
    if (is_waiting(c))
        return;
    /* Of a part of a head alone: behind a question stands another request. */
    size_t scanned = c->inbound && c->inbound->state == INBOUND_HEAD ? c->inbound->scanned : 0;
    struct text held = inbound_unpark(c);
    struct span in = {held.at, held.len};
    if (has_verdict(c))
        run_again(r, c, held.len);
    run(r, c, &in, &scanned);
    hand_over(r, c, in);
    const size_t consumed = is_http(c) ? held.len - in.len : held.len;
    if (inbound_repark(r, c, &held, consumed) != 0)
        cannot_park(r, c);
    keep_scanned(r, c, scanned);
    free_if_idle(r, c);
}

/* --- ends and time ---------------------------------------------------------------------------- */

ON_REACTOR void exchange_peer_ended(struct reactor *r, struct conn *c)
{
    if (!is_waiting(c))
        conn_end(r, c); /* an unfinished request will never be finished */
}

static ON_REACTOR void retry_memory(struct reactor *r, struct conn *c)
{
    struct inbound *in = c->inbound;
    if (!in->admitted)
        admit_body(r, c, in->parked.len > 0);
    else if (!inbound_is_over_budget(r, in, 0))
        in->wait = WAIT_NONE;
    if (c->phase != CONN_HTTP)
        return;
    if (in->wait == WAIT_NONE) {
        conn_set_timer(r, c, BODY_MS);
        conn_resume_input(r, c);
    } else if (r->now_ms - in->wait_since_ms >= WAIT_MAX_MS) {
        publish_no_room(r, c);
    } else {
        conn_set_timer(r, c, WAIT_RETRY_MS);
    }
}

static ON_REACTOR void on_no_verdict(struct reactor *r, struct conn *c)
{
    const struct answer a = {.status = 503,
                             .headers = "Retry-After: 1\r\nCache-Control: no-store\r\n"};
    if (!judge_give_up(r, c)) {
        conn_set_timer(r, c, WAIT_RETRY_MS);
        return;
    }
    const struct http_request *q = exchange_kept(r, c);
    c->inbound->wait = WAIT_NONE;
    answer_error_with(r, c, q, &a, "no_verdict", "nobody could say in time whether this may be");
    if (c->phase == CONN_HTTP)
        conn_resume_input(r, c);
}

static ON_REACTOR void on_wait_timeout(struct reactor *r, struct conn *c)
{
    switch (c->inbound->wait) {
    case WAIT_MEMORY:
        retry_memory(r, c);
        return;
    case WAIT_ORDER:
    case WAIT_TURN:
        conn_set_timer(r, c, BODY_MS); /* the log, or the next turn, will say */
        return;
    case WAIT_OUTBOX:
        conn_drop(r, c, true);
        return;
    case WAIT_VERDICT:
        on_no_verdict(r, c);
        return;
    case WAIT_ROOM:
    case WAIT_NONE:
        break;
    }
    UNREACHABLE("inbound_wait");
}

/* A body that trickles would hold its share of the budget for hours. */
static bool body_makes_progress(struct inbound *in)
{
    const size_t read = in->body.len + in->discarded;
    const size_t since = read - in->body_mark;
    in->body_mark = read;
    return since >= BODY_PROGRESS_MIN;
}

ON_REACTOR void exchange_timeout(struct reactor *r, struct conn *c)
{
    if (conn_has(c, CONN_REFUSED)) {
        route_refuse_silent(r, c);
        return;
    }
    if (is_waiting(c)) {
        on_wait_timeout(r, c);
        return;
    }
    if (!c->inbound) {
        if (c->outbox)
            conn_drop(r, c, true);
        else
            conn_end(r, c);
        return;
    }
    if (in_body(c) && body_makes_progress(c->inbound)) {
        conn_set_timer(r, c, BODY_MS);
        return;
    }
    if (in_body(c))
        give_up_body(r, c, 408, "timeout", "the request's body did not arrive in time");
    else
        answer_error(r, c, NULL, 408, "timeout", "the request did not arrive in time");
}
