/* The loop of a floor that only holds: poll() for those that have not said yet what they want,
 * nothing for subscribers. An epoll item would stay in the slab for a while after it is removed,
 * among those of the client, and be counted as the socket's. Publishes to nobody. */
#define _GNU_SOURCE /* accept4 */
#include "floor.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOLD_POLLED_MAX = 1024 }; /* the client opens 64 at a time; more wait in the backlog */

struct hold {
    struct pollfd polled[HOLD_POLLED_MAX]; /* the first is the listener */
    nfds_t count;
};

static void hold_accept(struct floor *f, struct hold *h)
{
    while (h->count < HOLD_POLLED_MAX) {
        const int fd = accept4(f->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd == -1)
            return;
        if (fd >= FLOOR_FDS_MAX) {
            close(fd);
            return;
        }
        f->conns[fd] = (struct conn){.kind = CONN_HTTP};
        h->polled[h->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
}

int floor_hold(struct floor *f)
{
    struct hold h = {.polled = {{.fd = f->listen_fd, .events = POLLIN}}, .count = 1};
    for (;;) {
        if (poll(h.polled, h.count, -1) < 0 && errno != EINTR)
            return -errno;
        for (nfds_t i = h.count - 1; i > 0; i--) {
            const int fd = h.polled[i].fd;
            if (h.polled[i].revents == 0)
                continue;
            if (!floor_readable(f, fd) || f->conns[fd].kind != CONN_HTTP)
                h.polled[i] = h.polled[--h.count];
        }
        if (h.polled[0].revents != 0)
            hold_accept(f, &h);
    }
}
