/* fanout: one publisher, many subscribers, and books on who got what. Latency counts from the
 * moment when a message was due, not from when it could be sent: a server that stalls its publisher
 * does not look faster for it. */
#include "load/mode_fanout.h"

#include "base/alloc.h"
#include "base/clock.h"

enum { EVERY_DEFAULT_MS = 100, REST_DEFAULT_S = 1 };

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

struct fanout {
    struct run *run;
    uint64_t subscribers;
    struct span payload;
    uint64_t every_ns;
    uint64_t began_ns;
    uint64_t delivered, moved_ns; /* when something was delivered last */
    uint32_t published;           /* handed to the publisher */
    bool is_alone;                /* the last one: everybody had all before it */
    uint64_t cpu_ns;              /* the server's, when it was published */
};

void fanout_message(void *user, uint32_t slot, struct bytes message)
{
    struct run *r = user;
    struct payload payload;
    struct checker_place *place = &engine_peer(&r->engine, slot)->place;
    if (checker_take(&r->report.checker, place, message, &payload))
        latency_record(&r->latency, run_now_ns(r) - payload.sent_ns);
}

static uint64_t due_ns(const struct fanout *f)
{
    return f->every_ns > 0 ? f->began_ns + f->published * f->every_ns : 0;
}

static ON_REACTOR void publish_due(struct fanout *f)
{
    struct run *r = f->run;
    const uint64_t now_ns = clock_monotonic_ns();
    const bool is_free = !r->publisher.busy && r->publisher.state != PUBLISHER_BROKEN;
    if (!is_free || f->published == r->options->messages || now_ns < due_ns(f))
        return;
    const uint64_t sent_ns = f->every_ns > 0 ? due_ns(f) : now_ns;
    payload_encode(
        &(struct payload){.run = r->id, .seq = f->published, .sent_ns = sent_ns - r->zero_ns},
        f->payload);
    f->is_alone = r->options->pid && r->report.checker.delivered == r->report.expected;
    f->cpu_ns = f->is_alone ? run_server_cpu_ns(r) : 0;
    f->published++;
    publisher_send(&r->publisher, span_bytes(f->payload));
}

/* Until when there is nothing to do but to receive. */
static ON_REACTOR uint64_t next_ns(struct fanout *f)
{
    const uint64_t tick_ns = publisher_tick(&f->run->publisher);
    const bool waits = f->run->publisher.busy || f->published == f->run->options->messages;
    const uint64_t publish_ns = waits ? UINT64_MAX : due_ns(f);
    return publish_ns < tick_ns ? publish_ns : tick_ns;
}

/* Nothing more is to be published, and everything has come, or nothing has for long. */
static bool is_over(struct fanout *f)
{
    const struct run *r = f->run;
    const struct publisher *p = &r->publisher;
    const uint64_t delivered = r->report.checker.delivered;
    const bool all_sent = f->published == r->options->messages && !p->busy;
    const bool gave_up = r->report.interrupted || p->state == PUBLISHER_BROKEN;
    if (delivered != f->delivered || (p->busy && !gave_up)) {
        f->delivered = delivered;
        f->moved_ns = r->engine.now_ns;
    }
    if (gave_up)
        return r->engine.now_ns > f->moved_ns + NS_PER_S || delivered >= f->run->report.expected;
    if (!all_sent)
        return false;
    return delivered >= f->run->report.expected ||
           r->engine.now_ns > f->moved_ns + r->plan.timeout_ns;
}

static void note_cpu(struct fanout *f)
{
    struct run *r = f->run;
    if (!f->is_alone || r->publisher.busy || r->report.checker.delivered < r->report.expected)
        return;
    f->is_alone = false;
    report_sample(&r->report.message_cpu, run_server_cpu_ns(r) - f->cpu_ns);
}

static ON_REACTOR void talk(struct fanout *f)
{
    struct run *r = f->run;
    const uint64_t wanted = r->options->messages * f->subscribers;
    f->began_ns = f->moved_ns = clock_monotonic_ns();
    do {
        if (!r->report.interrupted)
            publish_due(f);
        run_turn(r, next_ns(f), "delivered", r->report.checker.delivered, wanted);
        r->report.published = r->publisher.accepted;
        r->report.expected = r->publisher.accepted * f->subscribers;
        note_cpu(f);
    } while (!is_over(f));
    r->report.talking_ns = f->moved_ns - f->began_ns;
}

bool fanout_publish(struct run *r, uint64_t subscribers)
{
    const struct options *o = r->options;
    struct fanout f = {.run = r, .subscribers = subscribers};
    f.every_ns = (o->every_ms == OPTION_ABSENT ? EVERY_DEFAULT_MS : o->every_ms) * NS_PER_MS;
    f.payload = (struct span){alloc_bytes(o->payload_len), o->payload_len};
    if (!f.payload.at)
        return false;
    run_work_begins(r);
    talk(&f);
    run_work_ends(r);
    run_linger(r);
    alloc_free(f.payload.at);
    return true;
}

/* Before the first message. */
static ON_REACTOR bool rest(struct run *r)
{
    const uint64_t hold_s = r->options->hold_s;
    return hold_s == OPTION_ABSENT ? run_rest(r, REST_DEFAULT_S, "resting, seconds")
                                   : run_hold(r, hold_s);
}

static ON_REACTOR void run_fanout(struct run *r)
{
    if (run_open(r) && r->swarm.open > 0 && rest(r) && fanout_publish(r, r->swarm.opened)) {
        if (r->options->drain && !r->report.interrupted)
            run_drain(r);
    }
    r->report.retried = r->publisher.retried;
    if (r->publisher.state == PUBLISHER_BROKEN)
        r->report.trouble = r->publisher.why;
}

const struct mode mode_fanout = {
    .mode = LOAD_FANOUT, .hooks = {.message = fanout_message}, .run = run_fanout};
