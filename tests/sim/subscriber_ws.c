/* Subscribers on WebSockets: bare payloads, or JSON with ids, gaps and an opening. */
#include "sim/subscriber.h"

#include "sim/ending.h"
#include "sim/failure.h"
#include "sim/world.h"

#include <stdio.h>
#include <string.h>

enum {
    CLOSE_FINISHED = 1000,
    CLOSE_DRAIN = 1001,
    CLOSE_TOO_BIG = 1009,
    CLOSE_MEMORY = 1011,
    CLOSE_LATER = 1013,
    CLOSE_GAP = 4410,
};

/* --- the handshake ---------------------------------------------------------------------------- */

/* 16 bytes in base64: 21 digits, one that has only two bits, and the padding. */
static void draw_key(struct random *r, char out[static 25])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 21; i++)
        out[i] = digits[random_below(r, 64)];
    out[21] = "AQgw"[random_below(r, 4)];
    strcpy(out + 22, "==");
}

static void ask(struct subscriber *s, bool is_json)
{
    char key[25], fields[320];
    draw_key(s->peer.random, key);
    snprintf(fields, sizeof(fields),
             "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: %s\r\n"
             "Sec-WebSocket-Version: 13\r\n%s%s",
             key,
             random_one_in(s->peer.random, 2)
                 ? "Sec-WebSocket-Extensions: other, permessage-deflate\r\n"
                 : "",
             is_json && random_one_in(s->peer.random, 4)
                 ? "Sec-WebSocket-Protocol: other, uproar.json\r\n"
                 : "");
    s->is_json = is_json;
    subscriber_ask(s, "", fields);
}

static void ask_raw(struct subscriber *s)
{
    ask(s, false);
}

static void ask_json(struct subscriber *s)
{
    ask(s, true);
}

/* A raw one has no other place for its opening than the answer's head. What that says to one who
 * resumes is judged with its first frame: before a gap it is the place behind it. */
static void open_by_head(struct subscriber *s)
{
    const struct bytes cursor = bytes_from(s->response.cursor);
    (void)subscriber_seq(s, cursor);
    if (s->is_json)
        return;
    if (s->from == FROM_SEEN)
        s->is_open = true;
    else
        subscriber_opened(s, s->from == FROM_ELSEWHERE ? (struct bytes){0} : cursor);
}

static void on_handshake(struct subscriber *s)
{
    static const char agreed[] =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    const struct response *r = &s->response;
    if (r->status != 101) {
        subscriber_read_refusal(s);
        return;
    }
    SIM_CHECK("protocol", strcmp(r->upgrade, "websocket") == 0, "%s: upgraded to `%s`",
              s->peer.name, r->upgrade);
    SIM_CHECK("protocol",
              r->protocol[0] == '\0' || (s->is_json && !strcmp(r->protocol, "uproar.json")),
              "%s: subprotocol %s", s->peer.name, r->protocol);
    SIM_CHECK("protocol", r->extensions[0] == '\0' || !strcmp(r->extensions, agreed),
              "%s: extensions %s", s->peer.name, r->extensions);
    s->ws.may_deflate = r->extensions[0] != '\0';
    open_by_head(s);
}

/* --- messages --------------------------------------------------------------------------------- */

static void on_json(struct subscriber *s, json_t *found)
{
    struct told_gap gap;
    struct envelope e;
    const char *who = s->peer.name;
    json_t *open = json_client_only_member(found, "open");
    json_t *told = json_client_only_member(found, "gap");
    if (open) {
        subscriber_opened(s, json_client_string(json_client_only_member(open, "cursor"), who));
    } else if (told) {
        json_client_gap(told, &gap, who);
        subscriber_gap(s, &gap);
    } else {
        json_client_envelope(found, &e, &s->decoded, who);
        subscriber_message(s, &e);
    }
}

static void on_message(struct subscriber *s, bool is_binary)
{
    const struct bytes payload = buffer_bytes(&s->ws.message);
    if (!s->is_json) {
        subscriber_message(s, &(struct envelope){.payload = payload, .is_binary = is_binary});
        return;
    }
    SIM_CHECK("protocol", !is_binary, "%s: binary where JSON was due", s->peer.name);
    json_t *found = json_client_parse(payload, s->peer.name);
    on_json(s, found);
    json_decref(found);
}

/* --- closing ---------------------------------------------------------------------------------- */

/* `gap AFTER RESUMED`. */
static void on_gap(struct subscriber *s)
{
    char after[CLOSE_REASON_MAX], resumed[CLOSE_REASON_MAX], more;
    const int found = sscanf(s->ws.close_reason, "gap %123s %123s%c", after, resumed, &more);
    SIM_CHECK("protocol", found == 2 && !s->is_json, "%s: closed by 4410, %s", s->peer.name,
              s->ws.close_reason);
    subscriber_gap(s, &(struct told_gap){bytes_from(after), bytes_from(resumed), {0}});
}

static void check_close(const struct subscriber *s)
{
    const struct world *w = s->peer.world;
    const unsigned code = s->ws.close_code;
    const bool may_be_full = s->on_message && strncmp(s->ws.close_reason, "no room", 7) == 0;
    const bool may = code == CLOSE_DRAIN     ? w->draining
                     : code == CLOSE_TOO_BIG ? s->said_too_much
                     : code == CLOSE_MEMORY  ? w->scenario.allocation_fails > 0
                     : code == CLOSE_LATER   ? subscriber_was_too_slow(s) || may_be_full
                                             : false;
    SIM_CHECK("protocol", may, "%s: closed by %u, %s", s->peer.name, code, s->ws.close_reason);
}

static void on_close(struct subscriber *s)
{
    const unsigned code = s->ws.close_code;
    const bool is_echo = s->ws.said_close && code != CLOSE_FINISHED && code != CLOSE_GAP;
    trace("%s: closed by %u %s", s->peer.name, code, s->ws.close_reason);
    if (code == CLOSE_DRAIN)
        s->peer.dismissed_ns = s->peer.kernel->now_ns;
    if (code == CLOSE_FINISHED)
        subscriber_finished(s);
    else if (code == CLOSE_GAP)
        on_gap(s);
    else if (!is_echo || code < 3000)
        check_close(s);
    ws_client_say_close(&s->ws, &s->peer, code == 0 ? CLOSE_FINISHED : code);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void judge_head(struct subscriber *s, enum ws_got got)
{
    struct response *r = &s->response;
    if (s->is_json || r->cursor[0] == '\0' || got == GOT_CLOSE)
        return;
    if (s->from == FROM_SEEN)
        audit_opened(&s->audit, bytes_from(r->cursor));
    r->cursor[0] = '\0';
}

/* False: nothing more to be read by now. */
static bool read_frame(struct subscriber *s)
{
    const enum ws_got got = ws_client_read(&s->ws, &s->peer);
    if (got != GOT_NOTHING)
        judge_head(s, got);
    switch (got) {
    case GOT_NOTHING:
        return false;
    case GOT_SOMETHING:
        return true;
    case GOT_TEXT:
    case GOT_BINARY:
        on_message(s, got == GOT_BINARY);
        return true;
    case GOT_CLOSE:
        on_close(s);
        return true;
    }
    UNREACHABLE("got");
}

static void read(struct subscriber *s)
{
    struct response *r = &s->response;
    if (!r->is_whole) {
        peer_understood(&s->peer, response_read(r, peer_pending(&s->peer)));
        if (r->is_whole)
            on_handshake(s);
    }
    while (r->status == 101 && read_frame(s))
        continue;
}

static void ended(struct subscriber *s)
{
    const struct response *r = &s->response;
    if (!peer_was_left(&s->peer) || (s->peer.in_reset && ending_is_of_the_dead(&s->peer)))
        return;
    SIM_CHECK("protocol", r->is_whole, "%s: the connection ended before the answer", s->peer.name);
    SIM_CHECK("protocol", r->status != 101 || s->ws.has_close,
              "%s: the connection ended without a close frame", s->peer.name);
    SIM_CHECK("protocol", peer_pending(&s->peer).len == 0, "%s: bytes behind the answer",
              s->peer.name);
}

/* A peer that said something within the interval is not asked: so it may be two. Nor is one whose
 * own message waits for room: only those who just listen are sure to be. */
static void lasts(struct subscriber *s)
{
    const struct peer *p = &s->peer;
    const uint64_t moved_ns = p->heard_ns > p->said_ns ? p->heard_ns : p->said_ns;
    if (!s->on_message && !s->ws.has_close && !s->ws.said_close)
        subscriber_check_late(s, subscriber_moved_ns(s, moved_ns),
                              2 * p->world->broker->settings.ping_ms, "no ping");
}

const struct transport transport_ws_raw = {"ws", true, ask_raw, read, ended, lasts};
const struct transport transport_ws_json = {"ws json", true, ask_json, read, ended, lasts};
