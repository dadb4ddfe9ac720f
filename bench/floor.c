/* The floor's loop: accept, read, send. What the bytes mean is in floor_input.c.
 * Deliberately not here: anything a figure could be blamed on. */
#define _GNU_SOURCE /* accept4 */
#include "floor.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURN_EVENTS_MAX = 1024 };

void floor_subscribe(struct floor *f, int fd, enum conn_kind kind)
{
    f->conns[fd].kind = kind;
    f->conns[fd].place = f->subscriber_count;
    f->subscribers[f->subscriber_count++] = fd;
}

static void unsubscribe(struct floor *f, const struct conn *c)
{
    const int moved = f->subscribers[--f->subscriber_count];
    f->subscribers[c->place] = moved;
    f->conns[moved].place = c->place;
}

static void conn_close(struct floor *f, int fd)
{
    struct conn *c = &f->conns[fd];
    if (c->kind == CONN_WS || c->kind == CONN_SSE)
        unsubscribe(f, c);
    held_drop(&c->input);
    held_drop(&c->output);
    c->kind = CONN_CLOSED;
    close(fd);
}

/* A conn that cannot be served any more is shut down; its close follows from the event. */
static void conn_doom(int fd)
{
    (void)shutdown(fd, SHUT_RDWR);
}

static void conn_hold(struct floor *f, int fd, struct bytes rest)
{
    struct conn *c = &f->conns[fd];
    if (held_bytes(c->output).len + rest.len > FLOOR_OUTPUT_MAX ||
        held_append(&c->output, rest) != 0 ||
        net_watch(f->epoll_fd, fd, NET_WATCH_CHANGE, EPOLLIN | EPOLLOUT, (uint64_t)fd) != 0)
        conn_doom(fd);
}

void floor_send(struct floor *f, int fd, struct bytes b)
{
    if (__builtin_expect(f->conns[fd].output != NULL, 0)) {
        conn_hold(f, fd, b);
        return;
    }
    const ssize_t n = net_send(fd, b);
    if (n < 0)
        conn_doom(fd);
    else if ((size_t)n < b.len)
        conn_hold(f, fd, bytes_skip(b, (size_t)n));
}

void floor_fan_out(struct floor *f)
{
    if (f->out[CONN_WS].len == 0)
        return;
    for (uint32_t i = 0; i < f->subscriber_count; i++) {
        const int fd = f->subscribers[i];
        const struct image *image = &f->out[f->conns[fd].kind];
        floor_send(f, fd, (struct bytes){image->at, image->len});
    }
    f->out[CONN_WS].len = 0;
    f->out[CONN_SSE].len = 0;
}

static void conn_writable(struct floor *f, int fd)
{
    struct conn *c = &f->conns[fd];
    const ssize_t n = net_send(fd, held_bytes(c->output));
    if (n < 0) {
        conn_doom(fd);
        return;
    }
    held_skip(&c->output, (size_t)n);
    if (!c->output && net_watch(f->epoll_fd, fd, NET_WATCH_CHANGE, EPOLLIN, (uint64_t)fd) != 0)
        conn_doom(fd);
}

bool floor_readable(struct floor *f, int fd)
{
    struct conn *c = &f->conns[fd];
    const size_t before = held_take(&c->input, f->scratch, FLOOR_SCRATCH_LEN);
    const ssize_t n = net_recv(fd, f->scratch + before, FLOOR_SCRATCH_LEN - before);
    if (n < 0) {
        conn_close(f, fd);
        return false;
    }
    const struct bytes in = {f->scratch, before + (size_t)n};
    const size_t used = floor_consume(f, fd, in);
    if (used == 0 && in.len == FLOOR_SCRATCH_LEN) {
        conn_doom(
            fd); /* a request larger than the scratch buffer: there is no such thing in bench */
        return true;
    }
    if (held_append(&c->input, bytes_skip(in, used)) != 0)
        conn_doom(fd);
    return true;
}

static void accept_all(struct floor *f)
{
    for (;;) {
        const int fd = accept4(f->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd == -1 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd == -1) {
            if (errno != EAGAIN)
                perror("floor: accept4");
            return;
        }
        if (fd >= FLOOR_FDS_MAX || net_watch(f->epoll_fd, fd, NET_WATCH_ADD, EPOLLIN, (uint64_t)fd))
            close(fd);
        else
            f->conns[fd] = (struct conn){.kind = CONN_HTTP};
    }
}

static void on_event(struct floor *f, const struct epoll_event *event)
{
    const int fd = (int)event->data.u64;
    if (fd == f->listen_fd) {
        accept_all(f);
        return;
    }
    if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        if (!floor_readable(f, fd))
            return;
    if (event->events & EPOLLOUT && f->conns[fd].output)
        conn_writable(f, fd);
}

static int floor_run(struct floor *f)
{
    struct epoll_event events[TURN_EVENTS_MAX];
    for (;;) {
        const int count = epoll_wait(f->epoll_fd, events, TURN_EVENTS_MAX, -1);
        if (count < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < count; i++)
            on_event(f, &events[i]);
        floor_fan_out(f); /* only -b leaves something to send */
    }
}

static int floor_init(struct floor *f, uint16_t *port)
{
    f->conns = alloc_reserve(FLOOR_FDS_MAX * sizeof(*f->conns));
    f->subscribers = alloc_reserve(FLOOR_FDS_MAX * sizeof(*f->subscribers));
    f->scratch = alloc_bytes(FLOOR_SCRATCH_LEN);
    f->out[CONN_WS].at = alloc_reserve(FLOOR_IMAGE_MAX);
    f->out[CONN_SSE].at = alloc_reserve(FLOOR_IMAGE_MAX);
    if (!f->conns || !f->subscribers || !f->scratch || !f->out[CONN_WS].at || !f->out[CONN_SSE].at)
        return -ENOMEM;
    const int err = floor_input_init(f);
    if (err != 0)
        return err;
    f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (f->epoll_fd == -1)
        return -errno;
    f->listen_fd = net_listen(port);
    if (f->listen_fd < 0)
        return f->listen_fd;
    return net_watch(f->epoll_fd, f->listen_fd, NET_WATCH_ADD, EPOLLIN, (uint64_t)f->listen_fd);
}

static int usage(void)
{
    fputs("usage: floor [-b | -e | -h] [-p PORT]\n"
          "  -b  send once per connection and turn what has gathered (the coalescing floor)\n"
          "  -e  echo each WebSocket message to its sender\n"
          "  -h  hold subscribers without watching them: what a socket costs by itself\n"
          "  -p  port on 127.0.0.1 (default: any free one; the first line on stdout says which)\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct floor f = {.mode = FLOOR_ONE_SEND_EACH};
    uint16_t port = 0;

    for (int option; (option = getopt(argc, argv, "behp:")) != -1;) {
        if (option == 'b')
            f.mode = FLOOR_BATCH;
        else if (option == 'e')
            f.mode = FLOOR_ECHO;
        else if (option == 'h')
            f.mode = FLOOR_HOLD;
        else if (option == 'p')
            port = (uint16_t)strtoul(optarg, NULL, 10);
        else
            return usage();
    }
    (void)net_raise_nofile();
    int err = floor_init(&f, &port);
    if (err == 0) {
        printf("floor ready http://127.0.0.1:%u\n", port);
        fflush(stdout);
        err = f.mode == FLOOR_HOLD ? floor_hold(&f) : floor_run(&f);
    }
    fprintf(stderr, "floor: %s\n", strerror(-err));
    return 1;
}
