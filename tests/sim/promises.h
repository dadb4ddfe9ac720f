/* The promises that need a view of everything, rather than one peer's. */
#pragma once

#include "sim/world.h"

/* At any time: what is bounded stays within its bounds. */
void promises_limits(const struct world *w);
/* At any time: each reactor retains all that it owes, and nothing that is too old. */
void promises_retention(const struct world *w);
/* At rest: nobody who behaved was kept waiting. */
void promises_latency(const struct world *w);
/* When everybody has left: nothing of them is kept. */
void promises_let_go(const struct world *w);
