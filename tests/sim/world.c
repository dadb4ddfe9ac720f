/* Set-up, the phases of a run, and the promises that need a view of everything. Who goes on next is
 * in schedule.c. */
#include "sim/world.h"

#include "base/alloc.h"
#include "sim/draining.h"
#include "sim/failure.h"
#include "sim/heap.h"
#include "sim/peers.h"
#include "sim/promises.h"
#include "sim/schedule.h"

#include <stdio.h>
#include <string.h>

enum {
    RUN_STEPS_MAX = 6000,
    SETTLE_STEPS_MAX = 100000,
    DRAIN_STEPS_MAX = 400000, /* small windows, large messages, and a laggard all the way */
};
#define SECOND_NS UINT64_C(1000000000)
#define RUN_NS    (20 * SECOND_NS)
#define SETTLE_NS (300 * SECOND_NS)

/* What a listener tells the kernel (io/listener.h). */
#define USER_TIMEOUT_NS(heartbeat_ms) ((heartbeat_ms)*UINT64_C(900000) - 400000000)
#define KEEPALIVE_NS(heartbeat_ms)    ((heartbeat_ms)*UINT64_C(2000000))

/* --- set-up ----------------------------------------------------------------------------------- */

static void wake(void *user, unsigned reactor)
{
    struct world *w = user;
    io_wake(w->reactors[reactor].io);
}

static bool start_broker(struct world *w)
{
    struct scenario *s = &w->scenario;
    w->broker = alloc_reserve(sizeof(*w->broker));
    w->reactors = alloc_reserve(s->reactor_count * sizeof(*w->reactors));
    if (!w->broker || !w->reactors)
        return false;
    w->broker->settings = s->settings;
    w->broker->reactors = w->reactors;
    w->broker->reactor_count = s->reactor_count;
    w->broker->version = "simulated";
    w->broker->io_name = "simulated";
    s->log.wake = wake;
    s->log.wake_user = w;
    if (log_new(&w->broker->log, &s->log) != 0)
        return false;
    truth_set_epoch(&w->truth, log_epoch(w->broker->log));
    truth_set_history(&w->truth, s->settings.history_count, s->settings.history_bytes);
    truth_set_inbox(&w->truth, s->log.inbox_capacity);
    return true;
}

static bool start_reactor(struct world *w, unsigned index)
{
    static const int no_descriptor = -1;
    struct reactor *r = &w->reactors[index];
    struct io *io = kernel_io_new(&w->kernel, w->scenario.slot_count);
    return reactor_init(r, w->broker, index, &io, w->scenario.slot_count) == 0 &&
           reactor_listen(r, &no_descriptor, 1) == 0;
}

static bool start_server(struct world *w)
{
    if (!start_broker(w))
        return false;
    for (unsigned i = 0; i < w->scenario.reactor_count; i++)
        if (!start_reactor(w, i))
            return false;
    return true;
}

static void stop_server(struct world *w)
{
    for (unsigned i = 0; w->reactors && i < w->scenario.reactor_count; i++)
        reactor_fini(&w->reactors[i]);
    if (w->broker && w->broker->log)
        log_free(&w->broker->log);
    alloc_release(w->reactors, w->scenario.reactor_count * sizeof(*w->reactors));
    alloc_release(w->broker, sizeof(*w->broker));
}

static void add(struct world *w, struct peer *(*make)(struct world *, unsigned), unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        w->peers[w->peer_count++] = make(w, i);
}

static void add_peers(struct world *w)
{
    const struct scenario *s = &w->scenario;
    add(w, subscriber_new, s->subscriber_count);
    add(w, publisher_new, s->publisher_count);
    add(w, ws_publisher_new, s->ws_publisher_count);
    add(w, bystander_new, s->has_bystander);
    add(w, nuisance_new, s->nuisance_count);
    add(w, silent_new, s->silent_count);
}

static void describe(const void *scenario)
{
    scenario_print(scenario);
}

/* Threads and the server's start lose nothing by it. */
static void note_refusal(void *user)
{
    struct world *w = user;
    for (unsigned i = 0; i < w->scenario.reactor_count; i++)
        if (w->fibers[i] && w->fibers[i] == fiber_current())
            w->refused_seq[i] = w->reactors[i].subscriptions.history.next_seq;
}

/* allocation: which one is going to fail; 0: none by number. */
static void begin(struct world *w, uint64_t seed, uint64_t allocation)
{
    memset(w, 0, sizeof(*w));
    w->seed = seed;
    w->random = random_from(seed);
    failure_begin(seed, allocation, &w->kernel.now_ns);
    heap_begin();
    heap_tell_refusals(note_refusal, w);
    kernel_init(&w->kernel, &w->random);
    truth_init(&w->truth, &w->kernel.now_ns);
    scenario_draw(&w->scenario, &w->random);
    failure_describe_by(describe, &w->scenario);
    w->truth.payload_max = w->scenario.settings.message_bytes_max;
    heap_take_time(&w->kernel.now_ns, w->scenario.allocation_ns);
    w->kernel.user_timeout_ns = USER_TIMEOUT_NS(w->scenario.settings.heartbeat_ms);
    w->kernel.keepalive_ns = KEEPALIVE_NS(w->scenario.settings.heartbeat_ms);
}

static void begin_faults(struct world *w)
{
    w->kernel.faults = w->scenario.faults;
    heap_fail_once_in(&w->random, w->scenario.allocation_fails);
    w->laggard_lags = true;
}

static void end_faults(struct world *w)
{
    w->kernel.faults = (struct kernel_faults){0};
    heap_fail_once_in(&w->random, 0);
    w->laggard_lags = false;
    w->settled_ns = w->kernel.now_ns;
    w->broker->settings.conn_count_max = KERNEL_SLOTS_MAX * KERNEL_REACTORS_MAX;
    w->broker->settings.stream_max_ms = 0;
}

/* --- phases ----------------------------------------------------------------------------------- */

static void set_goal(struct world *w, enum peer_goal goal)
{
    for (unsigned i = 0; i < w->peer_count; i++) {
        w->peers[i]->goal = goal;
        w->peers[i]->next_ns = w->kernel.now_ns;
    }
}

static bool all_published(const struct world *w)
{
    for (unsigned i = 0; i < w->scenario.thread_count; i++)
        if (w->threads[i].next_ns != UINT64_MAX)
            return false;
    for (unsigned i = 0; i < w->peer_count; i++)
        if (w->peers[i]->goal == PEER_LIVE && w->peers[i]->publishes &&
            !w->peers[i]->kind->is_at_rest(w->peers[i]))
            return false;
    return true;
}

static const struct peer *not_at_rest(const struct world *w)
{
    for (unsigned i = 0; i < w->peer_count; i++)
        if (!w->peers[i]->kind->is_at_rest(w->peers[i]))
            return w->peers[i];
    return NULL;
}

static void live(struct world *w)
{
    const uint64_t end_ns = w->kernel.now_ns + RUN_NS;
    begin_faults(w);
    for (int i = 0; i < RUN_STEPS_MAX && w->kernel.now_ns < end_ns && !all_published(w); i++) {
        schedule_step(w);
        promises_limits(w);
        promises_retention(w);
    }
}

static bool pullers_are_at_rest(const struct world *w)
{
    for (unsigned i = 0; i < w->scenario.puller_count; i++)
        if (!puller_is_at_rest(&w->pullers[i]))
            return false;
    return true;
}

static bool is_settled(const struct world *w)
{
    return schedule_threads_are_over(w) && truth_is_complete(&w->truth) && !not_at_rest(w) &&
           pullers_are_at_rest(w);
}

/* Nothing goes wrong any more: everybody gets all there is. */
static void settle(struct world *w)
{
    const uint64_t end_ns = w->kernel.now_ns + SETTLE_NS;
    trace("everything settles");
    end_faults(w);
    set_goal(w, PEER_SETTLE);
    for (int i = 0; !is_settled(w); i++) {
        if (i == SETTLE_STEPS_MAX || w->kernel.now_ns > end_ns) {
            truth_judge(&w->truth);
            sim_fail("rest", "%s has not come to rest",
                     not_at_rest(w) ? not_at_rest(w)->name : "a thread or puller");
        }
        schedule_step(w);
        promises_retention(w);
    }
}

/* Descriptors, and what the reactors take for connections: they hear of a close a little later. */
static unsigned open_count(const struct world *w)
{
    unsigned count = kernel_held_count(&w->kernel);
    for (unsigned i = 0; i < w->scenario.reactor_count; i++)
        count += w->reactors[i].open_count;
    return count;
}

/* Until their reactors have heard that they left. */
static bool pullers_subscribe(const struct world *w)
{
    for (unsigned i = 0; i < w->scenario.puller_count; i++)
        if (w->pullers[i].local)
            return true;
    for (unsigned i = 0; i < w->scenario.reactor_count; i++)
        if (!list_is_empty(&w->reactors[i].locals.known))
            return true;
    return false;
}

/* Who is not there any more leaves nothing behind. */
static void leave(struct world *w)
{
    const uint64_t end_ns = w->kernel.now_ns + SETTLE_NS;
    trace("everybody leaves");
    set_goal(w, PEER_LEAVE);
    for (unsigned i = 0; i < w->scenario.puller_count; i++) {
        w->pullers[i].leaves = true;
        w->pullers[i].next_ns = w->kernel.now_ns;
    }
    for (int i = 0; open_count(w) > 0 || pullers_subscribe(w); i++) {
        if (i == SETTLE_STEPS_MAX || w->kernel.now_ns > end_ns)
            sim_fail("let go", "%u connections are open although everybody left", open_count(w));
        schedule_step(w);
    }
    promises_let_go(w);
}

static bool everything_is_over(const struct world *w)
{
    return schedule_reactors_are_over(w) && schedule_threads_are_over(w) &&
           schedule_pullers_are_over(w);
}

static void drain(struct world *w)
{
    struct draining d;
    const uint64_t began_ns = w->kernel.now_ns;
    const uint64_t end_ns =
        began_ns + w->scenario.settings.drain_ms * UINT64_C(1000000) + 10 * SECOND_NS;
    trace("the server drains");
    w->draining = true;
    if (w->peer_count > 0 && w->peers[0]->goal != PEER_LEAVE)
        set_goal(w, PEER_WATCH);
    draining_begin(&d, w);
    atomic_store(&w->broker->drain_ns, began_ns);
    for (unsigned i = 0; i < w->scenario.reactor_count; i++)
        io_wake(w->reactors[i].io);
    for (int i = 0; !everything_is_over(w); i++) {
        if (i == DRAIN_STEPS_MAX || w->kernel.now_ns > end_ns)
            sim_fail("drain", "the drain does not end");
        schedule_step(w);
    }
    draining_judge(&d, w);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void end(struct world *w)
{
    for (unsigned i = 0; i < w->peer_count; i++)
        w->peers[i]->kind->fini(w->peers[i]);
    schedule_fini(w);
    stop_server(w);
    SIM_CHECK("let go", kernel_held_count(&w->kernel) == 0, "%u descriptors are left",
              kernel_held_count(&w->kernel));
    heap_judge();
    truth_fini(&w->truth);
    kernel_fini(&w->kernel);
}

static void run(struct world *w)
{
    schedule_init(w);
    add_peers(w);
    live(w);
    if (!w->scenario.drains_early) {
        settle(w);
        truth_judge(&w->truth);
        promises_latency(w);
        if (random_one_in(&w->random, 2))
            leave(w);
    }
    drain(w);
    end(w);
}

static struct world world; /* too large for a stack */

void world_run(uint64_t seed)
{
    begin(&world, seed, 0);
    if (!start_server(&world))
        sim_fail("start", "the server did not start");
    run(&world);
}

bool world_run_failing(uint64_t seed, uint64_t k)
{
    begin(&world, seed, k);
    scenario_shorten(&world.scenario);
    trace("allocation %lu fails", (unsigned long)k);
    heap_fail_at(k);
    if (start_server(&world))
        run(&world);
    else
        end(&world); /* refused to start: fine, but nothing may be left */
    return heap_has_failed();
}

/* --- for the peers ---------------------------------------------------------------------------- */

uint64_t world_consumed(const struct world *w, const struct socket *s)
{
    return w->reactors[s->reactor].subscriptions.history.next_seq - 1;
}

uint64_t world_first_retained(const struct world *w, const struct socket *s)
{
    const uint64_t first_seq = w->reactors[s->reactor].subscriptions.history.first_seq;
    const uint64_t refused_seq = world_refused_seq(w, s);
    return first_seq > refused_seq ? first_seq : refused_seq + 1;
}

uint64_t world_refused_seq(const struct world *w, const struct socket *s)
{
    return w->refused_seq[s->reactor];
}

bool world_may_refuse(const struct world *w)
{
    return w->scenario.is_full || w->scenario.allocation_fails > 0 || w->draining;
}
