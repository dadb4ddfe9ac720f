/* Opening and reading many connections. At most DIALS_MAX are being opened at once, so that the
 * listener's backlog never decides a figure. Does not publish. */
#include "client_swarm.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "lib/head.h"
#include "lib/net.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    DIALS_MAX = 64,
    SCRATCH_LEN = 1 << 18,
    COMPLAINTS_MAX = 3,
    /* 28,000 ports each: no search for a free one is ever long. */
    SOURCE_ADDRESSES = 16,
};

/* The sample of RFC 6455, 1.3: the answer is known without SHA-1. */
#define WS_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static void peer_fail(struct peer *p, const char *why)
{
    struct swarm *s = p->swarm;
    if (s->failed + s->closed < COMPLAINTS_MAX)
        fprintf(stderr, "client: connection %u: %s\n", p->index, why);
    if (p->state == PEER_OPEN)
        s->closed++;
    else {
        s->failed++;
        s->opening--;
    }
    swarm_peer_close(p);
}

static void peer_refused(struct peer *p, struct bytes head)
{
    char why[300];
    snprintf(why, sizeof(why), "refused:\n%.*s", (int)(head.len < 256 ? head.len : 256),
             (const char *)head.at);
    peer_fail(p, why);
}

void swarm_peer_close(struct peer *p)
{
    held_drop(&p->rest);
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    p->state = PEER_CLOSED;
}

/* The path, its first '%' replaced by the connection's number. */
static void path_of(const struct client_options *o, uint32_t index, char *out, size_t room)
{
    const size_t plain = strcspn(o->path, "%");
    if (o->path[plain] == '\0')
        snprintf(out, room, "%s", o->path);
    else
        snprintf(out, room, "%.*s%u%s", (int)plain, o->path, index, o->path + plain + 1);
}

static int request_send(struct peer *p)
{
    const struct client_options *o = p->swarm->options;
    char path[256], request[512];
    path_of(o, p->index, path, sizeof(path));
    const int len = snprintf(
        request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s%s\r\n", path,
        o->port, o->deflate ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "",
        o->sse ? "Accept: text/event-stream\r\n"
               : "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " WS_KEY "\r\n");
    const ssize_t n = net_send(p->fd, (struct bytes){(const uint8_t *)request, (size_t)len});
    if (n < 0)
        return (int)n;
    return n == len ? 0 : -EAGAIN;
}

static void on_connected(struct peer *p)
{
    int err = net_connect_result(p->fd);
    if (err == 0)
        err = request_send(p);
    if (err == 0)
        err = loop_change(p->swarm->loop, p->fd, EPOLLIN, &p->watch);
    if (err != 0) {
        peer_fail(p, strerror(-err));
        return;
    }
    p->state = PEER_OPENING;
}

static bool is_welcome(const struct swarm *s, struct bytes head)
{
    if (s->options->sse)
        return head_status(head) == 200;
    return head_status(head) == 101 &&
           bytes_equal(head_field(head, BYTES_LITERAL("Sec-WebSocket-Accept")),
                       BYTES_LITERAL(WS_ACCEPT));
}

/* Bytes of the response head, 0 while it is not whole or when the peer has failed. */
static size_t opening_take(struct peer *p, struct bytes in)
{
    struct swarm *s = p->swarm;
    const size_t len = head_len(in);
    if (len == 0)
        return 0;
    if (!is_welcome(s, (struct bytes){in.at, len})) {
        peer_refused(p, (struct bytes){in.at, len});
        return 0;
    }
    p->state = PEER_OPEN;
    s->opening--;
    s->opened++;
    if (s->on_opened)
        s->on_opened(s->user, p);
    return len;
}

static size_t peer_take(struct peer *p, struct bytes in)
{
    size_t used = 0;
    if (p->state == PEER_OPENING)
        used = opening_take(p, in);
    if (p->state != PEER_OPEN)
        return used;
    const size_t more = stream_take(p->swarm, p, bytes_skip(in, used));
    return more == SIZE_MAX ? SIZE_MAX : used + more;
}

static void on_readable(struct peer *p)
{
    struct swarm *s = p->swarm;
    const size_t before = held_take(&p->rest, s->scratch, SCRATCH_LEN);
    const ssize_t n = net_recv(p->fd, s->scratch + before, SCRATCH_LEN - before);
    if (n < 0) {
        peer_fail(p, n == -ECONNRESET ? "closed by the server" : strerror((int)-n));
        return;
    }
    s->reads++;
    s->now_ns = clock_monotonic_ns();
    const struct bytes in = {s->scratch, before + (size_t)n};
    const size_t used = peer_take(p, in);
    if (p->state == PEER_CLOSED || p->state == PEER_CONNECTING)
        return; /* closed, perhaps dialed again, by what it brought */
    if (used == SIZE_MAX || held_append(&p->rest, bytes_skip(in, used)) != 0)
        peer_fail(p, "cannot make sense of what came");
}

static void peer_ready(struct watch *w, uint32_t events)
{
    struct peer *p = (struct peer *)w;
    (void)events; /* each state waits for one kind; errors show in the call that follows */
    switch (p->state) {
    case PEER_CONNECTING:
        on_connected(p);
        return;
    case PEER_OPENING:
    case PEER_OPEN:
        on_readable(p);
        return;
    case PEER_CLOSED:
        return;
    }
}

void swarm_dial(struct swarm *s, struct peer *p)
{
    const uint32_t source = INADDR_LOOPBACK + 1 + (uint32_t)(s->dialed++ % SOURCE_ADDRESSES);
    const struct in_addr from = {htonl(source)};
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(s->options->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    s->opening++;
    p->began_ns = clock_monotonic_ns();
    p->fd = net_connect(&from, &to);
    if (p->fd < 0) {
        peer_fail(p, strerror(-p->fd));
        return;
    }
    p->state = PEER_CONNECTING;
    const int err = loop_add(s->loop, p->fd, EPOLLOUT, &p->watch);
    if (err != 0)
        peer_fail(p, strerror(-err));
}

int swarm_init(struct swarm *s, const struct client_options *o, struct loop *l)
{
    s->options = o;
    s->loop = l;
    s->peers = alloc_zeroed(o->conns * sizeof(*s->peers));
    s->scratch = alloc_bytes(SCRATCH_LEN);
    if (!s->peers || !s->scratch)
        return -ENOMEM;
    for (uint32_t i = 0; i < o->conns; i++)
        s->peers[i] = (struct peer){
            .watch = {peer_ready}, .swarm = s, .index = i, .fd = -1, .state = PEER_CLOSED};
    return 0;
}

int swarm_open(struct swarm *s)
{
    const uint32_t wanted = s->options->conns;
    uint32_t begun = 0;
    int err = 0;
    while (err == 0 && s->opened + s->failed < wanted) {
        while (begun < wanted && s->opening < DIALS_MAX)
            swarm_dial(s, &s->peers[begun++]);
        err = loop_turn(s->loop, UINT64_MAX);
    }
    if (err != 0)
        fprintf(stderr, "client: %u of %u connections open: %s\n", s->opened, wanted,
                strerror(-err));
    return err != 0 || swarm_is_whole(s) ? err : -ECONNREFUSED;
}

bool swarm_is_whole(const struct swarm *s)
{
    return s->failed == 0 && s->closed == 0;
}

void swarm_fini(struct swarm *s)
{
    for (uint32_t i = 0; s->peers && i < s->options->conns; i++) {
        struct peer *p = &s->peers[i];
        if (p->fd >= 0)
            net_abort(p->fd);
        held_drop(&p->rest);
    }
    inflated_fini(&s->inflated);
    alloc_free(s->peers);
    alloc_free(s->scratch);
}
