/* The modes that count rounds on connections of a swarm: echo (one message per connection in
 * flight) and connect (open, upgrade, close). Each of the other modes has its own file. */
#include "client_rounds.h"
#include "client_swarm.h"

#include "base/clock.h"
#include "lib/head.h"
#include "lib/net.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static int conclude(const char *mode, int err, struct swarm *s)
{
    if (err != 0)
        fprintf(stderr, "client: %s: %s\n", mode, strerror(-err));
    swarm_fini(s);
    return err == 0 ? 0 : 1;
}

static int rounds_serve(struct rounds *r, struct swarm *s)
{
    int err = 0;
    while (err == 0 && !rounds_are_done(r)) {
        err = loop_turn(s->loop, UINT64_MAX);
        if (err == 0 && (r->wrong || !swarm_is_whole(s)))
            err = -EPROTO;
    }
    return err;
}

enum { ECHO_PAYLOAD_MAX = 4096, ECHO_DIGITS = 24 };
static const uint8_t echo_mask[4] = {0x37, 0xfa, 0x21, 0x3d};

/* A payload that no other round of no other connection has. */
static struct bytes echo_payload(const struct peer *p, uint8_t out[static ECHO_PAYLOAD_MAX])
{
    char digits[ECHO_DIGITS + 1];
    const size_t len = (size_t)p->swarm->options->payload_len;
    snprintf(digits, sizeof(digits), "%08x%016" PRIx64, p->index, p->position);
    memset(out, 'e', len);
    memcpy(out, digits, ECHO_DIGITS);
    return (struct bytes){out, len};
}

static bool echo_send(struct rounds *r, struct peer *p)
{
    uint8_t frame[FRAME_HEAD_MAX + ECHO_PAYLOAD_MAX];
    uint8_t payload[ECHO_PAYLOAD_MAX];
    const struct bytes b = echo_payload(p, payload);
    const size_t head = frame_head_put(frame, FRAME_BINARY, b.len, echo_mask);
    memcpy(frame + head, b.at, b.len);
    frame_mask(frame + head, b.len, echo_mask);
    p->began_ns = clock_monotonic_ns();
    r->begun++;
    return net_send(p->fd, (struct bytes){frame, head + b.len}) == (ssize_t)(head + b.len);
}

static bool echo_received(void *user, struct peer *p, struct bytes payload)
{
    struct rounds *r = user;
    uint8_t expected[ECHO_PAYLOAD_MAX];
    if (!bytes_equal(payload, echo_payload(p, expected))) {
        r->wrong = true;
        return false;
    }
    p->position++;
    round_done(r, p->began_ns, p->swarm->now_ns);
    return rounds_are_done(r) || echo_send(r, p);
}

int echo_run(const struct client_options *o, struct loop *l)
{
    struct rounds r;
    struct swarm s = {.user = &r, .on_message = echo_received};
    int err = rounds_init(&r, o);
    if (err == 0)
        err = swarm_init(&s, o, l);
    if (err == 0)
        err = swarm_open(&s);
    if (err == 0)
        err = loop_rest(l, o->settle_ms);
    for (uint32_t i = 0; err == 0 && i < o->conns; i++)
        err = echo_send(&r, &s.peers[i]) ? 0 : -EPIPE;
    if (err == 0)
        err = rounds_serve(&r, &s);
    rounds_print(&r, &s, "echo", err);
    rounds_fini(&r);
    return conclude("echo", err, &s);
}

/* One slot of the window: close what was opened, open the next. */
static void connect_opened(void *user, struct peer *p)
{
    struct rounds *r = user;
    struct swarm *s = p->swarm;
    const uint64_t began_ns = p->began_ns;
    swarm_peer_close(p);
    round_done(r, began_ns, s->now_ns);
    if (r->begun < r->target + r->options->conns) {
        r->begun++;
        swarm_dial(s, p);
    }
}

int connect_run(const struct client_options *o, struct loop *l)
{
    struct rounds r;
    struct swarm s = {.user = &r, .on_opened = connect_opened};
    int err = rounds_init(&r, o);
    if (err == 0)
        err = swarm_init(&s, o, l);
    for (uint32_t i = 0; err == 0 && i < o->conns; i++) {
        r.begun++;
        swarm_dial(&s, &s.peers[i]);
    }
    if (err == 0)
        err = rounds_serve(&r, &s);
    rounds_print(&r, &s, "connect", err);
    rounds_fini(&r);
    return conclude("connect", err, &s);
}
