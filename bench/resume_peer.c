/* Who resumes: what each asks for, connecting, asking, reading. What the bytes mean stands in
 * resume_stream.c. */
#include "resume.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "lib/head.h"
#include "lib/net.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    CONNECTING_MAX = 64, /* the listener's backlog is not what is measured */
    SCRATCH_LEN = 1 << 18,
    SOURCE_ADDRESSES = 16,
    JSON_TOPICS_MIN = 2,
    JSON_TOPICS_MAX = 8,
    PATTERN_LEN = 32,
    AFTERWARDS_MS = 300,
};

/* The sample of RFC 6455, 1.3: the answer is known without SHA-1. */
#define WS_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

void resume_fail(struct resume_peer *p, const char *why)
{
    static const char *const kinds[RESUME_KINDS] = {"raw WebSocket", "SSE", "JSON WebSocket"};
    struct resumes *r = p->all;
    if (!r->failed)
        fprintf(stderr, "resume: connection %zu (%s, %u of %u messages): %s\n%.*s\n",
                (size_t)(p - r->peers), kinds[p->kind], p->received, p->expected, why,
                (int)p->request_len, (const char *)r->requests.at + p->request_at);
    r->failed = true;
}

/* --- what each asks for ----------------------------------------------------------------------- */

/* Among the feeds mostly: busy and quiet ones alike. */
static unsigned any_topic(uint64_t *seed, unsigned rare_of_eight)
{
    if (chance(seed) % 8 < rare_of_eight)
        return FEEDS + (unsigned)(chance(seed) % RARES);
    return (unsigned)(chance(seed) % FEEDS);
}

static void any_pattern(uint64_t *seed, char out[static PATTERN_LEN])
{
    const unsigned which = (unsigned)(chance(seed) % 16), n = (unsigned)(chance(seed) % 4000);
    if (which < 6)
        snprintf(out, PATTERN_LEN, "feed.%u.*", n % FEED_GROUPS);
    else if (which < 10)
        snprintf(out, PATTERN_LEN, "*.*.%u", n % (FEEDS / FEED_GROUPS));
    else if (which < 13)
        snprintf(out, PATTERN_LEN, "rare.%u.#", n % RARE_GROUPS);
    else
        snprintf(out, PATTERN_LEN, "%s", which == 13 ? "rare.#" : which == 14 ? "*.3.*" : "feed.#");
}

/* '#' would begin a fragment (RFC 3986, 3.5). */
static void add_pattern(struct text *out, const char *pattern)
{
    text_add_str(out, "topic=");
    for (; *pattern; pattern++)
        if (*pattern == '#')
            text_add_str(out, "%23");
        else
            text_add_byte(out, (uint8_t)*pattern);
}

static void ask_for_pattern(struct resumes *r, struct resume_peer *p, uint64_t *seed)
{
    char pattern[PATTERN_LEN];
    any_pattern(seed, pattern);
    past_match(r->past, pattern, p->topics);
    add_pattern(&r->requests, pattern);
}

static void ask_for_topics(struct resumes *r, struct resume_peer *p, uint64_t *seed)
{
    unsigned left =
        JSON_TOPICS_MIN + (unsigned)(chance(seed) % (JSON_TOPICS_MAX - JSON_TOPICS_MIN + 1));
    for (const char *before = ""; left > 0;) {
        const unsigned topic = any_topic(seed, 2);
        if (topics_have(p->topics, topic))
            continue;
        topics_add(p->topics, topic);
        text_printf(&r->requests, "%stopic=%s", before, r->past->names[topic]);
        before = "&";
        left--;
    }
}

static void ask_for_one(struct resumes *r, struct resume_peer *p, uint64_t *seed)
{
    const unsigned topic = any_topic(seed, 1);
    topics_add(p->topics, topic);
    text_add_str(&r->requests, r->past->names[topic]);
}

static void write_request(struct resumes *r, struct resume_peer *p, uint64_t *seed)
{
    char after[CURSOR_TEXT_LEN];
    p->request_at = r->requests.len;
    text_add_str(&r->requests, p->kind == RESUME_JSON ? "GET /t?" : "GET /t/");
    if (p->kind != RESUME_JSON)
        ask_for_one(r, p, seed);
    else if (chance(seed) % 8 == 0)
        ask_for_pattern(r, p, seed);
    else
        ask_for_topics(r, p, seed);
    past_cursor(r->past, p->from, after);
    text_printf(&r->requests, "%cafter=%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n",
                p->kind == RESUME_JSON ? '&' : '?', after, r->options->port,
                p->kind == RESUME_SSE ? "Accept: text/event-stream\r\n"
                                      : "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                        "Sec-WebSocket-Version: 13\r\n"
                                        "Sec-WebSocket-Key: " WS_KEY "\r\n");
    p->request_len = r->requests.len - p->request_at;
}

static watch_fn peer_ready;

static void peer_plan(struct resumes *r, struct resume_peer *p, uint64_t *seed)
{
    const size_t index = (size_t)(p - r->peers);
    *p = (struct resume_peer){.watch = {peer_ready}, .all = r, .fd = -1};
    p->topics = &r->topics[index];
    p->kind = (enum resume_kind)(index % RESUME_KINDS);
    p->from = p->next = (uint32_t)(chance(seed) % (r->past->count + 1));
    write_request(r, p, seed);
    p->expected = past_count(r->past, p->topics, p->from);
    r->expected += p->expected;
}

int resumes_init(struct resumes *r, uint64_t *seed)
{
    const uint32_t count = r->options->conns;
    r->peers = alloc_zeroed(count * sizeof(*r->peers));
    r->topics = alloc_zeroed(count * sizeof(*r->topics));
    r->scratch = alloc_bytes(SCRATCH_LEN);
    if (!r->peers || !r->topics || !r->scratch)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        peer_plan(r, &r->peers[i], seed);
    return r->requests.failed ? -ENOMEM : 0;
}

void resumes_fini(struct resumes *r)
{
    for (uint32_t i = 0; r->peers && i < r->begun; i++) {
        if (r->peers[i].fd >= 0)
            net_abort(r->peers[i].fd);
        held_drop(&r->peers[i].rest);
    }
    text_fini(&r->requests);
    alloc_free(r->peers);
    alloc_free(r->topics);
    alloc_free(r->scratch);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool is_welcome(const struct resume_peer *p, struct bytes head)
{
    if (p->kind == RESUME_SSE)
        return head_status(head) == 200;
    return head_status(head) == 101 &&
           bytes_equal(head_field(head, BYTES_LITERAL("Sec-WebSocket-Accept")),
                       BYTES_LITERAL(WS_ACCEPT));
}

/* Bytes of the answer's head, 0 while it is not whole. */
static size_t welcome_take(struct resume_peer *p, struct bytes in)
{
    struct resumes *r = p->all;
    const size_t len = head_len(in);
    if (len == 0)
        return 0;
    if (!is_welcome(p, (struct bytes){in.at, len})) {
        fprintf(stderr, "resume: %.*s\n", (int)len, (const char *)in.at);
        resume_fail(p, "refused");
        return SIZE_MAX;
    }
    p->state = RESUME_OPEN;
    r->opened++;
    r->opened_ns = clock_monotonic_ns();
    if (p->expected == 0)
        r->complete++;
    return len;
}

static size_t peer_take(struct resume_peer *p, struct bytes in)
{
    size_t used = 0;
    if (p->state == RESUME_ASKED)
        used = welcome_take(p, in);
    if (p->state != RESUME_OPEN)
        return used;
    const size_t more = resume_stream_take(p, bytes_skip(in, used));
    return more == SIZE_MAX ? SIZE_MAX : used + more;
}

static void peer_read(struct resume_peer *p)
{
    struct resumes *r = p->all;
    const uint32_t before = p->received;
    const size_t held = held_take(&p->rest, r->scratch, SCRATCH_LEN);
    const ssize_t n = net_recv(p->fd, r->scratch + held, SCRATCH_LEN - held);
    if (n < 0) {
        resume_fail(p, n == -ECONNRESET ? "closed by the server" : strerror((int)-n));
        return;
    }
    r->bytes += (uint64_t)n;
    const struct bytes in = {r->scratch, held + (size_t)n};
    const size_t used = peer_take(p, in);
    if (used == SIZE_MAX)
        return;
    if (held_append(&p->rest, bytes_skip(in, used)) != 0)
        resume_fail(p, "out of memory");
    r->received += p->received - before;
    r->received_of[p->kind] += p->received - before;
    if (p->received > before)
        r->last_ns = clock_monotonic_ns();
    if (p->received > before && p->received == p->expected)
        r->complete++;
}

static void peer_connected(struct resume_peer *p)
{
    int err = net_connect_result(p->fd);
    if (err == 0)
        err = loop_change(p->all->loop, p->fd, EPOLLIN, &p->watch);
    if (err != 0) {
        resume_fail(p, strerror(-err));
        return;
    }
    p->state = RESUME_CONNECTED;
    p->all->connecting--;
    p->all->connected++;
}

static void peer_ready(struct watch *w, uint32_t events)
{
    struct resume_peer *p = (struct resume_peer *)w;
    (void)events; /* each state waits for one kind; errors show in the call that follows */
    if (p->all->failed)
        return;
    switch (p->state) {
    case RESUME_CONNECTING:
        peer_connected(p);
        return;
    case RESUME_CONNECTED:
        resume_fail(p, "closed, or answered, before it asked");
        return;
    case RESUME_ASKED:
    case RESUME_OPEN:
        peer_read(p);
        return;
    case RESUME_CLOSED:
        return;
    }
}

/* --- all of them ------------------------------------------------------------------------------ */

static int begin_connect(struct resumes *r, struct resume_peer *p)
{
    const uint32_t source = INADDR_LOOPBACK + 1 + r->begun % SOURCE_ADDRESSES;
    const struct in_addr from = {htonl(source)};
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(r->options->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    r->begun++;
    r->connecting++;
    p->state = RESUME_CONNECTING;
    p->fd = net_connect(&from, &to);
    return p->fd < 0 ? p->fd : loop_add(r->loop, p->fd, EPOLLOUT, &p->watch);
}

int resumes_connect(struct resumes *r)
{
    const uint32_t wanted = r->options->conns;
    int err = 0;
    while (err == 0 && !r->failed && r->connected < wanted) {
        while (err == 0 && r->begun < wanted && r->connecting < CONNECTING_MAX)
            err = begin_connect(r, &r->peers[r->begun]);
        if (err == 0)
            err = loop_turn(r->loop, UINT64_MAX);
    }
    return err == 0 && r->failed ? -EIO : err;
}

int resumes_ask(struct resumes *r)
{
    for (uint32_t i = 0; i < r->options->conns; i++) {
        struct resume_peer *p = &r->peers[i];
        const struct bytes request = {r->requests.at + p->request_at, p->request_len};
        const ssize_t n = net_send(p->fd, request);
        if (n < 0)
            return (int)n;
        if ((size_t)n != request.len)
            return -EAGAIN;
        p->state = RESUME_ASKED;
    }
    return 0;
}

/* Names one that still waits. */
static void fail_incomplete(struct resumes *r)
{
    uint32_t i = 0;
    while (i < r->options->conns && r->peers[i].state == RESUME_OPEN &&
           r->peers[i].received == r->peers[i].expected)
        i++;
    fprintf(stderr, "resume: in time %u were answered, %u were complete\n", r->opened, r->complete);
    if (i < r->options->conns)
        resume_fail(&r->peers[i], "not complete in time");
}

int resumes_read(struct resumes *r)
{
    const uint32_t wanted = r->options->conns;
    int err = 0;
    while (err == 0 && !r->failed && (r->complete < wanted || r->opened < wanted))
        err = loop_turn(r->loop, UINT64_MAX);
    if (err == 0 && !r->failed)
        err = loop_rest(r->loop, AFTERWARDS_MS);
    if (err == -ETIME)
        fail_incomplete(r);
    return err == 0 && r->failed ? -EIO : err;
}
