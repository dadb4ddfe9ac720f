/* Publish: messages POSTed to a topic that nobody subscribes to, so many in flight. What accepting
 * one costs, and nothing else. No delivery is checked here: there is none. */
#include "client_publisher.h"
#include "client_rounds.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { DIGITS = 16 };

struct publish {
    const struct client_options *options;
    struct loop *loop;
    struct rounds rounds;
    struct publisher *publishers;
    uint64_t *began_ns; /* [publisher][its place in flight] */
    uint8_t *payload;
    uint32_t depth; /* in flight on one connection */
};

/* The k-th request of a publisher and its k-th answer share a place: answers come in order. */
static uint64_t *began_of(struct publish *b, const struct publisher *p, uint64_t number)
{
    return &b->began_ns[p->index * b->depth + number % b->depth];
}

static void post_next(struct publish *b, struct publisher *p)
{
    char digits[DIGITS + 1];
    snprintf(digits, sizeof(digits), "%016" PRIx64, b->rounds.begun++);
    memcpy(b->payload, digits, DIGITS);
    *began_of(b, p, p->posted) = clock_monotonic_ns();
    publisher_post(p, (struct bytes){b->payload, (size_t)b->options->payload_len});
}

static void on_answered(void *user, struct publisher *p)
{
    struct publish *b = user;
    if (p->answered > p->posted) { /* more answers than requests */
        b->rounds.wrong = true;
        return;
    }
    round_done(&b->rounds, *began_of(b, p, p->answered - 1), clock_monotonic_ns());
    if (!rounds_are_done(&b->rounds))
        post_next(b, p);
}

static int publish_init(struct publish *b)
{
    const struct client_options *o = b->options;
    b->depth = o->window / o->publishers;
    b->began_ns = alloc_zeroed(o->window * sizeof(*b->began_ns));
    b->payload = alloc_bytes((size_t)o->payload_len);
    if (!b->began_ns || !b->payload)
        return -ENOMEM;
    memset(b->payload, 'p', (size_t)o->payload_len);
    const struct publisher like = {
        .options = o, .loop = b->loop, .on_answered = on_answered, .user = b};
    const int err = publishers_open(&like, &b->publishers);
    return err != 0 ? err : rounds_init(&b->rounds, o);
}

/* Sends what the last turn left to be sent, and waits. */
static int turn(struct publish *b)
{
    bool whole = !b->rounds.wrong;
    for (uint32_t i = 0; i < b->options->publishers; i++) {
        publisher_flush(&b->publishers[i]);
        whole = whole && !b->publishers[i].failed;
    }
    return whole ? loop_turn(b->loop, UINT64_MAX) : -EPROTO;
}

/* Every message that was posted must be answered, those beyond the last measured one as well. */
static int publish_all(struct publish *b)
{
    int err = loop_rest(b->loop, b->options->settle_ms);
    for (uint32_t i = 0; err == 0 && i < b->options->window; i++)
        post_next(b, &b->publishers[i % b->options->publishers]);
    while (err == 0 && !b->rounds.wrong && b->rounds.done < b->rounds.begun)
        err = turn(b);
    return err == 0 && b->rounds.wrong ? -EPROTO : err;
}

int publish_run(const struct client_options *o, struct loop *l)
{
    struct publish b = {.options = o, .loop = l};
    int err = publish_init(&b);
    if (err == 0)
        err = publish_all(&b);
    if (err != 0)
        fprintf(stderr, "client: publish: %s\n", strerror(-err));
    rounds_print(&b.rounds, NULL, "publish", err);
    rounds_fini(&b.rounds);
    publishers_close(b.publishers, o->publishers);
    alloc_free(b.began_ns);
    alloc_free(b.payload);
    return err == 0 ? 0 : 1;
}
