/* The requests of subscribers: topics, form and place, in all the ways in which they can be said.
 * What is answered is not known here. */
#include "sim/subscriber.h"

#include "sim/world.h"

#include <stdio.h>
#include <string.h>

enum { ENCODE_ONE_IN = 12 };

bool subscriber_is_plain(const struct subscriber *s)
{
    const struct filters *f = &s->audit.filters;
    return f->count == 1 && !strpbrk(f->names[0], "*#");
}

/* --- the target ------------------------------------------------------------------------------- */

static void say_encoded(struct peer *p, const char *name)
{
    for (; *name; name++)
        if (*name == '#' || random_one_in(p->random, ENCODE_ONE_IN))
            peer_say_format(p, "%%%02X", (unsigned)(uint8_t)*name);
        else
            peer_say(p, (struct bytes){(const uint8_t *)name, 1});
}

/* Returns what separates the next part of the query. */
static char say_topics(struct subscriber *s)
{
    struct peer *p = &s->peer;
    const struct filters *f = &s->audit.filters;
    if (f->count == 1 && !random_one_in(p->random, 4)) {
        peer_say_format(p, "/t/");
        say_encoded(p, f->names[0]);
        return '?';
    }
    peer_say_format(p, "/t");
    for (unsigned i = 0; i < f->count; i++) {
        peer_say_format(p, "%ctopic=", i == 0 ? '?' : '&');
        say_encoded(p, f->names[i]);
    }
    return '&';
}

/* Raw is the default for one plain topic, json for all others. */
static bool has_to_say_form(const struct subscriber *s)
{
    return s->is_json == subscriber_is_plain(s) || random_one_in(s->peer.random, 4);
}

static const char *place_name(struct subscriber *s)
{
    static const char *const names[] = {"after", "after", "lastEventId", "last_event_id"};
    switch (s->from) {
    case FROM_LAST:
        return "last";
    case FROM_NOW:
    case FROM_EARLIEST:
        return "after";
    case FROM_SEEN:
    case FROM_TOLD:
    case FROM_ELSEWHERE:
        break;
    }
    return names[random_below(s->peer.random, sizeof(names) / sizeof(names[0]))];
}

/* Only event streams name their place in a header, and only polls in a tag. */
static bool place_is_in_field(struct subscriber *s)
{
    if (s->transport == &transport_sse)
        return s->from == FROM_SEEN || s->from == FROM_ELSEWHERE ? random_one_in(s->peer.random, 2)
                                                                 : false;
    s->is_tagged =
        s->transport == &transport_poll && s->from == FROM_SEEN && random_one_in(s->peer.random, 4);
    return s->is_tagged;
}

static bool is_said(struct subscriber *s)
{
    return s->from != FROM_NOW || random_one_in(s->peer.random, 2);
}

/* EventSource sends whatever it was given as an id, by whomever: never a reason for a 4xx. */
static void maybe_garble(struct subscriber *s)
{
    static const char *const garbled[] = {"17", "not a cursor", "0123456789abcdef-", "\"\\"};
    struct random *r = s->peer.random;
    s->is_garbled =
        s->from == FROM_ELSEWHERE && s->transport == &transport_sse && random_one_in(r, 2);
    if (s->is_garbled)
        strcpy(s->after, garbled[random_below(r, sizeof(garbled) / sizeof(garbled[0]))]);
}

void subscriber_ask(struct subscriber *s, const char *query, const char *fields)
{
    struct peer *p = &s->peer;
    const bool in_field = place_is_in_field(s);
    s->consumed_seq = world_consumed(p->world, p->socket);
    if (in_field)
        maybe_garble(s);
    peer_say_format(p, "GET ");
    char separator = say_topics(s);
    if (s->transport != &transport_poll && has_to_say_form(s)) {
        peer_say_format(p, "%cformat=%s", separator, s->is_json ? "json" : "raw");
        separator = '&';
    }
    if (!in_field && is_said(s)) {
        peer_say_format(p, "%c%s=%s", separator, place_name(s), s->after);
        separator = '&';
    }
    if (query[0] != '\0')
        peer_say_format(p, "%c%s", separator, query + 1);
    peer_say_format(p, " HTTP/1.%d\r\nHost: sim\r\n", !s->is_old || random_one_in(p->random, 2));
    if (in_field)
        peer_say_format(p, s->is_tagged ? "If-None-Match: \"%s\"\r\n" : "Last-Event-ID: %s\r\n",
                        s->after);
    peer_say_format(p, "%s%s\r\n", s->is_old ? "Connection: close\r\n" : "", fields);
}

/* --- the body of POST /t ---------------------------------------------------------------------- */

static void add_topics(const struct subscriber *s, json_t *body)
{
    json_t *topics = json_array();
    for (unsigned i = 0; i < s->audit.filters.count; i++)
        json_array_append_new(topics, json_string(s->audit.filters.names[i]));
    json_object_set_new(body, "topics", topics);
}

static char *body_of(struct subscriber *s, bool with_place)
{
    json_t *body = json_object();
    add_topics(s, body);
    if (with_place && s->from == FROM_LAST)
        json_object_set_new(body, "last", json_integer(s->after[0] - '0'));
    else if (with_place)
        json_object_set_new(body, "after", json_string(s->after));
    if (has_to_say_form(s))
        json_object_set_new(body, "format", json_string(s->is_json ? "json" : "raw"));
    char *text = json_dumps(body, random_one_in(s->peer.random, 2) ? JSON_COMPACT : JSON_INDENT(1));
    json_decref(body);
    return text;
}

void subscriber_ask_by_post(struct subscriber *s)
{
    struct peer *p = &s->peer;
    const bool in_field = place_is_in_field(s);
    s->consumed_seq = world_consumed(p->world, p->socket);
    if (in_field)
        maybe_garble(s);
    char *body = body_of(s, !in_field && is_said(s));
    peer_say_format(p,
                    "POST /t HTTP/1.1\r\nHost: sim\r\nAccept: text/event-stream\r\n"
                    "Content-Type: application/json\r\nContent-Length: %zu\r\n%s",
                    strlen(body), s->is_old ? "Connection: close\r\n" : "");
    if (in_field)
        peer_say_format(p, "Last-Event-ID: %s\r\n", s->after);
    peer_say_format(p, "\r\n%s", body);
    free(body);
}
