/* What callbacks are told: each peer's life in order, once, with all that it said. What becomes of
 * their answers is test_answers.c's. */
#include "host.h"
#include "peer.h"

#include <errno.h>
#include <stdio.h>

static struct host host; /* each test is a process of its own */

/* --- lives ------------------------------------------------------------------------------------ */

static void a_websockets_life(void)
{
    static struct peer p;
    host_start(&host);
    ws_open(&p, host.u, "/t/a%20b");
    ws_say(&p, "one");
    ws_expect(&p, "one");
    ws_say(&p, "two");
    ws_expect(&p, "two");
    peer_close(&p);
    host_expect_story(&host, 0,
                      "open ws; subscribe a b; publish a b one; publish a b two; close 1006");
    host_free(&host);
    CHECK_EQ(host_peer_count(&host), 1);
    CHECK_EQ(host.event_count, 5);
}

static void an_event_streams_life(void)
{
    static struct peer p;
    host_start(&host);
    sse_open(&p, host.u, "/t?topic=a&topic=b.*&topic=c.%23");
    publish(host.u, "a", "x"); /* asks nobody */
    char text[4096];
    CHECK(sse_read(&p, text, sizeof(text)));
    peer_close(&p);
    host_expect_story(&host, 0, "open sse; subscribe a; subscribe b.*; subscribe c.#; close 1006");
    host_free(&host);
    CHECK_EQ(host.event_count, 5);
}

/* One connection: each request is a peer of its own. */
static void lives_of_requests_on_one_connection(void)
{
    static struct peer p;
    char body[4096];
    host_start(&host);
    peer_connect(&p, host.u);
    peer_say(&p, "POST /t/t HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1");
    CHECK_EQ(peer_answer(&p, body, sizeof(body)), 201);
    peer_say(&p, "GET /t/t?after=earliest&wait=0 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_EQ(peer_answer(&p, body, sizeof(body)), 200);
    peer_say(&p, "POST /t/t HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n2");
    CHECK_EQ(peer_answer(&p, body, sizeof(body)), 201);
    host_expect_story(&host, 0, "open http; publish t 1; close 1000");
    host_expect_story(&host, 1, "open poll; subscribe t; close 1000");
    host_expect_story(&host, 2, "open http; publish t 2; close 1000");
    peer_close(&p);
    host_free(&host);
    CHECK_EQ(host.event_count, 9);
}

static void a_poll_that_leaves(void)
{
    static struct peer p;
    host_start(&host);
    peer_connect(&p, host.u);
    peer_say(&p, "GET /t/t?after=now&wait=60 HTTP/1.1\r\nHost: x\r\n\r\n");
    host_expect_story(&host, 0, "open poll; subscribe t");
    peer_close(&p);
    host_expect_story(&host, 0, "open poll; subscribe t; close 1006");
    host_free(&host);
}

static void whoever_has_all_of_a_finished_topic_is_closed_with_1000(void)
{
    static struct peer ws, sse;
    struct uproar_options o = host_options(&host);
    o.admin_token = "token";
    host_start_with(&host, &o);
    ws_open(&ws, host.u, "/t/t");
    host_expect_story(&host, 0, "open ws; subscribe t");
    sse_open(&sse, host.u, "/t/t");
    host_expect_story(&host, 1, "open sse; subscribe t");
    CHECK_EQ(ask(host.u, "DELETE", "/t/t", "Authorization: Bearer token\r\n", ""), 200);
    ws_expect_close(&ws, 1000);
    peer_expect_end(&sse);
    peer_close(&ws);
    peer_close(&sse);
    host_expect_story(&host, 0, "open ws; subscribe t; close 1000");
    host_expect_story(&host, 1, "open sse; subscribe t; close 1000");
    host_free(&host);
}

/* --- who is asked ----------------------------------------------------------------------------- */

static void pages_and_probes_ask_nobody(void)
{
    host_start(&host);
    CHECK_EQ(ask(host.u, "GET", "/", "Accept: text/html\r\n", ""), 200);
    CHECK_EQ(ask(host.u, "GET", "/t/t", "Accept: text/html\r\n", ""), 200);
    CHECK_EQ(ask(host.u, "GET", "/healthz", "", ""), 200);
    CHECK_EQ(ask(host.u, "GET", "/readyz", "", ""), 200);
    CHECK_EQ(ask(host.u, "GET", "/metrics", "", ""), 200);
    CHECK_EQ(ask(host.u, "GET", "/nowhere", "", ""), 404);
    ask(host.u, "OPTIONS", "/t/t",
        "Origin: https://example.org\r\nAccess-Control-Request-Method: POST\r\n", "");
    host_free(&host);
    CHECK_EQ(host.event_count, 0);
}

static void options_that_refuse_come_first(void)
{
    static struct peer p;
    struct uproar_options o = host_options(&host);
    o.publish_token = "one";
    o.subscribe_token = "two";
    host_start_with(&host, &o);
    CHECK_EQ(post(host.u, "/t/t", "x"), 401);
    CHECK_EQ(ws_try(&p, host.u, "/t/t", ""), 401);
    peer_close(&p);
    CHECK_EQ(sse_try(&p, host.u, "/t/t", "Origin: https://elsewhere.example\r\n"), 403);
    peer_close(&p);
    CHECK_EQ(host.event_count, 0);
    CHECK_EQ(ask(host.u, "POST", "/t/t", "Authorization: Bearer one\r\n", "x"), 201);
    host_expect_story(&host, 0, "open http; publish t x; close 1000");
    host_free(&host);
}

/* --- what they are told ----------------------------------------------------------------------- */

struct said {
    char address[64];
    bool seen;
};

static struct uproar_str header_of(const struct uproar_peer_info *info, const char *name)
{
    for (size_t i = 0; i < info->header_count; i++)
        if (info->headers[i].name.len == strlen(name) &&
            memcmp(info->headers[i].name.at, name, strlen(name)) == 0)
            return info->headers[i].value;
    return (struct uproar_str){NULL, 0};
}

static void look_at_handshake(const struct uproar_peer_info *info, void *user)
{
    struct said *said = user;
    if (info->proto != UPROAR_WS)
        return;
    CHECK_TEXT(info->path, "/t/a%20b");
    CHECK_TEXT(info->query, "format=json&x=%41");
    CHECK_TEXT(info->origin, "http://x");
    CHECK_TEXT(info->subprotocol, "strange, uproar.json");
    CHECK_TEXT(info->address, said->address);
    CHECK_TEXT(header_of(info, "cookie"), "a=b; c=d");
    CHECK_TEXT(header_of(info, "x-mixed-case"), "Kept As It Is");
    CHECK_TEXT(header_of(info, "host"), "x");
    CHECK(!info->login.at && !info->passcode.at && !info->tls_subject.at);
    said->seen = true;
}

/* In every callback of its life. */
static void all_that_a_handshake_said(void)
{
    static struct peer p;
    struct said said = {.seen = false};
    host.look = look_at_handshake;
    host.look_user = &said;
    host_start(&host);
    peer_connect(&p, host.u);
    peer_address(&p, said.address, sizeof(said.address));
    ws_ask(&p, "/t/a%20b?format=json&x=%41",
           "Origin: http://x\r\nSec-WebSocket-Protocol: strange, uproar.json\r\n"
           "Cookie: a=b; c=d\r\nX-Mixed-Case:   Kept As It Is  \r\n");
    CHECK_EQ(peer_status(&p), 101);
    ws_say(&p, "x");
    peer_close(&p);
    WAIT_FOR(host.closed == 1);
    CHECK(said.seen);
    host_free(&host);
}

static void look_for_absence(const struct uproar_peer_info *info, void *user)
{
    CHECK(!info->query.at || info->query.len == 0);
    CHECK(!info->origin.at && !info->subprotocol.at);
    CHECK(!header_of(info, "cookie").at);
    CHECK(info->user == NULL);
    *(bool *)user = true;
}

static void what_was_not_said_is_absent(void)
{
    bool seen = false;
    host.look = look_for_absence;
    host.look_user = &seen;
    host_start(&host);
    CHECK_EQ(post(host.u, "/t/t", "x"), 201);
    WAIT_FOR(host.closed == 1);
    CHECK(seen);
    host_free(&host);
}

static void all_of_a_message_is_told(void)
{
    struct uproar_message m;
    struct uproar_gap gap;
    host_start(&host);
    struct uproar_sub *s = subscribe(host.u, "#");
    CHECK_EQ(ask(host.u, "POST", "/t/t?event=named", "Content-Type: text/html\r\n", "body"), 201);
    CHECK_EQ(next_waiting(s, &m, &gap), UPROAR_MESSAGE);
    CHECK_EQ(m.from.id, host_peer(&host, 0).id);
    CHECK_TEXT(m.event, "named");
    CHECK_TEXT(m.content_type, "text/html");
    CHECK_TEXT(m.body, "body");
    CHECK_EQ(m.kind, UPROAR_TEXT);
    publish(host.u, "t", "x");
    CHECK_EQ(next_waiting(s, &m, &gap), UPROAR_MESSAGE);
    CHECK_EQ(m.from.id, 0);
    uproar_unsubscribe(&s);
    host_free(&host);
}

/* --- the embedder's own ----------------------------------------------------------------------- */

static struct tagging {
    _Atomic unsigned set, seen, closed;
    char tags[8];
} tagging;

static void tag(const struct uproar_peer_info *info, void *user)
{
    struct tagging *t = user;
    if (!info->user) {
        CHECK_EQ(uproar_set_user(host.u, info->peer, &t->tags[t->set]), 0);
        t->set++;
        CHECK_EQ(uproar_set_user(host.u, (struct uproar_peer){info->peer.id + 1}, t), -EPERM);
    } else {
        CHECK((char *)info->user >= t->tags && (char *)info->user < t->tags + t->set);
        ++*(char *)info->user;
        t->seen++;
    }
}

/* Set in on_open; subscribe, publish and close have it: three for each of two. */
static void what_is_set_in_a_callback_is_there_in_the_next(void)
{
    static struct peer a, b;
    host.look = tag;
    host.look_user = &tagging;
    host_start(&host);
    ws_open(&a, host.u, "/t/a");
    ws_open(&b, host.u, "/t/b");
    CHECK_EQ(uproar_set_user(host.u, host_peer(&host, 0), NULL), -EPERM);
    ws_say(&a, "x");
    ws_expect(&a, "x");
    ws_say(&b, "x");
    ws_expect(&b, "x");
    peer_close(&a);
    peer_close(&b);
    WAIT_FOR(host.closed == 2);
    CHECK_EQ(tagging.set, 2);
    CHECK(tagging.tags[0] == 3 && tagging.tags[1] == 3);
    host_free(&host);
}

/* A place that another had is nobody's: nothing of the first is left. */
static void a_successor_inherits_nothing(void)
{
    static struct peer p;
    host.look = tag;
    host.look_user = &tagging;
    host_start(&host);
    for (unsigned i = 0; i < 8; i++) {
        ws_open(&p, host.u, "/t/t");
        peer_close(&p);
        WAIT_FOR(host.closed == i + 1);
    }
    CHECK_EQ(tagging.set, 8);
    CHECK_EQ(host_peer_count(&host), 8);
    host_free(&host);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void everybody_is_closed_once_by_free(void)
{
    enum { EACH = 8 };
    static struct peer ws[EACH], sse[EACH], poll[EACH];
    host_start(&host);
    for (int i = 0; i < EACH; i++) {
        ws_open(&ws[i], host.u, "/t/t");
        sse_open(&sse[i], host.u, "/t/t");
        peer_connect(&poll[i], host.u);
        peer_say(&poll[i], "GET /t/t?after=now&wait=60 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    WAIT_FOR(host.opened == 3 * EACH);
    CHECK_EQ(uproar_stop(host.u), 0);
    CHECK_EQ(uproar_stop(host.u), 0);
    host_free(&host);
    CHECK_EQ(host.closed, 3 * EACH);
    CHECK_EQ(host_peer_count(&host), 3 * EACH);
    CHECK_EQ(host.event_count, 3 * 3 * EACH);
}

static _Atomic unsigned closed_without_open;

static void count_close(void *user, const struct uproar_peer_info *info, int code,
                        struct uproar_str reason)
{
    (void)user;
    (void)reason;
    CHECK(info->peer.id != 0);
    CHECK(code == 1000 || code == 1001 || code == 1006);
    closed_without_open++;
}

static void on_close_alone_is_fine(void)
{
    static struct peer p;
    struct uproar_options o = usual_options();
    o.on.on_close = count_close;
    struct uproar *u = start(&o);
    ws_open(&p, u, "/t/t");
    CHECK_EQ(post(u, "/t/t", "x"), 201);
    WAIT_FOR(closed_without_open == 1);
    ws_expect(&p, "x");
    peer_close(&p);
    stop_and_free(&u);
    CHECK_EQ(closed_without_open, 2);
}

static const struct test tests[] = {
    {"a WebSocket's life", a_websockets_life},
    {"an event stream's life", an_event_streams_life},
    {"lives of requests on one connection", lives_of_requests_on_one_connection},
    {"a poll that leaves", a_poll_that_leaves},
    {"whoever has all of a finished topic is closed with 1000",
     whoever_has_all_of_a_finished_topic_is_closed_with_1000},
    {"pages and probes ask nobody", pages_and_probes_ask_nobody},
    {"options that refuse come first", options_that_refuse_come_first},
    {"all that a handshake said", all_that_a_handshake_said},
    {"what was not said is absent", what_was_not_said_is_absent},
    {"all of a message is told", all_of_a_message_is_told},
    {"what is set in a callback is there in the next",
     what_is_set_in_a_callback_is_there_in_the_next},
    {"a successor inherits nothing", a_successor_inherits_nothing},
    {"everybody is closed once by free", everybody_is_closed_once_by_free},
    {"on_close alone is fine", on_close_alone_is_fine},
};

int main(int argc, char **argv)
{
    return RUN_TESTS(tests, argc, argv);
}
