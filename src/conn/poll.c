/* A waiting long-poll is a member of its set like any subscriber, and keeps its request's head,
 * which is parsed again for the answer: thousands may wait, and a parsed request is large. */
#include "conn/poll.h"

#include "conn/answer.h"
#include "conn/asking.h"
#include "conn/exchange.h"
#include "conn/finish.h"
#include "conn/inbound.h"
#include "conn/outbox.h"
#include "conn/place.h"
#include "conn/reactor.h"
#include "conn/slow.h"
#include "http/target.h"
#include "poll/poll.h"

enum {
    WAIT_DEFAULT_S = 25,
    WAIT_MAX_S = 60,
    BEHIND_MAX = 16 << 10, /* of requests pipelined behind it: then it waits no more */
    BEHIND_RETRY_MS = 2,
};

/* --- answers ---------------------------------------------------------------------------------- */

struct poll_answer {
    unsigned status;
    uint64_t position; /* the cursor it tells */
    const char *content_type;
    struct text *body; /* taken; NULL: none */
};

static ON_REACTOR void answer(struct reactor *r, struct conn *c, const struct http_request *q,
                              const struct poll_answer *pa)
{
    struct text headers = {0}, none = {0};
    answer_add_cursor(&headers, place_cursor(r, pa->position), true);
    text_add_str(&headers, "Cache-Control: no-store\r\n");
    text_add_byte(&headers, '\0');
    const struct answer a = {.status = pa->status,
                             .content_type = pa->content_type,
                             .headers = headers.failed ? NULL : (const char *)headers.at};
    struct text *body = pa->body ? pa->body : &none;
    body->failed = body->failed || headers.failed;
    conn_unsubscribe(r, c);
    answer_send_text(r, c, q, &a, body);
    text_fini(&headers);
    outbox_charge(r, c);
}

static bool wants_lines(const struct http_request *q)
{
    return http_request_accepts(q, "application/x-ndjson");
}

static ON_REACTOR void answer_empty(struct reactor *r, struct conn *c, const struct http_request *q)
{
    struct poll_body body;
    poll_body_begin(&body, wants_lines(q));
    poll_body_end(&body);
    const struct poll_answer pa = {200, c->position, poll_content_type(body.lines), &body.text};
    answer(r, c, q, &pa);
}

/* Did the poller name its place by If-None-Match alone? Then nothing new is 304. */
static bool has_place_by_tag(const struct http_request *q, struct cursor *out)
{
    uint8_t after[CURSOR_TEXT_MAX];
    return cursor_parse(poll_first_tag(http_request_field(q, "if-none-match")), out) &&
           http_query_get(q->query, "after", after, sizeof(after)) == HTTP_QUERY_ABSENT;
}

static ON_REACTOR uint64_t consumed_seq(const struct reactor *r)
{
    return r->subscriptions.history.next_seq - 1;
}

/* The cursor moves on with the log, so that a quiet poller does not fall out of the history; but
 * 304 says that its tag is still the right one. */
static ON_REACTOR void answer_nothing(struct reactor *r, struct conn *c,
                                      const struct http_request *q)
{
    struct cursor tag;
    const uint64_t consumed = consumed_seq(r);
    struct poll_answer pa = {.status = 204, .position = c->position};
    if (has_place_by_tag(q, &tag)) {
        pa.status = 304;
        pa.position = tag.seq;
    } else if (!conn_is_behind(c) && consumed > c->position) {
        pa.position = consumed;
    }
    answer(r, c, q, &pa);
}

static ON_REACTOR void answer_gap(struct reactor *r, struct conn *c, const struct http_request *q,
                                  const struct start *start, const struct place *place)
{
    const struct gap gap = {start->given, place_cursor(r, place->position), place->reason};
    struct text body = {0};
    stat_add(&r->stats.gaps[gap.reason], 1);
    text_add_str(&body, "{\"gap\":");
    gap_add(&body, &gap);
    text_add_str(&body, "}\n");
    const struct poll_answer pa = {410, place->position, "application/json", &body};
    answer(r, c, q, &pa);
}

/* It was trimmed before its turn came. */
static ON_REACTOR void answer_lost(struct reactor *r, struct conn *c, const struct http_request *q)
{
    char text[CURSOR_TEXT_MAX];
    const struct cursor after = place_cursor(r, c->position);
    const struct start start = {.given = {(const uint8_t *)text, cursor_format(after, text)}};
    const struct place place = {place_oldest(r, c->set), true, GAP_TRIMMED};
    answer_gap(r, c, q, &start, &place);
}

/* What lies behind its position, as far as an answer goes. Moves the position on. */
static ON_REACTOR void collect(struct reactor *r, struct conn *c, struct poll_body *body)
{
    struct set_walk walk;
    set_walk_begin(&walk, &r->subscriptions.history, c->set, c->position);
    for (uint64_t seq; (seq = set_walk_next(&walk)) != 0;) {
        if (history_at(&r->subscriptions.history, seq)->kind == MESSAGE_END)
            return;
        const struct bytes envelope = batch_wire_at(r, WIRE_POLL, seq);
        if (!envelope.at || !poll_body_has_room(body, envelope.len))
            return;
        poll_body_add(body, envelope);
        c->position = seq;
    }
    if (walk.seen_seq > c->position)
        c->position = walk.seen_seq;
}

/* The answer has copies: images that were built for it are not needed any more. */
static ON_REACTOR void collect_and_recycle(struct reactor *r, struct conn *c,
                                           struct poll_body *body)
{
    collect(r, c, body);
    if (r->sender.transient_bytes > TRANSIENT_BYTES_MAX)
        batch_recycle(r);
}

static ON_REACTOR void answer_no_room(struct reactor *r, struct conn *c,
                                      const struct http_request *q)
{
    const struct answer a = {.status = 503,
                             .headers = "Retry-After: 1\r\nCache-Control: no-store\r\n"};
    conn_unsubscribe(r, c);
    stat_add(&r->stats.refused[REFUSED_memory], 1);
    answer_error_with(r, c, q, &a, "no_memory",
                      "answers that are not read use half of --body-memory, try again");
}

/* False: nothing is there, or only messages of others were. */
static ON_REACTOR bool answer_messages(struct reactor *r, struct conn *c,
                                       const struct http_request *q)
{
    if (outbox_is_over_budget(r)) {
        answer_no_room(r, c, q);
        return true;
    }
    struct poll_body body;
    poll_body_begin(&body, wants_lines(q));
    collect_and_recycle(r, c, &body);
    if (body.count == 0) {
        text_fini(&body.text);
        return false;
    }
    poll_body_end(&body);
    stat_add(&r->stats.deliveries[STAT_POLL], body.count);
    const struct poll_answer pa = {200, c->position, poll_content_type(body.lines), &body.text};
    answer(r, c, q, &pa);
    return true;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Nothing is written to it for long: only the kernel can find out that it vanished. */
static ON_REACTOR void watch_for_its_loss(struct reactor *r, struct conn *c)
{
    if (!conn_has(c, CONN_KEEPALIVE))
        io_keepalive(r->io, reactor_slot(r, c));
    conn_set(c, CONN_KEEPALIVE);
}

static ON_REACTOR void wait_for_message(struct reactor *r, struct conn *c,
                                        const struct http_request *q, struct bytes head,
                                        uint32_t wait_ms)
{
    struct inbound *in = inbound_get(r, c);
    if (!in || inbound_add(r, in, &in->head, head) != 0) {
        conn_unsubscribe(r, c);
        answer_no_memory(r, c, q);
        return;
    }
    in->state = INBOUND_POLL;
    in->poll_head = log_head(r->broker->log);
    conn_set_phase(r, c, CONN_POLL);
    conn_set_timer(r, c, wait_ms);
    watch_for_its_loss(r, c);
}

/* Back to being an HTTP connection, which is answered by `q` and goes on. */
static ON_REACTOR const struct http_request *end_wait(struct reactor *r, struct conn *c)
{
    conn_set_phase(r, c, CONN_HTTP);
    return exchange_kept(r, c);
}

static ON_REACTOR void go_on(struct reactor *r, struct conn *c)
{
    if (c->phase == CONN_HTTP)
        conn_resume_input(r, c);
}

ON_REACTOR void poll_messages(struct reactor *r, struct conn *c)
{
    const struct http_request *q = end_wait(r, c);
    const bool over = finish_is_over(r, c) || slow_lost_its_place(c);
    if (slow_lost_its_place(c))
        answer_lost(r, c, q);
    else if (over)
        finish_answer(r, c, q);
    if (over || answer_messages(r, c, q)) {
        go_on(r, c);
        return;
    }
    conn_set_phase(r, c, CONN_POLL); /* they were others': it waits on, its timer as it was */
    if (conn_is_behind(c))
        reactor_queue_flush(r, c); /* more of the ring is to be looked at */
}

static ON_REACTOR void stop_waiting(struct reactor *r, struct conn *c)
{
    answer_nothing(r, c, end_wait(r, c));
    go_on(r, c);
}

ON_REACTOR void poll_timeout(struct reactor *r, struct conn *c)
{
    if (consumed_seq(r) < c->inbound->poll_head)
        conn_set_timer(r, c, BEHIND_RETRY_MS);
    else
        stop_waiting(r, c);
}

ON_REACTOR void poll_receive(struct reactor *r, struct conn *c, struct span in)
{
    if (inbound_park(r, c, span_bytes(in)) != 0)
        conn_drop(r, c, true);
    else if (c->inbound->parked.len > BEHIND_MAX)
        poll_timeout(r, c); /* unread it would not be noticed when it leaves */
}

/* --- the request ------------------------------------------------------------------------------ */

/* If-None-Match carries the place of a poller that knows nothing but HTTP. */
static void take_tag(struct asking *a, const struct http_request *q)
{
    const struct bytes tag = poll_first_tag(http_request_field(q, "if-none-match"));
    struct cursor cursor;
    if (!a->is_given && tag.at && cursor_parse(tag, &cursor))
        a->is_given = asking_set_after(a, tag);
}

static ON_REACTOR void answer_or_wait(struct reactor *r, struct conn *c,
                                      const struct http_request *q, struct bytes head,
                                      const struct asking *a, uint64_t wait_s)
{
    if (finish_is_over(r, c))
        finish_answer(r, c, q);
    else if (!a->is_given)
        answer_empty(r, c, q);
    else if (conn_is_behind(c) && answer_messages(r, c, q))
        return;
    else if (wait_s == 0 && consumed_seq(r) >= log_head(r->broker->log))
        answer_nothing(r, c, q);
    else
        wait_for_message(r, c, q, head, wait_s > 0 ? (uint32_t)wait_s * 1000 : BEHIND_RETRY_MS);
}

ON_REACTOR void poll_request(struct reactor *r, struct conn *c, const struct http_request *q,
                             struct bytes head, struct asking *a)
{
    uint64_t wait_s = WAIT_DEFAULT_S;
    struct place place;
    if (http_query_number(q->query, "wait", &wait_s) == HTTP_QUERY_BAD || wait_s > WAIT_MAX_S) {
        answer_error(r, c, q, 400, "bad_wait", "`wait` is a number of seconds from 0 to 60");
        return;
    }
    take_tag(a, q);
    if (r->behind_len > BEHIND_MAX)
        wait_s = 0;
    if (conn_subscribe(r, c, a, WIRE_POLL, &place) != 0)
        answer_no_memory(r, c, q);
    else if (place.has_gap)
        answer_gap(r, c, q, &a->start, &place);
    else
        answer_or_wait(r, c, q, head, a, wait_s);
}
