/* What uproar_free() leaves, or a start that failed: no descriptor, no thread, and what the caller
 * kept is still the caller's. Bytes are what the address sanitizer counts. */
#include "embed.h"
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void expect_refused(const struct uproar_options *o, int err)
{
    char why[256] = "";
    struct uproar *u = (struct uproar *)why; /* to be cleared */
    CHECK_EQ(uproar_start(o, &u, why, sizeof(why)), err);
    CHECK(u == NULL);
    CHECK(strlen(why) > 0);
    CHECK(!strpbrk(why, "\r\n\t\033"));
}

/* --- what ran --------------------------------------------------------------------------------- */

static void a_broker_without_a_socket_leaves_nothing(void)
{
    const struct belongings before = take_stock();
    struct uproar_options o = usual_options();
    o.listen = NULL;
    o.listen_count = 0;
    for (int i = 0; i < 5; i++) {
        struct uproar *u = start(&o);
        struct uproar_sub *s = subscribe(u, "t");
        publish(u, "t", "x");
        expect_message(s, "x");
        uproar_unsubscribe(&s);
        CHECK(s == NULL);
        uproar_unsubscribe(&s); /* as free(NULL) */
        stop_and_free(&u);
    }
    expect_nothing_left(before);
}

static void work_a_little(struct uproar *u, struct peer *ws, struct peer *sse, struct peer *poll)
{
    ws_open(ws, u, "/t/t");
    sse_open(sse, u, "/t/t");
    peer_connect(poll, u);
    peer_say(poll, "GET /t/other?after=now&wait=30 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_EQ(post(u, "/t/t", "posted"), 201);
    ws_say(ws, "said");
    for (int i = 0; i < 2; i++) {
        char text[64];
        CHECK_EQ(ws_read(ws, text, sizeof(text)), WS_TEXT);
        CHECK(sse_read(sse, text, sizeof(text)));
    }
}

static void *leave_when_told(void *arg)
{
    peer_expect_end(arg);
    peer_close(arg);
    return NULL;
}

/* Those that wait for the peer to close do not wait for long. */
static void leave_with_the_server(struct uproar *u, struct peer *const *peers)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, leave_when_told, peers[i]), 0);
    stop_and_free(&u);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

static void a_server_with_peers_leaves_nothing(void)
{
    static struct peer ws, sse, poll;
    const struct belongings before = take_stock();
    for (int i = 0; i < 5; i++) {
        struct uproar *u = start_usual();
        work_a_little(u, &ws, &sse, &poll);
        leave_with_the_server(u, (struct peer *const[]){&ws, &sse, &poll});
        expect_nothing_left(before);
    }
}

/* With peers that are still there, or went a moment ago. */
static void a_server_that_is_told_twice_to_stop_leaves_nothing(void)
{
    static struct peer ws, sse, poll;
    const struct belongings before = take_stock();
    struct uproar_options o = usual_options();
    o.drain_ms = 60000;
    struct uproar *u = start(&o);
    work_a_little(u, &ws, &sse, &poll);
    peer_close(&sse);
    CHECK_EQ(uproar_stop(u), 0);
    CHECK_EQ(uproar_stop(u), 0);
    stop_and_free(&u);
    peer_close(&ws);
    peer_close(&poll);
    expect_nothing_left(before);
}

static void a_subscription_keeps_only_its_own_descriptor(void)
{
    const struct belongings before = take_stock();
    struct uproar *u = start_usual();
    struct uproar_sub *s = subscribe(u, "t");
    publish(u, "t", "x");
    stop_and_free(&u);
    CHECK_EQ(count_descriptors(), before.descriptors + 1);
    WAIT_FOR(count_threads() == before.threads);
    expect_message(s, "x");
    expect_end(s);
    uproar_unsubscribe(&s);
    expect_nothing_left(before);
}

/* --- what did not start ----------------------------------------------------------------------- */

static void options_that_are_refused_leave_nothing(void)
{
    static const struct uproar_listen nowhere = {.address = "nowhere"};
    const struct belongings before = take_stock();
    struct uproar_options o = usual_options();
    o.listen = &nowhere;
    expect_refused(&o, -EINVAL);
    o = usual_options();
    o.listen_count = 17;
    expect_refused(&o, -EINVAL);
    o = usual_options();
    o.size = 1;
    expect_refused(&o, -EINVAL);
    o = usual_options();
    o.io = (enum uproar_io)77;
    expect_refused(&o, -EINVAL);
    o = usual_options();
    o.slow = (enum uproar_slow)77;
    expect_refused(&o, -EINVAL);
    expect_nothing_left(before);
}

static void what_this_version_has_not_leaves_nothing(void)
{
    const struct uproar_listen usual = *usual_options().listen;
    struct uproar_listen odd = usual;
    const struct belongings before = take_stock();
    struct uproar_options o = usual_options();
    o.listen = &odd;
    odd.stomp_tcp = true;
    expect_refused(&o, -ENOTSUP);
    odd = usual;
    odd.cert_file = odd.key_file = "/nowhere";
    expect_refused(&o, -ENOTSUP);
    odd = usual;
    odd.key_file = "/nowhere";
    expect_refused(&o, -ENOTSUP);
    expect_nothing_left(before);
}

static void a_port_in_use_leaves_nothing(void)
{
    char address[64];
    struct uproar *first = start_usual();
    const struct belongings before = take_stock();
    const struct uproar_listen taken[2] = {{.address = "127.0.0.1:0"}, {.address = address}};
    struct uproar_options o = usual_options();
    snprintf(address, sizeof(address), "127.0.0.1:%d", uproar_port(first, 0));
    o.listen = taken;
    o.listen_count = 2;
    expect_refused(&o, -EADDRINUSE);
    expect_nothing_left(before);
    CHECK_EQ(post(first, "/t/t", "it goes on"), 201);
    stop_and_free(&first);
}

static int listening_socket(void)
{
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_EQ(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
    CHECK_EQ(listen(fd, 10), 0);
    return fd;
}

static void a_socket_is_taken_only_by_a_start_that_succeeds(void)
{
    const struct belongings before = take_stock();
    struct uproar_listen at[2] = {{.fd = listening_socket()}, {.address = "nowhere"}};
    struct uproar_options o = usual_options();
    o.listen = at;
    o.listen_count = 2;
    expect_refused(&o, -EINVAL);
    CHECK(fcntl(at[0].fd, F_GETFD) >= 0); /* still ours */
    o.listen_count = 1;
    struct uproar *u = start(&o);
    CHECK(uproar_port(u, 0) > 0);
    CHECK_EQ(post(u, "/t/t", "x"), 201);
    stop_and_free(&u);
    CHECK(fcntl(at[0].fd, F_GETFD) < 0); /* it was taken */
    expect_nothing_left(before);
}

/* A start with room for 0, 1, 2 ... descriptors, until there are enough. */
static void a_start_without_enough_descriptors_leaves_nothing(void)
{
    enum { ENOUGH = 2000 };
    const struct belongings before = take_stock();
    struct rlimit limit, small;
    int err = -EMFILE;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct uproar_options o = usual_options();
    o.connection_count_max = 0;
    for (rlim_t room = 0; err != 0; room = room < 200 ? room + 1 : room + 100) {
        struct uproar *u;
        char why[256];
        CHECK(room < ENOUGH);
        small = (struct rlimit){before.descriptors + room, limit.rlim_max};
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
        err = uproar_start(&o, &u, why, sizeof(why));
        CHECK_EQ(u != NULL, err == 0);
        if (u)
            stop_and_free(&u);
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        expect_nothing_left(before);
    }
}

static const struct test tests[] = {
    {"a broker without a socket leaves nothing", a_broker_without_a_socket_leaves_nothing},
    {"a server with peers leaves nothing", a_server_with_peers_leaves_nothing},
    {"a server that is told twice to stop leaves nothing",
     a_server_that_is_told_twice_to_stop_leaves_nothing},
    {"a subscription keeps only its own descriptor", a_subscription_keeps_only_its_own_descriptor},
    {"options that are refused leave nothing", options_that_are_refused_leave_nothing},
    {"what this version has not leaves nothing", what_this_version_has_not_leaves_nothing},
    {"a port in use leaves nothing", a_port_in_use_leaves_nothing},
    {"a socket is taken only by a start that succeeds",
     a_socket_is_taken_only_by_a_start_that_succeeds},
    {"a start without enough descriptors leaves nothing",
     a_start_without_enough_descriptors_leaves_nothing},
};

int main(int argc, char **argv)
{
    return RUN_TESTS(tests, argc, argv);
}
