/* Fan-out: N subscribers, messages to all of them, at a fixed rate with one in flight or as fast as
 * a bounded window allows. Measures from the last warm-up message to the last delivery. */
#include "client_ledger.h"
#include "client_publisher.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

struct fanout {
    const struct client_options *options;
    struct loop *loop;
    struct swarm swarm;
    struct ledger ledger;
    struct publisher *publishers;
    struct measure measure;
    uint64_t due_ns, interval_ns; /* paced; interval 0: as fast as it goes */
    uint64_t late;                /* messages that had to wait for the one before */
};

static bool on_message(void *user, struct peer *p, struct bytes payload)
{
    struct fanout *f = user;
    ledger_deliver(&f->ledger, &p->position, payload, p->swarm->now_ns);
    return true;
}

/* Messages go to the publishers in turn, so the k-th answer of one is for a known message. */
static void on_answered(void *user, struct publisher *p)
{
    struct fanout *f = user;
    ledger_answered(&f->ledger, p->index + (p->answered - 1) * f->options->publishers);
}

static void publish_one(struct fanout *f, uint64_t now_ns)
{
    struct publisher *p = &f->publishers[f->ledger.next_seq % f->options->publishers];
    publisher_post(p, ledger_publish(&f->ledger, now_ns));
}

static void publish_fast(struct fanout *f, uint64_t target)
{
    const uint64_t now_ns = clock_monotonic_ns();
    while (f->ledger.next_seq < target && ledger_has_room(&f->ledger))
        publish_one(f, now_ns);
}

static void publish_paced(struct fanout *f, uint64_t target)
{
    const uint64_t now_ns = clock_monotonic_ns();
    if (f->ledger.next_seq == target || now_ns < f->due_ns || !ledger_has_room(&f->ledger))
        return;
    /* The turn that finished the one before may have ended a little after the due time. */
    const bool late = f->due_ns > 0 && now_ns - f->due_ns > f->interval_ns / 4;
    f->late += late;
    f->due_ns = (late || f->due_ns == 0 ? now_ns : f->due_ns) + f->interval_ns;
    publish_one(f, now_ns);
}

/* When the loop must wake up although nothing came. */
static uint64_t next_wake(const struct fanout *f, uint64_t target)
{
    const bool waits_for_clock =
        f->interval_ns > 0 && f->ledger.next_seq < target && ledger_has_room(&f->ledger);
    return waits_for_clock ? f->due_ns : UINT64_MAX;
}

static bool is_whole(const struct fanout *f)
{
    bool whole = swarm_is_whole(&f->swarm);
    for (uint32_t i = 0; i < f->options->publishers; i++)
        whole = whole && !f->publishers[i].failed;
    return whole;
}

/* Publishes up to that message and waits until everybody has all of them. */
static int run_until(struct fanout *f, uint64_t target)
{
    int err = 0;
    while (err == 0 && f->ledger.finished < target) {
        if (f->interval_ns > 0)
            publish_paced(f, target);
        else
            publish_fast(f, target);
        for (uint32_t i = 0; i < f->options->publishers; i++)
            publisher_flush(&f->publishers[i]);
        err = is_whole(f) ? loop_turn(f->loop, next_wake(f, target)) : -ECONNRESET;
    }
    return err;
}

static void print_result(const struct fanout *f, uint64_t deliveries, bool ok)
{
    const struct client_options *o = f->options;
    const struct ledger *l = &f->ledger;
    const struct measure *m = &f->measure;
    const double count = deliveries ? (double)deliveries : 1;
    printf("{\"mode\":\"fanout\",\"proto\":\"%s\",\"ok\":%s,\"conns\":%u,\"bytes\":%" PRIu64
           ",\"window\":%u,\"publishers\":%u,\"rate\":%" PRIu64,
           o->sse ? "sse" : "ws", ok ? "true" : "false", f->swarm.opened, o->payload_len, o->window,
           o->publishers, o->rate);
    printf(",\"connect_failed\":%u,\"closed\":%u,\"deliveries\":%" PRIu64 ",\"lost\":%" PRIu64
           ",\"duplicated\":%" PRIu64 ",\"corrupt\":%" PRIu64 ",\"disordered\":%" PRIu64
           ",\"late\":%" PRIu64,
           f->swarm.failed, f->swarm.closed, deliveries, ledger_lost(l), l->duplicated, l->corrupt,
           l->disordered, f->late);
    printf(",\"cpu_us_per_delivery\":%.4f,\"softirqd_us_per_delivery\":%.4f"
           ",\"deliveries_per_second\":%.0f,\"deliveries_per_read\":%.2f",
           (double)m->cpu_ns / 1e3 / count, (double)m->softirqd_ns / 1e3 / count,
           count * 1e9 / (double)(m->wall_ns ? m->wall_ns : 1),
           count / (double)(f->swarm.reads ? f->swarm.reads : 1));
    printf(",\"wire_bytes\":%zu", f->swarm.wire_len);
    printf(",\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
           (double)histogram_quantile(l->latency, 0.50) / 1e3,
           (double)histogram_quantile(l->latency, 0.99) / 1e3);
}

static int measure_all(struct fanout *f)
{
    const struct client_options *o = f->options;
    int err = run_until(f, o->warmup);
    if (err != 0)
        return err;
    const uint64_t before = f->ledger.deliveries;
    f->swarm.reads = 0;
    f->late = 0;
    f->ledger.recording = true;
    measure_begin(&f->measure, o);
    err = run_until(f, o->warmup + o->messages);
    measure_end(&f->measure);
    print_result(f, f->ledger.deliveries - before, err == 0 && ledger_is_clean(&f->ledger));
    return err;
}

int fanout_run(const struct client_options *o, struct loop *l)
{
    struct fanout f = {.options = o, .loop = l};
    f.interval_ns = o->rate ? UINT64_C(1000000000) * o->conns / o->rate : 0;
    f.swarm.user = &f;
    f.swarm.on_message = on_message;
    const struct publisher publisher = {
        .options = o, .loop = l, .on_answered = on_answered, .user = &f};

    int err = ledger_init(&f.ledger, o);
    if (err == 0)
        err = swarm_init(&f.swarm, o, l);
    if (err == 0)
        err = swarm_open(&f.swarm);
    if (err == 0)
        err = publishers_open(&publisher, &f.publishers);
    if (err == 0)
        err = loop_rest(l, o->settle_ms);
    if (err == 0)
        err = measure_all(&f);
    if (err != 0)
        fprintf(stderr, "client: fan-out: %s\n", strerror(-err));
    const bool clean = ledger_is_clean(&f.ledger);
    publishers_close(f.publishers, o->publishers);
    swarm_fini(&f.swarm);
    ledger_fini(&f.ledger);
    return err == 0 && clean ? 0 : 1;
}
