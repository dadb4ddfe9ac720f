/* connect: everybody is let in and leaves at once. What counts is how fast that goes. */
#include "load/run.h"

static ON_REACTOR void on_opened(void *user, uint32_t slot)
{
    struct run *r = user;
    swarm_leave(&r->swarm, slot);
}

static ON_REACTOR void run_connect(struct run *r)
{
    run_work_begins(r);
    run_open(r);
    run_work_ends(r);
}

const struct mode mode_connect = {
    .mode = LOAD_CONNECT, .hooks = {.opened = on_opened}, .run = run_connect};
