/* Publishers, and reactors that publish too, against one log with small rings (few messages, or few
 * bytes): every reactor sees every accepted message exactly once, in one order, each publisher's
 * own kept; and nobody sleeps through it. What tests/model searches in small, under TSan. It does
 * not look at topics or history.
 *
 * Two things make it find what is stranded. It runs in rounds: the next begins when every reactor
 * has seen all of the last, since later appends would carry along what an earlier one left behind.
 * And threads pause where windows are narrow: see below. */
#include "log/log_internal.h"
#include "log/sequencer.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* --- the log, with pauses --------------------------------------------------------------------- */

/* Xorshift. */
static uint32_t random_below(uint64_t *state, uint32_t bound)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 20) % bound;
}

/* Once in so many times a thread stops here, as if it were preempted. */
static void pause_here(uint32_t one_in)
{
    static _Thread_local uint64_t random;
    if (random == 0)
        random = (uintptr_t)&random;
    const uint32_t dice = random_below(&random, one_in);
    if (dice == 0)
        usleep(random_below(&random, 200));
    else if (dice < 3)
        sched_yield();
}

/* How often it came to what this is about; each at least once, or it was not tested. */
static struct {
    _Atomic uint64_t blocked, own_ring_full, behind_claim, held_long;
} met;

static _Thread_local const struct log_ring *own_ring; /* a reactor's */
static _Thread_local unsigned popped; /* by this thread since it asked for the role */

/* Relaxed: it must not order what is tested. */
static void count(_Atomic uint64_t *counter, bool it_happened)
{
    if (it_happened)
        atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Claimed, but not yet published. */
static bool claim_then_pause(_Atomic uint64_t *tail, uint64_t *position, uint64_t next,
                             memory_order order, memory_order order_failed)
{
    const bool claimed =
        atomic_compare_exchange_weak_explicit(tail, position, next, order, order_failed);
    if (claimed)
        pause_here(256);
    return claimed;
}

/* Full, but not yet said so: `blocked` is still to be set. */
static bool push_then_pause(struct log_ring *r, struct message *m)
{
    const bool pushed = log_ring_push(r, m);
    if (!pushed)
        pause_here(16);
    return pushed;
}

/* Looked, but not yet left, or not yet gone on. */
static bool look_then_pause(struct log_ring *r, const struct message *m)
{
    const bool has_room = log_ring_has_room(r, m);
    count(&met.blocked, !has_room);
    count(&met.own_ring_full, !has_room && r == own_ring);
    pause_here(64);
    return has_room;
}

static struct message *pop_then_pause(struct inbox *in)
{
    struct message *chain = inbox_pop(in);
    if (chain) {
        popped++;
        return chain;
    }
    count(&met.behind_claim, inbox_len(in) > 0);
    pause_here(64);
    return NULL;
}

/* Appended, or `blocked` taken down, but the role not yet asked for. */
static void pause_then_run(struct log *l, struct sequencer *s);

#pragma push_macro("atomic_compare_exchange_weak_explicit")
#undef atomic_compare_exchange_weak_explicit
#define atomic_compare_exchange_weak_explicit claim_then_pause
#include "base/mpsc_ring.c"
#pragma pop_macro("atomic_compare_exchange_weak_explicit")
#define log_ring_push     push_then_pause
#define log_ring_has_room look_then_pause
#include "log/deliver.c"
#undef log_ring_push
#undef log_ring_has_room
#define inbox_pop pop_then_pause
#include "log/sequencer.c"
#undef inbox_pop
#define sequencer_run pause_then_run
#include "log/memory.c"
#undef sequencer_run

static void pause_then_run(struct log *l, struct sequencer *s)
{
    pause_here(64);
    popped = 0;
    sequencer_run(l, s);
    count(&met.held_long, popped == LOG_HOLD_MAX);
}

/* --- what is run ------------------------------------------------------------------------------ */

enum { PUBLISHERS = 2, REACTORS = 3, SOURCES = PUBLISHERS + REACTORS, CHAIN_MAX = 3 };
enum { PAYLOAD_MAX = 1024 };

/* One way to be under pressure. */
struct profile {
    const char *name;
    uint32_t ring_capacity, inbox_capacity;
    uint64_t ring_bytes;
    uint32_t rounds, round_messages;   /* of each source */
    uint32_t consume_max, publish_max; /* of a reactor, per turn */
    uint32_t stall_one_in, stall_us_max;
};

/* lone: mostly asleep. tight: always blocked, by count; thin: by bytes, now and then by a message
 * that only an empty ring takes; both: by either. crowd: the inbox is often full. wide: holders
 * leave because they had their share. */
static const struct profile profiles[] = {
    {"lone", 64, 64, 0, 2000, 1, 8, 8, 0, 1},
    {"tight", 2, 16, 0, 2000, 4, 3, 8, 50, 100},
    {"thin", 64, 16, 1000, 2000, 4, 3, 8, 50, 100},
    {"both", 4, 16, 2000, 1000, 4, 3, 8, 50, 100},
    {"crowd", 4, 8, 0, 8, 300, 8, 8, 500, 300},
    {"wide", 2048, 16384, 0, 8, 2000, 6000, 700, 2, 4000},
};

/* What a message says of itself. */
struct mark {
    uint32_t source, index;
};

struct source {
    struct run *run;
    struct message *kept; /* refused, to be tried again */
    uint32_t kept_count;
    uint32_t number, sent;
    uint64_t random;
    pthread_t thread;
    _Atomic uint64_t refused;
};

struct reactor {
    struct source source; /* reactors publish too */
    unsigned index;
    int event_fd;
    uint64_t seen, oldest;
    uint32_t next_of[SOURCES];
    const struct message *must_follow; /* the rest of a chain */
    _Atomic uint64_t progress, sleeps, wakes;
};

struct run {
    const struct profile *profile;
    struct log *log;
    uint64_t total;
    _Atomic uint32_t allowed; /* messages of each source, up to the end of this round */
    _Atomic uint64_t *order;  /* [seq]: 1 + the mark, by whoever saw it first */
    struct source publishers[PUBLISHERS];
    struct reactor reactors[REACTORS];
    _Atomic unsigned running;
};

static _Noreturn void fail(const struct run *run, const char *what, uint64_t at)
{
    printf(" FAILED (%s): %s at %llu\n", run->profile->name, what, (unsigned long long)at);
    fflush(stdout);
    _exit(1);
}

/* --- publishing ------------------------------------------------------------------------------- */

/* Of many lengths; the mark is in front. */
static struct message *new_message(struct source *s, uint32_t index)
{
    const struct mark mark = {s->number, index};
    uint8_t payload[PAYLOAD_MAX] = {0};
    const uint32_t longer = random_below(&s->random, 8) ? 0 : PAYLOAD_MAX - sizeof(mark);
    memcpy(payload, &mark, sizeof(mark));
    struct message *m = message_new(&(struct message_options){
        .topic = BYTES_LITERAL("t"),
        .payload = {payload, sizeof(mark) + random_below(&s->random, longer + 1)},
        .kind = MESSAGE_BINARY,
    });
    if (!m)
        fail(s->run, "no memory", index);
    return m;
}

static struct message *new_chain(struct source *s, uint32_t count)
{
    struct message *chain = NULL;
    for (uint32_t i = count; i > 0; i--) {
        struct message *m = new_message(s, s->sent + i - 1);
        m->next_in_entry = chain;
        chain = m;
    }
    return chain;
}

/* How many messages are left of this round. */
static uint32_t left_to_send(const struct source *s)
{
    return atomic_load_explicit(&s->run->allowed, memory_order_acquire) - s->sent;
}

/* False: refused, and kept. */
static bool publish(struct source *s)
{
    if (!s->kept) {
        const uint32_t left = left_to_send(s);
        const uint32_t wish =
            random_below(&s->random, 4) ? 1 : 1 + random_below(&s->random, CHAIN_MAX);
        s->kept_count = wish < left ? wish : left;
        s->kept = new_chain(s, s->kept_count);
    }
    if (log_append(s->run->log, &s->kept) == -EAGAIN) {
        atomic_fetch_add_explicit(&s->refused, 1, memory_order_relaxed);
        return false;
    }
    s->sent += s->kept_count;
    return true;
}

static bool round_is_over(const struct run *run)
{
    const uint64_t all = (uint64_t)atomic_load(&run->allowed) * SOURCES;
    for (size_t i = 0; i < REACTORS; i++)
        if (atomic_load(&run->reactors[i].progress) < all)
            return false;
    return true;
}

static void begin_round(struct run *run)
{
    while (!round_is_over(run))
        sched_yield();
    atomic_fetch_add(&run->allowed, run->profile->round_messages);
}

/* The first publisher begins the rounds; the reactors learn of one by its first message. */
static void *run_publisher(void *arg)
{
    struct source *s = arg;
    const struct profile *p = s->run->profile;
    while (s->sent < p->rounds * p->round_messages) {
        if (left_to_send(s) == 0 && s->number == 0)
            begin_round(s->run);
        if (left_to_send(s) == 0 || !publish(s))
            sched_yield();
    }
    atomic_fetch_sub(&s->run->running, 1);
    return NULL;
}

/* --- a reactor -------------------------------------------------------------------------------- */

static void check_order(struct reactor *r, const struct message *m, struct mark mark)
{
    struct run *run = r->source.run;
    uint64_t first = 0;
    const uint64_t mine = 1 + ((uint64_t)mark.source << 32 | mark.index);
    if (m->seq != r->seen)
        fail(run, "a sequence lost or doubled", r->seen);
    if (m->seq > log_head(run->log))
        fail(run, "seen before log_head() told of it", r->seen);
    if (!atomic_compare_exchange_strong(&run->order[m->seq], &first, mine) && first != mine)
        fail(run, "two reactors disagree", r->seen);
    if (mark.source >= SOURCES || mark.index != r->next_of[mark.source]++)
        fail(run, "a publisher's order is broken", r->seen);
}

static void check(struct reactor *r, const struct message *m)
{
    struct mark mark;
    memcpy(&mark, message_payload(m).at, sizeof(mark));
    r->seen++;
    check_order(r, m, mark);
    if (m->oldest < r->oldest || m->oldest > m->seq)
        fail(r->source.run, "oldest went back", r->seen);
    if (r->must_follow && r->must_follow != m)
        fail(r->source.run, "a chain is torn", r->seen);
    r->oldest = m->oldest;
    r->must_follow = m->next_in_entry;
}

static ON_REACTOR void consume_some(struct reactor *r)
{
    struct run *run = r->source.run;
    for (uint32_t left = 1 + random_below(&r->source.random, run->profile->consume_max); left > 0;
         left--) {
        struct message *m = log_consume(run->log, r->index);
        if (!m)
            break;
        check(r, m);
        message_unref(&m);
    }
    atomic_store(&r->progress, r->seen);
}

static void maybe_stall(struct reactor *r)
{
    const struct profile *p = r->source.run->profile;
    if (p->stall_one_in && random_below(&r->source.random, p->stall_one_in) == 0)
        usleep(random_below(&r->source.random, p->stall_us_max));
}

static ON_REACTOR void sleep_unless_work(struct reactor *r)
{
    struct log *l = r->source.run->log;
    uint64_t count;
    log_sleep_begin(l, r->index);
    pause_here(64);
    if (!log_has_work(l, r->index)) {
        atomic_fetch_add_explicit(&r->sleeps, 1, memory_order_relaxed);
        if (read(r->event_fd, &count, sizeof(count)) != sizeof(count))
            fail(r->source.run, "eventfd", r->index);
    }
    log_sleep_end(l, r->index);
}

/* Publishes a few. False: it may sleep. One that is refused may: what filled the inbox comes to its
 * own ring later, and with that the wake-up. */
static bool publish_some(struct reactor *r)
{
    for (uint32_t count = random_below(&r->source.random, r->source.run->profile->publish_max);
         count > 0; count--)
        if (left_to_send(&r->source) == 0 || !publish(&r->source))
            return false;
    return left_to_send(&r->source) > 0;
}

static ENTERS_REACTOR void *run_reactor(void *arg)
{
    struct reactor *r = arg;
    struct run *run = r->source.run;
    own_ring = &run->log->reactors[r->index].ring;
    while (r->seen < run->total) {
        consume_some(r);
        const bool more = publish_some(r);
        maybe_stall(r);
        log_help(run->log, r->index);
        if (!more && r->seen < run->total)
            sleep_unless_work(r);
    }
    atomic_fetch_sub(&run->running, 1);
    return NULL;
}

/* --- the run ---------------------------------------------------------------------------------- */

static void wake(void *user, unsigned index)
{
    struct run *run = user;
    const uint64_t one = 1;
    pause_here(64);
    atomic_fetch_add_explicit(&run->reactors[index].wakes, 1, memory_order_relaxed);
    if (write(run->reactors[index].event_fd, &one, sizeof(one)) != sizeof(one))
        fail(run, "eventfd", index);
}

static void source_init(struct source *s, struct run *run, uint32_t number)
{
    *s =
        (struct source){.run = run, .number = number, .random = 0x9e3779b97f4a7c15u * (number + 1)};
}

static void run_init(struct run *run, const struct profile *p)
{
    run->profile = p;
    run->total = (uint64_t)p->rounds * p->round_messages * SOURCES;
    run->order = calloc(run->total + 1, sizeof(*run->order));
    run->running = SOURCES;
    const struct log_options o = {
        .reactor_count = REACTORS,
        .history_count = 1000,
        .history_bytes = 200000,
        .ring_capacity = p->ring_capacity,
        .ring_bytes = p->ring_bytes,
        .inbox_capacity = p->inbox_capacity,
        .wake = wake,
        .wake_user = run,
    };
    if (!run->order || log_new(&run->log, &o) != 0)
        fail(run, "no memory", 0);
    for (uint32_t i = 0; i < PUBLISHERS; i++)
        source_init(&run->publishers[i], run, i);
    for (uint32_t i = 0; i < REACTORS; i++) {
        struct reactor *r = &run->reactors[i];
        source_init(&r->source, run, PUBLISHERS + i);
        r->index = i;
        r->event_fd = eventfd(0, EFD_CLOEXEC);
    }
}

static void start(struct run *run)
{
    for (size_t i = 0; i < REACTORS; i++)
        if (pthread_create(&run->reactors[i].source.thread, NULL, run_reactor, &run->reactors[i]))
            fail(run, "pthread_create", i);
    for (size_t i = 0; i < PUBLISHERS; i++)
        if (pthread_create(&run->publishers[i].thread, NULL, run_publisher, &run->publishers[i]))
            fail(run, "pthread_create", i);
}

static uint64_t progress_of_all(const struct run *run)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < REACTORS; i++)
        sum += atomic_load(&run->reactors[i].progress);
    return sum;
}

/* The longest stall is milliseconds: seconds without progress are a lost wake-up or entry. */
static void watch(struct run *run)
{
    enum { TICK_US = 1000, PATIENCE_S = 3 };
    uint64_t before = 0;
    time_t deadline = time(NULL) + PATIENCE_S;
    while (atomic_load(&run->running) > 0) {
        usleep(TICK_US);
        const uint64_t now = progress_of_all(run);
        if (now != before)
            deadline = time(NULL) + PATIENCE_S;
        else if (time(NULL) > deadline)
            fail(run, "stranded", now);
        before = now;
    }
}

static void finish(struct run *run)
{
    uint64_t refused = 0, sleeps = 0, wakes = 0;
    for (size_t i = 0; i < PUBLISHERS; i++) {
        pthread_join(run->publishers[i].thread, NULL);
        refused += run->publishers[i].refused;
    }
    for (size_t i = 0; i < REACTORS; i++) {
        struct reactor *r = &run->reactors[i];
        pthread_join(r->source.thread, NULL);
        close(r->event_fd);
        refused += r->source.refused;
        sleeps += r->sleeps;
        wakes += r->wakes;
    }
    log_free(&run->log);
    free(run->order);
    printf(" %s %llu messages, %llu refused, %llu sleeps, %llu wakes;", run->profile->name,
           (unsigned long long)run->total, (unsigned long long)refused, (unsigned long long)sleeps,
           (unsigned long long)wakes);
}

/* False: a scenario never came about. */
static bool tell_what_was_met(void)
{
    const uint64_t blocked = atomic_load(&met.blocked), own = atomic_load(&met.own_ring_full);
    const uint64_t claims = atomic_load(&met.behind_claim), held = atomic_load(&met.held_long);
    printf(" %llu blocked, %llu by the own ring, %llu behind a claim, %llu held long;",
           (unsigned long long)blocked, (unsigned long long)own, (unsigned long long)claims,
           (unsigned long long)held);
    return blocked > 0 && own > 0 && claims > 0 && held > 0;
}

int main(void)
{
    printf("stress_log:");
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        static struct run run;
        run = (struct run){0};
        run_init(&run, &profiles[i]);
        start(&run);
        watch(&run);
        finish(&run);
    }
    const bool met_all = tell_what_was_met();
    printf(" %s\n", met_all ? "ok" : "FAILED: not all of it was tried");
    return met_all ? 0 : 1;
}
