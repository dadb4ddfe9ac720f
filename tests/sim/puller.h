/* A thread of the embedding program that subscribes in the process: it takes messages as
 * uproar_sub_next() does, on its own fiber, and judges what it is given. */
#pragma once

#include "conn/local.h"
#include "sim/audit.h"
#include "sim/fiber.h"
#include "sim/random.h"

struct world;

struct puller {
    struct world *world;
    struct fiber *fiber;
    struct random random; /* its own: other runs are as they were without it */
    struct local *local;  /* NULL: it subscribes to nothing */
    struct audit audit;
    char name[16];
    uint64_t next_ns; /* when it goes on; UINT64_MAX: when it is woken */
    unsigned reactor;
    bool is_rung; /* its descriptor is readable */
    bool is_slow; /* pauses between messages */
    bool dozes;   /* takes nothing while the server drains */
    bool leaves;  /* and does not come back */
};

void puller_init(struct puller *p, struct world *w, unsigned index);
void puller_fini(struct puller *p);
/* It has all there is, and waits for more, or has left. */
bool puller_is_at_rest(const struct puller *p);
