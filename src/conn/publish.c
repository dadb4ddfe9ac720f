/* What may be published, and how its publisher is answered. Checks stand in the order in which a
 * request shows what they look at. */
#include "conn/publish.h"

#include "base/utf8.h"
#include "conn/access.h"
#include "conn/answer.h"
#include "conn/exchange.h"
#include "conn/inbound.h"
#include "conn/judge.h"
#include "conn/media.h"
#include "conn/reactor.h"
#include "http/target.h"
#include "log/cursor.h"

#include <errno.h>

enum { EVENT_MAX = 255, TYPE_KEPT_MAX = 127, ORDER_RETRY_MS = 30000 };

static ON_REACTOR void reject(struct reactor *r, struct conn *c, const struct http_request *q,
                              enum rejected reason, const struct answer *error)
{
    static const char *const names[] = {
#define NAME(name) #name,
        REJECTED_REASONS(NAME)
#undef NAME
    };
    stat_add(&r->stats.rejected[reason], 1);
    answer_error_with(r, c, q, error, names[reason], (const char *)error->body.at);
}

static ON_REACTOR void reject_with(struct reactor *r, struct conn *c, const struct http_request *q,
                                   enum rejected reason, unsigned status, const char *message)
{
    const struct answer a = {.status = status,
                             .body = bytes_from(message),
                             .headers = status == 503
                                            ? "Retry-After: 1\r\nCache-Control: no-store\r\n"
                                            : "Cache-Control: no-store\r\n"};
    reject(r, c, q, reason, &a);
}

/* The framing of the rest is lost on purpose: the connection ends behind the answer. */
ON_REACTOR void publish_too_large(struct reactor *r, struct conn *c, const struct http_request *q)
{
    struct http_request last = *q;
    last.keep_alive = false;
    reject_with(r, c, &last, REJECTED_too_large, 413,
                "longer than --max-message allows a message to be");
}

ON_REACTOR void publish_no_room(struct reactor *r, struct conn *c)
{
    struct http_request last = *c->inbound->request;
    last.keep_alive = false;
    reject_with(r, c, &last, REJECTED_memory, 503,
                "unfinished bodies use all of --body-memory, try again");
}

/* --- the head --------------------------------------------------------------------------------- */

/* The event's name into out. Its length, 0: none; -1: bad, and answered. */
static ON_REACTOR int event_name(struct reactor *r, struct conn *c, const struct http_request *q,
                                 uint8_t out[static EVENT_MAX])
{
    const int len = http_query_get(q->query, "event", out, EVENT_MAX);
    if (len == -1)
        return 0;
    const char *problem = len < -1 ? "an event name is at most 255 bytes"
                                   : media_event_problem((struct bytes){out, (size_t)len});
    if (!problem)
        return len;
    reject_with(r, c, q, REJECTED_bad_event, 400, problem);
    return -1;
}

static ON_REACTOR bool is_finished(const struct reactor *r, struct bytes name)
{
    const struct topic *topic = topic_find(&r->subscriptions.topics, name);
    return topic && topic->is_finished;
}

static ON_REACTOR void reject_finished(struct reactor *r, struct conn *c,
                                       const struct http_request *q)
{
    reject_with(r, c, q, REJECTED_finished, 410,
                "this topic is finished: it takes no more messages");
}

ON_REACTOR void publish_request(struct reactor *r, struct conn *c, const struct http_request *q,
                                struct bytes topic, struct bytes head)
{
    uint8_t event[EVENT_MAX];
    if (!access_origin(r, c, q) || !access_token(r, c, q, r->broker->settings.publish_token))
        return;
    if (!judge_open(r, c, q, head, PEER_HTTP) || event_name(r, c, q, event) < 0)
        return;
    if (http_request_field(q, "content-encoding").at)
        reject_with(r, c, q, REJECTED_media_type, 415, "send the body without Content-Encoding");
    else if (media_type_of(http_request_field(q, "content-type")) == MEDIA_BAD_CHARSET)
        reject_with(r, c, q, REJECTED_media_type, 415, "text is UTF-8 here, no other charset");
    else if (is_finished(r, topic))
        reject_finished(r, c, q);
    else
        exchange_want_body(r, c, q, head, r->broker->settings.message_bytes_max);
}

/* --- the body --------------------------------------------------------------------------------- */

static ON_REACTOR int append(struct reactor *r, struct message **m, enum stat_source source)
{
    const bool counts = (*m)->kind != MESSAGE_END;
    const int err = log_append(r->broker->log, m);
    if (err == 0 && counts)
        stat_add(&r->stats.published[source], 1);
    return err;
}

/* Text or binary? 0: declared to be text, and it is not UTF-8. */
static enum message_kind kind_of(const struct http_request *q, struct bytes body)
{
    switch (media_type_of(http_request_field(q, "content-type"))) {
    case MEDIA_TEXT:
        return utf8_is_valid(body) ? MESSAGE_TEXT : 0;
    case MEDIA_NONE:
        return utf8_is_valid(body) ? MESSAGE_TEXT : MESSAGE_BINARY;
    case MEDIA_OTHER:
    case MEDIA_BAD_CHARSET: /* refused with the head */
        return MESSAGE_BINARY;
    }
    UNREACHABLE("media");
}

/* A type too long to be one is not kept: the history does not count it. */
static struct bytes kept_type(const struct http_request *q)
{
    const struct bytes type = http_request_field(q, "content-type");
    return type.len <= TYPE_KEPT_MAX ? type : (struct bytes){0};
}

static ON_REACTOR uint16_t next_tag(struct reactor *r)
{
    if (++r->next_tag == TAG_NONE)
        r->next_tag++;
    return r->next_tag;
}

ON_REACTOR struct message *publish_message_of(struct reactor *r, struct conn *c,
                                              enum message_kind kind)
{
    struct inbound *in = c->inbound;
    uint8_t topic[TOPIC_MAX], event[EVENT_MAX];
    const struct http_request *q = in->request;
    const int topic_len =
        http_percent_decode(bytes_skip(q->path, sizeof("/t/") - 1), false, topic, sizeof(topic));
    const int event_len =
        kind == MESSAGE_END ? 0 : http_query_get(q->query, "event", event, sizeof(event));
    ASSERT(topic_len > 0); /* checked with the head */
    in->tag = next_tag(r);
    const struct message_options o = {
        .topic = {topic, (size_t)topic_len},
        .event = {event_len > 0 ? event : NULL, event_len > 0 ? (size_t)event_len : 0},
        .content_type = kept_type(q),
        .payload = kind == MESSAGE_END ? BYTES_LITERAL("") : text_bytes(&in->body),
        .kind = kind,
        .origin = {(uint16_t)r->index, in->tag, reactor_slot(r, c), conn_generation(c)},
    };
    return message_new(&o);
}

ON_REACTOR void publish_append(struct reactor *r, struct conn *c, struct message **m)
{
    struct inbound *in = c->inbound;
    if (!*m) {
        reject_with(r, c, in->request, REJECTED_memory, 503,
                    "the server is out of memory, try again");
        return;
    }
    inbound_clear_body(r, in); /* the message has its own copy */
    if (append(r, m, STAT_FROM_HTTP) == 0) {
        inbound_begin_wait(r, c, WAIT_ORDER, ORDER_RETRY_MS);
        return;
    }
    message_unref(m);
    logline_limited(&r->broker->sink, &r->broker->causes.log_full, LOGLINE_WARNING,
                    "the log is full: publishers are told to try again");
    reject_with(r, c, in->request, REJECTED_log_full, 503, "the log is full, try again");
}

/* False: it is answered. */
static ON_REACTOR bool make_message(struct reactor *r, struct conn *c)
{
    struct inbound *in = c->inbound;
    const enum message_kind kind = kind_of(in->request, text_bytes(&in->body));
    if (kind == 0) {
        reject_with(r, c, in->request, REJECTED_bad_text, 400,
                    "declared to be text, and it is not UTF-8");
        return false;
    }
    in->message = publish_message_of(r, c, kind);
    return true;
}

/* Once more, with the message it made, when it had to wait for a verdict. */
ON_REACTOR void publish_body(struct reactor *r, struct conn *c)
{
    struct inbound *in = c->inbound;
    judge_rewind(r, c);
    if (!in->message && !make_message(r, c))
        return;
    if (in->message && !judge_publish(r, c, in->request, in->message))
        return;
    struct message *m = in->message;
    in->message = NULL;
    publish_append(r, c, &m);
}

static ON_REACTOR void answer_ordered(struct reactor *r, struct conn *c, const struct message *m)
{
    char cursor[CURSOR_TEXT_MAX];
    cursor_format((struct cursor){log_epoch(r->broker->log), m->seq}, cursor);
    struct text body = {0};
    text_printf(&body, "{\"id\":\"%s\",\"topic\":", cursor);
    text_add_json(&body, message_topic(m));
    text_add_str(&body, "}\n");
    const struct answer a = {.status = m->kind == MESSAGE_END ? 200 : 201,
                             .content_type = "application/json",
                             .headers = "Cache-Control: no-store\r\n"};
    answer_send_text(r, c, c->inbound->request, &a, &body);
}

ON_REACTOR void publish_ordered(struct reactor *r, const struct message *m, bool taken)
{
    struct conn *c = reactor_conn(r, m->origin.conn);
    if (c->phase != CONN_HTTP || conn_generation(c) != m->origin.generation || !c->inbound)
        return; /* it did not wait for the answer */
    if (c->inbound->wait != WAIT_ORDER || c->inbound->tag != m->origin.tag)
        return;
    c->inbound->wait = WAIT_NONE;
    if (taken || m->kind == MESSAGE_END)
        answer_ordered(r, c, m);
    else
        reject_finished(r, c, c->inbound->request);
    if (c->phase == CONN_HTTP)
        conn_resume_input(r, c);
}

/* --- WebSocket -------------------------------------------------------------------------------- */

ON_REACTOR enum publish_result publish_again(struct reactor *r, struct message **kept)
{
    if (append(r, kept, STAT_FROM_WS) == 0)
        return PUBLISH_TAKEN;
    logline_limited(&r->broker->sink, &r->broker->causes.log_full, LOGLINE_WARNING,
                    "the log is full: publishers wait");
    return PUBLISH_FULL;
}

ON_REACTOR enum publish_result publish_from_websocket(struct reactor *r, struct conn *c,
                                                      struct bytes payload, enum message_kind kind,
                                                      struct message **kept)
{
    const struct message_options o = {
        .topic = topic_name(set_only_topic(c->set)),
        .payload = payload,
        .kind = kind,
        .origin = {(uint16_t)r->index, TAG_NONE, reactor_slot(r, c), conn_generation(c)},
    };
    *kept = message_new(&o);
    if (!*kept)
        return PUBLISH_NO_MEMORY;
    switch (judge_websocket(r, c, *kept)) {
    case VERDICT_ALLOW:
        return publish_again(r, kept);
    case VERDICT_LATER:
        return PUBLISH_LATER;
    case VERDICT_DENY:
    case VERDICT_LOGIN:
        break;
    }
    message_unref(kept);
    return PUBLISH_DENIED;
}
