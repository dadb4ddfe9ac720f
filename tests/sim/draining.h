/* What a draining server owes: every stream is told that it goes away, but not all at once, and
 * every question that it has read is answered. */
#pragma once

#include "sim/world.h"

struct owed {
    bool is_owed;
    uint64_t number; /* of the connection */
    unsigned reactor;
};

struct draining {
    uint64_t began_ns;
    struct owed owed[PEERS_MAX];
    unsigned conn_count[KERNEL_REACTORS_MAX];
};

/* Notes who is there. Nobody knows yet. */
void draining_begin(struct draining *d, const struct world *w);
/* The reactors are over: lets the peers read what they were sent, and judges it ("drain"). */
void draining_judge(const struct draining *d, struct world *w);
