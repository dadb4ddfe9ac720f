/* Subscribers on event streams: raw or JSON, in chunks or to the end of the connection, asked for
 * by GET or by POST. */
#include "sim/subscriber.h"

#include "sim/failure.h"
#include "sim/world.h"

#include <string.h>

enum { TURN_MS = 100 };

static void ask(struct subscriber *s)
{
    struct random *r = s->peer.random;
    s->is_json = random_one_in(r, 2);
    s->is_old = random_one_in(r, 3);
    s->is_posted = random_one_in(r, 6);
    if (s->is_posted)
        subscriber_ask_by_post(s);
    else
        subscriber_ask(s, "", "Accept: text/event-stream\r\n");
}

/* --- events ----------------------------------------------------------------------------------- */

/* The first block. Without a cursor: the server is full, and says when to come back; or what it was
 * given is none, and a gap follows. */
static void on_first(struct subscriber *s)
{
    const struct sse_client *e = &s->sse;
    SIM_CHECK("protocol", e->has_retry && !e->has_data && !e->has_event,
              "%s: the first block is not `retry` and `id`", s->peer.name);
    s->opened_ns = s->peer.kernel->now_ns;
    SIM_CHECK("protocol", !s->is_refused, "%s: a stream that was refused goes on", s->peer.name);
    if (e->has_id || s->is_garbled)
        subscriber_opened(s, e->has_id ? bytes_from(e->id) : (struct bytes){0});
    else
        subscriber_refused(s, (struct bytes){0});
}

static void on_gap(struct subscriber *s)
{
    const struct sse_client *e = &s->sse;
    struct told_gap gap;
    json_t *found = json_client_parse(buffer_bytes(&e->data), s->peer.name);
    json_client_gap(found, &gap, s->peer.name);
    SIM_CHECK("gap", e->has_id && bytes_equal(bytes_from(e->id), gap.resumed),
              "%s: the id of a gap is %s", s->peer.name, e->id);
    subscriber_gap(s, &gap);
    json_decref(found);
}

static void on_envelope(struct subscriber *s)
{
    struct envelope e;
    json_t *found = json_client_parse(buffer_bytes(&s->sse.data), s->peer.name);
    json_client_envelope(found, &e, &s->decoded, s->peer.name);
    SIM_CHECK("protocol", !s->sse.has_event && bytes_equal(bytes_from(s->sse.id), e.id),
              "%s: the event's id is %s, its envelope's %.*s", s->peer.name, s->sse.id,
              (int)e.id.len, (const char *)e.id.at);
    s->audit.by_sse = false; /* JSON has its line ends escaped */
    subscriber_message(s, &e);
    json_decref(found);
}

static void on_raw(struct subscriber *s)
{
    const bool is_binary = s->sse.has_event;
    struct bytes payload = buffer_bytes(&s->sse.data);
    SIM_CHECK("protocol", !is_binary || strcmp(s->sse.event, "binary") == 0, "%s: event %s",
              s->peer.name, s->sse.event);
    if (is_binary) {
        buffer_clear(&s->decoded);
        json_client_base64(payload, &s->decoded, s->peer.name);
        payload = buffer_bytes(&s->decoded);
    }
    s->audit.by_sse = true;
    subscriber_message(s, &(struct envelope){.id = bytes_from(s->sse.id),
                                             .payload = payload,
                                             .is_binary = is_binary});
}

static void on_block(struct subscriber *s)
{
    const struct sse_client *e = &s->sse;
    if (!s->is_open) {
        on_first(s);
        return;
    }
    SIM_CHECK("protocol", e->has_data && e->has_id && !e->has_retry, "%s: an event without %s",
              s->peer.name, e->has_data ? "id" : "data");
    if (e->has_event && strcmp(e->event, "gap") == 0)
        on_gap(s);
    else if (s->is_json)
        on_envelope(s);
    else
        on_raw(s);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void on_answer(struct subscriber *s)
{
    if (s->response.status == 204)
        subscriber_finished(s);
    else
        subscriber_read_refusal(s);
}

static void read_events(struct subscriber *s)
{
    struct response *r = &s->response;
    SIM_CHECK("protocol",
              strncmp(r->type, "text/event-stream", 17) == 0 && r->framing >= RESPONSE_IN_CHUNKS,
              "%s: an event stream of type %s, framing %d", s->peer.name, r->type, (int)r->framing);
    while (sse_client_read(&s->sse, &r->body))
        on_block(s);
}

static void read(struct subscriber *s)
{
    struct response *r = &s->response;
    const bool was_whole = r->is_whole;
    peer_understood(&s->peer, response_read(r, peer_pending(&s->peer)));
    if (r->has_head && r->status == 200)
        read_events(s);
    else if (r->is_whole && !was_whole)
        on_answer(s);
    if (!r->is_whole)
        return;
    SIM_CHECK("protocol", peer_pending(&s->peer).len == 0, "%s: bytes behind the stream",
              s->peer.name);
    if (!r->closes && r->status != 200)
        peer_close(&s->peer);
}

/* --- ends ------------------------------------------------------------------------------------- */

/* Its age counts from up to an eighth earlier; and from the beginning of the turn in which the
 * server heard it. Nobody grows old once everything settles. */
static bool is_old(const struct subscriber *s)
{
    const struct world *w = s->peer.world;
    const uint32_t max_ms = w->scenario.settings.stream_max_ms;
    const uint64_t until_ns = w->settled_ns > 0 ? w->settled_ns : s->peer.kernel->now_ns;
    const uint64_t age_ms = until_ns > s->asks_ns ? (until_ns - s->asks_ns) / 1000000 : 0;
    return max_ms > 0 && age_ms + TURN_MS >= max_ms - max_ms / 8;
}

static bool may_end(const struct subscriber *s)
{
    return s->is_refused || s->peer.world->draining || subscriber_may_finish(s) || is_old(s) ||
           subscriber_was_too_slow(s);
}

static void ended(struct subscriber *s)
{
    const struct response *r = &s->response;
    if (!peer_was_left(&s->peer))
        return;
    trace("%s: the stream ended", s->peer.name);
    SIM_CHECK("protocol", response_may_end(r), "%s: the connection ended in the middle of it",
              s->peer.name);
    if (r->status != 200)
        return;
    if (s->is_garbled && s->awaits_gap) {
        subscriber_refused(s, (struct bytes){0}); /* so that was the other first block */
        return;
    }
    SIM_CHECK("protocol", buffer_len(&r->body) == 0 && sse_client_may_end(&s->sse),
              "%s: the stream ended in the middle of an event", s->peer.name);
    SIM_CHECK("protocol", s->is_open || s->is_refused,
              "%s: the stream ended before its first block", s->peer.name);
    SIM_CHECK("gap", !s->awaits_gap, "%s: the stream ended before the gap that is due",
              s->peer.name);
    SIM_CHECK("protocol", may_end(s), "%s: the stream ended without need", s->peer.name);
    if (s->peer.world->draining)
        s->peer.dismissed_ns = s->peer.kernel->now_ns;
}

static void lasts(struct subscriber *s)
{
    const struct broker_settings *b = &s->peer.world->broker->settings;
    subscriber_check_late(s, subscriber_moved_ns(s, s->peer.heard_ns), b->heartbeat_ms,
                          "neither a message nor a heartbeat");
    if (b->stream_max_ms > 0)
        subscriber_check_late(s, s->opened_ns, b->stream_max_ms, "a stream goes on");
}

const struct transport transport_sse = {"sse", true, ask, read, ended, lasts};
