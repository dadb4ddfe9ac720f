/* idle: everybody connects and does nothing but answer pings. Who is dropped counts as lost. */
#include "load/run.h"

enum { HOLD_DEFAULT_S = 10 };

static ON_REACTOR void run_idle(struct run *r)
{
    const struct options *o = r->options;
    run_open(r);
    run_hold(r, o->hold_s == OPTION_ABSENT ? HOLD_DEFAULT_S : o->hold_s);
    if (o->drain && !r->report.interrupted)
        run_drain(r);
}

const struct mode mode_idle = {.mode = LOAD_IDLE, .run = run_idle};
