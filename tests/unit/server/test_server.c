/* The public API as an embedder uses it: start, publish from outside, stop, free; real sockets. */
#define _GNU_SOURCE /* pthread_setname_np */
#include "uproar.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct uproar *start(struct uproar_options *o)
{
    static const struct uproar_listen listen = {.address = "127.0.0.1:0"};
    struct uproar *u;
    char why[256];
    o->listen = &listen;
    o->listen_count = 1;
    if (o->thread_count == 0)
        o->thread_count = 2;
    cr_assert(eq(int, uproar_start(o, &u, why, sizeof(why)), 0), "%s", why);
    return u;
}

static struct uproar *start_default(void)
{
    struct uproar_options o;
    uproar_options_init(&o, sizeof(o));
    return start(&o);
}

/* A subscriber of /t/t by SSE whose stream is close-delimited: the bytes are the events. */
static int subscribe(const struct uproar *u)
{
    static const char request[] =
        "GET /t/t HTTP/1.0\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
    char first[1024];
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)uproar_port(u, 0)),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(eq(int, connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0));
    cr_assert(eq(i64, send(fd, request, sizeof(request) - 1, 0), (ssize_t)sizeof(request) - 1));
    cr_assert(ge(i64, recv(fd, first, sizeof(first), 0), 1));
    return fd;
}

struct reader {
    int fd;
    unsigned events;
};

static void *count_events(void *arg)
{
    struct reader *r = arg;
    char buf[65536];
    char before = 0;
    ssize_t n;
    while ((n = recv(r->fd, buf, sizeof(buf), 0)) > 0)
        for (ssize_t i = 0; i < n; i++) {
            r->events += before == '\n' && buf[i] == '\n';
            before = buf[i];
        }
    close(r->fd);
    return NULL;
}

static unsigned count_descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

Test(server, delivers_what_was_accepted_before_the_drain)
{
    enum { COUNT = 5000 };
    struct uproar_options o;
    uproar_options_init(&o, sizeof(o));
    o.drain_ms = 20000;
    struct uproar *u = start(&o);
    struct reader r = {.fd = subscribe(u)};
    pthread_t thread;
    pthread_create(&thread, NULL, count_events, &r);
    for (int i = 0; i < COUNT; i++)
        cr_assert(eq(int, uproar_publish(u, "t", "hello", 5, UPROAR_TEXT), 0));
    cr_assert(eq(int, uproar_free(&u), 0));
    pthread_join(thread, NULL);
    cr_assert(ge(u32, r.events, COUNT)); /* the first block may have been read by subscribe() */
    cr_assert(le(u32, r.events, COUNT + 1));
}

Test(server, says_what_is_wrong_with_a_message)
{
    struct uproar_options o;
    uproar_options_init(&o, sizeof(o));
    o.message_bytes_max = 3;
    struct uproar *u = start(&o);
    cr_assert(eq(int, uproar_publish(u, "t", "abc", 3, UPROAR_TEXT), 0));
    cr_assert(eq(int, uproar_publish(u, "t", NULL, 0, UPROAR_BINARY), 0));
    cr_assert(eq(int, uproar_publish(u, "t", "abcd", 4, UPROAR_TEXT), -EMSGSIZE));
    cr_assert(eq(int, uproar_publish(u, "t", "\xff", 1, UPROAR_TEXT), -EILSEQ));
    cr_assert(eq(int, uproar_publish(u, "t", "\xff", 1, UPROAR_BINARY), 0));
    cr_assert(eq(int, uproar_publish(u, "", "a", 1, UPROAR_TEXT), -EINVAL));
    cr_assert(eq(int, uproar_publish(u, "a.*", "a", 1, UPROAR_TEXT), -EINVAL));
    cr_assert(eq(int, uproar_publish(u, "t", "a", 1, (enum uproar_kind)0), -EINVAL));
    cr_assert(eq(int, uproar_stop(u), 0));
    cr_assert(eq(int, uproar_publish(u, "t", "a", 1, UPROAR_TEXT), -ESHUTDOWN));
    cr_assert(eq(int, uproar_free(&u), 0));
}

Test(server, two_live_in_one_process_and_leave_no_descriptor_behind)
{
    const unsigned before = count_descriptors();
    struct uproar *a = start_default(), *b = start_default();
    cr_assert(ne(int, uproar_port(a, 0), uproar_port(b, 0)));
    cr_assert(eq(int, uproar_port(a, 1), -EINVAL));
    cr_assert(eq(int, uproar_free(&a), 0));
    cr_assert(eq(int, uproar_free(&b), 0));
    cr_assert(eq(ptr, a, NULL));
    cr_assert(eq(int, uproar_free(&a), 0));
    cr_assert(eq(u32, count_descriptors(), before));
}

Test(server, without_a_socket_it_is_a_broker_inside_the_process)
{
    struct uproar_options o;
    struct uproar *u;
    char why[256];
    uproar_options_init(&o, sizeof(o));
    cr_assert(eq(int, uproar_start(&o, &u, why, sizeof(why)), 0), "%s", why);
    cr_assert(eq(int, uproar_publish(u, "t", "a", 1, UPROAR_TEXT), 0));
    cr_assert(eq(int, uproar_free(&u), 0));
}

Test(server, refuses_options_in_one_line)
{
    static const struct uproar_listen bad = {.address = "nowhere"};
    struct uproar_options o;
    struct uproar *u;
    char why[256];
    uproar_options_init(&o, sizeof(o));
    o.listen = &bad;
    o.listen_count = 1;
    cr_assert(lt(int, uproar_start(&o, &u, why, sizeof(why)), 0));
    cr_assert(eq(ptr, u, NULL));
    cr_assert(ge(sz, strlen(why), 1));
    cr_assert(eq(ptr, strchr(why, '\n'), NULL));
    const struct uproar_listen odd = {.address = "a\033[31m\n\xff"};
    o.listen = &odd;
    o.listen_count = 1;
    cr_assert(eq(int, uproar_start(&o, &u, why, sizeof(why)), -EINVAL));
    cr_assert(eq(ptr, strpbrk(why, "\033\n\xff"), NULL), "%s", why);
    o.listen_count = 17;
    cr_assert(eq(int, uproar_start(&o, &u, why, sizeof(why)), -EINVAL));
    uproar_options_init(&o, sizeof(o));
    o.size = sizeof(o) + 1;
    cr_assert(eq(int, uproar_start(&o, &u, why, sizeof(why)), -EINVAL));
    cr_assert(eq(int, uproar_start(&o, &u, NULL, 0), -EINVAL));
}

Test(server, an_older_program_with_shorter_options_gets_the_defaults)
{
    struct uproar_options o;
    struct uproar *u;
    char why[256];
    memset(&o, 0xff, sizeof(o));
    uproar_options_init(&o, offsetof(struct uproar_options, io));
    cr_assert(eq(int, uproar_start(&o, &u, why, sizeof(why)), 0), "%s", why);
    cr_assert(eq(int, uproar_free(&u), 0));
}

Test(server, a_cursor_is_the_same_as_text_and_as_numbers)
{
    struct uproar_cursor c;
    char text[UPROAR_CURSOR_TEXT_MAX];
    cr_assert(eq(int, uproar_cursor_format((struct uproar_cursor){0xab, 12}, text), 19));
    cr_assert(eq(str, text, "00000000000000ab-12"));
    cr_assert(eq(int, uproar_cursor_parse((struct uproar_str){text, 19}, &c), 0));
    cr_assert(eq(u64, c.epoch, 0xab));
    cr_assert(eq(u64, c.seq, 12));
    cr_assert(eq(int, uproar_cursor_parse((struct uproar_str){"x", 1}, &c), -EINVAL));
    cr_assert(eq(int, uproar_cursor_parse((struct uproar_str){NULL, 0}, &c), -EINVAL));
}

Test(server, metrics_tell_the_length_they_need)
{
    struct uproar *u = start_default();
    char text[65536], cut[8];
    const int len = uproar_metrics(u, text, sizeof(text));
    cr_assert(ge(int, len, 1));
    cr_assert(eq(sz, strlen(text), (size_t)len));
    cr_assert(ge(int, uproar_metrics(u, cut, sizeof(cut)), 8));
    cr_assert(eq(sz, strlen(cut), 7));
    cr_assert(ge(int, uproar_metrics(u, NULL, 0), 1));
    cr_assert(eq(int, uproar_free(&u), 0));
}

/* --- a listener of the embedder's own --------------------------------------------------------- */

static int own_listener(int backlog)
{
    const struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(eq(int, bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0));
    if (backlog > 0)
        cr_assert(eq(int, listen(fd, backlog), 0));
    return fd;
}

static int start_on(int fd, struct uproar **u, char why[static 256])
{
    const struct uproar_listen listen = {.fd = fd};
    struct uproar_options o;
    uproar_options_init(&o, sizeof(o));
    o.listen = &listen;
    o.listen_count = 1;
    o.thread_count = 2;
    return uproar_start(&o, u, why, 256);
}

Test(server, takes_a_listening_descriptor, .timeout = 60)
{
    struct uproar *u;
    char why[256];
    const unsigned before = count_descriptors();
    const int fd = own_listener(16);
    cr_assert(eq(int, start_on(fd, &u, why), 0), "%s", why);
    for (int i = 0; i < 8; i++) /* whichever reactor takes it */
        close(subscribe(u));
    cr_assert(eq(int, uproar_free(&u), 0));
    cr_assert(eq(u32, count_descriptors(), before));
}

Test(server, leaves_a_descriptor_that_it_refuses)
{
    struct uproar *u;
    char why[256];
    const int fd = own_listener(0);
    cr_assert(eq(int, start_on(fd, &u, why), -EINVAL));
    cr_assert(strstr(why, "is not a listening TCP socket") != NULL, "%s", why);
    cr_assert(eq(int, close(fd), 0));
}

Test(server, refuses_what_is_not_built_yet)
{
    struct uproar *u;
    char why[256];
    struct uproar_listen listen = {.address = "127.0.0.1:0", .stomp_tcp = true};
    struct uproar_options o;
    uproar_options_init(&o, sizeof(o));
    o.listen = &listen;
    o.listen_count = 1;
    cr_assert(eq(int, uproar_start(&o, &u, why, sizeof(why)), -ENOTSUP));
    listen = (struct uproar_listen){.address = "127.0.0.1:0", .cert_file = "x"};
    cr_assert(eq(int, uproar_start(&o, &u, why, sizeof(why)), -ENOTSUP));
    cr_assert(strstr(why, "not in this version") != NULL, "%s", why);
}

/* --- calls under way when it ends ------------------------------------------------------------- */

static _Thread_local bool dawdles;
static _Atomic bool has_begun, is_back;
static struct uproar *ending;

static _Bool dawdle(void *user, size_t size)
{
    (void)user;
    (void)size;
    if (!dawdles)
        return true;
    dawdles = false;
    has_begun = true;
    usleep(300000);
    return true;
}

static void *read_metrics(void *arg)
{
    char out[16];
    (void)arg;
    dawdles = true;
    cr_assert(gt(int, uproar_metrics(ending, out, sizeof(out)), 0));
    is_back = true;
    return NULL;
}

Test(server, waits_for_whoever_reads_its_metrics, .timeout = 60)
{
    pthread_t thread;
    ending = start_default();
    alloc_set_gate(dawdle, NULL);
    pthread_create(&thread, NULL, read_metrics, NULL);
    while (!has_begun)
        usleep(1000);
    struct uproar *u = ending;
    cr_assert(eq(int, uproar_free(&u), 0));
    cr_assert(is_back, "freed under a call");
    pthread_join(thread, NULL);
    alloc_set_gate(NULL, NULL);
}

/* The kernel has work to do for rings that are gone, and interrupts whoever had them: not the
 * embedder's thread. A call with a time-out is never restarted. */
Test(server, interrupts_no_call_of_the_thread_that_starts_it)
{
    const struct timeval patience = {.tv_usec = 100000};
    char byte;
    int pair[2];
    cr_assert(eq(int, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0));
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    struct uproar *u = start_default();
    cr_assert(eq(i64, recv(pair[0], &byte, 1, 0), -1));
    cr_assert(eq(int, errno, EAGAIN), "%s", strerror(errno));
    cr_assert(eq(int, uproar_free(&u), 0));
    close(pair[0]);
    close(pair[1]);
}

Test(server, reads_a_value_out_of_a_query)
{
    const struct uproar_str query = {"a=1&name=Ada%20L+B&name=2&bad=%zz&empty=", 40};
    char out[10];
    cr_assert(eq(int, uproar_query_value(query, "name", out, sizeof(out)), 7));
    cr_assert(eq(str, out, "Ada L B"));
    cr_assert(eq(int, uproar_query_value(query, "name", out, 8), 7));
    cr_assert(eq(int, uproar_query_value(query, "name", out, 7), -EINVAL));
    cr_assert(eq(str, out, ""));
    cr_assert(eq(int, uproar_query_value(query, "empty", out, 1), 0));
    cr_assert(eq(int, uproar_query_value(query, "bad", out, sizeof(out)), -EINVAL));
    cr_assert(eq(int, uproar_query_value(query, "none", out, sizeof(out)), -ENOENT));
    cr_assert(eq(int, uproar_query_value((struct uproar_str){0}, "a", out, sizeof(out)), -ENOENT));
}

/* --- its threads ------------------------------------------------------------------------------ */

static struct uproar *named;
static _Atomic unsigned kept_names, subscribed;

static void name_it(void *user, unsigned index, bool starting)
{
    char name[16] = "";
    struct uproar_sub *s;
    (void)user;
    (void)index;
    if (starting) {
        pthread_setname_np(pthread_self(), "mine");
        subscribed += uproar_subscribe(named, "t", NULL, 0, &s) == 0;
        uproar_unsubscribe(&s);
        return;
    }
    pthread_getname_np(pthread_self(), name, sizeof(name));
    kept_names += strcmp(name, "mine") == 0;
}

Test(server, lets_its_threads_be_named_and_call_it_as_they_start, .timeout = 60)
{
    enum { ROUNDS = 20, THREADS = 2 };
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct uproar_options o;
        uproar_options_init(&o, sizeof(o));
        o.thread_count = THREADS;
        o.on.on_thread = name_it;
        cr_assert(eq(int, uproar_start(&o, &named, NULL, 0), 0));
        while (subscribed < (i + 1) * THREADS)
            usleep(1000);
        cr_assert(eq(int, uproar_free(&named), 0));
    }
    cr_assert(eq(u32, kept_names, ROUNDS * THREADS));
}

/* --- ending it from within -------------------------------------------------------------------- */

static _Atomic int freed_within;

static void free_within(void *user, int err, struct uproar_cursor last)
{
    (void)last;
    struct uproar *u = ending;
    if (user)
        usleep(300000); /* the others stay in the ring until the end */
    else if (err == -ESHUTDOWN)
        freed_within = uproar_free(&u);
}

static void log_within(void *user, int level, const char *line)
{
    struct uproar *u = ending;
    (void)user;
    (void)level;
    if (strstr(line, "drained"))
        cr_assert(eq(int, uproar_free(&u), -EDEADLK));
}

/* What uproar_free() itself calls is a callback too. */
Test(server, is_not_freed_by_a_callback_of_its_end, .timeout = 60)
{
    const struct uproar_message m = {.topic = {"t", 1}, .body = {"", 0}, .kind = UPROAR_TEXT};
    struct uproar_options o;
    uproar_options_init(&o, sizeof(o));
    o.thread_count = 1;
    o.on.on_log = log_within;
    cr_assert(eq(int, uproar_start(&o, &ending, NULL, 0), 0));
    cr_assert(eq(int, uproar_publish_many(ending, &m, 1, free_within, &o), 0));
    for (int i = 0; i < 100; i++)
        cr_assert(eq(int, uproar_publish_many(ending, &m, 1, free_within, NULL), 0));
    cr_assert(eq(int, uproar_stop(ending), 0));
    cr_assert(eq(int, uproar_stop(ending), 0)); /* now */
    struct uproar *u = ending;
    cr_assert(eq(int, uproar_free(&u), 0));
    cr_assert(eq(int, freed_within, -EDEADLK));
}
