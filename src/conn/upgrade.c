/* The WebSocket handshake (RFC 6455, 4.2), and the first frames behind it. */
#include "conn/upgrade.h"

#include "conn/access.h"
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
#include "ws/handshake.h"

static const char json_subprotocol[] = "uproar.json";

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

/* True: *json says whether the JSON subprotocol was chosen; else it is answered. */
static ON_REACTOR bool check_subprotocol(struct reactor *r, struct conn *c,
                                         const struct http_request *q, bool *json)
{
    static const char *const known[] = {json_subprotocol, NULL};
    const char *chosen = NULL;
    *json = false;
    if (!http_request_field(q, "sec-websocket-protocol").at)
        return true;
    switch (
        ws_choose_subprotocol(http_request_field(q, "sec-websocket-protocol"), known, &chosen)) {
    case WS_SUBPROTOCOL_NONE_OFFERED:
        return true;
    case WS_SUBPROTOCOL_CHOSEN:
        *json = true;
        return true;
    case WS_SUBPROTOCOL_UNKNOWN:
    case WS_SUBPROTOCOL_BAD:
        break;
    }
    answer_error(r, c, q, 400, "bad_subprotocol",
                 "no subprotocol that was offered is spoken here: offer uproar.json, or none");
    return false;
}

static ON_REACTOR void add_switching(struct reactor *r, struct text *out,
                                     const struct http_request *q, const char *accept,
                                     uint64_t position)
{
    text_printf(out,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n",
                WS_ACCEPT_LEN, accept);
    if (http_request_field(q, "sec-websocket-protocol").at) /* then it was the one chosen */
        text_printf(out, "Sec-WebSocket-Protocol: %s\r\n", json_subprotocol);
    answer_add_cursor(out, place_cursor(r, position), false);
    text_add_str(out, "\r\n");
}

/* Where it is; before the notice of a gap, the peer's own cursor: cut right there, it is told
 * again.
 */
static ON_REACTOR bool tell_open(struct reactor *r, struct conn *c, const struct start *start,
                                 const struct place *place)
{
    char text[CURSOR_TEXT_MAX];
    cursor_format(place_cursor(r, place->position), text);
    struct text payload = {0};
    text_add_str(&payload, "{\"open\":{\"cursor\":");
    text_add_json(&payload, place->has_gap ? start->given : bytes_from(text));
    text_add_str(&payload, "}}");
    const bool told = !payload.failed && notice_frame(r, c, text_bytes(&payload));
    if (payload.failed)
        conn_drop(r, c, true);
    text_fini(&payload);
    return told;
}

static ON_REACTOR void first_frames(struct reactor *r, struct conn *c, const struct start *start,
                                    const struct place *place)
{
    if (c->wire == WIRE_WS_JSON && !tell_open(r, c, start, place))
        return;
    const struct gap gap = {start->given, place_cursor(r, place->position), place->reason};
    if (place->has_gap && !notice_gap(r, c, &gap))
        return;
    if (finish_is_over(r, c)) {
        goodbye(r, c, WS_CLOSE_NORMAL, "the topic is finished");
        return;
    }
    conn_set_timer(r, c, reactor_spread(r, c, r->broker->settings.ping_ms));
}

static ON_REACTOR void begin_websocket(struct reactor *r, struct conn *c,
                                       const struct http_request *q, const char *accept,
                                       const struct start *start, const struct place *place)
{
    if (access_has_token(q, r->broker->settings.publish_token))
        conn_set(c, CONN_MAY_PUBLISH);
    conn_set_phase(r, c, CONN_WS);
    struct text *out = outbox_open(r, c);
    if (out)
        add_switching(r, out, q, accept, place->position);
    if (!outbox_close(r, c))
        return;
    inbound_free(r, c);
    first_frames(r, c, start, place);
    direct_open_letters(r, c);
}

ON_REACTOR void upgrade_open(struct reactor *r, struct conn *c, const struct http_request *q,
                             struct asking *a)
{
    char accept[WS_ACCEPT_LEN];
    struct place place;
    bool json;
    if (!check_handshake(r, c, q) || !check_subprotocol(r, c, q, &json))
        return;
    if (!ws_accept(http_request_field(q, "sec-websocket-key"), accept) ||
        conn_subscribe(r, c, a, json || a->json ? WIRE_WS_JSON : WIRE_WS, &place) != 0)
        answer_no_memory(r, c, q);
    else
        begin_websocket(r, c, q, accept, &a->start, &place);
}
