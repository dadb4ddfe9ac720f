/* echo: every connection sends a message, checks what comes back, and goes on: at once, or by a
 * schedule of its own that no slow answer moves. Messages of other connections are not looked at.
 */
#include "load/run.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "load/frames.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

struct echo {
    struct run *run;
    struct span payload;
    uint64_t every_ns; /* 0: when the last is answered */
    uint64_t began_ns;
    uint64_t cursor;              /* scheduled: sends that have been due so far, of everybody */
    uint64_t finished;            /* connections, of those that are there */
    uint64_t delivered, moved_ns; /* when something was delivered last */
};

/* The hooks know the run only, and there is one echo in it. */
static struct echo *echo_of(struct run *r)
{
    return r->mode_state;
}

/* When a connection's message of that round is due: evenly spread over the interval. */
static uint64_t due_ns(const struct echo *e, const struct peer *p)
{
    const uint64_t count = e->run->plan.count;
    return e->began_ns + p->round * e->every_ns + p->number * e->every_ns / count;
}

static ON_REACTOR void send_one(struct echo *e, uint32_t slot)
{
    struct run *r = e->run;
    struct peer *p = engine_peer(&r->engine, slot);
    const uint64_t sent_ns = e->every_ns > 0 ? due_ns(e, p) : clock_monotonic_ns();
    payload_encode(
        &(struct payload){
            .run = r->id, .sender = p->number, .seq = p->round, .sent_ns = sent_ns - r->zero_ns},
        e->payload);
    p->flags |= PEER_WAITING;
    r->report.published++;
    engine_send_frame(&r->engine, slot, WS_TEXT, span_bytes(e->payload));
}

/* Its answer is here: the next one, if it is due. */
static ON_REACTOR void go_on(struct echo *e, uint32_t slot)
{
    struct peer *p = engine_peer(&e->run->engine, slot);
    p->flags &= (uint8_t)~PEER_WAITING;
    p->round++;
    if (p->round == e->run->options->messages)
        e->finished++;
    else if (!e->run->report.interrupted &&
             (e->every_ns == 0 || due_ns(e, p) <= clock_monotonic_ns()))
        send_one(e, slot);
}

static ON_REACTOR void on_whole(struct run *r, uint32_t slot, const struct payload *payload)
{
    const struct peer *p = engine_peer(&r->engine, slot);
    struct checker *c = &r->report.checker;
    const bool is_awaited = p->flags & PEER_WAITING && payload->seq == p->round;
    if (payload->sender != p->number) {
        c->foreign++;
    } else if (is_awaited) {
        c->delivered++;
        latency_record(&r->latency, run_now_ns(r) - payload->sent_ns);
        go_on(echo_of(r), slot);
    } else {
        c->duplicated++; /* one is under way at a time: it was answered already */
    }
}

/* Who had finished does not stand for another one that has not. */
static ON_REACTOR void on_dropped(void *user, uint32_t slot)
{
    struct run *r = user;
    const bool had_finished = engine_peer(&r->engine, slot)->round == r->options->messages;
    if (r->mode_state && had_finished)
        echo_of(r)->finished--;
}

static ON_REACTOR void on_message(void *user, uint32_t slot, struct bytes message)
{
    struct run *r = user;
    struct payload payload;
    if (!r->mode_state)
        return; /* the books are closed: it came while connections are ended */
    switch (payload_check(message, r->id, r->options->payload_len, &payload)) {
    case PAYLOAD_WHOLE:
        on_whole(r, slot, &payload);
        return;
    case PAYLOAD_CORRUPT:
        r->report.checker.corrupt++;
        return;
    case PAYLOAD_FOREIGN:
        r->report.checker.foreign++;
        return;
    }
}

/* Sends for the connection with that number, if it is there and its last answer too. */
static ON_REACTOR void send_for(struct echo *e, uint32_t number)
{
    struct run *r = e->run;
    const uint32_t slot = r->swarm.slots[number];
    if (slot == SWARM_NO_SLOT)
        return;
    const struct peer *p = engine_peer(&r->engine, slot);
    if (!(p->flags & PEER_WAITING) && p->round < r->options->messages)
        send_one(e, slot);
}

/* Scheduled: walks over all connections in their order, as far as time has come. Returns when the
 * next one is due. */
static ON_REACTOR uint64_t send_due(struct echo *e)
{
    const uint64_t count = e->run->plan.count, now_ns = clock_monotonic_ns();
    const uint64_t all = count * e->run->options->messages;
    while (e->cursor < all) {
        const uint64_t round = e->cursor / count, number = e->cursor % count;
        const uint64_t due = e->began_ns + round * e->every_ns + number * e->every_ns / count;
        if (due > now_ns)
            return due;
        send_for(e, (uint32_t)number);
        e->cursor++;
    }
    return UINT64_MAX;
}

static bool is_over(struct echo *e)
{
    const struct run *r = e->run;
    const uint64_t delivered = r->report.checker.delivered;
    const bool nothing_due = e->every_ns == 0 || e->cursor == r->plan.count * r->options->messages;
    if (delivered != e->delivered || (!nothing_due && !r->report.interrupted)) {
        e->delivered = delivered;
        e->moved_ns = r->engine.now_ns;
    }
    /* Whoever was dropped gets no more; its messages under way are lost. */
    if (e->finished >= r->swarm.open)
        return true;
    if (r->report.interrupted && delivered == r->report.published)
        return true;
    const uint64_t patience_ns = r->report.interrupted ? NS_PER_S : r->plan.timeout_ns;
    return r->engine.now_ns > e->moved_ns + patience_ns;
}

static ON_REACTOR void talk(struct echo *e)
{
    struct run *r = e->run;
    const uint64_t wanted = r->options->messages * r->swarm.open;
    e->began_ns = e->moved_ns = clock_monotonic_ns();
    if (e->every_ns == 0)
        for (uint32_t number = 0; number < r->plan.count; number++)
            send_for(e, number);
    do {
        const bool scheduled = e->every_ns > 0 && !r->report.interrupted;
        const uint64_t until_ns = scheduled ? send_due(e) : UINT64_MAX;
        run_turn(r, until_ns, "echoed", r->report.checker.delivered, wanted);
        r->report.expected = r->report.published;
    } while (!is_over(e));
    r->report.talking_ns = e->moved_ns - e->began_ns;
}

static ON_REACTOR void run_echo(struct run *r)
{
    const struct options *o = r->options;
    struct echo e = {.run = r};
    r->mode_state = &e;
    e.every_ns = o->every_ms == OPTION_ABSENT ? 0 : o->every_ms * NS_PER_MS;
    e.payload = (struct span){alloc_bytes(o->payload_len), o->payload_len};
    if (run_open(r) && r->swarm.open > 0 && e.payload.at &&
        run_rest(r, o->hold_s == OPTION_ABSENT ? 0 : o->hold_s, "resting, seconds")) {
        run_work_begins(r);
        talk(&e);
        run_work_ends(r);
        run_linger(r);
    }
    alloc_free(e.payload.at);
    r->mode_state = NULL;
}

const struct mode mode_echo = {
    .mode = LOAD_ECHO, .hooks = {.message = on_message, .dropped = on_dropped}, .run = run_echo};
