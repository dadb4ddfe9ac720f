/* idle: everybody connects and does nothing but answer pings. Who is dropped counts as lost. */
#include "load/run.h"

#include "base/clock.h"

enum { HOLD_DEFAULT_S = 10 };

static ON_REACTOR void run_idle(struct run *r)
{
    const uint64_t hold_s =
        r->options->hold_s == OPTION_ABSENT ? HOLD_DEFAULT_S : r->options->hold_s;
    run_open(r);
    run_work_begins(r);
    const uint64_t began_ns = clock_monotonic_ns();
    if (r->swarm.open > 0)
        run_rest(r, hold_s, "held, seconds");
    r->report.held_ns = clock_monotonic_ns() - began_ns;
    run_work_ends(r);
    run_measure_memory(r);
}

const struct mode mode_idle = {.mode = LOAD_IDLE, .run = run_idle};
