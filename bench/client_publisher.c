/* The publishing connection. An answer other than the one that accepts fails the run: a figure with
 * rejected messages is not a figure. Does not choose when to publish. */
#include "client_publisher.h"

#include "base/alloc.h"
#include "lib/head.h"
#include "lib/net.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

enum { ANSWERS_LEN = 1 << 16 };

static void publisher_fail(struct publisher *p, const char *why)
{
    if (!p->failed)
        fprintf(stderr, "client: publisher %u: %s\n", p->index, why);
    p->failed = true;
    if (p->fd >= 0)
        net_abort(p->fd);
    p->fd = -1;
}

static void publisher_watch(struct publisher *p, bool wants_out)
{
    if (p->wants_out == wants_out)
        return;
    p->wants_out = wants_out;
    const uint32_t events = wants_out ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (loop_change(p->loop, p->fd, events, &p->watch) != 0)
        publisher_fail(p, "epoll_ctl");
}

/* Length of the answer at the front, 0 while it is not whole or when it does not accept. */
static size_t answer_take(struct publisher *p, struct bytes in)
{
    const size_t len = head_len(in);
    if (len == 0)
        return 0;
    const struct bytes head = {in.at, len};
    const size_t whole = len + head_content_length(head);
    if (in.len < whole)
        return 0;
    if (head_status(head) != p->options->accepted) {
        fprintf(stderr, "client: %.*s\n", (int)whole, (const char *)in.at);
        publisher_fail(p, "not accepted");
        return 0;
    }
    p->answered++;
    p->on_answered(p->user, p);
    return whole;
}

static void answers_read(struct publisher *p)
{
    uint8_t answers[ANSWERS_LEN];
    const size_t before = held_take(&p->rest, answers, sizeof(answers));
    const ssize_t n = net_recv(p->fd, answers + before, sizeof(answers) - before);
    if (n < 0) {
        publisher_fail(p, n == -ECONNRESET ? "closed by the server" : strerror((int)-n));
        return;
    }
    struct bytes in = {answers, before + (size_t)n};
    for (size_t used; (used = answer_take(p, in)) > 0;)
        in = bytes_skip(in, used);
    if (!p->failed && held_append(&p->rest, in) != 0)
        publisher_fail(p, "out of memory");
}

static void publisher_ready(struct watch *w, uint32_t events)
{
    struct publisher *p = (struct publisher *)w;
    if (p->failed)
        return;
    if (!p->open) {
        const int err = net_connect_result(p->fd);
        if (err != 0) {
            publisher_fail(p, strerror(-err));
            return;
        }
        p->open = true;
        publisher_watch(p, false);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        answers_read(p);
    if (!p->failed && p->wants_out)
        publisher_flush(p);
}

int publisher_open(struct publisher *p)
{
    const struct in_addr from = {htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(p->options->port), .sin_addr = from};
    p->watch.ready = publisher_ready;
    p->wants_out = true;
    p->fd = net_connect(&from, &to);
    if (p->fd < 0)
        return p->fd;
    int err = loop_add(p->loop, p->fd, EPOLLIN | EPOLLOUT, &p->watch);
    while (err == 0 && !p->open && !p->failed)
        err = loop_turn(p->loop, UINT64_MAX);
    return err == 0 && p->failed ? -ECONNREFUSED : err;
}

void publisher_post(struct publisher *p, struct bytes payload)
{
    /* The same path as the subscribers'. Text for SSE, which shows anything else as base64. */
    text_printf(&p->out,
                "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: %s\r\n"
                "Content-Length: %zu\r\n\r\n",
                p->options->path, p->options->port,
                p->options->sse ? "text/plain" : "application/octet-stream", payload.len);
    text_add(&p->out, payload);
    p->posted++;
}

void publisher_flush(struct publisher *p)
{
    if (p->failed || p->out.len == 0)
        return;
    if (p->out.failed) {
        publisher_fail(p, "out of memory");
        return;
    }
    const ssize_t n = net_send(p->fd, text_bytes(&p->out));
    if (n < 0) {
        publisher_fail(p, strerror((int)-n));
        return;
    }
    p->out.len -= (size_t)n;
    memmove(p->out.at, p->out.at + n, p->out.len);
    publisher_watch(p, p->out.len > 0);
}

void publisher_close(struct publisher *p)
{
    if (p->fd >= 0)
        net_abort(p->fd);
    p->fd = -1;
    held_drop(&p->rest);
    text_fini(&p->out);
}

int publishers_open(const struct publisher *like, struct publisher **out)
{
    const uint32_t count = like->options->publishers;
    int err = 0;
    *out = alloc_zeroed(count * sizeof(**out));
    if (!*out)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        (*out)[i] = *like;
        (*out)[i].index = i;
        (*out)[i].fd = -1;
    }
    for (uint32_t i = 0; err == 0 && i < count; i++)
        err = publisher_open(&(*out)[i]);
    return err;
}

void publishers_close(struct publisher *publishers, uint32_t count)
{
    for (uint32_t i = 0; publishers && i < count; i++)
        publisher_close(&publishers[i]);
    alloc_free(publishers);
}
