/* Sockets that are to be connected: made, bound, with their options set. Connects none: that is the
 * backends' part. */
#define _GNU_SOURCE
#include "io/io_internal.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

/* The port is chosen when the remote is known: by bind() alone one address could have no more than
 * 28,000 connections, whatever the number of remotes. */
static int bind_to(int fd, const union io_address *local)
{
    const int on = 1;
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) != 0)
        return -errno;
    return bind(fd, &local->any, io_address_len(local)) == 0 ? 0 : -errno;
}

int outgoing_socket(const union io_address *remote, const union io_address *local, int flags)
{
    const int on = 1;
    const int fd = socket(remote->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd == -1)
        return -errno;
    int err = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 ? 0 : -errno;
    if (err == 0 && local)
        err = bind_to(fd, local);
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

int outgoing_renumber(int fd)
{
    const int next = fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
    close(fd);
    return next >= 0 ? next : -EMFILE;
}
