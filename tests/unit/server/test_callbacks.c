/* What the embedder is asked about peers and tells them; over real sockets. */
#include "uproar.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ASKED_MAX = 64 };

/* What the callbacks return, and what they were called with. */
static struct {
    pthread_mutex_t lock;
    enum uproar_verdict open, subscribe, publish;
    struct uproar_ticket ticket;
    struct uproar_peer peer;
    char log[8192];
    unsigned asked, closed;
    int close_code;
    void *closed_user;
    unsigned block_ms;
    const char *greeting;
} embedder = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct uproar *server;
static int port;
static uint64_t body_memory; /* 0: the default */

static void note(const char *what, const struct uproar_peer_info *p, struct uproar_str text)
{
    const size_t len = strlen(embedder.log);
    snprintf(embedder.log + len, sizeof(embedder.log) - len, "%s %d %.*s%s%.*s;", what, p->proto,
             (int)p->path.len, p->path.at, text.len ? " " : "", (int)text.len, text.at);
}

static void lock(void)
{
    pthread_mutex_lock(&embedder.lock);
}

static void unlock(void)
{
    pthread_mutex_unlock(&embedder.lock);
}

static enum uproar_verdict on_open(void *user, const struct uproar_peer_info *p,
                                   struct uproar_ticket t)
{
    cr_assert(eq(ptr, user, &embedder));
    lock();
    embedder.ticket = t;
    embedder.peer = p->peer;
    embedder.asked++;
    note("open", p, p->query);
    unlock();
    if (embedder.greeting)
        cr_assert(eq(
            int,
            uproar_send(server, p->peer, embedder.greeting, strlen(embedder.greeting), UPROAR_TEXT),
            0));
    cr_assert(eq(int, uproar_set_user(server, p->peer, &port), 0));
    return embedder.open;
}

static enum uproar_verdict on_subscribe(void *user, const struct uproar_peer_info *p,
                                        struct uproar_str pattern, struct uproar_ticket t)
{
    (void)user;
    cr_assert(eq(ptr, p->user, &port));
    lock();
    embedder.ticket = t;
    embedder.asked++;
    note("subscribe", p, pattern);
    unlock();
    return embedder.subscribe;
}

static enum uproar_verdict on_publish(void *user, const struct uproar_peer_info *p,
                                      const struct uproar_message *m, struct uproar_ticket t)
{
    (void)user;
    cr_assert(eq(u64, m->from.id, p->peer.id));
    usleep(embedder.block_ms * 1000);
    lock();
    embedder.ticket = t;
    embedder.asked++;
    note("publish", p, m->body);
    unlock();
    return embedder.publish;
}

static void on_close(void *user, const struct uproar_peer_info *p, int code,
                     struct uproar_str reason)
{
    (void)user;
    lock();
    embedder.closed++;
    embedder.close_code = code;
    embedder.closed_user = p->user;
    note("close", p, reason);
    unlock();
}

static char said[4096];

static void on_log(void *user, int level, const char *line)
{
    (void)user;
    (void)level;
    lock();
    if (strstr(line, "kept reactor"))
        snprintf(said, sizeof(said), "%s", line);
    unlock();
}

static void start(void)
{
    static const struct uproar_listen listen = {.address = "127.0.0.1:0"};
    struct uproar_options o;
    char why[256];
    uproar_options_init(&o, sizeof(o));
    o.listen = &listen;
    o.listen_count = 1;
    o.thread_count = 1;
    o.drain_ms = 1000;
    o.user = &embedder;
    o.body_memory = body_memory;
    o.on = (struct uproar_callbacks){.on_open = on_open,
                                     .on_subscribe = on_subscribe,
                                     .on_publish = on_publish,
                                     .on_close = on_close,
                                     .on_log = on_log};
    embedder.open = embedder.subscribe = embedder.publish = UPROAR_ALLOW;
    cr_assert(eq(int, uproar_start(&o, &server, why, sizeof(why)), 0), "%s", why);
    port = uproar_port(server, 0);
}

static void stop(void)
{
    cr_assert(eq(int, uproar_free(&server), 0));
}

TestSuite(callbacks, .init = start, .fini = stop, .timeout = 60);

/* --- a client --------------------------------------------------------------------------------- */

static int client(const char *request)
{
    const struct timeval patience = {.tv_sec = 30};
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    cr_assert(eq(int, connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0));
    cr_assert(eq(i64, send(fd, request, strlen(request), 0), (ssize_t)strlen(request)));
    return fd;
}

/* Until `text` is there, or the end. */
static const char *read_until(int fd, const char *text)
{
    static char got[65536];
    size_t len = 0;
    ssize_t n;
    got[0] = '\0';
    while (!strstr(got, text) && (n = recv(fd, got + len, sizeof(got) - 1 - len, 0)) > 0) {
        for (ssize_t i = 0; i < n; i++) /* so that binary heads do not end the string */
            got[len + (size_t)i] = got[len + (size_t)i] ? got[len + (size_t)i] : '0';
        len += (size_t)n;
        got[len] = '\0';
    }
    cr_assert(strstr(got, text) != NULL, "no \"%s\" in \"%s\" (%s)", text, got, strerror(errno));
    return got;
}

static void expect(const char *request, const char *answer)
{
    const int fd = client(request);
    read_until(fd, answer);
    close(fd);
}

#define HOST "Host: x\r\n"
static const char websocket[] =
    "GET /t/a?k=v HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
static const char stream[] = "GET /t/a HTTP/1.1\r\n" HOST "Accept: text/event-stream\r\n\r\n";
static const char post[] = "POST /t/a HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi";
static const char hi_frame[] = {'\x81', '\x82', 1, 2, 3, 4, 'h' ^ 1, 'i' ^ 2};

static void wait_for(unsigned *count, unsigned wanted)
{
    for (int i = 0; i < 30000; i++) {
        lock();
        const bool there = *count >= wanted;
        unlock();
        if (there)
            return;
        usleep(1000);
    }
    cr_assert(false, "it never came to %u; log: %s", wanted, embedder.log);
}

static void expect_log(const char *log)
{
    lock();
    cr_assert(eq(str, embedder.log, (char *)log));
    unlock();
}

/* --- what is asked, and when ------------------------------------------------------------------ */

Test(callbacks, are_asked_in_order_by_a_websocket)
{
    const int fd = client(websocket);
    read_until(fd, "\r\n\r\n");
    cr_assert(eq(i64, send(fd, hi_frame, sizeof(hi_frame), 0), (ssize_t)sizeof(hi_frame)));
    read_until(fd, "hi");
    close(fd);
    wait_for(&embedder.closed, 1);
    expect_log("open 4 /t/a k=v;subscribe 4 /t/a a;publish 4 /t/a hi;close 4 /t/a;");
    cr_assert(eq(int, embedder.close_code, 1006));
    cr_assert(eq(ptr, embedder.closed_user, &port));
}

Test(callbacks, are_asked_for_each_request_of_a_kept_connection)
{
    const int fd = client(post);
    read_until(fd, "201");
    const struct uproar_peer first = embedder.peer;
    cr_assert(eq(i64, send(fd, post, sizeof(post) - 1, 0), (ssize_t)sizeof(post) - 1));
    read_until(fd, "201");
    wait_for(&embedder.closed, 2);
    expect_log("open 1 /t/a;publish 1 /t/a hi;close 1 /t/a;"
               "open 1 /t/a;publish 1 /t/a hi;close 1 /t/a;");
    cr_assert(ne(u64, first.id, embedder.peer.id));
    cr_assert(eq(int, embedder.close_code, 1000));
    close(fd);
}

Test(callbacks, are_asked_about_every_pattern)
{
    const int fd =
        client("GET /t?topic=a.%2A&topic=b HTTP/1.1\r\n" HOST "Accept: text/event-stream\r\n\r\n");
    read_until(fd, "id:");
    expect_log("open 3 /t topic=a.%2A&topic=b;subscribe 3 /t a.*;subscribe 3 /t b;");
    close(fd);
}

Test(callbacks, are_not_asked_by_probes_and_pages)
{
    expect("GET /healthz HTTP/1.1\r\n" HOST "\r\n", "200 OK");
    expect("GET / HTTP/1.1\r\n" HOST "Accept: text/html\r\n\r\n", "200 OK");
    expect_log("");
}

/* --- verdicts at once ------------------------------------------------------------------------- */

Test(callbacks, deny_with_403_and_ask_for_a_login_with_401)
{
    embedder.open = UPROAR_DENY;
    expect(stream, "HTTP/1.1 403");
    embedder.open = UPROAR_LOGIN;
    expect(websocket, "HTTP/1.1 401");
    expect(post, "WWW-Authenticate: Bearer");
    embedder.open = UPROAR_ALLOW;
    cr_assert(eq(u32, embedder.closed, 0));
    embedder.subscribe = UPROAR_DENY;
    expect(stream, "HTTP/1.1 403");
    embedder.publish = (enum uproar_verdict)77; /* none: the safe side */
    expect(post, "HTTP/1.1 403");
    wait_for(&embedder.closed, 2);
    cr_assert(eq(int, embedder.close_code, 1008));
}

Test(callbacks, close_a_websocket_whose_message_is_denied)
{
    embedder.publish = UPROAR_DENY;
    const int fd = client(websocket);
    read_until(fd, "\r\n\r\n");
    cr_assert(eq(i64, send(fd, hi_frame, sizeof(hi_frame), 0), (ssize_t)sizeof(hi_frame)));
    read_until(fd, "\x03\xf0publishing this was denied"); /* 1008 */
    close(fd);
    wait_for(&embedder.closed, 1);
    cr_assert(eq(int, embedder.close_code, 1008));
}

/* --- verdicts later --------------------------------------------------------------------------- */

static void answer(enum uproar_verdict v)
{
    lock();
    const struct uproar_ticket t = embedder.ticket;
    unlock();
    cr_assert(eq(int, uproar_answer(server, t, v), 0));
    cr_assert(eq(int, uproar_answer(server, t, v), -ENOENT));
}

Test(callbacks, may_answer_each_question_later)
{
    embedder.open = embedder.subscribe = embedder.publish = UPROAR_LATER;
    const int fd = client(websocket);
    wait_for(&embedder.asked, 1);
    answer(UPROAR_ALLOW);
    wait_for(&embedder.asked, 2);
    answer(UPROAR_ALLOW);
    read_until(fd, "\r\n\r\n");
    cr_assert(eq(i64, send(fd, hi_frame, sizeof(hi_frame), 0), (ssize_t)sizeof(hi_frame)));
    wait_for(&embedder.asked, 3);
    answer(UPROAR_ALLOW);
    read_until(fd, "hi");
    expect_log("open 4 /t/a k=v;subscribe 4 /t/a a;publish 4 /t/a hi;");
    close(fd);
}

Test(callbacks, may_refuse_each_question_later)
{
    embedder.open = UPROAR_LATER;
    int fd = client(stream);
    wait_for(&embedder.asked, 1);
    answer(UPROAR_DENY);
    read_until(fd, "HTTP/1.1 403");
    close(fd);
    embedder.open = UPROAR_ALLOW;
    embedder.publish = UPROAR_LATER;
    fd = client(post);
    wait_for(&embedder.asked, 3);
    answer(UPROAR_LOGIN);
    read_until(fd, "HTTP/1.1 401");
    cr_assert(eq(i64, send(fd, post, sizeof(post) - 1, 0), (ssize_t)sizeof(post) - 1));
    wait_for(&embedder.asked, 5);
    answer(UPROAR_ALLOW);
    read_until(fd, "HTTP/1.1 201");
    close(fd);
}

/* Frames that came with the handshake, and a body that came with its head, wait too. */
Test(callbacks, keep_what_comes_behind_a_question)
{
    char early[sizeof(websocket) + sizeof(hi_frame)];
    memcpy(early, websocket, sizeof(websocket));
    embedder.open = UPROAR_LATER;
    const int fd = client(early);
    cr_assert(eq(i64, send(fd, hi_frame, sizeof(hi_frame), 0), (ssize_t)sizeof(hi_frame)));
    wait_for(&embedder.asked, 1);
    answer(UPROAR_ALLOW);
    read_until(fd, "hi");
    close(fd);
    const int other = client(post);
    wait_for(&embedder.asked, 4);
    answer(UPROAR_ALLOW);
    read_until(other, "HTTP/1.1 201");
    close(other);
}

/* How far its head was searched, when that came in two, says nothing about the next one's. */
Test(callbacks, keep_a_request_behind_a_question_whose_head_was_cut)
{
    embedder.open = UPROAR_LATER;
    const int fd =
        client("HEAD /t/a HTTP/1.1\r\n" HOST "X-Long: 0123456789012345678901234567890123");
    usleep(20000);
    const char rest[] = "\r\n\r\nGET /healthz HTTP/1.1\r\n" HOST "\r\n";
    cr_assert(eq(i64, send(fd, rest, sizeof(rest) - 1, 0), (ssize_t)sizeof(rest) - 1));
    wait_for(&embedder.asked, 1);
    answer(UPROAR_ALLOW);
    read_until(fd, "ok\n");
    close(fd);
}

/* Whatever becomes of it then. */
Test(callbacks, tell_the_end_of_whom_they_allowed_during_the_drain)
{
    embedder.open = UPROAR_LATER;
    const int fd = client(post);
    wait_for(&embedder.asked, 1);
    cr_assert(eq(int, uproar_stop(server), 0));
    answer(UPROAR_ALLOW);
    read_until(fd, "HTTP/1.1 503");
    close(fd);
    wait_for(&embedder.closed, 1);
    expect_log("open 1 /t/a;close 1 /t/a;");
    cr_assert(eq(int, embedder.close_code, 1001));
}

Test(callbacks, tell_the_end_of_whom_they_allowed_and_ended_at_once)
{
    embedder.open = UPROAR_LATER;
    const int fd = client(stream);
    wait_for(&embedder.asked, 1);
    const struct uproar_ticket t = embedder.ticket;
    const struct uproar_peer p = embedder.peer;
    embedder.open = UPROAR_ALLOW;
    embedder.block_ms = 500; /* the reactor opens both letters together */
    const int other = client(post);
    wait_for(&embedder.asked, 2);
    cr_assert(eq(int, uproar_close(server, p, 1000, NULL), 0));
    cr_assert(eq(int, uproar_answer(server, t, UPROAR_ALLOW), 0));
    wait_for(&embedder.closed, 2);
    close(other);
    close(fd);
}

Test(callbacks, do_not_wait_for_a_verdict_for_ever)
{
    embedder.open = UPROAR_LATER;
    const int fd = client(stream);
    read_until(fd, "HTTP/1.1 503");
    lock();
    const struct uproar_ticket t = embedder.ticket;
    unlock();
    cr_assert(eq(int, uproar_answer(server, t, UPROAR_ALLOW), -ENOENT));
    close(fd);
}

/* What waits is charged like unfinished bodies: one at least may. */
Test(callbacks, bound_what_waits_for_verdicts)
{
    char frame[8 + 600] = "\x81\xfe\x02\x58"; /* 600 bytes, mask 0 */
    memset(frame + 8, 'x', 600);
    stop();
    body_memory = 1000;
    start();
    embedder.publish = UPROAR_LATER;
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = client(websocket);
        read_until(fds[i], "\r\n\r\n");
        cr_assert(eq(i64, send(fds[i], frame, sizeof(frame), 0), (ssize_t)sizeof(frame)));
        wait_for(&embedder.asked, 3 * (unsigned)(i + 1));
    }
    read_until(fds[1], "\x03\xf5"
                       "no room for messages"); /* 1013 */
    close(fds[0]);
    close(fds[1]);
}

Test(callbacks, refuse_answers_that_are_none)
{
    embedder.open = UPROAR_LATER;
    const int fd = client(stream);
    wait_for(&embedder.asked, 1);
    cr_assert(eq(int, uproar_answer(server, embedder.ticket, UPROAR_LATER), -EINVAL));
    cr_assert(eq(int, uproar_answer(server, (struct uproar_ticket){0}, UPROAR_ALLOW), -ENOENT));
    cr_assert(
        eq(int, uproar_answer(server, (struct uproar_ticket){UINT64_MAX}, UPROAR_ALLOW), -ENOENT));
    answer(UPROAR_ALLOW);
    read_until(fd, "HTTP/1.1 200");
    close(fd);
}

/* --- letters ---------------------------------------------------------------------------------- */

Test(callbacks, may_greet_who_opens)
{
    embedder.greeting = "welcome";
    int fd = client(stream);
    read_until(fd, "data: welcome\n\n");
    close(fd);
    fd = client(websocket);
    read_until(fd, "\x81\x07welcome");
    close(fd);
    fd = client("GET /t/a?format=json HTTP/1.1\r\n" HOST "Accept: text/event-stream\r\n\r\n");
    read_until(fd, "data: {\"direct\":{\"data\":\"welcome\"}}\n\n");
    close(fd);
    embedder.open = UPROAR_LATER;
    fd = client(stream);
    wait_for(&embedder.asked, 7);
    answer(UPROAR_ALLOW);
    read_until(fd, "data: welcome\n\n");
    close(fd);
}

Test(callbacks, may_end_a_peer)
{
    const int fd = client(websocket);
    read_until(fd, "\r\n\r\n");
    cr_assert(eq(int, uproar_close(server, embedder.peer, 4321, "enough"), 0));
    read_until(fd, "\x10\xe1"
                   "enough");
    close(fd);
    wait_for(&embedder.closed, 1);
    cr_assert(eq(int, embedder.close_code, 4321));
    expect_log("open 4 /t/a k=v;subscribe 4 /t/a a;close 4 /t/a enough;");
    cr_assert(eq(int, uproar_close(server, embedder.peer, 1000, NULL), -ENOENT));
    cr_assert(eq(int, uproar_send(server, embedder.peer, "x", 1, UPROAR_TEXT), -ENOENT));
    cr_assert(eq(int, uproar_close(server, embedder.peer, 1005, NULL), -EINVAL));
    cr_assert(eq(int, uproar_set_user(server, embedder.peer, NULL), -EPERM));
}

Test(callbacks, may_end_a_peer_when_too_much_waits)
{
    static char long_one[1 << 20];
    memset(long_one, 'a', sizeof(long_one));
    const int fd = client(websocket);
    read_until(fd, "\r\n\r\n");
    const struct uproar_peer p = embedder.peer;
    embedder.block_ms = 2000;
    const int other = client(post);
    wait_for(&embedder.asked, 3);
    for (size_t len = sizeof(long_one); len > 0; len /= 16)
        while (uproar_send(server, p, long_one, len, UPROAR_TEXT) == 0)
            continue;
    cr_assert(eq(int, uproar_send(server, p, "", 0, UPROAR_TEXT), -EAGAIN));
    cr_assert(eq(int, uproar_close(server, p, 1000, NULL), 0));
    close(fd);
    close(other);
}

/* The second does not eat the close frame of the first. */
Test(callbacks, may_end_a_peer_twice)
{
    const int fd = client(websocket);
    read_until(fd, "\r\n\r\n");
    const struct uproar_peer p = embedder.peer;
    embedder.block_ms = 500; /* the reactor opens both letters together */
    const int other = client(post);
    wait_for(&embedder.asked, 3);
    cr_assert(eq(int, uproar_close(server, p, 4321, "enough"), 0));
    cr_assert(eq(int, uproar_close(server, p, 4321, "enough"), 0));
    read_until(fd, "enough");
    close(fd);
    close(other);
}

Test(callbacks, tell_who_published)
{
    struct uproar_sub *s;
    struct uproar_message m;
    struct uproar_gap gap;
    cr_assert(eq(int, uproar_subscribe(server, "a", NULL, 0, &s), 0));
    const int fd = client(websocket);
    read_until(fd, "\r\n\r\n");
    cr_assert(eq(i64, send(fd, hi_frame, sizeof(hi_frame), 0), (ssize_t)sizeof(hi_frame)));
    while (uproar_sub_next(s, &m, &gap) != UPROAR_MESSAGE)
        usleep(1000);
    cr_assert(eq(u64, m.from.id, embedder.peer.id));
    cr_assert(eq(int, uproar_send(server, m.from, "mine", 4, UPROAR_TEXT), 0));
    read_until(fd, "mine");
    close(fd);
    uproar_unsubscribe(&s);
}

Test(callbacks, tell_that_the_server_went_away)
{
    const int fd = client("POST /t/a HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nh");
    wait_for(&embedder.asked, 1);
    cr_assert(eq(int, uproar_stop(server), 0));
    cr_assert(eq(int, uproar_stop(server), 0)); /* now */
    wait_for(&embedder.closed, 1);
    cr_assert(eq(int, embedder.close_code, 1001));
    close(fd);
}

/* --- those that block ------------------------------------------------------------------------- */

Test(callbacks, that_block_are_named)
{
    char metrics[65536];
    embedder.block_ms = 600;
    const int fd = client(post);
    do {
        usleep(1000);
        cr_assert(lt(int, uproar_metrics(server, metrics, sizeof(metrics)), (int)sizeof(metrics)));
    } while (
        !strstr(metrics, "uproar_callback_running_seconds{reactor=\"0\",callback=\"on_publish\"}"));
    read_until(fd, "HTTP/1.1 201");
    close(fd);
    lock();
    cr_assert(strstr(said, "on_publish kept reactor 0 waiting for 0.") != NULL, "%s", said);
    unlock();
    uproar_metrics(server, metrics, sizeof(metrics));
    cr_assert(strstr(metrics, "uproar_callbacks_late_total{callback=\"on_publish\"} 1\n") != NULL);
    cr_assert(strstr(metrics, "running_seconds{") == NULL);
}
