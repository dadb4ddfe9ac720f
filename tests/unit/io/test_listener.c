/* Addresses, ports in use, groups of sockets on one port, and options that accepted sockets have.
 * Real loopback sockets; nobody is accepted through io.h here. */
#include "io/listener.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct listener_options two = {.count = 2, .heartbeat_ms = 15000};

static union io_address parsed(const char *text)
{
    union io_address at;
    cr_assert(eq(int, listener_parse(text, &at), 0), "%s", text);
    return at;
}

static int connect_to(const union io_address *at)
{
    const int fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const socklen_t len = at->any.sa_family == AF_INET6 ? sizeof(at->in6) : sizeof(at->in);
    if (connect(fd, &at->any, len) != 0) {
        close(fd);
        return -errno;
    }
    return fd;
}

Test(listener, reads_addresses_and_prints_them_back)
{
    const char *texts[] = {"127.0.0.1:8080", "0.0.0.0:0", "255.255.255.255:65535",
                           "[::]:80",        "[::1]:1",   "[2001:db8::7]:443"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        const union io_address at = parsed(texts[i]);
        char out[LISTENER_TEXT_MAX];
        listener_print(&at, out);
        cr_assert(eq(str, out, (char *)texts[i]));
    }
}

Test(listener, takes_localhost_for_the_loopback_address)
{
    char out[LISTENER_TEXT_MAX];
    const union io_address at = parsed("localhost:81");
    listener_print(&at, out);
    cr_assert(eq(str, out, "127.0.0.1:81"));
}

Test(listener, refuses_what_is_no_address_with_a_port)
{
    const char *texts[] = {"",
                           ":",
                           "8080",
                           ":8080",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:65536",
                           "127.0.0.1:100000",
                           "127.0.0.1:-1",
                           "127.0.0.1:+1",
                           "127.0.0.1: 1",
                           "127.0.0.1:1 ",
                           "127.0.0.1:0x1",
                           "127.0.0:80",
                           "256.0.0.1:80",
                           "::1:80",
                           "[::1:80",
                           "::1]:80",
                           "[]:80",
                           "[127.0.0.1]:80",
                           "[::1%lo]:80",
                           "example.org:80",
                           "[::1]80",
                           "1234567890123456789012345678901234567890123456789012345678901234:80"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        union io_address at;
        cr_assert(eq(int, listener_parse(texts[i], &at), -EINVAL), "'%s'", texts[i]);
    }
}

Test(listener, knows_which_addresses_only_this_machine_reaches)
{
    const struct {
        const char *text;
        bool is_loopback;
    } cases[] = {{"127.0.0.1:1", true}, {"127.9.9.9:1", true},         {"[::1]:1", true},
                 {"0.0.0.0:1", false},  {"128.0.0.1:1", false},        {"[::]:1", false},
                 {"[::2]:1", false},    {"[::ffff:127.0.0.1]:1", true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const union io_address at = parsed(cases[i].text);
        cr_assert(eq(int, listener_is_loopback(&at), cases[i].is_loopback), "%s", cases[i].text);
    }
}

Test(listener, opens_a_group_on_one_port_which_the_system_chose)
{
    int fds[2];
    union io_address at = parsed("127.0.0.1:0");
    cr_assert(eq(int, listener_open_at(&at, &two, fds), 0));
    cr_assert(ne(u16, listener_port(&at), 0));
    for (int i = 0; i < 2; i++) {
        union io_address bound;
        socklen_t len = sizeof(bound);
        cr_assert(eq(int, getsockname(fds[i], &bound.any, &len), 0));
        cr_assert(eq(u16, listener_port(&bound), listener_port(&at)));
        listener_close(fds[i]);
    }
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    cr_assert(eq(int, getsockopt(fd, level, name, &value, &len), 0));
    return value;
}

/* The server's side of a connection to a listener with these options; *peer is the other. */
static int accepted_with(const struct listener_options *options, int *peer)
{
    int fds[2];
    union io_address at = parsed("127.0.0.1:0");
    cr_assert(eq(int, listener_open_at(&at, options, fds), 0));
    *peer = connect_to(&at);
    struct pollfd ready[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};
    cr_assert(eq(int, poll(ready, 2, 1000), 1));
    const int fd = accept(ready[0].revents ? fds[0] : fds[1], NULL, NULL);
    listener_close(fds[0]);
    listener_close(fds[1]);
    return fd;
}

Test(listener, accepted_sockets_inherit_its_options)
{
    int peer;
    const int fd = accepted_with(&two, &peer);
    cr_assert(eq(int, option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1));
    cr_assert(eq(int, option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0), "io_keepalive() turns it on");
    cr_assert(eq(int, option_of(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 65536));
    close(fd);
    close(peer);
}

static const struct vanished {
    unsigned heartbeat_ms;
    int user_timeout_ms, idle_s, answer_s;
} vanished[] = {
    {1, 500, 1, 1},
    {999, 500, 1, 1},
    {1000, 500, 1, 1},
    {1999, 1400, 1, 1},
    {2000, 1400, 1, 2},
    {3000, 2300, 2, 2},
    {15000, 13100, 26, 2}, /* the default */
    {60000, 53600, 116, 2},
    {16386000, 14747000, 32767, 2},
    {86400000, 77759600, 32767, 2}, /* the kernel takes no larger TCP_KEEPIDLE */
};

Test(listener, accepted_sockets_give_up_the_vanished_within_two_heartbeats)
{
    for (size_t i = 0; i < sizeof(vanished) / sizeof(*vanished); i++) {
        const struct vanished *v = &vanished[i];
        const struct listener_options o = {.count = 2, .heartbeat_ms = v->heartbeat_ms};
        int peer;
        const int fd = accepted_with(&o, &peer);
        cr_assert(eq(int, option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), v->user_timeout_ms), "%zu",
                  i);
        cr_assert(eq(int, option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), v->idle_s), "%zu", i);
        cr_assert(eq(int, option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), v->answer_s), "%zu", i);
        cr_assert(eq(int, option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 1), "%zu", i);
        close(fd);
        close(peer);
    }
}

Test(listener, without_heartbeats_leaves_the_vanished_to_the_system)
{
    const struct listener_options o = {.count = 2};
    int peer;
    const int fd = accepted_with(&o, &peer);
    const int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(eq(int, option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0));
    cr_assert(eq(int, option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE),
                 option_of(plain, IPPROTO_TCP, TCP_KEEPIDLE)));
    close(plain);
    close(fd);
    close(peer);
}

Test(listener, all_v6_addresses_include_all_v4_ones)
{
    int fds[2];
    union io_address at = parsed("[::]:0");
    const int err = listener_open_at(&at, &two, fds);
    if (err == -EAFNOSUPPORT)
        cr_skip_test("no IPv6 here");
    cr_assert(eq(int, err, 0));
    union io_address v4 = parsed("127.0.0.1:0");
    v4.in.sin_port = at.in6.sin6_port;
    const int peer = connect_to(&v4);
    cr_assert(ge(int, peer, 0));
    close(peer);
}

Test(listener, refuses_a_port_that_another_group_shares)
{
    int first[2], second[2];
    union io_address at = parsed("127.0.0.1:0");
    cr_assert(eq(int, listener_open_at(&at, &two, first), 0));
    cr_assert(eq(int, listener_open_at(&at, &two, second), -EADDRINUSE));
    listener_close(first[0]);
    listener_close(first[1]);
    cr_assert(eq(int, listener_open_at(&at, &two, second), 0));
}

Test(listener, refuses_a_port_that_all_addresses_have_taken)
{
    int first[2], second[2];
    union io_address all = parsed("0.0.0.0:0");
    cr_assert(eq(int, listener_open_at(&all, &two, first), 0));
    union io_address one = parsed("127.0.0.1:0");
    one.in.sin_port = all.in.sin_port;
    cr_assert(eq(int, listener_open_at(&one, &two, second), -EADDRINUSE));
}

static void *close_soon(void *fds)
{
    usleep(100000);
    listener_close(((int *)fds)[0]);
    listener_close(((int *)fds)[1]);
    return NULL;
}

Test(listener, waits_for_a_predecessor_that_is_leaving)
{
    int first[2], second[2];
    const struct listener_options patient = {.count = 2, .patience_ms = 1000};
    union io_address at = parsed("127.0.0.1:0");
    cr_assert(eq(int, listener_open_at(&at, &two, first), 0));
    pthread_t leaving;
    cr_assert(eq(int, pthread_create(&leaving, NULL, close_soon, first), 0));
    cr_assert(eq(int, listener_open_at(&at, &patient, second), 0));
    pthread_join(leaving, NULL);
}

Test(listener, connections_of_a_predecessor_do_not_count)
{
    const struct listener_options one = {.count = 1};
    int fd;
    union io_address at = parsed("127.0.0.1:0");
    cr_assert(eq(int, listener_open_at(&at, &one, &fd), 0));
    const int peer = connect_to(&at);
    const int accepted = accept(fd, NULL, NULL);
    close(accepted); /* the side that closes first keeps the port for a minute */
    close(peer);
    listener_close(fd);
    cr_assert(eq(int, listener_open_at(&at, &one, &fd), 0));
}

Test(listener, says_in_one_line_what_is_in_use_and_what_is_free)
{
    int first[2], second[2];
    uint16_t port;
    char line[160], address[LISTENER_TEXT_MAX];
    const struct span why = {(uint8_t *)line, sizeof(line)};
    const struct listener_options impatient = {.count = 2};
    cr_assert(eq(int, listener_open("127.0.0.1:0", &impatient, first, &port, why), 0));
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    cr_assert(eq(int, listener_open(address, &impatient, second, &port, why), -EADDRINUSE));
    const char *free_port = strstr(line, "is in use; port ");
    cr_assert(ne(ptr, (void *)free_port, NULL), "%s", line);
    snprintf(address, sizeof(address), "127.0.0.1:%d", atoi(free_port + 16));
    cr_assert(eq(int, listener_open(address, &impatient, second, &port, why), 0), "%s", line);
}

Test(listener, says_in_one_line_what_is_no_address)
{
    int fds[2];
    uint16_t port;
    char line[160];
    const struct span why = {(uint8_t *)line, sizeof(line)};
    cr_assert(eq(int, listener_open("nowhere", &two, fds, &port, why), -EINVAL));
    cr_assert(ne(ptr, strstr(line, "'nowhere'"), NULL), "%s", line);
}

Test(listener, says_in_one_line_why_an_address_cannot_be_had)
{
    int fds[2];
    uint16_t port;
    char line[160];
    const struct span why = {(uint8_t *)line, sizeof(line)};
    cr_assert(eq(int, listener_open("192.0.2.1:0", &two, fds, &port, why), -EADDRNOTAVAIL));
    cr_assert(ne(ptr, strstr(line, "192.0.2.1:0"), NULL), "%s", line);
}
