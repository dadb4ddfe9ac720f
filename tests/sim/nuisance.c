/* Peers as the world has them: probes, half a request, nonsense, frames that break the rules, and
 * those who connect and say nothing, or never read. None of them publishes anything. */
#include "base/assert.h"
#include "sim/failure.h"
#include "sim/peers.h"
#include "sim/response.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EPISODES_MAX = 5,
    ACTS_MAX = 60,     /* of one episode, then it leaves */
    FINISH_ONE_IN = 3, /* ... in runs that finish topics */
    NONSENSE_MAX = 3000,
    BODY_MAX = 9000,
    REQUESTS_MAX = 2000,
};

struct nuisance;

struct episode {
    const char *name;
    void (*say)(struct nuisance *n);
    bool reads;      /* what is answered; else it stalls */
    bool is_judged;  /* one whole answer comes */
    unsigned status; /* ... this one, or 503 where peers may be refused */
};

struct nuisance {
    struct peer peer;
    const struct episode *episode;
    unsigned episodes_left, acts_left;
    struct response response;
    uint64_t told_seq; /* the newest that a publisher had been told when it asked for the head */
};

static struct nuisance *nuisance_of(const struct peer *p)
{
    return (struct nuisance *)(uintptr_t)p;
}

/* --- what they say ---------------------------------------------------------------------------- */

static void say_nothing(struct nuisance *n)
{
    (void)n;
}

static void say_nonsense(struct nuisance *n)
{
    struct random *r = n->peer.random;
    const size_t len = random_length(r, NONSENSE_MAX);
    uint8_t *out = buffer_extend(&n->peer.out, len);
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)random_next(r);
}

static void say_half_a_head(struct nuisance *n)
{
    static const char head[] = "GET /t/a HTTP/1.1\r\nHost: sim\r\nAccept: text/event-stream\r\n";
    peer_say(&n->peer, (struct bytes){(const uint8_t *)head,
                                      random_between(n->peer.random, 1, sizeof(head) - 1)});
}

/* Which is charged all the same. */
static void say_half_a_body(struct nuisance *n)
{
    const uint32_t len = random_between(n->peer.random, 2, n->peer.world->scenario.payload_max);
    peer_say_format(&n->peer, "POST /t/a HTTP/1.1\r\nHost: sim\r\nContent-Length: %u\r\n\r\n", len);
    for (uint32_t left = random_below(n->peer.random, len); left > 0; left--)
        peer_say_format(&n->peer, "x");
}

static void say_endless_head(struct nuisance *n)
{
    peer_say_format(&n->peer, "GET / HTTP/1.1\r\nHost: sim\r\n");
    for (int i = 0; i < 600; i++)
        peer_say_format(&n->peer, "X-Field-%d: and so on and on and on\r\n", i);
}

static void say_healthz(struct nuisance *n)
{
    peer_say_format(&n->peer, "GET /healthz HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n");
}

static void say_metrics(struct nuisance *n)
{
    peer_say_format(&n->peer, "GET /metrics HTTP/1.1\r\nHost: sim\r\n\r\n");
}

static void say_head(struct nuisance *n)
{
    n->response.answers_head = true;
    n->told_seq = truth_newest_told(&n->peer.world->truth);
    peer_say_format(&n->peer, "HEAD /t/a.b HTTP/1.1\r\nHost: sim\r\n\r\n");
}

static void say_bad_cursor(struct nuisance *n)
{
    peer_say_format(&n->peer, "GET /t/a?after=nowhere HTTP/1.1\r\nHost: sim\r\n\r\n");
}

static void say_bad_wait(struct nuisance *n)
{
    peer_say_format(&n->peer, "GET /t/a?after=now&wait=61 HTTP/1.1\r\nHost: sim\r\n\r\n");
}

static void say_delete_without_token(struct nuisance *n)
{
    peer_say_format(&n->peer, "DELETE /t/a HTTP/1.1\r\nHost: sim\r\n\r\n");
}

/* Ends a topic for good, in runs where that may be. */
static void say_delete(struct nuisance *n)
{
    const struct scenario *s = &n->peer.world->scenario;
    const char *token = s->finishes_topics ? "adm" : "admin";
    const char *topic = scenario_draw_topic(s, n->peer.random);
    trace("%s: DELETE %s, token %s", n->peer.name, topic, token);
    peer_say_format(&n->peer,
                    "DELETE /t/%s HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer %s\r\n\r\n", topic,
                    token);
}

static void say_upgrade(struct nuisance *n)
{
    peer_say_format(&n->peer, "GET /t/a HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
}

/* None of them is a message that could be published. */
static void say_bad_frame(struct nuisance *n)
{
    const struct bytes frames[] = {
        BYTES_LITERAL("\x81\x05hello"),                     /* not masked */
        BYTES_LITERAL("\xf1\x80\x00\x00\x00\x00"),          /* reserved bits */
        BYTES_LITERAL("\x83\x80\x00\x00\x00\x00"),          /* an opcode that is none */
        BYTES_LITERAL("\x80\x80\x00\x00\x00\x00"),          /* goes on with nothing */
        BYTES_LITERAL("\x89\xfe\x00\x7e\x00\x00\x00\x00"),  /* a long ping */
        BYTES_LITERAL("\x81\xfe\x00\x01\x00\x00\x00\x00x"), /* a length that is not minimal */
        BYTES_LITERAL("\x81\x82\x00\x00\x00\x00\xc0\x80"),  /* text that is none */
        BYTES_LITERAL("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), /* too large */
        BYTES_LITERAL("\x88\x81\x00\x00\x00\x00x"), /* half a close code */
    };
    say_upgrade(n);
    peer_say(&n->peer, frames[random_below(n->peer.random, sizeof(frames) / sizeof(frames[0]))]);
}

static void say_pings(struct nuisance *n)
{
    say_upgrade(n);
    for (int i = 0; i < 400; i++)
        peer_say(&n->peer, BYTES_LITERAL("\x89\x90\x00\x00\x00\x00"
                                         "0123456789abcdef"));
}

static void say_stream(struct nuisance *n)
{
    peer_say_format(&n->peer, "GET /t/%%23?after=earliest HTTP/1.1\r\nHost: sim\r\n"
                              "Accept: text/event-stream\r\n\r\n");
}

static void say_many_polls(struct nuisance *n)
{
    for (int i = 0; i < 40; i++)
        peer_say_format(&n->peer,
                        "GET /t/%%23?after=earliest&wait=0 HTTP/1.1\r\nHost: sim\r\n\r\n");
}

/* Each of them costs the server something, and the peer nothing. */
static void say_many_requests(struct nuisance *n)
{
    const uint32_t count = random_between(n->peer.random, 100, REQUESTS_MAX);
    for (uint32_t i = 0; i < count; i++)
        peer_say_format(&n->peer, "HEAD /t/a HTTP/1.1\r\nHost: sim\r\n\r\n");
}

static const struct episode finishing = {"DELETE", say_delete, true, false, 0};

static const struct episode greedy[] = {
    {"half a body", say_half_a_body, true, false, 0},
    {"polls, and does not read", say_many_polls, false, false, 0},
};

static const struct episode episodes[] = {
    {"nothing", say_nothing, true, false, 0},
    {"nonsense", say_nonsense, true, false, 0},
    {"half a head", say_half_a_head, true, false, 0},
    {"half a body", say_half_a_body, true, false, 0},
    {"an endless head", say_endless_head, true, false, 0},
    {"healthz", say_healthz, true, true, 200},
    {"metrics", say_metrics, true, true, 200},
    {"HEAD", say_head, true, true, 200},
    {"a bad cursor", say_bad_cursor, true, true, 400},
    {"a bad wait", say_bad_wait, true, true, 400},
    {"DELETE without a token", say_delete_without_token, true, true, 401},
    {"requests without end", say_many_requests, true, false, 0},
    {"a bad frame", say_bad_frame, true, false, 0},
    {"pings, and does not read", say_pings, false, false, 0},
    {"a stream, and does not read", say_stream, false, false, 0},
    {"polls, and does not read", say_many_polls, false, false, 0},
};

/* --- episodes --------------------------------------------------------------------------------- */

static const struct episode *draw_episode(const struct nuisance *n)
{
    struct random *r = n->peer.random;
    if (n->peer.world->scenario.is_greedy && random_one_in(r, 2))
        return &greedy[random_below(r, 2)];
    const uint32_t choice = random_below(r, sizeof(episodes) / sizeof(episodes[0]) + 1);
    const bool finishes =
        n->peer.world->scenario.finishes_topics && random_one_in(r, FINISH_ONE_IN);
    return choice == 0 || finishes ? &finishing : &episodes[choice - 1];
}

static void begin_episode(struct nuisance *n)
{
    struct peer *p = &n->peer;
    n->episode = draw_episode(n);
    n->acts_left = random_between(p->random, 5, ACTS_MAX);
    n->episodes_left--;
    peer_connect(p);
    trace("%s: %s", p->name, n->episode->name);
    response_reset(&n->response);
    n->episode->say(n);
    peer_act_in(p, 0, MS);
}

/* The place to go on from for one who wants what comes next: nothing that was acknowledged is. */
static void judge_head(const struct nuisance *n)
{
    const struct truth *t = &n->peer.world->truth;
    uint64_t epoch = 0, seq = 0;
    SIM_CHECK("protocol",
              audit_cursor_parse(bytes_from(n->response.cursor), &epoch, &seq) && epoch == t->epoch,
              "%s: %s is no cursor of this log", n->peer.name, n->response.cursor);
    SIM_CHECK("place", seq >= n->told_seq && seq <= t->head,
              "%s: the head is told to be %lu, and is from %lu to %lu", n->peer.name,
              (unsigned long)seq, (unsigned long)n->told_seq, (unsigned long)t->head);
}

static void judge(struct nuisance *n)
{
    struct response *r = &n->response;
    struct peer *p = &n->peer;
    if (!n->episode->is_judged) {
        peer_understood(p, peer_pending(p).len);
        return;
    }
    peer_understood(p, response_read(r, peer_pending(p)));
    if (!r->is_whole)
        return;
    SIM_CHECK("protocol",
              r->status == n->episode->status || (r->status == 503 && world_may_refuse(p->world)),
              "%s: %s was answered by %u", p->name, n->episode->name, r->status);
    if (r->answers_head && r->status == 200)
        judge_head(n);
    /* A refusal may come before the method is known, and then has a body even for HEAD. */
    SIM_CHECK("protocol", peer_pending(p).len == 0 || (r->status == 503 && r->closes),
              "%s: bytes behind the answer", p->name);
}

/* Whoever does not read says what it has to say all the same. */
static void exchange(struct nuisance *n)
{
    struct peer *p = &n->peer;
    const size_t read_max = p->read_max;
    if (!n->episode->reads)
        p->read_max = 1;
    peer_exchange(p);
    p->read_max = read_max;
    if (!peer_is_connected(p))
        return;
    judge(n);
    if (peer_is_over(p))
        peer_close(p);
    else if (--n->acts_left == 0)
        peer_cut(p);
    if (n->acts_left == 0 && peer_is_connected(p))
        n->acts_left = ACTS_MAX; /* it ended its own side only */
}

static void act(struct peer *p)
{
    struct nuisance *n = nuisance_of(p);
    if (p->goal != PEER_LIVE)
        peer_close(p);
    if (!peer_is_connected(p) && (p->goal != PEER_LIVE || n->episodes_left == 0)) {
        p->next_ns = UINT64_MAX;
    } else if (!peer_is_connected(p)) {
        begin_episode(n);
    } else {
        exchange(n);
        if (n->episode->reads && random_one_in(p->random, 2))
            peer_act_eagerly(p);
        else
            peer_act_in(p, MS, 300 * MS);
    }
}

/* --- the kind --------------------------------------------------------------------------------- */

static bool is_at_rest(const struct peer *p)
{
    return !peer_is_connected(p);
}

static void fini(struct peer *p)
{
    struct nuisance *n = nuisance_of(p);
    peer_fini(p);
    response_fini(&n->response);
    free(n);
}

struct peer *nuisance_new(struct world *w, unsigned number)
{
    static const struct peer_kind kind = {"nuisance", act, is_at_rest, fini, NULL};
    struct nuisance *n = calloc(1, sizeof(*n));
    ASSERT(n);
    peer_init(&n->peer, &kind, w, number);
    n->response.who = n->peer.name;
    n->episodes_left = random_between(&w->random, 1, EPISODES_MAX);
    return &n->peer;
}
