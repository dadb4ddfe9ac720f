/* Fibers and peers, picked by chance. */
#include "sim/schedule.h"

#include "sim/failure.h"
#include "sim/points.h"
#include "sim/world.h"

enum {
    STEP_NS = 1000,
    TURN_MAX_MS = 60,
    LAG = 12,    /* a laggard goes on once in so many times that it could */
    STALL = 100, /* once in so many interruptions somebody loses its processor for long */
    POINTS_MAX = 150,
    POINTS_FEW = 6, /* now and then one step of a few after the other, among those of the others */
    CANDIDATES_MAX = KERNEL_REACTORS_MAX + THREADS_MAX + PULLERS_MAX + PEERS_MAX,
};

enum actor { ACTOR_REACTOR, ACTOR_THREAD, ACTOR_PULLER, ACTOR_PEER };

struct candidate {
    enum actor actor;
    unsigned index;
};

struct candidates {
    struct candidate at[CANDIDATES_MAX];
    unsigned count;
};

/* --- points ----------------------------------------------------------------------------------- */

unsigned sim_points_left = UINT32_MAX;

void sim_point_reached(void)
{
    sim_points_left = UINT32_MAX;
    if (fiber_current())
        fiber_yield();
}

/* --- fibers ----------------------------------------------------------------------------------- */

/* Receiving, consuming and flushing have a slice of 8 ms each, and may begin one thing more at its
 * end. What it lost to others by looking at the clock is not its own. */
static void check_turn(const struct reactor_run *run)
{
    const struct world *w = run->world;
    const uint64_t ms = (run->ran_ns + w->kernel.now_ns - run->resumed_ns) / 1000000;
    SIM_CHECK("latency", w->scenario.faults.preempted > 0 || ms <= TURN_MAX_MS,
              "a turn of reactor %u takes %lu ms", run->index, (unsigned long)ms);
}

static ENTERS_REACTOR void run_reactor(void *user)
{
    struct reactor_run *run = user;
    struct world *w = run->world;
    while (reactor_turn(&w->reactors[run->index])) {
        check_turn(run);
        run->ran_ns = 0;
        run->resumed_ns = w->kernel.now_ns;
    }
    locals_fini(&w->reactors[run->index]); /* while pullers still pull, as when a server ends */
}

void schedule_init(struct world *w)
{
    for (unsigned i = 0; i < w->scenario.reactor_count; i++) {
        w->runs[i] = (struct reactor_run){.world = w, .index = i};
        w->fibers[i] = fiber_new(run_reactor, &w->runs[i]);
    }
    for (unsigned i = 0; i < w->scenario.thread_count; i++)
        thread_init(&w->threads[i], w);
    for (unsigned i = 0; i < w->scenario.puller_count; i++)
        puller_init(&w->pullers[i], w, i);
}

void schedule_fini(struct world *w)
{
    for (unsigned i = 0; i < w->scenario.reactor_count; i++)
        fiber_free(&w->fibers[i]);
    for (unsigned i = 0; i < w->scenario.thread_count; i++)
        thread_fini(&w->threads[i]);
    for (unsigned i = 0; i < w->scenario.puller_count; i++)
        puller_fini(&w->pullers[i]);
}

bool schedule_reactors_are_over(const struct world *w)
{
    for (unsigned i = 0; i < w->scenario.reactor_count; i++)
        if (!fiber_has_returned(w->fibers[i]))
            return false;
    return true;
}

bool schedule_threads_are_over(const struct world *w)
{
    for (unsigned i = 0; i < w->scenario.thread_count; i++)
        if (!fiber_has_returned(w->threads[i].fiber))
            return false;
    return true;
}

bool schedule_pullers_are_over(const struct world *w)
{
    for (unsigned i = 0; i < w->scenario.puller_count; i++)
        if (!fiber_has_returned(w->pullers[i].fiber))
            return false;
    return true;
}

/* --- when ------------------------------------------------------------------------------------- */

static bool somebody_stalls(const struct world *w)
{
    return w->all_run_ns > w->kernel.now_ns;
}

/* When it can go on; UINT64_MAX: never by itself. */
static uint64_t reactor_next_ns(const struct world *w, unsigned index)
{
    if (fiber_has_returned(w->fibers[index]))
        return UINT64_MAX;
    const uint64_t ns = kernel_is_asleep(&w->kernel, index) ? kernel_next_ns(&w->kernel, index) : 0;
    return ns < w->stalled_until_ns[index] ? w->stalled_until_ns[index] : ns;
}

static uint64_t thread_next_ns(const struct world *w, unsigned index)
{
    const struct thread *t = &w->threads[index];
    return fiber_has_returned(t->fiber) ? UINT64_MAX : t->next_ns;
}

static uint64_t puller_next_ns(const struct world *w, unsigned index)
{
    const struct puller *p = &w->pullers[index];
    return fiber_has_returned(p->fiber) ? UINT64_MAX : p->next_ns;
}

static uint64_t next_ns(const struct world *w, struct candidate c)
{
    switch (c.actor) {
    case ACTOR_REACTOR:
        return reactor_next_ns(w, c.index);
    case ACTOR_THREAD:
        return thread_next_ns(w, c.index);
    case ACTOR_PULLER:
        return puller_next_ns(w, c.index);
    case ACTOR_PEER:
        return w->peers[c.index]->next_ns;
    }
    UNREACHABLE("actor");
}

static void add(const struct world *w, struct candidates *found, enum actor actor, unsigned count,
                uint64_t *earliest_ns)
{
    for (unsigned i = 0; i < count; i++) {
        const struct candidate c = {actor, i};
        const uint64_t ns = next_ns(w, c);
        if (ns <= w->kernel.now_ns)
            found->at[found->count++] = c;
        *earliest_ns = ns < *earliest_ns ? ns : *earliest_ns;
    }
}

/* Returns when the first one can go on. */
static uint64_t find(const struct world *w, struct candidates *found)
{
    uint64_t earliest_ns = UINT64_MAX;
    found->count = 0;
    add(w, found, ACTOR_REACTOR, w->scenario.reactor_count, &earliest_ns);
    add(w, found, ACTOR_THREAD, w->scenario.thread_count, &earliest_ns);
    add(w, found, ACTOR_PULLER, w->scenario.puller_count, &earliest_ns);
    add(w, found, ACTOR_PEER, w->peer_count, &earliest_ns);
    return earliest_ns;
}

/* --- nobody has anything to do ---------------------------------------------------------------- */

/* What its connections were not offered, and could take: else it would only come by with the next
 * message, or ping. */
static ENTERS_REACTOR void check_offered(const struct world *w, unsigned index)
{
    const struct reactor *r = &w->reactors[index];
    for (uint32_t slot = 0; slot < r->slot_high; slot++) {
        const struct conn *c = &r->conns[slot];
        SIM_CHECK("wake-up",
                  !conn_is_behind(c) || c->phase == CONN_CLOSED || conn_has(c, CONN_POLLING_OUT),
                  "reactor %u sleeps although slot %u was not offered %lu", index, slot,
                  (unsigned long)c->set->last_seq);
    }
}

/* Whoever stalls may have stopped in the middle of waking the others. */
static ENTERS_REACTOR void check_sleepers(const struct world *w)
{
    if (somebody_stalls(w))
        return;
    for (unsigned i = 0; i < w->scenario.reactor_count; i++) {
        if (fiber_has_returned(w->fibers[i]))
            continue;
        SIM_CHECK("wake-up", !log_has_work(w->broker->log, i),
                  "reactor %u sleeps although the log has something for it", i);
        SIM_CHECK("wake-up", !mail_waits(&w->reactors[i]),
                  "reactor %u sleeps although there is mail for it", i);
        check_offered(w, i);
    }
}

static void let_time_pass(struct world *w, uint64_t until_ns)
{
    check_sleepers(w);
    SIM_CHECK("progress", until_ns != UINT64_MAX, "everybody waits for ever");
    w->kernel.now_ns = until_ns;
}

/* --- a step ----------------------------------------------------------------------------------- */

/* In the middle of whatever it did, perhaps of the sequencer's role. */
static void stall(struct world *w, struct candidate c)
{
    const uint64_t until_ns =
        w->kernel.now_ns + UINT64_C(1000) * random_between(&w->random, 1, w->scenario.stall_us);
    static const char *const names[] = {"reactor", "thread", "puller"};
    uint64_t *const next_ns[] = {&w->stalled_until_ns[c.index], &w->threads[c.index].next_ns,
                                 &w->pullers[c.index].next_ns};
    trace("%s %u stalls", names[c.actor], c.index);
    *next_ns[c.actor] = until_ns;
    if (until_ns > w->all_run_ns)
        w->all_run_ns = until_ns;
}

static void resume(struct world *w, struct fiber *f, struct candidate c)
{
    const bool preempt = w->scenario.preempt > 0 && random_one_in(&w->random, w->scenario.preempt);
    const uint32_t points_max = random_one_in(&w->random, 2) ? POINTS_MAX : POINTS_FEW;
    sim_points_left = preempt ? random_between(&w->random, 1, points_max) : UINT32_MAX;
    fiber_resume(f);
    const bool was_interrupted = preempt && sim_points_left > POINTS_MAX;
    sim_points_left = UINT32_MAX;
    if (was_interrupted && w->laggard_lags && w->scenario.stall_us > 0 &&
        random_one_in(&w->random, STALL))
        stall(w, c);
}

static bool lags(struct world *w, struct candidate c)
{
    return w->laggard_lags && c.actor == ACTOR_REACTOR && (int)c.index == w->scenario.laggard &&
           !random_one_in(&w->random, LAG);
}

static void go_on(struct world *w, struct candidate c)
{
    switch (c.actor) {
    case ACTOR_REACTOR:
        w->runs[c.index].resumed_ns = w->kernel.now_ns;
        resume(w, w->fibers[c.index], c);
        w->runs[c.index].ran_ns += w->kernel.now_ns - w->runs[c.index].resumed_ns;
        return;
    case ACTOR_THREAD:
        resume(w, w->threads[c.index].fiber, c);
        return;
    case ACTOR_PULLER:
        resume(w, w->pullers[c.index].fiber, c);
        return;
    case ACTOR_PEER:
        w->peers[c.index]->kind->act(w->peers[c.index]);
        return;
    }
    UNREACHABLE("actor");
}

void schedule_step(struct world *w)
{
    struct candidates found;
    w->step_count++;
    kernel_spend(&w->kernel, STEP_NS);
    const uint64_t earliest_ns = find(w, &found);
    if (found.count == 0) {
        let_time_pass(w, earliest_ns);
        return;
    }
    const struct candidate c = found.at[random_below(&w->random, found.count)];
    if (!lags(w, c))
        go_on(w, c);
}
