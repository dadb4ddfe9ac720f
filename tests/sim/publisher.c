/* POST to /t/TOPIC, and what the answers make known. A request without an answer is one of which
 * nobody knows: it may be in the log, or come into it late. */
#include "base/assert.h"
#include "sim/failure.h"
#include "sim/json_client.h"
#include "sim/peers.h"
#include "sim/response.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

enum {
    WAITING_MAX = 8,
    PAYLOAD_MIN = 8,
    UNSENT_MAX = 20000,
    TOO_LARGE_ONE_IN = 60,
    TOO_LARGE_MAX = 10000, /* larger ones take too long */
    PAUSE_MAX_US = 40 * MS,
    BACK_MAX_US = 30 * MS,
    AT_ONCE_ONE_IN = 3,
};

struct publisher {
    struct peer peer;
    unsigned begun_count;
    uint32_t waiting[WAITING_MAX]; /* publishes that were said and not answered */
    unsigned waiting_count;
    unsigned waiting_max; /* on this connection */
    bool is_old;          /* HTTP/1.0 */
    bool is_last;         /* the last request said that it is */
    struct response response;
};

static struct publisher *publisher_of(const struct peer *p)
{
    return (struct publisher *)(uintptr_t)p;
}

static struct truth *truth_of(const struct publisher *b)
{
    return &b->peer.world->truth;
}

/* --- requests --------------------------------------------------------------------------------- */

static uint32_t draw_len(const struct publisher *b)
{
    const struct scenario *s = &b->peer.world->scenario;
    if (s->settings.message_bytes_max < TOO_LARGE_MAX &&
        random_one_in(b->peer.random, TOO_LARGE_ONE_IN))
        return s->settings.message_bytes_max + random_between(b->peer.random, 1, 2000);
    const size_t len = random_length(b->peer.random, s->payload_max);
    return len < PAYLOAD_MIN ? PAYLOAD_MIN : (uint32_t)len;
}

static void say_chunks(struct peer *p, struct bytes body)
{
    while (body.len > 0) {
        const size_t n = random_length(p->random, body.len);
        peer_say_format(p, "%zx%s\r\n", n, random_one_in(p->random, 4) ? ";note=\"x y\"" : "");
        peer_say(p, (struct bytes){body.at, n});
        peer_say_format(p, "\r\n");
        body = bytes_skip(body, n);
    }
    peer_say_format(p, "0\r\n%s\r\n", random_one_in(p->random, 4) ? "Trailer: no\r\n" : "");
}

static void say_body(struct publisher *b, struct bytes body)
{
    struct peer *p = &b->peer;
    if (!b->is_old && random_one_in(p->random, 3)) {
        peer_say_format(p, "Transfer-Encoding: chunked\r\n\r\n");
        say_chunks(p, body);
    } else {
        peer_say_format(p, "Content-Length: %zu\r\n\r\n", body.len);
        peer_say(p, body);
    }
}

static const char *draw_type(const struct publisher *b, bool is_binary)
{
    static const char *const text[] = {"Content-Type: text/plain\r\n",
                                       "Content-Type: application/json; charset=UTF-8\r\n", ""};
    return is_binary ? "Content-Type: application/octet-stream\r\n"
                     : text[random_below(b->peer.random, 3)];
}

static void say_head(struct publisher *b, const struct publish *publish)
{
    struct peer *p = &b->peer;
    peer_say_format(p, "POST /t/%s HTTP/1.%d\r\nHost: sim\r\n%s", publish->topic, !b->is_old,
                    draw_type(b, publish->is_binary));
    if (b->is_last && !b->is_old)
        peer_say_format(p, "Connection: close\r\n");
    if (!b->is_old && random_one_in(p->random, 12))
        peer_say_format(p, "Expect: 100-continue\r\n");
}

static void say_publish(struct publisher *b)
{
    struct peer *p = &b->peer;
    const char *topic = scenario_draw_topic(&p->world->scenario, p->random);
    const uint32_t len = draw_len(b);
    const bool is_binary = random_one_in(p->random, 3);
    const uint32_t number = truth_new_publish(truth_of(b), topic, len, is_binary);
    const struct publish *publish = &truth_of(b)->publishes[number];
    uint8_t *payload = malloc(publish->len);
    ASSERT(payload);
    truth_payload(publish, payload);
    b->is_last = b->is_old || random_one_in(p->random, 20);
    say_head(b, publish);
    say_body(b, (struct bytes){payload, publish->len});
    free(payload);
    b->waiting[b->waiting_count++] = number;
    b->begun_count++;
    trace("%s: posts %u, %u bytes to %s", p->name, number, publish->len, publish->topic);
}

static bool has_more(const struct publisher *b)
{
    return b->peer.goal == PEER_LIVE && b->begun_count < b->peer.world->scenario.publishes_each;
}

static bool may_say(const struct publisher *b)
{
    return has_more(b) && b->waiting_count < b->waiting_max && !b->is_last && !b->peer.has_ended &&
           !b->response.closes && buffer_len(&b->peer.out) < UNSENT_MAX;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void on_created(struct publisher *b, uint32_t number, json_t *body)
{
    struct truth *t = truth_of(b);
    uint64_t epoch = 0, seq = 0;
    const char *who = b->peer.name;
    const struct publish *publish = &t->publishes[number];
    const struct bytes id = json_client_string(json_object_get(body, "id"), who);
    const struct bytes topic = json_client_string(json_object_get(body, "topic"), who);
    SIM_CHECK("protocol", audit_cursor_parse(id, &epoch, &seq), "%s: id %.*s", who, (int)id.len,
              (const char *)id.at);
    SIM_CHECK("protocol", bytes_equal(topic, bytes_from(publish->topic)), "%s: topic %.*s, not %s",
              who, (int)topic.len, (const char *)topic.at, publish->topic);
    trace("%s: %u is at %lu", who, number, (unsigned long)seq);
    truth_accepted(t, number, epoch, seq);
}

static bool is_finished(const struct publisher *b, const char *topic)
{
    const struct truth *t = truth_of(b);
    for (uint64_t seq = 1; seq <= t->head; seq++)
        if (t->entries[seq].is_end && strcmp(t->entries[seq].topic, topic) == 0)
            return true;
    return false;
}

static bool may_refuse(const struct publisher *b, const struct publish *publish, struct bytes error)
{
    const bool is_full = bytes_equal(error, BYTES_LITERAL("log_full"));
    const bool is_memory = bytes_equal(error, BYTES_LITERAL("memory"));
    const struct world *w = b->peer.world;
    switch (b->response.status) {
    case 410:
        return is_finished(b, publish->topic);
    case 413:
        return publish->len > w->scenario.settings.message_bytes_max;
    case 503:
        return (b->response.has_retry || b->response.closes) &&
               (is_full ? publish->was_full : is_memory || world_may_refuse(w));
    default:
        return false;
    }
}

static void on_refused(struct publisher *b, uint32_t number, json_t *body)
{
    const char *who = b->peer.name;
    const struct bytes error = json_client_string(json_object_get(body, "error"), who);
    trace("%s: %u is refused, %u %.*s", who, number, b->response.status, (int)error.len,
          (const char *)error.at);
    SIM_CHECK("protocol", may_refuse(b, &truth_of(b)->publishes[number], error),
              "%s: publish %u was answered by %u %.*s", who, number, b->response.status,
              (int)error.len, (const char *)error.at);
    truth_refused(truth_of(b), number);
}

static void on_answer(struct publisher *b)
{
    const uint32_t number = b->waiting[0];
    b->waiting_count--;
    memmove(b->waiting, b->waiting + 1, b->waiting_count * sizeof(b->waiting[0]));
    json_t *body = json_client_parse(buffer_bytes(&b->response.body), b->peer.name);
    if (b->response.status == 201)
        on_created(b, number, body);
    else
        on_refused(b, number, body);
    json_decref(body);
}

static void read_answers(struct publisher *b)
{
    struct response *r = &b->response;
    struct peer *p = &b->peer;
    while (peer_pending(p).len > 0) {
        SIM_CHECK("protocol", b->waiting_count > 0, "%s: an answer to nothing", p->name);
        SIM_CHECK("protocol", !r->is_whole || !r->closes, "%s: bytes behind the last answer",
                  p->name);
        if (r->is_whole)
            response_reset(r);
        peer_understood(p, response_read(r, peer_pending(p)));
        if (!r->is_whole)
            return;
        on_answer(b);
    }
}

/* --- connections ------------------------------------------------------------------------------ */

static void connect_anew(struct publisher *b)
{
    struct random *r = b->peer.random;
    peer_connect(&b->peer);
    response_reset(&b->response);
    b->waiting_count = 0;
    b->waiting_max = random_one_in(r, 2) ? 1 : random_between(r, 2, WAITING_MAX);
    b->is_old = random_one_in(r, 8);
    b->is_last = false;
    say_publish(b);
    peer_act_in(&b->peer, 0, MS);
}

/* In order, although somebody waits: then the last answer said so. */
static void check_end(const struct publisher *b)
{
    const struct response *r = &b->response;
    if (!peer_was_left(&b->peer))
        return;
    SIM_CHECK("protocol", r->is_whole || !r->has_head, "%s: the connection ended within an answer",
              b->peer.name);
    SIM_CHECK("protocol", b->waiting_count == 0 || (r->is_whole && r->closes),
              "%s: the connection ended in place of an answer", b->peer.name);
}

/* It has said all, and does not wait for the answer: its place may be another's when that comes. */
static bool is_impatient(const struct publisher *b)
{
    const uint32_t once_in = b->peer.world->scenario.impatient;
    return b->peer.goal == PEER_LIVE && b->waiting_count > 0 && buffer_len(&b->peer.out) == 0 &&
           !b->peer.has_ended && once_in > 0 && random_one_in(b->peer.random, once_in);
}

static void exchange(struct publisher *b)
{
    struct peer *p = &b->peer;
    peer_exchange(p);
    if (!peer_is_connected(p))
        return;
    read_answers(b);
    if (peer_is_over(p)) {
        check_end(b);
        peer_close(p);
    } else if (is_impatient(b)) {
        peer_cut(p);
    } else if (b->waiting_count == 0 && (b->is_last || p->has_ended) &&
               random_one_in(p->random, 2)) {
        peer_close(p);
    }
}

static void go_on(struct publisher *b)
{
    struct peer *p = &b->peer;
    const bool is_idle = b->waiting_count == 0 && buffer_len(&p->out) == 0;
    if (!peer_is_connected(p) && random_one_in(p->random, AT_ONCE_ONE_IN))
        peer_act_in(p, 0, MS);
    else if (!peer_is_connected(p))
        peer_act_in(p, MS, BACK_MAX_US);
    else if (is_idle && p->goal == PEER_LIVE && random_one_in(p->random, 3))
        peer_act_in(p, MS, PAUSE_MAX_US);
    else
        peer_act_eagerly(p);
}

static bool is_done(const struct publisher *b)
{
    return b->waiting_count == 0 && !has_more(b);
}

static void act(struct peer *p)
{
    struct publisher *b = publisher_of(p);
    if (!peer_is_connected(p))
        b->waiting_count = 0; /* nobody will ever know */
    if (is_done(b) || p->goal == PEER_LEAVE) {
        peer_close(p);
        p->next_ns = UINT64_MAX;
        return;
    }
    if (!peer_is_connected(p)) {
        connect_anew(b);
        return;
    }
    while (may_say(b) && !random_one_in(p->random, 3))
        say_publish(b);
    exchange(b);
    go_on(b);
}

/* --- the kind --------------------------------------------------------------------------------- */

static bool is_at_rest(const struct peer *p)
{
    return is_done(publisher_of(p)) || !peer_is_connected(p);
}

static void fini(struct peer *p)
{
    struct publisher *b = publisher_of(p);
    peer_fini(p);
    response_fini(&b->response);
    free(b);
}

struct peer *publisher_new(struct world *w, unsigned number)
{
    static const struct peer_kind kind = {"publisher", act, is_at_rest, fini, NULL};
    struct publisher *b = calloc(1, sizeof(*b));
    ASSERT(b);
    peer_init(&b->peer, &kind, w, number);
    b->peer.publishes = true;
    b->response.who = b->peer.name;
    return &b->peer;
}
