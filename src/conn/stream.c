/* From request to subscription. Frames and events that follow are not its business. */
#include "conn/stream.h"

#include "base/clock.h"
#include "conn/access.h"
#include "conn/answer.h"
#include "conn/inbound.h"
#include "conn/outbox.h"
#include "conn/reactor.h"
#include "conn/slow.h"
#include "http/origin.h"
#include "http/reply.h"
#include "log/cursor.h"
#include "sse/sse.h"
#include "ws/handshake.h"

#include <stdio.h>

enum { RETRY_MIN_MS = 2000, RETRY_MAX_MS = 4001 };

static ON_REACTOR void no_memory(struct reactor *r, struct conn *c, const struct http_request *q)
{
    stat_add(&r->stats.refused[REFUSED_memory], 1);
    answer_error(r, c, q, 503, "no_memory", "the server is out of memory, try again");
}

static ON_REACTOR void add_cursor_line(struct reactor *r, struct text *out, const char *name,
                                       const char *end)
{
    char cursor[CURSOR_TEXT_MAX];
    const struct cursor here = {log_epoch(r->broker->log), r->history.next_seq - 1};
    cursor_format(here, cursor);
    text_printf(out, "%s: %s%s", name, cursor, end);
}

static ON_REACTOR void add_origin(struct reactor *r, struct text *out, const struct http_request *q)
{
    http_origin_add_headers(out, q, http_origin_check(q, &r->broker->settings.origins));
}

/* --- event streams ---------------------------------------------------------------------------- */

static bool wants_chunks(const struct http_request *q)
{
    return q->minor == 1 && q->keep_alive;
}

static ON_REACTOR void add_events_head(struct reactor *r, struct text *out,
                                       const struct http_request *q, bool chunked)
{
    text_add_str(out, "HTTP/1.1 200 OK\r\n");
    http_add_date(out, clock_realtime_ms());
    text_add_str(out, "Content-Type: text/event-stream\r\n"
                      "Cache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\n");
    text_add_str(out, chunked ? "Transfer-Encoding: chunked\r\n" : "Connection: close\r\n");
    add_cursor_line(r, out, "Uproar-Cursor", "\r\n");
    add_origin(r, out, q);
    text_add_str(out, "\r\n");
}

/* The opening tells the place in the log, so that a reconnect before the first message is exact. */
static ON_REACTOR void add_first_block(struct reactor *r, struct text *out, bool chunked)
{
    char text[CURSOR_TEXT_MAX];
    const struct cursor here = {log_epoch(r->broker->log), r->history.next_seq - 1};
    const struct bytes cursor = {(const uint8_t *)text, cursor_format(here, text)};
    struct text block = {0};
    sse_add_open(&block, reactor_jitter(r, RETRY_MIN_MS, RETRY_MAX_MS), cursor);
    sse_add_framed(out, text_bytes(&block), chunked);
    out->failed = out->failed || block.failed;
    text_fini(&block);
}

static ON_REACTOR void schedule_heartbeat(struct reactor *r, struct conn *c)
{
    const uint32_t every_ms = r->broker->settings.heartbeat_ms;
    conn_set_timer(r, c, every_ms - reactor_jitter(r, 0, every_ms / 8 + 1));
}

ON_REACTOR void stream_open_events(struct reactor *r, struct conn *c, const struct http_request *q,
                                   struct bytes topic)
{
    const bool chunked = wants_chunks(q);
    if (conn_subscribe(r, c, topic, chunked ? WIRE_SSE_CHUNKED : WIRE_SSE_PLAIN) != 0) {
        no_memory(r, c, q);
        return;
    }
    conn_set_phase(r, c, CONN_SSE);
    inbound_free(r, c);
    struct text *out = outbox_open(r, c);
    if (out) {
        add_events_head(r, out, q, chunked);
        add_first_block(r, out, chunked);
    }
    if (outbox_close(r, c))
        schedule_heartbeat(r, c);
}

ON_REACTOR void stream_refuse_events(struct reactor *r, struct conn *c,
                                     const struct http_request *q)
{
    struct text *out = outbox_open(r, c);
    if (out) {
        add_events_head(r, out, q, false);
        sse_add_retry(out, reactor_jitter(r, RETRY_MIN_MS, RETRY_MAX_MS));
    }
    if (outbox_close(r, c))
        conn_end(r, c);
}

ON_REACTOR void stream_timeout(struct reactor *r, struct conn *c)
{
    if (c->blocked_ms != 0) {
        slow_watch(r, c);
        return;
    }
    (void)sender_send_constant(r, c, sse_heartbeat(c->wire == WIRE_SSE_CHUNKED));
    schedule_heartbeat(r, c);
}

/* --- WebSocket -------------------------------------------------------------------------------- */

static ON_REACTOR void upgrade_required(struct reactor *r, struct conn *c,
                                        const struct http_request *q, const char *message)
{
    const struct answer a = {.status = 426,
                             .headers = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                        "Sec-WebSocket-Version: 13\r\n"};
    answer_error_with(r, c, q, &a, "upgrade_required", message);
}

/* RFC 6455, 4.2.1. True: the handshake is good; else it is answered. */
static ON_REACTOR bool check_handshake(struct reactor *r, struct conn *c,
                                       const struct http_request *q)
{
    if (q->minor == 0 || !http_request_has_token(q, "upgrade", "websocket") ||
        !http_request_has_token(q, "connection", "upgrade")) {
        upgrade_required(r, c, q,
                         "a WebSocket needs HTTP/1.1, Upgrade: websocket and Connection: "
                         "Upgrade; a proxy may have removed them");
        return false;
    }
    if (http_request_field_count(q, "sec-websocket-version") != 1 ||
        !bytes_equal(http_request_field(q, "sec-websocket-version"), BYTES_LITERAL("13"))) {
        upgrade_required(r, c, q, "Sec-WebSocket-Version: 13 is the one spoken here");
        return false;
    }
    if (http_request_field_count(q, "sec-websocket-key") != 1 ||
        !ws_key_is_valid(http_request_field(q, "sec-websocket-key")) || q->chunked ||
        q->content_length > 0) {
        answer_error(r, c, q, 400, "bad_handshake",
                     "one Sec-WebSocket-Key of 16 bytes in base64 is needed, and no body");
        return false;
    }
    return true;
}

static ON_REACTOR bool check_subprotocol(struct reactor *r, struct conn *c,
                                         const struct http_request *q)
{
    static const char *const known[] = {NULL};
    const char *chosen = NULL;
    if (!http_request_field(q, "sec-websocket-protocol").at)
        return true;
    if (ws_choose_subprotocol(http_request_field(q, "sec-websocket-protocol"), known, &chosen) ==
        WS_SUBPROTOCOL_NONE_OFFERED)
        return true;
    answer_error(r, c, q, 400, "bad_subprotocol",
                 "no subprotocol that was offered is spoken here: offer none");
    return false;
}

static ON_REACTOR void add_switching(struct reactor *r, struct text *out,
                                     const char accept[static WS_ACCEPT_LEN])
{
    text_printf(out,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n",
                WS_ACCEPT_LEN, accept);
    add_cursor_line(r, out, "Uproar-Cursor", "\r\n\r\n");
}

ON_REACTOR void stream_open_websocket(struct reactor *r, struct conn *c,
                                      const struct http_request *q, struct bytes topic)
{
    char accept[WS_ACCEPT_LEN];
    if (!check_handshake(r, c, q) || !check_subprotocol(r, c, q))
        return;
    if (!ws_accept(http_request_field(q, "sec-websocket-key"), accept) ||
        conn_subscribe(r, c, topic, WIRE_WS) != 0) {
        no_memory(r, c, q);
        return;
    }
    if (access_has_token(q, r->broker->settings.publish_token))
        conn_set(c, CONN_MAY_PUBLISH);
    conn_set_phase(r, c, CONN_WS);
    inbound_free(r, c);
    struct text *out = outbox_open(r, c);
    if (out)
        add_switching(r, out, accept);
    const uint32_t every_ms = r->broker->settings.ping_ms;
    if (outbox_close(r, c))
        conn_set_timer(r, c, every_ms - reactor_jitter(r, 0, every_ms / 8 + 1));
}
