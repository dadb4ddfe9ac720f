/* Subscribers that ask again and again: arrays or lines, on one connection or a new one for each
 * question, always from the cursor of the last answer. */
#include "sim/subscriber.h"

#include "sim/failure.h"
#include "sim/world.h"

#include <stdio.h>
#include <string.h>

enum { WAIT_MAX_S = 2, AGAIN_ONE_IN = 2 };

static void ask(struct subscriber *s)
{
    char wait[16];
    struct random *r = s->peer.random;
    response_reset(&s->response);
    s->is_json = true;
    s->is_asking = true;
    s->is_lines = random_one_in(r, 2);
    s->is_old = random_one_in(r, 6);
    const uint32_t wait_s = random_one_in(r, 2) ? 0 : random_between(r, 1, WAIT_MAX_S);
    snprintf(wait, sizeof(wait), "&wait=%u", wait_s);
    subscriber_ask(s, wait, s->is_lines ? "Accept: application/x-ndjson\r\n" : "");
    /* A cursor that is none of this log's is a gap at once. */
    s->awaits_gap = s->from == FROM_ELSEWHERE;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void on_envelope(struct subscriber *s, json_t *found)
{
    struct envelope e;
    json_client_envelope(found, &e, &s->decoded, s->peer.name);
    if (!s->is_open && s->from != FROM_SEEN && !s->awaits_gap)
        subscriber_begin(s, subscriber_seq(s, e.id) - 1);
    s->is_open = true;
    subscriber_message(s, &e);
}

static void on_array(struct subscriber *s, struct bytes body)
{
    json_t *found = json_client_parse(body, s->peer.name);
    SIM_CHECK("protocol", json_is_array(found), "%s: no array", s->peer.name);
    for (size_t i = 0; i < json_array_size(found); i++)
        on_envelope(s, json_array_get(found, i));
    json_decref(found);
}

static void on_lines(struct subscriber *s, struct bytes body)
{
    while (body.len > 0) {
        const uint8_t *lf = memchr(body.at, '\n', body.len);
        SIM_CHECK("protocol", lf, "%s: a line without an end", s->peer.name);
        const struct bytes line = {body.at, (size_t)(lf - body.at)};
        json_t *found = json_client_parse(line, s->peer.name);
        on_envelope(s, found);
        json_decref(found);
        body = bytes_skip(body, line.len + 1);
    }
}

static void on_messages(struct subscriber *s)
{
    const struct response *r = &s->response;
    const char *type = s->is_lines ? "application/x-ndjson" : "application/json";
    SIM_CHECK("protocol", strncmp(r->type, type, strlen(type)) == 0, "%s: type %s", s->peer.name,
              r->type);
    if (s->is_lines)
        on_lines(s, buffer_bytes(&r->body));
    else
        on_array(s, buffer_bytes(&r->body));
}

/* The place to go on from: not beyond what is still to come. */
static void take_cursor(struct subscriber *s)
{
    const struct bytes cursor = bytes_from(s->response.cursor);
    SIM_CHECK("gap", !s->awaits_gap, "%s: no gap, although its place never was", s->peer.name);
    if (s->is_open || s->from == FROM_SEEN)
        audit_opened(&s->audit, cursor);
    else
        subscriber_begin(s, subscriber_seq(s, cursor));
    s->is_open = true;
}

static void on_gone(struct subscriber *s)
{
    struct told_gap gap;
    json_t *body = json_client_parse(buffer_bytes(&s->response.body), s->peer.name);
    json_t *told = json_client_only_member(body, "gap");
    if (told) {
        json_client_gap(told, &gap, s->peer.name);
        SIM_CHECK("gap", bytes_equal(gap.resumed, bytes_from(s->response.cursor)),
                  "%s: a gap up to %.*s in an answer with %s", s->peer.name, (int)gap.resumed.len,
                  (const char *)gap.resumed.at, s->response.cursor);
        subscriber_gap(s, &gap);
    } else {
        subscriber_finished(s);
    }
    json_decref(body);
}

static void check_head(const struct subscriber *s)
{
    const struct response *r = &s->response;
    char tag[RESPONSE_FIELD_MAX + 2];
    snprintf(tag, sizeof(tag), "\"%s\"", r->cursor);
    SIM_CHECK("protocol", r->is_uncachable, "%s: no Cache-Control: no-store", s->peer.name);
    SIM_CHECK("protocol", strcmp(tag, r->etag) == 0, "%s: cursor %s, ETag %s", s->peer.name,
              r->cursor, r->etag);
}

static void on_answer(struct subscriber *s)
{
    const struct response *r = &s->response;
    switch (r->status) {
    case 200:
        check_head(s);
        on_messages(s);
        take_cursor(s);
        return;
    case 204:
        check_head(s);
        SIM_CHECK("protocol", !s->is_tagged, "%s: 204 to a tag", s->peer.name);
        take_cursor(s);
        return;
    case 304:
        check_head(s);
        SIM_CHECK("protocol", s->is_tagged && strcmp(r->cursor, s->after) == 0,
                  "%s: 304 with %s to %s", s->peer.name, r->cursor, s->after);
        take_cursor(s);
        return;
    case 410:
        on_gone(s);
        return;
    default:
        subscriber_read_refusal(s);
    }
}

/* --- asking on -------------------------------------------------------------------------------- */

static bool may_ask(const struct subscriber *s)
{
    return (s->peer.goal == PEER_LIVE || s->peer.goal == PEER_SETTLE) && !s->peer.has_ended;
}

static void go_on(struct subscriber *s)
{
    struct peer *p = &s->peer;
    SIM_CHECK("protocol", peer_pending(p).len == 0, "%s: bytes behind the answer", p->name);
    if (s->response.closes || s->is_finished || s->is_refused || !may_ask(s)) {
        peer_close(p);
    } else if (random_one_in(p->random, AGAIN_ONE_IN)) {
        subscriber_choose_place(s);
        ask(s);
    }
}

static void read(struct subscriber *s)
{
    struct response *r = &s->response;
    if (s->is_asking) {
        peer_understood(&s->peer, response_read(r, peer_pending(&s->peer)));
        if (!r->is_whole)
            return;
        trace("%s: %u %s", s->peer.name, r->status, r->cursor);
        s->is_asking = false;
        s->answer_count++;
        on_answer(s);
    }
    if (!peer_is_over(&s->peer))
        go_on(s);
}

/* Between two questions it may: nobody waits for ever (RFC 9112, 9.3). */
static void ended(struct subscriber *s)
{
    if (!peer_was_left(&s->peer) || !s->is_asking)
        return;
    SIM_CHECK("protocol", !s->response.has_head && s->answer_count > 0,
              "%s: the connection ended in place of an answer", s->peer.name);
}

const struct transport transport_poll = {"poll", false, ask, read, ended, NULL};
