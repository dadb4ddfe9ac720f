/* Sockets, plainly: socket options that matter for a measurement are all set here.
 * Does not know HTTP and does not loop. */
#include "lib/net.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* As the kernel caps it with net.core.somaxconn (4096 by default). */
enum { LISTEN_BACKLOG = 4096 };

size_t net_raise_nofile(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    return (size_t)limit.rlim_cur;
}

int net_socket(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd == -1 ? -errno : fd;
}

static int option_on(int fd, int level, int option)
{
    const int on = 1;
    return setsockopt(fd, level, option, &on, sizeof(on)) == 0 ? 0 : -errno;
}

int net_listen(uint16_t *port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t addr_len = sizeof(addr);
    int err;

    const int fd = net_socket();
    if (fd < 0)
        return fd;
    err = option_on(fd, SOL_SOCKET, SO_REUSEADDR);
    if (err == 0)
        err = option_on(fd, IPPROTO_TCP, TCP_NODELAY);
    if (err != 0)
        goto fail_close;
    if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 ||
        listen(fd, LISTEN_BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &addr_len) != 0) {
        err = -errno;
        goto fail_close;
    }
    *port = ntohs(addr.sin_port);
    return fd;

fail_close:
    close(fd);
    return err;
}

int net_connect(const struct in_addr *source, const struct sockaddr_in *peer)
{
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = *source};
    int err;

    const int fd = net_socket();
    if (fd < 0)
        return fd;
    err = option_on(fd, IPPROTO_TCP, TCP_NODELAY);
    /* The port is chosen at connect(), when the whole four-tuple is known: each source address has
     * the whole port range for each peer. */
    if (err == 0)
        err = option_on(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    if (err != 0)
        goto fail_close;
    if (bind(fd, (const struct sockaddr *)&from, sizeof(from)) != 0 ||
        (connect(fd, (const struct sockaddr *)peer, sizeof(*peer)) != 0 && errno != EINPROGRESS)) {
        err = -errno;
        goto fail_close;
    }
    return fd;

fail_close:
    close(fd);
    return err;
}

int net_connect_result(int fd)
{
    int err = 0;
    socklen_t len = sizeof(err);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
        return -errno;
    return -err;
}

void net_abort(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

int net_watch(int epoll_fd, int fd, enum net_watch_op op, uint32_t events, uint64_t tag)
{
    struct epoll_event event = {.events = events, .data.u64 = tag};
    const int how = op == NET_WATCH_ADD ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    return epoll_ctl(epoll_fd, how, fd, &event) == 0 ? 0 : -errno;
}

ssize_t net_send(int fd, struct bytes b)
{
    const ssize_t n = send(fd, b.at, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

ssize_t net_recv(int fd, uint8_t *out, size_t room)
{
    const ssize_t n = recv(fd, out, room, MSG_DONTWAIT);
    if (n > 0)
        return n;
    if (n == 0)
        return -ECONNRESET;
    return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}
