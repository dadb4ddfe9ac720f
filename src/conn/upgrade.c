/* The WebSocket handshake (RFC 6455, 4.2), and the first frames behind it. */
#include "conn/upgrade.h"

#include "conn/access.h"
#include "conn/answer.h"
#include "conn/asking.h"
#include "conn/deflated.h"
#include "conn/direct.h"
#include "conn/finish.h"
#include "conn/goodbye.h"
#include "conn/inbound.h"
#include "conn/notice.h"
#include "conn/outbox.h"
#include "conn/place.h"
#include "conn/reactor.h"
#include "conn/wire.h"
#include "ws/extension.h"
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

/* All fields of that name as one (RFC 9110, 5.3). Absent: there is none, or no memory for them. */
static struct bytes combined(const struct http_request *q, const char *name, struct text *out)
{
    for (uint32_t i = 0; i < q->field_count; i++) {
        if (!bytes_equal_nocase(q->fields[i].name, bytes_from(name)))
            continue;
        text_add_str(out, out->at ? ", " : " ");
        text_add(out, q->fields[i].value);
    }
    return out->at && !out->failed ? text_bytes(out) : (struct bytes){0};
}

/* Chooses among `known` (ends in NULL). False: none of what was offered, which is answered. */
static ON_REACTOR bool check_subprotocol(struct reactor *r, struct conn *c,
                                         const struct http_request *q, const char *const *known,
                                         const char **chosen)
{
    struct text all = {0};
    const struct bytes offered = combined(q, "sec-websocket-protocol", &all);
    const enum ws_subprotocol choice = ws_choose_subprotocol(offered, known, chosen);
    text_fini(&all);
    switch (choice) {
    case WS_SUBPROTOCOL_NONE_OFFERED:
    case WS_SUBPROTOCOL_CHOSEN:
        return true;
    case WS_SUBPROTOCOL_UNKNOWN:
    case WS_SUBPROTOCOL_BAD:
        break;
    }
    answer_error(r, c, q, 400, "bad_subprotocol",
                 *known ? "no subprotocol that was offered is spoken here: offer uproar.json, or "
                          "none"
                        : "no subprotocol is spoken here: offer none");
    return false;
}

/* What the answer to a handshake says. */
struct handshake {
    char accept[WS_ACCEPT_LEN];
    const char *subprotocol; /* NULL: none */
    bool has_deflate;
    struct ws_deflate_terms deflate;
};

/* False: what was offered is no list of extensions, which is answered. */
static ON_REACTOR bool check_extensions(struct reactor *r, struct conn *c,
                                        const struct http_request *q, struct handshake *h)
{
    struct text all = {0};
    const enum ws_deflate_choice choice =
        ws_deflate_choose(combined(q, "sec-websocket-extensions", &all), &h->deflate);
    text_fini(&all);
    h->has_deflate = choice == WS_DEFLATE_CHOSEN && r->broker->settings.deflate != DEFLATE_OFF;
    if (choice != WS_DEFLATE_BAD)
        return true;
    answer_error(r, c, q, 400, "bad_extensions",
                 "Sec-WebSocket-Extensions is no list of extensions");
    return false;
}

/* False: it is answered. */
static ON_REACTOR bool shake_hands(struct reactor *r, struct conn *c, const struct http_request *q,
                                   const char *const *known, struct handshake *h)
{
    if (!check_handshake(r, c, q) || !check_subprotocol(r, c, q, known, &h->subprotocol) ||
        !check_extensions(r, c, q, h))
        return false;
    if (ws_accept(http_request_field(q, "sec-websocket-key"), h->accept))
        return true;
    answer_no_memory(r, c, q);
    return false;
}

static void add_switching(struct text *out, const struct handshake *h)
{
    text_printf(out,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n",
                WS_ACCEPT_LEN, h->accept);
    if (h->subprotocol)
        text_printf(out, "Sec-WebSocket-Protocol: %s\r\n", h->subprotocol);
    if (h->has_deflate)
        ws_deflate_answer(out, &h->deflate);
}

static uint8_t bits_of(const struct ws_deflate_terms *t)
{
    return (uint8_t)(CONN_DEFLATE | (t->client_forgets ? 0 : CONN_DEFLATE_PEER_KEEPS) |
                     (t->server_forgets ? 0 : CONN_DEFLATE_WE_KEEP) |
                     t->server_bits << CONN_DEFLATE_BITS_SHIFT);
}

/* Without memory for contexts each message stands alone, which costs nothing. */
static ON_REACTOR void agree_on(struct reactor *r, struct conn *c, struct ws_deflate_terms *t)
{
    if (deflated_agree(r, c, bits_of(t)))
        return;
    t->server_forgets = t->client_forgets = true;
    const bool agreed = deflated_agree(r, c, bits_of(t));
    ASSERT(agreed);
}

/* at: where a subscription begins; NULL: there is none. False: the connection is gone. */
static ON_REACTOR bool begin_websocket(struct reactor *r, struct conn *c, struct handshake *h,
                                       const struct cursor *at)
{
    conn_set_phase(r, c, CONN_WS);
    if (h->has_deflate)
        agree_on(r, c, &h->deflate);
    struct text *out = outbox_open(r, c);
    if (out) {
        add_switching(out, h);
        if (at)
            answer_add_cursor(out, *at, false);
        text_add_str(out, "\r\n");
    }
    if (!outbox_close(r, c))
        return false;
    inbound_free(r, c);
    return true;
}

/* --- to a topic ------------------------------------------------------------------------------- */

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
    const bool told = !payload.failed && outbox_add_frame(r, c, WS_TEXT, text_bytes(&payload));
    if (payload.failed)
        conn_drop(r, c, true);
    text_fini(&payload);
    return told;
}

static ON_REACTOR void first_frames(struct reactor *r, struct conn *c, const struct start *start,
                                    const struct place *place)
{
    if (!wire_is_raw_ws(c->wire) && !tell_open(r, c, start, place))
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

/* Subscribers share what is compressed, so each message stands alone; a publisher may refer to its
 * own earlier ones where that is allowed to cost memory. */
static ON_REACTOR void share_deflate(const struct reactor *r, struct handshake *h)
{
    h->deflate.server_forgets = true;
    if (r->broker->settings.deflate != DEFLATE_FULL)
        h->deflate.client_forgets = true;
}

/* A peer with a smaller window than that of the shared images gets messages as they are. */
static enum wire wire_of(const struct handshake *h, bool json)
{
    const bool fits = h->has_deflate && h->deflate.server_bits >= WIRE_WINDOW_BITS;
    if (json)
        return fits ? WIRE_WS_JSON_DEFLATE : WIRE_WS_JSON;
    return fits ? WIRE_WS_DEFLATE : WIRE_WS;
}

ON_REACTOR void upgrade_open(struct reactor *r, struct conn *c, const struct http_request *q,
                             struct asking *a)
{
    static const char *const known[] = {json_subprotocol, NULL};
    struct handshake h;
    struct place place;
    if (!shake_hands(r, c, q, known, &h))
        return;
    share_deflate(r, &h);
    const enum wire wire = wire_of(&h, h.subprotocol || a->json);
    if (conn_subscribe(r, c, a, wire, &place) != 0) {
        answer_no_memory(r, c, q);
        return;
    }
    if (access_has_token(q, r->broker->settings.publish_token))
        conn_set(c, CONN_MAY_PUBLISH);
    const struct cursor at = place_cursor(r, place.position);
    if (!begin_websocket(r, c, &h, &at))
        return;
    first_frames(r, c, &a->start, &place);
    direct_open_letters(r, c);
}

/* --- to an echo ------------------------------------------------------------------------------- */

ON_REACTOR void upgrade_echo(struct reactor *r, struct conn *c, const struct http_request *q)
{
    static const char *const known[] = {NULL};
    struct handshake h;
    if (!shake_hands(r, c, q, known, &h) || !begin_websocket(r, c, &h, NULL))
        return;
    conn_set_timer(r, c, reactor_spread(r, c, r->broker->settings.ping_ms));
    direct_open_letters(r, c);
}
