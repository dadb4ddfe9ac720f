/* Publishing by POST. An answer of 2xx means accepted; 429 and 503 mean that the same is tried
 * again a little later, for as long as an answer may take; anything else ends the run: what would
 * be judged then? */
#include "load/publisher.h"

#include "base/assert.h"
#include "base/clock.h"
#include "load/events.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define RETRY_NS (100 * UINT64_C(1000000))

static const struct engine_kind publisher_kind;

void publisher_init(struct publisher *p, struct engine *e, const struct url *url,
                    const union io_address *remote)
{
    *p = (struct publisher){.engine = e, .url = url, .remote = *remote};
    e->kinds[PUBLISHER_KIND].kind = &publisher_kind;
    e->kinds[PUBLISHER_KIND].user = p;
}

void publisher_fini(struct publisher *p)
{
    text_fini(&p->request);
    text_fini(&p->answer);
}

static void PRINTF_LIKE(2, 3) break_down(struct publisher *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->why, sizeof(p->why), format, args);
    va_end(args);
    p->state = PUBLISHER_BROKEN;
}

/* The connection is not ours any more; a message may be under way. */
static void forget_connection(struct publisher *p)
{
    p->in_body = false;
    if (p->state != PUBLISHER_BROKEN)
        p->state = PUBLISHER_AWAY;
}

static ON_REACTOR void transmit(struct publisher *p)
{
    p->sent_ns = clock_monotonic_ns();
    p->retry_ns = 0;
    if (p->state == PUBLISHER_THERE) {
        engine_send(p->engine, p->slot, text_bytes(&p->request));
        return;
    }
    const int64_t slot = engine_dial(p->engine, PUBLISHER_KIND, &p->remote, NULL);
    if (slot < 0) {
        break_down(p, "the publisher cannot connect: %s", strerror((int)-slot));
        return;
    }
    p->slot = (uint32_t)slot;
    p->state = PUBLISHER_CONNECTING; /* sent when it is there */
}

void publisher_send(struct publisher *p, struct bytes payload)
{
    ASSERT(!p->busy);
    ASSERT(p->state != PUBLISHER_BROKEN);
    p->request.len = 0;
    text_add_str(&p->request, "POST ");
    url_add_target(&p->request, p->url, 0);
    text_add_str(&p->request, " HTTP/1.1\r\nHost: ");
    url_add_authority(&p->request, p->url);
    text_printf(&p->request, "\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
                payload.len);
    text_add(&p->request, payload);
    p->busy = true;
    p->due_ns = clock_monotonic_ns();
    if (p->request.failed)
        break_down(p, "no memory to publish");
    else
        transmit(p);
}

uint64_t publisher_tick(struct publisher *p)
{
    const uint64_t now_ns = clock_monotonic_ns();
    if (!p->busy || p->state == PUBLISHER_BROKEN)
        return UINT64_MAX;
    if (p->retry_ns > 0 && now_ns >= p->retry_ns)
        transmit(p);
    if (p->retry_ns == 0 && now_ns > p->sent_ns + p->timeout_ns)
        break_down(p, "a POST was not answered in time");
    return p->retry_ns > 0 ? p->retry_ns : p->sent_ns + p->timeout_ns;
}

static ON_REACTOR void on_connected(void *user, uint32_t slot)
{
    struct publisher *p = user;
    p->state = PUBLISHER_THERE;
    p->closes = false;
    engine_peer(p->engine, slot)->state = PEER_OPEN;
    engine_send(p->engine, slot, text_bytes(&p->request));
}

/* A server may hold its publishers back for a while; one that is full for ever takes nothing. */
static void try_later(struct publisher *p)
{
    const uint64_t now_ns = clock_monotonic_ns();
    p->retried++;
    if (now_ns > p->due_ns + p->timeout_ns)
        break_down(p, "publishing was refused again and again: HTTP %u", p->status);
    else
        p->retry_ns = now_ns + RETRY_NS;
}

/* The answer is here, all of it. */
static void on_answered(struct publisher *p)
{
    p->in_body = false;
    if (p->status >= 200 && p->status < 300) {
        p->busy = false;
        p->accepted++;
    } else if (p->status == 503 || p->status == 429) {
        try_later(p);
    } else {
        break_down(p, "publishing was refused: HTTP %u", p->status);
    }
}

/* False: there is no whole head yet, or the answer makes no sense. */
static bool take_head(struct publisher *p, struct span *in)
{
    struct response r;
    size_t head_len;
    do {
        switch (response_parse(span_bytes(*in), &r, &head_len)) {
        case RESPONSE_MORE:
            return false;
        case RESPONSE_BAD:
            break_down(p, "publishing was answered with something that is no HTTP");
            return false;
        case RESPONSE_DONE:
            break;
        }
        *in = span_skip(*in, head_len);
    } while (r.status < 200);
    p->status = r.status;
    p->framed = response_body_init(&r, &p->body);
    p->closes = r.closes || !p->framed;
    p->in_body = true;
    p->answer.len = 0;
    return true;
}

static void keep(struct publisher *p, struct bytes slice)
{
    if (p->answer.len + slice.len <= PUBLISHER_ANSWER_MAX)
        text_add(&p->answer, slice);
}

struct bytes publisher_last_id(const struct publisher *p)
{
    const struct bytes mark = BYTES_LITERAL("\"id\":\"");
    for (struct bytes in = text_bytes(&p->answer); in.len > mark.len; in = bytes_skip(in, 1)) {
        if (!bytes_start_with(in, mark))
            continue;
        in = bytes_skip(in, mark.len);
        const uint8_t *quote = memchr(in.at, '"', in.len);
        return quote ? (struct bytes){in.at, (size_t)(quote - in.at)} : (struct bytes){0};
    }
    return (struct bytes){0};
}

static void take_body(struct publisher *p, struct span *in)
{
    struct bytes left = span_bytes(*in), slice;
    enum http_body_step step = HTTP_BODY_MORE;
    if (p->framed) {
        while ((step = http_body_next(&p->body, &left, &slice)) == HTTP_BODY_DATA)
            keep(p, slice);
        *in = span_skip(*in, in->len - left.len);
    } else {
        *in = span_skip(*in, in->len);
    }
    if (step == HTTP_BODY_BAD)
        break_down(p, "publishing was answered with chunks that are none");
    else if (step == HTTP_BODY_DONE)
        on_answered(p);
}

static ON_REACTOR struct span on_received(void *user, uint32_t slot, struct span in, size_t old)
{
    struct publisher *p = user;
    (void)old;
    if (p->in_body || take_head(p, &in))
        take_body(p, &in);
    /* Only an answer says that it closes, so behind its body it is over. */
    const bool over = !p->in_body && p->closes;
    if (p->state == PUBLISHER_BROKEN || over) {
        engine_close(p->engine, slot, IO_CLOSE_FLUSH);
        forget_connection(p);
    }
    return in;
}

static void on_ended(void *user, uint32_t slot, const char *why)
{
    struct publisher *p = user;
    (void)slot;
    if (p->in_body && !p->framed)
        on_answered(p); /* the end of the connection is the end of the body (RFC 9112, 6.3) */
    else if (p->busy && p->retry_ns == 0 && p->state != PUBLISHER_BROKEN)
        break_down(p, "the publisher's connection failed: %s", why);
    forget_connection(p);
}

static const struct engine_kind publisher_kind = {
    .connected = on_connected, .received = on_received, .ended = on_ended};
