/* From request to event stream, its heartbeats, and its end by age. */
#include "conn/stream.h"

#include "base/clock.h"
#include "conn/answer.h"
#include "conn/asking.h"
#include "conn/direct.h"
#include "conn/finish.h"
#include "conn/goodbye.h"
#include "conn/inbound.h"
#include "conn/notice.h"
#include "conn/outbox.h"
#include "conn/place.h"
#include "conn/reactor.h"
#include "conn/slow.h"
#include "conn/wire.h"
#include "http/origin.h"
#include "http/reply.h"
#include "http/target.h"
#include "sse/sse.h"

enum { RETRY_MIN_MS = 2000, RETRY_MAX_MS = 4001 };

/* --- opening ---------------------------------------------------------------------------------- */

static bool wants_chunks(const struct http_request *q)
{
    return q->minor == 1 && q->keep_alive;
}

static enum wire wire_for(const struct http_request *q, const struct asking *a)
{
    if (a->json)
        return wants_chunks(q) ? WIRE_SSE_JSON_CHUNKED : WIRE_SSE_JSON_PLAIN;
    return wants_chunks(q) ? WIRE_SSE_CHUNKED : WIRE_SSE_PLAIN;
}

static ON_REACTOR void add_head(struct reactor *r, struct text *out, const struct http_request *q,
                                bool chunked, uint64_t position)
{
    text_add_str(out, "HTTP/1.1 200 OK\r\n");
    http_add_date(out, clock_realtime_ms());
    text_add_str(out, "Content-Type: text/event-stream\r\n"
                      "Cache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\n");
    text_add_str(out, chunked ? "Transfer-Encoding: chunked\r\n" : "Connection: close\r\n");
    answer_add_cursor(out, place_cursor(r, position), false);
    http_origin_add_headers(out, q, http_origin_check(q, &r->broker->settings.origins));
    text_add_str(out, "\r\n");
}

/* Two habits of old polyfills: `padding=true`, and `evs_preamble` with any value. */
static bool wants_preamble(const struct http_request *q)
{
    struct bytes query = q->query, name, value;
    while (http_query_next(&query, &name, &value))
        if (bytes_equal(name, BYTES_LITERAL("evs_preamble")) ||
            (bytes_equal(name, BYTES_LITERAL("padding")) &&
             bytes_equal(value, BYTES_LITERAL("true"))))
            return true;
    return false;
}

static void add_preamble(struct text *out, bool chunked)
{
    struct text comment = {0};
    sse_add_preamble(&comment);
    sse_add_framed(out, text_bytes(&comment), chunked);
    out->failed = out->failed || comment.failed;
    text_fini(&comment);
}

/* The opening tells the place in the log, so that a reconnect before the first message is exact.
 * Before the notice of a gap it is the peer's own cursor: cut right there, it is told again. */
static ON_REACTOR void add_first_block(struct reactor *r, struct text *out, bool chunked,
                                       const struct start *start, const struct place *place)
{
    char text[CURSOR_TEXT_MAX];
    const struct cursor here = place_cursor(r, place->position);
    struct bytes cursor = {(const uint8_t *)text, cursor_format(here, text)};
    if (place->has_gap)
        cursor = start->kind == START_CURSOR ? start->given : (struct bytes){0};
    struct text block = {0};
    sse_add_open(&block, reactor_jitter(r, RETRY_MIN_MS, RETRY_MAX_MS), cursor);
    sse_add_framed(out, text_bytes(&block), chunked);
    out->failed = out->failed || block.failed;
    text_fini(&block);
}

/* Its age counts from a little earlier, so that streams opened together do not end together. */
static ON_REACTOR void begin_age(struct reactor *r, struct conn *c)
{
    c->heard_ms = r->now_ms - reactor_jitter(r, 0, r->broker->settings.stream_max_ms / 8 + 1);
}

/* A stream is asked at each heartbeat, and when its age is due. */
static ON_REACTOR void schedule(struct reactor *r, struct conn *c)
{
    const uint32_t max_ms = r->broker->settings.stream_max_ms;
    const uint32_t every_ms = r->broker->settings.heartbeat_ms;
    const uint32_t left_ms = max_ms - (r->now_ms - c->heard_ms);
    if (max_ms > 0 && left_ms < every_ms)
        conn_set_timer(r, c, left_ms);
    else
        conn_set_timer(r, c, reactor_spread(r, c, every_ms));
}

static ON_REACTOR void begin_stream(struct reactor *r, struct conn *c, const struct http_request *q,
                                    const struct start *start, const struct place *place)
{
    const bool chunked = wants_chunks(q);
    conn_set_phase(r, c, CONN_SSE);
    struct text *out = outbox_open(r, c);
    if (out) {
        add_head(r, out, q, chunked, place->position);
        if (wants_preamble(q))
            add_preamble(out, chunked);
        add_first_block(r, out, chunked, start, place);
    }
    if (!outbox_close(r, c))
        return;
    const struct gap gap = {start->given, place_cursor(r, place->position), place->reason};
    if (place->has_gap && !notice_gap(r, c, &gap))
        return;
    inbound_free(r, c); /* q is in there, when it came with a body */
    begin_age(r, c);
    schedule(r, c);
    if (finish_is_over(r, c))
        finish_goodbye(r, c); /* it is told what it missed; nothing more will come */
    direct_open_letters(r, c);
}

ON_REACTOR void stream_open(struct reactor *r, struct conn *c, const struct http_request *q,
                            struct asking *a)
{
    struct place place;
    if (conn_subscribe(r, c, a, wire_for(q, a), &place) != 0) {
        answer_no_memory(r, c, q);
    } else if (!place.has_gap && finish_is_over(r, c)) {
        conn_unsubscribe(r, c);
        const struct answer gone = {.status = 204, .headers = "Cache-Control: no-store\r\n"};
        answer_send(r, c, q, &gone); /* what stops EventSource (WHATWG HTML, 9.2.3) */
    } else {
        begin_stream(r, c, q, &a->start, &place);
    }
}

ON_REACTOR void stream_refuse(struct reactor *r, struct conn *c, const struct http_request *q)
{
    struct text *out = outbox_open(r, c);
    if (out) {
        add_head(r, out, q, false, log_head(r->broker->log));
        sse_add_retry(out, reactor_jitter(r, RETRY_MIN_MS, RETRY_MAX_MS));
    }
    if (outbox_close(r, c))
        conn_end(r, c);
}

/* --- time ------------------------------------------------------------------------------------- */

static ON_REACTOR bool is_old(const struct reactor *r, const struct conn *c)
{
    const uint32_t max_ms = r->broker->settings.stream_max_ms;
    return max_ms > 0 && r->now_ms - c->heard_ms >= max_ms;
}

ON_REACTOR void stream_timeout(struct reactor *r, struct conn *c)
{
    if (is_old(r, c) && !conn_has(c, CONN_LOST)) {
        goodbye(r, c, 0, ""); /* it comes back, and resumes */
        return;
    }
    if (c->blocked_ms != 0) {
        slow_watch(r, c);
        return;
    }
    (void)sender_send_constant(r, c, sse_heartbeat(wire_is_chunked(c->wire)));
    schedule(r, c);
}
