/* Publishing from the process itself: what is refused, what is taken, and who is told. */
#include "uproar.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STR(literal) ((struct uproar_str){(literal), sizeof(literal) - 1})

static struct uproar *broker;

static void start(void)
{
    struct uproar_options o;
    char why[256];
    uproar_options_init(&o, sizeof(o));
    o.thread_count = 2;
    o.message_bytes_max = 1000;
    cr_assert(eq(int, uproar_start(&o, &broker, why, sizeof(why)), 0), "%s", why);
}

static void stop(void)
{
    cr_assert(eq(int, uproar_free(&broker), 0));
}

TestSuite(publish, .init = start, .fini = stop, .timeout = 60);

static struct uproar_message message(void)
{
    return (struct uproar_message){.topic = STR("t"), .body = STR("hello"), .kind = UPROAR_TEXT};
}

static int publish_one(const struct uproar_message *m)
{
    return uproar_publish_many(broker, m, 1, NULL, NULL);
}

struct told {
    _Atomic unsigned count;
    _Atomic int err;
    _Atomic uint64_t seq;
};

static void on_done(void *user, int err, struct uproar_cursor last)
{
    struct told *told = user;
    told->err = err;
    told->seq = last.seq;
    told->count++;
}

static void wait_for(const struct told *told, unsigned count)
{
    while (told->count < count)
        usleep(1000);
}

static void count_release(void *user, const void *body)
{
    _Atomic unsigned *count = user;
    cr_assert(eq(int, memcmp(body, "hello", 5), 0));
    (*count)++;
}

Test(publish, tells_the_place_of_the_last_of_many)
{
    struct uproar_message many[] = {message(), message(), message()};
    struct told told = {0};
    cr_assert(eq(int, uproar_publish_many(broker, many, 3, on_done, &told), 0));
    wait_for(&told, 1);
    cr_assert(eq(int, told.err, 0));
    cr_assert(eq(u64, told.seq, 3));
    cr_assert(eq(int, uproar_publish_many(broker, many, 1, on_done, &told), 0));
    wait_for(&told, 2);
    cr_assert(eq(u64, told.seq, 4));
}

Test(publish, tells_everybody_before_the_end_of_free)
{
    struct uproar_message m = message();
    struct told told = {0};
    unsigned accepted = 0;
    for (int i = 0; i < 1000; i++)
        accepted += uproar_publish_many(broker, &m, 1, on_done, &told) == 0;
    stop();
    cr_assert(eq(u32, told.count, accepted));
}

Test(publish, takes_all_of_many_or_none)
{
    struct uproar_message many[] = {message(), message()};
    struct told told = {0};
    many[1].topic = STR("no.*.topic");
    cr_assert(eq(int, uproar_publish_many(broker, many, 2, on_done, &told), -EINVAL));
    many[1] = message();
    cr_assert(eq(int, uproar_publish_many(broker, many, 2, on_done, &told), 0));
    wait_for(&told, 1);
    cr_assert(eq(u64, told.seq, 2));
    cr_assert(eq(int, uproar_publish_many(broker, many, 0, NULL, NULL), -EINVAL));
}

Test(publish, releases_a_taken_body_once)
{
    _Atomic unsigned count = 0;
    struct uproar_message m = message();
    cr_assert(eq(int, uproar_publish_taken(broker, &m, count_release, (void *)&count), 0));
    stop();
    cr_assert(eq(u32, count, 1));
}

Test(publish, does_not_take_what_it_refuses)
{
    _Atomic unsigned count = 0;
    struct uproar_message m = message();
    m.kind = (enum uproar_kind)9;
    cr_assert(eq(int, uproar_publish_taken(broker, &m, count_release, (void *)&count), -EINVAL));
    cr_assert(eq(int, uproar_stop(broker), 0));
    m = message();
    cr_assert(eq(int, uproar_publish_taken(broker, &m, count_release, (void *)&count), -ESHUTDOWN));
    stop();
    cr_assert(eq(u32, count, 0));
}

Test(publish, refuses_fields_that_are_none)
{
    struct uproar_message m = message();
    m.body = STR("\xff");
    cr_assert(eq(int, publish_one(&m), -EILSEQ));
    m.kind = UPROAR_BINARY;
    cr_assert(eq(int, publish_one(&m), 0));
    m.event = STR("\xff");
    cr_assert(eq(int, publish_one(&m), -EILSEQ));
    m.event = STR("two\nlines");
    cr_assert(eq(int, publish_one(&m), -EINVAL));
    m.event = STR("gap"); /* the server's own */
    cr_assert(eq(int, publish_one(&m), -EINVAL));
    m.event = STR("fine");
    m.content_type = STR("text/\rplain");
    cr_assert(eq(int, publish_one(&m), -EINVAL));
    m.content_type = STR("text/plain");
    cr_assert(eq(int, publish_one(&m), 0));
}

Test(publish, refuses_long_fields)
{
    static char text[2000];
    struct uproar_message m = message();
    memset(text, 'a', sizeof(text));
    m.body = (struct uproar_str){text, 1001};
    cr_assert(eq(int, publish_one(&m), -EMSGSIZE));
    m.body.len = 1000;
    m.event = (struct uproar_str){text, 256};
    cr_assert(eq(int, publish_one(&m), -EINVAL));
    m.event.len = 255;
    m.content_type = (struct uproar_str){text, 128};
    cr_assert(eq(int, publish_one(&m), -EINVAL));
    m.content_type.len = 127;
    cr_assert(eq(int, publish_one(&m), 0));
}

static int publish_headers(const struct uproar_header *headers, size_t count)
{
    struct uproar_message m = message();
    m.headers = headers;
    m.header_count = count;
    return publish_one(&m);
}

Test(publish, refuses_headers_that_are_none)
{
    static char text[65535];
    static struct uproar_header many[101];
    static char names[101][8];
    const struct uproar_header unnamed = {STR(""), STR("x")}, foreign = {STR("a"), STR("\xff")};
    const struct uproar_header twice[] = {{STR("a"), STR("1")}, {STR("a"), STR("2")}};
    memset(text, 'a', sizeof(text));
    const struct uproar_header longest = {STR("n"), {text, 65535 - 4 - 1}};
    const struct uproar_header too_long = {STR("n"), {text, 65535 - 4}};
    for (size_t i = 0; i < 101; i++) {
        const int len = snprintf(names[i], sizeof(names[i]), "%zu", i);
        many[i] = (struct uproar_header){{names[i], (size_t)len}, STR("v")};
    }
    cr_assert(eq(int, publish_headers(&unnamed, 1), -EINVAL));
    cr_assert(eq(int, publish_headers(&foreign, 1), -EILSEQ));
    cr_assert(eq(int, publish_headers(twice, 2), -EINVAL));
    cr_assert(eq(int, publish_headers(&longest, 1), 0));
    cr_assert(eq(int, publish_headers(&too_long, 1), -EINVAL));
    cr_assert(eq(int, publish_headers(many, 100), 0));
    cr_assert(eq(int, publish_headers(many, 101), -EINVAL));
}

/* --- a finished topic ------------------------------------------------------------------------- */

static void finish_topic(const struct uproar *u)
{
    static const char request[] =
        "DELETE /t/over HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer boss\r\n\r\n";
    char answer[1024];
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)uproar_port(u, 0)),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(eq(int, connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0));
    cr_assert(eq(i64, send(fd, request, sizeof(request) - 1, 0), (ssize_t)sizeof(request) - 1));
    cr_assert(ge(i64, recv(fd, answer, sizeof(answer), 0), 1));
    cr_assert(eq(int, memcmp(answer, "HTTP/1.1 200", 12), 0));
    close(fd);
}

static struct uproar *start_with_admin(void)
{
    static const struct uproar_listen listen = {.address = "127.0.0.1:0"};
    struct uproar_options o;
    struct uproar *u;
    uproar_options_init(&o, sizeof(o));
    o.listen = &listen;
    o.listen_count = 1;
    o.thread_count = 1;
    o.drain_ms = 100;
    o.admin_token = "boss";
    cr_assert(eq(int, uproar_start(&o, &u, NULL, 0), 0));
    return u;
}

Test(publish, tells_whether_any_of_many_came_to_a_finished_topic)
{
    struct uproar_message many[] = {message(), message(), message()};
    struct uproar *u = start_with_admin();
    finish_topic(u);
    for (unsigned finished = 0; finished < 4; finished++) {
        struct told told = {0};
        for (unsigned i = 0; i < 3; i++)
            many[i].topic = i == finished ? STR("over") : STR("t");
        cr_assert(eq(int, uproar_publish_many(u, many, 3, on_done, &told), 0));
        wait_for(&told, 1);
        cr_assert(eq(int, told.err, finished < 3 ? -EPIPE : 0), "place %u", finished);
    }
    cr_assert(eq(int, uproar_free(&u), 0));
}
