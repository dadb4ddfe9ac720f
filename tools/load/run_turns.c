/* The turns that all modes take: opening, resting, holding, ending the server; and what it cost
 * meanwhile. Sets up nothing: run.c does. */
#include "load/run.h"

#include "base/clock.h"
#include "load/interrupt.h"

#include <signal.h>

#define NS_PER_S  UINT64_C(1000000000)
#define LINGER_NS (NS_PER_S / 5)

/* --- turns ------------------------------------------------------------------------------------ */

static void show(struct run *r, const char *what, uint64_t done, uint64_t total)
{
    struct text more = {0};
    const struct failures *f = &r->swarm.failures;
    for (size_t i = 0; i < f->count && i < 3; i++)
        text_printf(&more, ", %llu x %s", (unsigned long long)f->at[i].count, f->at[i].what);
    progress_show(&r->progress, what, done, total, text_bytes(&more));
    text_fini(&more);
}

bool run_turn(struct run *r, uint64_t until_ns, const char *what, uint64_t done, uint64_t total)
{
    swarm_turn(&r->swarm, until_ns);
    if (progress_is_due(&r->progress, r->engine.now_ns))
        show(r, what, done, total);
    r->report.interrupted = interrupt_came();
    return !r->report.interrupted;
}

bool run_open(struct run *r)
{
    const struct swarm *s = &r->swarm;
    bool goes_on = true;
    while (goes_on && !swarm_is_settled(s))
        goes_on = run_turn(r, UINT64_MAX, "connected", s->opened, s->plan->count);
    r->report.connect_ns = clock_monotonic_ns() - s->began_ns;
    if (swarm_is_hopeless(s) && s->dialed < s->plan->count)
        failures_add_many(&r->swarm.failures, "not tried: there was no hope",
                          s->plan->count - s->dialed);
    progress_end(&r->progress);
    return goes_on;
}

/* A rest of so many seconds in all, which began then. */
struct rest {
    const char *what;
    uint64_t began_ns, seconds;
};

static ON_REACTOR bool rest_until(struct run *r, const struct rest *rest, uint64_t until_ns)
{
    bool goes_on = !r->report.interrupted;
    while (goes_on && r->engine.now_ns < until_ns)
        goes_on = run_turn(r, until_ns, rest->what, (r->engine.now_ns - rest->began_ns) / NS_PER_S,
                           rest->seconds);
    return goes_on;
}

bool run_rest(struct run *r, uint64_t seconds, const char *what)
{
    const struct rest rest = {what, clock_monotonic_ns(), seconds};
    r->engine.now_ns = rest.began_ns; /* it may have had no turn for long */
    const bool goes_on = rest_until(r, &rest, rest.began_ns + seconds * NS_PER_S);
    progress_end(&r->progress);
    return goes_on;
}

void run_linger(struct run *r)
{
    const uint64_t until_ns = clock_monotonic_ns() + LINGER_NS;
    while (r->engine.now_ns < until_ns)
        run_turn(r, until_ns, "delivered", r->report.checker.delivered, r->report.expected);
}

/* --- figures ---------------------------------------------------------------------------------- */

uint64_t run_server_cpu_ns(struct run *r)
{
    const uint64_t ns = usage_cpu_ns(r->report.pid);
    if (r->report.pid != 0 && ns == 0) {
        r->report.pid = 0;
        r->report.trouble = "the process of --pid ended before the run did";
    }
    return ns;
}

void run_work_begins(struct run *r)
{
    r->before_ns = run_server_cpu_ns(r);
}

void run_work_ends(struct run *r)
{
    r->report.cpu_ns = run_server_cpu_ns(r) - r->before_ns;
}

/* What each connection takes, everybody being there: compared with the time before the first. */
static void measure_memory(struct run *r, const struct usage *now)
{
    const double open = (double)r->swarm.open;
    if (r->swarm.open == 0)
        return;
    r->report.has_memory = true;
    r->report.pss_each = ((double)now->pss_bytes - (double)r->fresh.pss_bytes) / open;
    r->report.kernel_each = ((double)now->kernel_bytes - (double)r->fresh.kernel_bytes) / open;
}

/* Until then, or Ctrl-C. */
static ON_REACTOR bool hold_step(struct run *r, const struct rest *rest, uint64_t until_ns)
{
    const uint64_t before_ns = run_server_cpu_ns(r);
    const bool goes_on = rest_until(r, rest, until_ns);
    const uint64_t used_ns = run_server_cpu_ns(r) - before_ns;
    if (goes_on)
        report_sample(&r->report.held_cpu, used_ns);
    r->report.held_cpu_ns += used_ns;
    return goes_on;
}

bool run_hold(struct run *r, uint64_t seconds)
{
    const struct rest rest = {"held, seconds", clock_monotonic_ns(), seconds};
    const uint64_t step_s = 1 + seconds / REPORT_SAMPLES_MAX;
    struct usage after;
    bool goes_on = r->swarm.open > 0 && !r->report.interrupted;
    r->report.held_step_s = step_s;
    for (uint64_t held_s = 0; goes_on && held_s < seconds;) {
        held_s = held_s + step_s < seconds ? held_s + step_s : seconds;
        goes_on = hold_step(r, &rest, rest.began_ns + held_s * NS_PER_S);
    }
    progress_end(&r->progress);
    r->report.held_ns = clock_monotonic_ns() - rest.began_ns;
    usage_take(r->options->pid, &after);
    (void)run_server_cpu_ns(r); /* is it still there? */
    measure_memory(r, &after);
    return goes_on;
}

/* --- the server's end ------------------------------------------------------------------------- */

static uint64_t gone(const struct swarm *s)
{
    return s->told + s->dropped;
}

void run_drain(struct run *r)
{
    struct swarm *s = &r->swarm;
    const uint64_t before = gone(s), began_ns = clock_monotonic_ns();
    uint64_t moved = before, moved_ns = began_ns;
    r->report.has_drain = true;
    r->report.drain_count = s->open;
    s->draining = true;
    if (kill((pid_t)r->options->pid, SIGTERM) != 0)
        r->report.trouble = "the server was gone before it could be ended";
    while (s->open + s->leaving > 0 && r->engine.now_ns < moved_ns + r->plan.timeout_ns) {
        if (!run_turn(r, UINT64_MAX, "told to leave", gone(s) - before, r->report.drain_count))
            break;
        if (gone(s) != moved)
            moved_ns = r->engine.now_ns;
        moved = gone(s);
    }
    r->report.drain_ns = moved_ns - began_ns;
    progress_end(&r->progress);
}
