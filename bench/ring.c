/* What the way from log_append() through every reactor's ring to log_consume() costs while
 * everybody is awake: CPU time per message and reactor. One thread plays publisher and reactors in
 * turn. Not here: allocation of messages, waking, topics, sending, and what threads cost each
 * other. */
#include "log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A batch is what a busy turn finds; the pool is small enough to stay in the cache, as messages are
 * that were just received. The clock is read once a pool: it is a system call. */
enum { BATCH = 64, POOL = 1024, POOLS_A_RUN = 256, RUNS = 15, REACTORS_MAX = 4 };
static const double goal_us = 0.1;

struct rig {
    struct log *log;
    unsigned reactor_count;
    struct message *pool[POOL];
};

static uint64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "ring: %s\n", what);
    exit(2);
}

static void wake(void *user, unsigned reactor)
{
    (void)user;
    (void)reactor;
    fail("somebody was asleep");
}

/* --- one batch -------------------------------------------------------------------------------- */

static void publish(struct rig *r, size_t first)
{
    for (size_t i = first; i < first + BATCH; i++) {
        struct message *m = r->pool[i];
        if (log_append(r->log, &m) != 0)
            fail("refused");
    }
}

/* What the reactor gets is kept, as by a history: see recycle(). */
static ENTERS_REACTOR void consume(struct rig *r, unsigned reactor, size_t first)
{
    for (size_t i = first; i < first + BATCH; i++)
        if (log_consume(r->log, reactor) != r->pool[i])
            fail("not the message that was due");
    if (log_consume(r->log, reactor))
        fail("one message too many");
    log_help(r->log, reactor);
}

static void pass_pool(struct rig *r)
{
    for (size_t first = 0; first < POOL; first += BATCH) {
        publish(r, first);
        for (unsigned reactor = 0; reactor < r->reactor_count; reactor++)
            consume(r, reactor, first);
    }
}

/* Makes the messages as new: one reference, never appended. Not measured. */
static void recycle(struct rig *r)
{
    for (size_t i = 0; i < POOL; i++) {
        for (unsigned extra = r->reactor_count - 1; extra > 0; extra--) {
            struct message *again = r->pool[i];
            message_unref(&again);
        }
        r->pool[i]->appended_ns = 0;
    }
}

/* Returns CPU us per message and reactor. */
static double run(struct rig *r)
{
    uint64_t spent_ns = 0;
    for (size_t pass = 0; pass < POOLS_A_RUN; pass++) {
        const uint64_t begin_ns = cpu_ns();
        pass_pool(r);
        spent_ns += cpu_ns() - begin_ns;
        recycle(r);
    }
    return (double)spent_ns / 1000 / POOL / POOLS_A_RUN / r->reactor_count;
}

/* --- all of them ------------------------------------------------------------------------------ */

static void rig_init(struct rig *r, unsigned reactor_count)
{
    static const uint8_t payload[512];
    const struct log_options o = {.reactor_count = reactor_count,
                                  .history_count = 65536,
                                  .history_bytes = 64u << 20,
                                  .wake = wake};
    *r = (struct rig){.reactor_count = reactor_count};
    if (log_new(&r->log, &o) != 0)
        fail("no memory");
    for (size_t i = 0; i < POOL; i++) {
        r->pool[i] = message_new(&(struct message_options){.topic = BYTES_LITERAL("bench"),
                                                           .payload = {payload, sizeof(payload)},
                                                           .kind = MESSAGE_BINARY,
                                                           .origin = {.reactor = ORIGIN_NONE}});
        if (!r->pool[i])
            fail("no memory");
    }
}

static void rig_fini(struct rig *r)
{
    log_free(&r->log);
    for (size_t i = 0; i < POOL; i++)
        message_unref(&r->pool[i]);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* False: the goal is missed. */
static bool measure(unsigned reactor_count)
{
    struct rig r;
    double us[RUNS];
    rig_init(&r, reactor_count);
    (void)run(&r); /* warms up */
    for (size_t i = 0; i < RUNS; i++)
        us[i] = run(&r);
    rig_fini(&r);
    qsort(us, RUNS, sizeof(us[0]), by_value);
    const double median_us = us[RUNS / 2];
    printf(
        "ring: %u reactor%s: %.4f us per message and reactor (quartiles %.4f-%.4f, %d runs of %d "
        "messages; goal %.1f)%s\n",
        reactor_count, reactor_count == 1 ? " " : "s", median_us, us[RUNS / 4],
        us[RUNS - 1 - RUNS / 4], RUNS, POOL * POOLS_A_RUN, goal_us,
        median_us <= goal_us ? "" : " MISSED");
    return median_us <= goal_us;
}

int main(void)
{
    bool held = true;
    for (unsigned reactor_count = 1; reactor_count <= REACTORS_MAX; reactor_count *= 2)
        held = measure(reactor_count) && held;
    return held ? 0 : 1;
}
