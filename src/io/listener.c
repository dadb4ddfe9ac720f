/* socket(), bind(), listen() and the options that accepted sockets inherit. No DNS, no accept(). */
#include "io/listener.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,                  /* the kernel clips it to net.core.somaxconn */
    NOTSENT_LOWAT_BYTES = 64 * 1024, /* what may wait unsent in the kernel per connection */
    RETRY_STEP_MS = 20,
    NEAR_PORTS = 100,
    /* About vanished peers: listener.h says why. */
    USER_TIMEOUT_MIN_MS = 500,
    FIRST_REPETITION_MS = 400,
    PROBE_ANSWER_S = 2,
    TIMER_LATENESS_S = 2,
    KEEPIDLE_MAX_S = 32767, /* the kernel's; more is EINVAL */
};

/* --- addresses -------------------------------------------------------------------------------- */

/* 1 to 5 digits up to 65535. */
static bool parse_port(const char *text, uint16_t *out)
{
    uint32_t port = 0;
    const size_t len = strlen(text);
    if (len == 0 || len > 5)
        return false;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9')
            return false;
        port = port * 10 + (uint32_t)(*c - '0');
    }
    *out = (uint16_t)port;
    return port <= UINT16_MAX;
}

static bool parse_v6(const char *host, union io_address *out)
{
    out->in6.sin6_family = AF_INET6;
    return inet_pton(AF_INET6, host, &out->in6.sin6_addr) == 1;
}

static bool parse_v4(const char *host, union io_address *out)
{
    out->in.sin_family = AF_INET;
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    return inet_pton(AF_INET, host, &out->in.sin_addr) == 1;
}

static void set_port(union io_address *at, uint16_t port)
{
    if (at->any.sa_family == AF_INET6)
        at->in6.sin6_port = htons(port);
    else
        at->in.sin_port = htons(port);
}

int listener_parse(const char *text, union io_address *out)
{
    char host[LISTENER_TEXT_MAX];
    uint16_t port;
    *out = (union io_address){.in6 = {0}};
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof(host) || !parse_port(colon + 1, &port))
        return -EINVAL;
    const size_t len = (size_t)(colon - text);
    memcpy(host, text, len);
    host[len] = '\0';
    bool is_right;
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        is_right = parse_v6(host + 1, out);
    } else {
        is_right = parse_v4(host, out);
    }
    if (!is_right)
        return -EINVAL;
    set_port(out, port);
    return 0;
}

void listener_print(const union io_address *at, char out[static LISTENER_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (at->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &at->in6.sin6_addr, host, sizeof(host));
        snprintf(out, LISTENER_TEXT_MAX, "[%s]:%u", host, listener_port(at));
    } else {
        inet_ntop(AF_INET, &at->in.sin_addr, host, sizeof(host));
        snprintf(out, LISTENER_TEXT_MAX, "%s:%u", host, listener_port(at));
    }
}

uint16_t listener_port(const union io_address *at)
{
    return ntohs(at->any.sa_family == AF_INET6 ? at->in6.sin6_port : at->in.sin_port);
}

bool listener_is_loopback(const union io_address *at)
{
    if (at->any.sa_family == AF_INET)
        return ntohl(at->in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    const struct in6_addr *a = &at->in6.sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(a))
        return a->s6_addr[12] == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(a);
}

/* --- sockets ---------------------------------------------------------------------------------- */

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0 : -errno;
}

struct option {
    int level, name, value;
};

static int set_options(int fd, const struct option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const int err = set_option(fd, options[i].level, options[i].name, options[i].value);
        if (err != 0)
            return err;
    }
    return 0;
}

/* A bound socket, with the port filled into *at when it was 0. -errno. */
static int open_bound(union io_address *at, const struct option *options, size_t count)
{
    const bool is_v6 = at->any.sa_family == AF_INET6;
    socklen_t len = is_v6 ? sizeof(at->in6) : sizeof(at->in);
    int err;

    const int fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return -errno;
    err = set_options(fd, options, count);
    if (err == 0 && is_v6)
        err = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (err != 0)
        goto fail_close;
    if (bind(fd, &at->any, len) != 0 || getsockname(fd, &at->any, &len) != 0) {
        err = -errno;
        goto fail_close;
    }
    return fd;

fail_close:
    close(fd);
    return err;
}

/* Binds alone, and lets go again. SO_REUSEADDR: connections of a predecessor that are still being
 * wound up do not count, only sockets that listen. */
static int probe_once(union io_address *at)
{
    static const struct option alone[] = {{SOL_SOCKET, SO_REUSEADDR, 1}};
    const int fd = open_bound(at, alone, 1);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

static int probe(union io_address *at, unsigned patience_ms)
{
    const struct timespec step = {.tv_nsec = RETRY_STEP_MS * 1000000L};
    const uint64_t end_ns = clock_monotonic_ns() + patience_ms * UINT64_C(1000000);
    for (;;) {
        const int err = probe_once(at);
        if (err != -EADDRINUSE || clock_monotonic_ns() >= end_ns)
            return err;
        nanosleep(&step, NULL);
    }
}

static int user_timeout_ms(unsigned heartbeat_ms)
{
    const unsigned most_ms = heartbeat_ms - heartbeat_ms / 10;
    return most_ms > USER_TIMEOUT_MIN_MS + FIRST_REPETITION_MS
               ? (int)(most_ms - FIRST_REPETITION_MS)
               : USER_TIMEOUT_MIN_MS;
}

/* Of a heartbeat below 2 s the kernel's whole seconds leave 1 s for either. */
static int probe_answer_s(unsigned heartbeat_ms)
{
    return heartbeat_ms < 2000 ? 1 : PROBE_ANSWER_S;
}

static int probe_idle_s(unsigned heartbeat_ms)
{
    const unsigned both_s = heartbeat_ms / 1000 * 2, rest_s = PROBE_ANSWER_S + TIMER_LATENESS_S;
    const unsigned idle_s = both_s > rest_s ? both_s - rest_s : 1;
    return idle_s < KEEPIDLE_MAX_S ? (int)idle_s : KEEPIDLE_MAX_S;
}

static int notice_the_vanished(int fd, unsigned heartbeat_ms)
{
    const struct option options[] = {
        {IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms(heartbeat_ms)},
        {IPPROTO_TCP, TCP_KEEPIDLE, probe_idle_s(heartbeat_ms)},
        {IPPROTO_TCP, TCP_KEEPINTVL, probe_answer_s(heartbeat_ms)},
        {IPPROTO_TCP, TCP_KEEPCNT, 1},
    };
    return set_options(fd, options, sizeof(options) / sizeof(*options));
}

/* What accepted sockets inherit. */
static int set_inherited(int fd, unsigned heartbeat_ms)
{
    static const struct option options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES},
    };
    const int err = set_options(fd, options, sizeof(options) / sizeof(*options));
    return err == 0 && heartbeat_ms > 0 ? notice_the_vanished(fd, heartbeat_ms) : err;
}

static int open_one(union io_address *at, unsigned heartbeat_ms)
{
    static const struct option options[] = {
        {SOL_SOCKET, SO_REUSEADDR, 1},
        {SOL_SOCKET, SO_REUSEPORT, 1},
    };
    const int fd = open_bound(at, options, sizeof(options) / sizeof(*options));
    if (fd < 0)
        return fd;
    int err = set_inherited(fd, heartbeat_ms);
    if (err == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    if (err == 0)
        err = -errno;
    close(fd);
    return err;
}

/* Returns err. */
static int give_back(const int *fds, unsigned count, int err)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
    return err;
}

int listener_open_at(union io_address *at, const struct listener_options *options, int *fds)
{
    int err = probe(at, options->patience_ms);
    if (err != 0)
        return err;
    for (unsigned i = 0; i < options->count; i++) {
        fds[i] = open_one(at, options->heartbeat_ms);
        if (fds[i] < 0)
            return give_back(fds, i, fds[i]);
    }
    return 0;
}

/* --- somebody else's -------------------------------------------------------------------------- */

static bool is_listening_tcp(int fd)
{
    int listens = 0, protocol = 0;
    socklen_t len = sizeof(int);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens &&
           getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 && protocol == IPPROTO_TCP;
}

static int duplicate(int fd, const struct listener_options *options, int *fds)
{
    for (unsigned i = 0; i < options->count; i++) {
        fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (fds[i] < 0)
            return give_back(fds, i, -errno);
    }
    return 0;
}

int listener_adopt(int fd, const struct listener_options *options, int *fds, uint16_t *port,
                   struct span why)
{
    union io_address at = {.in6 = {0}};
    socklen_t len = sizeof(at);
    if (!is_listening_tcp(fd)) {
        snprintf((char *)why.at, why.len, "descriptor %d is not a listening TCP socket", fd);
        return -EINVAL;
    }
    if (getsockname(fd, &at.any, &len) != 0)
        return -errno;
    const int err = set_inherited(fd, options->heartbeat_ms);
    *port = listener_port(&at);
    return err != 0 ? err : duplicate(fd, options, fds);
}

uint16_t listener_free_port_near(const union io_address *at)
{
    const uint32_t taken = listener_port(at);
    for (uint32_t port = taken + 1; port <= taken + NEAR_PORTS && port <= UINT16_MAX; port++) {
        union io_address other = *at;
        set_port(&other, (uint16_t)port);
        if (probe_once(&other) == 0)
            return (uint16_t)port;
    }
    union io_address any = *at;
    set_port(&any, 0);
    return probe_once(&any) == 0 ? listener_port(&any) : 0;
}

/* --- for people ------------------------------------------------------------------------------- */

static void explain(const union io_address *at, int err, struct span why)
{
    char name[LISTENER_TEXT_MAX];
    listener_print(at, name);
    char *out = (char *)why.at;
    const uint16_t other = err == -EADDRINUSE ? listener_free_port_near(at) : 0;
    if (other != 0)
        snprintf(out, why.len, "%s is in use; port %u is free", name, other);
    else
        snprintf(out, why.len, "cannot listen on %s: %s", name, strerror(-err));
}

int listener_open(const char *address, const struct listener_options *options, int *fds,
                  uint16_t *port, struct span why)
{
    union io_address at;
    int err = listener_parse(address, &at);
    if (err != 0) {
        snprintf((char *)why.at, why.len,
                 "'%.64s' is not an address to listen on: ADDR:PORT or [ADDR]:PORT is", address);
        return err;
    }
    err = listener_open_at(&at, options, fds);
    if (err != 0)
        explain(&at, err, why);
    else
        *port = listener_port(&at);
    return err;
}

void listener_close(int fd)
{
    close(fd);
}
