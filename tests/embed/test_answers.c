/* What becomes of a callback's verdict: at once, later, twice, never. What callbacks are told is
 * test_callbacks.c's. */
#include "host.h"
#include "peer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static struct host host; /* each test is a process of its own */

static void answer(unsigned ticket, enum uproar_verdict v)
{
    CHECK_EQ(uproar_answer(host.u, host_ticket(&host, ticket), v), 0);
}

/* Asks without waiting for the answer. */
static void begin_post(struct peer *p, const char *target, const char *body)
{
    peer_connect(p, host.u);
    peer_say(p, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", target,
             strlen(body), body);
}

static void begin_ws(struct peer *p, const char *target)
{
    peer_connect(p, host.u);
    ws_ask(p, target, "");
}

static void begin_sse(struct peer *p, const char *target)
{
    peer_connect(p, host.u);
    peer_say(p, "GET %s HTTP/1.0\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n", target);
}

static void begin_poll(struct peer *p, const char *target)
{
    peer_connect(p, host.u);
    peer_say(p, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
}

static void expect_status(struct peer *p, int status)
{
    CHECK_EQ(peer_status(p), status);
    peer_close(p);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void a_refusal_to_open_is_the_only_thing_they_hear(void)
{
    static struct peer p;
    host_start(&host);
    CHECK_EQ(post(host.u, "/t/t?open=deny", "x"), 403);
    CHECK_EQ(post(host.u, "/t/t?open=login", "x"), 401);
    CHECK_EQ(post(host.u, "/t/t?open=odd", "x"), 403);
    begin_ws(&p, "/t/t?open=deny");
    expect_status(&p, 403);
    begin_ws(&p, "/t/t?open=login");
    expect_status(&p, 401);
    begin_sse(&p, "/t/t?open=deny");
    expect_status(&p, 403);
    begin_poll(&p, "/t/t?after=now&wait=60&open=login");
    expect_status(&p, 401);
    host_free(&host);
    CHECK_EQ(host.opened, 7);
    CHECK_EQ(host.event_count, 7); /* no on_close for whom on_open did not allow */
}

static void a_refusal_to_subscribe_closes(void)
{
    static struct peer p;
    host_start(&host);
    begin_ws(&p, "/t/t?subscribe=deny");
    expect_status(&p, 403);
    begin_sse(&p, "/t?topic=a&topic=b&subscribe=login");
    expect_status(&p, 401);
    begin_poll(&p, "/t/t?wait=60&after=now&subscribe=odd");
    expect_status(&p, 403);
    host_expect_story(&host, 0, "open ws; subscribe t; close 1008");
    host_expect_story(&host, 1, "open sse; subscribe a; close 1008");
    host_expect_story(&host, 2, "open poll; subscribe t; close 1008");
    host_free(&host);
}

static void a_refusal_to_publish_reaches_nobody(void)
{
    static struct peer deny, login;
    host_start(&host);
    struct uproar_sub *s = subscribe(host.u, "t");
    CHECK_EQ(post(host.u, "/t/t?publish=deny", "1"), 403);
    CHECK_EQ(post(host.u, "/t/t?publish=login", "2"), 401);
    ws_open(&deny, host.u, "/t/t?publish=deny");
    ws_say(&deny, "3");
    ws_expect_close(&deny, 1008);
    ws_open(&login, host.u, "/t/t?publish=login");
    ws_say(&login, "4");
    ws_expect_close(&login, 1008);
    peer_close(&deny);
    peer_close(&login);
    CHECK_EQ(post(host.u, "/t/t", "5"), 201);
    expect_message(s, "5");
    host_expect_story(&host, 0, "open http; publish t 1; close 1008");
    host_expect_story(&host, 1, "open http; publish t 2; close 1008");
    host_expect_story(&host, 2, "open ws; subscribe t; publish t 3; close 1008");
    host_expect_story(&host, 3, "open ws; subscribe t; publish t 4; close 1008");
    uproar_unsubscribe(&s);
    host_free(&host);
}

/* --- later ------------------------------------------------------------------------------------ */

/* Each question in turn is put off, and allowed by this thread. */
static void allowed_later_it_is_as_if_at_once(void)
{
    static struct peer ws, sse, poll, http;
    host_start(&host);
    begin_ws(&ws, "/t/t?open=later&subscribe=later&publish=later");
    answer(0, UPROAR_ALLOW);
    answer(1, UPROAR_ALLOW);
    CHECK_EQ(peer_status(&ws), 101);
    ws_say(&ws, "1");
    answer(2, UPROAR_ALLOW);
    ws_expect(&ws, "1");
    begin_sse(&sse, "/t?topic=t&topic=u&subscribe=later&after=earliest&format=raw");
    answer(3, UPROAR_ALLOW);
    answer(4, UPROAR_ALLOW);
    CHECK_EQ(peer_status(&sse), 200);
    sse_expect(&sse, "1");
    begin_post(&http, "/t/t?open=later&publish=later", "2");
    answer(5, UPROAR_ALLOW);
    answer(6, UPROAR_ALLOW);
    CHECK_EQ(peer_status(&http), 201);
    ws_expect(&ws, "2");
    begin_poll(&poll, "/t/t?after=earliest&subscribe=later");
    answer(7, UPROAR_ALLOW);
    CHECK_EQ(peer_status(&poll), 200);
    host_expect_story(&host, 0, "open ws; subscribe t; publish t 1");
    peer_close(&ws);
    peer_close(&sse);
    peer_close(&http);
    peer_close(&poll);
    host_free(&host);
    CHECK_EQ(host.closed, 4);
}

static void refused_later_it_is_as_if_at_once(void)
{
    static struct peer p;
    host_start(&host);
    begin_ws(&p, "/t/t?open=later");
    answer(0, UPROAR_DENY);
    expect_status(&p, 403);
    begin_sse(&p, "/t/t?subscribe=later");
    answer(1, UPROAR_LOGIN);
    expect_status(&p, 401);
    begin_post(&p, "/t/t?publish=later", "x");
    answer(2, UPROAR_DENY);
    expect_status(&p, 403);
    begin_poll(&p, "/t/t?open=later");
    answer(3, (enum uproar_verdict)77);
    expect_status(&p, 403);
    ws_open(&p, host.u, "/t/t?publish=later");
    ws_say(&p, "x");
    answer(4, UPROAR_LOGIN);
    ws_expect_close(&p, 1008);
    peer_close(&p);
    host_expect_story(&host, 0, "open ws");
    host_expect_story(&host, 1, "open sse; subscribe t; close 1008");
    host_expect_story(&host, 2, "open http; publish t x; close 1008");
    host_expect_story(&host, 3, "open poll");
    host_expect_story(&host, 4, "open ws; subscribe t; publish t x; close 1008");
    host_free(&host);
}

static void answered_before_the_callback_returns(void)
{
    static struct peer p;
    host_start(&host);
    ws_open(&p, host.u, "/t/t?open=now&subscribe=now&publish=now");
    for (int i = 0; i < 20; i++)
        ws_say(&p, "x");
    for (int i = 0; i < 20; i++)
        ws_expect(&p, "x");
    peer_close(&p);
    CHECK_EQ(post(host.u, "/t/t?open=now&publish=now", "x"), 201);
    host_free(&host);
}

static void a_question_is_answered_once(void)
{
    static struct peer a, b;
    host_start(&host);
    begin_post(&a, "/t/t?publish=later", "a");
    CHECK_EQ(uproar_answer(host.u, host_ticket(&host, 0), UPROAR_LATER), -EINVAL);
    answer(0, UPROAR_ALLOW);
    CHECK_EQ(uproar_answer(host.u, host_ticket(&host, 0), UPROAR_DENY), -ENOENT);
    expect_status(&a, 201);
    CHECK_EQ(uproar_answer(host.u, host_ticket(&host, 0), UPROAR_ALLOW), -ENOENT);
    begin_post(&b, "/t/t?publish=later", "b"); /* perhaps in the same place */
    const struct uproar_ticket second = host_ticket(&host, 1);
    CHECK(second.id != host_ticket(&host, 0).id);
    CHECK_EQ(uproar_answer(host.u, host_ticket(&host, 0), UPROAR_DENY), -ENOENT);
    answer(1, UPROAR_ALLOW);
    expect_status(&b, 201);
    for (uint64_t odd = 0; odd < 1000; odd++)
        CHECK_EQ(uproar_answer(host.u, (struct uproar_ticket){odd * odd * odd * 977}, UPROAR_ALLOW),
                 -ENOENT);
    CHECK_EQ(uproar_answer(host.u, (struct uproar_ticket){UINT64_MAX}, UPROAR_ALLOW), -ENOENT);
    host_free(&host);
}

/* On one connection, whose place stays: an old ticket is not the next question's. */
static void an_old_ticket_is_not_that_of_the_next_question(void)
{
    static struct peer p;
    host_start(&host);
    ws_open(&p, host.u, "/t/t?publish=later");
    for (unsigned i = 0; i < 20; i++) {
        ws_say(&p, "x");
        host_ticket(&host, i);
        for (unsigned old = 0; old < i; old++)
            CHECK_EQ(uproar_answer(host.u, host_ticket(&host, old), UPROAR_DENY), -ENOENT);
        answer(i, UPROAR_ALLOW);
        ws_expect(&p, "x");
    }
    peer_close(&p);
    host_free(&host);
}

/* What a WebSocket says behind a question waits, and keeps its order. */
static void what_comes_behind_a_question_keeps_its_order(void)
{
    static struct peer p, other;
    host_start(&host);
    ws_open(&p, host.u, "/t/t?publish=later");
    ws_open(&other, host.u, "/t/t");
    for (unsigned i = 0; i < 5; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%u", i);
        ws_say(&p, text);
    }
    host_ticket(&host, 0);
    ws_say(&other, "overtakes");
    ws_expect(&p, "overtakes");
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(host.ticket_count, i + 1); /* one question at a time */
        answer(i, UPROAR_ALLOW);
        ws_expect_numbers(&p, i, i + 1);
        if (i < 4)
            host_ticket(&host, i + 1);
    }
    peer_close(&p);
    peer_close(&other);
    host_free(&host);
}

/* Many at a time, answered by several threads while they come. */
static void *answer_half(void *arg)
{
    const unsigned half = *(unsigned *)arg;
    for (unsigned i = half; i < 100; i += 2)
        answer(i, UPROAR_ALLOW);
    return NULL;
}

static void other_threads_answer(void)
{
    enum { COUNT = 100 };
    static struct peer peers[COUNT];
    unsigned halves[2] = {0, 1};
    pthread_t threads[2];
    host_start(&host);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, answer_half, &halves[i]), 0);
    for (int i = 0; i < COUNT; i++)
        begin_post(&peers[i], "/t/t?publish=later", "x");
    for (int i = 0; i < COUNT; i++)
        expect_status(&peers[i], 201);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    host_free(&host);
    CHECK_EQ(host.closed, COUNT);
}

/* --- never ------------------------------------------------------------------------------------ */

/* Those who wait: each is told. */
static void expect_no_answer(void)
{
    static struct peer open, subscribing, publishing, ws;
    const int64_t began = now_ms();
    ws_open(&ws, host.u, "/t/t?publish=later");
    ws_say(&ws, "x");
    begin_ws(&open, "/t/t?open=later");
    begin_sse(&subscribing, "/t/t?subscribe=later");
    begin_post(&publishing, "/t/t?publish=later", "x");
    CHECK_EQ(peer_status(&open), 503);
    CHECK_EQ(peer_status(&subscribing), 503);
    CHECK_EQ(peer_status(&publishing), 503);
    ws_expect_close(&ws, 1013);
    CHECK(now_ms() - began > 8000);
    peer_close(&open);
    peer_close(&subscribing);
    peer_close(&publishing);
    peer_close(&ws);
}

/* Nobody reads while a question is open: who leaves is found, at the latest, when its time is over.
 * So is who waits. All at once, because that takes ten seconds. */
static void without_an_answer_it_is_503(void)
{
    static struct peer ws, http, sse;
    host_start(&host);
    ws_open(&ws, host.u, "/t/t?publish=later");
    ws_say(&ws, "x");
    begin_post(&http, "/t/t?open=later", "x");
    begin_sse(&sse, "/t/t?subscribe=later");
    host_ticket(&host, 2);
    peer_close(&ws);
    peer_close(&http);
    peer_close(&sse);
    expect_no_answer();
    WAIT_FOR(host.closed == 5);
    for (unsigned i = 0; i < 7; i++)
        CHECK_EQ(uproar_answer(host.u, host_ticket(&host, i), UPROAR_ALLOW), -ENOENT);
    host_free(&host);
    CHECK_EQ(host.opened, 7);
    CHECK_EQ(host.closed, 5); /* not those whose on_open was never answered */
}

static void *answer_until_the_end(void *arg)
{
    _Atomic bool *enough = arg;
    for (unsigned i = 0; !*enough; i = (i + 1) % (host.ticket_count + 1))
        if (i < host.ticket_count)
            uproar_answer(host.u, host.tickets[i], UPROAR_ALLOW);
    return NULL;
}

/* Questions are open when the server ends, and answers are on their way. */
static void the_end_with_questions_open(void)
{
    enum { COUNT = 30 };
    static struct peer peers[COUNT];
    _Atomic bool enough = false;
    pthread_t thread;
    host_start(&host);
    for (int i = 0; i < COUNT; i++)
        begin_ws(&peers[i], i % 2 ? "/t/t?open=later" : "/t/t?subscribe=later");
    host_ticket(&host, COUNT - 1);
    CHECK_EQ(pthread_create(&thread, NULL, answer_until_the_end, (void *)&enough), 0);
    CHECK_EQ(uproar_stop(host.u), 0);
    enough = true;
    CHECK_EQ(pthread_join(thread, NULL), 0);
    for (int i = 0; i < COUNT; i++)
        peer_close(&peers[i]);
    host_free(&host);
    CHECK_EQ(host.opened, COUNT);
    CHECK(host.closed >= COUNT / 2 && host.closed <= COUNT);
}

static const struct test tests[] = {
    {"a refusal to open is the only thing they hear",
     a_refusal_to_open_is_the_only_thing_they_hear},
    {"a refusal to subscribe closes", a_refusal_to_subscribe_closes},
    {"a refusal to publish reaches nobody", a_refusal_to_publish_reaches_nobody},
    {"allowed later it is as if at once", allowed_later_it_is_as_if_at_once},
    {"refused later it is as if at once", refused_later_it_is_as_if_at_once},
    {"answered before the callback returns", answered_before_the_callback_returns},
    {"a question is answered once", a_question_is_answered_once},
    {"an old ticket is not that of the next question",
     an_old_ticket_is_not_that_of_the_next_question},
    {"what comes behind a question keeps its order", what_comes_behind_a_question_keeps_its_order},
    {"other threads answer", other_threads_answer},
    {"without an answer it is 503", without_an_answer_it_is_503},
    {"the end with questions open", the_end_with_questions_open},
};

int main(int argc, char **argv)
{
    return RUN_TESTS(tests, argc, argv);
}
