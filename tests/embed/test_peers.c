/* One peer of many: what is sent to it alone, its end, and that an id never means a successor. Its
 * callbacks are test_callbacks.c's. */
#include "host.h"
#include "peer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static struct host host; /* each test is a process of its own */

static int send_text(struct uproar_peer to, const char *text)
{
    return uproar_send(host.u, to, text, strlen(text), UPROAR_TEXT);
}

/* The index-th peer is there, and its first callbacks are over. */
static struct uproar_peer ws_open_as(struct peer *p, unsigned index, const char *target)
{
    ws_open(p, host.u, target);
    return host_peer(&host, index);
}

static struct uproar_peer sse_open_as(struct peer *p, unsigned index, const char *target)
{
    sse_open(p, host.u, target);
    return host_peer(&host, index);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void only_that_peer_gets_it(void)
{
    static struct peer a, b, c;
    host_start(&host);
    struct uproar_sub *s = subscribe(host.u, "#");
    const struct uproar_peer to_a = ws_open_as(&a, 0, "/t/t");
    const struct uproar_peer to_b = ws_open_as(&b, 1, "/t/t");
    const struct uproar_peer to_c = sse_open_as(&c, 2, "/t/t");
    CHECK_EQ(send_text(to_a, "for a"), 0);
    CHECK_EQ(send_text(to_b, "for b"), 0);
    CHECK_EQ(send_text(to_c, "for c"), 0);
    ws_expect(&a, "for a");
    ws_expect(&b, "for b");
    sse_expect(&c, "for c");
    publish(host.u, "t", "for all");
    ws_expect(&a, "for all");
    ws_expect(&b, "for all");
    sse_expect(&c, "for all");
    expect_message(s, "for all");
    uproar_unsubscribe(&s);
    peer_close(&a);
    peer_close(&b);
    peer_close(&c);
    host_free(&host);
}

static void it_comes_in_order_and_whole(void)
{
    enum { COUNT = 300, LONG = 5000 };
    static struct peer p;
    static char text[LONG], is[LONG + 1];
    host_start(&host);
    const struct uproar_peer to = ws_open_as(&p, 0, "/t/t");
    for (unsigned i = 0; i < COUNT; i++) {
        int err;
        memset(text, 'a' + (int)(i % 26), sizeof(text));
        WAIT_FOR((err = uproar_send(host.u, to, text, 1 + i * 16, UPROAR_BINARY)) != -EAGAIN);
        CHECK_EQ(err, 0);
        CHECK_EQ(ws_read(&p, is, sizeof(is)), WS_BINARY);
        CHECK(is[0] == text[0] && strspn(is, (char[]){text[0], '\0'}) == 1 + i * 16);
    }
    peer_close(&p);
    host_free(&host);
}

static void many_on_their_way_at_once(void)
{
    enum { COUNT = 2000 };
    static struct peer ws, sse;
    char text[16];
    host_start(&host);
    const struct uproar_peer to_ws = ws_open_as(&ws, 0, "/t/t");
    const struct uproar_peer to_sse = sse_open_as(&sse, 1, "/t/t");
    unsigned taken_ws = 0, taken_sse = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "%u", taken_ws);
        const int err = send_text(to_ws, text);
        CHECK(err == 0 || err == -EAGAIN);
        taken_ws += err == 0;
        snprintf(text, sizeof(text), "%u", taken_sse);
        const int err_sse = send_text(to_sse, text);
        CHECK(err_sse == 0 || err_sse == -EAGAIN);
        taken_sse += err_sse == 0;
    }
    CHECK(taken_ws > 0 && taken_sse > 0);
    ws_expect_numbers(&ws, 0, taken_ws);
    sse_expect_numbers(&sse, 0, taken_sse);
    peer_close(&ws);
    peer_close(&sse);
    host_free(&host);
}

/* Who takes nothing is too slow, or its room is full; no other's is. */
static void too_much_for_one_is_too_much_for_it_alone(void)
{
    enum { LONG = 100000 };
    static struct peer deaf, other;
    static char text[LONG];
    int err;
    host_start(&host);
    const struct uproar_peer to = ws_open_as(&deaf, 0, "/t/t");
    const struct uproar_peer to_other = ws_open_as(&other, 1, "/t/t");
    memset(text, 'a', sizeof(text));
    WAIT_FOR((err = uproar_send(host.u, to, text, sizeof(text), UPROAR_TEXT)) != 0);
    CHECK(err == -EAGAIN || err == -ENOENT);
    WAIT_FOR((err = send_text(to_other, "fine")) != -EAGAIN);
    CHECK_EQ(err, 0);
    ws_expect(&other, "fine");
    peer_close(&deaf);
    peer_close(&other);
    host_free(&host);
}

static void what_cannot_be_sent_is_refused(void)
{
    static struct peer p, poll;
    static char text[2000];
    struct uproar_options o = host_options(&host);
    o.message_bytes_max = 1000;
    host_start_with(&host, &o);
    const struct uproar_peer to = ws_open_as(&p, 0, "/t/t");
    CHECK_EQ(uproar_send(host.u, to, "\xff", 1, UPROAR_TEXT), -EILSEQ);
    CHECK_EQ(uproar_send(host.u, to, text, 1001, UPROAR_BINARY), -EMSGSIZE);
    CHECK_EQ(uproar_send(host.u, to, "x", 1, (enum uproar_kind)9), -EINVAL);
    peer_connect(&poll, host.u);
    peer_say(&poll, "GET /t/t?after=now&wait=60 HTTP/1.1\r\nHost: x\r\n\r\n");
    host_expect_story(&host, 1, "open poll; subscribe t");
    const int err = send_text(host_peer(&host, 1), "x");
    CHECK(err == -EINVAL || err == 0); /* a poll takes none; the caller's thread may not know */
    CHECK_EQ(uproar_send(host.u, to, NULL, 0, UPROAR_TEXT), 0);
    ws_expect(&p, "");
    peer_close(&p);
    peer_close(&poll);
    host_free(&host);
}

static void *send_to_it(void *arg)
{
    const struct uproar_peer to = *(struct uproar_peer *)arg;
    int err = 0;
    for (unsigned i = 0; err == 0 || err == -EAGAIN; i++)
        err = send_text(to, "x");
    return (void *)(intptr_t)err;
}

/* Threads send while it leaves: each hears that it is gone. */
static void whoever_is_gone_is_gone_for_everybody(void)
{
    enum { THREADS = 3 };
    static struct peer p, other;
    pthread_t threads[THREADS];
    void *err;
    host_start(&host);
    struct uproar_peer to = ws_open_as(&p, 0, "/t/t");
    const struct uproar_peer to_other = ws_open_as(&other, 1, "/t/t");
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, send_to_it, &to), 0);
    ws_expect(&p, "x");
    peer_close(&p);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], &err), 0);
        CHECK_EQ((intptr_t)err, -ENOENT);
    }
    CHECK_EQ(uproar_close(host.u, to, 1000, NULL), -ENOENT);
    CHECK_EQ(send_text(to_other, "still here"), 0);
    ws_expect(&other, "still here");
    peer_close(&other);
    host_free(&host);
}

/* --- closing ---------------------------------------------------------------------------------- */

static void a_websocket_is_told_why(void)
{
    static struct peer p;
    char longer[200];
    host_start(&host);
    struct uproar_peer to = ws_open_as(&p, 0, "/t/t");
    CHECK_EQ(send_text(to, "first"), 0);
    CHECK_EQ(uproar_close(host.u, to, 4321, "because"), 0);
    ws_expect(&p, "first");
    ws_expect_close(&p, 4321);
    CHECK_TEXT(((struct uproar_str){p.ws_reason, strlen(p.ws_reason)}), "because");
    peer_close(&p);
    WAIT_FOR(host.closed == 1);
    CHECK_EQ(uproar_close(host.u, to, 4321, "again"), -ENOENT);
    memset(longer, 'a', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    to = ws_open_as(&p, 1, "/t/t");
    CHECK_EQ(uproar_close(host.u, to, 1000, longer), 0);
    ws_expect_close(&p, 1000);
    CHECK_EQ(strlen(p.ws_reason), 123);
    peer_close(&p);
    to = ws_open_as(&p, 2, "/t/t");
    CHECK_EQ(uproar_close(host.u, to, 3000, NULL), 0);
    ws_expect_close(&p, 3000);
    CHECK_EQ(strlen(p.ws_reason), 0);
    peer_close(&p);
    host_free(&host);
    CHECK_EQ(host.closed, 3);
}

static void codes_that_no_frame_may_carry_are_refused(void)
{
    static const int odd[] = {0, -1, 999, 1002, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65536};
    static const int fine[] = {1000, 1001, 1003, 1007, 1008, 1011, 1014, 3000, 4999};
    static struct peer p;
    unsigned index = 0;
    host_start(&host);
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++, index++) {
        const struct uproar_peer to = ws_open_as(&p, index, "/t/t");
        for (size_t k = 0; k < sizeof(odd) / sizeof(odd[0]); k++)
            CHECK_EQ(uproar_close(host.u, to, odd[k], NULL), -EINVAL);
        CHECK_EQ(uproar_close(host.u, to, 1000, "\xff"), -EINVAL);
        CHECK_EQ(uproar_close(host.u, to, fine[i], NULL), 0);
        ws_expect_close(&p, fine[i]);
        peer_close(&p);
    }
    host_free(&host);
}

static void others_end_without_a_word(void)
{
    static struct peer sse, poll;
    host_start(&host);
    const struct uproar_peer stream = sse_open_as(&sse, 0, "/t/t");
    peer_connect(&poll, host.u);
    peer_say(&poll, "GET /t/t?after=now&wait=60 HTTP/1.1\r\nHost: x\r\n\r\n");
    host_expect_story(&host, 1, "open poll; subscribe t");
    CHECK_EQ(uproar_close(host.u, stream, 1000, "unheard"), 0);
    CHECK_EQ(uproar_close(host.u, host_peer(&host, 1), 1000, NULL), 0);
    peer_expect_end(&sse);
    peer_expect_end(&poll);
    WAIT_FOR(host.closed == 2);
    CHECK_EQ(uproar_close(host.u, stream, 1000, NULL), -ENOENT);
    peer_close(&sse);
    peer_close(&poll);
    host_free(&host);
    CHECK_EQ(host.closed, 2);
}

/* By callbacks too, of the peer itself. */
static void close_itself(const struct uproar_peer_info *info, void *user)
{
    (void)user;
    const int err = uproar_close(host.u, info->peer, 4000, "at once");
    CHECK(err == 0 || err == -ENOENT || err == -EINVAL);
}

static void a_callback_may_close_its_peer(void)
{
    static struct peer p;
    char text[64];
    host_start(&host);
    host.look = close_itself;
    for (int i = 0; i < 10; i++) {
        if (ws_try(&p, host.u, "/t/t", "") == 101) {
            ws_say(&p, "x");
            while (ws_read(&p, text, sizeof(text)) == WS_TEXT)
                continue;
        }
        peer_close(&p);
        post(host.u, "/t/t", "x");
    }
    host_free(&host);
    CHECK_EQ(host.opened, 20);
    CHECK_EQ(host.closed, 20);
}

/* --- ids -------------------------------------------------------------------------------------- */

static void no_id_ever_means_a_successor(void)
{
    enum { COUNT = 60 };
    static struct peer p;
    struct uproar_peer old[COUNT];
    host_start(&host);
    for (unsigned i = 0; i < COUNT; i++) {
        old[i] = ws_open_as(&p, i, "/t/t");
        for (unsigned k = 0; k < i; k++) {
            CHECK(old[k].id != old[i].id);
            CHECK_EQ(send_text(old[k], "for a predecessor"), -ENOENT);
            CHECK_EQ(uproar_close(host.u, old[k], 1000, NULL), -ENOENT);
        }
        CHECK_EQ(send_text(old[i], "for it"), 0);
        ws_expect(&p, "for it");
        peer_close(&p);
        WAIT_FOR(host.closed == i + 1);
    }
    host_free(&host);
}

/* Made up: whatever they say, nobody who is there gets it. */
static void ids_that_nobody_has(void)
{
    static struct peer p;
    host_start(&host);
    const struct uproar_peer to = ws_open_as(&p, 0, "/t/t");
    CHECK_EQ(send_text((struct uproar_peer){0}, "x"), -ENOENT);
    CHECK_EQ(send_text((struct uproar_peer){UINT64_MAX}, "x"), -ENOENT);
    for (int bit = 0; bit < 64; bit++) {
        const struct uproar_peer odd = {to.id ^ 1ull << bit};
        const int err_send = send_text(odd, "x"), err_close = uproar_close(host.u, odd, 1000, NULL);
        CHECK(err_send == 0 || err_send == -ENOENT);
        CHECK(err_close == 0 || err_close == -ENOENT);
    }
    CHECK_EQ(send_text(to, "the first"), 0);
    ws_expect(&p, "the first");
    peer_close(&p);
    host_free(&host);
}

/* Requests on one connection are peers of their own: the next is not the last. */
static void a_request_that_was_answered_is_gone(void)
{
    static struct peer p;
    char body[1000];
    host_start(&host);
    peer_connect(&p, host.u);
    for (unsigned i = 0; i < 10; i++) {
        peer_say(&p, "POST /t/t HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
        CHECK_EQ(peer_answer(&p, body, sizeof(body)), 201);
        WAIT_FOR(host.closed == i + 1);
        CHECK_EQ(uproar_close(host.u, host_peer(&host, i), 1000, NULL), -ENOENT);
    }
    CHECK_EQ(host_peer_count(&host), 10);
    peer_close(&p);
    host_free(&host);
}

static const struct test tests[] = {
    {"only that peer gets it", only_that_peer_gets_it},
    {"it comes in order and whole", it_comes_in_order_and_whole},
    {"many on their way at once", many_on_their_way_at_once},
    {"too much for one is too much for it alone", too_much_for_one_is_too_much_for_it_alone},
    {"what cannot be sent is refused", what_cannot_be_sent_is_refused},
    {"whoever is gone is gone for everybody", whoever_is_gone_is_gone_for_everybody},
    {"a WebSocket is told why", a_websocket_is_told_why},
    {"codes that no frame may carry are refused", codes_that_no_frame_may_carry_are_refused},
    {"others end without a word", others_end_without_a_word},
    {"a callback may close its peer", a_callback_may_close_its_peer},
    {"no id ever means a successor", no_id_ever_means_a_successor},
    {"ids that nobody has", ids_that_nobody_has},
    {"a request that was answered is gone", a_request_that_was_answered_is_gone},
};

int main(int argc, char **argv)
{
    return RUN_TESTS(tests, argc, argv);
}
